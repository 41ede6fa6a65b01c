//! A one-off request counts once in the life of a database, whichever resource it stands on; and a claim is
//! taken over by whoever it belongs to.

use auth_consistency::domain::diagnose::requests::claim_asked;
use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::{Action as A, WhyNotDone},
    },
    hashing,
};

use crate::support::{Case, Db, USUAL, admin_and_ada};

const RESET: &[(A, &str, i64)] = &[(A::Reset, "users.hashed_password", 1)];
const CORRECT: &[(A, &str, i64)] = &[(A::Correct, "users.role", 1)];
const CLAIMED: (R, C, Option<R>) = (R::TargetClaimed, C::SchemaCompatible, None);
const DRIFTED: (R, C, Option<R>) = (R::AdminDrifted, C::AdminConsistent, None);

/// What somebody chose as the admin's password since.
const NEWER: &str = "$2b$04$StO5YdpXBHU.dGrIJMQ9JuEyIpvU.QP4y56x5Rh7Axf6benhMlntG";

/// The same resource made anew: its uid is another one, and its status is gone.
fn anew(case: &Case, db: &Db) -> Case {
    let mut anew = case.over(db);
    anew.resource.uid = "99999999-9999-4999-8999-999999999999".into();
    anew.requests = case.requests.clone();
    anew
}

async fn chosen_anew(db: &Db) {
    db.run(&format!("UPDATE users SET hashed_password = '{NEWER}' WHERE id = 1")).await;
}

async fn stored(db: &Db) -> String {
    db.text("SELECT hashed_password FROM users WHERE id = 1").await
}

async fn drift(db: &Db) {
    db.run("UPDATE users SET role = 'user' WHERE id = 1").await;
}

/// What a message says between backquotes.
fn command(message: &str) -> String {
    message.split('`').nth(1).unwrap_or_else(|| panic!("{message} has no command")).to_owned()
}

/// A resource whose admin was reset once, as somebody asked on Monday, and whose password was chosen anew since.
async fn reset_on_monday() -> (Db, Case) {
    let db = admin_and_ada("").await;
    let mut case = Case::new(&db, USUAL);
    case.operator = Some("here".into());
    case.requests.reset = Some("monday".into());
    case.repair().await.consistent().repaired(RESET);
    chosen_anew(&db).await;
    (db, case)
}

#[tokio::test]
async fn a_reset_that_the_audit_has_for_another_resource_is_told_and_overwrites_no_newer_password() {
    let (db, case) = reset_on_monday().await;
    let mut restored = anew(&case, &db);
    let before = db.fingerprint().await;
    let pass = restored.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(db.fingerprint().await, before, "nothing at all was written");
    let told = &pass.status.requests_not_done;
    assert_eq!((told.len(), told[0].value.as_str(), told[0].why), (1, "monday", WhyNotDone::DoneBefore));
    assert!(told[0].message.contains(&case.resource.uid), "{told:?}");
    let told = command(&told[0].message);
    let expected = "kubectl annotate authcon probeops -n probeops --overwrite auth.probeops.com/reset-admin=\"$(date +%s)\"";
    assert_eq!(told, expected);
    assert_eq!(pass.report.as_ref().unwrap().requests_not_done, pass.status.requests_not_done);
    assert_eq!(pass.status.last_handled_reset_admin, None, "it was not done, and is not said to be");
    restored.settled(&db).await;
    // What the command writes is asked for now.
    restored.requests.reset = Some("1764500000".into());
    let pass = restored.repair().await;
    pass.consistent().repaired(RESET);
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("1764500000"));
    assert_ne!(stored(&db).await, NEWER);
}

#[tokio::test]
async fn a_reset_that_a_dump_brought_along_is_told_and_not_done_in_the_copy_either() {
    let (db, case) = reset_on_monday().await;
    let copy = db.copied().await;
    for mut there in [case.over(&copy), anew(&case, &copy)] {
        let same = there.resource.uid == case.resource.uid;
        there.requests = case.requests.clone();
        let before = copy.fingerprint().await;
        let pass = there.repair().await;
        pass.consistent().repaired(&[]);
        assert_eq!(copy.fingerprint().await, before);
        let told = &pass.status.requests_not_done[0];
        assert_eq!(told.why, WhyNotDone::DoneBefore);
        assert_eq!(told.message.contains("copied from"), same, "{told:?}");
    }
    // In a database without that past nobody has done it.
    let fresh = admin_and_ada("").await;
    let mut elsewhere = case.over(&fresh);
    elsewhere.requests = case.requests.clone();
    elsewhere.repair().await.consistent().repaired(RESET);
}

