//! What `init` read of a database: names, types and keys from its catalog, and of rows only counts and formats.

use crate::passwords::Survey;

/// The tables that may hold accounts, and how many there are in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Those that were looked at.
    pub tables: Vec<TableFacts>,
    /// Tables of the app that the role can see, those that were not looked at among them.
    pub all: i64,
    /// The schema that is taken where none is named.
    pub default_schema: String,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// About how many rows it has; `None` where nobody has counted.
    pub rows: Option<i64>,
    /// Rows of the sample that the counts of its columns are of.
    pub sampled: i64,
    /// Its columns in order.
    pub columns: Vec<ColumnFacts>,
    /// Its primary key and its other unique keys.
    pub keys: Vec<UniqueKey>,
    /// Foreign keys of all tables that reference it.
    pub referenced: Vec<ForeignKeyFacts>,
    /// Its own foreign keys.
    pub references: Vec<ForeignKeyFacts>,
    /// Why no row of it was looked at.
    pub unread: Option<String>,
}

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// text, varchar, citext, char(n), and domains over them.
    Text,
    /// boolean.
    Boolean,
    /// int2, int4, int8.
    Integer,
    /// uuid.
    Uuid,
    /// A date or a time.
    Time,
    /// An enumeration.
    Enum,
    /// Anything else.
    #[default]
    Other,
}

/// One column, and counts of its values in the sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnFacts {
    /// Its name.
    pub name: String,
    /// Its type as SQL has it.
    pub declared_type: String,
    /// What kind of values it has.
    pub kind: ValueKind,
    /// Whether it may not be NULL.
    pub not_null: bool,
    /// Whether its values are among those of the sample, so that the counts below are of it.
    pub looked: bool,
    /// Rows of the sample in which it is not NULL.
    pub filled: i64,
    /// Rows in which it is true.
    pub trues: i64,
    /// Rows in which it is 0.
    pub zeros: i64,
    /// Rows in which it has an address of e-mail.
    pub addresses: i64,
    /// Words of [`super::names::ADMIN_WORDS`] that rows have or the enumeration knows, and how many rows have each; `None`
    /// where they were not counted.
    pub words: Vec<(String, Option<i64>)>,
    /// The formats of its values, where they are texts.
    pub hashes: Option<Survey>,
    /// The same, read with the columns that stand beside it.
    pub salted: Option<Salted>,
}

/// The formats of a column, whose salt or algorithm has a column of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salted {
    /// The column of the salt.
    pub salt: Option<String>,
    /// The column of the algorithm's name.
    pub algorithm: Option<String>,
    /// The formats.
    pub hashes: Survey,
}

/// A unique index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UniqueKey {
    /// Its columns, those of its expressions among them; not those that only its condition names.
    pub columns: Vec<String>,
    /// Whether it is the primary key.
    pub primary: bool,
    /// Whether it is about some of the rows only.
    pub partial: bool,
    /// Whether it is of an expression over its columns, such as `lower(email)`.
    pub expression: bool,
}

/// A foreign key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForeignKeyFacts {
    /// Schema and name of the table that has it.
    pub from: (String, String),
    /// Its columns.
    pub columns: Vec<String>,
    /// Schema and name of the table that it references.
    pub to: (String, String),
    /// The columns that it references.
    pub to_columns: Vec<String>,
}

impl TableFacts {
    /// Schema and name.
    pub fn name(&self) -> (&str, &str) {
        (&self.schema, &self.table)
    }

    /// As people write it: without the schema where that goes without saying.
    pub fn shown(&self) -> String {
        let (schema, table) = (self.schema.clone(), self.table.clone());
        crate::api::report::ObjectRef { schema, table, ..Default::default() }.describe()
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ColumnFacts> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether a column alone tells its rows apart, or some of them.
    pub fn unique(&self, column: &str) -> Option<&UniqueKey> {
        let alone = |key: &&UniqueKey| key.columns == [column];
        // The key that holds most comes first.
        let mut keys: Vec<&UniqueKey> = self.keys.iter().filter(alone).collect();
        keys.sort_by_key(|key| (key.partial, key.expression, !key.primary));
        keys.first().copied()
    }

    /// A unique key of several columns, of which one is this.
    pub fn unique_together(&self, column: &str) -> Option<&UniqueKey> {
        self.keys.iter().find(|key| key.columns.len() > 1 && key.columns.iter().any(|one| one == column))
    }

    /// Rows of the sample in which a column was looked at.
    pub fn rows_with(&self, column: &ColumnFacts) -> i64 {
        if column.looked { self.sampled } else { 0 }
    }

    /// What is said of a column that was looked at in no row.
    pub fn no_rows(&self, column: &ColumnFacts) -> &'static str {
        match self.unread {
            Some(_) => "no row was read",
            None if self.sampled > 0 && !column.looked => "the column was not looked at",
            None => "there was no row to look at",
        }
    }

    /// Whether rows are told apart at all.
    pub fn has_key(&self) -> bool {
        self.keys.iter().any(|key| !key.partial)
    }
}

impl ForeignKeyFacts {
    /// The column, where it is one.
    pub fn column(&self) -> Option<&str> {
        match self.columns.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}
