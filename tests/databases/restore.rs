//! What a repair took away can be put back, equal column by column.

use auth_consistency::api::{condition::Reason as R, report::Action as A, spec::OnOrphan};
use proptest::{prelude::*, test_runner::Config};

use crate::support::{Case, Db, HASH, USUAL, admin_and_ada as with};

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 1000, percent: 100}}}}\n")
}

const RICH: &str = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN short AS varchar(3) CHECK (VALUE <> 'no');
    CREATE TABLE logs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int REFERENCES users, note json,
      data jsonb, amount numeric, precise double precision, at timestamptz, day date, tags text[], raw bytea, mood mood,
      short short, twice int GENERATED ALWAYS AS (user_id * 2) STORED, dropped int, padded char(5), bits bit(3), span interval);
    ALTER TABLE logs DROP COLUMN dropped;
    INSERT INTO logs (user_id, note, data, amount, precise, at, day, tags, raw, mood, short, padded, bits, span) VALUES
      (9, '{\"b\" : 1.0,  \"a\":2, \"a\":3}', '{\"b\": 1.0}', 1.50, 0.1, '2025-01-01 00:00:00.123456+00', '0044-03-15 BC', \
       ARRAY['x', NULL, 'y,\"z'], '\\x00ff', 'sad', 'abc', 'x', '101', '1 mon 2 days'),
      (9, NULL, NULL, 'NaN', 'Infinity', 'infinity', '-infinity', '{}', '', NULL, NULL, NULL, NULL, NULL),
      (5, NULL, NULL, 0.00, -0.0, NULL, NULL, NULL, NULL, 'ok', NULL, NULL, NULL, NULL)";

#[tokio::test]
async fn every_type_comes_back_as_it_was() {
    for on_orphan in ["Delete", "SetNull", "Reassign"] {
        let db = with(RICH).await;
        let mut case = Case::new(&db, &spec(on_orphan));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        let blocked = case.restore(&run).await.unwrap();
        assert_eq!((blocked[0].rows, blocked[0].blocked), (0, 2), "{blocked:?}");
        assert_eq!(
            blocked[0].sample[0],
            ("1".to_owned(), "it still names a user that does not exist".to_owned())
        );
        db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (2, 0), "{restored:?}");
        assert_eq!(db.changes(&before).await, ["+ users (9,nine@example.com,HASH,user,t)"]);
        // Twice is once.
        let again = case.restore(&run).await.unwrap();
        assert_eq!((again[0].rows, again[0].blocked), (0, 0), "{again:?}");
        assert_eq!(case.repair().await.consistent().status.history[0].action, A::Restore);
    }
}

#[tokio::test]
async fn rows_that_the_app_changed_since_stay_as_the_app_has_them() {
    for (on_orphan, change) in [
        ("Reassign", "UPDATE logs SET user_id = 5 WHERE id = 1"),
        ("SetNull", "UPDATE logs SET user_id = 5 WHERE id = 1"),
        ("Delete", "INSERT INTO logs VALUES (1, 5)"),
        ("Reassign", "DELETE FROM logs WHERE id = 1"),
    ] {
        let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9), (2, 9)").await;
        let mut case = Case::new(&db, &spec(on_orphan));
        case.repair().await.consistent();
        db.run(change).await;
        db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (1, 1), "{on_orphan}: {restored:?}");
        let rows = if change.starts_with("DELETE") { vec!["(2,9)"] } else { vec!["(1,5)", "(2,9)"] };
        assert_eq!(db.texts("SELECT l FROM logs l ORDER BY id").await, rows);
    }
}

#[tokio::test]
async fn a_table_that_got_another_column_since_is_restored_where_that_is_possible() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, gone int); INSERT INTO logs VALUES (1, 9, 3)").await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    db.run(&format!(
        "INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user'); ALTER TABLE logs ADD extra int DEFAULT 4"
    ))
    .await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{restored:?}");
    assert_eq!(db.texts("SELECT l FROM logs l").await, ["(1,9,3,4)"]);
}

#[tokio::test]
async fn the_admin_s_row_comes_back_as_it_was() {
    let db = with("UPDATE users SET role = 'user', is_active = false WHERE id = 1").await;
    let mut case = Case::new(&db, &spec("Report"));
    case.secret("admin", "password", "another canary");
    case.requests.reset = Some("now".into());
    let before = db.snapshot().await;
    case.repair().await.consistent();
    assert_ne!(db.changes(&before).await, [""; 0]);
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn another_resource_s_run_and_an_unknown_one_are_not_restored() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    let before = db.snapshot().await;
    assert_eq!(case.restore("20250101t000000z-000000").await.unwrap_err().reason, R::RepairFailed);
    assert_eq!(case.rival(&db).restore(&run).await.unwrap_err().reason, R::TargetClaimed);
    let copy = db.copied().await;
    assert_eq!(case.over(&copy).restore(&run).await.unwrap_err().reason, R::RepairFailed);
    assert_eq!(db.changes(&before).await, [""; 0]);
    assert_eq!(copy.changes(&before).await, [""; 0]);
}

