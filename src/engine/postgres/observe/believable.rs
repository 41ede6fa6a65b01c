//! Whose indexes cannot be believed, since another library sorted them: a row that such an index misses would look
//! like an orphan, or hide one, and an account would seem not to be there.

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{Untrusted, key_kind::KeyKind},
        target::Target,
    },
    engine::postgres::{
        catalog::{
            Column,
            collation::{self, ColumnKey, Rebuild, UntrustedIndex},
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
        sql::Relation,
    },
};

use sqlx::PgConnection;

/// Leaves out references whose indexes cannot be believed.
///
/// # Errors
/// The database fails.
pub(super) async fn references(
    connection: &mut PgConnection,
    tables: Vec<ReferenceTable>,
    server_version: i64,
) -> Result<(Vec<ReferenceTable>, Vec<(ReferenceTable, Untrusted)>), DatabaseError> {
    let columns = |table: &ReferenceTable| -> Vec<ColumnKey> {
        let mut all = sorted(table.child.oid, &table.columns);
        all.extend(sorted(table.parent.oid, &table.parent_columns));
        all
    };
    let asked: Vec<ColumnKey> = tables.iter().flat_map(columns).collect();
    let found = collation::untrusted(connection, &asked, server_version).await?;
    let rebuild = Rebuild::observe(connection, found.values().flatten()).await?;
    let (mut believed, mut untrusted) = (Vec::new(), Vec::new());
    for table in tables {
        let indexes: Vec<_> = columns(&table).iter().filter_map(|key| found.get(key)).flatten().collect();
        match distrusted(&table.object, false, &indexes, &rebuild) {
            Some(fact) => untrusted.push((table, fact)),
            None => believed.push(table),
        }
    }
    Ok((believed, untrusted))
}

/// Whether the indexes of the logins can be believed, and of the ids where the spec gives one: where not, `known` says
/// that all rows are to be read for them.
///
/// # Errors
/// The database fails.
pub(super) async fn logins(
    connection: &mut PgConnection,
    target: &Target,
    known: &mut ResolvedSchema,
    server_version: i64,
) -> Result<Option<Untrusted>, DatabaseError> {
    let by_id = target.kept().any(|account| account.id.is_some());
    let users = known.users.oid;
    let mut columns = vec![&mut known.id];
    columns.extend(known.login.as_mut());
    let mut asked: Vec<ColumnKey> = Vec::new();
    for (at, column) in columns.iter_mut().enumerate() {
        column.by_scan = false;
        if at > 0 || by_id {
            asked.extend(sorted(users, std::slice::from_ref(&**column)));
        }
    }
    let found = collation::untrusted(connection, &asked, server_version).await?;
    let Relation { schema, name, .. } = &known.users.relation;
    let mut object = ObjectRef {
        schema: schema.as_str().to_owned(),
        table: name.as_str().to_owned(),
        ..ObjectRef::default()
    };
    for column in columns {
        if found.contains_key(&(users, column.name.as_str().to_owned())) {
            column.by_scan = true;
            object.columns.push(column.name.as_str().to_owned());
        }
    }
    let rebuild = Rebuild::observe(connection, found.values().flatten()).await?;
    let indexes: Vec<_> = found.values().flatten().collect();
    Ok(distrusted(&object, true, &indexes, &rebuild))
}

/// Those of a table's columns whose order a collation says.
fn sorted(table: i64, columns: &[Column]) -> Vec<ColumnKey> {
    let text = columns.iter().filter(|column| matches!(column.kind(), KeyKind::Text | KeyKind::Other));
    text.map(|column| (table, column.name.as_str().to_owned())).collect()
}

fn distrusted(
    object: &ObjectRef,
    of_accounts: bool,
    indexes: &[&UntrustedIndex],
    rebuild: &Rebuild,
) -> Option<Untrusted> {
    let first = indexes.first()?;
    Some(Untrusted {
        object: object.clone(),
        of_accounts,
        why: format!(
            "the index {} was sorted by version {} of {} and the library has {} now, so it may miss rows",
            first.index.name.as_str(),
            first.versions.0,
            first.collation,
            first.versions.1
        ),
        unique: rebuild.has_unique(indexes),
        remedy: rebuild.statements(indexes),
    })
}
