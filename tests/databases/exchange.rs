//! Rows that change places in a unique key.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};
use proptest::{prelude::*, test_runner::Config};

use crate::{
    remap::{REMAP, moved, old_world, spec, taken},
    support::{Case, Db, HASH},
};

/// One row per user: ada and bob have changed places, cy has another id.
const PROFILES: &str = "DELETE FROM logs; CREATE TABLE profiles (id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users, bio text, \
     length int GENERATED ALWAYS AS (length(bio)) STORED, number int GENERATED ALWAYS AS IDENTITY (START 70), UNIQUE (user_id));
     INSERT INTO profiles (user_id, bio) VALUES (2, 'of ada'), (3, 'of bob'), (4, 'of cy');";

const OWNERS: &str = "SELECT format('%s %s %s %s', p.id, split_part(email, '@', 1), bio, number) FROM profiles p JOIN users u ON u.id = user_id ORDER BY p.id";
const AT_HOME: [&str; 3] = ["1 ada of ada 70", "2 bob of bob 71", "3 cy of cy 72"];

/// The world after the move, without the logs, and with more in it.
async fn profiles(more: &str) -> (Db, Case) {
    profiles_by(more, REMAP).await
}

/// The same under other `references`.
pub(crate) async fn profiles_by(more: &str, references: &str) -> (Db, Case) {
    let db = old_world().await;
    db.run(&format!("{PROFILES} {more}")).await;
    let case = moved(&db, references).await;
    db.run("DELETE FROM logs").await;
    (db, case)
}

fn refused(why: R) -> [(R, C, Option<R>); 4] {
    [
        (R::IdentityShifted, C::ReferencesConsistent, Some(why)),
        (R::IdentityShifted, C::ReferencesConsistent, None),
        (R::OrphanRows, C::ReferencesConsistent, Some(why)),
        (R::ConstraintViolated, C::SchemaCompatible, None),
    ]
}

#[tokio::test]
async fn rows_change_places_in_a_unique_key_and_back_again() {
    for (deferrable, how) in [
        ("", "; 2 change places in a unique key, and are taken out and put in again for that"),
        ("DEFERRABLE", ""),
    ] {
        let (db, mut case) = profiles("").await;
        if !deferrable.is_empty() {
            db.run(
                "ALTER TABLE profiles DROP CONSTRAINT profiles_user_id_key, ADD UNIQUE (user_id) DEFERRABLE",
            )
            .await;
        }
        let before = (db.texts("SELECT p FROM profiles p ORDER BY id").await, db.snapshot().await);
        let waiting = case.repair().await;
        waiting.repaired(&[]).plans(&[(A::Remap, "profiles.user_id", 3, true)]);
        let message = waiting.status.plan.as_ref().unwrap().steps[0].message.clone();
        assert_eq!(
            message,
            format!(
                "give 3 rows of profiles.user_id back to the 3 people they belong to, by login (2 → 3, 3 → 2, 4 → 9); 2 of them from people who have those ids now{how}"
            )
        );
        case.approve().await.repaired(&[(A::Remap, "profiles.user_id", 3)]);
        assert_eq!(db.texts(OWNERS).await, AT_HOME);
        let changes = db.changes(&before.1).await;
        assert!(
            changes.len() == 6 && changes.iter().all(|one| one[2..].starts_with("profiles (")),
            "{changes:?}"
        );
        case.settled(&db).await;
        // And back again; cy's row may go nowhere while nobody has the id 4.
        db.run(&format!(
            "INSERT INTO users (id, email, hashed_password) VALUES (4, 'new@example.com', '{HASH}')"
        ))
        .await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        let counts = restored.iter().fold((0, 0), |all, one| (all.0 + one.rows, all.1 + one.blocked));
        assert_eq!(counts, (3, 0), "{restored:?}");
        assert_eq!(db.texts("SELECT p FROM profiles p ORDER BY id").await, before.0);
    }
}

