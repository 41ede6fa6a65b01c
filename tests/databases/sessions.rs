//! Tokens that outlive a change of ids or of the key end once, and only those.

use auth_consistency::engine::{SubjectQuery, SubjectRow};
use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::{Action as A, Severity},
    },
    network::HostPolicy,
    pass,
};

use crate::{
    remap::{moved, old_world},
    support::{Case, Db, HASH, USUAL},
};

const COLUMN: &str = "sessions: {invalidateBeforeColumn: tokens_valid_after}\n";
const LIST: &str = "  identities: {configMapRef: {name: before}}\n";
const ENDS: (A, &str) = (A::EndSessions, "users.tokens_valid_after");

/// Whose tokens count from about now on, and all others.
const SET: &str = "SELECT format('%s %s', split_part(email, '@', 1), CASE WHEN tokens_valid_after IS NULL THEN '-' \
     WHEN tokens_valid_after > now() THEN 'later' \
     WHEN tokens_valid_after > now() - interval '1 hour' AND date_trunc('second', tokens_valid_after) = tokens_valid_after THEN 'now' \
     ELSE 'earlier' END) FROM users ORDER BY id";

/// Users 1 (admin), 5 (ada) and 6 (mal, inactive), with a column of a type that holds `null`.
async fn users(column: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, tokens_valid_after {column});
         INSERT INTO users (id, email, hashed_password, role, is_active) VALUES (1, 'admin@example.com', '{HASH}', 'admin', true), \
         (5, 'ada@example.com', '{HASH}', 'user', true), (6, 'mal@example.com', '{HASH}', 'user', false);"
    ))
    .await
}

/// A new key, with the one of before accepted still.
pub(crate) fn new_key(db: &Db, sessions: &str) -> Case {
    let jwt = "jwt: {secretRef: {name: jwt, key: key}, previousSecretRefs: [{name: old, key: key}]}";
    let mut case = Case::new(db, &format!("{USUAL}{jwt}\nsessions: {sessions}\n"));
    case.secret("old", "key", "canary-old-c1be07a4936a1d4c7728e6b9f03a17");
    case
}

const END: &str = "{invalidateBeforeColumn: tokens_valid_after, onKeyChange: End}";

fn asked(subject: &str, token: Option<&str>) -> SubjectQuery {
    SubjectQuery { subject: subject.into(), token: token.map(Into::into) }
}

/// From when on the tokens of a subject count, as `token explain` reads it.
async fn valid_after(case: &Case, subject: &str) -> Option<i64> {
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let mut rows = pass::resolve(&case.target(), &anywhere, &[asked(subject, None)]).await.unwrap();
    match rows.remove(0) {
        SubjectRow::Active { valid_after, .. } => valid_after,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn people_whose_ids_changed_hands_sign_in_again_once_and_a_restore_is_not_overruled() {
    let db = old_world().await;
    db.run("ALTER TABLE users ADD tokens_valid_after timestamptz").await;
    let mut case = moved(&db, &format!("{LIST}{COLUMN}")).await;
    let before = (db.snapshot().await, db.fingerprint().await);
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(ENDS.0, ENDS.1, 2, true)]);
    let found = waiting.finding(R::SessionsOutliveChange);
    assert_eq!(
        (found.condition, found.severity, found.rows, found.remedy),
        (C::ReferencesConsistent, Severity::Error, Some(2), Some(A::EndSessions))
    );
    assert_eq!(
        found.message,
        "2 ids of users name another person than before (2, 3): old tokens are accepted for 2 accounts of users"
    );
    let step = &waiting.outcome().plan.clone().unwrap().steps[0];
    assert_eq!(step.message, "have 2 accounts of users sign in again, by setting tokens_valid_after");
    assert_eq!(step.waits.as_deref(), Some("it signs 2 active accounts out"));
    assert_eq!(db.fingerprint().await, before.1, "a plan that waits writes nothing");
    case.settled(&db).await;

    let approved = case.approve().await;
    approved.repaired(&[(ENDS.0, ENDS.1, 2)]).plans(&[]);
    assert_eq!(db.texts(SET).await, ["admin -", "bob now", "ada now", "cy -"]);
    let changes = db.changes(&before.0).await;
    assert!(changes.len() == 4 && changes.iter().all(|one| one[2..].starts_with("users (")), "{changes:?}");
    let shifted = |pass: &crate::support::Pass| {
        let of = |one: &auth_consistency::api::report::FindingReport| {
            one.finding == R::IdentityShifted
                && one.object.as_ref().is_some_and(|object| object.table == "users")
        };
        pass.outcome().findings().into_iter().find(of).unwrap().message
    };
    assert!(shifted(&approved).contains("old tokens that name them were ended"), "{}", shifted(&approved));
    case.settled(&db).await;
    // Another process, which remembers nothing.
    let mut other = case.over(&db);
    other.repair().await.repaired(&[]).plans(&[]);

    let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'EndSessions'").await;
    // What the app has set since says more than what was there before.
    db.run("UPDATE users SET tokens_valid_after = now() + interval '1 day' WHERE email LIKE 'bob%'").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].action, restored[0].rows, restored[0].blocked), (A::EndSessions, 1, 1));
    assert_eq!(db.texts(SET).await, ["admin -", "bob later", "ada -", "cy -"]);
    let after = case.repair().await;
    after.repaired(&[]).plans(&[]);
    assert!(shifted(&after).contains("have sessions end first"), "{}", shifted(&after));
}

