//! References that are not looked at since a rule or the spec says so: their rows name users all the same, and an id
//! that they name is not free.

use crate::{
    api::report::ObjectRef,
    domain::target::Target,
    engine::postgres::{
        catalog::{
            declared::{Place, Scope, by_column, place},
            keys::ForeignKey,
            reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        session::error::DatabaseError,
    },
};

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::hard;

/// Whether a foreign key names the id, and not another column of the user table.
pub(super) fn names_id(known: &ResolvedSchema, key: &ForeignKey) -> bool {
    key.parent_columns.iter().any(|name| name == known.id.name.as_str())
}

/// Foreign keys that are not looked at, as tables whose rows name users all the same.
pub(super) async fn aside(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    keys: Vec<(ForeignKey, ObjectRef)>,
) -> Result<Vec<ReferenceTable>, DatabaseError> {
    let mut scope = Scope::default();
    if !keys.is_empty() {
        hard(connection, known, keys, &mut scope).await?;
    }
    Ok(scope.tables)
}

/// Tables of sessions that a rule ignores as a whole: their rows name users all the same.
pub(super) async fn sessions(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    taken: &BTreeSet<Place>,
) -> Result<Vec<ReferenceTable>, DatabaseError> {
    let users = ObjectRef::default();
    let mut found = Vec::new();
    for means in target.sessions.iter().flat_map(|spec| &spec.ends).filter(|means| means.of_rows()) {
        let object = means.object(&users);
        if !taken.contains(&place(&object)) {
            found.extend(by_column(connection, known, &object, "spec.sessions").await?.ok());
        }
    }
    Ok(found)
}
