//! What a stored password is, in words, where this program does not read it. Never a part of the hash itself.

use std::{borrow::Cow, fmt};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use percent_encoding::percent_decode_str;

use super::{Format, Stored, recognise};
use crate::api::password::PasswordFamily as F;

/// What a stored password is, as far as its text tells. It goes by beginnings, lengths and alphabets, so of all
/// but [`Description::Readable`] it is a hint and not a proof: a person decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// One that this program verifies.
    Readable(Format),
    /// Nothing at all.
    Empty,
    /// A mark that no password is one: by whose convention.
    Locked(&'static str),
    /// What a program prints of a value that it did not turn into text.
    Printed(&'static str),
    /// Something that is told, in a coat that hides it from the app.
    Coated {
        /// What is around it.
        coat: Coat,
        /// What is inside.
        inside: Box<Description>,
    },
    /// It begins as a format does whose hashes are all of one length, and has another length.
    Length {
        /// The format.
        name: &'static str,
        /// Characters that are there.
        characters: usize,
        /// Characters of a whole one.
        whole: usize,
    },
    /// It begins as a format does that this program reads, and does not read as one.
    Damaged(&'static str),
    /// A format that this program knows by name only.
    Foreign(&'static str),
    /// Digits of the length of a digest without anything that tells its format.
    Digits(&'static str),
    /// Nothing that is known.
    Unrecognised,
    /// Nothing that is known, as are several others, of different lengths: only a
    /// [`survey`](super::survey) says so.
    PlainText,
}

/// What is around a stored password that hides it from the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coat {
    /// White space, as a column of type `character(n)` adds it.
    WhiteSpace,
    /// Quotes.
    Quotes,
    /// A bytes object as Python prints it: `b'…'`.
    PythonBytes,
    /// The text form of a bytea: `\x` and hexadecimal digits.
    Bytea,
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
    /// Percent signs in place of characters.
    PercentEncoded,
    /// Each `$` twice, as in a Compose file.
    DoubledDollars,
    /// A backslash before each `$`, as in a shell.
    EscapedDollars,
    /// A password scheme of Dovecot or LDAP in braces.
    Scheme(&'static str),
}

impl Description {
    /// Whether it says that the account has no password.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Empty | Self::Locked(_) => true,
            Self::Coated { coat: Coat::WhiteSpace, inside } => inside.is_none(),
            _ => false,
        }
    }

    /// Whether it is what formats store whose salt has a column of its own.
    pub fn is_beside_a_salt(&self) -> bool {
        matches!(self, Self::Digits(which) if *which == BESIDE_A_SALT)
    }

    /// Whether no library reads it as it stands, however many accounts have it. What an app may well take off
    /// itself before it reads (hexadecimal digits, base64, a scheme of Dovecot, blanks) says no such thing, and
    /// neither does a version that only this program does not read.
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Printed(_) | Self::Length { .. } => true,
            Self::Coated { coat, inside } => match coat {
                Coat::PythonBytes
                | Coat::Bytea
                | Coat::Quotes
                | Coat::DoubledDollars
                | Coat::EscapedDollars => true,
                Coat::WhiteSpace | Coat::Hex | Coat::Base64 | Coat::PercentEncoded | Coat::Scheme(_) => {
                    inside.is_broken()
                }
            },
            _ => false,
        }
    }

    /// The families of which it is what is left, where it begins as theirs do and does not read as one of them.
    pub fn remains_of(&self) -> Vec<F> {
        match self {
            Self::Length { name, .. } | Self::Damaged(name) => {
                READ.iter().filter(|(_, one, ..)| one == name).map(|(.., family)| *family).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Characters of a whole hash, where this one was cut off.
    pub fn cut_from(&self) -> Option<usize> {
        match self {
            Self::Length { characters, whole, .. } if characters < whole => Some(*whole),
            Self::Coated { inside, .. } => inside.cut_from(),
            _ => None,
        }
    }
}

impl fmt::Display for Coat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WhiteSpace => "white space around it",
            Self::Quotes => "quotes around it",
            Self::PythonBytes => "b'…' around it: Python's bytes were stored as they are printed",
            Self::Bytea => {
                "each byte written as two hexadecimal digits after \\x: bytes were stored in a text column"
            }
            Self::Hex => "each byte written as two hexadecimal digits",
            Self::Base64 => "base64 over it",
            Self::PercentEncoded => "characters written with percent signs, as in a URL",
            Self::DoubledDollars => "each $ written twice, as in a Compose file",
            Self::EscapedDollars => "a backslash before each $, as in a shell",
            Self::Scheme(scheme) => return write!(f, "{scheme} before it, as Dovecot and LDAP write it"),
        })
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readable(format) => f.write_str(&format.seems()),
            Self::Empty => f.write_str("empty"),
            Self::Locked(whose) => write!(f, "no password but a mark that none is accepted ({whose})"),
            Self::Printed(what) => write!(f, "no hash but {what}"),
            Self::Coated { coat, inside } => write!(f, "{inside} with {coat}"),
            Self::Length { name, characters, whole } if characters < whole => {
                write!(f, "{name}, cut off: {characters} of {whole} characters")
            }
            Self::Length { name, characters, whole } => {
                write!(f, "{name} with {characters} characters in place of {whole}")
            }
            Self::Damaged(name) => write!(f, "{name}, but damaged, cut off or of a version that is not read"),
            Self::Foreign(name) => write!(f, "{name}, which is not read here"),
            Self::Digits(which) => write!(f, "{which}, of a format that the text does not tell"),
            Self::Unrecognised => f.write_str("in a format that is not recognised"),
            Self::PlainText => {
                f.write_str("perhaps plain text, as several accounts have it: no format is recognised")
            }
        }
    }
}

