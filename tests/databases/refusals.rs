//! Repairs that are refused when they are planned, and those that the database refuses.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

/// The admin 1 and ada 5; `sql` makes the rest with triggers off, so that orphans are possible.
async fn with(sql: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user');
         SET session_replication_role = replica; {sql}; RESET session_replication_role;"
    ))
    .await
}

fn spec(on_orphan: &str) -> String {
    format!("{USUAL}references: {{onOrphan: {on_orphan}, limits: {{rows: 100, percent: 100}}}}\n")
}

const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);

fn refused(why: R) -> [(R, C, Option<R>); 2] {
    [(R::OrphanRows, C::ReferencesConsistent, Some(why)), VIOLATED]
}

#[tokio::test]
async fn rows_that_carry_credentials_are_never_given_to_the_admin() {
    for (sql, rule) in [
        (
            "CREATE TABLE api_keys (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO api_keys VALUES (1, 9)",
            "",
        ),
        (
            "CREATE TABLE things (id int PRIMARY KEY, user_id int REFERENCES users, refresh_token text); INSERT INTO things VALUES (1, 9)",
            "",
        ),
        (
            "CREATE TABLE badges (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO badges VALUES (1, 9)",
            "{table: badges, credentials: true}",
        ),
    ] {
        let db = with(sql).await;
        let mut case =
            Case::new(&db, &spec("Reassign").replace("limits", &format!("rules: [{rule}], limits")));
        let pass = case.reports(&db, &refused(R::ReassignRefused)).await;
        assert!(pass.finding(R::OrphanRows).message.contains("use Delete"));
        assert_eq!(pass.conditions()[0], "Ready=False ReassignRefused");
    }
    // Without a rule that says so, the same table is none of credentials; Delete is always possible.
    let db = with("CREATE TABLE api_keys (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO api_keys VALUES (1, 9)").await;
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None), VIOLATED];
    let steps = &[(A::Delete, "api_keys.user_id", 1)];
    Case::new(&db, &spec("Delete")).mends(&db, found, steps, &["- api_keys (1,9)"]).await;
}

#[tokio::test]
async fn a_column_that_may_not_be_null_is_not_set_to_null() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    Case::new(&db, &spec("SetNull")).reports(&db, &refused(R::SetNullRefused)).await;
}

#[tokio::test]
async fn a_domain_that_may_not_be_null_is_not_set_to_null() {
    let db = with(
        "CREATE DOMAIN member AS int NOT NULL; CREATE DOMAIN person AS member;
         CREATE TABLE logs (id int PRIMARY KEY, user_id person REFERENCES users); INSERT INTO logs VALUES (1, 9)",
    )
    .await;
    Case::new(&db, &spec("SetNull")).reports(&db, &refused(R::SetNullRefused)).await;
}

#[tokio::test]
async fn rows_that_would_collide_in_a_unique_key_are_not_given_to_the_admin() {
    for key in
        ["UNIQUE (user_id, role)", "UNIQUE NULLS NOT DISTINCT (user_id, role)", "PRIMARY KEY (user_id, role)"]
    {
        let id = if key.starts_with("PRIMARY") { "id int" } else { "id int PRIMARY KEY" };
        let db = with(&format!(
            "CREATE TABLE roles ({id}, user_id int REFERENCES users, role text, {key});
             INSERT INTO roles VALUES (1, 1, 'editor'), (2, 9, 'editor'), (3, 9, 'author')"
        ))
        .await;
        let pass = Case::new(&db, &spec("Reassign")).reports(&db, &refused(R::UniqueKeyInTheWay)).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(message.contains("2 rows would collide in the unique key roles_"), "{message}");
    }
    // Two orphans may collide with each other, though the admin has no row.
    let db = with(
        "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, role text, UNIQUE (user_id, role));
         INSERT INTO roles VALUES (2, 8, 'editor'), (3, 9, 'editor')",
    )
    .await;
    Case::new(&db, &spec("Reassign")).reports(&db, &refused(R::UniqueKeyInTheWay)).await;
    let db = with(
        "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, role text);
         CREATE UNIQUE INDEX one_default ON roles (user_id) WHERE role = 'default';
         INSERT INTO roles VALUES (2, 8, 'editor')",
    )
    .await;
    Case::new(&db, &spec("Reassign")).reports(&db, &refused(R::UniqueKeyInTheWay)).await;
}

