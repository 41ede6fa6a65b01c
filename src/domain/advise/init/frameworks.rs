//! What is known of apps whose table of accounts is recognised by its columns. Sources: the apps' own models and
//! migrations. Nothing here decides by itself: a column counts where the table has it.

use super::{facts::TableFacts, names};
use crate::domain::advise::account_names::plain;

/// A framework or app.
#[derive(Debug, PartialEq, Eq)]
pub struct Framework {
    /// What it is called.
    pub name: &'static str,
    /// The table's name, where that is fixed.
    table: Option<&'static str>,
    /// Columns that tell it apart, in the spelling of `plain`.
    marks: &'static [&'static str],
    /// The columns by which it looks accounts up, the first that the table has.
    pub logins: &'static [&'static str],
    /// What a person should know who fills the rest in.
    pub remarks: &'static [&'static str],
}

const NONE: Framework = Framework { name: "", table: None, marks: &[], logins: &[], remarks: &[] };

const ALL: &[Framework] = &[
    Framework {
        name: "Django",
        marks: &["password", "last_login", "is_superuser"],
        logins: &["username", "email"],
        remarks: &[
            "tokens of Simple JWT name the account by the claim user_id (spec.jwt.subjectClaim)",
            "sessions of Django name their user inside of session_data, where nothing looks",
        ],
        ..NONE
    },
    Framework {
        name: "Flask-AppBuilder",
        table: Some("ab_user"),
        marks: &["username", "email", "password"],
        logins: &["username"],
        remarks: &["who is an admin is a row of ab_user_role: no column says it"],
    },
    Framework {
        name: "Devise",
        marks: &["encrypted_password", "reset_password_token"],
        logins: &["email"],
        remarks: &[
            "an app with config.pepper hashes more than the password: its passwords can neither be verified nor written",
        ],
        ..NONE
    },
    Framework {
        name: "Laravel",
        marks: &["remember_token", "password"],
        logins: &["email"],
        remarks: &[],
        ..NONE
    },
    Framework {
        name: "ASP.NET Core Identity",
        marks: &["normalized_user_name", "security_stamp", "password_hash"],
        logins: &["normalized_user_name"],
        remarks: &[
            "NormalizedUserName is UserName in capital letters, and a login in the resource is written so, too",
            "who is an admin is a row of AspNetUserRoles: no column says it",
        ],
        ..NONE
    },
    Framework {
        name: "JHipster",
        marks: &["login", "password_hash", "activation_key", "reset_key"],
        logins: &["login"],
        remarks: &["who is an admin is a row of jhi_user_authority: no column says it"],
        ..NONE
    },
    Framework {
        name: "Keycloak",
        table: Some("user_entity"),
        marks: &["realm_id", "username", "service_account_client_link"],
        logins: &["username"],
        remarks: &[
            "passwords are rows of credential, and who is an admin is one of user_role_mapping: no column says either",
        ],
    },
    Framework {
        name: "Gitea",
        marks: &["lower_name", "passwd", "passwd_hash_algo"],
        logins: &["lower_name"],
        remarks: &["organisations are rows of the same table, with type 1"],
        ..NONE
    },
    Framework {
        name: "Grafana",
        marks: &["login", "salt", "rands", "is_admin"],
        logins: &["login"],
        remarks: &[],
        ..NONE
    },
    Framework {
        name: "Mattermost",
        marks: &["authservice", "notifyprops", "deleteat"],
        logins: &["username"],
        remarks: &["who is an admin is a word among others in roles: no condition on a column says it"],
        ..NONE
    },
    Framework {
        name: "Odoo",
        table: Some("res_users"),
        marks: &["login", "partner_id"],
        logins: &["login"],
        remarks: &["who is an admin is a row of res_groups_users_rel: no column says it"],
    },
    Framework {
        name: "Discourse",
        marks: &["username_lower", "trust_level"],
        logins: &["username_lower"],
        remarks: &[
            "passwords are rows of user_passwords since 2024, and addresses of e-mail rows of user_emails",
        ],
        ..NONE
    },
    Framework {
        name: "phpBB",
        marks: &["username_clean", "user_password", "user_type"],
        logins: &["username_clean"],
        remarks: &["user_type says who is inactive (1), a bot (2) or a founder (3)"],
        ..NONE
    },
    Framework {
        name: "Supabase",
        table: Some("users"),
        marks: &["instance_id", "aud", "raw_app_meta_data"],
        logins: &["email"],
        remarks: &["tokens have the audience authenticated (spec.jwt.audience)"],
    },
    Framework {
        name: "n8n",
        table: Some("user"),
        marks: &["role_slug", "email", "password"],
        logins: &["email"],
        remarks: &["tokens name the account by the claim id (spec.jwt.subjectClaim)"],
    },
    Framework {
        name: "Directus",
        table: Some("directus_users"),
        marks: &["email", "status"],
        logins: &["email"],
        remarks: &["tokens name the account by the claim id (spec.jwt.subjectClaim)"],
    },
];

/// The framework whose columns a table has.
pub fn recognise(facts: &TableFacts) -> Option<&'static Framework> {
    let columns: Vec<String> = facts.columns.iter().map(|column| plain(&column.name)).collect();
    let has = |mark: &&str| columns.iter().any(|column| column == *mark);
    ALL.iter().find(|one| one.table.is_none_or(|table| table == facts.table) && one.marks.iter().all(has))
}

/// How a login column stands in the order of a framework, 0 first; of those that it does not name by their names.
pub(super) fn login_order(framework: Option<&Framework>, column: &str) -> Option<(bool, usize)> {
    let known = framework.and_then(|one| one.logins.iter().position(|login| *login == plain(column)));
    match known {
        Some(at) => Some((false, at)),
        None => names::login_rank(column).map(|rank| (true, rank)),
    }
}
