//! `kill -9` before and after every effect converges to the same end with nothing lost.

use std::sync::{Arc, Mutex};

use auth_consistency::api::AuthConsistencyStatus;

use crate::world::{CONSISTENT, Operator, World, condition, kubectl, until};

/// A botched migration: no admin, a sequence behind, orphans over the limit, a foreign key lost.
const BOTCHED: &str = "SET session_replication_role = replica; \
    UPDATE usage_logs SET user_id = 4711 WHERE user_id = 1; UPDATE usage_logs SET user_id = 4712 WHERE user_id = 3; \
    DELETE FROM users WHERE id IN (1, 3); SELECT setval('users_id_seq', 1); \
    ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey;";

const FIELDS: &str = "{references: {constraint: Restore, rules: [{table: usage_logs, columns: [user_id], \
    onOrphan: Reassign, constraint: usage_logs_user_id_fkey}]}}";

/// Brook has another id than before, the admin is to have another one, and rows of others name nobody.
const MOVED: &str = "SET session_replication_role = replica; UPDATE users SET id = 9 WHERE id = 3; \
    SELECT setval('users_id_seq', 100); INSERT INTO api_keys (user_id, key_hash) VALUES (77, 'x'), (77, 'y'), (78, 'z'); \
    CREATE TABLE notes (id serial PRIMARY KEY, user_id integer REFERENCES users (id)); \
    INSERT INTO notes (user_id) VALUES (88), (88), (89), (2); GRANT ALL ON notes TO PUBLIC;";

const MOVED_FIELDS: &str = "{admin: {id: '7'}, references: {limits: {rows: 1000, percent: 100}, \
    identities: {configMapRef: {name: before}}, rules: [{table: usage_logs, onOrphan: Remap}, \
    {table: api_keys, onOrphan: Delete}, {table: notes, onOrphan: SetNull}]}}";

const PEOPLE: &str =
    "--from-literal=before.csv=id,login\n1,admin@probeops.com\n2,ada@example.com\n3,brook@example.com\n";

/// What happened to the app, and so which effects a kill may meet.
#[derive(Debug, Clone, Copy)]
enum Story {
    Botched,
    Moved,
}

impl Story {
    async fn world(self) -> World {
        let world = World::new(CONSISTENT).await;
        match self {
            Self::Botched => world.database.run(BOTCHED).await,
            Self::Moved => {
                world.database.run(MOVED).await;
                kubectl(&["create", "configmap", "before", "-n", &world.namespace, PEOPLE], "");
            }
        }
        world
    }

    fn apply(self, world: &World) {
        world.apply(match self {
            Self::Botched => FIELDS,
            Self::Moved => MOVED_FIELDS,
        });
    }

    async fn assert_the_end(self, world: &World, point: &str) {
        match self {
            Self::Botched => assert_the_end(world, point).await,
            Self::Moved => assert_the_moved_end(world, point).await,
        }
    }
}

/// Approves whatever waits, until the resource is ready.
async fn settle(world: &World) {
    let mut approved = None;
    loop {
        let status = world
            .wait("ready or a plan", |status| {
                let ready = condition(status, "Ready").is_some_and(|one| one.1 == "Consistent");
                ready || waiting(status).is_some_and(|hash| Some(&hash) != approved.as_ref())
            })
            .await;
        let Some(hash) = waiting(&status) else { return };
        world.annotate("auth.probeops.com/approve", &hash);
        approved = Some(hash);
    }
}

