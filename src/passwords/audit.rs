//! What is odd about a password that is going to be written: it works, but hardly as whoever stored it meant it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::{Stored, recognise};

/// One thing that is odd about a password. Never holds a part of it; its text says what will have to be typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordWarning {
    /// A word of a tutorial, an example or a default.
    Placeholder,
    /// A variable or template that nobody filled in.
    Unfilled,
    /// The address of a secret elsewhere, or an encrypted text, in place of the secret.
    Unresolved(&'static str),
    /// What a program prints for no value.
    NoValue,
    /// A whole line of an environment file: `NAME=value`.
    Assignment,
    /// A JSON document.
    JsonDocument,
    /// A hash, as it is stored.
    Hash,
    /// A hash as it is stored, cut off.
    CutHash,
    /// A bytes object as Python prints it: `b'…'`.
    PythonBytes,
    /// The path of a file in place of what the file holds.
    Path,
    /// Each `$` twice, as a Compose file wants it.
    DoubledDollars,
    /// The two signs of a line break in place of one, at its end.
    WrittenLineBreak,
    /// Quotes around it.
    Quotes,
    /// Blanks at its beginning or end.
    Blanks,
    /// A line break at its end, which is left off.
    LineBreakLeftOff,
    /// A line break at its end.
    LineBreakAtEnd,
    /// A line break or tabulator inside.
    LineBreakInside,
    /// A byte order mark at its beginning.
    ByteOrderMark,
    /// UTF-16.
    Utf16,
    /// Characters that nobody sees, or that look like others.
    Invisible,
    /// Base64 of a text.
    Base64,
    /// Base64 of base64 of a text.
    Base64Twice,
}

impl fmt::Display for PasswordWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Placeholder => "it is a well-known word of examples and defaults, so anybody can guess it",
            Self::Unfilled => {
                "it is a variable or template that nobody filled in: to sign in, its name has to be typed as it stands, with all signs around it"
            }
            Self::Unresolved(what) => {
                return write!(
                    f,
                    "it is {what}, not the secret that this stands for: to sign in, that text has to be typed as it stands"
                );
            }
            Self::NoValue => "it is the word that a program prints for no value, and that word has to be typed to sign in",
            Self::Assignment => {
                "it is a whole line NAME=value: to sign in, the name and the equals sign have to be typed too"
            }
            Self::JsonDocument => "it is a JSON document: to sign in, all of it has to be typed, braces and quotes too",
            Self::Hash => "it is a hash already: to sign in, the hash has to be typed, not the password that it was made of",
            Self::CutHash => "it is a hash that was cut off, as a shell or a Compose file does where it takes a $ for a variable: to sign in, what is left of it has to be typed, not the password that the hash was made of",
            Self::PythonBytes => "it stands in b'…', as Python prints bytes, and that is part of it: to sign in, the b and the quotes have to be typed too",
            Self::Path => "it is the path of a file, not what the file holds: to sign in, the path has to be typed",
            Self::DoubledDollars => "each $ of it is written twice, as a Compose file wants it: to sign in, each has to be typed twice",
            Self::WrittenLineBreak => "it ends with a backslash and a letter, as a line break is written in quotes, and they are part of it: to sign in, both have to be typed too",
            Self::Quotes => "it stands in quotes, and they are part of it: to sign in, they have to be typed too",
            Self::Blanks => {
                "it begins or ends with white space, which is part of it: to sign in, that has to be typed too, and a form that trims what is typed refuses it"
            }
            Self::LineBreakLeftOff => {
                "ends with a line break, which is left off: to sign in, what stands before it has to be typed, and an app that reads the same Secret may take it for a part of the password, so store it without one, as `printf %s` writes it"
            }
            Self::LineBreakAtEnd => {
                "it ends with a line break (one more than the one that is left off), which is part of it and cannot be typed into most forms"
            }
            Self::LineBreakInside => {
                "a line break or tabulator is part of it, which cannot be typed into most forms"
            }
            Self::ByteOrderMark => {
                "it begins with a byte order mark, which is part of it, is seen nowhere and cannot be typed"
            }
            Self::Utf16 => "it is encoded as UTF-16: the app compares other bytes than those that are typed",
            Self::Invisible => {
                "characters are part of it that nobody sees or that look like others (a no-break or zero-width space, typographic quotes, a control character): to sign in, exactly these have to be typed"
            }
            Self::Base64 => {
                "it is base64 of a text, as a Secret's data has when it was encoded once too often: to sign in, the base64 has to be typed, not the text"
            }
            Self::Base64Twice => {
                "it is base64 of base64 of a text, as a Secret's data has when it was encoded twice too often: to sign in, the base64 has to be typed, not the text"
            }
        })
    }
}

