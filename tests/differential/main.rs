//! Hashes and tokens against the libraries of apps, in processes of Python, Node and PHP that stay open: what one
//! side makes, the other accepts, and what one refuses, the other refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod hashes;
mod pairs;
mod passwords;
mod tokens;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use serde_json::Value;

/// A Python program of the app under test.
fn python(program: &str) -> Command {
    let python = std::env::var("AUTHCON_TEST_PYTHON")
        .unwrap_or_else(|_| panic!("AUTHCON_TEST_PYTHON is not set: run these tests through make test"));
    let mut command = Command::new(python);
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/app").join(program));
    command
}

/// The app's libraries, asked one line at a time. The process ends when its input does, which this one
/// holds until its own end.
struct Libraries(Child);

impl Libraries {
    fn start(mut command: Command) -> Mutex<Self> {
        Mutex::new(Self(
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("no interpreter"),
        ))
    }

    fn ask(&mut self, question: &Value) -> Value {
        let questions = self.0.stdin.as_mut().unwrap();
        questions.write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut answer = String::new();
        // Buffers nothing past this call: there is one line of answer to one of question.
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
    }
}

fn answered(libraries: &Mutex<Libraries>, question: &Value) -> Result<Value, String> {
    let answer = libraries.lock().unwrap_or_else(PoisonError::into_inner).ask(question);
    match answer["ok"].as_bool() {
        Some(true) => Ok(answer),
        _ => Err(answer["error"].as_str().expect("an answer without ok and error").to_owned()),
    }
}

/// What the app's libraries say.
fn ask(question: &Value) -> Result<Value, String> {
    static LIBRARIES: LazyLock<Mutex<Libraries>> = LazyLock::new(|| Libraries::start(python("verify.py")));
    answered(&LIBRARIES, question)
}

/// A Node program beside the app.
fn node(program: &str) -> Command {
    let modules = std::env::var("AUTHCON_TEST_NODE_MODULES").unwrap_or_else(|_| {
        panic!("AUTHCON_TEST_NODE_MODULES is not set: run these tests through make test")
    });
    let mut node = Command::new("node");
    node.env("NODE_PATH", modules);
    node.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/app/node").join(program));
    node
}

/// What the library says that most Node apps use.
fn ask_node(question: &Value) -> Result<Value, String> {
    static LIBRARY: LazyLock<Mutex<Libraries>> = LazyLock::new(|| Libraries::start(node("verify.cjs")));
    answered(&LIBRARY, question)
}
