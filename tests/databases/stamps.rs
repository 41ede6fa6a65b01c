//! Sessions that end by a stamp of the account, or by the rows that they are.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::{Action as A, Severity},
        spec::OnMissing,
    },
    network::HostPolicy,
    pass,
};

use crate::{
    remap::{moved, old_world},
    sessions::new_key,
    support::{Case, Db, HASH, USUAL},
};

const LIST: &str = "  identities: {configMapRef: {name: before}}\n";
const STAMP: (A, &str) = (A::EndSessions, "users.security_stamp");
const ROWS: (A, &str) = (A::EndSessions, "sessions.user_id");
const TOKENS: (A, &str) = (A::EndSessions, "refresh_tokens.owner");

/// Whose stamp is another one than at the beginning.
const STAMPS: &str = "SELECT format('%s %s', split_part(email, '@', 1), CASE WHEN security_stamp = 'old ' || split_part(email, '@', 1) THEN 'old' \
     WHEN security_stamp ~ '^[0-9a-f]{32}$' THEN 'new' ELSE security_stamp END) FROM users ORDER BY id";

async fn stamped() -> Db {
    let db = old_world().await;
    db.run(
        "ALTER TABLE users ADD security_stamp text UNIQUE; UPDATE users SET security_stamp = 'old ' || split_part(email, '@', 1)",
    )
    .await;
    db
}

#[tokio::test]
async fn people_whose_ids_changed_hands_get_a_new_stamp_once_and_a_restore_is_not_overruled() {
    let db = stamped().await;
    let mut case = moved(&db, &format!("{LIST}sessions: {{stampColumn: security_stamp}}\n")).await;
    let before = (db.snapshot().await, db.fingerprint().await);
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(STAMP.0, STAMP.1, 2, true)]);
    let found = waiting.finding(R::SessionsOutliveChange);
    assert_eq!((found.severity, found.rows, found.remedy), (Severity::Error, Some(2), Some(A::EndSessions)));
    let step = &waiting.outcome().plan.clone().unwrap().steps[0];
    assert_eq!(step.message, "have 2 accounts of users sign in again, by a new security_stamp");
    assert_eq!(step.waits.as_deref(), Some("it signs 2 active accounts out"));
    assert_eq!(db.fingerprint().await, before.1, "a plan that waits writes nothing");

    let approved = case.approve().await;
    approved.repaired(&[(STAMP.0, STAMP.1, 2)]).plans(&[]);
    assert_eq!(db.texts(STAMPS).await, ["admin old", "bob new", "ada new", "cy old"]);
    let changes = db.changes(&before.0).await;
    assert!(changes.len() == 4 && changes.iter().all(|one| one[2..].starts_with("users (")), "{changes:?}");
    case.settled(&db).await;
    // Another process, which remembers nothing.
    case.over(&db).repair().await.repaired(&[]).plans(&[]);

    let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'EndSessions'").await;
    // What the app has set since says more than what was there before.
    db.run("UPDATE users SET security_stamp = 'of the app' WHERE email LIKE 'bob%'").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].action, restored[0].rows, restored[0].blocked), (A::EndSessions, 1, 1));
    assert_eq!(db.texts(STAMPS).await, ["admin old", "bob of the app", "ada old", "cy old"]);
    case.repair().await.repaired(&[]).plans(&[]);
}

