//! Which tables hold credentials: giving their rows to the admin would make every holder of an old session,
//! refresh token or key, of an account at an identity provider, or of a mailbox that a reset link goes to, the admin.
//!
//! Names are those of Django, allauth, python-social-auth, Devise, Laravel, NextAuth, Directus, Gitea, GitLab and
//! Keycloak, and what people call their own.

/// Column names, without underscores and in lower case, that hold something to sign in with.
const COLUMNS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "accesstokenhash",
    "activationcode",
    "activationkey",
    "apikey",
    "apikeyhash",
    "apitoken",
    "authtoken",
    "backupcode",
    "backupcodes",
    "bearertoken",
    "clientsecret",
    "confirmationcode",
    "confirmationtoken",
    "credential",
    "credentialid",
    "credentials",
    "hashedkey",
    "hashedtoken",
    "jti",
    "keyhash",
    "loginprovider",
    "magiclink",
    "oidcsub",
    "oidcsubject",
    "otp",
    "otpcode",
    "otpkey",
    "otpsecret",
    "passwordhash",
    "privatekey",
    "provideraccountid",
    "providertoken",
    "provideruid",
    "provideruserid",
    "publickey",
    "recoverycode",
    "recoverycodes",
    "refreshtoken",
    "refreshtokenhash",
    "resetcode",
    "resetpasswordtoken",
    "resettoken",
    "scratchhash",
    "secret",
    "secretdata",
    "secrethash",
    "secretkey",
    "sessionkey",
    "sessiontoken",
    "sshkey",
    "token",
    "tokenhash",
    "tokensalt",
    "totp",
    "totpkey",
    "totpsecret",
    "verificationcode",
    "verificationtoken",
];

/// Columns that say it together: one of the first and one of the second, and what the rows then are.
const TOGETHER: &[(&[&str], &[&str], &str)] = &[
    (
        &[
            "provider",
            "providerid",
            "providertype",
            "authprovider",
            "identityprovider",
            "idp",
            "issuer",
            "logintype",
        ],
        &["uid", "subject", "sub", "externaluserid", "openid", "socialid", "nameid"],
        "an account at an identity provider",
    ),
    (&["fingerprint"], &["key", "content", "keyvalue", "keyid"], "a key that somebody signs in with"),
    (
        &["email", "emailaddress", "address"],
        &[
            "isactivated",
            "isprimary",
            "isverified",
            "emailverified",
            "primary",
            "verified",
            "verifiedat",
            "confirmedat",
        ],
        "an address that a reset link may go to",
    ),
];

/// Words that say it side by side in a table's name.
const PAIRS: &[(&[&str], &[&str], &str)] = &[
    (
        &["api", "access", "deploy", "gpg", "pgp", "public", "private", "secret", "security", "ssh"],
        &["key", "keys"],
        "keys",
    ),
    (&["password", "passwd"], &["reset", "resets", "recovery", "recoveries"], "password resets"),
    (&["login", "magic", "reset", "signin"], &["link", "links", "code", "codes"], "one-time links or codes"),
    (&["backup", "recovery", "scratch", "verification", "activation"], &["code", "codes"], "one-time codes"),
    (&["two"], &["factor", "factors"], "second factors"),
    (
        &["external", "social", "federated"],
        &["login", "account", "accounts", "auth", "user", "users"],
        "federated identities",
    ),
    (
        &["auth", "authentication"],
        &["provider", "providers", "method", "methods", "factor", "factors"],
        "ways to sign in",
    ),
];

/// Words of a table's name that say what its rows are.
const TABLES: &[(&str, &[&str])] = &[
    ("sessions", &["session", "sessions"]),
    ("tokens", &["token", "tokens"]),
    ("OAuth grants", &["oauth", "oauth2", "grants", "authorization", "authorizations"]),
    ("credentials", &["credential", "credentials", "passkey", "passkeys", "webauthn"]),
    (
        "federated identities",
        &[
            "identity",
            "identities",
            "socialaccount",
            "usersocialauth",
            "logins",
            "oidc",
            "openid",
            "saml",
            "sso",
        ],
    ),
    ("second factors", &["2fa", "mfa", "otp", "totp", "twofactor", "authenticator", "authenticators"]),
];

