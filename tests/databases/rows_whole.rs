//! A row that one run changed more than once goes back whole, as it was first, or not at all.

use auth_consistency::api::report::Action as A;
use auth_consistency::engine::Restored;

use crate::{
    exchange::profiles_by,
    remap::REMAP,
    support::{Case, Db, HASH, USUAL, admin_and_ada as with},
};

fn spec(references: &str) -> String {
    format!("{USUAL}references: {{limits: {{rows: 1000, percent: 100}}, {references}}}\n")
}

/// The users that rows of nobody name in these tests.
fn users(ids: &[i32]) -> String {
    let one = |id: &i32| format!("({id}, 'u{id}@example.com', '{HASH}', 'user')");
    format!("INSERT INTO users VALUES {}", ids.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Rows that are back, and that stayed, by step.
fn counts(restored: &[Restored]) -> Vec<(A, String, i64, i64)> {
    restored.iter().map(|one| (one.action, one.object.describe(), one.rows, one.blocked)).collect()
}

fn counted(action: A, object: &str, rows: i64, blocked: i64) -> (A, String, i64, i64) {
    (action, object.to_owned(), rows, blocked)
}

const TWO: &str = "CREATE TABLE tasks (id int PRIMARY KEY, owner int REFERENCES users, user_id int REFERENCES users, title text);
    INSERT INTO tasks VALUES (1, 71, 72, 't'), (2, 71, 5, 'u'), (3, 5, 72, 'v'), (4, 1, 5, 'w')";

/// Both references of each row are repaired in one run.
async fn repaired(sql: &str, references: &str) -> (Db, Case, String, Vec<String>) {
    let db = with(sql).await;
    let mut case = Case::new(&db, &spec(references));
    let before = db.texts("SELECT t FROM tasks t ORDER BY id").await;
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    (db, case, run, before)
}

#[tokio::test]
async fn of_a_row_with_two_references_nothing_goes_back_while_one_of_them_cannot() {
    for on_orphan in ["Reassign", "SetNull"] {
        let (db, case, run, before) = repaired(TWO, &format!("onOrphan: {on_orphan}")).await;
        let (first, now) = (before, db.texts("SELECT t FROM tasks t ORDER BY id").await);
        // Of the two that row 1 names, one comes back.
        for (back, rows) in [(71, vec![2]), (72, vec![2, 3, 1])] {
            db.run(&users(&[back])).await;
            let restored = case.restore(&run).await.unwrap();
            let expected: Vec<&String> =
                (1..=4).map(|id| if rows.contains(&id) { &first[id - 1] } else { &now[id - 1] }).collect();
            let found = db.texts("SELECT t FROM tasks t ORDER BY id").await;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{on_orphan} {back}: {restored:?}");
            let stayed: i64 = restored.iter().map(|one| one.blocked).sum();
            assert_eq!(stayed, if back == 71 { 3 } else { 0 }, "{restored:?}");
            for one in restored.iter().filter(|one| one.blocked > 0) {
                let why = one.sample.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>();
                assert!(why.iter().all(|why| *why == "it still names a user that does not exist"), "{one:?}");
            }
        }
        assert_eq!(
            db.text("SELECT count(*) FROM auth_consistency.audit WHERE action = 'Restore'").await,
            "3",
            "each restore tells of each step that it undid"
        );
    }
}

#[tokio::test]
async fn a_row_that_went_back_is_counted_by_each_of_its_steps_and_once_in_all() {
    let (db, case, run, _) = repaired(TWO, "onOrphan: Reassign").await;
    db.run(&users(&[71, 72])).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(
        counts(&restored),
        [counted(A::Reassign, "tasks.user_id", 2, 0), counted(A::Reassign, "tasks.owner", 2, 0)]
    );
    assert_eq!(restored.iter().map(|one| one.again).collect::<Vec<_>>(), [0, 1]);
    let audit = "SELECT format('%s %s', object, rows) FROM auth_consistency.audit WHERE action = 'Restore' ORDER BY object, rows";
    assert_eq!(db.texts(audit).await, ["tasks.owner 1", "tasks.owner 1", "tasks.user_id 2"]);
    let again = case.restore(&run).await.unwrap();
    assert!(again.iter().all(|one| (one.rows, one.blocked) == (0, 0)), "{again:?}");
}

#[tokio::test]
async fn what_is_written_beside_is_each_row_once_and_as_it_was_first() {
    let (db, case, run, before) = repaired(TWO, "onOrphan: Reassign").await;
    let written = case.beside(&run, None, "tasks_before").await.unwrap();
    assert_eq!(written.rows, 3);
    assert_eq!(db.texts("SELECT t FROM tasks_before t ORDER BY id").await, before[..3]);
    // Of what is back nothing is written.
    db.run(&users(&[71])).await;
    case.restore(&run).await.unwrap();
    assert_eq!(case.beside(&run, None, "rest").await.unwrap().rows, 2);
    assert_eq!(db.texts("SELECT t FROM rest t ORDER BY id").await, [before[0].as_str(), before[2].as_str()]);
    db.run(&users(&[72])).await;
    case.restore(&run).await.unwrap();
    let fault = case.beside(&run, None, "none").await.unwrap_err();
    assert!(fault.message.contains("are back in their table"), "{fault:?}");
}

#[tokio::test]
async fn a_row_that_was_given_away_and_then_removed_comes_back_as_it_was_first() {
    let rules = "onOrphan: Reassign, rules: [{table: tasks, columns: [user_id], onOrphan: Delete}]";
    let (db, case, run, before) = repaired(TWO, rules).await;
    assert_eq!(db.texts("SELECT t FROM tasks t ORDER BY id").await, ["(2,1,5,u)", "(4,1,5,w)"]);
    assert_eq!(case.beside(&run, None, "tasks_before").await.unwrap().rows, 3);
    assert_eq!(db.texts("SELECT t FROM tasks_before t ORDER BY id").await, before[..3]);
    db.run(&format!("DROP TABLE tasks_before; {}", users(&[72]))).await;
    // 71 is still gone: row 1 is not there, and not half there.
    case.restore(&run).await.unwrap();
    assert_eq!(db.texts("SELECT t FROM tasks t ORDER BY id").await, ["(2,1,5,u)", "(3,5,72,v)", "(4,1,5,w)"]);
    // And whom the repair gave it to needs not be there.
    db.run(&format!(
        "{}; UPDATE tasks SET owner = 5 WHERE id = 4; SET session_replication_role = replica; DELETE FROM users WHERE id = 1; RESET session_replication_role",
        users(&[71])
    ))
    .await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.text("SELECT t FROM tasks t WHERE id = 1").await, before[0], "{restored:?}");
}

#[tokio::test]
async fn columns_that_the_app_changed_between_two_steps_or_since_are_its_own() {
    for (change, row) in [
        ("UPDATE tasks SET title = 'new' WHERE id = 1", "(1,71,72,new)"),
        ("UPDATE tasks SET owner = 5 WHERE id = 1", "(1,5,1,t)"),
        ("UPDATE tasks SET user_id = 5 WHERE id = 1", "(1,1,5,t)"),
    ] {
        let (db, case, run, _) = repaired(TWO, "onOrphan: Reassign").await;
        db.run(&format!("{change}; {}", users(&[71, 72]))).await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!(db.text("SELECT t FROM tasks t WHERE id = 1").await, row, "{restored:?}");
        let stayed: Vec<(i64, &str)> = restored
            .iter()
            .flat_map(|one| one.sample.iter().map(|(_, why)| (one.blocked, why.as_str())))
            .collect();
        let expected: &[(i64, &str)] = match row {
            "(1,71,72,new)" => &[],
            _ => &[(1, "the row was changed or removed since"), (1, "the row was changed or removed since")],
        };
        assert_eq!(stayed, expected);
    }
}

#[tokio::test]
async fn a_row_whose_key_the_repair_changed_is_found_again() {
    // The key holds one of the references, and the other is repaired before or after it.
    for (first, second) in [("user_id", "z_by"), ("user_id", "a_by")] {
        let db = with(&format!(
            "CREATE TABLE members ({first} int REFERENCES users, grp int, {second} int REFERENCES users, PRIMARY KEY ({first}, grp));
             INSERT INTO members VALUES (71, 1, 72), (5, 2, 72), (71, 3, 5)"
        ))
        .await;
        let mut case = Case::new(&db, &spec("onOrphan: Reassign"));
        let rows = "SELECT m FROM members m ORDER BY grp";
        let before = db.texts(rows).await;
        case.repair().await.consistent();
        let run = case.status.history[0].run.clone();
        case.beside(&run, None, "members_before").await.unwrap();
        assert_eq!(db.texts("SELECT m FROM members_before m ORDER BY grp").await, before, "{second}");
        db.run(&format!("DROP TABLE members_before; {}", users(&[71]))).await;
        case.restore(&run).await.unwrap();
        assert_eq!(db.texts(rows).await, ["(1,1,1)", "(5,2,1)", "(71,3,5)"], "{second}");
        db.run(&users(&[72])).await;
        case.restore(&run).await.unwrap();
        assert_eq!(db.texts(rows).await, before, "{second}");
    }
}

#[tokio::test]
async fn a_row_that_goes_along_after_it_was_changed_itself_comes_back_as_it_was_first() {
    let db = with(
        "CREATE TABLE keys (id int PRIMARY KEY, user_id int REFERENCES users);
         CREATE TABLE calls (id int PRIMARY KEY, key_id int REFERENCES keys ON DELETE CASCADE, user_id int REFERENCES users);
         INSERT INTO keys VALUES (1, 71), (2, 5); INSERT INTO calls VALUES (1, 1, 72), (2, 2, 72), (3, 1, 5)",
    )
    .await;
    let rules = "onOrphan: SetNull, rules: [{table: keys, onOrphan: Delete}]";
    let mut case = Case::new(&db, &spec(rules));
    let before = db.snapshot().await;
    case.repair().await.consistent();
    let run = case.status.history[0].run.clone();
    assert_eq!(db.texts("SELECT c FROM calls c").await, ["(2,2,)"]);
    case.beside(&run, Some("calls"), "calls_before").await.unwrap();
    assert_eq!(
        db.texts("SELECT c FROM calls_before c ORDER BY id").await,
        ["(1,1,72)", "(2,2,72)", "(3,1,5)"]
    );
    db.run(&format!("DROP TABLE calls_before; {}", users(&[71]))).await;
    case.restore(&run).await.unwrap();
    assert_eq!(db.texts("SELECT c FROM calls c ORDER BY id").await, ["(2,2,)", "(3,1,5)"]);
    db.run(&users(&[72])).await;
    let restored = case.restore(&run).await.unwrap();
    assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
    assert_eq!(db.changes(&before).await.len(), 2, "the two users");
}

#[tokio::test]
async fn users_that_name_users_go_back_whole_though_the_id_moved() {
    let db = with(
        "ALTER TABLE users ADD manager int REFERENCES users, ADD mentor int REFERENCES users;
         UPDATE users SET id = 3, manager = 71, mentor = 72 WHERE id = 1; UPDATE users SET manager = 3, mentor = 72 WHERE id = 5",
    )
    .await;
    let yaml = spec("onOrphan: SetNull").replace("admin:\n", "admin:\n  id: \"1\"\n");
    let mut case = Case::new(&db, &yaml);
    let people = "SELECT format('%s %s %s', id, manager, mentor) FROM users ORDER BY id";
    let pass = case.repair().await;
    let pass = if pass.outcome().plan.as_ref().is_some_and(|plan| plan.hash.is_some()) {
        case.approve().await
    } else {
        pass
    };
    pass.consistent();
    assert_eq!(db.texts(people).await, ["1  ", "5 1 "]);
    let run = case.status.history[0].run.clone();
    // As they were before the run: the id, and whom they named.
    case.beside(&run, None, "users_before").await.unwrap();
    let before = "SELECT format('%s %s %s', id, manager, mentor) FROM users_before ORDER BY id";
    assert_eq!(db.texts(before).await, ["3 71 72", "5 3 72"]);
    db.run(&format!("DROP TABLE users_before; {}", users(&[71]))).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(people).await, ["1  ", "5 1 ", "71  "], "{restored:?}");
    db.run(&users(&[72])).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(people).await, ["1 71 72", "5 1 72", "71  ", "72  "], "{restored:?}");
    assert_eq!(restored.last().unwrap().action, A::MoveId, "an id is moved back by the spec: {restored:?}");
}

