//! What nothing is planted for, and why.

use auth_consistency::api::condition::Reason as R;

const GOOD: &str = "it says that all is well";
const APP: &str = "it takes an app that answers: tests/scenarios and tests/differential";
const REPAIR: &str = "it comes of a repair, and a check is asked here: tests/databases";
const CLUSTER: &str = "it takes a cluster: tests/scenarios";
const TIME: &str = "it takes tables that are large, or a lock for long: tests/databases/rounds and bounds";

pub const WITHOUT: &[(R, &str)] = &[
    (R::Consistent, GOOD),
    (R::Connected, GOOD),
    (R::Compatible, GOOD),
    (R::Trusted, GOOD),
    (R::Accepted, GOOD),
    (R::Progressing, CLUSTER),
    (R::ProgressingWithRetry, CLUSTER),
    (R::NotChecked, "it goes with every failed stage, and is no cause"),
    (R::TimedOut, TIME),
    (R::LookUnfinished, TIME),
    (R::InternalError, "nobody knows how to plant it"),
    (R::DatabaseHostNotAllowed, "it is of the operator's flags: src/network"),
    (R::DatabaseTlsFailed, "it takes a server with another certificate: tests/databases/connections"),
    (R::DatabaseError, "it takes a server that misbehaves: tests/wire"),
    (R::ConstraintNotEnforced, "PostgreSQL 18 alone has it: tests/databases/since_18"),
    (R::RepairFailed, REPAIR),
    (R::RepairTouchesMore, REPAIR),
    (R::ApprovalRequired, "it is a plan that waits, and no fault: tests/databases"),
    (R::RestoreBlocked, REPAIR),
    (R::SigningKeyChanged, "an event; the condition beside it is RotationWithoutOverlap"),
    (R::TokensRejected, APP),
    (R::ForgedTokenAccepted, APP),
    (R::VerifierUnreachable, APP),
    (R::VerifierHostNotAllowed, APP),
    (R::Repaired, REPAIR),
    (R::RequestNotDone, CLUSTER),
    (R::Suspended, CLUSTER),
    (R::DatabaseBusy, TIME),
];

pub const VERDICTS_WITHOUT: &[(&str, &str)] = &[
    ("KeyUnusable", "the key is planted as SigningKeyUnfit"),
    ("SignedWithOtherAlgorithm", "it takes an RSA signature: tests/differential"),
    ("SignedByAnother", "it takes other resources: tests/scenarios"),
    ("RefusedByApp", "it takes an app: tests/scenarios"),
    ("AcceptedByApp", "it takes an app: tests/scenarios"),
];
