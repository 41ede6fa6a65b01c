//! A fresh database per test, dropped at its end.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, postgres::PgConnectOptions};
use tokio::sync::{Mutex, MutexGuard};

use super::{HASH, setting};

/// A database of its own, with the roles that belong to it.
pub struct Db {
    pub name: String,
    url: url::Url,
    roles: std::sync::Mutex<Vec<String>>,
    connection: Mutex<PgConnection>,
}

/// Every row of every table of the app, as text.
pub type Snapshot = BTreeMap<String, Vec<String>>;

fn server() -> url::Url {
    url::Url::parse(&setting("AUTHCON_TEST_POSTGRES_URL")).unwrap()
}

fn unique(what: &str) -> String {
    format!("t_{what}_{:016x}", rand::random::<u64>())
}

async fn connect(url: &url::Url) -> PgConnection {
    let options: PgConnectOptions = url.as_str().parse().unwrap();
    PgConnection::connect_with(&options).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await {
        panic!("{error} in {}", sql.chars().take(200).collect::<String>());
    }
}

async fn first(connection: &mut PgConnection, sql: &'static str) -> String {
    sqlx::raw_sql(sql).fetch_one(connection).await.unwrap().get(0)
}

impl Db {
    /// A new database with what `sql` makes in it.
    pub async fn new(sql: &str) -> Self {
        let mut url = server();
        let name = unique("db");
        run(&mut connect(&url).await, &format!("CREATE DATABASE {name}")).await;
        url.set_path(&name);
        let mut connection = connect(&url).await;
        run(&mut connection, "SET client_min_messages = warning").await;
        run(&mut connection, sql).await;
        Self { name, url, roles: Default::default(), connection: Mutex::new(connection) }
    }

    /// A new database whose own collation is ICU's, which has a version.
    pub async fn sorted_by_icu(sql: &str) -> Self {
        let mut url = server();
        let name = unique("db");
        let locale = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'";
        run(&mut connect(&url).await, &format!("CREATE DATABASE {name} {locale}")).await;
        url.set_path(&name);
        let mut connection = connect(&url).await;
        run(&mut connection, sql).await;
        Self { name, url, roles: Default::default(), connection: Mutex::new(connection) }
    }