/// `logs` with a note and a time of change; row 1 names nobody, row 2 names ada.
async fn watched(trigger: &str) -> Db {
    with(&format!(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text, updated_at timestamptz);
         INSERT INTO logs VALUES (1, 9, 'Old', '2020-01-01 00:00:00+00'), (2, 5, 'Old', '2020-01-01 00:00:00+00');
         {trigger}"
    ))
    .await
}

fn trigger(when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN {body} END $f$;
         CREATE TRIGGER touch {when} ON logs FOR EACH ROW EXECUTE FUNCTION touch()"
    )
}

#[tokio::test]
async fn a_row_that_a_trigger_makes_another_one_stays_and_the_trigger_is_named() {
    let other = "the trigger \"touch\" would give it another ";
    for (on_orphan, when, body, why) in [
        ("Delete", "BEFORE INSERT", "NEW.note := 'new'; RETURN NEW;", format!("{other}\"note\"")),
        ("Delete", "BEFORE INSERT", "NEW.note := lower(NEW.note); RETURN NEW;", format!("{other}\"note\"")),
        ("Delete", "BEFORE INSERT", "NEW.updated_at := NULL; RETURN NEW;", format!("{other}\"updated_at\"")),
        ("Delete", "BEFORE INSERT", "RETURN NULL;", "a trigger or rule of the app keeps it away".into()),
        (
            "Delete",
            "AFTER INSERT",
            "UPDATE logs SET note = 'new' WHERE id = NEW.id; RETURN NULL;",
            "the trigger \"touch\" would change or remove it again".into(),
        ),
        (
            "Delete",
            "AFTER INSERT",
            "DELETE FROM logs WHERE id = NEW.id; RETURN NULL;",
            "the trigger \"touch\" would change or remove it again".into(),
        ),
        (
            "Reassign",
            "BEFORE UPDATE",
            "NEW.updated_at := now(); RETURN NEW;",
            format!("{other}\"updated_at\""),
        ),
        (
            "SetNull",
            "BEFORE UPDATE",
            "NEW.updated_at := now(); RETURN NEW;",
            format!("{other}\"updated_at\""),
        ),
        (
            "Reassign",
            "BEFORE UPDATE",
            "IF NEW.user_id = 9 THEN NEW.user_id := 5; END IF; RETURN NEW;",
            format!("{other}\"user_id\""),
        ),
    ] {
        let db = watched(&trigger(when, body)).await;
        let mut case = Case::new(&db, &spec(on_orphan));
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
        let before = db.snapshot().await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (0, 1), "{on_orphan} {body}: {restored:?}");
        assert_eq!(restored[0].sample[0].0, "1");
        assert!(restored[0].sample[0].1.starts_with(&why), "{on_orphan} {body}: {restored:?}");
        assert_eq!(
            db.changes(&before).await,
            [""; 0],
            "{on_orphan} {body}: a row goes back whole or not at all"
        );
        db.run("ALTER TABLE logs DISABLE TRIGGER touch").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{on_orphan} {body}: {restored:?}");
        let (row, other) = ("SELECT user_id FROM logs WHERE id = 1", "SELECT l FROM logs l WHERE id = 2");
        assert_eq!(db.text(row).await, "9", "{on_orphan} {body}");
        assert_eq!(db.text(other).await, "(2,5,Old,\"2020-01-01 00:00:00+00\")");
    }
}

#[tokio::test]
async fn triggers_that_leave_a_row_as_it_is_keep_nothing_from_going_back() {
    for (on_orphan, when, body) in [
        ("Delete", "BEFORE INSERT OR UPDATE", "RETURN NEW;"),
        ("Reassign", "BEFORE INSERT OR UPDATE", "RETURN NEW;"),
        ("Reassign", "BEFORE INSERT", "NEW.note := 'new'; RETURN NEW;"),
        ("Delete", "AFTER INSERT", "PERFORM 1; RETURN NULL;"),
    ] {
        let db = watched(&trigger(when, body)).await;
        let mut case = Case::new(&db, &spec(on_orphan));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (1, 0), "{on_orphan} {body}: {restored:?}");
        assert_eq!(
            db.changes(&before).await,
            ["+ users (9,nine@example.com,HASH,user,t)"],
            "{on_orphan} {body}"
        );
    }
}

