//! From a real database to a real resource's status: the operator runs under its own ServiceAccount
//! with the chart's RBAC against a real API server, PostgreSQL and app.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod accounts;
mod app;
mod bad_input;
mod durations;
mod elsewhere;
mod long;
mod people;
mod requests;
mod rotation;
mod rows;
mod sessions;
mod states;
mod world;

use world::{CONSISTENT, World, shared_operator};

/// A world that is consistent but for some SQL (run with triggers off, as a restore does), with the
/// resource applied.
async fn scenario(sql: &str, fields: &str) -> World {
    shared_operator();
    let world = World::new(CONSISTENT).await;
    if !sql.is_empty() {
        world.database.run(&format!("SET session_replication_role = replica; {sql}")).await;
    }
    world.apply(fields);
    world
}

/// What the world shows when all is said: no secret, no hash, anywhere.
async fn nothing_leaks(world: &World) {
    let operator = shared_operator();
    for (where_, text) in [
        ("the API server", world.shown()),
        ("the operator's log", operator.logged()),
        ("the metrics", operator.metrics().await),
    ] {
        for secret in ["canary", "$2b$0", "$2b$1", "$2a$0", "$2a$1"] {
            assert!(!text.contains(secret), "{where_} shows {secret:?}");
        }
    }
}
