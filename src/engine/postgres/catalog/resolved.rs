//! What the spec names, as the catalog has it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    domain::{
        diagnose::hashing::{HashSample, Says},
        facts::{Takes, Untold, schema::DatabaseIdentity},
    },
    engine::postgres::{
        catalog::{
            self, Column, IdKey, Table, condition::Condition, keeping::Kept, mapping, reference::ReferenceTable,
        },
        observe::ids::Passive,
    },
};

/// The catalog's names for what a target is about.
#[derive(Debug, Clone)]
pub struct Known {
    /// The user table.
    pub users: Arc<Table>,
    /// Its id column, of a type that can be compared.
    pub id: Column,
    /// Its login column.
    pub login: Option<Column>,
    /// Its password column.
    pub password: Option<Column>,
    /// Its column of salts.
    pub salt: Option<Column>,
    /// Its column of the algorithms' names.
    pub algorithm: Option<Column>,
    /// Columns that may say how the password is read, the column of salts that the spec names among them.
    pub beside: Vec<(Column, Says)>,
    /// What the passwords of others are, as the last look at them saw it.
    pub samples: BTreeMap<Option<String>, HashSample>,
    /// What the subject names.
    pub subject: Option<Column>,
    /// `users.activeWhen`, resolved.
    pub active_when: Vec<Condition>,
    /// The `columns` of the accounts that are kept, resolved; the admin's under `None`.
    pub columns: BTreeMap<Option<String>, Vec<Condition>>,
    /// What keeps ids apart.
    pub id_key: IdKey,
    /// The sequence behind the id column.
    pub sequence: Option<catalog::Sequence>,
    /// What its default is instead, where nobody can tell what that gives next.
    pub untold: Option<Untold>,
    /// The first id that there can be, for a sequence that counts downwards.
    pub first_id: i64,
    /// The last one: that of the column's type, or where its checks or the sequence end before.
    pub last_id: i64,
    /// Which integers the id column's checks take.
    pub takes: Takes,
    /// The room that this look has for what the catalog says of its references.
    pub kept: Arc<Kept>,
    /// Every reference that was looked at.
    pub references: Vec<ReferenceTable>,
    /// References that are not checked, whose rows may name ids all the same.
    pub passive: Vec<Passive>,
    /// Who of before is who today; `None` where the spec names no identities, or they cannot be used.
    pub identities: Option<mapping::Mapping>,
    /// The database that these names are of.
    pub identity: DatabaseIdentity,
    /// Whether the schema `auth_consistency`, where it is there, is ours and may be read.
    pub ours: bool,
}