#[tokio::test]
async fn a_later_time_is_never_moved_back_and_an_earlier_one_is_moved_forward() {
    let db = old_world().await;
    db.run("ALTER TABLE users ADD tokens_valid_after timestamptz").await;
    let mut case = moved(&db, &format!("{LIST}{COLUMN}")).await;
    db.run(
        "UPDATE users SET tokens_valid_after = CASE WHEN email LIKE 'bob%' THEN now() + interval '1 day' ELSE '2020-01-01' END",
    )
    .await;
    case.repair().await.plans(&[(ENDS.0, ENDS.1, 1, true)]);
    case.approve().await.repaired(&[(ENDS.0, ENDS.1, 1)]).plans(&[]);
    assert_eq!(db.texts(SET).await, ["admin earlier", "bob later", "ada now", "cy earlier"]);
    case.settled(&db).await;
}

#[tokio::test]
async fn without_a_column_it_is_told_and_with_another_signing_key_there_is_nothing_to_tell() {
    let db = old_world().await;
    let mut case = moved(&db, &format!("{LIST}sessions: {{}}\n")).await;
    let told = case.repair().await;
    let found = told.finding(R::SessionsOutliveChange);
    assert_eq!((found.remedy, found.rows), (None, Some(2)));
    assert!(found.message.contains("docs/session-reset.md"), "{}", found.message);
    told.repaired(&[]).plans(&[]);
    case.settled(&db).await;
    case.secret("jwt", "key", "canary-another-7a4936a1d4c7728e6b9f0317");
    let dead = case.repair().await;
    assert!(dead.outcome().findings().iter().all(|one| one.finding != R::SessionsOutliveChange));
    // As long as the previous key is accepted, so are its tokens.
    case.secret("old", "key", "canary-5f2d8c1be07a4936a1d4c7728e6b9f03");
    case.edit(|spec| {
        let old = auth_consistency::api::shared::SecretKeyRef { name: "old".into(), key: "key".into() };
        spec.jwt.as_mut().unwrap().previous_secret_refs.push(old);
    });
    case.repair().await.finding(R::SessionsOutliveChange);
    let mut without = case.over(&db);
    without.edit(|spec| spec.sessions = None);
    let findings = without.repair().await.outcome().findings();
    assert!(
        findings.iter().all(|one| one.finding != R::SessionsOutliveChange),
        "nobody asked: {findings:#?}"
    );
}

