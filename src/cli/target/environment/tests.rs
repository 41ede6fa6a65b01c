use crate::{
    api::{shared::SecretKeyRef, spec::OnMissing},
    domain::{diagnose::requests, target::Target},
};

use std::collections::BTreeMap;

use super::*;

const URL: &str = "postgresql://app:canary@db.example.com/probeops";

fn with(variables: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
    let variables: BTreeMap<&'static str, OsString> =
        variables.iter().map(|(name, value)| (*name, (*value).into())).collect();
    move |name| variables.get(name).cloned()
}

fn loaded(variables: &[(&'static str, &'static str)]) -> Result<Loaded, CliError> {
    load(&with(variables), &Choices::default())
}

fn failure(variables: &[(&'static str, &'static str)]) -> String {
    match loaded(variables) {
        Err(CliError::Usage(why)) => why,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("this environment should have been refused"),
    }
}

fn target(variables: &[(&'static str, &'static str)]) -> Target {
    let loaded = loaded(variables).unwrap();
    Target::parse(&loaded.spec, loaded.resource, &loaded.secrets, crate::engine::hints()).unwrap()
}

#[test]
fn without_a_database_it_is_said_what_to_set() {
    let why = failure(&[]);
    for name in ["-f FILE", "NAME", "DATABASE_URL", "JWT_SECRET", "ADMIN_EMAIL", "ADMIN_PASSWORD"] {
        assert!(why.contains(name), "{why}");
    }
}

#[test]
fn tokens_and_admin_are_optional() {
    let target = target(&[("DATABASE_URL", URL)]);
    assert!(target.jwt.is_none() && target.admin.is_none());
    assert_eq!(target.resource.uid, requests::ENVIRONMENT);
    assert_eq!(target.users.password_column.as_deref(), Some("hashed_password"));
}

#[test]
fn an_admin_without_a_password_is_only_looked_for() {
    let named = [("DATABASE_URL", URL), ("ADMIN_EMAIL", "admin@example.com")];
    assert_eq!(target(&named).admin.unwrap().on_missing, OnMissing::Report);
    let whole = [named[0], named[1], ("ADMIN_PASSWORD", "canary")];
    assert_eq!(target(&whole).admin.unwrap().on_missing, OnMissing::Seed);
    assert!(failure(&[named[0], whole[2]]).contains("ADMIN_EMAIL"));
}

#[test]
fn an_empty_variable_is_never_none() {
    for name in ["DATABASE_URL", "JWT_SECRET", "ADMIN_EMAIL", "ADMIN_PASSWORD"] {
        let why = failure(&[("DATABASE_URL", URL), ("ADMIN_EMAIL", "a@b.c"), (name, "")]);
        assert_eq!(why, format!("{name} is set and empty: fill it, or unset it"));
    }
}

#[test]
fn encryption_is_what_the_url_says_and_else_all_but_for_loopback() {
    for (url, mode) in [
        ("postgresql://u:p@localhost/d", TlsMode::Disable),
        ("postgresql+asyncpg://u:p@127.0.0.1:5433/d", TlsMode::Disable),
        ("postgresql://u:p@[::1]/d", TlsMode::Disable),
        ("postgresql://u:p@127.0.0.1/d?sslmode=require", TlsMode::Require),
        ("postgresql://u:p@db.example.com/d", TlsMode::VerifyFull),
        ("postgresql://u:p@localhost.example.com/d", TlsMode::VerifyFull),
        ("postgresql://u:p@db.example.com/d?sslmode=disable", TlsMode::Disable),
    ] {
        let target = target(&[("DATABASE_URL", url)]);
        assert_eq!(target.database.tls, mode, "{url}");
        assert_eq!(target.database.disagreement, None, "{url}");
    }
}

#[test]
fn the_algorithm_is_one_that_there_is() {
    let key = ("JWT_SECRET", "canary");
    for (name, algorithm) in
        [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512), ("EdDSA", Algorithm::EdDSA)]
    {
        let jwt = target(&[("DATABASE_URL", URL), key, ("JWT_ALGORITHM", name)]).jwt.unwrap();
        assert_eq!(jwt.shape.algorithm, algorithm);
    }
    for (name, said) in [
        (
            "hs256",
            "JWT_ALGORITHM must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        ),
        (
            "ES512",
            "JWT_ALGORITHM: ES512 is not supported; HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA are",
        ),
    ] {
        assert_eq!(failure(&[("DATABASE_URL", URL), key, ("JWT_ALGORITHM", name)]), said);
    }
}

#[test]
fn a_key_id_is_the_one_of_the_header_or_of_the_set() {
    let key = [("JWT_SECRET", "canary"), ("JWT_KEY_ID", "main")];
    let (keys, _) = signer(&with(&key)).unwrap().unwrap();
    assert_eq!(keys.current.id(), Some("main"));
    let jwt = target(&[("DATABASE_URL", URL), key[0], key[1]]).jwt.unwrap();
    assert_eq!(jwt.key.id(), Some("main"));
    assert_eq!(plain("name its kid in spec.jwt.keyId"), "name its kid in JWT_KEY_ID");
}

#[test]
fn a_key_alone_is_enough_for_tokens() {
    let (_, shape) = signer(&with(&[("JWT_SECRET", "canary")])).unwrap().unwrap();
    assert_eq!(shape.algorithm, Algorithm::HS256);
    assert!(signer(&with(&[])).unwrap().is_none());
}

#[test]
fn messages_speak_of_variables_and_not_of_secrets_that_nobody_wrote() {
    let loaded = loaded(&[("DATABASE_URL", "canary")]).unwrap();
    let errors =
        Target::parse(&loaded.spec, loaded.resource, &loaded.secrets, crate::engine::hints()).unwrap_err();
    assert_eq!(
        plain(&errors[0].message),
        "DATABASE_URL: the connection string is no URL: write postgresql://USER:PASSWORD@HOST:PORT/NAME, and @ / ? # % of the password as %40 %2F %3F %23 %25"
    );
    assert_eq!(plain("the key is short (Secret environment/JWT_SECRET)"), "the key is short (JWT_SECRET)");
    let reference = SecretKeyRef { name: SECRET.into(), key: DATABASE_URL.into() };
    assert!(loaded.secrets[&reference].is_ok());
}