#[tokio::test]
async fn what_would_differ_only_under_a_lenient_collation_differs() {
    let db = with(
        "CREATE COLLATION lenient (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text COLLATE lenient);
         INSERT INTO logs VALUES (1, 9, 'Old');
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
           $f$ BEGIN NEW.note := lower(NEW.note); RETURN NEW; END $f$;
         CREATE TRIGGER touch BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION touch()",
    )
    .await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.repair().await.consistent();
    db.run(&format!("INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user')")).await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (0, 1), "{restored:?}");
    assert_eq!(db.text("SELECT count(*) FROM logs").await, "0");
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_column_s_new_type_stays_and_others_go_back() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, amount numeric(6,2), n int, s varchar(3));
         INSERT INTO logs VALUES (1, 9, 1.25, 7, 'abc'), (2, 9, 1.50, 7, 'abc'), (3, 9, 1.50, 7, NULL)",
    )
    .await;
    let mut case = Case::new(&db, &spec("Delete"));
    case.repair().await.consistent();
    db.run(&format!(
        "INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user');
         ALTER TABLE logs ALTER amount TYPE numeric(6,1), ALTER n TYPE numeric(8,2), ALTER s TYPE char(9)"
    ))
    .await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (2, 1), "{restored:?}");
    let why = "it would come back with another \"amount\", since the table is another one today";
    assert_eq!(restored[0].sample, [("1".to_owned(), why.to_owned())]);
    let rows = ["(2,9,1.5,7.00,\"abc      \")", "(3,9,1.5,7.00,)"];
    assert_eq!(db.texts("SELECT l FROM logs l ORDER BY id").await, rows);
}

#[tokio::test]
async fn rows_go_back_to_the_partition_that_they_came_from() {
    for on_orphan in ["Delete", "Reassign"] {
        let db = with(
            "CREATE TABLE logs (id int, user_id int REFERENCES users, note text, PRIMARY KEY (id, user_id)) PARTITION BY LIST (user_id);
             CREATE TABLE logs_few PARTITION OF logs FOR VALUES IN (1, 5);
             CREATE TABLE logs_rest PARTITION OF logs DEFAULT PARTITION BY RANGE (id);
             CREATE TABLE logs_rest_low PARTITION OF logs_rest FOR VALUES FROM (MINVALUE) TO (3);
             CREATE TABLE logs_rest_high PARTITION OF logs_rest FOR VALUES FROM (3) TO (MAXVALUE);
             CREATE FUNCTION idle() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NEW; END $f$;
             CREATE TRIGGER idle BEFORE INSERT OR UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION idle();
             INSERT INTO logs VALUES (1, 9, 'a'), (2, 5, 'b'), (3, 9, NULL), (4, 8, 'd')",
        )
        .await;
        let mut case = Case::new(&db, &spec(on_orphan));
        let before = db.snapshot().await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        db.run(&format!(
            "INSERT INTO users VALUES (9, 'nine@example.com', '{HASH}', 'user'), (8, 'eight@example.com', '{HASH}', 'user')"
        ))
        .await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (3, 0), "{on_orphan}: {restored:?}");
        let users = ["+ users (8,eight@example.com,HASH,user,t)", "+ users (9,nine@example.com,HASH,user,t)"];
        assert_eq!(db.changes(&before).await, users, "{on_orphan}");
    }
}

/// One column of a random table, and values of it that are spelled in many ways.
fn column() -> impl Strategy<Value = (&'static str, Vec<&'static str>)> {
    prop::sample::select(vec![
        ("json", vec!["NULL", "'{\"a\" : 1.0}'", "'[1,  2]'", "'null'"]),
        ("numeric", vec!["NULL", "1.0", "1.00", "'NaN'", "-0.0", "1e30"]),
        ("text", vec!["NULL", "''", "' '", "E'\\\\ \\n'", "'NULL'"]),
        ("timestamptz", vec!["NULL", "'infinity'", "'2025-06-01 00:00+02'"]),
        ("int GENERATED ALWAYS AS (id * 3) STORED", vec!["DEFAULT"]),
        ("int[]", vec!["NULL", "'{}'", "'{1,NULL}'", "'[2:3]={1,2}'"]),
        ("real", vec!["NULL", "0.1", "'NaN'", "1e-40"]),
        ("varchar(4)", vec!["NULL", "'ab'", "'ab  '"]),
    ])
}

