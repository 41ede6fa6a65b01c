//! What is noted of copies when they are made, so that a change of them is seen later.

use crate::engine::postgres::{catalog::Column, sql::Sql};

/// The first object id that the server gives to what it did not bring along.
pub(super) const FIRST_OF_OTHERS: i64 = 16_384;

/// Types that are written in other words where another session reads them.
pub(super) const CHANGING: [&str; 3] = ["money", "aclitem", "_aclitem"];

/// What is written down of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::postgres) struct Note {
    pub batch: i64,
    pub rows: i64,
    pub digest: String,
}

/// Whether a value is told in the same words later. Labels of enumerations may be renamed, and with them all values.
pub(super) fn lasts(column: &Column) -> bool {
    let name = column.base_name.as_str();
    let own = column.base_oid < FIRST_OF_OTHERS || name == "citext";
    own && !CHANGING.contains(&name) && !name.starts_with("reg") && !name.starts_with("_reg")
}

/// Columns of a copy that are of its source, in the order in which they were made.
pub(super) fn of_source(columns: &[Column]) -> impl Iterator<Item = (usize, &Column)> {
    columns.iter().filter(|column| !column.name.as_str().starts_with("_ac_")).enumerate()
}

/// Adds a number that stands for what the copy `q` holds.
pub(in crate::engine::postgres) fn of_row(sql: &mut Sql, columns: &[Column]) {
    add_row(sql, of_source(columns).filter(|(_, column)| lasts(column)).map(|(_, column)| column));
}

pub(super) fn add_row<'a>(sql: &mut Sql, columns: impl Iterator<Item = &'a Column>) {
    sql.add("CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(");
    for (at, column) in columns.enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("q", &column.name);
    }
    sql.add(")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8");
}

/// Adds the digest of rows of which `number` are the numbers: in which zone times were told, the sum, and the places
/// of the columns that are in it, since a column of the copies may get another type later.
pub(in crate::engine::postgres) fn of_rows(sql: &mut Sql, number: &'static str, columns: &[Column]) {
    let places: Vec<String> =
        of_source(columns).filter(|(_, column)| lasts(column)).map(|(at, _)| at.to_string()).collect();
    add_rows(sql, number, &places.join("."));
}

pub(super) fn add_rows(sql: &mut Sql, number: &'static str, places: &str) {
    sql.add("pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(");
    sql.add(number).add("), 0)::pg_catalog.text, ' ', ").text(places).add("::pg_catalog.text)");
}

/// Adds the statement that writes down what batches hold, without its beginning and end.
pub(in crate::engine::postgres) fn noting(sql: &mut Sql, notes: &[Note]) {
    sql.add("UPDATE auth_consistency.batches AS b SET rows = k.n, digest = k.d FROM ROWS FROM (pg_catalog.unnest(");
    sql.integers(notes.iter().map(|one| one.batch).collect()).add("), pg_catalog.unnest(");
    sql.integers(notes.iter().map(|one| one.rows).collect()).add("), pg_catalog.unnest(");
    sql.texts(notes.iter().map(|one| Some(one.digest.clone())).collect());
    sql.add(")) AS k(b, n, d) WHERE b.batch OPERATOR(pg_catalog.=) k.b");
}
