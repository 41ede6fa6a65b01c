//! Passes that take long: the status says how far they have got, and nothing of it stays.

use std::{cell::RefCell, time::Instant};

use auth_consistency::api::status::{Progress, Unit};

use super::{nothing_leaks, scenario};
use crate::world::{CONSISTENT, World, condition, shared_operator, until};

#[tokio::test]
async fn a_long_repair_shows_how_far_it_is_now_and_then_and_nothing_of_it_when_it_is_done() {
    let slow = "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN PERFORM pg_catalog.pg_sleep(3); RETURN NULL; END$$; \
         CREATE TRIGGER slowly BEFORE DELETE ON usage_logs FOR EACH STATEMENT EXECUTE FUNCTION slowly(); \
         INSERT INTO usage_logs (id, user_id, tool) SELECT n, 4711, 'ping' FROM generate_series(10001, 13000) n;";
    let fields = "{references: {onOrphan: Delete, limits: {rows: 100000, percent: 100}}}";
    let world = scenario(slow, fields).await;
    let (began, seen) = (Instant::now(), RefCell::new(Vec::<Progress>::new()));
    until("the end of the repair", async || {
        let status = world.api().get("app").await.unwrap().status.unwrap_or_default();
        let ready = condition(&status, "Ready").map(|one| (one.0.to_owned(), one.2.to_owned()));
        if let Some(progress) = status.progress {
            let (ready, message) = ready.clone().unwrap();
            assert_eq!(ready, "Unknown");
            // The first look over a new resource is told of after a second.
            if progress.unit == Unit::References {
                assert!(message.starts_with("looking at "), "{message}");
                return false;
            }
            assert!(message.starts_with("Delete of usage_logs.user_id: "), "{message}");
            let mut seen = seen.borrow_mut();
            if seen.last() != Some(&progress) {
                seen.push(progress);
            }
            return false;
        }
        ready.is_some_and(|(ready, _)| ready == "True")
    })
    .await;
    let seen = seen.into_inner();
    let most = usize::try_from(began.elapsed().as_secs() / 10).unwrap();
    assert!(!seen.is_empty() && seen.len() <= most, "{} in {:?}: {seen:?}", seen.len(), began.elapsed());
    for progress in &seen {
        assert_eq!((progress.what.as_str(), progress.unit), ("Delete of usage_logs.user_id", Unit::Rows));
        assert_eq!(progress.done + progress.left, 3000);
    }
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.progress, None);
    assert_eq!(world.another_pass().await.progress, None);
    nothing_leaks(&world).await;
}

/// Tags whose text takes as long as the table `pace` says, so that a search of them does too.
const SLOW: &str = "
CREATE TABLE pace (seconds float8); INSERT INTO pace VALUES (0.5);
CREATE TYPE tag AS ENUM ('1', '2');
CREATE FUNCTION spelled(tag) RETURNS text LANGUAGE plpgsql AS
  $$BEGIN PERFORM pg_catalog.pg_sleep(seconds) FROM public.pace; RETURN pg_catalog.enum_out($1); END$$;
CREATE CAST (tag AS text) WITH FUNCTION spelled(tag);
CREATE TABLE tags (id int PRIMARY KEY, owner tag);
INSERT INTO tags SELECT n, '1' FROM generate_series(1, 200) n;
";

#[tokio::test]
async fn a_reference_that_takes_too_long_is_unknown_alone_and_the_next_pass_goes_on_with_it() {
    shared_operator();
    let world = World::new(&format!("{CONSISTENT}{SLOW}")).await;
    world.apply(
        "{timeout: 5s, interval: 1h, references: {rules: [{table: tags, columns: [owner], declared: true}]}}",
    );
    // At first all three together, which one of them makes too slow, and then one by one.
    let says = "2 of 3 references looked at; the next pass goes on with the rest (tags.owner)";
    let status = world
        .wait("a look at the others", |status| {
            condition(status, "Ready")
                .is_some_and(|ready| ready.1 == "LookUnfinished" && ready.2.starts_with(says))
        })
        .await;
    assert_eq!(condition(&status, "ReferencesConsistent").map(|one| one.0), Some("Unknown"));
    assert_eq!(condition(&status, "Reconciling").map(|one| one.1), Some("ProgressingWithRetry"));
    assert!(condition(&status, "Stalled").is_none());
    let references = status.references.unwrap();
    assert_eq!((references.checked, references.skipped.len()), (2, 1));
    world.database.run("UPDATE pace SET seconds = 0").await;
    // Long before its interval, and with nobody asking.
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.references.unwrap().checked, 3);
    nothing_leaks(&world).await;
}
