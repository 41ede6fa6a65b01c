//! Sequences that a default only names: `nextval('users_seq'::text)`, as apps write it and as dumps of old servers
//! have it. The text is read anew for each row, so that nothing in the catalog ties the two together.
//!
//! Nothing is evaluated: what is not one of these shapes, nobody can tell from here.

use sqlx::{PgConnection, Row};

use super::{FACTS, Giver, read};
use crate::{api::report::ObjectRef, domain::facts::Untold, engine::postgres::sql::Sql};

/// PostgreSQL 15 manual, section 4.1.1: what is longer is cut.
const LONGEST_NAME: usize = 63;

/// What a default that is tied to no sequence gives.
pub(super) async fn giver(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Giver, sqlx::Error> {
    // A column without a default of its own has that of its domain. What somebody made is above the first object
    // id that users get; functions of PostgreSQL that touch sequences are known by their names.
    let mut sql = Sql::new(
        "SELECT x.text, EXISTS (SELECT FROM regexp_matches(x.tree, ':(funcid|opfuncid) ([0-9]+)', 'g') AS f(m) \
           WHERE f.m[2]::int8 >= 16384), \
         EXISTS (SELECT FROM regexp_matches(x.tree, ':funcid ([0-9]+)', 'g') AS f(m) JOIN pg_proc p ON p.oid = f.m[1]::oid \
           WHERE p.proname IN ('nextval', 'currval', 'lastval', 'setval')) \
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         JOIN pg_type t ON t.oid = a.atttypid \
         CROSS JOIN LATERAL (SELECT CASE WHEN d.oid IS NOT NULL THEN pg_get_expr(d.adbin, d.adrelid) \
           ELSE pg_get_expr(t.typdefaultbin, 0) END AS text, coalesce(d.adbin, t.typdefaultbin)::text AS tree) x \
         WHERE a.attgenerated = '' AND a.attidentity = '' AND a.attrelid = ",
    );
    sql.integer(table).add("::oid AND a.attname::text = ").text(column).add(" AND x.text IS NOT NULL");
    let Some(row) = sql.optional(connection).await? else { return Ok(Giver::Other) };
    let default: String = row.try_get(0)?;
    let (foreign, draws): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
    match named(&default).filter(|_| !foreign) {
        Some(parts) => by_name(connection, default, &parts).await,
        None if foreign || draws => Ok(Giver::Untold(Untold::Expression(default))),
        None => Ok(Giver::Other),
    }
}

/// Which sequence a name is. Without a schema it is the first one on the path of whoever inserts, which nobody knows
/// here: only where there is but one of that name, it can be no other.
async fn by_name(
    connection: &mut PgConnection,
    default: String,
    parts: &[String],
) -> Result<Giver, sqlx::Error> {
    let (schema, name) = match parts {
        [name] => (None, name),
        [schema, name] => (Some(schema), name),
        _ => return Ok(Giver::Untold(Untold::Expression(default))),
    };
    let mut sql = Sql::new("SELECT ");
    sql.add(FACTS).add(
        ", c.oid IS NOT NULL, o.relname::text FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace \
         LEFT JOIN pg_class c ON c.oid = o.oid AND c.relkind = 'S' LEFT JOIN pg_sequence s ON s.seqrelid = c.oid \
         WHERE n.nspname !~ '^pg_(temp|toast)' AND o.relname::text = ",
    );
    sql.text(name);
    if let Some(schema) = schema {
        sql.add(" AND n.nspname::text = ").text(schema);
    }
    sql.add(" ORDER BY n.nspname::text");
    let found = sql.all(connection).await?;
    if let [row] = found.as_slice()
        && row.try_get::<bool, _>(10)?
    {
        return Ok(Giver::Sequence(read(row, true)?));
    }
    let mut among = Vec::with_capacity(found.len());
    for row in &found {
        among.push(ObjectRef { schema: row.try_get(0)?, table: row.try_get(11)?, ..ObjectRef::default() });
    }
    Ok(Giver::Untold(Untold::ByName { default, schema: schema.cloned(), name: name.clone(), among }))
}

/// The triggers that may give a column without a default its value, as far as the text of their functions says so.
/// Nothing of them is run.
pub(super) async fn triggers(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Vec<String>, sqlx::Error> {
    // src/include/catalog/pg_trigger.h: 1 is for each row, 2 is before, 4 is for INSERT.
    let mut sql = Sql::new(
        "SELECT t.tgname::text FROM pg_attribute a JOIN pg_trigger t ON t.tgrelid = a.attrelid \
         JOIN pg_proc p ON p.oid = t.tgfoid \
         WHERE NOT a.atthasdef AND a.attidentity = '' AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') \
         AND t.tgtype & 7 = 7 AND (p.prosrc ~* '\\mnextval\\M' \
           OR EXISTS (SELECT FROM translate(lower(p.prosrc), E'\" \\t\\r\\n', '') AS f(text) \
             WHERE position('new.' || lower(a.attname) || ':=' IN f.text) > 0 \
             OR position('intonew.' || lower(a.attname) || ';' IN f.text) > 0)) \
         AND a.attrelid = ",
    );
    sql.integer(table).add("::oid AND a.attname::text = ").text(column).add(" ORDER BY t.tgname::text");
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The name in a default that is `nextval` of a constant text and at most one cast, as `pg_get_expr` writes it.
fn named(default: &str) -> Option<Vec<String>> {
    let call = match default.strip_prefix('(') {
        Some(inner) => {
            let (call, cast) = inner.rsplit_once(")::")?;
            plain_type(cast).then_some(call)?
        }
        None => default,
    };
    let argument = call.strip_prefix("nextval(")?.strip_suffix(')')?;
    let text =
        argument.strip_prefix('(').and_then(|inner| inner.strip_suffix(")::regclass")).unwrap_or(argument);
    let literal = text.strip_suffix("::text").or_else(|| text.strip_suffix("::character varying"))?;
    parts(&unquoted(literal)?)
}

/// Whether it is a type of PostgreSQL's own, with its modifiers.
fn plain_type(cast: &str) -> bool {
    let (name, modifiers) = cast.split_once('(').unwrap_or((cast, ")"));
    let digits = modifiers.strip_suffix(')');
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
        && digits.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == ',' || c == ' '))
}

/// What a string constant says; `None` for one with escapes.
fn unquoted(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => return None,
            '\'' if rest.next() != Some('\'') => return None,
            c => text.push(c),
        }
    }
    Some(text)
}

