//! Statements that people are told, as PostgreSQL reads them.

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{foreign_key::ForeignKeyOptions, rights::Right},
        hints::{Column, Grant, Hints, On, Row},
    },
    engine::postgres::sql_name::{sql_name, sql_regclass, sql_table, sql_text, sql_type},
    passwords::{Coat, Mistagged},
};

/// What people are told of a database of PostgreSQL's, for those who have no session.
pub fn hints() -> &'static dyn Hints {
    &Statements
}

/// The engine's own words.
#[derive(Debug)]
struct Statements;

/// Characters of a stored password in every format that is read, as a class of a regular expression.
const CHARACTERS: &str = "[A-Za-z0-9$./+=,:_@{}-]";

/// The same as they are written as bytes.
const BYTES: &str = "([2-7][0-9a-f])";

/// A table, or a sequence.
fn named(object: &ObjectRef) -> String {
    sql_table(&object.schema, &object.table)
}

fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| sql_name(name)).collect::<Vec<_>>().join(", ")
}

/// Table and column.
fn parts(column: Column<'_>) -> (String, String) {
    (named(column.table), sql_name(column.name))
}

/// The constraint that an object names.
fn constraint(object: &ObjectRef) -> String {
    sql_name(object.constraint.as_deref().unwrap_or_default())
}

/// A sequence within the quotes of a text that is read as a `regclass`.
fn within_quotes(sequence: &ObjectRef) -> String {
    named(sequence).replace('\'', "''")
}

