//! Stage 5, *report*: what must be written, if anything. Holds a client only to write it.

use crate::{
    api::{AuthConsistencyStatus, annotation, condition::ConditionType, report::RequestNotDone},
    crash,
    domain::{
        diagnose::requests::{Past, claim_asked, kept_value, older},
        report::{Seen, called_for, first_install::awaited},
        request::{Approval, Requests},
    },
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::Mutex;

use super::{
    cluster::{Cluster, ClusterError},
    dereference::Resource,
};

/// The status of one resource during one pass: what stands in the cluster, and its version.
pub struct Statement<'a> {
    cluster: &'a Cluster,
    resource: &'a Resource,
    not_done: Vec<RequestNotDone>,
    written: Mutex<Written>,
}

struct Written {
    version: String,
    status: AuthConsistencyStatus,
    /// Whether all that stands could be understood.
    sound: bool,
    times: u64,
}

impl<'a> Statement<'a> {
    /// The status as it was read.
    pub fn new(cluster: &'a Cluster, resource: &'a Resource) -> Self {
        let version = resource.object.metadata.resource_version.clone().unwrap_or_default();
        let (status, sound) = (resource.status.clone(), resource.sound);
        let not_done = not_done(resource);
        Self {
            cluster,
            resource,
            not_done,
            written: Mutex::new(Written { version, status, sound, times: 0 }),
        }
    }

    /// The one-off requests that are not done, whatever the pass comes to.
    pub fn not_done(&self) -> &[RequestNotDone] {
        &self.not_done
    }

    /// The status with the requests that stand on the resource and are not done.
    fn with_requests(&self, status: &AuthConsistencyStatus) -> AuthConsistencyStatus {
        let mut status = status.clone();
        let not_done = &mut status.requests_not_done;
        not_done.retain(|one| stands(self.resource, one));
        for one in &self.not_done {
            if not_done.iter().all(|other| other.annotation != one.annotation) {
                not_done.push(one.clone());
            }
        }
        not_done.sort_by(|a, b| a.annotation.cmp(&b.annotation));
        status
    }

    /// Writes a status unless it stands there already; says whether it wrote.
    ///
    /// # Errors
    /// The object has changed since it was read, or the API server refuses.
    pub async fn write(&self, status: &AuthConsistencyStatus) -> Result<bool, ClusterError> {
        let mut written = self.written.lock().await;
        let status = self.with_requests(status);
        if written.sound && written.status == status {
            return Ok(false);
        }
        crash::point("before status");
        let version = self.cluster.write_status(&self.resource.object, &written.version, &status).await?;
        crash::point("after status");
        *written = Written { version, status, sound: true, times: written.times + 1 };
        Ok(true)
    }

    /// How often it was written.
    pub async fn times(&self) -> u64 {
        self.written.lock().await.times
    }

    /// Whether it is being written just now.
    pub fn is_being_written(&self) -> bool {
        self.written.try_lock().is_err()
    }

    /// The object was read anew and is the same resource still; `times` is how often it had been written
    /// before that. What was written while it was read is newer.
    pub async fn renew(&self, live: &Resource, times: u64) {
        let mut written = self.written.lock().await;
        if written.times == times {
            let version = live.object.metadata.resource_version.clone().unwrap_or_default();
            *written = Written { version, status: live.status.clone(), sound: live.sound, times };
        }
    }

