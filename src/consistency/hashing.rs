//! In which format a password is written: as the other accounts of the table have it, or as the spec names it
//! where they do not contradict that. What cannot be told is not guessed, since an app that does not read a hash
//! refuses the right password.

use super::{
    target::{Target, Users},
    wording::number,
};
use crate::{
    api::{
        condition::Reason,
        report::{PasswordFormatReport, PasswordsReport},
        spec::PasswordHash,
    },
    passwords::{Description, Format, Majority, Survey},
};

/// A named family that fewer than one in so many of the accounts have is contradicted by the others.
const RARE: usize = 20;

/// Formats that are told one by one.
const TOLD: usize = 5;

/// What the stored passwords of other accounts are, in a bounded sample.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HashSample {
    /// What was found among them.
    pub survey: Survey,
    /// Whether they are the other accounts that the spec keeps, since nobody else has a password.
    pub kept: bool,
    /// Why they could not be looked at, if so: nothing is known then.
    pub unread: Option<String>,
}

/// In which format a new hash is made, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The format.
    pub format: Format,
    /// By what.
    pub by: By,
}

/// What a format was chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// So many of so many other accounts have its family.
    Others {
        /// Accounts that have it.
        accounts: usize,
        /// Accounts with a password in the sample.
        of: usize,
    },
    /// The spec names it, and no other account has a password.
    Spec,
    /// The preset's, and no other account has a password.
    Preset,
}

/// Why no hash is made: the reason, and a clause that says what was seen and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `PasswordHashContradicted` or `PasswordHashUnclear`.
    pub reason: Reason,
    /// What was seen, and what to do.
    pub why: String,
}

/// The format of a new hash.
///
/// # Errors
/// Nobody can tell what the app reads, it cannot be made here, or the spec names another one.
pub fn choose(users: &Users, sample: Option<&HashSample>) -> Result<Chosen, Refused> {
    let nothing = HashSample::default();
    let sample = sample.unwrap_or(&nothing);
    let survey = &sample.survey;
    let of = survey.with_password();
    let unclear = |why: String| Refused { reason: Reason::PasswordHashUnclear, why };
    if let Some(why) = &sample.unread {
        return Err(unclear(format!(
            "the passwords of other accounts, by which the format is known, were not looked at: {why}"
        )));
    }
    if let Some(named) = users.password_hash.family() {
        let accounts = survey.has(named);
        let format = survey.new_in(named);
        if let Some(majority) = contradiction(users, survey) {
            return Err(Refused {
                reason: Reason::PasswordHashContradicted,
                why: format!(
                    "spec.users.passwordHash says {}, and {}: {}",
                    named.as_str(),
                    seen(sample),
                    way_out(majority)
                ),
            });
        }
        if !format.can_make() {
            return Err(unclear(format!(
                "{} is only read here, and no new hash is made in it",
                named.words()
            )));
        }
        let by = if of == 0 { By::Spec } else { By::Others { accounts, of } };
        return Ok(Chosen { format, by });
    }
    if of == 0 {
        return match users.preset_hash {
            Some(family) => Ok(Chosen { format: Format::default_of(family), by: By::Preset }),
            None => Err(unclear(
                "no other active account has a password to go by, and no preset says a format: set spec.users.passwordHash to the one that the app reads".into(),
            )),
        };
    }
    let Some(Majority { new, accounts, of, alike, told }) = survey.majority() else {
        let advice = match survey.formats.first() {
            Some((format, _)) => format!(
                "where the app still reads one of them, set spec.users.passwordHash to it, such as {}",
                format.family.as_str()
            ),
            None => "have the app set the password".to_owned(),
        };
        return Err(unclear(format!(
            "what the app reads cannot be told from its accounts, since {}: {advice}",
            seen(sample)
        )));
    };
    if let Some(other) = alike {
        return Err(unclear(format!(
            "{}, whose hashes look like those of {}: set spec.users.passwordHash to {} or {}",
            seen(sample),
            other.words(),
            new.family.as_str(),
            other.as_str()
        )));
    }
    if !told {
        return Err(unclear(format!(
            "{}, by the look of it, and the text does not tell for sure: set spec.users.passwordHash to {} if that is what the app writes",
            seen(sample),
            new.family.as_str()
        )));
    }
    if !new.can_make() {
        return Err(unclear(format!(
            "{}, which is only read here, and no new hash is made in it: have the app set the password",
            seen(sample)
        )));
    }
    Ok(Chosen { format: new, by: By::Others { accounts, of } })
}

/// What the others have where they contradict the family that the spec names; the inner `None`: nothing that
/// has a majority.
fn contradiction(users: &Users, survey: &Survey) -> Option<Option<Majority>> {
    let named = users.password_hash.family()?;
    let majority =
        survey.majority().filter(|majority| majority.new.family != named && majority.alike != Some(named));
    let rare = majority
        .is_some_and(|majority| majority.new.can_make() && survey.has(named) * RARE < survey.with_password());
    (survey.contradicts(named) || rare).then_some(majority)
}

