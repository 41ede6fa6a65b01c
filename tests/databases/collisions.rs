//! Rows for which the admin's unique keys have no room: `onCollision`.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
    spec::OnCollision,
};
use proptest::{prelude::*, test_runner::Config};

use crate::support::{Case, Db, HASH, USUAL, admin_and_ada as with};

fn spec(more: &str) -> String {
    format!(
        "{USUAL}references: {{onOrphan: Reassign, onCollision: DeleteOrphan, limits: {{rows: 100000, percent: 100}}{more}}}\n"
    )
}

const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);

fn refused(why: R) -> [(R, C, Option<R>); 2] {
    [(R::OrphanRows, C::ReferencesConsistent, Some(why)), VIOLATED]
}

const ROLES: &str = "CREATE TABLE roles (user_id int REFERENCES users, role text, note text, PRIMARY KEY (user_id, role));
     INSERT INTO roles VALUES (1, 'editor', 'own'), (5, 'editor', 'ada'), (8, 'author', 'eight'), (8, 'editor', 'eight'),
       (9, 'author', 'nine'), (9, 'reader', 'nine')";

#[tokio::test]
async fn the_admin_s_row_stays_and_the_orphan_that_has_no_room_beside_it_is_kept_in_quarantine() {
    let db = with(ROLES).await;
    let mut case = Case::new(&db, &spec(""));
    let plan = case.check().await.status.plan.unwrap();
    assert_eq!(
        plan.steps[0].message,
        "give 4 rows of roles.user_id to admin@example.com, except for 2 that would collide in a unique key: \
         delete those, after copying them to quarantine"
    );
    let changes = [
        "- roles (8,author,eight)",
        "- roles (8,editor,eight)",
        "- roles (9,author,nine)",
        "- roles (9,reader,nine)",
        "+ roles (1,author,eight)",
        "+ roles (1,reader,nine)",
    ];
    case.mends(&db, &[ORPHANS, VIOLATED], &[(A::Reassign, "roles.user_id", 4)], &changes).await;
    let audit =
        "SELECT string_agg(format('%s %s', action, rows), ', ' ORDER BY action) FROM auth_consistency.audit";
    assert_eq!(db.text(audit).await, "Delete 2, Reassign 2");
    // And back again, all four.
    db.run(&format!(
        "INSERT INTO users VALUES (8, 'h@example.com', '{HASH}'), (9, 'n@example.com', '{HASH}')"
    ))
    .await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!(
        restored.iter().map(|one| (one.rows, one.blocked)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        (4, 0)
    );
    let roles =
        "SELECT string_agg(format('%s %s %s', user_id, role, note), ', ' ORDER BY user_id, role) FROM roles";
    assert_eq!(
        db.text(roles).await,
        "1 editor own, 5 editor ada, 8 author eight, 8 editor eight, 9 author nine, 9 reader nine"
    );
}

#[tokio::test]
async fn one_row_per_user_leaves_the_admin_with_the_first_and_with_its_own_if_it_has_one() {
    for (own, left) in [("(1, 'own'), ", "1 own"), ("", "1 eight")] {
        let db = with(&format!(
            "CREATE TABLE profiles (user_id int PRIMARY KEY REFERENCES users, name text);
             INSERT INTO profiles VALUES {own}(8, 'eight'), (9, 'nine')"
        ))
        .await;
        let mut case = Case::new(&db, &spec(""));
        case.repair().await.consistent().repaired(&[(A::Reassign, "profiles.user_id", 2)]);
        assert_eq!(
            db.text("SELECT string_agg(format('%s %s', user_id, name), ', ') FROM profiles").await,
            left
        );
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn nulls_leave_room_unless_the_key_says_that_they_are_equal() {
    for (key, left) in [("UNIQUE", 3), ("UNIQUE NULLS NOT DISTINCT", 1)] {
        let db = with(&format!(
            "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, role text, {key} (user_id, role));
             INSERT INTO roles VALUES (1, 1, NULL), (2, 8, NULL), (3, 9, NULL)"
        ))
        .await;
        let mut case = Case::new(&db, &spec(""));
        case.repair().await.consistent().repaired(&[(A::Reassign, "roles.user_id", 2)]);
        assert_eq!(db.text("SELECT count(*) FROM roles").await, left.to_string(), "{key}");
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn what_collides_across_chunks_is_as_many_as_the_plan_said() {
    // Ten orphans for each of 700 things, spread over the table; a third of the things are the admin's.
    let db = with(
        "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, thing int, UNIQUE (user_id, thing));
         INSERT INTO roles SELECT n, 9 + n / 700, n % 700 FROM generate_series(1, 7000) n;
         INSERT INTO roles SELECT -n, 1, n * 3 FROM generate_series(0, 233) n",
    )
    .await;
    let mut case = Case::new(&db, &spec(""));
    let plan = case.check().await.status.plan.unwrap();
    let removed = 7000 - (700 - 234);
    assert!(
        plan.steps[0].message.contains(&format!("except for {},{} that", removed / 1000, removed % 1000)),
        "{plan:?}"
    );
    case.repair().await.consistent().repaired(&[(A::Reassign, "roles.user_id", 7000)]);
    assert!(db.text("SELECT max(chunk) FROM auth_consistency.audit").await.parse::<i64>().unwrap() > 1);
    assert_eq!(
        db.text("SELECT count(*) || ' ' || count(DISTINCT thing) FROM roles WHERE user_id = 1").await,
        "700 700"
    );
    assert_eq!(db.text("SELECT count(*) FROM roles WHERE id <= 0").await, "234", "the admin's own rows stay");
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    assert_eq!(
        db.text(&format!("SELECT count(*) || ' ' || count(DISTINCT id) FROM auth_consistency.{kept}")).await,
        "7000 7000"
    );
    case.settled(&db).await;
}

#[tokio::test]
async fn a_rule_decides_for_its_table_and_waits_for_approval_above_the_limits() {
    let db = with(&format!(
        "{ROLES}; CREATE TABLE badges (user_id int PRIMARY KEY REFERENCES users); INSERT INTO badges VALUES (8), (9)"
    ))
    .await;
    let mut case =
        Case::new(&db, &spec(", rules: [{table: badges, onCollision: Report}]").replace("100000", "3"));
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(A::Reassign, "roles.user_id", 4, true)]);
    let blocked = waiting.report.as_ref().unwrap().findings.iter().filter(|one| one.blocked.is_some());
    let blocked: Vec<String> = blocked.map(|one| one.object.as_ref().unwrap().describe()).collect();
    assert_eq!(blocked, ["badges.user_id"]);
    let before = db.snapshot().await;
    // One more that collides is another plan.
    let old = waiting.status.plan.as_ref().unwrap().hash.clone().unwrap();
    db.run("SET session_replication_role = replica; UPDATE roles SET role = 'author' WHERE role = 'reader' AND false; \
        DELETE FROM roles WHERE role = 'reader'; INSERT INTO roles VALUES (9, 'editor', 'nine'); RESET session_replication_role")
        .await;
    case.repair_approved(&old).await.repaired(&[]);
    assert_eq!(db.changes(&before).await, ["- roles (9,reader,nine)", "+ roles (9,editor,nine)"]);
    case.approve().await.repaired(&[(A::Reassign, "roles.user_id", 4)]);
    assert_eq!(db.text("SELECT count(*) FROM roles WHERE user_id = 1").await, "2");
}

#[tokio::test]
async fn what_nobody_can_tell_beforehand_or_would_go_further_is_refused() {
    for (sql, why) in [
        (
            "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, role text);
             CREATE UNIQUE INDEX one_default ON roles (user_id) WHERE role = 'default';
             INSERT INTO roles VALUES (2, 8, 'editor')",
            "an expression or a condition",
        ),
        (
            "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users UNIQUE);
             CREATE TABLE grants (id int PRIMARY KEY, role_id int REFERENCES roles ON DELETE CASCADE);
             INSERT INTO roles VALUES (2, 8), (3, 9); INSERT INTO grants VALUES (1, 2)",
            "rows of other tables would go along",
        ),
    ] {
        let db = with(sql).await;
        let pass = Case::new(&db, &spec("")).reports(&db, &refused(R::UniqueKeyInTheWay)).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(message.contains(why), "{message}");
    }
    let db = with(ROLES).await;
    let role = db
        .role("GRANT USAGE ON SCHEMA public TO ROLE; GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ROLE; \
            CREATE SCHEMA auth_consistency AUTHORIZATION ROLE")
        .await;
    let mut case = Case::new(&db, &spec(""));
    case.secret("db", "url", &db.url_of(&role));
    let pass = case.repair().await;
    assert_eq!(pass.finding(R::OrphanRows).blocked, Some(R::PrivilegeMissing));
    assert!(pass.finding(R::OrphanRows).message.contains("may not DELETE from"));
    pass.repaired(&[]);
}

/// People 4 and 5 of before are one today, 30, and their rows would come to be equal: (30,1) twice, and (30,2)
/// beside the row that is there.
async fn merged() -> (Db, Case) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users (id, email, hashed_password, role) VALUES (1, 'admin@example.com', '{HASH}', 'admin'),
           (30, 'cy@example.com', '{HASH}', 'user');
         CREATE TABLE members (id serial PRIMARY KEY, user_id int REFERENCES users, team int, UNIQUE (user_id, team));
         SET session_replication_role = replica;
         INSERT INTO members (user_id, team) VALUES (4, 1), (5, 1), (4, 2), (5, 3), (30, 2);
         SELECT setval('users_id_seq', 40); RESET session_replication_role",
    ))
    .await;
    let mut case = Case::new(
        &db,
        &format!(
            "{USUAL}references: {{onOrphan: Remap, limits: {{rows: 1000, percent: 100}}, \
             identities: {{configMapRef: {{name: before, key: people.csv}}}}}}"
        ),
    );
    case.config_map("before", "people.csv", "id,login\n4,cy@example.com\n5,cy@example.com\n");
    (db, case)
}

