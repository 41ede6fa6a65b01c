//! A partition and the table that it is a part of are one reference, however their keys are declared: its rows
//! are counted once, mended in one go, kept in one place and put back.

use std::time::Duration;

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};

use crate::support::{Case, Db, HASH, USUAL};

/// `events` by day with 3, 5 and 4 rows of nobody in three partitions, one of them partitioned again.
async fn world(keys: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE events (id int, day date, user_id int, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
         CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
         CREATE TABLE events_2 (note text, user_id int, junk int, day date NOT NULL, id int NOT NULL);
         ALTER TABLE events_2 DROP COLUMN junk;
         ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
         CREATE TABLE events_rest PARTITION OF events DEFAULT PARTITION BY RANGE (id);
         CREATE TABLE events_rest_few PARTITION OF events_rest FOR VALUES FROM (MINVALUE) TO (11);
         CREATE TABLE events_rest_many PARTITION OF events_rest FOR VALUES FROM (11) TO (MAXVALUE);
         SET session_replication_role = replica;
         INSERT INTO events SELECT n, '2026-01-01', 71 FROM generate_series(1, 3) n;
         INSERT INTO events SELECT n, '2026-01-02', 71 FROM generate_series(4, 8) n;
         INSERT INTO events SELECT n, '2026-03-02', 72 FROM generate_series(9, 12) n;
         INSERT INTO events SELECT n, '2026-01-01', 5 FROM generate_series(13, 20) n;
         INSERT INTO events SELECT n, '2026-01-02', NULL FROM generate_series(21, 25) n;
         {keys}; RESET session_replication_role"
    ))
    .await
}

const BACK: &str = "INSERT INTO users VALUES (71, 'u71@example.com', 'x'), (72, 'u72@example.com', 'x')";

fn spec(references: &str) -> String {
    format!("{USUAL}references: {{limits: {{rows: 1000, percent: 100}}, {references}}}\n")
}

const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const UNVALIDATED: (R, C, Option<R>) = (R::ConstraintUnvalidated, C::SchemaCompatible, None);

/// Counted once, mended in one step, kept in one place, put back; and nothing else happens.
async fn one_reference(keys: &str, references: &str, unvalidated: usize) {
    for on_orphan in ["SetNull", "Reassign", "Delete"] {
        let db = world(keys).await;
        let mut case = Case::new(&db, &spec(&format!("onOrphan: {on_orphan}, {references}")));
        let before = db.snapshot().await;
        let check = case.check().await;
        let (orphans, rest): (Vec<_>, Vec<_>) =
            check.outcome().findings().into_iter().partition(|one| one.finding == R::OrphanRows);
        assert_eq!(orphans.len(), 1, "{keys}: {orphans:#?}");
        assert_eq!((orphans[0].rows, orphans[0].keys), (Some(12), Some(2)), "{keys}: {orphans:#?}");
        // One that is marked valid is violated.
        let of_keys = [R::ConstraintUnvalidated, R::ConstraintViolated];
        assert_eq!(rest.len(), unvalidated, "{keys}: {rest:#?}");
        assert!(rest.iter().all(|one| of_keys.contains(&one.finding)), "{keys}: {rest:#?}");
        assert_eq!(check.outcome().references.as_ref().unwrap().checked, 1, "{keys}");
        let pass = case.repair().await;
        let done: Vec<_> =
            pass.outcome().repaired.iter().map(|one| (one.object.describe(), one.rows)).collect();
        assert_eq!(done, [("events.user_id".to_owned(), 12)], "{keys} {on_orphan}");
        let kept = pass::inventory(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
        assert_eq!((kept.len(), kept[0].rows), (1, 12), "{keys}: {kept:?}");
        let left: Vec<_> = case.check().await.outcome().findings().iter().map(|one| one.finding).collect();
        assert!(left.iter().all(|one| *one == R::ConstraintUnvalidated), "{keys}: {left:?}");
        let run = case.status.history[0].run.clone();
        db.run(BACK).await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (12, 0), "{keys}: {restored:?}");
        assert_eq!(db.changes(&before).await.len(), 2, "the two users are all that is new");
    }
}

