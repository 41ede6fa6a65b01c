//! Names of what a refusal is about: those that the catalog had before the transaction that failed. Whatever was made
//! or called something on the way may have been given a row's content for its name.

use sqlx::{PgConnection, Row, postgres::PgDatabaseError};

use crate::{
    domain::text::clip,
    engine::postgres::{sql::Sql, sql_name::sql_table},
};

/// Source files whose errors name tables, columns, constraints and types in fields of their own, and take them out
/// of the catalogue.
const NAMING: [&str; 12] = [
    "ri_triggers.c",
    "nbtinsert.c",
    "execMain.c",
    "execIndexing.c",
    "execExprInterp.c",
    "execPartition.c",
    "domains.c",
    "tablecmds.c",
    "index.c",
    "partbounds.c",
    "tuplesort.c",
    "tuplesortvariants.c",
];

/// How the server says that something may not be done (`aclchk.c`), before what it is and what it is called.
const DENIED: [&str; 2] = ["permission denied for ", "must be owner of "];

/// How it says that it would hide rows (`rls.c`), before the table's name in quotes.
const HIDES: &str = "query would be affected by row-level security policy for table ";

/// What the server calls kinds of things that rights are on (`aclcheck_error`, versions 13 to 18), and the catalog in
/// which such a one has its name, where that is told. What has the name of another one within its own comes first.
const KINDS: [(&str, Option<&str>); 35] = [
    ("access method", None),
    ("aggregate", Some("pg_proc")),
    ("collation", None),
    ("column", None),
    ("conversion", None),
    ("database", None),
    ("default conversion", None),
    ("domain", Some("pg_type")),
    ("event trigger", None),
    ("extension", None),
    ("foreign-data wrapper", None),
    ("foreign server", None),
    ("foreign table", Some("pg_class")),
    ("function", Some("pg_proc")),
    ("index", Some("pg_class")),
    ("language", None),
    ("large object", None),
    ("materialized view", Some("pg_class")),
    ("operator class", None),
    ("operator family", None),
    ("operator", None),
    ("parameter", None),
    ("policy", None),
    ("procedure", Some("pg_proc")),
    ("publication", None),
    ("relation", Some("pg_class")),
    ("routine", Some("pg_proc")),
    ("schema", Some("pg_namespace")),
    ("sequence", Some("pg_class")),
    ("statistics object", None),
    ("subscription", None),
    ("table", Some("pg_class")),
    ("tablespace", None),
    ("type", Some("pg_type")),
    ("view", Some("pg_class")),
];

/// What a refusal is about, out of the server's own text.
struct Denied<'a> {
    /// What is said of it, in words of ours.
    says: &'static str,
    /// What it is.
    kind: &'static str,
    /// In which catalog it has its name.
    catalog: Option<&'static str>,
    /// What the server calls it.
    name: &'a str,
}

impl<'a> Denied<'a> {
    fn of(message: &'a str) -> Option<Self> {
        if let Some(name) = message.strip_prefix(HIDES) {
            let says = "a row-level security policy would hide rows of";
            return Some(Self {
                says,
                kind: "table",
                catalog: Some("pg_class"),
                name: name.trim_matches('"'),
            });
        }
        let (says, rest) =
            DENIED.iter().find_map(|says| Some((says.trim_end(), message.strip_prefix(says)?)))?;
        KINDS.iter().find_map(|(kind, catalog)| {
            let name = rest.strip_prefix(kind)?.strip_prefix(' ')?;
            Some(Self { says, kind, catalog: *catalog, name })
        })
    }
}

/// What the server refused for want of a right, without what it calls that thing.
pub(super) fn denied(error: &PgDatabaseError) -> Option<String> {
    Denied::of(error.message()).map(|denied| {
        let article = if denied.kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        format!("{} {article} {}", denied.says, denied.kind)
    })
}