/// Words that say it as the last one alone: Django begins names of tables with the application's, `auth`.
const LAST: &[&str] = &["auth", "auths", "authentication", "authentications"];

/// Why the rows of a table are taken for credentials, if they are.
pub fn recognise(table: &str, columns: &[&str]) -> Option<String> {
    let squeezed = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    if let Some(column) = columns.iter().find(|column| COLUMNS.contains(&squeezed(column).as_str())) {
        return Some(format!("column {column:?}"));
    }
    let named = |names: &[&str]| columns.iter().find(|column| names.contains(&squeezed(column).as_str()));
    for (first, second, what) in TOGETHER {
        if let (Some(first), Some(second)) = (named(first), named(second)) {
            return Some(format!("{what}, by its columns {first:?} and {second:?}"));
        }
    }
    let words = words(table);
    for (first, second, what) in PAIRS {
        let said = |pair: &[String]| first.contains(&pair[0].as_str()) && second.contains(&pair[1].as_str());
        if words.windows(2).any(said) {
            return Some(format!("a table of {what} by its name"));
        }
    }
    if words.last().is_some_and(|word| LAST.contains(&word.as_str())) {
        return Some("a table of ways to sign in by its name".into());
    }
    TABLES
        .iter()
        .find(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        .map(|(what, _)| format!("a table of {what} by its name"))
}

/// `UserSessions`, `user_sessions` and `user-sessions` are all the words `user` and `sessions`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else {
            if c.is_uppercase() && before_lower {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        before_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_hold_credentials_are_recognised() {
        for (table, columns) in [
            ("api_keys", &["id", "user_id", "created_at"][..]),
            ("ApiKeys", &["Id"]),
            ("keys", &["id", "key_hash"]),
            ("user_sessions", &["id"]),
            ("AspNetUserTokens", &["UserId"]),
            ("refresh_tokens", &["id"]),
            ("oauth2_grant", &["id"]),
            ("devices", &["id", "refresh_token"]),
            ("directus_sessions", &["token"]),
            ("webauthn_credentials", &["id"]),
            ("public_key", &["id", "owner_id", "name"]),
            ("gpg_key", &["id"]),
            ("two_factor", &["uid", "scratch_hash"]),
            ("email_address", &["uid", "email", "is_activated"]),
            ("account_emailaddress", &["user_id", "email", "verified", "primary"]),
            ("external_login_user", &["external_id"]),
            ("social_auth_usersocialauth", &["provider", "uid"]),
            ("people_elsewhere", &["provider", "uid", "user_id"]),
            ("keys", &["user_id", "key", "fingerprint"]),
            ("Account", &["userId", "provider", "providerAccountId"]),
            ("password_resets", &["user_id", "code"]),
            ("magic_links", &["user_id"]),
            ("MagicLink", &["UserId"]),
            ("ssh_key", &["key_value"]),
            ("user_oidc_links", &["provider_id"]),
            ("user_totp", &["enabled"]),
            ("user_auth_providers", &["link_id"]),
            ("user_auth", &["source"]),
            ("devices", &["user_id", "otp_key"]),
        ] {
            assert!(recognise(table, columns).is_some(), "{table}");
        }
    }

    #[test]
    fn ordinary_tables_are_not() {
        for (table, columns) in [
            ("usage_logs", &["id", "user_id", "tool", "target"][..]),
            ("orders", &["id", "user_id", "session_count"]),
            ("saved_reports", &["id", "title"]),
            ("possessions", &["id"]),
            ("keyboards", &["id", "key_count"]),
            ("auth_user_groups", &["id", "user_id", "group_id"]),
            ("payments", &["provider", "external_id", "user_id"]),
            ("transactions", &["source", "source_id"]),
            ("newsletters", &["email", "status"]),
            ("login_attempts", &["user_id", "at"]),
            ("authors", &["user_id", "name"]),
            ("translations", &["key", "content"]),
            ("discount_codes", &["code", "user_id"]),
        ] {
            assert_eq!(recognise(table, columns), None, "{table}");
        }
    }
}
