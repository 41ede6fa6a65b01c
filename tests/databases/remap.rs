//! Rows go back to the people whom old ids named, and nobody else's rows move.

use auth_consistency::domain::identities::{
    list::{Identities, LoginKey},
    snapshot::{Keyed, Logins, Snapshot},
};
use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::{Action as A, Severity},
    },
    network::HostPolicy,
    pass,
};
use jiff::Timestamp;

use crate::support::{Case, Db, HASH, USUAL};

/// The old world: admin 1, ada 2, bob 3, cy 4, dan 5, with three logs each but the admin.
const BEFORE: &str = "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
     CREATE TABLE logs (id serial PRIMARY KEY, user_id int CONSTRAINT logs_user_id_fkey REFERENCES users, note text);
     INSERT INTO users (email, hashed_password, role) SELECT login || '@example.com', 'HASH', \
         CASE login WHEN 'admin' THEN 'admin' ELSE 'user' END \
       FROM unnest(ARRAY['admin', 'ada', 'bob', 'cy', 'dan']) WITH ORDINALITY u(login, n) ORDER BY n;
     INSERT INTO logs (user_id, note) SELECT p, 'old' FROM generate_series(1, 3) n, generate_series(2, 5) p ORDER BY n, p;";

/// The move: ada and bob have changed places, cy has the id 9, dan is gone, and new rows were written.
const MOVED: &str = "SET session_replication_role = replica;
     UPDATE users SET id = id + 1000 WHERE id > 1;
     UPDATE users SET id = CASE split_part(email, '@', 1) WHEN 'ada' THEN 3 WHEN 'bob' THEN 2 ELSE 9 END WHERE id > 1000 AND email NOT LIKE 'dan%';
     DELETE FROM users WHERE email LIKE 'dan%';
     INSERT INTO logs (user_id, note) VALUES (3, 'new, ada'), (2, 'new, bob'), (9, 'new, cy'), (1, 'new, admin');
     SELECT setval('users_id_seq', 20);
     RESET session_replication_role;";

pub(crate) async fn old_world() -> Db {
    Db::new(&BEFORE.replace("HASH", HASH)).await
}

pub(crate) fn spec(more: &str) -> String {
    format!(
        "{USUAL}jwt: {{secretRef: {{name: jwt, key: key}}}}\nreferences:\n  limits: {{rows: 1000, percent: 100}}\n{more}"
    )
}

pub(crate) const REMAP: &str = "  onOrphan: Remap\n  identities: {configMapRef: {name: before}}\n";
const REPORT: &str = "  identities: {configMapRef: {name: before}}\n";

const SHIFTED: (R, C, Option<R>) = (R::IdentityShifted, C::ReferencesConsistent, None);
const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const VIOLATED: (R, C, Option<R>) = (R::ConstraintViolated, C::SchemaCompatible, None);

pub(crate) async fn taken(case: &Case, key: Option<(&LoginKey, Keyed)>) -> Snapshot {
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let at = Timestamp::from_second(1_790_000_000).unwrap();
    pass::snapshot(&case.target(), &anywhere, key, at).await.unwrap()
}

/// A case over the moved world, with the snapshot of the old one in its ConfigMap.
pub(crate) async fn moved(db: &Db, more: &str) -> Case {
    let old = Case::new(db, &spec(""));
    let text = taken(&old, None).await.write().unwrap();
    db.run(MOVED).await;
    let mut case = Case::new(db, &spec(more));
    case.config_map("before", "before.json", &text);
    case
}

async fn logs(db: &Db) -> Vec<String> {
    db.texts("SELECT format('%s %s %s', id, user_id, note) FROM logs ORDER BY id").await
}

/// Whose the logs are, with the people of today: who is gone has only an id.
const OWNERS: &str = "SELECT format('%s: %s %s', coalesce(split_part(u.email, '@', 1), l.user_id::text), count(*), l.note) \
     FROM logs l LEFT JOIN users u ON u.id = l.user_id GROUP BY l.note, u.email, l.user_id ORDER BY l.note, u.email, l.user_id";

