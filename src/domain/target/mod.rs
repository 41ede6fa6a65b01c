//! A spec and its Secrets, parsed once into values that cannot be wrong.
//!
//! Everything after this room works on a [`Target`] and never looks at the spec again.

pub mod certificates;
pub mod connection;
pub mod odd;
pub mod policy;
pub mod secrets;
pub mod sessions;
pub mod users;

use crate::{
    api::{
        condition::Reason,
        report::ObjectRef,
        shared::{ColumnCondition, SecretKeyRef, TlsMode},
        spec::{
            self, Mode, OnCollision, OnConstraint, OnDrift, OnMissing, OnOrphan, OnUndeclared,
            PasswordPolicy, ReferenceRule,
        },
    },
    domain::{
        facts::session_mechanism::Sessions,
        hints::Hints,
        identities::{list::Identities, snapshot::Reference},
        request::Asking,
        target::{
            certificates::Authorities,
            connection::Connection,
            odd::Odd,
            policy::{Policy, Rule},
            users::Users,
        },
    },
    passwords::PasswordWarning,
    tokens::{Part, SigningKey, TokenShape},
};

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;

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
    /// The accounts beside it that are kept, in the order of their logins.
    pub accounts: Vec<Admin>,
    /// Signing key and token shape.
    pub jwt: Option<Jwt>,
    /// What to do about references.
    pub references: References,
    /// What to ask the app.
    pub probe: Option<Probe>,
    /// How tokens end before they expire.
    pub sessions: Option<Sessions>,
    /// Days that rows stay in quarantine; `None`: for ever.
    pub retention_days: Option<i64>,
    /// How a person asks for something once.
    pub asking: Asking,
    /// What tells the operator that works for it from that of every other cluster; `None` where nobody knows.
    pub operator: Option<String>,
    /// What people are told to run against the database.
    pub hints: &'static dyn Hints,
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
    /// Where the database's name stands.
    pub named_in: &'static str,
    /// What is odd about its credentials, as they stand in the Secrets.
    pub odd: Vec<Odd>,
}

/// The admin as the spec describes it, or another account that is kept by the same rules.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Its place in `spec.accounts`; `None`: it is the admin.
    pub place: Option<usize>,
    /// What it signs in with.
    pub login: String,
    /// The password, where a Secret is named.
    pub password: Option<SecretString>,
    /// What is odd about it, as it stands in the Secret.
    pub password_warnings: Vec<PasswordWarning>,
    /// Columns that make it what it is.
    pub columns: Vec<ColumnCondition>,
    /// Columns that only a new row of it gets.
    pub seed_columns: Vec<(String, SeedValue)>,
    /// The id that it must have.
    pub id: Option<String>,
    /// What to do when it is not there.
    pub on_missing: OnMissing,
    /// What to do when it differs.
    pub on_drift: OnDrift,
    /// When the password is written.
    pub password_policy: PasswordPolicy,
}

/// What a column of a new row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedValue {
    /// This text, in the column's own type.
    Text(String),
    /// The time at which the row is created.
    Now,
    /// A random UUID.
    Uuid,
}

/// Signing key and token shape.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The exact bytes that the app gets.
    pub key: SigningKey,
    /// Keys of before, with their Secrets as `name/key` and their key ids.
    pub previous: Vec<(String, SigningKey)>,
    /// Keys of a JWKS that sign nothing yet, called in the same way.
    pub standby: Vec<(String, SigningKey)>,
    /// Keys that nothing may accept any more, called in the same way.
    pub revoked: Vec<(String, SigningKey)>,
    /// Whether the keys are a JWKS, in which verifiers look a key up by its id.
    pub by_id: bool,
    /// What the app's tokens look like.
    pub shape: TokenShape,
    /// Column that the subject names.
    pub subject_column: String,
    /// The Secret that the key is from.
    pub secret: SecretKeyRef,
    /// What messages call the key: its Secret as `name/key`, and its key id.
    pub origin: String,
}

impl Jwt {
    /// The keys whose tokens an app may accept, with where they are from: whoever finds out one of before, or one
    /// that is published already, can sign as well as with the current one. Not those that are revoked.
    pub fn counting(&self) -> impl Iterator<Item = (Part, &String, &SigningKey)> {
        let previous = self.previous.iter().map(|(origin, key)| (Part::Previous, origin, key));
        let standby = self.standby.iter().map(|(origin, key)| (Part::Standby, origin, key));
        std::iter::once((Part::Signing, &self.origin, &self.key)).chain(previous).chain(standby)
    }
}

