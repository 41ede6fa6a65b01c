//! A resource in a cluster, read with the caller's own rights.

use crate::{
    api::{AuthConsistency, condition::Reason},
    cli::output::CliError,
    domain::{
        fault::SecretProblem,
        identities::list::ConfigMaps,
        target::{
            ResourceIdentity,
            secrets::{SecretBytes, Secrets, config_map_ref, secret_refs},
        },
    },
};

use std::{collections::BTreeMap, path::PathBuf};

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Config, ResourceExt,
    config::{KubeConfigOptions, Kubeconfig},
};

use super::Loaded;

/// A resource by its name, and how to reach the cluster.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Named {
    /// Name of the resource.
    pub name: String,
    /// Its namespace; the kubeconfig's when left out.
    pub namespace: Option<String>,
    /// Context of the kubeconfig.
    pub context: Option<String>,
    /// The kubeconfig file; the usual ones when left out.
    pub kubeconfig: Option<PathBuf>,
}

/// A resource in a cluster that can be reached.
pub(in crate::cli) struct Cluster {
    pub(super) client: Client,
    /// Name of the resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig; nothing is asked yet.
    ///
    /// # Errors
    /// There is no configuration, or it makes no sense.
    pub(in crate::cli) async fn connect(named: &Named) -> Result<Self, CliError> {
        let wrong = |error: &dyn std::fmt::Display| {
            CliError::CouldNotTell(format!("the cluster cannot be reached: {error}"))
        };
        let options = KubeConfigOptions { context: named.context.clone(), ..KubeConfigOptions::default() };
        let config = match &named.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file).map_err(|error| wrong(&error))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| wrong(&error))?
            }
            None if named.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| wrong(&error))?
            }
            None => Config::infer().await.map_err(|error| wrong(&error))?,
        };
        let namespace = named.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| wrong(&error))?;
        Ok(Self { client, name: named.name.clone(), namespace })
    }

    /// The resources of the namespace.
    pub(in crate::cli) fn resources(&self) -> Api<AuthConsistency> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The resource as it is now.
    ///
    /// # Errors
    /// It is not there, or may not be read.
    pub(in crate::cli) async fn get(&self) -> Result<AuthConsistency, CliError> {
        self.resources().get(&self.name).await.map_err(|error| self.failure(&error))
    }

    /// What an answer of the API server means to a person.
    pub(in crate::cli) fn failure(&self, error: &kube::Error) -> CliError {
        let at = format!("AuthConsistency {:?} in namespace {:?}", self.name, self.namespace);
        match error {
            kube::Error::Api(status) if status.code == 404 => CliError::CouldNotTell(format!(
                "there is no {at}: `kubectl get authcon -A` lists what there is"
            )),
            kube::Error::Api(status) => {
                CliError::CouldNotTell(format!("the API server refuses {at}: {}", status.message))
            }
            other => CliError::CouldNotTell(format!("the cluster cannot be reached: {}", chain(other))),
        }
    }

    /// The resource and its Secrets.
    ///
    /// # Errors
    /// The resource cannot be read. A Secret that cannot be read is in the answer.
    pub(super) async fn load(&self) -> Result<Loaded, CliError> {
        let resource = self.get().await?;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut read: BTreeMap<String, Result<Secret, String>> = BTreeMap::new();
        let mut secrets = Secrets::new();
        for (reference, ..) in secret_refs(&resource.spec) {
            if !read.contains_key(&reference.name) {
                let answer = api.get(&reference.name).await.map_err(|error| match &error {
                    kube::Error::Api(status) => status.message.clone(),
                    other => chain(other),
                });
                read.insert(reference.name.clone(), answer);
            }
            let missing = |message| Err(SecretProblem { reason: Reason::SecretMissing, message });
            let value = match read.get(&reference.name) {
                Some(Ok(secret)) => match secret.data.as_ref().and_then(|data| data.get(&reference.key)) {
                    Some(bytes) => Ok(SecretBytes::new(Box::new(bytes.0.clone()))),
                    None => {
                        missing(format!("Secret {:?} has no key {:?}: add it", reference.name, reference.key))
                    }
                },
                Some(Err(why)) => missing(format!("Secret {:?} cannot be read: {why}", reference.name)),
                None => missing(format!("Secret {:?} was not read", reference.name)),
            };
            secrets.insert(reference, value);
        }
        let identity = ResourceIdentity {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: resource.uid().unwrap_or_default(),
            generation: resource.metadata.generation.unwrap_or_default(),
        };
        let mut config_maps = ConfigMaps::new();
        if let Some(reference) = config_map_ref(&resource.spec) {
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
            let read = api.get(&reference.name).await.map(|found| found.data.unwrap_or_default());
            let read = read.map_err(|error| SecretProblem {
                reason: Reason::IdentitiesMissing,
                message: match &error {
                    kube::Error::Api(status) => {
                        format!("ConfigMap {:?} cannot be read: {}", reference.name, status.message)
                    }
                    other => format!("ConfigMap {:?} cannot be read: {}", reference.name, chain(other)),
                },
            });
            config_maps.insert(reference.name.clone(), read);
        }
        Ok(Loaded { spec: resource.spec, resource: identity, secrets, config_maps })
    }
}

/// An error and what is behind it, since the outermost one often says only that there is one.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
