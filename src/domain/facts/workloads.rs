//! Which workloads take a key from a Secret, and when their pods last began anew. Only read: nothing here
//! restarts anything.

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    core::v1::{Container, KeyToPath, PodTemplateSpec},
};

use crate::domain::text::clip;

/// How many workloads a message names.
const MOST_NAMED: usize = 5;

/// What `kubectl rollout restart` leaves in the pod template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// One workload whose pods take the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
    /// When its pods last began anew; none where the object does not tell.
    pub rolled: Option<Timestamp>,
}

/// A kind of workload (apps/v1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Deployment.
    Deployment,
    /// StatefulSet.
    StatefulSet,
    /// DaemonSet.
    DaemonSet,
}

impl WorkloadKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// Which workloads of a namespace take one Secret's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBy {
    /// The namespace.
    pub namespace: String,
    /// The Secret and its key as `name/key`.
    pub origin: String,
    /// The workloads, or why they are not known.
    pub workloads: Result<Vec<Workload>, String>,
}

/// The Deployment, if its pods take this key.
pub fn of_deployment(deployment: &Deployment, secret: &str, key: &str) -> Option<Workload> {
    let template = &deployment.spec.as_ref()?.template;
    let conditions = deployment.status.iter().flat_map(|status| status.conditions.iter().flatten());
    // Updated while new pods come up, and not when one merely fails and comes again.
    let progressing = conditions.into_iter().find(|one| one.type_ == "Progressing");
    let rolled = progressing.and_then(|one| one.last_update_time.as_ref()).map(|time| time.0);
    let name = deployment.metadata.name.as_deref();
    workload(WorkloadKind::Deployment, name, template, rolled, secret, key)
}

/// The StatefulSet, if its pods take this key. It keeps no time of its own.
pub fn of_stateful_set(set: &StatefulSet, secret: &str, key: &str) -> Option<Workload> {
    let template = &set.spec.as_ref()?.template;
    workload(WorkloadKind::StatefulSet, set.metadata.name.as_deref(), template, None, secret, key)
}

/// The DaemonSet, if its pods take this key. It keeps no time of its own.
pub fn of_daemon_set(set: &DaemonSet, secret: &str, key: &str) -> Option<Workload> {
    let template = &set.spec.as_ref()?.template;
    workload(WorkloadKind::DaemonSet, set.metadata.name.as_deref(), template, None, secret, key)
}

fn workload(
    kind: WorkloadKind,
    name: Option<&str>,
    template: &PodTemplateSpec,
    rolled: Option<Timestamp>,
    secret: &str,
    key: &str,
) -> Option<Workload> {
    let restarted = || {
        let annotations = template.metadata.as_ref()?.annotations.as_ref()?;
        annotations.get(RESTARTED_AT)?.parse().ok()
    };
    takes(template, secret, key).then(|| Workload {
        kind,
        name: name.unwrap_or_default().to_owned(),
        rolled: rolled.or_else(restarted),
    })
}

fn takes(template: &PodTemplateSpec, secret: &str, key: &str) -> bool {
    let Some(pod) = &template.spec else { return false };
    let in_container = |container: &Container| {
        let one = container.env.iter().flatten().any(|variable| {
            let from = variable.value_from.as_ref().and_then(|from| from.secret_key_ref.as_ref());
            from.is_some_and(|from| from.name == secret && from.key == key)
        });
        let all = || {
            let mut from = container.env_from.iter().flatten().filter_map(|from| from.secret_ref.as_ref());
            from.any(|from| from.name == secret)
        };
        one || all()
    };
    let listed = |items: Option<&Vec<KeyToPath>>| {
        items.is_none_or(|items| items.is_empty() || items.iter().any(|item| item.key == key))
    };
    let in_volume = || {
        pod.volumes.iter().flatten().any(|volume| {
            let whole = volume.secret.as_ref().is_some_and(|from| {
                from.secret_name.as_deref() == Some(secret) && listed(from.items.as_ref())
            });
            let projected = || {
                let sources =
                    volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
                let mut secrets = sources.filter_map(|source| source.secret.as_ref());
                secrets.any(|from| from.name == secret && listed(from.items.as_ref()))
            };
            whole || projected()
        })
    };
    pod.containers.iter().chain(pod.init_containers.iter().flatten()).any(in_container) || in_volume()
}

