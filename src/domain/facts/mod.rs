//! The facts that one pass gathered, and nothing but facts. No secret, no hash, no row's other
//! columns.

pub mod credentials;
pub mod endpoints;
pub(super) mod foreign;
pub mod foreign_code;
pub mod foreign_key;
pub(super) mod ledger;
pub(super) mod new_ids;
pub(super) mod password;
pub(in crate::domain) mod session_mechanism;
pub(super) mod unread;
pub mod workloads;

use std::{collections::BTreeMap, sync::Arc};

pub use self::{
    foreign::{Foreign, ForeignThing},
    ledger::{Bookkeeping, Claim, Distrust, Doubt, OpenRun, OpenStep, PriorUse},
    new_ids::{IdDefault, SequenceFacts, Takes, UnfitColumn, Untold},
    password::PasswordFacts,
    unread::{Unchecked, Untrusted},
};

use crate::{
    api::{
        condition::Reason,
        report::{ObjectRef, Skipped},
    },
    domain::{
        diagnose::{
            enforcement::Enforcement, hashing::HashSample, seeding::SeedFacts, sessions::SessionFacts,
        },
        facts::foreign_key::ForeignKeyOptions,
        identities::mapping::IdentityFacts,
    },
};

/// Everything that a pass saw in the database, in one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The server and the role.
    pub server: Server,
    /// The user table, or why there is none.
    pub users: Result<UserTable, SchemaFault>,
    /// Our own schema in the database.
    pub bookkeeping: Bookkeeping,
    /// The admin, where the spec names one and the user table is usable.
    pub admin: Option<AdminFacts>,
    /// The accounts beside it, in the target's order; empty where the user table is not usable.
    pub accounts: Vec<AdminFacts>,
    /// References that were checked.
    pub references: Vec<Reference>,
    /// How many of them counters say are as an earlier look saw them; no row of theirs was read.
    pub relied: usize,
    /// References in scope that were not.
    pub skipped: Vec<Skipped>,
    /// References that are not checked and may name ids all the same; asked only while an account is to be
    /// created.
    pub unchecked: Vec<Unchecked>,
    /// References in scope that the time of this look did not suffice for; the next one goes on with them.
    pub unreached: Vec<ObjectRef>,
    /// Foreign keys that a rule asks for and that are not there.
    pub missing_constraints: Vec<ObjectRef>,
    /// What is known of the foreign keys that the spec asks us to add or to validate.
    pub constraints: Vec<ConstraintFacts>,
    /// Orphans that name users in another spelling.
    pub spellings: Vec<Spelling>,
    /// References whose indexes cannot be believed; they are among `skipped`, too.
    pub untrusted: Vec<Untrusted>,
    /// What of tables in scope is of roles that are not the app.
    pub foreign: Vec<Foreign>,
    /// What became of the ids of before; `None` where the spec names no identities.
    pub identities: Option<IdentityFacts>,
    /// What is known of tokens that outlive a change; `None` where the spec does not name sessions.
    pub sessions: Option<SessionFacts>,
}

/// Orphans of one reference that name users in another spelling.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spelling {
    /// The reference.
    pub object: ObjectRef,
    /// How many rows.
    pub rows: i64,
    /// How many distinct keys.
    pub keys: i64,
    /// The first five keys, as the rows have them.
    pub sample: Vec<String>,
    /// The first key as the users have it.
    pub twin: String,
    /// Whether more than one user goes with a key.
    pub ambiguous: bool,
    /// The statement that gives the rows the users' spelling.
    pub normalise: String,
}

/// A foreign key that is to be added or validated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintFacts {
    /// Table, columns, name.
    pub object: ObjectRef,
    /// What it says beside its columns, where it is to be added.
    pub options: ForeignKeyOptions,
    /// Why it is not ours to add or validate, if so: the reason and a clause.
    pub refused: Option<(Reason, String)>,
}

/// The server and the role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `15.14`.
    pub version: String,
    /// What audit, claim and quarantine rows are bound to, beside the resource's uid.
    pub identity: DatabaseIdentity,
    /// Why nothing can be written here, if so.
    pub read_only: Option<ReadOnly>,
}

/// Why nothing can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOnly {
    /// What it is.
    pub why: String,
    /// What a person does about it.
    pub ends: String,
}

/// Which database this is; a dump that is restored elsewhere has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseIdentity {
    /// The cluster's system identifier, as `pg_control_system()` gives it.
    pub system: String,
    /// Object id of the database.
    pub database: i64,
}