/// The parts of a name as `regclass` reads them: without quotes in small letters. What the server may read
/// otherwise than it is read here, as letters beyond ASCII without quotes, is not read.
fn parts(name: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => in_quotes(quoted)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (bare, after) = rest.split_at_checked(end)?;
                let first = bare.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
                let plain = bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
                (first && plain).then_some(())?;
                (bare.to_ascii_lowercase(), after)
            }
        };
        if part.is_empty() || part.len() > LONGEST_NAME {
            return None;
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

/// A part in quotes, from behind the first of them, and what follows it.
fn in_quotes(quoted: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                part.push('"');
                rest = more;
            }
            None => return Some((part, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_read_from_the_shapes_that_draw_by_it_and_from_no_others() {
        for (default, found) in [
            ("nextval('users_seq'::text)", Some("users_seq")),
            ("nextval(('users_seq'::text)::regclass)", Some("users_seq")),
            ("nextval('users_seq'::character varying)", Some("users_seq")),
            ("nextval(('Users_Seq'::character varying)::regclass)", Some("users_seq")),
            ("nextval('\"Public\".\"My Seq\"'::text)", Some("Public|My Seq")),
            ("nextval('app.\"a\"\"b.c\"'::text)", Some("app|a\"b.c")),
            ("nextval('\"O''Hara\"'::text)", Some("O'Hara")),
            ("(nextval('users_seq'::text))::integer", Some("users_seq")),
            ("(nextval(('users_seq'::text)::regclass))::numeric(10,0)", Some("users_seq")),
            ("(nextval('users_seq'::text))::character varying(32)", Some("users_seq")),
            ("nextval('db.app.users_seq'::text)", Some("db|app|users_seq")),
            ("nextval('users_seq'::regclass)", None),
            ("nextval(some_function())", None),
            ("nextval((('users'::text || '_seq'::text))::regclass)", None),
            ("nextval((\"current_schema\"())::text)", None),
            ("((nextval('users_seq'::text))::numeric(10,0))::integer", None),
            ("(nextval('users_seq'::text) + 1000)", None),
            ("('U'::text || nextval('users_seq'::text))", None),
            ("(nextval('users_seq'::text))::app.kind", None),
            ("app.nextval('users_seq'::text)", None),
            ("nextval(E'users\\\\seq'::text)", None),
            ("nextval('users seq'::text)", None),
            ("nextval(' users_seq'::text)", None),
            ("nextval('Ünique'::text)", None),
            ("nextval('1seq'::text)", None),
            ("nextval('a.'::text)", None),
            ("nextval('.a'::text)", None),
            ("nextval('\"a'::text)", None),
            ("nextval('\"\"'::text)", None),
            ("nextval(''::text)", None),
            ("currval('users_seq'::text)", None),
        ] {
            assert_eq!(named(default).map(|parts| parts.join("|")).as_deref(), found, "{default}");
        }
        let long = "s".repeat(64);
        assert_eq!(named(&format!("nextval('{long}'::text)")), None, "the server cuts it");
        assert!(named(&format!("nextval('{}'::text)", &long[1..])).is_some());
    }

    proptest! {
        #[test]
        fn a_name_in_quotes_is_read_as_it_was_written(parts in proptest::collection::vec("[^\\\\\0]{1,9}", 1..3)) {
            let written: Vec<String> = parts.iter().map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
            let default = format!("nextval('{}'::text)", written.join(".").replace('\'', "''"));
            prop_assert_eq!(named(&default), Some(parts));
        }

        #[test]
        fn no_text_breaks_the_reader(text in ".{0,40}") {
            let _ = named(&text);
            let _ = named(&format!("nextval('{text}'::text)"));
        }
    }
}