const MEMBERS: &str =
    "SELECT string_agg(format('%s %s %s', id, user_id, team), ', ' ORDER BY id) FROM members";

#[tokio::test]
async fn two_people_merged_into_one_collide_in_a_unique_key_which_is_counted_and_named() {
    let (db, mut case) = merged().await;
    let pass = case.reports(&db, &refused(R::UniqueKeyInTheWay)).await;
    let message = pass.finding(R::OrphanRows).message;
    assert!(message.contains("3 rows would collide in the unique key members_user_id_team_key"), "{message}");
    assert!(message.contains("onCollision: DeleteOrphan"), "{message}");
    // Without those in the way the two are one.
    db.run("DELETE FROM members WHERE id IN (2, 5)").await;
    case.repair().await.repaired(&[]).plans(&[(A::Remap, "members.user_id", 3, true)]);
    case.approve().await.repaired(&[(A::Remap, "members.user_id", 3)]).consistent();
    assert_eq!(db.text(MEMBERS).await, "1 30 1, 3 30 2, 4 30 3");
}

#[tokio::test]
async fn where_two_people_are_one_the_row_of_today_stays_and_what_has_no_room_beside_it_is_kept() {
    let (db, mut case) = merged().await;
    case.edit(|spec| spec.references.on_collision = OnCollision::DeleteOrphan);
    let before = (db.text(MEMBERS).await, db.snapshot().await);
    let waiting = case.repair().await;
    waiting.repaired(&[]).plans(&[(A::Remap, "members.user_id", 4, true)]);
    let message = waiting.status.plan.as_ref().unwrap().steps[0].message.clone();
    assert!(message.contains("except for 2 that would collide in a unique key"), "{message}");
    assert_eq!(db.changes(&before.1).await, Vec::<String>::new());
    case.approve().await.repaired(&[(A::Remap, "members.user_id", 4)]).consistent();
    assert_eq!(db.text(MEMBERS).await, "1 30 1, 4 30 3, 5 30 2");
    let audit =
        "SELECT string_agg(format('%s %s', action, rows), ', ' ORDER BY action) FROM auth_consistency.audit";
    assert_eq!(db.text(audit).await, "Delete 2, Remap 2");
    case.settled(&db).await;
    // And back again, all four.
    db.run(&format!(
        "INSERT INTO users VALUES (4, 'h@example.com', '{HASH}'), (5, 'n@example.com', '{HASH}')"
    ))
    .await;
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    let counts = restored.iter().fold((0, 0), |all, one| (all.0 + one.rows, all.1 + one.blocked));
    assert_eq!(counts, (4, 0), "{restored:?}");
    assert_eq!(db.text(MEMBERS).await, before.0);
}