/// Why the user table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaFault {
    /// No such table; the names of tables that are nearly called so.
    TableMissing {
        /// `schema.table` that look alike.
        alike: Vec<String>,
    },
    /// The name is a view, a foreign table or the like.
    NotATable {
        /// What it is.
        kind: String,
    },
    /// A column that the spec names is not there.
    ColumnMissing {
        /// The column.
        column: String,
        /// The field of the spec that names it.
        field: String,
        /// Columns that there are.
        there: Vec<String>,
    },
    /// A column's type does not take the value that the spec wants it to hold.
    ValueUnfit {
        /// The column.
        column: String,
        /// Its type, as SQL has it.
        column_type: String,
        /// The value.
        value: String,
        /// The field of the spec that has it.
        field: String,
        /// What the database said.
        why: String,
    },
    /// Ids of this type cannot be compared.
    IdNotComparable {
        /// The type, as SQL has it.
        id_type: String,
    },
    /// Another table inherits from it in the old way and has rows, which no foreign key sees.
    Inherited {
        /// That table, as SQL has it.
        child: String,
        /// The table that it inherits from by itself.
        parent: String,
    },
    /// The role may not read it.
    NotReadable {
        /// What is missing, and the statement that gives it.
        why: String,
    },
    /// Reading it could run somebody's code: whose, by what, and what ends it.
    ForeignCode(String),
    /// Row-level security hides rows of it.
    RowsHidden {
        /// What the database said.
        why: String,
        /// What ends it.
        ends: String,
    },
}

/// What kind of key the user table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// int2, int4, int8.
    Integer,
    /// uuid.
    Uuid,
    /// text, varchar, citext, char(n).
    Text,
    /// Anything else.
    Other,
}

/// The user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTable {
    /// Its name.
    pub object: ObjectRef,
    /// Object id of the table.
    pub oid: i64,
    /// The id column's type, as SQL has it.
    pub id_type: String,
    /// What kind of key that is.
    pub id_kind: KeyKind,
    /// The password column.
    pub password_column: Option<String>,
    /// Its type, as SQL has it.
    pub password_type: Option<String>,
    /// Where new ids come from.
    pub id_default: IdDefault,
    /// The last id that there can be: that of the column's type, or where its checks or the sequence end before.
    /// Who has it, and what names it, is a mark of the app and says nothing of how far ids have come.
    pub last_id: i64,
    /// The same at the other end, for a sequence that counts downwards.
    pub first_id: i64,
    /// Which integers the id column's checks take.
    pub takes: Takes,
    /// Highest id of a live user below the last one, for integer keys.
    pub highest_id: Option<i64>,
    /// The subject column's type kind, where the spec has `jwt`.
    pub subject_kind: Option<KeyKind>,
    /// What a new row of it needs.
    pub seed: SeedFacts,
    /// What the passwords of others are, for each account that is kept, by login; the admin's under `None`.
    /// Empty where no password is to be written or compared.
    pub passwords: BTreeMap<Option<String>, HashSample>,
    /// Rights on the table.
    pub rights: TableRights,
}

/// What the role may do to a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableRights {
    /// The role.
    pub role: String,
    /// INSERT.
    pub insert: bool,
    /// UPDATE.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
}

/// The admin, or another account that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminFacts {
    /// The account whose login equals the spec's, when there is exactly one or the first of them.
    pub account: Option<Account>,
    /// Accounts whose login equals the spec's.
    pub exact: i64,
    /// Further accounts whose login differs only by case or surrounding spaces.
    pub look_alikes: i64,
    /// What is known of the id that it must have.
    pub wanted: Option<WantedId>,
}

/// The account as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id as text.
    pub id: String,
    /// Its subject as text; `None` when that column is NULL.
    pub subject: Option<String>,
    /// Conditions of `users.activeWhen` that do not hold: the columns.
    pub inactive: Vec<String>,
    /// Columns of its own `columns` that differ.
    pub drifted: Vec<String>,
    /// What is known of the password.
    pub password: PasswordFacts,
    /// Rows of each table that name it, its own left out, for moving its id: (object, rows).
    pub references: Vec<(ObjectRef, i64)>,
}

/// What is known of the id that an account must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedId {
    /// The id in the column's own spelling; `None` when the type does not take it.
    pub canonical: Option<String>,
    /// Whether another account has it.
    pub occupied: bool,
    /// Rows of references, checked or not, that name it although nobody has it.
    pub orphan_rows: i64,
    /// References whose rows could not be looked at for that.
    pub unseen: Vec<ObjectRef>,
    /// The CHECK of the id column that refuses it.
    pub refused: Option<String>,
    /// Why the account cannot be moved to it, if so: told when it is planned, not when it runs.
    pub immovable: Option<(Reason, String)>,
}

