//! Mending at size, and what a repair must not set going.

use std::sync::atomic::{AtomicUsize, Ordering};

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Answer, Case, Db, USUAL, admin_and_ada as with, relay};

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 10000000, percent: 100}}}}\n")
}

const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);

const LOGS: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); \
    CREATE TABLE trail (id int, what text); INSERT INTO trail VALUES (1, 'kept'); \
    INSERT INTO logs VALUES (1, 9), (2, 9), (3, 5)";

/// A trigger on `logs` that does something, for each row or each statement.
fn trigger(when: &str, body: &str) -> String {
    format!(
        "{LOGS}; CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF pg_trigger_depth() = 1 THEN {body}; END IF; RETURN NULL; END'; \
         CREATE TRIGGER act {when} EXECUTE FUNCTION act()"
    )
}

#[tokio::test]
async fn a_trigger_that_touches_rows_elsewhere_undoes_the_chunk_and_is_told() {
    for (when, body, says) in [
        (
            "AFTER DELETE OR UPDATE ON logs FOR EACH ROW",
            "DELETE FROM trail",
            "public.trail (1 row deleted, and the plan says none of it)",
        ),
        (
            "AFTER DELETE OR UPDATE ON logs FOR EACH ROW",
            "INSERT INTO trail VALUES (2)",
            "public.trail (2 rows inserted, and the plan says none of it)",
        ),
        (
            "AFTER DELETE OR UPDATE ON logs",
            "UPDATE trail SET id = 3",
            "public.trail (1 row updated, and the plan says none of it)",
        ),
        ("AFTER DELETE OR UPDATE ON logs", "DELETE FROM logs WHERE id = 3", "public.logs ("),
        (
            "AFTER DELETE OR UPDATE ON logs",
            "INSERT INTO logs VALUES (7, 5)",
            "public.logs (1 row inserted, 2 rows ",
        ),
    ] {
        for (on_orphan, action) in [("Delete", A::Delete), ("SetNull", A::SetNull), ("Reassign", A::Reassign)]
        {
            let db = with(&trigger(when, body)).await;
            let mut case = Case::new(&db, &spec(on_orphan));
            let before = db.snapshot().await;
            let pass = case.repair().await;
            pass.repaired(&[]).plans(&[(action, "logs.user_id", 2, false)]);
            let failed = pass.finding(R::RepairFailed);
            assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{failed:?}");
            assert!(failed.message.contains(says), "{says}: {}", failed.message);
            assert_eq!(pass.conditions()[0], "Ready=False RepairTouchesMore");
            assert_eq!(db.changes(&before).await, [""; 0]);
            assert_eq!(db.text("SELECT count(*) FROM auth_consistency.audit").await, "0");
            // Once the trigger is out of the way, the next pass does it.
            db.run("ALTER TABLE logs DISABLE TRIGGER act").await;
            case.repair().await.consistent().repaired(&[(action, "logs.user_id", 2)]);
            case.settled(&db).await;
        }
    }
}

#[tokio::test]
async fn a_deferred_trigger_that_touches_rows_elsewhere_undoes_the_chunk() {
    let db = with(&format!(
        "{LOGS}; CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM trail; RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER act AFTER DELETE ON logs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION act()"
    ))
    .await;
    let mut case = Case::new(&db, &spec("Delete"));
    let before = db.snapshot().await;
    assert_eq!(case.repair().await.finding(R::RepairFailed).blocked, Some(R::RepairTouchesMore));
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn a_trigger_that_only_changes_the_row_itself_is_no_obstacle() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, changes int DEFAULT 0); \
         INSERT INTO logs VALUES (1, 9), (2, 9), (3, 5); \
         CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changes := OLD.changes + 1; RETURN NEW; END'; \
         CREATE TRIGGER act BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION act()",
    )
    .await;
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None), VIOLATED];
    let changes = &["- logs (1,9,0)", "- logs (2,9,0)", "+ logs (1,,1)", "+ logs (2,,1)"];
    let steps = &[(A::SetNull, "logs.user_id", 2)];
    Case::new(&db, &spec("SetNull")).mends(&db, found, steps, changes).await;
}

