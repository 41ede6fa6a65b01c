//! Ids that stand in more than one row of the user table: looked for only where no unique key of the id alone
//! keeps them apart.

use crate::{
    api::report::ObjectRef,
    domain::facts::schema::SharedIds,
    engine::postgres::{catalog::resolved::ResolvedSchema, session::transaction::savepoint, sql::Sql},
};

use sqlx::{PgConnection, Row};

/// Counts ids that stand in more than one row; `None` where there are none.
///
/// # Errors
/// The database fails, or row-level security hides rows.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Option<SharedIds>, sqlx::Error> {
    if known.id_key.is_alone() {
        return Ok(None);
    }
    let mut sql = Sql::new(
        "SELECT count(*), coalesce(sum(g.rows), 0)::int8, coalesce((array_agg(\"left\"(g.id::text, 255) ORDER BY g.id))[1:5], \
         ARRAY[]::text[]) FROM (SELECT ",
    );
    sql.column("p", &known.id.name).add(" AS id, count(*) AS rows FROM ").only(&known.users.relation);
    sql.add(" p WHERE ").column("p", &known.id.name).add(" IS NOT NULL GROUP BY ");
    sql.column("p", &known.id.name).add(" HAVING count(*) > 1) g");
    let row = sql.one(connection).await?;
    let ids: i64 = row.try_get(0)?;
    if ids == 0 {
        return Ok(None);
    }
    // What a key of several columns holds is told apart by it, and nothing is a copy.
    let copies = if known.id_key.columns.is_empty() { copies(connection, known).await? } else { Some(0) };
    Ok(Some(SharedIds {
        ids,
        rows: row.try_get(1)?,
        sample: row.try_get(2)?,
        copies,
        key: known.id_key.columns.clone(),
        primary_key: known.id_key.primary_key,
        partitioned: known.users.relation.partitioned,
        wider: Vec::new(),
    }))
}

/// How many rows are wholly equal to another one of their id; `None` where telling would run somebody's code, or
/// fails.
async fn copies(connection: &mut PgConnection, known: &ResolvedSchema) -> Result<Option<i64>, sqlx::Error> {
    if known.users.columns.iter().any(|column| column.opaque) {
        return Ok(None);
    }
    let counted = savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT count(*) FROM (SELECT row_number() OVER (PARTITION BY ");
        sql.column("p", &known.id.name).add(", ROW(p.*)::text) AS n FROM ").only(&known.users.relation);
        sql.add(" p WHERE ").column("p", &known.id.name).add(" IS NOT NULL) x WHERE x.n > 1");
        sql.scalar::<i64>(connection).await
    })
    .await;
    match counted {
        Ok(counted) => Ok(counted.ok()),
        Err(_) => Ok(None),
    }
}

/// References that a foreign key of the whole key could name users by.
pub(in crate::engine::postgres) fn wider(known: &ResolvedSchema, shared: Option<&mut SharedIds>) {
    let Some(shared) = shared.filter(|shared| !shared.key.is_empty()) else { return };
    for table in known.references.iter().filter(|table| table.key.is_none()) {
        let ([child], [parent]) = (table.columns.as_slice(), table.parent_columns.as_slice()) else {
            continue;
        };
        if parent.name != known.id.name {
            continue;
        }
        let columns: Option<Vec<String>> = shared
            .key
            .iter()
            .map(|name| match name == parent.name.as_str() {
                true => Some(child.name.as_str().to_owned()),
                false => table.child.column(name).map(|column| column.name.as_str().to_owned()),
            })
            .collect();
        shared.wider.extend(columns.map(|columns| (ObjectRef::clone(&table.object), columns)));
    }
}
