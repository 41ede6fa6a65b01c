//! The user table as the spec names it.

use crate::api::{
    report::ObjectRef,
    shared::ColumnCondition,
    spec::{PasswordFamily, PasswordHash},
};

/// The user table as the spec describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    /// Schema of the table.
    pub schema: String,
    /// Name of the table.
    pub table: String,
    /// Column that tokens and references name.
    pub id_column: String,
    /// Column that people sign in with.
    pub login_column: Option<String>,
    /// Column that holds the password hash.
    pub password_column: Option<String>,
    /// Column that holds the salt, where the hash does not.
    pub salt_column: Option<String>,
    /// Column that holds the name of the algorithm, where the hash does not.
    pub algorithm_column: Option<String>,
    /// Format that the app reads.
    pub password_hash: PasswordHash,
    /// The format that the preset's apps write, where there is a preset.
    pub preset_hash: Option<PasswordFamily>,
    /// When an account is active.
    pub active_when: Vec<ColumnCondition>,
}

impl Users {
    /// The table.
    pub fn object(&self) -> ObjectRef {
        ObjectRef { schema: self.schema.clone(), table: self.table.clone(), ..ObjectRef::default() }
    }
}
