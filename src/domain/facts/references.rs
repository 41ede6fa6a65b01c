//! What was seen of one reference: its table, its key, and the rows that name nobody.

use std::sync::Arc;

use crate::{
    api::{
        condition::Reason,
        report::{self, ObjectRef},
    },
    domain::{
        diagnose::enforcement::Enforcement,
        facts::{foreign_key::ForeignKeyOptions, new_ids::UnfitColumn, rights::LackingRight},
    },
};

/// Whether two are about the same columns, whatever their foreign keys.
pub fn same_columns(one: &ObjectRef, other: &ObjectRef) -> bool {
    one.schema == other.schema && one.table == other.table && one.columns == other.columns
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
    /// Whether it is about some rows of the table only, by its rule's `where`: the others may hold ids of others.
    pub partial: bool,
    /// Where its type is not the ids': the values that are none of that type. `None` where nobody looked.
    pub unconvertible: Option<Unconvertible>,
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
    pub takes: Vec<Cascaded>,
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

/// Values of a whole column that are none of the ids' type, so that they stop a change of its type.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unconvertible {
    /// How many rows.
    pub rows: i64,
    /// How many distinct values.
    pub keys: i64,
    /// The first five of them.
    pub sample: Vec<String>,
    /// The statement that clears them, or deletes the rows where the column cannot be NULL.
    pub clear: String,
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
    pub delete: Vec<LackingRight>,
    /// To tell where a change of their key would go on.
    pub change: Vec<LackingRight>,
}

/// Rows of another table that a foreign key removes or changes when orphans are deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cascaded {
    /// The other table, its columns and the foreign key.
    pub object: ObjectRef,
    /// Delete or SetNull.
    pub action: report::Action,
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