/// The constraint, column and table that are concerned, or what a right is missing on, to stand behind what was
/// refused: those that the catalog has, and had before the transaction that this is asked in changed anything. What
/// failed must have been taken back.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn names(
    connection: &mut PgConnection,
    error: &PgDatabaseError,
) -> Result<String, sqlx::Error> {
    if super::is_of_rights(error) {
        return rights(connection, error).await;
    }
    if !error.file().is_some_and(|file| NAMING.contains(&file)) {
        return Ok(String::new());
    }
    // Temporary ones stay for the session. A row of the catalog is of before where its transaction is older than this
    // one, of which it may be a part that was not taken back.
    let mut sql = Sql::new(
        "WITH said AS (SELECT s.*, (SELECT n.oid FROM pg_catalog.pg_namespace n \
           WHERE n.nspname OPERATOR(pg_catalog.=) s.space::pg_catalog.name \
           AND pg_catalog.age(n.xmin) OPERATOR(pg_catalog.>) 0) AS home FROM (SELECT ",
    );
    let text = |said: Option<&str>| said.map(str::to_owned);
    sql.text_or_null(text(error.schema())).add(" AS space, ").text_or_null(text(error.table()));
    sql.add(" AS rel, ").text_or_null(text(error.column())).add(" AS part, ");
    sql.text_or_null(text(error.data_type())).add(" AS kind, ").text_or_null(text(error.constraint()));
    sql.add(
        " AS held) s), place AS (SELECT s.*, c.oid FROM said s JOIN pg_catalog.pg_class c \
           ON c.relnamespace OPERATOR(pg_catalog.=) s.home AND c.relname OPERATOR(pg_catalog.=) s.rel::pg_catalog.name \
           AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\" \
           AND pg_catalog.age(c.xmin) OPERATOR(pg_catalog.>) 0) \
         SELECT EXISTS (SELECT FROM place), \
           EXISTS (SELECT FROM place p JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.oid \
             AND a.attname OPERATOR(pg_catalog.=) p.part::pg_catalog.name AND NOT a.attisdropped \
             AND pg_catalog.age(a.xmin) OPERATOR(pg_catalog.>) 0), \
           EXISTS (SELECT FROM place p JOIN pg_catalog.pg_constraint k ON k.conrelid OPERATOR(pg_catalog.=) p.oid \
             AND k.conname OPERATOR(pg_catalog.=) p.held::pg_catalog.name \
             AND pg_catalog.age(k.xmin) OPERATOR(pg_catalog.>) 0) \
           OR EXISTS (SELECT FROM place p JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) p.oid \
             JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid \
             AND x.relname OPERATOR(pg_catalog.=) p.held::pg_catalog.name \
             AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) 0) \
           OR EXISTS (SELECT FROM said s JOIN pg_catalog.pg_type t ON t.typnamespace OPERATOR(pg_catalog.=) s.home \
             AND t.typname OPERATOR(pg_catalog.=) s.kind::pg_catalog.name \
             JOIN pg_catalog.pg_constraint k ON k.contypid OPERATOR(pg_catalog.=) t.oid \
             AND k.conname OPERATOR(pg_catalog.=) s.held::pg_catalog.name \
             AND pg_catalog.age(k.xmin) OPERATOR(pg_catalog.>) 0 \
             WHERE s.home OPERATOR(pg_catalog.<>) pg_catalog.pg_my_temp_schema())",
    );
    let row = sql.one(connection).await?;
    let (table, column, constraint): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let mut text = String::new();
    if let Some(constraint) = error.constraint().filter(|_| constraint) {
        text.push_str(&format!(", constraint {:?}", name(constraint)));
    }
    if let Some(column) = error.column().filter(|_| column) {
        text.push_str(&format!(", column {:?}", name(column)));
    }
    if let (Some(schema), Some(relation), true) = (error.schema(), error.table(), table) {
        text.push_str(&format!(", table {}", sql_table(&name(schema), &name(relation))));
    }
    Ok(text)
}

/// What a right is missing on, where the catalog had something of that name before.
async fn rights(connection: &mut PgConnection, error: &PgDatabaseError) -> Result<String, sqlx::Error> {
    let Some(Denied { kind, catalog: Some(catalog), name: said, .. }) = Denied::of(error.message()) else {
        return Ok(String::new());
    };
    let mut sql = Sql::new("SELECT n.nspname::pg_catalog.text, o.name::pg_catalog.text FROM (");
    sql.add(match catalog {
        "pg_class" => {
            "SELECT c.relname AS name, c.relnamespace AS home, c.xmin FROM pg_catalog.pg_class c \
             WHERE c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\""
        }
        "pg_proc" => "SELECT p.proname AS name, p.pronamespace AS home, p.xmin FROM pg_catalog.pg_proc p",
        "pg_type" => "SELECT t.typname AS name, t.typnamespace AS home, t.xmin FROM pg_catalog.pg_type t",
        _ => "SELECT s.nspname AS name, s.oid AS home, s.xmin FROM pg_catalog.pg_namespace s",
    });
    sql.add(
        ") o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.home \
         WHERE pg_catalog.age(o.xmin) OPERATOR(pg_catalog.>) 0 AND pg_catalog.age(n.xmin) OPERATOR(pg_catalog.>) 0 \
         AND NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_') AND (o.name::pg_catalog.text \
           OPERATOR(pg_catalog.=) ",
    );
    // Of a type the server tells the schema, too, where its own path does not lead there.
    sql.text(said)
        .add(" OR pg_catalog.format('%I.%I', n.nspname, o.name) OPERATOR(pg_catalog.=) ")
        .text(said);
    sql.add(") LIMIT 2");
    let rows = sql.all(connection).await?;
    let Some(row) = rows.first() else { return Ok(String::new()) };
    let (schema, called): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    // Which of several it was is not known.
    let shown = match rows.len() {
        1 if catalog != "pg_namespace" => sql_table(&name(&schema), &name(&called)),
        _ => format!("{:?}", name(&called)),
    };
    Ok(format!(", {kind} {shown}"))
}