/// Passwords of tutorials, examples and defaults. Compared without regard to case, after trimming.
const PLACEHOLDERS: &[&str] = &[
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "111111",
    "abc123",
    "admin",
    "admin123",
    "adminadmin",
    "administrator",
    "adminpassword",
    "admin-password",
    "change-it",
    "change-me",
    "change-this",
    "change_it",
    "change_me",
    "change_this",
    "changeit",
    "changeme",
    "changeme!",
    "changeme1",
    "changeme123",
    "changeme123!",
    "changethis",
    "default",
    "dummy",
    "example",
    "fixme",
    "foo",
    "foobar",
    "guest",
    "insecure",
    "letmein",
    "mypassword",
    "mysecretpassword",
    "p@ssw0rd",
    "p@ssword",
    "pass",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password123",
    "password123!",
    "placeholder",
    "postgres",
    "pleasechangeme",
    "please-change-me",
    "qwerty",
    "redacted",
    "replace-me",
    "replace_me",
    "replaceme",
    "root",
    "s3cr3t",
    "sample",
    "secret",
    "secret123",
    "secretpassword",
    "supersecret",
    "supersecretpassword",
    "tbd",
    "temp",
    "test",
    "test123",
    "testpassword",
    "testing",
    "todo",
    "toor",
    "user",
    "welcome",
    "welcome1",
    "xxx",
    "xxxx",
    "xxxxxx",
    "xxxxxxxx",
    "your-password",
    "your-password-here",
    "your_password",
    "your_password_here",
    "yourpassword",
    "yourpasswordhere",
    "***",
    "********",
];

/// What is written in place of a secret by those who resolve it before an app sees it: (beginning, what it is).
const UNRESOLVED: &[(&str, &str)] = &[
    ("ENC[AES256_GCM,", "a value that SOPS encrypted and nobody decrypted"),
    ("$ANSIBLE_VAULT;", "a value that Ansible Vault encrypted and nobody decrypted"),
    ("-----BEGIN AGE ENCRYPTED FILE-----", "a file that age encrypted and nobody decrypted"),
    ("-----BEGIN PGP MESSAGE-----", "a message that PGP encrypted and nobody decrypted"),
    ("op://", "the address of a secret in 1Password"),
    ("vault:", "the address of a secret in Vault"),
    ("ref+", "the address of a secret as vals resolves it"),
    ("secretref+", "the address of a secret as vals resolves it"),
    ("arn:aws:secretsmanager:", "the name of a secret of AWS"),
    ("arn:aws:ssm:", "the name of a parameter of AWS"),
    ("{{resolve:", "a reference as AWS CloudFormation resolves it"),
    ("@Microsoft.KeyVault(", "a reference to a key vault of Azure"),
    ("<path:", "a placeholder that argocd-vault-plugin was to replace"),
];

/// What is odd about a password, in the order in which it matters; nothing for most.
pub fn audit_password(password: &SecretString) -> Vec<PasswordWarning> {
    audit(password.expose_secret())
}

/// As [`audit_password`], of a Secret's bytes as they are stored: a line break at their end, which is left off when
/// the password is read, and UTF-16 with its byte order mark are told too.
pub fn audit_secret(bytes: &[u8]) -> Vec<PasswordWarning> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let marked = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        return marked.then_some(PasswordWarning::Utf16).into_iter().collect();
    };
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    let mut found = audit(line);
    if line.len() != text.len() && !found.contains(&PasswordWarning::Utf16) {
        found.push(PasswordWarning::LineBreakLeftOff);
    }
    found
}