    /// After a conflict: whether the status may be made anew on what stands there now, and written again.
    ///
    /// It may where only the rest of the object was written, and it is still `ours`. What somebody else says of the same
    /// resource is newer than what this pass has seen, and is overruled only when `insisting`.
    ///
    /// # Errors
    /// The object is another one by now, or the API server fails.
    pub async fn rebase(
        &self,
        insisting: bool,
        ours: impl Fn(&Resource) -> bool,
    ) -> Result<bool, ClusterError> {
        let identity = &self.resource.identity;
        let times = self.times().await;
        let live = match self.cluster.resource(&identity.namespace, &identity.name).await {
            Ok(object) => Resource::read(object),
            Err(ClusterError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if live.identity != *identity || live.is_deleted() || !ours(&live) {
            return Ok(false);
        }
        let same = live.sound && live.status == self.current().await;
        if !same && !insisting {
            return Ok(false);
        }
        self.renew(&live, times).await;
        Ok(true)
    }

    /// What stands in the cluster, as far as this pass knows.
    pub async fn current(&self) -> AuthConsistencyStatus {
        self.written.lock().await.status.clone()
    }
}

/// Now, in whole seconds as Kubernetes writes times.
pub fn now() -> Time {
    let now = jiff::Timestamp::now();
    Time(jiff::Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// Whether a request stands on the resource as it was read.
fn stands(resource: &Resource, request: &RequestNotDone) -> bool {
    resource.annotation(&request.annotation).is_some_and(|value| kept_value(&value) == request.value)
}

/// The requests that stand on the resource and are not done: those of which its status says so, and those that
/// came along with it. What was handled is no matter of theirs.
fn not_done(resource: &Resource) -> Vec<RequestNotDone> {
    let (status, meta, identity) = (&resource.status, &resource.object.metadata, &resource.identity);
    let past = Past {
        created: meta.creation_timestamp.as_ref(),
        managers: meta.managed_fields.as_deref().unwrap_or_default(),
        first_sight: resource.is_new(),
    };
    let one = |(name, handled): (&str, Option<&String>)| {
        let value = resource.annotation(name).filter(|value| !value.is_empty())?;
        let told =
            status.requests_not_done.iter().find(|one| one.annotation == name && stands(resource, one));
        if told.is_some() {
            return told.cloned();
        }
        let open = handled != Some(&kept_value(&value));
        (open && past.refuses(name)).then(|| older(name, &value, &identity.namespace, &identity.name))
    };
    [
        (annotation::RESET_ADMIN, status.last_handled_reset_admin.as_ref()),
        (annotation::APPROVE, status.last_handled_approval.as_ref()),
        (annotation::TAKE_CLAIM, None),
    ]
    .into_iter()
    .filter_map(one)
    .collect()
}

/// The one-off requests that stand in the annotations, were not handled yet, and are to be done.
pub fn requests(resource: &Resource, not_done: &[RequestNotDone]) -> Requests {
    let status = &resource.status;
    let asked = |name: &str| {
        let refused = not_done.iter().any(|one| one.annotation == name);
        resource.annotation(name).filter(|value| !value.is_empty() && !refused)
    };
    let fresh = |name: &str, handled: &Option<String>| {
        asked(name).filter(|value| Some(&kept_value(value)) != handled.as_ref())
    };
    let approval = fresh(annotation::APPROVE, &status.last_handled_approval).map(|hash| {
        let shown = status.plan.as_ref().filter(|plan| plan.hash.as_deref() == Some(hash.trim()));
        Approval { shown: shown.map(|plan| plan.steps.clone()).unwrap_or_default(), hash }
    });
    Requests {
        reset: fresh(annotation::RESET_ADMIN, &status.last_handled_reset_admin),
        approval,
        take_claim: asked(annotation::TAKE_CLAIM).map(|value| claim_asked(&value)),
        approval_before: status.last_handled_approval.clone(),
    }
}

/// The requests for a pass that this pass answers, and what else is to be known of the resource.
pub fn seen(resource: &Resource) -> Seen {
    Seen {
        reconcile: resource.annotation(annotation::RECONCILE),
        flux_reconcile: resource.annotation(annotation::FLUX_RECONCILE),
        conditions: resource.spec.as_ref().ok().map(|spec| called_for(spec)),
        awaited: awaited(&resource.beginning(), now().0).map(Time),
    }
}

/// Whether somebody asked for a pass that was not answered yet.
pub fn asked(resource: &Resource) -> bool {
    let (seen, status) = (seen(resource), &resource.status);
    let open = |now: Option<String>, handled: &Option<String>| {
        now.is_some_and(|value| Some(kept_value(&value)) != *handled)
    };
    open(seen.reconcile, &status.last_handled_reconcile)
        || open(seen.flux_reconcile, &status.last_handled_reconcile_at)
}

/// Whether the resource is ready as far as its status says.
pub fn ready(resource: &Resource) -> bool {
    let ready = ConditionType::Ready.as_str();
    resource.status.conditions.iter().any(|one| one.type_ == ready && one.status == "True")
}
