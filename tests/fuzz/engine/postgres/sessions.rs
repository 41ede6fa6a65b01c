//! Rows of the catalog, of the app and of our own bookkeeping, as a server may make them up: a real one answers, and
//! somebody between it and us changes what it says, value by value.

use auth_consistency::{
    domain::request::Requests,
    engine::postgres::PostgreSql,
    pass::request::{self, Repairs, Unattended},
};

use std::{sync::Arc, time::Duration};

use auth_consistency::{
    domain::{
        fault::Fault,
        report::{End, Seen, status},
        text::unseen,
    },
    pass::memory::Memory,
};

use auth_consistency::{
    network::HostPolicy,
    pass::{self, ScanMode},
};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    canary::{CANARY, keeps},
    mutate::Target,
    support::{Case, Db, HASH, PASSWORD, USUAL, admin_and_ada},
};

/// Bytes of an input that change one value: row (two), column, what becomes of it, and a number.
const CHANGE: usize = 5;

/// A row with one of its values changed.
fn changed(row: &[u8], change: &[u8]) -> Vec<u8> {
    let mut values: Vec<Option<Vec<u8>>> = Vec::new();
    let mut rest = &row[7..];
    while let Some((length, more)) = rest.split_at_checked(4) {
        let length = i32::from_be_bytes(length.try_into().unwrap());
        let Ok(length) = usize::try_from(length) else {
            (rest, _) = (more, values.push(None));
            continue;
        };
        values.push(Some(more[..length].to_vec()));
        rest = &more[length..];
    }
    if values.is_empty() {
        return row.to_vec();
    }
    let (at, number) = (usize::from(change[2]) % values.len(), change[4]);
    let length = values[at].as_ref().map_or(4, Vec::len);
    let filled =
        |first: u8, rest: u8| (0..length).map(|at| if at == 0 { first } else { rest }).collect::<Vec<u8>>();
    values[at] = match change[3] % 14 {
        0 => None,
        1 => Some(Vec::new()),
        2 => Some(filled(0, 0)),
        3 => Some(filled(0xff, 0xff)),
        4 => Some(filled(0x7f, 0xff)),
        5 => Some(filled(0x80, 0)),
        6 => {
            let mut value = filled(0, 0);
            if let Some(last) = value.last_mut() {
                *last = number;
            }
            Some(value)
        }
        7 => Some(CANARY.as_bytes().to_vec()),
        8 => Some(vec![b'x'; 70_000]),
        9 => Some("a\"'; DROP TABLE users; --\u{202e}\n".as_bytes().to_vec()),
        10 => values[usize::from(number) % values.len()].clone(),
        11 => Some(number.to_string().into_bytes()),
        12 => values[at].as_ref().map(|value| value.iter().map(|byte| byte.wrapping_add(number)).collect()),
        _ => Some(b"(1,\"a\"\"b\",,(\\\\)".to_vec()),
    };
    let mut body = row[5..7].to_vec();
    for value in values {
        let length = value.as_ref().map_or(-1, |value| i32::try_from(value.len()).unwrap());
        body.extend(length.to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    [b"D", &u32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
}

/// Carries one connection, and changes rows on their way.
async fn carry(client: TcpStream, server: TcpStream, input: &[u8]) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let ((mut asked, mut to_client), (mut answered, mut to_server)) =
        (client.into_split(), server.into_split());
    let asking = async move {
        let _ = tokio::io::copy(&mut asked, &mut to_server).await;
    };
    let answering = async move {
        let (mut read, mut rows) = (Vec::new(), 0_usize);
        while let Ok(1..) = answered.read_buf(&mut read).await {
            let mut passed = Vec::new();
            while let Some(length) =
                read.get(1..5).map(|length| u32::from_be_bytes(length.try_into().unwrap()))
            {
                if read.len() < 1 + length as usize {
                    break;
                }
                let message: Vec<u8> = read.drain(..1 + length as usize).collect();
                if message[0] != b'D' {
                    passed.extend(message);
                    continue;
                }
                let own =
                    |change: &&[u8]| usize::from(u16::from_be_bytes([change[0], change[1]])) % 256 == rows;
                let here: Vec<&[u8]> = input.chunks_exact(CHANGE).filter(own).collect();
                let message = here.iter().fold(message, |row, change| changed(&row, change));
                // One that is there twice, or not at all.
                let times = here.iter().fold(1, |times, change| match change[3] {
                    250.. => 0,
                    240.. => 2,
                    _ => times,
                });
                passed.extend(message.repeat(times));
                rows += 1;
            }
            if to_client.write_all(&passed).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = asking => {}, () = answering => {} }
}

/// What is said at the end, whatever it is.
async fn said(case: &Case, what: u8) -> Result<String, Fault> {
    let (target, anywhere) = (case.target(), HostPolicy::unrestricted(Vec::new()));
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    match what % 8 {
        0 => {
            Ok(serde_json::to_string(&pass::preflight(&target, &anywhere, &Unattended, now).await?).unwrap())
        }
        1 => Ok(format!("{:?}", pass::discover(&target, &anywhere).await?)),
        2 => pass::grants(&target, &anywhere).await,
        3 => Ok(format!(
            "{:?} {:?}",
            pass::runs(&target, &anywhere).await?,
            pass::inventory(&target, &anywhere).await?
        )),
        _ => {
            let outcome = pass::run(&request::Pass {
                engine: &PostgreSql,
                target: &target,
                policy: &anywhere,
                requests: &Requests::default(),
                memory: &Memory::default(),
                supervisor: &Unattended,
                repairs: Repairs::None,
                look: ScanMode::Full,
                compare_password: false,
                search: case.search,
                ask: false,
                key_before: None,
                now,
            })
            .await?;
            let report = serde_json::to_string(&outcome.report(1)).unwrap();
            let reasons: Vec<_> = outcome.findings().iter().map(|one| one.finding.as_str()).collect();
            let reasons = reasons.join(",");
            let end = End::Done(Box::new(outcome));
            let status = status(&Default::default(), 1, &Time(now), &end, &Seen::default());
            for message in status.conditions.iter().map(|one| &one.message) {
                assert!(!message.contains(unseen), "{message:?} has characters that nobody sees");
            }
            Ok(format!("{reasons}\n{report}{}", serde_json::to_string(&status).unwrap()))
        }
    }
}

/// A user table with orphans, and what a repair has written down.
async fn world() -> Db {
    admin_and_ada(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text);
         CREATE TABLE posts (id serial PRIMARY KEY, user_id int REFERENCES users, unique (id, user_id));
         CREATE TABLE parts (id int, user_id bigint) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
         INSERT INTO logs VALUES (1, 9, 'x'), (2, 5, 'y'); INSERT INTO posts VALUES (1, 9), (2, 8);
         INSERT INTO parts VALUES (1, 9), (2, 1)",
    )
    .await
}

const SPEC: &str = "references:
  onOrphan: Reassign
  limits: {rows: 100, percent: 100}
  rules: [{table: parts, columns: [user_id], onOrphan: Delete}]
";

#[test]
fn no_row_that_a_server_makes_up_makes_a_look_panic_or_go_on_for_ever() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    auth_consistency::tokens::crypto::install_crypto();
    let spec = format!("timeout: 20s\n{USUAL}{SPEC}");
    let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
    let db = Arc::new(runtime.block_on(async {
        let db = world().await;
        // What is written down is read by later looks.
        let mut case = Case::with_database(database, &spec);
        case.secret("db", "url", &db.url());
        assert_ne!(case.repair().await.outcome().repaired, []);
        db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (3, 9, 'z'), (4, 7, 'z')")
            .await;
        db
    }));
    let before = runtime.block_on(db.fingerprint());
    let property = {
        let (db, runtime) = (Arc::clone(&db), runtime.handle().clone());
        move |input: &[u8]| {
            let (what, changes) = input.split_first().map_or((4, input), |(what, changes)| (*what, changes));
            let changes: Arc<[u8]> = changes.into();
            let ended = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let mut url = url::Url::parse(&db.url()).unwrap();
                let upstream = (url.host_str().unwrap().to_owned(), url.port().unwrap());
                url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
                let between = tokio::spawn(async move {
                    while let Ok((client, _)) = listener.accept().await {
                        let server = TcpStream::connect(&upstream).await.unwrap();
                        let changes = Arc::clone(&changes);
                        tokio::spawn(async move { carry(client, server, &changes).await });
                    }
                });
                let mut case = Case::with_database(database, &spec);
                case.secret("db", "url", url.as_str());
                let ended = tokio::time::timeout(Duration::from_secs(60), Box::pin(said(&case, what))).await;
                between.abort();
                ended.expect("it ends")
            });
            let shown = match &ended {
                Ok(said) => said.clone(),
                Err(fault) => format!("{fault:?}"),
            };
            for secret in [HASH, PASSWORD, url::Url::parse(&db.url()).unwrap().password().unwrap_or_default()]
            {
                keeps(&shown, secret.as_bytes());
            }
            match &ended {
                Ok(said) => format!(
                    "{} {}",
                    what % 8,
                    said.lines().next().unwrap_or_default().chars().take(200).collect::<String>()
                ),
                Err(fault) => fault.message.chars().filter(|c| !c.is_ascii_digit()).take(60).collect(),
            }
        }
    };
    let change = (0_u8..2, any::<u8>(), 0_u8..20, any::<u8>(), any::<u8>());
    let change = change.prop_map(|(high, low, column, how, number)| vec![high, low, column, how, number]);
    Target {
        name: "sessions",
        seeds: (0..8).map(|what| vec![what]).collect(),
        words: &[
            b"\0\x10\x01\x05\0",
            b"\0\x20\0\x04\0",
            b"\0\x30\x02\0\0",
            b"\0\x40\x03\x08\0",
            b"\0\x50\x01\xff\0",
        ],
        strategy: (0_u8..8, prop::collection::vec(change, 1..4))
            .prop_map(|(what, changes)| [vec![what], changes.concat()].concat())
            .boxed(),
        property: Box::new(property),
        work: 20,
    }
    .run();
    assert_eq!(runtime.block_on(db.fingerprint()), before, "whatever it was told, a look writes nothing");
}
