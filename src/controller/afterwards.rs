//! The fingerprint that a pass did not wait for: computed once no pass waits for its turn, and put into the status
//! by a write of its own. Holds a client.
//!
//! Only what a pass would write of it is written, and only where the status says nothing of a key yet. Whatever
//! else comes of it, above all that the key is another one than before, is for a whole pass to tell, which follows.

use std::time::{Duration, Instant};

use kube::runtime::controller::Action;

use super::{
    admission::Asked, cluster::ClusterError, context::Context, dereference::Resource, status::Statement,
};
use crate::{
    api::spec::Algorithm,
    domain::{
        diagnose::rotation,
        target::{ResourceIdentity, Target},
    },
    fingerprints,
    tokens::SigningKey,
};

/// When the next pass is due.
pub enum Next {
    /// After a pass of which the status tells.
    After(Duration),
    /// After one that could not be told.
    RerunHint(Duration),
    /// When the resource has changed.
    OnChange,
}

impl Next {
    /// As the queue takes it.
    pub fn action(self) -> Action {
        match self {
            Self::After(wait) | Self::RerunHint(wait) => Action::requeue(wait),
            Self::OnChange => Action::await_change(),
        }
    }
}

/// A signing key whose fingerprint is still to be computed.
pub struct PutOff {
    identity: ResourceIdentity,
    key: SigningKey,
    algorithm: Algorithm,
    /// The fingerprint in the status.
    stands: Option<String>,
}

impl PutOff {
    /// That of a target's key, with what the resource's status says.
    pub fn of(resource: &Resource, target: &Target) -> Option<Self> {
        let jwt = target.jwt.as_ref()?;
        Some(Self {
            identity: resource.identity.clone(),
            key: jwt.key.clone(),
            algorithm: jwt.shape.algorithm,
            stands: resource.status.signing_key.as_ref().and_then(|key| key.fingerprint.clone()),
        })
    }
}

/// Computes a fingerprint and writes it down, in the time until the next pass. Where the pass could not be told,
/// the next one decides anew.
pub async fn until(context: &Context, next: Next, put_off: PutOff, asked: &Asked) -> Action {
    let Next::After(wait) = next else { return next.action() };
    let began = Instant::now();
    let done = context.unless_ending(async {
        // Whoever looks next compares with what this one saw.
        let _right = context.admission.afterwards(asked, tokio::time::sleep(wait)).await;
        let fingerprint = fingerprints::of(&put_off.key, put_off.algorithm).await;
        match (&put_off.stands, fingerprint) {
            (Some(stands), Some(fingerprint)) => *stands == fingerprint,
            (None, Some(fingerprint)) => {
                let (namespace, name) = (&put_off.identity.namespace, &put_off.identity.name);
                write(context, &put_off, fingerprint).await.unwrap_or_else(|error| {
                    tracing::debug!(namespace, name, %error, "a fingerprint could not be written");
                    false
                })
            }
            // It panicked: the next pass tries once more.
            (_, None) => true,
        }
    });
    match done.await {
        Some(false) => Action::requeue(Duration::ZERO),
        Some(true) | None => Action::requeue(wait.saturating_sub(began.elapsed())),
    }
}

