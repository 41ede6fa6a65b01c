use PasswordWarning as W;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn found(text: &str) -> Vec<PasswordWarning> {
    audit_password(&text.to_owned().into())
}

#[test]
fn passwords_that_people_and_generators_make_are_not_odd() {
    for text in [
        "correct horse battery staple",
        "Tr0ub4dor&3",
        "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*",
        "$ecret-Sauce-4711",
        "pa$$word-of-4711",
        "$3cureP4ssword",
        "a{b}c",
        "100%sure100%",
        "{curly}",
        "pässwörd łódź",
        "密码🔑密码",
        "it's \"quoted\" inside",
        "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU",
        "abcdefgh",
        "passwort",
        "x=y",
        "Qw8=Zx",
        "9f86d081884c7d659a2feaa0c55ad015",
        "M7-xk.Wq_2!",
        "the pa$$word of a person",
        "it costs $5 or 'five' dollars",
        "b is for \"book\"",
        "b'rook",
        "back\\nslash",
        "run/secrets/of the house",
        "/home of the brave",
        "$2 for a coffee",
        "$2b or not $2b",
        "path: straight on <then left>",
        "scrypt:is my friend",
        "a$b$c$d",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn what_stands_around_a_password_is_told() {
    for (text, warnings) in [
        ("\"Tr0ub4dor&3\"", vec![W::Quotes]),
        ("'Tr0ub4dor&3'", vec![W::Quotes]),
        ("“Tr0ub4dor&3”", vec![W::Quotes]),
        (" Tr0ub4dor&3", vec![W::Blanks]),
        ("Tr0ub4dor&3 ", vec![W::Blanks]),
        ("Tr0ub4dor&3\t", vec![W::Blanks]),
        ("Tr0ub4dor&3\u{a0}", vec![W::Blanks]),
        ("Tr0ub4dor&3\n", vec![W::LineBreakAtEnd]),
        ("Tr0ub4dor&3\r\n", vec![W::LineBreakAtEnd]),
        ("Tr0ub4dor&3 \n", vec![W::LineBreakAtEnd, W::Blanks]),
        ("\"Tr0ub4dor&3\"\n", vec![W::LineBreakAtEnd, W::Quotes]),
        ("Tr0ub\n4dor&3", vec![W::LineBreakInside]),
        ("\u{feff}Tr0ub4dor&3", vec![W::ByteOrderMark]),
        ("T\0r\u{0}0\0u\0b\0", vec![W::Utf16]),
        ("Tr0ub\u{200b}4dor&3", vec![W::Invisible]),
        ("Tr0ub 4dor“3", vec![W::Invisible]),
    ] {
        assert_eq!(found(text), warnings, "{text:?}");
    }
}

#[test]
fn a_secret_is_audited_as_it_is_stored() {
    assert_eq!(audit_secret(b"Tr0ub4dor&3\n"), [W::LineBreakLeftOff]);
    assert_eq!(audit_secret(b"Tr0ub4dor&3\r\n"), [W::LineBreakLeftOff]);
    assert_eq!(audit_secret(b"Tr0ub4dor&3\n\n"), [W::LineBreakAtEnd, W::LineBreakLeftOff]);
    assert_eq!(audit_secret(b"changeme\n"), [W::Placeholder, W::LineBreakLeftOff]);
    assert_eq!(audit_secret(b"\xff\xfeT\0r\x000\0u\0b\0"), [W::Utf16]);
    assert_eq!(audit_secret(b"T\0r\x000\0u\0b\0\n\0"), [W::Utf16]);
    assert_eq!(audit_secret(b"Tr0ub4dor&3"), []);
    assert_eq!(audit_secret(b"\xe9\xe8"), [], "another encoding is refused where it is read");
}

#[test]
fn variables_and_templates_that_nobody_filled_in_are_told() {
    for text in [
        "$ADMIN_PASSWORD",
        "$PASSWORD",
        "$admin_password",
        "${ADMIN_PASSWORD}",
        "${ADMIN_PASSWORD:-changeme}",
        "${env:ADMIN_PASSWORD}",
        "$(ADMIN_PASSWORD)",
        "$(cat /run/secrets/admin)",
        "{{ .Values.admin.password }}",
        "{{ADMIN_PASSWORD}}",
        "{{- .Values.x | quote }}",
        "%ADMIN_PASSWORD%",
        "<password>",
        "<your password here>",
        "[your-password]",
        "__ADMIN_PASSWORD__",
        "@ADMIN_PASSWORD@",
        "#{AdminPassword}#",
        "<%= admin_password %>",
        "prefix-${ADMIN_PASSWORD}",
        "\"${ADMIN_PASSWORD}\"",
    ] {
        assert!(found(text).contains(&W::Unfilled), "{text}: {:?}", found(text));
    }
}

#[test]
fn secrets_that_nobody_resolved_or_decrypted_are_told() {
    for text in [
        "ENC[AES256_GCM,data:Zm9v,iv:YmFy,tag:YmF6,type:str]",
        "op://vault/admin/password",
        "vault:secret/data/admin#password",
        "ref+vault://secret/admin#/password",
        "arn:aws:secretsmanager:eu-west-1:1:secret:admin",
        "@Microsoft.KeyVault(SecretUri=https://x)",
    ] {
        assert!(matches!(found(text).as_slice(), [W::Unresolved(_)]), "{text}: {:?}", found(text));
    }
}

#[test]
fn what_is_no_password_but_stands_for_one_is_told() {
    for (text, warning) in [
        ("changeme", W::Placeholder),
        ("ChangeThis", W::Placeholder),
        ("Password123!", W::Placeholder),
        ("<no value>", W::NoValue),
        ("null", W::NoValue),
        ("ADMIN_PASSWORD=Tr0ub4dor&3", W::Assignment),
        ("export ADMIN_PASSWORD=Tr0ub4dor&3", W::Assignment),
        ("{\"password\": \"Tr0ub4dor&3\"}", W::JsonDocument),
        ("$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", W::Hash),
        (&STANDARD.encode("Tr0ub4dor&3"), W::Base64),
        (&STANDARD.encode("Tr0ub4dor&3\n"), W::Base64),
        (&STANDARD.encode("correct horse battery staple"), W::Base64),
        (&STANDARD.encode(STANDARD.encode("Tr0ub4dor&3")), W::Base64Twice),
    ] {
        assert_eq!(found(text), [warning], "{text}");
    }
}

#[test]
fn what_a_tool_made_of_a_password_on_its_way_into_the_secret_is_told() {
    for (text, warnings) in [
        ("b'Tr0ub4dor&3'", vec![W::PythonBytes]),
        ("b\"Tr0ub4dor&3\"", vec![W::PythonBytes]),
        ("Tr0ub4dor&3\\n", vec![W::WrittenLineBreak]),
        ("Tr0ub4dor&3\\r\\n", vec![W::WrittenLineBreak]),
        ("'Tr0ub4dor&3'\\n", vec![W::WrittenLineBreak, W::Quotes]),
        ("/run/secrets/admin_password", vec![W::Path]),
        ("file:///run/secrets/admin_password", vec![W::Path]),
        ("/var/run/secrets/app/password", vec![W::Path]),
        ("Tr0$$ub4$$dor", vec![W::DoubledDollars]),
        ("$${ADMIN_PASSWORD}", vec![W::DoubledDollars]),
        ("$$2b$$06$$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", vec![W::DoubledDollars]),
        ("$2b$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6", vec![W::CutHash]),
        ("$2a$08$IhC0lJ", vec![W::CutHash]),
        ("$argon2id$v=19$m=65536,t=3", vec![W::CutHash]),
    ] {
        assert_eq!(found(text), warnings, "{text:?}");
    }
    let vault = found("<path:secret/data/app#password>");
    assert!(matches!(vault.as_slice(), [W::Unresolved(what)] if what.contains("argocd-vault-plugin")));
}

#[test]
fn words_of_a_warning_hold_nothing_of_the_password() {
    for text in
        ["\"canary-4711\" ", "${CANARY_4711}", "op://canary/4711", "CANARY_4711=canary", "canary\n4711\n"]
    {
        let warnings = found(text);
        assert!(!warnings.is_empty(), "{text}");
        let shown: String = warnings.iter().map(|warning| format!("{warning} {warning:?}")).collect();
        assert!(!shown.to_lowercase().contains("canary") && !shown.contains("4711"), "{shown}");
    }
}

proptest! {
    #[test]
    fn any_text_can_be_audited(text in ".{0,80}") {
        let _ = found(&text);
    }

    #[test]
    fn random_passwords_are_hardly_ever_odd(text in "[A-Za-z0-9#!.,_+-]{20}") {
        prop_assert_eq!(found(&text), []);
    }
}
