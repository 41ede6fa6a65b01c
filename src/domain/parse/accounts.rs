//! The admin, and the accounts beside it.

use crate::{
    api::{
        shared::ColumnCondition,
        spec::{AdminSpec, AuthConsistencySpec, OnMissing, PasswordPolicy},
    },
    domain::{
        blank,
        target::{Admin, SeedValue, users::Users},
    },
    passwords::audit_secret,
};

use super::Parser;

/// Accounts that `spec.accounts` may name; the schema says so too.
const MOST: usize = 50;

/// Columns that an account's `seedColumns` may name; the schema says so too.
const MOST_COLUMNS: usize = 32;

impl Parser<'_> {
    /// The admin where the spec names one, and the other accounts in the order of their logins.
    pub(super) fn accounts(
        &mut self,
        spec: &AuthConsistencySpec,
        users: &Users,
    ) -> (Option<Admin>, Vec<Admin>) {
        let admin = spec.admin.as_ref().map(|admin| self.account(admin, None, users));
        if spec.accounts.len() > MOST {
            self.spec(format!("spec.accounts: it names {}, at most {MOST} are kept", spec.accounts.len()));
        }
        let mut accounts: Vec<Admin> = Vec::new();
        for (at, account) in spec.accounts.iter().enumerate() {
            let account = self.account(account, Some(at), users);
            for other in admin.iter().chain(&accounts) {
                if other.login == account.login {
                    self.spec(format!("{}.login: {} has it too", account.field(), other.field()));
                }
                if account.id.is_some() && other.id == account.id {
                    self.spec(format!("{}.id: {} has it too", account.field(), other.field()));
                }
            }
            accounts.push(account);
        }
        accounts.sort_by(|a, b| a.login.cmp(&b.login));
        (admin, accounts)
    }

    fn account(&mut self, spec: &AdminSpec, place: Option<usize>, users: &Users) -> Admin {
        let mut account = Admin {
            place,
            login: spec.login.clone(),
            password: None,
            password_warnings: Vec::new(),
            columns: spec.columns.clone(),
            seed_columns: Vec::new(),
            id: spec.id.clone(),
            on_missing: spec.on_missing,
            on_drift: spec.on_drift,
            password_policy: spec.password_policy,
        };
        let field = account.field();
        if users.login_column.is_none() {
            self.spec(format!("spec.users: {} needs loginColumn", account.called()));
        }
        // A password is written or compared only where there is one.
        let has_password = spec.password_secret_ref.is_some() || spec.on_missing == OnMissing::Seed;
        if has_password && users.password_column.is_none() {
            self.spec(format!(
                "spec.users: the password of {} needs passwordColumn: set it, or onMissing to Report and no passwordSecretRef",
                account.called()
            ));
        }
        if blank::trim(&spec.login) != spec.login {
            let blanks = blank::around(&spec.login);
            let what = match blanks.iter().all(|&c| c == ' ') {
                true => "the spaces".to_owned(),
                false => blanks.into_iter().map(blank::called).collect::<Vec<_>>().join(", "),
            };
            self.spec(format!("{field}.login: remove {what} around it"));
        }
        let needs_password =
            spec.on_missing == OnMissing::Seed || spec.password_policy == PasswordPolicy::Always;
        if needs_password && spec.password_secret_ref.is_none() {
            self.spec(format!(
                "{field}.passwordSecretRef: set it, or onMissing to Report and passwordPolicy to OnSeed"
            ));
        }
        for (at, column) in spec.columns.iter().chain(&users.active_when).enumerate() {
            if column.equals.is_some() == column.is_null.is_some() {
                let at = at + 1;
                self.spec(format!(
                    "condition {at} on column {:?}: set exactly one of equals and isNull",
                    column.column
                ));
            }
        }
        account.seed_columns = self.seed_columns(spec, users, &field);
        let of = format!("{field}.passwordSecretRef");
        account.password = self.secret_line(spec.password_secret_ref.as_ref(), &of).map(Into::into);
        // Of the bytes, since a line break at their end is gone by now.
        let bytes = self.secret(spec.password_secret_ref.as_ref());
        account.password_warnings = bytes.map(audit_secret).unwrap_or_default();
        account
    }

    /// What only a new row gets: each column once, and none that another field says.
    fn seed_columns(&mut self, spec: &AdminSpec, users: &Users, field: &str) -> Vec<(String, SeedValue)> {
        let field = format!("{field}.seedColumns");
        if spec.seed_columns.len() > MOST_COLUMNS {
            self.spec(format!(
                "{field}: it names {}, at most {MOST_COLUMNS} are taken",
                spec.seed_columns.len()
            ));
        }
        let mut seeds: Vec<(String, SeedValue)> = Vec::new();
        for one in &spec.seed_columns {
            let name = &one.column;
            let value = match (&one.value, one.now, one.uuid) {
                (Some(value), None, None) => SeedValue::Text(value.clone()),
                (None, Some(true), None) => SeedValue::Now,
                (None, None, Some(true)) => SeedValue::Uuid,
                _ => {
                    self.spec(format!(
                        "{field}: set exactly one of value, now: true and uuid: true for column {name:?}"
                    ));
                    continue;
                }
            };
            let own = [
                (Some(&users.id_column), "id"),
                (users.login_column.as_ref(), "login"),
                (users.password_column.as_ref(), "passwordSecretRef"),
                (users.salt_column.as_ref(), "passwordSecretRef"),
                (users.algorithm_column.as_ref(), "passwordSecretRef"),
            ];
            // "Not NULL" says no value, so that one may be given here.
            let says =
                |condition: &&ColumnCondition| condition.column == *name && condition.is_null != Some(false);
            if let Some((_, of)) = own.into_iter().find(|(column, _)| *column == Some(name)) {
                self.spec(format!("{field}: column {name:?} is what {of} is written to: leave it out"));
            } else if spec.columns.iter().any(|one| says(&one)) {
                self.spec(format!(
                    "{field}: column {name:?} stands in columns too, where it is kept: leave it out of one of them"
                ));
            } else if users.active_when.iter().any(|one| says(&one)) {
                self.spec(format!(
                    "{field}: spec.users.activeWhen says what column {name:?} holds: leave it out"
                ));
            } else if seeds.iter().any(|(earlier, _)| earlier == name) {
                self.spec(format!("{field}: column {name:?} stands there twice"));
            } else {
                seeds.push((name.clone(), value));
            }
        }
        seeds
    }
}