/// Beginnings of formats that this program reads: (beginning, name, characters of a whole one where all have
/// as many, family). The first match counts, so longer beginnings stand before shorter ones.
pub(super) const READ: &[(&str, &str, Option<usize>, F)] = &[
    ("$2a$", "a bcrypt hash", Some(60), F::Bcrypt),
    ("$2b$", "a bcrypt hash", Some(60), F::Bcrypt),
    ("$2y$", "a bcrypt hash", Some(60), F::Bcrypt),
    ("$argon2id$", "an argon2id hash", None, F::Argon2id),
    ("$argon2i$", "an argon2i hash", None, F::Argon2i),
    ("pbkdf2_sha256$", "a Django PBKDF2 hash", None, F::DjangoPbkdf2Sha256),
    ("pbkdf2_sha1$", "a Django PBKDF2 hash", None, F::DjangoPbkdf2Sha1),
    ("scrypt$", "a Django scrypt hash", None, F::DjangoScrypt),
    ("argon2$argon2", "a Django argon2 hash", None, F::DjangoArgon2),
    ("bcrypt_sha256$$2", "a Django hash of bcrypt over SHA-256", Some(74), F::DjangoBcryptSha256),
    ("bcrypt$$2", "a Django bcrypt hash", Some(67), F::DjangoBcrypt),
    ("scrypt:", "a werkzeug scrypt hash", None, F::WerkzeugScrypt),
    ("pbkdf2:", "a werkzeug PBKDF2 hash", None, F::WerkzeugPbkdf2),
    ("$pbkdf2-sha256$", "a passlib PBKDF2 hash", None, F::PasslibPbkdf2Sha256),
    ("$pbkdf2-sha512$", "a passlib PBKDF2 hash", None, F::PasslibPbkdf2Sha512),
    ("$pbkdf2$f=", "a Mattermost PBKDF2 hash", None, F::MattermostPbkdf2),
    ("$pbkdf2$", "a passlib PBKDF2 hash", None, F::PasslibPbkdf2Sha1),
    ("$bcrypt-sha256$", "a passlib hash of bcrypt over SHA-256", None, F::PasslibBcryptSha256),
    ("$5$", "a SHA-256 crypt hash", None, F::Sha256Crypt),
    ("$6$", "a SHA-512 crypt hash", None, F::Sha512Crypt),
    ("{bcrypt}$2", "a Spring Security bcrypt hash", Some(68), F::SpringBcrypt),
    ("{pbkdf2", "a Spring Security PBKDF2 hash", None, F::SpringPbkdf2),
    ("{scrypt", "a Spring Security scrypt hash", None, F::SpringScrypt),
    ("{argon2", "a Spring Security argon2 hash", None, F::SpringArgon2),
    ("$wp$2y$", "a WordPress bcrypt hash", Some(63), F::WordPressBcrypt),
    ("$P$", "a phpass hash", Some(34), F::Phpass),
    ("$H$", "a phpass hash", Some(34), F::Phpass),
    // The text "scrypt" in base64.
    ("c2NyeXB0", "a scrypt-kdf hash, as Medusa has it", Some(128), F::MedusaScrypt),
];

