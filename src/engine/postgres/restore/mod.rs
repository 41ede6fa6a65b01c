//! Puts rows back from quarantine, equal column by column, where today's constraints allow.
//!
//! A deleted row is inserted again under its own key; a reassigned or nulled reference gets its old
//! value back, but only where it still holds what the repair wrote. A row that still names nobody
//! cannot go back under an enforced foreign key: it stays, counted and named. So does one that a trigger of
//! the app would make another row than it was.

pub(in crate::engine::postgres) mod export;
pub(in crate::engine::postgres) mod inventory;
pub(in crate::engine::postgres) mod lineage;
mod newer;
mod past;
pub(in crate::engine::postgres) mod purge;
mod repeats;
mod row;
pub(super) mod runs;
mod step;
mod today;
mod undo;
pub(in crate::engine::postgres) mod verify;

use crate::engine::Restored;
use crate::{
    api::report::Action,
    domain::facts::{credentials, key_kind::KeyKind},
    engine::postgres::{
        ledger::{
            fence::{self, Fence},
            integrity,
        },
        rowset::session_keys,
        session::error::DatabaseError,
    },
};

use sqlx::PgConnection;

use past::{Done, Past, along, removed_rows, steps};
pub use repeats::repeats;
pub use runs::runs;
use step::{Rows, restore_step};

use super::catalog::{Column, Table};

impl Restored {
    /// What an account held was copied, if it was.
    fn keep(&mut self, fence: &Fence, kept: Option<newer::Kept>) {
        let Some(kept) = kept else { return };
        self.newer += i64::from(kept.changed_since);
        self.kept_under = Some(fence.run.clone());
    }
}

/// Whether a table's keys may be something to sign in with, so that no row of it is named.
fn keys_are_secret(source: &Table, key: &[Column]) -> bool {
    let columns: Vec<&str> = source.columns.iter().map(|column| column.name.as_str()).collect();
    credentials::recognise(source.relation.name.as_str(), &columns).is_some()
        && key.iter().any(|column| column.kind() != KeyKind::Integer)
}

/// Puts the rows of one run back. `fence` is of a run of its own, so that nothing repairs meanwhile.
///
/// # Errors
/// The run is not this target's, or the database fails as a whole.
pub async fn restore(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    identity: Option<&str>,
) -> Result<Vec<Restored>, DatabaseError> {
    let run = &Past::of(fence, run, identity)?;
    let steps = steps(connection, run).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    let done: Vec<(i64, Action)> = steps.iter().map(|step| (step.number, step.action)).collect();
    integrity::require(&mut transaction, &run.whose, &run.run, &done).await?;
    transaction.rollback().await?;
    let mut restored = Vec::new();
    let mut rows = Rows::default();
    for step in steps.into_iter().rev() {
        if let Action::Remap
        | Action::SetNull
        | Action::Reassign
        | Action::Delete
        | Action::EndSessions
        | Action::Correct
        | Action::Reset = step.action
        {
            let removed = removed_rows(connection, run, &step).await?;
            // Sessions that were rows come back as deleted rows do.
            let how = Done {
                number: step.number,
                action: if removed { Action::Delete } else { step.action },
                object: step.object.clone(),
            };
            let mut back = restore_step(connection, fence, run, &how, &mut rows).await?;
            if removed {
                // A key may be what somebody is signed in with.
                back.sample.iter_mut().for_each(|(name, _)| *name = "a session".into());
            }
            restored.push((step.number, back));
            if step.action == Action::EndSessions {
                session_keys::restored(connection, &run.whose, &run.run, step.number).await?;
            }
            if let Action::Remap | Action::Reassign = step.action {
                // What gave way in a unique key was removed.
                let step = Done { action: Action::Delete, object: step.object.clone(), ..step };
                let gave_way = restore_step(connection, fence, run, &step, &mut rows).await?;
                if gave_way.rows + gave_way.blocked > 0 {
                    restored.push((step.number, gave_way));
                }
            }
            if step.action == Action::Delete {
                // What went along comes back after the rows that it depends on.
                for along in along(connection, run, &step).await? {
                    let back = restore_step(connection, fence, run, &along, &mut rows).await?;
                    restored.push((step.number, back));
                }
            }
        } else if step.action == Action::MoveId {
            let told = Restored {
                object: step.object,
                action: step.action,
                rows: 0,
                blocked: 1,
                sample: vec![(
                    "the id".into(),
                    "an id is moved back by setting the account's id in the spec to the old one".into(),
                )],
                again: 0,
                blocked_again: 0,
                newer: 0,
                kept_under: None,
                repeats: false,
            };
            restored.push((step.number, told));
        }
    }
    for ((place, step, action), name) in rows.late {
        let told = restored.iter_mut().find(|(number, one)| {
            let table = (&one.object.schema, &one.object.table);
            (*number, one.action.as_str(), table) == (step, action, (&place.0, &place.1))
        });
        if let Some((_, told)) = told {
            told.rows += 1;
            told.again += 1;
            told.blocked -= 1;
            told.sample.retain(|(one, _)| *one != name);
        }
    }
    Ok(restored.into_iter().map(|(_, one)| one).collect())
}
