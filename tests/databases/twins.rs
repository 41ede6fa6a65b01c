//! Several foreign keys about one thing: two on one column are one reference, one to a partition of the user
//! table is told, and what depends on rows that move with an id keeps it from moving when that is planned.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL, admin_and_ada as with};

fn spec(more: &str) -> String {
    format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 1000, percent: 100}}{more}}}\n")
}

const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const UNVALIDATED: (R, C, Option<R>) = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);
const DISABLED: (R, C, Option<R>) = (R::ConstraintDisabled, C::SchemaCompatible, None);
const UNREAD: (R, C, Option<R>) = (R::RowsUnreadable, C::ReferencesConsistent, None);

const POSTS: &str = "CREATE TABLE posts (id int PRIMARY KEY, user_id int, note text); INSERT INTO posts VALUES (1, 1, 'a'), (2, 9, 'x'), (3, 9, 'y');
    ALTER TABLE posts ADD CONSTRAINT fk_rails_5b5ddfd518 FOREIGN KEY (user_id) REFERENCES users NOT VALID";

#[tokio::test]
async fn two_foreign_keys_on_one_column_are_one_reference_and_both_are_looked_after() {
    let second = "ALTER TABLE posts ADD CONSTRAINT posts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE NOT VALID";
    let db = with(&format!("{POSTS}; {second}")).await;
    let mut case = Case::new(&db, &spec(", constraint: Validate"));
    let check = case.check().await;
    assert_eq!(check.finding(R::OrphanRows).rows, Some(2));
    let references = check.report.as_ref().unwrap().references.clone().unwrap();
    assert_eq!((references.checked, references.orphan_rows), (1, 2), "{references:?}");
    case.mends(
        &db,
        &[ORPHANS, UNVALIDATED, UNVALIDATED],
        &[
            (A::Delete, "posts.user_id", 2),
            (A::ValidateConstraint, "posts.user_id", 0),
            (A::ValidateConstraint, "posts.user_id", 0),
        ],
        &["- posts (2,9,x)", "- posts (3,9,y)"],
    )
    .await;
    let valid = "SELECT bool_and(convalidated) FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(db.text(valid).await, "true");
}

#[tokio::test]
async fn each_of_two_foreign_keys_on_one_column_says_for_itself_what_is_wrong_with_it() {
    let second = "ALTER TABLE posts ADD CONSTRAINT posts_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
        UPDATE pg_constraint SET convalidated = true WHERE conname = 'posts_user_id_fkey'";
    let db = with(&format!("{POSTS}; {second}")).await;
    let mut case = Case::new(&db, &spec(""));
    case.check().await.found(&[ORPHANS, UNVALIDATED, VIOLATED]);
    case.repair().await.found(&[UNVALIDATED]).repaired(&[(A::Delete, "posts.user_id", 2)]);
    case.settled(&db).await;
    // The triggers of the second are its own, for a hint too.
    case.look = auth_consistency::pass::ScanMode::Incremental;
    case.repair().await;
    case.repair().await;
    db.run(
        "DO $$ DECLARE one name; BEGIN FOR one IN SELECT tgname FROM pg_trigger t JOIN pg_constraint c ON c.oid = tgconstraint
           WHERE conname = 'posts_user_id_fkey' AND tgrelid = 'posts'::regclass LOOP
           EXECUTE format('ALTER TABLE posts DISABLE TRIGGER %I', one); END LOOP; END $$",
    )
    .await;
    case.repair().await.found(&[UNVALIDATED, DISABLED]).repaired(&[]);
}

#[tokio::test]
async fn two_foreign_keys_that_name_two_columns_of_users_are_two_references() {
    let db = with(&format!(
        "ALTER TABLE users ADD legacy int UNIQUE; UPDATE users SET legacy = id + 100; {POSTS};
         ALTER TABLE posts ADD CONSTRAINT by_legacy FOREIGN KEY (user_id) REFERENCES users (legacy) NOT VALID"
    ))
    .await;
    let check = Case::new(&db, &spec("").replace("Delete", "Report")).check().await;
    let rows: Vec<Option<i64>> = check
        .outcome()
        .findings()
        .iter()
        .filter(|one| one.finding == R::OrphanRows)
        .map(|one| one.rows)
        .collect();
    assert_eq!(rows, [Some(3), Some(2)]);
}

