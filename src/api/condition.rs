//! The closed sets of condition types and reasons.
//!
//! Every reason has a page in `docs/reasons/`, which comes with the program: messages name the command that
//! prints it. A test keeps pages and index in step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Types of conditions that a resource can carry.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// Everything that the spec asks for holds, warnings aside.
    Ready,
    /// The controller is working, or will try again by itself. Removed when it is not.
    Reconciling,
    /// A person must act. Removed when nobody must.
    Stalled,
    /// The database answers as the role that the spec names.
    DatabaseReachable,
    /// Tables, columns, types, constraints, sequences and rights are what the spec needs.
    SchemaCompatible,
    /// The admin, and each account of `spec.accounts`, exists, is active and is what the spec says.
    AdminConsistent,
    /// Every reference names a user.
    ReferencesConsistent,
    /// The signing key is neither guessable, weak nor oddly stored.
    SigningKeyTrusted,
    /// The app accepts what the key mints, and nothing else.
    TokensAccepted,
}

impl ConditionType {
    /// The domain conditions, in the order in which a pass finds them out.
    pub const DOMAIN: [Self; 6] = [
        Self::DatabaseReachable,
        Self::SchemaCompatible,
        Self::AdminConsistent,
        Self::ReferencesConsistent,
        Self::SigningKeyTrusted,
        Self::TokensAccepted,
    ];

    /// The name as it stands in a condition's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::DatabaseReachable => "DatabaseReachable",
            Self::SchemaCompatible => "SchemaCompatible",
            Self::AdminConsistent => "AdminConsistent",
            Self::ReferencesConsistent => "ReferencesConsistent",
            Self::SigningKeyTrusted => "SigningKeyTrusted",
            Self::TokensAccepted => "TokensAccepted",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Why a condition is as it is, and the names of findings.
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason there is, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as it stands in a condition's `reason`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The page that explains it, in Markdown: `docs/reasons/NAME.md`.
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$name => include_str!(concat!(
                        env!("CARGO_MANIFEST_DIR"), "/docs/reasons/", stringify!($name), ".md"
                    )),)*
                }
            }
        }
    };
}

