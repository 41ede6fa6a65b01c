//! Orphans that are none: keys that name a user in another spelling, as after a move to a type that
//! compares otherwise (citext to text, uuid to text, char to varchar).

use crate::{
    api::report::ObjectRef,
    domain::{
        blank,
        facts::{key_kind::KeyKind, references::Spelling},
        text::clip,
    },
    engine::postgres::{
        catalog::{Column, reference::ReferenceTable},
        sql::Sql,
    },
};

use std::collections::BTreeSet;

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

/// How many keys are named.
const NAMED: usize = 5;

/// Characters that are kept of a key.
const SHOWN: usize = 1_000;

/// Counts orphans that name a user in another spelling. Only text has spellings; values of other types
/// that are equal are written alike.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<Spelling>, sqlx::Error> {
    let ([child], [parent], Some([_])) =
        (table.columns.as_slice(), table.parent_columns.as_slice(), table.operators.as_deref())
    else {
        return Ok(None);
    };
    if child.kind() != KeyKind::Text || parent.kind() != KeyKind::Text {
        return Ok(None);
    }
    let mut sql = Sql::new("SELECT ");
    for text in ["o.key", "min(p.key)"] {
        sql.bounded(|sql| {
            sql.add(text);
        });
        sql.add(", ");
    }
    sql.add("o.n, count(*) FROM (SELECT min(");
    sql.column("c", &child.name).add("::text) AS key, count(*) AS n, ");
    canonical(&mut sql, "c", child);
    sql.add(" AS canonical FROM ").only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    sql.add(" GROUP BY ").column("c", &child.name).add(") o JOIN (SELECT ");
    sql.column("p", &parent.name).add("::text AS key, ");
    canonical(&mut sql, "p", parent);
    sql.add(" AS canonical FROM ").only(&table.parent.relation).add(" p) p ON p.canonical = o.canonical ");
    sql.add("GROUP BY o.key, o.n ORDER BY o.key COLLATE \"C\"");
    let mut found = Spelling { object: ObjectRef::clone(&table.object), ..Spelling::default() };
    let (mut first, mut blanks) = (String::new(), BTreeSet::from([' ']));
    let mut all = sql.stream(connection);
    while let Some(row) = all.try_next().await? {
        let (key, twin, rows, twins): (String, String, i64, i64) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        found.rows = found.rows.saturating_add(rows);
        found.keys += 1;
        found.ambiguous |= twins > 1;
        for text in [&key, &twin] {
            blanks.extend(blank::around(text));
        }
        if found.twin.is_empty() {
            first.clone_from(&key);
            found.twin = clip(&twin, SHOWN);
        }
        if found.sample.len() < NAMED {
            found.sample.push(clip(&key, SHOWN));
        }
    }
    let blanks: Vec<char> = blanks.into_iter().collect();
    found.normalise = normalise(table, child, parent, &first, &blanks).as_str().to_owned();
    Ok((found.keys > 0).then_some(found))
}

/// Adds the one spelling of all values that mean the same: a uuid without braces and hyphens, a number
/// without leading zeros, anything else without blanks around it, all of it in lower case. What is longer
/// than any of these is not searched for them: with a text of a megabyte that takes most of a second.
pub(in crate::engine::postgres) fn canonical(sql: &mut Sql, alias: &'static str, column: &Column) {
    let lower = |sql: &mut Sql| {
        sql.add("lower(btrim(").column(alias, &column.name).add("::text, ").blanks();
        sql.add(") COLLATE \"default\")");
    };
    sql.add("CASE WHEN octet_length(").column(alias, &column.name).add("::text) > 200 THEN ");
    lower(sql);
    sql.add(" WHEN translate(");
    lower(sql);
    sql.add(", '{}-', '') ~ '^[0-9a-f]{32}$' THEN translate(");
    lower(sql);
    sql.add(", '{}-', '') ELSE regexp_replace(");
    lower(sql);
    sql.add(", '^[+]?(-?)0*([0-9]+)$', '\\1\\2') END");
}

/// The same of one text.
pub(in crate::engine::postgres) fn canonical_text(text: &str) -> String {
    let lower = blank::trim(text).to_lowercase();
    if text.len() > 200 {
        return lower;
    }
    let bare: String = lower.chars().filter(|c| !"{}-".contains(*c)).collect();
    if bare.len() == 32 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
        return bare;
    }
    let unsigned = lower.strip_prefix('+').unwrap_or(&lower);
    let (sign, digits) = match unsigned.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unsigned),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return lower;
    }
    let significant = digits.trim_start_matches('0');
    format!("{sign}{}", if significant.is_empty() { "0" } else { significant })
}

/// The statement that gives the rows the users' own spelling, by the rule that this key needs, without what is blank
/// at their ends. Only rows that name nobody as they are: whoever is called like another must keep their own.
fn normalise(table: &ReferenceTable, child: &Column, parent: &Column, key: &str, blanks: &[char]) -> Sql {
    let key = blank::trim(key);
    let bare: String = key.chars().filter(|c| !"{}-".contains(*c)).collect();
    let digits = key.trim_start_matches('+');
    let (before, after, only) = if bare.len() == 32 && bare.chars().all(|c| c.is_ascii_hexdigit()) {
        ("lower(translate(btrim(", ", '{}-', ''))", Some(("{]*[0-9a-fA-F-]+[", "}]*$'")))
    } else if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) {
        ("ltrim(btrim(", ", '+0')", Some(("]*[+]?[0-9]+[", "]*$'")))
    } else {
        ("lower(btrim(", ")", None)
    };
    let only_spaces = blanks.iter().all(|&c| c == ' ');
    let characters = |sql: &mut Sql| {
        if only_spaces {
            sql.add(" ");
        } else {
            sql.escaped_blanks(blanks);
        }
    };
    let plain = |sql: &mut Sql, alias: &'static str, column: &Column| {
        sql.add(before).column(alias, &column.name);
        if !only_spaces {
            sql.add(", E'").escaped_blanks(blanks).add("'");
        }
        sql.add(")").add(after);
    };
    let mut sql = Sql::printed("UPDATE ");
    sql.relation(&table.child.relation).add(" c SET ").name(&child.name).add(" = u.").name(&parent.name);
    sql.add(" FROM ").relation(&table.parent.relation).add(" u WHERE NOT EXISTS (SELECT FROM ");
    sql.relation(&table.parent.relation).add(" x WHERE ").column("x", &parent.name).add(" = ");
    sql.column("c", &child.name).add(") AND ");
    plain(&mut sql, "c", child);
    sql.add(" = ");
    plain(&mut sql, "u", parent);
    if let Some((middle, end)) = only {
        sql.add(" AND ").column("c", &child.name).add(if only_spaces { " ~ '^[" } else { " ~ E'^[" });
        characters(&mut sql);
        sql.add(middle);
        characters(&mut sql);
        sql.add(end);
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::canonical_text;

    #[test]
    fn a_text_has_the_one_spelling_that_the_statement_gives_it() {
        let uuid = "a0eebc999c0b4ef8bb6d6bb9bd380a11";
        for (text, expected) in [
            ("Ada\r\n", "ada"),
            ("\u{feff}ADA@Example.org\u{a0}", "ada@example.org"),
            ("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}", uuid),
            ("007", "7"),
            ("+000", "0"),
            ("-042", "-42"),
            ("0ada-1", "0ada-1"),
            ("", ""),
        ] {
            assert_eq!(canonical_text(text), expected, "{text:?}");
        }
    }
}