/// The hash of the plan that waits for approval.
fn waiting(status: &AuthConsistencyStatus) -> Option<String> {
    let waits = condition(status, "Ready").is_some_and(|one| one.1 == "ApprovalRequired");
    status.plan.as_ref().filter(|_| waits)?.hash.clone()
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

/// The same where people and ids were moved.
async fn assert_the_moved_end(world: &World, point: &str) {
    let text = async |sql: &str| world.database.text(sql).await;
    let ids = "SELECT string_agg(id || ' ' || split_part(email, '@', 1), ', ' ORDER BY id) FROM users";
    assert_eq!(text(ids).await, "2 ada, 7 admin, 9 brook", "{point}");
    let logs = "SELECT string_agg(user_id || ' ' || n, ', ' ORDER BY user_id) FROM \
         (SELECT user_id, count(*) AS n FROM usage_logs GROUP BY user_id) l";
    assert_eq!(text(logs).await, "2 10, 7 10, 9 10", "{point}");
    assert_eq!(text("SELECT string_agg(user_id::text, ', ') FROM api_keys").await, "2", "{point}");
    let notes = "SELECT string_agg(coalesce(user_id::text, 'NULL'), ', ' ORDER BY id) FROM notes";
    assert_eq!(text(notes).await, "NULL, NULL, NULL, 2", "{point}");
    for (table, copies) in [("usage_logs", 20), ("users", 1), ("api_keys", 3), ("notes", 3)] {
        let sql = format!("SELECT name FROM auth_consistency.quarantine WHERE table_name = '{table}'");
        let kept = text(&sql).await;
        let count = format!("SELECT count(*) || '/' || count(DISTINCT id) FROM auth_consistency.\"{kept}\"");
        assert_eq!(text(&count).await, format!("{copies}/{copies}"), "{point}: copies of {table}");
    }
    let audit = "SELECT string_agg(action || ' ' || n, ', ' ORDER BY action) FROM \
         (SELECT action, sum(rows) AS n FROM auth_consistency.audit GROUP BY action) a";
    assert_eq!(text(audit).await, "Delete 3, MoveId 11, Remap 10, SetNull 3", "{point}");
    let applied = "SELECT count(*)::text FROM auth_consistency.remaps";
    assert_eq!(text(applied).await, "1", "{point}: the list is applied once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_effect_converges_to_the_same_end_with_nothing_lost() {
    killed_everywhere(
        Story::Botched,
        &[
            "begin",
            "AdvanceSequence",
            "Seed",
            "chunk",
            "AddConstraint",
            "ValidateConstraint",
            "close",
            "status",
        ],
        |_| true,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_where_people_and_ids_were_moved_converges_to_the_same_end_with_nothing_lost() {
    // What lies between the effects is the same as in the other story.
    let effects = &["Remap", "MoveId", "SetNull", "Delete"];
    let meant = |point: &str| effects.iter().any(|effect| point.contains(effect));
    killed_everywhere(Story::Moved, effects, meant).await;
}

/// Kills the operator at every point that is meant, and lets another one go on.
async fn killed_everywhere(story: Story, effects: &[&str], meant: impl Fn(&str) -> bool) {
    // The effects are listed by a run that nobody kills.
    let world = story.world().await;
    let list = std::env::temp_dir().join(format!("{}.points", world.namespace));
    let operator = Operator::start_directly(
        &format!("op-{}", world.namespace),
        &[&world.namespace],
        &[("AUTH_CONSISTENCY_CRASH_LOG", list.to_string_lossy().into_owned())],
    );
    story.apply(&world);
    settle(&world).await;
    story.assert_the_end(&world, "nobody was killed").await;
    drop(operator);
    let mut points: Vec<String> =
        std::fs::read_to_string(&list).unwrap().lines().map(str::to_owned).collect();
    points.retain(|point| meant(point));
    for effect in effects {
        assert!(points.iter().any(|point| point.contains(*effect)), "{effect} is not among {points:?}");
    }

    let left = Arc::new(Mutex::new(points));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let left = Arc::clone(&left);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(point) = { left.lock().unwrap().pop() } {
                    runtime.block_on(killed_at(story, &point));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
}

async fn killed_at(story: Story, point: &str) {
    let world = story.world().await;
    let home = format!("op-{}", world.namespace);
    let mut operator = Operator::start_directly(
        &home,
        &[&world.namespace],
        &[("AUTH_CONSISTENCY_CRASH_AT", point.to_owned())],
    );
    story.apply(&world);
    // The point may lie behind the approval, so it is given as soon as it is asked for.
    let mut approved = None;
    let ended = std::cell::Cell::new(false);
    while !ended.get() {
        until(&format!("the kill at {point}"), async || {
            let plan = world.plan_hash().await;
            plan.is_some() && plan != approved || operator.peek()
        })
        .await;
        if operator.peek() {
            ended.set(true);
        } else if let Some(hash) = world.plan_hash().await {
            world.annotate("auth.probeops.com/approve", &hash);
            approved = Some(hash);
        }
    }
    assert_eq!(operator.ended(), None, "{point}: it ended by itself");
    let _second = Operator::start_directly(&home, &[&world.namespace], &[]);
    settle(&world).await;
    story.assert_the_end(&world, point).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_effect_of_a_reset_that_was_asked_for_resets_once() {
    let points = ["before begin", "after begin", "before Reset", "after Reset", "after status"];
    for point in points {
        let world = World::new(CONSISTENT).await;
        let home = format!("op-{}", world.namespace);
        world.apply("");
        world.annotate("auth.probeops.com/reset-admin", "monday");
        let at = [("AUTH_CONSISTENCY_CRASH_AT", format!("{point} #1"))];
        let mut operator = Operator::start_directly(&home, &[&world.namespace], &at);
        until(&format!("the kill at {point}"), async || operator.peek()).await;
        assert_eq!(operator.ended(), None, "{point}: it ended by itself");
        let _second = Operator::start_directly(&home, &[&world.namespace], &[]);
        let status = world.ready("True", "Consistent").await;
        assert_eq!(status.last_handled_reset_admin.as_deref(), Some("monday"), "{point}");
        assert_eq!(status.requests_not_done, [], "{point}");
        let resets = "SELECT count(*)::text FROM auth_consistency.audit WHERE action = 'Reset'";
        assert_eq!(world.database.text(resets).await, "1", "{point}");
    }
}