    /// The connection of the test itself, as superuser.
    pub async fn connection(&self) -> MutexGuard<'_, PgConnection> {
        self.connection.lock().await
    }

    /// A further connection as superuser.
    pub async fn another(&self) -> PgConnection {
        connect(&self.url).await
    }

    /// Runs statements as superuser.
    pub async fn run(&self, sql: &str) {
        run(&mut *self.connection().await, sql).await;
    }

    /// Runs statements that the server must refuse, and returns its SQLSTATE.
    pub async fn refused(&self, sql: &str) -> String {
        let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *self.connection().await).await;
        match ran {
            Err(sqlx::Error::Database(error)) => error.code().map(Into::into).unwrap_or_default(),
            ran => panic!("{sql} was not refused: {ran:?}"),
        }
    }

    /// Runs statements, and has the server count what they wrote at once, not within a minute.
    pub async fn counted(&self, sql: &str) {
        let connection = &mut *self.connection().await;
        run(connection, sql).await;
        let version: u32 = first(connection, "SHOW server_version_num").await.parse().unwrap();
        if version >= 150_000 {
            return run(connection, "SELECT pg_stat_force_next_flush()").await;
        }
        // Before PostgreSQL 15 a session tells the collector of its statistics now and then, at the end of a
        // statement: of all of them at once, so that what a marker shows is there of the others, too.
        run(connection, "CREATE TEMPORARY TABLE counted (); INSERT INTO counted DEFAULT VALUES").await;
        let asked = "SELECT pg_stat_get_tuples_inserted('counted'::regclass)::text";
        while first(connection, asked).await != "1" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        run(connection, "DROP TABLE counted").await;
    }

    /// The first column of the only row, as text.
    pub async fn text(&self, sql: &str) -> String {
        let rows = self.texts(sql).await;
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.into_iter().next().unwrap()
    }

    /// The first column of every row, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let wrapped = format!("SELECT x::text FROM ({sql}) AS t(x)");
        let rows = sqlx::raw_sql(AssertSqlSafe(wrapped)).fetch_all(&mut *self.connection().await).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}\nin\n{sql}"));
        rows.iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_else(|| "NULL".into())).collect()
    }

    /// A role that may connect, and may do what `grants` say; `ROLE` in them stands for its name.
    /// Returns name and password.
    pub async fn role(&self, grants: &str) -> (String, String) {
        let name = unique("role");
        let password = format!("canary-{:016x}", rand::random::<u64>());
        self.roles.lock().unwrap().push(name.clone());
        self.run(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await;
        self.run(&grants.replace("ROLE", &name).replace("DATABASE_NAME", &self.name)).await;
        (name, password)
    }

    /// The connection string for the superuser.
    pub fn url(&self) -> String {
        self.url.to_string().replacen("postgres://", "postgresql+asyncpg://", 1)
    }

    /// The connection string for a role.
    pub fn url_of(&self, role: &(String, String)) -> String {
        let mut url = self.url.clone();
        url.set_username(&role.0).unwrap();
        url.set_password(Some(&role.1)).unwrap();
        url.to_string()
    }

    /// The connection string through the pooler in transaction mode.
    pub fn pooled_url(&self) -> String {
        let mut url = url::Url::parse(&setting("AUTHCON_TEST_PGBOUNCER_URL")).unwrap();
        url.set_path(&self.name);
        url.to_string()
    }

    /// A copy of this database, as a dump that is restored elsewhere would make it.
    pub async fn copied(&self) -> Self {
        let name = unique("db");
        // A template must have no other session.
        let mut connection = self.connection().await;
        let elsewhere = connect(&server()).await;
        std::mem::replace(&mut *connection, elsewhere).close().await.unwrap();
        run(&mut connection, &format!("CREATE DATABASE {name} TEMPLATE {}", self.name)).await;
        *connection = connect(&self.url).await;
        let mut url = self.url.clone();
        url.set_path(&name);
        let copy = connect(&url).await;
        Self { name, url, roles: Default::default(), connection: Mutex::new(copy) }
    }

    /// The statements that sessions opened during some work send to this database, as the server's log
    /// has them.
    pub async fn statements(&self, work: impl Future) -> Vec<String> {
        let (name, connection) = (&self.name, &mut *self.connection().await);
        let log = std::path::PathBuf::from(setting("AUTHCON_TEST_PARTS_DIR")).join("postgres.log");
        let before = std::fs::read(&log).unwrap().len();
        run(connection, &format!("ALTER DATABASE {name} SET log_statement = 'all'")).await;
        work.await;
        run(connection, &format!("ALTER DATABASE {name} RESET log_statement")).await;
        let logged = std::fs::read(&log).unwrap();
        let logged = String::from_utf8_lossy(&logged[before..]).into_owned();
        // Other tests have theirs logged meanwhile.
        let own = format!(" {name} LOG:  ");
        let statement = |line: &str| {
            let (_, said) = line.split_once(&own)?;
            said.strip_prefix("statement: ")
                .or_else(|| said.strip_prefix("execute ")?.split_once(": ").map(|(_, sql)| sql))
                .map(str::to_owned)
        };
        logged.lines().filter_map(statement).collect()
    }

    /// Every table but the system's, with the expression that makes its rows text.
    async fn tables(&self, all: bool) -> Vec<(String, String)> {
        let hidden = if all { "" } else { "AND n.nspname <> 'auth_consistency'" };
        let names = format!(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n \
             ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', \
             'information_schema', 'pg_toast') {hidden} ORDER BY 1"
        );
        let row = if all { "format('%s %s %s', t.ctid, t.xmin, t)" } else { "t" };
        self.texts(&names).await.into_iter().map(|name| (name, row.to_owned())).collect()
    }

    /// Every row of every table of the app.
    pub async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        for (name, row) in self.tables(false).await {
            let rows = self.texts(&format!("SELECT {row}::text FROM ONLY {name} t ORDER BY 1")).await;
            snapshot.insert(name.trim_start_matches("public.").to_owned(), rows);
        }
        snapshot
    }

    /// What became different: `- table (row)` and `+ table (row)`; hashes are written as HASH.
    pub async fn changes(&self, before: &Snapshot) -> Vec<String> {
        let after = self.snapshot().await;
        let mut changes = Vec::new();
        for name in before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (old, new) = (before.get(name), after.get(name));
            let rows = |rows: Option<&Vec<String>>| rows.cloned().unwrap_or_default();
            let (old, new) = (rows(old), rows(new));
            changes.extend(without(&old, &new).into_iter().map(|row| format!("- {name} {}", masked(&row))));
            changes.extend(without(&new, &old).into_iter().map(|row| format!("+ {name} {}", masked(&row))));
        }
        changes
    }

    /// Everything that a write to this database would make different: the versions of all rows, our
    /// own schema's included, the state of all sequences, and the catalog's tables.
    pub async fn fingerprint(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (name, row) in self.tables(true).await {
            all.extend(self.texts(&format!("SELECT {row} FROM ONLY {name} t ORDER BY 1")).await);
        }
        all.extend(self.texts("SELECT s FROM pg_sequences s ORDER BY 1::text").await);
        for catalog in ["pg_class", "pg_constraint", "pg_namespace", "pg_attribute"] {
            // Vacuum and analyze keep their counts in pg_class; that is none of our writing.
            all.push(
                self.text(&format!(
                    "SELECT format('%s %s', count(*), max(c::text)) FROM (SELECT {} FROM {catalog}) c",
                    match catalog {
                        "pg_class" | "pg_constraint" | "pg_namespace" => "oid",
                        _ => "attrelid",
                    }
                ))
                .await,
            );
        }
        all
    }
}