/// What the hashes of a family begin with; nothing where they have no beginning of their own.
pub fn beginnings(family: F) -> Vec<&'static str> {
    READ.iter().filter(|(.., one)| *one == family).map(|(beginning, ..)| *beginning).collect()
}

/// Beginnings of formats that this program knows by name: (beginning, name).
pub(super) const FOREIGN: &[(&str, &str)] = &[
    ("$2x$", "bcrypt $2x$ (from a faulty PHP release)"),
    ("$2$", "bcrypt $2$ (older than its correction of 1999)"),
    ("$argon2d$", "argon2d"),
    ("md5$", "Django MD5"),
    ("sha1$", "Django or werkzeug salted SHA-1"),
    ("sha256$", "werkzeug salted SHA-256"),
    ("sha512$", "werkzeug salted SHA-512"),
    ("{noop}", "Spring Security plain text"),
    ("{ldap}", "Spring Security LDAP"),
    ("{MD4}", "Spring Security MD4"),
    ("{MD5}", "an MD5 digest in braces (Spring Security, LDAP)"),
    ("{SHA-1}", "Spring Security SHA-1"),
    ("{SHA-256}", "Spring Security SHA-256"),
    ("{sha256}", "Spring Security SHA-256"),
    ("{SSHA", "LDAP salted SHA"),
    ("{SHA", "LDAP or Dovecot SHA"),
    ("{PBKDF2", "LDAP or Dovecot PBKDF2"),
    ("{PLAIN", "plain text by Dovecot's own word"),
    ("{CLEAR", "plain text by Dovecot's own word"),
    ("{\"", "a JSON document, as Keycloak keeps passwords"),
    ("$1$", "crypt MD5"),
    ("$apr1$", "Apache MD5"),
    ("$y$", "crypt yescrypt"),
    ("$gy$", "crypt gost-yescrypt"),
    ("$7$", "crypt scrypt"),
    ("$sha1$", "crypt SHA-1"),
    ("$scrypt$", "scrypt in PHC or passlib format"),
    ("$pbkdf2-", "PBKDF2 of another hash function"),
    ("$wp$", "WordPress, of another algorithm than bcrypt $2y$"),
    ("$S$", "Drupal 7 SHA-512"),
    ("$fbscrypt$", "Firebase scrypt"),
    ("s2:", "Lucia 2 scrypt"),
    ("SCRAM-SHA-256$", "a PostgreSQL role's SCRAM verifier"),
    ("grub.pbkdf2.", "GRUB PBKDF2"),
    ("$ml$", "macOS PBKDF2"),
    ("$SHA$", "AuthMe salted SHA-256"),
    ("$sha$v=1$", "a salted SHA digest, written like crypt's formats"),
    ("PBKDF2$sha", "PBKDF2 as mosquitto-auth-plug writes it"),
    (":pbkdf2:", "MediaWiki PBKDF2"),
    (":B:", "MediaWiki salted MD5"),
];

/// What is stored where the salt has a column of its own.
const BESIDE_A_SALT: &str = "100 hexadecimal digits, as many as Gitea and Grafana store beside a salt";

/// Nextcloud and ownCloud write the version of their hasher and a bar before PHP's hash, and read all of them.
const VERSIONED: [&str; 3] = ["1|$2", "2|$argon2i$", "3|$argon2id$"];