#[tokio::test]
async fn an_account_that_a_reset_seeded_is_not_seeded_again_for_another_resource() {
    let db = admin_and_ada("DELETE FROM users WHERE id = 1").await;
    let mut case = Case::new(&db, &format!("{USUAL}  onMissing: Report\n"));
    case.requests.reset = Some("monday".into());
    case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
    db.run("DELETE FROM users WHERE role = 'admin'").await;
    let mut restored = anew(&case, &db);
    let pass = restored.reports(&db, &[CLAIMED, (R::AdminMissing, C::AdminConsistent, None)]).await;
    assert_eq!(pass.status.requests_not_done.len(), 1);
}

#[tokio::test]
async fn a_reset_whose_answer_was_lost_before_the_status_is_handled_and_not_called_anothers() {
    let (db, mut case) = reset_on_monday().await;
    case.status = Default::default();
    let pass = case.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("monday"));
    assert_eq!(pass.status.requests_not_done, []);
    assert_eq!(stored(&db).await, NEWER);
}

#[tokio::test]
async fn a_reset_of_before_that_comes_back_after_another_one_is_told_and_not_done() {
    let (db, mut case) = reset_on_monday().await;
    case.requests.reset = Some("tuesday".into());
    case.repair().await.consistent().repaired(RESET);
    chosen_anew(&db).await;
    // A backup tool writes its annotations over the resource that is there, or somebody types the same again.
    case.requests.reset = Some("monday".into());
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(db.fingerprint().await, before);
    let told = &pass.status.requests_not_done[0];
    assert_eq!(told.why, WhyNotDone::DoneBefore);
    assert!(told.message.contains("for this resource"), "{told:?}");
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("tuesday"));
    // The last one is handled, whatever the status has forgotten.
    case.requests.reset = Some("tuesday".into());
    case.status = Default::default();
    let pass = case.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(pass.status.last_handled_reset_admin.as_deref(), Some("tuesday"));
    assert_eq!(pass.status.requests_not_done, []);
}

#[tokio::test]
async fn of_two_passes_that_both_saw_a_reset_undone_one_does_it() {
    let db = admin_and_ada("").await;
    let mut first = Case::new(&db, USUAL);
    first.requests.reset = Some("monday".into());
    drift(&db).await;
    let mut once = Case::new(&db, USUAL);
    once.repair().await.consistent().repaired(CORRECT);
    let before = db.snapshot().await;
    // The audit row comes in when the second pass has looked and begun, and before it writes: meanwhile it waits for
    // its turn to hash.
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let held = tokio::spawn(hashing::compute(move || {
        begun.send(()).unwrap();
        released.recv().unwrap();
    }));
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    let runs = "SELECT count(*) FROM auth_consistency.runs";
    let there = db.text(runs).await;
    let meanwhile = async {
        while db.text(runs).await == there {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        db.run(
            "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, rows, reset_token) \
             VALUES ('1', 1, 'another', 'r', 1, 1, 'Reset', 'users', 1, 'monday')",
        )
        .await;
        release.send(()).unwrap();
    };
    let (pass, ()) = tokio::join!(first.repair(), meanwhile);
    held.await.unwrap();
    pass.repaired(&[]);
    assert_eq!(db.changes(&before).await, [""; 0]);
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains("done meanwhile"), "{message}");
    let pass = first.repair().await;
    pass.consistent().repaired(&[]);
    assert_eq!(pass.status.requests_not_done[0].why, WhyNotDone::DoneBefore);
}

/// A resource that has repaired something, and a drift since.
async fn claimed_and_drifted() -> (Db, Case) {
    let db = admin_and_ada("UPDATE users SET role = 'user' WHERE id = 1").await;
    let mut case = Case::new(&db, USUAL);
    case.operator = Some("here".into());
    case.repair().await.consistent().repaired(CORRECT);
    drift(&db).await;
    (db, case)
}

