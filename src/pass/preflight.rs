//! One look at a source before a migration: what a pass sees, and what only a move asks for. Nothing is written.

use jiff::Timestamp;

use super::{Look, Pass, Repairs, Supervisor, at_database, connect, look};
use crate::{
    consistency::{
        diagnosis::Requests,
        preflight::{Facts, Preflight, judge},
        severity::Fault,
        target::Target,
    },
    database::{self, DatabaseError, Search},
    memory::Memory,
    network::HostPolicy,
    tokens::{self, KeyWeakness},
};

/// Looks at a source and says what a move of it would break.
///
/// # Errors
/// The database cannot be reached, or fails as a whole.
pub async fn preflight(
    target: &Target,
    policy: &HostPolicy,
    supervisor: &dyn Supervisor,
    now: Timestamp,
) -> Result<Preflight, Fault> {
    let (requests, memory) = (Requests::default(), Memory::default());
    let pass = Pass {
        target,
        policy,
        requests: &requests,
        memory: &memory,
        supervisor,
        repairs: Repairs::None,
        look: Look::Deep,
        compare_password: false,
        search: Search::default(),
        ask: false,
        key_before: None,
        now,
    };
    let failed = |error: DatabaseError| at_database(&target.database, error.fault());
    let keys = keys(target);
    let mut session = connect(target, policy).await?;
    let mut seen = 0;
    // Where one look does not suffice, the next one goes on, as long as it gets further.
    let observed = loop {
        let observed = look::deep(&pass, &mut session).await?;
        let reached = observed.observation.references.len();
        if observed.observation.unreached.is_empty() || reached <= seen {
            break observed;
        }
        seen = reached;
    };
    let Some(known) = &observed.known else {
        session.close().await;
        let nothing = Facts {
            observation: &observed.observation,
            columns: &[],
            logins: None,
            suggestions: &[],
            unsampled: 0,
            unreadable: &[],
            keys: &keys,
        };
        return Ok(judge(target, &nothing));
    };
    let logins = database::logins(session.connection(), target, known).await.map_err(failed)?;
    let (suggestions, found) = database::suggestions(session.connection(), target).await.map_err(failed)?;
    session.close().await;
    let columns: Vec<String> =
        known.users.columns.iter().map(|column| column.name.as_str().to_owned()).collect();
    Ok(judge(
        target,
        &Facts {
            observation: &observed.observation,
            columns: &columns,
            logins,
            suggestions: &suggestions,
            unsampled: found.left,
            unreadable: &found.skipped,
            keys: &keys,
        },
    ))
}

/// What is wrong with the keys: whoever finds out one of before can sign as long as the app accepts it.
fn keys(target: &Target) -> Vec<(String, KeyWeakness)> {
    let Some(jwt) = &target.jwt else { return Vec::new() };
    std::iter::once((&jwt.origin, &jwt.key))
        .chain(jwt.previous.iter().map(|(origin, key)| (origin, key)))
        .flat_map(|(origin, key)| {
            tokens::audit(key, jwt.shape.algorithm)
                .into_iter()
                .map(move |weakness| (origin.clone(), weakness))
        })
        .collect()
}