#[tokio::test]
async fn everybody_gets_a_stamp_of_their_own_for_a_new_key_in_each_type_that_holds_one() {
    for column in
        ["text", "varchar(64)", "char(40)", "uuid", "uuid NOT NULL DEFAULT gen_random_uuid()", "stamp_text"]
    {
        let db = Db::new(&format!(
            "CREATE DOMAIN stamp_text AS varchar(32);
             CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
             role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, stamp {column});
             INSERT INTO users (id, email, hashed_password, role) SELECT n, CASE n WHEN 1 THEN 'admin' ELSE 'u' || n END || '@example.com', \
             '{HASH}', CASE n WHEN 1 THEN 'admin' ELSE 'user' END FROM generate_series(1, 2500) n;"
        ))
        .await;
        let before = db.texts("SELECT coalesce(stamp::text, '-') FROM users ORDER BY id").await;
        let mut case = new_key(&db, "{stampColumn: stamp, onKeyChange: End}");
        case.repair().await.plans(&[(A::EndSessions, "users.stamp", 2500, true)]);
        db.run(&format!(
            "INSERT INTO users (id, email, hashed_password) VALUES (9999, 'late@example.com', '{HASH}')"
        ))
        .await;
        case.approve().await.repaired(&[(A::EndSessions, "users.stamp", 2501)]).consistent();
        let distinct =
            "SELECT count(DISTINCT stamp) FROM users WHERE length(replace(stamp::text, '-', '')) = 32";
        assert_eq!(db.text(distinct).await, "2501", "{column}");
        let audit = "SELECT format('%s %s', count(*) > 1, sum(rows)) FROM auth_consistency.audit";
        assert_eq!(db.text(audit).await, "t 2501");
        case.settled(&db).await;
        let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (2501, 0), "{column}");
        let after = "SELECT coalesce(stamp::text, '-') FROM users WHERE id < 9999 ORDER BY id";
        assert_eq!(db.texts(after).await, before, "{column}");
        case.repair().await.repaired(&[]).plans(&[]);
    }
}

#[tokio::test]
async fn a_column_that_holds_no_stamp_is_refused_by_its_name_and_type() {
    for (column, says) in [
        (
            "varchar(20)",
            "is of type character varying(20), and spec.sessions.stampColumn takes text of at least 32",
        ),
        ("char(31)", "is of type character(31)"),
        ("integer", "is of type integer"),
        ("base32", "is of type public.base32"),
        ("text GENERATED ALWAYS AS ('x') STORED", "is computed and of type text"),
    ] {
        let db = old_world().await;
        db.run("CREATE DOMAIN base32 AS text CHECK (value ~ '^[A-Z2-7]{32}$')").await;
        db.run(&format!("ALTER TABLE users ADD security_stamp {column}")).await;
        let mut case = moved(&db, &format!("{LIST}sessions: {{stampColumn: security_stamp}}\n")).await;
        let pass = case.repair().await;
        pass.repaired(&[]).plans(&[]);
        let found = pass.finding(R::SessionsColumnUnsupported);
        assert_eq!((found.condition, found.severity), (C::SchemaCompatible, Severity::Error), "{column}");
        assert!(found.message.contains(says), "{column}: {}", found.message);
        let told = pass.finding(R::SessionsOutliveChange);
        assert!(
            told.message.ends_with("they can be ended when spec.sessions.stampColumn is right"),
            "{}",
            told.message
        );
        case.settled(&db).await;
    }
    let db = old_world().await;
    let missing =
        moved(&db, &format!("{LIST}sessions: {{stampColumn: security_stamp}}\n")).await.repair().await;
    let message = missing.finding(R::ColumnMissing).message;
    assert!(message.contains("which spec.sessions.stampColumn names: it has id"), "{message}");
    for (sessions, says) in [
        (
            "{stampColumn: hashed_password}",
            "spec.sessions.stampColumn: \"hashed_password\" is named for something else",
        ),
        ("{stampColumn: s, invalidateBeforeColumn: s}", "is the column of invalidateBeforeColumn"),
        ("{tables: [{table: users, column: id}]}", "spec.sessions.tables[0] is the user table"),
        (
            "{tables: [{table: s, column: a}, {schema: public, table: s, column: b}]}",
            "spec.sessions.tables[1] names a table that is there already",
        ),
        (
            "{tables: [{table: gone, column: user_id}], revoked: {table: gone, column: jti}}",
            "spec.sessions.tables[0] is the table of spec.sessions.revoked",
        ),
        ("{onKeyChange: End}", "say by what"),
    ] {
        let errors = new_key(&db, sessions).errors();
        assert!(errors[0].message.contains(says), "{errors:?}");
    }
}

