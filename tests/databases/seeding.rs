//! What a new account's row needs, and what it must not be kept at afterwards.

use auth_consistency::pass::request::Unattended;

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
        spec::SeedColumn,
    },
    network::HostPolicy,
    pass,
};

use jiff::Timestamp;

use crate::support::{Case, Db, HASH, USUAL};

const MISSING: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, None);
const INCOMPLETE: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, Some(R::SpecInvalid));
const COMPUTED: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, Some(R::RepairUnsupported));
const SEED: (A, &str, i64) = (A::Seed, "users", 1);

/// A table with one user, ada, and `more` beside what a FastAPI app has.
async fn database(more: &str) -> Db {
    Db::new(&format!(
        "CREATE TYPE plan AS ENUM ('free', 'paid'); CREATE DOMAIN tag AS text NOT NULL;
         CREATE TABLE tenants (id int PRIMARY KEY); INSERT INTO tenants VALUES (7);
         CREATE TABLE users (id serial PRIMARY KEY, email varchar(255) NOT NULL UNIQUE, \
         hashed_password varchar(255) NOT NULL, role varchar NOT NULL DEFAULT 'user', \
         is_active boolean NOT NULL DEFAULT true{more});"
    ))
    .await
}

/// The lines that a message says are to be put into the spec.
fn lines(message: &str) -> Vec<SeedColumn> {
    let (_, lines) = message.split_once("seedColumns: ").unwrap_or_else(|| panic!("no lines in {message}"));
    serde_saphyr::from_str(lines).unwrap_or_else(|error| panic!("{error} in {lines}"))
}

fn seeds(yaml: &str) -> Vec<SeedColumn> {
    serde_saphyr::from_str(yaml).unwrap()
}

#[tokio::test]
async fn every_column_that_needs_a_value_is_named_at_once_and_the_lines_that_are_printed_seed() {
    let db = database(
        ", created_at timestamptz NOT NULL, updated_at timestamp NOT NULL, born date NOT NULL, \
         fs_uniquifier varchar(64) NOT NULL UNIQUE, public_id uuid NOT NULL, plan plan NOT NULL, tag tag, \
         logins bigint NOT NULL, newsletter bool NOT NULL, settings jsonb NOT NULL, roles text[] NOT NULL, \
         \"Display Name\" text NOT NULL, quota interval NOT NULL, nobody text, counted int NOT NULL DEFAULT 3",
    )
    .await;
    let mut case = Case::new(&db, USUAL);
    let message = case.reports(&db, &[INCOMPLETE]).await.finding(R::AdminMissing).message;
    let names: Vec<String> = lines(&message).into_iter().map(|one| one.column).collect();
    let needed = [
        "created_at",
        "updated_at",
        "born",
        "fs_uniquifier",
        "public_id",
        "plan",
        "tag",
        "logins",
        "newsletter",
        "settings",
        "roles",
        "Display Name",
        "quota",
    ];
    assert_eq!(names, needed, "{message}");
    assert!(
        message.contains("may not be NULL and have no default: put this into spec.admin, with"),
        "{message}"
    );
    assert!(!message.ends_with('…'), "{message}");
    case.edit(|spec| spec.admin.as_mut().unwrap().seed_columns = lines(&message));
    let pass = case.repair().await;
    pass.consistent().repaired(&[SEED]);
    let row = "SELECT concat_ws(',', created_at BETWEEN now() - interval '1 h' AND now(), \
               updated_at BETWEEN timezone('UTC', now()) - interval '1 h' AND timezone('UTC', now()), \
               born BETWEEN current_date - 1 AND current_date + 1, length(fs_uniquifier), \
               substr(public_id::text, 15, 1), public_id::text <> fs_uniquifier, plan, logins, newsletter, settings, \
               roles::text, counted) FROM users";
    assert_eq!(db.text(row).await, "t,t,t,36,4,t,free,0,f,{},{},3");
    case.settled(&db).await;
}

