//! A recorded life: one resource after another goes through what happens to it in a cluster, by the real
//! operator, a real API server and PostgreSQL. Every revision that the API server ever shows is recorded, and
//! held to `rules`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod record;
mod rules;
mod stories;
#[path = "../scenarios/world.rs"]
mod world;

use record::Recorder;
use world::{CONSISTENT, Operator, World, kubectl};

/// What may stand in no revision.
/// The prefix of a format is named, and no hash begins with it alone.
const SECRETS: [&str; 5] = ["canary", "$2b$0", "$2b$1", "$2a$0", "$2a$1"];

#[tokio::test(flavor = "multi_thread")]
async fn every_revision_of_a_life_is_what_a_status_may_say() {
    let databases = ["", CONSISTENT, CONSISTENT, CONSISTENT, CONSISTENT, CONSISTENT, CONSISTENT];
    let worlds = databases.map(|sql| tokio::spawn(World::new(sql)));
    let worlds: Vec<World> =
        futures::future::join_all(worlds).await.into_iter().map(|world| world.unwrap()).collect();
    stories::store_otherwise(&worlds[6]).await;
    let mut records = Vec::new();
    for world in &worlds {
        records.push(Recorder::start(world).await);
    }
    let [first, suspended, spec, rows, locked, many, odd] = worlds.as_slice() else { unreachable!() };
    let shared: Vec<&str> =
        [first, suspended, spec, rows, locked, odd].iter().map(|world| world.namespace.as_str()).collect();
    let _operator = Operator::start(&format!("op-{}", first.namespace), &shared, &[], &[]);
    // Each has a thread of its own, since a story waits for kubectl now and then.
    let handle = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        std::thread::scope(|threads| {
            threads.spawn(|| handle.block_on(stories::first_install(first, &records[0])));
            threads.spawn(|| handle.block_on(stories::suspension(suspended, &records[1])));
            threads.spawn(|| handle.block_on(stories::spec_and_secrets(spec, &records[2])));
            threads.spawn(|| handle.block_on(stories::rows(rows, &records[3])));
            threads.spawn(|| handle.block_on(stories::locked(locked, &records[4])));
            threads.spawn(|| handle.block_on(stories::operators(many, &records[5])));
            threads.spawn(|| handle.block_on(stories::stored_otherwise(odd, &records[6])));
        });
    });
    let (mut situations, mut revisions, mut wrong) = (0, 0, Vec::new());
    for (world, record) in worlds.iter().zip(records) {
        let life = record.end(world).await;
        situations += life.situations.len();
        revisions += life.revisions.len();
        wrong.extend(rules::complaints(&life.revisions, &SECRETS).into_iter().map(|what| life.told(&what)));
    }
    // Operators of other tests watch every namespace.
    for world in &worlds {
        kubectl(&["delete", "authcon", "app", "-n", &world.namespace, "--wait=false"], "");
    }
    println!("{revisions} revisions in {situations} situations");
    assert!(wrong.is_empty(), "{} of {revisions} revisions:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        situations >= 30 && revisions > 2 * situations,
        "{revisions} revisions in {situations} situations"
    );
}
