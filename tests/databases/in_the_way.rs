//! Constraints that refuse rows as a repair would make them: told when it is planned, with a way on that is gone here.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::{
    remap::{REMAP, moved, old_world},
    support::{Case, Db, HASH, USUAL, admin_and_ada as with},
};

fn spec(on_orphan: &str, column: &str) -> String {
    format!(
        "{USUAL}references: {{limits: {{rows: 100, percent: 100}}, rules: [{{table: desks, columns: [{column}], declared: true, onOrphan: {on_orphan}, onCollision: DeleteOrphan}}]}}\n"
    )
}

fn refused(why: R) -> [(R, C, Option<R>); 1] {
    [(R::OrphanRows, C::ReferencesConsistent, Some(why))]
}

/// A repair is refused when it is planned, with these words, and nothing is written; the statement that they print
/// ends it.
async fn is_refused(db: &Db, on_orphan: &str, why: R, said: &str, then: (A, i64)) {
    let mut case = Case::new(db, &spec(on_orphan, "who"));
    let message = case.reports(db, &refused(why)).await.finding(R::OrphanRows).message;
    assert!(message.contains(said), "{message}");
    let (_, statement) = message.split_once("or drop that constraint first (").unwrap();
    db.run(statement.split_once(')').unwrap().0).await;
    case.repair().await.consistent().repaired(&[(then.0, "desks.who", then.1)]);
}

#[tokio::test]
async fn rows_that_may_not_name_nobody_by_a_check_are_not_set_to_null() {
    for (check, said) in [
        (
            "(who IS NULL) <> (team IS NULL)",
            "the CHECK \"one Of\" refuses NULL in 2 rows; use Reassign or Delete",
        ),
        ("num_nonnulls(who, team) >= 1", "refuses NULL in 2 rows"),
        ("who IS NOT NULL OR kind = 'free'", "refuses NULL in 1 row"),
        ("who IS NOT NULL", "refuses NULL in 3 rows"),
    ] {
        let db = with(&format!(
            "CREATE TABLE desks (id int PRIMARY KEY, who int, team int, kind text);
             INSERT INTO desks VALUES (1, 1, NULL, 'own'), (2, 8, NULL, 'free'), (3, 9, NULL, 'own'), (4, 9, 3, 'free');
             ALTER TABLE desks ADD CONSTRAINT \"one Of\" CHECK ({check}) NOT VALID"
        ))
        .await;
        is_refused(&db, "SetNull", R::SetNullRefused, said, (A::SetNull, 3)).await;
    }
}

#[tokio::test]
async fn a_check_that_takes_the_rows_as_they_will_be_keeps_nothing_from_being_done() {
    for check in ["who IS NULL OR who < 100", "who IS NOT NULL OR team IS NULL", "num_nulls(who, team) < 3"] {
        let db = with(&format!(
            "CREATE TABLE desks (id int PRIMARY KEY, who int, team int, CHECK ({check}));
             INSERT INTO desks VALUES (2, 8, NULL), (3, 9, NULL)"
        ))
        .await;
        let found = &[(R::OrphanRows, C::ReferencesConsistent, None)];
        let changes = ["- desks (2,8,)", "- desks (3,9,)", "+ desks (2,,)", "+ desks (3,,)"];
        Case::new(&db, &spec("SetNull", "who"))
            .mends(&db, found, &[(A::SetNull, "desks.who", 2)], &changes)
            .await;
    }
}

#[tokio::test]
async fn rows_whose_checks_on_several_columns_refuse_the_admin_are_not_given_to_it() {
    let db = with(
        "CREATE TABLE desks (id int PRIMARY KEY, who int, boss int, CONSTRAINT others CHECK (who <> boss));
         INSERT INTO desks VALUES (1, 1, 5), (2, 8, 1), (3, 9, 5)",
    )
    .await;
    let said = "the CHECK \"others\" refuses the admin's id in 1 row; use SetNull or Delete";
    is_refused(&db, "Reassign", R::RepairUnsupported, said, (A::Reassign, 2)).await;
}

