//! A pass that waits for connections for long is told in its status. Holds a client.

use crate::{
    api::{AuthConsistency, condition::Reason},
    domain::report::looking,
};

use kube::api::PartialObjectMeta;

use super::{
    admission::Needs,
    context::Context,
    dereference::Resource,
    events::{self, EventDraft},
    status::{Statement, now},
};

/// Tells that a pass waits for connections for long: what the last look saw stands.
pub(super) async fn tell(object: &PartialObjectMeta<AuthConsistency>, context: &Context, needs: &Needs) {
    let meta = &object.metadata;
    let (namespace, name) =
        (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let why = context.admission.why(needs);
    tracing::warn!(namespace, name, why, "the pass waits");
    let Ok(object) = context.cluster.resource(namespace, name).await else { return };
    let resource = Resource::read(object);
    let wanted = resource.spec.as_ref().is_ok_and(|spec| !spec.suspend) && !resource.is_deleted();
    let wanted = wanted && context.is_ours(&resource);
    if !wanted || Some(&resource.identity.uid) != meta.uid.as_ref() {
        return;
    }
    let statement = Statement::new(&context.cluster, &resource);
    let status = looking(&resource.status, resource.identity.generation, &now(), &why, None);
    match statement.write(&status).await {
        Ok(true) => {
            let telling = EventDraft { warning: true, reason: Reason::Progressing, note: why };
            events::send(context, &resource, &[telling]).await;
        }
        Ok(false) => {}
        Err(error) => tracing::debug!(namespace, name, %error, "that the pass waits could not be written"),
    }
}
