//! What a stored hash seems to be, for messages about hashes that this program does not read.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::api::spec::PasswordHash;

/// Formats that a fixed beginning gives away: (beginning, name). The first match counts, so longer
/// beginnings stand before shorter ones.
const BEGINNINGS: &[(&str, &str)] = &[
    // A hash that its own strict reader refused.
    ("$2a$", "bcrypt, but damaged or cut off"),
    ("$2b$", "bcrypt, but damaged or cut off"),
    ("$2y$", "bcrypt, but damaged or cut off"),
    ("$2x$", "bcrypt $2x$ (from a faulty PHP release)"),
    ("$argon2id$", "argon2id, but damaged, cut off or of another version"),
    ("$argon2i$", "argon2i"),
    ("$argon2d$", "argon2d"),
    // Django 5.2, contrib/auth/hashers.py.
    ("pbkdf2_sha256$", "Django PBKDF2"),
    ("pbkdf2_sha1$", "Django PBKDF2"),
    ("scrypt$", "Django scrypt"),
    ("argon2$argon2", "Django argon2"),
    ("bcrypt_sha256$", "Django bcrypt over SHA-256"),
    ("bcrypt$", "Django bcrypt"),
    ("md5$", "Django MD5"),
    ("sha1$", "Django or werkzeug salted SHA-1"),
    ("!", "Django unusable password"),
    // werkzeug 3.1, security.py.
    ("scrypt:", "werkzeug scrypt"),
    ("pbkdf2:", "werkzeug PBKDF2"),
    ("sha256$", "werkzeug salted SHA-256"),
    ("sha512$", "werkzeug salted SHA-512"),
    // Spring Security 6.5, DelegatingPasswordEncoder.
    ("{bcrypt}", "Spring Security bcrypt"),
    ("{noop}", "Spring Security plain text"),
    ("{pbkdf2", "Spring Security PBKDF2"),
    ("{scrypt", "Spring Security scrypt"),
    ("{argon2", "Spring Security argon2"),
    ("{sha256}", "Spring Security SHA-256"),
    ("{SSHA", "LDAP salted SHA"),
    ("{SHA", "LDAP SHA"),
    ("{CRYPT}", "LDAP crypt"),
    ("{\"", "a JSON document (Keycloak keeps passwords so)"),
    // passlib 1.7.
    ("$pbkdf2-sha256$", "passlib PBKDF2"),
    ("$pbkdf2-sha512$", "passlib PBKDF2"),
    ("$pbkdf2-digest$", "passlib PBKDF2"),
    ("$bcrypt-sha256$", "passlib bcrypt over SHA-256"),
    ("$5$", "crypt SHA-256"),
    ("$6$", "crypt SHA-512"),
    ("$1$", "crypt MD5"),
    ("$apr1$", "Apache MD5"),
    ("$y$", "crypt yescrypt"),
    ("$7$", "crypt scrypt"),
    ("$scrypt$", "scrypt in PHC format"),
    // Mattermost 11, password/hashers/pbkdf2.go.
    ("$pbkdf2$", "Mattermost PBKDF2"),
    // WordPress 6.8 and before.
    ("$wp$", "WordPress bcrypt over SHA-384"),
    ("$P$", "phpass (WordPress)"),
    ("$H$", "phpass"),
    // Supabase auth, internal/crypto/password.go.
    ("$fbscrypt$", "Firebase scrypt"),
    // The text "scrypt" in base64: a block of scrypt-kdf (Medusa 2).
    ("c2NyeXB0", "Medusa scrypt"),
];

/// A short name of what a stored hash seems to be, for messages. Never a part of the hash itself.
///
/// It goes by beginnings and lengths, so it is a hint and not a proof: a person decides.
pub fn family(stored: &str) -> &'static str {
    match super::recognise(stored) {
        Some(PasswordHash::Bcrypt) => return super::bcrypt::NAME,
        Some(PasswordHash::Argon2id) => return super::argon2::NAME,
        None => {}
    }
    let trimmed = stored.trim();
    if trimmed.is_empty() {
        return "empty";
    }
    if trimmed.len() != stored.len() && super::recognise(trimmed).is_some() {
        return "a hash with white space around it";
    }
    if let Some((_, name)) = BEGINNINGS.iter().find(|(beginning, _)| trimmed.starts_with(beginning)) {
        return name;
    }
    if let Some(name) = by_shape(trimmed) {
        return name;
    }
    "plain text?"
}

/// Formats without a beginning of their own.
fn by_shape(stored: &str) -> Option<&'static str> {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    // better-auth 1: 16 bytes of salt and 64 of scrypt, as hex.
    if let Some((salt, key)) = stored.split_once(':')
        && (salt.len(), key.len()) == (32, 128)
        && hex(salt)
        && hex(key)
    {
        return Some("better-auth scrypt");
    }
    if hex(stored) {
        match stored.len() {
            32 => return Some("bare MD5"),
            40 => return Some("bare SHA-1"),
            64 => return Some("bare SHA-256"),
            // 50 bytes, with the salt in a column of its own.
            100 => return Some("Gitea or Grafana PBKDF2"),
            128 => return Some("bare SHA-512"),
            _ => {}
        }
    }
    // ASP.NET Core Identity, PasswordHasher.cs: a format marker, then fixed or counted fields.
    let bytes = STANDARD.decode(stored).ok()?;
    match (bytes.first(), bytes.len()) {
        (Some(1), 61..) => Some("ASP.NET Identity"),
        (Some(0), 49) => Some("ASP.NET Identity v2"),
        _ => None,
    }
}