#[tokio::test]
async fn the_account_whose_id_was_moved_signs_in_again_at_once_and_nobody_else() {
    let db = users("timestamptz").await;
    let jwt = "jwt: {secretRef: {name: jwt, key: key}, lifetime: 1h}\n";
    let mut case = Case::new(&db, &format!("{USUAL}  id: '3'\n{jwt}{COLUMN}"));
    let first = case.repair().await;
    first.repaired(&[(A::MoveId, "users", 1)]).plans(&[(ENDS.0, ENDS.1, 1, false)]);
    assert!(first.outcome().unfinished(), "the next pass comes soon");
    case.repair().await.repaired(&[(ENDS.0, ENDS.1, 1)]).consistent();
    assert_eq!(db.texts(SET).await, ["admin now", "ada -", "mal -"]);
    case.settled(&db).await;

    // Somebody else gets the id that the admin had: that is asked.
    db.run("DELETE FROM auth_consistency.ended; UPDATE users SET tokens_valid_after = NULL").await;
    db.run(&format!("INSERT INTO users VALUES (1, 'new@example.com', '{HASH}', 'user', true, NULL)")).await;
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(ENDS.0, ENDS.1, 2, true)]);
    let message = waiting.finding(R::SessionsOutliveChange).message;
    assert!(message.starts_with("the id 1, which was the admin's until the run "), "{message}");
    // As old as no token can be.
    db.run("UPDATE auth_consistency.batches SET at = at - interval '2 hours'").await;
    case.repair().await.repaired(&[]).consistent();
    assert_eq!(db.texts(SET).await, ["new -", "admin -", "ada -", "mal -"]);
}

#[tokio::test]
async fn everybody_signs_in_again_once_for_a_new_key_chunk_by_chunk_where_the_spec_says_so() {
    let db = users("timestamptz").await;
    db.run(&format!(
        "INSERT INTO users (id, email, hashed_password) SELECT n, n || '@example.com', '{HASH}' FROM generate_series(100, 2599) n"
    ))
    .await;
    let keep = "{invalidateBeforeColumn: tokens_valid_after}";
    new_key(&db, keep).repair().await.repaired(&[]).plans(&[]).consistent();
    let mut case = new_key(&db, END);
    let waiting = case.repair().await;
    waiting.plans(&[(ENDS.0, ENDS.1, 2503, true)]);
    let found = waiting.finding(R::SessionsOutliveChange);
    assert_eq!(found.severity, Severity::Warning, "{}", found.message);
    assert!(found.message.contains("Secret old/key"), "{}", found.message);
    let step = &waiting.outcome().plan.clone().unwrap().steps[0];
    assert!(
        step.message.starts_with("have everybody (2,503 accounts) of users sign in again"),
        "{}",
        step.message
    );
    assert_eq!(step.waits.as_deref(), Some("it signs 2,502 active accounts out"));
    // Whoever signs up meanwhile is one of everybody.
    db.run(&format!("INSERT INTO users VALUES (9, 'late@example.com', '{HASH}', 'user', true, NULL)")).await;
    case.approve().await.repaired(&[(ENDS.0, ENDS.1, 2504)]).consistent();
    assert_eq!(
        db.text("SELECT count(DISTINCT tokens_valid_after) FROM users").await,
        "1",
        "one time for all"
    );
    assert_eq!(db.text("SELECT count(*) FROM users WHERE tokens_valid_after IS NULL").await, "0");
    let audit = "SELECT format('%s %s', count(*) > 1, sum(rows)) FROM auth_consistency.audit";
    assert_eq!(db.text(audit).await, "t 2504");
    case.settled(&db).await;
    db.run(&format!("INSERT INTO users VALUES (10, 'later@example.com', '{HASH}', 'user', true, NULL)"))
        .await;
    case.repair().await.repaired(&[]).consistent();
    assert_eq!(db.text("SELECT tokens_valid_after FROM users WHERE id = 10").await, "NULL", "twice is once");

    // Another key is another reason. Times are whole seconds, and what was set in this one is as late.
    let later =
        "SELECT extract(epoch FROM now())::int8 > (SELECT max(valid_after) + 1 FROM auth_consistency.ended)";
    while db.text(later).await != "true" {}
    case.secret("jwt", "key", "canary-another-7a4936a1d4c7728e6b9f0317");
    case.repair().await.plans(&[(ENDS.0, ENDS.1, 2505, true)]);
}

