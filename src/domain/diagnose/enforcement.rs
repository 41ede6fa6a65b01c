//! Foreign keys that are there and do not hold rows to their word: triggers that are off, and keys that
//! PostgreSQL 18 does not enforce.

use crate::{
    api::report::ObjectRef,
    domain::{hints::Hints, text::count},
};

/// How many characters of statements a message takes, so that none is ever cut.
const STATEMENTS: usize = 450;

/// What keeps a foreign key from holding rows to its word; by default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enforcement {
    /// NOT ENFORCED: it has no triggers, and looks at no row.
    pub not_enforced: bool,
    /// Triggers of it that do not fire, by table.
    pub silent: Vec<SilentTriggers>,
}

/// Triggers of a foreign key that do not fire, of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentTriggers {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// Which side of the key that is.
    pub side: Side,
    /// They fire in sessions of replication, and in no other.
    pub replica_only: bool,
    /// Of what they are silent: INSERT.
    pub inserts: bool,
    /// UPDATE.
    pub updates: bool,
    /// DELETE.
    pub deletes: bool,
    /// Their names.
    pub names: Vec<String>,
}

/// A side of a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Whose rows name others.
    Referencing,
    /// Whose rows are named.
    Referenced,
}

impl Enforcement {
    /// Whether nothing keeps it from holding new rows to its word.
    pub fn holds(&self) -> bool {
        !self.not_enforced && self.silent.is_empty()
    }

    /// Whether it does nothing when a row that others name is deleted.
    pub fn ignores_deletes(&self) -> bool {
        self.not_enforced || self.silent.iter().any(|one| one.side == Side::Referenced && one.deletes)
    }

    /// What is not checked, or not done: a clause for each side.
    pub(in crate::domain) fn consequences(&self) -> Vec<String> {
        let of = |side: Side| self.silent.iter().filter(move |one| one.side == side);
        let any = |side: Side, event: fn(&SilentTriggers) -> bool| of(side).any(event);
        let mut told = Vec::new();
        let rows =
            match (any(Side::Referencing, |one| one.inserts), any(Side::Referencing, |one| one.updates)) {
                (true, true) => Some("rows that are inserted or changed may name nobody"),
                (true, false) => Some("rows that are inserted may name nobody"),
                (false, true) => Some("rows that are changed may name nobody"),
                (false, false) => None,
            };
        told.extend(rows.map(str::to_owned));
        let users = match (any(Side::Referenced, |one| one.deletes), any(Side::Referenced, |one| one.updates))
        {
            (true, true) => Some("users may go or get another key and leave their rows behind"),
            (true, false) => Some("users may go and leave their rows behind"),
            (false, true) => Some("users may get another key and leave their rows behind"),
            (false, false) => None,
        };
        told.extend(users.map(str::to_owned));
        told
    }

    /// The statements that make its triggers fire, as many as fit, and of how many tables they are not there.
    ///
    /// By name and not ALL: somebody may have turned off another trigger of the table on purpose.
    pub(in crate::domain) fn statements(&self, hints: &dyn Hints) -> (String, usize) {
        let mut statements = String::new();
        let mut tables: Vec<(&str, &str)> = Vec::new();
        for one in &self.silent {
            let table = (one.schema.as_str(), one.table.as_str());
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        let mut left = 0;
        for (schema, table) in tables {
            let of_table = self.silent.iter().filter(|one| one.schema == schema && one.table == table);
            let names: Vec<&str> = of_table.flat_map(|one| &one.names).map(String::as_str).collect();
            let table =
                ObjectRef { schema: schema.to_owned(), table: table.to_owned(), ..ObjectRef::default() };
            let statement = hints.enable_triggers(&table, &names);
            if left > 0 || statements.chars().count() + statement.chars().count() > STATEMENTS {
                left += 1;
                continue;
            }
            if !statements.is_empty() {
                statements.push(' ');
            }
            statements.push_str(&statement);
        }
        (statements, left)
    }

    /// Where its triggers do not fire, in words.
    pub(in crate::domain) fn places(&self) -> String {
        let mut tables: Vec<String> = Vec::new();
        for one in &self.silent {
            let table = format!("{}.{}", one.schema, one.table);
            if !tables.contains(&table) {
                tables.push(table);
            }
        }
        match tables.len().saturating_sub(2) {
            0 => tables.join(" and "),
            more => format!(
                "{} and {}",
                tables[..2].join(", "),
                count(i64::try_from(more).unwrap_or(i64::MAX), "other table")
            ),
        }
    }

    /// Whether all that is silent fires in sessions of replication.
    pub(in crate::domain) fn replica_only(&self) -> bool {
        self.silent.iter().all(|one| one.replica_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hints;

    fn silent(table: &str, side: Side) -> SilentTriggers {
        SilentTriggers {
            schema: "public".into(),
            table: table.into(),
            side,
            replica_only: false,
            inserts: side == Side::Referencing,
            updates: true,
            deletes: side == Side::Referenced,
            names: vec![format!("RI_ConstraintTrigger_c_{}", table.len()), "RI_\"; DROP".into()],
        }
    }

    #[test]
    fn a_key_that_nothing_keeps_from_it_holds_and_says_nothing() {
        let whole = Enforcement::default();
        assert!(whole.holds() && !whole.ignores_deletes());
        assert_eq!(
            (whole.consequences(), whole.statements(hints()), whole.places()),
            (vec![], (String::new(), 0), String::new())
        );
        assert!(Enforcement { not_enforced: true, silent: Vec::new() }.ignores_deletes());
    }

    #[test]
    fn every_trigger_is_named_and_quoted_in_one_statement_for_each_table() {
        let both = |side| Enforcement {
            not_enforced: false,
            silent: vec![silent("logs", side), silent("users", Side::Referenced)],
        };
        let (sql, left) = both(Side::Referencing).statements(hints());
        assert_eq!(left, 0);
        assert_eq!(
            sql,
            "ALTER TABLE public.logs ENABLE TRIGGER \"RI_ConstraintTrigger_c_4\", ENABLE TRIGGER \"RI_\"\"; DROP\"; \
             ALTER TABLE public.users ENABLE TRIGGER \"RI_ConstraintTrigger_c_5\", ENABLE TRIGGER \"RI_\"\"; DROP\";"
        );
        assert_eq!(both(Side::Referencing).places(), "public.logs and public.users");
        assert_eq!(
            both(Side::Referencing).consequences(),
            [
                "rows that are inserted or changed may name nobody",
                "users may go or get another key and leave their rows behind"
            ]
        );
        assert!(!both(Side::Referencing).replica_only());
    }

    #[test]
    fn statements_that_do_not_fit_are_counted_by_table_and_none_is_cut() {
        let silent: Vec<_> = (0..40).map(|at| silent(&format!("logs_{at}"), Side::Referencing)).collect();
        let many = Enforcement { not_enforced: false, silent };
        let (sql, left) = many.statements(hints());
        let told = sql.matches("ALTER TABLE").count();
        assert!(sql.len() <= STATEMENTS && sql.ends_with(';') && told > 1, "{sql}");
        assert_eq!(told + left, 40);
        assert_eq!(many.places(), "public.logs_0, public.logs_1 and 38 other tables");
    }
}