/// A reference and what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Table, columns, constraint.
    pub object: ObjectRef,
    /// Columns of the user table that it names.
    pub parent_columns: Vec<String>,
    /// The constraint's definition; empty for a soft reference.
    pub definition: Arc<str>,
    /// Whether only the spec declares it.
    pub soft: bool,
    /// Whether the constraint is marked valid.
    pub validated: bool,
    /// What keeps the constraint from holding new rows to its word.
    pub enforcement: Enforcement,
    /// Types that differ: (child's, parent's).
    pub types: Option<(String, String)>,
    /// How the types differ.
    pub comparison: Comparison,
    /// Whether its first column has a default.
    pub defaulted: bool,
    /// Rows that name nobody.
    pub orphans: Orphans,
    /// Rows of the table; only counted when there are orphans.
    pub table_rows: i64,
    /// What keeps us from repairing it, if anything: a plain clause.
    pub unsupported: Option<String>,
    /// Whether no column of it can be set to NULL.
    pub not_null: bool,
    /// Whether the table has a primary key, so that a changed row can be found again.
    pub keyed: bool,
    /// Columns of a reference of several that another foreign key of the table uses too.
    pub shared: Vec<String>,
    /// Why the rows are taken for credentials, if so.
    pub credentials: Option<String>,
    /// Unique keys that giving the rows to the admin would break: (index, rows).
    pub collisions: Vec<(String, i64)>,
    /// Of the orphans, how many have to be removed so that the admin can be given the others; `None` where
    /// nobody can tell beforehand.
    pub surplus: Option<i64>,
    /// Foreign keys by which rows of other tables keep the orphans from being deleted, with how many.
    pub dependents: Vec<String>,
    /// Rows of other tables that go along when the orphans are deleted.
    pub takes: Vec<Taken>,
    /// Foreign keys of other tables through which a change of the orphans would go on, with how many rows.
    pub cascades: Vec<String>,
    /// Rights on other tables that a repair takes and the role lacks.
    pub lacking: Lacking,
    /// Foreign keys that partitions of the table have for themselves.
    pub partition_keys: Vec<PartitionKey>,
    /// Further foreign keys of the same columns to the same ones.
    pub twins: Vec<Twin>,
    /// Rights on the table.
    pub rights: TableRights,
    /// Why its column cannot hold what the admin is named by, if so.
    pub unfit: Option<UnfitColumn>,
    /// What refuses some of the rows as the repair that was asked for would make them.
    pub in_the_way: Option<InTheWay>,
    /// Whether a column of it names the id, alone or beside other columns.
    pub names_id: bool,
    /// The last value of that column's type, for integers.
    pub last: Option<i64>,
}

/// A constraint that refuses rows as a repair would make them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Barrier,
    /// Rows that it refuses.
    pub rows: i64,
}

/// What keeps a row from being changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// A CHECK constraint.
    Check,
    /// A unique key that lets NULL stand but once.
    NullsNotDistinct,
    /// An EXCLUDE constraint.
    Exclusion,
}

/// A second foreign key of a reference: its rows are the first one's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The reference under this key's name.
    pub object: ObjectRef,
    /// Its definition.
    pub definition: Arc<str>,
    /// Whether it is marked valid.
    pub validated: bool,
    /// What keeps it from holding new rows to its word.
    pub enforcement: Enforcement,
}

impl Reference {
    /// The same reference as each of its further foreign keys has it.
    pub fn of_twins(&self) -> impl Iterator<Item = Self> {
        self.twins.iter().map(|twin| Self {
            object: twin.object.clone(),
            definition: twin.definition.clone(),
            validated: twin.validated,
            enforcement: twin.enforcement.clone(),
            twins: Vec::new(),
            ..self.clone()
        })
    }
}

/// A foreign key that one partition has for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey {
    /// The partition, its columns and the foreign key.
    pub object: ObjectRef,
    /// Whether it is marked valid.
    pub validated: bool,
}

/// Rights on tables whose rows depend on orphans that the role lacks, as `SELECT on schema.table`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lacking {
    /// To tell what deleting the orphans would do, and to keep what would go along.
    pub delete: Vec<String>,
    /// To tell where a change of their key would go on.
    pub change: Vec<String>,
}

/// Rows of another table that a foreign key removes or changes when orphans are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The other table, its columns and the foreign key.
    pub object: ObjectRef,
    /// Delete or SetNull.
    pub action: crate::api::report::Action,
    /// Rows.
    pub rows: i64,
}

/// How a reference's values are compared with the key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// By the constraint's own operators, or the types' common equality.
    Native,
    /// As text, since no operator compares the two types: good for counting, not for repairing.
    AsText,
}

/// Rows that name nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Orphans {
    /// How many rows, exactly.
    pub rows: i64,
    /// How many distinct keys, exactly.
    pub keys: i64,
    /// The first five keys in key order, as text.
    pub sample: Vec<String>,
    /// SHA-256 over all keys in key order, hexadecimal; empty when there are none.
    pub digest: String,
    /// The highest id among the keys, for integers, whatever type the column has; the last value that the
    /// column can hold, or that an id can have, is none.
    pub highest: Option<i64>,
    /// The lowest one, in the same way.
    pub lowest: Option<i64>,
}
