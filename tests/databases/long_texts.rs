//! Texts of the catalog are as long as whoever owns the object makes them: what is too long is not known, and the rest
//! is looked at as ever.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL, admin_and_ada};

const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);

#[tokio::test]
async fn a_check_of_three_megabytes_is_not_known_and_hides_no_other_table() {
    let list = "(SELECT string_agg((1000000 + n)::text, ',') FROM generate_series(1, {}) n)";
    let one = format!("'{{' || {} || '}}'", list.replace("{}", "400000"));
    let many = format!("'{{' || {} || '}}'", list.replace("{}", "4000"));
    for (what, checks) in [
        (
            "one of three megabytes",
            format!("EXECUTE format('ALTER TABLE notes ADD CHECK (user_id <> ALL (%L))', {one});"),
        ),
        (
            "six hundred of thirty thousand characters",
            format!(
                "FOR round IN 1..600 LOOP EXECUTE format('ALTER TABLE notes ADD CHECK (user_id <> ALL (%L))', {many}); END LOOP;"
            ),
        ),
    ] {
        let db = admin_and_ada(
            "CREATE TABLE notes (id int PRIMARY KEY, user_id int REFERENCES users);
             CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
             INSERT INTO notes VALUES (1, 9); INSERT INTO posts VALUES (1, 9)",
        )
        .await;
        db.run(&format!("SET session_replication_role = origin; DO $$ BEGIN {checks} END $$")).await;
        let mut case = Case::new(
            &db,
            &format!("{USUAL}references: {{onOrphan: Reassign, limits: {{rows: 100, percent: 100}}}}\n"),
        );
        let steps = &[(A::Reassign, "notes.user_id", 1), (A::Reassign, "posts.user_id", 1)];
        let changes = ["- notes (1,9)", "+ notes (1,1)", "- posts (1,9)", "+ posts (1,1)"];
        let pass = case.mends(&db, &[ORPHANS, ORPHANS, VIOLATED, VIOLATED], steps, &changes).await;
        assert_eq!(pass.status.references.unwrap().checked, 2, "{what}");
    }
}

#[tokio::test]
async fn a_collations_version_of_half_a_megabyte_is_told_by_its_beginning_and_hides_no_other_table() {
    let db = Db::new(&format!(
        "CREATE COLLATION theirs (provider = icu, locale = 'en');
         UPDATE pg_collation SET collversion = repeat('x', 500000) WHERE collname = 'theirs';
         CREATE TABLE users (id text PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL,
           role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE notes (id int PRIMARY KEY, user_id text COLLATE theirs);
         CREATE TABLE posts (id int PRIMARY KEY, user_id text REFERENCES users);
         DO $$ BEGIN FOR n IN 1..40 LOOP EXECUTE format('CREATE INDEX by_%s ON notes (user_id)', n); END LOOP; END $$;
         ALTER TABLE notes ADD FOREIGN KEY (user_id) REFERENCES users;
         SET session_replication_role = replica; INSERT INTO notes VALUES (1, '9'); INSERT INTO posts VALUES (1, '9')"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.check().await;
    assert_eq!(pass.finding(R::OrphanRows).object.unwrap().describe(), "posts.user_id");
    let untrusted = pass.finding(R::IndexUntrusted);
    assert_eq!(untrusted.object.unwrap().describe(), "notes.user_id");
    assert!(untrusted.message.contains(&format!("version {} of", "x".repeat(64))), "{}", untrusted.message);
}
