//! What explaining one token and explaining many have in common.

use crate::{
    cli::target::Signer,
    engine::{SubjectQuery, SubjectRow},
    tokens::{self, Account, Keyring, SubjectFacts, Verification},
};
use jiff::Timestamp;

/// What the database has a word in, where everything else holds.
pub(in crate::cli) fn asked(verification: &Verification) -> Option<SubjectQuery> {
    let subject = verification.subject()?.to_owned();
    Some(SubjectQuery { subject, token: verification.id.clone() })
}

/// What the signer's keys and shape make of a token.
pub(super) fn explain(signer: &Signer, token: &str) -> Verification {
    let keys = Keyring { elsewhere: &signer.elsewhere, ..signer.keys.keyring() };
    tokens::explain(token, &keys, &signer.shape, Timestamp::now())
}

/// What the user table says, as the verdict takes it.
pub(in crate::cli) fn facts(row: SubjectRow) -> SubjectFacts {
    let mut invalidated_before = None;
    let mut is_revoked = false;
    let account = match row {
        SubjectRow::Missing => Account::Missing,
        SubjectRow::Nearly { written, many } => Account::Nearly { written, many },
        SubjectRow::NotOfType { type_name } => Account::NotOfType { type_name },
        SubjectRow::Inactive { login } => Account::Inactive { login },
        SubjectRow::Active { login, id, written, valid_after, revoked } => {
            is_revoked = revoked;
            invalidated_before = valid_after.and_then(|seconds| Timestamp::from_second(seconds).ok());
            Account::Active { login, id, written }
        }
    };
    SubjectFacts { account, invalidated_before, revoked: is_revoked }
}

/// A sentence's first letter as a capital.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