fn audit(text: &str) -> Vec<PasswordWarning> {
    let mut found = Vec::new();
    let unmarked = text.trim_start_matches('\u{feff}');
    if unmarked.len() != text.len() {
        found.push(PasswordWarning::ByteOrderMark);
    }
    if is_utf16(text) {
        found.push(PasswordWarning::Utf16);
        return found;
    }
    let one_line = unmarked.trim_end_matches(['\n', '\r']);
    if one_line.len() != unmarked.len() {
        found.push(PasswordWarning::LineBreakAtEnd);
    }
    let trimmed = one_line.trim();
    if trimmed.len() != one_line.len() {
        found.push(PasswordWarning::Blanks);
    }
    if trimmed.contains(['\n', '\r', '\t']) {
        found.push(PasswordWarning::LineBreakInside);
    }
    // Written out, as by an `echo` that does not know it or in single quotes of YAML.
    let written = ["\\r\\n", "\\n"].into_iter().find_map(|sign| trimmed.strip_suffix(sign));
    if written.is_some() {
        found.push(PasswordWarning::WrittenLineBreak);
    }
    let trimmed = written.unwrap_or(trimmed);
    let core = unquoted(trimmed).trim();
    if core.len() != trimmed.len() {
        found.push(PasswordWarning::Quotes);
    }
    if core.contains(is_invisible) {
        found.push(PasswordWarning::Invisible);
    }
    found.extend(meaning(core));
    found
}

/// What a text is that was meant as something else.
fn meaning(core: &str) -> Option<PasswordWarning> {
    let begins = |(beginning, _): &&(&str, &str)| core.starts_with(beginning);
    if PLACEHOLDERS.iter().any(|known| known.eq_ignore_ascii_case(core)) {
        Some(PasswordWarning::Placeholder)
    } else if let Some((_, what)) = UNRESOLVED.iter().find(begins) {
        Some(PasswordWarning::Unresolved(what))
    } else if ["null", "undefined", "none", "nil", "<no value>", "<nil>"]
        .contains(&core.to_ascii_lowercase().as_str())
    {
        Some(PasswordWarning::NoValue)
    } else if python_bytes(core) {
        Some(PasswordWarning::PythonBytes)
    } else if is_path(core) {
        Some(PasswordWarning::Path)
    } else if is_doubled(core) {
        Some(PasswordWarning::DoubledDollars)
    } else if is_unfilled(core) {
        Some(PasswordWarning::Unfilled)
    } else if recognise(&Stored::from(core)).is_some() {
        Some(PasswordWarning::Hash)
    } else if is_cut_hash(core) {
        Some(PasswordWarning::CutHash)
    } else if core.starts_with('{')
        && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(core).is_ok()
    {
        Some(PasswordWarning::JsonDocument)
    } else if is_assignment(core) {
        Some(PasswordWarning::Assignment)
    } else if let Some(inside) = text_in_base64(core) {
        let twice = text_in_base64(inside.trim()).is_some();
        Some(if twice { PasswordWarning::Base64Twice } else { PasswordWarning::Base64 })
    } else {
        None
    }
}

/// `b'…'` and `b"…"`, with something between the quotes.
fn python_bytes(core: &str) -> bool {
    ['\'', '"'].into_iter().any(|quote| {
        let inside = core.strip_prefix('b').and_then(|rest| rest.strip_prefix(quote)?.strip_suffix(quote));
        inside.is_some_and(|inside| !inside.is_empty() && !inside.contains(quote))
    })
}

/// Where secrets are mounted by custom, with a name behind it and nothing that no path has.
fn is_path(core: &str) -> bool {
    let core = core.strip_prefix("file://").unwrap_or(core);
    ["/run/secrets/", "/var/run/secrets/", "/etc/secrets/", "/mnt/secrets/", "/vault/secrets/"]
        .into_iter()
        .filter_map(|place| core.strip_prefix(place))
        .any(|name| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte))
        })
}

/// Every `$` is doubled, and more than one of them, or what is left with single ones is a hash or a variable: one
/// `$$` alone is what people write for two letters.
fn is_doubled(core: &str) -> bool {
    let pairs = core.matches("$$").count();
    if pairs == 0 || core.matches('$').count() != 2 * pairs {
        return false;
    }
    let single = core.replace("$$", "$");
    pairs > 1 || is_unfilled(&single) || recognise(&Stored::from(single.as_str())).is_some()
}