#[tokio::test]
async fn swapped_ids_and_orphans_go_back_to_their_people_as_one_exchange_and_new_rows_stay() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    let found = &[SHIFTED, SHIFTED, ORPHANS, VIOLATED];
    let before = (db.snapshot().await, db.fingerprint().await);
    let waiting = case.repair().await;
    waiting.found(found).repaired(&[]).plans(&[(A::Remap, "logs.user_id", 9, true)]);
    assert_eq!(db.fingerprint().await, before.1, "a plan that waits writes nothing");
    let plan = waiting.outcome().plan.clone().unwrap();
    assert_eq!(
        plan.steps[0].message,
        "give 9 rows of logs.user_id back to the 3 people they belong to, by login (2 → 3, 3 → 2, 4 → 9); 6 of them from people who have those ids now"
    );
    let text = format!("{:?} {:?}", waiting.status, waiting.report);
    assert!(!text.contains("ada@") && !text.contains("cy@"), "a login stands in the status");
    case.settled(&db).await;
    let wrong = case.repair_approved(&"0".repeat(64)).await;
    wrong.repaired(&[]);
    assert_eq!(db.fingerprint().await, before.1, "another plan's approval writes nothing");

    let approved = case.approve().await;
    approved.repaired(&[(A::Remap, "logs.user_id", 9)]);
    assert_eq!(
        db.texts(OWNERS).await,
        [
            "ada: 1 new, ada",
            "admin: 1 new, admin",
            "bob: 1 new, bob",
            "cy: 1 new, cy",
            "ada: 3 old",
            "bob: 3 old",
            "cy: 3 old",
            "5: 3 old"
        ]
    );
    let changes = db.changes(&before.0).await;
    assert!(
        changes.len() == 18
            && changes.iter().all(|one| one[2..].starts_with("logs (") && one.ends_with("old)")),
        "{changes:?}"
    );
    // Dan has no account: his rows stay reported. Old tokens still sign in as somebody else.
    approved.found(&[SHIFTED, ORPHANS, VIOLATED]);
    assert!(
        approved.finding(R::OrphanRows).message.contains(
            "3 rows belong to 1 person of the list who has no account today (5): make that person one"
        ),
        "{:?}",
        approved.finding(R::OrphanRows)
    );
    assert_eq!(approved.finding(R::IdentityShifted).object.unwrap().table, "users");
    // What was moved names ids that the list calls shifted, and is never moved again.
    case.settled(&db).await;
    let after = db.fingerprint().await;
    case.approve_again_does_nothing().await;
    assert_eq!(db.fingerprint().await, after);
}

impl Case {
    async fn approve_again_does_nothing(&mut self) {
        self.repair().await.repaired(&[]);
        self.requests.approval = None;
        let pass = self.repair().await;
        pass.repaired(&[]).plans(&[]);
    }
}

