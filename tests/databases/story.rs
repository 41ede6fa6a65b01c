//! The whole story: the botched move of ProbeOps, the signing key, and values that do not fit.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH, USUAL};

#[tokio::test]
async fn the_botched_move_is_told_and_mended_as_far_as_the_spec_allows() {
    let db = Db::new(include_str!("../app/migrate.sql")).await;
    let mut case = Case::new(
        &db,
        "users: {preset: FastAPI, activeWhen: [{column: is_active, equals: 'true'}, {column: deleted_at, isNull: true}]}
admin:
  login: admin@probeops.com
  passwordSecretRef: {name: admin, key: password}
  columns: [{column: role, equals: admin}]
  id: '1'
jwt: {secretRef: {name: jwt, key: key}}
references:
  rules: [{table: usage_logs, columns: [user_id], onOrphan: Reassign, constraint: usage_logs_user_id_fkey}]
",
    );
    let orphans = (R::OrphanRows, C::ReferencesConsistent, None);
    let behind = (R::SequenceBehind, C::SchemaCompatible, None);
    let missing = (R::AdminMissing, C::AdminConsistent, None);
    let not_valid = (R::ConstraintUnvalidated, C::SchemaCompatible, None);
    let before = (db.snapshot().await, db.fingerprint().await);
    let check = case.check().await;
    check.found(&[behind, missing, orphans, not_valid]);
    let message = check.finding(R::OrphanRows).message;
    let says = "1,234 rows of usage_logs.user_id name 3 users that do not exist (4711, 4712, 4713)";
    assert!(message.starts_with(says), "{message}");
    check.plans(&[
        (A::AdvanceSequence, "users_id_seq", 0, false),
        (A::Seed, "users", 1, false),
        (A::Reassign, "usage_logs.user_id", 1234, true),
    ]);
    assert_eq!(db.fingerprint().await, before.1);
    assert_eq!(check.status.references.as_ref().map(|r| (r.checked, r.orphan_rows)), Some((3, 1234)));

    // What is additive is done at once; what is over 5 percent of the table waits.
    let first = case.repair().await;
    first
        .repaired(&[(A::AdvanceSequence, "users_id_seq", 0), (A::Seed, "users", 1)])
        .found(&[orphans, not_valid]);
    assert_eq!(&first.conditions()[..2], ["Ready=False ApprovalRequired", "Stalled=True ApprovalRequired"]);
    assert_eq!(db.text("SELECT nextval('users_id_seq')").await, "4714");
    case.settled(&db).await;

    let approved = case.approve().await;
    approved.repaired(&[(A::Reassign, "usage_logs.user_id", 1234)]).found(&[not_valid]);
    approved.shows(&[
        "Ready=True Consistent",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=False ConstraintUnvalidated",
        "AdminConsistent=True Consistent",
        "ReferencesConsistent=True Consistent",
        "SigningKeyTrusted=True Trusted",
    ]);
    assert_eq!(db.text("SELECT count(*) FROM usage_logs WHERE user_id = 1").await, "1234");
    db.run("ALTER TABLE usage_logs VALIDATE CONSTRAINT usage_logs_user_id_fkey").await;
    case.repair().await.consistent();
    case.settled(&db).await;
}

fn users() -> String {
    format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');"
    )
}

