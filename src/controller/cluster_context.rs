//! What stands around the app in the cluster: EndpointSlices behind a Service, and workloads that take a
//! Secret's key. Read-only, and only what the operator's flags (and with them its rights) allow. Holds a
//! client.

use std::fmt::Debug;

use futures::future::BoxFuture;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    core::v1::Service,
    discovery::v1::EndpointSlice,
};
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use super::cluster::{Cluster, ClusterError, Namespaced};
use crate::{
    domain::{
        facts::{
            endpoints::{self, Endpoint},
            workloads::{self, TakenBy, Workload},
        },
        fault::Class,
    },
    pass::{Surroundings, Unread},
    server::metrics::ApiOperation,
};

/// What the operator may read of the app's surroundings. Each needs a right of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// EndpointSlices and Services: every pod behind a verifier is asked by itself.
    pub endpoints: bool,
    /// Deployments, StatefulSets and DaemonSets: messages name those that take a Secret.
    pub workloads: bool,
}

/// Workloads of one answer: an object may have 1.5 MB, and all of an answer are in memory at once.
const PAGE: u32 = 5;

/// Answers that are read at most; more objects than these hold are not looked at.
const PAGES: usize = 400;

/// EndpointSlices of one answer, of a hundred endpoints each as the control plane makes them.
const SLICES: u32 = 10;

/// Endpoints of one Service that are read at most; of more, the rest is not asked.
const ENDPOINTS: usize = 5_000;

/// The surroundings of one resource.
pub struct WorkloadLookup<'a> {
    cluster: &'a Cluster,
    reads: Reads,
    namespace: &'a str,
}

impl<'a> WorkloadLookup<'a> {
    /// Of a namespace.
    pub fn new(cluster: &'a Cluster, reads: Reads, namespace: &'a str) -> Self {
        Self { cluster, reads, namespace }
    }

    async fn ready(&self, service: &str, port: u16) -> Result<Vec<Endpoint>, Unread> {
        let label = format!("kubernetes.io/service-name={service}");
        let mut params = ListParams::default().labels(&label).limit(SLICES);
        let (mut slices, mut read) = (Vec::new(), 0);
        loop {
            let list = ApiOperation::ListEndpointSlices;
            let page = self.cluster.list::<EndpointSlice>(list, self.namespace, &params).await;
            let page = page.map_err(|error| unread("EndpointSlices", "probes.endpoints", &error))?;
            read += page.items.iter().map(|slice| slice.endpoints.len()).sum::<usize>();
            slices.extend(page.items);
            let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) else { break };
            if read >= ENDPOINTS || slices.len() >= ENDPOINTS {
                let namespace = self.namespace;
                tracing::warn!(
                    namespace,
                    service,
                    read,
                    "a Service has more endpoints than are read: the rest is not asked"
                );
                break;
            }
            params = params.continue_token(&token);
        }
        let read = if endpoints::needs_service(&slices) {
            let service =
                self.cluster.get::<Service>(ApiOperation::GetService, self.namespace, service).await;
            Some(service.map_err(|error| unread("the Service", "probes.endpoints", &error))?)
        } else {
            None
        };
        endpoints::ready(&slices, read.as_ref(), port).map_err(|why| Unread { why, transient: true })
    }

    async fn taking(&self, secret: &str, key: &str) -> Result<Vec<Workload>, Unread> {
        let mut found = Vec::new();
        let list = ApiOperation::ListDeployments;
        found.extend(self.each(list, |one: &Deployment| workloads::of_deployment(one, secret, key)).await?);
        let list = ApiOperation::ListStatefulSets;
        found
            .extend(self.each(list, |one: &StatefulSet| workloads::of_stateful_set(one, secret, key)).await?);
        let list = ApiOperation::ListDaemonSets;
        found.extend(self.each(list, |one: &DaemonSet| workloads::of_daemon_set(one, secret, key)).await?);
        Ok(found)
    }

    /// Reads all objects of a kind, page by page, and keeps what is looked for.
    async fn each<K>(
        &self,
        operation: ApiOperation,
        looked_for: impl Fn(&K) -> Option<Workload>,
    ) -> Result<Vec<Workload>, Unread>
    where
        K: Namespaced + Clone + DeserializeOwned + Debug,
    {
        let mut found = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        for _ in 0..PAGES {
            let page = self.cluster.list::<K>(operation, self.namespace, &params).await;
            let page = page.map_err(|error| unread("the workloads", "workloads.read", &error))?;
            found.extend(page.items.iter().filter_map(&looked_for));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        Ok(found)
    }

    /// Who takes the key from a Secret, in words; `None` where nobody wants it to be read.
    pub async fn taken_by(&self, secret: &str, key: &str) -> Option<String> {
        let workloads = self.workloads(secret, key).await?.map_err(|unread| unread.why);
        let origin = format!("{secret}/{key}");
        Some(TakenBy { namespace: self.namespace.to_owned(), origin, workloads }.words())
    }
}

fn unread(what: &str, value: &str, error: &ClusterError) -> Unread {
    let forbidden = matches!(error, ClusterError::Refused { code: 403, .. });
    if forbidden {
        tracing::warn!(what, value, %error, "a right is missing");
        let why = format!(
            "the operator has no right to read {what}: install the chart with {value}=true, or run the operator without that flag"
        );
        return Unread { why, transient: false };
    }
    let transient = matches!(error.class(), Class::Transient | Class::Conflict)
        || matches!(error, ClusterError::NotFound);
    Unread { why: format!("{what} could not be read: {error}"), transient }
}

impl Surroundings for WorkloadLookup<'_> {
    fn endpoints<'a>(
        &'a self,
        service: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Option<Result<Vec<Endpoint>, Unread>>> {
        Box::pin(async move {
            if !self.reads.endpoints {
                return None;
            }
            Some(self.ready(service, port).await)
        })
    }

    fn workloads<'a>(
        &'a self,
        secret: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Option<Result<Vec<Workload>, Unread>>> {
        Box::pin(async move {
            if !self.reads.workloads {
                return None;
            }
            Some(self.taking(secret, key).await)
        })
    }
}
