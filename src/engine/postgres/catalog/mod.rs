//! Tables, columns, keys, constraints and rights, read from the live catalog.
//!
//! From `pg_catalog` and not `information_schema`, which hides keys from roles that may only SELECT.
//! What is asked of many tables is asked at once, and of no table that does not concern us: `table`
//! reads tables and columns, `keys` what they promise, `sequence` where new ids come from.

pub(in crate::engine::postgres) mod bounds;
pub(in crate::engine::postgres) mod collation;
pub(in crate::engine::postgres) mod condition;
pub mod declared;
pub(in crate::engine::postgres) mod foreign_code;
pub(super) mod heirs;
pub(super) mod keys;
pub mod mapping;
mod plain;
pub(in crate::engine::postgres) mod reference;
pub mod resolved;
pub(super) mod sequence;
mod table;
mod triggers;

use crate::{
    domain::{
        facts::{foreign_code::ForeignCode, key_kind::KeyKind, references::TableRights},
        text::clip,
    },
    engine::postgres::{
        sql::{Name, Operator, Relation, TypeName},
        sql_name::{sql_name, sql_table},
    },
};

pub use heirs::heirs;
pub use keys::{
    Cascade, IdKey, cascades, equalities, foreign_keys, foreign_keys_into, id_key, primary_key, primary_keys,
    shared, unique_indexes,
};
pub use sequence::{Sequence, giver, next, next_value, sequence, untied};
pub use table::{find_table, find_tables, tables};

use std::{collections::HashSet, ops::Deref, sync::Arc};

/// Tables that one statement asks about: the answer to one is bounded, and a catalog is not.
const PART: usize = 200;

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: Name,
    /// What there is to know of its type; columns of one type have it together.
    pub typed: Arc<ColumnType>,
    /// Whether it may not be NULL.
    pub not_null: bool,
    /// Whether a new row gets a value by itself.
    pub has_default: bool,
    /// Whether its value is computed, so that no statement may name it.
    pub generated: bool,
    /// `GENERATED ALWAYS AS IDENTITY`: an INSERT that names it needs OVERRIDING SYSTEM VALUE.
    pub identity_always: bool,
    /// Whether a cast or a comparison of it could run somebody's code: then only its output is used.
    pub opaque: bool,
    /// Whether its indexes cannot be believed: then a value is looked for among all rows.
    pub by_scan: bool,
}

/// A type as a column has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnType {
    /// Its type with modifiers, as a table is made with it.
    pub declared_type: TypeName,
    /// Its type without modifiers, as values are read with it: `varchar(3)` would cut them.
    pub type_name: TypeName,
    /// The type behind domains, without modifiers; varchar counts as text.
    pub base_oid: i64,
    /// The name of that type.
    pub base_name: String,
    /// The equality that btree indexes use for it; `None` for json and the like.
    pub equality: Option<Operator>,
    /// The collation of its values, for types that have one.
    pub collation: Option<Collation>,
    /// Whether its type is that very type, and no domain or varchar.
    pub bare: bool,
}

impl Deref for Column {
    type Target = ColumnType;

    fn deref(&self) -> &ColumnType {
        &self.typed
    }
}

/// The types of the columns that are read, each once.
#[derive(Default)]
struct Types(HashSet<Arc<ColumnType>>);

impl Types {
    fn one(&mut self, of: ColumnType) -> Arc<ColumnType> {
        if let Some(there) = self.0.get(&of) {
            return Arc::clone(there);
        }
        let of = Arc::new(of);
        self.0.insert(Arc::clone(&of));
        of
    }
}

/// A collation's schema and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Collation {
    /// Its schema.
    pub schema: Name,
    /// Its name.
    pub name: Name,
}

impl Column {
    /// The last value that an integer type has.
    pub fn last(&self) -> Option<i64> {
        match self.base_name.as_str() {
            "int2" => Some(i64::from(i16::MAX)),
            "int4" => Some(i64::from(i32::MAX)),
            "int8" => Some(i64::MAX),
            _ => None,
        }
    }

    /// The first value that an integer type has.
    pub fn first(&self) -> Option<i64> {
        self.last().map(|last| -last - 1)
    }

    /// Types whose values can be its own: those whose data alone say something, and those that count only where a name says
    /// what they are.
    pub fn comparable(&self) -> (&'static [&'static str], &'static [&'static str]) {
        const TEXT: &[&str] = &["text", "varchar", "bpchar", "citext"];
        const NUMBERS: &[&str] = &["int2", "int4", "int8"];
        match self.kind() {
            KeyKind::Integer => (NUMBERS, &["numeric", "text", "varchar", "bpchar", "citext"]),
            KeyKind::Uuid => (&["uuid"], TEXT),
            KeyKind::Text => (TEXT, &["uuid"]),
            KeyKind::Other => (&[], NUMBERS),
        }
    }

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
    /// Its columns in order; each reference of a table has them, too.
    pub columns: Arc<Vec<Column>>,
    /// What the role may do to it.
    pub rights: TableRights,
    /// Whether the role may SELECT from it.
    pub select: bool,
    /// Schema and name of the partitioned table that it is a part of, at whatever level.
    pub root: Option<(String, String)>,
    /// Whether a foreign table is among its partitions.
    pub foreign: bool,
    /// Whether other tables inherit from it in the old way, or did: they are no partitions.
    pub inherited: bool,
    /// Object id of the role that owns it.
    pub owner: i64,
    /// From whom row-level security hides rows of it, where it does from the role.
    pub hidden: Option<Hidden>,
    /// Whether it has CHECK constraints.
    pub checked: bool,
    /// Whether it has no parts, and nothing runs when its rows are read or written that the server did not come with.
    pub plain: bool,
    /// Object id of the role that is trusted as the app is; none before that is known.
    pub app: i64,
    /// What reading it could run that is not the app's.
    pub code: Vec<ForeignCode>,
}

/// Bytes that tables take, about; those that are read at once have what is the same in them together.
fn weight<'t>(tables: impl IntoIterator<Item = &'t Table>) -> usize {
    let (mut bytes, mut types) = (0, HashSet::new());
    for table in tables {
        bytes += 512 + table.code.len() * 512;
        for column in &*table.columns {
            bytes += 64 + column.name.as_str().len();
            if types.insert(Arc::as_ptr(&column.typed)) {
                let names = [column.declared_type.as_str(), column.type_name.as_str(), &column.base_name];
                bytes += 512 + names.iter().map(|name| 2 * name.len()).sum::<usize>();
            }
        }
    }
    bytes
}

/// From whom row-level security hides rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The role.
    pub role: String,
    /// Whether it is the owner, from whom only FORCE hides them.
    pub owner: bool,
}

impl Table {
    /// What lets the role see all rows, where row-level security hides some from it.
    pub fn unhidden(&self) -> Option<String> {
        let Hidden { role, owner } = self.hidden.as_ref()?;
        let role = format!("let a superuser run `ALTER ROLE {} BYPASSRLS`", sql_name(role));
        if !owner {
            return Some(format!("{role}, or use another role"));
        }
        let table = sql_table(self.relation.schema.as_str(), self.relation.name.as_str());
        Some(format!(
            "{role}; or, where the app signs in as another role, which policies go on to hold, let the owner run `ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY`"
        ))
    }

    /// Why rows could not be read, with what lets the role see them where the policies of this table hide some.
    pub fn with_way_out(&self, why: String) -> String {
        match self.unhidden().filter(|_| why.contains("(SQLSTATE 42501)")) {
            Some(ends) => clip(&format!("{why}: {ends}"), 512),
            None => why,
        }
    }

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
