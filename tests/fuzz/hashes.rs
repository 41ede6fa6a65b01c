//! Stored passwords, as rows have them.

use auth_consistency::{
    api::password::PasswordFamily,
    passwords::{
        Cost, Format, PasswordError, Stored, describe, holds_hash, recognise, recognise_as, specimen, survey,
        verify,
    },
};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use crate::{canary::keeps_canary, mutate::Target};

/// Whether to compute a hash takes less than a moment.
fn is_cheap(format: &Format) -> bool {
    match format.cost {
        Cost::Power(power) => power <= 5,
        Cost::Rounds(rounds) => rounds <= 2_000,
        Cost::Scrypt { log_n, r, p } => log_n <= 8 && r <= 8 && p <= 2,
        Cost::Argon2 { memory, passes, lanes } => memory <= 128 && passes <= 2 && lanes <= 4,
    }
}

/// Whether it is refused before anything is computed: far more than any app has.
fn is_absurd(format: &Format) -> bool {
    match format.cost {
        Cost::Power(power) => power > 31,
        Cost::Rounds(rounds) => rounds > 20_000_000,
        Cost::Scrypt { log_n, r, .. } => log_n > 24 || r > 4_096,
        Cost::Argon2 { memory, passes, .. } => memory > 2 << 20 || passes > 1_000_000,
    }
}

fn property(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Apps have salt and algorithm in columns of their own, too.
    let mut parts = text.split('\u{1}');
    let stored =
        Stored { hash: parts.next().unwrap_or_default(), salt: parts.next(), algorithm: parts.next() };
    let description = describe(&stored);
    let shown = format!("{description} {description:?} {stored:?}");
    keeps_canary(&shown);
    assert!(shown.len() < 1_000, "{} bytes are said of it", shown.len());
    let _ = (
        description.is_none(),
        description.is_broken(),
        description.cut_from(),
        description.is_beside_a_salt(),
    );
    let found = recognise(&stored);
    // What may hold a hash is not shown: a hash alone does.
    if found.is_some() && stored.salt.is_none() {
        assert!(holds_hash(stored.hash), "a hash that is recognised is not taken for one");
    }
    let _ = holds_hash(&text);
    let families: Vec<Format> =
        PasswordFamily::ALL.iter().filter_map(|family| recognise_as(&stored, *family)).collect();
    assert_eq!(found.is_some(), !families.is_empty());
    for format in &families {
        let shown = format!("{format} {format:?} {}", format.seems());
        keeps_canary(&shown);
        let new = format.for_new();
        assert_eq!(new.for_new(), new, "what is made new is made so again");
        if let Some(made) = specimen(&new) {
            assert_eq!(
                recognise_as(&made.as_stored(), new.family),
                Some(new),
                "{}",
                made.hash.expose_secret()
            );
        }
    }
    let all = survey([stored, stored, stored]);
    assert_eq!(all.sample, 3);
    keeps_canary(&format!("{all:?} {:?}", all.majority()));
    let verified = if families.iter().all(|format| is_cheap(format) || is_absurd(format)) {
        let verified = verify(&stored, &"another password".into());
        if let Err(error) = &verified {
            keeps_canary(&format!("{error} {error:?}"));
        }
        if families.iter().any(is_absurd) && families.len() == 1 {
            assert!(matches!(verified, Err(PasswordError::Excessive { .. })), "{verified:?}");
        }
        assert_ne!(verified, Ok(true), "a password that nobody chose fits");
        format!("{verified:?}")
    } else {
        String::new()
    };
    let kind = format!("{description:?}");
    format!(
        "{} {families:?} {}",
        kind.split(['{', '"']).next().unwrap_or_default(),
        verified.split(['{', '"']).next().unwrap_or_default()
    )
    .chars()
    .filter(|c| !c.is_ascii_digit())
    .collect()
}

#[test]
fn no_stored_password_makes_it_panic_or_compute_for_long_and_none_is_repeated() {
    let mut seeds: Vec<String> = PasswordFamily::ALL
        .iter()
        .filter_map(|family| specimen(&Format::default_of(*family)))
        .map(|made| {
            let salt = made.salt.as_ref().map(|salt| salt.expose_secret().to_owned()).unwrap_or_default();
            format!("{}\u{1}{salt}\u{1}{}", made.hash.expose_secret(), made.algorithm.unwrap_or_default())
        })
        .flat_map(|text| [text.split('\u{1}').next().unwrap_or_default().to_owned(), text])
        .collect();
    assert!(seeds.len() > 40, "{seeds:?}");
    seeds.extend(
        [
            "$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$0vNdIgm7ewJsmvsH2QqOV6kEzjRJ6S6iJBIB3A3D4Gs",
            "pbkdf2_sha256$1000$salt$Q5Zfkkm/EKFXOG0ceyhd7xUExVL2anyV/UxZpOoRNAk=",
            "scrypt:16:8:1$ov31coT8smwz280q$c467995404b40bd6de1a943376dc57003dce8300f56f52d57be91648b1464f48",
            "{scrypt}$40801$iaA4zlceFyZbig+xQ74kF74EiVHs/0/x4S5OF6BPoIw=$+bztmvzJVueLt7lMA7J2QhXcYuEbZ+C6imuul9qgTIo=",
            "$5$rounds=1000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
            "$P$5IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0",
            "AQAAAAIAAAAyAAAAEOMwvh3+FZxqkdMBz2ekgGhwQ4B6pZWND6zgESBuWiHw",
            "{SSHA}Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
            "b'$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG'",
            "!locked",
            "None",
        ]
        .map(str::to_owned),
    );
    Target {
        name: "hashes",
        seeds: seeds.into_iter().map(String::into_bytes).collect(),
        words: &[b"$", b"$$", b"\x01", b"$2b$04$", b"$2y$31$", b"$argon2id$v=19$", b"m=4294967295,", b"t=1,p=1", b"m=8,",
            b"pbkdf2_sha256$", b"scrypt:", b"{bcrypt}", b"{scrypt}", b"rounds=999999999$", b"$pbkdf2-sha256$", b"$6$", b"$P$",
            b"$wp$", b"AQAAAA", b"=", b"==", b"\\x", b"b'", b"'", b"%24", b" ", b"00000000", b"4294967296", b"-1", b"+1"],
        strategy: "([$][a-z0-9-]{1,8}[$]|[a-z0-9_]{2,14}[$:]|[{][a-zA-Z0-9]{1,8}[}])?(rounds=|m=|ln=|v=)?[0-9,=mtp]{0,16}[$:]?[A-Za-z0-9./+=$]{0,90}"
            .prop_map(String::into_bytes)
            .boxed(),
        property: Box::new(property),
        work: 4,
    }
    .run();
}