#[tokio::test]
async fn rows_that_change_places_go_back_with_what_a_later_step_did_to_them() {
    let more = "ALTER TABLE profiles ADD approved_by int; UPDATE profiles SET approved_by = 77 WHERE id < 3;";
    let rules = "  rules: [{table: profiles, columns: [approved_by], declared: true, onOrphan: SetNull}]\n";
    let (db, mut case) = profiles_by(more, &format!("{REMAP}{rules}")).await;
    let rows = "SELECT format('%s %s %s %s', p.id, user_id, approved_by, bio) FROM profiles p ORDER BY id";
    let before = db.texts(rows).await;
    // Both steps wait, so that one run does both.
    case.edit(|spec| spec.references.limits.rows = 1);
    assert!(case.repair().await.outcome().repaired.iter().all(|one| one.action == A::AdvanceSequence));
    case.approve().await;
    let after = ["1 3  of ada", "2 2  of bob", "3 9  of cy"];
    assert_eq!(db.texts(rows).await, after, "{:?}", case.status.findings);
    let run = case.status.history[0].run.clone();
    // Ada's and bob's rows stand in one another's way, and cannot be as they were first for now.
    db.run("ALTER TABLE profiles ADD CONSTRAINT later CHECK (approved_by IS NULL) NOT VALID").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(rows).await, after, "{restored:?}");
    db.run("ALTER TABLE profiles DROP CONSTRAINT later").await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(rows).await, [before[0].as_str(), &before[1], after[2]], "{restored:?}");
    let expected =
        [counted(A::SetNull, "profiles.approved_by", 2, 0), counted(A::Remap, "profiles.user_id", 2, 1)];
    assert_eq!(counts(&restored), expected, "{restored:?}");
    assert_eq!(restored.iter().map(|one| one.again).sum::<i64>(), 2, "{restored:?}");
}