#[tokio::test]
async fn a_restore_undoes_the_exchange_row_by_row_and_then_it_is_found_again() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run("INSERT INTO users VALUES (4, 'four@example.com', 'x'); ").await;
    let before = db.snapshot().await;
    // 4 names somebody else now, so all nine rows are shifted ones.
    let waiting = case.repair().await;
    waiting.plans(&[(A::Remap, "logs.user_id", 9, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
    assert_ne!(db.changes(&before).await, [""; 0]);
    let run = case.status.history[0].run.clone();
    let restored = case.restore(&run).await.unwrap();
    assert_eq!((restored[0].action, restored[0].rows, restored[0].blocked), (A::Remap, 9, 0), "{restored:?}");
    assert_eq!(db.changes(&before).await, [""; 0], "restore gives back every row as it was");
    case.requests.approval = None;
    case.repair().await.repaired(&[]).plans(&[(A::Remap, "logs.user_id", 9, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
    assert_eq!(db.text("SELECT string_agg(DISTINCT user_id::text, ',' ORDER BY user_id::text) FROM logs WHERE note = 'old'").await, "2,3,5,9");
}

#[tokio::test]
async fn a_row_that_the_app_moved_in_between_stays_as_the_app_has_it() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    case.repair().await;
    // The app corrects a row itself before the approval: the plan that was shown is another one.
    db.run("UPDATE logs SET user_id = 3, note = 'by the app' WHERE id = 1").await;
    db.run("DELETE FROM logs WHERE id = 2").await;
    let before = logs(&db).await;
    case.approve().await.repaired(&[]);
    assert_eq!(logs(&db).await, before, "more or other rows than were shown need a new approval");
}

#[tokio::test]
async fn shifted_ids_are_reported_without_remap_and_nothing_moves() {
    let db = old_world().await;
    let mut case = moved(&db, REPORT).await;
    let pass = case.reports(&db, &[SHIFTED, SHIFTED, ORPHANS, VIOLATED]).await;
    let findings = pass.outcome().findings();
    assert!(findings[..2].iter().all(|one| one.severity == Severity::Critical && one.remedy.is_none()));
    let of =
        |table: &str| findings[..2].iter().find(|one| one.object.as_ref().unwrap().table == table).unwrap();
    assert_eq!((of("users").keys, &of("users").sample), (Some(2), &vec!["2".to_owned(), "3".to_owned()]));
    assert!(of("users").message.contains("end all sessions first"), "{}", of("users").message);
    assert_eq!((of("logs").rows, of("logs").keys), (Some(6), Some(2)), "only old rows count");
    assert!(of("logs").message.contains("choose onOrphan Remap"), "{}", of("logs").message);
    assert!(
        findings[2].message.contains("choose Remap (it gives 3 rows back to their people), Reassign"),
        "{}",
        findings[2].message
    );
}

#[tokio::test]
async fn with_another_signing_key_and_no_row_concerned_shifted_ids_are_a_warning() {
    let db = old_world().await;
    let mut case = moved(&db, REPORT).await;
    db.run("DELETE FROM logs WHERE note = 'old'").await;
    case.check().await.found(&[SHIFTED]).shows(&[
        "Ready=False IdentityShifted",
        "Stalled=True IdentityShifted",
        "DatabaseReachable=True Connected",
        "SchemaCompatible=True Compatible",
        "AdminConsistent=True Consistent",
        "ReferencesConsistent=False IdentityShifted",
        "SigningKeyTrusted=True Trusted",
    ]);
    case.secret("jwt", "key", "canary-another-9d0c7f1be07a4936a1d4c7728e6b9f03");
    let pass = case.check().await;
    pass.found(&[SHIFTED, (R::RotationWithoutOverlap, C::SigningKeyTrusted, None)]);
    assert_eq!(pass.finding(R::IdentityShifted).severity, Severity::Warning);
    assert_eq!(pass.finding(R::RotationWithoutOverlap).severity, Severity::Warning);
    assert_eq!(pass.conditions()[0], "Ready=True Consistent");
}

const CSV: &str = "id,login\r\n1,admin@example.com\r\n2,ada@example.com\r\n3,bob@example.com\r\n4,cy@example.com\r\n5,dan@example.com\r\n";

#[tokio::test]
async fn without_a_mark_only_orphans_are_moved_and_shifted_rows_are_reported() {
    let db = old_world().await;
    db.run(MOVED).await;
    let mut case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "people.csv", CSV);
    let before = db.snapshot().await;
    let found = &[SHIFTED, SHIFTED, ORPHANS, VIOLATED];
    let waiting = case.repair().await;
    // The id 4 is below the next one, so it may have been given out again: a person looks.
    waiting.found(found).repaired(&[]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
    let waits = waiting.outcome().plan.clone().unwrap().steps[0].waits.clone().unwrap();
    assert!(waits.contains("3 rows may name an id that was given out again since"), "{waits}");
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 3)]).found(found);
    let changes = db.changes(&before).await;
    assert_eq!(changes.len(), 6, "{changes:?}");
    assert_eq!(
        db.texts("SELECT DISTINCT user_id FROM logs WHERE note = 'old' ORDER BY 1").await,
        ["2", "3", "5", "9"]
    );
    case.settled(&db).await;
}

#[tokio::test]
async fn orphans_whose_ids_were_never_given_out_again_are_moved_within_the_limits_at_once() {
    let db = old_world().await;
    db.run(
        "SET session_replication_role = replica; UPDATE logs SET user_id = user_id + 4000; UPDATE users SET id = id + 10 WHERE id > 1;
         SELECT setval('users_id_seq', 20); RESET session_replication_role",
    )
    .await;
    let csv =
        "id,login\n4002,ada@example.com\n4003,bob@example.com\n4004,cy@example.com\n4005,dan@example.com\n";
    let mut case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "people.csv", csv);
    let steps = &[(A::AdvanceSequence, "users_id_seq", 0), (A::Remap, "logs.user_id", 12)];
    let before = db.snapshot().await;
    let repair = case.repair().await;
    repair.repaired(steps).found(&[]);
    assert_eq!(db.changes(&before).await.len(), 24);
    assert_eq!(db.texts(OWNERS).await, ["ada: 3 old", "bob: 3 old", "cy: 3 old", "dan: 3 old"]);
    case.settled(&db).await;
}