impl TakenBy {
    /// The end of a message: who takes the key, since when, and how to restart them. The first few.
    pub fn words(&self) -> String {
        let Self { namespace, origin, workloads } = self;
        let workloads = match workloads {
            Ok(workloads) => workloads,
            Err(why) => {
                return format!(
                    "which workloads take the key from Secret {origin} is not known: {}",
                    clip(why, 200)
                );
            }
        };
        if workloads.is_empty() {
            return format!(
                "no Deployment, StatefulSet or DaemonSet of namespace {namespace} takes the key from Secret {origin}: look where the app gets it"
            );
        }
        let mut said: Vec<String> = workloads
            .iter()
            .take(MOST_NAMED)
            .map(|one| {
                let (kind, name) = (one.kind.as_str(), &one.name);
                let rolled = match one.rolled {
                    Some(time) => format!("last rolled {time}"),
                    None => "does not tell when it last rolled".to_owned(),
                };
                let restart =
                    format!("kubectl -n {namespace} rollout restart {}/{name}", kind.to_lowercase());
                format!("{kind} {name} takes Secret {origin} and {rolled}: {restart}")
            })
            .collect();
        if workloads.len() > MOST_NAMED {
            said.push(format!("and {} more", workloads.len() - MOST_NAMED));
        }
        said.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(pod: Value, conditions: Value, annotations: Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "api"},
            "spec": {"selector": {}, "template": {"metadata": {"annotations": annotations}, "spec": pod}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    fn takes(pod: Value) -> bool {
        of_deployment(&deployment(pod, json!([]), json!({})), "jwt", "key").is_some()
    }

    #[test]
    fn every_way_to_a_key_is_found() {
        let env = |name: &str, key: &str| {
            json!({"name": "c", "env": [{"name": "PLAIN", "value": "x"},
                {"name": "JWT", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]})
        };
        let all = |name: &str| json!({"name": "c", "envFrom": [{"configMapRef": {"name": "jwt"}}, {"secretRef": {"name": name}}]});
        let volume = |items: Value| json!({"name": "v", "secret": {"secretName": "jwt", "items": items}});
        let projected = |items: Value| json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "jwt"}}, {"secret": {"name": "jwt", "items": items}}]}});
        let (mine, other) = (json!([{"key": "key", "path": "a"}]), json!([{"key": "url", "path": "a"}]));
        let plain = json!([{"name": "c"}]);
        for pod in [
            json!({"containers": [{"name": "sidecar"}, env("jwt", "key")]}),
            json!({"containers": [all("jwt")]}),
            json!({"containers": plain, "initContainers": [env("jwt", "key")]}),
            json!({"containers": plain, "initContainers": [all("jwt")]}),
            json!({"containers": plain, "volumes": [volume(json!(null))]}),
            json!({"containers": plain, "volumes": [volume(mine.clone())]}),
            json!({"containers": plain, "volumes": [projected(json!(null))]}),
            json!({"containers": plain, "volumes": [projected(mine)]}),
        ] {
            assert!(takes(pod.clone()), "{pod}");
        }
        for pod in [
            json!({"containers": plain}),
            json!({"containers": [env("jwt", "url")]}),
            json!({"containers": [env("other", "key")]}),
            json!({"containers": [all("other")]}),
            json!({"containers": plain, "imagePullSecrets": [{"name": "jwt"}]}),
            json!({"containers": plain, "volumes": [volume(other.clone())]}),
            json!({"containers": plain, "volumes": [projected(other)]}),
            json!({"containers": plain, "volumes": [{"name": "v", "configMap": {"name": "jwt"}}]}),
        ] {
            assert!(!takes(pod.clone()), "{pod}");
        }
    }

    #[test]
    fn when_it_last_rolled_is_what_the_object_tells_or_nothing() {
        let pod = json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "jwt"}}]}]});
        let restarted = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-19T10:00:00+01:00"});
        let progressing = json!([
            {"type": "Available", "status": "True", "lastUpdateTime": "2026-11-01T00:00:00Z"},
            {"type": "Progressing", "status": "True", "lastUpdateTime": "2026-11-20T00:00:00Z"},
        ]);
        let rolled = |conditions: Value, annotations: Value| {
            let workload = of_deployment(&deployment(pod.clone(), conditions, annotations), "jwt", "key");
            workload.unwrap().rolled.map(|time| time.to_string())
        };
        assert_eq!(rolled(progressing, restarted.clone()).as_deref(), Some("2026-11-20T00:00:00Z"));
        assert_eq!(rolled(json!([]), restarted.clone()).as_deref(), Some("2026-11-19T09:00:00Z"));
        assert_eq!(rolled(json!([]), json!({"kubectl.kubernetes.io/restartedAt": "lately"})), None);
        let set = json!({"metadata": {"name": "api"}, "spec": {"selector": {}, "serviceName": "api",
            "template": {"metadata": {"annotations": restarted}, "spec": pod}}});
        let of_set = of_stateful_set(&serde_json::from_value(set.clone()).unwrap(), "jwt", "key").unwrap();
        assert_eq!(of_set.rolled.map(|time| time.to_string()).as_deref(), Some("2026-11-19T09:00:00Z"));
        let of_set = of_daemon_set(&serde_json::from_value(set).unwrap(), "jwt", "key").unwrap();
        assert_eq!(of_set.kind, WorkloadKind::DaemonSet);
    }

    #[test]
    fn the_words_name_the_command_and_few_workloads() {
        let one = |name: &str, rolled: Option<&str>| Workload {
            kind: WorkloadKind::StatefulSet,
            name: name.into(),
            rolled: rolled.map(|time| time.parse().unwrap()),
        };
        let taken = |workloads| TakenBy { namespace: "shop".into(), origin: "jwt/key".into(), workloads };
        assert_eq!(
            taken(Ok(vec![one("api", Some("2026-11-20T00:00:00Z")), one("jobs", None)])).words(),
            "StatefulSet api takes Secret jwt/key and last rolled 2026-11-20T00:00:00Z: kubectl -n shop rollout restart statefulset/api; StatefulSet jobs takes Secret jwt/key and does not tell when it last rolled: kubectl -n shop rollout restart statefulset/jobs"
        );
        let many = taken(Ok((0..9).map(|at| one(&format!("w{at}"), None)).collect())).words();
        assert!(
            many.contains("statefulset/w4")
                && !many.contains("statefulset/w5")
                && many.ends_with("and 4 more")
        );
        assert!(
            taken(Ok(Vec::new()))
                .words()
                .starts_with("no Deployment, StatefulSet or DaemonSet of namespace shop")
        );
        assert!(taken(Err("forbidden".into())).words().ends_with("is not known: forbidden"));
    }
}
