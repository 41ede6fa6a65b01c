//! `init` on the tables of well-known frameworks: what it proposes, and that `check` takes it as it is.

use super::{Database, Said, dsn, run, world};

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Stdio},
};

/// A framework's tables, further flags, and lines that the resource must have, without their reasons.
struct App {
    name: &'static str,
    sql: &'static str,
    flags: &'static [&'static str],
    lines: &'static [&'static str],
}

/// Each with its tables.
macro_rules! app {
    ($name:literal, $flags:expr, $lines:expr $(,)?) => {
        App {
            name: $name,
            sql: include_str!(concat!("init/", $name, ".sql")),
            flags: &$flags,
            lines: &$lines,
        }
    };
}

const APPS: &[App] = &[
    app!(
        "django",
        [],
        [
            "table: auth_user",
            "idColumn: id",
            "loginColumn: username",
            "passwordColumn: password",
            "- {column: is_active, equals: \"true\"}",
            "#     - {column: is_superuser, equals: \"true\"}",
            "# - {table: shop_order, columns: [handled_by_id], declared: true}",
        ],
    ),
    app!(
        "django_swapped",
        ["--table", "accounts_user"],
        ["table: accounts_user", "loginColumn: email", "passwordColumn: password"],
    ),
    app!(
        "devise",
        [],
        [
            "table: users",
            "loginColumn: email",
            "passwordColumn: encrypted_password",
            "activeWhen: []",
            "#     - {column: admin, equals: \"true\"}",
        ],
    ),
    app!(
        "laravel",
        [],
        [
            "table: users",
            "loginColumn: email",
            "passwordColumn: password",
            "- {column: deleted_at, isNull: true}",
            "- {table: sessions, columns: [user_id], declared: true}",
            "- {table: personal_access_tokens, columns: [tokenable_id], declared: true, \
             where: [{column: tokenable_type, equals: \"App\\\\Models\\\\User\"}]}",
        ],
    ),
    app!(
        "phpbb",
        [],
        [
            "table: phpbb_users",
            "idColumn: user_id",
            "loginColumn: username_clean",
            "passwordColumn: user_password",
            "# - {table: phpbb_posts, columns: [poster_id], declared: true}",
        ],
    ),
    app!(
        "discourse",
        [],
        [
            "table: users",
            "loginColumn: username_lower",
            "- {column: active, equals: \"true\"}",
            "- {table: user_passwords, columns: [user_id], declared: true}",
        ],
    ),
    app!(
        "jhipster",
        [],
        [
            "table: jhi_user",
            "loginColumn: login",
            "passwordColumn: password_hash",
            "- {column: activated, equals: \"true\"}",
        ],
    ),
    app!(
        "aspnet",
        [],
        [
            "table: AspNetUsers",
            "idColumn: Id",
            "loginColumn: NormalizedUserName",
            "passwordColumn: PasswordHash",
            "activeWhen: []",
            "- {table: Orders, columns: [CreatedBy], declared: true}",
        ],
    ),
    app!(
        "nextauth",
        [],
        [
            "table: User",
            "idColumn: id",
            "loginColumn: email",
            "passwordColumn: password",
            "#     - {column: role, equals: \"ADMIN\"}",
        ],
    ),
    app!(
        "better_auth",
        [],
        ["table: user", "loginColumn: email", "activeWhen: []", "#     - {column: role, equals: \"admin\"}"],
    ),
    app!(
        "medusa",
        ["--table", "public.user"],
        ["table: user", "loginColumn: email", "- {column: deleted_at, isNull: true}"],
    ),
    app!(
        "keycloak",
        [],
        [
            "table: user_entity",
            "loginColumn: username",
            "- {column: enabled, equals: \"true\"}",
            "- {table: offline_user_session, columns: [user_id], declared: true}",
        ],
    ),
    app!(
        "gitea",
        [],
        [
            "table: user",
            "loginColumn: lower_name",
            "passwordColumn: passwd",
            "saltColumn: salt",
            "algorithmColumn: passwd_hash_algo",
            "- {column: is_active, equals: \"true\"}",
            "- {column: prohibit_login, equals: \"false\"}",
        ],
    ),
    app!(
        "odoo",
        [],
        [
            "table: res_users",
            "loginColumn: login",
            "passwordColumn: password",
            "- {column: active, equals: \"true\"}",
        ],
    ),
    app!(
        "mattermost",
        [],
        [
            "table: users",
            "loginColumn: username",
            "passwordColumn: password",
            "- {column: deleteat, equals: \"0\"}",
            "- {table: posts, columns: [userid], declared: true}",
        ],
    ),
    app!(
        "openwebui",
        ["--table", "user"],
        [
            "table: user",
            "idColumn: id",
            "loginColumn: email",
            "- {table: chat, columns: [user_id], declared: true}",
        ],
    ),
    app!(
        "supabase",
        [],
        [
            "schema: auth",
            "table: users",
            "loginColumn: email",
            "passwordColumn: encrypted_password",
            "- {column: deleted_at, isNull: true}",
            "- {table: refresh_tokens, columns: [user_id], declared: true}",
        ],
    ),
    app!(
        "tenants",
        [],
        ["table: users", "idColumn: id", "loginColumn: email", "passwordColumn: password_hash"]
    ),
    app!(
        "fastapi",
        ["--admin", "u1@example.org"],
        ["preset: FastAPI", "- {column: role, equals: \"admin\"}"]
    ),
    app!(
        "spring",
        [],
        [
            "table: users",
            "idColumn: username",
            "loginColumn: username",
            "passwordColumn: password",
            "- {column: enabled, equals: \"true\"}",
        ],
    ),
    app!("empty", [], ["table: members", "loginColumn: mail", "passwordColumn: pwd", "activeWhen: []"]),
];

