//! How a spec and its Secrets become a [`Target`]: everything is checked again here, since objects may
//! be older than today's schema.

mod accounts;
pub mod connection_string;
mod database;
pub mod duration;
mod identities;
mod jwt;
mod sessions;

use crate::{
    api::{
        bounds::{self, Bounds},
        condition::{ConditionType, Reason},
        preset,
        shared::SecretKeyRef,
        spec::{AuthConsistencySpec, OnOrphan},
    },
    domain::{
        fault::SecretProblem,
        hints::Hints,
        identities::list::ConfigMaps,
        request::Asking,
        target::{
            certificates::Authorities,
            policy::Rule,
            secrets::{Secrets, TargetError, secret_refs},
            users::Users,
        },
    },
};

use std::time::Duration;

use secrecy::ExposeSecret;

use super::target::{Database, Probe, References, ResourceIdentity, Target};

use database::Place;

impl Target {
    /// Parses a spec and its Secrets. `hints` are those of the engine that the database is asked by.
    ///
    /// # Errors
    /// Everything that is wrong with them, Secrets first: a Secret that is missing, unreadable or
    /// empty means wait and change nothing; it never means "no password".
    pub fn parse(
        spec: &AuthConsistencySpec,
        resource: ResourceIdentity,
        secrets: &Secrets,
        hints: &'static dyn Hints,
    ) -> Result<Self, Vec<TargetError>> {
        Self::parse_with(spec, resource, secrets, &ConfigMaps::new(), hints)
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
        hints: &'static dyn Hints,
    ) -> Result<Self, Vec<TargetError>> {
        let mut parser = Parser { secrets, hints, errors: Vec::new() };
        for (reference, condition, field) in secret_refs(spec) {
            parser.require_secret(&reference, condition, &field);
        }
        let interval = parser.period(&spec.interval, "spec.interval", bounds::INTERVAL);
        let timeout = parser.period(&spec.timeout, "spec.timeout", bounds::TIMEOUT);
        let database = parser.database(&spec.database, &Place::APP);
        let users = parser.users(spec, database.as_ref());
        let (admin, accounts) = parser.accounts(spec, &users);
        let jwt = spec.jwt.as_ref().and_then(|jwt| parser.jwt(jwt, &users));
        let mut references = parser.references(spec, &users);
        references.identities = parser.identities(spec, &users, config_maps);
        let probe = spec.probe.as_ref().map(|probe| Probe {
            interval: parser.period(&probe.interval, "spec.probe.interval", bounds::INTERVAL),
            verifiers: probe.verifiers.clone(),
            authorities: parser.authorities(probe.ca_secret_ref.as_ref()),
        });
        if probe.is_some() && (spec.jwt.is_none() || spec.admin.is_none()) {
            parser.spec("spec.probe mints a token for the admin: set spec.jwt and spec.admin too");
        }
        let sessions = spec.sessions.as_ref().map(|sessions| parser.sessions(spec, sessions, &users));
        if let Some(sessions) = &sessions {
            sessions::refer(sessions, &mut references);
        }
        let retention_days = match spec.quarantine.retention.as_str() {
            "Keep" => None,
            days => match duration::days(days) {
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
                accounts,
                jwt,
                references,
                probe,
                sessions,
                retention_days,
                asking: Asking::default(),
                operator: None,
                hints,
            }),
            (_, errors) => Err(errors),
        }
    }
}