#[tokio::test]
async fn a_signing_key_that_is_weak_or_known_shows_in_its_own_condition() {
    let db = Db::new(&users()).await;
    let mut case = Case::new(&db, &format!("{USUAL}jwt: {{secretRef: {{name: jwt, key: key}}}}\n"));
    let pass = case.repair().await;
    pass.consistent();
    let fingerprint = pass.status.signing_key.as_ref().unwrap().fingerprint.clone();
    assert!(fingerprint.is_some());
    for (key, reason, ready) in [
        ("k3$hort!", R::SigningKeyWeak, "Ready=True Consistent"),
        ("canary-5f2d8c1be07a4936a1d4c7728e6b9f03\n", R::SigningKeySuspicious, "Ready=True Consistent"),
        ("your-secret-key-change-in-production", R::SigningKeyGuessable, "Ready=False SigningKeyGuessable"),
    ] {
        case.secret("jwt", "key", key);
        let before = db.fingerprint().await;
        let pass = case.repair().await;
        let findings = pass.outcome().findings();
        assert_eq!(
            findings.first().map(|one| (one.finding, one.condition)),
            Some((reason, C::SigningKeyTrusted))
        );
        assert_eq!(pass.conditions()[0], ready, "{key}");
        let shown = pass.conditions();
        assert_eq!(shown.last(), Some(&format!("SigningKeyTrusted=False {reason}")));
        assert_eq!(db.fingerprint().await, before);
    }
    case.secret("jwt", "key", "canary-0000000000000000000000000000000001");
    let changed = case.repair().await;
    assert_ne!(changed.status.signing_key.as_ref().unwrap().fingerprint, fingerprint);
    // Without a signing key the condition does not appear at all.
    case.edit(|spec| spec.jwt = None);
    let pass = case.repair().await;
    assert!(pass.conditions().iter().all(|one| !one.starts_with("SigningKey")), "{:?}", pass.conditions());
}

#[tokio::test]
async fn a_key_that_does_not_fit_its_algorithm_is_found_and_the_rest_is_looked_at() {
    let db = Db::new(&users()).await;
    let jwt = "jwt: {secretRef: {name: jwt, key: key}, algorithm: RS256, keyId: main}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{jwt}"));
    let before = db.fingerprint().await;
    let pass = case.repair().await;
    let finding = pass.finding(R::SigningKeyUnfit);
    assert!(finding.message.starts_with("RS256 needs an RSA key"), "{}", finding.message);
    assert!(finding.message.ends_with("(Secret jwt/key)"), "{}", finding.message);
    let shown = pass.conditions();
    assert_eq!(shown[..2], ["Ready=False SigningKeyUnfit", "Stalled=True SigningKeyUnfit"]);
    assert!(shown.iter().any(|one| one.starts_with("ReferencesConsistent=True")), "{shown:?}");
    assert_eq!(pass.status.signing_key.as_ref().unwrap().fingerprint, None);
    // Private or public: the same key.
    let mut prints = Vec::new();
    for key in [include_str!("../keys/rsa-one.pem"), include_str!("../keys/rsa-one-public.pem")] {
        case.secret("jwt", "key", key);
        let pass = case.repair().await;
        pass.consistent();
        prints.push(pass.status.signing_key.as_ref().unwrap().fingerprint.clone().unwrap());
    }
    assert_eq!(prints[0], prints[1]);
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn with_a_public_key_alone_the_app_is_not_asked_and_that_is_said() {
    let db = Db::new(&users()).await;
    let probe = "probe: {verifiers: [{name: api, url: 'http://app.test:1/me'}]}\n";
    let jwt = "jwt: {secretRef: {name: jwt, key: key}, algorithm: RS256}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{jwt}{probe}"));
    case.secret("jwt", "key", include_str!("../keys/rsa-one-public.pem"));
    let pass = case.repair().await;
    pass.found(&[(R::NotChecked, C::TokensAccepted, None)]);
    assert_eq!(pass.conditions()[..2], ["Ready=False NotChecked", "Stalled=True NotChecked"]);
    let said = pass.status.conditions.iter().find(|one| one.type_ == "TokensAccepted").unwrap();
    assert_eq!(said.status, "Unknown");
    assert!(said.message.contains("only the public key is known"), "{}", said.message);
}

#[tokio::test]
async fn a_subject_that_cannot_be_a_number_is_told() {
    let db = Db::new(&users()).await;
    let jwt = "jwt: {secretRef: {name: jwt, key: key}, subjectType: Number, subjectColumn: email}\n";
    let mut case = Case::new(&db, &format!("{USUAL}{jwt}"));
    case.reports(&db, &[(R::SubjectTypeDiffers, C::SchemaCompatible, None)]).await;
}

