//! The facts that one pass gathered, and nothing but facts. No secret, no hash, no row's other
//! columns.

pub mod accounts;
pub mod credentials;
pub mod elsewhere;
pub mod endpoints;
pub(super) mod foreign;
pub mod foreign_code;
pub mod foreign_key;
pub mod hashes;
pub mod identities;
pub mod key_kind;
pub(super) mod ledger;
pub mod new_ids;
pub(super) mod password;
pub mod references;
pub mod rights;
pub mod schema;
pub mod search;
pub mod seed;
pub(in crate::domain) mod session_mechanism;
pub mod sessions;
pub(super) mod undeclared;
pub(super) mod unread;
pub mod verifiers;
pub mod workloads;

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::facts::{
        accounts::AdminFacts,
        identities::IdentityFacts,
        references::{ConstraintFacts, Reference, Spelling},
        schema::{SchemaFault, Server, UserTable},
        sessions::SessionFacts,
    },
};

pub use self::{
    elsewhere::{KeyElsewhere, Noticed},
    foreign::{Foreign, ForeignThing},
    ledger::{Bookkeeping, Claim, Distrust, Doubt, OpenRun, OpenStep, PriorUse},
    new_ids::{IdDefault, SequenceFacts, Takes, UnfitColumn, Untold},
    password::PasswordFacts,
    undeclared::Undeclared,
    unread::{Unchecked, Untrusted},
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
    /// Foreign keys of columns that name users, which reference another table.
    pub elsewhere: Vec<KeyElsewhere>,
    /// Columns that look as if they named users, and are not checked.
    pub undeclared: Undeclared,
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
