//! What would go along if an id moved, and what is in its way.

use sqlx::PgConnection;

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::{diagnose::rights, facts::rights::Right, text::count},
    engine::postgres::{
        catalog::{Table, condition::equals, reference::ReferenceTable, resolved::ResolvedSchema},
        hints::hints,
        repair::{
            move_id::{barred::barred, crowded::crowded, fitting},
            rows::cascades::held::{Changing, held},
        },
        rowset::carriers::{carriers, naming, no_primary_key, unseen},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
        sql_name::sql_table,
    },
};

/// What moving the id would come to.
#[derive(Debug)]
pub struct Prospect {
    /// Rows of each table that name the id, the user's own row left out.
    pub rows: Vec<(ObjectRef, i64)>,
    /// Why it cannot be moved.
    pub refused: Option<(Reason, String)>,
}

/// Counts what would move with an id, and finds out what keeps it from moving, before anything does.
///
/// # Errors
/// The database fails as a whole.
pub async fn prospect(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    from: &str,
    to: &str,
    server_version: i64,
) -> Result<Prospect, DatabaseError> {
    let carriers = match carriers(known) {
        Ok(carriers) => carriers,
        Err(why) => {
            return Ok(Prospect { rows: Vec::new(), refused: Some((Reason::RepairUnsupported, why)) });
        }
    };
    if let Some(why) = unseen(connection, known).await? {
        return Ok(Prospect { rows: Vec::new(), refused: Some((Reason::RepairUnsupported, why)) });
    }
    let users = &known.users;
    let no_update = |table: &Table| {
        let name = sql_table(table.relation.schema.as_str(), table.relation.name.as_str());
        let object = ObjectRef {
            schema: table.relation.schema.as_str().to_owned(),
            table: table.relation.name.as_str().to_owned(),
            ..ObjectRef::default()
        };
        let grant = rights::grant(hints(), &table.rights, &[Right::Update], &object);
        let why = format!("the role may not UPDATE {name}: {grant}");
        (Reason::PrivilegeMissing, why)
    };
    let mut refused = (!users.rights.update).then(|| no_update(users));
    let (carriers, unfit) = fitting(connection, carriers, from, to).await?;
    if let Some(why) = unfit {
        refused.get_or_insert((Reason::RepairUnsupported, why));
    }
    let along = |table: i64, column: &str| {
        let moves = |one: &&ReferenceTable| one.columns[0].name.as_str() == column;
        carriers.iter().any(|one| one.table.oid == table && one.references.iter().any(moves))
    };
    let own = Changing { table: users, columns: vec![&known.id.name], is_users: true };
    let why = held(connection, &own, along, |sql| equals(sql, "c", &known.id, from)).await?;
    refused = refused.or(why);
    let mut counted = Vec::new();
    for carrier in &carriers {
        let rows = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
            sql.only(&carrier.table.relation).add(" c WHERE (");
            naming(&mut sql, carrier, from);
            sql.add(")");
            if carrier.table.oid == users.oid {
                sql.add(" AND NOT ");
                equals(&mut sql, "c", &known.id, from);
            }
            sql.scalar::<i64>(connection).await
        })
        .await?;
        // A value that the column's type cannot take is in none of its rows.
        let rows = rows.unwrap_or(0);
        if rows == 0 {
            continue;
        }
        if !carrier.table.rights.update {
            refused.get_or_insert_with(|| no_update(carrier.table));
        }
        if carrier.primary_key.is_empty() {
            refused.get_or_insert_with(|| (Reason::RepairUnsupported, no_primary_key(carrier)));
        }
        let columns = carrier.references.iter().map(|one| &one.columns[0].name).collect();
        let changing = Changing { table: carrier.table, columns, is_users: false };
        let why = held(connection, &changing, along, |sql| naming(sql, carrier, from)).await?;
        refused = refused.or(why);
        for reference in &carrier.references {
            let crowded = savepoint(connection, async |connection: &mut PgConnection| {
                crowded(connection, reference, from, to, server_version).await
            })
            .await?;
            if let Ok(Some((key, rows))) = crowded {
                let why = format!(
                    "{} of {} would collide in the unique key {key} with rows that name {to} already; take those away first (onOrphan: Delete), or merge them by hand",
                    count(rows, "row"),
                    reference.object.describe()
                );
                refused.get_or_insert((Reason::UniqueKeyInTheWay, why));
            }
        }
        let columns =
            carrier.references.iter().map(|one| one.columns[0].name.as_str().to_owned()).collect::<Vec<_>>();
        let first = &*carrier.references[0].object;
        counted.push((ObjectRef { columns, constraint: None, ..first.clone() }, rows));
    }
    // What cannot be asked is the database's to say when it runs.
    let way = savepoint(connection, async |connection: &mut PgConnection| {
        barred(connection, known, &carriers, from, to).await
    });
    refused = refused.or(way.await?.unwrap_or_default());
    Ok(Prospect { rows: counted, refused })
}
