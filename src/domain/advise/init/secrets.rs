//! Which Secrets of a namespace an app's database, signing key and admin's password may be in, by the names of their
//! keys alone.

use crate::api::shared::SecretKeyRef;

/// The name that stands where a person has to put in one; no Secret can be called so.
pub const FILL_IN: &str = "FILL-IN";

/// A Secret by its name and the names of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretKeys {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// The names of its keys.
    pub keys: Vec<String>,
}

/// What a Secret is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The connection string.
    Database,
    /// The signing key.
    SigningKey,
    /// The admin's password.
    AdminPassword,
}

impl Purpose {
    /// Names of keys, in small letters with underscores, the surest first.
    fn names(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Database => &[
                &["database_url", "database_uri", "db_url", "db_uri", "sqlalchemy_database_uri"],
                &[
                    "postgres_url",
                    "postgresql_url",
                    "pg_url",
                    "postgres_uri",
                    "dsn",
                    "database_dsn",
                    "connection_string",
                ],
                &["uri", "url"],
            ],
            Self::SigningKey => &[
                &[
                    "jwt_secret",
                    "jwt_secret_key",
                    "jwt_signing_key",
                    "jwt_key",
                    "jwt_private_key",
                    "devise_jwt_secret_key",
                    "superset_jwt_secret",
                ],
                &[
                    "auth_secret",
                    "better_auth_secret",
                    "nextauth_secret",
                    "signing_key",
                    "access_token_secret",
                ],
                &["secret_key", "secret_key_base", "django_secret_key"],
            ],
            Self::AdminPassword => &[
                &[
                    "admin_password",
                    "first_superuser_password",
                    "superuser_password",
                    "django_superuser_password",
                ],
                &["initial_admin_password", "keycloak_admin_password", "gitea_admin_password"],
            ],
        }
    }

    /// What it is called in sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Database => "the connection string",
            Self::SigningKey => "the signing key",
            Self::AdminPassword => "the admin's password",
        }
    }
}

/// Types of Secrets that hold nothing of an app's own.
const NOT_OURS: [&str; 5] = [
    "helm.sh/release.v1",
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/tls",
    "bootstrap.kubernetes.io/token",
];

/// The keys whose names say so most surely: one is a proposal, several are for a person to choose from.
pub fn find(secrets: &[SecretKeys], purpose: Purpose) -> Vec<SecretKeyRef> {
    let plain = |key: &str| key.to_lowercase().replace(['-', '.'], "_");
    for names in purpose.names() {
        let mut found = Vec::new();
        for secret in secrets.iter().filter(|secret| !NOT_OURS.contains(&secret.kind.as_str())) {
            let keys = secret.keys.iter().filter(|key| names.contains(&plain(key).as_str()));
            found.extend(keys.map(|key| SecretKeyRef { name: secret.name.clone(), key: key.clone() }));
        }
        if !found.is_empty() {
            found.sort();
            return found;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_the_names_of_their_keys_and_those_of_helm_are_not() {
        let secret = |name: &str, kind: &str, keys: &[&str]| SecretKeys {
            name: name.into(),
            kind: kind.into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let secrets = [
            secret("app", "Opaque", &["DATABASE_URL", "JWT_SECRET", "url"]),
            secret("other", "Opaque", &["jwt-secret", "admin-password"]),
            secret("sh.helm.release.v1.app.v1", "helm.sh/release.v1", &["JWT_SECRET"]),
        ];
        let shown = |purpose| -> Vec<String> {
            find(&secrets, purpose).iter().map(|one| format!("{}/{}", one.name, one.key)).collect()
        };
        assert_eq!(shown(Purpose::Database), ["app/DATABASE_URL"]);
        assert_eq!(shown(Purpose::SigningKey), ["app/JWT_SECRET", "other/jwt-secret"]);
        assert_eq!(shown(Purpose::AdminPassword), ["other/admin-password"]);
        assert_eq!(find(&[], Purpose::Database), []);
    }
}
