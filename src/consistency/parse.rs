//! How a spec and its Secrets become a [`Target`]: everything is checked again here, since objects may
//! be older than today's schema.

mod database;
mod identities;
mod sessions;

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{
    identities::ConfigMaps,
    period,
    target::{
        Admin, Database, Jwt, Probe, References, ResourceIdentity, Rule, SecretProblem, Secrets, Target,
        TargetError, Users, secret_refs,
    },
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        preset,
        spec::{
            AdminSpec, AuthConsistencySpec, JwtSpec, OnMissing, OnOrphan, PasswordHash, PasswordPolicy,
            SecretKeyRef,
        },
    },
    tokens::{SigningKey, SubjectClaim, TokenShape},
};
use database::Place;

/// One target may not keep the operator from showing that it is alive.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// What no counter shows is to be found within a week.
const LONGEST_DEEP_INTERVAL: Duration = Duration::from_secs(7 * 86_400);

/// Bytes that `jwt.claims` may take as JSON.
const MAX_CLAIMS_BYTES: usize = 4096;

impl Target {
    /// Parses a spec and its Secrets.
    ///
    /// # Errors
    /// Everything that is wrong with them, Secrets first: a Secret that is missing, unreadable or
    /// empty means wait and change nothing; it never means "no password".
    pub fn parse(
        spec: &AuthConsistencySpec,
        resource: ResourceIdentity,
        secrets: &Secrets,
    ) -> Result<Self, Vec<TargetError>> {
        Self::parse_with(spec, resource, secrets, &ConfigMaps::new())
    }

    /// Parses a spec, its Secrets and its ConfigMaps.
    ///
    /// # Errors
    /// As [`Self::parse`]; a ConfigMap that is missing means wait and change nothing, too.
    pub fn parse_with(
        spec: &AuthConsistencySpec,
        resource: ResourceIdentity,
        secrets: &Secrets,
        config_maps: &ConfigMaps,
    ) -> Result<Self, Vec<TargetError>> {
        let mut parser = Parser { secrets, errors: Vec::new() };
        for (reference, condition, field) in secret_refs(spec) {
            parser.require_secret(&reference, condition, field);
        }
        let interval = parser.period(&spec.interval, "spec.interval", Duration::from_secs(10));
        let timeout = parser.period(&spec.timeout, "spec.timeout", Duration::from_secs(1));
        if timeout > LONGEST_TIMEOUT {
            parser.spec(format!("spec.timeout: {:?} is too long: use at most 10m", spec.timeout));
        }
        let database = parser.database(&spec.database, &Place::APP);
        let users = parser.users(spec, database.as_ref());
        let admin = spec.admin.as_ref().and_then(|admin| parser.admin(admin, &users));
        let jwt = spec.jwt.as_ref().and_then(|jwt| parser.jwt(jwt, &users));
        let mut references = parser.references(spec, &users);
        references.identities = parser.identities(spec, &users, config_maps);
        let probe = spec.probe.as_ref().map(|probe| Probe {
            interval: parser.period(&probe.interval, "spec.probe.interval", Duration::from_secs(10)),
            verifiers: probe.verifiers.clone(),
        });
        if probe.is_some() && (spec.jwt.is_none() || spec.admin.is_none()) {
            parser.spec("spec.probe mints a token for the admin: set spec.jwt and spec.admin too");
        }
        let sessions = spec.sessions.as_ref().map(|sessions| parser.sessions(spec, sessions, &users));
        let retention_days = match spec.quarantine.retention.as_str() {
            "Keep" => None,
            days => match period::days(days) {
                Ok(days) => Some(days),
                Err(why) => {
                    parser.spec(format!("spec.quarantine.retention: {why}, or Keep"));
                    None
                }
            },
        };
        match (database, parser.errors) {
            (Some(database), errors) if errors.is_empty() => Ok(Self {
                resource,
                interval,
                timeout,
                mode: spec.mode,
                database,
                users,
                admin,
                jwt,
                references,
                probe,
                sessions,
                retention_days,
            }),
            (_, errors) => Err(errors),
        }
    }
}

struct Parser<'a> {
    secrets: &'a Secrets,
    errors: Vec<TargetError>,
}

