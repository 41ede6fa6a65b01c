//! The bar that a person sees on a terminal, and nobody else.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::{ORPHANS, borrowed, environment, file, run};
use crate::world::{CONSISTENT, Database};

/// Runs a command with stderr on a terminal, and gives what was drawn there.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, struct, subprocess, sys, termios
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=slave)
os.close(slave)
drawn = b""
while True:
    try:
        part = os.read(master, 65536)
    except OSError:
        break
    if not part:
        break
    drawn += part
child.stdout.read()
sys.stdout.buffer.write(drawn)
sys.exit(child.wait())
"#;

fn on_a_terminal(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> (i32, String) {
    let mut child = Command::new("python3")
        .args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_auth-consistency")])
        .args(arguments)
        .env_clear()
        .env("TERM", "xterm")
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// What stands on the screen at the end, of one line that is drawn over and over.
fn left(drawn: &str) -> &str {
    drawn.rsplit("\u{1b}[2K").next().unwrap().trim_matches(['\r', '\n'])
}

#[tokio::test]
async fn a_look_and_a_repair_show_a_bar_on_a_terminal_and_leave_nothing_of_it() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let (code, drawn) = on_a_terminal(&["check"], &borrowed(&variables), "");
    assert_eq!(code, 0, "{drawn:?}");
    assert!(drawn.contains("] looking at api_keys.user_id: 0 of 2 references done"), "{drawn:?}");
    assert!(drawn.contains("[============>           ] looking at usage_logs.user_id: 1 of 2"), "{drawn:?}");
    assert_eq!(left(&drawn), "", "{drawn:?}");

    database.run(ORPHANS).await;
    let file = file(&database, "Delete");
    let plan = run(&["plan", "-f", "-", "-o", "json"], &[], &file).json()["plan"]["hash"].clone();
    let approved = ["repair", "-f", "-", "--approve", plan.as_str().unwrap()];
    let (code, drawn) = on_a_terminal(&approved, &[], &file);
    assert_eq!(code, 0, "{drawn:?}");
    assert!(drawn.contains("Delete of usage_logs.user_id: 0 of 10 rows done"), "{drawn:?}");
    assert_eq!(left(&drawn), "", "{drawn:?}");
    crate::keeps_secrets(&drawn, &approved, &[], &file);
}

#[tokio::test]
async fn without_a_terminal_nothing_is_drawn() {
    let database = Database::create(CONSISTENT).await;
    let said = run(&["check"], &borrowed(&environment(&database)), "");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}
