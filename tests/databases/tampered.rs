//! Copies that somebody has written to since they were made do not go back: each batch is held against what was written
//! down of it, and all of them against the audit.

use auth_consistency::engine::PurgeFilter;
use auth_consistency::{
    api::{condition::Reason as R, report::Action as A},
    network::HostPolicy,
    pass,
};
use jiff::Timestamp;

use crate::support::{Case, Db, USUAL, admin_and_ada};

/// Rows of nobody, of types that another session writes in other words.
const LOGS: &str = "CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE logs (id int PRIMARY KEY, user_id int, at timestamptz, span tstzrange, price money, of regclass, body jsonb, feels mood);
    INSERT INTO logs SELECT n, 9, '2026-03-01 12:00+00', tstzrange('2026-03-01 12:00+00', NULL), 1.5, 'pg_class', '{\"a\": 1.0}', 'glad'
      FROM generate_series(1, 3) n;
    CREATE TABLE notes (id int PRIMARY KEY, user_id int); INSERT INTO notes VALUES (1, 9)";

struct World {
    db: Db,
    case: Case,
    run: String,
    copies: String,
}

impl World {
    /// A database in which the rows were repaired, and their user is back.
    async fn new(on_orphan: &str) -> Self {
        let db = admin_and_ada(LOGS).await;
        let yaml = format!(
            "{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 100, percent: 100}}, rules: [{{table: logs, columns: [user_id], declared: true}}]}}\n"
        );
        let mut case = Case::new(&db, &yaml);
        let action = if on_orphan == "Delete" { A::Delete } else { A::Reassign };
        case.repair().await.repaired(&[(action, "logs.user_id", 3)]);
        let run = case.status.history[0].run.clone();
        db.run("INSERT INTO users VALUES (9, 'nine@example.com', 'x', 'user')").await;
        let copies = db.text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'logs'").await;
        Self { db, case, run, copies }
    }

    async fn run(&self, sql: &str) {
        self.db.run(&sql.replace("COPIES", &format!("auth_consistency.{}", self.copies))).await;
    }

    async fn goes_back(&self, what: &str) {
        let restored = self.case.restore(&self.run).await.unwrap_or_else(|fault| panic!("{what}: {fault:?}"));
        let rows: i64 = restored.iter().map(|one| one.rows).sum();
        assert_eq!(
            (rows, restored.iter().map(|one| one.blocked).sum::<i64>()),
            (3, 0),
            "{what}: {restored:?}"
        );
    }
}

#[tokio::test]
async fn a_run_whose_copies_or_audit_somebody_has_written_to_does_not_go_back_and_all_of_it_can_be_looked_at()
{
    for on_orphan in ["Delete", "Reassign"] {
        for (tampered, told) in [
            ("DELETE FROM COPIES WHERE id = 1", "2 are there"),
            ("DELETE FROM COPIES", "0 are there"),
            ("INSERT INTO COPIES SELECT * FROM COPIES WHERE id = 1; UPDATE COPIES SET id = 4 WHERE ctid = (SELECT max(ctid) FROM COPIES)", "4 are there"),
            ("UPDATE COPIES SET user_id = 5 WHERE id = 1", "some of them were changed since"),
            ("UPDATE COPIES SET at = at + interval '1 second' WHERE id = 2", "some of them were changed since"),
            ("UPDATE COPIES SET body = '{\"a\": 1}' WHERE id = 3", "some of them were changed since"),
            ("UPDATE COPIES SET body = NULL", "some of them were changed since"),
            ("UPDATE auth_consistency.audit SET rows = rows + 1", "3 are there, and the audit tells of 4"),
            ("UPDATE auth_consistency.audit SET rows = 0", "3 are there, and the audit tells of 0"),
            (
                "INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk, action, name)
                   SELECT system_identifier, database_oid, owner, run, step, 2, action, name FROM auth_consistency.batches;
                 INSERT INTO COPIES (_ac_batch, id, user_id) SELECT max(batch), 7, 5 FROM auth_consistency.batches",
                "4 are there, and the audit tells of 3",
            ),
            (
                "UPDATE auth_consistency.batches SET rows = NULL, digest = NULL; DELETE FROM COPIES WHERE id = 3",
                "2 are there, and the audit tells of 3",
            ),
            (
                "UPDATE auth_consistency.batches SET run = 'another'",
                "0 are there, and the audit tells of 3",
            ),
        ] {
            let world = World::new(on_orphan).await;
            world.run(tampered).await;
            let before = world.db.snapshot().await;
            let refused = world.case.restore(&world.run).await.unwrap_err();
            assert_eq!(refused.reason, R::LedgerUntrusted, "{tampered}: {refused:?}");
            assert!(refused.message.contains(told), "{tampered}: {}", refused.message);
            assert_eq!(world.db.changes(&before).await, [""; 0], "{tampered}");
            // What the message names shows what is there.
            let kept = pass::inventory(&world.case.target(), &HostPolicy::unrestricted(Vec::new())).await;
            world.case.keeps_secrets(&format!("{kept:?}"));
            kept.unwrap();
            let left: i64 = world
                .db
                .text(&format!(
                    "SELECT count(*) FROM auth_consistency.{} q JOIN auth_consistency.batches b ON b.batch = q._ac_batch WHERE b.run = '{}'",
                    world.copies, world.run
                ))
                .await
                .parse()
                .unwrap();
            if left > 0 {
                let written = world.case.beside(&world.run, None, "public.looked_at").await.unwrap();
                assert_eq!(written.rows, left, "{tampered}");
            }
        }
    }
}