#[tokio::test]
async fn a_foreign_key_to_a_partition_of_the_user_table_is_told_and_counted_when_a_rule_says_so() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, role text DEFAULT 'user', is_active boolean DEFAULT true) PARTITION BY RANGE (id);
         CREATE TABLE users_a PARTITION OF users FOR VALUES FROM (0) TO (100);
         CREATE TABLE users_b PARTITION OF users FOR VALUES FROM (100) TO (200);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (150, 'b@example.com', '{HASH}', 'user');
         CREATE TABLE vip (id int PRIMARY KEY, user_id int); INSERT INTO vip VALUES (1, 150), (2, 160);
         ALTER TABLE vip ADD CONSTRAINT vip_fk FOREIGN KEY (user_id) REFERENCES users_b NOT VALID"
    ))
    .await;
    let mut case = Case::new(&db, &spec(""));
    let told = case.reports(&db, &[UNREAD]).await.finding(R::RowsUnreadable);
    assert_eq!(
        told.message,
        "vip.user_id could not be checked, so nothing is claimed about it: the foreign key vip_fk references public.users_b, a partition of the user table, and is not compared with that alone: declare the column by a rule in spec.references.rules, so that it is compared with the whole table, or ignore it there"
    );
    let rule = |more: &str| format!(", rules: [{{table: vip, columns: [user_id], {more}}}]");
    let mut case = Case::new(&db, &spec(&rule("declared: true")));
    let before = db.snapshot().await;
    case.repair().await.consistent().repaired(&[(A::Delete, "vip.user_id", 1)]);
    assert_eq!(db.changes(&before).await, ["- vip (2,160)"]);
    db.run("ALTER TABLE vip DROP CONSTRAINT vip_fk; INSERT INTO vip VALUES (3, 170); ALTER TABLE vip ADD CONSTRAINT vip_fk FOREIGN KEY (user_id) REFERENCES users_b NOT VALID").await;
    Case::new(&db, &spec(&rule("ignore: true, reason: billing"))).check().await.consistent();
}

/// The admin has the id 2 and is to have 1; tags are named by votes, which name the user beside the tag.
async fn votes(votes: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (2, 'admin@example.com', '{HASH}', 'admin'), (3, 'b@example.com', '{HASH}', 'user');
         CREATE TABLE tags (user_id int REFERENCES users, tag text, PRIMARY KEY (user_id, tag)); INSERT INTO tags VALUES (2, 'a'), (2, 'b'), (3, 'a');
         CREATE TABLE tag_votes (id int PRIMARY KEY, user_id int, tag text, CONSTRAINT votes_fk FOREIGN KEY (user_id, tag) REFERENCES tags {votes});
         INSERT INTO tag_votes VALUES (1, 2, 'a'), (2, 2, 'a'), (3, 3, 'a')"
    ))
    .await
}

/// Moves the id, once that is approved where it has to be.
async fn moves(case: &mut Case) {
    let done = case.repair().await;
    if case.status.plan.as_ref().is_some_and(|plan| plan.hash.is_some()) {
        case.approve().await.consistent();
    } else {
        done.consistent();
    }
}

fn moving(more: &str) -> String {
    format!("{}{more}", USUAL.replace("admin:\n", "admin:\n  id: \"1\"\n"))
}

#[tokio::test]
async fn an_id_is_not_planned_to_move_that_rows_of_other_tables_hold_where_it_is() {
    for (votes_fk, does) in [
        ("", "which the foreign key forbids"),
        ("ON UPDATE RESTRICT", "which the foreign key forbids"),
        ("DEFERRABLE INITIALLY DEFERRED", "which the foreign key forbids"),
        ("ON UPDATE CASCADE", "and the move would go on to them (ON UPDATE)"),
    ] {
        let db = votes(votes_fk).await;
        let mut case = Case::new(&db, &moving(""));
        let refused = (R::AdminIdDiffers, C::AdminConsistent, Some(R::RepairUnsupported));
        let message = case.reports(&db, &[refused]).await.finding(R::AdminIdDiffers).message;
        let expected = format!(
            "and it is not moved: 2 rows of tag_votes (user_id, tag) name rows of public.tags by the id (votes_fk), {does}: declare tag_votes.user_id by a rule in spec.references.rules, so that it moves along, or take those rows away first"
        );
        assert!(message.ends_with(&expected), "{votes_fk}: {message}");
        // The way that is named is one.
        let rule = "references: {rules: [{table: tag_votes, columns: [user_id], declared: true}]}\n";
        let mut case = Case::new(&db, &moving(rule));
        moves(&mut case).await;
        assert_eq!(
            db.texts("SELECT user_id FROM tag_votes ORDER BY id").await,
            ["1", "1", "3"],
            "{votes_fk}"
        );
        assert_eq!(db.texts("SELECT user_id FROM tags ORDER BY tag, user_id").await, ["1", "3", "1"]);
    }
}

#[tokio::test]
async fn an_id_moves_where_nothing_depends_on_the_rows_that_name_it() {
    let db = votes("").await;
    db.run("DELETE FROM tag_votes WHERE user_id = 2").await;
    let mut case = Case::new(&db, &moving(""));
    moves(&mut case).await;
    assert_eq!(db.texts("SELECT id FROM users ORDER BY id").await, ["1", "3"]);
}

#[tokio::test]
async fn a_foreign_key_that_is_not_looked_at_and_holds_the_id_is_told_before_it_is_moved() {
    let db = votes("").await;
    db.run("DROP TABLE tag_votes; CREATE TABLE bills (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO bills VALUES (1, 2)").await;
    let ignored =
        "references: {rules: [{table: bills, columns: [user_id], ignore: true, reason: billing}]}\n";
    let mut case = Case::new(&db, &moving(ignored));
    let refused = (R::AdminIdDiffers, C::AdminConsistent, Some(R::RepairUnsupported));
    let message = case.reports(&db, &[refused]).await.finding(R::AdminIdDiffers).message;
    assert!(message.contains("1 row of bills.user_id names it (bills_user_id_fkey), which the foreign key forbids: let bills.user_id be checked, so that it moves along"), "{message}");
}