/// Formats whose parts tell them: numbers and digests of known lengths between marks.
fn in_parts(hash: &str) -> Option<&'static str> {
    if VERSIONED.iter().any(|beginning| hash.starts_with(beginning)) {
        return Some("bcrypt or argon2 behind a version and a bar, as Nextcloud and ownCloud have it");
    }
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let base64 = |text: &str| text.len() >= 16 && STANDARD.decode(text).is_ok();
    if let [cost, block, lanes, salt, digest] = hash.split('$').collect::<Vec<_>>().as_slice() {
        let numbers = [cost, block, lanes].iter().all(|text| hexadecimal(text) && text.len() <= 8);
        if numbers && hexadecimal(salt) && salt.len() >= 16 && hexadecimal(digest) && digest.len() >= 32 {
            return Some("scrypt as Ruby's gem of that name writes it");
        }
    }
    match hash.split(':').collect::<Vec<_>>().as_slice() {
        ["sha1" | "sha256" | "sha512", rounds, size, salt, digest]
            if number(rounds) && number(size) && base64(salt) && base64(digest) =>
        {
            Some("PBKDF2 as defuse's PasswordStorage writes it")
        }
        ["sha1" | "sha256" | "sha512", rounds, salt, digest]
            if number(rounds) && base64(salt) && base64(digest) =>
        {
            Some("PBKDF2 as defuse's older PasswordHash writes it")
        }
        [digest, salt] if hexadecimal(digest) && digest.len() == 32 && !salt.is_empty() => {
            Some("a digest as long as MD5 gives with a salt behind it, as Joomla had it")
        }
        _ => None,
    }
}

/// What programs print in place of a value: (beginning, what it is).
const PRINTED: &[(&str, &str)] = &[
    ("[object ", "what JavaScript prints for an object, as for a promise that nobody awaited"),
    ("<coroutine object", "what Python prints for a coroutine that nobody awaited"),
    ("<memory at 0x", "what Python prints for a memoryview"),
    ("SecretStr(", "what Python prints for a SecretStr"),
    ("[B@", "what Java prints for an array of bytes"),
    ("System.Byte[]", "what .NET prints for an array of bytes"),
    ("Resource id #", "what PHP prints for a resource"),
    ("**********", "a row of asterisks, as pydantic prints a SecretStr"),
];

/// Password schemes of Dovecot and LDAP whose rest is a hash of its own.
const SCHEMES: &[&str] = &[
    "{BLF-CRYPT}",
    "{CRYPT}",
    "{crypt}",
    "{ARGON2ID}",
    "{ARGON2I}",
    "{ARGON2}",
    "{SHA512-CRYPT}",
    "{SHA256-CRYPT}",
    "{BCRYPT}",
];

/// Coats that are taken off one after the other.
const MOST_COATS: usize = 3;

/// What a stored password is, as far as its text tells.
pub fn describe(stored: &Stored<'_>) -> Description {
    described(stored, MOST_COATS)
}

fn described(stored: &Stored<'_>, coats: usize) -> Description {
    if let Some(format) = recognise(stored) {
        return Description::Readable(format);
    }
    let hash = stored.hash;
    if hash.is_empty() {
        return Description::Empty;
    }
    if let Some(whose) = locked(hash) {
        return Description::Locked(whose);
    }
    if let Some(coats) = coats.checked_sub(1) {
        for (coat, inside) in undressed(hash) {
            let inside = described(&Stored { hash: &inside, ..*stored }, coats);
            let told = match &inside {
                Description::Unrecognised | Description::Digits(_) => matches!(coat, Coat::PythonBytes),
                // Blanks alone are nothing, nothing in quotes is not.
                Description::Empty | Description::Locked(_) | Description::Printed(_) => {
                    matches!(coat, Coat::WhiteSpace)
                }
                _ => true,
            };
            if told {
                return Description::Coated { coat, inside: Box::new(inside) };
            }
        }
    }
    if let Some((_, what)) = PRINTED.iter().find(|(beginning, _)| hash.starts_with(beginning)) {
        return Description::Printed(what);
    }
    if ["null", "none", "undefined", "nan", "nil"].contains(&hash.to_ascii_lowercase().as_str()) {
        return Description::Printed("the word that a program prints for no value");
    }
    let begins = |beginning: &str| hash.starts_with(beginning);
    if let Some((_, name, whole, _)) = READ.iter().find(|(beginning, ..)| begins(beginning)) {
        let characters = hash.chars().count();
        return match whole {
            Some(whole) if *whole != characters => Description::Length { name, characters, whole: *whole },
            _ => Description::Damaged(name),
        };
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(beginning, _)| begins(beginning)) {
        return Description::Foreign(name);
    }
    in_parts(hash).map_or_else(|| by_shape(hash), Description::Foreign)
}

