//! Signing keys that everybody can look up, and keys made of the words that placeholders are made of.

/// Keys from tutorials, read-me files, examples and defaults, as they are written there. Compared
/// without regard to case, after trimming.
pub(super) const KNOWN: &[&str] = &[
    // What people type first.
    "secret",
    "secret123",
    "s3cr3t",
    "secretkey",
    "secret-key",
    "secret_key",
    "mysecret",
    "mysecretkey",
    "my-secret-key",
    "my_secret_key",
    "my-secret",
    "supersecret",
    "super-secret",
    "super_secret",
    "super-secret-key",
    "supersecretkey",
    "topsecret",
    "not-so-secret",
    "changeme",
    "change-me",
    "change_me",
    "changeit",
    "changethis",
    "change-this",
    "replaceme",
    "replace-me",
    "please-change-me",
    "insert-your-secret-here",
    "password",
    "passw0rd",
    "password123",
    "123456",
    "12345678",
    "1234567890",
    "12345678901234567890123456789012",
    "qwerty",
    "qwertyuiopasdfghjklzxcvbnm123456",
    "admin",
    "jwt",
    "jwtsecret",
    "jwt-secret",
    "jwt_secret",
    "jwt-secret-key",
    "jwt_secret_key",
    "token",
    "key",
    "test",
    "testing",
    "test-secret",
    "dev",
    "development",
    "dev-secret",
    "default",
    "example",
    "dummy",
    "foobar",
    "insecure",
    "todo",
    "none",
    "null",
    "undefined",
    "your-secret",
    "your_secret",
    "your-secret-key",
    "your_secret_key",
    "your-secret-key-here",
    "yoursecretkey",
    // The debugger of jwt.io, before and since its new design.
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    // FastAPI's tutorial on OAuth2 with JWT.
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // Flask's documentation and two tutorials.
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    "you-will-never-guess",
    "hard to guess string",
    // jsonwebtoken for Node, express-session, golang-jwt.
    "shhhhh",
    "shhhhhhared-secret",
    "keyboard cat",
    "AllYourBase",
    // Spring Boot tutorials.
    "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
    "bezKoderSecretKey",
    "======================BezKoder=Spring===========================",
    "JWTSuperSecretKey",
    "javainuse",
    // .NET tutorials.
    "THIS IS USED TO SIGN AND VERIFY JWT TOKENS, REPLACE IT WITH YOUR OWN SECRET, IT CAN BE ANY STRING",
    // Defaults that products ship: Supabase, Superset, Grafana, Strapi, Airflow.
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "thisISaSECRET_1234",
    "TEST_NON_DEV_SECRET",
    "SW2YcwTIb9zpOOhoPsMm",
    "toBeModified",
    "tobemodified1",
    "temporary_key",
    // The command instead of what it prints.
    "openssl rand -hex 32",
    "openssl rand -base64 32",
];

/// Whether a trimmed text is a known placeholder.
pub(super) fn is_known(text: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// Words of which placeholders are made.
const WORDS: &[&str] = &[
    "a",
    "an",
    "access",
    "and",
    "any",
    "api",
    "app",
    "application",
    "at",
    "auth",
    "authentication",
    "authorization",
    "backend",
    "be",
    "before",
    "bit",
    "bits",
    "byte",
    "bytes",
    "change",
    "changed",
    "changeme",
    "character",
    "characters",
    "chars",
    "complex",
    "custom",
    "default",
    "demo",
    "dev",
    "development",
    "django",
    "do",
    "dummy",
    "enough",
    "env",
    "environment",
    "example",
    "express",
    "fake",
    "fastapi",
    "fixme",
    "flask",
    "for",
    "generate",
    "generated",
    "hello",
    "here",
    "hmac",
    "hs",
    "in",
    "insecure",
    "insert",
    "is",
    "it",
    "jwt",
    "key",
    "keys",
    "later",
    "least",
    "local",
    "long",
    "make",
    "me",
    "min",
    "minimum",
    "must",
    "my",
    "nest",
    "new",
    "node",
    "not",
    "now",
    "of",
    "only",
    "or",
    "our",
    "own",
    "pass",
    "password",
    "placeholder",
    "please",
    "private",
    "prod",
    "production",
    "put",
    "random",
    "really",
    "refresh",
    "replace",
    "safe",
    "sample",
    "secret",
    "secretkey",
    "secrets",
    "secure",
    "server",
    "service",
    "set",
    "sha",
    "shared",
    "should",
    "sign",
    "signature",
    "signing",
    "some",
    "spring",
    "staging",
    "string",
    "strong",
    "super",
    "temp",
    "temporary",
    "test",
    "testing",
    "that",
    "the",
    "this",
    "to",
    "todo",
    "token",
    "tokens",
    "top",
    "ultra",
    "unique",
    "use",
    "user",
    "value",
    "very",
    "which",
    "with",
    "world",
    "you",
    "your",
];

/// At least one of these makes a text of [`WORDS`] a placeholder.
const TELLING: &[&str] = &[
    "secret",
    "key",
    "password",
    "token",
    "jwt",
    "change",
    "replace",
    "example",
    "placeholder",
    "insecure",
    "dummy",
];

/// Whether a trimmed text is put together from the words of placeholders, as in
/// `my-super-secret-jwt-key-please-change-in-production-123`.
///
/// The letters must be such words without a rest, so a key with random characters never counts.
pub(super) fn is_made_of_words(text: &str) -> bool {
    if !text.is_ascii() || text.len() > 200 {
        return false;
    }
    let pick = |wanted: fn(&u8) -> bool| -> String {
        text.bytes().filter(wanted).map(|byte| char::from(byte.to_ascii_lowercase())).collect()
    };
    let (letters, digits) = (pick(u8::is_ascii_alphabetic), pick(u8::is_ascii_digit));
    let symbols = text.len() - letters.len() - digits.len();
    let few_digits = digits.len() <= 8 || "0123456789".repeat(21).contains(&digits);
    letters.len() >= 6
        && few_digits
        && symbols <= letters.len()
        && TELLING.iter().any(|word| letters.contains(word))
        && is_a_row_of_words(letters.as_bytes())
}

/// Whether letters can be cut into [`WORDS`] without a rest.
fn is_a_row_of_words(letters: &[u8]) -> bool {
    let mut reachable = vec![false; letters.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for at in 0..letters.len() {
        if reachable.get(at) != Some(&true) {
            continue;
        }
        let rest = letters.get(at..).unwrap_or_default();
        for word in WORDS.iter().filter(|word| rest.starts_with(word.as_bytes())) {
            if let Some(end) = reachable.get_mut(at + word.len()) {
                *end = true;
            }
        }
    }
    reachable.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variations_of_placeholders_are_seen() {
        for text in [
            "my-super-secret-jwt-key-please-change-in-production-123",
            "YourSuperSecretJwtKeyHere",
            "dev_secret_key_change_me_in_production_1234567890",
            "this is my custom Secret key for authentication",
            "fastapi-jwt-secret",
            "ThisIsAVeryLongSecretKeyForJwtTokenAuthentication256",
        ] {
            assert!(is_made_of_words(text), "{text}");
        }
    }

    #[test]
    fn random_keys_and_passphrases_are_not() {
        for text in [
            "jwt-secret-key-82736473827364738273",
            "secret-9f86d081884c7d659a2feaa0c55ad015",
            "correct horse battery staple orbit lantern",
            "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*",
            "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ",
            "zzzz",
            "",
        ] {
            assert!(!is_made_of_words(text), "{text}");
        }
    }
}
