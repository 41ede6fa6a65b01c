//! The previous people are read from another database's user table, which is only ever read, and is
//! never taken for more than it says.

use auth_consistency::{
    api::shared::DatabaseSpec,
    pass::request::{self, Repairs, Supervisor, Unattended},
};

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::{Action as A, StepReport},
    },
    network::{HostPolicy, HostSettings},
    pass::{self, ScanMode},
};

use auth_consistency::{
    domain::fault::Fault,
    engine::{Search, postgres::PostgreSql},
};
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::support::{Case, Db, HASH, PASSWORD, USUAL};

/// The old world: admin 1, ada 2, bob 3, cy 4, dan 5.
const OLD: &str = "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, hashed_password text);
     INSERT INTO users (email, hashed_password) SELECT login || '@example.com', 'canary-of-an-old-hash' \
       FROM unnest(ARRAY['admin', 'ada', 'bob', 'cy', 'dan']) WITH ORDINALITY u(login, n) ORDER BY n;";

/// Today: ada and bob have changed places, cy has the id 9, dan is gone. Old rows name 2 to 5, new ones
/// the people of today; nobody has written for 2 and 3 since.
const TODAY: &str = "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
     CREATE TABLE logs (id serial PRIMARY KEY, user_id int, note text);
     INSERT INTO users (id, email, hashed_password, role) VALUES (1, 'admin@example.com', 'HASH', 'admin'), \
         (2, 'bob@example.com', 'HASH', 'user'), (3, 'ada@example.com', 'HASH', 'user'), (9, 'cy@example.com', 'HASH', 'user');
     INSERT INTO logs (user_id, note) SELECT p, 'old' FROM generate_series(1, 3) n, generate_series(2, 5) p ORDER BY n, p;
     INSERT INTO logs (user_id, note) VALUES (9, 'new'), (1, 'new');
     ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
     SELECT setval('users_id_seq', 20);";

const REMAP: &str = "onOrphan: Remap";
const TLS: &str = "tls: {mode: VerifyFull, caSecretRef: {name: db, key: ca}}";
const SHIFTED: (R, C, Option<R>) = (R::IdentityShifted, C::ReferencesConsistent, None);
const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const UNVALIDATED: (R, C, Option<R>) = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
const INVALID: (R, C, Option<R>) = (R::IdentitiesInvalid, C::ReferencesConsistent, None);
const UNREACHABLE: (R, C, Option<R>) = (R::IdentitiesUnreachable, C::ReferencesConsistent, None);
const FOUND: [(R, C, Option<R>); 4] = [SHIFTED, SHIFTED, ORPHANS, UNVALIDATED];

fn blocked(reason: R) -> (R, C, Option<R>) {
    (R::OrphanRows, C::ReferencesConsistent, Some(reason))
}

async fn today() -> Db {
    Db::new(&TODAY.replace("HASH", HASH)).await
}

/// A resource whose previous people stand in `table` of `old`, as a role sees it that may only read that.
async fn over(db: &Db, old: &Db, more: &str, table: &str) -> Case {
    let role = old.role("GRANT SELECT ON users TO ROLE").await;
    let mut case = Case::new(db, &spec(more, table));
    case.secret("old", "url", &old.url_of(&role));
    case
}

fn spec(more: &str, table: &str) -> String {
    format!(
        "{USUAL}references: {{limits: {{rows: 1000, percent: 100}}, {more}, \
         identities: {{table: {table}, database: {{urlSecretRef: {{name: old, key: url}}, {TLS}}}}}}}\n"
    )
}

const USERS: &str = "{table: users, idColumn: id, loginColumn: email}";