#[tokio::test]
async fn what_only_a_new_row_gets_is_never_enforced_afterwards() {
    let db = database(", updated_at timestamptz NOT NULL, theme text").await;
    let mut case = Case::new(
        &db,
        &format!(
            "{USUAL}  seedColumns: [{{column: updated_at, now: true}}, {{column: theme, value: light}}]\n"
        ),
    );
    case.repair().await.consistent().repaired(&[SEED]);
    assert_eq!(db.text("SELECT theme FROM users").await, "light");
    // The app does what apps do.
    db.run("UPDATE users SET updated_at = '2031-01-01', theme = 'dark'").await;
    case.settled(&db).await;
    // A correction and a reset leave it to the app as well.
    db.run("UPDATE users SET role = 'user'").await;
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
    case.requests.reset = Some("monday".into());
    case.repair().await.consistent().repaired(&[(A::Reset, "users.hashed_password", 1)]);
    assert_eq!(db.text("SELECT concat_ws(',', theme, updated_at = '2031-01-01') FROM users").await, "dark,t");
}

#[tokio::test]
async fn each_account_names_what_it_lacks_itself_under_its_own_field_and_reason() {
    let db = database(", tenant int NOT NULL, joined date NOT NULL").await;
    db.run(&format!(
        "INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin', true, 7, '2020-01-01')"
    ))
    .await;
    let mut case = Case::new(
        &db,
        &format!(
            "{USUAL}accounts:
- login: smoke@example.com
  passwordSecretRef: {{name: tests, key: smoke}}
  columns: [{{column: tenant, equals: '7'}}]
- login: exporter@example.com
  passwordSecretRef: {{name: tests, key: smoke}}
  seedColumns: [{{column: joined, now: true}}]
"
        ),
    );
    case.secret("tests", "smoke", "canary of the tests");
    db.run("SELECT setval('users_id_seq', 1)").await;
    let missing = (R::AccountMissing, C::AdminConsistent, Some(R::SpecInvalid));
    let pass = case.reports(&db, &[missing, missing]).await;
    assert_eq!(&pass.conditions()[..2], ["Ready=False SpecInvalid", "Stalled=True SpecInvalid"]);
    let told: Vec<String> = pass.outcome().findings().into_iter().map(|one| one.message).collect();
    assert!(
        told[0].ends_with("put this into spec.accounts[1], with values of yours where these only stand in: seedColumns: [{column: joined, now: true}, {column: tenant, value: \"0\"}]"),
        "{}",
        told[0]
    );
    assert!(
        told[1].ends_with("put this into spec.accounts[0]: seedColumns: [{column: joined, now: true}]"),
        "{}",
        told[1]
    );
    case.edit(|spec| {
        spec.accounts[0].seed_columns = lines(&told[1]);
        spec.accounts[1].seed_columns = lines(&told[0]);
    });
    case.repair().await.consistent().repaired(&[SEED, SEED]);
    assert_eq!(
        db.text("SELECT string_agg(tenant::text, ',' ORDER BY email) FROM users WHERE id > 1").await,
        "0,7"
    );
    db.run("UPDATE users SET is_active = false WHERE email LIKE 'smoke%'").await;
    let drifted = (R::AccountDrifted, C::AdminConsistent, None);
    let pass = case.check().await;
    pass.found(&[drifted]);
    let shown = pass.conditions();
    assert_eq!(shown[0], "Ready=False AccountDrifted");
    assert!(shown.contains(&"AdminConsistent=False AccountDrifted".to_owned()), "{shown:?}");
}

#[tokio::test]
async fn a_column_that_names_a_row_of_another_table_is_said_to_and_nobody_guesses_which() {
    let db = database(", tenant_id int NOT NULL REFERENCES tenants").await;
    let mut case = Case::new(&db, USUAL);
    let message = case.reports(&db, &[INCOMPLETE]).await.finding(R::AdminMissing).message;
    assert!(message.contains("\"tenant_id\" names a row of tenants"), "{message}");
    // Pasted without a thought it is told when planned, and not written.
    case.edit(|spec| spec.admin.as_mut().unwrap().seed_columns = lines(&message));
    let message = case.reports(&db, &[INCOMPLETE]).await.finding(R::AdminMissing).message;
    assert!(
        message.contains("correct spec.admin.seedColumns: column \"tenant_id\" is of type integer"),
        "{message}"
    );
    case.edit(|spec| spec.admin.as_mut().unwrap().seed_columns[0].value = Some("7".into()));
    case.mends(&db, &[MISSING], &[SEED], &["+ users (1,admin@example.com,HASH,admin,t,7)"]).await;
}

