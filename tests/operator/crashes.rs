//! `kill -9` before and after every effect converges to the same end with nothing lost.

use std::sync::{Arc, Mutex};

use crate::world::{CONSISTENT, Operator, World, condition, until};

/// A botched migration: no admin, a sequence behind, orphans over the limit, a foreign key lost.
const BOTCHED: &str = "SET session_replication_role = replica; \
    UPDATE usage_logs SET user_id = 4711 WHERE user_id = 1; UPDATE usage_logs SET user_id = 4712 WHERE user_id = 3; \
    DELETE FROM users WHERE id IN (1, 3); SELECT setval('users_id_seq', 1); \
    ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey;";

const FIELDS: &str = "{references: {constraint: Restore, rules: [{table: usage_logs, columns: [user_id], \
    onOrphan: Reassign, constraint: usage_logs_user_id_fkey}]}}";

async fn botched() -> World {
    let world = World::new(CONSISTENT).await;
    world.database.run(BOTCHED).await;
    world
}

/// Approves whatever waits, until the resource is ready.
async fn settle(world: &World) {
    let status = world
        .wait("ready or a plan", |status| {
            condition(status, "Ready").is_some_and(|one| one.1 == "Consistent" || one.1 == "ApprovalRequired")
        })
        .await;
    if let Some(hash) = status.plan.and_then(|plan| plan.hash) {
        world.annotate("auth.probeops.com/approve", &hash);
    }
    world.ready("True", "Consistent").await;
}

/// The one right end, whatever happened on the way.
async fn assert_the_end(world: &World, point: &str) {
    let text = async |sql: &str| world.database.text(sql).await;
    assert_eq!(
        text("SELECT count(*)::text FROM users WHERE email = 'admin@probeops.com' AND role = 'admin'").await,
        "1",
        "{point}"
    );
    assert_eq!(text("SELECT count(*)::text FROM users").await, "2", "{point}");
    assert_eq!(
        text("SELECT (min(id) > 4712)::text FROM users WHERE role = 'admin'").await,
        "true",
        "{point}"
    );
    assert_eq!(text("SELECT count(*)::text FROM usage_logs").await, "30", "{point}");
    assert_eq!(
        text("SELECT count(*)::text FROM usage_logs l JOIN users u ON u.id = l.user_id AND u.role = 'admin'")
            .await,
        "20",
        "{point}"
    );
    let table = text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'usage_logs'").await;
    let copies = format!(
        "SELECT count(*) || '/' || count(DISTINCT id) || '/' || count(*) FILTER (WHERE user_id IN (4711, 4712)) FROM auth_consistency.\"{table}\""
    );
    assert_eq!(text(&copies).await, "20/20/20", "{point}: each row is in quarantine once, as it was");
    assert_eq!(
        text("SELECT sum(rows)::text FROM auth_consistency.audit WHERE action = 'Reassign'").await,
        "20",
        "{point}"
    );
    assert_eq!(
        text("SELECT sum(rows)::text FROM auth_consistency.audit WHERE action = 'Seed'").await,
        "1",
        "{point}"
    );
    assert_eq!(
        text("SELECT convalidated::text FROM pg_constraint WHERE conname = 'usage_logs_user_id_fkey'").await,
        "true",
        "{point}"
    );
    assert_eq!(text("SELECT count(*)::text FROM auth_consistency.runs WHERE plan_hash IS NOT NULL AND closed_at IS NULL").await, "0", "{point}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_effect_converges_to_the_same_end_with_nothing_lost() {
    // The effects are listed by a run that nobody kills.
    let world = botched().await;
    let list = std::env::temp_dir().join(format!("{}.points", world.namespace));
    let operator = Operator::start_directly(
        &format!("op-{}", world.namespace),
        &[&world.namespace],
        &[("AUTH_CONSISTENCY_CRASH_LOG", list.to_string_lossy().into_owned())],
    );
    world.apply(FIELDS);
    settle(&world).await;
    assert_the_end(&world, "nobody was killed").await;
    drop(operator);
    let points: Vec<String> = std::fs::read_to_string(&list).unwrap().lines().map(str::to_owned).collect();
    for effect in [
        "begin",
        "AdvanceSequence",
        "Seed",
        "chunk",
        "AddConstraint",
        "ValidateConstraint",
        "close",
        "status",
    ] {
        assert!(points.iter().any(|point| point.contains(effect)), "{effect} is not among {points:?}");
    }

    let left = Arc::new(Mutex::new(points));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let left = Arc::clone(&left);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(point) = { left.lock().unwrap().pop() } {
                    runtime.block_on(killed_at(&point));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

async fn killed_at(point: &str) {
    let world = botched().await;
    let home = format!("op-{}", world.namespace);
    let mut operator = Operator::start_directly(
        &home,
        &[&world.namespace],
        &[("AUTH_CONSISTENCY_CRASH_AT", point.to_owned())],
    );
    world.apply(FIELDS);
    // The point may lie behind the approval, so it is given as soon as it is asked for.
    let mut approved = false;
    let ended = std::cell::Cell::new(false);
    while !ended.get() {
        until(&format!("the kill at {point}"), async || {
            let plan = world.plan_hash().await;
            plan.is_some() && !approved || operator.peek()
        })
        .await;
        if operator.peek() {
            ended.set(true);
        } else if let Some(hash) = world.plan_hash().await {
            world.annotate("auth.probeops.com/approve", &hash);
            approved = true;
        }
    }
    assert_eq!(operator.ended(), None, "{point}: it ended by itself");
    let _second = Operator::start_directly(&home, &[&world.namespace], &[]);
    settle(&world).await;
    assert_the_end(&world, point).await;
}
