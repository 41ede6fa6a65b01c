//! What PostgreSQL 15 did away with: statistics that another process collects.

use auth_consistency::{api::condition::Reason as R, pass::ScanMode};

use super::steady::{APP, RULES};
use crate::support::{Case, Db, HASH, Server, USUAL};

#[tokio::test]
#[ignore = "needs PostgreSQL 13 or 14"]
async fn a_row_that_the_collector_learns_of_late_shows_when_it_has_and_is_never_denied_by_a_deep_look() {
    let server = Server::new(&Db::new("").await).await;
    server.run(&APP.replace("HASH", HASH)).await;
    let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
    let mut case = Case::with_database(database, &format!("{USUAL}{RULES}"));
    case.look = ScanMode::Incremental;
    case.secret("db", "url", &server.url());
    while case.repair().await.outcome().relied != 3 {
        tokio::task::yield_now().await;
    }
    // A session that stays tells of what it wrote when it does something again.
    let mut app = server.session().await;
    sqlx::raw_sql("SET session_replication_role = replica").execute(&mut app).await.unwrap();
    sqlx::raw_sql("INSERT INTO logs VALUES (9, 4711)").execute(&mut app).await.unwrap();
    let pass = case.repair().await;
    assert!(pass.outcome().relied == 3 || pass.finding(R::OrphanRows).rows == Some(1));
    case.look = ScanMode::Full;
    assert_eq!(case.check().await.finding(R::OrphanRows).rows, Some(1));
    case.look = ScanMode::Incremental;
    let mut later = case.repair().await;
    while later.outcome().relied == 3 {
        later.consistent();
        sqlx::raw_sql("SELECT 1").execute(&mut app).await.unwrap();
        later = case.repair().await;
    }
    assert_eq!(later.finding(R::OrphanRows).rows, Some(1));
    assert_eq!(later.outcome().relied, 0);
}