#[tokio::test]
async fn no_check_runs_somebodys_code_to_find_out() {
    let db = with(
        "CREATE FUNCTION own(int, int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'run'; END $$;
         CREATE TABLE desks (id int PRIMARY KEY, who int, team int);
         INSERT INTO desks VALUES (2, 8, NULL); ALTER TABLE desks ADD CONSTRAINT own CHECK (own(who, team)) NOT VALID",
    )
    .await;
    let mut case = Case::new(&db, &spec("SetNull", "who"));
    case.check().await.found(&[(R::OrphanRows, C::ReferencesConsistent, None)]);
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert_eq!(db.changes(&before).await, [""; 0]);
    assert!(pass.finding(R::RepairFailed).message.contains("P0001"));
    // What only the database can tell is told with a way on, and that is gone.
    db.run("CREATE OR REPLACE FUNCTION own(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 IS NOT NULL'").await;
    let message = case.repair().await.repaired(&[]).finding(R::RepairFailed).message;
    let said = "constraint \"own\", table public.desks: choose another onOrphan for it in spec.references.rules, or change";
    assert!(message.contains(said), "{message}");
    let mut case = Case::new(&db, &spec("Delete", "who"));
    case.repair().await.consistent().repaired(&[(A::Delete, "desks.who", 1)]);
}

#[tokio::test]
async fn rows_that_would_be_equal_by_their_nulls_are_not_set_to_null() {
    let db = with(
        "CREATE TABLE desks (id int PRIMARY KEY, who int, room int);
         INSERT INTO desks VALUES (1, 1, 7), (2, 8, 7), (3, 9, 7), (4, 8, 4), (5, NULL, 4), (6, 9, 2), (7, 1, 3)",
    )
    .await;
    db.run("ALTER TABLE desks ADD CONSTRAINT once UNIQUE NULLS NOT DISTINCT (who, room)").await;
    let mut case = Case::new(&db, &spec("SetNull", "who"));
    let message = case.reports(&db, &refused(R::SetNullRefused)).await.finding(R::OrphanRows).message;
    let said = "3 rows would be equal in the unique key \"once\", for which NULL equals NULL; use Reassign or Delete";
    assert!(message.ends_with(said), "{message}");
    let mut case = Case::new(&db, &spec("Delete", "who"));
    case.repair().await.consistent().repaired(&[(A::Delete, "desks.who", 4)]);
}

#[tokio::test]
async fn rows_that_an_exclusion_keeps_from_standing_beside_others_are_not_given() {
    for exclude in [
        "EXCLUDE USING gist (int4range(who, who, '[]') WITH &&, days WITH &&)",
        "EXCLUDE USING gist (days WITH &&, (int4range(coalesce(who, 0), who, '[]')) WITH =)",
    ] {
        let db = with(&format!(
            "CREATE TABLE desks (id int PRIMARY KEY, who int, days int4range, CONSTRAINT \"No two\" {exclude});
             INSERT INTO desks VALUES (1, 1, '[1,5)'), (2, 8, '[3,8)'), (3, 9, '[10,12)'), (4, 5, '[1,20)')"
        ))
        .await;
        let said = "the EXCLUDE constraint \"No two\" refuses 1 row beside others of the admin; use Delete, or merge them";
        is_refused(&db, "Reassign", R::UniqueKeyInTheWay, said, (A::Reassign, 2)).await;
    }
    // Those that would stand beside each other, and a kind of index that holds one column alone.
    let db = with(
        "CREATE TABLE desks (id int PRIMARY KEY, who int, CONSTRAINT one EXCLUDE (who WITH =)); INSERT INTO desks VALUES (2, 8), (3, 9)",
    )
    .await;
    is_refused(&db, "Reassign", R::UniqueKeyInTheWay, "refuses 2 rows", (A::Reassign, 2)).await;
}

