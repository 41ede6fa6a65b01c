//! What people get wrong: connection, table, rights. Each is told, and nothing is changed.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};
use auth_consistency::domain::fault::Class;

use crate::support::{Answer, Case, Db, Expected, HASH, Server, USUAL, relay};

fn tables() -> String {
    format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (email, hashed_password) VALUES ('ada@example.com', '{HASH}');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 1);"
    )
}

const PLAIN: &str = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";

/// A pass that fails as a whole: why, and what the conditions say.
async fn fails(case: &mut Case, reason: R, class: Class) -> String {
    let pass = case.repair().await;
    let fault = pass.fault();
    assert_eq!((fault.reason, fault.class), (reason, class), "{fault:?}");
    let shown = pass.conditions();
    assert_eq!(shown[0], format!("Ready=False {reason}"));
    let second = match class {
        Class::Transient | Class::Conflict => "Reconciling=True ProgressingWithRetry".to_owned(),
        Class::Terminal | Class::Bug => format!("Stalled=True {reason}"),
    };
    assert_eq!(shown[1], second);
    fault.message.clone()
}

#[tokio::test]
async fn a_connection_string_that_cannot_be_used_is_told_by_its_secret() {
    let db = Db::new("").await;
    let mut case = Case::new(&db, USUAL);
    for (url, reason) in [
        ("no url but-canary-words", R::DatabaseUrlInvalid),
        ("mysql://u:canary-password@h/d", R::DatabaseEngineUnsupported),
        ("postgres://u:canary-password@h/d?options=-csearch_path", R::DatabaseUrlInvalid),
        ("postgres://u:canary-password@h/d?sslrootcert=/x", R::DatabaseUrlInvalid),
    ] {
        case.secret("db", "url", url);
        let pass = case.repair().await;
        assert_eq!(case.errors()[0].reason, reason, "{url}");
        assert_eq!(
            pass.conditions(),
            [
                format!("Ready=False {reason}"),
                format!("Stalled=True {reason}"),
                format!("DatabaseReachable=Unknown {reason}")
            ]
        );
        assert!(!pass.status.conditions[0].message.contains("canary"), "{:?}", pass.status.conditions[0]);
    }
}