#[derive(Debug, Clone)]
struct Plan {
    id: &'static str,
    key: &'static str,
    columns: Vec<(&'static str, Vec<&'static str>)>,
    rows: Vec<(u8, Vec<prop::sample::Index>)>,
    on_orphan: OnOrphan,
    names: [u8; 3],
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        prop::sample::select(vec![
            "int",
            "bigint GENERATED ALWAYS AS IDENTITY",
            "int GENERATED BY DEFAULT AS IDENTITY",
        ]),
        prop::sample::select(vec![
            "PRIMARY KEY (id)",
            "PRIMARY KEY (id, user_id)",
            "PRIMARY KEY (user_id, id)",
        ]),
        prop::collection::vec(column(), 0..5),
        prop::collection::vec((0_u8..7, prop::collection::vec(any::<prop::sample::Index>(), 5)), 1..25),
        prop::sample::select(vec![OnOrphan::Delete, OnOrphan::SetNull, OnOrphan::Reassign]),
        Just([7, 8, 9]),
    )
        .prop_map(|(id, key, columns, rows, on_orphan, names)| Plan {
            id,
            key,
            columns,
            rows,
            on_orphan,
            names,
        })
}

/// Users 1 (the admin), 5 and NULL; the rest names nobody.
async fn live_rows_and_quarantine_are_the_rows_of_before(plan: Plan) {
    let nullable = plan.key == "PRIMARY KEY (id)";
    let columns: String =
        plan.columns.iter().enumerate().map(|(at, (kind, _))| format!(", c{at} {kind}")).collect();
    let names: String = (0..plan.columns.len()).map(|at| format!(", c{at}")).collect();
    let mut sql =
        format!("CREATE TABLE logs (id {}, user_id int REFERENCES users{columns}, {})", plan.id, plan.key);
    for (at, (user, picks)) in plan.rows.iter().enumerate() {
        let user = match user {
            0 => "1".to_owned(),
            1 | 2 => "5".to_owned(),
            3 if nullable => "NULL".to_owned(),
            n => plan.names[usize::from(*n) % 3].to_string(),
        };
        let values: String = plan
            .columns
            .iter()
            .zip(picks)
            .map(|((_, values), pick)| format!(", {}", pick.get(values)))
            .collect();
        sql.push_str(&format!(
            "; INSERT INTO logs (id, user_id{names}) OVERRIDING SYSTEM VALUE VALUES ({at}, {user}{values})"
        ));
    }
    let db = with(&sql).await;
    let mut case = Case::new(&db, &spec("Report"));
    case.edit(|spec| spec.references.on_orphan = plan.on_orphan);
    let all = "SELECT l FROM logs l ORDER BY id, user_id";
    let before = db.texts(all).await;
    let orphans = "SELECT l FROM logs l WHERE user_id NOT IN (SELECT id FROM users) ORDER BY id, user_id";
    let orphaned = db.texts(orphans).await;
    case.check().await;
    assert_eq!(db.texts(all).await, before, "a check changes nothing");
    let pass = case.repair().await;
    let done: i64 = pass.outcome().repaired.iter().map(|step| step.rows).sum();
    if orphaned.is_empty() || (plan.on_orphan == OnOrphan::SetNull && !nullable) {
        assert_eq!((done, db.texts(all).await), (0, before));
        return;
    }
    pass.consistent();
    assert_eq!(done, i64::try_from(orphaned.len()).unwrap());
    let table = db.text("SELECT name FROM auth_consistency.quarantine").await;
    let kept = format!("SELECT ROW(id, user_id{names}) FROM auth_consistency.{table} ORDER BY id, user_id");
    assert_eq!(db.texts(&kept).await, orphaned, "quarantine holds the rows as they were");
    let ids = format!("SELECT format('%s', id) FROM auth_consistency.{table}");
    let others = format!("SELECT l FROM logs l WHERE id::text NOT IN ({ids}) ORDER BY id, user_id");
    let untouched: Vec<String> = before.iter().filter(|row| !orphaned.contains(row)).cloned().collect();
    assert_eq!(db.texts(&others).await, untouched, "all other rows are as they were");
    case.settled(&db).await;
    for name in plan.names {
        db.run(&format!("INSERT INTO users VALUES ({name}, '{name}@example.com', '{HASH}', 'user')")).await;
    }
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!(restored.iter().map(|one| one.blocked).sum::<i64>(), 0, "{restored:?}");
    assert_eq!(db.texts(all).await, before, "a restore gives back the old rows");
}

#[test]
fn whatever_the_rows_are_live_ones_and_quarantine_are_those_of_before_and_restore_gives_them_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    proptest!(config, |(plan in plan())| {
        runtime.block_on(live_rows_and_quarantine_are_the_rows_of_before(plan));
    });
}