#[tokio::test]
async fn rows_go_back_to_the_people_whom_another_databases_users_say_and_that_database_is_only_read() {
    let (db, old) = (today().await, Db::new(OLD).await);
    let mut case = over(&db, &old, REMAP, USERS).await;
    // The role needs two columns and no more.
    let role = role_of(&case);
    old.run(&format!("REVOKE SELECT ON users FROM {role}; GRANT SELECT (id, email) ON users TO {role}"))
        .await;
    let there = old.fingerprint().await;
    let statements = old
        .statements(async {
            // The id 4 may have been given out again, so a person looks.
            let steps = &[(A::Remap, "logs.user_id", 3)];
            let changes = [
                "- logs (11,4,old)",
                "- logs (3,4,old)",
                "- logs (7,4,old)",
                "+ logs (11,9,old)",
                "+ logs (3,9,old)",
                "+ logs (7,9,old)",
            ];
            let approved = case.waits(&db, &FOUND, steps, &changes).await;
            // Dan has no account, and which rows of 2 and 3 are old only a snapshot could say.
            approved.found(&FOUND);
        })
        .await;
    assert_eq!(old.fingerprint().await, there, "the other database is only read");
    let sets =
        |one: &&String| one.contains("set_config") || one.starts_with("BEGIN") || one.as_str() == "ROLLBACK";
    let begun = statements.iter().filter(|one| one.starts_with("BEGIN")).count();
    assert!(begun >= 5, "{statements:?}");
    assert!(
        statements
            .iter()
            .filter(|one| one.starts_with("BEGIN"))
            .all(|one| one == "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        "{statements:?}"
    );
    let other: Vec<&String> = statements.iter().filter(|one| !sets(one)).collect();
    let other: Vec<&str> =
        other.iter().map(|one| one.strip_prefix("/* row by row */ ").unwrap_or(one)).collect();
    assert!(
        other.iter().all(|one| one.starts_with("SELECT ")
            || one.starts_with("WITH ")
            || one.starts_with("SET ")
            || one.starts_with("ALTER DATABASE")),
        "{other:?}"
    );
    let message = case.check().await.finding(R::OrphanRows).message;
    assert!(message.contains("of the list who has no account today"), "{message}");
    let logs = case.check().await.outcome().findings();
    let logs =
        logs.iter().find(|one| one.object.as_ref().is_some_and(|object| object.table == "logs")).unwrap();
    assert!(logs.message.contains("only a snapshot says how far a table had come"), "{}", logs.message);
    let report = case.check().await.report;
    let text = format!("{:?} {report:?}", case.status);
    assert!(!text.contains("ada@") && !text.contains("canary-of-an-old-hash"), "{text}");
}

#[tokio::test]
async fn whoever_is_unreachable_is_said_the_rest_is_checked_and_nothing_is_given_back() {
    let (db, old) = (today().await, Db::new(OLD).await);
    let role = old.role("GRANT SELECT ON users TO ROLE").await;
    let right = old.url_of(&role);
    // The admin is found missing and seeded whatever the other database says.
    db.run("DELETE FROM logs WHERE user_id = 1; DELETE FROM users WHERE id = 1").await;
    let mut case = Case::new(&db, &spec(REMAP, USERS));
    let logs = || db.texts("SELECT l FROM logs l ORDER BY id");
    let before = logs().await;
    let port = url::Url::parse(&right).unwrap().port().unwrap();
    for (url, why, retried) in [
        (right.replace(&format!(":{port}/"), ":1/"), "no connection to the database", true),
        (
            right.replace(&role.1, "canary-wrong-password"),
            "correct user name and password in its Secret",
            false,
        ),
        (right.replace(&old.name, "no_such_database"), "correct the database's name in its Secret", false),
    ] {
        case.secret("old", "url", &url);
        let pass = case.repair().await;
        pass.found(&[blocked(R::IdentitiesUnreachable), UNREACHABLE, UNVALIDATED]);
        let told = pass.finding(R::IdentitiesUnreachable).message;
        assert!(told.starts_with("spec.references.identities.database (") && told.contains(why), "{told}");
        let expected = if retried { "Reconciling=True ProgressingWithRetry" } else { "Stalled=True" };
        assert!(pass.conditions().iter().any(|one| one.starts_with(expected)), "{:?}", pass.conditions());
        assert_eq!(pass.report.as_ref().unwrap().consistent, Some(false), "there are orphans all the same");
        assert_eq!(logs().await, before);
    }
    assert_eq!(case.status.history[0].action, A::Seed, "the first pass has made the admin");
    // Where there is nothing else to say, it could not be told, and that is no consistency.
    case.secret("old", "url", &right.replace(&format!(":{port}/"), ":1/"));
    db.run("DELETE FROM logs WHERE user_id IN (4, 5)").await;
    let pass = case.check().await;
    pass.found(&[UNREACHABLE, UNVALIDATED]);
    assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    assert!(pass.conditions().contains(&"ReferencesConsistent=Unknown IdentitiesUnreachable".to_owned()));
    assert!(pass.conditions().contains(&"Reconciling=True ProgressingWithRetry".to_owned()));
    case.secret("old", "url", &right);
    case.repair().await.found(&[SHIFTED, SHIFTED, UNVALIDATED]);
    // Plain text must be said, and shows.
    db.run(
        "SET session_replication_role = replica; UPDATE users SET id = id + 10 WHERE id IN (2, 3); \
         UPDATE users SET id = 15 - id WHERE id > 11; RESET session_replication_role",
    )
    .await;
    case.edit(|spec| {
        let other = spec.references.identities.as_mut().unwrap().database.as_mut().unwrap();
        other.tls = Some(serde_saphyr::from_str("{mode: Disable}").unwrap());
    });
    let pass = case.check().await;
    pass.found(&[UNVALIDATED]);
    let one = pass.status.conditions.iter().find(|one| one.type_ == "ReferencesConsistent").unwrap();
    assert!(one.message.contains("the old database is read without encryption"), "{}", one.message);
}

#[tokio::test]
async fn a_host_that_the_operators_flags_do_not_allow_is_not_asked() {
    let (db, old) = (today().await, Db::new(OLD).await);
    let mut case = over(&db, &old, REMAP, USERS).await;
    let named = |url: &str, name: &str| url.replace("@127.0.0.1:", &format!("@{name}:"));
    case.secret("db", "url", &named(&db.url(), "postgres.test"));
    case.secret("old", "url", &named(&old.url(), "database.example.org"));
    let target = case.target();
    let port = target.database.connection.port;
    let resolved = |host: &str| format!("{host}:{port}:127.0.0.1").parse().unwrap();
    let settings = HostSettings {
        allow_database: vec!["postgres.test".parse().unwrap()],
        resolve: vec![resolved("postgres.test"), resolved("database.example.org")],
        ..HostSettings::default()
    };
    let statements = old
        .statements(async {
            let outcome = pass::run(&request::Pass {
                engine: &PostgreSql,
                target: &target,
                policy: &HostPolicy::operator(settings),
                requests: &case.requests,
                memory: &case.memory,
                supervisor: &Unattended,
                repairs: Repairs::All,
                look: ScanMode::Full,
                compare_password: false,
                search: Search::default(),
                ask: false,
                key_before: None,
                now: Timestamp::from_second(1_800_000_000).unwrap(),
            })
            .await
            .unwrap();
            let found: Vec<R> = outcome.findings().iter().map(|one| one.finding).collect();
            assert_eq!(found, [R::OrphanRows, R::IdentitiesUnreachable, R::ConstraintUnvalidated]);
            let told = outcome.findings().remove(1).message;
            assert!(told.contains("database.example.org"), "{told}");
        })
        .await;
    assert!(statements.iter().all(|one| one.starts_with("ALTER DATABASE")), "{statements:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_other_table_is_told_and_nothing_is_given_back() {
    let db = today().await;
    let before = db.snapshot().await;
    let long = format!("INSERT INTO users VALUES (77, '{}', '')", "x".repeat(1100));
    for (change, table, why) in [
        ("", "{table: people, idColumn: id, loginColumn: email}", "there is no table public.people"),
        ("", "{table: users, idColumn: uid, loginColumn: email}", "public.users has no column \"uid\""),
        ("", "{table: users, idColumn: id, loginColumn: mail}", "public.users has no column \"mail\""),
        (
            "",
            "{schema: kept, table: users, idColumn: id, loginColumn: email}",
            "there is no table kept.users",
        ),
        (
            "REVOKE SELECT ON users FROM ROLE",
            USERS,
            "the role may not SELECT from public.users: grant it that there",
        ),
        (
            "ALTER TABLE users RENAME TO people; CREATE VIEW users AS SELECT * FROM people; GRANT SELECT ON users TO ROLE",
            USERS,
            "public.users is a view and not a table",
        ),
        (
            "ALTER TABLE users ENABLE ROW LEVEL SECURITY",
            USERS,
            "a row-level security policy would hide rows of a table (SQLSTATE 42501)",
        ),
        ("UPDATE users SET email = CASE id WHEN 1 THEN '' END", USERS, "nobody with a login"),
        ("TRUNCATE users", USERS, "nobody with a login stands in it"),
        (
            "ALTER TABLE users ALTER id TYPE text; INSERT INTO users VALUES ('x1', 'x@example.com', '')",
            USERS,
            "the id, of 2 characters, is no integer",
        ),
        (
            "ALTER TABLE users DROP CONSTRAINT users_pkey; INSERT INTO users VALUES (2, 'zoe@example.com', '')",
            USERS,
            "give the id 2 to two different logins",
        ),
        (&long, USERS, "one of its rows: its login has more than 1024 bytes"),
        (
            "ALTER TABLE users DROP CONSTRAINT users_email_key, ALTER email TYPE json USING to_json(email)",
            USERS,
            "column \"email\" is of type json",
        ),
    ] {
        let old = Db::new(OLD).await;
        let role = old.role("GRANT SELECT ON users TO ROLE").await;
        old.run(&change.replace("ROLE", &role.0)).await;
        let mut case = Case::new(&db, &spec(REMAP, table));
        case.secret("old", "url", &old.url_of(&role));
        let pass = case.repair().await;
        pass.found(&[blocked(R::IdentitiesInvalid), INVALID, UNVALIDATED]).repaired(&[]);
        let told = pass.finding(R::IdentitiesInvalid).message;
        assert!(told.contains(why), "{change}: {told}");
        assert!(told.contains("spec.references.identities.database ("), "{told}");
        assert!(!told.contains("ada@example.com") && !told.contains("zoe@"), "{told}");
        assert!(
            pass.conditions().iter().any(|one| one.starts_with("Stalled=True")),
            "{:?}",
            pass.conditions()
        );
    }
    assert_eq!(db.changes(&before).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_user_table_itself_says_nothing_of_before_and_a_table_beside_it_does() {
    let db = today().await;
    let mut case = over(&db, &db, REMAP, USERS).await;
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.found(&[blocked(R::IdentitiesInvalid), INVALID, UNVALIDATED]).repaired(&[]);
    let told = pass.finding(R::IdentitiesInvalid).message;
    assert!(told.contains("is the user table itself, which says nothing about earlier ids"), "{told}");
    case.edit(|spec| spec.references.identities.as_mut().unwrap().database = None);
    let told = case.repair().await.finding(R::IdentitiesInvalid).message;
    assert!(told.contains("table public.users is the user table itself"), "{told}");
    assert_eq!(db.changes(&before).await, Vec::<String>::new());

    db.run("CREATE TABLE kept AS SELECT * FROM (VALUES (4, 'cy@example.com')) k(id, email)").await;
    let mut case = over(&db, &db, REMAP, "{table: kept, idColumn: id, loginColumn: email}").await;
    db.run(&format!("GRANT SELECT ON kept TO {}", role_of(&case))).await;
    case.repair().await.found(&[ORPHANS, UNVALIDATED]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
}

/// The role that the other database is read as.
fn role_of(case: &Case) -> String {
    case.target()
        .references
        .identities
        .map(|source| match source {
            auth_consistency::domain::target::IdentitySource::Elsewhere(other, _) => other.connection.user,
            _ => String::new(),
        })
        .unwrap()
}

#[tokio::test]
async fn a_copy_of_the_database_as_it_was_is_a_list_though_its_table_has_the_same_number() {
    let db = Db::new(&TODAY.replace("HASH", HASH)).await;
    let old = db.copied().await;
    db.run(
        "SET session_replication_role = replica; UPDATE users SET id = id + 40 WHERE id = 9; \
         DELETE FROM logs WHERE user_id IN (4, 5); SELECT setval('users_id_seq', 50)",
    )
    .await;
    let mut case = over(&db, &old, REMAP, USERS).await;
    case.repair().await.found(&[ORPHANS, UNVALIDATED]).plans(&[(A::Remap, "logs.user_id", 1, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 1)]);
    assert_eq!(db.text("SELECT user_id FROM logs WHERE id = 13").await, "49");
}

#[tokio::test]
async fn logins_and_ids_are_compared_as_todays_columns_compare_them() {
    let (db, old) = (today().await, Db::new("CREATE EXTENSION citext SCHEMA public").await);
    db.run("CREATE EXTENSION citext SCHEMA public; ALTER TABLE users ALTER email TYPE citext").await;
    // Text ids with spaces around, padded logins in another case, one twice, and people without any.
    old.run(
        "CREATE TABLE users (id text, email char(40), id2 int, email2 citext);
         INSERT INTO users VALUES (' 1', 'ADMIN@example.com'), ('2 ', 'Bob@example.com'), ('2', 'BOB@example.com'),
           ('3', 'ada@EXAMPLE.com'), ('4', 'CY@example.com'), ('5', NULL), (NULL, 'dan@example.com')",
    )
    .await;
    let mut case = over(&db, &old, REMAP, USERS).await;
    case.repair().await.found(&[ORPHANS, UNVALIDATED]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
    old.run("UPDATE users SET id2 = id::int, email2 = email").await;
    let mut case = over(&db, &old, REMAP, "{table: users, idColumn: id2, loginColumn: email2}").await;
    case.repair().await.found(&[ORPHANS, UNVALIDATED]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
    // Without citext today another case may be another person: nobody is given rows, and who kept the id is the same.
    db.run("ALTER TABLE users ALTER email TYPE text").await;
    let told = case.repair().await.finding(R::IdentitiesInvalid).message;
    assert!(told.contains("rows 2 and 3 give the id 2 to two different logins"), "{told}");
    old.run("DELETE FROM users WHERE id = '2 '").await;
    let pass = case.repair().await;
    pass.found(&[ORPHANS, UNVALIDATED]).plans(&[]);
    let message = pass.finding(R::OrphanRows).message;
    assert!(
        message.contains("has the login in another case or with other spaces (4 is perhaps 9)"),
        "{message}"
    );
}

#[tokio::test]
async fn a_list_that_would_fill_the_memory_is_refused_before_it_does() {
    let (db, old) = (today().await, Db::new("").await);
    old.run(
        "CREATE UNLOGGED TABLE users AS SELECT n AS id, repeat('x', 1000) || n AS email FROM generate_series(1, 140000) n",
    )
    .await;
    let mut case = over(&db, &old, REMAP, USERS).await;
    let told = case.check().await.finding(R::IdentitiesInvalid).message;
    assert!(told.contains("ids and logins take more than 128 MiB"), "{told}");
}

/// Changes the other database when the repair is about to begin.
struct Meanwhile<'a>(&'a Db, &'a str);

impl Supervisor for Meanwhile<'_> {
    fn begin<'b>(&'b self, _: &'b [StepReport]) -> BoxFuture<'b, Result<(), Fault>> {
        Box::pin(async {
            self.0.run(self.1).await;
            Ok(())
        })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn who_is_meant_is_asked_again_before_rows_move() {
    for (change, why) in [
        (
            "UPDATE users SET email = 'gone' WHERE id = 4; UPDATE users SET email = 'cy@example.com' WHERE id = 5",
            "the other database names other people than when the plan was made: nothing was changed",
        ),
        ("ALTER TABLE users RENAME TO others", "whom old ids named cannot be asked again ("),
    ] {
        let (db, old) = (today().await, Db::new(OLD).await);
        let mut case = over(&db, &old, REMAP, USERS).await;
        case.repair().await.plans(&[(A::Remap, "logs.user_id", 3, true)]);
        let shown = case.status.plan.clone().unwrap();
        case.requests.approval = Some(auth_consistency::domain::request::Approval {
            hash: shown.hash.unwrap(),
            shown: shown.steps,
        });
        let before = db.snapshot().await;
        let pass = case.pass(Repairs::All, &Meanwhile(&old, change)).await;
        pass.repaired(&[]);
        let failed = pass.finding(R::RepairFailed).message;
        assert!(failed.contains(why), "{failed}");
        assert_eq!(db.changes(&before).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_admins_id_is_not_moved_while_nobody_knows_whose_rows_name_it() {
    let (db, old) = (today().await, Db::new(OLD).await);
    // The admin got 4 in the migration, and rows of 4 are cy's.
    db.run("DELETE FROM logs WHERE user_id = 1; UPDATE users SET id = 4 WHERE id = 1").await;
    let mut case = over(&db, &old, REMAP, USERS).await;
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("1".into()));
    let before = db.snapshot().await;
    old.run("ALTER TABLE users RENAME TO others").await;
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[]);
    pass.finding(R::AdminIdDiffers);
    pass.finding(R::IdentitiesInvalid);
    assert_eq!(db.changes(&before).await, Vec::<String>::new());
    old.run("ALTER TABLE others RENAME TO users").await;
    case.check().await.plans(&[(A::MoveId, "users", 4, false)]);
}

#[tokio::test]
async fn what_keeps_the_other_database_from_being_named_is_told_by_its_field() {
    let (db, old) = (today().await, Db::new(OLD).await);
    let mut case = over(&db, &old, REMAP, USERS).await;
    let field = "spec.references.identities.database";
    let told = |case: &Case| {
        let errors = case.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        (errors[0].reason, errors[0].condition, errors[0].message.clone())
    };
    for (value, reason, why) in [
        ("", R::SecretMissing, "key \"url\" of Secret \"old\" is empty".to_owned()),
        ("mysql://canary-user:canary-password@host/db", R::IdentitiesInvalid, "\"mysql\"".to_owned()),
        ("canary-password-alone", R::IdentitiesInvalid, "is no URL".to_owned()),
        (
            "postgresql://canary-user:canary-password@host/db?sslrootcert=/canary",
            R::IdentitiesInvalid,
            format!("use {field}.tls.caSecretRef"),
        ),
    ] {
        case.secret("old", "url", value);
        let (found, condition, message) = told(&case);
        assert_eq!((found, condition), (reason, C::ReferencesConsistent), "{message}");
        assert!(
            message.starts_with(&format!("{field}.urlSecretRef: ")) && message.contains(&why),
            "{message}"
        );
        assert!(!message.contains("canary"), "{message}");
        let pass = case.repair().await;
        assert!(pass.end.is_err(), "{:?}", pass.conditions());
    }
    case.no_secret("old", "url", R::SecretMissing);
    assert_eq!(told(&case).0, R::SecretMissing);
    let mut edited = |change: &dyn Fn(&mut auth_consistency::api::spec::IdentitiesSpec)| {
        case.secret("old", "url", &old.url());
        case.edit(|spec| change(spec.references.identities.as_mut().unwrap()));
        case.errors().iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ")
    };
    let parts: DatabaseSpec = serde_saphyr::from_str("{host: h}").unwrap();
    let said = edited(&|identities| identities.database = Some(parts.clone()));
    for part in ["name", "usernameSecretRef", "passwordSecretRef"] {
        assert!(said.contains(&format!("{field}.{part}: set it, since {field}.host is set")), "{said}");
    }
    let none: DatabaseSpec = serde_saphyr::from_str("{}").unwrap();
    let said = edited(&|identities| identities.database = Some(none.clone()));
    assert_eq!(said, format!("{field}: set exactly one of urlSecretRef and host"));
    let said = edited(&|identities| {
        identities.table = None;
        identities.config_map_ref = Some(serde_saphyr::from_str("{name: before}").unwrap());
    });
    assert!(said.contains(&format!("{field}: it says where the table is")), "{said}");
}

#[tokio::test]
async fn parts_of_a_connection_do_as_well_and_what_is_no_whole_pass_does_not_ask() {
    let (db, old) = (today().await, Db::new(OLD).await);
    let role = old.role("GRANT SELECT ON users TO ROLE").await;
    let url = url::Url::parse(&old.url_of(&role)).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let parts = format!(
        "host: {host}, port: {port}, name: {}, usernameSecretRef: {{name: old, key: user}}, passwordSecretRef: {{name: old, key: password}}",
        old.name
    );
    let mut case = Case::new(&db, &spec(REMAP, USERS).replace("urlSecretRef: {name: old, key: url}", &parts));
    case.secret("old", "user", &role.0).secret("old", "password", &role.1);
    case.look = ScanMode::Incremental;
    case.repair().await.found(&FOUND);
    case.settled(&db).await;
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let statements = old
        .statements(async {
            pass::runs(&case.target(), &anywhere).await.unwrap();
            pass::admin_account(&case.target(), &anywhere).await.unwrap().unwrap();
            let grants = pass::grants(&case.target(), &anywhere).await.unwrap();
            assert!(!grants.contains(&role.0) && !grants.contains(PASSWORD), "{grants}");
        })
        .await;
    assert!(statements.iter().all(|one| one.starts_with("ALTER DATABASE")), "{statements:?}");
}