#[tokio::test]
async fn a_secret_that_is_not_there_means_wait() {
    let db = Db::new(&tables()).await;
    let mut case = Case::new(&db, USUAL);
    let before = db.fingerprint().await;
    case.no_secret("admin", "password", R::SecretMissing);
    let waiting = [
        "Ready=False SecretMissing",
        "Reconciling=True ProgressingWithRetry",
        "AdminConsistent=Unknown SecretMissing",
    ];
    case.repair().await.shows(&waiting);
    case.secret("admin", "password", "");
    case.repair().await.shows(&waiting);
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn a_wrong_password_a_wrong_name_and_a_missing_database_are_told_apart() {
    let db = Db::new(&tables()).await;
    let mut case = Case::new(&db, USUAL);
    let url = db.url();
    let parsed = url::Url::parse(&url).unwrap();
    let mut wrong = parsed.clone();
    wrong.set_password(Some("canary-of-a-wrong-password")).unwrap();
    case.secret("db", "url", wrong.as_str());
    let message = fails(&mut case, R::DatabaseAuthenticationFailed, Class::Terminal).await;
    assert!(message.contains("correct user name and password in the Secret"), "{message}");
    let mut wrong = parsed.clone();
    wrong.set_username("nobody").unwrap();
    case.secret("db", "url", wrong.as_str());
    fails(&mut case, R::DatabaseAuthenticationFailed, Class::Terminal).await;
    let mut wrong = parsed.clone();
    wrong.set_path("no_such_database");
    case.secret("db", "url", wrong.as_str());
    fails(&mut case, R::DatabaseNotFound, Class::Terminal).await;
    case.secret("db", "url", &url);
    case.repair().await.consistent();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let db = Db::new(&tables()).await;
    let mut case = Case::new(&db, USUAL);
    case.repair().await.consistent();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut url = url::Url::parse(&db.url()).unwrap();
    url.set_port(Some(free)).unwrap();
    case.secret("db", "url", url.as_str());
    fails(&mut case, R::DatabaseUnreachable, Class::Transient).await;
    assert_eq!(
        case.check().await.conditions(),
        [
            "Ready=False DatabaseUnreachable",
            "Reconciling=True ProgressingWithRetry",
            "DatabaseReachable=False DatabaseUnreachable",
            "SchemaCompatible=Unknown NotChecked",
            "AdminConsistent=Unknown NotChecked",
            "ReferencesConsistent=Unknown NotChecked",
        ]
    );
}

#[tokio::test]
async fn what_does_not_speak_postgresql_is_told() {
    let db = Db::new("").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut url = url::Url::parse(&db.url()).unwrap();
    url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for database in [
        PLAIN,
        "{urlSecretRef: {name: db, key: url}, tls: {mode: VerifyCa, caSecretRef: {name: db, key: ca}}}",
    ] {
        let mut case = Case::with_database(database, USUAL);
        case.secret("db", "url", url.as_str());
        fails(&mut case, R::DatabaseUnreachable, Class::Transient).await;
    }
    server.abort();
}

#[tokio::test]
async fn encryption_is_checked_as_the_spec_says_and_its_absence_is_shown() {
    let db = Db::new(&tables()).await;
    // The authority of the web does not know this server.
    let mut case = Case::with_database("{urlSecretRef: {name: db, key: url}}", USUAL);
    case.secret("db", "url", &db.url());
    fails(&mut case, R::DatabaseTlsFailed, Class::Terminal).await;
    // A name that the certificate does not have.
    let full =
        "{urlSecretRef: {name: db, key: url}, tls: {mode: VerifyFull, caSecretRef: {name: db, key: ca}}}";
    let other_name = db.url().replace("127.0.0.1", "127.0.0.2");
    for (mode, works) in [("VerifyCa", true), ("VerifyFull", false)] {
        let mut case = Case::with_database(&full.replace("VerifyFull", mode), USUAL);
        let named = db.url().replace("127.0.0.1", "localhost");
        case.secret("db", "url", &named);
        case.check().await.outcome();
        if !works {
            case.secret("db", "url", &other_name);
            // Nothing listens on the other loopback address, or its certificate is refused.
            let pass = case.check().await;
            assert!(matches!(pass.fault().reason, R::DatabaseTlsFailed | R::DatabaseUnreachable));
        }
    }
    let mut case = Case::with_database(full, USUAL);
    case.secret("db", "url", &db.url()).secret(
        "db",
        "ca",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let pass = case.repair().await;
    assert_eq!(case.errors()[0].reason, R::DatabaseTlsFailed);
    assert_eq!(pass.conditions()[..2], ["Ready=False DatabaseTlsFailed", "Stalled=True DatabaseTlsFailed"]);
    let mut case = Case::with_database(PLAIN, USUAL);
    case.secret("db", "url", &format!("{}?sslmode=require", db.url()));
    let pass = case.repair().await;
    pass.consistent();
    let reachable = pass.status.conditions.iter().find(|one| one.type_ == "DatabaseReachable").unwrap();
    assert!(reachable.message.contains("without encryption"), "{}", reachable.message);
    assert!(reachable.message.contains("the spec wins"), "{}", reachable.message);
}

#[tokio::test]
async fn a_schema_table_or_column_that_is_not_there_is_named_with_what_is() {
    let db = Db::new(&format!("{} CREATE VIEW people AS SELECT * FROM users;", tables())).await;
    for (users, reason, says) in [
        ("{preset: FastAPI, table: Users}", R::UserTableMissing, "there is public.users"),
        ("{preset: FastAPI, table: accounts}", R::UserTableMissing, "run the app's migrations"),
        ("{preset: FastAPI, schema: app}", R::UserTableMissing, "there is public.users"),
        ("{preset: FastAPI, table: people}", R::UserTableUnsupported, "is a view"),
        ("{preset: FastAPI, table: users_id_seq}", R::UserTableUnsupported, "is a sequence"),
        ("{preset: FastAPI, table: users_pkey}", R::UserTableUnsupported, "not a table"),
        (
            "{preset: FastAPI, loginColumn: mail}",
            R::ColumnMissing,
            "\"mail\", which spec.users.loginColumn names",
        ),
        ("{preset: FastAPI, idColumn: uid}", R::ColumnMissing, "it has id, email"),
        ("{preset: FastAPI, passwordColumn: hash}", R::ColumnMissing, "spec.users.passwordColumn"),
        (
            "{preset: FastAPI, activeWhen: [{column: x, isNull: true}]}",
            R::ColumnMissing,
            "spec.users.activeWhen",
        ),
    ] {
        let mut case = Case::new(&db, &USUAL.replace("{preset: FastAPI}", users));
        let pass = case.reports(&db, &[(reason, C::SchemaCompatible, None)]).await;
        let message = pass.finding(reason).message;
        assert!(message.contains(says), "{message}");
        pass.shows(&[
            &format!("Ready=False {reason}"),
            &format!("Stalled=True {reason}"),
            "DatabaseReachable=True Connected",
            &format!("SchemaCompatible=False {reason}"),
            "AdminConsistent=Unknown NotChecked",
            "ReferencesConsistent=Unknown NotChecked",
        ]);
    }
}

#[tokio::test]
async fn a_value_that_its_columns_type_does_not_take_is_named_with_its_field_and_nothing_is_changed() {
    let db = Db::new(&format!(
        "CREATE TYPE duty AS ENUM ('user', 'tester'); {} ALTER TABLE users ALTER role DROP DEFAULT, ALTER role TYPE duty USING role::duty;",
        tables()
    ))
    .await;
    let account = "accounts: [{login: smoke@example.com, columns: [{column: role, equals: COLUMN}], onMissing: Report}]\n";
    for (spec, field, says) in [
        // The admin of USUAL is one by its role.
        (
            USUAL.to_owned(),
            "spec.admin.columns",
            "does not take \"admin\", which spec.admin.columns has (the database says: a value is none of its type (SQLSTATE 22P02)): correct the value, or run the app's migrations",
        ),
        (
            USUAL.replace("equals: admin", "equals: tester") + &account.replace("COLUMN", "service"),
            "spec.accounts[0].columns",
            "column \"role\" of users is of type public.duty and does not take \"service\"",
        ),
        (
            USUAL.replace("equals: admin", "equals: tester").replace(
                "{preset: FastAPI}",
                "{preset: FastAPI, activeWhen: [{column: is_active, equals: vivid}]}",
            ),
            "spec.users.activeWhen",
            "type boolean",
        ),
        (
            USUAL
                .replace("equals: admin", "equals: tester")
                .replace("{preset: FastAPI}", "{preset: FastAPI, loginColumn: id, idColumn: email}"),
            "spec.admin.login",
            "type integer",
        ),
    ] {
        let mut case = Case::new(&db, &spec);
        let pass = case.reports(&db, &[(R::SpecInvalid, C::SchemaCompatible, None)]).await;
        let message = pass.finding(R::SpecInvalid).message;
        assert!(message.contains(field) && message.contains(says), "{message}");
        pass.shows(&[
            "Ready=False SpecInvalid",
            "Stalled=True SpecInvalid",
            "DatabaseReachable=True Connected",
            "SchemaCompatible=False SpecInvalid",
            "AdminConsistent=Unknown NotChecked",
            "ReferencesConsistent=Unknown NotChecked",
        ]);
    }
    let right = USUAL.replace("equals: admin", "equals: tester") + &account.replace("COLUMN", "user");
    let findings = Case::new(&db, &right).repair().await.outcome().findings();
    assert!(findings.iter().all(|one| one.finding != R::SpecInvalid), "{findings:?}");
}

#[tokio::test]
async fn an_id_column_that_cannot_be_compared_is_told_as_the_schema_s_fault() {
    let db = Db::new(&tables().replace("is_active boolean", "doc json, is_active boolean")).await;
    let mut case = Case::new(&db, &USUAL.replace("{preset: FastAPI}", "{preset: FastAPI, idColumn: doc}"));
    let pass = case.reports(&db, &[(R::UserTableUnsupported, C::SchemaCompatible, None)]).await;
    let message = pass.finding(R::UserTableUnsupported).message;
    assert!(message.contains("\"doc\"") && message.contains("json"), "{message}");
}

#[tokio::test]
async fn the_two_kinds_of_grants_that_are_printed_are_enough() {
    let db = Db::new(&tables()).await;
    let role = db.role("REVOKE ALL ON SCHEMA public FROM PUBLIC").await;
    let mut case =
        Case::new(&db, &format!("{USUAL}references: {{onOrphan: Delete, limits: {{percent: 100}}}}\n"));
    let anywhere = auth_consistency::network::HostPolicy::unrestricted(Vec::new());
    let sql = auth_consistency::pass::grants(&case.target(), &anywhere).await.unwrap();
    case.secret("db", "url", &db.url_of(&role));
    let sql = sql.replace("postgres;", &format!("{};", role.0));
    let (observe, enforce) = sql.split_once("\n-- Enforce").unwrap();
    db.run(observe).await;
    db.run("SET session_replication_role = replica; INSERT INTO logs VALUES (2, 4711); RESET session_replication_role").await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert!(pass.outcome().findings().iter().any(|one| one.blocked == Some(R::PrivilegeMissing)));
    assert!(pass.outcome().references.as_ref().unwrap().skipped.is_empty());
    db.run(&format!("-- Enforce{enforce}")).await;
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.consistent().repaired(&[
        (A::AdvanceSequence, "users_id_seq", 0),
        (A::Seed, "users", 1),
        (A::Delete, "logs.user_id", 1),
    ]);
    assert_eq!(
        db.changes(&before).await,
        ["- logs (2,4711)", "+ users (4712,admin@example.com,HASH,admin,t)"]
    );
    case.settled(&db).await;
}

/// Everything that a role needs, but for what a test takes away.
const ALL: &str = "GRANT CREATE ON DATABASE \"DATABASE_NAME\" TO ROLE; GRANT USAGE ON SCHEMA public TO ROLE; \
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE; \
    GRANT SELECT, USAGE, UPDATE ON ALL SEQUENCES IN SCHEMA public TO ROLE;";

#[tokio::test]
async fn each_right_alone_that_is_missing_is_told_before_anything_is_tried() {
    const SEEDS: &str = "";
    const DRIFTS: &str = "INSERT INTO users (id, email, hashed_password) VALUES (3, 'admin@example.com', 'x'); SELECT setval('users_id_seq', 3);";
    const ORPHANS: &str = "INSERT INTO users (id, email, hashed_password, role) VALUES (3, 'admin@example.com', '$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG', 'admin'); SELECT setval('users_id_seq', 9999); \
        SET session_replication_role = replica; INSERT INTO logs VALUES (2, 4711); RESET session_replication_role;";
    let cases: [(&str, &str, &str, Expected<'_>); 11] = [
        (
            "REVOKE USAGE ON SCHEMA public FROM ROLE",
            SEEDS,
            "Report",
            &[(R::PrivilegeMissing, C::SchemaCompatible, None)],
        ),
        (
            "REVOKE SELECT ON users FROM ROLE",
            SEEDS,
            "Report",
            &[(R::PrivilegeMissing, C::SchemaCompatible, None)],
        ),
        (
            "REVOKE INSERT ON users FROM ROLE",
            SEEDS,
            "Report",
            &[(R::AdminMissing, C::AdminConsistent, Some(R::PrivilegeMissing))],
        ),
        (
            "REVOKE SELECT ON SEQUENCE users_id_seq FROM ROLE",
            SEEDS,
            "Report",
            &[
                (R::PrivilegeMissing, C::SchemaCompatible, None),
                (R::AdminMissing, C::AdminConsistent, Some(R::PrivilegeMissing)),
            ],
        ),
        (
            "REVOKE UPDATE ON users FROM ROLE",
            DRIFTS,
            "Report",
            &[
                (R::PasswordHashForeign, C::AdminConsistent, None),
                (R::AdminDrifted, C::AdminConsistent, Some(R::PrivilegeMissing)),
            ],
        ),
        (
            "REVOKE UPDATE ON logs FROM ROLE",
            ORPHANS,
            "SetNull",
            &[
                (R::OrphanRows, C::ReferencesConsistent, Some(R::PrivilegeMissing)),
                (R::ConstraintViolated, C::SchemaCompatible, None),
            ],
        ),
        (
            "REVOKE DELETE ON logs FROM ROLE",
            ORPHANS,
            "Delete",
            &[
                (R::OrphanRows, C::ReferencesConsistent, Some(R::PrivilegeMissing)),
                (R::ConstraintViolated, C::SchemaCompatible, None),
            ],
        ),
        (
            "REVOKE UPDATE ON users FROM ROLE",
            ORPHANS,
            "Reassign",
            &[
                (R::OrphanRows, C::ReferencesConsistent, Some(R::PrivilegeMissing)),
                (R::ConstraintViolated, C::SchemaCompatible, None),
            ],
        ),
        (
            "REVOKE CREATE ON DATABASE \"DATABASE_NAME\" FROM ROLE",
            SEEDS,
            "Report",
            &[
                (R::PrivilegeMissing, C::SchemaCompatible, None),
                (R::AdminMissing, C::AdminConsistent, Some(R::PrivilegeMissing)),
            ],
        ),
        (
            "REVOKE USAGE, UPDATE ON SEQUENCE \"Numbers\" FROM ROLE",
            "CREATE SEQUENCE \"Numbers\"; ALTER TABLE users ADD number int DEFAULT nextval('\"Numbers\"')",
            "Report",
            &[(R::AdminMissing, C::AdminConsistent, Some(R::PrivilegeMissing))],
        ),
        (
            "REVOKE CREATE ON DATABASE \"DATABASE_NAME\" FROM ROLE; CREATE SCHEMA auth_consistency",
            SEEDS,
            "Report",
            &[
                (R::PrivilegeMissing, C::SchemaCompatible, None),
                (R::AdminMissing, C::AdminConsistent, Some(R::PrivilegeMissing)),
            ],
        ),
    ];
    for (revoke, state, on_orphan, found) in cases {
        let db = Db::new(&format!("{} {state}", tables())).await;
        let role = db.role(&format!("REVOKE ALL ON SCHEMA public FROM PUBLIC; {ALL} {revoke}")).await;
        let references = format!("references: {{onOrphan: {on_orphan}, limits: {{percent: 100}}}}\n");
        let mut case = Case::new(&db, &format!("{USUAL}{references}"));
        case.secret("db", "url", &db.url_of(&role));
        let pass = case.reports(&db, found).await;
        let texts = serde_json::to_string(&pass.status).unwrap();
        if found.iter().any(|(reason, _, blocked)| *reason == R::PrivilegeMissing || blocked.is_some()) {
            assert!(texts.contains("auth-consistency grants"), "{revoke}: {texts}");
        }
        // What is lacking is planned by nobody, and what is printed beside it is all that it lacked.
        let plan = pass.outcome().plan.clone();
        assert!(plan.is_none_or(|plan| plan.steps.is_empty()), "{revoke}: {texts}");
        let findings = pass.outcome().findings();
        let printed = findings.iter().flat_map(|one| one.message.split('`').skip(1).step_by(2));
        let Some(grant) = printed.into_iter().find(|one| one.starts_with("GRANT ")) else {
            assert!(revoke.contains("SCHEMA public") || revoke.contains("SELECT"), "{revoke}: {texts}");
            continue;
        };
        db.run(grant).await;
        let done = case.repair().await;
        assert!(!done.outcome().repaired.is_empty(), "{revoke}: {:?}", done.outcome().findings());
        assert!(!serde_json::to_string(&done.status).unwrap().contains("PrivilegeMissing"), "{revoke}");
    }
}

#[tokio::test]
async fn a_sequence_that_may_not_be_set_is_told() {
    let db = Db::new(&format!("{} SELECT setval('users_id_seq', 1, false);", tables())).await;
    let role = db.role(&format!("{ALL} REVOKE UPDATE ON SEQUENCE users_id_seq FROM ROLE")).await;
    let mut case = Case::new(&db, &format!("{USUAL}  onMissing: Report\n"));
    case.secret("db", "url", &db.url_of(&role));
    let behind = (R::SequenceBehind, C::SchemaCompatible, Some(R::PrivilegeMissing));
    case.reports(&db, &[behind, (R::AdminMissing, C::AdminConsistent, None)]).await;
}

#[tokio::test]
async fn an_unreadable_reference_is_unknown_and_never_an_orphan() {
    let db = Db::new(&tables()).await;
    let role = db.role(&format!("{ALL} REVOKE SELECT ON logs FROM ROLE")).await;
    db.run(&format!(
        "INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin')"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.secret("db", "url", &db.url_of(&role));
    let pass = case.reports(&db, &[(R::RowsUnreadable, C::ReferencesConsistent, None)]).await;
    assert_eq!(pass.report.as_ref().unwrap().consistent, None);
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.skipped.len(), references.orphan_rows), (0, 1, 0));
    assert_eq!(
        pass.conditions().last().map(String::as_str),
        Some("ReferencesConsistent=Unknown RowsUnreadable")
    );
}

#[tokio::test]
async fn rows_that_row_level_security_hides_are_told_and_never_orphans() {
    let db = Db::new(&format!(
        "{} INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin');",
        tables()
    ))
    .await;
    let role = db.role(ALL).await;
    let mut case =
        Case::new(&db, &format!("{USUAL}references: {{onOrphan: Delete, limits: {{percent: 100}}}}\n"));
    case.secret("db", "url", &db.url_of(&role));
    db.run("ALTER TABLE logs ENABLE ROW LEVEL SECURITY").await;
    case.reports(&db, &[(R::RowsUnreadable, C::ReferencesConsistent, None)]).await;
    db.run("ALTER TABLE logs DISABLE ROW LEVEL SECURITY; ALTER TABLE users ENABLE ROW LEVEL SECURITY").await;
    let pass = case.reports(&db, &[(R::RowsUnreadable, C::SchemaCompatible, None)]).await;
    pass.shows(&[
        "Ready=False RowsUnreadable",
        "Stalled=True RowsUnreadable",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=False RowsUnreadable",
        "AdminConsistent=Unknown NotChecked",
        "ReferencesConsistent=Unknown NotChecked",
    ]);
}

#[tokio::test]
async fn a_read_only_database_is_observed_and_says_so() {
    let db = Db::new(&tables()).await;
    let role = db.role(&format!("{ALL} ALTER USER ROLE SET default_transaction_read_only = on")).await;
    let mut case = Case::new(&db, USUAL);
    case.secret("db", "url", &db.url_of(&role));
    let found =
        &[(R::DatabaseReadOnly, C::DatabaseReachable, None), (R::AdminMissing, C::AdminConsistent, None)];
    case.reports(&db, found).await;
}

#[tokio::test]
async fn what_is_printed_of_a_read_only_database_makes_it_writable_wherever_that_was_set() {
    let db = Db::new(&tables()).await;
    let role = db.role(ALL).await;
    let mut case = Case::new(&db, USUAL);
    case.secret("db", "url", &db.url_of(&role));
    let (role, name) = (&role.0, &db.name);
    for target in
        [format!("DATABASE {name}"), format!("ROLE {role}"), format!("ROLE {role} IN DATABASE {name}")]
    {
        db.run(&format!("ALTER {target} SET default_transaction_read_only = on")).await;
    }
    // The nearest counts, and what it hides comes after it.
    for target in
        [format!("ROLE {role} IN DATABASE {name}"), format!("ROLE {role}"), format!("DATABASE {name}")]
    {
        let message = case.check().await.finding(R::DatabaseReadOnly).message;
        assert!(!message.contains("primary"), "this is the primary: {message}");
        let statement = message.split('`').nth(1).unwrap();
        assert!(statement.contains(&format!("ALTER {target} RESET ")), "{message}");
        // As whoever reads it does: in a session that is read-only by the same setting.
        let mut session = db.another().await;
        sqlx::raw_sql("SET default_transaction_read_only = on").execute(&mut session).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut session).await.unwrap();
    }
    case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
    db.run(&format!("DROP OWNED BY {role} CASCADE")).await;
}

#[tokio::test]
async fn what_is_printed_makes_a_database_writable_that_was_read_only_for_all_roles() {
    let server = Server::new(&Db::new("").await).await;
    server.run(&tables()).await;
    let mut case = Case::with_database(PLAIN, USUAL);
    case.secret("db", "url", &server.url());
    server.run("ALTER ROLE ALL SET default_transaction_read_only = on").await;
    let found = case.repair().await;
    found.repaired(&[]);
    let message = found.finding(R::DatabaseReadOnly).message;
    assert!(message.contains("until a superuser takes that back"), "{message}");
    let statement = message.split('`').nth(1).unwrap();
    assert!(statement.contains("ALTER ROLE ALL RESET "), "{message}");
    // As whoever reads it does: in a session that is read-only by the same setting.
    server.run(statement).await;
    assert_eq!(server.text("SELECT current_setting('default_transaction_read_only')").await, "off");
    case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
}

#[tokio::test]
async fn a_server_whose_configuration_is_read_only_is_told_as_that() {
    let server = Server::with(&Db::new("").await, "default_transaction_read_only = on").await;
    server.run(&format!("BEGIN READ WRITE; {}; COMMIT", tables())).await;
    let mut case = Case::with_database(PLAIN, USUAL);
    case.secret("db", "url", &server.url());
    let message = case.check().await.finding(R::DatabaseReadOnly).message;
    assert!(message.contains("postgresql.conf") && !message.contains('`'), "{message}");
}

#[tokio::test]
async fn rows_that_row_level_security_hides_are_seen_after_either_statement_that_is_told() {
    for (owner, table, at) in [
        (true, "users", 0),
        (true, "users", 1),
        (true, "logs", 0),
        (true, "logs", 1),
        (false, "users", 0),
        (false, "logs", 0),
    ] {
        let db = Db::new(&format!(
            "{} INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin');",
            tables()
        ))
        .await;
        let role = db.role(ALL).await;
        let of = if owner { format!("ALTER TABLE {table} OWNER TO {};", role.0) } else { String::new() };
        db.run(&format!(
            "{of} CREATE POLICY scope ON {table} USING (current_setting('app.scope', true) = 'all'); \
             ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
        ))
        .await;
        let mut case = Case::new(&db, USUAL);
        case.secret("db", "url", &db.url_of(&role));
        let pass = case.repair().await;
        pass.repaired(&[]);
        let message = pass.finding(R::RowsUnreadable).message;
        let statements: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let bypass = format!("ALTER ROLE {} BYPASSRLS", role.0);
        let force = format!("ALTER TABLE public.{table} NO FORCE ROW LEVEL SECURITY");
        let told = if owner { vec![&*bypass, &*force] } else { vec![&*bypass] };
        assert_eq!(statements, told, "{message}");
        // The second is the owner's own to run.
        if at == 0 {
            db.run(statements[0]).await;
        } else {
            let url = db.url_of(&role);
            let mut own = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(statements[at].to_owned())).execute(&mut own).await.unwrap();
        }
        case.check().await.consistent();
        db.run(&format!("DROP OWNED BY {} CASCADE", role.0)).await;
    }
}

#[tokio::test]
async fn a_pass_that_takes_too_long_is_ended_and_tried_again() {
    let db = Db::new(&tables()).await;
    let decide = |asked: &[u8]| {
        if asked.windows(13).any(|word| word == b"pg_constraint") { Answer::Never } else { Answer::Passed }
    };
    let port = relay(&db, decide).await;
    let mut case = Case::with_database(PLAIN, &format!("timeout: 1s\n{USUAL}"));
    let mut url = url::Url::parse(&db.url()).unwrap();
    url.set_port(Some(port)).unwrap();
    case.secret("db", "url", url.as_str());
    fails(&mut case, R::TimedOut, Class::Transient).await;
}

#[tokio::test]
async fn tables_that_others_have_locked_cost_a_pass_no_more_than_its_time_and_are_looked_at_again() {
    let db = Db::new(&tables()).await;
    let mut lock = db.another().await;
    // Each is waited for a tenth of the time.
    db.run("DO $$ BEGIN FOR n IN 1..30 LOOP EXECUTE format('CREATE TABLE l%s (user_id int REFERENCES users)', n); END LOOP; END $$")
        .await;
    sqlx::raw_sql(
        "BEGIN; DO $$ BEGIN FOR n IN 1..30 LOOP EXECUTE format('LOCK TABLE l%s IN ACCESS EXCLUSIVE MODE', n); END LOOP; END $$",
    )
    .execute(&mut lock)
    .await
    .unwrap();
    let mut case = Case::new(&db, &format!("timeout: 4s\n{USUAL}"));
    let pass = case.check().await;
    assert_eq!(pass.report.as_ref().unwrap().consistent, Some(false), "an admin is missing");
    let found: Vec<R> = pass.report.as_ref().unwrap().findings.iter().map(|one| one.finding).collect();
    let told = |reason: R| found.iter().filter(|one| **one == reason).count();
    assert!(told(R::RowsUnreadable) > 0, "{found:?}");
    assert_eq!(pass.conditions()[1], "Reconciling=True ProgressingWithRetry");
    sqlx::raw_sql("COMMIT").execute(&mut lock).await.unwrap();
    case.spec.timeout = "1m".into();
    let references = case.check().await.outcome().references.clone().unwrap();
    assert_eq!((references.checked, references.skipped.len()), (31, 0));
}

#[tokio::test]
async fn a_table_that_the_catalogue_takes_for_a_huge_one_is_looked_at_all_the_same() {
    let db = Db::new(&tables()).await;
    // What the catalogue takes for a thousand million rows.
    db.run(
        "SET allow_system_table_mods = on; INSERT INTO logs (id) VALUES (1000);
         UPDATE pg_class SET reltuples = 1e9, relpages = 1 WHERE oid = 'logs'::regclass;",
    )
    .await;
    let mut case = Case::new(&db, &format!("timeout: 1s\n{USUAL}"));
    let pass = case.check().await;
    let references = pass.outcome().references.clone().unwrap();
    assert_eq!((references.checked, references.orphan_rows), (1, 0));
    assert_eq!(pass.outcome().searched.len(), 1);
}
