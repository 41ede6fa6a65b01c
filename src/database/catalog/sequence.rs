//! Where new ids come from.

use sqlx::{PgConnection, Row};

use super::super::identifier::{Name, Relation, Sql};

/// A sequence behind a column.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// Its name.
    pub relation: Relation,
    /// How far it goes at a time.
    pub increment: i64,
    /// What it may not exceed.
    pub maximum: i64,
    /// Whether it begins anew at its end.
    pub cycle: bool,
    /// Whether the role may read its state.
    pub readable: bool,
    /// Whether the role may set it.
    pub settable: bool,
}

/// The sequence that a column owns or draws its default from.
pub async fn sequence(
    connection: &mut PgConnection,
    table: i64,
    column: &str,
) -> Result<Option<Sequence>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqmax, \
         has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT'), \
         has_sequence_privilege(c.oid, 'UPDATE'), s.seqcycle \
         FROM pg_attribute a \
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
    // What the default draws from counts more than what the column merely owns.
    sql.add(" ORDER BY dep.classid = 'pg_attrdef'::regclass DESC LIMIT 1");
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(Sequence {
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
    }))
}

/// The value that the next `nextval` gives.
pub async fn next_value(connection: &mut PgConnection, sequence: &Sequence) -> Result<i64, sqlx::Error> {
    let mut sql = Sql::new("SELECT least(last_value::numeric + CASE WHEN is_called THEN ");
    sql.integer(sequence.increment)
        .add(" ELSE 0 END, 9223372036854775807)::int8 FROM ")
        .relation(&sequence.relation);
    sql.scalar(connection).await
}
