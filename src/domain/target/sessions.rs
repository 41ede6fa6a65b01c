//! Whether a new key or new ids are a reason to end sessions.

use crate::{
    api::{condition::Reason, sessions::OnKeyChange},
    domain::{
        facts::{identities::OldTokens, session_mechanism::Sessions, sessions::NewKey},
        target::{IdentitySource, Target},
    },
    tokens,
};

/// The new signing key, where it is a reason to end everybody's tokens: the app accepts a previous key,
/// and the spec says so or anybody could have made tokens with that. One without a fingerprint is too weak
/// to be worth it.
pub fn new_key(target: &Target, sessions: &Sessions, fingerprint: Option<&str>) -> Option<NewKey> {
    let jwt = target.jwt.as_ref()?;
    let fingerprint = fingerprint?.to_owned();
    if sessions.ends.is_empty() {
        return None;
    }
    let guessable = jwt.previous.iter().find(|(_, key)| {
        let found = tokens::audit(key, jwt.shape.algorithm);
        found.iter().any(|weakness| weakness.reason() == Reason::SigningKeyGuessable)
    });
    let (before, _) = match guessable {
        Some(found) => found,
        None if sessions.on_key_change == OnKeyChange::End => jwt.previous.first()?,
        None => return None,
    };
    Some(NewKey { fingerprint, before: before.clone(), guessable: guessable.is_some() })
}

/// Whether an old token may still be accepted: not where a snapshot knows another signing key, and no
/// key of before is accepted.
pub fn old_tokens(target: &Target, fingerprint: Option<&str>) -> OldTokens {
    let Some(jwt) = &target.jwt else { return OldTokens::None };
    let before = match &target.references.identities {
        Some(IdentitySource::List(list)) => {
            list.before.as_ref().and_then(|before| before.fingerprint.as_deref())
        }
        _ => None,
    };
    match (before, fingerprint) {
        (Some(before), Some(now)) if before != now && jwt.previous.is_empty() => OldTokens::Dead,
        _ => OldTokens::Perhaps,
    }
}

/// Whether tokens name users by the id that references use, so that they go astray when ids change.
pub fn tokens_name_ids(target: &Target) -> bool {
    target.jwt.as_ref().is_some_and(|jwt| jwt.subject_column == target.users.id_column)
}
