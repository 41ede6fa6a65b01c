//! Columns that cannot hold what a repair would write there: told when it is planned, and counted all the same.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

/// The admin with this id and ada 2; `rest` makes orphans.
async fn users(id: &str, admin: &str, rest: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id {id} PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ('{admin}', 'admin@example.com', '{HASH}', 'admin'), ('2', 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {rest}; RESET session_replication_role;"
    ))
    .await
}

const REASSIGN: &str = "references: {onOrphan: Reassign, limits: {rows: 100, percent: 100}}";

fn reassigning() -> String {
    format!("{USUAL}{REASSIGN}\n")
}

#[tokio::test]
async fn rows_whose_column_cannot_hold_the_admins_id_are_refused_and_the_others_given() {
    let db = users(
        "int",
        "100000",
        "CREATE TABLE a_logs (id int PRIMARY KEY, user_id smallint REFERENCES users);
         CREATE TABLE b_logs (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO a_logs VALUES (1, 7), (2, 8); INSERT INTO b_logs VALUES (1, 7)",
    )
    .await;
    let mut case = Case::new(&db, &reassigning());
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Reassign, "b_logs.user_id", 1)]);
    let found = pass.finding(R::OrphanRows);
    assert_eq!((found.rows, found.blocked), (Some(2), Some(R::RepairUnsupported)));
    assert!(
        found.message.contains("column \"user_id\" is smallint and cannot hold 100000"),
        "{}",
        found.message
    );
    assert_eq!(db.changes(&before).await, ["- b_logs (1,7)", "+ b_logs (1,100000)"]);
    case.settled(&db).await;
    // What it says to do ends it.
    db.run(
        "ALTER TABLE a_logs DROP CONSTRAINT a_logs_user_id_fkey, ALTER user_id TYPE int; \
         ALTER TABLE a_logs ADD CONSTRAINT a_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    let not_valid = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
    case.repair().await.found(&[not_valid]).repaired(&[(A::Reassign, "a_logs.user_id", 2)]);
}

#[tokio::test]
async fn a_column_that_would_cut_the_admins_id_or_forbids_it_is_refused_too() {
    let columns = [
        ("varchar(5)", ""),
        ("short", "CREATE DOMAIN short AS text CHECK (length(VALUE) < 6)"),
        ("cut", "CREATE DOMAIN cut AS varchar(5)"),
    ];
    for (column, domain) in columns {
        let db = users(
            "text",
            "admin-1",
            &format!(
                "{domain}; CREATE TABLE logs (id int PRIMARY KEY, user_id {column} REFERENCES users);
                 INSERT INTO logs VALUES (1, 'gone'), (2, 'lost')"
            ),
        )
        .await;
        let mut case = Case::new(&db, &reassigning());
        let before = db.snapshot().await;
        let pass = case.repair().await;
        let found = pass.finding(R::OrphanRows);
        assert_eq!((found.rows, found.blocked), (Some(2), Some(R::RepairUnsupported)), "{column}");
        assert!(found.message.contains("cannot hold admin-1"), "{column}: {}", found.message);
        assert_eq!(db.changes(&before).await, [""; 0], "{column}");
    }
}

#[tokio::test]
async fn a_unique_column_that_cannot_hold_the_admins_id_is_counted() {
    let db = users(
        "int",
        "100000",
        "CREATE TABLE profiles (id int PRIMARY KEY, user_id smallint UNIQUE REFERENCES users);
         INSERT INTO profiles VALUES (1, 7), (2, 8)",
    )
    .await;
    for (repair, blocked) in [("Reassign", Some(R::RepairUnsupported)), ("Report", None), ("SetNull", None)] {
        let mut case = Case::new(&db, &format!("{USUAL}references: {{onOrphan: {repair}}}\n"));
        let pass = case.check().await;
        let found = pass.finding(R::OrphanRows);
        assert_eq!((found.rows, found.blocked), (Some(2), blocked), "{repair}");
        assert_eq!(pass.outcome().references.as_ref().unwrap().checked, 1, "{repair}");
    }
}

