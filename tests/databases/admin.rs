//! The admin is there, works, and has the id that tokens say.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, USUAL, HASH};

/// A FastAPI app's table with two users.
fn users(id: &str) -> String {
    format!(
        "CREATE TABLE users (id {id}, email varchar(255) NOT NULL UNIQUE, hashed_password varchar(255) NOT NULL, \
         role varchar NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);"
    )
}

fn people() -> String {
    format!("INSERT INTO users (email, hashed_password) VALUES ('ada@example.com', '{HASH}'), ('brook@example.com', '{HASH}');")
}

#[tokio::test]
async fn a_missing_admin_is_seeded_with_the_next_id_of_a_serial_column() {
    let db = Db::new(&format!("{}{}", users("serial PRIMARY KEY"), people())).await;
    let mut case = Case::new(&db, USUAL);
    let before = (db.snapshot().await, db.fingerprint().await);

    let check = case.check().await;
    check.found(&[(R::AdminMissing, C::AdminConsistent, None)]);
    check.plans(&[(A::Seed, "users", 1, false)]);
    check.shows(&[
        "Ready=False AdminMissing",
        "Stalled=True AdminMissing",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=True Compatible",
        "AdminConsistent=False AdminMissing",
        "ReferencesConsistent=True Consistent",
    ]);
    assert_eq!(db.fingerprint().await, before.1, "a check writes nothing");

    let repair = case.repair().await;
    repair.consistent().repaired(&[(A::Seed, "users", 1)]);
    assert_eq!(db.changes(&before.0).await, ["+ users (3,admin@example.com,HASH,admin,t)"]);
    case.settled(&db).await;
}
