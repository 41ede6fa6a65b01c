//! What a neighbour in the database tries to have said in our name: a row's content in a message, in a log, in a
//! report. Every outcome of a [`Case`] is searched for it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use auth_consistency::api::{condition::Reason as R, report::Action as A};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::{Case, Db, HASH, ROW, USUAL, admin_and_ada};

/// Two tables with an orphan each; `logs` is the neighbour's.
async fn orphans() -> Db {
    admin_and_ada(&format!(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, note text);
         CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 9, '{ROW}'); INSERT INTO posts VALUES (1, 9)"
    ))
    .await
}

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 100, percent: 100}}}}\n")
}

/// A trigger on `logs` whose body is `body`.
fn trigger(body: &str) -> String {
    format!(
        "CREATE FUNCTION tells() RETURNS trigger LANGUAGE plpgsql AS $f$
           DECLARE secret text := (SELECT hashed_password FROM users WHERE id = 1); BEGIN {body} RETURN NEW; END $f$;
         CREATE TRIGGER tells BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION tells()"
    )
}

/// Codes after which the whole pass is tried again, as after a mistake of ours or of the server's.
const WHOLE: [&str; 2] = ["XX002", "42601"];

/// A repair that the neighbour's table refuses: it is told without its words, and the other table is repaired.
async fn refused(sql: &str, code: &str) -> String {
    let db = orphans().await;
    db.run(sql).await;
    let mut case = Case::new(&db, &spec("Reassign"));
    let pass = case.repair().await;
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains(&format!("(SQLSTATE {code})")), "{code}: {message}");
    if !WHOLE.contains(&code) {
        pass.repaired(&[(A::Reassign, "posts.user_id", 1)]);
    }
    assert_eq!(db.text("SELECT user_id FROM logs").await, "9", "nothing of it was done");
    message
}

#[tokio::test]
async fn what_a_function_raises_is_told_without_its_words_whatever_code_and_fields_it_has() {
    for code in
        ["P0001", "23503", "23505", "23514", "22023", "42501", "28P01", "3D000", "25006", "53300", "XX002"]
    {
        let message = refused(
            &trigger(&format!(
                "RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = secret, DETAIL = secret, HINT = OLD.note, \
                 CONSTRAINT = left(secret, 60), TABLE = left(secret, 60), COLUMN = OLD.note, \
                 SCHEMA = OLD.note, DATATYPE = left(secret, 60);"
            )),
            code,
        )
        .await;
        assert!(message.contains("a trigger or function of the app refused it"), "{message}");
        assert!(!message.contains("correct user name") && !message.contains("grants"), "{message}");
    }
}

#[tokio::test]
async fn a_code_of_a_functions_own_making_is_not_repeated() {
    for code in ["CANA1", "SECR3", "A0B1C"] {
        let sql = trigger(&format!("RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = secret;"));
        let message = refused(&sql, "none of PostgreSQL's").await;
        assert!(!message.contains(code), "{message}");
    }
}

#[tokio::test]
async fn an_error_inside_of_a_function_is_told_without_the_value_that_it_is_about() {
    for (body, code) in [
        ("PERFORM secret::int;", "22P02"),
        ("PERFORM OLD.note::regclass;", "42P01"),
        ("PERFORM secret::regclass;", "0A000"),
        ("PERFORM secret::regtype;", "42601"),
        ("PERFORM current_setting(secret);", "42704"),
        ("EXECUTE secret;", "42601"),
        ("EXECUTE 'SELECT ' || quote_literal(secret) || '::uuid';", "22P02"),
        ("EXECUTE 'SELECT ' || quote_ident(OLD.note);", "42703"),
        ("EXECUTE 'SELECT * FROM ' || quote_ident(OLD.note);", "42P01"),
        ("EXECUTE 'DROP TABLE ' || quote_ident(secret);", "42P01"),
        ("PERFORM json_extract_path(secret::json, 'a');", "22P02"),
    ] {
        refused(&trigger(body), code).await;
    }
}

