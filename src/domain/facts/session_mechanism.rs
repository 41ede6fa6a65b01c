//! By what tokens and sessions end, as the spec says.

use crate::api::{report::ObjectRef, sessions::OnKeyChange};

/// How the app lets tokens end, as the spec says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// By what tokens and sessions end: the columns first, then the tables in the spec's order.
    pub ends: Vec<Mechanism>,
    /// What becomes of tokens when the signing key changes.
    pub on_key_change: OnKeyChange,
    /// Where the app keeps ids of revoked tokens.
    pub revoked: Option<Revoked>,
}

impl Sessions {
    /// Schema and name of each table beside the user table.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str)> {
        let rows = self.ends.iter().filter_map(|means| match means {
            Mechanism::Rows { schema, table, .. } => Some((schema.as_str(), table.as_str())),
            _ => None,
        });
        rows.chain(self.revoked.iter().map(|revoked| (revoked.schema.as_str(), revoked.table.as_str())))
    }
}

/// By what tokens or sessions end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mechanism {
    /// A column of the user table holds the time from which on tokens count.
    Time {
        /// Its name.
        column: String,
    },
    /// A column of the user table holds a random value that tokens and sessions hold too.
    Stamp {
        /// Its name.
        column: String,
    },
    /// The rows of a table are sessions.
    Rows {
        /// Its place in `spec.sessions.tables`.
        at: usize,
        /// Its schema.
        schema: String,
        /// Its name.
        table: String,
        /// Its column that names the user.
        column: String,
    },
}

impl Mechanism {
    /// The field of the spec that names it.
    pub fn field(&self) -> String {
        match self {
            Self::Time { .. } => "spec.sessions.invalidateBeforeColumn".into(),
            Self::Stamp { .. } => "spec.sessions.stampColumn".into(),
            Self::Rows { at, .. } => format!("spec.sessions.tables[{at}]"),
        }
    }

    /// Table and column.
    pub fn object(&self, users: &ObjectRef) -> ObjectRef {
        match self {
            Self::Time { column } | Self::Stamp { column } => {
                ObjectRef { columns: vec![column.clone()], ..users.clone() }
            }
            Self::Rows { schema, table, column, .. } => ObjectRef {
                schema: schema.clone(),
                table: table.clone(),
                columns: vec![column.clone()],
                constraint: None,
            },
        }
    }

    /// Whether it ends sessions that the database holds, whatever tokens name.
    pub fn of_rows(&self) -> bool {
        matches!(self, Self::Rows { .. })
    }

    /// Where it comes among its like.
    pub fn place(&self) -> usize {
        match self {
            Self::Time { .. } => 0,
            Self::Stamp { .. } => 1,
            Self::Rows { at, .. } => 2 + at,
        }
    }

    /// What is added to a cause that the database remembers. Times came first, and add nothing.
    pub(in crate::domain) fn mark(&self) -> String {
        match self {
            Self::Time { .. } => String::new(),
            Self::Stamp { column } => format!(" by {column:?}"),
            Self::Rows { schema, table, column, .. } => format!(" by {schema:?}.{table:?}.{column:?}"),
        }
    }
}

/// A table of revoked token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// Its column of token ids.
    pub column: String,
}

/// How a column holds a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    /// timestamptz.
    Zoned,
    /// timestamp, taken for UTC.
    Utc,
    /// int4: seconds since the epoch.
    Seconds32,
    /// int8: seconds since the epoch.
    Seconds64,
}

impl TimeKind {
    /// How a type holds a time, by the name of the type behind domains. `None`: not at all, or too
    /// coarsely for a token (`date`).
    pub fn of(base_name: &str) -> Option<Self> {
        match base_name {
            "timestamptz" => Some(Self::Zoned),
            "timestamp" => Some(Self::Utc),
            "int4" => Some(Self::Seconds32),
            "int8" => Some(Self::Seconds64),
            _ => None,
        }
    }
}