reasons! {
    /// Everything that was asked for holds.
    Consistent,
    /// The database answers.
    Connected,
    /// The schema is what the spec needs.
    Compatible,
    /// The signing key shows no weakness.
    Trusted,
    /// Every verifier accepts what the key mints and refuses forgeries.
    Accepted,
    /// A pass is under way.
    Progressing,
    /// The last pass failed; the next one comes by itself.
    ProgressingWithRetry,
    /// An earlier stage failed, so this was not looked at.
    NotChecked,

    /// The resource contradicts itself or is older than today's schema.
    SpecInvalid,
    /// A Secret or one of its keys is missing, unreadable or empty.
    SecretMissing,
    /// The Secret lacks the label that the operator asks for.
    SecretNotPermitted,
    /// The pass took longer than `spec.timeout`.
    TimedOut,
    /// The references are too large for one look; the next pass goes on with the rest.
    LookUnfinished,
    /// Something that cannot be: a mistake in this program.
    InternalError,

    /// The connection string cannot be understood.
    DatabaseUrlInvalid,
    /// The connection string names an engine that is not supported.
    DatabaseEngineUnsupported,
    /// The operator's flags do not allow this host.
    DatabaseHostNotAllowed,
    /// No connection could be made.
    DatabaseUnreachable,
    /// The server refuses the user name or the password.
    DatabaseAuthenticationFailed,
    /// The encrypted connection could not be agreed on.
    DatabaseTlsFailed,
    /// The server has no database of that name.
    DatabaseNotFound,
    /// The database is a standby or read-only: it is only observed.
    DatabaseReadOnly,
    /// What the Secret holds to sign in with works only since something of it is left off.
    DatabaseSecretSuspicious,
    /// The database answered a statement with an error.
    DatabaseError,

    /// There is no such schema or table.
    UserTableMissing,
    /// The name belongs to a view or another thing that is no table.
    UserTableUnsupported,
    /// A column that the spec names is not there.
    ColumnMissing,
    /// The role lacks a right that the pass needs.
    PrivilegeMissing,
    /// Another resource repairs this user table.
    TargetClaimed,
    /// Our own schema in the database may be another's, or others have rights on it.
    LedgerUntrusted,
    /// An id stands in more than one row of the user table.
    IdNotUnique,
    /// The ids of users and of a reference have different types.
    IdTypeDiffers,
    /// The subject's type is not what the subject column can hold.
    SubjectTypeDiffers,
    /// The column that ends tokens is of a type that holds no time in seconds.
    SessionsColumnUnsupported,
    /// A foreign key that a rule asks for, or that a snapshot had, is not there.
    ConstraintMissing,
    /// A foreign key of a column that names users references another table than the user table.
    ReferenceElsewhere,
    /// A foreign key exists but does not vouch for the rows.
    ConstraintUnvalidated,
    /// Triggers of a foreign key are off, so it lets orphans come.
    ConstraintDisabled,
    /// A foreign key is NOT ENFORCED, so it looks at no row.
    ConstraintNotEnforced,
    /// A foreign key is marked valid, and rows violate it.
    ConstraintViolated,
    /// The next insert collides, or takes an id that old rows name.
    SequenceBehind,

    /// The admin is not there.
    AdminMissing,
    /// An account of `spec.accounts` is not there.
    AccountMissing,
    /// The admin has another id than `spec.admin.id`, or an account of `spec.accounts` another than its `id`.
    AdminIdDiffers,
    /// The id meant for the admin, or for an account of `spec.accounts`, is taken, or rows that name nobody
    /// name it.
    AdminIdClaimed,
    /// The password of the admin, or of an account of `spec.accounts`, is not the Secret's.
    AdminPasswordDiffers,
    /// The password in the Secret cannot be stored in the app's format.
    AdminPasswordUnusable,
    /// The stored hash of the admin, or of an account of `spec.accounts`, is one that the app cannot read.
    PasswordHashForeign,
    /// The spec names another format of passwords than the app's accounts have.
    PasswordHashContradicted,
    /// Nobody can tell in which format the app reads passwords, or it cannot be made here.
    PasswordHashUnclear,
    /// The password in the Secret looks as if it had been stored otherwise than it was meant.
    AdminPasswordSuspicious,
    /// The admin is inactive or lacks a column that makes it an admin.
    AdminDrifted,
    /// An account of `spec.accounts` is inactive or lacks a column that the spec asks for.
    AccountDrifted,
    /// More than one account could be the admin, or an account of `spec.accounts`.
    AdminAmbiguous,

    /// Rows name users that do not exist.
    OrphanRows,
    /// Columns look as if they named users, and no foreign key and no rule says so.
    ReferencesUndeclared,
    /// Ids name another person than before.
    IdentityShifted,
    /// What says whom old ids named is not there.
    IdentitiesMissing,
    /// What says whom old ids named cannot be understood, or contradicts itself.
    IdentitiesInvalid,
    /// The other database that says whom old ids named cannot be asked.
    IdentitiesUnreachable,
    /// Something in scope could not be read, so nothing is claimed about it.
    RowsUnreadable,
    /// An index cannot be believed, since the library that sorts its text was replaced.
    IndexUntrusted,
    /// Rows name users in another spelling.
    IdSpellingDiffers,
    /// The repair that was asked for would give away credentials.
    ReassignRefused,
    /// The column may not be NULL.
    SetNullRefused,
    /// The repair would break a unique key.
    UniqueKeyInTheWay,
    /// This kind of reference is found and counted, but not repaired yet.
    RepairUnsupported,
    /// A repair was begun and the database refused it.
    RepairFailed,
    /// A trigger or a foreign key would have carried a repair further than its plan says.
    RepairTouchesMore,
    /// A table, or code on it, is of a role that is not the app, and no rule names the table.
    ForeignOwner,
    /// A destructive plan waits for a person's approval.
    ApprovalRequired,
    /// Rows cannot go back from quarantine as they were.
    RestoreBlocked,

    /// The signing key is shorter than its algorithm needs.
    SigningKeyWeak,
    /// The signing key looks as if it had been stored wrongly.
    SigningKeySuspicious,
    /// The signing key is a known placeholder or public.
    SigningKeyGuessable,
    /// The signing key is no key for its algorithm, or it is not clear which of several it is.
    SigningKeyUnfit,
    /// The signing key in use is another one than before.
    SigningKeyChanged,
    /// Old tokens ids or the signing key changed are accepted still.
    SessionsOutliveChange,
    /// The signing key was replaced, and the spec does not say that the app still accepts the one before.
    RotationWithoutOverlap,
    /// A verifier refuses what the key mints.
    TokensRejected,
    /// A verifier accepts a token that nobody should accept.
    ForgedTokenAccepted,
    /// A verifier gave no answer that says anything.
    VerifierUnreachable,
    /// The operator's flags do not allow a verifier's host.
    VerifierHostNotAllowed,

    /// Rows were repaired (an event, no condition).
    Repaired,
    /// A one-off request was not done, since it was asked of another resource or was done before (an event, no
    /// condition).
    RequestNotDone,

    /// `spec.suspend` is true: nothing is looked at or repaired.
    Suspended,
    /// Others hold locks that the pass needs, and have done so for longer than `spec.timeout`.
    DatabaseBusy,
    /// All connections of the server, the database or the role are taken.
    TooManyConnections,
}

impl Reason {
    /// Whether it says that something could not be told, and not that something is wrong.
    pub fn is_untold(self) -> bool {
        matches!(
            self,
            Self::RowsUnreadable
                | Self::IndexUntrusted
                | Self::VerifierUnreachable
                | Self::NotChecked
                | Self::IdentitiesUnreachable
        )
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for ConditionType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