impl Parser<'_> {
    fn spec(&mut self, message: impl Into<String>) {
        self.errors.push(TargetError {
            reason: Reason::SpecInvalid,
            condition: ConditionType::Ready,
            message: message.into(),
        });
    }

    fn require_secret(&mut self, reference: &SecretKeyRef, condition: ConditionType, field: &str) {
        let problem = match self.secrets.get(reference) {
            Some(Ok(bytes)) if !bytes.expose_secret().is_empty() => return,
            Some(Ok(_)) => SecretProblem {
                reason: Reason::SecretMissing,
                message: format!(
                    "key {:?} of Secret {:?} is empty: fill it, nothing is changed until then",
                    reference.key, reference.name
                ),
            },
            Some(Err(problem)) => problem.clone(),
            None => SecretProblem {
                reason: Reason::SecretMissing,
                message: format!("Secret {:?} was not read", reference.name),
            },
        };
        self.errors.push(TargetError {
            reason: problem.reason,
            condition,
            message: format!("{field}: {}", problem.message),
        });
    }

    /// The Secret's bytes where they are usable; whatever is wrong was said by `require_secret`.
    fn secret(&self, reference: Option<&SecretKeyRef>) -> Option<&[u8]> {
        let bytes = self.secrets.get(reference?)?.as_ref().ok()?.expose_secret();
        (!bytes.is_empty()).then_some(bytes.as_slice())
    }

    /// Secrets that hold a line of text: one trailing line break is how editors and `echo` end a
    /// file, and no user name or password means it.
    fn secret_line(&mut self, reference: Option<&SecretKeyRef>, field: &str) -> Option<String> {
        let bytes = self.secret(reference)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                Some(text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t)).to_owned())
            }
            Err(_) => {
                self.spec(format!("{field}: the Secret's value is not UTF-8 text"));
                None
            }
        }
    }

    fn period(&mut self, text: &str, field: &str, least: Duration) -> Duration {
        match period::parse(text) {
            Ok(period) if period >= least => period,
            Ok(_) => {
                self.spec(format!("{field}: {text:?} is too short: use at least {}s", least.as_secs()));
                least
            }
            Err(why) => {
                self.spec(format!("{field}: {why}"));
                least
            }
        }
    }

    fn users(&mut self, spec: &AuthConsistencySpec, database: Option<&Database>) -> Users {
        let mut filled = preset::fill(&spec.users);
        if spec.users.schema.is_none()
            && let Some(schema) = database.and_then(|database| database.connection.schema.clone())
        {
            filled.schema = Some(schema);
        }
        let mut required = |value: Option<String>, field: &str| {
            value.unwrap_or_else(|| {
                self.spec(format!("spec.users.{field}: set it, or choose a preset"));
                String::new()
            })
        };
        Users {
            schema: required(filled.schema, "schema"),
            table: required(filled.table, "table"),
            id_column: required(filled.id_column, "idColumn"),
            login_column: filled.login_column,
            password_column: filled.password_column,
            password_hash: filled.password_hash.unwrap_or(PasswordHash::Bcrypt),
            active_when: filled.active_when.unwrap_or_default(),
        }
    }

    fn admin(&mut self, spec: &AdminSpec, users: &Users) -> Option<Admin> {
        if users.login_column.is_none() || users.password_column.is_none() {
            self.spec("spec.users: the admin needs loginColumn and passwordColumn");
        }
        if spec.login.trim() != spec.login {
            self.spec("spec.admin.login: remove the spaces around it");
        }
        let needs_password =
            spec.on_missing == OnMissing::Seed || spec.password_policy == PasswordPolicy::Always;
        if needs_password && spec.password_secret_ref.is_none() {
            self.spec(
                "spec.admin.passwordSecretRef: set it, or onMissing to Report and passwordPolicy to OnSeed",
            );
        }
        for (at, column) in spec.columns.iter().chain(&users.active_when).enumerate() {
            if column.equals.is_some() == column.is_null.is_some() {
                let at = at + 1;
                self.spec(format!(
                    "condition {at} on column {:?}: set exactly one of equals and isNull",
                    column.column
                ));
            }
        }
        let password = self.secret_line(spec.password_secret_ref.as_ref(), "spec.admin.passwordSecretRef");
        Some(Admin {
            login: spec.login.clone(),
            password: password.map(Into::into),
            columns: spec.columns.clone(),
            id: spec.id.clone(),
            on_missing: spec.on_missing,
            on_drift: spec.on_drift,
            password_policy: spec.password_policy,
        })
    }

    fn jwt(&mut self, spec: &JwtSpec, users: &Users) -> Option<Jwt> {
        let lifetime = self.period(&spec.lifetime, "spec.jwt.lifetime", Duration::from_secs(1));
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
        let bytes = self.secret(Some(&spec.secret_ref))?.to_vec();
        let key = match SigningKey::new(bytes) {
            Ok(key) => Some(key),
            Err(error) => {
                self.spec(format!("spec.jwt.secretRef: {error}"));
                None
            }
        };
        let mut previous = Vec::new();
        for reference in &spec.previous_secret_refs {
            // One that is not there, or empty, is an error of the Secret.
            let Some(bytes) = self.secret(Some(reference)).map(<[u8]>::to_vec) else { continue };
            match SigningKey::new(bytes) {
                Ok(key) => previous.push((format!("{}/{}", reference.name, reference.key), key)),
                Err(error) => self.spec(format!("spec.jwt.previousSecretRefs: {error}")),
            }
        }
        Some(Jwt {
            key: key?,
            previous,
            shape: TokenShape {
                algorithm: spec.algorithm,
                subject_claim: subject_claim?,
                subject_type: spec.subject_type,
                issuer: spec.issuer.clone(),
                audience: spec.audience.clone(),
                claims: spec.claims.clone(),
                lifetime,
            },
            subject_column: spec.subject_column.clone().unwrap_or_else(|| users.id_column.clone()),
            origin: format!("{}/{}", spec.secret_ref.name, spec.secret_ref.key),
        })
    }

    fn references(&mut self, spec: &AuthConsistencySpec, users: &Users) -> References {
        let references = &spec.references;
        let mut rules: Vec<Rule> = Vec::new();
        let reassigns = references.on_orphan == OnOrphan::Reassign
            || references.rules.iter().any(|rule| rule.on_orphan == Some(OnOrphan::Reassign));
        if reassigns && spec.admin.is_none() {
            self.spec("spec.references: Reassign gives rows to the admin, so set spec.admin");
        }
        let remaps = references.on_orphan == OnOrphan::Remap
            || references.rules.iter().any(|rule| rule.on_orphan == Some(OnOrphan::Remap));
        if remaps && references.identities.is_none() {
            self.spec(
                "spec.references.identities: Remap gives rows back to the people whom old ids named, so set it",
            );
        }
        for (at, rule) in references.rules.iter().enumerate() {
            let field = format!("spec.references.rules[{at}] ({})", rule.table);
            if rule.declared && rule.columns.as_ref().is_none_or(Vec::is_empty) {
                self.spec(format!("{field}: a declared reference needs columns"));
            }
            if rule.declared && rule.columns.as_ref().is_some_and(|columns| columns.len() > 1) {
                self.spec(format!("{field}: a declared reference of several columns is not supported"));
            }
            if rule.ignore && rule.reason.is_none() {
                self.spec(format!("{field}: ignore needs a reason"));
            }
            if !rule.declared && (!rule.absent.is_empty() || !rule.only_where.is_empty()) {
                self.spec(format!("{field}: absent and where go with declared: true"));
            }
            let schema = rule.schema.clone().unwrap_or_else(|| users.schema.clone());
            let twice = rules.iter().any(|earlier| {
                earlier.schema == schema
                    && earlier.rule.table == rule.table
                    && earlier.rule.columns == rule.columns
            });
            if twice {
                self.spec(format!("{field}: there is an earlier rule for the same columns"));
            }
            rules.push(Rule { schema, rule: rule.clone() });
        }
        let field = "spec.references.deepInterval";
        let deep_interval = self.period(&references.deep_interval, field, Duration::from_secs(10));
        if deep_interval > LONGEST_DEEP_INTERVAL {
            self.spec(format!("{field}: {:?} is too long: use at most 168h", references.deep_interval));
        }
        References {
            discover: references.discover,
            on_orphan: references.on_orphan,
            on_collision: references.on_collision,
            limit_rows: references.limits.rows,
            limit_percent: i64::from(references.limits.percent),
            constraint: references.constraint,
            deep_interval,
            identities: None,
            rules,
        }
    }
}