/// What to do about references.
#[derive(Debug, Clone)]
pub struct References {
    /// Check every foreign key to the user table.
    pub discover: bool,
    /// What to do unless a rule says otherwise.
    pub on_orphan: OnOrphan,
    /// What to do with orphans that collide unless a rule says otherwise.
    pub on_collision: OnCollision,
    /// Rows per reference that need no approval.
    pub limit_rows: i64,
    /// Percent of the table per reference that needs no approval.
    pub limit_percent: i64,
    /// What to do about foreign keys unless a rule says otherwise.
    pub constraint: OnConstraint,
    /// What to do about columns that look as if they named users.
    pub undeclared: OnUndeclared,
    /// How long counters may stand in for a look at every row.
    pub deep_interval: Duration,
    /// Whom old ids named.
    pub identities: Option<IdentitySource>,
    /// Decisions table by table, their schema filled in.
    pub rules: Vec<Rule>,
}

/// Whom old ids named, and where it stands.
#[derive(Debug, Clone)]
pub enum IdentitySource {
    /// A list, as it was read.
    List(Arc<Identities>),
    /// A table of the same database.
    Table(IdentityTable),
    /// A table of another database.
    Elsewhere(Box<Database>, IdentityTable),
}

impl IdentitySource {
    /// The foreign keys that there were before, where a snapshot says so.
    pub fn references(&self) -> &[Reference] {
        match self {
            Self::List(list) => list.before.as_ref().map_or(&[], |before| &before.references),
            Self::Table(_) | Self::Elsewhere(..) => &[],
        }
    }
}

/// A table that holds the users as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityTable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its column of old ids.
    pub id_column: String,
    /// Its column of logins.
    pub login_column: String,
}

/// What to ask the app.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Time between probes when nothing changes.
    pub interval: Duration,
    /// Whom to ask.
    pub verifiers: Vec<spec::Verifier>,
    /// Who must have signed their certificates; the machine's own authorities where there are none.
    pub authorities: Option<Authorities>,
}

impl Target {
    /// Every account that is kept, the admin first.
    pub fn kept(&self) -> impl Iterator<Item = &Admin> {
        self.admin.iter().chain(&self.accounts)
    }

    /// The account of that login, or the admin for `None`.
    pub fn account(&self, login: Option<&str>) -> Option<&Admin> {
        self.kept().find(|one| one.account() == login)
    }
}

impl Admin {
    /// The login that tells it from the admin; `None`: it is the admin.
    pub fn account(&self) -> Option<&str> {
        self.place.map(|_| self.login.as_str())
    }

    /// Where the spec names it.
    pub fn field(&self) -> String {
        match self.place {
            Some(at) => format!("spec.accounts[{at}]"),
            None => "spec.admin".to_owned(),
        }
    }

    /// The reason where it is not there.
    pub fn missing(&self) -> Reason {
        if self.place.is_some() { Reason::AccountMissing } else { Reason::AdminMissing }
    }

    /// The reason where it is not what the spec says.
    pub fn drifted(&self) -> Reason {
        if self.place.is_some() { Reason::AccountDrifted } else { Reason::AdminDrifted }
    }

    /// Whether it is created where it is not there; `reset`: a reset was asked for.
    pub fn is_created(&self, reset: bool) -> bool {
        self.on_missing == OnMissing::Seed || (reset && self.place.is_none())
    }

    /// What messages call it.
    pub fn called(&self) -> String {
        match self.place {
            Some(_) => format!("the account {:?}", self.login),
            None => "the admin".to_owned(),
        }
    }
}

impl References {
    /// Whether a rule names this reference, or its whole table.
    pub fn name(&self, object: &ObjectRef) -> bool {
        let whole = |rule: &Rule| {
            rule.schema == object.schema && rule.rule.table == object.table && rule.rule.columns.is_none()
        };
        self.rules.iter().any(|rule| rule.names(object) || whole(rule))
    }

    /// What a snapshot says of the foreign key that is gone: the same table, columns and name.
    pub fn definition(&self, object: &ObjectRef) -> Option<&str> {
        let before = self.identities.as_ref().map_or(&[][..], IdentitySource::references);
        let same = before.iter().find(|one| {
            one.schema == object.schema
                && one.table == object.table
                && one.constraint == object.constraint
                && one.columns.iter().map(|column| &column.name).eq(&object.columns)
        });
        same?.definition.as_deref()
    }

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
            on_collision: rules.iter().find_map(|rule| rule.on_collision).unwrap_or(self.on_collision),
            accept: rules.iter().find_map(|rule| rule.accept.as_ref()).map(|a| (a.rows, a.reason.clone())),
            ignore: rules
                .iter()
                .find(|rule| rule.ignore)
                .map(|rule| rule.reason.clone().unwrap_or_else(|| "a rule says so".into())),
            credentials: rules.iter().any(|rule| rule.credentials),
            constraint: rules.iter().find_map(|rule| rule.on_constraint).unwrap_or(self.constraint),
        }
    }

    /// Rows that may be repaired without asking, of a table with `table_rows` rows.
    pub fn limit(&self, table_rows: i64) -> i64 {
        let by_percent = i128::from(table_rows) * i128::from(self.limit_percent) / 100;
        self.limit_rows.min(i64::try_from(by_percent).unwrap_or(i64::MAX))
    }
}
