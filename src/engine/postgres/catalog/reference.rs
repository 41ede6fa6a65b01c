//! References and the conditions that statements about them are made of: when a row names nobody, when
//! it names a given user, always with the constraint's own operators. Finding is `finding`'s.

use crate::{
    api::report::ObjectRef,
    domain::facts::{
        key_kind::KeyKind,
        references::{Comparison, Lacking, Orphans, Reference},
    },
    engine::postgres::{
        catalog::{Column, Table, keys::ForeignKey},
        sql::{Name, Operator, Sql},
    },
};

use std::sync::Arc;

pub use crate::engine::postgres::catalog::condition::{Condition, equals, holds};

/// A reference with everything that statements about it need.
#[derive(Debug, Clone)]
pub struct ReferenceTable {
    /// Table, columns, constraint.
    pub object: Arc<ObjectRef>,
    /// The referencing table; each reference of it has it together with the others.
    pub child: Arc<Table>,
    /// The user table.
    pub parent: Arc<Table>,
    /// Referencing columns.
    pub columns: Vec<Column>,
    /// Referenced columns.
    pub parent_columns: Vec<Column>,
    /// Operators, referenced column on the left; `None`: compared as text.
    pub operators: Option<Arc<[Operator]>>,
    /// MATCH FULL.
    pub match_full: bool,
    /// The foreign key; `None` for a soft reference.
    pub key: Option<Box<ForeignKey>>,
    /// Foreign keys that partitions of the table have for themselves: their rows are this reference's.
    pub partition_keys: Vec<ForeignKey>,
    /// Further foreign keys of the same columns to the same ones.
    pub twins: Vec<ForeignKey>,
    /// Values of a soft reference that mean nobody, in the column's own spelling.
    pub absent: Vec<String>,
    /// Where a soft reference holds.
    pub only_where: Vec<Condition>,
    /// Names of the primary key's columns.
    pub primary_key: Arc<[String]>,
    /// Columns that another key of the table uses too.
    pub shared: Vec<Name>,
    /// Which of its columns names the id, if one does.
    pub ids: Option<IdPart>,
}

