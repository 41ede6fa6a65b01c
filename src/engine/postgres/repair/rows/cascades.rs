//! Rows of other tables that depend on orphans: what a DELETE takes along, and what forbids it.
//!
//! One level is counted, copied and taken along: ON DELETE CASCADE and SET NULL. Where rows depend on those
//! again, or a foreign key forbids the DELETE, it is refused before anything is done.

pub(in crate::engine::postgres) mod held;
pub(in crate::engine::postgres) mod victims;

use crate::{
    api::report::Action,
    domain::facts::references::Cascaded,
    engine::postgres::{
        catalog::{self, Table, reference::ReferenceTable},
        rowset::dependents::{Dependent, of},
        session::error::DatabaseError,
    },
};

use sqlx::PgConnection;

/// A foreign key to a table, as far as rights go.
pub(in crate::engine::postgres) struct Touched {
    /// Schema of the table whose rows depend.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Referenced columns.
    pub parent_columns: Vec<String>,
    /// What becomes of its rows when theirs are deleted: Delete or SetNull; `None`: it forbids that.
    pub effect: Option<Action>,
    /// Whether a change of the key goes on to its rows.
    pub carries: bool,
}

/// The tables whose rows depend on rows of a table, those of the table itself left out.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn touched(
    connection: &mut PgConnection,
    parent: &Table,
) -> Result<Vec<Touched>, sqlx::Error> {
    let there = of(connection, parent).await?;
    let others = there.into_iter().filter(|one| one.table.oid != parent.oid);
    Ok(others
        .map(|one| Touched {
            schema: one.key.child.0.clone(),
            table: one.key.child.1.clone(),
            parent_columns: one.key.parent_columns.to_vec(),
            effect: one.effect,
            carries: one.carries,
        })
        .collect())
}

/// The dependents that a plan takes along.
///
/// # Errors
/// One of them is not there any more.
pub(in crate::engine::postgres) async fn resolve(
    connection: &mut PgConnection,
    reference: &ReferenceTable,
    takes: &[Cascaded],
) -> Result<Vec<Dependent>, DatabaseError> {
    if takes.is_empty() {
        return Ok(Vec::new());
    }
    let there = of(connection, &reference.child).await?;
    let mut found = Vec::with_capacity(takes.len());
    for taken in takes {
        let same = |one: &&Dependent| one.object() == taken.object && one.effect == Some(taken.action);
        let mut one = there.iter().find(same).cloned().ok_or_else(|| {
            DatabaseError::PlanStale(format!("{} is not as the plan says any more", taken.object.describe()))
        })?;
        if taken.action == Action::SetNull {
            let names = catalog::primary_key(connection, one.table.oid).await?;
            one.primary_key = names.iter().filter_map(|name| one.table.column(name)).cloned().collect();
        }
        found.push(one);
    }
    Ok(found)
}