#[tokio::test]
async fn values_that_their_columns_do_not_take_are_told_when_planned_all_at_once() {
    let db = database(", logins int, token varchar(8), seen timestamptz").await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().seed_columns = seeds(
            "[{column: logins, now: true}, {column: token, uuid: true}, {column: seen, value: soonish}, {column: gone, value: x}]",
        );
    });
    let message = case.reports(&db, &[INCOMPLETE]).await.finding(R::AdminMissing).message;
    for told in [
        "column \"logins\" is of type integer, and now: true is for a date",
        "column \"token\" is of type character varying(8), which holds no UUID",
        "column \"seen\" is of type timestamp with time zone and does not take its value",
        "column \"gone\" is not there",
    ] {
        assert!(message.contains(told), "{message}");
    }
    assert!(!message.contains("soonish"), "{message}");
    // Nobody asks for them where the account is there.
    db.run(&format!("INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin')")).await;
    db.run("SELECT setval('users_id_seq', 1)").await;
    case.repair().await.consistent().repaired(&[]);
}

#[tokio::test]
async fn a_condition_that_says_not_null_is_filled_by_a_value_for_the_new_row_alone() {
    let db = database(", confirmed_at timestamptz").await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| {
        spec.users.active_when =
            Some(serde_saphyr::from_str("[{column: confirmed_at, isNull: false}]").unwrap());
    });
    let message = case.reports(&db, &[INCOMPLETE]).await.finding(R::AdminMissing).message;
    assert!(
        message.contains("column \"confirmed_at\" needs a value since a condition says isNull: false"),
        "{message}"
    );
    case.edit(|spec| spec.admin.as_mut().unwrap().seed_columns = lines(&message));
    case.repair().await.consistent().repaired(&[SEED]);
    db.run("UPDATE users SET confirmed_at = '2020-01-01'").await;
    case.settled(&db).await;
}

#[tokio::test]
async fn an_account_whose_columns_the_database_computes_is_not_seeded_and_it_is_said_when_planned() {
    let db = Db::new(
        "CREATE SCHEMA neon_auth;
         CREATE TABLE neon_auth.users_sync (raw jsonb NOT NULL, id text GENERATED ALWAYS AS (raw->>'id') STORED PRIMARY KEY, \
         name text GENERATED ALWAYS AS (raw->>'name') STORED, email text GENERATED ALWAYS AS (raw->>'email') STORED);
         INSERT INTO neon_auth.users_sync (raw) VALUES ('{\"id\": \"a\", \"email\": \"ada@example.com\"}');",
    )
    .await;
    let users = "users: {schema: neon_auth, table: users_sync, idColumn: id, loginColumn: email";
    let admin = "admin: {login: owner@example.org, passwordSecretRef: {name: admin, key: password}";
    let mut case = Case::new(&db, &format!("{users}, passwordColumn: name}}\n{admin}, id: x1}}\n"));
    let message = case.reports(&db, &[COMPUTED]).await.finding(R::AdminMissing).message;
    assert!(
        message.contains("it cannot be seeded: the database computes columns \"email\", \"id\", \"name\" (GENERATED ALWAYS AS)")
            && message.contains("set spec.admin.onMissing to Report; ")
            && message.contains("; column \"raw\" may not be NULL"),
        "{message}"
    );
    // A value for what they are computed of does not make us write it either.
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().columns = serde_saphyr::from_str(
            "[{column: raw, equals: '{\"id\": \"x1\", \"email\": \"owner@example.org\"}'}]",
        )
        .unwrap();
    });
    case.reports(&db, &[COMPUTED]).await;
    // What the message says to do leaves one finding that no repair is asked for.
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().on_missing = auth_consistency::api::spec::OnMissing::Report
    });
    case.reports(&db, &[MISSING]).await;
}

