use crate::tokens::text::hex;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;

/// 32 random characters, 64 random hexadecimal digits, and 32 random bytes in base64.
const GOOD: &str = "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*";
const GOOD_HEX: &str = "9f4c1e77d0b3a86512fe0c9ad4438be7615cf20a3d98e1b47702cd5ea96b14f3";
const GOOD_BASE64: &str = "n0wed9CzqGUS/gya1EOL52Fc8go9mOG0dwLNXqlrFPM=";

fn found(key: impl AsRef<[u8]>) -> Vec<KeyWeakness> {
    audit(&SigningKey::new(key.as_ref().to_vec()).unwrap(), Algorithm::HS256)
}

#[test]
fn random_keys_have_no_weakness() {
    for key in [GOOD, GOOD_HEX, GOOD_BASE64, "20418573960417285930617284950163", &GOOD_HEX[..32]] {
        assert_eq!(found(key), [], "{key}");
    }
}

#[test]
fn a_previous_key_that_cannot_be_used_is_told_and_breaks_nothing() {
    use crate::tokens::{KeyIds, KeySet};

    // An old shared secret, after the app went over to RS256.
    for (old, said) in
        [(GOOD, "as the previous key"), (r#"{"keys":[]}"#, "of a previous key: the JWKS holds no key")]
    {
        let (keys, _) = KeySet::read_previous(old.into(), Algorithm::RS256, &KeyIds::default()).unwrap();
        let [weakness] = &audit(&keys[0], Algorithm::RS256)[..] else { panic!() };
        assert_eq!(weakness.severity_of(Part::Previous), Severity::Warning);
        assert_eq!(weakness.severity_of(Part::Signing), Severity::Error);
        let message = weakness.message_of(Part::Previous);
        assert!(message.contains(said) && !message.contains("signing key"), "{message}");
        assert_eq!(weakness.message_of(Part::Signing), weakness.message());
    }
    // Whoever guesses it can sign as long as it is accepted.
    let guessable = &found("your-256-bit-secret")[0];
    assert_eq!(guessable.severity_of(Part::Previous), Severity::Critical);
}

#[test]
fn what_stands_for_a_key_is_told_and_random_text_is_not() {
    for key in [
        "/var/www/app/config/jwt/private.pem",
        "%kernel.project_dir%/config/jwt/private.pem",
        "https://idp.example.com/realms/main/protocol/openid-connect/certs",
        "op://production/probeops-jwt/password",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:jwt-AbCdEf",
        "vault:secret/data/probeops#JWT_SECRET",
        "ENC[AES256_GCM,data:abcdefgh,iv:abc=,tag:abc=,type:str]",
        "file:///run/secrets/jwt_signing_key.txt",
        "/run/secrets/jwt_signing_key_of_this_app",
        "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/jwt/)",
        "projects/123/secrets/jwt-secret/versions/latest",
        "ref+awsssm://prod/jwt/secret-signing-key",
        "process.env.JWT_SECRET || randomBytes(32)",
        "$2b$12$abcdefghijklmnopqrstuuO8m8p3yq0gk3iB0yKyH9Z4cR5m2dXy6",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyb2xlIjoiYW5vbiJ9.aaaa",
    ] {
        let found = found(key);
        let [weakness @ KeyWeakness::Reference(_)] = &found[..] else { panic!("{key}: {found:?}") };
        assert_eq!(weakness.severity(), Severity::Warning);
        assert!(weakness.message().starts_with("the signing key looks like "), "{}", weakness.message());
        assert!(!weakness.message().contains(key));
    }
    // Base64 begins with a slash in one case of 64.
    for key in [format!("/{GOOD_BASE64}"), format!("/{}", &GOOD_HEX[1..]), format!("eyJ{GOOD_HEX}")] {
        assert_eq!(found(&key), [], "{key}");
    }
}

#[test]
fn a_period_is_the_shortest_that_a_row_repeats_with() {
    for (row, expected) in [
        ("", 0),
        ("a", 1),
        ("aa", 1),
        ("ab", 2),
        ("abab", 2),
        ("ababa", 2),
        ("aabaa", 5),
        ("abcabcab", 3),
        ("abcdab", 6),
        ("aaab", 4),
    ] {
        assert_eq!(period(row.as_bytes()), expected, "{row}");
    }
}

#[test]
fn a_long_key_is_looked_through_once() {
    let started = std::time::Instant::now();
    // The worst for whoever compares the row with itself from every place.
    let mut key = vec![b'a'; 1 << 20];
    key.push(b'b');
    assert_eq!(found(&key), [KeyWeakness::LowEntropy]);
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn placeholders_are_critical_however_they_are_stored() {
    for key in [
        "secret".to_owned(),
        "CHANGEME".to_owned(),
        "your-256-bit-secret".to_owned(),
        "a-string-secret-at-least-256-bits-long".to_owned(),
        "09D25E094FAA6CA2556C818166B7A9563B93F7099F6F0F4CAA6CF63B88E8D3E7".to_owned(),
        " 'super-secret'\n".to_owned(),
        STANDARD.encode("your-secret-key\n"),
        hex(b"your-secret-key"),
    ] {
        assert_eq!(found(&key).first(), Some(&KeyWeakness::Placeholder), "{key}");
        assert_eq!(found(&key)[0].severity(), Severity::Critical);
        assert_eq!(found(&key)[0].reason(), Reason::SigningKeyGuessable);
    }
    for known in placeholders::KNOWN {
        assert_eq!(found(known).first(), Some(&KeyWeakness::Placeholder), "{known}");
    }
    assert_eq!(found("my-super-secret-jwt-signing-key-please-change-me"), [KeyWeakness::PlaceholderWords]);
}

#[test]
fn templates_that_nobody_filled_in_are_critical() {
    for key in
        ["${JWT_SECRET}", "$(JWT_SECRET)", "{{ .Values.jwt.secret }}", "<your-secret-key-goes-here-please>"]
    {
        assert_eq!(found(key).first(), Some(&KeyWeakness::UnfilledTemplate), "{key}");
    }
    assert_eq!(found("<9#2!4$7%1^6&3*8(0)5+2-9=1;4:7,3.8/5>"), []);
}

#[test]
fn public_documents_are_critical_and_private_ones_suspicious() {
    let spki = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let public = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5\n-----END PRIVATE KEY-----\n";
    for (key, expected) in [
        (public.clone().into_bytes(), KeyWeakness::PublicKey),
        (STANDARD.encode(&public).into_bytes(), KeyWeakness::PublicKey),
        (spki.as_bytes().to_vec(), KeyWeakness::PublicKey),
        (STANDARD.decode(spki).unwrap(), KeyWeakness::PublicKey),
        (b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ someone".to_vec(), KeyWeakness::PublicKey),
        (br#"{"kty":"RSA","n":"0vx7agoebGcQ","e":"AQAB"}"#.to_vec(), KeyWeakness::PublicKey),
        (
            b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_vec(),
            KeyWeakness::Certificate,
        ),
        (private.as_bytes().to_vec(), KeyWeakness::PrivateKey),
        (STANDARD.encode(private).into_bytes(), KeyWeakness::PrivateKey),
        (br#"{"type":"HS256","key":"x"}"#.to_vec(), KeyWeakness::JsonDocument),
    ] {
        assert_eq!(found(&key), std::slice::from_ref(&expected), "{}", String::from_utf8_lossy(&key));
        let critical = expected.severity() == Severity::Critical;
        assert_eq!(critical, matches!(expected, KeyWeakness::PublicKey | KeyWeakness::Certificate));
        // Most often the algorithm was forgotten, and then nobody need sign in again.
        assert_eq!(expected.message().contains("set spec.jwt.algorithm to the app's"), critical);
    }
}

#[test]
fn a_key_must_be_as_long_as_the_hash() {
    for (algorithm, needed) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let key = |length| SigningKey::new(GOOD_HEX.repeat(2).as_bytes()[..length].to_vec()).unwrap();
        assert_eq!(
            audit(&key(needed - 1), algorithm),
            [KeyWeakness::TooShort { bytes: needed - 1, needed, algorithm, decoded: None }]
        );
        assert_eq!(audit(&key(needed), algorithm), []);
    }
    assert_eq!(
        found(&GOOD[..31])[0].message(),
        "the signing key has 31 bytes and HS256 needs at least 32: see first what else it protects (sessions, links, encrypted columns), then replace it by the output of `openssl rand -hex 32`; everybody signs in again"
    );
}

#[test]
fn repeated_and_counted_up_characters_are_weak() {
    for key in [
        "a".repeat(64),
        "01".repeat(32),
        "xK9!".repeat(12),
        "0123456789abcdef".repeat(4),
        "abcdefghijklmnopqrstuvwxyz0123456789".to_owned(),
        "0000000000000000000000000000000000000000000000000000000000000001".to_owned(),
    ] {
        assert_eq!(found(&key), [KeyWeakness::LowEntropy], "{key}");
    }
}

#[test]
fn a_key_that_signs_as_the_empty_one_does_is_critical() {
    for key in [&b" \n"[..], &[0; 32], b"\"\"", b"  \0\0"] {
        assert_eq!(found(key).first(), Some(&KeyWeakness::Blank), "{key:?}");
    }
    assert_eq!(found(b"changeme\0\0\0\0").first(), Some(&KeyWeakness::Placeholder));
}

#[test]
fn djangos_development_key_is_weak() {
    let key = "django-insecure-8b^xk2=w@v5$q!z7n3m0r#y6t_p4s1f9g(h-j+l&c*d)e";
    assert_eq!(found(key), [KeyWeakness::DjangoInsecure]);
    assert_eq!(KeyWeakness::DjangoInsecure.severity(), Severity::Warning);
}

#[test]
fn odd_storage_is_suspicious() {
    for (key, expected) in [
        (format!("{GOOD}\n"), vec![KeyWeakness::TrailingNewline]),
        (format!("{GOOD}\r\n"), vec![KeyWeakness::TrailingNewline]),
        (format!(" {GOOD}"), vec![KeyWeakness::SurroundingWhiteSpace]),
        (format!("{GOOD} \n"), vec![KeyWeakness::TrailingNewline, KeyWeakness::SurroundingWhiteSpace]),
        (format!("\u{feff}{GOOD}"), vec![KeyWeakness::ByteOrderMark]),
        (format!("{GOOD} # signs the app's tokens"), vec![KeyWeakness::Comment]),
        (format!("{GOOD} #x9 7"), vec![]),
        (format!("\"{GOOD}\""), vec![KeyWeakness::Quoted]),
        (format!("'{GOOD}'\n"), vec![KeyWeakness::TrailingNewline, KeyWeakness::Quoted]),
        (format!("JWT_SECRET={GOOD}"), vec![KeyWeakness::Assignment]),
        (STANDARD.encode(GOOD_BASE64), vec![KeyWeakness::Base64Twice]),
        (STANDARD.encode(format!("{GOOD_HEX}\n")), vec![KeyWeakness::Base64Twice]),
    ] {
        assert_eq!(found(&key), expected, "{key:?}");
        assert!(expected.iter().all(|weakness| weakness.severity() == Severity::Warning));
        assert!(expected.iter().all(|weakness| weakness.reason() == Reason::SigningKeySuspicious));
    }
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(GOOD.bytes().flat_map(|byte| [byte, 0])).collect();
    assert_eq!(found(utf16), [KeyWeakness::Utf16]);
}

#[test]
fn messages_are_one_sentence_and_never_hold_the_key() {
    for key in ["hunter2-canary", "\"canary-canary-canary-canary-canary-canary\"\n", "CANARY=canary"] {
        for weakness in found(key) {
            let shown = format!("{} {weakness:?}", weakness.message());
            assert!(!shown.to_lowercase().contains("canary") && !shown.contains("hunter2"), "{shown}");
            assert!(!weakness.message().ends_with('.') && !weakness.message().contains(". "), "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn no_random_key_is_found_fault_with(bytes in proptest::array::uniform32(any::<u8>())) {
        prop_assert_eq!(found(bytes), []);
        prop_assert_eq!(found(hex(&bytes)), []);
        prop_assert_eq!(found(STANDARD.encode(bytes)), []);
    }

    #[test]
    fn any_bytes_can_be_audited(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        for weakness in found(bytes) {
            prop_assert!(!weakness.message().is_empty());
        }
    }
}

#[test]
fn a_short_key_that_is_encoded_is_told_with_what_it_stands_for() {
    for (key, said) in [
        (&GOOD_HEX[..24], "has 24 bytes (it is hexadecimal of 12) and HS256"),
        ("n0wed9CzqGUS/gya1EOL5w==", "has 24 bytes (it is base64 of 16) and HS256"),
        ("kZ8#pQ2!vL9@xT4$wN7%", "has 20 bytes and HS256"),
    ] {
        let message = found(key)[0].message();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn whoever_advises_to_replace_the_key_warns_of_what_else_it_protects_first() {
    let weaknesses = [
        KeyWeakness::Blank,
        KeyWeakness::Placeholder,
        KeyWeakness::PlaceholderWords,
        KeyWeakness::PublicKey,
        KeyWeakness::Certificate,
        KeyWeakness::LowEntropy,
        KeyWeakness::DjangoInsecure,
        KeyWeakness::Odd(Oddity::RsaTooShort { bits: 1024 }),
        KeyWeakness::TooShort { bytes: 3, needed: 32, algorithm: Algorithm::HS256, decoded: None },
    ];
    for weakness in weaknesses {
        let message = weakness.message();
        let warns = message.find("see first what else it protects").unwrap();
        assert!(warns < message.find("replace it").unwrap(), "{message}");
        assert!(message.ends_with("everybody signs in again"), "{message}");
    }
}