/// Posts of nobody with what depends on them.
const POSTS: &str = "CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
    CREATE TABLE likes (id int, post_id int REFERENCES posts ON DELETE CASCADE, note json) PARTITION BY RANGE (id);
    CREATE TABLE likes_1 PARTITION OF likes FOR VALUES FROM (0) TO (10);
    CREATE TABLE likes_2 PARTITION OF likes FOR VALUES FROM (10) TO (20);
    CREATE TABLE drafts (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE SET NULL, title text);
    INSERT INTO posts VALUES (1, 9), (2, 8), (3, 5);
    INSERT INTO likes VALUES (1, 1, '{\"a\" : 1.0}'), (2, 3, NULL), (11, 2, NULL), (12, 1, NULL);
    INSERT INTO drafts VALUES (1, 1, 'one'), (2, 3, 'two'), (3, NULL, 'three')";

#[tokio::test]
async fn what_a_foreign_key_takes_along_is_counted_copied_and_put_back() {
    let db = with(POSTS).await;
    let mut case = Case::new(&db, &spec("Delete"));
    let before = db.snapshot().await;
    let plan = case.check().await.outcome().plan.clone().unwrap();
    assert_eq!(
        plan.steps[0].message,
        "delete 2 rows of posts, and with it set drafts.post_id to NULL in 1 row (ON DELETE SET NULL), with 3 rows of likes \
         (ON DELETE CASCADE), after copying them to quarantine"
    );
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None), VIOLATED];
    let changes = &[
        "- drafts (1,1,one)",
        "+ drafts (1,,one)",
        "- likes_1 (1,1,\"{\"\"a\"\" : 1.0}\")",
        "- likes_2 (11,2,)",
        "- likes_2 (12,1,)",
        "- posts (1,9)",
        "- posts (2,8)",
    ];
    case.mends(&db, found, &[(A::Delete, "posts.user_id", 2)], changes).await;
    let rows = "SELECT format('%s %s %s', action, object, rows) FROM auth_consistency.audit ORDER BY id";
    let audit = ["SetNull drafts.post_id 1", "Delete likes.post_id 3", "Delete posts.user_id 2"];
    assert_eq!(db.texts(rows).await, audit);
    db.run("INSERT INTO users VALUES (8, 'eight@example.com', 'x'), (9, 'nine@example.com', 'x')").await;
    let run = case.status.history[0].run.clone();
    let restored = case.restore(&run).await.unwrap();
    let restored: Vec<_> =
        restored.iter().map(|one| (one.object.table.as_str(), one.rows, one.blocked)).collect();
    assert_eq!(restored, [("posts", 2, 0), ("drafts", 1, 0), ("likes", 3, 0)]);
    let left = db.changes(&before).await;
    assert_eq!(left, ["+ users (8,eight@example.com,x,user,t)", "+ users (9,nine@example.com,x,user,t)"]);
}