/// A database that is copied for each of many cases, which costs less than making it each time.
pub struct Template {
    of: Db,
}

impl Template {
    /// A template of a database, in whose own session nothing can be done any more.
    pub async fn of(of: Db) -> Self {
        let elsewhere = connect(&server()).await;
        let own = std::mem::replace(&mut *of.connection().await, elsewhere);
        own.close().await.unwrap();
        Self { of }
    }

    /// A copy, for which everything in our own schema is its own and no other database's.
    pub async fn copy(&self) -> Db {
        let name = unique("db");
        self.of.run(&format!("CREATE DATABASE {name} TEMPLATE {}", self.of.name)).await;
        let mut url = self.of.url.clone();
        url.set_path(&name);
        let mut plain = url.clone();
        plain.set_query(Some("sslmode=disable"));
        let mut connection = connect(&plain).await;
        run(
            &mut connection,
            "SET client_min_messages = warning; DO $$ DECLARE one record; BEGIN \
               FOR one IN SELECT attrelid::regclass AS table FROM pg_attribute JOIN pg_class c ON c.oid = attrelid \
                 WHERE relnamespace = to_regnamespace('auth_consistency') AND relkind = 'r' AND attname = 'database_oid' LOOP \
                 EXECUTE format('UPDATE %s SET database_oid = (SELECT oid::bigint FROM pg_database WHERE datname = current_database())', one.table); \
               END LOOP; END $$",
        )
        .await;
        Db { name, url, roles: Default::default(), connection: Mutex::new(connection) }
    }

    /// Drops a copy, in a session that is there already.
    pub async fn discard(&self, mut copy: Db) {
        let name = std::mem::take(&mut copy.name);
        self.of.run(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

fn without(rows: &[String], others: &[String]) -> Vec<String> {
    let mut others = others.to_vec();
    rows.iter()
        .filter(|row| match others.iter().position(|other| other == *row) {
            Some(at) => {
                others.remove(at);
                false
            }
            None => true,
        })
        .cloned()
        .collect()
}

/// Bcrypt and argon2 hashes are drawn anew each time.
fn masked(row: &str) -> String {
    let cells: Vec<&str> = row.split(',').collect();
    let mask = |cell: &str| {
        if cell.starts_with("$2b$") || cell.starts_with("\"$argon2id$") {
            "HASH".to_owned()
        } else {
            cell.to_owned()
        }
    };
    cells.into_iter().map(mask).collect::<Vec<_>>().join(",")
}

impl Drop for Db {
    fn drop(&mut self) {
        // What was discarded is gone already.
        if self.name.is_empty() {
            return;
        }
        let name = self.name.clone();
        let roles = std::mem::take(&mut *self.roles.lock().unwrap());
        // A runtime of its own, since this one may be about to end.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = connect(&server()).await;
                run(&mut connection, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                for role in roles {
                    run(&mut connection, &format!("DROP ROLE IF EXISTS {role}")).await;
                }
            });
        });
        let dropped = dropping.join();
        if !std::thread::panicking() {
            dropped.unwrap();
        }
    }
}

/// The admin 1 and ada 5; `sql` makes the rest with triggers off, so that orphans are possible.
pub async fn admin_and_ada(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    ))
    .await
}
