//! Columns that name an id, whatever makes them do so.

use sqlx::PgConnection;

use crate::engine::postgres::{
    catalog::{self, Column, Table, reference::ReferenceTable, resolved::ResolvedSchema},
    session::{error::DatabaseError, transaction::by_the_catalog},
    sql::Sql,
};

/// One table and its columns that name the id: a row may name it more than once.
pub(in crate::engine::postgres) struct Carrier<'a> {
    pub(in crate::engine::postgres) table: &'a Table,
    pub(in crate::engine::postgres) primary_key: Vec<Column>,
    pub(in crate::engine::postgres) references: Vec<&'a ReferenceTable>,
}

pub(in crate::engine::postgres) fn no_primary_key(carrier: &Carrier<'_>) -> String {
    format!(
        "{} has no primary key, so its rows cannot be named one by one: add one",
        carrier.references[0].child.relation.name.as_str()
    )
}

/// A foreign key that is not looked at (ignored, not discovered, not readable) and through which the
/// engine itself would change rows: nobody would count them, and nothing would copy them.
pub(in crate::engine::postgres) async fn unseen(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Option<String>, DatabaseError> {
    // Asked where rows are written, too, whose path is the role's own.
    let cascades = by_the_catalog(connection, async |connection: &mut PgConnection| {
        catalog::cascades(connection, known.users.oid, known.id.name.as_str()).await
    });
    let cascades = cascades.await?;
    let seen = |cascade: &catalog::Cascade| {
        known.references.iter().any(|reference| {
            let mut keys =
                reference.key.as_deref().into_iter().chain(&reference.partition_keys).chain(&reference.twins);
            keys.any(|key| key.child == cascade.child && key.name == cascade.constraint)
        })
    };
    Ok(cascades.iter().find(|cascade| !seen(cascade)).map(|cascade| {
        format!(
            "moving the id would go on to rows of {}.{} through {} (ON UPDATE), which is not looked at: let it be checked, or change its ON UPDATE",
            cascade.child.0, cascade.child.1, cascade.constraint
        )
    }))
}

/// The tables that name the id; the error says why it cannot be moved at all.
pub(in crate::engine::postgres) fn carriers(known: &ResolvedSchema) -> Result<Vec<Carrier<'_>>, String> {
    if known.id.identity_always {
        return Err(format!(
            "column {:?} is GENERATED ALWAYS AS IDENTITY, so no id can be moved: alter it to BY DEFAULT, or leave spec.admin.id out",
            known.id.name.as_str()
        ));
    }
    let mut carriers: Vec<Carrier<'_>> = Vec::new();
    for reference in &known.references {
        let of_several = reference.parent_columns.len() > 1
            && reference.parent_columns.iter().any(|column| column.name == known.id.name);
        if of_several {
            return Err(format!(
                "{} names the id together with other columns, and moving such an id is not supported yet",
                reference.object.describe()
            ));
        }
        if !reference.names_column(&known.id.name) {
            continue;
        }
        if let Some(carrier) = carriers.iter_mut().find(|one| one.table.oid == reference.child.oid) {
            if carrier.references.iter().all(|one| one.columns[0].name != reference.columns[0].name) {
                carrier.references.push(reference);
            }
            continue;
        }
        carriers.push(Carrier {
            table: &reference.child,
            primary_key: reference
                .primary_key
                .iter()
                .filter_map(|name| reference.child.column(name))
                .cloned()
                .collect(),
            references: vec![reference],
        });
    }
    Ok(carriers)
}

pub(in crate::engine::postgres) fn naming(sql: &mut Sql, carrier: &Carrier<'_>, id: &str) {
    for (at, reference) in carrier.references.iter().enumerate() {
        sql.add(if at > 0 { " OR " } else { "" });
        reference.names_user(sql, id);
    }
}