#[tokio::test]
async fn an_account_that_needs_only_to_be_there_needs_no_password_column() {
    let db = Db::new("CREATE TABLE people (id int PRIMARY KEY, mail text); INSERT INTO people VALUES (1, 'ada@example.com')").await;
    let mut case = Case::new(
        &db,
        "users: {table: people, idColumn: id, loginColumn: mail}
admin: {login: ada@example.com, onMissing: Report}
accounts: [{login: eve@example.com, onMissing: Report}]
",
    );
    let missing = (R::AccountMissing, C::AdminConsistent, None);
    let pass = case.reports(&db, &[missing]).await;
    assert_eq!(pass.outcome().admin.as_ref().map(|admin| admin.password_matches), Some(None));
    case.compare_password = true;
    case.check().await.found(&[missing]);
    // Who asks for a password is told what it takes.
    case.requests.reset = Some("monday".into());
    let found = case.check().await.outcome().findings();
    assert!(found.iter().any(|one| one.blocked == Some(R::AdminPasswordUnusable)), "{found:#?}");
    case.edit(|spec| spec.accounts[0].on_missing = auth_consistency::api::spec::OnMissing::Seed);
    let errors: Vec<String> = case.errors().into_iter().map(|error| error.message).collect();
    assert_eq!(
        errors,
        [
            "spec.users: the password of the account \"eve@example.com\" needs passwordColumn: set it, or onMissing to Report and no passwordSecretRef",
            "spec.accounts[0].passwordSecretRef: set it, or onMissing to Report and passwordPolicy to OnSeed",
        ]
    );
}

#[tokio::test]
async fn an_active_state_that_the_database_computes_comes_with_the_new_row() {
    let db =
        database(", deleted_at timestamptz, alive boolean GENERATED ALWAYS AS (deleted_at IS NULL) STORED")
            .await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| {
        spec.users.active_when = Some(serde_saphyr::from_str("[{column: alive, equals: 'true'}]").unwrap());
    });
    case.mends(&db, &[MISSING], &[SEED], &["+ users (1,admin@example.com,HASH,admin,t,,t)"]).await;
    db.run("UPDATE users SET deleted_at = now()").await;
    let drifted = (R::AdminDrifted, C::AdminConsistent, Some(R::RepairUnsupported));
    let message = case.reports(&db, &[drifted]).await.finding(R::AdminDrifted).message;
    assert!(message.contains("the database computes alive"), "{message}");
}

#[tokio::test]
async fn a_row_that_a_trigger_makes_another_one_is_not_kept() {
    let db = database("").await;
    db.run(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.role := 'user'; RETURN NEW; END $$;
         CREATE TRIGGER meddle BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION meddle()",
    )
    .await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert!(pass.finding(R::RepairFailed).message.contains("is not what the spec says"));
    assert_eq!(db.text("SELECT count(*) FROM users").await, "0");
}

#[tokio::test]
async fn what_the_spec_says_twice_of_a_column_is_refused() {
    let db = database("").await;
    let mut case = Case::new(&db, USUAL);
    case.edit(|spec| {
        spec.admin.as_mut().unwrap().seed_columns = seeds(
            "[{column: id, value: '1'}, {column: email, uuid: true}, {column: hashed_password, value: x}, \
             {column: role, value: user}, {column: is_active, value: 'false'}, {column: a, now: true}, \
             {column: a, uuid: true}, {column: b, now: true, uuid: true}, {column: c}, {column: d, now: false}]",
        );
    });
    let errors: Vec<String> = case.errors().into_iter().map(|error| error.message).collect();
    let field = |text: &str| format!("spec.admin.seedColumns: {text}");
    assert_eq!(
        errors,
        [
            field("column \"id\" is what id is written to: leave it out"),
            field("column \"email\" is what login is written to: leave it out"),
            field("column \"hashed_password\" is what passwordSecretRef is written to: leave it out"),
            field("column \"role\" stands in columns too, where it is kept: leave it out of one of them"),
            field("spec.users.activeWhen says what column \"is_active\" holds: leave it out"),
            field("column \"a\" stands there twice"),
            field("set exactly one of value, now: true and uuid: true for column \"b\""),
            field("set exactly one of value, now: true and uuid: true for column \"c\""),
            field("set exactly one of value, now: true and uuid: true for column \"d\""),
        ]
    );
}