impl ReferenceTable {
    /// Adds the condition under which the row `c` names nobody.
    pub fn orphaned<'s>(&self, sql: &'s mut Sql) -> &'s mut Sql {
        self.orphaned_as(sql, false)
    }

    /// The same for few rows of a large table: behind a foreign key there is an index, which is probed
    /// row by row, where a join would read all users each time.
    pub fn orphaned_by_probe<'s>(&self, sql: &'s mut Sql) -> &'s mut Sql {
        self.orphaned_as(sql, self.key.is_some())
    }

    fn orphaned_as<'s>(&self, sql: &'s mut Sql, probe: bool) -> &'s mut Sql {
        if self.match_full && self.columns.len() > 1 {
            // MATCH FULL: all NULL names nobody on purpose; some NULL is a violation by itself.
            sql.add("NOT (");
            self.each_null(sql, " AND ");
            sql.add(") AND (");
            self.each_null(sql, " OR ");
            sql.add(" OR ");
            self.unmatched(sql, probe);
            sql.add(")");
        } else {
            for column in &self.columns {
                sql.column("c", &column.name).add(" IS NOT NULL AND ");
            }
            self.unmatched(sql, probe);
        }
        self.in_scope(sql);
        sql
    }

    /// Adds the conditions under which the row `c` of a soft reference names a user at all.
    pub fn in_scope(&self, sql: &mut Sql) {
        if let Some(column) = self.columns.first() {
            for value in &self.absent {
                sql.add(" AND NOT ");
                equals(sql, "c", column, value);
            }
        }
        for (column, condition) in &self.only_where {
            sql.add(" AND ");
            holds(sql, "c", column, condition);
        }
    }

    /// Adds the condition that the row `c` names the user with this id: what holds the same value and
    /// by the spec's `absent` and `where` names nobody, is none of theirs.
    pub fn names_user(&self, sql: &mut Sql, id: &str) {
        sql.add("(");
        self.names(sql, id);
        self.in_scope(sql);
        sql.add(")");
    }

    fn each_null(&self, sql: &mut Sql, glue: &'static str) {
        for (at, column) in self.columns.iter().enumerate() {
            sql.add(if at > 0 { glue } else { "" }).column("c", &column.name).add(" IS NULL");
        }
    }

    /// Adds the condition that no user has the key of the row `c`, whatever its NULLs and scope.
    pub(in crate::engine::postgres) fn unmatched(&self, sql: &mut Sql, probe: bool) {
        sql.add("NOT EXISTS (SELECT FROM ").only(&self.parent.relation).add(" p WHERE ");
        self.matches(sql);
        // OFFSET 0 keeps the planner from making a join of it.
        sql.add(if probe { " OFFSET 0)" } else { ")" });
    }

    /// Adds the condition that the row `c` has the key of the user `p`.
    pub(in crate::engine::postgres) fn matches(&self, sql: &mut Sql) {
        for (at, (child, parent)) in self.columns.iter().zip(&self.parent_columns).enumerate() {
            sql.add(if at > 0 { " AND " } else { "" });
            match self.operators.as_ref().and_then(|operators| operators.get(at)) {
                Some(operator) => {
                    // Two collations decide nothing; the foreign key takes the referenced column's.
                    let collation =
                        parent.collation.as_ref().filter(|one| child.collation.as_ref() != Some(*one));
                    let child = |sql: &mut Sql| {
                        sql.column("c", &child.name);
                        if let Some(collation) = collation {
                            sql.add(" COLLATE ").name(&collation.schema).add(".").name(&collation.name);
                        }
                    };
                    sql.compared(
                        operator,
                        |sql| {
                            sql.column("p", &parent.name);
                        },
                        child,
                    );
                }
                None => {
                    let (before, after) = spelling(parent, child);
                    // Whatever collations they have: one text is compared with another byte by byte.
                    sql.add("(").add(before).column("p", &parent.name).add(after);
                    sql.add(") COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.=) (");
                    let (before, after) = spelling(child, parent);
                    sql.add(before).column("c", &child.name).add(after).add(") COLLATE pg_catalog.\"C\"");
                }
            }
        }
    }

    /// The columns that SetNull sets to NULL: all of them where some NULL is a violation by itself, else
    /// those that no other key of the table shares.
    pub fn cleared(&self) -> Vec<&Column> {
        if self.match_full {
            return self.columns.iter().collect();
        }
        let own = |column: &&Column| !self.shared.contains(&column.name) && !column.not_null;
        self.columns.iter().filter(own).collect()
    }

    /// Adds the condition that the row `c` names this id, whatever else it names beside it; false where it
    /// names users by something else.
    pub fn names_id(&self, sql: &mut Sql, id: &str) {
        match self.ids {
            Some(part) => {
                sql.add("(");
                self.names_at(sql, part.at, id);
                self.in_scope(sql);
                sql.add(")");
            }
            None => {
                sql.add("false");
            }
        }
    }

    /// Adds `c.column = $key::type` with the reference's own operator; single columns only.
    pub fn names(&self, sql: &mut Sql, key: &str) {
        self.names_at(sql, 0, key);
    }

    fn names_at(&self, sql: &mut Sql, at: usize, key: &str) {
        let (Some(column), Some(parent)) = (self.columns.get(at), self.parent_columns.get(at)) else {
            return;
        };
        match self.operators.as_ref().and_then(|operators| operators.get(at)) {
            Some(operator) => {
                let key = |sql: &mut Sql| {
                    sql.typed(key, &parent.type_name);
                };
                sql.compared(operator, key, |sql| {
                    sql.column("c", &column.name);
                });
            }
            None => {
                let (before, after) = spelling(parent, column);
                sql.add(before).typed(key, &parent.type_name).add(after).add(" OPERATOR(pg_catalog.=) ");
                let (before, after) = spelling(column, parent);
                sql.add(before).column("c", &column.name).add(after);
            }
        }
    }

    /// The key of the row `c` as one text: the value itself, or `(a, b)` for several columns.
    pub fn key_text(&self, sql: &mut Sql) {
        if let [column] = self.columns.as_slice() {
            sql.column("c", &column.name).add("::pg_catalog.text");
            return;
        }
        sql.add("ROW(");
        for (at, column) in self.columns.iter().enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).column("c", &column.name);
        }
        sql.add(")::pg_catalog.text");
    }

    /// This reference with no orphans.
    pub fn sound(&self) -> Reference {
        Reference {
            object: ObjectRef::clone(&self.object),
            parent_columns: self
                .parent_columns
                .iter()
                .map(|column| column.name.as_str().to_owned())
                .collect(),
            definition: self.key.as_ref().map_or_else(Arc::default, |key| Arc::clone(&key.definition)),
            soft: self.key.is_none(),
            validated: self.key.as_ref().is_none_or(|key| key.validated),
            enforcement: self.key.as_ref().map(|key| key.enforcement.clone()).unwrap_or_default(),
            types: self.differing_types(),
            comparison: if self.operators.is_some() { Comparison::Native } else { Comparison::AsText },
            partial: !self.only_where.is_empty(),
            unconvertible: None,
            defaulted: self.columns.first().is_some_and(|column| column.has_default),
            table_rows: 0,
            unsupported: self.unsupported(),
            not_null: self.cleared().is_empty() || self.cleared().iter().any(|column| column.not_null),
            keyed: !self.primary_key.is_empty(),
            shared: self.shared.iter().map(|column| column.as_str().to_owned()).collect(),
            credentials: None,
            collisions: Vec::new(),
            surplus: Some(0),
            dependents: Vec::new(),
            takes: Vec::new(),
            cascades: Vec::new(),
            lacking: Lacking::default(),
            partition_keys: self.partition_keys.iter().map(ForeignKey::of_partition).collect(),
            twins: self.twins.iter().map(ForeignKey::twin).collect(),
            rights: self.child.rights.clone(),
            unfit: None,
            in_the_way: None,
            names_id: self.ids.is_some(),
            last: self.ids.and_then(|part| self.columns.get(part.at)?.last()),
            orphans: Orphans::default(),
        }
    }

    /// Whether it names this one column of the user table and no other.
    pub fn names_column(&self, name: &Name) -> bool {
        matches!(self.parent_columns.as_slice(), [only] if only.name == *name)
    }

    fn differing_types(&self) -> Option<(String, String)> {
        let (child, parent) = (self.columns.first()?, self.parent_columns.first()?);
        if child.base_oid == parent.base_oid {
            return None;
        }
        let width = |column: &Column| match column.base_name.as_str() {
            "int2" => Some(2),
            "int4" => Some(4),
            "int8" => Some(8),
            _ => None,
        };
        // A wider child holds every id there is: legal, and no finding.
        if let (Some(child), Some(parent)) = (width(child), width(parent))
            && child >= parent
        {
            return None;
        }
        Some((child.declared_type.as_str().to_owned(), parent.declared_type.as_str().to_owned()))
    }

    fn unsupported(&self) -> Option<String> {
        if !self.child.select {
            return Some(
                "the role may read only some of the table's columns, and all are copied to quarantine; grant SELECT on the table".into(),
            );
        }
        if self.child.foreign {
            return Some("a partition of the table is a foreign table, whose rows cannot be held".into());
        }
        self.columns
            .iter()
            .find(|column| column.generated)
            .map(|column| format!("column {:?} is generated", column.name.as_str()))
    }
}