#[tokio::test]
async fn a_row_that_a_later_run_changed_again_names_that_run() {
    let db = with(TWO).await;
    let mut case = Case::new(
        &db,
        &spec("onOrphan: SetNull, rules: [{table: tasks, columns: [user_id], onOrphan: Report}]"),
    );
    case.repair().await;
    let first = case.status.history[0].run.clone();
    case.edit(|spec| {
        spec.references.rules[0].on_orphan = Some(auth_consistency::api::spec::OnOrphan::Delete)
    });
    case.repair().await.consistent();
    let second = case.status.history[0].run.clone();
    assert_ne!(first, second);
    db.run(&users(&[71, 72])).await;
    let restored = case.restore(&first).await.unwrap();
    assert_eq!(counts(&restored), [counted(A::SetNull, "tasks.owner", 1, 1)]);
    let why = format!("the run {second} changed or removed it since: restore that one first");
    assert_eq!(restored[0].sample, [("1".to_owned(), why)]);
    // What it says helps: the later one first, then this one.
    let restored = case.restore(&second).await.unwrap();
    assert_eq!(counts(&restored), [counted(A::Delete, "tasks.user_id", 2, 0)]);
    assert_eq!(db.text("SELECT t FROM tasks t WHERE id = 1").await, "(1,,72,t)");
    case.restore(&first).await.unwrap();
    assert_eq!(db.text("SELECT t FROM tasks t WHERE id = 1").await, "(1,71,72,t)");
}