#[tokio::test]
async fn a_unique_column_of_another_type_is_counted_whatever_the_repair() {
    // After a move to uuids an old table of one row per user still has integers.
    let db = Db::new(&format!(
        "CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ('00000000-0000-4000-8000-00000000000a', 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE profiles (id int PRIMARY KEY, user_id int UNIQUE); INSERT INTO profiles VALUES (1, 1), (2, 2)"
    ))
    .await;
    for repair in ["Report", "Reassign", "SetNull", "Delete"] {
        let rules = "rules: [{table: profiles, columns: [user_id], declared: true}]";
        let mut case = Case::new(&db, &format!("{USUAL}references: {{onOrphan: {repair}, {rules}}}\n"));
        let pass = case.check().await;
        let found = pass.finding(R::OrphanRows);
        assert_eq!(found.rows, Some(2), "{repair}");
        // To whom a value of another type belongs is not told by its text; that it is nobody's, is.
        assert_eq!(found.blocked.is_some(), repair == "Reassign", "{repair}");
        match repair {
            "SetNull" => pass.plans(&[(A::SetNull, "profiles.user_id", 2, true)]),
            "Delete" => pass.plans(&[(A::Delete, "profiles.user_id", 2, true)]),
            _ => pass.plans(&[]),
        };
    }
}

#[tokio::test]
async fn an_id_moves_only_where_every_row_that_names_the_account_can_follow() {
    let db = users(
        "int",
        "9",
        "CREATE TABLE logs (id int PRIMARY KEY, user_id smallint REFERENCES users);
         CREATE TABLE mail (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 9), (2, 2); INSERT INTO mail VALUES (1, 9)",
    )
    .await;
    let mut case = Case::new(&db, &format!("{USUAL}  id: '100000'\n"));
    let narrow = (R::IdTypeDiffers, C::SchemaCompatible, None);
    let found = &[(R::AdminIdDiffers, C::AdminConsistent, Some(R::RepairUnsupported)), narrow];
    let pass = case.reports(&db, found).await;
    let message = pass.finding(R::AdminIdDiffers).message;
    assert!(
        message.contains("1 row of logs.user_id would have to name it, and column \"user_id\" is smallint"),
        "{message}"
    );
    // A column that cannot hold it and names somebody else is in nobody's way.
    db.run("DELETE FROM logs WHERE user_id = 9").await;
    let changes = &[
        "- mail (1,9)",
        "+ mail (1,100000)",
        "- users (9,admin@example.com,HASH,admin,t)",
        "+ users (100000,admin@example.com,HASH,admin,t)",
    ];
    let found = &[(R::AdminIdDiffers, C::AdminConsistent, None), narrow];
    case.mends_first(&db, found, &[(A::MoveId, "users", 2)], changes).await.found(&[narrow]);
}

#[tokio::test]
async fn rows_are_not_given_back_to_people_whose_new_ids_the_column_cannot_hold() {
    let db = users(
        "int",
        "1",
        "INSERT INTO users (id, email, hashed_password) VALUES (100000, 'bob@example.com', 'x');
         CREATE TABLE logs (id int PRIMARY KEY, user_id smallint UNIQUE REFERENCES users);
         CREATE TABLE mail (id int PRIMARY KEY, user_id int REFERENCES users);
         INSERT INTO logs VALUES (1, 7), (2, 2); INSERT INTO mail VALUES (1, 7)",
    )
    .await;
    let spec = format!(
        "{USUAL}references: {{onOrphan: Remap, limits: {{rows: 100, percent: 100}}, identities: {{configMapRef: {{name: people, key: list}}}}}}\n"
    );
    let mut case = Case::new(&db, &spec);
    case.config_map(
        "people",
        "list",
        "id,login\n7,bob@example.com\n2,ada@example.com\n1,admin@example.com\n",
    );
    let before = db.snapshot().await;
    // An id that was given out again may be another one's, so it waits.
    case.repair().await.plans(&[(A::Remap, "mail.user_id", 1, true)]);
    let pass = case.approve().await;
    pass.repaired(&[(A::Remap, "mail.user_id", 1)]);
    let found = pass.finding(R::OrphanRows);
    assert_eq!((found.rows, found.blocked), (Some(1), Some(R::RepairUnsupported)));
    assert!(found.message.contains("is smallint and cannot hold every new id"), "{}", found.message);
    assert_eq!(db.changes(&before).await, ["- mail (1,7)", "+ mail (1,100000)"]);
}
