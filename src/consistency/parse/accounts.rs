//! The admin, and the accounts beside it.

use super::{Parser, Users};
use crate::{
    api::spec::{AdminSpec, AuthConsistencySpec, OnMissing, PasswordPolicy},
    consistency::target::Admin,
};

/// Accounts that `spec.accounts` may name; the schema says so too.
const MOST: usize = 50;

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
            columns: spec.columns.clone(),
            id: spec.id.clone(),
            on_missing: spec.on_missing,
            on_drift: spec.on_drift,
            password_policy: spec.password_policy,
        };
        let field = account.field();
        if users.login_column.is_none() || users.password_column.is_none() {
            self.spec(format!("spec.users: {} needs loginColumn and passwordColumn", account.called()));
        }
        if spec.login.trim() != spec.login {
            self.spec(format!("{field}.login: remove the spaces around it"));
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
        let of = format!("{field}.passwordSecretRef");
        account.password = self.secret_line(spec.password_secret_ref.as_ref(), &of).map(Into::into);
        account
    }
}