#[tokio::test]
async fn a_trigger_that_would_make_a_row_another_one_keeps_all_of_it_back() {
    let (db, case, run, before) = repaired(
        &format!(
            "{TWO}; CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS
             $f$ BEGIN IF NEW.owner = 71 THEN NEW.owner := 5; END IF; RETURN NEW; END $f$;
             CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch()"
        ),
        "onOrphan: Reassign",
    )
    .await;
    db.run(&users(&[71, 72])).await;
    let now = db.texts("SELECT t FROM tasks t ORDER BY id").await;
    let restored = case.restore(&run).await.unwrap();
    let why = "the trigger \"touch\" would give it another \"owner\": disable it meanwhile";
    assert_eq!(restored[0].sample, [("1".to_owned(), why.to_owned())]);
    let found = db.texts("SELECT t FROM tasks t ORDER BY id").await;
    assert_eq!(found, [now[0].clone(), now[1].clone(), before[2].clone(), now[3].clone()]);
    db.run("ALTER TABLE tasks DISABLE TRIGGER touch").await;
    case.restore(&run).await.unwrap();
    assert_eq!(db.texts("SELECT t FROM tasks t ORDER BY id").await, before);
}

/// The admin has the id 3 and is to have 1; of before, 71 was the admin and 72 was ada.
async fn given_back_and_moved(sql: &str, rules: &str) -> (Db, Case, String) {
    let db = with(&format!("UPDATE users SET id = 3 WHERE id = 1; {sql}")).await;
    let list = "identities: {configMapRef: {name: before, key: people.csv}}";
    let yaml = spec(&format!("onOrphan: Remap, {list}{rules}")).replace("admin:\n", "admin:\n  id: \"1\"\n");
    let mut case = Case::new(&db, &yaml);
    case.config_map("before", "people.csv", "id,login\n71,admin@example.com\n72,ada@example.com\n");
    let pass = case.repair().await;
    if pass.outcome().plan.as_ref().is_some_and(|plan| plan.hash.is_some()) {
        case.approve().await;
    }
    let run = db.text("SELECT DISTINCT run FROM auth_consistency.batches").await;
    // The id moves in a run of its own, when everything is theirs.
    assert!(case.repair().await.consistent().outcome().repaired.iter().any(|one| one.action == A::MoveId));
    let runs = "SELECT count(DISTINCT run) FROM auth_consistency.batches";
    assert_eq!(db.text(runs).await, "2");
    (db, case, run)
}