/// Writes it where the resource and all that is said of it are still what the pass has left; says whether that was so.
async fn write(context: &Context, put_off: &PutOff, fingerprint: String) -> Result<bool, ClusterError> {
    let (PutOff { identity, algorithm, .. }, cluster) = (put_off, &context.cluster);
    let live = Resource::read(cluster.resource(&identity.namespace, &identity.name).await?);
    let statement = Statement::new(cluster, &live);
    let as_left = live.identity == *identity
        && !live.is_deleted()
        && context.is_ours(&live)
        && live.sound
        && live.status.observed_generation == identity.generation
        && live.status.signing_key.is_none()
        && live.status.requests_not_done == statement.not_done();
    if !as_left {
        return Ok(false);
    }
    let mut status = live.status.clone();
    status.signing_key = Some(rotation::first(fingerprint, *algorithm));
    statement.write(&status).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tokio::sync::watch;

    use super::{
        super::tests::{context, object},
        *,
    };
    use crate::domain::report::{End, Outcome, status};
    use crate::{api::AuthConsistencyStatus, tokens};

    const KEY: &str = "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*";
    const WAIT: Duration = Duration::from_secs(3600);

    fn key() -> SigningKey {
        SigningKey::new(KEY.as_bytes().to_vec()).unwrap()
    }

    /// The object as a pass has left it that put off the fingerprint.
    fn left() -> Value {
        let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH);
        let outcome = Box::new(Outcome::default());
        let status =
            status(&AuthConsistencyStatus::default(), 1, &time, &End::Done(outcome), &Default::default());
        let mut object = object();
        object["status"] = serde_json::to_value(&status).unwrap();
        object
    }

    fn fingerprint() -> Option<String> {
        tokens::fingerprint(&key(), Algorithm::HS256)
    }

    /// What is written where the API server has `stored`, and what the queue is told.
    async fn came_of(stored: Option<Value>, stands: Option<String>, next: Next) -> (Vec<Value>, Action) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&written);
        let patch = async move |body: String| {
            let body: Value = serde_json::from_str(&body).unwrap();
            into.lock().unwrap().push(body.clone());
            axum::Json(body)
        };
        let get = async move || match stored {
            Some(object) => (axum::http::StatusCode::OK, axum::Json(object)),
            None => {
                let gone = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404});
                (axum::http::StatusCode::NOT_FOUND, axum::Json(gone))
            }
        };
        let context = context(axum::Router::new().fallback(axum::routing::get(get).patch(patch))).await;
        let put_off = PutOff {
            identity: Resource::read(serde_json::from_value(object()).unwrap()).identity,
            key: key(),
            algorithm: Algorithm::HS256,
            stands,
        };
        let nobody = watch::Sender::default();
        let action = until(&context, next, put_off, &Asked(nobody.subscribe())).await;
        let written = written.lock().unwrap().clone();
        (written, action)
    }

    fn at_once() -> Action {
        Action::requeue(Duration::ZERO)
    }

    #[tokio::test]
    async fn the_first_fingerprint_is_all_that_is_written_and_the_next_pass_stays_when_it_was_due() {
        let (written, action) = came_of(Some(left()), None, Next::After(WAIT)).await;
        let mut wanted = left()["status"].clone();
        wanted["signingKey"] = json!({"fingerprint": fingerprint().unwrap(), "algorithm": "HS256"});
        let [one] = written.as_slice() else { panic!("{written:#?}") };
        assert_eq!(one["metadata"]["resourceVersion"], "7", "only on what was read");
        let without_nulls = |value: &Value| {
            let mut value = value.clone();
            value.as_object_mut().unwrap().retain(|_, one| !one.is_null());
            value
        };
        assert_eq!(without_nulls(&one["status"]), without_nulls(&wanted));
        assert!(action != at_once() && action != Action::await_change(), "{action:?}");
    }

    #[tokio::test]
    async fn what_the_status_says_already_is_not_read_again_and_another_key_is_for_a_pass_to_tell() {
        let (written, action) = came_of(None, fingerprint(), Next::After(WAIT)).await;
        assert_eq!(written, [] as [Value; 0]);
        assert_ne!(action, at_once());
        let other = Some("v1:scrypt:67e5".to_owned());
        let (written, action) = came_of(Some(left()), other, Next::After(WAIT)).await;
        assert_eq!((written.as_slice(), action), (&[] as &[Value], at_once()));
    }

    #[tokio::test]
    async fn nothing_is_written_over_what_somebody_else_says_or_asks_since() {
        let changed = |change: fn(&mut Value)| {
            let mut object = left();
            change(&mut object);
            object
        };
        let since = [
            changed(|object| object["metadata"]["generation"] = 2.into()),
            changed(|object| object["metadata"]["uid"] = "2".into()),
            changed(|object| object["metadata"]["deletionTimestamp"] = "2026-11-30T09:00:00Z".into()),
            changed(|object| object["status"] = json!({"observedGeneration": -1})),
            changed(|object| object["status"]["signingKey"] = json!({"algorithm": "HS256"})),
            changed(|object| object["status"]["conditions"] = "none".into()),
        ];
        for object in since {
            let (written, action) = came_of(Some(object.clone()), None, Next::After(WAIT)).await;
            assert_eq!((written.as_slice(), action), (&[] as &[Value], at_once()), "{object:#}");
        }
        let (written, action) = came_of(None, None, Next::After(WAIT)).await;
        assert_eq!(
            (written.as_slice(), action),
            (&[] as &[Value], at_once()),
            "the pass sees that it is gone"
        );
    }

    #[tokio::test]
    async fn a_pass_that_could_not_be_told_is_made_anew_when_it_is_due_with_nothing_added_to_it() {
        let (written, action) = came_of(Some(left()), None, Next::RerunHint(WAIT)).await;
        assert_eq!((written.as_slice(), action), (&[] as &[Value], Action::requeue(WAIT)));
        let (written, action) = came_of(Some(left()), None, Next::OnChange).await;
        assert_eq!((written.as_slice(), action), (&[] as &[Value], Action::await_change()));
    }

    #[tokio::test]
    async fn the_end_of_the_process_waits_for_no_fingerprint() {
        let context = context(axum::Router::new()).await;
        let _running = context.admission.turn(&context.asked("other")).await;
        let put_off = PutOff {
            identity: Resource::read(serde_json::from_value(object()).unwrap()).identity,
            key: key(),
            algorithm: Algorithm::HS256,
            stands: None,
        };
        let asked = context.asked("1");
        let mut waiting = std::pin::pin!(until(&context, Next::After(WAIT), put_off, &asked));
        assert!(futures::poll!(&mut waiting).is_pending());
        context.shutdown.request();
        assert_ne!(waiting.await, at_once());
    }
}