impl Hints for Statements {
    fn default_schema(&self) -> &'static str {
        "public"
    }

    fn name(&self, object: &ObjectRef) -> String {
        named(object)
    }

    fn is_text(&self, column_type: &str) -> bool {
        column_type == "text"
            || column_type == "character varying"
            || column_type.starts_with("character varying(")
    }

    fn grant(&self, role: Option<&str>, grant: Grant<'_>) -> String {
        let rights = grant.rights.iter().map(Right::to_string).collect::<Vec<_>>().join(", ");
        let what = match grant.on {
            On::Table(table) => format!("{rights} ON {}", named(table)),
            On::Columns(table) => format!("{rights} ({}) ON {}", list(&table.columns), named(table)),
            On::Sequence(sequence) => format!("{rights} ON SEQUENCE {}", named(sequence)),
        };
        format!("GRANT {what} TO {}", role.map_or_else(|| "the role".to_owned(), sql_name))
    }

    fn convert_column(&self, column: Column<'_>, to: &str, as_text: bool, without_default: bool) -> String {
        let (table, column) = parts(column);
        // A number may have white space around it, as a file with CR leaves it, and a uuid may not.
        let bare = match as_text && to == "uuid" {
            true => format!(r"btrim({column}::text, E' \t\n\r\f\x0B')"),
            false => column.clone(),
        };
        let to = sql_type(to);
        let default = match without_default {
            true => format!("ALTER COLUMN {column} DROP DEFAULT, "),
            false => String::new(),
        };
        format!("ALTER TABLE {table} {default}ALTER COLUMN {column} TYPE {to} USING {bare}::{to}")
    }

    fn text_column(&self, column: Column<'_>, characters: usize) -> String {
        let (table, column) = parts(column);
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar({characters})")
    }

    fn widen_text(&self, column: Column<'_>, characters: usize) -> String {
        let (table, column) = parts(column);
        format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE character varying({characters})")
    }

    fn keep_apart(&self, column: Column<'_>, primary: bool) -> String {
        let ((table, column), kind) = (parts(column), if primary { "PRIMARY KEY" } else { "UNIQUE" });
        format!("ALTER TABLE {table} ADD {kind} ({column})")
    }

    fn add_foreign_key(
        &self,
        from: &ObjectRef,
        columns: &[String],
        to: &ObjectRef,
        referenced: &[String],
    ) -> String {
        format!(
            "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({}) NOT VALID",
            named(from),
            list(columns),
            named(to),
            list(referenced)
        )
    }

    fn replace_foreign_key(
        &self,
        key: &ObjectRef,
        to: Column<'_>,
        options: &ForeignKeyOptions,
        unchecked: bool,
    ) -> Option<String> {
        let [column] = key.columns.as_slice() else { return None };
        let name = sql_name(key.constraint.as_deref()?);
        let (table, id) = parts(to);
        Some(format!(
            "ALTER TABLE {} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} FOREIGN KEY ({}) REFERENCES {table} ({id}){}{}",
            named(key),
            sql_name(column),
            options.clauses().concat(),
            if unchecked { " NOT VALID" } else { "" }
        ))
    }

    fn between_the_keys(&self) -> &'static str {
        "between its DROP and its ADD"
    }

    fn validate(&self, key: &ObjectRef) -> String {
        format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", named(key), constraint(key))
    }

    fn enforce(&self, key: &ObjectRef) -> String {
        format!("ALTER TABLE {} ALTER CONSTRAINT {} ENFORCED", named(key), constraint(key))
    }

    fn drop_constraint(&self, table: &ObjectRef, name: &str) -> String {
        format!("ALTER TABLE {} DROP CONSTRAINT {}", named(table), sql_name(name))
    }

    fn enable_triggers(&self, table: &ObjectRef, names: &[&str]) -> String {
        let names: Vec<String> =
            names.iter().map(|name| format!("ENABLE TRIGGER {}", sql_name(name))).collect();
        format!("ALTER TABLE {} {};", named(table), names.join(", "))
    }

    fn disinherit(&self, child: &str, parent: &str) -> String {
        format!("ALTER TABLE {child} NO INHERIT {parent}")
    }

    fn create_sequence(&self, sequence: &ObjectRef, start: i64) -> String {
        format!("CREATE SEQUENCE {} START {start}", named(sequence))
    }

    fn default_from(&self, column: Column<'_>, sequence: &ObjectRef) -> String {
        let (table, column) = parts(column);
        let sequence = within_quotes(sequence);
        format!("ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT nextval('{sequence}'::regclass)")
    }

    fn extend_sequence(&self, sequence: &ObjectRef, descends: bool, end: i64) -> String {
        let limit = if descends { "MINVALUE" } else { "MAXVALUE" };
        format!("ALTER SEQUENCE {} AS bigint {limit} {end}", named(sequence))
    }

    fn draw(&self, sequence: &ObjectRef) -> String {
        format!("SELECT nextval('{}')", within_quotes(sequence))
    }

    fn move_past(&self, sequence: &ObjectRef, id: i64) -> String {
        format!(
            "SELECT setval('{}', greatest({id}, (SELECT last_value FROM {})))",
            within_quotes(sequence),
            named(sequence)
        )
    }

    fn set_sequence(&self, sequence: &ObjectRef, id: i64, given: bool) -> String {
        let name = sql_regclass(&sequence.schema, &sequence.table);
        format!("SELECT setval({name}, {id}{})", if given { "" } else { ", false" })
    }

    fn list_shared(&self, id: Column<'_>, columns: &[&str]) -> String {
        let (table, id) = parts(id);
        let mut shown = vec![id.clone()];
        shown.extend(columns.iter().map(|name| sql_name(name)));
        shown.dedup();
        format!(
            "SELECT {} FROM {table} WHERE {id} IN (SELECT {id} FROM {table} GROUP BY {id} HAVING count(*) > 1) ORDER BY {id}",
            shown.join(", ")
        )
    }

    fn delete_copies(&self, id: Column<'_>, partitioned: bool) -> String {
        let (table, id) = parts(id);
        let place = |row: &str| match partitioned {
            true => format!("({row}.tableoid, {row}.ctid)"),
            false => format!("{row}.ctid"),
        };
        format!(
            "DELETE FROM {table} extra USING {table} kept WHERE extra.{id} = kept.{id} AND {} > {} AND ROW(extra.*)::text = ROW(kept.*)::text",
            place("extra"),
            place("kept"),
        )
    }

    fn rename(&self, account: Row<'_>, login_column: &str) -> String {
        let (table, key) = (named(account.table), sql_name(account.key));
        format!(
            "UPDATE {table} SET {} = concat('unused-', {key}, '@example.invalid') WHERE {key} = {}",
            sql_name(login_column),
            sql_text(account.id)
        )
    }

    fn set_login(&self, account: Row<'_>, login_column: &str, login: &str) -> String {
        format!(
            "UPDATE {} SET {} = {} WHERE {} = {}",
            named(account.table),
            sql_name(login_column),
            sql_text(login),
            sql_name(account.key),
            sql_text(account.id)
        )
    }

    // No backslash in the following, which not every session reads alike.

    fn uncoat(&self, column: Column<'_>, coat: Coat, beginnings: &[&str]) -> Option<String> {
        let (table, column) = parts(column);
        let any = |written: fn(&str) -> String| {
            let begins: Vec<String> = beginnings.iter().map(|begins| written(begins)).collect();
            begins.join("|")
        };
        if beginnings.is_empty() {
            return None;
        }
        let (text, so) = match coat {
            Coat::PythonBytes => {
                let form = format!("^b['\"]({}){CHARACTERS}+['\"]$", any(literally));
                (
                    format!("substr({column}, 3, length({column}) - 3)"),
                    format!("{column} ~ {}", sql_text(&form)),
                )
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
        Some(format!("UPDATE {table} SET {column} = {text} WHERE {so}"))
    }

    fn retag(&self, column: Column<'_>, account: (&str, &str), what: Mistagged) -> Option<String> {
        let (table, column) = parts(column);
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
                let salt = format!(
                    "translate(rtrim(encode(convert_to({}, 'UTF8'), 'base64'), '='), '+', '.')",
                    part(4)
                );
                let text = format!("concat_ws('$', '', {}, {}, {salt}, {})", part(2), part(3), part(5));
                (text, "$pbkdf2".to_owned())
            }
            Mistagged::EncodedSalt => return None,
        };
        let (login_column, login) = (sql_name(account.0), sql_text(account.1));
        Some(format!(
            "UPDATE {table} SET {column} = {text} WHERE {login_column} = {login} AND starts_with({column}, {})",
            sql_text(&begins)
        ))
    }

    fn rewrite_prefix(&self, column: Column<'_>, stored: &str, wanted: &str) -> String {
        let (table, column) = parts(column);
        format!(
            "UPDATE {table} SET {column} = {} || substr({column}, {}) WHERE starts_with({column}, {})",
            sql_text(wanted),
            stored.len() + 1,
            sql_text(stored)
        )
    }

    fn set_ledger_aside(&self) -> &'static str {
        "ALTER SCHEMA auth_consistency RENAME TO auth_consistency_set_aside"
    }
}

/// Each character that means something in a regular expression in a class of its own.
fn literally(text: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("[{c}]") };
    text.chars().map(one).collect()
}

fn in_bytes(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