#[tokio::test]
async fn a_value_that_a_function_makes_the_name_of_something_is_not_told_where_that_thing_refuses() {
    for (body, code) in [
        ("CREATE TEMP TABLE t (x int CONSTRAINT %1$I CHECK (x > 0)); INSERT INTO t VALUES (0)", "23514"),
        ("CREATE TEMP TABLE t (%1$I int NOT NULL); INSERT INTO t VALUES (NULL)", "23502"),
        (
            "CREATE TEMP TABLE t (x int); CREATE UNIQUE INDEX %1$I ON t (x); INSERT INTO t VALUES (1), (1)",
            "23505",
        ),
        ("CREATE TEMP TABLE %1$I (x int CHECK (x > 0)); INSERT INTO %1$I VALUES (0)", "23514"),
        ("CREATE TABLE public.%1$I (x int UNIQUE); INSERT INTO public.%1$I VALUES (1), (1)", "23505"),
        (
            "CREATE SCHEMA %1$I; CREATE TABLE %1$I.t (x int UNIQUE); INSERT INTO %1$I.t VALUES (1), (1)",
            "23505",
        ),
        ("CREATE DOMAIN pg_temp.d AS int CONSTRAINT %1$I CHECK (VALUE > 0); PERFORM 0::pg_temp.d", "23514"),
        (
            "CREATE TEMP TABLE t (x int PRIMARY KEY); CREATE TEMP TABLE u (x int CONSTRAINT %1$I REFERENCES t); \
          INSERT INTO u VALUES (1)",
            "23503",
        ),
        (
            "CREATE TEMP TABLE t (x int, CONSTRAINT %1$I EXCLUDE USING btree (x WITH =)); INSERT INTO t VALUES (1), (1)",
            "23P01",
        ),
        ("CREATE TEMP TABLE t AS SELECT 0 AS x; ALTER TABLE t ADD CONSTRAINT %1$I CHECK (x > 0)", "23514"),
        (
            "CREATE TEMP TABLE t (x int); INSERT INTO t VALUES (1), (1); CREATE UNIQUE INDEX %1$I ON t (x)",
            "23505",
        ),
        (
            "CREATE TEMP TABLE t (x int) PARTITION BY LIST (x); CREATE TEMP TABLE %1$I PARTITION OF t FOR VALUES IN (1); \
          INSERT INTO %1$I VALUES (2)",
            "23514",
        ),
    ] {
        for name in ["secret", "OLD.note"] {
            let body = body.replace("PERFORM", "SELECT").replace("'", "''");
            let message = refused(&trigger(&format!("EXECUTE format('{body}', {name});")), code).await;
            assert!(!message.contains(", constraint") && !message.contains(", table"), "{message}");
        }
    }
}

#[tokio::test]
async fn a_name_that_a_function_has_given_on_the_way_is_not_told_though_the_server_itself_refuses() {
    // Foreign keys are looked at when the statement is over, and no code stands around that.
    for (rename, told) in [
        ("'ALTER TABLE held RENAME CONSTRAINT holds TO %I', secret", ", table public.held"),
        ("'ALTER TABLE held RENAME TO %I', secret", ""),
    ] {
        let sql = format!(
            "CREATE TABLE held (log int CONSTRAINT holds REFERENCES logs); INSERT INTO held VALUES (1); {}",
            trigger(&format!("EXECUTE format({rename}); NEW.id := 77;"))
        );
        let message = refused(&sql, "23503").await;
        let said = format!("a foreign key is violated (SQLSTATE 23503){told}: choose another onOrphan");
        assert!(message.contains(&said), "{message}");
    }
    let sql = format!(
        "CREATE TABLE held (log int CONSTRAINT holds REFERENCES logs); INSERT INTO held VALUES (1); {}",
        trigger("NEW.id := 77;")
    );
    let message = refused(&sql, "23503").await;
    assert!(
        message.contains(", constraint \"holds\", table public.held: choose another onOrphan"),
        "{message}"
    );
}

