//! Statements that a person runs to mend stored passwords whose digest is whole.

use crate::{
    domain::{
        facts::schema::UserTable,
        hints::{Column, Hints},
        text::statement,
    },
    passwords::{self, Description, Mistagged},
};

/// The password column, where that is a column of text.
fn column<'a>(hints: &dyn Hints, users: &'a UserTable) -> Option<Column<'a>> {
    let (name, of) = (users.password_column.as_ref()?, users.password_type.as_deref()?);
    hints.is_text(of).then_some(Column { table: &users.object, name })
}

/// Makes text of what Python or PostgreSQL wrote as bytes.
pub(in crate::domain) fn unpack(hints: &dyn Hints, users: &UserTable, seems: &Description) -> Option<String> {
    let Description::Coated { coat, inside } = seems else { return None };
    let Description::Readable(format) = **inside else { return None };
    let begins = passwords::beginnings(format.family);
    hints.uncoat(column(hints, users)?, *coat, &begins).and_then(whole)
}

/// Gives the hash of one account the tag, or the salt the form, that is right.
pub(in crate::domain) fn retag(
    hints: &dyn Hints,
    users: &UserTable,
    account: (&str, &str),
    what: Mistagged,
) -> Option<String> {
    hints.retag(column(hints, users)?, account, what).and_then(whole)
}

/// Writes one prefix of bcrypt in place of another.
pub(in crate::domain) fn reprefix(
    hints: &dyn Hints,
    users: &UserTable,
    stored: &str,
    named: &str,
) -> Option<String> {
    whole(hints.rewrite_prefix(column(hints, users)?, stored, named))
}

/// A statement that a message has room for; what would be cut is left out.
fn whole(sql: String) -> Option<String> {
    (statement(sql.clone()) == sql).then_some(sql)
}
