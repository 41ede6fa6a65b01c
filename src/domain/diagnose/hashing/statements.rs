//! Statements that a person runs to mend stored passwords whose digest is whole. Each goes by the form of what is stored,
//! so that rows in any other form stay as they are, and has no backslash, which not every session reads alike.

use crate::{
    domain::{
        facts::schema::UserTable,
        sql_name::{sql_name, sql_table, sql_text, statement},
    },
    passwords::{self, Coat, Description, Mistagged},
};

/// Characters of a stored password in every format that is read, as a class of a regular expression.
const CHARACTERS: &str = "[A-Za-z0-9$./+=,:_@{}-]";

/// The same as they are written as bytes.
const BYTES: &str = "([2-7][0-9a-f])";

/// Table and password column as SQL, where that is a column of text.
fn names(users: &UserTable) -> Option<(String, String)> {
    let (column, of) = (users.password_column.as_ref()?, users.password_type.as_deref()?);
    let text = of == "text" || of == "character varying" || of.starts_with("character varying(");
    text.then(|| (sql_table(&users.object.schema, &users.object.table), sql_name(column)))
}

/// Makes text of what Python or PostgreSQL wrote as bytes.
pub(in crate::domain) fn unpack(users: &UserTable, seems: &Description) -> Option<String> {
    let Description::Coated { coat, inside } = seems else { return None };
    let Description::Readable(format) = **inside else { return None };
    let (table, column) = names(users)?;
    let begins = passwords::beginnings(format.family);
    let any = |written: fn(&str) -> String| {
        let begins: Vec<String> = begins.iter().map(|begins| written(begins)).collect();
        begins.join("|")
    };
    if begins.is_empty() {
        return None;
    }
    let (text, so) = match coat {
        Coat::PythonBytes => {
            let form = format!("^b['\"]({}){CHARACTERS}+['\"]$", any(literally));
            (format!("substr({column}, 3, length({column}) - 3)"), format!("{column} ~ {}", sql_text(&form)))
        }
        Coat::Bytea => {
            let form = format!("^({}){BYTES}+$", any(in_bytes));
            (
                format!("convert_from(decode(substr({column}, 3), 'hex'), 'UTF8')"),
                format!(
                    "starts_with({column}, chr(92) || 'x') AND substr({column}, 3) ~* {}",
                    sql_text(&form)
                ),
            )
        }
        _ => return None,
    };
    whole(format!("UPDATE {table} SET {column} = {text} WHERE {so}"))
}

/// Each character that means something in a regular expression in a class of its own.
fn literally(text: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("[{c}]") };
    text.chars().map(one).collect()
}

fn in_bytes(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Gives the hash of one account the tag, or the salt the form, that is right.
pub(in crate::domain) fn retag(
    users: &UserTable,
    (login_column, login): (&str, &str),
    what: Mistagged,
) -> Option<String> {
    let (table, column) = names(users)?;
    let (text, begins) = match what {
        Mistagged::Tag { stored, right, .. } => {
            let rest = match stored {
                "" => column.clone(),
                tag => format!("substr({column}, {})", tag.len() + 1),
            };
            let text = if right.is_empty() { rest } else { format!("{} || {rest}", sql_text(right)) };
            (text, format!("{stored}$2"))
        }
        Mistagged::PlainSalt => {
            let part = |at: u8| format!("split_part({column}, '$', {at})");
            let salt =
                format!("translate(rtrim(encode(convert_to({}, 'UTF8'), 'base64'), '='), '+', '.')", part(4));
            let text = format!("concat_ws('$', '', {}, {}, {salt}, {})", part(2), part(3), part(5));
            (text, "$pbkdf2".to_owned())
        }
        Mistagged::EncodedSalt => return None,
    };
    let (begins, login) = (sql_text(&begins), sql_text(login));
    whole(format!(
        "UPDATE {table} SET {column} = {text} WHERE {} = {login} AND starts_with({column}, {begins})",
        sql_name(login_column)
    ))
}

/// Writes one prefix of bcrypt in place of another.
pub(in crate::domain) fn reprefix(users: &UserTable, stored: &str, named: &str) -> Option<String> {
    let (table, column) = names(users)?;
    let (begins, named) = (sql_text(stored), sql_text(named));
    whole(format!(
        "UPDATE {table} SET {column} = {named} || substr({column}, {}) WHERE starts_with({column}, {begins})",
        stored.len() + 1
    ))
}

/// A statement that a message has room for; what would be cut is left out.
fn whole(sql: String) -> Option<String> {
    (statement(sql.clone()) == sql).then_some(sql)
}
