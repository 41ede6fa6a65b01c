//! `spec.references.identities`: a ConfigMap's text to people, or the name of a table and where it is.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        spec::{AuthConsistencySpec, ConfigMapKeyRef},
    },
    domain::{
        fault::SecretProblem,
        identities::list::{ConfigMaps, Identities},
        target::{IdentitySource, IdentityTable, secrets::TargetError, users::Users},
    },
};

use std::sync::Arc;

use super::{Parser, database::Place};

impl Parser<'_> {
    pub(super) fn identities(
        &mut self,
        spec: &AuthConsistencySpec,
        users: &Users,
        config_maps: &ConfigMaps,
    ) -> Option<IdentitySource> {
        let identities = spec.references.identities.as_ref()?;
        if users.login_column.is_none() {
            self.spec(
                "spec.references.identities: people are known by their logins, so set spec.users.loginColumn",
            );
        }
        let reference = match (&identities.config_map_ref, &identities.table) {
            (Some(reference), None) => {
                if identities.database.is_some() {
                    self.spec(
                        "spec.references.identities.database: it says where the table is, so set table too, or leave it out",
                    );
                }
                reference
            }
            (None, Some(table)) => {
                if identities.passphrase_secret_ref.is_some() {
                    self.spec(
                        "spec.references.identities.passphraseSecretRef: a passphrase goes with a snapshot, so set configMapRef or leave it out",
                    );
                }
                let in_schema = |schema: Option<&String>| IdentityTable {
                    schema: table.schema.as_ref().or(schema).unwrap_or(&users.schema).clone(),
                    table: table.table.clone(),
                    id_column: table.id_column.clone(),
                    login_column: table.login_column.clone(),
                };
                let Some(other) = &identities.database else {
                    return Some(IdentitySource::Table(in_schema(None)));
                };
                let other = self.database(other, &Place::IDENTITIES)?;
                let table = in_schema(other.connection.schema.as_ref());
                return Some(IdentitySource::Elsewhere(Box::new(other), table));
            }
            _ => {
                self.spec("spec.references.identities: set exactly one of configMapRef and table");
                return None;
            }
        };
        let (origin, text) = match picked(reference, config_maps) {
            Ok(found) => found,
            Err(problem) => {
                self.errors.push(TargetError {
                    reason: problem.reason,
                    condition: ConditionType::ReferencesConsistent,
                    message: format!("spec.references.identities.configMapRef: {}", problem.message),
                });
                return None;
            }
        };
        let passphrase = self
            .secret_line(
                identities.passphrase_secret_ref.as_ref(),
                "spec.references.identities.passphraseSecretRef",
            )
            .map(zeroize::Zeroizing::new);
        if identities.passphrase_secret_ref.is_some() && passphrase.is_none() {
            return None;
        }
        let parsed = Identities::parse(text, origin, passphrase.as_ref().map(|text| text.as_bytes()))
            .and_then(|parsed| parsed.of(users).map(|()| parsed));
        match parsed {
            Ok(identities) => Some(IdentitySource::List(Arc::new(identities))),
            Err(message) => {
                self.errors.push(TargetError {
                    reason: Reason::IdentitiesInvalid,
                    condition: ConditionType::ReferencesConsistent,
                    message,
                });
                None
            }
        }
    }
}

/// The text that a ConfigMap's key holds, and how messages call it.
fn picked<'m>(
    reference: &ConfigMapKeyRef,
    config_maps: &'m ConfigMaps,
) -> Result<(String, &'m str), SecretProblem> {
    let missing = |message| SecretProblem { reason: Reason::IdentitiesMissing, message };
    let name = &reference.name;
    let data = match config_maps.get(name) {
        Some(Ok(data)) => data,
        Some(Err(problem)) => return Err(problem.clone()),
        None => return Err(missing(format!("ConfigMap {name:?} was not read"))),
    };
    let (key, text) = match (&reference.key, data.len()) {
        (Some(key), _) => data.get_key_value(key).ok_or_else(|| {
            missing(format!("ConfigMap {name:?} has no key {key:?}: add it, nothing is changed until then"))
        })?,
        (None, 1) => data.iter().next().ok_or_else(|| missing(format!("ConfigMap {name:?} is empty")))?,
        (None, 0) => {
            return Err(missing(format!(
                "ConfigMap {name:?} holds no text: fill it, nothing is changed until then"
            )));
        }
        (None, _) => {
            return Err(SecretProblem {
                reason: Reason::SpecInvalid,
                message: format!(
                    "ConfigMap {name:?} has more than one key: set key to the one that is meant"
                ),
            });
        }
    };
    if text.trim().is_empty() {
        return Err(missing(format!(
            "key {key:?} of ConfigMap {name:?} is empty: fill it, nothing is changed until then"
        )));
    }
    Ok((format!("key {key:?} of ConfigMap {name:?}"), text))
}
