//! What was found out of a secret before, so that nothing slow is computed twice.

use secrecy::SecretString;

/// Remembers what was found, and no secret.
pub trait PasswordCache: Sync {
    /// Whether this password was found to be behind this stored hash of an account before.
    fn password_matched(&self, login: &str, stored: &SecretString, password: &SecretString) -> bool;

    /// Remembers that a password is behind an account's stored hash.
    fn remember_password(&self, login: &str, stored: &SecretString, password: &SecretString);

    /// The fingerprint of a key by what it is known by, where it was computed before; the inner one is none
    /// for a weak key.
    fn fingerprint(&self, key: &[&[u8]]) -> Option<Option<String>>;
}