/// What to do where the spec names another format than the others have.
fn way_out(majority: Option<Majority>) -> String {
    match majority {
        Some(majority) if majority.new.can_make() && majority.alike.is_none() => format!(
            "set it to AsStored, or to {}, which the app reads",
            majority.new.family.as_str()
        ),
        Some(Majority { new, alike: Some(other), .. }) => {
            format!("set it to {} or {}, which look alike", new.family.as_str(), other.as_str())
        }
        _ => "no format is made here that they have, so have the app set the password, and leave passwordHash out"
            .to_owned(),
    }
}

/// What the spec's format contradicts, if anything: said once for the table, whatever is to be written.
pub(super) fn contradicted(target: &Target, sample: Option<&HashSample>) -> Option<Refused> {
    choose(&target.users, sample).err().filter(|refused| refused.reason == Reason::PasswordHashContradicted)
}

/// What was found among the other accounts, as a clause.
pub fn seen(sample: &HashSample) -> String {
    let survey = &sample.survey;
    let of = survey.with_password();
    let readable = survey.formats.iter().map(|(format, accounts)| (format.to_string(), *accounts));
    let others = survey.others.iter().map(|(what, accounts)| (what.to_string(), *accounts));
    let mut parts: Vec<String> =
        readable.chain(others).map(|(what, accounts)| part(accounts, of, &what)).collect();
    if parts.len() > TOLD {
        let more = parts.len() - TOLD;
        parts.truncate(TOLD);
        parts.push(format!("{more} more formats were found"));
    }
    let whose =
        if sample.kept { "the other accounts that the spec keeps" } else { "the other active accounts" };
    format!("of the passwords of {whose} ({} looked at) {}", count_of(of), parts.join(", "))
}

fn part(accounts: usize, of: usize, what: &str) -> String {
    match accounts {
        1 if of == 1 => format!("the only one is {what}"),
        1 => format!("1 is {what}"),
        all if all == of => format!("all are {what}"),
        some => format!("{} are {what}", count_of(some)),
    }
}

fn count_of(accounts: usize) -> String {
    number(i64::try_from(accounts).unwrap_or(i64::MAX))
}

impl Chosen {
    /// The format and why it is the one, as a clause.
    pub fn describe(&self) -> String {
        let format = &self.format;
        match self.by {
            By::Others { accounts, of } => {
                format!("{format}, as {} of {} other accounts have it", count_of(accounts), count_of(of))
            }
            By::Spec => format!("{format}, as the spec names it: no other account has a password to go by"),
            By::Preset => {
                format!("{format}, the preset's, since no other account has a password to go by")
            }
        }
    }
}

/// How an account's own stored password stands beside what the app reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// As others have it, or nothing says otherwise.
    Fitting,
    /// Not what the app reads, by the others or by the spec.
    Foreign,
}

/// Whether the app reads an account's stored password, by what the others have.
pub fn own(users: &Users, sample: Option<&HashSample>, format: Option<Format>, seems: &Description) -> Own {
    let nothing = Survey::default();
    let survey = sample.map_or(&nothing, |sample| &sample.survey);
    let others = survey.with_password() > 0;
    let fits = match format {
        Some(format) if others => {
            survey.has(format.family) > 0
                // Where the others are of no format that is known, nothing is known of this one either.
                || survey.formats.is_empty()
        }
        Some(format) => users.password_hash.family().is_none_or(|named| named == format.family),
        None if others => survey.others.iter().any(|(other, _)| same_kind(other, seems)),
        None => false,
    };
    if fits { Own::Fitting } else { Own::Foreign }
}

/// Whether two descriptions say the same; what a survey takes for plain text is not recognised by itself.
fn same_kind(one: &Description, other: &Description) -> bool {
    let unknown = |what: &Description| matches!(what, Description::Unrecognised | Description::PlainText);
    one == other || (unknown(one) && unknown(other))
}

/// What stands in the report of it.
pub fn report(users: &Users, sample: &HashSample) -> PasswordsReport {
    let survey = &sample.survey;
    let of = survey.with_password();
    let share = |accounts: usize| i32::try_from(accounts * 100 / of.max(1)).unwrap_or(100);
    let size = |accounts: usize| i64::try_from(accounts).unwrap_or(i64::MAX);
    let readable = survey.formats.iter().map(|(format, accounts)| PasswordFormatReport {
        family: Some(format.family),
        format: format.to_string(),
        accounts: size(*accounts),
        percent: share(*accounts),
    });
    let others = survey.others.iter().map(|(what, accounts)| PasswordFormatReport {
        family: None,
        format: super::wording::clip(&what.to_string(), 255),
        accounts: size(*accounts),
        percent: share(*accounts),
    });
    let chosen = choose(users, Some(sample));
    PasswordsReport {
        sampled: size(of),
        formats: readable.chain(others).take(16).collect(),
        writes: chosen.as_ref().ok().map(|chosen| chosen.format.to_string()),
        why: super::wording::clip(
            &match chosen {
                Ok(chosen) => chosen.describe(),
                Err(refused) => refused.why,
            },
            1024,
        ),
    }
}

impl Users {
    /// What the spec says of the format, for messages.
    pub fn says(&self) -> &'static str {
        match self.password_hash {
            PasswordHash::AsStored => "AsStored",
            named => named.family().map_or("AsStored", |family| family.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
