//! A fingerprint that a pass does not wait for: nothing is said or done that it would have decided, and nothing
//! that it tells is lost.

use auth_consistency::pass::request::{Repairs, Supervisor};

use std::sync::atomic::{AtomicU32, Ordering};

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::{Action as A, StepReport},
};

use auth_consistency::{domain::fault::Fault, pass::memory::Memory};
use futures::future::BoxFuture;

use crate::{
    remap::{REMAP, moved, old_world},
    sessions::new_key,
    support::{Case, Db, HASH, Pass, USUAL},
};

/// Others wait for this pass: it puts off what it may.
#[derive(Default)]
struct Hurried {
    asked: AtomicU32,
}

impl Supervisor for Hurried {
    fn begin<'a>(&'a self, _: &'a [StepReport]) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn still_wanted(&self) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { Ok(()) })
    }

    fn puts_off_the_fingerprint(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// A repair that others wait for, and whether it has put the fingerprint off.
async fn hurried(case: &mut Case) -> (Pass, bool) {
    let hurried = Hurried::default();
    let pass = case.pass(Repairs::All, &hurried).await;
    (pass, hurried.asked.into_inner() > 0)
}

/// A consistent app, and a resource whose key no other test has: the process computes each once.
async fn app(key: &str) -> (Db, Case) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, valid_from timestamptz);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');"
    ))
    .await;
    let mut case = Case::new(&db, &format!("{USUAL}jwt: {{secretRef: {{name: jwt, key: key}}}}\n"));
    case.secret("jwt", "key", key);
    (db, case)
}

/// The operator was started again, and remembers nothing.
fn restarted(case: &mut Case) {
    case.memory = Memory::default();
}

#[tokio::test]
async fn the_first_verdict_is_the_same_without_the_fingerprint_and_says_of_the_key_only_what_was_looked_at() {
    let (db, mut case) = app("canary-put-off-one-7d9f3c1be07a4936a1d4c").await;
    let before = db.fingerprint().await;
    let (first, put_off) = hurried(&mut case).await;
    first.consistent();
    assert!(put_off);
    assert_eq!(first.status.signing_key, None, "neither a fingerprint, nor that there is none");
    let (again, put_off) = hurried(&mut case).await;
    assert!(put_off && again.status == first.status, "it stays so until it is computed");

    let calm = case.repair().await;
    let key = calm.status.signing_key.clone().unwrap();
    assert!(key.fingerprint.is_some() && key.changed_time.is_none(), "{key:?}");
    assert_eq!(calm.status.conditions, first.status.conditions, "nothing else is another word");
    assert_eq!(calm.status.findings, []);
    let (known, put_off) = hurried(&mut case).await;
    assert!(!put_off && known.status == calm.status, "what is known is not put off");
    restarted(&mut case);
    let (known, put_off) = hurried(&mut case).await;
    assert!(!put_off && known.status == calm.status, "nor what the process knows");
    assert_eq!(db.fingerprint().await, before);
}

#[tokio::test]
async fn a_key_that_changed_while_nobody_looked_is_told_once_and_until_then_the_status_stands() {
    let (db, mut case) = app("canary-put-off-two-7d9f3c1be07a4936a1d4c").await;
    let before = case.repair().await;
    restarted(&mut case);
    case.secret("jwt", "key", "canary-put-off-three-3c1be07a4936a1d4c7728");
    let (hurried_pass, put_off) = hurried(&mut case).await;
    hurried_pass.consistent();
    assert!(put_off);
    assert_eq!(hurried_pass.status, before.status, "to the letter");

    let told = case.repair().await;
    told.found(&[(R::RotationWithoutOverlap, C::SigningKeyTrusted, None)]);
    let (old, new) = (before.status.signing_key.unwrap(), told.status.signing_key.clone().unwrap());
    assert!(new.fingerprint != old.fingerprint && new.changed_time.is_some());
    assert_eq!(Some(&new.replaced[0].fingerprint), old.fingerprint.as_ref());
    case.settled(&db).await;

    // What is told of it stays while its tokens live, and who looks after a restart waits to know.
    restarted(&mut case);
    let (again, put_off) = hurried(&mut case).await;
    assert!(!put_off);
    assert_eq!(again.status, told.status);
    restarted(&mut case);
    case.secret("jwt", "key", "canary-put-off-four-3c1be07a4936a1d4c77281");
    let (third, put_off) = hurried(&mut case).await;
    assert!(!put_off);
    assert_eq!(third.status.signing_key.unwrap().replaced.len(), 2);
}

#[tokio::test]
async fn nobody_is_asked_whether_to_put_off_what_is_decided_by_the_key() {
    // Sessions that end with a key: the same plan, whether others wait or not.
    let (db, _) = app("").await;
    let sessions = "{invalidateBeforeColumn: valid_from, onKeyChange: End}";
    let mut case = new_key(&db, sessions);
    case.secret("jwt", "key", "canary-put-off-five-3c1be07a4936a1d4c77281");
    let (waiting, put_off) = hurried(&mut case).await;
    assert!(!put_off);
    waiting.repaired(&[]).plans(&[(A::EndSessions, "users.valid_from", 1, true)]);
    let fingerprint = waiting.status.signing_key.clone().unwrap().fingerprint;
    assert!(fingerprint.is_some());
    case.settled(&db).await;

    // A snapshot that knows another key says that no token of before counts.
    let db = old_world().await;
    let mut case = moved(&db, REMAP).await;
    case.secret("jwt", "key", "canary-put-off-six-c1be07a4936a1d4c7728190");
    let (waiting, put_off) = hurried(&mut case).await;
    assert!(!put_off);
    let calm = case.repair().await;
    assert_eq!(calm.status, waiting.status);

    // A key that is too weak has none to be put off, and is not told as one that has.
    let (_db, mut case) = app("k3$hort!").await;
    let (weak, put_off) = hurried(&mut case).await;
    assert!(!put_off);
    assert_eq!(weak.status.signing_key.unwrap().fingerprint, None);
    // And a good one in its place is not told as weak until it is known.
    restarted(&mut case);
    case.secret("jwt", "key", "canary-put-off-seven-be07a4936a1d4c7728190");
    let (good, put_off) = hurried(&mut case).await;
    assert!(!put_off && good.status.signing_key.unwrap().fingerprint.is_some());
}