#[tokio::test]
async fn a_resource_that_was_made_anew_under_its_name_takes_its_own_claim_over_by_itself() {
    let (db, mut old) = claimed_and_drifted().await;
    let before = takes(&db).await;
    let mut remade = anew(&old, &db);
    remade.repair().await.consistent().repaired(CORRECT);
    remade.settled(&db).await;
    let claim = "SELECT concat_ws(' ', owner, owner_name, operator, takes) FROM auth_consistency.claims";
    assert_eq!(
        db.text(claim).await,
        format!("{} probeops/probeops here {}", remade.resource.uid, before + 1)
    );
    // A pass of the old one that is under way somewhere finds the claim gone, and does not take it back. (Its
    // operator would not begin one: it reads the resource live and sees another uid.)
    old.operator = None;
    drift(&db).await;
    old.reports(&db, &[CLAIMED, DRIFTED]).await;
}

#[tokio::test]
async fn another_clusters_resource_of_the_same_name_never_takes_over_by_itself() {
    let (db, case) = claimed_and_drifted().await;
    let elsewhere = |operator: Option<&str>| {
        let mut case = anew(&case, &db);
        case.operator = operator.map(str::to_owned);
        case
    };
    for mut other in [elsewhere(Some("there")), elsewhere(None)] {
        other.reports(&db, &[CLAIMED, DRIFTED]).await;
    }
    let mut renamed = elsewhere(Some("here"));
    renamed.resource.name = "another".into();
    renamed.reports(&db, &[CLAIMED, DRIFTED]).await;
    let mut moved = elsewhere(Some("here"));
    moved.resource.namespace = "another".into();
    moved.reports(&db, &[CLAIMED, DRIFTED]).await;
    // A claim whose operator nobody wrote down is nobody's by itself.
    db.run("UPDATE auth_consistency.claims SET operator = NULL").await;
    elsewhere(None).reports(&db, &[CLAIMED, DRIFTED]).await;
    elsewhere(Some("here")).reports(&db, &[CLAIMED, DRIFTED]).await;
}

/// The count of the claim.
async fn takes(db: &Db) -> i64 {
    db.text("SELECT takes FROM auth_consistency.claims").await.parse().unwrap()
}

/// The value that the message about a claim gives the annotation, with a shell's time in it.
fn pasted(message: &str, at: &str) -> String {
    let command = command(message);
    let (_, value) = command.split_once("auth.probeops.com/take-claim=").unwrap();
    claim_asked(&value.trim_matches('"').replace("$(date +%s)", at))
}

#[tokio::test]
async fn a_request_for_a_claim_is_good_once_and_two_that_stand_do_not_take_turns() {
    let (db, mut first) = claimed_and_drifted().await;
    let made = takes(&db).await;
    let mut second = first.rival(&db);
    let told = second.check().await.finding(R::TargetClaimed).message;
    second.requests.take_claim = Some(pasted(&told, "1"));
    second.repair().await.consistent().repaired(CORRECT);
    // Back again, as somebody asks by what the message says.
    drift(&db).await;
    let told = first.check().await.finding(R::TargetClaimed).message;
    first.requests.take_claim = Some(pasted(&told, "2"));
    first.repair().await.consistent().repaired(CORRECT);
    // Both requests stand as they stood, and nobody takes anything for them.
    drift(&db).await;
    let before = db.fingerprint().await;
    second.repair().await.repaired(&[]).found(&[CLAIMED, DRIFTED]);
    assert_eq!(db.fingerprint().await, before);
    first.repair().await.consistent().repaired(CORRECT);
    assert_eq!(takes(&db).await, made + 2);
    // Who asks anew is heard, though the uid that is asked for is the same.
    drift(&db).await;
    let told = second.check().await.finding(R::TargetClaimed).message;
    let anew = pasted(&told, "3");
    assert_ne!(second.requests.take_claim.as_ref(), Some(&anew));
    second.requests.take_claim = Some(anew);
    second.repair().await.consistent().repaired(CORRECT);
    // The uid alone, as an annotation or on the command line, does not say which of its claims is meant.
    drift(&db).await;
    for asked in [claim_asked(&second.resource.uid), second.resource.uid.clone()] {
        first.requests.take_claim = Some(asked);
        first.repair().await.repaired(&[]).found(&[CLAIMED, DRIFTED]);
    }
}