#[tokio::test]
async fn values_that_do_not_fit_their_columns_are_refused_and_never_cut() {
    // Casts cut what is too long without a word: a hash in 32 characters lets nobody in.
    for column in
        ["email varchar(10)", "hashed_password varchar(32)", "hashed_password char(32)", "role varchar(3)"]
    {
        let name = column.split(' ').next().unwrap();
        let table = users().replace(&format!("{name} text"), column);
        let table = table.split("INSERT").next().unwrap().to_owned();
        let db =
            Db::new(&format!("{table} ALTER TABLE users ALTER id ADD GENERATED ALWAYS AS IDENTITY")).await;
        let mut case = Case::new(&db, USUAL);
        let before = db.snapshot().await;
        let pass = case.repair().await;
        pass.repaired(&[]);
        assert_eq!(db.changes(&before).await, [""; 0]);
        if name == "hashed_password" {
            // How long a hash will be is known before it is made.
            let missing = pass.finding(R::AdminMissing);
            assert_eq!(missing.blocked, Some(R::RepairUnsupported));
            assert!(missing.message.contains("does not take the 60 characters"), "{}", missing.message);
            continue;
        }
        let message = pass.finding(R::RepairFailed).message;
        assert!(message.contains("22001"), "{message}");
        assert_eq!(&pass.conditions()[1], "Stalled=True RepairFailed");
    }
    let db = Db::new(&users().replace("role text", "role varchar(5)")).await;
    let mut case = Case::new(&db, &USUAL.replace("equals: admin", "equals: administrator"));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    assert!(pass.finding(R::RepairFailed).message.contains("22001"));
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn a_check_that_refuses_the_admin_is_told_without_the_row() {
    let db = Db::new(&format!("{} DELETE FROM users; ALTER TABLE users ADD CHECK (role <> 'admin'), ALTER id ADD GENERATED ALWAYS AS IDENTITY", users())).await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.repair().await;
    let message = pass.finding(R::RepairFailed).message;
    assert!(message.contains("users_role_check") && message.contains("23514"), "{message}");
    assert!(!message.contains("admin@example.com, "), "{message}");
}

#[tokio::test]
async fn a_condition_that_says_no_value_to_write_is_told_beforehand() {
    let db = Db::new(&format!("{} ALTER TABLE users ADD verified_at timestamptz", users())).await;
    let active = "{preset: FastAPI, activeWhen: [{column: verified_at, isNull: false}, {column: is_active, equals: 'true'}]}";
    let mut case = Case::new(&db, &USUAL.replace("{preset: FastAPI}", active));
    let refused = (R::AdminDrifted, C::AdminConsistent, Some(R::RepairUnsupported));
    let pass = case.reports(&db, &[refused]).await;
    assert!(pass.finding(R::AdminDrifted).message.contains("isNull: false"));
    // Another column that could be written does not help: the account stays what it is.
    db.run("UPDATE users SET is_active = false").await;
    case.reports(&db, &[refused]).await;
    db.run("UPDATE users SET verified_at = now()").await;
    let steps = &[(A::Correct, "users.is_active", 1)];
    case.repair().await.consistent().repaired(steps);
}

#[tokio::test]
async fn an_admin_who_could_not_be_made_active_is_not_seeded() {
    let db = Db::new(&format!("{} DELETE FROM users; ALTER TABLE users ADD verified_at timestamptz, ALTER id ADD GENERATED ALWAYS AS IDENTITY", users())).await;
    let active = "{preset: FastAPI, activeWhen: [{column: verified_at, isNull: false}]}";
    let mut case = Case::new(&db, &USUAL.replace("{preset: FastAPI}", active));
    let refused = (R::AdminMissing, C::AdminConsistent, Some(R::SpecInvalid));
    let message = case.reports(&db, &[refused]).await.finding(R::AdminMissing).message;
    // What it lacks is printed as the line that gives it.
    let (_, line) = message.split_once("put this into spec.admin: ").unwrap();
    assert_eq!(line, "seedColumns: [{column: verified_at, now: true}]");
    let with = format!("{}\n  {line}\n", USUAL.replace("{preset: FastAPI}", active).trim_end());
    let mut case = Case::new(&db, &with);
    case.repair().await.consistent().repaired(&[(A::Seed, "users", 1)]);
    case.settled(&db).await;
}
