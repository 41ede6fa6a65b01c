//! Texts that stand for a key, or for something else, and are hardly a shared secret.

use crate::tokens::{MAX_TOKEN_BYTES, inspect};

/// How such a text begins, and what it is.
const BEGINNINGS: &[(&str, &str)] = &[
    ("ENC[AES256_GCM,", "a value that SOPS encrypted and nobody decrypted"),
    ("$ANSIBLE_VAULT;", "a value that Ansible Vault encrypted and nobody decrypted"),
    ("!vault", "a value that Ansible Vault encrypted and nobody decrypted"),
    ("ENC(", "a value that Jasypt encrypted and nobody decrypted"),
    ("op://", "the address of a secret in 1Password"),
    ("vault:", "the address of a secret in Vault"),
    ("ref+", "the address of a secret as vals resolves it"),
    ("secretref+", "the address of a secret as vals resolves it"),
    ("arn:aws:", "the name of a secret or parameter of AWS"),
    ("{{resolve:", "a reference as AWS CloudFormation resolves it"),
    ("@Microsoft.KeyVault(", "a reference to a key vault of Azure"),
    ("<path:", "a placeholder that argocd-vault-plugin was to replace"),
    ("https://", "the address of a web page, such as that of a JWKS"),
    ("http://", "the address of a web page, such as that of a JWKS"),
    ("file://", "the path of a file, not what the file holds"),
    ("%kernel.project_dir%/", "the path of a file, not what the file holds"),
    ("process.env.", "a piece of a program that nobody ran"),
    ("os.environ", "a piece of a program that nobody ran"),
    ("$2a$", "a hash of a password (bcrypt)"),
    ("$2b$", "a hash of a password (bcrypt)"),
    ("$2y$", "a hash of a password (bcrypt)"),
    ("$argon2", "a hash of a password (Argon2)"),
    ("pbkdf2_sha256$", "a hash of a password (Django)"),
];

/// What a text looks like that stands where a shared secret should.
pub(super) fn looks_like(core: &str) -> Option<&'static str> {
    if let Some((_, what)) = BEGINNINGS.iter().find(|(beginning, _)| core.starts_with(beginning)) {
        Some(what)
    } else if is_path(core) {
        Some("the path of a file, not what the file holds")
    } else if core.starts_with("projects/") && core.contains("/secrets/") {
        Some("the name of a secret of Google Cloud")
    } else if core.starts_with("eyJ") && core.len() < MAX_TOKEN_BYTES && inspect(core).is_ok() {
        Some("a token (JWT), not the key that signs one")
    } else {
        None
    }
}

/// An absolute path to a file with one of the endings that keys have, or below a directory of secrets: base64 may begin
/// with a slash, too.
fn is_path(core: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    let begins = ["/", "./", "../", "~/"].iter().any(|start| core.starts_with(start));
    let ends = [".pem", ".key", ".pub", ".crt", ".json", ".txt", ".jwk", ".jwks"];
    let places = ["/run/secrets/", "/var/run/secrets/", "/etc/secrets/", "/mnt/secrets/", "/vault/secrets/"];
    begins
        && core.bytes().all(plain)
        && (ends.iter().any(|end| core.ends_with(end)) || places.iter().any(|place| core.starts_with(place)))
}
