//! Where new ids come from.

mod late;

use sqlx::{PgConnection, Row, postgres::PgRow};

use crate::{
    domain::facts::Untold,
    engine::postgres::sql::{Name, Relation, Sql},
};

/// A sequence behind a column.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Its name.
    pub relation: Relation,
    /// How far it goes at a time.
    pub increment: i64,
    /// What it may not exceed.
    pub maximum: i64,
    /// What it may not go below.
    pub minimum: i64,
    /// Whether it begins anew at its end.
    pub cycle: bool,
    /// How many numbers a session takes in hand at a time.
    pub cache: i64,
    /// Whether this server does not hold its state: a standby holds none of what is not logged.
    pub absent: bool,
    /// Whether the role may read its state.
    pub readable: bool,
    /// Whether the role may set it.
    pub settable: bool,
    /// Whether the default only names it, in a text that each session reads by its own search_path.
    pub late: bool,
}

/// What gives a column its values in new rows.
#[derive(Debug, Clone)]
pub enum Giver {
    /// A sequence.
    Sequence(Sequence),
    /// A default of which nobody can tell from here what it gives next.
    Untold(Untold),
    /// A default that counts nothing, or none.
    Other,
}

impl Giver {
    /// The sequence, or what nobody can tell.
    pub fn parts(self) -> (Option<Sequence>, Option<Untold>) {
        match self {
            Self::Sequence(sequence) => (Some(sequence), None),
            Self::Untold(untold) => (None, Some(untold)),
            Self::Other => (None, None),
        }
    }
}

/// What there is to know of a sequence `s`, whose relation is `c`, in the schema `n`.
const FACTS: &str = "n.nspname::text, c.relname::text, s.seqincrement, s.seqmax, \
     has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'), \
     has_sequence_privilege(c.oid, 'UPDATE'), s.seqcycle, s.seqmin, s.seqcache, c.relpersistence <> 'p' AND pg_is_in_recovery()";

/// The sequence that a column owns or draws its default from.
pub async fn sequence(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Option<Sequence>, sqlx::Error> {
    Ok(drawn(connection, table, column).await?.parts().0)
}

/// What gives a column its values: a sequence that it owns or draws its default from, whether by its object or by
/// its name, or something that is not known.
///
/// # Errors
/// The database fails.
pub async fn giver(connection: &mut PgConnection, table: i64, column: &str) -> Result<Giver, sqlx::Error> {
    let given = drawn(connection, table, column).await?;
    if matches!(given, Giver::Other) {
        let triggers = late::triggers(connection, table, column).await?;
        if !triggers.is_empty() {
            return Ok(Giver::Untold(Untold::Triggers(triggers)));
        }
    }
    Ok(given)
}

async fn drawn(connection: &mut PgConnection, table: i64, column: &str) -> Result<Giver, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    sql.add(FACTS).add(
        " FROM pg_attribute a \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         JOIN pg_depend dep ON \
           (dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass \
            AND dep.refobjid = a.attrelid AND dep.refobjsubid = a.attnum AND dep.deptype IN ('a', 'i')) \
           OR (dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass) \
         JOIN pg_class c ON c.relkind = 'S' \
           AND c.oid = CASE WHEN dep.classid = 'pg_attrdef'::regclass THEN dep.refobjid ELSE dep.objid END \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid \
         WHERE a.attrelid = ",
    );
    sql.integer(table).add("::oid AND a.attname::text = ").text(column);
    // Of a default that makes something else of the number, as a permutation of it, the sequence does not say what
    // comes next.
    sql.add(
        " AND (d.oid IS NULL OR pg_get_expr(d.adbin, d.adrelid) ~ \
         '^\\(?nextval\\(''([^'']|'''')*''::regclass\\)\\)?(::[a-z ]+(\\([0-9, ]+\\))?)?$')",
    );
    // What the default draws from counts more than what the column merely owns.
    sql.add(" ORDER BY dep.classid = 'pg_attrdef'::regclass DESC LIMIT 1");
    match sql.optional(connection).await? {
        Some(row) => Ok(Giver::Sequence(read(&row, false)?)),
        None => late::giver(connection, table, column).await,
    }
}

/// The sequences that no column owns or draws from by their objects: what asks them does so by their names.
///
/// # Errors
/// The database fails.
pub async fn untied(connection: &mut PgConnection) -> Result<Vec<Sequence>, sqlx::Error> {
    let mut sql = Sql::new("SELECT ");
    sql.add(FACTS).add(
        " FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'auth_consistency' AND NOT EXISTS (SELECT FROM pg_depend d \
           WHERE (d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i', 'e')) \
           OR (d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)) \
         ORDER BY n.nspname::text, c.relname::text LIMIT 200",
    );
    sql.all(connection).await?.iter().map(|row| read(row, false)).collect()
}

fn read(row: &PgRow, late: bool) -> Result<Sequence, sqlx::Error> {
    Ok(Sequence {
        relation: Relation {
            schema: Name::from_catalog(row.try_get(0)?),
            name: Name::from_catalog(row.try_get(1)?),
            partitioned: false,
        },
        increment: row.try_get(2)?,
        maximum: row.try_get(3)?,
        readable: row.try_get(4)?,
        settable: row.try_get(5)?,
        cycle: row.try_get(6)?,
        minimum: row.try_get(7)?,
        cache: row.try_get(8)?,
        absent: row.try_get(9)?,
        late,
    })
}

/// The value that the next `nextval` gives to a session that has no numbers in hand.
///
/// Of one that this server does not hold, nothing is known: then it is taken to have given all there are.
pub async fn next_value(connection: &mut PgConnection, sequence: &Sequence) -> Result<i64, sqlx::Error> {
    if sequence.absent {
        return Ok(if sequence.increment < 0 { i64::MIN } else { i64::MAX });
    }
    let mut sql = Sql::new("SELECT ");
    next(&mut sql, sequence);
    sql.add(" FROM ").relation(&sequence.relation).add(" s");
    sql.scalar(connection).await
}

/// Adds what a sequence `s` gives next. One that begins anew at its end does so here, too; of another, what it would
/// give if it could.
pub fn next(sql: &mut Sql, sequence: &Sequence) {
    sql.add("(SELECT CASE WHEN n.value OPERATOR(pg_catalog.>) ").integer(sequence.maximum);
    sql.add(" AND n.cycle THEN ").integer(sequence.minimum);
    sql.add(" WHEN n.value OPERATOR(pg_catalog.<) ").integer(sequence.minimum);
    sql.add(" AND n.cycle THEN ").integer(sequence.maximum);
    sql.add(
        " WHEN n.value OPERATOR(pg_catalog.>) 9223372036854775807 THEN 9223372036854775807 \
         WHEN n.value OPERATOR(pg_catalog.<) -9223372036854775808 THEN -9223372036854775808 \
         ELSE n.value::pg_catalog.int8 END FROM (SELECT s.last_value::pg_catalog.numeric OPERATOR(pg_catalog.+) \
         CASE WHEN s.is_called THEN ",
    );
    sql.integer(sequence.increment).add(" ELSE 0 END AS value, ");
    sql.add(if sequence.cycle { "true" } else { "false" }).add(" AS cycle) n)");
}
