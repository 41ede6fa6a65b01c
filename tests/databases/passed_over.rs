//! A step that the database refuses for good keeps no other step from being done, but for those that rest on it.

use auth_consistency::api::{condition::Reason as R, report::Action as A};

use crate::support::{Case, Db, USUAL, admin_and_ada};

/// Rows of nobody in three tables.
const THREE: &str = "CREATE TABLE a (id int PRIMARY KEY, user_id int REFERENCES users);
    CREATE TABLE b (id int PRIMARY KEY, user_id int REFERENCES users);
    CREATE TABLE c (id int PRIMARY KEY, user_id int REFERENCES users);
    INSERT INTO a VALUES (1, 7), (2, 7); INSERT INTO b VALUES (1, 7); INSERT INTO c VALUES (1, 7)";

const REFUSE: &str =
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON a FOR EACH ROW EXECUTE FUNCTION refuse()";

fn spec(repair: &str, rows: i64) -> String {
    format!("{USUAL}references: {{onOrphan: {repair}, limits: {{rows: {rows}, percent: 100}}}}\n")
}

#[tokio::test]
async fn what_a_trigger_refuses_keeps_no_other_table_from_being_repaired() {
    let db = admin_and_ada(THREE).await;
    db.run(REFUSE).await;
    let mut case = Case::new(&db, &spec("Delete", 100));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "b.user_id", 1), (A::Delete, "c.user_id", 1)]);
    let failed = pass.finding(R::RepairFailed);
    assert!(failed.message.starts_with("Delete of a.user_id was not done: "), "{}", failed.message);
    assert_eq!(&pass.conditions()[..2], ["Ready=False RepairFailed", "Stalled=True RepairFailed"]);
    assert_eq!(db.changes(&before).await, ["- b (1,7)", "- c (1,7)"]);
    // A later pass finds new ones in other tables, and is not kept from those either.
    db.run("SET session_replication_role = replica; INSERT INTO c VALUES (2, 8)").await;
    case.repair().await.repaired(&[(A::Delete, "c.user_id", 1)]);
    db.run("DROP TRIGGER refuse ON a").await;
    case.repair().await.consistent().repaired(&[(A::Delete, "a.user_id", 2)]);
    case.settled(&db).await;
}

#[tokio::test]
async fn what_a_check_refuses_keeps_no_other_table_from_being_repaired() {
    // What a function of the app says of a row is not asked for beforehand.
    let db = admin_and_ada(&format!(
        "{THREE}; CREATE FUNCTION above(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > $2';
         ALTER TABLE b ADD CHECK (above(user_id, id))"
    ))
    .await;
    let pass = Case::new(&db, &spec("Reassign", 100)).repair().await;
    pass.repaired(&[(A::Reassign, "a.user_id", 2), (A::Reassign, "c.user_id", 1)]);
    assert!(pass.finding(R::RepairFailed).message.contains("SQLSTATE 23514"));
}

#[tokio::test]
async fn a_foreign_key_is_not_validated_without_its_rows_and_the_others_are() {
    let db = admin_and_ada(
        "CREATE TABLE a (id int PRIMARY KEY, user_id int); CREATE TABLE b (id int PRIMARY KEY, user_id int);
         INSERT INTO a VALUES (1, 7); INSERT INTO b VALUES (1, 7);
         ALTER TABLE a ADD CONSTRAINT a_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         ALTER TABLE b ADD CONSTRAINT b_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    db.run(REFUSE).await;
    let yaml = format!(
        "{USUAL}references: {{onOrphan: Delete, constraint: Validate, limits: {{rows: 100, percent: 100}}}}\n"
    );
    let mut case = Case::new(&db, &yaml);
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "b.user_id", 1), (A::ValidateConstraint, "b.user_id", 0)]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.ends_with("what rests on it waits: ValidateConstraint of a.user_id"), "{message}");
    db.run("DROP TRIGGER refuse ON a").await;
    case.repair()
        .await
        .consistent()
        .repaired(&[(A::Delete, "a.user_id", 1), (A::ValidateConstraint, "a.user_id", 0)]);
}

#[tokio::test]
async fn rows_are_not_given_to_an_admin_who_could_not_be_made_and_all_else_is_done() {
    let db = admin_and_ada(THREE).await;
    db.run("DELETE FROM users WHERE id = 1; ALTER TABLE users ADD CHECK (role <> 'admin')").await;
    let yaml = format!(
        "{USUAL}  id: '1'\nreferences: {{onOrphan: Reassign, limits: {{rows: 100, percent: 100}}, rules: [{{table: c, onOrphan: Delete}}]}}\n"
    );
    let mut case = Case::new(&db, &yaml);
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "c.user_id", 1)]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.starts_with("Seed of users was not done: "), "{message}");
    assert!(
        message.ends_with("what rests on it waits: Reassign of a.user_id, Reassign of b.user_id"),
        "{message}"
    );
}

