//! What the tests against real databases share: a fresh database per test, and passes over it whose
//! every outcome is searched for secrets.

#![allow(dead_code, reason = "every test program uses a part of it")]

pub mod canary;
mod case;
mod database;
mod line;
mod log;
pub mod qualified;
mod relay;
mod server;

#[allow(unused_imports, reason = "the bench shares the harness, and uses less of it")]
pub use case::{Case, Expected, Pass, USUAL};
pub use database::Db;
#[allow(unused_imports, reason = "one test cuts the line to many copies of a database")]
pub use database::Template;
#[allow(unused_imports, reason = "a world that many tests begin with")]
pub use database::admin_and_ada;
#[allow(unused_imports, reason = "one test cuts the line to many copies of a database")]
pub use line::{Line, Side};
#[allow(unused_imports, reason = "a few tests stand between a pass and its database")]
pub use relay::{Answer, relay};
#[allow(unused_imports, reason = "one test needs a server of its own")]
pub use server::Server;

/// A password hash of the app: bcrypt with a low cost, of `correct horse 4711`.
pub const HASH: &str = "$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG";

/// What tests put into rows that no message may repeat.
pub const ROW: &str = "canary-of-a-row";

/// The password behind [`HASH`].
pub const PASSWORD: &str = "correct horse 4711";

/// A setting that `make test` makes.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests through make test"))
}