#[tokio::test]
async fn a_table_that_was_kept_says_the_same_as_a_list() {
    let db = old_world().await;
    db.run("CREATE SCHEMA kept; CREATE TABLE kept.\"users old\" AS SELECT id::text AS \"ID\", email::varchar(80) AS mail FROM users").await;
    db.run(MOVED).await;
    let table = "  onOrphan: Remap\n  identities: {table: {schema: kept, table: users old, idColumn: ID, loginColumn: mail}}\n";
    let mut case = Case::new(&db, &spec(table));
    case.repair().await.found(&[SHIFTED, SHIFTED, ORPHANS, VIOLATED]).repaired(&[]).plans(&[(
        A::Remap,
        "logs.user_id",
        3,
        true,
    )]);
    // Who is meant changes between plan and approval: the plan is another one then.
    db.run("UPDATE kept.\"users old\" SET mail = 'dan@example.com' WHERE \"ID\" = '4'; UPDATE kept.\"users old\" SET mail = 'cy@example.com' WHERE \"ID\" = '5'").await;
    let before = db.fingerprint().await;
    case.approve().await.repaired(&[]);
    assert_eq!(db.fingerprint().await, before);
    case.requests.approval = None;
    db.run("DELETE FROM kept.\"users old\"").await;
    let pass = case.repair().await;
    pass.found(&[
        (R::OrphanRows, C::ReferencesConsistent, Some(R::IdentitiesInvalid)),
        (R::IdentitiesInvalid, C::ReferencesConsistent, None),
        VIOLATED,
    ]);
    assert!(
        pass.finding(R::IdentitiesInvalid).message.contains("table kept.users old: nobody stands in it"),
        "{:?}",
        pass.finding(R::IdentitiesInvalid)
    );
    for (change, why) in [
        ("ALTER TABLE kept.\"users old\" RENAME mail TO email", "no column \"mail\""),
        ("DROP TABLE kept.\"users old\"", "no table kept.users old"),
    ] {
        db.run(change).await;
        let message = case.check().await.finding(R::IdentitiesInvalid).message;
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn rows_that_carry_credentials_are_not_moved() {
    let db = old_world().await;
    db.run("ALTER TABLE logs RENAME TO sessions").await;
    let mut case = moved_sessions(&db).await;
    let refused = Some(R::ReassignRefused);
    case.reports(
        &db,
        &[
            (R::IdentityShifted, C::ReferencesConsistent, refused),
            SHIFTED,
            (R::OrphanRows, C::ReferencesConsistent, refused),
            VIOLATED,
        ],
    )
    .await;
}

async fn moved_sessions(db: &Db) -> Case {
    let text = taken(&Case::new(db, &spec("")), None).await.write().unwrap();
    db.run(&MOVED.replace("INTO logs", "INTO sessions")).await;
    let mut case = Case::new(db, &spec(REMAP));
    case.config_map("before", "before.json", &text);
    case
}

#[tokio::test]
async fn a_keyed_snapshot_says_nothing_without_its_passphrase_and_the_same_with_it() {
    let db = old_world().await;
    let old = Case::new(&db, &spec(""));
    let salt = [7; 16];
    let key = LoginKey::derive(b"canary passphrase of the snapshot", &salt).unwrap();
    let snapshot = taken(&old, Some((&key, Keyed::new(&salt, key.check())))).await;
    assert_eq!(snapshot, taken(&old, Some((&key, Keyed::new(&salt, key.check())))).await, "the same twice");
    let text = snapshot.write().unwrap();
    assert_eq!(Snapshot::read(&text).unwrap(), snapshot, "what is written is what is read");
    for secret in ["@example.com", HASH, "canary", "correct horse"] {
        assert!(!text.contains(secret), "{secret} stands in {text}");
    }
    assert!(text.contains("\"holdsPersonalData\": false") && text.contains("v1:scrypt:"), "{text}");
    let plain = taken(&old, None).await;
    assert!(plain.holds_personal_data && plain.people[1] == ("2".into(), Some("ada@example.com".into())));
    assert!(!plain.write().unwrap().contains(HASH));

    db.run(MOVED).await;
    let keyed = "  onOrphan: Remap\n  identities: {configMapRef: {name: before, key: k}, passphraseSecretRef: {name: pass, key: p}}\n";
    let mut case = Case::new(&db, &spec(keyed));
    case.config_map("before", "k", &text).secret("pass", "p", "canary passphrase of the snapshot\n");
    case.repair().await.plans(&[(A::Remap, "logs.user_id", 9, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
    assert_eq!(
        db.text("SELECT string_agg(user_id::text, ',' ORDER BY id) FROM logs WHERE note = 'old'").await,
        "3,2,9,5,3,2,9,5,3,2,9,5"
    );

    case.secret("pass", "p", "another canary passphrase");
    let errors = case.errors();
    assert_eq!(
        (errors.len(), errors[0].reason, errors[0].condition),
        (1, R::IdentitiesInvalid, C::ReferencesConsistent)
    );
    assert!(errors[0].message.contains("the passphrase is not the one that it was taken with"), "{errors:?}");
}

#[tokio::test]
async fn a_login_that_is_longer_than_any_list_holds_is_left_out_of_a_snapshot_and_matches_nobody() {
    let db = old_world().await;
    let long = "UPDATE users SET email = repeat('canary', 30000000) WHERE id = 2; \
                UPDATE users SET email = repeat('x', 1025) WHERE id = 3";
    db.run(&format!("ALTER TABLE users DROP CONSTRAINT users_email_key; {long}")).await;
    let old = Case::new(&db, &spec(""));
    let salt = [7; 16];
    let key = LoginKey::derive(b"canary passphrase of the snapshot", &salt).unwrap();
    for keyed in [None, Some((&key, Keyed::new(&salt, key.check())))] {
        let snapshot = taken(&old, keyed).await;
        let login = |id: &str| snapshot.people.iter().find(|one| one.0 == id).unwrap().1.clone();
        assert_eq!((login("2"), login("3")), (None, None), "no part of one stands there");
        assert!(login("1").is_some());
        let left_out = snapshot.long_logins.clone().unwrap();
        assert_eq!((left_out.count, left_out.sample), (2, vec!["2".to_owned(), "3".to_owned()]));
        let text = snapshot.write().unwrap();
        assert!(!text.contains("canary") && text.len() < 20_000, "{} bytes", text.len());
        assert_eq!(Snapshot::read(&text).unwrap(), snapshot);
        // The others are known again by it.
        let passphrase =
            matches!(snapshot.logins, Logins::Keyed(_)).then_some(&b"canary passphrase of the snapshot"[..]);
        let people = Identities::parse(&text, "before".into(), passphrase).unwrap().people;
        assert!(people.iter().all(|one| !["2", "3"].contains(&one.id.as_str())) && !people.is_empty());
    }
    db.run("UPDATE users SET email = 'of ' || id WHERE id IN (2, 3)").await;
    assert_eq!(taken(&old, None).await.long_logins, None);
}

#[tokio::test]
async fn a_snapshot_knows_constraints_sequences_types_and_how_far_tables_had_come() {
    let db = old_world().await;
    let mut case = Case::new(&db, &spec(""));
    let before = db.fingerprint().await;
    let snapshot = taken(&case, None).await;
    assert_eq!(db.fingerprint().await, before, "a snapshot writes nothing");
    let users = &snapshot.users;
    assert_eq!((users.table.as_str(), users.sequence.as_ref().unwrap().next), ("users", 6));
    assert_eq!(users.columns[0].data_type, "integer");
    let logs = &snapshot.references[0];
    assert_eq!(logs.definition.as_deref(), Some("FOREIGN KEY (user_id) REFERENCES public.users(id)"));
    let mark = logs.high_water.as_ref().unwrap();
    assert_eq!((mark.column.as_str(), mark.highest), ("id", 12));

    // A constraint that was lost on the way is found by it, without a rule.
    let text = snapshot.write().unwrap();
    db.run("ALTER TABLE logs DROP CONSTRAINT logs_user_id_fkey").await;
    case = Case::new(&db, &spec(REPORT));
    case.config_map("before", "b", &text);
    let pass = case.check().await;
    pass.found(&[(R::ConstraintMissing, C::SchemaCompatible, None)]);
    let finding = pass.finding(R::ConstraintMissing);
    assert_eq!(finding.object.unwrap().constraint.as_deref(), Some("logs_user_id_fkey"));
    assert!(
        finding.message.contains("FOREIGN KEY (user_id) REFERENCES public.users(id)"),
        "{}",
        finding.message
    );
    // Under another name it is there.
    db.run("ALTER TABLE logs ADD CONSTRAINT renamed FOREIGN KEY (user_id) REFERENCES users").await;
    case.check().await.consistent();
}

#[tokio::test]
async fn a_sequence_that_went_back_makes_old_rows_untellable() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run("SELECT setval('logs_id_seq', 3)").await;
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
    let findings = pass.outcome().findings();
    let logs = findings.iter().find(|one| one.finding == R::IdentityShifted && one.rows.is_some()).unwrap();
    assert!(logs.message.contains("which of them are old cannot be told"), "{}", logs.message);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 3)]);
    assert_eq!(db.text("SELECT count(*) FROM logs WHERE note = 'old' AND user_id IN (2, 3)").await, "6");
}

#[tokio::test]
async fn rows_that_were_given_to_the_admin_before_are_not_taken_for_old_ones() {
    let db = old_world().await;
    let old = Case::new(&db, &spec(""));
    let text = taken(&old, None).await.write().unwrap();
    // The admin gets the id that ada had, and cy's rows were given to the admin.
    db.run(
        "SET session_replication_role = replica; UPDATE users SET id = 50 WHERE id = 2; UPDATE users SET id = 2 WHERE id = 1;
         DELETE FROM users WHERE id = 4; SELECT setval('users_id_seq', 60); RESET session_replication_role",
    )
    .await;
    let mut case = Case::new(&db, &spec("  onOrphan: Reassign\n"));
    case.repair().await.repaired(&[(A::Reassign, "logs.user_id", 3)]);
    case.edit(|spec| {
        spec.references =
            serde_saphyr::from_str("{onOrphan: Remap, identities: {configMapRef: {name: before}}}").unwrap();
    });
    case.config_map("before", "b", &text);
    let before = db.snapshot().await;
    let pass = case.repair().await;
    pass.repaired(&[]).plans(&[]);
    let findings = pass.outcome().findings();
    let logs = findings.iter().find(|one| one.finding == R::IdentityShifted && one.rows.is_some()).unwrap();
    assert!(
        logs.message.contains("which look like old ones now, so none is moved: restore that run"),
        "{}",
        logs.message
    );
    assert_eq!(db.changes(&before).await, [""; 0]);
    // Undone, they can be told again, and go to their own people.
    let run = case.status.history[0].run.clone();
    db.run("INSERT INTO users VALUES (4, 'new@example.com', 'x')").await;
    assert_eq!(case.restore(&run).await.unwrap()[0].rows, 3);
    case.repair().await.plans(&[(A::Remap, "logs.user_id", 3, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 3)]);
    assert_eq!(
        db.text("SELECT string_agg(DISTINCT user_id::text, ',') FROM logs WHERE id IN (1, 5, 9)").await,
        "50"
    );
}

#[tokio::test]
async fn the_admin_s_id_is_moved_only_when_rows_are_with_their_people() {
    let db = old_world().await;
    let old = Case::new(&db, &spec(""));
    let text = taken(&old, None).await.write().unwrap();
    // The admin sits on cy's old id; cy is 30 now, and nobody is 1.
    db.run(
        "SET session_replication_role = replica; UPDATE users SET id = 30 WHERE id = 4; UPDATE users SET id = 4 WHERE id = 1;
         INSERT INTO logs (user_id, note) VALUES (4, 'of the admin'); SELECT setval('users_id_seq', 60); RESET session_replication_role",
    )
    .await;
    let mut case =
        Case::new(&db, &spec(REMAP).replace("columns: [{column: role", "id: '1'\n  columns: [{column: role"));
    case.config_map("before", "b", &text);
    case.repair().await.repaired(&[]).plans(&[(A::Remap, "logs.user_id", 3, true)]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 3)]);
    case.requests.approval = None;
    let pass = case.repair().await;
    if pass.outcome().repaired.is_empty() {
        case.approve().await;
    }
    assert_eq!(
        db.text("SELECT string_agg(user_id::text, ',' ORDER BY id) FROM logs WHERE id IN (3, 7, 11, 13)")
            .await,
        "30,30,30,1"
    );
}