#[tokio::test]
async fn tokens_end_where_anybody_could_have_made_them_whatever_the_spec_says_of_new_keys() {
    let db = users("timestamptz").await;
    let mut case = new_key(&db, "{invalidateBeforeColumn: tokens_valid_after}");
    case.secret("old", "key", "changeme");
    let waiting = case.repair().await;
    waiting.plans(&[(ENDS.0, ENDS.1, 3, true)]);
    let found = waiting.finding(R::SessionsOutliveChange);
    assert_eq!(found.severity, Severity::Error);
    assert!(found.message.contains("must go from the app first"), "{}", found.message);
}

#[tokio::test]
async fn each_type_that_holds_a_time_is_set_and_read_as_the_app_reads_it() {
    for column in
        ["timestamptz", "timestamp", "integer", "bigint", "bigint NOT NULL DEFAULT 0", "timestamptz(0)"]
    {
        let db = users(column).await;
        db.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), 'Asia/Kathmandu'); END $$").await;
        let mut case = new_key(&db, END);
        case.repair().await.plans(&[(ENDS.0, ENDS.1, 3, true)]);
        case.approve().await.repaired(&[(ENDS.0, ENDS.1, 3)]).consistent();
        let now: i64 = db.text("SELECT floor(extract(epoch FROM now()))::int8").await.parse().unwrap();
        let set = valid_after(&case, "5").await.unwrap();
        assert!((now - 60..=now).contains(&set), "{column}: {set} at {now}");
        case.settled(&db).await;
        let run = db.text("SELECT DISTINCT run FROM auth_consistency.audit").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!((restored[0].rows, restored[0].blocked), (3, 0), "{column}");
        let before = if column.contains("DEFAULT") { Some(0) } else { None };
        assert_eq!(valid_after(&case, "5").await, before, "{column}");
    }
    let db = users("timestamptz").await;
    db.run("UPDATE users SET tokens_valid_after = 'infinity' WHERE id = 5; UPDATE users SET tokens_valid_after = '-infinity' WHERE id = 1").await;
    let case = new_key(&db, END);
    assert!(valid_after(&case, "5").await > Some(200_000_000_000) && valid_after(&case, "1").await.is_none());
}

#[tokio::test]
async fn a_column_that_holds_no_time_is_refused_by_its_name_and_type() {
    let unsupported = |sql: &'static str, says: &'static str| (sql, R::SessionsColumnUnsupported, says);
    for (sql, reason, says) in [
        unsupported("date", "column \"tokens_valid_after\" of users is of type date"),
        unsupported("text", "is of type text"),
        unsupported("smallint", "is of type smallint"),
        unsupported("numeric", "is of type numeric"),
        unsupported("bigint GENERATED ALWAYS AS (id * 2) STORED", "is computed and of type bigint"),
        unsupported("bigint DEFAULT 1700000000000", "milliseconds"),
    ] {
        let db = users(sql).await;
        let mut case = new_key(&db, END);
        let before = db.fingerprint().await;
        let pass = case.repair().await;
        pass.repaired(&[]).plans(&[]);
        let found = pass.finding(reason);
        assert_eq!((found.condition, found.severity), (C::SchemaCompatible, Severity::Error), "{sql}");
        assert!(found.message.contains(says), "{sql}: {}", found.message);
        assert_eq!(db.fingerprint().await, before, "{sql}");
        case.settled(&db).await;
    }
    let db = users("timestamptz").await;
    let mut case = new_key(&db, "{invalidateBeforeColumn: valid_from, onKeyChange: End}");
    let message = case.repair().await.finding(R::ColumnMissing).message;
    assert!(
        message.starts_with(
            "users has no column \"valid_from\", which spec.sessions.invalidateBeforeColumn names"
        ),
        "{message}"
    );
    let taken = new_key(&db, "{invalidateBeforeColumn: hashed_password}");
    assert!(taken.errors()[0].message.contains("named for something else"), "{:?}", taken.errors());
}

