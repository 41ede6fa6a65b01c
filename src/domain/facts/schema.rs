//! What was seen of the server, the database and the user table.

use std::collections::BTreeMap;

use crate::{
    api::report::ObjectRef,
    domain::facts::{
        hashes::HashSample,
        key_kind::KeyKind,
        new_ids::{IdDefault, Takes},
        references::TableRights,
        seed::SeedFacts,
    },
};

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
    /// What tells the server's data from that of every other one.
    pub system: String,
    /// What tells the database from the others of it.
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

/// Ids that stand in more than one row of the user table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SharedIds {
    /// How many ids.
    pub ids: i64,
    /// How many rows have one of them.
    pub rows: i64,
    /// The first five of them, as text.
    pub sample: Vec<String>,
    /// Of the rows, how many are wholly equal to another one that stays; `None` where nobody can tell.
    pub copies: Option<i64>,
    /// The columns of the unique key that the id is a part of, in its order; empty where there is none.
    pub key: Vec<String>,
    /// Whether the table has a primary key.
    pub primary_key: bool,
    /// Whether it is partitioned, so that no key of the id alone can be added.
    pub partitioned: bool,
    /// References that only the spec declares and whose tables have columns of the names of the whole key, with
    /// those columns in its order.
    pub wider: Vec<(ObjectRef, Vec<String>)>,
}

/// The user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTable {
    /// Its name.
    pub object: ObjectRef,
    /// What the engine knows the table by, whatever it is called.
    pub object_id: i64,
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
    /// Ids that stand in more than one row; `None` where each is one account's.
    pub shared_ids: Option<SharedIds>,
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