/// What is left of a hash whose parts a shell or a Compose file took for variables, or that a column cut off. Only
/// beginnings that nobody thinks of.
fn is_cut_hash(core: &str) -> bool {
    let bcrypt = ["$2a$", "$2b$", "$2y$"].into_iter().find_map(|prefix| core.strip_prefix(prefix));
    let cost = |rest: &str| {
        let (cost, salt) = rest.split_once('$')?;
        (cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit()) && salt.len() >= 4).then_some(())
    };
    bcrypt.is_some_and(|rest| cost(rest).is_some())
        || ["$argon2id$v=", "$argon2i$v=", "pbkdf2_sha256$", "scrypt:32768:", "$pbkdf2-sha"]
            .into_iter()
            .any(|beginning| core.len() > beginning.len() + 4 && core.starts_with(beginning))
}

fn unquoted(text: &str) -> &str {
    for (open, close) in
        [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’'), ('„', '“'), ('«', '»')]
    {
        if let Some(inside) = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)) {
            return inside;
        }
    }
    text
}

fn is_invisible(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    let blank = character.is_whitespace() && !character.is_ascii();
    let unseen = matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    );
    control || blank || unseen || matches!(character, '“' | '”' | '‘' | '’' | '„' | '‚')
}

/// UTF-16 of ASCII text that was read as UTF-8: every second byte is zero. (With its byte order mark it is no
/// UTF-8, and no password at all.)
fn is_utf16(text: &str) -> bool {
    let zeros = text.bytes().filter(|byte| *byte == 0).count();
    text.len() >= 4 && zeros * 3 > text.len()
}

/// `NAME`, `name`, `Values.name`.
fn is_name(name: &str, least: usize) -> bool {
    name.len() >= least
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A variable or template that nobody filled in. The signs must enclose words, so that a random password with
/// a dollar sign in it never counts.
fn is_unfilled(core: &str) -> bool {
    let enclosed =
        |open: &str, close: &str| core.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let words = |text: &str| {
        text.len() >= 3
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _.-'\"|/".contains(&byte))
            && text.bytes().filter(u8::is_ascii_alphabetic).count() * 2 > text.len()
    };
    let capitals = |name: &str| {
        is_name(name, 3)
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
    };
    // `$NAME`, `%NAME%`, `__NAME__`, `@NAME@`.
    core.strip_prefix('$').is_some_and(|name| capitals(name) || (is_name(name, 4) && name.contains('_')))
        || [("%", "%"), ("__", "__"), ("@", "@")]
            .into_iter()
            .any(|(open, close)| enclosed(open, close).is_some_and(capitals))
        // `<your password>`, `[password]`, `<%= … %>`, `#{NAME}#`.
        || [("<", ">"), ("[", "]"), ("<%=", "%>"), ("#{", "}#"), ("#{", "}")]
            .into_iter()
            .any(|(open, close)| enclosed(open, close).is_some_and(words))
        // `${NAME}`, `${NAME:-default}` and `$(NAME)`, which Kubernetes leaves as they are; `{{ .Values.x }}`.
        || [("${", "}", ":?"), ("$(", ")", " "), ("{{", "}}", " ")].into_iter().any(|(open, close, until)| {
            core.split(open).skip(1).any(|rest| {
                let inside = rest.split_once(close).map_or("", |(inside, _)| inside);
                let first = inside.trim_start_matches(['.', '-', '$', ' ']).split(|c| until.contains(c)).next();
                first.is_some_and(|name| is_name(name.trim(), 2))
            })
        })
}

fn is_assignment(core: &str) -> bool {
    let core = core.strip_prefix("export ").unwrap_or(core);
    core.split_once('=').is_some_and(|(name, value)| {
        let capitals =
            name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        capitals
            && is_name(name, 3)
            && (name.contains('_') || name.starts_with("PASS"))
            && !value.trim_matches('=').is_empty()
    })
}

/// The text that base64 stands for: printable, and too long or too well padded for chance.
fn text_in_base64(text: &str) -> Option<String> {
    let inside = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let line = inside.trim_end_matches(['\n', '\r']);
    let printable = line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    // By chance six random bytes are printable once in 400 times, nine once in 8000.
    let long = line.len() >= 9 || (line.len() >= 4 && (text.ends_with('=') || line.len() != inside.len()));
    (printable && long).then_some(inside)
}

#[cfg(test)]
mod tests;