#[tokio::test]
async fn a_table_and_its_partitions_are_one_reference_however_keys_are_declared() {
    let key = |table: &str, rest: &str| {
        format!(
            "ALTER TABLE {table} ADD CONSTRAINT {table}_fk FOREIGN KEY (user_id) REFERENCES users {rest};"
        )
    };
    let declared = "rules: [{table: events, columns: [user_id], declared: true}]";
    // The rows of nobody come after the keys, since valid ones are asked for too.
    let rows = "CREATE TABLE kept AS SELECT * FROM events; DELETE FROM events;";
    let back = "INSERT INTO events SELECT * FROM kept; DROP TABLE kept;";
    let around = |keys: &str| format!("{rows} {keys} {back}");
    // On the whole table alone.
    one_reference(&around(&key("events", "")), "discover: true", 1).await;
    // On the whole table, and before it on one day, which keeps its own.
    one_reference(
        &format!("{} {}", key("events_2", "NOT VALID"), around(&key("events", ""))),
        "discover: true",
        2,
    )
    .await;
    // On one day alone, whether or not the spec declares the table.
    one_reference(&key("events_2", "NOT VALID"), "discover: true", 1).await;
    one_reference(&key("events_2", "NOT VALID"), declared, 1).await;
    // On all leaves, one of them NOT VALID, and on a part that has parts.
    let leaves = format!(
        "{} {}",
        around(&format!("{} {}", key("events_1", ""), key("events_rest", ""))),
        key("events_2", "NOT VALID ")
    );
    one_reference(&leaves, "discover: true", 1).await;
    // On none.
    one_reference("", declared, 0).await;
}

#[tokio::test]
async fn the_key_of_the_whole_table_is_added_by_hand_with_the_statement_that_is_printed() {
    let keys = "ALTER TABLE events_2 ADD CONSTRAINT events_2_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID";
    let db = world(keys).await;
    let rules = "onOrphan: SetNull, rules: [{table: events, columns: [user_id], constraint: events_user_id_fkey, onConstraint: Restore}]";
    let mut case = Case::new(&db, &spec(rules));
    let refused = (R::ConstraintMissing, C::SchemaCompatible, Some(R::RepairUnsupported));
    let check = case.check().await;
    check.found(&[ORPHANS, refused, UNVALIDATED]);
    assert_eq!(check.finding(R::OrphanRows).rows, Some(12));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[(A::SetNull, "events.user_id", 12)]).found(&[refused, UNVALIDATED]);
    assert_eq!(db.changes(&before).await.len(), 24);
    // What is printed about each of them works now, and then all is well.
    let statement = |message: &str| {
        let (_, statement) = message.split_once("ALTER TABLE ").unwrap();
        format!("ALTER TABLE {}", statement.split(", or ").next().unwrap())
    };
    db.run(&statement(&pass.finding(R::ConstraintMissing).message)).await;
    db.run(&statement(&pass.finding(R::ConstraintUnvalidated).message)).await;
    case.check().await.consistent();
    let valid = "SELECT bool_and(convalidated) FROM pg_constraint WHERE contype = 'f' AND conparentid = 0";
    assert_eq!(db.text(valid).await, "true");
    case.settled(&db).await;
}

