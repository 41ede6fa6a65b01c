//! What people are told to run. Which statement mends a finding is decided in the domain; how it reads is the engine's:
//! each database has words and quotes of its own.

use std::fmt;

use crate::{
    api::report::ObjectRef,
    domain::facts::{foreign_key::ForeignKeyOptions, rights::Right},
    passwords::{Coat, Mistagged},
};

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// The table.
    pub table: &'a ObjectRef,
    /// The column's name.
    pub name: &'a str,
}

/// The row of a table that has an id.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The table.
    pub table: &'a ObjectRef,
    /// The column of ids.
    pub key: &'a str,
    /// The id as text.
    pub id: &'a str,
}

/// What rights are on.
#[derive(Debug, Clone, Copy)]
pub enum On<'a> {
    /// A table.
    Table(&'a ObjectRef),
    /// The columns of a table that the object names.
    Columns(&'a ObjectRef),
    /// A sequence.
    Sequence(&'a ObjectRef),
}

/// Rights that a role is to be given together.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// Which ones; at least one.
    pub rights: &'a [Right],
    /// On what.
    pub on: On<'a>,
}

/// Statements that people are told, in the words of one engine: each whole, without the semicolon behind it unless it
/// says so. A name in one must not be able to end its quotes or the sentence that the statement stands in, since whoever
/// names a table would write statements into somebody else's hands.
///
/// Nothing is asked here, and nothing decided: the same arguments give the same text.
pub trait Hints: fmt::Debug + Sync {
    /// The schema of a table where neither the spec nor the connection names one.
    fn default_schema(&self) -> &'static str;

    /// The whole name of a table or of a sequence, as statements have it.
    fn name(&self, object: &ObjectRef) -> String;

    /// Whether a type, as the catalog shows it, is one of texts that take any password hash as it is written.
    fn is_text(&self, column_type: &str) -> bool;

    /// Gives rights to a role; without its name, the words "the role" stand in the place of it.
    fn grant(&self, role: Option<&str>, grant: Grant<'_>) -> String;

    // Columns and keys.

    /// Gives a column another type, which converts its values; a value that is none of that type stops it.
    /// `as_text`: its values are another type's, and may have white space around them that the type does not take.
    /// `without_default`: the column's default goes first, since it would not be converted.
    fn convert_column(&self, column: Column<'_>, to: &str, as_text: bool, without_default: bool) -> String;

    /// Makes a column one of texts of up to so many characters that adds no blanks to them.
    fn text_column(&self, column: Column<'_>, characters: usize) -> String;

    /// Gives a column of texts room for so many characters.
    fn widen_text(&self, column: Column<'_>, characters: usize) -> String;

    /// Keeps the values of a column apart from then on: as the primary key, or where there is one, as another key.
    fn keep_apart(&self, column: Column<'_>, primary: bool) -> String;

    /// Adds a foreign key that checks the rows to come; those that are there may violate it.
    fn add_foreign_key(
        &self,
        from: &ObjectRef,
        columns: &[String],
        to: &ObjectRef,
        referenced: &[String],
    ) -> String;

    /// Puts in the place of a foreign key of one column one of the same name that references another table, without a
    /// time at which there is neither. `unchecked`: rows that are there are not looked at.
    fn replace_foreign_key(
        &self,
        key: &ObjectRef,
        to: Column<'_>,
        options: &ForeignKeyOptions,
        unchecked: bool,
    ) -> Option<String>;

    /// Where in [`Self::replace_foreign_key`] rows can be changed that the new key would refuse: "between ...".
    fn between_the_keys(&self) -> &'static str;

    /// Has a foreign key look at the rows that it has not looked at.
    fn validate(&self, key: &ObjectRef) -> String;

    /// Has a foreign key check rows that it was made not to check.
    fn enforce(&self, key: &ObjectRef) -> String;

    /// Drops a constraint of a table.
    fn drop_constraint(&self, table: &ObjectRef, name: &str) -> String;

    /// Has triggers of a table fire that do not, and no other; with a semicolon, since several such statements stand
    /// behind one another.
    fn enable_triggers(&self, table: &ObjectRef, names: &[&str]) -> String;

    /// Makes a table one that no longer inherits from another one; both as the catalog shows them.
    fn disinherit(&self, child: &str, parent: &str) -> String;

    // Sequences.

    /// Makes a sequence that gives `start` next.
    fn create_sequence(&self, sequence: &ObjectRef, start: i64) -> String;

    /// Ties the default of a column to one sequence, whatever is searched by name.
    fn default_from(&self, column: Column<'_>, sequence: &ObjectRef) -> String;

    /// Lets a sequence go on to an id, as an integer of 64 bits: upwards, or downwards where it `descends`.
    fn extend_sequence(&self, sequence: &ObjectRef, descends: bool, end: i64) -> String;

    /// Takes the next value of a sequence, which nobody else gets then.
    fn draw(&self, sequence: &ObjectRef) -> String;

    /// Moves a sequence that counts upwards past an id, and never back.
    fn move_past(&self, sequence: &ObjectRef, id: i64) -> String;

    /// Sets a sequence, back as well: to an id that was `given`, so that the next one comes, or to the one that it gives
    /// next.
    fn set_sequence(&self, sequence: &ObjectRef, id: i64, given: bool) -> String;

    // Accounts.

    /// Lists the rows whose id stands in more than one row: the id, then `columns`.
    fn list_shared(&self, id: Column<'_>, columns: &[&str]) -> String;

    /// Leaves one of several rows of an id that are equal in every column.
    fn delete_copies(&self, id: Column<'_>, partitioned: bool) -> String;

    /// Gives an account a login that nobody has, made of its id.
    fn rename(&self, account: Row<'_>, login_column: &str) -> String;

    /// Gives an account a login.
    fn set_login(&self, account: Row<'_>, login_column: &str, login: &str) -> String;

    // Stored passwords. Each goes by the form of what is stored, so that rows in any other form stay as they are.

    /// Takes a coat off all passwords that begin, under it, with one of `beginnings`; `None` for a coat that is not taken
    /// off by a statement.
    fn uncoat(&self, column: Column<'_>, coat: Coat, beginnings: &[&str]) -> Option<String>;

    /// Gives the hash of one account the tag, or its salt the form, that is right: `account` is the column of logins and
    /// the login. `None` where no statement can.
    fn retag(&self, column: Column<'_>, account: (&str, &str), what: Mistagged) -> Option<String>;

    /// Writes another beginning in the place of one.
    fn rewrite_prefix(&self, column: Column<'_>, stored: &str, wanted: &str) -> String;

    // Our own schema.

    /// Sets our own schema aside under another name, with all that is in it.
    fn set_ledger_aside(&self) -> &'static str;
}
