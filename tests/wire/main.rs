//! Servers that misbehave: what the command line says of them, and how much memory they cost.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "../support/canary.rs"]
mod canary;
mod misbehaviours;
mod server;

use std::{
    ffi::OsString,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use misbehaviours::Misbehaviour;
use server::{At, Does};

/// KiB by which a process may grow for any server.
const GROWTH: u64 = 32 << 10;

/// Servers that misbehave at once.
const MANY: usize = 16;

/// Names the files of the resources, one a line, in the process that is measured; the last one's server answers as it
/// should, as far as it does.
const CHILD: &str = "AUTH_CONSISTENCY_TEST_WIRE";

/// `check` on a server, with nothing else in its environment; what it said, and how it ended.
fn check(url: &str, variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .arg("check")
        .env_clear()
        .env("DATABASE_URL", url)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    canary::hidden(url.as_bytes()).iter().for_each(|secret| canary::keeps(&said, secret));
    (said, output.status.code())
}

#[test]
fn a_panic_at_the_command_line_ends_with_a_sentence_and_its_place_and_nothing_of_what_it_was_about() {
    let (said, code) = check(
        "postgres://app:secret-of-nobody@127.0.0.1:1/app",
        &[("AUTH_CONSISTENCY_PANIC_AT", "pass over default/environment"), ("RUST_BACKTRACE", "full")],
    );
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("auth-consistency: panicked at src/crash.rs:"), "{said}");
    assert!(
        lines[1].starts_with("auth-consistency: a mistake in auth-consistency ended the command"),
        "{said}"
    );
    assert_eq!(lines.len(), 2, "{said}");
    assert!(!said.contains("canary"), "{said}");
}

/// What the process took at most so far, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// A resource in a file; the timeout is short, since some servers say nothing at all.
fn resource(port: u16, tls: &str) -> String {
    let documents = [
        serde_json::json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency", "metadata": {"name": "app"},
            "spec": {
                "timeout": "3s",
                "database": {"urlSecretRef": {"name": "db", "key": "url"}, "tls": {"mode": tls}},
                "users": {"preset": "FastAPI"},
            },
        }),
        serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
            "stringData": {"url": format!("postgres://app:secret-of-nobody@127.0.0.1:{port}/app")},
        }),
    ];
    documents.map(|document| document.to_string()).join("\n---\n")
}

/// The command line, in a process of its own that says at its end what it took.
#[test]
fn the_process_that_is_measured() {
    let Ok(files) = std::env::var(CHILD) else { return };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    auth_consistency::tokens::crypto::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let check = async |file: &str| {
        let arguments = ["auth-consistency", "check", "-f", file].map(OsString::from);
        auth_consistency::cli::main(arguments).await
    };
    let files: Vec<&str> = files.lines().collect();
    let all = |files: &[&str]| {
        let checks = files.iter().map(|file| check(file));
        runtime.block_on(futures::future::join_all(checks))
    };
    // What it takes anyhow, encryption and all: nobody answers there.
    let nobody = format!("{}.nobody", files[0]);
    std::fs::write(&nobody, resource(1, "VerifyFull")).unwrap();
    assert!(all(&vec![nobody.as_str(); files.len()]).iter().all(|said| said.exit.code() == 1));
    std::fs::remove_file(&nobody).unwrap();
    let before = peak();
    let said = all(&files);
    let grew = peak() - before;
    for said in said {
        eprintln!("<{}>\n{}{}", said.exit.code(), said.out, said.err);
    }
    eprintln!("<grew {grew} KiB>");
}

