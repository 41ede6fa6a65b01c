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
        diagnosis::{Approval, Requests},
        report::Seen,
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
    times: u64,
}

impl<'a> Statement<'a> {
    /// The status as it was read.
    pub fn new(cluster: &'a Cluster, resource: &'a Resource) -> Self {
        let version = resource.object.metadata.resource_version.clone().unwrap_or_default();
        let status = resource.status.clone();
        Self { cluster, resource, written: Mutex::new(Written { version, status, times: 0 }) }
    }

    /// Writes a status unless it stands there already; says whether it wrote.
    ///
    /// # Errors
    /// The object has changed since it was read, or the API server refuses.
    pub async fn write(&self, status: &AuthConsistencyStatus) -> Result<bool, ClusterError> {
        let mut written = self.written.lock().await;
        if written.status == *status {
            return Ok(false);
        }
        crash::point("before status");
        let version = self.cluster.apply_status(&self.resource.object, &written.version, status).await?;
        crash::point("after status");
        *written = Written { version, status: status.clone(), times: written.times + 1 };
        Ok(true)
    }

    /// How often it was written.
    pub async fn times(&self) -> u64 {
        self.written.lock().await.times
    }

    /// The object was read anew and is the same but for its version; `times` is how often it had been
    /// written before that. What was written while it was read is newer.
    pub async fn renew(&self, version: &str, times: u64) {
        let mut written = self.written.lock().await;
        if written.times == times {
            written.version = version.to_owned();
        }
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

/// The requests for a pass that this pass answers.
pub fn seen(resource: &Resource) -> Seen {
    Seen {
        reconcile: resource.annotation(annotation::RECONCILE),
        flux_reconcile: resource.annotation(annotation::FLUX_RECONCILE),
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