#[tokio::test]
async fn what_a_new_row_would_lack_is_said_before_a_move_though_the_account_is_there() {
    let db = database(", created_at timestamptz NOT NULL, plan plan NOT NULL").await;
    db.run(&format!(
        "INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin', true, now(), 'paid')"
    ))
    .await;
    let mut case = Case::new(&db, &format!("{USUAL}  id: '1'\n"));
    let judged = pass::preflight(
        &case.target(),
        &HostPolicy::unrestricted(Vec::new()),
        &Unattended,
        Timestamp::from_second(1_800_000_000).unwrap(),
    )
    .await
    .unwrap();
    let told: Vec<&String> = judged.risks.iter().flat_map(|risk| &risk.evidence).collect();
    let told = told.iter().find(|one| one.starts_with("the admin could not be seeded")).unwrap();
    assert_eq!(lines(told), seeds("[{column: created_at, now: true}, {column: plan, value: free}]"));
    db.run("SELECT setval('users_id_seq', 1)").await;
    case.repair().await.consistent().repaired(&[]);
}

#[tokio::test]
async fn rows_that_the_apps_own_trigger_makes_for_the_new_account_are_no_claim_to_its_id() {
    let body = [
        "INSERT INTO profiles VALUES (NEW.id, NEW.email);",
        // In a transaction of its own inside of ours.
        "BEGIN INSERT INTO profiles VALUES (NEW.id, NEW.email); EXCEPTION WHEN unique_violation THEN NULL; END;",
    ];
    for (id, body) in [
        ("uuid PRIMARY KEY DEFAULT gen_random_uuid()", body[0]),
        ("uuid PRIMARY KEY", body[1]),
        ("serial PRIMARY KEY", body[1]),
        ("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", body[0]),
    ] {
        let db = Db::new(&format!(
            "CREATE TABLE users (id {id}, email text NOT NULL UNIQUE, hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
             CREATE TABLE profiles (id {} PRIMARY KEY REFERENCES users ON DELETE CASCADE, name text);
             CREATE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
             CREATE TRIGGER on_auth_user_created AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION handle_new_user()",
            if id.starts_with("uuid") { "uuid" } else { "bigint" }
        ))
        .await;
        let mut case = Case::new(&db, USUAL);
        case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
        let profile =
            "SELECT count(*) FROM users JOIN profiles USING (id) WHERE profiles.name = 'admin@example.com'";
        assert_eq!(
            (db.text(profile).await, db.text("SELECT count(*) FROM profiles").await),
            ("1".into(), "1".into())
        );
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn a_row_that_named_the_new_id_before_is_a_claim_though_a_trigger_adds_to_it() {
    let db = Db::new(
        "CREATE TABLE users (id uuid PRIMARY KEY DEFAULT '00000000-0000-0000-0000-000000000001', email text NOT NULL UNIQUE, hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         CREATE TABLE profiles (name text, user_id uuid);
         INSERT INTO profiles VALUES ('old', '00000000-0000-0000-0000-000000000001');
         CREATE FUNCTION handle_new_user() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO profiles VALUES (NEW.email, NEW.id); RETURN NEW; END $$;
         CREATE TRIGGER on_auth_user_created AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION handle_new_user()",
    )
    .await;
    let rule = "references: {rules: [{table: profiles, columns: [user_id], declared: true}]}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{rule}"));
    let pass = case.repair().await;
    pass.repaired(&[]);
    let told = pass.finding(R::RepairFailed).message;
    assert!(told.contains("is one that rows of profiles.user_id still name"), "{told}");
    assert_eq!(
        db.text("SELECT (SELECT count(*) FROM users) || ' ' || (SELECT count(*) FROM profiles)").await,
        "0 1"
    );
}