/// Rows by owner (0: the admin, 1: ada, above: nobody), and two things, of which 0 is NULL.
async fn what_is_kept_and_what_is_given_are_the_rows_of_before(rows: Vec<(u8, u8, u8)>, keys: usize) {
    let only = keys != 1;
    let keys = [
        "UNIQUE (user_id, a)",
        "UNIQUE (user_id, a), UNIQUE (b, user_id)",
        "UNIQUE NULLS NOT DISTINCT (user_id, a, b)",
    ][keys];
    let mut sql = format!(
        "CREATE TABLE roles (id int PRIMARY KEY, user_id int REFERENCES users, a int, b int, {keys})"
    );
    for (at, (user, a, b)) in rows.iter().enumerate() {
        let user = match user {
            0 => 1,
            1 => 5,
            n => 6 + n,
        };
        sql.push_str(&format!(
            "; INSERT INTO roles VALUES ({at}, {user}, NULLIF({a}, 0), NULLIF({b}, 0)) ON CONFLICT DO NOTHING"
        ));
    }
    let db = with(&sql).await;
    let all = "SELECT r FROM roles r ORDER BY id";
    let before = db.texts(all).await;
    let own = db.texts("SELECT r FROM roles r WHERE user_id <= 5 ORDER BY id").await;
    let orphans = i64::try_from(before.len() - own.len()).unwrap();
    let mut case = Case::new(&db, &spec(""));
    let pass = case.repair().await;
    if orphans == 0 {
        assert_eq!(db.texts(all).await, before);
        return;
    }
    pass.consistent().repaired(&[(A::Reassign, "roles.user_id", orphans)]);
    let now = db.texts(all).await;
    assert!(own.iter().all(|row| now.contains(row)), "rows that name somebody stay as they were");
    // Whatever was removed really had no room; with two keys, what it would have collided with may have been
    // removed itself.
    let kept = db.text("SELECT name FROM auth_consistency.quarantine").await;
    let removed = db
        .texts(&format!("SELECT format('INSERT INTO roles VALUES (%s, 1, %L, %L)', id, a, b) FROM auth_consistency.{kept} WHERE id NOT IN (SELECT id FROM roles)"))
        .await;
    assert_eq!(now.len() + removed.len(), before.len());
    for insert in removed.into_iter().filter(|_| only) {
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(insert.clone()))
            .execute(&mut *db.connection().await)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("duplicate key"), "{insert}: {refused}");
    }
    case.settled(&db).await;
    for user in 8..16 {
        db.run(&format!("INSERT INTO users VALUES ({user}, '{user}@example.com', '{HASH}', 'user')")).await;
    }
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    assert_eq!(restored.iter().map(|one| one.blocked).sum::<i64>(), 0, "{restored:?}");
    assert_eq!(db.texts(all).await, before, "a restore gives back the old rows");
}

#[test]
fn whatever_collides_no_more_is_removed_than_has_no_room_and_all_of_it_comes_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 16, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    proptest!(config, |(rows in prop::collection::vec((0_u8..8, 0_u8..4, 0_u8..4), 0..30), keys in 0_usize..3)| {
        runtime.block_on(what_is_kept_and_what_is_given_are_the_rows_of_before(rows, keys));
    });
}
