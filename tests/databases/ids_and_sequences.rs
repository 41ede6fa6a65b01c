//! An account that gets an id which the sequence has not come to takes the sequence along, in the same plan.

use auth_consistency::api::{condition::Reason as R, report::Action as A};

use crate::support::{Case, Db, HASH, USUAL};

async fn world(rows: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (email, hashed_password, role) VALUES ('admin@example.com', '{HASH}', 'admin'), ('ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 1), (2, 2); {rows}"
    ))
    .await
}

fn moving(db: &Db, id: &str, more: &str) -> Case {
    Case::new(db, &format!("{}{more}", USUAL.replace("admin:\n", &format!("admin:\n  id: \"{id}\"\n"))))
}

const ADVANCED: (A, &str, i64) = (A::AdvanceSequence, "users_id_seq", 0);

#[tokio::test]
async fn an_id_that_moves_above_the_sequence_leaves_no_sequence_behind() {
    let db = world("").await;
    let mut case = moving(&db, "900", "");
    let pass = case.repair().await;
    pass.consistent().repaired(&[ADVANCED, (A::MoveId, "users", 2)]);
    assert_eq!(db.text("SELECT user_id FROM logs WHERE id = 1").await, "900");
    case.settled(&db).await;
    assert_eq!(db.text("SELECT nextval('users_id_seq')").await, "901");
}

#[tokio::test]
async fn a_move_that_waits_keeps_the_sequence_where_it_is() {
    let db = world("").await;
    let mut case = moving(&db, "900", "references: {limits: {rows: 0}}\n");
    let sequence = "SELECT last_value FROM users_id_seq";
    let waiting = case.repair().await;
    waiting
        .repaired(&[])
        .plans(&[(A::AdvanceSequence, "users_id_seq", 0, true), (A::MoveId, "users", 2, true)]);
    assert!(waiting.outcome().findings().iter().all(|one| one.finding != R::SequenceBehind));
    assert_eq!(db.text(sequence).await, "2");
    case.approve().await.consistent().repaired(&[ADVANCED, (A::MoveId, "users", 2)]);
    assert_eq!(db.text(sequence).await, "900");
}

#[tokio::test]
async fn an_account_that_is_made_with_an_id_of_its_own_leaves_no_sequence_behind() {
    let db = world("DELETE FROM logs WHERE id = 1; DELETE FROM users WHERE id = 1").await;
    let mut case = moving(&db, "40", "");
    case.repair().await.consistent().repaired(&[ADVANCED, (A::Seed, "users", 1)]);
    case.settled(&db).await;
    assert_eq!(db.text("SELECT nextval('users_id_seq')").await, "41");
}

#[tokio::test]
async fn an_id_that_would_use_most_of_the_sequence_up_moves_alone_and_the_sequence_is_told() {
    let db = world("").await;
    let mut case = moving(&db, "2000000000", "");
    case.repair().await.repaired(&[(A::MoveId, "users", 2)]);
    assert_eq!(db.text("SELECT last_value FROM users_id_seq").await, "2");
    assert!(case.check().await.finding(R::SequenceBehind).message.contains("2000000000"));
}

#[tokio::test]
async fn an_id_below_the_sequence_moves_and_the_sequence_stays() {
    let db = world("SELECT setval('users_id_seq', 50)").await;
    let mut case = moving(&db, "7", "");
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 2)]);
    assert_eq!(db.text("SELECT last_value FROM users_id_seq").await, "50");
}
