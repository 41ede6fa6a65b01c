//! Where the database is, and as whom to sign in to it.

use secrecy::SecretString;

use crate::api::shared::TlsMode;

/// Where a database is and how to sign in to it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretString,
    /// Name of the database.
    pub database: String,
    /// What the string says of encryption.
    pub tls: Option<TlsMode>,
    /// The schema that the string says the app's tables are in.
    pub schema: Option<String>,
}
