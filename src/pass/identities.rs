//! What a pass knows of the people of before beside the rows, and the snapshot that is taken of today's.

use jiff::Timestamp;

use super::{Pass, connect};
use crate::{
    consistency::{
        correspondence::OldTokens,
        identities::LoginKey,
        severity::Fault,
        snapshot::{Key, Keyed, Snapshot},
        target::{IdentitySource, Target},
    },
    database,
    network::HostPolicy,
    tokens,
};

/// Whether a token of before may still be accepted: not where a snapshot knows another signing key.
pub(super) fn old_tokens(pass: &Pass<'_>) -> OldTokens {
    let Some(jwt) = &pass.target.jwt else { return OldTokens::None };
    let before = match &pass.target.references.identities {
        Some(IdentitySource::List(list)) => {
            list.before.as_ref().and_then(|before| before.fingerprint.clone())
        }
        _ => None,
    };
    let now = pass.memory.fingerprint(jwt.key.expose()).flatten();
    match (before, now) {
        (Some(before), Some(now)) if before != now => OldTokens::Dead,
        _ => OldTokens::Perhaps,
    }
}

/// Takes a snapshot of whom ids name today; logins are keyed where a key is given.
///
/// # Errors
/// The user table cannot be used, or the database fails.
pub async fn snapshot(
    target: &Target,
    policy: &HostPolicy,
    key: Option<(&LoginKey, Keyed)>,
    now: Timestamp,
) -> Result<Snapshot, Fault> {
    let signing_key = target.jwt.as_ref().map(|jwt| Key {
        fingerprint: tokens::fingerprint(&jwt.key, jwt.shape.algorithm),
        algorithm: jwt.shape.algorithm,
    });
    let mut session = connect(target, policy).await?;
    let taken = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let snapshot = database::snapshot(session.connection(), target, taken, signing_key, key)
        .await
        .map_err(|error| error.fault())?;
    session.close().await;
    Ok(snapshot)
}
