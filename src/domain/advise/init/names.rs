//! Names by which apps call what a table of accounts has, in the spelling of [`plain`].

use crate::domain::advise::account_names::plain;

/// What a table is called whose rows are accounts.
const ACCOUNTS: [&str; 16] = [
    "user",
    "account",
    "member",
    "person",
    "people",
    "customer",
    "client",
    "employee",
    "staff",
    "admin",
    "administrator",
    "login",
    "operator",
    "player",
    "student",
    "subscriber",
];

/// Words behind those that say nothing more.
const TAILS: [&str; 6] = ["entity", "table", "model", "record", "tbl", "tb"];

/// Copies of a login in one case, by which apps look accounts up.
const COPIES: [&str; 12] = [
    "username_lower",
    "username_clean",
    "lower_username",
    "lower_name",
    "name_lower",
    "username_canonical",
    "canonical_username",
    "username_normalized",
    "normalized_username",
    "normalized_user_name",
    "login_lower",
    "lower_login",
];

/// Columns that people sign in with, the surest first.
const LOGINS: [&[&str]; 3] = [
    &["login", "login_name", "user_login", "login_id"],
    &["email", "e_mail", "email_address", "mail", "user_email", "normalized_email", "email_normalized"],
    &["username", "user_name", "nickname", "handle", "account_name", "userid", "user"],
];

/// Columns that hold passwords.
const PASSWORDS: [&str; 18] = [
    "password",
    "passwd",
    "password_hash",
    "password_digest",
    "hashed_password",
    "encrypted_password",
    "crypted_password",
    "user_password",
    "user_pass",
    "pass_hash",
    "passhash",
    "pass",
    "pwd",
    "pw",
    "pwd_hash",
    "pw_hash",
    "passwordhash",
    "pass_word",
];

/// Columns of a role.
const ROLES: [&str; 7] =
    ["role", "roles", "user_role", "role_name", "role_slug", "account_type", "user_type"];

/// What apps call an administrator's role: of a column of roles no other value is shown.
pub const ADMIN_WORDS: [&str; 18] = [
    "admin",
    "administrator",
    "superadmin",
    "super_admin",
    "super-admin",
    "super admin",
    "superuser",
    "root",
    "owner",
    "system_admin",
    "sysadmin",
    "site_admin",
    "global:owner",
    "global:admin",
    "role_admin",
    "role_super_admin",
    "is_admin",
    "system administrator",
];

/// Whether a table is called as those of accounts are: `users`, `auth_user`, `AspNetUsers`, `user_entity`.
pub fn is_account_table(table: &str) -> bool {
    let plain = plain(table);
    let words = plain.split('_').filter(|word| !word.is_empty());
    let mut words: Vec<&str> = words.collect();
    while words.len() > 1 && words.last().is_some_and(|last| TAILS.contains(last)) {
        words.pop();
    }
    words
        .last()
        .is_some_and(|last| ACCOUNTS.iter().any(|one| last == one || last.strip_suffix('s') == Some(one)))
}

/// How sure it is by its name that people sign in with a column, 0 the surest; a copy in one case stands before what it
/// is a copy of.
pub fn login_rank(column: &str) -> Option<usize> {
    let plain = plain(column);
    if COPIES.contains(&plain.as_str()) {
        return Some(0);
    }
    LOGINS.iter().position(|names| names.contains(&plain.as_str())).map(|at| at + 1)
}

/// Whether a column is a copy of a login in one case.
pub fn is_copy(column: &str) -> bool {
    COPIES.contains(&plain(column).as_str())
}

/// Whether a column is called as those of passwords are.
pub fn is_password(column: &str) -> bool {
    PASSWORDS.contains(&plain(column).as_str())
}

/// Whether a column is called as those of roles are.
pub fn is_role(column: &str) -> bool {
    ROLES.contains(&plain(column).as_str())
}

/// What a column says of whether an account is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// True in active accounts.
    True,
    /// False in active accounts.
    False,
    /// NULL, or 0 where it is a number, in active accounts.
    Never,
    /// NULL before the account is confirmed, where the app asks for that.
    Confirmed,
    /// It may end with time, so that one condition cannot say it.
    ForATime,
}

/// What a column says of whether an account is active, by its name.
pub fn activity(column: &str) -> Option<Activity> {
    Some(match plain(column).as_str() {
        "is_active" | "active" | "enabled" | "is_enabled" | "activated" | "is_activated"
        | "account_enabled" | "isactive" | "user_active" => Activity::True,
        "disabled" | "is_disabled" | "blocked" | "is_blocked" | "banned" | "is_banned" | "suspended"
        | "is_suspended" | "deleted" | "is_deleted" | "prohibit_login" | "locked" | "is_locked"
        | "archived" | "is_archived" | "deactivated" | "inactive" | "isdeleted" => Activity::False,
        "deleted_at" | "deleteat" | "delete_at" | "disabled_at" | "deactivated_at" | "blocked_at"
        | "archived_at" | "discarded_at" | "removed_at" | "date_deleted" | "deletedat" => Activity::Never,
        "locked_at" | "banned_at" | "banned_until" | "suspended_at" | "suspended_till"
        | "suspended_until" | "lockout_end" | "locked_until" => Activity::ForATime,
        "confirmed_at" | "email_confirmed_at" | "email_verified_at" | "verified_at" => Activity::Confirmed,
        _ => return None,
    })
}

/// Whether a column of booleans is true in the accounts of admins, by its name; the surest first.
pub fn admin_flag_rank(column: &str) -> Option<usize> {
    ["is_superuser", "is_admin", "admin", "superuser", "isadmin", "is_administrator", "administrator"]
        .iter()
        .position(|name| *name == plain(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_accounts_are_known_by_their_last_word() {
        for table in [
            "users",
            "User",
            "auth_user",
            "AspNetUsers",
            "user_entity",
            "jhi_user",
            "phpbb_users",
            "customers",
            "people",
        ] {
            assert!(is_account_table(table), "{table}");
        }
        for table in
            ["user_sessions", "usage", "credential", "user_role_mapping", "res_partner", "entity", "statuses"]
        {
            assert!(!is_account_table(table), "{table}");
        }
    }

    #[test]
    fn a_copy_in_one_case_stands_before_the_login_that_it_is_a_copy_of() {
        let rank = |column| login_rank(column).unwrap();
        assert!(rank("NormalizedUserName") < rank("UserName"));
        assert!(rank("username_clean") < rank("username") && rank("lower_name") < rank("email"));
        assert!(rank("login") < rank("email") && rank("Email") < rank("username"));
        assert_eq!(login_rank("name"), None);
    }
}