#[tokio::test]
async fn what_goes_along_counts_for_the_limits_and_for_the_approval() {
    let db = with(POSTS).await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.edit(|spec| spec.references.limits.rows = 5);
    case.edit(|spec| spec.references.limits.percent = 100);
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Delete, "posts.user_id", 2, true)]);
    assert!(
        pass.outcome().plan.as_ref().unwrap().steps[0].waits.as_ref().unwrap().contains("6 rows are over")
    );
    let hash = pass.status.plan.unwrap().hash.unwrap();
    // One more like than was shown makes another plan of it.
    db.run("INSERT INTO likes VALUES (3, 1, NULL)").await;
    let before = db.fingerprint().await;
    case.repair_approved(&hash).await.repaired(&[]);
    assert_eq!(db.fingerprint().await, before);
    case.approve().await.consistent().repaired(&[(A::Delete, "posts.user_id", 2)]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_trigger_that_goes_on_from_a_moved_id_undoes_the_move() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users ON UPDATE CASCADE); INSERT INTO logs VALUES (1, 1), (2, 5);
         CREATE TABLE trail (id int); CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO trail VALUES (NEW.id); RETURN NULL; END'; \
         CREATE TRIGGER act AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION act()",
    )
    .await;
    let mut case = Case::new(&db, &spec("Report"));
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("7".into()));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    let failed = pass.finding(R::RepairFailed);
    assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{failed:?}");
    assert!(failed.message.contains("public.trail (1 row inserted, and the plan says none of it)"));
    assert_eq!(db.changes(&before).await, [""; 0]);
    db.run("ALTER TABLE users DISABLE TRIGGER act").await;
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 2)]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_disk_that_is_full_loses_nothing_and_the_next_pass_goes_on() {
    let rows = "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
        INSERT INTO logs SELECT n, 9 FROM generate_series(1, 3000) n";
    let db = with(rows).await;
    // The second chunk finds no more room.
    db.run(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
           'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''could not extend file: No space left on device''; END';
         CREATE TRIGGER full_disk BEFORE DELETE ON logs FOR EACH ROW WHEN (OLD.id > 1500) EXECUTE FUNCTION no_room()",
    )
    .await;
    let mut case = Case::new(&db, &spec("Delete"));
    let pass = case.repair().await;
    let failed = pass.finding(R::RepairFailed);
    assert!(failed.message.contains("(SQLSTATE 53100)"), "{}", failed.message);
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    let count = async |table: &str| db.text(&format!("SELECT count(*) FROM {table}")).await;
    let copies = format!("auth_consistency.{kept}");
    let left: i64 = count("logs").await.parse().unwrap();
    assert!((1..3000).contains(&left), "{left}");
    assert_eq!(count(&copies).await, (3000 - left).to_string());
    db.run("DROP TRIGGER full_disk ON logs").await;
    case.repair().await.consistent().repaired(&[(A::Delete, "logs.user_id", left)]);
    assert_eq!((count("logs").await, count(&copies).await), ("0".into(), "3000".into()));
}

#[tokio::test]
async fn a_quarantine_schema_of_somebody_else_is_told_before_anything_is_tried() {
    let db = with(&format!("{LOGS}; CREATE SCHEMA auth_consistency")).await;
    let role = db
        .role("GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE")
        .await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.secret("db", "url", &db.url_of(&role));
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    let missing = pass.finding(R::PrivilegeMissing);
    assert!(missing.message.contains("schema auth_consistency"), "{}", missing.message);
    assert_eq!(db.fingerprint().await, before);
}

/// Cuts the connection when the COMMIT with this number was sent and done, and its answer not passed on.
/// Returns the port.
async fn cutting(db: &Db, cut_at: usize) -> u16 {
    let commits = AtomicUsize::new(0);
    let decide = move |asked: &[u8]| {
        let commit = asked.windows(7).any(|word| word == b"COMMIT\0");
        if commit && commits.fetch_add(1, Ordering::SeqCst) + 1 == cut_at {
            Answer::Lost
        } else {
            Answer::Passed
        }
    };
    relay(db, decide).await
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_out_and_never_repeated() {
    for (on_orphan, action) in [("Delete", A::Delete), ("Reassign", A::Reassign)] {
        let db = with(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
             INSERT INTO logs SELECT n, 9 FROM generate_series(1, 3000) n",
        )
        .await;
        // The first COMMIT begins the run, the second one is of the first chunk.
        let port = cutting(&db, 2).await;
        let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
        let mut case = Case::with_database(database, &spec(on_orphan));
        let mut url = url::Url::parse(&db.url()).unwrap();
        url.set_port(Some(port)).unwrap();
        case.secret("db", "url", url.as_str());
        let pass = case.repair().await;
        let done = pass.outcome().repaired[0].rows;
        pass.repaired(&[(action, "logs.user_id", done)]);
        assert!((1..3000).contains(&done), "{done}");
        let failed = pass.finding(R::RepairFailed);
        assert!(failed.message.contains("no connection to the database"), "{}", failed.message);
        assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
        case.repair().await.consistent().repaired(&[(action, "logs.user_id", 3000 - done)]);
        let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
        let copies = format!("SELECT count(*) || '/' || count(DISTINCT id) FROM auth_consistency.{kept}");
        assert_eq!(db.text(&copies).await, "3000/3000", "each row is in quarantine once");
        assert_eq!(db.text("SELECT sum(rows) FROM auth_consistency.audit").await, "3000");
        case.settled(&db).await;
    }
}
