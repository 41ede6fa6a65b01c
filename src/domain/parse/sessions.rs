//! `spec.sessions`.

use crate::{
    api::{
        sessions::{OnKeyChange, SessionTable, SessionsSpec},
        spec::{AuthConsistencySpec, ReferenceRule},
    },
    domain::{
        facts::session_mechanism::{Mechanism, Revoked, Sessions},
        target::{References, policy::Rule, users::Users},
    },
};

use super::Parser;

/// Has every table of sessions count as a reference, foreign key or not: its rows move along with an id that is
/// moved, and an id that they name is nobody's to take. A rule of the spec for it says more.
pub(super) fn refer(sessions: &Sessions, references: &mut References) {
    for means in &sessions.ends {
        let Mechanism::Rows { schema, table, column, .. } = means else { continue };
        let of_table = |rule: &&Rule| rule.schema == *schema && rule.rule.table == *table;
        let exactly = Some(vec![column.clone()]);
        if references.rules.iter().filter(of_table).any(|rule| rule.rule.columns == exactly) {
            continue;
        }
        let whole = references.rules.iter().filter(of_table).find(|rule| rule.rule.columns.is_none());
        let said = whole.map(|rule| rule.rule.clone()).unwrap_or_default();
        if !said.ignore {
            let rule = ReferenceRule {
                table: table.clone(),
                columns: exactly,
                declared: true,
                credentials: true,
                constraint: None,
                ..said
            };
            references.rules.push(Rule { schema: schema.clone(), rule });
        }
    }
}

impl Parser<'_> {
    pub(super) fn sessions(
        &mut self,
        spec: &AuthConsistencySpec,
        sessions: &SessionsSpec,
        users: &Users,
    ) -> Sessions {
        let of_tokens = sessions.tables.is_empty()
            || sessions.invalidate_before_column.is_some()
            || sessions.stamp_column.is_some()
            || sessions.on_key_change == OnKeyChange::End
            || sessions.revoked.is_some();
        if spec.jwt.is_none() && of_tokens {
            self.spec("spec.sessions is about tokens, but for its tables: set spec.jwt too");
        }
        let placed = |schema: &Option<String>| schema.clone().unwrap_or_else(|| users.schema.clone());
        let revoked = sessions.revoked.as_ref().map(|revoked| Revoked {
            schema: placed(&revoked.schema),
            table: revoked.table.clone(),
            column: revoked.column.clone(),
        });
        let mut ends = Vec::new();
        if let Some(column) = &sessions.invalidate_before_column {
            self.is_free(spec, users, "invalidateBeforeColumn", column);
            ends.push(Mechanism::Time { column: column.clone() });
        }
        if let Some(column) = &sessions.stamp_column {
            self.is_free(spec, users, "stampColumn", column);
            if sessions.invalidate_before_column.as_ref() == Some(column) {
                self.spec("spec.sessions.stampColumn is the column of invalidateBeforeColumn: name another one, or one of the two");
            }
            ends.push(Mechanism::Stamp { column: column.clone() });
        }
        for (at, table) in sessions.tables.iter().enumerate() {
            let SessionTable { schema, table, column } = table.clone();
            let schema = placed(&schema);
            if (&schema, &table) == (&users.schema, &users.table) {
                self.spec(format!(
                    "spec.sessions.tables[{at}] is the user table, and its rows are accounts: name the table of sessions"
                ));
            }
            if revoked.as_ref().is_some_and(|list| (&list.schema, &list.table) == (&schema, &table)) {
                self.spec(format!(
                    "spec.sessions.tables[{at}] is the table of spec.sessions.revoked, whose rows must stay: leave one of them out"
                ));
            }
            let twice = |one: &Mechanism| matches!(one, Mechanism::Rows { schema: s, table: t, .. } if (s, t) == (&schema, &table));
            if ends.iter().any(twice) {
                self.spec(format!("spec.sessions.tables[{at}] names a table that is there already"));
            }
            ends.push(Mechanism::Rows { at, schema, table, column });
        }
        if sessions.on_key_change == OnKeyChange::End && ends.is_empty() {
            self.spec(
                "spec.sessions.onKeyChange: End ends sessions, so say by what: invalidateBeforeColumn, stampColumn or tables",
            );
        }
        Sessions { ends, on_key_change: sessions.on_key_change, revoked }
    }

    /// What is named for something else would be overwritten.
    fn is_free(&mut self, spec: &AuthConsistencySpec, users: &Users, field: &str, column: &String) {
        let mut taken = [Some(&users.id_column), users.login_column.as_ref(), users.password_column.as_ref()]
            .into_iter()
            .flatten()
            .chain(users.active_when.iter().map(|one| &one.column))
            .chain(spec.admin.iter().flat_map(|admin| &admin.columns).map(|one| &one.column))
            .chain(spec.accounts.iter().flat_map(|account| &account.columns).map(|one| &one.column));
        // Flask-Security's tokens name their user by the very stamp: a new one ends them.
        let subject = spec.jwt.iter().filter_map(|jwt| jwt.subject_column.as_ref());
        let named = taken.any(|name| name == column)
            || (field != "stampColumn" && subject.into_iter().any(|name| name == column));
        if named {
            self.spec(format!(
                "spec.sessions.{field}: {column:?} is named for something else already, and would be overwritten"
            ));
        }
    }
}