#[tokio::test]
async fn a_trigger_that_keeps_a_stamp_back_stops_it_and_nothing_stays() {
    let db = stamped().await;
    db.run(
        "CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.security_stamp := OLD.security_stamp; RETURN NEW; END';
         CREATE TRIGGER back BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.email LIKE 'bob%' AND NEW.id = OLD.id) EXECUTE FUNCTION back();",
    )
    .await;
    let mut case = moved(&db, &format!("{LIST}sessions: {{stampColumn: security_stamp}}\n")).await;
    case.repair().await;
    let before = db.snapshot().await;
    case.approve().await.repaired(&[]).finding(R::RepairFailed);
    assert_eq!(db.changes(&before).await, Vec::<String>::new());
    assert_eq!(db.text("SELECT to_regclass('auth_consistency.ended') IS NULL").await, "true");
}

/// Two tables of sessions: one with a foreign key, and one of another type without, whose key has two columns.
const TABLES: &str = "CREATE TABLE sessions (token text PRIMARY KEY, user_id int REFERENCES users ON UPDATE CASCADE, seen timestamptz DEFAULT now());
     CREATE TABLE refresh_tokens (family int, n int, owner varchar(64), PRIMARY KEY (family, n));
     INSERT INTO sessions SELECT format('canary %s of %s', n, u), u FROM generate_series(1, 4) u, generate_series(1, 2) n;
     INSERT INTO refresh_tokens SELECT u, n, u::text FROM generate_series(1, 4) u, generate_series(1, 3) n;";

const SPEC: &str =
    "sessions: {tables: [{table: sessions, column: user_id}, {table: refresh_tokens, column: owner}]}\n";

async fn with_tables() -> Db {
    let db = old_world().await;
    db.run(TABLES).await;
    db
}

const LEFT: &str =
    "SELECT token FROM sessions UNION ALL SELECT format('%s/%s', family, n) FROM refresh_tokens ORDER BY 1";

#[tokio::test]
async fn the_sessions_of_people_whose_ids_changed_hands_are_removed_once_and_come_back_by_a_restore() {
    let db = with_tables().await;
    let rule = "  rules: [{table: sessions, columns: [user_id], ignore: true, reason: they end}]\n";
    let mut case = moved(&db, &format!("{LIST}{rule}{SPEC}")).await;
    let all = db.texts(LEFT).await;
    let before = db.fingerprint().await;
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(ROWS.0, ROWS.1, 4, true), (TOKENS.0, TOKENS.1, 6, true)]);
    let told: Vec<String> = waiting
        .outcome()
        .findings()
        .into_iter()
        .filter(|one| one.finding == R::SessionsOutliveChange)
        .map(|one| one.message)
        .collect();
    assert_eq!(
        told,
        [
            "2 ids of users name another person than before (2, 3): 6 rows of refresh_tokens are sessions from before",
            "2 ids of users name another person than before (2, 3): 4 rows of sessions are sessions from before",
        ]
    );
    let steps = waiting.outcome().plan.clone().unwrap().steps;
    assert_eq!(
        steps[1].message,
        "end sessions of 2 active accounts: delete 6 rows of refresh_tokens, after copying them to quarantine"
    );
    assert_eq!(steps[1].waits.as_deref(), Some("it signs 2 active accounts out"));
    assert_eq!(db.fingerprint().await, before, "a plan that waits writes nothing");
    // People sign in while they are asked about, and the approval is as good.
    db.run("INSERT INTO sessions VALUES ('canary late', 2)").await;

    let approved = case.approve().await;
    approved.repaired(&[(ROWS.0, ROWS.1, 5), (TOKENS.0, TOKENS.1, 6)]).plans(&[]);
    let left = [
        "1/1",
        "1/2",
        "1/3",
        "4/1",
        "4/2",
        "4/3",
        "canary 1 of 1",
        "canary 1 of 4",
        "canary 2 of 1",
        "canary 2 of 4",
    ];
    assert_eq!(db.texts(LEFT).await, left, "those of others stay, the one of somebody who is gone too");
    case.settled(&db).await;
    db.run("INSERT INTO sessions VALUES ('canary new', 2), ('canary newer', 3)").await;
    case.repair().await.repaired(&[]).plans(&[]);
    case.over(&db).repair().await.repaired(&[]).plans(&[]);
    assert_eq!(db.text("SELECT count(*) FROM sessions WHERE token LIKE '%new%'").await, "2");

    let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'EndSessions'").await;
    db.run("DELETE FROM sessions WHERE token LIKE '%new%'; INSERT INTO sessions VALUES ('canary 1 of 2', 1)")
        .await;
    let restored = case.restore(&run).await.unwrap();
    let told: Vec<_> = restored.iter().map(|one| (one.object.describe(), one.rows, one.blocked)).collect();
    assert_eq!(told, [("refresh_tokens.owner".to_owned(), 6, 0), ("sessions.user_id".to_owned(), 4, 1)]);
    let stayed = &restored[1].sample;
    assert_eq!(
        stayed,
        &[("a session".to_owned(), "a row with its key is there already".to_owned())],
        "not by its token"
    );
    let mut back = all;
    back.push("canary late".to_owned());
    assert_eq!(db.texts(LEFT).await, back);
    assert_eq!(db.text("SELECT user_id FROM sessions WHERE token = 'canary 1 of 2'").await, "1");
    case.repair().await.repaired(&[]).plans(&[]);
}

