//! A stored password that is one of the right password under the wrong tag: an import wrote down another calculation than
//! the one that had made it. Only mistakes that people are known to have made are tried, two calculations at most.

use base64::{
    Engine as _,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig},
    },
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Stored, check,
    format::Format,
    parts,
    scheme::{self, Parts},
};
use crate::{api::password::PasswordFamily as F, passwords::registry::scheme};

/// What is wrong with what stands around the right digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistagged {
    /// It begins as another calculation's.
    Tag {
        /// What it begins with; empty where nothing stands before the bcrypt hash.
        stored: &'static str,
        /// What it would have to begin with in its place.
        right: &'static str,
        /// What the digest was made of, by the tag that would be right.
        made: &'static str,
    },
    /// The salt stands there as the text that went in, and its readers take it for base64.
    PlainSalt,
    /// The salt stands there in base64, and its readers take it as it stands.
    EncodedSalt,
}

/// What stands before a bcrypt hash, and what the hash is made of then.
type Tag = (F, &'static str, &'static str);

const PLAIN: Tag = (F::Bcrypt, "", "the password itself");
const DJANGO: Tag = (F::DjangoBcrypt, "bcrypt$", "the password itself");
const DJANGO_SHA256: Tag =
    (F::DjangoBcryptSha256, "bcrypt_sha256$", "the password's SHA-256 in hexadecimal digits");
const WORDPRESS: Tag = (F::WordPressBcrypt, "$wp", "WordPress's HMAC of the password");

/// The tag that a family has, and those that may be the right ones in its place.
fn tags(family: F) -> Option<(Tag, &'static [Tag])> {
    match family {
        F::DjangoBcryptSha256 => Some((DJANGO_SHA256, &[DJANGO])),
        F::DjangoBcrypt => Some((DJANGO, &[DJANGO_SHA256])),
        // Whoever reads bcrypt elsewhere takes the tag off.
        F::Bcrypt => Some((PLAIN, &[DJANGO_SHA256, WORDPRESS])),
        F::WordPressBcrypt => Some((WORDPRESS, &[PLAIN])),
        _ => None,
    }
}

/// What is wrong with a stored password that does not verify as what it says that it is, and is one of this password
/// all the same; `None` where no such mistake is found.
pub fn mistagged(stored: &Stored<'_>, password: &SecretString) -> Option<Mistagged> {
    let found = parts(stored)?;
    found.format.bounded().ok()?;
    let Parts { format, salt, digest } = &found;
    let made_by = |family: F, salt: &[u8]| {
        check(family, password).ok()?;
        let format = Format { family, ..*format };
        let made = (scheme(family).derive)(&format, salt, password.expose_secret().as_bytes(), digest.len())?;
        scheme::equal(&made, digest).then_some(())
    };
    if let Some(((_, tag, _), others)) = tags(format.family) {
        let right = others.iter().find(|(family, ..)| made_by(*family, salt).is_some())?;
        return Some(Mistagged::Tag { stored: tag, right: right.1, made: right.2 });
    }
    match format.family {
        F::PasslibPbkdf2Sha1 | F::PasslibPbkdf2Sha256 | F::PasslibPbkdf2Sha512 => {
            let text = stored.hash.rsplit('$').nth(1)?;
            made_by(format.family, text.as_bytes()).map(|()| Mistagged::PlainSalt)
        }
        F::DjangoPbkdf2Sha1 | F::DjangoPbkdf2Sha256 => {
            let text = std::str::from_utf8(salt).ok()?;
            made_by(format.family, &BASE64.decode(text).ok()?).map(|()| Mistagged::EncodedSalt)
        }
        _ => None,
    }
}