/// What goes around a value so that two types that no operator compares have one text for one id:
/// values that differ in spelling only name the same user. White space at the ends is what `char(n)` and files with CR
/// leave there.
pub(in crate::engine::postgres) fn spelling(column: &Column, other: &Column) -> (&'static str, &'static str) {
    const DIGITS: (&str, &str) = (
        "pg_catalog.regexp_replace(pg_catalog.btrim(",
        "::pg_catalog.text, E' \\t\\n\\r\\f\\x0B'), '^[+]?(-?)0*([0-9]+)$', '\\1\\2')",
    );
    let number = |column: &Column| column.kind() == KeyKind::Integer || column.base_name == "numeric";
    let citext = column.base_name == "citext" || other.base_name == "citext";
    match column.kind() {
        KeyKind::Uuid => ("pg_catalog.translate(", "::pg_catalog.text, '-', '')"),
        KeyKind::Text if other.kind() == KeyKind::Uuid => (
            "pg_catalog.lower(pg_catalog.translate(pg_catalog.btrim(",
            "::pg_catalog.text, E' \\t\\n\\r\\f\\x0B'), '{}-', ''))",
        ),
        KeyKind::Text if number(other) => DIGITS,
        KeyKind::Text if citext => ("pg_catalog.lower(", "::pg_catalog.text)"),
        // 5.00 is the id 5.
        KeyKind::Other if number(column) => ("pg_catalog.trim_scale(", ")::pg_catalog.text"),
        _ => ("", "::pg_catalog.text"),
    }
}

/// Which column of a reference names the id, and which values of it count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPart {
    /// Its place among the reference's columns.
    pub at: usize,
    /// The first and the last value that it, or an id, can have: those count no more.
    pub first: i64,
    /// See `first`.
    pub last: i64,
}
