//! The Secrets that a spec names, and what was read of them.

use std::{borrow::Cow, collections::BTreeMap};

use secrecy::SecretBox;

use crate::{
    api::{
        condition::{ConditionType, Reason},
        shared::SecretKeyRef,
        spec::{AuthConsistencySpec, ConfigMapKeyRef},
    },
    domain::fault::SecretProblem,
};

/// What a Secret's key turned out to hold.
pub type SecretBytes = SecretBox<Vec<u8>>;

/// The Secrets that a spec names, as they were read.
pub type Secrets = BTreeMap<SecretKeyRef, Result<SecretBytes, SecretProblem>>;

/// One thing that keeps a spec from being a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError {
    /// Why.
    pub reason: Reason,
    /// The condition that it concerns; `Ready` for the spec itself.
    pub condition: ConditionType,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl TargetError {
    /// Whether what is missing may still come without a change of the spec.
    pub fn may_come(&self) -> bool {
        matches!(self.reason, Reason::SecretMissing | Reason::IdentitiesMissing)
    }
}

/// The ConfigMap that a spec names.
pub fn config_map_ref(spec: &AuthConsistencySpec) -> Option<&ConfigMapKeyRef> {
    spec.references.identities.as_ref()?.config_map_ref.as_ref()
}

/// Every Secret key that a spec names, with the condition that it concerns and the field's path.
pub fn secret_refs(spec: &AuthConsistencySpec) -> Vec<(SecretKeyRef, ConditionType, Cow<'static, str>)> {
    let database = &spec.database;
    let mut refs = Vec::new();
    let mut add = |reference: Option<&SecretKeyRef>, condition, field: &'static str| {
        refs.extend(reference.map(|reference| (reference.clone(), condition, Cow::Borrowed(field))));
    };
    use ConditionType::{
        AdminConsistent, DatabaseReachable, ReferencesConsistent, SigningKeyTrusted, TokensAccepted,
    };
    add(database.url_secret_ref.as_ref(), DatabaseReachable, "spec.database.urlSecretRef");
    add(database.username_secret_ref.as_ref(), DatabaseReachable, "spec.database.usernameSecretRef");
    add(database.password_secret_ref.as_ref(), DatabaseReachable, "spec.database.passwordSecretRef");
    add(
        database.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()),
        DatabaseReachable,
        "spec.database.tls.caSecretRef",
    );
    add(
        spec.admin.as_ref().and_then(|admin| admin.password_secret_ref.as_ref()),
        AdminConsistent,
        "spec.admin.passwordSecretRef",
    );
    add(spec.jwt.as_ref().map(|jwt| &jwt.secret_ref), SigningKeyTrusted, "spec.jwt.secretRef");
    for previous in spec.jwt.iter().flat_map(|jwt| &jwt.previous_secret_refs) {
        add(Some(previous), SigningKeyTrusted, "spec.jwt.previousSecretRefs");
    }
    add(
        spec.probe.as_ref().and_then(|probe| probe.ca_secret_ref.as_ref()),
        TokensAccepted,
        "spec.probe.caSecretRef",
    );
    let identities = spec.references.identities.as_ref();
    add(
        identities.and_then(|identities| identities.passphrase_secret_ref.as_ref()),
        ReferencesConsistent,
        "spec.references.identities.passphraseSecretRef",
    );
    if let Some(other) = identities.and_then(|identities| identities.database.as_ref()) {
        let mut read = |reference: Option<&SecretKeyRef>, field| add(reference, ReferencesConsistent, field);
        read(other.url_secret_ref.as_ref(), "spec.references.identities.database.urlSecretRef");
        read(other.username_secret_ref.as_ref(), "spec.references.identities.database.usernameSecretRef");
        read(other.password_secret_ref.as_ref(), "spec.references.identities.database.passwordSecretRef");
        read(
            other.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()),
            "spec.references.identities.database.tls.caSecretRef",
        );
    }
    for (at, account) in spec.accounts.iter().enumerate() {
        let field = format!("spec.accounts[{at}].passwordSecretRef");
        let reference = account.password_secret_ref.clone();
        refs.extend(reference.map(|reference| (reference, AdminConsistent, Cow::Owned(field))));
    }
    refs
}
