//! Whether a text holds a stored password somewhere: what is printed of a row goes to people who may not read it.

use super::{
    Stored,
    describe::{Coat, Description, FOREIGN, READ, describe},
};

/// Characters behind the beginning of a format that make it one; a sentence about formats has none of them.
const ENOUGH: usize = 16;

/// Whether a value is a stored password, whole, damaged or in a coat, or has one somewhere inside of it, as a
/// document or a copied row has.
pub fn holds_hash(text: &str) -> bool {
    is_hash(&describe(&Stored::from(text))) || beginnings().any(|beginning| begins_within(text, beginning))
}

fn is_hash(description: &Description) -> bool {
    match description {
        Description::Readable(_) | Description::Length { .. } | Description::Damaged(_) => true,
        // A document is judged by what stands in it.
        Description::Foreign(name) => !name.contains("JSON"),
        Description::Coated { coat: Coat::WhiteSpace | Coat::Quotes, inside } => is_hash(inside),
        Description::Coated { inside, .. } => is_hash(inside) || matches!(**inside, Description::Digits(_)),
        Description::Digits(which) => ["100", "128"].iter().any(|digits| which.starts_with(digits)),
        _ => false,
    }
}

/// Beginnings that say what follows wherever they stand. In braces they stand before another one.
fn beginnings() -> impl Iterator<Item = &'static str> {
    let read = READ.iter().map(|(beginning, ..)| *beginning);
    read.chain(FOREIGN.iter().map(|(beginning, _)| *beginning)).filter(|beginning| {
        beginning.len() > 2
            && !beginning.starts_with('{')
            && (beginning.len() > 3 || beginning.starts_with('$'))
    })
}

fn begins_within(text: &str, beginning: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "./$=,+:_-".contains(c);
    text.match_indices(beginning).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let apart = beginning.starts_with('$') || before.is_none_or(|c| !c.is_ascii_alphanumeric());
        apart && text[at + beginning.len()..].chars().take_while(|c| part(*c)).count() >= ENOUGH
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::password::PasswordFamily, passwords::Format};

    const BCRYPT: &str = "$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG";

    #[test]
    fn a_stored_password_is_found_wherever_a_value_has_it() {
        let argon2 = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$0vNdIgm7ewJsmvsH2QqOV6kEzjRJ6S6iJBIB3A3D4Gs";
        let hex: String = BCRYPT.bytes().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            BCRYPT.to_owned(),
            format!(" {BCRYPT}\n"),
            format!("\"{BCRYPT}\""),
            BCRYPT[..40].to_owned(),
            format!("\\x{hex}"),
            hex,
            format!("{{bcrypt}}{BCRYPT}"),
            format!("{{\"user\": 5, \"old\": {{\"hashed_password\": \"{BCRYPT}\"}}}}"),
            format!("(5,ada@example.com,{BCRYPT},t)"),
            format!("{{NULL,{argon2}}}"),
            format!("changed from {argon2} to another"),
            "password=pbkdf2_sha256$600000$abcdefgh$abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG=".to_owned(),
            "$1$abcdefgh$abcdefghijklmnopqrstuv".to_owned(),
            "5,scrypt:32768:8:1$abcdefghijklmnop$0123456789abcdef0123456789abcdef".to_owned(),
            "a".repeat(100),
        ] {
            assert!(holds_hash(&text), "{text}");
        }
    }

    #[test]
    fn other_values_are_shown_as_they_are() {
        for text in [
            "",
            "5",
            "ada@example.com",
            "00000000-0000-4000-8000-000000000005",
            "0123456789abcdef0123456789abcdef",
            "{\"a\": [1, 2], \"note\": \"costs $5$ or $6$\"}",
            "bcrypt hashes begin with $2b$ and have 60 characters",
            "2024-05-01 10:00:00+00",
            "notes2: something that was written down",
            "!",
        ] {
            assert!(!holds_hash(text), "{text}");
        }
    }

    #[test]
    fn every_family_that_keeps_all_in_one_column_is_found_inside_of_a_document() {
        for family in PasswordFamily::ALL {
            let format = Format::default_of(*family);
            let cheap = crate::passwords::tests::cheap().into_iter().find(|cheap| cheap.family == *family);
            let Some(made) =
                cheap.and_then(|cheap| crate::passwords::make(&cheap, &"word".to_owned().into()).ok())
            else {
                continue;
            };
            if made.salt.is_none() {
                let hash = secrecy::ExposeSecret::expose_secret(&made.hash);
                assert!(holds_hash(hash), "{format}");
            }
        }
    }
}