#[tokio::test]
async fn what_reads_in_other_words_today_is_still_what_was_copied() {
    for (since, what) in [
        ("SELECT 1", "nothing"),
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET \"TimeZone\" = ''Asia/Kolkata''', current_database()); END $$",
            "a time zone",
        ),
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lc_monetary = ''C.UTF-8''', current_database()); END $$",
            "a currency",
        ),
        (
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public', current_database()); END $$",
            "a path",
        ),
        ("ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'", "a label"),
        ("UPDATE auth_consistency.batches SET rows = NULL, digest = NULL", "copies of an earlier layout"),
    ] {
        for on_orphan in ["Delete", "Reassign"] {
            let world = World::new(on_orphan).await;
            world.run(since).await;
            world.goes_back(what).await;
        }
    }
}

#[tokio::test]
async fn a_run_of_which_copies_were_dropped_for_good_gives_back_what_is_left() {
    let world = World::new("Delete").await;
    // As if a purge had been cut.
    world.run("DELETE FROM COPIES WHERE id = 1").await;
    let target = world.case.target();
    let anywhere = HostPolicy::unrestricted(Vec::new());
    world.case.restore(&world.run).await.unwrap_err();
    world
        .run(
            "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, rows)
             SELECT system_identifier, database_oid, owner, 'purge', 0, 1, 'Purge', 'logs', 1 FROM auth_consistency.audit LIMIT 1",
        )
        .await;
    let restored = world.case.restore(&world.run).await.unwrap();
    assert_eq!(restored.iter().map(|one| one.rows).sum::<i64>(), 2);
    let now = Timestamp::from_second(1_860_000_000).unwrap();
    let purged = pass::purge(&target, &anywhere, &PurgeFilter::Run(world.run.clone()), None, Some(now)).await;
    world.case.keeps_secrets(&format!("{purged:?}"));
    purged.unwrap();
}

#[tokio::test]
async fn a_run_that_nobody_wrote_to_goes_back_though_another_s_copies_were() {
    let mut world = World::new("Delete").await;
    let first = world.run.clone();
    world.db.run("INSERT INTO logs (id, user_id) VALUES (10, 8)").await;
    world.case.repair().await.repaired(&[(A::Delete, "logs.user_id", 1)]);
    let second = world.case.status.history[0].run.clone();
    world.run("UPDATE COPIES SET user_id = 1 WHERE id = 10").await;
    world.case.restore(&second).await.unwrap_err();
    assert_eq!(world.case.restore(&first).await.unwrap().iter().map(|one| one.rows).sum::<i64>(), 3);
}

/// Makes a run as this program would for an approved plan, of all rows of `logs` that name nobody.
const FORGED: &str = "INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation, plan_hash)
      SELECT 'forged', system_identifier, database_oid, owner, owner_name, generation, HASH
        FROM auth_consistency.runs ORDER BY opened_at DESC LIMIT 1;
    INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names, constraint_name, ceiling)
      VALUES ('forged', 1, 'Delete', 'public', 'logs', '{user_id}', NULL, 100);
    INSERT INTO auth_consistency.step_keys VALUES ('forged', 1, '9')";

/// The same, of a run that was done.
const REOPENED: &str = "UPDATE auth_consistency.runs SET closed_at = NULL WHERE plan_hash = HASH;
    UPDATE auth_consistency.steps SET done = 0;
    INSERT INTO auth_consistency.step_keys SELECT run, step, '9' FROM auth_consistency.steps WHERE table_name = 'logs' ON CONFLICT DO NOTHING";

#[tokio::test]
async fn a_run_that_nobody_approved_is_not_gone_on_with_whatever_the_database_says_of_it() {
    for (forged, hash, annotated) in [
        (FORGED, "md5(random()::text)", false),
        (FORGED, "USED", false),
        (FORGED, "USED", true),
        (REOPENED, "USED", false),
        (REOPENED, "USED", true),
    ] {
        let db = admin_and_ada(LOGS).await;
        let mut case = Case::new(
            &db,
            &format!(
                "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 0, percent: 100}}, rules: [{{table: logs, columns: [user_id], declared: true}}, {{table: notes, columns: [user_id], declared: true}}]}}\n"
            ),
        );
        case.check().await;
        case.approve().await.repaired(&[(A::Delete, "logs.user_id", 3), (A::Delete, "notes.user_id", 1)]);
        let used = case.status.last_handled_approval.clone().unwrap();
        db.run("INSERT INTO logs SELECT n, 9, now(), NULL, 1, 'pg_class', '{}', 'sad' FROM generate_series(5, 6) n").await;
        db.run(&forged.replace("HASH", hash).replace("USED", &format!("'{used}'"))).await;
        // As the operator does, which takes a handled annotation for no new request, and as the command line does,
        // which is given the hash again.
        if !annotated {
            case.requests.approval = None;
        }
        case.requests.approval_before = Some(used);
        let what = format!("{forged} {hash} {annotated}");
        let pass = case.repair().await;
        assert_eq!(db.text("SELECT count(*) FROM logs").await, "2", "{what}");
        pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 2, true)]);
        // What is shown now can be approved.
        case.approve().await.repaired(&[(A::Delete, "logs.user_id", 2)]);
    }
}

#[tokio::test]
async fn a_run_that_was_interrupted_goes_on_only_under_an_approval_that_is_known_outside_of_the_database() {
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
        CREATE TRIGGER refuse BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION refuse()";
    for (annotated, remembered, goes_on) in
        [(true, false, true), (false, true, true), (true, true, true), (false, false, false)]
    {
        let db = admin_and_ada(&format!("{LOGS};{refuse}")).await;
        let mut case = Case::new(
            &db,
            &format!(
                "{USUAL}references: {{onOrphan: Delete, limits: {{rows: 0, percent: 100}}, rules: [{{table: logs, columns: [user_id], declared: true}}]}}\n"
            ),
        );
        case.check().await;
        case.approve().await.repaired(&[]);
        let used = case.status.last_handled_approval.clone();
        assert!(used.is_some());
        db.run("DROP TRIGGER refuse ON logs").await;
        case.requests.approval_before = used.filter(|_| remembered);
        if !annotated {
            case.requests.approval = None;
        }
        let pass = case.repair().await;
        if goes_on {
            pass.repaired(&[(A::Delete, "logs.user_id", 3)]);
        } else {
            pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 3, true)]);
            assert_eq!(db.text("SELECT count(*) FROM logs").await, "3");
        }
    }
}