/// Something that the catalog has a row of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thing {
    /// In which catalog that is.
    pub catalog: &'static str,
    /// The object id of what it belongs to: of its table, where it is a part of one.
    pub oid: i64,
}

/// What something was called before the transaction that failed and was taken back; `None` where it was not there.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn called(
    connection: &mut PgConnection,
    thing: Thing,
) -> Result<Option<String>, sqlx::Error> {
    let mut sql = Sql::new("SELECT n.nspname::pg_catalog.text, o.name::pg_catalog.text FROM (");
    sql.add(match thing.catalog {
        "pg_type" => {
            "SELECT t.oid, t.typname AS name, t.typnamespace AS home, t.xmin FROM pg_catalog.pg_type t"
        }
        "pg_proc" => {
            "SELECT p.oid, p.proname AS name, p.pronamespace AS home, p.xmin FROM pg_catalog.pg_proc p"
        }
        "pg_constraint" => {
            "SELECT k.oid, k.conname AS name, k.connamespace AS home, k.xmin FROM pg_catalog.pg_constraint k"
        }
        "pg_rewrite" => {
            "SELECT r.oid, r.rulename AS name, c.relnamespace AS home, r.xmin FROM pg_catalog.pg_rewrite r \
             JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.ev_class"
        }
        "pg_trigger" => {
            "SELECT g.oid, g.tgname AS name, c.relnamespace AS home, g.xmin FROM pg_catalog.pg_trigger g \
             JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) g.tgrelid"
        }
        "pg_namespace" => {
            "SELECT s.oid, s.nspname AS name, s.oid AS home, s.xmin FROM pg_catalog.pg_namespace s"
        }
        _ => "SELECT c.oid, c.relname AS name, c.relnamespace AS home, c.xmin FROM pg_catalog.pg_class c",
    });
    sql.add(
        ") o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.home \
         WHERE pg_catalog.age(o.xmin) OPERATOR(pg_catalog.>) 0 AND pg_catalog.age(n.xmin) OPERATOR(pg_catalog.>) 0 \
         AND o.oid OPERATOR(pg_catalog.=) ",
    );
    sql.integer(thing.oid).add("::pg_catalog.oid");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    let (schema, called): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Some(match thing.catalog {
        "pg_namespace" | "pg_constraint" | "pg_rewrite" | "pg_trigger" => format!("{:?}", name(&called)),
        _ => sql_table(&name(&schema), &name(&called)),
    }))
}

/// No name of PostgreSQL's is longer than 63 bytes.
fn name(name: &str) -> String {
    clip(name, 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_right_is_missing_on_is_told_from_what_it_is_called() {
        for (message, told) in [
            ("permission denied for table users", Some(("table", "users"))),
            ("permission denied for tablespace users", Some(("tablespace", "users"))),
            ("permission denied for materialized view a view b", Some(("materialized view", "a view b"))),
            ("permission denied for foreign table x", Some(("foreign table", "x"))),
            ("must be owner of operator class x", Some(("operator class", "x"))),
            (
                "permission denied for column \"a\" of relation \"b\"",
                Some(("column", "\"a\" of relation \"b\"")),
            ),
            ("query would be affected by row-level security policy for table \"x\"", Some(("table", "x"))),
            ("permission denied for secret", None),
            ("permission denied", None),
            ("secret", None),
        ] {
            let denied = Denied::of(message).map(|denied| (denied.kind, denied.name));
            assert_eq!(denied, told, "{message}");
        }
    }
}