#[tokio::test]
async fn an_approved_step_that_was_refused_goes_on_under_its_approval_and_the_others_are_done() {
    let db = admin_and_ada(THREE).await;
    db.run(REFUSE).await;
    let mut case = Case::new(&db, &spec("Delete", 0));
    case.repair().await.repaired(&[]);
    let pass = case.approve().await;
    pass.repaired(&[(A::Delete, "b.user_id", 1), (A::Delete, "c.user_id", 1)]);
    // New rows were not approved; what was approved and refused is done when it is not refused any more.
    db.run("DROP TRIGGER refuse ON a; SET session_replication_role = replica; INSERT INTO b VALUES (2, 7)")
        .await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "a.user_id", 2)]).plans(&[(A::Delete, "b.user_id", 1, true)]);
    let open = "SELECT count(*) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL AND closed_at IS NULL";
    assert_eq!(db.text(open).await, "0");
}

/// Two rows of nobody, of whom the id 7 is to be the admin's, whom a condition refuses.
async fn claimed() -> (Db, Case) {
    let db = admin_and_ada(
        "CREATE TABLE a (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO a VALUES (1, 7), (2, 8);
         CREATE TABLE names (id int PRIMARY KEY, email text REFERENCES users (email)); INSERT INTO names VALUES (1, 'gone')",
    )
    .await;
    db.run(
        "DELETE FROM users WHERE id = 1; ALTER TABLE users ADD CONSTRAINT no_admins CHECK (role <> 'admin')",
    )
    .await;
    let yaml =
        format!("{USUAL}  id: '7'\nreferences: {{onOrphan: Delete, limits: {{rows: 100, percent: 100}}}}\n");
    let mut case = Case::new(&db, &yaml);
    // What names nobody's id is done at once, the others are the sign that 7 was somebody.
    let pass = case.repair().await;
    pass.repaired(&[(A::Delete, "names.email", 1)]);
    pass.plans(&[(A::Seed, "users", 1, true), (A::Delete, "a.user_id", 2, true)]);
    let pass = case.approve().await;
    pass.repaired(&[]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.ends_with("what rests on it waits: Delete of a.user_id"), "{message}");
    (db, case)
}

#[tokio::test]
async fn an_id_that_rows_name_and_that_the_database_refused_is_given_under_its_approval() {
    let (db, mut case) = claimed().await;
    case.repair().await.repaired(&[]);
    assert_eq!(db.text("SELECT count(*) FROM a").await, "2");
    db.run("ALTER TABLE users DROP CONSTRAINT no_admins").await;
    let pass = case.repair().await;
    pass.repaired(&[(A::Seed, "users", 1), (A::Delete, "a.user_id", 1)]).consistent();
    assert_eq!(db.text("SELECT email FROM users WHERE id = 7").await, "admin@example.com");
    assert_eq!(db.text("SELECT user_id FROM a").await, "7", "what names the id is the admin's");
    case.settled(&db).await;
    let approved = "SELECT count(*) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL";
    assert_eq!(db.text(approved).await, "1", "one approval, one run");
}

#[tokio::test]
async fn rows_that_name_an_id_stay_while_it_cannot_be_given_whatever_was_approved() {
    let (db, mut case) = claimed().await;
    case.secret("admin", "password", &"p4ssw0rd".repeat(10));
    case.repair().await.repaired(&[]);
    case.repair().await.repaired(&[]);
    assert_eq!(db.text("SELECT count(*) FROM a").await, "2");
}

#[tokio::test]
async fn a_foreign_key_that_was_validated_under_an_approval_is_not_validated_again_under_it() {
    let db = admin_and_ada(
        "CREATE TABLE a (id int PRIMARY KEY, user_id int REFERENCES users); CREATE TABLE b (id int PRIMARY KEY, user_id int);
         INSERT INTO a VALUES (1, 7); INSERT INTO b VALUES (1, 7);
         ALTER TABLE b ADD CONSTRAINT b_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    db.run(REFUSE).await;
    let yaml =
        format!("{USUAL}references: {{onOrphan: Delete, constraint: Validate, limits: {{rows: 0}}}}\n");
    let mut case = Case::new(&db, &yaml);
    case.repair().await.repaired(&[]);
    case.approve().await.repaired(&[(A::Delete, "b.user_id", 1), (A::ValidateConstraint, "b.user_id", 0)]);
    // The run is kept open for the rows of a. Somebody makes the foreign key anew, and new rows name nobody.
    db.run(
        "ALTER TABLE b DROP CONSTRAINT b_fk; INSERT INTO b VALUES (2, 8);
         ALTER TABLE b ADD CONSTRAINT b_fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
    )
    .await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    let failed: Vec<String> = pass
        .outcome()
        .findings()
        .into_iter()
        .filter(|one| one.finding == R::RepairFailed)
        .map(|one| one.message)
        .collect();
    assert!(failed.len() == 1 && failed[0].starts_with("Delete of a.user_id was not done: "), "{failed:?}");
    assert_eq!(db.text("SELECT convalidated FROM pg_constraint WHERE conname = 'b_fk'").await, "false");
    // A new plan, a new approval.
    db.run("DROP TRIGGER refuse ON a").await;
    case.repair()
        .await
        .repaired(&[(A::Delete, "a.user_id", 1)])
        .plans(&[(A::Delete, "b.user_id", 1, true), (A::ValidateConstraint, "b.user_id", 0, true)]);
    case.approve()
        .await
        .consistent()
        .repaired(&[(A::Delete, "b.user_id", 1), (A::ValidateConstraint, "b.user_id", 0)]);
}