#[tokio::test]
async fn an_exclusion_that_has_room_keeps_nothing_from_being_given() {
    let db = with(
        "CREATE TABLE desks (id int PRIMARY KEY, who int, days int4range, EXCLUDE USING gist (int4range(who, who, '[]') WITH &&, days WITH &&));
         INSERT INTO desks VALUES (1, 1, '[1,5)'), (2, 8, '[6,8)'), (3, 9, NULL), (4, 5, '[1,20)')",
    )
    .await;
    let found = &[(R::OrphanRows, C::ReferencesConsistent, None)];
    let changes = ["- desks (2,8,\"[6,8)\")", "- desks (3,9,)", "+ desks (2,1,\"[6,8)\")", "+ desks (3,1,)"];
    let mut case = Case::new(&db, &spec("Reassign", "who"));
    case.mends(&db, found, &[(A::Reassign, "desks.who", 2)], &changes).await;
}

/// What is refused when it is planned, with these words; the constraint is dropped as they say.
async fn dropped(db: &Db, case: &mut Case, reason: (R, R), said: &str) {
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    pass.repaired(&[]);
    assert_eq!(db.fingerprint().await, before);
    let findings = pass.outcome().findings();
    let told = findings.iter().find(|one| one.message.contains(said));
    let told = told.unwrap_or_else(|| panic!("{said}: {findings:?}"));
    assert_eq!((told.finding, told.blocked), (reason.0, Some(reason.1)), "{told:?}");
    let (_, statement) = told.message.split_once("or drop that constraint first (").unwrap();
    db.run(statement.split_once(')').unwrap().0).await;
}

#[tokio::test]
async fn constraints_that_refuse_rows_as_their_people_would_have_them_are_told_before_they_go_back() {
    for (constraint, reason, said) in [
        (
            "CHECK (user_id <> 3 OR note <> 'old') NOT VALID",
            R::RepairUnsupported,
            "the CHECK \"Kept so\" refuses today's ids in 3 rows; correct these rows by hand",
        ),
        (
            "EXCLUDE USING gist (int4range(user_id, user_id, '[]') WITH &&, span WITH &&)",
            R::UniqueKeyInTheWay,
            "the EXCLUDE constraint \"Kept so\" refuses 1 row beside others of the same people; correct these rows by hand",
        ),
    ] {
        let db = old_world().await;
        let mut case = moved(&db, REMAP).await;
        // One of bob's old rows would stand where his new one does.
        db.run(
            "ALTER TABLE logs ADD span int4range; UPDATE logs SET span = int4range(id, id + 1);
             UPDATE logs SET span = (SELECT span FROM logs WHERE note = 'new, bob') \
             WHERE id = (SELECT min(id) FROM logs WHERE user_id = 3 AND note = 'old')",
        )
        .await;
        db.run(&format!("ALTER TABLE logs ADD CONSTRAINT \"Kept so\" {constraint}")).await;
        dropped(&db, &mut case, (R::IdentityShifted, reason), said).await;
        case.repair().await.plans(&[(A::Remap, "logs.user_id", 9, true)]);
        case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
    }
}

#[tokio::test]
async fn constraints_that_take_the_rows_keep_nobody_from_getting_them_back() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run(
        "ALTER TABLE logs ADD span int4range; UPDATE logs SET span = int4range(id, id + 1);
         ALTER TABLE logs ADD CHECK (user_id <> 7 OR note <> 'old'), \
         ADD EXCLUDE USING gist (int4range(user_id, user_id, '[]') WITH &&, span WITH &&)",
    )
    .await;
    case.repair().await.plans(&[(A::Remap, "logs.user_id", 9, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
}

/// Ada 5 and the admin 9, whose id should be 1.
async fn numbered(sql: &str) -> (Db, Case) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, boss int);
         INSERT INTO users VALUES (5, 'ada@example.com', '{HASH}', 'user'), (9, 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE desks (id int PRIMARY KEY, who int REFERENCES users, beside int REFERENCES users, days int4range);
         INSERT INTO desks VALUES (1, 9, 5, '[1,5)'), (2, 5, 9, '[4,9)'), (3, 9, 9, '[20,22)'), (4, 5, 5, '[30,31)'); {sql}"
    ))
    .await;
    let case = Case::new(&db, &format!("{USUAL}  id: '1'\n"));
    (db, case)
}

