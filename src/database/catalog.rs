//! Tables, columns, keys, constraints and rights, read from the live catalog.
//!
//! From `pg_catalog` and not `information_schema`, which hides keys from roles that may only SELECT.
//! What is asked of many tables is asked at once, and of no table that does not concern us: `table`
//! reads tables and columns, `keys` what they promise, `sequence` where new ids come from.

mod keys;
mod sequence;
mod table;

pub use keys::{
    Cascade, ForeignKey, UniqueIndex, cascades, equalities, foreign_keys, foreign_keys_into, primary_key,
    primary_keys, shared, unique_indexes,
};
pub use sequence::{Sequence, next_value, sequence};
pub use table::{find_table, find_tables, tables};

use super::identifier::{Name, Operator, Relation, TypeName};
use crate::consistency::observation::{KeyKind, TableRights};

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// Its type with modifiers, as a table is made with it.
    pub declared_type: TypeName,
    /// Its type without modifiers, as values are read with it: `varchar(3)` would cut them.
    pub type_name: TypeName,
    /// The type behind domains, without modifiers; varchar counts as text.
    pub base_oid: i64,
    /// The name of that type.
    pub base_name: String,
    /// Whether it may not be NULL.
    pub not_null: bool,
    /// Whether a new row gets a value by itself.
    pub has_default: bool,
    /// Whether its value is computed, so that no statement may name it.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: an INSERT that names it needs OVERRIDING SYSTEM VALUE.
    pub identity_always: bool,
    /// The equality that btree indexes use for it; `None` for json and the like.
    pub equality: Option<Operator>,
    /// The collation of its values, for types that have one.
    pub collation: Option<Collation>,
}

/// A collation's schema and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collation {
    /// Its schema.
    pub schema: Name,
    /// Its name.
    pub name: Name,
}

impl Column {
    /// What kind of key its values make.
    pub fn kind(&self) -> KeyKind {
        match self.base_name.as_str() {
            "int2" | "int4" | "int8" => KeyKind::Integer,
            "uuid" => KeyKind::Uuid,
            "text" | "varchar" | "bpchar" | "citext" => KeyKind::Text,
            _ => KeyKind::Other,
        }
    }
}

/// A table with its columns.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub relation: Relation,
    /// Its object id.
    pub oid: i64,
    /// Its columns in order.
    pub columns: Vec<Column>,
    /// What the role may do to it.
    pub rights: TableRights,
    /// Whether the role may SELECT from it.
    pub select: bool,
    /// Schema and name of the partitioned table that it is a part of, at whatever level.
    pub root: Option<(String, String)>,
    /// Whether a foreign table is among its partitions.
    pub foreign: bool,
}

impl Table {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.as_str() == name)
    }
}

/// What a name belongs to.
pub enum Found {
    /// A table.
    Table(Box<Table>),
    /// A view or the like: what it is.
    Other(&'static str),
    /// Nothing; tables that are nearly called so.
    Nothing(Vec<String>),
}