#[tokio::test]
async fn a_check_that_reads_a_value_tells_nothing_of_it_though_no_function_is_around_it() {
    for (check, code) in [
        ("note::regclass IS NOT NULL", "42P01"),
        ("note::regtype IS NOT NULL", "42601"),
        ("note::regrole IS NOT NULL", "42704"),
        ("current_setting(note) IS NOT NULL", "42704"),
        ("note::int > 0", "22P02"),
        ("note::timestamptz IS NOT NULL", "22007"),
        ("('{\"' || note || '\": ')::json IS NOT NULL", "22P02"),
        ("format('%' || note) IS NOT NULL", "22023"),
        ("to_tsquery(note || ' ! ( : &') IS NOT NULL", "42601"),
        // What runs a text as a statement says of it what it would say of ours.
        ("ts_rewrite('a'::tsquery, 'SELECT 1 FROM ' || quote_ident(note)) IS NOT NULL", "42P01"),
        ("ts_rewrite('a'::tsquery, 'SELECT ' || quote_ident(note)) IS NOT NULL", "42703"),
        ("query_to_xml('SELECT 1 FROM ' || quote_ident(note), true, true, '') IS NOT NULL", "42P01"),
        (
            "query_to_xml('SELECT n.' || quote_ident(note) || ' FROM pg_namespace n', true, true, '') IS NOT NULL",
            "42703",
        ),
        (
            "query_to_xml_and_xmlschema('SELECT 1 FROM public.' || quote_ident(note), true, true, '') IS NOT NULL",
            "42P01",
        ),
        ("query_to_xml(note, true, true, '') IS NOT NULL", "42601"),
        ("note = 'else'", "23514"),
    ] {
        let check = format!("ALTER TABLE logs ADD CONSTRAINT judge CHECK ({check}) NOT VALID");
        let message = refused(&check, code).await;
        assert_eq!(message.contains("constraint \"judge\", table public.logs"), code == "23514", "{message}");
    }
}

#[tokio::test]
async fn what_the_server_itself_refuses_names_the_constraint_and_the_table() {
    let db = orphans().await;
    db.run("ALTER TABLE logs ADD CONSTRAINT \"one; each\" UNIQUE (user_id) DEFERRABLE; INSERT INTO logs VALUES (2, 1, 'x')")
        .await;
    db.run(
        "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := 2; RETURN NEW; END';
            CREATE TRIGGER twice BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION twice();
            ALTER TABLE logs DROP CONSTRAINT \"one; each\"",
    )
    .await;
    let pass = Case::new(&db, &spec("Reassign")).repair().await;
    let message = pass.finding(R::RepairFailed).message;
    let says = "a value is there already that must be unique (SQLSTATE 23505), constraint \"logs_pkey\", table public.logs";
    assert!(message.contains(says), "{message}");
}

/// All that anybody logs on this thread, at every level and under every target.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut fields = Fields(event.metadata().target().to_owned());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
}

#[tokio::test]
async fn what_functions_say_beside_their_answers_is_not_sent() {
    for level in ["WARNING", "NOTICE", "LOG", "DEBUG"] {
        let db = orphans().await;
        db.run(&trigger(&format!("FOR n IN 1..50 LOOP RAISE {level} '% %', secret, OLD.note; END LOOP;")))
            .await;
        let log = Log::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        let mut case = Case::new(&db, &spec("Reassign"));
        case.repair().await.consistent();
        case.check().await.consistent();
        drop(guard);
        let said = log.0.lock().unwrap().join("\n");
        assert!(!said.contains(&HASH[9..25]) && !said.contains(ROW), "{level}: {said}");
        assert!(!said.contains("sqlx::postgres::notice"), "{level}: {said}");
    }
}

#[tokio::test]
async fn a_hash_is_compared_when_the_looks_snapshot_is_closed() {
    let db = orphans().await;
    let mut case = Case::new(&db, USUAL);
    case.compare_password = true;
    // Whoever hashes before us keeps us waiting.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let before = tokio::spawn(auth_consistency::hashing::compute(move || {
        begun.send(()).unwrap();
        released.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    }));
    has_begun.await.unwrap();
    let ours = "SELECT coalesce(string_agg(state || ' ' || (backend_xmin IS NULL AND xact_start IS NULL), ','), '') \
                FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'auth-consistency/%'";
    let seen = async {
        let mut seen = String::new();
        // The look is over when the session has been seen at work and has no transaction any more.
        for _ in 0..2000 {
            seen = db.text(ours).await;
            if seen == "idle true" {
                break;
            }
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        seen
    };
    let (pass, seen) = tokio::join!(case.check(), seen);
    assert_eq!(seen, "idle true", "it waits for its turn without a snapshot");
    assert!(before.await.unwrap().is_some());
    assert_eq!(pass.report.unwrap().admin.unwrap().password_matches, Some(true));
}