#[tokio::test]
async fn a_primary_key_that_holds_the_reference_is_reassigned_where_nothing_collides() {
    let db = with(
        "CREATE TABLE roles (user_id int REFERENCES users, role text, PRIMARY KEY (user_id, role));
         INSERT INTO roles VALUES (9, 'editor'), (8, 'author'), (1, 'root')",
    )
    .await;
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None), VIOLATED];
    let changes = &["- roles (8,author)", "- roles (9,editor)", "+ roles (1,author)", "+ roles (1,editor)"];
    let steps = &[(A::Reassign, "roles.user_id", 2)];
    let mut case = Case::new(&db, &spec("Reassign"));
    case.mends(&db, found, steps, changes).await;
    // And back again: the row is found under the key that the repair gave it.
    db.run(&format!(
        "INSERT INTO users VALUES (8, 'h@example.com', '{HASH}'), (9, 'n@example.com', '{HASH}')"
    ))
    .await;
    let before = db.snapshot().await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!((restored[0].rows, restored[0].blocked), (2, 0), "{restored:?}");
    let changes = ["- roles (1,author)", "- roles (1,editor)", "+ roles (8,author)", "+ roles (9,editor)"];
    assert_eq!(db.changes(&before).await, changes);
}

#[tokio::test]
async fn rows_that_others_depend_on_are_not_deleted() {
    for (dependents, says) in [
        (
            "CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts); INSERT INTO likes VALUES (1, 1)",
            "likes.likes_post_id_fkey: 1 row, which it forbids",
        ),
        (
            "CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE CASCADE); INSERT INTO likes VALUES (1, 1);
             CREATE TABLE notes (id int PRIMARY KEY, like_id int REFERENCES likes ON DELETE CASCADE); INSERT INTO notes VALUES (1, 1)",
            "notes.notes_like_id_fkey: 1 row, by way of likes",
        ),
        (
            "CREATE TABLE likes (post_id int REFERENCES posts ON DELETE SET NULL); INSERT INTO likes VALUES (1), (1)",
            "likes.likes_post_id_fkey: 2 rows, which have no primary key",
        ),
        (
            "CREATE TABLE likes (id int PRIMARY KEY, post_id int DEFAULT 2 REFERENCES posts ON DELETE SET DEFAULT); INSERT INTO likes VALUES (1, 1)",
            "likes.likes_post_id_fkey: 1 row, which it forbids",
        ),
        (
            "ALTER TABLE posts ADD parent int REFERENCES posts ON DELETE CASCADE; INSERT INTO posts VALUES (3, 5, 1)",
            "posts.posts_parent_fkey: 1 row, of the same table",
        ),
        (
            "ALTER TABLE users ADD pinned int REFERENCES posts ON DELETE CASCADE; UPDATE users SET pinned = 1 WHERE id = 5",
            "users.users_pinned_fkey: 1 row, which are accounts",
        ),
    ] {
        let db = with(&format!(
            "CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO posts VALUES (1, 9), (2, 5); {dependents}"
        ))
        .await;
        let pass = Case::new(&db, &spec("Delete")).reports(&db, &refused(R::RepairUnsupported)).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(message.contains(says), "{says}: {message}");
    }
    // A foreign key by which nothing depends on the orphans is in nobody's way.
    let db = with(
        "CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users);
         CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts);
         INSERT INTO posts VALUES (1, 9), (2, 5); INSERT INTO likes VALUES (1, 2)",
    )
    .await;
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None), VIOLATED];
    let steps = &[(A::Delete, "posts.user_id", 1)];
    Case::new(&db, &spec("Delete")).mends(&db, found, steps, &["- posts (1,9)"]).await;
}

#[tokio::test]
async fn an_ambiguous_admin_is_nobody_s_heir() {
    let db = with(&format!(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9);
         INSERT INTO users VALUES (6, 'Admin@example.com', '{HASH}', 'user')"
    ))
    .await;
    let [orphan, constraint] = refused(R::AdminAmbiguous);
    let ambiguous = (R::AdminAmbiguous, C::AdminConsistent, None);
    Case::new(&db, &spec("Reassign")).reports(&db, &[ambiguous, orphan, constraint]).await;
}

const RAISES: &str = "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN RAISE EXCEPTION ''kept by the app''; END'";
const KEEPS: &str = "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'";

