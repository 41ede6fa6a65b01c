use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;
use crate::tokens::{
    Keyring, Verdict, explain,
    explain::tests::{now, shape},
};

fn key(bytes: impl AsRef<[u8]>) -> SigningKey {
    SigningKey::new(bytes.as_ref().to_vec()).unwrap()
}

/// What is said of a token that was signed by one key where another is stored.
fn how(stored: impl AsRef<[u8]>, signer: impl AsRef<[u8]>) -> &'static str {
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::default(),
        &serde_json::json!({"sub": "1"}),
        &jsonwebtoken::EncodingKey::from_secret(signer.as_ref()),
    )
    .unwrap();
    match explain(&token, &Keyring::of(&key(stored)), &shape(), now()).verdict {
        Verdict::SignedByKeyVariant(how) => how,
        other => panic!("{other:?}"),
    }
}

/// A key with a part of every kind that some program reads otherwise.
const ODD: &str = "wQ$Name7/p&d%40x#rest of it";

#[test]
fn each_way_to_store_or_decode_a_key_otherwise_is_recognised_and_says_who_reads_so() {
    let dashed = "my-service_secret-2024-for-orders!ab";
    let hex = "9f4c1e77d0b3a86512fe0c9ad4438be7615cf20a3d98e1b47702cd5ea96b14f3";
    let raw: Vec<u8> = (0..32).map(|at| at * 7 + 3).collect();
    let utf16 = |text: &str| {
        [&[0xff, 0xfe][..], &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat()
    };
    let hasura = r#"{"type":"HS256","key":"w7Kq3ZbN8xTt5VhR2yLm9PcD4sFg6JaE","claims_namespace":"x"}"#;
    let decoded = |text: &str, decoder| from_lenient_base64(text.as_bytes(), decoder).unwrap().to_vec();
    for (stored, signer, said) in [
        // Decoders that skip what is no base64.
        (dashed.into(), decoded(dashed, Lenient::Java), "old jjwt"),
        (dashed.into(), decoded(dashed, Lenient::Node), "Buffer.from of Node"),
        (dashed.into(), decoded(dashed, Lenient::Php), "base64_decode of PHP"),
        // A length that no base64 has, as Node cuts it.
        (hex[..61].into(), decoded(&hex[..61], Lenient::Node), "decoded as base64"),
        // Laravel and encodings that were done twice.
        (format!("base64:{}", STANDARD.encode(&raw)).into(), raw.clone(), "Laravel"),
        (
            format!("base64:{}", STANDARD.encode(&raw)).into(),
            STANDARD.encode(&raw).into(),
            "lacks the prefix",
        ),
        (raw.clone(), format!("base64:{}", STANDARD.encode(&raw)).into(), "with base64: in front"),
        (STANDARD.encode(STANDARD.encode(&raw)).into(), raw.clone(), "from base64 twice"),
        (
            STANDARD.encode(hex).into(),
            material::from_hex(hex.as_bytes()).unwrap().to_vec(),
            "then from hexadecimal",
        ),
        (
            hex.into(),
            STANDARD.encode(material::from_hex(hex.as_bytes()).unwrap().as_slice()).into(),
            "stands for in hexadecimal",
        ),
        (
            format!("0x{hex}").into(),
            material::from_hex(hex.as_bytes()).unwrap().to_vec(),
            "decoded from hexadecimal",
        ),
        // Files of variables, Compose, shells.
        ("kT9vLw2qRz$X7mNp4 Yh8".into(), "kT9vLw2qRz Yh8".into(), "Compose"),
        ("kT9vLw2qRz${X7mNp4}Yh8".into(), "kT9vLw2qRzYh8".into(), "Compose"),
        ("kT9vLw2qRz$7mNp4Yh8".into(), "kT9vLw2qRzmNp4Yh8".into(), "a shell"),
        ("kT9v$$Lw2qRz$6".into(), "kT9v$Lw2qRz$6".into(), "one $ for each $$"),
        ("kT9v$Lw2qRz".into(), "kT9v$$Lw2qRz".into(), "how a $ is written for Compose"),
        ("kT9vLw2q#Rz7mNp4Yh8".into(), "kT9vLw2q".into(), "dotenv"),
        ("kT9v#Lw2q # signs tokens".into(), "kT9v#Lw2q".into(), "which is a comment"),
        ("JWT_SECRET=\"kT9vLw2q\"\n".into(), "kT9vLw2q".into(), "after the equals sign"),
        ("kT9vLw2q\nmore".into(), "kT9vLw2q".into(), "first line"),
        // Escapes.
        ("kT9v%40Lw%2B2q".into(), "kT9v@Lw+2q".into(), "which is what a URL does"),
        ("kT9v@Lw/2q(!)".into(), "kT9v%40Lw%2F2q(!)".into(), "with percent escapes"),
        ("kT9v@Lw/2q(!)".into(), "kT9v%40Lw/2q%28%21%29".into(), "with percent escapes"),
        ("kT9v&amp;Lw&lt;2q".into(), "kT9v&Lw<2q".into(), "as HTML and XML are read"),
        ("kT9v&Lw<2q'".into(), "kT9v&amp;Lw&lt;2q&#39;".into(), "with entities"),
        ("kT9v&Lw'\"".into(), "kT9v&amp;Lw'\"".into(), "with entities"),
        (r"kT9v\u0026L\\w2q".into(), r"kT9v&L\w2q".into(), "read as escapes"),
        (r#"kT9v"L\w2q"#.into(), r#"kT9v\"L\\w2q"#.into(), "what a text in JSON escapes"),
        // Characters.
        ("kT9vLw2q".into(), utf16("kT9vLw2q"), "PowerShell"),
        (utf16("kT9vLw2q"), "kT9vLw2q".into(), "this one is UTF-16"),
        (utf16("kT9vLw2q\r\n"), "kT9vLw2q".into(), "this one is UTF-16"),
        ("kT9vLw2q".into(), utf16("kT9vLw2q\r\n"), "a Windows line break in UTF-16"),
        ("\u{feff}kT9vLw2q\r\n".into(), "kT9vLw2q".into(), "the byte order mark and the white space"),
        ("kT9vLw2q".into(), "\u{feff}kT9vLw2q".into(), "begins with a byte order mark"),
        ("kT9vé".into(), b"kT9v\xe9".to_vec(), "Latin-1"),
        // Documents.
        (hasura.into(), "w7Kq3ZbN8xTt5VhR2yLm9PcD4sFg6JaE".into(), "Hasura"),
        (r#"{"JWT_SECRET":"kT9vLw2q"}"#.into(), "kT9vLw2q".into(), "one of the texts in this JSON"),
        (r#"["kT9vLw2q","zz"]"#.into(), "zz".into(), "one of the texts in this JSON"),
    ] as [(Vec<u8>, Vec<u8>, &str); 38]
    {
        let found = how(&stored, &signer);
        assert!(found.contains(said), "{}: {found}", String::from_utf8_lossy(&stored));
    }
}

#[test]
fn no_variant_is_empty_or_the_key_itself_or_there_twice() {
    for stored in [ODD, "a", "#", "$X", " ", "=", "{}", "[\"\"]", "\u{feff}", "base64:", "A=", "%", "\\"] {
        let own = key(stored);
        let found = variants(&own);
        for (at, one) in found.iter().enumerate() {
            assert!(
                !one.bytes.is_empty() && one.bytes.as_slice() != stored.as_bytes(),
                "{stored:?} {}",
                one.how
            );
            assert!(found[..at].iter().all(|earlier| earlier.bytes != one.bytes), "{stored:?} {}", one.how);
        }
    }
}

#[test]
fn an_app_is_asked_about_the_likeliest_keys_alone_under_the_same_id() {
    let own = SigningKey::of_secret(owned(ODD.as_bytes()), Some("one".into()));
    let likely = likely_variants(&own);
    assert_eq!(likely.len(), MOST_ASKED);
    assert!(likely.iter().all(|(_, key)| key.id() == Some("one")));
    for part in ["line break", "quotes", "Compose", "dotenv", "percent escapes", "encoded in base64"] {
        assert!(likely.iter().any(|(how, _)| how.contains(part)), "{part}");
    }
}

#[test]
fn a_fingerprint_of_a_variant_is_recognised_and_one_of_another_key_is_not() {
    let stored = key("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*\n");
    let plain = fingerprint(&key("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*"), Algorithm::HS256).unwrap();
    assert_eq!(
        variant_of_fingerprint(&stored, Algorithm::HS256, &plain),
        Some("lacks the white space around this one")
    );
    assert_eq!(variant_of_fingerprint(&key("short"), Algorithm::HS256, "v1:scrypt:00"), None);
}
