//! Whether a stored password is the one of the Secret.

use crate::{
    api::spec::{PasswordFamily, PasswordPolicy},
    domain::{facts::PasswordFacts, target::Admin},
    engine::{
        PasswordCache,
        postgres::{catalog::resolved::ResolvedSchema, observe::hashes::StoredRow},
    },
    passwords::{self, Coat, Description, Format},
};
use secrecy::ExposeSecret;
use secrecy::SecretString;

/// Which passwords are compared with the Secret's.
pub(in crate::engine::postgres) struct Compare<'a> {
    /// What was compared before.
    pub(in crate::engine::postgres) memory: &'a dyn PasswordCache,
    /// The admin's, whatever its policy says.
    admin: bool,
    /// What is to be compared once the snapshot has ended.
    pub(in crate::engine::postgres) later: Vec<Uncompared>,
}

impl<'a> Compare<'a> {
    /// Compares what policies ask for, and the admin's too where `admin` says so.
    pub fn new(memory: &'a dyn PasswordCache, admin: bool) -> Self {
        Self { memory, admin, later: Vec::new() }
    }

    pub(in crate::engine::postgres) fn of(&self, account: &Admin) -> bool {
        let asked = self.admin && account.place.is_none();
        asked || account.password_policy == PasswordPolicy::Always
    }
}

/// A stored password that is still to be compared with its Secret's.
pub(in crate::engine::postgres) struct Uncompared {
    pub(in crate::engine::postgres) place: Option<usize>,
    pub(in crate::engine::postgres) stored: StoredRow,
    pub(in crate::engine::postgres) format: Format,
    /// A column of salts that is filled beside it, though the format keeps none there.
    pub(in crate::engine::postgres) salted: Option<String>,
}

/// Recognises the stored hash. Where it is to be compared by a calculation, that is left for later.
pub(in crate::engine::postgres) fn facts(
    stored: Option<StoredRow>,
    account: &Admin,
    known: &ResolvedSchema,
    compare: &mut Compare<'_>,
) -> PasswordFacts {
    let asked = compare.of(account);
    let Some(stored) = stored else {
        // Where the spec names no password, there is none that it could differ from.
        let matches = (asked && account.password.is_some()).then_some(false);
        return PasswordFacts { absent: true, matches, ..PasswordFacts::unknown() };
    };
    let (mut format, mut seems) =
        (passwords::recognise(&stored.stored()), passwords::describe(&stored.stored()));
    if stored.is_padded() && !seems.is_none() {
        // What clients get is not what a cast to text says.
        format = None;
        seems = Description::Coated { coat: Coat::WhiteSpace, inside: Box::new(seems) };
    }
    let absent = seems.is_none();
    let facts = PasswordFacts { format, seems, absent, matches: None, uncompared: None, mistagged: None };
    let (Some(password), true) = (&account.password, asked) else { return facts };
    if absent {
        return PasswordFacts { matches: Some(false), ..facts };
    }
    let Some(format) = facts.format else {
        let uncompared = Some(format!("the stored one is {}", facts.seems));
        return PasswordFacts { uncompared, ..facts };
    };
    let matched =
        |family| compare.memory.password_matched(&account.login, &whole_in(&stored, family), password);
    if let Some(format) = readings(&stored).into_iter().find(|format| matched(format.family)) {
        return PasswordFacts { matches: Some(true), ..read_as(facts, format) };
    }
    let salted = stored.salted(known, &format);
    compare.later.push(Uncompared { place: account.place, stored, format, salted });
    facts
}

/// What is known of a stored password that was verified in a format.
pub(in crate::engine::postgres) fn read_as(facts: PasswordFacts, format: Format) -> PasswordFacts {
    PasswordFacts { format: Some(format), seems: Description::Readable(format), ..facts }
}

/// The formats that a stored password may be in, where its text does not tell.
pub(in crate::engine::postgres) fn readings(stored: &StoredRow) -> Vec<Format> {
    let families = PasswordFamily::ALL.iter();
    families.filter_map(|family| passwords::recognise_as(&stored.stored(), *family)).collect()
}

/// All of a stored password and the family that it is read in, by which it is known again.
pub(in crate::engine::postgres) fn whole_in(stored: &StoredRow, family: PasswordFamily) -> SecretString {
    format!("{}\0{}", stored.whole().expose_secret(), family.as_str()).into()
}
