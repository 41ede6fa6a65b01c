//! A server that takes no more connections is told as what it is, and asked again.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use auth_consistency::api::condition::Reason as R;
use auth_consistency::domain::fault::Class;

use crate::support::{Case, USUAL, admin_and_ada as with};

const SAYS: &str = "all connections that the server, the database or the role may have are taken";

#[tokio::test]
async fn a_role_or_database_that_may_have_no_more_connections_is_told_and_tried_again() {
    for of_role in [true, false] {
        let db = with("SELECT").await;
        let role = db.role("GRANT SELECT ON users TO ROLE").await;
        let limited = if of_role { format!("ROLE {}", role.0) } else { format!("DATABASE {}", db.name) };
        db.run(&format!("ALTER {limited} CONNECTION LIMIT 0")).await;
        let mut case = Case::new(&db, USUAL);
        case.secret("db", "url", &db.url_of(&role));
        let before = db.fingerprint().await;
        let pass = case.repair().await;
        let fault = pass.fault();
        assert_eq!((fault.reason, fault.class), (R::TooManyConnections, Class::Transient));
        let (whose, other) = if of_role {
            (format!("that the role {} may have", role.0), &db.name)
        } else {
            (format!("that the database {} may have", db.name), &role.0)
        };
        assert!(fault.message.contains(&whose) && fault.message.contains("53300"), "{fault:?}");
        assert!(!fault.message.contains(other), "{fault:?}");
        assert!(!fault.message.contains("host and port"), "the way there is free: {fault:?}");
        assert_eq!(
            pass.conditions()[..3],
            [
                "Ready=False TooManyConnections",
                "Reconciling=True ProgressingWithRetry",
                "DatabaseReachable=False TooManyConnections"
            ]
        );
        assert_eq!(db.fingerprint().await, before);
        let statement = fault.message.split('`').nth(1).unwrap();
        assert!(statement.starts_with(&format!("ALTER {limited} CONNECTION LIMIT ")), "{statement}");
        db.run(statement).await;
        case.check().await.consistent();
        db.run(&format!("DROP OWNED BY {}", role.0)).await;
    }
}

#[tokio::test]
async fn a_pooler_that_takes_no_more_clients_says_it_in_its_own_words() {
    let pooler = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = pooler.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        let (mut client, _) = pooler.accept().unwrap();
        let mut said = [0_u8; 1024];
        let _ = client.read(&mut said).unwrap();
        let fields = "SFATAL\0VFATAL\0C08P01\0Mno more connections allowed (max_client_conn)\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        client.write_all(&[&b"E"[..], &length.to_be_bytes(), fields.as_bytes()].concat()).unwrap();
    });
    let mut case = Case::with_database("{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}", USUAL);
    case.secret("db", "url", &format!("postgres://app:canary-of-the-pooler@127.0.0.1:{port}/app"));
    let pass = case.check().await;
    let fault = pass.fault();
    assert_eq!((fault.reason, fault.class), (R::TooManyConnections, Class::Transient), "{fault:?}");
    assert!(fault.message.contains("max_client_conn") && fault.message.contains(SAYS), "{fault:?}");
    answering.join().unwrap();
}