#[tokio::test]
async fn what_is_wrong_with_the_identities_is_told_and_nothing_is_changed() {
    let db = old_world().await;
    db.run(MOVED).await;
    let before = db.fingerprint().await;
    let mut case = Case::new(&db, &spec(REMAP));
    assert_eq!(case.errors()[0].reason, R::IdentitiesMissing);
    for (text, reason, why) in [
        ("", R::IdentitiesMissing, "key \"b\" of ConfigMap \"before\" is empty"),
        ("id,login\n1\n", R::IdentitiesInvalid, "row 2 has 1 column"),
        ("id,login\n", R::IdentitiesInvalid, "nobody stands in it"),
        ("{\"kind\": \"Secret\"}", R::IdentitiesInvalid, "its kind is \"Secret\""),
        (
            "{\"kind\": \"IdentitySnapshot\", \"apiVersion\": \"auth.probeops.com/v9\"}",
            R::IdentitiesInvalid,
            "its apiVersion is \"auth.probeops.com/v9\"",
        ),
    ] {
        case.config_map("before", "b", text);
        let errors = case.errors();
        assert_eq!(
            (errors.len(), errors[0].reason, errors[0].condition),
            (1, reason, C::ReferencesConsistent)
        );
        assert!(errors[0].message.contains(why), "{errors:?}");
    }
    for (text, why) in [
        (
            "id,login\n2,a@example.com\n2,b@example.com\n",
            "rows 2 and 3 give the id 2 to two different logins",
        ),
        ("id,login\n2x,a@example.com\n", "row 2: the id, of 2 characters, is no integer"),
    ] {
        case.config_map("before", "b", text);
        let pass = case.repair().await;
        pass.repaired(&[]);
        let message = pass.finding(R::IdentitiesInvalid).message;
        assert!(message.contains(why), "{message}");
    }
    let mut case = Case::new(&db, &format!("{USUAL}references: {{onOrphan: Remap}}"));
    assert!(case.errors()[0].message.contains("spec.references.identities: Remap gives rows back"));
    case = Case::new(&db, &spec("  rules: [{table: logs, onOrphan: Remap}]\n"));
    assert_eq!(case.errors()[0].reason, R::SpecInvalid);
    // A snapshot of another table is not of these users.
    let mut snapshot = taken(&Case::new(&db, &spec("")), None).await;
    snapshot.users.table = "accounts".into();
    case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "b", &snapshot.write().unwrap());
    assert!(case.errors()[0].message.contains("it is of the table public.accounts"), "{:?}", case.errors());
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn a_list_that_maps_nothing_is_no_error() {
    let db = old_world().await;
    let mut case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "b", CSV);
    case.check().await.consistent();
    case.settled(&db).await;
}

