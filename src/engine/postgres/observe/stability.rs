//! Whether a table was rewritten while it was looked at.

use sqlx::PgConnection;

use crate::engine::postgres::{
    catalog::{mapping::Source, resolved::ResolvedSchema},
    session::error::DatabaseError,
    sql::Sql,
};

/// A table that was truncated or rewritten after the snapshot was taken and before it was read looks
/// empty to the snapshot: what was seen of it is worth nothing.
pub(in crate::engine::postgres) async fn unrewritten(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<(), DatabaseError> {
    let mut tables: Vec<i64> = known.references.iter().map(|reference| reference.child.oid).collect();
    let mut parts = known.references.iter().any(|reference| reference.child.relation.partitioned);
    if let Some(Source::Table(table)) = known.identities.as_ref().map(|mapping| &mapping.source) {
        tables.push(table.oid);
        parts = true;
    }
    if tables.is_empty() {
        return Ok(());
    }
    tables.push(known.users.oid);
    unrewritten_tables(connection, tables, parts || known.users.relation.partitioned).await
}

/// The same of tables by their object ids; `parts`: whether one of them may be partitioned.
pub(in crate::engine::postgres) async fn unrewritten_tables(
    connection: &mut PgConnection,
    mut tables: Vec<i64>,
    parts: bool,
) -> Result<(), DatabaseError> {
    tables.sort_unstable();
    tables.dedup();
    // The catalog as the snapshot has it, beside what the server has now: all are locked by now.
    let mut sql = Sql::new(
        "SELECT min(format('%I.%I', n.nspname, c.relname)) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid) AND c.oid = ANY (",
    );
    if parts {
        sql.add("ARRAY(SELECT t.oid::oid FROM unnest(").integers(tables.clone());
        sql.add(") t(oid) UNION SELECT p.relid::oid FROM unnest(").integers(tables).add(
            ") t(oid) JOIN pg_partitioned_table q ON q.partrelid = t.oid::oid \
             CROSS JOIN LATERAL pg_partition_tree(t.oid::oid::regclass) p))",
        );
    } else {
        sql.integers(tables).add("::oid[])");
    }
    match sql.scalar::<Option<String>>(connection).await? {
        Some(table) => Err(DatabaseError::Rewritten(table)),
        None => Ok(()),
    }
}