/// A database whose tables become those of one app after the other.
async fn empty() -> Database {
    Database::create("SELECT").await
}

async fn becomes(database: &Database, sql: &str) {
    let role = &database.role;
    let sql = format!(
        "DROP SCHEMA IF EXISTS auth CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION {role}; \
         GRANT CREATE ON DATABASE {} TO {role}; SET ROLE {role}; {sql}; RESET ROLE; ANALYZE",
        database.name
    );
    database.run(&sql).await;
}

fn init(database: &Database, flags: &[&str]) -> Said {
    run(&[&["init"], flags].concat(), &[("DATABASE_URL", &dsn(database))], "")
}

/// The lines without indentation and reasons.
fn lines(page: &str) -> Vec<&str> {
    page.lines().map(str::trim).map(|line| line.rsplit_once(" # ").map_or(line, |(line, _)| line)).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ")
}

/// The Secret of the connection string as a document.
fn secret(database: &Database) -> String {
    let secret = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"}, "stringData": {"DATABASE_URL": dsn(database)}});
    format!("---\n{secret}\n")
}

#[tokio::test]
async fn each_framework_gets_its_table_and_columns_and_check_takes_the_resource_as_it_is() {
    let database = empty().await;
    for app in APPS {
        becomes(&database, app.sql).await;
        let before = database.text("SELECT count(*) || ' ' || max(oid) FROM pg_class").await;
        let said = init(&database, &[app.flags, &["--database-secret", "app/DATABASE_URL"]].concat());
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{}: {}", app.name, said.out);
        let page = lines(&said.out);
        for line in app.lines {
            assert!(page.contains(line), "{}: {line} is not in\n{}", app.name, said.out);
        }
        let users = app.lines.iter().filter(|line| line.contains("Column: ")).count();
        let there = page.iter().filter(|line| line.contains("Column: ") && !line.starts_with('#')).count();
        assert!(users <= there && there <= 5, "{}", said.out);
        assert_eq!(
            database.text("SELECT count(*) || ' ' || max(oid) FROM pg_class").await,
            before,
            "init wrote"
        );

        let check = run(&["check", "-f", "-"], &[], &format!("{}{}", said.out, secret(&database)));
        assert_eq!(check.code, 0, "{}: {} {}\nof\n{}", app.name, check.out, check.err, said.out);
    }
}