#[tokio::test]
async fn rows_that_depend_on_an_exchanged_one_stay_with_it_and_those_that_would_go_along_keep_it_in_place() {
    let depends = |action: &str| {
        format!(
            "CREATE TABLE pictures (id int PRIMARY KEY, profile_id int REFERENCES profiles {action}); INSERT INTO pictures VALUES (1, 1), (2, 2), (3, 3);"
        )
    };
    for action in ["", "DEFERRABLE INITIALLY DEFERRED"] {
        let (db, mut case) = profiles(&depends(action)).await;
        case.repair().await;
        case.approve().await.repaired(&[(A::Remap, "profiles.user_id", 3)]);
        assert_eq!(db.texts(OWNERS).await, AT_HOME);
        assert_eq!(
            db.text("SELECT string_agg(p::text, ' ' ORDER BY id) FROM pictures p").await,
            "(1,1) (2,2) (3,3)"
        );
    }
    for action in ["ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT"] {
        let (db, mut case) = profiles(&depends(action)).await;
        let pass = case.reports(&db, &refused(R::UniqueKeyInTheWay)).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(
            message.contains("2 rows would change places in a unique key")
                && message.contains("pictures.pictures_profile_id_fkey"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_trigger_that_would_change_what_is_put_in_again_undoes_all_of_it() {
    let trigger = |when: &str, body: &str| {
        format!(
            "CREATE TABLE heard (what text); CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$; \
             CREATE TRIGGER hear {when} ON profiles FOR EACH ROW EXECUTE FUNCTION hear();"
        )
    };
    for (sql, why) in [
        (trigger("BEFORE INSERT", "NEW.bio := 'fresh'; RETURN NEW;"), "put in again as they were"),
        (trigger("BEFORE INSERT", "RETURN NULL;"), "put in again as they were"),
        (trigger("BEFORE DELETE", "RETURN NULL;"), "put in again as they were"),
        (trigger("AFTER DELETE", "INSERT INTO heard VALUES ('gone'); RETURN NULL;"), "heard"),
    ] {
        let (db, mut case) = profiles(&sql).await;
        case.repair().await;
        let before = db.snapshot().await;
        let pass = case.approve().await;
        pass.repaired(&[]);
        let found = pass.report.as_ref().unwrap().findings.iter().find(|one| one.finding == R::RepairFailed);
        let message = &found.unwrap().message;
        assert!(message.contains(why), "{sql}: {message}");
        assert_eq!(db.changes(&before).await, Vec::<String>::new(), "{sql}");
    }
}

#[tokio::test]
async fn who_may_not_insert_or_delete_is_told_before_and_grants_say_what_helps() {
    for (rights, missing) in [("UPDATE, DELETE", "INSERT into"), ("UPDATE, INSERT", "DELETE from")] {
        let (db, mut case) = profiles("").await;
        let role = db
            .role(&format!(
                "GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT, INSERT, UPDATE ON users TO ROLE; GRANT SELECT, {rights} ON profiles TO ROLE; \
                 GRANT SELECT, UPDATE ON logs TO ROLE; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ROLE; CREATE SCHEMA auth_consistency AUTHORIZATION ROLE"
            ))
            .await;
        case.secret("db", "url", &db.url_of(&role));
        let pass = case.check().await;
        let found = pass.finding(R::OrphanRows);
        assert_eq!(found.blocked, Some(R::PrivilegeMissing));
        assert!(found.message.contains(&format!("may not {missing} profiles")), "{}", found.message);
        let grants = pass::grants(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
        assert!(grants.contains("GRANT INSERT, UPDATE, DELETE ON public.profiles TO"), "{grants}");
        assert!(grants.contains("GRANT UPDATE ON public.logs TO"), "{grants}");
    }
}

/// Six people with the ids 2 to 7 before, and `ids` after; `rows` are the rows of a person and a thing.
async fn everybody_gets_their_own(ids: Vec<i64>, rows: Vec<(usize, u8)>) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (email, hashed_password, role) SELECT CASE n WHEN 1 THEN 'admin' ELSE 'p' || n END || '@example.com', '{HASH}', \
           CASE n WHEN 1 THEN 'admin' ELSE 'user' END FROM generate_series(1, 7) n;
         CREATE TABLE members (id serial PRIMARY KEY, user_id int REFERENCES users, thing int, whose int, UNIQUE (user_id, thing), \
           UNIQUE NULLS NOT DISTINCT (thing, user_id))"
    ))
    .await;
    for (person, thing) in rows {
        let id = person + 2;
        db.run(&format!(
            "INSERT INTO members (user_id, thing, whose) VALUES ({id}, NULLIF({thing}, 0), {id}) ON CONFLICT DO NOTHING"
        ))
        .await;
    }
    let text = taken(&Case::new(&db, &spec("")), None).await.write().unwrap();
    let pairs: Vec<String> = ids.iter().enumerate().map(|(at, id)| format!("({}, {id})", at + 2)).collect();
    db.run(&format!(
        "SET session_replication_role = replica; UPDATE users SET id = id + 1000 WHERE id > 1;
         UPDATE users u SET id = n.id FROM (VALUES {}) AS n(old, id) WHERE u.id = n.old + 1000; SELECT setval('users_id_seq', 100);
         INSERT INTO members (user_id, thing, whose) VALUES (1, 1, 1); RESET session_replication_role",
        pairs.join(", ")
    ))
    .await;
    let mut case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "before.json", &text);
    let all = "SELECT m FROM members m ORDER BY id";
    let before = db.texts(all).await;
    let wrong = "SELECT count(*) FROM members m WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = m.user_id \
         AND u.email IN ('p' || m.whose || '@example.com', CASE m.whose WHEN 1 THEN 'admin@example.com' END))";
    let to_move = db.text(wrong).await;
    case.repair().await;
    if case.status.plan.as_ref().is_some_and(|plan| plan.awaiting_approval) {
        case.approve().await;
    }
    assert_eq!(db.text(wrong).await, "0", "{to_move} rows of {before:?} were to go back: {:?}", case.status);
    if to_move == "0" {
        assert_eq!(db.texts(all).await, before);
        return;
    }
    let run = case.status.history[0].run.clone();
    // The ids of before exist again, so that nothing but the unique key can be in the way.
    db.run(&format!("INSERT INTO users (id, email, hashed_password) SELECT n, 'x' || n, '{HASH}' FROM generate_series(2, 7) n ON CONFLICT DO NOTHING")).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(restored.iter().map(|one| one.blocked).sum::<i64>(), 0, "{restored:?}");
    assert_eq!(db.texts(all).await, before, "a restore gives back the old rows");
}

#[test]
fn whoever_changes_places_with_whomever_everybody_gets_their_own_and_all_of_it_comes_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 16, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let ids = Just((2..12).collect::<Vec<i64>>()).prop_shuffle().prop_map(|ids| ids[..6].to_vec());
    proptest!(config, |(ids in ids, rows in prop::collection::vec((0_usize..6, 0_u8..4), 0..18))| {
        runtime.block_on(everybody_gets_their_own(ids, rows));
    });
}