#[tokio::test]
async fn what_was_asked_of_a_claim_is_not_asked_of_one_that_is_made_after_it_was_deleted() {
    let (db, mut first) = claimed_and_drifted().await;
    let mut second = first.rival(&db);
    let told = second.check().await.finding(R::TargetClaimed).message;
    second.requests.take_claim = Some(pasted(&told, "1"));
    second.repair().await.consistent().repaired(CORRECT);
    // Somebody sets things right by hand, in the table or by doing away with all of it.
    for gone in ["DELETE FROM auth_consistency.claims", "DROP SCHEMA auth_consistency CASCADE"] {
        drift(&db).await;
        db.run(gone).await;
        first.requests.take_claim = None;
        first.repair().await.consistent().repaired(CORRECT);
        drift(&db).await;
        let (before, uid) = (db.fingerprint().await, first.resource.uid.clone());
        let stood = second.requests.take_claim.clone().unwrap();
        for asked in [stood.clone(), uid.clone(), format!("{uid}/0"), format!("{uid}/1")] {
            second.requests.take_claim = Some(asked);
            second.repair().await.repaired(&[]).found(&[CLAIMED, DRIFTED]);
        }
        assert_eq!(db.fingerprint().await, before, "{gone}");
        second.requests.take_claim = Some(stood);
        first.repair().await.consistent().repaired(CORRECT);
    }
}

#[tokio::test]
async fn a_claim_that_an_older_program_made_goes_over_by_its_uid_alone_once() {
    let (db, mut first) = claimed_and_drifted().await;
    db.run("UPDATE auth_consistency.claims SET takes = 0").await;
    let mut second = first.rival(&db);
    second.requests.take_claim = Some(first.resource.uid.clone());
    second.repair().await.consistent().repaired(CORRECT);
    drift(&db).await;
    let told = first.check().await.finding(R::TargetClaimed).message;
    first.requests.take_claim = Some(pasted(&told, "2"));
    first.repair().await.consistent().repaired(CORRECT);
    drift(&db).await;
    second.repair().await.repaired(&[]).found(&[CLAIMED, DRIFTED]);
    assert_eq!(takes(&db).await, 2);
}

#[tokio::test]
async fn taking_a_claim_over_does_no_reset_that_came_along() {
    let (db, case) = reset_on_monday().await;
    drift(&db).await;
    let mut copied = anew(&case, &db);
    copied.operator = Some("there".into());
    let told = copied.check().await.finding(R::TargetClaimed).message;
    copied.requests.take_claim = Some(pasted(&told, "1764500000"));
    let pass = copied.repair().await;
    pass.consistent().repaired(CORRECT);
    assert_eq!(pass.status.requests_not_done.len(), 1);
    assert_eq!(stored(&db).await, NEWER);
}

const ORPHANS: &str = "CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users); \
    INSERT INTO logs VALUES (1, 41), (2, 41), (3, 42)";

#[tokio::test]
async fn an_approval_that_was_used_elsewhere_approves_nothing_and_is_told() {
    let db = admin_and_ada(ORPHANS).await;
    let yaml = format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 0}}}}\n");
    let mut case = Case::new(&db, &yaml);
    let hash = case.repair().await.status.plan.unwrap().hash.unwrap();
    case.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 3)]);
    // The schema comes along with the dump, and the approval with the resource.
    let copy = db.copied().await;
    copy.run("SET session_replication_role = replica; INSERT INTO logs VALUES (1, 41), (2, 41), (3, 42); RESET session_replication_role").await;
    let mut there = anew(&case, &copy);
    there.requests = Default::default();
    let before = copy.fingerprint().await;
    let pass = there.repair_approved(&hash).await;
    pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 3, true)]);
    assert_eq!(copy.fingerprint().await, before);
    let message = pass.outcome().approval_unused.clone().unwrap();
    assert!(message.contains("used before"), "{message}");
    let ready = &pass.status.conditions[0].message;
    let told = pass.status.plan.as_ref().unwrap().hash.clone().unwrap();
    let expected =
        format!("kubectl annotate authcon probeops -n probeops --overwrite auth.probeops.com/approve={told}");
    assert_eq!(command(ready), expected);
    there.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 3)]);
}

