//! How tokens and sessions end before they expire: whose must, and the statements that end them.
//!
//! A step goes on chunk by chunk. Where a column holds a time, all of its chunks set that at which its run
//! began, in whole seconds as `iat` has it: what is set already, or later, is done. Where it holds a stamp, what
//! has a copy is done; where sessions are rows, what is not on the step's list any more. So a run that was
//! interrupted goes on where it stopped, under its own approval or another one. With the last chunk the database
//! remembers for what it was done: never twice.

use crate::{
    api::report::ObjectRef,
    domain::{
        diagnose::sessions::{Mechanism, TimeKind},
        facts::{
            identities::OldTokens,
            sessions::{Changes, MeansFacts, SessionFacts, Shifted},
        },
        target::{Target, sessions},
    },
    engine::postgres::{
        catalog::{Column, resolved::ResolvedSchema},
        ledger::ended_sessions,
        rowset::{
            session_column,
            session_rows::{self, users},
        },
        session::error::DatabaseError,
    },
};

use sqlx::PgConnection;

pub(in crate::engine::postgres) use crate::engine::postgres::rowset::session_column::{
    holds_what_was_set, seconds,
};

/// The column with the time from which on tokens count, where it is there and holds one.
pub(in crate::engine::postgres) fn column<'k>(
    target: &Target,
    known: &'k ResolvedSchema,
) -> Option<(&'k Column, TimeKind)> {
    let means = target.sessions.as_ref()?.ends.iter().find(|one| matches!(one, Mechanism::Time { .. }))?;
    match session_column::of(means, known)? {
        (column, session_column::Kind::Time(kind)) => Some((column, kind)),
        _ => None,
    }
}

/// Looks whose tokens and sessions outlive a change; inside the pass's snapshot. `None` where the spec does not
/// ask.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    fingerprint: Option<&str>,
) -> Result<Option<SessionFacts>, DatabaseError> {
    let Some(spec) = &target.sessions else { return Ok(None) };
    let mut changes = Changes {
        ended: ended_sessions::ended(connection, target, known).await?,
        key: sessions::new_key(target, spec, fingerprint),
        ..Changes::default()
    };
    let shifted = known.identities.as_ref().map(|mapping| Shifted {
        list: mapping.list.clone(),
        ids: mapping.pairs.iter().filter(|pair| pair.shifted).map(|pair| pair.old.clone()).collect(),
    });
    if sessions::tokens_name_ids(target) {
        changes.moves = ended_sessions::moves(connection, target, known).await?;
        let perhaps = sessions::old_tokens(target, fingerprint) == OldTokens::Perhaps;
        changes.shifted = shifted.clone().filter(|_| perhaps);
    }
    if spec.ends.iter().any(Mechanism::of_rows) {
        changes.shifted_rows = shifted;
    }
    let mut facts = SessionFacts::default();
    let told = if spec.ends.is_empty() { vec![None] } else { spec.ends.iter().map(Some).collect() };
    for means in told {
        let mut one = MeansFacts { means: means.cloned(), due: changes.due(means), ..MeansFacts::default() };
        match means {
            Some(means) if means.of_rows() => {
                let before: Vec<ObjectRef> = facts
                    .means
                    .iter()
                    .filter(|one| one.due.is_some() && one.permitted)
                    .filter_map(|one| one.usable().filter(|means| means.of_rows()))
                    .map(|means| means.object(&users(target)))
                    .collect();
                session_rows::observe(connection, target, known, (means, &before), &mut one).await?;
            }
            Some(means) => session_column::look_at(connection, known, means, &mut one).await?,
            None => {}
        }
        if let (Some(due), false) = (one.due.clone(), means.is_some_and(Mechanism::of_rows)) {
            session_column::count(connection, target, known, &due, &mut one).await?;
        }
        facts.means.push(one);
    }
    // A table that holds no session of theirs has none to end.
    let empty = |one: &MeansFacts| {
        one.means.as_ref().is_some_and(Mechanism::of_rows)
            && one.due.is_some()
            && one.problem.is_none()
            && one.rows == 0
    };
    let means: Vec<Mechanism> =
        facts.means.iter().filter(|one| !empty(one)).filter_map(|one| one.means.clone()).collect();
    facts.list_ended = changes.list_ended(&means);
    Ok(Some(facts))
}
