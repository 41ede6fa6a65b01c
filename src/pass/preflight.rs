//! One look at a source before a migration: what a pass sees, and what only a move asks for. Nothing is written.

use crate::{
    domain::{
        advise::preflight::{Facts, Preflight, judge},
        fault::Fault,
        request::Requests,
        target::Target,
    },
    engine::{self, EngineError, Search},
    network::HostPolicy,
    pass::{
        connect::{at_database, connect},
        memory::Memory,
        request::{Pass, Repairs, Supervisor},
    },
    tokens::{self, KeyWeakness},
};

use jiff::Timestamp;

use super::{ScanMode, look};

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
    let engine = engine::of(&target.database);
    let pass = Pass {
        engine,
        target,
        policy,
        requests: &requests,
        memory: &memory,
        supervisor,
        repairs: Repairs::None,
        look: ScanMode::Full,
        compare_password: false,
        search: Search::default(),
        ask: false,
        key_before: None,
        now,
    };
    let keys = keys(target);
    let mut session = connect(engine, target, policy).await?;
    let mut seen = 0;
    // Where one look does not suffice, the next one goes on, as long as it gets further.
    let observed = loop {
        let observed = look::deep(&pass, &mut *session).await?;
        let reached = observed.observation.references.len();
        if observed.observation.unreached.is_empty() || reached <= seen {
            break observed;
        }
        seen = reached;
    };
    let Some(resolved) = &observed.resolved else {
        session.close().await;
        let nothing = Facts {
            observation: &observed.observation,
            columns: &[],
            logins: None,
            suggestions: &[],
            unsampled: 0,
            unreadable: &[],
            keys: &keys,
            failed: &[],
        };
        return Ok(judge(target, &nothing));
    };
    // What was seen so far is worth telling without these.
    let mut failed = Vec::new();
    let mut told = |what: &str, error: EngineError| {
        failed.push(format!("{what}: {}", at_database(&target.database, error.fault()).message));
    };
    let logins = match session.queries().logins(target, resolved).await {
        Ok(logins) => logins,
        Err(error) => {
            told("logins could not be counted", error);
            None
        }
    };
    let (suggestions, left, unreadable) = match session.queries().suggestions(target).await {
        Ok((suggestions, found)) => (suggestions, found.left, found.skipped),
        Err(error) => {
            told("columns that may name users could not be sampled", error);
            Default::default()
        }
    };
    session.close().await;
    let columns = resolved.user_columns();
    Ok(judge(
        target,
        &Facts {
            observation: &observed.observation,
            columns: &columns,
            logins,
            suggestions: &suggestions,
            unsampled: left,
            unreadable: &unreadable,
            keys: &keys,
            failed: &failed,
        },
    ))
}

/// What is wrong with the keys: whoever finds out one of before can sign as long as the app accepts it.
fn keys(target: &Target) -> Vec<(String, KeyWeakness)> {
    let Some(jwt) = &target.jwt else { return Vec::new() };
    jwt.counting()
        .flat_map(|(part, origin, key)| {
            tokens::audit_part(key, jwt.shape.algorithm, part)
                .into_iter()
                .map(move |weakness| (origin.clone(), weakness))
        })
        .collect()
}