#[tokio::test]
async fn a_trigger_that_raises_or_keeps_rows_back_undoes_the_chunk() {
    for (trigger, says) in
        [(RAISES, "a trigger or function of the app refused it"), (KEEPS, "a trigger may keep them back")]
    {
        for (on_orphan, event, action) in [
            ("Delete", "DELETE", A::Delete),
            ("SetNull", "UPDATE", A::SetNull),
            ("Reassign", "UPDATE", A::Reassign),
        ] {
            let db = with(&format!(
                "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9);
                 {trigger}; CREATE TRIGGER guard BEFORE {event} ON logs FOR EACH ROW EXECUTE FUNCTION guard()"
            ))
            .await;
            let mut case = Case::new(&db, &spec(on_orphan));
            let before = db.snapshot().await;
            let pass = case.repair().await;
            pass.repaired(&[]).plans(&[(action, "logs.user_id", 1, false)]);
            let failed = pass.finding(R::RepairFailed);
            assert!(failed.message.contains(says), "{}", failed.message);
            assert_eq!(failed.condition, C::ReferencesConsistent);
            assert_eq!(db.changes(&before).await, [""; 0]);
            assert_eq!(db.text("SELECT count(*) FROM auth_consistency.audit").await, "0");
            assert_eq!(db.text("SELECT count(*) FROM auth_consistency.quarantine").await, "0");
            // A repair that fails every time leaves no more behind than one that failed once.
            let rows = "SELECT (SELECT count(*) FROM auth_consistency.runs) + (SELECT count(*) FROM auth_consistency.step_keys)";
            let left = db.text(rows).await;
            case.repair().await.finding(R::RepairFailed);
            assert_eq!(db.text(rows).await, left);
            db.run("DROP TRIGGER guard ON logs").await;
            case.repair().await.consistent().repaired(&[(action, "logs.user_id", 1)]);
        }
    }
}

#[tokio::test]
async fn a_trigger_that_keeps_the_admin_out_is_told() {
    let db = with(&format!(
        "DELETE FROM users WHERE id = 1; {KEEPS}; \
        CREATE TRIGGER guard BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION guard()"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains("trigger"), "{message}");
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn a_trigger_that_changes_the_admin_back_is_told() {
    let db = with("UPDATE users SET role = 'user' WHERE id = 1; \
        CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.role := OLD.role; RETURN NEW; END'; \
        CREATE TRIGGER guard BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION guard()").await;
    let mut case = Case::new(&db, USUAL);
    let before = db.snapshot().await;
    let pass = case.repair().await;
    assert_eq!(db.changes(&before).await, [""; 0]);
    assert_eq!(pass.conditions()[0], "Ready=False RepairFailed");
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains("trigger"), "{message}");
    pass.repaired(&[]);
}

#[tokio::test]
async fn two_resources_for_one_user_table_never_both_repair() {
    let db = with("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO logs VALUES (1, 9)").await;
    let found = (R::OrphanRows, C::ReferencesConsistent, None);
    let mut first = Case::new(&db, &spec("SetNull"));
    first.repair().await.consistent().repaired(&[(A::SetNull, "logs.user_id", 1)]);
    db.run(
        "SET session_replication_role = replica; UPDATE logs SET user_id = 9; RESET session_replication_role",
    )
    .await;
    let mut rival = first.rival(&db);
    let claimed = (R::TargetClaimed, C::SchemaCompatible, None);
    let pass = rival.reports(&db, &[claimed, found, VIOLATED]).await;
    assert_eq!(&pass.conditions()[..2], ["Ready=False TargetClaimed", "Stalled=True TargetClaimed"]);
    assert!(pass.finding(R::TargetClaimed).message.contains("probeops/probeops"));
    rival.requests.take_claim = Some("33333333-3333-4333-8333-333333333333".into());
    rival.reports(&db, &[claimed, found, VIOLATED]).await;
    let claim = "SELECT format('%s/%s', owner, takes) FROM auth_consistency.claims";
    rival.requests.take_claim = Some(db.text(claim).await);
    rival.repair().await.consistent().repaired(&[(A::SetNull, "logs.user_id", 1)]);
    rival.settled(&db).await;
    // The first one is the rival now, though it may still say the annotation's value of then.
    first.reports(&db, &[claimed]).await;
    // A resource that only observes claims nothing and is in nobody's way.
    first.edit(|spec| spec.mode = serde_saphyr::from_str("Observe").unwrap());
    first.repair().await.consistent();
}