struct Parser<'a> {
    secrets: &'a Secrets,
    hints: &'static dyn Hints,
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
                self.spec(if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                    format!(
                        "{field}: the Secret's value is UTF-16 with a byte order mark, as PowerShell's > writes it: store it as UTF-8"
                    )
                } else {
                    format!("{field}: the Secret's value is not UTF-8 text")
                });
                None
            }
        }
    }

    fn authorities(&mut self, reference: Option<&SecretKeyRef>) -> Option<Authorities> {
        let parsed = Authorities::parse(self.secret(reference)?);
        parsed.map_err(|error| self.spec(format!("spec.probe.caSecretRef: {error}"))).ok()
    }

    fn period(&mut self, text: &str, field: &str, bounds: Bounds) -> Duration {
        duration::within(text, bounds).unwrap_or_else(|why| {
            self.spec(format!("{field}: {why}"));
            Duration::ZERO
        })
    }

    fn users(&mut self, spec: &AuthConsistencySpec, database: Option<&Database>) -> Users {
        let filled = preset::fill(&spec.users);
        let schema = filled.schema.or_else(|| database?.connection.schema.clone());
        let schema = schema.unwrap_or_else(|| self.hints.default_schema().to_owned());
        let mut required = |value: Option<String>, field: &str| {
            value.unwrap_or_else(|| {
                self.spec(format!("spec.users.{field}: set it, or choose a preset"));
                String::new()
            })
        };
        Users {
            schema,
            table: required(filled.table, "table"),
            id_column: required(filled.id_column, "idColumn"),
            login_column: filled.login_column,
            password_column: filled.password_column,
            salt_column: filled.salt_column,
            algorithm_column: filled.algorithm_column,
            password_hash: filled.password_hash.unwrap_or_default(),
            preset_hash: filled.preset.map(preset::password_family),
            active_when: filled.active_when.unwrap_or_default(),
        }
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
                self.spec(format!("{field}: a declared reference of several columns is not supported: add a foreign key of these columns with NOT VALID, whose rows are then checked, and take the rule out"));
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
        let deep_interval = self.period(&references.deep_interval, field, bounds::INTERVAL);
        References {
            discover: references.discover,
            on_orphan: references.on_orphan,
            on_collision: references.on_collision,
            limit_rows: references.limits.rows,
            limit_percent: i64::from(references.limits.percent),
            constraint: references.constraint,
            undeclared: references.undeclared,
            deep_interval,
            identities: None,
            rules,
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretBox;

    use super::*;
    use crate::engine::hints;

    fn parse(ca: Option<&str>) -> Result<Target, Vec<TargetError>> {
        let spec: AuthConsistencySpec = serde_json::from_value(serde_json::json!({
            "database": {"urlSecretRef": {"name": "db", "key": "url"}},
            "users": {"preset": "FastAPI"},
            "admin": {"login": "admin@example.com", "passwordSecretRef": {"name": "admin", "key": "password"}},
            "jwt": {"secretRef": {"name": "jwt", "key": "key"}},
            "probe": {
                "verifiers": [{"name": "api", "url": "https://api.shop.svc/me"}],
                "caSecretRef": {"name": "ca", "key": "ca.crt"},
            },
        }))
        .unwrap();
        let mut secrets = Secrets::new();
        for (reference, _, field) in secret_refs(&spec) {
            let value = match field.as_ref() {
                "spec.database.urlSecretRef" => Some("postgresql://me:canary@db/app"),
                "spec.probe.caSecretRef" => ca,
                _ => Some("canary-0123456789abcdef0123456789abcdef"),
            };
            let value = value.map(|text| SecretBox::new(Box::new(text.as_bytes().to_vec())));
            let missing =
                SecretProblem { reason: Reason::SecretMissing, message: "there is no Secret".into() };
            secrets.insert(reference, value.ok_or(missing));
        }
        let resource =
            ResourceIdentity { namespace: "shop".into(), name: "app".into(), uid: "1".into(), generation: 1 };
        Target::parse(&spec, resource, &secrets, hints())
    }

    #[test]
    fn an_authority_that_is_none_says_so_and_one_that_is_missing_is_waited_for() {
        let errors = parse(Some("canary, and no certificate")).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!((errors[0].reason, errors[0].condition), (Reason::SpecInvalid, ConditionType::Ready));
        assert!(
            errors[0].message.starts_with("spec.probe.caSecretRef: the Secret's value holds no certificate")
        );
        assert!(!errors[0].message.contains("canary"));
        for ca in [None, Some("")] {
            let errors = parse(ca).unwrap_err();
            assert_eq!(errors.len(), 1);
            assert_eq!(
                (errors[0].reason, errors[0].condition),
                (Reason::SecretMissing, ConditionType::TokensAccepted)
            );
            assert!(errors[0].may_come());
        }
    }

    #[test]
    fn nothing_of_a_databases_authority_that_is_none_is_repeated() {
        let key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";
        let nonsense = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
        for ca in [
            "canary, and no certificate",
            "/canary/ca.crt",
            key,
            "-----BEGIN CERTIFICATE-----\nY2FuYXJ5",
            nonsense,
            "canary\0",
            &format!("{{\"ca.crt\": \"canary\"}}{key}"),
        ] {
            let spec: AuthConsistencySpec = serde_json::from_value(serde_json::json!({
                "database": {
                    "urlSecretRef": {"name": "db", "key": "url"},
                    "tls": {"mode": "VerifyFull", "caSecretRef": {"name": "ca", "key": "ca.crt"}},
                },
                "users": {"preset": "FastAPI"},
            }))
            .unwrap();
            let secrets = secret_refs(&spec).into_iter().map(|(reference, ..)| {
                let text = if reference.name == "ca" { ca } else { "postgresql://me:canary@db/app" };
                (reference, Ok(SecretBox::new(Box::new(text.as_bytes().to_vec()))))
            });
            let resource = ResourceIdentity {
                namespace: "shop".into(),
                name: "app".into(),
                uid: "1".into(),
                generation: 1,
            };
            let errors = Target::parse(&spec, resource, &secrets.collect(), hints()).unwrap_err();
            assert_eq!(errors.len(), 1, "{errors:?}");
            let message = &errors[0].message;
            assert!(message.starts_with("spec.database.tls.caSecretRef: "), "{message}");
            assert!(!message.contains("canary") && !message.contains("Y2FuYXJ5"), "{message}");
        }
    }

    #[test]
    fn each_duration_beyond_its_bounds_is_named_with_its_field() {
        let parse = |field: &str, text: &str| {
            let mut spec = serde_json::json!({
                "database": {"urlSecretRef": {"name": "db", "key": "url"}},
                "users": {"preset": "FastAPI"},
                "admin": {"login": "a@example.com", "passwordSecretRef": {"name": "admin", "key": "password"}},
                "jwt": {"secretRef": {"name": "jwt", "key": "key"}},
                "references": {},
                "probe": {"verifiers": [{"name": "api", "url": "https://api.shop.svc/me"}]},
            });
            *spec.pointer_mut(&field[..field.rfind('/').unwrap()]).unwrap() = {
                let (parent, name) = field.rsplit_once('/').unwrap();
                let mut changed = spec.pointer(parent).unwrap().clone();
                changed[name] = text.into();
                changed
            };
            let spec: AuthConsistencySpec = serde_json::from_value(spec).unwrap();
            let secrets = secret_refs(&spec).into_iter().map(|(reference, _, field)| {
                let url = field.contains("urlSecretRef");
                let text =
                    if url { "postgresql://me:canary@db/app" } else { "canary-0123456789abcdef0123456789" };
                (reference, Ok(SecretBox::new(Box::new(text.as_bytes().to_vec()))))
            });
            let resource = ResourceIdentity {
                namespace: "shop".into(),
                name: "app".into(),
                uid: "1".into(),
                generation: 1,
            };
            Target::parse(&spec, resource, &secrets.collect(), hints())
        };
        for (field, short, long) in [
            ("/interval", "1ms", "169h"),
            ("/timeout", "1ms", "11m"),
            ("/probe/interval", "9s", "169h"),
            ("/references/deepInterval", "0s", "169h"),
            ("/jwt/lifetime", "999ms", "876001h"),
        ] {
            let name = format!("spec{}: ", field.replace('/', "."));
            for (text, says) in [(short, "is too short"), (long, "is too long"), ("soon", "is no duration")] {
                let errors = parse(field, text).unwrap_err();
                assert_eq!(errors.len(), 1, "{errors:?}");
                assert_eq!(errors[0].reason, Reason::SpecInvalid);
                let message = &errors[0].message;
                assert!(message.starts_with(&name) && message.contains(says), "{message}");
            }
            assert!(parse(field, "5m").is_ok(), "{field}");
        }
    }
}
