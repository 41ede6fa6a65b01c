//! Two operators at once, and others who hold what a pass needs.

use auth_consistency::pass::request::{Repairs, Supervisor};

use std::time::Duration;

use auth_consistency::api::{
    condition::Reason as R,
    report::{Action as A, StepReport},
};
use auth_consistency::domain::fault::{Class, Fault};

use futures::future::BoxFuture;
use tokio::sync::{Mutex, Notify};

use crate::support::{Case, Db, HASH, USUAL};

async fn app() -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SELECT setval('users_id_seq', 5);
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 1), (2, 5);"
    ))
    .await
}

/// How often the audit tells of an action.
async fn times(db: &Db, action: A) -> String {
    db.text(&format!("SELECT count(*) FROM auth_consistency.audit WHERE action = '{action}'")).await
}

/// Lets another pass come to its end before the first one writes.
struct Faster {
    other: Mutex<Case>,
}

impl Supervisor for Faster {
    fn begin<'b>(&'b self, _: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        Box::pin(async {
            self.other.lock().await.repair().await.consistent();
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn what_another_pass_has_mended_since_the_look_is_not_mended_again() {
    type Edit = fn(&mut Case);
    let drifts: [(&str, A, Edit); 5] = [
        ("UPDATE users SET role = 'user' WHERE id = 1", A::Correct, |_| {}),
        ("UPDATE users SET is_active = false WHERE id = 1", A::Correct, |_| {}),
        ("DELETE FROM logs WHERE user_id = 1; DELETE FROM users WHERE id = 1", A::Seed, |_| {}),
        ("SELECT setval('users_id_seq', 1)", A::AdvanceSequence, |_| {}),
        ("SELECT", A::MoveId, |case| {
            case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("4".into()));
        }),
    ];
    for (drift, action, edit) in drifts {
        let db = app().await;
        let mut case = Case::new(&db, USUAL);
        edit(&mut case);
        // The claim and the layout are there already, or are made by whoever is faster.
        if action == A::Correct {
            case.repair().await.consistent();
        }
        db.run(drift).await;
        let faster = Faster { other: Mutex::new(case.over(&db)) };
        let pass = case.pass(Repairs::All, &faster).await;
        pass.repaired(&[]).consistent();
        assert_eq!(times(&db, action).await, "1", "{drift}");
        let kept = "SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM auth_consistency.batches) b";
        let copied = db.text(kept).await;
        assert!(
            copied == "1" || [A::Seed, A::AdvanceSequence, A::MoveId].contains(&action),
            "{drift}: {copied}"
        );
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn a_repair_that_restored_rows_overtook_is_planned_anew() {
    let db = app().await;
    let mut case = Case::new(
        &db,
        &format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}}}\n"),
    );
    db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (3, 4)").await;
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", 1)]);
    let run = case.status.history[0].run.clone();
    db.run("INSERT INTO users VALUES (4, 'back@example.com', 'x', 'user'); UPDATE users SET role = 'user' WHERE id = 1")
        .await;
    let other = case.over(&db);
    let restoring = Restoring::default();
    let restore = async {
        restoring.now.notified().await;
        other.restore(&run).await.unwrap();
        restoring.done.notify_one();
    };
    let (pass, ()) = tokio::join!(case.pass(Repairs::All, &restoring), restore);
    assert!(pass.finding(R::RepairFailed).message.contains("another run has been at work"));
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
}

/// Has rows of a run put back before a pass writes.
#[derive(Default)]
struct Restoring {
    now: Notify,
    done: Notify,
}

impl Supervisor for Restoring {
    fn begin<'b>(&'b self, _: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        Box::pin(async {
            self.now.notify_one();
            self.done.notified().await;
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

/// Looks while another pass is held up in its repair, and writes once that one has ended.
struct Patient<'a> {
    app: Mutex<sqlx::PgConnection>,
    first_ended: &'a Notify,
}

impl Supervisor for Patient<'_> {
    fn begin<'b>(&'b self, _: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        Box::pin(async {
            sqlx::raw_sql("COMMIT").execute(&mut *self.app.lock().await).await.unwrap();
            self.first_ended.notified().await;
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_pass_that_looked_while_another_one_was_at_its_step_does_not_do_that_step_again() {
    let db = app().await;
    let mut first = Case::new(&db, USUAL);
    first.repair().await.consistent();
    db.run("UPDATE users SET role = 'user' WHERE id = 1").await;
    let mut app = db.another().await;
    sqlx::raw_sql("BEGIN; SELECT FROM users WHERE id = 1 FOR UPDATE").execute(&mut app).await.unwrap();
    let mut second = first.over(&db);
    let first_ended = Notify::new();
    let patient = Patient { app: Mutex::new(app), first_ended: &first_ended };
    let one = async {
        let pass = first.repair().await;
        first_ended.notify_one();
        pass
    };
    let other = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while db.text(waits).await == "0" {
            tokio::task::yield_now().await;
        }
        second.pass(Repairs::All, &patient).await
    };
    let both = tokio::time::timeout(Duration::from_secs(60), async { futures::join!(one, other) });
    let (one, other) = both.await.expect("the two passes came to no end");
    // Whoever waited for the row too long has not mended it, and then the other one has.
    let done: usize = [&one, &other].iter().map(|pass| pass.outcome().repaired.len()).sum();
    assert_eq!(done, 1, "{:?} {:?}", one.outcome().repaired, other.outcome().repaired);
    assert_eq!(times(&db, A::Correct).await, "1");
    second.repair().await.consistent().repaired(&[]);
}

#[tokio::test]
async fn a_locked_user_table_is_told_as_busy_and_the_page_names_who_holds_it() {
    let db = app().await;
    let mut case = Case::new(&db, &format!("{USUAL}timeout: 5s\n"));
    case.repair().await.consistent();
    let before = db.fingerprint().await;
    for lock in ["LOCK TABLE users IN ACCESS EXCLUSIVE MODE", "ALTER TABLE users ADD COLUMN nickname text"] {
        let mut holder = db.another().await;
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {lock}"))).execute(&mut holder).await.unwrap();
        let pass = case.repair().await;
        let fault = pass.fault();
        assert_eq!(
            (fault.reason, fault.class),
            (R::DatabaseBusy, Class::Conflict),
            "{lock}: {}",
            fault.message
        );
        assert!(
            fault.message.contains("55P03") && fault.message.contains("another session holds"),
            "{}",
            fault.message
        );
        assert_eq!(
            &pass.conditions()[..3],
            [
                "Ready=False DatabaseBusy",
                "Reconciling=True ProgressingWithRetry",
                "DatabaseReachable=False DatabaseBusy",
            ]
        );
        // What the page says is tried where it is meant for.
        let blocks: Vec<&str> = R::DatabaseBusy
            .page()
            .split("```sql\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next())
            .collect();
        let [who, end] = blocks.as_slice() else { panic!("{blocks:?}") };
        let who = who.trim().trim_end_matches(';');
        assert_eq!(
            db.text(&format!("SELECT string_agg(w.pid::text, ',') FROM ({who}) w")).await,
            pid.to_string()
        );
        db.run(&end.replace("12345", &pid.to_string())).await;
        case.repair().await.consistent().repaired(&[]);
    }
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn what_was_repaired_is_told_though_the_user_table_is_held_when_it_is_looked_at_again() {
    let db = app().await;
    db.run(
        "CREATE FUNCTION held() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN \
           LOOP EXIT WHEN pg_try_advisory_xact_lock_shared(4711); PERFORM pg_sleep(0.01); END LOOP; RETURN NEW; END$$; \
         CREATE TRIGGER held BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION held()",
    )
    .await;
    let mut case = Case::new(&db, &format!("{USUAL}timeout: 5s\n"));
    case.repair().await.consistent();
    db.run("UPDATE users SET role = 'user' WHERE id = 1; SELECT pg_advisory_lock(4711)").await;
    let mut migration = db.another().await;
    let meanwhile = async {
        let others = |which: &str| {
            format!(
                "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE datname = current_database() AND {which}"
            )
        };
        let until = async |sql: String, there: bool| {
            loop {
                let found = db.text(&sql).await;
                if (found != "0") == there {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        // Whoever asks for the whole table while the step is at work has it as soon as that has committed.
        until(others("wait_event = 'PgSleep'"), true).await;
        let locking = tokio::spawn(async move {
            let lock = sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE");
            lock.execute(&mut migration).await.unwrap();
            migration
        });
        until(others("wait_event_type = 'Lock'"), true).await;
        db.run("SELECT pg_advisory_unlock(4711)").await;
        let mut migration = locking.await.unwrap();
        let look = until(others("wait_event_type = 'Lock'"), true).await;
        until(others(&format!("pid = {look}")), false).await;
        sqlx::raw_sql("COMMIT").execute(&mut migration).await.unwrap();
    };
    let both = async { tokio::join!(case.repair(), meanwhile) };
    let (pass, ()) =
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("the pass came to no end");
    pass.repaired(&[(A::Correct, "users.role", 1)]).consistent();
    assert_eq!(times(&db, A::Correct).await, "1");
    case.settled(&db).await;
}