const MOVED_ON: &str = "CREATE TABLE tasks (id int PRIMARY KEY, owner int REFERENCES users, user_id int REFERENCES users, title text);
    INSERT INTO tasks VALUES (1, 71, 72, 't'), (2, 71, 3, 'u'), (3, 3, 71, 'v'), (4, 3, 5, 'w'), (5, 72, 5, 'x')";
const TASKS: &str = "SELECT t FROM tasks t ORDER BY id";

#[tokio::test]
async fn what_was_given_back_to_an_account_whose_id_moved_then_goes_back_as_it_was_first() {
    let (db, case, run) = given_back_and_moved(MOVED_ON, "").await;
    let after = ["(1,1,5,t)", "(2,1,1,u)", "(3,1,1,v)", "(4,1,5,w)", "(5,5,5,x)"];
    assert_eq!(db.texts(TASKS).await, after);
    case.beside(&run, Some("tasks"), "tasks_before").await.unwrap();
    let first = ["(1,71,72,t)", "(2,71,3,u)", "(3,3,71,v)", "(5,72,5,x)"];
    assert_eq!(db.texts("SELECT t FROM tasks_before t ORDER BY id").await, first);
    // What names the moved id and was not repaired stays with it; each row goes back whole or not at all.
    db.run(&format!("DROP TABLE tasks_before; {}", users(&[71]))).await;
    let restored = case.restore(&run).await.unwrap();
    let half = ["(1,1,5,t)", "(2,71,1,u)", "(3,1,71,v)", "(4,1,5,w)", "(5,5,5,x)"];
    assert_eq!(db.texts(TASKS).await, half, "{restored:?}");
    db.run(&users(&[72])).await;
    let restored = case.restore(&run).await.unwrap();
    let whole = ["(1,71,72,t)", "(2,71,1,u)", "(3,1,71,v)", "(4,1,5,w)", "(5,72,5,x)"];
    assert_eq!(db.texts(TASKS).await, whole, "{restored:?}");
    assert!(restored.iter().all(|one| one.blocked == 0), "{restored:?}");
    // And nothing goes back twice.
    let again = case.restore(&run).await.unwrap();
    assert!(again.iter().all(|one| one.rows == 0), "{again:?}");
    assert_eq!(db.texts(TASKS).await, whole);
}