/// Marks that no password is accepted.
fn locked(hash: &str) -> Option<&'static str> {
    match hash {
        "!" | "!!" | "*" | "x" | "*LK*" | "*NP*" | "!*" => Some("as in /etc/shadow"),
        // Django 5.2, contrib/auth/hashers.py: an exclamation mark and 40 random characters.
        _ if hash.starts_with('!')
            && hash.len() == 41
            && hash.bytes().skip(1).all(|b| b.is_ascii_alphanumeric()) =>
        {
            Some("Django's unusable password")
        }
        // usermod -L puts the mark before the hash.
        _ if hash.starts_with("!$") => Some("a hash behind an exclamation mark, as usermod --lock leaves it"),
        _ => None,
    }
}

/// What may be inside of a text, by the coat that it would have.
fn undressed(text: &str) -> Vec<(Coat, Cow<'_, str>)> {
    let mut found: Vec<(Coat, Cow<'_, str>)> = Vec::new();
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    if trimmed.len() != text.len() {
        found.push((Coat::WhiteSpace, trimmed.into()));
        return found;
    }
    for quote in ['"', '\'', '`'] {
        let within = |text: &'_ str| Some(text.strip_prefix(quote)?.strip_suffix(quote)?.to_owned());
        if let Some(inside) = text.strip_prefix('b').and_then(within) {
            found.push((Coat::PythonBytes, inside.into()));
        }
        if let Some(inside) = within(text) {
            found.push((Coat::Quotes, inside.into()));
        }
    }
    if let Some(inside) = text.strip_prefix("\\x").and_then(unhex) {
        found.push((Coat::Bytea, inside.into()));
    }
    for scheme in SCHEMES {
        if let Some(inside) = text.strip_prefix(scheme) {
            found.push((Coat::Scheme(scheme), inside.into()));
        }
    }
    if text.contains('%')
        && let Ok(inside) = percent_decode_str(text).decode_utf8()
        && inside != text
    {
        found.push((Coat::PercentEncoded, inside));
    }
    if text.contains("\\$") {
        found.push((Coat::EscapedDollars, text.replace("\\$", "$").into()));
    }
    if text.contains("$$") && text.matches('$').count() == 2 * text.matches("$$").count() {
        found.push((Coat::DoubledDollars, text.replace("$$", "$").into()));
    }
    if let Some(inside) = unhex(text) {
        found.push((Coat::Hex, inside.into()));
    }
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        let inside = engine.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(inside) = inside.filter(|inside| printable(inside)) {
            found.push((Coat::Base64, inside.into()));
            break;
        }
    }
    found
}

/// The text that hexadecimal digits stand for.
fn unhex(digits: &str) -> Option<String> {
    String::from_utf8(super::scheme::unhex(digits)?).ok().filter(|inside| printable(inside))
}

fn printable(text: &str) -> bool {
    !text.is_empty() && !text.trim_end().chars().any(char::is_control)
}

/// Formats without a beginning of their own.
fn by_shape(hash: &str) -> Description {
    if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let which = match hash.len() {
            32 => "32 hexadecimal digits, as many as MD5 gives",
            40 => "40 hexadecimal digits, as many as SHA-1 gives",
            64 => "64 hexadecimal digits, as many as SHA-256 gives",
            100 => BESIDE_A_SALT,
            128 => "128 hexadecimal digits, as many as SHA-512 gives",
            _ => return Description::Unrecognised,
        };
        return Description::Digits(which);
    }
    Description::Unrecognised
}

#[cfg(test)]
mod tests;
