//! A PostgreSQL of a test's own, for what would disturb all others: to crash it.

use std::{
    net::TcpListener,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::Db;

/// How long a server may take to come up again.
const LIMIT: Duration = Duration::from_secs(60);

/// A server of its own, removed at its end.
pub struct Server {
    programs: PathBuf,
    directory: PathBuf,
    process: Child,
    port: u16,
}

impl Server {
    /// A new server; `db` says where the programs are.
    pub async fn new(db: &Db) -> Self {
        Self::with(db, "").await
    }

    /// A new server with more lines in its configuration.
    pub async fn with(db: &Db, configuration: &str) -> Self {
        let programs = PathBuf::from(db.text("SELECT setting FROM pg_config WHERE name = 'BINDIR'").await);
        let directory = directory();
        let initdb = program(&programs.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--pgdata"])
            .arg(directory.join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(initdb.unwrap().success());
        let file = directory.join("data/postgresql.conf");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{before}\n{configuration}\n")).unwrap();
        Self::start(programs, directory).await
    }

    /// Lets in whom these lines of pg_hba.conf let in, and no others.
    pub async fn let_in(&self, lines: &[&str]) {
        let before = self.text("SELECT pg_conf_load_time()").await;
        std::fs::write(self.directory.join("data/pg_hba.conf"), format!("{}\n", lines.join("\n"))).unwrap();
        assert_eq!(self.text("SELECT pg_reload_conf()").await, "true");
        self.ask_until("SELECT pg_conf_load_time()::text", &before).await;
    }

    /// A standby that follows this server as it streams its log.
    pub async fn standby(&self) -> Self {
        let directory = directory();
        let copied = program(&self.programs.join("pg_basebackup"))
            .args(["--no-sync", "--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"])
            .args(["--host=127.0.0.1", "--username=postgres", "--port", &self.port.to_string(), "--pgdata"])
            .arg(directory.join("data"))
            .status();
        assert!(copied.unwrap().success());
        let standby = Self::start(self.programs.clone(), directory).await;
        assert_eq!(standby.text("SELECT pg_is_in_recovery()").await, "true");
        standby
    }

    /// Waits until a standby has replayed all that this server has written.
    pub async fn is_followed_by(&self, standby: &Self) {
        let written = self.text("SELECT pg_current_wal_flush_lsn()").await;
        let replayed = format!("SELECT (pg_last_wal_replay_lsn() >= '{written}'::pg_lsn)::text");
        standby.ask_until(&replayed, "false").await;
    }

    /// Makes a standby a server of its own.
    pub async fn promote(&self) {
        assert_eq!(self.text("SELECT pg_promote()").await, "true");
        self.ask_until("SELECT pg_is_in_recovery()::text", "true").await;
    }

    async fn start(programs: PathBuf, directory: PathBuf) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = program(&programs.join("postgres"))
            .arg("-D")
            .arg(directory.join("data"))
            .args(["-p", &port.to_string(), "-k", "", "-h", "127.0.0.1"])
            .args(["-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { programs, directory, process, port };
        server.ask_until("SELECT 'up'", "").await;
        server
    }

    /// The connection string for the superuser.
    pub fn url(&self) -> String {
        format!("postgres://postgres:canary-of-nobody@127.0.0.1:{}/postgres", self.port)
    }

    /// The first column of the first row, as text.
    async fn ask(&self, sql: &str) -> Result<String, sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await?;
        row.try_get(0)
    }

    /// The same, as soon as the server answers and the answer is another one than `before`.
    async fn ask_until(&self, sql: &str, before: &str) -> String {
        let began = Instant::now();
        loop {
            let answer = self.ask(sql).await;
            match answer {
                Ok(answer) if answer != before => return answer,
                answer => assert!(began.elapsed() < LIMIT, "the server does not come up: {answer:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The first column of the first row, as text.
    pub async fn text(&self, sql: &str) -> String {
        self.ask(&format!("SELECT x::text FROM ({sql}) AS t(x)")).await.unwrap()
    }

    /// Runs statements in a session of their own.
    pub async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// A session that stays.
    pub async fn session(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Kills one session the hard way, upon which the server recovers as after any crash.
    pub async fn crash(&self) {
        let recovered = "SELECT (pg_control_checkpoint()).redo_lsn::text";
        let before = self.ask(recovered).await.unwrap();
        let mut victim = PgConnection::connect(&self.url()).await.unwrap();
        let row = sqlx::raw_sql("SELECT pg_backend_pid()::text").fetch_one(&mut victim).await.unwrap();
        assert!(Command::new("kill").args(["-KILL", row.get(0)]).status().unwrap().success());
        self.ask_until(recovered, &before).await;
    }
}

fn as_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Who runs servers in place of root.
fn user() -> String {
    std::env::var("AUTHCON_TEST_POSTGRES_USER").unwrap_or_else(|_| "postgres".to_owned())
}

/// A new directory that belongs to whoever runs the server.
fn directory() -> PathBuf {
    let directory = std::env::temp_dir().join(format!("auth-consistency-{:016x}", rand::random::<u64>()));
    std::fs::create_dir(&directory).unwrap();
    if as_root() {
        assert!(Command::new("chown").arg(user()).arg(&directory).status().unwrap().success());
    }
    directory
}

fn program(path: &Path) -> Command {
    if !as_root() {
        return Command::new(path);
    }
    // PostgreSQL refuses to be run by root.
    let mut command = Command::new("setpriv");
    let group = Command::new("id").args(["-g", &user()]).output().unwrap().stdout;
    let group = String::from_utf8(group).unwrap();
    command.args(["--reuid", &user(), "--regid", group.trim(), "--init-groups", "--"]).arg(path);
    command.current_dir("/");
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