#[tokio::test]
async fn logins_are_compared_as_their_type_compares_them() {
    let db = old_world().await;
    db.run("CREATE EXTENSION citext SCHEMA public; ALTER TABLE users ALTER email TYPE citext").await;
    let mut case = Case::new(&db, &spec(REMAP));
    case.config_map("before", "b", &CSV.to_uppercase().replace("ID,LOGIN", "id,login"));
    case.check().await.consistent();
    let salt = [9; 16];
    let key = LoginKey::derive(b"canary passphrase of the snapshot", &salt).unwrap();
    let text = taken(&case, Some((&key, Keyed::new(&salt, key.check())))).await.write().unwrap();
    db.run("UPDATE users SET email = upper(email::text)").await;
    let keyed = "  identities: {configMapRef: {name: before}, passphraseSecretRef: {name: pass, key: p}}\n";
    let mut case = Case::new(&db, &spec(keyed));
    case.config_map("before", "b", &text).secret("pass", "p", "canary passphrase of the snapshot");
    case.check().await.consistent();
}

#[tokio::test]
async fn a_trigger_that_keeps_a_row_back_undoes_the_whole_exchange() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 11 THEN RETURN OLD; END IF; RETURN NEW; END $$;
         CREATE TRIGGER keep BEFORE UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    .await;
    case.repair().await;
    let before = db.snapshot().await;
    let pass = case.approve().await;
    pass.repaired(&[]);
    assert!(
        pass.finding(R::RepairFailed).message.contains("nothing was changed"),
        "{:?}",
        pass.finding(R::RepairFailed)
    );
    assert_eq!(db.changes(&before).await, [""; 0]);
}

