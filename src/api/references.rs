//! The `references` block of the spec: which column sets name users, and what to do with rows that
//! name nobody.

use crate::api::shared::ColumnCondition;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identities::IdentitiesSpec;

/// The column sets that name users.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.onOrphan) || self.onOrphan != 'Remap' || has(self.identities)").message("Remap gives rows back to the people whom old ids named: set identities").field_path(".identities"),
    validation = Rule::new("has(self.identities) || !has(self.rules) || !self.rules.exists(r, has(r.onOrphan) && r.onOrphan == 'Remap')").message("a rule with onOrphan Remap gives rows back to the people whom old ids named: set identities").field_path(".identities")
)]
pub struct ReferencesSpec {
    /// Check every foreign key to the user table, in every schema that the role may read.
    #[serde(default = "default::yes")]
    pub discover: bool,
    /// What to do with rows that name nobody, unless a rule says otherwise.
    #[serde(default)]
    pub on_orphan: OnOrphan,
    /// What to do with those of them for which their new owner's unique keys have no room, unless a rule says
    /// otherwise.
    #[serde(default)]
    pub on_collision: OnCollision,
    /// How much may be repaired without approval, per reference, whichever is lower.
    #[serde(default)]
    pub limits: LimitsSpec,
    /// What to do about foreign keys that are not there or do not vouch for their rows.
    #[serde(default)]
    pub constraint: OnConstraint,
    /// What to do about columns that are called as those are that name users, without a foreign key or a rule.
    #[serde(default)]
    pub undeclared: OnUndeclared,
    /// How long cheap counters may stand in for a look at every row while nothing is wrong, for example
    /// `24h`; from 10s to 168h. No longer than `interval`: every pass looks at every row.
    #[serde(default = "default::deep_interval")]
    #[schemars(length(min = 2, max = 24), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = super::bounds::INTERVAL.rule())]
    pub deep_interval: String,
    /// Whom old ids named, from before a migration: what Remap goes by, and what tells of ids that name
    /// another person now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<IdentitiesSpec>,
    /// Decisions table by table. Precedence: exact columns, then table, then the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub rules: Vec<ReferenceRule>,
}

impl Default for ReferencesSpec {
    fn default() -> Self {
        Self {
            discover: true,
            on_orphan: OnOrphan::Report,
            on_collision: OnCollision::Report,
            limits: LimitsSpec::default(),
            constraint: OnConstraint::Report,
            undeclared: OnUndeclared::Remark,
            deep_interval: default::deep_interval(),
            identities: None,
            rules: Vec::new(),
        }
    }
}

/// What to do with rows that name nobody.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOrphan {
    /// Only report.
    #[default]
    Report,
    /// Give the rows to the admin. Never for rows that carry credentials.
    Reassign,
    /// Set the reference to NULL.
    SetNull,
    /// Delete the rows, after copying them to quarantine.
    Delete,
    /// Give the rows back to the person whom the old id named, by login: needs `identities`.
    Remap,
}

/// What to do where a user cannot be given a row, since a unique key allows one such row per user.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCollision {
    /// Only report, and give away no row of the reference.
    #[default]
    Report,
    /// Keep the row that the new owner has, or the first of them, and delete the orphan, after copying it to
    /// quarantine.
    DeleteOrphan,
}

/// What to do about a foreign key that does not vouch for its rows. Nothing is done while a row names
/// nobody.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnConstraint {
    /// Only report.
    #[default]
    Report,
    /// Validate one that is NOT VALID.
    Validate,
    /// Validate, and add one that is not there though a rule names it, or a snapshot in `identities` has it.
    Restore,
}

/// What to do about columns that look as if they named users, and that nobody declares or ignores.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUndeclared {
    /// Only say how many there are.
    #[default]
    Remark,
    /// They are a finding until a rule declares or ignores each.
    Report,
}

/// How much may be repaired without approval. 0 means: always ask.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// Rows per reference.
    #[serde(default = "default::limit_rows")]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub rows: i64,
    /// Percent of the table's rows per reference.
    #[serde(default = "default::limit_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
}

impl Default for LimitsSpec {
    fn default() -> Self {
        Self { rows: default::limit_rows(), percent: default::limit_percent() }
    }
}

/// A decision about one table, or one column set of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.declared) || !self.declared || has(self.columns)").message("a declared reference needs columns").field_path(".columns"),
    validation = Rule::new("!has(self.ignore) || !self.ignore || has(self.reason)").message("ignore needs a reason").field_path(".reason"),
    validation = Rule::new("!(has(self.ignore) && self.ignore && (has(self.onOrphan) || has(self.accept)))").message("an ignored reference is not checked: leave onOrphan and accept out").field_path(".ignore"),
    validation = Rule::new("!(has(self.absent) || has(self.where)) || (has(self.declared) && self.declared)").message("absent and where go with declared: true").field_path(".declared")
)]
pub struct ReferenceRule {
    /// Schema of the table; the user table's schema when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: Option<String>,
    /// Name of the table, exactly as the catalog has it.
    #[schemars(length(min = 1, max = 63))]
    pub table: String,
    /// Columns of the reference. Left out: every reference of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 63)))]
    pub columns: Option<Vec<String>>,
    /// What to do with rows that name nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_orphan: Option<OnOrphan>,
    /// What to do with those of them for which their new owner's unique keys have no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_collision: Option<OnCollision>,
    /// This reference has no foreign key: the rule alone declares it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
    /// Values of a declared reference that mean nobody, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 255)))]
    pub absent: Vec<String>,
    /// A declared reference holds only for rows where all of these hold.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub only_where: Vec<ColumnCondition>,
    /// Up to this many orphans count as consistent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Accept>,
    /// Do not check this reference.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
    /// Why it is ignored; shown in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub reason: Option<String>,
    /// Rows of this table carry credentials, so they are never reassigned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// Name of the foreign key that must exist. Where it does not, the columns are checked all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub constraint: Option<String>,
    /// What to do about the foreign key, instead of `references.constraint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_constraint: Option<OnConstraint>,
}

/// Orphans that are known and wanted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// How many rows.
    #[schemars(range(min = 1, max = 1_000_000_000_000i64))]
    pub rows: i64,
    /// Why; shown in the report.
    #[schemars(length(min = 1, max = 255))]
    pub reason: String,
}

mod default {
    pub(super) fn yes() -> bool {
        true
    }
    pub(super) fn deep_interval() -> String {
        "24h".into()
    }
    pub(super) fn limit_rows() -> i64 {
        10_000
    }
    pub(super) fn limit_percent() -> i32 {
        5
    }
}
