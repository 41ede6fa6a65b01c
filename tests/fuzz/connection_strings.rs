//! Connection strings, as a Secret has them.

use auth_consistency::domain::target::connection::Connection;

use auth_consistency::domain::parse::connection_string;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use crate::{
    canary::{CANARY, keeps_canary},
    mutate::Target,
};

/// The string that says the same.
fn written(connection: &Connection) -> String {
    let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let mut text = format!("postgresql:///?host={}", coded(&connection.host));
    for (name, value) in [
        ("port", connection.port.to_string().as_str()),
        ("user", &connection.user),
        ("password", connection.password.expose_secret()),
        ("dbname", &connection.database),
    ] {
        text += &format!("&{name}={}", coded(value));
    }
    if let Some(schema) = &connection.schema {
        text += &format!("&schema={}", coded(schema));
    }
    text
}

fn property(bytes: &[u8]) -> String {
    let connection = match connection_string::parse(bytes) {
        Ok(connection) => connection,
        Err(error) => {
            let shown = format!("{error} {error:?}");
            keeps_canary(&shown);
            assert!(shown.len() < 1_000, "{} bytes are said of it", shown.len());
            return format!("{error:?}").chars().filter(|c| !c.is_ascii_digit()).collect();
        }
    };
    let parts = [&connection.host, &connection.user, &connection.database];
    assert!(parts.iter().all(|part| !part.is_empty()), "a part is empty");
    assert!(!connection.host.contains(',') && !connection.host.starts_with('/'), "not one host");
    // The protocol ends each text with NUL: what stands behind it would be an option of its own.
    let texts = parts.map(String::as_str).into_iter().chain(connection.schema.as_deref());
    assert!(
        texts.chain([connection.password.expose_secret()]).all(|text| !text.contains('\0')),
        "a part has a NUL"
    );
    // Of two that differ in nothing but the password, the same is told. To look for parts of the password instead
    // would find one that is a word of the message itself.
    let other = if connection.password.expose_secret() == CANARY { "another" } else { CANARY };
    let other = Connection { password: other.to_owned().into(), ..connection.clone() };
    assert_eq!(format!("{connection:?}"), format!("{other:?}"), "what is told depends on the password");
    let again = connection_string::parse(written(&connection).as_bytes())
        .expect("what was understood is understood again");
    let all = |one: &Connection| {
        let texts = [&one.host, &one.user, &one.database].map(Clone::clone);
        (texts, one.port, one.password.expose_secret().to_owned(), one.schema.clone())
    };
    assert_eq!(all(&again), all(&connection));
    format!("{:?} {}", connection.tls, connection.schema.is_some())
}

#[test]
fn no_connection_string_makes_it_panic_and_none_that_is_refused_is_repeated() {
    let texts = [
        "postgresql://app:p%40ss%2Fword@db:5433/probeops",
        "postgresql+asyncpg://app:p%40ss@db.probeops.svc/probeops?connect_timeout=10\n",
        "jdbc:postgresql://db:5433/probeops?user=app&password=p%40ss&currentSchema=app",
        "postgres://u:p@[::1]:5432/d?sslmode=verify-full&schema=app&application_name=x",
        "postgres://u:p@h/d?sslrootcert=/x&options=-csearch_path%3Dx&target_session_attrs=any",
        "postgres://u:p@h1,h2/d",
        "postgres://u:p@%2Fvar%2Frun/d",
        "mysql+pymysql://u:p@h/d",
        "sqlite:///app.db",
        "host=h user=u password=p",
    ];
    Target {
        name: "connection_strings",
        seeds: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        words: &[
            b"postgres://",
            b"jdbc:",
            b"://",
            b"%00",
            b"%40",
            b"@",
            b":",
            b"/",
            b"?",
            b"#",
            b"&",
            b"=",
            b"[",
            b"]",
            b"host=",
            b"port=",
            b"user=",
            b"password=",
            b"dbname=",
            b"schema=",
            b"sslmode=",
            b"require",
            b"options=",
            b"\xef\xbb\xbf",
        ],
        strategy:
            "(jdbc:)?(postgres|postgresql|mysql|[a-z+]{0,8})?(://)?[a-zA-Z0-9@:/?#&=%;.\\[\\],\u{0}é ]{0,60}"
                .prop_map(String::into_bytes)
                .boxed(),
        property: Box::new(property),
        work: 1,
    }
    .run();
}