#[tokio::test]
async fn keys_of_text_and_uuid_and_several_references_of_a_table_go_back_too() {
    for kind in ["text", "uuid"] {
        let id = |n: u8| {
            if kind == "uuid" { format!("00000000-0000-4000-8000-0000000000{n:02}") } else { format!("u{n}") }
        };
        let db = Db::new(&format!(
            "CREATE TABLE users (id {kind} PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
               role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
             CREATE TABLE mails (a int, b int, sender {kind} REFERENCES users, receiver {kind} REFERENCES users, PRIMARY KEY (a, b));
             INSERT INTO users VALUES ('{}', 'admin@example.com', '{HASH}', 'admin'), ('{}', 'ada@example.com', '{HASH}', 'user'), ('{}', 'bob@example.com', '{HASH}', 'user');
             SET session_replication_role = replica;
             INSERT INTO mails VALUES (1, 1, '{}', '{}'), (1, 2, '{}', '{}'), (2, 1, '{}', NULL); RESET session_replication_role;",
            id(1), id(12), id(13), id(2), id(3), id(3), id(12), id(9)
        ))
        .await;
        let mut case = Case::new(&db, &spec(REMAP));
        let shout = |id: String| if kind == "uuid" { format!("{{{}}}", id.to_uppercase()) } else { id };
        let csv = format!("id,login\n{},ada@example.com\n{},bob@example.com\n", shout(id(2)), shout(id(3)));
        case.config_map("before", "b", &csv);
        // Such ids are never given out again, so what is within the limits is done at once.
        let pass = case.repair().await;
        pass.repaired(&[(A::Remap, "mails.receiver", 1), (A::Remap, "mails.sender", 2)]);
        pass.found(&[ORPHANS, VIOLATED]);
        let expected = [
            format!("1 1 {} {}", id(12), id(13)),
            format!("1 2 {} {}", id(13), id(12)),
            format!("2 1 {} ", id(9)),
        ];
        assert_eq!(
            db.texts("SELECT format('%s %s %s %s', a, b, sender, receiver) FROM mails ORDER BY a, b").await,
            expected
        );
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn rows_of_a_text_column_go_back_once_it_has_the_type_of_the_ids() {
    for (kind, id) in [
        ("int", (|n| n.to_string()) as fn(u32) -> String),
        ("uuid", |n| format!("00000000-0000-4000-8000-0000000000{n:02}")),
    ] {
        let db = Db::new(&format!(
            "CREATE TABLE users (id {kind} PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
               role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
             CREATE TABLE mails (id int PRIMARY KEY, sender text);
             INSERT INTO users VALUES ('{}', 'admin@example.com', '{HASH}', 'admin'), ('{}', 'ada@example.com', '{HASH}', 'user');
             INSERT INTO mails VALUES (1, '{}'), (2, '{}'), (3, 'nobody'), (4, NULL), (5, '99999999999999999999')",
            id(1), id(12), id(1), id(2)
        ))
        .await;
        let rules = format!("{REMAP}  rules: [{{table: mails, columns: [sender], declared: true}}]\n");
        let mut case = Case::new(&db, &spec(&rules));
        case.config_map("before", "b", &format!("id,login\n{},ada@example.com\n", id(2)));
        let blocked = (R::OrphanRows, C::ReferencesConsistent, Some(R::RepairUnsupported));
        let differs = (R::IdTypeDiffers, C::SchemaCompatible, None);
        let pass = case.reports(&db, &[blocked, differs]).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(message.ends_with("2 rows of the table hold no id by their type (99999999999999999999, nobody): clear them, then change the type, as IdTypeDiffers says, and check again"), "{message}");
        // What the other message prints does that, and takes nothing that could go back.
        let told = pass.finding(R::IdTypeDiffers).message;
        db.run(told.split('`').nth(1).unwrap()).await;
        let left = db.texts("SELECT id::text FROM mails WHERE sender IS NOT NULL ORDER BY id").await;
        assert_eq!(left, ["1", "2"]);
        let pass = case.reports(&db, &[blocked, differs]).await;
        let message = pass.finding(R::OrphanRows).message;
        assert!(message.ends_with("so no id is written into the column; change its type first, as IdTypeDiffers says, and check again"), "{message}");
        let told = pass.finding(R::IdTypeDiffers).message;
        assert!(!told.contains("first"), "{told}");
        let (_, alter) = told.split_once(" run ").unwrap();
        db.run(alter.split(" (a value").next().unwrap()).await;
        let message = case.check().await.finding(R::OrphanRows).message;
        let words = format!("1 row can be given back to 1 id ({} → {})", id(2), id(12));
        assert!(message.contains(&words), "{message}");
    }
}

#[tokio::test]
async fn a_trigger_that_goes_on_to_other_rows_undoes_the_whole_exchange() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    db.run(
        "CREATE TABLE trail (what text);
         CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO trail VALUES (OLD.note); RETURN NULL; END';
         CREATE TRIGGER act AFTER UPDATE ON logs FOR EACH ROW EXECUTE FUNCTION act()",
    )
    .await;
    let before = db.snapshot().await;
    case.repair().await.repaired(&[]);
    let pass = case.approve().await;
    pass.repaired(&[]);
    let failed = pass.finding(R::RepairFailed);
    assert_eq!(failed.blocked, Some(R::RepairTouchesMore), "{failed:?}");
    assert!(failed.message.contains("public.trail (9 rows inserted"), "{}", failed.message);
    assert_eq!(db.changes(&before).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_dump_of_a_remapped_database_is_not_remapped_again_where_it_is_restored() {
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    case.repair().await.repaired(&[]);
    case.approve().await.repaired(&[(A::Remap, "logs.user_id", 9)]);
    let copy = db.copied().await;
    let mut there = case.over(&copy);
    let before = copy.snapshot().await;
    let pass = there.repair().await;
    pass.repaired(&[]).plans(&[]);
    assert_eq!(copy.changes(&before).await, Vec::<String>::new());
}