/// What is wrong with what was said, and by how much the process grew.
fn judge(one: &Misbehaviour, encrypted: bool) -> Result<u64, String> {
    let (port, _) = server::serve(one.at, one.does.clone(), encrypted);
    let file = std::env::temp_dir().join(format!("authcon-wire-{port}.yaml"));
    std::fs::write(&file, resource(port, if encrypted { "Require" } else { "Disable" })).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_measured", "--nocapture"])
        .env(CHILD, &file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let grew = said.split_once("<grew ").and_then(|(_, rest)| rest.split_once(" KiB>"));
    let grew = grew.and_then(|(grew, _)| grew.parse::<u64>().ok());
    // Neither the password in any form, nor words of the server.
    let secret = canary::Secret::new(b"secret-of-nobody").told(&said).is_some() || said.contains("canary");
    match grew {
        Some(grew)
            if output.status.success()
                && grew < GROWTH
                && said.contains("<1>")
                && !said.contains("panicked")
                && one.said.split('|').any(|part| said.contains(part))
                && !secret
                && said.len() < 6_000 =>
        {
            Ok(grew)
        }
        _ => Err(said.chars().take(2_000).collect()),
    }
}

/// Each of them, some at once.
#[expect(clippy::print_stdout, reason = "what each costs is to be seen")]
fn all_are_told(misbehaviours: &[Misbehaviour], encrypted: bool) {
    let next = AtomicUsize::new(0);
    let wrong: Vec<String> = thread::scope(|scope| {
        let judges: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let mut wrong = Vec::new();
                    while let Some(one) = misbehaviours.get(next.fetch_add(1, Ordering::SeqCst)) {
                        match judge(one, encrypted) {
                            Ok(grew) => println!("{grew:>6} KiB {}", one.name),
                            Err(said) => wrong.push(format!(
                                "{} ({:?}) in place of {:?}:\n{said}",
                                one.name, one.at, one.said
                            )),
                        }
                    }
                    wrong
                })
            })
            .collect();
        judges.into_iter().flat_map(|judge| judge.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), misbehaviours.len(), wrong.join("\n\n"));
}

/// By how much a process grows that asks all of these servers at once, and what it says.
fn together(ports: &[u16], encrypted: bool) -> (u64, String) {
    let files: Vec<String> = ports
        .iter()
        .map(|port| {
            let file = std::env::temp_dir().join(format!("authcon-wire-{port}.yaml"));
            std::fs::write(&file, resource(*port, if encrypted { "Require" } else { "Disable" })).unwrap();
            file.to_str().unwrap().to_owned()
        })
        .collect();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_measured", "--nocapture"])
        .env(CHILD, files.join("\n"))
        .output()
        .unwrap();
    files.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("panicked"), "{said}");
    let grew =
        said.split_once("<grew ").and_then(|(_, rest)| rest.split_once(" KiB>")).unwrap().0.parse().unwrap();
    (grew, said)
}

#[test]
fn many_servers_that_misbehave_at_once_grow_the_process_by_no_more_than_one_may() {
    use server::{message, row};
    let text = vec![b'x'; 500_000];
    let long = row(&[Some(&text)]);
    let small = row(&[Some(b"x")]);
    for (name, does) in [
        ("long rows without end", Does::Floods(message(b'2', b""), long.clone())),
        ("short rows without end", Does::Floods(message(b'2', b""), small.clone())),
        (
            "eleven megabytes of long rows, and silence",
            Does::Says([message(b'2', b""), long.repeat(22)].concat()),
        ),
        (
            "eleven megabytes of short rows, and silence",
            Does::Says([message(b'2', b""), small.repeat(88_000)].concat()),
        ),
        (
            "the beginning of a long message",
            Does::Says(server::lying(b'D', 2 << 20, &[0, 1].repeat(900_000))),
        ),
    ] {
        for encrypted in [false, true] {
            let ports = (0..MANY).map(|_| server::serve(At::Rows(1), does.clone(), encrypted).0);
            let (grew, said) = together(&ports.collect::<Vec<u16>>(), encrypted);
            println!("{grew:>6} KiB {name}, encrypted: {encrypted}");
            assert!(grew < GROWTH, "{name}: {grew} KiB");
            assert_eq!(said.matches("<1>").count(), MANY, "{name}: {said}");
        }
    }
}

#[test]
fn a_server_that_never_hangs_up_keeps_no_connection_of_ours() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    auth_consistency::tokens::crypto::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for (at, encrypted) in [(At::Hello, false), (At::Hello, true), (At::Begin, false), (At::Begin, true)] {
        let (port, ended) = server::serve(at, Does::Says(Vec::new()), encrypted);
        let file = std::env::temp_dir().join(format!("authcon-wire-{port}.yaml"));
        std::fs::write(&file, resource(port, if encrypted { "Require" } else { "Disable" })).unwrap();
        let arguments = ["auth-consistency", "check", "-f", file.to_str().unwrap()].map(OsString::from);
        assert_eq!(runtime.block_on(auth_consistency::cli::main(arguments)).exit.code(), 1);
        std::fs::remove_file(&file).unwrap();
        // The process goes on.
        ended.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("{at:?} is still connected"));
    }
}

#[test]
fn no_server_makes_the_process_panic_hang_or_grow_and_each_is_told() {
    all_are_told(&misbehaviours::all(), false);
}

#[test]
fn no_server_does_so_behind_encryption() {
    all_are_told(&misbehaviours::all(), true);
}

#[test]
fn no_server_does_so_before_encryption_is_agreed_on() {
    all_are_told(&misbehaviours::before_encryption(), true);
}
