//! Which tables hold credentials: giving their rows to the admin would make every holder of an old
//! session, refresh token or API key the admin.

/// Column names, without underscores and in lower case, that hold something to sign in with.
const COLUMNS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "accesstokenhash",
    "apikey",
    "apikeyhash",
    "apitoken",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "credential",
    "credentialid",
    "credentials",
    "hashedkey",
    "hashedtoken",
    "jti",
    "keyhash",
    "otpsecret",
    "passwordhash",
    "privatekey",
    "providertoken",
    "publickey",
    "recoverycode",
    "refreshtoken",
    "refreshtokenhash",
    "secretdata",
    "secrethash",
    "secretkey",
    "sessionkey",
    "sessiontoken",
    "token",
    "tokenhash",
    "tokensalt",
    "totpsecret",
];

/// Words of a table's name that say what its rows are.
const TABLES: &[(&str, &[&str])] = &[
    ("sessions", &["session", "sessions"]),
    ("tokens", &["token", "tokens"]),
    ("OAuth grants", &["oauth", "oauth2", "grants", "authorization", "authorizations"]),
    ("credentials", &["credential", "credentials", "passkey", "passkeys", "webauthn"]),
    ("federated identities", &["identity", "identities", "socialaccount", "logins"]),
];

/// Why the rows of a table are taken for credentials, if they are.
pub fn recognise(table: &str, columns: &[&str]) -> Option<String> {
    let squeezed = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    if let Some(column) = columns.iter().find(|column| COLUMNS.contains(&squeezed(column).as_str())) {
        return Some(format!("column {column:?}"));
    }
    let words = words(table);
    if words.windows(2).any(|pair| pair[0] == "api" && matches!(pair[1].as_str(), "key" | "keys")) {
        return Some("a table of API keys by its name".into());
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
        ] {
            assert_eq!(recognise(table, columns), None, "{table}");
        }
    }
}