#[tokio::test]
async fn what_was_approved_and_not_finished_is_not_resumed_when_a_claim_comes_back() {
    let db = admin_and_ada(ORPHANS).await;
    let yaml = format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 0}}}}\n");
    let mut first = Case::new(&db, &yaml);
    first.repair().await;
    db.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''kept''; END'; \
         CREATE TRIGGER kept BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION no();",
    )
    .await;
    first.approve().await.repaired(&[]);
    let open = "SELECT (SELECT count(*) FROM auth_consistency.runs WHERE closed_at IS NULL AND plan_hash IS NOT NULL) \
         || ' ' || (SELECT count(*) FROM auth_consistency.step_keys)";
    assert_eq!(db.text(open).await, "1 2");
    drift(&db).await;
    let mut second = first.rival(&db);
    second.requests.take_claim = Some(format!("{}/{}", first.resource.uid, takes(&db).await));
    second.repair().await.repaired(CORRECT);
    assert_eq!(db.text(open).await, "0 0");
    db.run("DROP TRIGGER kept ON logs").await;
    drift(&db).await;
    first.requests.take_claim = Some(format!("{}/{}", second.resource.uid, takes(&db).await));
    first.repair().await.repaired(CORRECT).plans(&[(A::Delete, "logs.user_id", 3, true)]);
    first.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 3)]);
}

#[tokio::test]
async fn a_plan_of_a_database_that_was_put_back_has_a_hash_that_the_status_does_not_know() {
    let db = admin_and_ada(ORPHANS).await;
    let yaml = format!("{USUAL}references: {{onOrphan: Delete, limits: {{rows: 0}}}}\n");
    let mut case = Case::new(&db, &yaml);
    let first = case.repair().await.status.plan.unwrap().hash.unwrap();
    let before = "SELECT count(*) FROM auth_consistency.runs WHERE plan_hash IS NOT NULL";
    case.approve().await.consistent();
    assert_eq!(db.text(before).await, "1");
    // As a restore to the time before: rows, runs and audit are as they were.
    db.run(
        "SET session_replication_role = replica; INSERT INTO logs VALUES (1, 41), (2, 41), (3, 42); RESET session_replication_role; \
         DROP SCHEMA auth_consistency CASCADE",
    )
    .await;
    case.requests.approval = None;
    case.requests.approval_before = case.status.last_handled_approval.clone();
    assert_eq!(case.requests.approval_before.as_deref(), Some(first.as_str()));
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Delete, "logs.user_id", 3, true)]);
    let second = pass.status.plan.as_ref().unwrap().hash.clone().unwrap();
    assert_ne!(second, first, "whoever pastes it approves it");
    case.repair_approved(&first).await.repaired(&[]);
    case.approve().await.consistent().repaired(&[(A::Delete, "logs.user_id", 3)]);
}

#[tokio::test]
async fn the_second_layout_is_read_as_it_is_and_brought_to_the_newest_by_the_next_repair() {
    let (db, mut case) = claimed_and_drifted().await;
    db.run(
        "ALTER TABLE auth_consistency.claims DROP COLUMN operator, DROP COLUMN takes; \
         ALTER TABLE auth_consistency.batches DROP COLUMN rows, DROP COLUMN digest; \
         UPDATE auth_consistency.layout SET version = 2",
    )
    .await;
    let before = db.fingerprint().await;
    case.check().await.found(&[DRIFTED]);
    let mut remade = anew(&case, &db);
    remade.check().await.found(&[CLAIMED, DRIFTED]);
    assert_eq!(db.fingerprint().await, before);
    case.repair().await.consistent().repaired(CORRECT);
    let claim = "SELECT concat_ws(' ', l.version, c.operator, c.takes, c.epoch) FROM auth_consistency.layout l, auth_consistency.claims c";
    assert_eq!(db.text(claim).await, "4 here 0 2");
    drift(&db).await;
    remade.repair().await.consistent().repaired(CORRECT);
}