#[tokio::test]
async fn what_no_column_says_is_left_to_a_person_with_where_to_look() {
    let database = empty().await;
    for (sql, flags, told) in [
        (
            include_str!("init/better_auth.sql"),
            &[] as &[&str],
            "account.password holds better-auth scrypt hashes (20 of 20 in a sample): a resource cannot name passwords of another table",
        ),
        (include_str!("init/better_auth.sql"), &[], "banned may be NULL in active accounts"),
        (include_str!("init/keycloak.sql"), &[], "username is unique only together with realm_id"),
        (
            include_str!("init/tenants.sql"),
            &[],
            "where an id stands in two rows the check says so (IdNotUnique)",
        ),
        (include_str!("init/devise.sql"), &[], "add - {column: confirmed_at, isNull: false}"),
        (
            include_str!("init/discourse.sql"),
            &[],
            "user_passwords.password_hash is called so; 40 of 40 in a sample read as",
        ),
        (include_str!("init/django.sql"), &[], "Not chosen: shop_customer: it holds no passwords"),
        (include_str!("init/empty.sql"), &[], "active is called so, and is of the type smallint"),
        (include_str!("init/supabase.sql"), &[], "banned_until may keep somebody from signing in for a time"),
    ] {
        becomes(&database, sql).await;
        let page = one_line(&init(&database, flags).out);
        let told = told.replacen("username is unique", "unique", 1);
        assert!(page.contains(&told), "{told} is not in {page}");
    }
}