#[tokio::test]
async fn what_the_app_wrote_after_an_id_moved_or_before_it_is_its_own() {
    let (db, case, run) = given_back_and_moved(MOVED_ON, "").await;
    db.run(&format!(
        "UPDATE tasks SET owner = 5 WHERE id = 2; UPDATE tasks SET title = 'new' WHERE id = 3; {}",
        users(&[71, 72])
    ))
    .await;
    let restored = case.restore(&run).await.unwrap();
    let found = db.texts(TASKS).await;
    assert_eq!(
        found,
        ["(1,71,72,t)", "(2,5,1,u)", "(3,1,71,new)", "(4,1,5,w)", "(5,72,5,x)"],
        "{restored:?}"
    );
    let stayed: Vec<&(String, String)> =
        restored.iter().filter(|one| one.action == A::Remap).flat_map(|one| &one.sample).collect();
    assert_eq!(stayed, [&("2".to_owned(), "the row was changed or removed since".to_owned())]);

    // Between the two steps: the copy that the move made has what the app wrote, and not what the first step did.
    let (db, case, run) = given_back_and_moved(MOVED_ON, "").await;
    let copies = db.text("SELECT name FROM auth_consistency.quarantine WHERE table_name = 'tasks'").await;
    db.run(&format!(
        "UPDATE auth_consistency.{copies} q SET _ac_new_key = '4' FROM auth_consistency.batches b \
         WHERE b.batch = q._ac_batch AND b.action = 'Remap' AND q.id = 2; {}",
        users(&[71, 72])
    ))
    .await;
    case.restore(&run).await.unwrap();
    assert_eq!(db.text("SELECT t FROM tasks t WHERE id = 2").await, "(2,1,1,u)");
}

#[tokio::test]
async fn users_whose_managers_were_given_back_go_back_though_their_own_id_moved() {
    let sql = "ALTER TABLE users ADD manager int REFERENCES users, ADD mentor int REFERENCES users;
        UPDATE users SET manager = 72, mentor = 3 WHERE id = 3; UPDATE users SET manager = 71, mentor = 3 WHERE id = 5";
    let (db, case, run) = given_back_and_moved(sql, "").await;
    let people = "SELECT format('%s %s %s', id, manager, mentor) FROM users ORDER BY id";
    assert_eq!(db.texts(people).await, ["1 5 1", "5 1 1"]);
    db.run(&users(&[71, 72])).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(people).await, ["1 72 1", "5 71 1", "71  ", "72  "], "{restored:?}");
    let told: Vec<_> = restored.iter().map(|one| (one.action, one.rows, one.blocked)).collect();
    assert_eq!(told, [(A::Remap, 2, 0)]);
}

#[tokio::test]
async fn a_key_that_an_id_moved_through_leads_back_to_its_row() {
    let sql = "CREATE TABLE members (owner int REFERENCES users, grp int, by_whom int REFERENCES users, PRIMARY KEY (owner, grp));
        INSERT INTO members VALUES (71, 1, 72), (72, 2, 71), (3, 3, 71), (71, 4, 3)";
    let (db, case, run) = given_back_and_moved(sql, "").await;
    let rows = "SELECT m FROM members m ORDER BY grp";
    assert_eq!(db.texts(rows).await, ["(1,1,5)", "(5,2,1)", "(1,3,1)", "(1,4,1)"]);
    db.run(&users(&[71, 72])).await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(db.texts(rows).await, ["(71,1,72)", "(72,2,71)", "(1,3,71)", "(71,4,1)"], "{restored:?}");
}
