//! The user table as the findings see it.

use crate::{
    api::report::ObjectRef,
    domain::{
        diagnose::sessions::Mechanism,
        facts::{
            IdDefault, SequenceFacts,
            key_kind::KeyKind,
            schema::{SchemaFault, UserTable},
            seed::SeedFacts,
        },
        target::Target,
    },
    engine::postgres::{
        catalog::{self, Column, Table, bounds, condition::Condition, resolved::ResolvedSchema},
        observe::{ids, shared_ids},
        session::error::DatabaseError,
        sql::{Name, Relation},
        sql_name::sql_table,
    },
};

use std::collections::BTreeMap;

use sqlx::PgConnection;

/// The user table, whose owner is the app.
pub(super) fn of_app(mut table: Table) -> Table {
    let owner = table.owner;
    table.trusting(owner);
    table
}

/// Why nothing of it is read: that could run somebody's code, by the table itself or by a column that the spec names.
pub(super) fn refused(target: &Target, table: &Table) -> Option<SchemaFault> {
    let spec = &target.users;
    let mut names: Vec<&str> = vec![&spec.id_column];
    let parts = [&spec.login_column, &spec.password_column, &spec.salt_column, &spec.algorithm_column];
    names.extend(parts.into_iter().flatten().map(String::as_str));
    names.extend(target.jwt.iter().map(|jwt| jwt.subject_column.as_str()));
    names.extend(spec.active_when.iter().map(|one| one.column.as_str()));
    for account in target.kept() {
        names.extend(account.columns.iter().map(|one| one.column.as_str()));
        names.extend(account.seed_columns.iter().map(|(name, _)| name.as_str()));
    }
    for means in target.sessions.iter().flat_map(|sessions| &sessions.ends) {
        if let Mechanism::Time { column } | Mechanism::Stamp { column } = means {
            names.push(column);
        }
    }
    let named = table.columns.iter().filter(|column| names.contains(&column.name.as_str()));
    table.refused(named, []).map(SchemaFault::ForeignCode)
}

/// What there is to know of the user table beside its names.
pub(super) async fn facts(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Result<UserTable, SchemaFault>, DatabaseError> {
    let ResolvedSchema { users: table, id, subject, .. } = known;
    let spec = &target.users;
    // A hidden row would make this number a lie: row security is off, so it is an error instead.
    let highest_id = match ids::highest_user(connection, known).await {
        Ok(highest) => highest,
        Err(error) => return hidden(error, table),
    };
    let shared_ids = match shared_ids::observe(connection, known).await {
        Ok(shared) => shared,
        Err(error) => return hidden(error, table),
    };
    let id_default = match &known.sequence {
        Some(found) if !found.readable => {
            IdDefault::UnreadableSequence(found.relation.name.as_str().to_owned())
        }
        Some(found) => {
            let next = catalog::next_value(connection, found).await?;
            let used = match ids::used(connection, known, found, next, highest_id).await {
                Ok(used) => used,
                Err(error) => return hidden(error, table),
            };
            IdDefault::Sequence(SequenceFacts {
                object: ObjectRef {
                    schema: found.relation.schema.as_str().to_owned(),
                    table: found.relation.name.as_str().to_owned(),
                    ..ObjectRef::default()
                },
                next,
                increment: found.increment,
                maximum: found.maximum,
                minimum: found.minimum,
                cycle: found.cycle,
                cache: found.cache,
                settable: found.settable,
                used: used.farthest,
                next_used: used.next,
                ahead: used.ahead,
                column_end: bounds::column_end(connection, id, found.increment < 0, &known.takes).await?,
                last_used: used.last,
            })
        }
        None => match &known.untold {
            // Whatever gives a uuid draws it.
            Some(untold) if id.kind() != KeyKind::Uuid => IdDefault::Untold(untold.clone()),
            _ if id.has_default => IdDefault::Expression,
            _ => IdDefault::None,
        },
    };
    Ok(Ok(UserTable {
        object: ObjectRef { schema: spec.schema.clone(), table: spec.table.clone(), ..ObjectRef::default() },
        object_id: table.oid,
        id_type: id.declared_type.as_str().to_owned(),
        id_kind: id.kind(),
        password_column: known.password.as_ref().map(|column| column.name.as_str().to_owned()),
        password_type: known.password.as_ref().map(|column| column.declared_type.as_str().to_owned()),
        id_default,
        last_id: known.last_id,
        first_id: known.first_id,
        takes: known.takes.clone(),
        highest_id,
        shared_ids,
        subject_kind: subject.as_ref().map(Column::kind),
        seed: SeedFacts::default(),
        passwords: BTreeMap::new(),
        rights: table.rights.clone(),
    }))
}

/// Another table that inherits from it in the old way and has rows: they are accounts for whoever reads the user
/// table, and no foreign key sees them.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn inherited(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
) -> Result<Option<SchemaFault>, DatabaseError> {
    if !known.users.inherited {
        return Ok(None);
    }
    for heir in catalog::heirs(connection, &[known.users.oid]).await? {
        if heir.has_rows(connection, &known.users.relation).await? {
            let called = |relation: &Relation| sql_table(relation.schema.as_str(), relation.name.as_str());
            return Ok(Some(SchemaFault::Inherited {
                child: called(&heir.relation),
                parent: called(&heir.parent),
            }));
        }
    }
    Ok(None)
}

/// Row-level security that would hide rows is a fault of the schema, everything else one of the
/// database.
fn hidden<T>(error: sqlx::Error, table: &Table) -> Result<Result<T, SchemaFault>, DatabaseError> {
    let error = DatabaseError::from(error);
    if error.sqlstate().as_deref() == Some("42501") {
        let ends = table.unhidden().unwrap_or_else(|| "grant it BYPASSRLS or use another role".into());
        return Ok(Err(SchemaFault::RowsHidden { why: error.to_string(), ends }));
    }
    Err(error)
}

impl ResolvedSchema {
    /// Whether a column holds a stored password, or a part of one.
    pub(in crate::engine::postgres) fn stores_password(&self, name: &Name) -> bool {
        let mut parts = [&self.password, &self.salt, &self.algorithm].into_iter().flatten();
        parts.any(|column| column.name == *name)
    }

    /// The `columns` of the account of that login, or of the admin for `None`.
    pub(in crate::engine::postgres) fn columns_of(&self, account: Option<&str>) -> &[Condition] {
        self.columns.get(&account.map(str::to_owned)).map_or(&[], Vec::as_slice)
    }
}