#[tokio::test]
async fn what_hints_say_of_partitions_is_never_older_than_the_catalogue() {
    let db = world("DELETE FROM events WHERE user_id IN (71, 72); ALTER TABLE events_2 ADD CONSTRAINT events_2_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID").await;
    let mut case = Case::new(&db, &spec("onOrphan: Report"));
    case.look = pass::ScanMode::Incremental;
    case.check().await.found(&[UNVALIDATED]);
    case.later += i64::try_from(Duration::from_secs(60).as_secs()).unwrap();
    case.check().await.found(&[UNVALIDATED]);
    db.run("ALTER TABLE events_2 VALIDATE CONSTRAINT events_2_fk").await;
    case.check().await.consistent();
    db.run(
        "ALTER TABLE events_1 ADD CONSTRAINT events_1_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    case.check().await.found(&[UNVALIDATED]);
    // An orphan in a partition that has no key of its own is one of the whole table.
    db.counted("INSERT INTO events VALUES (99, '2026-03-05', 77)").await;
    assert_eq!(case.check().await.finding(R::OrphanRows).object.unwrap().describe(), "events.user_id");
}

#[tokio::test]
async fn a_rule_that_names_a_partition_is_about_it_alone_unless_the_whole_table_is_looked_at() {
    let key =
        "ALTER TABLE events_2 ADD CONSTRAINT events_2_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID";
    let own = "onOrphan: Report, rules: [{table: events_2, onOrphan: SetNull}]";
    let db = world(key).await;
    let mut case = Case::new(&db, &spec(own));
    case.repair().await.repaired(&[(A::SetNull, "events_2.user_id", 5)]);
    assert_eq!(db.text("SELECT count(*) FROM events WHERE user_id IN (71, 72)").await, "7");
    // Twice the same rows are never counted: the whole table's rule is the one that counts.
    let db = world(key).await;
    let both = "onOrphan: Report, rules: [{table: events_2, columns: [user_id], declared: true}, {table: events, columns: [user_id], declared: true}]";
    let check = Case::new(&db, &spec(both)).check().await;
    assert_eq!(check.finding(R::OrphanRows).rows, Some(12));
    let skipped = &check.outcome().references.as_ref().unwrap().skipped;
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert!(skipped[0].why.contains("it is a partition of public.events"), "{skipped:?}");
}

#[tokio::test]
async fn tables_that_inherit_are_references_of_their_own() {
    let db = world(
        "CREATE TABLE base (id int PRIMARY KEY, user_id int REFERENCES users); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base);
         ALTER TABLE heir ADD CONSTRAINT heir_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         INSERT INTO base VALUES (1, 71); INSERT INTO heir VALUES (2, 71), (3, 5); DROP TABLE events",
    )
    .await;
    let mut case = Case::new(&db, &spec("onOrphan: SetNull"));
    let pass = case.repair().await;
    pass.repaired(&[(A::SetNull, "base.user_id", 1), (A::SetNull, "heir.user_id", 1)]);
}

#[tokio::test]
async fn a_partition_in_another_database_keeps_the_others_apart() {
    let db = world(
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
         CREATE TABLE visits (id int, day date, user_id int) PARTITION BY RANGE (day);
         CREATE FOREIGN TABLE visits_far PARTITION OF visits DEFAULT SERVER far;
         CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
         CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-01-02') TO ('2026-01-03');
         ALTER TABLE visits_1 ADD PRIMARY KEY (id); ALTER TABLE visits_2 ADD PRIMARY KEY (id);
         INSERT INTO visits VALUES (1, '2026-01-01', 71), (2, '2026-01-02', 71), (3, '2026-01-02', 5);
         ALTER TABLE visits_2 ADD CONSTRAINT visits_2_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    // What is there is looked at where it is, and nothing through the table that reaches elsewhere.
    let mut case = Case::new(&db, &spec("onOrphan: SetNull"));
    case.repair().await.found(&[UNVALIDATED]).repaired(&[(A::SetNull, "visits_2.user_id", 1)]);
    assert_eq!(db.text("SELECT count(*) FROM visits_1 WHERE user_id = 71").await, "1");
}

#[tokio::test]
async fn rows_that_name_one_partition_alone_go_along_and_come_back() {
    let db = world(
        "CREATE TABLE parts (id int PRIMARY KEY, event int, day date, FOREIGN KEY (event, day) REFERENCES events_2 (id, day) ON DELETE CASCADE);
         INSERT INTO parts VALUES (1, 4, '2026-01-02'), (2, 1, '2026-01-01'), (3, 21, '2026-01-02')",
    )
    .await;
    let rules = "onOrphan: Delete, rules: [{table: events, columns: [user_id], declared: true}]";
    let mut case = Case::new(&db, &spec(rules));
    let before = db.snapshot().await;
    case.repair().await.consistent().repaired(&[(A::Delete, "events.user_id", 12)]);
    // A row that names a key which only another partition has is none of theirs.
    assert_eq!(db.texts("SELECT id FROM parts ORDER BY id").await, ["2", "3"]);
    db.run(BACK).await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
    assert_eq!(db.changes(&before).await.len(), 2);
}

#[tokio::test]
async fn an_id_that_moves_goes_on_to_partitions_that_have_keys_of_their_own() {
    let db = world(
        "DELETE FROM events WHERE user_id IN (71, 72); UPDATE events SET user_id = 1 WHERE user_id = 5;
         ALTER TABLE events_1 ADD CONSTRAINT events_1_fk FOREIGN KEY (user_id) REFERENCES users ON UPDATE CASCADE",
    )
    .await;
    let mut case = Case::new(&db, &USUAL.replace("admin:\n", "admin:\n  id: \"3\"\n"));
    case.repair().await;
    if case.status.plan.as_ref().is_some_and(|plan| plan.hash.is_some()) {
        case.approve().await.consistent();
    }
    assert_eq!(
        db.texts("SELECT DISTINCT user_id FROM events WHERE user_id IS NOT NULL").await,
        ["3"],
        "{:?}",
        case.status.findings
    );
}