#[tokio::test]
async fn an_app_without_tokens_has_its_sessions_ended_too() {
    let db = with_tables().await;
    let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
    case.edit(|spec| {
        spec.jwt = None;
        if let Some(admin) = &mut spec.admin {
            admin.on_missing = OnMissing::Report;
        }
    });
    case.repair().await.plans(&[(ROWS.0, ROWS.1, 4, true), (TOKENS.0, TOKENS.1, 6, true)]);
    case.approve().await.repaired(&[(ROWS.0, ROWS.1, 4), (TOKENS.0, TOKENS.1, 6)]).plans(&[]);
    assert_eq!(db.text("SELECT count(*) FROM sessions").await, "4");
    case.settled(&db).await;
}

#[tokio::test]
async fn all_sessions_end_for_a_new_key_and_those_that_begin_afterwards_stay() {
    let db = with_tables().await;
    db.run("INSERT INTO refresh_tokens SELECT 100 + n, n, '77' FROM generate_series(1, 2500) n").await;
    let sessions = SPEC.trim_start_matches("sessions: ").replace("{tables", "{onKeyChange: End, tables");
    let mut case = new_key(&db, &sessions);
    let waiting = case.repair().await;
    waiting.plans(&[(ROWS.0, ROWS.1, 8, true), (TOKENS.0, TOKENS.1, 2512, true)]);
    let steps = waiting.outcome().plan.clone().unwrap().steps;
    assert_eq!(
        steps[1].message,
        "end sessions of everybody: delete 2,512 rows of refresh_tokens, after copying them to quarantine"
    );
    // The app notes that they are used.
    db.run("UPDATE sessions SET seen = now() + interval '1 second' WHERE user_id = 1").await;
    case.approve().await.repaired(&[(ROWS.0, ROWS.1, 8), (TOKENS.0, TOKENS.1, 2512)]);
    assert_eq!(db.texts(LEFT).await, Vec::<String>::new());
    let audit = "SELECT format('%s %s', count(*) > 1, sum(rows)) FROM auth_consistency.audit WHERE object LIKE '%refresh%'";
    assert_eq!(db.text(audit).await, "t 2512");
    db.run("INSERT INTO sessions VALUES ('canary new', 1)").await;
    case.settled(&db).await;
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.step_keys").await, "0", "the list is used up");
    // Another key is another reason.
    case.secret("jwt", "key", "canary-another-7a4936a1d4c7728e6b9f0317");
    case.repair().await.plans(&[(ROWS.0, ROWS.1, 1, true), (TOKENS.0, TOKENS.1, 0, true)]);
}

