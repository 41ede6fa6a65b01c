//! What of keys, tokens and logins does not survive a move.

use crate::{
    domain::{
        advise::account_names::plain,
        diagnose::not_unique,
        facts::{schema::UserTable, session_mechanism::Mechanism},
        target::Target,
        text::{count, number},
    },
    tokens::{KeyWeakness, span},
};

use std::time::Duration;

use super::{Facts, Risk, RiskName, counted};

/// Tokens that live longer outlast a move. The guide's own live for a day, and it wants them refreshed so that
/// they can expire; a week leaves room for apps without a refresh, and is what people watch a move for.
const LONG: Duration = Duration::from_secs(7 * 86_400);

/// Columns by which apps refuse tokens that were made before a moment, or of an earlier version, in the spelling
/// of [`plain`]. `tokens_valid_after` as in ProbeOps, `not_before` of Keycloak, `security_stamp` of ASP.NET
/// Identity, `fs_uniquifier` of Flask-Security, `jti` of devise-jwt.
const INVALIDATING: [&str; 34] = [
    "tokens_valid_after",
    "token_valid_after",
    "tokens_valid_from",
    "token_valid_from",
    "tokens_valid_since",
    "token_valid_since",
    "valid_tokens_since",
    "tokens_not_before",
    "token_not_before",
    "not_before",
    "tokens_invalid_before",
    "tokens_invalidated_at",
    "tokens_revoked_at",
    "tokens_revoked_before",
    "sessions_valid_after",
    "sessions_invalidated_at",
    "sessions_revoked_at",
    "password_changed_at",
    "password_changed_on",
    "password_updated_at",
    "last_password_change",
    "last_password_changed",
    "last_password_changed_at",
    "credentials_changed_at",
    "last_logout",
    "last_logout_at",
    "logged_out_at",
    "security_stamp",
    "token_version",
    "tokens_version",
    "session_version",
    "auth_version",
    "fs_uniquifier",
    "jti",
];

/// Tokens name an id that the target may give to somebody else.
pub(super) fn subject_is_id(target: &Target, users: &UserTable) -> Option<Risk> {
    let jwt = target.jwt.as_ref()?;
    if !counted(users) || jwt.subject_column != target.users.id_column {
        return None;
    }
    Some(Risk {
        risk: RiskName::SubjectIsId,
        breaks: "an old token names nobody after the move, or signs its holder in as whoever has that number there, and nothing tells them".into(),
        evidence: vec![format!(
            "the claim {} holds {}.{}, which is {} and counted",
            jwt.shape.subject_claim,
            users.object.describe(),
            jwt.subject_column,
            users.id_type
        )],
        to_do: "move with a new signing key, which invalidates all existing tokens; for good, mint tokens that name a column which moves along, as a UUID or a unique login does, and name it in spec.jwt.subjectColumn".into(),
        docs: RiskName::SubjectIsId.docs(),
    })
}

/// Logins by which nobody can be found again.
pub(super) fn login_ambiguous(target: &Target, facts: &Facts<'_>) -> Option<Risk> {
    let evidence = match (&target.users.login_column, facts.logins) {
        (None, _) => {
            vec!["spec.users.loginColumn names no column, so no account has a login here".to_owned()]
        }
        (Some(_), None) => return None,
        (Some(column), Some(logins)) => [
            (logins.absent, "no login", "no login"),
            (logins.shared, "a login that another account has too", "logins that other accounts have too"),
            (
                logins.alike,
                "a login that differs from another's only by case or spaces",
                "logins that differ from others only by case or spaces",
            ),
        ]
        .into_iter()
        .filter(|(accounts, ..)| *accounts > 0)
        .map(|(accounts, one, many)| {
            let (have, what) = if accounts == 1 { ("has", one) } else { ("have", many) };
            format!("{} {have} {what} ({column})", count(accounts, "account"))
        })
        .collect(),
    };
    (!evidence.is_empty()).then(|| Risk {
        risk: RiskName::LoginAmbiguous,
        breaks: "where ids are given anew, people are found again by their logins: these cannot be, so their rows stay with nobody, and an app that folds case signs in whichever comes first".into(),
        evidence,
        to_do: "give each account one login before the move, and let a unique index on it, or on lower() of it, keep it so; accounts that are no people may stay without".into(),
        docs: RiskName::LoginAmbiguous.docs(),
    })
}