/// Base64 with or without padding, as each maker has it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::*;
    use crate::passwords::{Cost, make, recognise, verify};

    const WORD: &str = "canary-9b1f-the right one";

    fn word(text: &str) -> SecretString {
        text.to_owned().into()
    }

    fn cheap(family: F) -> Format {
        let default = Format::default_of(family);
        let cost = match default.cost {
            Cost::Power(_) => Cost::Power(4),
            _ => Cost::Rounds(1_000),
        };
        Format { cost, ..default }
    }

    fn made(family: F) -> String {
        let format = Format {
            prefix: if family == F::Bcrypt { "$2y$" } else { cheap(family).prefix },
            ..cheap(family)
        };
        make(&format, &word(WORD)).unwrap().hash.expose_secret().to_owned()
    }

    /// Reads as one that is not of this password, and is told as what it is, for this password alone.
    fn is_told(stored: &str, what: Mistagged) {
        let stored = Stored::from(stored);
        assert!(recognise(&stored).is_some(), "{what:?}");
        assert_eq!(verify(&stored, &word(WORD)), Ok(false), "{what:?}");
        assert_eq!(mistagged(&stored, &word(WORD)), Some(what));
        assert_eq!(mistagged(&stored, &word("canary-9b1f-another one")), None);
    }

    fn tag(stored: Tag, right: Tag) -> Mistagged {
        Mistagged::Tag { stored: stored.1, right: right.1, made: right.2 }
    }

    #[test]
    fn a_tag_of_bcrypt_that_another_calculation_stands_behind_is_told_with_the_right_one() {
        for (family, stored, right) in [
            (F::Bcrypt, DJANGO_SHA256, DJANGO),
            (F::DjangoBcryptSha256, DJANGO, DJANGO_SHA256),
            (F::DjangoBcryptSha256, PLAIN, DJANGO_SHA256),
            (F::WordPressBcrypt, PLAIN, WORDPRESS),
            (F::Bcrypt, WORDPRESS, PLAIN),
        ] {
            let whole = made(family);
            let hash = &whole[whole.find("$2").unwrap()..];
            is_told(&format!("{}{hash}", stored.1), tag(stored, right));
            let mended = format!("{}{hash}", right.1);
            assert_eq!(verify(&Stored::from(mended.as_str()), &word(WORD)), Ok(true), "{right:?}");
        }
    }

    #[test]
    fn a_salt_that_was_taken_over_as_it_stood_is_told() {
        let digest = |salt: &[u8]| {
            scheme::pbkdf2(scheme::Prf::Sha256, Cost::Rounds(1_000), salt, WORD.as_bytes(), 32).unwrap()
        };
        // As whoever changes Django's tag and its base64 to passlib's has it.
        let salt = "eWZncb8EO0lM";
        let encoded = STANDARD_NO_PAD.encode(digest(salt.as_bytes())).replace('+', ".");
        is_told(&format!("$pbkdf2-sha256$1000${salt}${encoded}"), Mistagged::PlainSalt);

        let encoded = STANDARD.encode(digest(&BASE64.decode(salt).unwrap()));
        is_told(&format!("pbkdf2_sha256$1000${salt}${encoded}"), Mistagged::EncodedSalt);
    }

    #[test]
    fn what_is_stored_rightly_or_has_no_tag_of_these_is_not_told() {
        for family in
            [F::Bcrypt, F::DjangoBcrypt, F::DjangoBcryptSha256, F::DjangoPbkdf2Sha256, F::Sha256Crypt]
        {
            let stored = made(family);
            assert_eq!(mistagged(&Stored::from(stored.as_str()), &word("canary-9b1f-another one")), None);
        }
        assert_eq!(mistagged(&Stored::from("nothing of the kind"), &word(WORD)), None);
        // bcrypt would cut it off, and two such passwords would be one.
        let long = "x".repeat(80);
        let of = make(&cheap(F::DjangoBcryptSha256), &word(&long)).unwrap();
        let stored = of.hash.expose_secret().replace("bcrypt_sha256$", "bcrypt$");
        assert_eq!(mistagged(&Stored::from(stored.as_str()), &word(&long)), Some(tag(DJANGO, DJANGO_SHA256)));
        let short = make(&cheap(F::Bcrypt), &word(&"x".repeat(72))).unwrap();
        let stored = format!("bcrypt_sha256${}", short.hash.expose_secret());
        assert_eq!(mistagged(&Stored::from(stored.as_str()), &word(&long)), None);
    }
}