#[tokio::test]
async fn a_role_that_may_only_read_is_told_what_it_needs_and_needs_no_more() {
    let db = users("timestamptz").await;
    let reader =
        db.role("GRANT SELECT ON users TO ROLE; GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE").await;
    let mut case = new_key(&db, END);
    case.secret("db", "url", &db.url_of(&reader));
    let pass = case.repair().await;
    let found = pass.finding(R::SessionsOutliveChange);
    assert_eq!(found.blocked, Some(R::PrivilegeMissing), "{}", found.message);
    assert!(found.message.contains("may not UPDATE users.tokens_valid_after"), "{}", found.message);
    pass.plans(&[]);
    let grants = pass::grants(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
    let needed = format!("GRANT UPDATE (tokens_valid_after) ON public.users TO {};", reader.0);
    assert!(grants.contains(&needed), "{grants}");
    db.run(&needed).await;
    case.repair().await.plans(&[(ENDS.0, ENDS.1, 3, true)]);
    case.approve().await.repaired(&[(ENDS.0, ENDS.1, 3)]).consistent();
}

#[tokio::test]
async fn a_trigger_that_keeps_the_change_back_or_goes_further_stops_it_and_nothing_stays() {
    for (trigger, reason) in [
        ("BEGIN NEW.tokens_valid_after := OLD.tokens_valid_after; RETURN NEW; END", R::RepairFailed),
        ("BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END", R::RepairFailed),
    ] {
        let db = users("timestamptz").await;
        db.run(&format!(
            "CREATE TABLE log (id int); CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS '{trigger}';
             CREATE TRIGGER back BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION back();"
        ))
        .await;
        let mut case = new_key(&db, END);
        case.repair().await;
        let before = db.snapshot().await;
        let pass = case.approve().await;
        pass.repaired(&[]).finding(reason);
        assert_eq!(db.changes(&before).await, Vec::<String>::new());
        assert_eq!(db.text("SELECT to_regclass('auth_consistency.ended') IS NULL").await, "true");
    }
}

#[tokio::test]
async fn a_locked_user_table_says_nothing_of_a_token() {
    let db = users("timestamptz").await;
    let mut case = new_key(&db, END);
    case.edit(|spec| spec.timeout = "1s".into());
    let mut lock = db.another().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").execute(&mut lock).await.unwrap();
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let fault = pass::resolve(&case.target(), &anywhere, &[asked("5", None)]).await.unwrap_err();
    assert!(fault.message.contains("lock"), "{}", fault.message);
    sqlx::raw_sql("COMMIT").execute(&mut lock).await.unwrap();
    let rows = pass::resolve(&case.target(), &anywhere, &[asked("5", None), asked("x", None)]).await.unwrap();
    assert!(matches!(rows[0], SubjectRow::Active { .. }), "{rows:?}");
    assert!(matches!(rows[1], SubjectRow::NotOfType { .. }), "{rows:?}");
}

#[tokio::test]
async fn a_spec_of_other_tokens_than_those_by_id_is_not_concerned_by_ids() {
    let db = old_world().await;
    db.run("ALTER TABLE users ADD tokens_valid_after timestamptz").await;
    let mut case = moved(&db, &format!("{LIST}{COLUMN}")).await;
    case.edit(|spec| spec.jwt.as_mut().unwrap().subject_column = Some("email".into()));
    let pass = case.repair().await;
    pass.plans(&[]);
    assert!(pass.outcome().findings().iter().all(|one| one.finding != R::SessionsOutliveChange));
}

#[tokio::test]
async fn a_token_that_the_app_has_revoked_is_found_in_its_list() {
    let db = users("timestamptz").await;
    let id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    db.run(&format!(
        "CREATE SCHEMA auth; CREATE TABLE auth.gone (jti uuid); INSERT INTO auth.gone VALUES ('{id}');
         CREATE TABLE token_blocklist (id serial, jti varchar(36) NOT NULL, at date); INSERT INTO token_blocklist (jti) VALUES ('{id}'), ('short');"
    ))
    .await;
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let revoked = async |case: &Case, token: Option<&str>| {
        let rows = pass::resolve(&case.target(), &anywhere, &[asked("5", token)]).await;
        rows.map(|rows| matches!(rows[0], SubjectRow::Active { revoked: true, .. }))
    };
    for (list, tokens) in [
        (
            "{schema: auth, table: gone, column: jti}",
            [(Some(id), true), (Some("short"), false), (None, false)],
        ),
        (
            "{table: token_blocklist, column: jti}",
            [(Some(id), true), (Some("short"), true), (Some("shor"), false)],
        ),
    ] {
        let case = new_key(&db, &format!("{{revoked: {list}}}"));
        for (token, expected) in tokens {
            assert_eq!(revoked(&case, token).await.unwrap(), expected, "{list}: {token:?}");
        }
    }
    for (list, says) in [
        ("{table: nowhere, column: jti}", "there is no table public.nowhere"),
        ("{table: token_blocklist, column: token}", "has no column \"token\""),
        ("{table: token_blocklist, column: at}", "is of type date, and ids of tokens are text or uuid"),
    ] {
        let fault = revoked(&new_key(&db, &format!("{{revoked: {list}}}")), Some(id)).await.unwrap_err();
        assert!(
            fault.message.contains("spec.sessions.revoked") && fault.message.contains(says),
            "{}",
            fault.message
        );
    }
    let reader = db.role("GRANT SELECT ON users TO ROLE").await;
    let mut case = new_key(&db, "{revoked: {schema: auth, table: gone, column: jti}}");
    case.secret("db", "url", &db.url_of(&reader));
    assert!(revoked(&case, Some(id)).await.unwrap_err().message.contains("may not SELECT"));
    let grants = pass::grants(&case.target(), &anywhere).await.unwrap();
    for needed in ["GRANT USAGE ON SCHEMA auth TO ", "GRANT SELECT ON auth.gone TO "] {
        let needed = format!("{needed}{};", reader.0);
        assert!(grants.contains(&needed), "{grants}");
        db.run(&needed).await;
    }
    assert!(revoked(&case, Some(id)).await.unwrap());
}

#[tokio::test]
async fn everybody_who_signed_in_again_under_an_approval_does_not_once_more_under_it() {
    let db = users("timestamptz").await;
    db.run(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         SET session_replication_role = replica; INSERT INTO logs VALUES (1, 7); RESET session_replication_role;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON logs FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let mut case = new_key(&db, &format!("{END}\nreferences: {{onOrphan: Delete, limits: {{rows: 0}}}}"));
    case.repair().await.repaired(&[]);
    case.approve().await.repaired(&[(ENDS.0, ENDS.1, 3)]);
    let open = "SELECT count(*) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL AND closed_at IS NULL";
    assert_eq!(db.text(open).await, "1", "the rows of logs were approved and refused");
    // What it was done for is not known any more, and people have signed in since.
    db.run("DROP TABLE auth_consistency.ended; UPDATE users SET tokens_valid_after = NULL").await;
    case.repair()
        .await
        .repaired(&[])
        .plans(&[(ENDS.0, ENDS.1, 3, true), (A::Delete, "logs.user_id", 1, true)]);
    assert_eq!(db.text("SELECT count(tokens_valid_after) FROM users").await, "0");
    case.approve().await.repaired(&[(ENDS.0, ENDS.1, 3)]);
}
