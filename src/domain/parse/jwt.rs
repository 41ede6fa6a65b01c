//! How `spec.jwt` and its Secrets become keys and the shape of tokens.

use crate::{
    api::{bounds, shared::SecretKeyRef, spec::JwtSpec},
    domain::target::{Jwt, users::Users},
    tokens::{Accepted, KeyIds, KeySet, SigningKey, SubjectClaim, TokenShape},
};

use std::collections::BTreeSet;

use super::Parser;

/// Bytes that `jwt.claims` may take as JSON.
const MAX_CLAIMS_BYTES: usize = 4096;

impl Parser<'_> {
    pub(super) fn jwt(&mut self, spec: &JwtSpec, users: &Users) -> Option<Jwt> {
        let lifetime = self.period(&spec.lifetime, "spec.jwt.lifetime", bounds::LIFETIME);
        let claims_bytes = serde_json::to_vec(&spec.claims).map_or(usize::MAX, |json| json.len());
        if claims_bytes > MAX_CLAIMS_BYTES {
            self.spec(format!(
                "spec.jwt.claims: {claims_bytes} bytes of JSON, at most {MAX_CLAIMS_BYTES} are allowed"
            ));
        }
        let subject_claim = match spec.subject_claim.parse::<SubjectClaim>() {
            Ok(claim) => Some(claim),
            Err(error) => {
                self.spec(format!("spec.jwt.subjectClaim: {error}"));
                None
            }
        };
        self.key_ids(spec);
        let ids = KeyIds {
            current: spec.key_id.as_deref(),
            previous: &spec.previous_key_ids,
            revoked: &spec.revoked_key_ids,
        };
        let bytes = self.secret(Some(&spec.secret_ref))?.to_vec();
        let keys = match KeySet::read(bytes, spec.algorithm, &ids) {
            Ok(keys) => Some(keys),
            Err(error) => {
                self.spec(format!("spec.jwt.secretRef: {error}"));
                None
            }
        };
        let (mut previous, mut revoked) = (Vec::new(), Vec::new());
        for reference in &spec.previous_secret_refs {
            // One that is not there, or empty, is an error of the Secret.
            let Some(bytes) = self.secret(Some(reference)).map(<[u8]>::to_vec) else { continue };
            match KeySet::read_previous(bytes, spec.algorithm, &ids) {
                Ok((accepted, ended)) => {
                    previous.extend(called(reference, accepted));
                    revoked.extend(called(reference, ended));
                }
                Err(error) => self.spec(format!("spec.jwt.previousSecretRefs: {error}")),
            }
        }
        let keys = keys?;
        let here = &spec.secret_ref;
        let (origin, key) = call(here, keys.current);
        Some(Jwt {
            key,
            previous: called(here, keys.previous).chain(previous).collect(),
            standby: called(here, keys.standby).collect(),
            revoked: called(here, keys.revoked).chain(revoked).collect(),
            by_id: keys.by_id,
            shape: TokenShape {
                algorithm: spec.algorithm,
                subject_claim: subject_claim?,
                subject_type: spec.subject_type,
                issuer: spec.issuer.clone(),
                audience: spec.audience.clone(),
                accepted: Accepted {
                    issuers: spec.accepted_issuers.clone(),
                    audiences: spec.accepted_audiences.clone(),
                },
                claims: spec.claims.clone(),
                lifetime,
            },
            subject_column: spec.subject_column.clone().unwrap_or_else(|| users.id_column.clone()),
            secret: here.clone(),
            origin,
        })
    }

    /// One key has one part to play.
    fn key_ids(&mut self, spec: &JwtSpec) {
        let mut seen = BTreeSet::new();
        let ids = spec.key_id.iter().chain(&spec.previous_key_ids).chain(&spec.revoked_key_ids);
        if let Some(id) = ids.into_iter().find(|id| !seen.insert(id.as_str())) {
            self.spec(format!(
                "spec.jwt: the key id {id:?} stands twice in keyId, previousKeyIds and revokedKeyIds: a key is one of them"
            ));
        }
    }
}

/// Keys with what messages call them.
fn called(reference: &SecretKeyRef, keys: Vec<SigningKey>) -> impl Iterator<Item = (String, SigningKey)> {
    keys.into_iter().map(|key| call(reference, key))
}

fn call(reference: &SecretKeyRef, key: SigningKey) -> (String, SigningKey) {
    let place = format!("{}/{}", reference.name, reference.key);
    match key.id() {
        Some(id) => (format!("{place}, kid {id:?}"), key),
        None => (place, key),
    }
}
