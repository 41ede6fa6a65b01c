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
    written: Mutex<(String, AuthConsistencyStatus)>,
}

impl<'a> Statement<'a> {
    /// The status as it was read.
    pub fn new(cluster: &'a Cluster, resource: &'a Resource) -> Self {
        let version = resource.object.metadata.resource_version.clone().unwrap_or_default();
        Self { cluster, resource, written: Mutex::new((version, resource.status.clone())) }
    }

    /// Writes a status unless it stands there already; says whether it wrote.
    ///
    /// # Errors
    /// The object has changed since it was read, or the API server refuses.
    pub async fn write(&self, status: &AuthConsistencyStatus) -> Result<bool, ClusterError> {
        let mut written = self.written.lock().await;
        if written.1 == *status {
            return Ok(false);
        }
        crash::point("before status");
        let version = self.cluster.apply_status(&self.resource.object, &written.0, status).await?;
        crash::point("after status");
        *written = (version, status.clone());
        Ok(true)
    }

    /// The object was read anew and is the same but for its version.
    pub async fn renew(&self, version: &str) {
        self.written.lock().await.0 = version.to_owned();
    }

    /// What stands in the cluster, as far as this pass knows.
    pub async fn current(&self) -> AuthConsistencyStatus {
        self.written.lock().await.1.clone()
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
        Approval {
            shown: shown
                .map(|plan| {
                    plan.steps.iter().map(|step| (step.action, step.object.clone(), step.rows)).collect()
                })
                .unwrap_or_default(),
            hash,
        }
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
