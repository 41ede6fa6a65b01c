//! Stage 5, *report*: what must be written, if anything. Holds a client only to write it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::Mutex;

use super::{
    cluster::{Cluster, ClusterError},
    dereference::Resource,
};
use crate::{
    api::{AuthConsistencyStatus, annotation, condition::ConditionType},
    consistency::{
        coming_up::awaited,
        diagnosis::{Approval, Requests},
        report::{Seen, called_for},
    },
    crash,
};

/// The status of one resource during one pass: what stands in the cluster, and its version.
pub struct Statement<'a> {
    cluster: &'a Cluster,
    resource: &'a Resource,
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
        Self { cluster, resource, written: Mutex::new(Written { version, status, sound, times: 0 }) }
    }

    /// Writes a status unless it stands there already; says whether it wrote.
    ///
    /// # Errors
    /// The object has changed since it was read, or the API server refuses.
    pub async fn write(&self, status: &AuthConsistencyStatus) -> Result<bool, ClusterError> {
        let mut written = self.written.lock().await;
        if written.sound && written.status == *status {
            return Ok(false);
        }
        crash::point("before status");
        let version = self.cluster.write_status(&self.resource.object, &written.version, status).await?;
        crash::point("after status");
        *written = Written { version, status: status.clone(), sound: true, times: written.times + 1 };
        Ok(true)
    }

    /// How often it was written.
    pub async fn times(&self) -> u64 {
        self.written.lock().await.times
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
    /// It may where only the rest of the object was written. What somebody else says of the same resource is
    /// newer than what this pass has seen, and is overruled only when `insisting`.
    ///
    /// # Errors
    /// The object is another one by now, or the API server fails.
    pub async fn rebase(&self, insisting: bool) -> Result<bool, ClusterError> {
        let identity = &self.resource.identity;
        let times = self.times().await;
        let live = match self.cluster.resource(&identity.namespace, &identity.name).await {
            Ok(object) => Resource::read(object),
            Err(ClusterError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if live.identity != *identity || live.is_deleted() {
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

/// The one-off requests that stand in the annotations and were not handled yet.
pub fn requests(resource: &Resource) -> Requests {
    let status = &resource.status;
    let fresh = |name: &str, handled: &Option<String>| {
        resource.annotation(name).filter(|value| !value.is_empty() && Some(value) != handled.as_ref())
    };
    let approval = fresh(annotation::APPROVE, &status.last_handled_approval).map(|hash| {
        let shown = status.plan.as_ref().filter(|plan| plan.hash.as_deref() == Some(hash.trim()));
        Approval { shown: shown.map(|plan| plan.steps.clone()).unwrap_or_default(), hash }
    });
    Requests {
        reset: fresh(annotation::RESET_ADMIN, &status.last_handled_reset_admin),
        approval,
        take_claim: resource.annotation(annotation::TAKE_CLAIM),
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
    let open = |now: Option<String>, handled: &Option<String>| now.is_some() && now != *handled;
    open(seen.reconcile, &status.last_handled_reconcile)
        || open(seen.flux_reconcile, &status.last_handled_reconcile_at)
}

/// Whether the resource is ready as far as its status says.
pub fn ready(resource: &Resource) -> bool {
    let ready = ConditionType::Ready.as_str();
    resource.status.conditions.iter().any(|one| one.type_ == ready && one.status == "True")
}
