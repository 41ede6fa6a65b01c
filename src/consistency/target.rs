//! A spec and its Secrets, parsed once into values that cannot be wrong.
//!
//! Everything after this room works on a [`Target`] and never looks at the spec again.

use std::{collections::BTreeMap, time::Duration};

use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{
    dsn::{self, Connection},
    period,
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        preset,
        report::ObjectRef,
        spec::{
            AdminSpec, Algorithm, AuthConsistencySpec, ColumnCondition, DatabaseSpec, JwtSpec, Mode, OnDrift,
            OnMissing, OnOrphan, PasswordHash, PasswordPolicy, ReferenceRule, SecretKeyRef, TlsMode,
        },
    },
    tokens::{SigningKey, SubjectClaim, TokenShape},
};

/// Bytes that `jwt.claims` may take as JSON.
const MAX_CLAIMS_BYTES: usize = 4096;

/// Which resource a pass works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceIdentity {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
    /// Its uid, or `namespace/name` where there is no cluster.
    pub uid: String,
    /// Generation of the spec; 0 where there is no cluster.
    pub generation: i64,
}

/// What a Secret's key turned out to hold.
pub type SecretBytes = SecretBox<Vec<u8>>;

/// The Secrets that a spec names, as they were read.
pub type Secrets = BTreeMap<SecretKeyRef, Result<SecretBytes, SecretProblem>>;

/// Why a Secret's key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretProblem {
    /// `SecretMissing` or `SecretNotPermitted`.
    pub reason: Reason,
    /// What is wrong and what to do, without the name of the field.
    pub message: String,
}

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

/// A database, its user table, its admin, its signing key and its references.
#[derive(Debug, Clone)]
pub struct Target {
    /// Which resource it is.
    pub resource: ResourceIdentity,
    /// Time between passes.
    pub interval: Duration,
    /// Time for one pass without repairs.
    pub timeout: Duration,
    /// Whether repairs may be written.
    pub mode: Mode,
    /// How to reach the database.
    pub database: Database,
    /// The user table.
    pub users: Users,
    /// The admin.
    pub admin: Option<Admin>,
    /// Signing key and token shape.
    pub jwt: Option<Jwt>,
    /// What to do about references.
    pub references: References,
    /// What to ask the app.
    pub probe: Option<Probe>,
}

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Host, credentials, name.
    pub connection: Connection,
    /// How much of the certificate is checked.
    pub tls: TlsMode,
    /// Certificate authority in PEM.
    pub ca: Option<Vec<u8>>,
    /// A sentence where the spec and the connection string disagree.
    pub disagreement: Option<String>,
}

/// The user table as the spec describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Schema of the table.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// Column that tokens and references name.
    pub id_column: String,
    /// Column that people sign in with.
    pub login_column: Option<String>,
    /// Column that holds the password hash.
    pub password_column: Option<String>,
    /// Format that the app reads.
    pub password_hash: PasswordHash,
    /// When an account is active.
    pub active_when: Vec<ColumnCondition>,
}

/// The admin as the spec describes it.
#[derive(Debug, Clone)]
pub struct Admin {
    /// What it signs in with.
    pub login: String,
    /// The password, where a Secret is named.
    pub password: Option<SecretString>,
    /// Columns that make it an admin.
    pub columns: Vec<ColumnCondition>,
    /// The id that it must have.
    pub id: Option<String>,
    /// What to do when it is not there.
    pub on_missing: OnMissing,
    /// What to do when it differs.
    pub on_drift: OnDrift,
    /// When the password is written.
    pub password_policy: PasswordPolicy,
}

/// Signing key and token shape.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The exact bytes that the app gets.
    pub key: SigningKey,
    /// What the app's tokens look like.
    pub shape: TokenShape,
    /// Column that the subject names.
    pub subject_column: String,
    /// Which Secret the key is from, as `name/key`.
    pub origin: String,
}

/// What to do about references.
#[derive(Debug, Clone, PartialEq)]
pub struct References {
    /// Check every foreign key to the user table.
    pub discover: bool,
    /// What to do unless a rule says otherwise.
    pub on_orphan: OnOrphan,
    /// Rows per reference that need no approval.
    pub limit_rows: i64,
    /// Percent of the table per reference that needs no approval.
    pub limit_percent: i64,
    /// Decisions table by table, their schema filled in.
    pub rules: Vec<Rule>,
}

/// A rule with its schema filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Schema of the table.
    pub schema: String,
    /// The rule as written.
    pub rule: ReferenceRule,
}

/// What the rules say of one reference.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// What to do with orphans.
    pub on_orphan: OnOrphan,
    /// Up to this many orphans are wanted, and why.
    pub accept: Option<(i64, String)>,
    /// Not checked, and why.
    pub ignore: Option<String>,
    /// A rule says that the rows carry credentials.
    pub credentials: bool,
}

/// What to ask the app.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Time between probes when nothing changes.
    pub interval: Duration,
    /// Whom to ask.
    pub verifiers: Vec<crate::api::spec::Verifier>,
}