#[tokio::test]
async fn a_table_that_cannot_be_used_is_told_by_its_field_and_the_others_go_on() {
    for (sql, says) in [
        (
            "DROP TABLE sessions",
            "sessions.user_id of spec.sessions.tables[0] cannot be used: there is no such table: correct spec.sessions.tables[0]",
        ),
        (
            "ALTER TABLE sessions RENAME user_id TO owner",
            "there is no column \"user_id\": correct spec.sessions.tables[0]",
        ),
        (
            "DROP TABLE sessions; CREATE VIEW sessions AS SELECT 'canary' AS token, 1 AS user_id",
            "it is a view and not a table",
        ),
        ("ALTER TABLE sessions DROP CONSTRAINT sessions_pkey", "it has no primary key"),
        (
            "CREATE TABLE claims (id int PRIMARY KEY, session text REFERENCES sessions ON DELETE CASCADE); INSERT INTO claims VALUES (1, 'canary 1 of 2')",
            "rows of claims.session depend on rows of sessions: name such tables in spec.sessions.tables before spec.sessions.tables[0]",
        ),
        (
            "CREATE TABLE claims (id int PRIMARY KEY, session text REFERENCES sessions); INSERT INTO claims VALUES (1, 'canary 1 of 3')",
            "rows of claims.session depend on rows of sessions",
        ),
        (
            "ALTER TABLE sessions ADD parent text REFERENCES sessions; UPDATE sessions SET parent = 'canary 1 of 1' WHERE user_id = 3; \
             INSERT INTO sessions (token, user_id, parent) VALUES ('canary child', 1, 'canary 1 of 2')",
            "rows of sessions depend on one another (sessions.parent), which spec.sessions.tables[0] does not take",
        ),
        (
            "UPDATE sessions SET token = token || repeat('x', 2000)",
            "and spec.sessions.tables[0] takes 2000: end these sessions by the app",
        ),
    ] {
        let db = with_tables().await;
        let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
        db.run(sql).await;
        let pass = case.repair().await;
        pass.repaired(&[]).plans(&[(TOKENS.0, TOKENS.1, 6, true)]);
        let found = pass.finding(R::SessionsColumnUnsupported);
        assert_eq!((found.condition, found.severity), (C::SchemaCompatible, Severity::Error), "{sql}");
        assert!(found.message.contains(says), "{}", found.message);
        case.settled(&db).await;
        case.approve().await.repaired(&[(TOKENS.0, TOKENS.1, 6)]);
    }
    // Rows that depend on none of those that would go are in nobody's way.
    let db = with_tables().await;
    let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
    db.run("CREATE TABLE claims (id int PRIMARY KEY, session text REFERENCES sessions ON DELETE CASCADE); INSERT INTO claims VALUES (1, 'canary 1 of 1')").await;
    case.repair().await;
    case.approve().await.repaired(&[(ROWS.0, ROWS.1, 4), (TOKENS.0, TOKENS.1, 6)]);
    assert_eq!(db.text("SELECT count(*) FROM claims").await, "1");
}

#[tokio::test]
async fn a_table_that_hides_rows_costs_itself_alone() {
    let db = with_tables().await;
    db.run(
        "ALTER TABLE sessions ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON sessions USING (user_id = 1)",
    )
    .await;
    let reader = db
        .role("GRANT SELECT, UPDATE, DELETE, INSERT ON ALL TABLES IN SCHEMA public TO ROLE; GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE; \
               GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO ROLE")
        .await;
    let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
    case.secret("db", "url", &db.url_of(&reader));
    let pass = case.repair().await;
    pass.plans(&[(TOKENS.0, TOKENS.1, 6, true)]);
    let message = pass.finding(R::SessionsColumnUnsupported).message;
    assert!(
        message.starts_with("sessions.user_id of spec.sessions.tables[0] cannot be looked at: "),
        "{message}"
    );
    assert!(message.contains("row-level security"), "{message}");
}