#[tokio::test]
async fn constraints_that_refuse_the_rows_of_an_account_by_its_new_id_are_told_before_it_moves() {
    for (sql, reason, said) in [
        (
            "ALTER TABLE desks ADD CONSTRAINT \"Far\" CHECK (who > 1 OR beside > 4)",
            R::RepairUnsupported,
            "the CHECK \"Far\" of desks refuses the id 1 in 1 row: choose another id, ",
        ),
        (
            "UPDATE users SET boss = 1 WHERE id = 9; ALTER TABLE users ADD CONSTRAINT own CHECK (boss <> id)",
            R::RepairUnsupported,
            "the CHECK \"own\" of users refuses the id 1 in 1 row: ",
        ),
        (
            "ALTER TABLE desks ADD CONSTRAINT one EXCLUDE USING gist \
             ((CASE WHEN who < 2 THEN int4range(1, 99) ELSE int4range(id, id + 1) END) WITH &&)",
            R::UniqueKeyInTheWay,
            "the EXCLUDE constraint \"one\" of desks refuses the id 1 in 3 rows: ",
        ),
    ] {
        let (db, mut case) = numbered(sql).await;
        dropped(&db, &mut case, (R::AdminIdDiffers, reason), said).await;
        case.repair().await.consistent().repaired(&[(A::MoveId, "users", 4)]);
    }
    let (_db, mut case) = numbered(
        "ALTER TABLE desks ADD CHECK (who <> 1 OR beside <> 7), \
         ADD EXCLUDE USING gist (int4range(who, who, '[]') WITH &&, days WITH &&)",
    )
    .await;
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 4)]);
}

#[tokio::test]
async fn what_only_the_database_can_tell_of_a_move_names_the_constraint_and_a_way_on() {
    const OWN: &str = "CREATE FUNCTION own(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS \
        'SELECT $1 NOT IN (1, 3) OR $2 LIKE ''new%''';";
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run(&format!("{OWN} ALTER TABLE logs ADD CONSTRAINT \"Own\" CHECK (own(user_id, note)) NOT VALID"))
        .await;
    case.repair().await.plans(&[(A::Remap, "logs.user_id", 9, true)]);
    let rows = "SELECT format('%s %s %s', id, user_id, note) FROM logs ORDER BY id";
    let before = db.texts(rows).await;
    let message = case.approve().await.repaired(&[]).finding(R::RepairFailed).message;
    let said = "constraint \"Own\", table public.logs: choose another onOrphan for it in spec.references.rules, or change";
    assert!(message.contains(said), "{message}");
    assert_eq!(db.texts(rows).await, before);

    let own = format!("{OWN} ALTER TABLE desks ADD CONSTRAINT \"Own\" CHECK (own(who, 'x'))");
    let (db, mut case) = numbered(&own).await;
    let rows = "SELECT desks::text FROM desks UNION ALL SELECT users::text FROM users ORDER BY 1";
    let before = db.texts(rows).await;
    let message = case.repair().await.repaired(&[]).finding(R::RepairFailed).message;
    let said = "constraint \"Own\", table public.desks: leave the id out of the spec or choose another one, or change what refuses it first";
    assert!(message.contains(said), "{message}");
    assert_eq!(db.texts(rows).await, before);
    // The way on: what refuses it is changed.
    db.run(
        "CREATE OR REPLACE FUNCTION own(int, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'",
    )
    .await;
    case.repair().await.consistent().repaired(&[(A::MoveId, "users", 4)]);
}