impl References {
    /// What the rules say of the reference `schema.table (columns)`: exact columns win over a rule
    /// for the table, and that over the default; each setting is looked up by itself.
    pub fn policy(&self, object: &ObjectRef) -> Policy {
        let of_table = |rule: &&Rule| rule.schema == object.schema && rule.rule.table == object.table;
        let exact = self
            .rules
            .iter()
            .filter(of_table)
            .find(|rule| rule.rule.columns.as_ref().is_some_and(|columns| *columns == object.columns));
        let table = self.rules.iter().filter(of_table).find(|rule| rule.rule.columns.is_none());
        let rules: Vec<&ReferenceRule> = exact.into_iter().chain(table).map(|rule| &rule.rule).collect();
        Policy {
            on_orphan: rules.iter().find_map(|rule| rule.on_orphan).unwrap_or(self.on_orphan),
            accept: rules.iter().find_map(|rule| rule.accept.as_ref()).map(|a| (a.rows, a.reason.clone())),
            ignore: rules
                .iter()
                .find(|rule| rule.ignore)
                .map(|rule| rule.reason.clone().unwrap_or_else(|| "a rule says so".into())),
            credentials: rules.iter().any(|rule| rule.credentials),
        }
    }

    /// Rows that may be repaired without asking, of a table with `table_rows` rows.
    pub fn limit(&self, table_rows: i64) -> i64 {
        let by_percent = i128::from(table_rows) * i128::from(self.limit_percent) / 100;
        self.limit_rows.min(i64::try_from(by_percent).unwrap_or(i64::MAX))
    }
}

/// Every Secret key that a spec names, with the condition that it concerns and the field's path.
pub fn secret_refs(spec: &AuthConsistencySpec) -> Vec<(SecretKeyRef, ConditionType, &'static str)> {
    let database = &spec.database;
    let mut refs = Vec::new();
    let mut add = |reference: Option<&SecretKeyRef>, condition, field| {
        refs.extend(reference.map(|reference| (reference.clone(), condition, field)));
    };
    use ConditionType::{AdminConsistent, DatabaseReachable, SigningKeyTrusted};
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
    refs
}

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
        let mut parser = Parser { secrets, errors: Vec::new() };
        for (reference, condition, field) in secret_refs(spec) {
            parser.require_secret(&reference, condition, field);
        }
        let interval = parser.period(&spec.interval, "spec.interval", Duration::from_secs(10));
        let timeout = parser.period(&spec.timeout, "spec.timeout", Duration::from_secs(1));
        let database = parser.database(&spec.database);
        let users = parser.users(spec, database.as_ref());
        let admin = spec.admin.as_ref().and_then(|admin| parser.admin(admin, &users));
        let jwt = spec.jwt.as_ref().and_then(|jwt| parser.jwt(jwt, &users));
        let references = parser.references(spec, &users);
        let probe = spec.probe.as_ref().map(|probe| Probe {
            interval: parser.period(&probe.interval, "spec.probe.interval", Duration::from_secs(10)),
            verifiers: probe.verifiers.clone(),
        });
        if probe.is_some() && (spec.jwt.is_none() || spec.admin.is_none()) {
            parser.spec("spec.probe mints a token for the admin: set spec.jwt and spec.admin too");
        }
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

    fn database(&mut self, spec: &DatabaseSpec) -> Option<Database> {
        let connection = match (&spec.url_secret_ref, &spec.host) {
            (Some(reference), None) => {
                let bytes = self.secret(Some(reference))?;
                match dsn::parse(bytes) {
                    Ok(connection) => connection,
                    Err(error) => {
                        self.errors.push(TargetError {
                            reason: if error.is_engine() {
                                Reason::DatabaseEngineUnsupported
                            } else {
                                Reason::DatabaseUrlInvalid
                            },
                            condition: ConditionType::DatabaseReachable,
                            message: format!(
                                "key {:?} of Secret {:?}: {error}",
                                reference.key, reference.name
                            ),
                        });
                        return None;
                    }
                }
            }
            (None, Some(host)) => {
                let user =
                    self.secret_line(spec.username_secret_ref.as_ref(), "spec.database.usernameSecretRef");
                let password =
                    self.secret_line(spec.password_secret_ref.as_ref(), "spec.database.passwordSecretRef");
                let Some(database) = spec.name.clone() else {
                    self.spec("spec.database.name: set it, since spec.database.host is set");
                    return None;
                };
                Connection {
                    host: host.clone(),
                    port: spec.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(5432),
                    user: user?,
                    password: password?.into(),
                    database,
                    tls: None,
                    schema: None,
                }
            }
            _ => {
                self.spec("spec.database: set exactly one of urlSecretRef and host");
                return None;
            }
        };
        let asked = spec.tls.as_ref().map(|tls| tls.mode);
        // No word of encryption anywhere means the safest mode: plain text must be said.
        let tls = asked.or(connection.tls).unwrap_or(TlsMode::VerifyFull);
        let disagreement = match (asked, connection.tls) {
            (Some(asked), Some(said)) if asked != said => Some(format!(
                "spec.database.tls.mode is {asked:?} and the connection string says {said:?}: the spec wins"
            )),
            _ => None,
        };
        let ca =
            spec.tls.as_ref().and_then(|tls| self.secret(tls.ca_secret_ref.as_ref())).map(<[u8]>::to_vec);
        Some(Database { connection, tls, ca, disagreement })
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
        Some(Jwt {
            key: key?,
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
        References {
            discover: references.discover,
            on_orphan: references.on_orphan,
            limit_rows: references.limits.rows,
            limit_percent: i64::from(references.limits.percent),
            rules,
        }
    }
}

/// The signature algorithm of a target, where it has a signing key.
pub fn algorithm(target: &Target) -> Option<Algorithm> {
    target.jwt.as_ref().map(|jwt| jwt.shape.algorithm)
}