#[tokio::test]
async fn a_table_without_sessions_of_before_is_done_with_the_rest_and_those_to_come_are_left_alone() {
    let db = with_tables().await;
    db.run("DELETE FROM refresh_tokens").await;
    let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
    case.repair().await.plans(&[(ROWS.0, ROWS.1, 4, true), (TOKENS.0, TOKENS.1, 0, true)]);
    case.approve().await.repaired(&[(ROWS.0, ROWS.1, 4), (TOKENS.0, TOKENS.1, 0)]).plans(&[]);
    db.run("INSERT INTO refresh_tokens VALUES (9, 9, '2')").await;
    case.repair().await.repaired(&[]).plans(&[]);
    assert_eq!(db.text("SELECT count(*) FROM refresh_tokens").await, "1");
}

#[tokio::test]
async fn as_many_sessions_as_a_chunk_takes_are_done_with_it() {
    let db = old_world().await;
    db.run("CREATE TABLE sessions (id int PRIMARY KEY, user_id int); INSERT INTO sessions SELECT n, 2 FROM generate_series(1, 1000) n").await;
    let mut case =
        moved(&db, &format!("{LIST}sessions: {{tables: [{{table: sessions, column: user_id}}]}}\n")).await;
    case.repair().await;
    case.approve().await.repaired(&[(ROWS.0, ROWS.1, 1000)]);
    let audit = "SELECT count(*) FROM auth_consistency.audit WHERE action = 'EndSessions'";
    assert_eq!(db.text(audit).await, "1", "one chunk, which wrote down that it was the last one");
    assert_eq!(db.text("SELECT count(*) FROM auth_consistency.ended").await, "1");
}

#[tokio::test]
async fn sessions_move_along_with_an_id_and_an_id_that_they_name_is_not_taken_unasked() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE sessions (token text PRIMARY KEY, user_id text);
         INSERT INTO sessions VALUES ('canary a', '1'), ('canary b', '5'), ('canary c', '7');"
    ))
    .await;
    let spec = |id: &str| {
        format!("{USUAL}  id: '{id}'\nsessions: {{tables: [{{table: sessions, column: user_id}}]}}\n")
    };
    let mut case = Case::new(&db, &spec("7"));
    case.repair().await.repaired(&[]).finding(R::AdminIdClaimed);
    let mut case = Case::new(&db, &spec("3"));
    case.repair().await.repaired(&[(A::MoveId, "users", 2)]);
    let held = "SELECT string_agg(user_id, ' ' ORDER BY token) FROM sessions";
    assert_eq!(db.text(held).await, "3 5 7");
}

