//! What a pass knows of the previous people beside the rows, and the snapshot that is taken of today's.

use crate::{
    api::{condition::Reason, shared::TlsMode},
    domain::{
        facts::identities::{OldTokens, Unusable},
        fault::{Class, Fault},
        identities::{
            list::LoginKey,
            snapshot::{Key, Keyed, Snapshot, Tokens},
        },
        target::{IdentitySource, Target, sessions},
    },
    engine::{self, EngineError, PasswordCache, PreviousUsers, Resolved, SnapshotRequest},
    network::HostPolicy,
    pass::{connect::connect, request::Pass},
    tokens,
};

use jiff::Timestamp;

/// Whether an old token may still be accepted: not where a snapshot knows another signing key.
pub(super) fn old_tokens(pass: &Pass<'_>) -> OldTokens {
    let key = pass.target.jwt.as_ref().map(|jwt| jwt.key.known_by(jwt.shape.algorithm));
    let fingerprint = key.and_then(|key| pass.memory.fingerprint(&key)).flatten();
    sessions::old_tokens(pass.target, fingerprint.as_deref())
}

/// What another database says of old ids; `None` where the spec names none. It is asked before the look
/// at the target's own, so that no snapshot waits for it there.
pub(super) async fn elsewhere(pass: &Pass<'_>) -> Option<Result<PreviousUsers, Unusable>> {
    let target = pass.target;
    let Some(IdentitySource::Elsewhere(other, table)) = &target.references.identities else { return None };
    let connection = &other.connection;
    let origin = format!("spec.references.identities.database ({}:{})", connection.host, connection.port);
    let reading = async {
        let mut session = pass.engine.connect(other, pass.policy, &target.resource.namespace).await?;
        let limit = target.timeout;
        let reading = session.queries().previous_users(table, &origin, limit);
        let read = tokio::time::timeout(limit, reading)
            .await
            .unwrap_or_else(|_| Err(EngineError::no_answer(limit)))?;
        session.close().await;
        Ok(read)
    };
    let read: Result<_, EngineError> = reading.await;
    Some(match read {
        Ok(read) => read.map_err(Unusable::invalid),
        Err(error) => Err(unreachable(&error, &origin, other.disagreement.as_deref())),
    })
}

fn unreachable(error: &EngineError, origin: &str, disagreement: Option<&str>) -> Unusable {
    let fault = error.fault();
    let (own, odd) = error.refused();
    // Where it is: the words were made for the app's own database.
    let own = own.map(|advice| {
        let field = advice.replace("spec.database", "spec.references.identities.database");
        format!(": {}", field.replace("the Secret", "its Secret"))
    });
    let advice = own.as_deref().unwrap_or(match fault.reason {
        Reason::DatabaseAuthenticationFailed => ": correct user name and password in its Secret",
        Reason::DatabaseTlsFailed => ": correct its tls, or the server's certificate",
        Reason::DatabaseNotFound => ": correct the database's name in its Secret",
        _ => "",
    });
    let disagreement = disagreement.map(|said| format!(" ({said})")).unwrap_or_default();
    Unusable {
        reason: Reason::IdentitiesUnreachable,
        why: format!("{origin}: {error}{advice}{odd}{disagreement}"),
        transient: matches!(fault.class, Class::Transient | Class::Conflict),
    }
}

/// What there is to know of the way to the other database, with what is between it and the words before.
pub(super) fn remark(target: &Target) -> String {
    let Some(IdentitySource::Elsewhere(other, _)) = &target.references.identities else {
        return String::new();
    };
    let mut text = String::new();
    if other.tls == TlsMode::Disable {
        text.push_str("; the old database is read without encryption (tls.mode is Disable)");
    }
    if let Some(disagreement) = &other.disagreement {
        text.push_str(&format!("; {disagreement}"));
    }
    text
}

/// Asks the other database again, right before rows go back: who was meant when the plan was made must
/// be meant still.
///
/// # Errors
/// It says something else by now, or cannot be asked.
pub(super) async fn still_says(pass: &Pass<'_>, resolved: &dyn Resolved) -> Result<(), EngineError> {
    let Some(read) = elsewhere(pass).await else { return Ok(()) };
    let nothing = |why: String| EngineError::plan_stale(format!("{why}: nothing was changed"));
    let read = read
        .map_err(|problem| nothing(format!("whom old ids named cannot be asked again ({})", problem.why)))?;
    match resolved.previous_users() {
        Some(list) if list == read.digest() => Ok(()),
        _ => Err(nothing("the other database names other people than when the plan was made".into())),
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
    let tokens = target.jwt.as_ref().map(|jwt| Tokens {
        lifetime_seconds: jwt.shape.lifetime.as_secs(),
        issuer: jwt.shape.issuer.clone(),
        audience: jwt.shape.audience.clone(),
        subject_claim: jwt.shape.subject_claim.as_str().to_owned(),
        subject_type: jwt.shape.subject_type,
        subject_column: jwt.subject_column.clone(),
    });
    let mut session = connect(engine::of(&target.database), target, policy).await?;
    let taken = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let request = SnapshotRequest { taken, signing_key, tokens, key };
    let snapshot = session.queries().snapshot(target, request).await.map_err(|error| error.fault())?;
    session.close().await;
    Ok(snapshot)
}
