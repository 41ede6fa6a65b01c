use clap::CommandFactory as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::*;

async fn said(arguments: &[&str]) -> Output {
    main(std::iter::once("auth-consistency").chain(arguments.iter().copied()).map(OsString::from)).await
}

/// A file with a canary in every Secret, and a database that does not answer.
fn file(name: &str, spec: &str) -> tempfile::Named {
    tempfile::Named::new(
        name,
        &format!(
            "
apiVersion: auth.probeops.com/v1alpha1
kind: AuthConsistency
metadata: {{name: probeops}}
spec:
  database: {{urlSecretRef: {{name: all, key: url}}, tls: {{mode: Disable}}}}
  users: {{preset: FastAPI}}
  admin: {{login: admin@example.com, passwordSecretRef: {{name: all, key: password}}}}
  jwt: {{secretRef: {{name: all, key: jwt}}}}
{spec}
---
apiVersion: v1
kind: Secret
metadata: {{name: all}}
stringData:
  url: postgresql://canary-user:canary-password@127.0.0.1:1/probeops
  password: canary-admin-password
  jwt: canary-signing-key-that-is-long-enough-0123456789
"
        ),
    )
}

/// Files that go when the test does.
mod tempfile {
    pub(super) struct Named(std::path::PathBuf);

    impl Named {
        pub(super) fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!(
                "auth-consistency-{name}-{}-{:016x}",
                std::process::id(),
                rand::random::<u64>()
            ));
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        pub(super) fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for Named {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

#[test]
fn the_arguments_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[tokio::test]
async fn help_and_version_are_answers_and_the_rest_is_usage() {
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"], &["token", "explain", "-h"]] {
        let said = said(arguments).await;
        assert_eq!((said.exit, said.err.as_str()), (Exit::Fine, ""), "{arguments:?}");
        assert!(said.out.contains("auth-consistency"), "{arguments:?}");
    }
    for arguments in [
        &[][..],
        &["bogus"],
        &["token"],
        &["check", "--bogus"],
        &["check", "-o", "xml"],
        &["check", "-f", "a", "NAME"],
        &["check", "-n", "apps"],
        &["check", "--direct"],
        &["check", "-f", "there/is/no/such/file"],
        &["repair", "--approve", "abc"],
        &["check", "--wait-timeout", "soon", "NAME"],
        &["check", "--on-orphan", "delete", "-f", "a"],
        &["token", "explain", "-f", "-"],
        &["completions", "tcl"],
    ] {
        let said = said(arguments).await;
        assert_eq!((said.exit, said.out.as_str()), (Exit::Usage, ""), "{arguments:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_told_in_one_sentence() {
    let file = file("silent", "");
    for command in ["check", "plan", "reset", "repair", "verify", "restore", "grants"] {
        let said = said(&[command, "-f", file.path()]).await;
        assert_eq!((said.exit, said.out.as_str()), (Exit::CouldNotTell, ""), "{command}");
        assert!(said.err.starts_with("auth-consistency: 127.0.0.1:1: "), "{command}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{command}: {}", said.err);
    }
}

#[tokio::test]
async fn no_answer_holds_a_secret() {
    let good = file("canary", "");
    let bad = file("canary-bad", "  probee: {}");
    for file in [good.path(), bad.path()] {
        for arguments in [
            &["check"][..],
            &["check", "-o", "json"],
            &["plan", "-o", "yaml"],
            &["reset"],
            &["repair"],
            &["verify"],
            &["restore"],
            &["grants"],
            &["preflight"],
            &["preflight", "-o", "json"],
            &["key", "audit"],
            &["key", "audit", "-o", "json"],
            &["key", "fingerprint"],
            &["token", "mint"],
            &["token", "mint", "--subject", "1"],
        ] {
            let all: Vec<&str> = arguments.iter().copied().chain(["-f", file]).collect();
            let said = said(&all).await;
            for text in [&said.out, &said.err] {
                for secret in ["canary-user", "canary-password", "canary-admin", "canary-signing"] {
                    assert!(!text.contains(secret), "{arguments:?}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_was_minted_is_explained() {
    let file = file("mint", "");
    let minted = said(&["token", "mint", "--subject", "4711", "-f", file.path()]).await;
    assert_eq!((minted.exit, minted.err.as_str()), (Exit::Fine, ""));
    let token = tempfile::Named::new("token", &minted.out);
    let explained = said(&["token", "explain", "-f", file.path(), "--token-file", token.path()]).await;
    // The token holds as far as can be told, and the database does not answer.
    assert_eq!(explained.exit, Exit::CouldNotTell);
    assert!(explained.out.contains("signature  ok  signed by the signing key"), "{}", explained.out);
    assert!(explained.err.contains("could not tell whom the token names"), "{}", explained.err);

    let inspected = said(&["token", "inspect", "--token-file", token.path()]).await;
    let answer: serde_json::Value = serde_json::from_str(&inspected.out).unwrap();
    assert_eq!(answer["claims"]["sub"], "4711");
    assert!(answer["times"]["exp"].as_str().unwrap().contains("in "), "{answer}");
    assert_eq!(answer.get("takenOff"), None, "the line break at the end of a file is not the token's");

    let broken = tempfile::Named::new("broken", "canary");
    for command in ["explain", "inspect"] {
        let mut arguments = vec!["token", command, "--token-file", broken.path()];
        if command == "explain" {
            arguments.extend(["-f", file.path()]);
        }
        let said = said(&arguments).await;
        assert_eq!(said.exit, Exit::Findings, "{command}");
        assert!(!said.out.contains("canary") && !said.err.contains("canary"), "{command}");
    }
}

#[tokio::test]
async fn a_key_is_told_by_its_exact_bytes() {
    let print = async |bytes: &str| {
        let file = tempfile::Named::new("key", bytes);
        said(&["key", "fingerprint", "--key-file", file.path()]).await
    };
    let (one, other) =
        (print("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*").await, print("kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*\n").await);
    assert_eq!(one.out, "v1:scrypt:67e567c8c0060212ac7c8d29f818b79e\n");
    assert_ne!(one.out, other.out);
    let weak = print("secret").await;
    assert_eq!((weak.exit, weak.out.as_str()), (Exit::Findings, ""));
    assert!(weak.err.contains("key audit"), "{}", weak.err);
}

#[tokio::test]
async fn key_pairs_of_a_file_are_audited_minted_with_and_explained() {
    let pem = include_str!("../../tests/keys/rsa-one.pem");
    let file = |key: &str, more: &str| {
        let text = format!(
            "
apiVersion: auth.probeops.com/v1alpha1
kind: AuthConsistency
metadata: {{name: probeops}}
spec:
  database: {{urlSecretRef: {{name: all, key: url}}, tls: {{mode: Disable}}}}
  users: {{preset: FastAPI}}
  jwt: {{secretRef: {{name: all, key: jwt}}, algorithm: RS256{more}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: all}}
stringData:
  url: postgresql://canary-user:canary-password@127.0.0.1:1/probeops
  jwt: {}
",
            serde_json::json!(key)
        );
        tempfile::Named::new("pairs", &text)
    };
    let pair = file(pem, ", keyId: main");
    let print = said(&["key", "fingerprint", "-f", pair.path()]).await;
    assert_eq!(print.exit, Exit::Fine, "{}", print.err);
    assert!(print.out.starts_with("v1:thumbprint:"), "{}", print.out);
    assert_eq!(said(&["key", "audit", "-f", pair.path()]).await.exit, Exit::Fine);
    let minted = said(&["token", "mint", "-f", pair.path(), "--subject", "4711"]).await;
    assert_eq!(minted.exit, Exit::Fine, "{}", minted.err);
    let token = tempfile::Named::new("token", &minted.out);

    // With the public half: explained, and not minted.
    let public = file(include_str!("../../tests/keys/rsa-one-public.pem"), "");
    assert_eq!(said(&["key", "fingerprint", "-f", public.path()]).await.out, print.out);
    let explained = said(&["token", "explain", "-f", public.path(), "--token-file", token.path()]).await;
    assert!(explained.out.contains("signature  ok  signed by the signing key"), "{}", explained.out);
    let refused = said(&["token", "mint", "-f", public.path(), "--subject", "4711"]).await;
    assert!(
        refused.out.is_empty() && refused.err.contains("only the public key is known"),
        "{}",
        refused.err
    );

    // What is no key for the algorithm is named, and shows nowhere.
    let other = file(include_str!("../../tests/keys/p256.pem"), "");
    let audited = said(&["key", "audit", "-f", other.path()]).await;
    assert_eq!(audited.exit, Exit::Findings);
    assert!(audited.out.contains("SigningKeyUnfit") && audited.out.contains("P-256"), "{}", audited.out);
    let print = said(&["key", "fingerprint", "-f", other.path()]).await;
    assert!(print.out.is_empty() && print.err.contains("RS256 needs an RSA key"), "{}", print.err);

    let unsupported = said(&["key", "audit", "-f", file(pem, "").path()]).await;
    assert_eq!(unsupported.exit, Exit::Fine);
    let wrong = tempfile::Named::new(
        "es512",
        &std::fs::read_to_string(pair.path()).unwrap().replace("RS256", "ES512"),
    );
    let wrong = said(&["key", "audit", "-f", wrong.path()]).await;
    assert_eq!(wrong.exit, Exit::Usage);
    assert!(wrong.err.contains("spec.jwt.algorithm: ES512 is not supported; HS256, "), "{}", wrong.err);
}

#[tokio::test]
async fn the_definition_is_printed_whole() {
    let yaml: CustomResourceDefinition = serde_saphyr::from_str(&said(&["crd"]).await.out).unwrap();
    assert!(yaml == crate::api::crd::definition(), "what is printed is another definition");
    let json: serde_json::Value = serde_json::from_str(&said(&["crd", "--json"]).await.out).unwrap();
    assert_eq!(json["metadata"], serde_json::to_value(&yaml.metadata).unwrap());
}

#[tokio::test]
async fn shells_get_a_script() {
    for shell in ["bash", "zsh", "fish"] {
        let said = said(&["completions", shell]).await;
        assert!(said.exit == Exit::Fine && said.out.contains("fingerprint"), "{shell}");
    }
}