#[tokio::test]
async fn tables_that_depend_on_one_another_end_in_the_order_of_the_spec() {
    let db = old_world().await;
    db.run(
        "CREATE TABLE sessions (id int PRIMARY KEY, user_id int);
         CREATE TABLE refresh_tokens (id int PRIMARY KEY, owner text, session int REFERENCES sessions ON DELETE CASCADE);
         INSERT INTO sessions SELECT n, n FROM generate_series(1, 4) n; INSERT INTO refresh_tokens SELECT n, n::text, n FROM generate_series(1, 4) n",
    )
    .await;
    let spec =
        "sessions: {tables: [{table: refresh_tokens, column: owner}, {table: sessions, column: user_id}]}\n";
    let mut case = moved(&db, &format!("{LIST}{spec}")).await;
    case.repair().await.plans(&[(TOKENS.0, TOKENS.1, 2, true), (ROWS.0, ROWS.1, 2, true)]);
    case.approve().await.repaired(&[(TOKENS.0, TOKENS.1, 2), (ROWS.0, ROWS.1, 2)]);
    assert_eq!(
        db.texts("SELECT id FROM refresh_tokens UNION ALL SELECT id FROM sessions ORDER BY 1").await,
        ["1", "1", "4", "4"]
    );
    let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'EndSessions'").await;
    let restored = case.restore(&run).await.unwrap();
    let told: Vec<_> = restored.iter().map(|one| (one.object.describe(), one.rows, one.blocked)).collect();
    assert_eq!(told, [("sessions.user_id".to_owned(), 2, 0), ("refresh_tokens.owner".to_owned(), 2, 0)]);

    // A trigger that puts rows elsewhere goes further than the plan.
    let db = with_tables().await;
    db.run(
        "CREATE TABLE log (token text); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (OLD.token); RETURN OLD; END';
         CREATE TRIGGER note AFTER DELETE ON sessions FOR EACH ROW EXECUTE FUNCTION note();",
    )
    .await;
    let mut case = moved(&db, &format!("{LIST}{SPEC}")).await;
    case.repair().await;
    let before = db.snapshot().await;
    let pass = case.approve().await;
    assert_eq!(pass.finding(R::RepairFailed).object.unwrap().describe(), ROWS.1);
    // The other table rests on nothing of it and is done; of this one nothing is.
    let done: Vec<_> = pass.outcome().repaired.iter().map(|one| one.object.describe()).collect();
    assert_eq!(done, [TOKENS.1]);
    let changes = db.changes(&before).await;
    let of_tokens = changes.iter().filter(|line| line.starts_with("- refresh_tokens (")).count();
    assert!(of_tokens > 0 && of_tokens == changes.len(), "{changes:?}");
}

#[tokio::test]
async fn a_role_is_told_what_ending_sessions_takes_and_needs_no_more() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, role text NOT NULL, \
         is_active boolean NOT NULL DEFAULT true, stamp uuid);
         INSERT INTO users (id, email, hashed_password, role) VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         CREATE SCHEMA auth; CREATE TABLE auth.sessions (id int PRIMARY KEY, user_id int); INSERT INTO auth.sessions VALUES (7, 1);"
    ))
    .await;
    let reader = db
        .role("GRANT SELECT ON users, auth.sessions TO ROLE; GRANT USAGE ON SCHEMA auth TO ROLE; GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE")
        .await;
    let spec =
        "{stampColumn: stamp, tables: [{schema: auth, table: sessions, column: user_id}], onKeyChange: End}";
    let mut case = new_key(&db, spec);
    case.secret("db", "url", &db.url_of(&reader));
    let pass = case.repair().await;
    pass.plans(&[]);
    let told: Vec<String> = pass
        .outcome()
        .findings()
        .into_iter()
        .filter(|one| one.finding == R::SessionsOutliveChange && one.blocked == Some(R::PrivilegeMissing))
        .map(|one| one.message)
        .collect();
    assert!(
        told.iter().any(|one| one.contains("may not UPDATE and DELETE rows of auth.sessions")),
        "{told:?}"
    );
    assert!(told.iter().any(|one| one.contains("may not UPDATE users.stamp")), "{told:?}");
    let grants = pass::grants(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
    for needed in [
        "GRANT USAGE ON SCHEMA auth TO ",
        "GRANT SELECT ON auth.sessions TO ",
        "GRANT INSERT, UPDATE, DELETE ON auth.sessions TO ",
        "GRANT UPDATE (stamp) ON public.users TO ",
    ] {
        let needed = format!("{needed}{};", reader.0);
        assert_eq!(grants.matches(&needed).count(), 1, "{needed}: {grants}");
        db.run(&needed).await;
    }
    let both = [(A::EndSessions, "users.stamp", 1), (A::EndSessions, "auth.sessions.user_id", 1)];
    case.repair().await.plans(&both.map(|(action, object, rows)| (action, object, rows, true)));
    case.approve().await.repaired(&both);
}
