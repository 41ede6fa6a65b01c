//! What the spec names, as the catalog has it.

use std::{collections::BTreeMap, sync::Arc};

use crate::engine::keeping::Keeping;
use crate::{
    domain::{
        facts::{
            Takes, Untold,
            hashes::{HashSample, Says},
            schema::DatabaseIdentity,
        },
        target::Admin,
    },
    engine::postgres::{
        catalog::{
            self, Column, IdKey, Table,
            condition::{Condition, equals, holds},
            mapping,
            reference::ReferenceTable,
        },
        sql::Sql,
    },
};

/// The catalog's names for what a target is about.
#[derive(Debug, Clone)]
pub struct ResolvedSchema {
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
    /// What tells an account from others of its very login, where there are some; the admin's under `None`.
    pub narrowed: BTreeMap<Option<String>, Vec<Condition>>,
    /// Whether who is active decides between accounts of one login, for previous people.
    pub active_decides: bool,
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
    pub kept: Arc<Keeping>,
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

/// A reference that is not checked and may name ids all the same.
#[derive(Debug, Clone)]
pub struct Passive {
    /// The reference.
    pub table: ReferenceTable,
    /// Whether its rows could be looked at.
    pub seen: bool,
}

impl ResolvedSchema {
    /// Adds the condition that the row is the account: it has its login, and what tells it from others of that login.
    pub(in crate::engine::postgres) fn is_account(
        &self,
        sql: &mut Sql,
        alias: &'static str,
        login: &Column,
        account: &Admin,
    ) {
        equals(sql, alias, login, &account.login);
        let narrowed = self.narrowed.get(&account.account().map(str::to_owned));
        for (column, condition) in narrowed.into_iter().flatten() {
            sql.add(" AND ");
            holds(sql, alias, column, condition);
        }
    }
}