#[tokio::test]
async fn what_the_role_may_not_read_is_proposed_by_the_catalog_alone_and_said_to_be_so() {
    let database = empty().await;
    becomes(&database, include_str!("init/jhipster.sql")).await;
    database
        .run(&format!(
            "ALTER TABLE jhi_user OWNER TO CURRENT_USER; REVOKE ALL ON jhi_user FROM {}",
            database.role
        ))
        .await;
    let said = init(&database, &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    let page = one_line(&said.out);
    for told in [
        "no row of it was read: USAGE of its schema or SELECT on the table is missing table: jhi_user",
        "passwordColumn: password_hash is called so; no row was read",
        "equals: \"true\"} by its name; no row was read",
        "were not looked for: no row of \"jhi_user\" was read: USAGE of its schema or SELECT on the table is missing.",
    ] {
        assert!(page.contains(told), "{told} is not in {page}");
    }
    assert!(!page.contains("there was no row"), "{page}");
}

#[tokio::test]
async fn several_tables_are_never_guessed_and_none_is_said_to_be_none() {
    let database = empty().await;
    for (sql, tables) in [
        (include_str!("init/django_swapped.sql"), ["public.accounts_user", "public.auth_user"]),
        (include_str!("init/medusa.sql"), ["public.customer", "public.user"]),
        (include_str!("init/openwebui.sql"), ["public.auth", "public.user"]),
    ] {
        becomes(&database, sql).await;
        let said = init(&database, &[]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
        let offered: Vec<&str> =
            said.err.lines().filter_map(|line| line.trim().strip_prefix("--table ")).collect();
        assert_eq!(offered, tables, "{}", said.err);
        // Each flag does as it is printed.
        for table in offered {
            let said = init(&database, &["--table", table]);
            assert_eq!(said.code, 0, "{}", said.err);
            let (_, name) = table.split_once('.').unwrap();
            assert!(lines(&said.out).contains(&format!("table: {name}").as_str()), "{}", said.out);
        }
    }
    becomes(&database, include_str!("init/nothing.sql")).await;
    let said = init(&database, &[]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(
        said.err.contains("of 2 tables in this database none looks like one of accounts: "),
        "{}",
        said.err
    );
    let part = "CREATE TABLE parts (id integer) PARTITION BY RANGE (id); CREATE TABLE user_1 PARTITION OF parts DEFAULT";
    database.run(part).await;
    let said = init(&database, &["--table", "products"]);
    assert_eq!(said.code, 0, "{}", said.err);
    for (flags, told) in [
        (&["--table", "user"] as &[&str], "no table that could hold accounts is called \"user\" (views, "),
        (
            &["--table", "user_1"],
            "no table that could hold accounts is called \"user_1\" (views, partitions, ",
        ),
        (
            &["--table", "products", "--login-column", "mail"],
            "has no column \"mail\"; it has id, name, file_hash",
        ),
    ] {
        let said = init(&database, flags);
        assert_eq!((said.code, said.out.as_str()), (64, ""));
        assert!(said.err.contains(told), "{}", said.err);
    }
}

#[tokio::test]
async fn a_file_that_is_there_is_kept_and_one_with_an_open_place_is_refused() {
    let database = empty().await;
    becomes(&database, include_str!("init/fastapi.sql")).await;
    let path = std::env::temp_dir().join(format!("{}-init.yaml", database.name));
    let file = path.to_str().unwrap();
    let flags = ["--database-secret", "app/DATABASE_URL", "--signing-key-secret", "app/JWT_SECRET"];
    let said = init(&database, &[&["-o", file], flags.as_slice()].concat());
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains(&format!("run `auth-consistency check -f {file}`")), "{}", said.err);
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(lines(&written).contains(&"secretRef: {name: app, key: JWT_SECRET}"), "{written}");
    let said = init(&database, &["-o", file]);
    assert_eq!(said.code, 64, "{}", said.err);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);

    let said = init(&database, &["-o", file, "--force"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let said = run(&["check", "-f", file], &[], "");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(said.code, 64);
    assert!(
        said.err.contains(
            "spec.database.urlSecretRef is not filled in: put the name of a Secret in place of FILL-IN"
        ),
        "{}",
        said.err
    );
    let said = run(&["init"], &[], "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("there is no database to look at: set DATABASE_URL"), "{}", said.err);
}

#[tokio::test]
async fn names_are_written_so_that_they_are_read_as_they_are() {
    let database = empty().await;
    becomes(
        &database,
        "CREATE TABLE \"true\" (\"no\" serial PRIMARY KEY, email text NOT NULL UNIQUE, \"password\" text, \"is_active\" boolean NOT NULL DEFAULT true);
         CREATE TABLE \"a: {b} # c\nx: y\" (\"1\" serial PRIMARY KEY, user_id integer REFERENCES \"true\", \"- owner\" integer, owner_id integer);
         INSERT INTO \"true\" (\"no\", email) SELECT n * 3, n || '@example.org' FROM generate_series(1, 60) n; SELECT setval('true_no_seq', 180);
         INSERT INTO \"a: {b} # c\nx: y\" (owner_id) SELECT n * 3 FROM generate_series(1, 60) n",
    )
    .await;
    let said = init(&database, &["--database-secret", "app/DATABASE_URL", "--admin", "1@example.org"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let page = lines(&said.out);
    for line in ["table: \"true\"", "idColumn: \"no\"", "login: \"1@example.org\""] {
        assert!(page.contains(&line), "{line} is not in\n{}", said.out);
    }
    let check = run(&["check", "-f", "-"], &[], &format!("{}{}", said.out, secret(&database)));
    assert_eq!(check.code, 0, "{} {}\nof\n{}", check.out, check.err, said.out);
    assert!(
        said.out.contains("{table: \"a: {b} # c\\nx: y\", columns: [owner_id], declared: true}"),
        "{}",
        said.out
    );
}

/// An API server that knows two requests, whether the caller may list Secrets and which there are, and answers as often
/// as it is asked; of a list it gives two at once, and where it does not end always the first two. What it was asked for is sent on.
fn api_server(
    allowed: bool,
    ends: bool,
    secrets: &serde_json::Value,
) -> (u16, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let review = serde_json::json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": {}, "status": {"allowed": allowed},
    });
    let all = secrets.as_array().unwrap().clone();
    let list = move |from: usize| {
        let (page, next) = (all.iter().skip(from).take(2), from + 2);
        let next = match ends {
            true if next < all.len() => next.to_string(),
            true => String::new(),
            false => "0".to_owned(),
        };
        serde_json::json!({"apiVersion": "v1", "kind": "SecretList", "metadata": {"continue": next}, "items": page.collect::<Vec<_>>()})
    };
    let secrets = secrets.clone();
    let (asked, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let length = request
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = stream.read_exact(&mut body);
            let line = request.lines().next().unwrap_or_default().to_owned();
            let named = |item: &&serde_json::Value| {
                item["metadata"]["name"]
                    .as_str()
                    .is_some_and(|name| line.contains(&format!("/secrets/{name} ")))
            };
            let one = secrets.as_array().unwrap().iter().find(named);
            let answer = match one {
                Some(one) => one.to_string(),
                None if line.contains("selfsubjectaccessreviews") => review.to_string(),
                None => {
                    let from = line.split_once("continue=").map_or("0", |(_, rest)| &rest[..1]);
                    list(from.parse().unwrap()).to_string()
                }
            };
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                answer.len()
            );
            let _ = asked.send(line);
        }
    });
    (port, hears)
}

/// A kubeconfig for a server on this machine.
fn kubeconfig(name: &str, port: u16) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("{name}.kubeconfig"));
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "me", "user": {"token": "canary-token"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    });
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[tokio::test]
async fn secrets_are_proposed_by_the_names_of_their_keys_and_their_values_are_in_nothing() {
    let database = empty().await;
    becomes(&database, include_str!("init/fastapi.sql")).await;
    // "canary", which no output may have.
    let secret = |name: &str, keys: &[&str]| {
        let data: serde_json::Map<String, serde_json::Value> =
            keys.iter().map(|key| ((*key).to_owned(), "Y2FuYXJ5".into())).collect();
        serde_json::json!({"metadata": {"name": name, "namespace": "shop"}, "type": "Opaque", "data": data})
    };
    let mut secrets = serde_json::json!([
        secret("shop", &["DATABASE_URL", "JWT_SECRET"]),
        secret("one", &["ADMIN_PASSWORD"]),
        secret("two", &["admin-password"]),
    ]);
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    secrets[0]["data"]["DATABASE_URL"] = STANDARD.encode(dsn(&database)).into();
    let (port, hears) = api_server(true, true, &secrets);
    let file = kubeconfig(&database.name, port);
    let flags = ["-n", "shop", "--kubeconfig", file.to_str().unwrap(), "--admin", "u1@example.org"];
    let said = init(&database, &flags);
    assert_eq!(said.code, 0, "{}", said.err);
    let page = lines(&said.out);
    for line in [
        "namespace: shop",
        "urlSecretRef: {name: shop, key: DATABASE_URL}",
        "secretRef: {name: shop, key: JWT_SECRET}",
        "onMissing: Report",
    ] {
        assert!(page.contains(&line), "{line} is not in\n{}", said.out);
    }
    let plain = one_line(&said.out);
    assert!(
        plain.contains(
            "several Secrets could hold the admin's password: one/ADMIN_PASSWORD, two/admin-password"
        ),
        "{plain}"
    );
    assert!(!said.out.contains("Y2FuYXJ5"), "{}", said.out);
    let asked: Vec<String> = hears.try_iter().collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[2].contains("continue=2"), "{asked:?}");
    assert!(asked[0].starts_with("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"), "{asked:?}");
    assert!(asked[1].starts_with("GET /api/v1/namespaces/shop/secrets?"), "{asked:?}");

    // Without the database's own name for itself, it is named and not guessed.
    let said = run(&[&["init"], flags.as_slice()].concat(), &[], "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("by the names of their keys: shop/DATABASE_URL"), "{}", said.err);
    let named = ["init", "--database-secret", "shop/DATABASE_URL"];
    let by_secret = run(&[named.as_slice(), flags.as_slice()].concat(), &[], "");
    assert_eq!(by_secret.code, 0, "{}", by_secret.err);
    assert!(lines(&by_secret.out).contains(&"preset: FastAPI"), "{}", by_secret.out);
    assert!(!by_secret.out.contains(&database.password), "{}", by_secret.out);

    // More than are looked through: of those that were not, nothing is said.
    let (port, hears) = api_server(true, false, &secrets);
    let file = kubeconfig(&database.name, port);
    let said = init(&database, &["-n", "shop", "--kubeconfig", file.to_str().unwrap()]);
    let plain = one_line(&said.out);
    assert!(plain.contains("none was looked for: namespace \"shop\" has more than 40 Secrets"), "{plain}");
    assert!(said.code == 0 && !plain.contains("no other Secret"), "{plain}");
    assert_eq!(hears.try_iter().count(), 21);

    let (port, hears) = api_server(false, true, &secrets);
    let file = kubeconfig(&database.name, port);
    let said = init(&database, &["-n", "shop", "--kubeconfig", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    let plain = one_line(&said.out);
    assert!(
        plain.contains("none was looked for: you may not list the Secrets of namespace \"shop\""),
        "{plain}"
    );
    assert!(said.out.contains("FILL-IN"), "{}", said.out);
    assert_eq!(hears.try_iter().count(), 1, "Secrets were listed without the right to");
}

#[tokio::test]
async fn at_a_terminal_what_is_open_is_asked_and_the_answers_are_in_the_file() {
    let database = empty().await;
    becomes(&database, include_str!("init/django_swapped.sql")).await;
    let path = std::env::temp_dir().join(format!("{}-asked.yaml", database.name));
    let terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut child = Command::new(world::part("AUTHCON_TEST_PYTHON"))
        .args(["-c", terminal, env!("CARGO_BIN_EXE_auth-consistency"), "init", "-o"])
        .arg(&path)
        .env_clear()
        .env("DATABASE_URL", dsn(&database))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A number that is none of the list, the second table, and a Secret that is none.
    let answers = "7\n2\nnonsense\napp/DATABASE_URL\nold1\n\napp/KEY\n";
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{shown}");
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second =
        shown.lines().find_map(|line| line.trim().strip_prefix("2  ")?.split([':', ',']).next()).unwrap();
    let page = lines(&written);
    for line in [
        &*format!("table: {second}"),
        "urlSecretRef: {name: app, key: DATABASE_URL}",
        "login: \"old1\"",
        "onMissing: Report",
        "secretRef: {name: app, key: KEY}",
    ] {
        assert!(page.contains(&line), "{line} is not in\n{written}\nafter\n{shown}");
    }
    assert_eq!(shown.matches("Which one, 1 to 2?").count(), 2, "{shown}");
}

/// A console block of a page: its command, and what it says.
fn console<'t>(page: &'t str, begin: &str) -> (Vec<&'t str>, &'t str) {
    let (_, rest) = page.split_once(&format!("```console\n$ auth-consistency {begin}")).unwrap();
    let (block, _) = rest.split_once("\n```").unwrap();
    let (flags, said) = block.split_once('\n').unwrap();
    (flags.split_whitespace().collect(), said)
}

#[tokio::test]
async fn the_readme_shows_what_init_writes() {
    let database = empty().await;
    becomes(&database, include_str!("init/django.sql")).await;
    let (flags, shown) = console(include_str!("../../README.md"), "init");
    let said = init(&database, &flags);
    assert_eq!(said.out.trim_end(), shown.trim_end(), "{}", said.err);
}

#[tokio::test]
async fn the_install_page_goes_from_a_proposal_to_the_first_finding_with_a_role_that_may_only_read() {
    let database = empty().await;
    becomes(&database, include_str!("init/laravel.sql")).await;
    database.run("UPDATE sessions SET user_id = 91 WHERE user_id = 7").await;
    let path = std::env::temp_dir().join(format!("{}-install.yaml", database.name));
    let file = path.to_str().unwrap();
    let said = init(&database, &["--database-secret", "app/DATABASE_URL", "-o", file]);
    assert_eq!(said.code, 0, "{}", said.err);

    let reader = Database {
        name: database.name.clone(),
        role: format!("reader_{}", database.name),
        password: "canary-of-the-reader".to_owned(),
    };
    database.run(&format!("CREATE ROLE {} LOGIN PASSWORD '{}'", reader.role, reader.password)).await;
    let written = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{written}{}", secret(&reader))).unwrap();
    let grants = run(&["grants", "--observe", "-f", file], &[], "");
    assert_eq!(grants.code, 0, "{}", grants.err);
    database.run(&grants.out).await;
    let check = run(&["check", "-f", file], &[], "");
    std::fs::remove_file(&path).unwrap();
    database.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", reader.role)).await;
    assert_eq!(check.code, 2, "{} {}", check.out, check.err);
    assert!(check.out.contains("OrphanRows") && check.out.contains("sessions.user_id"), "{}", check.out);
}
