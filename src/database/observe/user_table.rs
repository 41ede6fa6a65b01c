//! The user table as the findings see it.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use super::Known;
use crate::{
    api::report::ObjectRef,
    consistency::{
        observation::{IdDefault, SchemaFault, SequenceFacts, UserTable},
        seeding::SeedFacts,
        target::Target,
    },
    database::{
        catalog::{self, Column},
        error::DatabaseError,
        ids,
    },
};

/// What there is to know of the user table beside its names.
pub(super) async fn facts(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
) -> Result<Result<UserTable, SchemaFault>, DatabaseError> {
    let Known { users: table, id, subject, .. } = known;
    let spec = &target.users;
    let id_default = match &known.sequence {
        Some(found) if !found.readable => {
            IdDefault::UnreadableSequence(found.relation.name.as_str().to_owned())
        }
        Some(found) => IdDefault::Sequence(SequenceFacts {
            object: ObjectRef {
                schema: found.relation.schema.as_str().to_owned(),
                table: found.relation.name.as_str().to_owned(),
                ..ObjectRef::default()
            },
            next: catalog::next_value(connection, found).await?,
            increment: found.increment,
            maximum: found.maximum,
            ascending: found.increment > 0,
            cycle: found.cycle,
            settable: found.settable,
        }),
        None if id.has_default => IdDefault::Expression,
        None => IdDefault::None,
    };
    // A hidden row would make this number a lie: row security is off, so it is an error instead.
    let highest_id = match ids::highest_user(connection, known).await {
        Ok(highest) => highest,
        Err(error) => return hidden(error),
    };
    Ok(Ok(UserTable {
        object: ObjectRef { schema: spec.schema.clone(), table: spec.table.clone(), ..ObjectRef::default() },
        oid: table.oid,
        id_type: id.declared_type.as_str().to_owned(),
        id_kind: id.kind(),
        id_default,
        last_id: known.last_id,
        highest_id,
        subject_kind: subject.as_ref().map(Column::kind),
        seed: SeedFacts::default(),
        passwords: BTreeMap::new(),
        rights: table.rights,
    }))
}

/// Row-level security that would hide rows is a fault of the schema, everything else one of the
/// database.
fn hidden<T>(error: sqlx::Error) -> Result<Result<T, SchemaFault>, DatabaseError> {
    let error = DatabaseError::from(error);
    if error.sqlstate().as_deref() == Some("42501") {
        return Ok(Err(SchemaFault::RowsHidden { why: error.to_string() }));
    }
    Err(error)
}
