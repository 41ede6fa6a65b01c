//! Others are at work while a pass is.

use auth_consistency::pass::request::{Repairs, Supervisor};

use std::sync::atomic::{AtomicUsize, Ordering};

use auth_consistency::api::{
    condition::{ConditionType, Reason as R},
    report::{Action as A, StepReport},
    status::Unit,
};
use auth_consistency::domain::{
    fault::{Class, Fault},
    progress::Progress,
};

use futures::future::BoxFuture;

use crate::support::{Case, Db, HASH, Pass, USUAL};

async fn with(orphans: i64) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         SET session_replication_role = replica; INSERT INTO logs SELECT n, 9 FROM generate_series(1, {orphans}) n;"
    ))
    .await
}

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 100000, percent: 100}}}}\n")
}

/// Does something in the middle of a pass: before its first write, or before a chunk.
struct Meanwhile<'a> {
    db: &'a Db,
    begin: &'a str,
    chunk: &'a str,
    chunks: AtomicUsize,
    refuse_after: usize,
}

impl<'a> Meanwhile<'a> {
    fn new(db: &'a Db) -> Self {
        Self { db, begin: "SELECT", chunk: "SELECT", chunks: AtomicUsize::new(0), refuse_after: usize::MAX }
    }
}

impl Supervisor for Meanwhile<'_> {
    fn begin<'b>(&'b self, steps: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        assert!(!steps.is_empty(), "a pass with nothing to do does not begin");
        Box::pin(async {
            self.db.run(self.begin).await;
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async {
            let chunk = self.chunks.fetch_add(1, Ordering::SeqCst);
            self.db.run(&self.chunk.replace("NUMBER", &(1_000_000 + chunk).to_string())).await;
            if chunk >= self.refuse_after {
                let message = "it was deleted meanwhile".to_owned();
                let (reason, condition) = (R::SpecInvalid, ConditionType::Ready);
                return Err(Fault { reason, condition, class: Class::Conflict, message });
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn two_passes_at_once_repair_every_row_once() {
    let db = with(3000).await;
    let mut one = Case::new(&db, &spec("Delete"));
    let mut other = one.over(&db);
    let (first, second) = futures::join!(one.repair(), other.repair());
    let done: i64 = [&first, &second].iter().flat_map(|p| &p.outcome().repaired).map(|step| step.rows).sum();
    let counted: i64 =
        db.text("SELECT coalesce(sum(rows), 0) FROM auth_consistency.audit").await.parse().unwrap();
    let left: i64 = db.text("SELECT count(*) FROM logs").await.parse().unwrap();
    // Each may have held the other off: then nothing is kept yet.
    let tables = db.texts("SELECT name FROM auth_consistency.quarantine").await;
    let kept = match tables.first() {
        Some(table) => db.text(&format!("SELECT count(*) FROM auth_consistency.{table}")).await,
        None => "0".into(),
    };
    assert_eq!(counted + left, 3000, "what was repaired is written down");
    assert_eq!(kept, counted.to_string(), "every removed row is in quarantine, once");
    assert!(done <= counted);
    for pass in [&first, &second] {
        for finding in pass.outcome().findings().iter().filter(|one| one.finding == R::RepairFailed) {
            // Held off, or too late: what it was about to do was done by then.
            let why = ["another run", "are others than the plan says: nothing was changed"];
            assert!(why.iter().any(|why| finding.message.contains(why)), "{}", finding.message);
            assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
        }
    }
    // Whoever was held off looks again and finds the rest, or nothing.
    one.repair().await.consistent();
    let table = db.text("SELECT name FROM auth_consistency.quarantine").await;
    assert_eq!(db.text(&format!("SELECT count(*) FROM auth_consistency.{table}")).await, "3000");
    one.settled(&db).await;
}

#[tokio::test]
async fn a_pass_that_meets_the_lock_of_another_changes_nothing() {
    let db = with(3).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let mut lock = db.another().await;
    sqlx::raw_sql(
        "BEGIN; SELECT pg_advisory_xact_lock((SELECT oid::int8::bit(32)::int4 FROM pg_database WHERE datname = current_database()), \
         'users'::regclass::oid::int8::bit(32)::int4)",
    )
    .execute(&mut lock)
    .await
    .unwrap();
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    assert!(pass.finding(R::RepairFailed).message.contains("another run repairs this user table just now"));
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
    assert_eq!(db.fingerprint().await, before);
    sqlx::raw_sql("COMMIT").execute(&mut lock).await.unwrap();
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", 3)]);
}

#[tokio::test]
async fn rows_whose_user_came_back_before_the_run_began_are_not_touched() {
    let db = with(3).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let before = db.snapshot().await;
    let back = format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')");
    let meanwhile = Meanwhile { begin: &back, ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    pass.repaired(&[]);
    assert!(pass.finding(R::RepairFailed).message.contains("others than the plan says"));
    assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"]);
    case.repair().await.consistent().repaired(&[]);
}

#[tokio::test]
async fn rows_whose_user_came_back_between_plan_and_chunk_are_not_touched() {
    let db = with(3).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let before = db.snapshot().await;
    let back =
        format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user') ON CONFLICT DO NOTHING");
    let meanwhile = Meanwhile { chunk: &back, ..Meanwhile::new(&db) };
    case.pass(Repairs::All, &meanwhile).await.consistent().repaired(&[(A::Delete, "logs.user_id", 0)]);
    assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"]);
    case.settled(&db).await;
}

/// A pass during which the app holds rows, and commits once the pass waits for them.
async fn while_held(db: &Db, case: &mut Case, held: String) -> Pass {
    let mut app = db.another().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {held}"))).execute(&mut app).await.unwrap();
    let waiting = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while db.text(waits).await == "0" {
            tokio::task::yield_now().await;
        }
        sqlx::raw_sql("COMMIT").execute(&mut app).await.unwrap();
    };
    let bounded = tokio::time::timeout(std::time::Duration::from_secs(30), waiting);
    let (pass, waited) = futures::join!(case.repair(), bounded);
    waited.expect("the chunk never waited for the row");
    pass
}

#[tokio::test]
async fn a_row_whose_user_is_committed_while_the_chunk_waits_for_it_is_not_touched() {
    for on_orphan in ["Delete", "Reassign"] {
        let db = with(1).await;
        let mut case = Case::new(&db, &spec(on_orphan));
        let before = db.snapshot().await;
        let held = format!(
            "SELECT FROM logs WHERE id = 1 FOR UPDATE; INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')"
        );
        let pass = while_held(&db, &mut case, held).await;
        let repaired = &pass.consistent().outcome().repaired;
        assert_eq!(repaired.iter().map(|step| step.rows).collect::<Vec<_>>(), [0]);
        assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"]);
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn rows_that_are_given_to_somebody_while_the_chunk_waits_for_them_are_not_touched() {
    for (on_orphan, action) in [("Delete", A::Delete), ("Reassign", A::Reassign), ("Report", A::Delete)] {
        let db = with(2000).await;
        let mut case = Case::new(&db, &spec(on_orphan));
        if on_orphan == "Report" {
            // The same where a trigger has a say, and rows are locked before they are removed.
            db.run(
                "CREATE FUNCTION agree() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
                 CREATE TRIGGER agree BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION agree()",
            )
            .await;
            case = Case::new(&db, &spec("Delete"));
        }
        // To a user of long ago, to one who is new, and to another one who is not there.
        let given = format!(
            "INSERT INTO users VALUES (6, 'six@example.com', '{HASH}', 'user'); SET LOCAL session_replication_role = replica; \
             UPDATE logs SET user_id = 5 WHERE id = 700; UPDATE logs SET user_id = 6 WHERE id = 701; \
             UPDATE logs SET user_id = 77 WHERE id = 702; DELETE FROM logs WHERE id = 703; UPDATE logs SET id = -704 WHERE id = 704"
        );
        let pass = while_held(&db, &mut case, given).await;
        pass.repaired(&[(action, "logs.user_id", 1996)]);
        assert_eq!(pass.finding(R::OrphanRows).sample, ["77"], "another key is another plan's");
        let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
        let left =
            "SELECT string_agg(format('%s:%s', id, user_id), ' ' ORDER BY id) FROM logs WHERE user_id <> 1";
        assert_eq!(db.text(left).await, "700:5 701:6 702:77", "{on_orphan}");
        let copies = format!(
            "SELECT count(*) || '/' || count(DISTINCT id) || ' ' || min(id) FROM auth_consistency.{kept}"
        );
        assert_eq!(db.text(&copies).await, "1996/1996 -704");
    }
}

#[tokio::test]
async fn where_one_of_the_users_comes_back_half_way_only_the_rows_of_the_others_are_removed() {
    let db = with(3000).await;
    db.run("SET session_replication_role = replica; UPDATE logs SET user_id = 10 WHERE id % 3 = 0").await;
    let mut case = Case::new(&db, &spec("Delete"));
    let back = format!(
        "INSERT INTO users SELECT 10, 'ten@example.com', '{HASH}', 'user' WHERE NUMBER > 1000000 ON CONFLICT DO NOTHING"
    );
    let meanwhile = Meanwhile { chunk: &back, ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    let rows = pass.consistent().outcome().repaired[0].rows;
    assert!(meanwhile.chunks.load(Ordering::SeqCst) > 1);
    assert!((2000..3000).contains(&rows), "{rows} of 2000, and of 1000 before their user came back");
    assert_eq!(
        db.text("SELECT count(*) || ' ' || min(user_id) || ' ' || max(user_id) FROM logs").await,
        format!("{} 10 10", 3000 - rows)
    );
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    let copies = format!("SELECT count(*) || '/' || count(DISTINCT id) FROM auth_consistency.{kept}");
    assert_eq!(db.text(&copies).await, format!("{rows}/{rows}"));
    case.settled(&db).await;
}

#[tokio::test]
async fn the_app_writes_while_chunks_run_and_its_rows_are_its_own() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Reassign"));
    let meanwhile = Meanwhile { chunk: "INSERT INTO logs VALUES (NUMBER, 5)", ..Meanwhile::new(&db) };
    case.pass(Repairs::All, &meanwhile).await.consistent().repaired(&[(A::Reassign, "logs.user_id", 3000)]);
    let chunks = meanwhile.chunks.load(Ordering::SeqCst);
    assert!(chunks > 1, "{chunks}");
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE user_id = 5").await, chunks.to_string());
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE user_id = 1").await, "3000");
}

#[tokio::test]
async fn new_keys_that_appear_while_chunks_run_are_another_plan_s() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let more = "SET session_replication_role = replica; INSERT INTO logs VALUES (NUMBER, 77); RESET session_replication_role";
    let meanwhile = Meanwhile { chunk: more, ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    pass.repaired(&[(A::Delete, "logs.user_id", 3000)]);
    assert_eq!(pass.finding(R::OrphanRows).sample, ["77"]);
    assert_eq!(
        db.text("SELECT count(*) FROM logs WHERE user_id = 77").await,
        meanwhile.chunks.load(Ordering::SeqCst).to_string()
    );
}

/// How many of the rows are left after one chunk: a chunk takes whole blocks.
async fn some_left(db: &Db, rows: i64) -> i64 {
    let left = db.text("SELECT count(*) FROM logs").await.parse().unwrap();
    assert!((1..rows).contains(&left), "{left} rows are left of {rows}");
    left
}

#[tokio::test]
async fn a_run_that_is_not_wanted_any_more_stops_between_chunks() {
    let db = with(5000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let meanwhile = Meanwhile { refuse_after: 1, ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    assert!(pass.finding(R::RepairFailed).message.contains("it was deleted meanwhile"));
    let left = some_left(&db, 5000).await;
    assert_eq!(case.status.history[0].rows, 5000 - left);
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", left)]);
}

#[tokio::test]
async fn an_approved_run_that_stopped_goes_on_and_no_further_than_was_approved() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.edit(|spec| spec.references.limits.rows = 0);
    let hash = case.repair().await.status.plan.unwrap().hash.unwrap();
    case.requests.approval = Some(auth_consistency::domain::request::Approval { hash, shown: Vec::new() });
    let meanwhile = Meanwhile { refuse_after: 1, ..Meanwhile::new(&db) };
    case.pass(Repairs::All, &meanwhile).await.finding(R::RepairFailed);
    let left = some_left(&db, 3000).await;
    // More rows of the same keys, and new keys: neither were approved.
    db.run("SET session_replication_role = replica; INSERT INTO logs SELECT n, 9 FROM generate_series(5001, 5010) n; \
        INSERT INTO logs VALUES (6000, 77); RESET session_replication_role").await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "logs.user_id", left)]).plans(&[(A::Delete, "logs.user_id", 11, true)]);
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE user_id = 77").await, "1");
    assert_eq!(pass.conditions()[0], "Ready=False ApprovalRequired");
    case.settled(&db).await;
}

#[tokio::test]
async fn a_run_that_was_overtaken_stops_before_it_changes_anything() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let overtaken = "UPDATE auth_consistency.claims SET epoch = epoch + 1";
    let meanwhile = Meanwhile { chunk: overtaken, ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    pass.repaired(&[]);
    assert_eq!(pass.finding(R::RepairFailed).blocked, Some(R::TargetClaimed));
    assert_eq!(db.text("SELECT count(*) FROM logs").await, "3000");
}

#[tokio::test]
async fn an_admin_who_was_deactivated_meanwhile_is_given_nothing() {
    let db = with(3).await;
    let mut case = Case::new(&db, &spec("Reassign"));
    let before = db.snapshot().await;
    let meanwhile =
        Meanwhile { begin: "UPDATE users SET is_active = false WHERE id = 1", ..Meanwhile::new(&db) };
    let pass = case.pass(Repairs::All, &meanwhile).await;
    assert!(pass.finding(R::RepairFailed).message.contains("0 active accounts"));
    let changes =
        ["- users (1,admin@example.com,HASH,admin,t)", "+ users (1,admin@example.com,HASH,admin,f)"];
    assert_eq!(db.changes(&before).await, changes);
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_enough_for_every_kind_of_repair() {
    let db = with(3000).await;
    db.run("UPDATE users SET id = 2, role = 'user' WHERE id = 1").await;
    let mut case = Case::new(&db, &spec("Reassign"));
    case.secret("db", "url", &db.pooled_url());
    case.edit(|spec| {
        let admin = spec.admin.as_mut().unwrap();
        admin.id = Some("3".into());
        admin.password_policy = serde_saphyr::from_str("Always").unwrap();
    });
    case.secret("admin", "password", "another canary");
    case.check().await.repaired(&[]);
    case.repair().await.consistent().repaired(&[
        (A::Correct, "users.role", 1),
        (A::Reset, "users.hashed_password", 1),
        (A::MoveId, "users", 1),
        (A::Reassign, "logs.user_id", 3000),
    ]);
    case.settled(&db).await;
    db.run("DELETE FROM users WHERE id = 3").await;
    // Several sessions at once, so that the pooler mixes them up as it likes.
    let mut cases: Vec<Case> = (0..4).map(|_| case.over(&db)).collect();
    for one in &mut cases {
        one.secret("db", "url", &db.pooled_url());
    }
    let passes = futures::future::join_all(cases.iter_mut().map(Case::check)).await;
    assert!(passes.iter().all(|pass| pass.end.is_ok()));
}

/// Holds a row of `logs` in a transaction of its own.
async fn holding(db: &Db, id: i64) -> sqlx::PgConnection {
    let mut app = db.another().await;
    let held = format!("BEGIN; SELECT FROM logs WHERE id = {id} FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(held)).execute(&mut app).await.unwrap();
    app
}

/// Notes what it is told, and lets a held row go at the second chunk that is tried.
struct LettingGo {
    app: tokio::sync::Mutex<Option<sqlx::PgConnection>>,
    wanted: AtomicUsize,
    told: std::sync::Mutex<Vec<Progress>>,
}

impl LettingGo {
    fn new(app: sqlx::PgConnection) -> Self {
        Self {
            app: tokio::sync::Mutex::new(Some(app)),
            wanted: AtomicUsize::new(0),
            told: std::sync::Mutex::default(),
        }
    }
}

impl Supervisor for LettingGo {
    fn begin<'b>(&'b self, _: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async {
            if self.wanted.fetch_add(1, Ordering::SeqCst) == 1
                && let Some(mut app) = self.app.lock().await.take()
            {
                sqlx::raw_sql("COMMIT").execute(&mut app).await.unwrap();
            }
            Ok(())
        })
    }

    fn progress(&self, progress: &Progress) {
        self.told.lock().unwrap().push(progress.clone());
    }
}

#[tokio::test]
async fn a_chunk_that_meets_a_row_held_by_the_app_is_tried_again() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let letting_go = LettingGo::new(holding(&db, 2).await);
    let pass = case.pass(Repairs::All, &letting_go).await;
    pass.consistent().repaired(&[(A::Delete, "logs.user_id", 3000)]);
    let told = letting_go.told.lock().unwrap().clone();
    let rows: Vec<_> = told.iter().filter(|one| one.unit == Unit::Rows).collect();
    assert_eq!(rows[0].words(), "Delete of logs.user_id: 0 of 3,000 rows done");
    assert!(rows.len() > 2 && rows.iter().any(|one| one.done >= 1000), "{told:?}");
    assert!(rows.windows(2).all(|pair| pair[0].done <= pair[1].done), "{told:?}");
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    assert_eq!(db.text(&format!("SELECT count(*) FROM auth_consistency.{kept}")).await, "3000");
    case.settled(&db).await;
}

#[tokio::test]
async fn a_row_that_stays_held_ends_the_step_for_this_pass_and_the_next_one_goes_on() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("Delete"));
    // Chunk after chunk, until the one with this row.
    let mut app = holding(&db, 2500).await;
    let pass = case.repair().await;
    let failed = pass.finding(R::RepairFailed);
    assert!(
        failed.message.contains("a lock could not be had in time (SQLSTATE 55P03)"),
        "{}",
        failed.message
    );
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
    let left = some_left(&db, 3000).await;
    sqlx::raw_sql("COMMIT").execute(&mut app).await.unwrap();
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", left)]);
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    assert_eq!(db.text(&format!("SELECT count(DISTINCT id) FROM auth_consistency.{kept}")).await, "3000");
}

#[tokio::test]
async fn an_approved_step_goes_on_from_where_its_walk_was() {
    let db = with(3000).await;
    let mut case = Case::new(&db, &spec("SetNull"));
    case.edit(|spec| spec.references.limits.rows = 0);
    let hash = case.repair().await.status.plan.unwrap().hash.unwrap();
    case.requests.approval = Some(auth_consistency::domain::request::Approval { hash, shown: Vec::new() });
    let meanwhile = Meanwhile { refuse_after: 1, ..Meanwhile::new(&db) };
    case.pass(Repairs::All, &meanwhile).await.finding(R::RepairFailed);
    let passed = "SELECT passed_tid FROM auth_consistency.steps WHERE done > 0";
    assert_ne!(db.text(passed).await, "NULL");
    // A row that moves behind the walk is found by the last look.
    db.run("VACUUM logs").await;
    db.run("UPDATE logs SET id = -1 WHERE id = 3000").await;
    let behind = format!("SELECT l.ctid < ({passed})::tid FROM logs l WHERE id = -1");
    assert_eq!(db.text(&behind).await, "true");
    case.repair().await.consistent().repaired(&[(A::SetNull, "logs.user_id", 2000)]);
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE user_id IS NULL").await, "3000");
    case.settled(&db).await;
}