/// By such an id nobody is found again, before the move or after it.
pub(super) fn id_not_unique(target: &Target, users: &UserTable) -> Option<Risk> {
    let shared = users.shared_ids.as_ref()?;
    Some(Risk {
        risk: RiskName::IdNotUnique,
        breaks: "no list says whom such an id named, so no snapshot can be taken and no row can be given back; and a target with a unique key of the id takes none of these rows, or one of each".into(),
        evidence: vec![not_unique::counted(&users.object, shared)],
        to_do: not_unique::way_out(target, users, shared),
        docs: RiskName::IdNotUnique.docs(),
    })
}

/// A key that others may know, or that is another one where it is stored otherwise.
pub(super) fn key_in_code(facts: &Facts<'_>) -> Option<Risk> {
    if facts.keys.is_empty() {
        return None;
    }
    let told =
        |(origin, weakness): &(String, KeyWeakness)| format!("{} (Secret {origin})", weakness.message());
    Some(Risk {
        risk: RiskName::KeyInCode,
        breaks: "a key that stands in code, in an example or in a default moves to places where others read it, and one that is stored oddly is read differently by the next environment: tokens are forged, or refused".into(),
        evidence: facts.keys.iter().map(told).collect(),
        to_do: "draw a new key for the target, keep it in a Secret or the environment and nowhere in the repository, and look through the code and its history for the old one: only the look of a key can be judged from here".into(),
        docs: RiskName::KeyInCode.docs(),
    })
}

/// A new key refuses every token at once.
pub(super) fn no_overlap(target: &Target, users: Option<&UserTable>) -> Option<Risk> {
    let jwt = target.jwt.as_ref().filter(|jwt| jwt.previous.is_empty())?;
    let lifetime = span(jwt.shape.lifetime);
    let mut to_do = format!(
        "let the app accept the old key beside the new one for {lifetime}, and name the old one in spec.jwt.previousSecretRefs"
    );
    if users.is_some_and(counted) {
        to_do.push_str("; only where the ids come along as they are, though: where they are given anew, old tokens must end with the move");
    }
    Some(Risk {
        risk: RiskName::NoOverlap,
        breaks: format!(
            "a target with a new key refuses every token at once: everybody is thrown out in the middle of their work, though their tokens would have been good for up to {lifetime}"
        ),
        evidence: vec![
            "spec.jwt.previousSecretRefs names no key".into(),
            format!("tokens live for {lifetime} (spec.jwt.lifetime)"),
        ],
        to_do,
        docs: RiskName::NoOverlap.docs(),
    })
}

/// The app has nothing to refuse old tokens by.
pub(super) fn no_invalidation(target: &Target, facts: &Facts<'_>, users: &UserTable) -> Option<Risk> {
    let jwt = target.jwt.as_ref()?;
    let named = target.sessions.iter().flat_map(|sessions| &sessions.ends).any(|means| match means {
        Mechanism::Time { column } | Mechanism::Stamp { column } => facts.columns.contains(column),
        Mechanism::Rows { .. } => true,
    });
    let there = |column: &String| INVALIDATING.contains(&plain(column).as_str());
    if named || facts.columns.iter().any(there) {
        return None;
    }
    Some(Risk {
        risk: RiskName::NoInvalidation,
        breaks: format!(
            "when an old token turns out to sign in as the wrong person, nothing ends it but a new key for everybody, or {} of waiting",
            span(jwt.shape.lifetime)
        ),
        evidence: vec![format!(
            "none of the {} columns of {} is called as those are by which apps refuse older tokens (tokens_valid_after, password_changed_at, token_version, security_stamp, ...)",
            number(i64::try_from(facts.columns.len()).unwrap_or(i64::MAX)),
            users.object.describe()
        )],
        to_do: "add a column such as tokens_valid_after, have the app refuse tokens whose iat lies before it, and name it in spec.sessions.invalidateBeforeColumn; an app that keeps sessions or stamps names those in spec.sessions, and needs no such column".into(),
        docs: RiskName::NoInvalidation.docs(),
    })
}

/// Tokens outlast the move.
pub(super) fn long_lived_tokens(target: &Target) -> Option<Risk> {
    let lifetime = target.jwt.as_ref()?.shape.lifetime;
    (lifetime > LONG).then(|| Risk {
        risk: RiskName::LongLivedTokens,
        breaks: "old tokens stay good long after the move: whatever they name wrongly, they go on to name, and an old key must be accepted just as long".into(),
        evidence: vec![format!(
            "tokens live for {} (spec.jwt.lifetime), and {} is what a move can be watched for",
            span(lifetime),
            span(LONG)
        )],
        to_do: "let tokens live for a day or less and give out new ones by a refresh token that a sign-out can revoke".into(),
        docs: RiskName::LongLivedTokens.docs(),
    })
}
