//! The CustomResourceDefinition as it is installed: what the derive macro gives, with the two
//! things that it cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;

use super::spec::AuthConsistency;

/// The generated CustomResourceDefinition, as `crds/` holds it.
///
/// The default `{observedGeneration: -1}` stands on `status` itself, so that a reader that computes
/// health from `observedGeneration` never takes an object that nobody has looked at for healthy.
pub fn definition() -> CustomResourceDefinition {
    let mut crd = AuthConsistency::crd();
    for version in &mut crd.spec.versions {
        let properties = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
            .and_then(|schema| schema.properties.as_mut());
        if let Some(status) = properties.and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({"observedGeneration": -1})));
            status.nullable = None;
        }
    }
    crd
}
