//! In which format a password is written: as the other accounts of the table have it, or as the spec names it
//! where they do not contradict that. What cannot be told is not guessed, since an app that does not read a hash
//! refuses the right password.

mod beside;
pub(in crate::domain) mod own;
mod statements;

use crate::{
    api::{
        condition::Reason,
        password::PasswordFamily,
        report::{PasswordFormatReport, PasswordsReport},
    },
    domain::{
        facts::hashes::{HashSample, Unfit},
        hints::{Column, Hints},
        target::{Target, users::Users},
        text::{self, number},
    },
    passwords::{self, Description, Format, Made, Majority, Survey},
};

pub use own::{Own, of_another_variant, own};
use own::{kept_format, untied};
pub(in crate::domain) use statements::{reprefix, retag, unpack};

/// Fewer accounts than this say nothing against an account's own format: one may be an exporter's.
const FEW: usize = 3;

/// A named family that fewer than one in so many of the accounts have is contradicted by the others.
const RARE: usize = 20;

/// Characters of a column that takes every hash that is made here.
const ROOMY: usize = 255;

/// Formats that are told one by one.
const TOLD: usize = 5;

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
    /// The account's own password has it, and so many of so many others do.
    Own {
        /// Accounts that have it, too.
        accounts: usize,
        /// Accounts with a password in the sample.
        of: usize,
    },
    /// The spec names it, and no other account has a password that says otherwise.
    Spec {
        /// Accounts with a password in the sample: what is left of a hash of that family, or nothing that reads.
        of: usize,
    },
    /// The preset's, and no other account has a password, or they are divided.
    Preset {
        /// Accounts that have its family.
        accounts: usize,
        /// Accounts with a password in the sample.
        of: usize,
    },
}

/// Why no hash is made: the reason, and a clause that says what was seen and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `PasswordHashContradicted`, `PasswordHashUnclear`, or `RepairUnsupported` where a column does not take it.
    pub reason: Reason,
    /// What was seen, and what to do.
    pub why: String,
}

/// The format of a new hash.
///
/// # Errors
/// Nobody can tell what the app reads, it cannot be made here, the spec names another one, or the columns that the
/// spec names do not take it.
pub fn choose(hints: &dyn Hints, users: &Users, sample: Option<&HashSample>) -> Result<Chosen, Refused> {
    let nothing = HashSample::default();
    let sample = sample.unwrap_or(&nothing);
    let chosen = read_by_the_app(users, sample)?;
    if let Some(why) = without_a_column(users, &chosen.format) {
        return Err(Refused { reason: Reason::PasswordHashUnclear, why });
    }
    if let Some(why) = beside::misread(&sample.beside, sample.own, &chosen.format) {
        return Err(Refused { reason: Reason::PasswordHashUnclear, why });
    }
    match &sample.unfit {
        Some(unfit) => {
            Err(Refused { reason: Reason::RepairUnsupported, why: unfit.words(hints, users, &chosen.format) })
        }
        None => Ok(chosen),
    }
}

fn unclear(why: String) -> Refused {
    Refused { reason: Reason::PasswordHashUnclear, why }
}

/// The format that the app reads, by what is known of it.
fn read_by_the_app(users: &Users, sample: &HashSample) -> Result<Chosen, Refused> {
    let survey = &sample.others(sample.own);
    if let Some(why) = &sample.unread {
        return Err(unclear(format!(
            "the passwords of other accounts, by which the format is known, were not looked at: {why}"
        )));
    }
    if let Some(named) = users.password_hash.family() {
        return as_named(users, sample, survey, named);
    }
    if let Some(own) = sample.own
        && let Some(chosen) = kept_format(sample, survey, own)?
    {
        return Ok(chosen);
    }
    match survey.majority() {
        _ if survey.with_password() == 0 => as_preset(users),
        Some(majority) => as_the_others(users, sample, survey, &majority),
        None => as_the_divided(users, sample, survey),
    }
}

/// The format that the spec names, unless the others contradict it.
fn as_named(
    users: &Users,
    sample: &HashSample,
    survey: &Survey,
    named: PasswordFamily,
) -> Result<Chosen, Refused> {
    let (of, accounts) = (survey.with_password(), survey.has(named));
    let own = sample.own.filter(|own| own.family == named);
    let (format, open) = match (users.password_hash.prefix(), own) {
        (Some(prefix), _) => (survey.new_with(named, prefix), false),
        (None, Some(own)) if survey.has_variant(&own) > 0 => (survey.new_with(named, own.prefix), false),
        (None, Some(own)) if accounts == 0 => (own.for_new(), false),
        (None, _) => (survey.new_in(named), true),
    };
    // Without its columns the others read as something else, if as anything.
    if survey.formats.iter().all(|(other, _)| !other.is_told())
        && let Some(why) = without_a_column(users, &format)
    {
        return Err(unclear(why));
    }
    if let Some(majority) = contradiction(users, survey, sample.own) {
        return Err(Refused {
            reason: Reason::PasswordHashContradicted,
            why: format!(
                "spec.users.passwordHash says {}, and {}: {}",
                users.says(),
                seen(sample),
                way_out(majority)
            ),
        });
    }
    if !format.can_make() {
        return Err(unclear(format!("{} is only read here, and no new hash is made in it", named.words())));
    }
    if let Some(variants) = survey.undecided(named) {
        let variants: Vec<String> = variants
            .iter()
            .map(|(variant, accounts)| format!("{} have {variant}", count_of(*accounts)))
            .collect();
        return Err(unclear(format!(
            "in which order the app reads {} cannot be told, since of the {} that have it {}: have the app set the password",
            named.words(),
            if sample.kept { "other accounts that the spec keeps" } else { "other active accounts" },
            variants.join(" and ")
        )));
    }
    let format = if open { untied(users, sample, survey, format)? } else { format };
    let by = match (of, accounts) {
        (0, _) => By::Spec { of },
        (_, 0) if own.is_none() => By::Spec { of },
        (_, 0) => By::Own { accounts, of: if survey.formats.is_empty() { 0 } else { of } },
        _ => By::Others { accounts, of },
    };
    Ok(Chosen { format, by })
}

/// The preset's format, where nobody else has a password.
fn as_preset(users: &Users) -> Result<Chosen, Refused> {
    let Some(family) = users.preset_hash else {
        return Err(unclear(
            "no other active account has a password to go by, and no preset says a format: set spec.users.passwordHash to the one that the app reads".into(),
        ));
    };
    Ok(Chosen { format: Format::default_of(family), by: By::Preset { accounts: 0, of: 0 } })
}

/// The preset's format, where the others have none that most of them have.
fn as_the_divided(users: &Users, sample: &HashSample, survey: &Survey) -> Result<Chosen, Refused> {
    if let Some(family) = users.preset_hash.filter(|family| survey.is_among_the_most(*family)) {
        let format = untied(users, sample, survey, survey.new_in(family))?;
        let by = By::Preset { accounts: survey.has(family), of: survey.with_password() };
        return Ok(Chosen { format, by });
    }
    let first = survey.others.first().map(|(other, _)| other);
    let beside = users.salt_column.is_none() && first.is_some_and(Description::is_beside_a_salt);
    let advice = match survey.formats.first() {
        None if beside => "set spec.users.saltColumn to the column that holds the salt, and spec.users.algorithmColumn too where a column names the algorithm, as Gitea has it".to_owned(),
        Some((format, _)) => format!(
            "where the app still reads one of them, set spec.users.passwordHash to it, such as {}",
            format.family.as_str()
        ),
        None if let [family, ..] = survey.remains()[..] => format!(
            "set spec.users.passwordHash to {} if the app still writes that, which is how a new one is made then",
            family.as_str()
        ),
        None if first.is_some_and(Description::is_broken) => "mend how the app stores them first".to_owned(),
        None => "have the app set the password".to_owned(),
    };
    Err(unclear(format!(
        "what the app reads cannot be told from its accounts, since {}: {advice}",
        seen(sample)
    )))
}

/// The format that most of the others have.
fn as_the_others(
    users: &Users,
    sample: &HashSample,
    survey: &Survey,
    majority: &Majority,
) -> Result<Chosen, Refused> {
    let Majority { new, accounts, of, alike, told } = *majority;
    if let Some(other) = alike {
        return Err(unclear(format!(
            "{}, and hashes of {} look the same, as do those of a PBKDF2 that apps of Node call themselves: set spec.users.passwordHash to {} or {} if the app calls one of them, else have the app set the password",
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
    Ok(Chosen { format: untied(users, sample, survey, new)?, by: By::Others { accounts, of } })
}

/// Why the columns that the spec names have no place for a format, if so.
fn without_a_column(users: &Users, format: &Format) -> Option<String> {
    let made = passwords::specimen(format)?;
    let why = misplaced(&made, users.salt_column.is_some(), users.algorithm_column.is_some())?;
    Some(format!("{} {why}", format.family.words()))
}

/// Why a stored password has no place where there is a column of salts, and one of the algorithms' names, or none.
pub fn misplaced(made: &Made, salt: bool, algorithm: bool) -> Option<&'static str> {
    match (made.salt.is_some(), made.algorithm.is_some()) {
        (true, _) if !salt => Some("keeps the salt in a column of its own: set spec.users.saltColumn"),
        (_, true) if !algorithm => {
            Some("keeps its name in a column of its own: set spec.users.algorithmColumn")
        }
        // What stands in that column is what the app goes by.
        (_, false) if algorithm => Some(
            "has no name that is known for the column of spec.users.algorithmColumn: have the app set the password",
        ),
        _ => None,
    }
}

impl Unfit {
    /// Whether it is of a fixed length, and longer than what would be written: `character(200)`.
    fn pads(&self) -> bool {
        let length = self.column_type.strip_prefix("character(").and_then(|rest| rest.strip_suffix(')'));
        length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > self.characters)
    }

    /// What a column of fixed length does to a shorter hash, and what to do.
    pub fn padding(&self, hints: &dyn Hints, users: &Users) -> Option<String> {
        let Self { column, column_type, .. } = self;
        self.pads().then(|| format!(
            "column {column:?} is {column_type} and fills up what is shorter with blanks, which is no hash to an app that does not take them off: change its type, by a migration of the app or by {}",
            hints.text_column(Column { table: &users.object(), name: column }, ROOMY)
        ))
    }

    /// What does not fit where, and what to do.
    fn words(&self, hints: &dyn Hints, users: &Users, format: &Format) -> String {
        let Self { column, column_type, characters } = self;
        if let Some(padding) = self.padding(hints, users) {
            return padding;
        }
        let told = format!(
            "column {column:?} is {column_type} and does not take the {} characters that {format} puts there",
            count_of(*characters)
        );
        // Of a domain or another type nobody can tell from here what it may become.
        let narrow = ["character varying(", "character("].iter().any(|of| column_type.starts_with(of));
        if narrow && *characters <= ROOMY {
            format!(
                "{told}: widen it, by a migration of the app or by {}",
                hints.text_column(Column { table: &users.object(), name: column }, ROOMY)
            )
        } else {
            format!("{told}: give it a type that does")
        }
    }
}

/// What the others have where they contradict the family that the spec names; the inner `None`: nothing that
/// has a majority.
fn contradiction(users: &Users, survey: &Survey, own: Option<Format>) -> Option<Option<Majority>> {
    let named = users.password_hash.family()?;
    // A person named it, and has something to show for it.
    if own.is_some_and(|own| own.family == named) && survey.with_password() < FEW {
        return None;
    }
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
pub(in crate::domain) fn contradicted(target: &Target, sample: Option<&HashSample>) -> Option<Refused> {
    choose(target.hints, &target.users, sample)
        .err()
        .filter(|refused| refused.reason == Reason::PasswordHashContradicted)
}

/// Whether others say anything beside an account's own format.
pub fn say(sample: &HashSample, own: Option<Format>) -> bool {
    sample.others(own).with_password() > 0
}

/// What was found among the other accounts, as a clause.
pub fn seen(sample: &HashSample) -> String {
    let survey = &sample.survey;
    let of = survey.with_password();
    let readable = survey.formats.iter();
    let readable =
        readable.map(|(format, accounts)| part(*accounts, of, &format.to_string(), format.is_told()));
    let others = survey.others.iter().map(|(what, accounts)| part(*accounts, of, &what.to_string(), true));
    let mut parts: Vec<String> = readable.chain(others).collect();
    if parts.len() > TOLD {
        let more = parts.len() - TOLD;
        parts.truncate(TOLD);
        parts.push(format!("{more} more formats were found"));
    }
    let whose =
        if sample.kept { "the other accounts that the spec keeps" } else { "the other active accounts" };
    format!("of the passwords of {whose} ({} looked at) {}", count_of(of), parts.join(", "))
}

fn part(accounts: usize, of: usize, what: &str, told: bool) -> String {
    let (is, are) = if told { ("is", "are") } else { ("looks like", "look like") };
    match accounts {
        1 if of == 1 => format!("the only one {is} {what}"),
        1 => format!("1 {is} {what}"),
        all if all == of => format!("all {are} {what}"),
        some => format!("{} {are} {what}", count_of(some)),
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
            By::Own { accounts: 0, of: 0 } => {
                format!("{format}, as its own is: no other account has a password to go by")
            }
            By::Own { accounts: 0, of: 1 } => {
                format!("{format}, as its own is: 1 other account that has another is too few to go by")
            }
            By::Own { accounts: 0, of } => {
                format!(
                    "{format}, as its own is: {} other accounts that have another are too few to go by",
                    count_of(of)
                )
            }
            By::Own { accounts, of } => {
                format!(
                    "{format}, as its own is, and {} of {} other accounts have it",
                    count_of(accounts),
                    count_of(of)
                )
            }
            By::Spec { of: 0 } => {
                format!("{format}, as the spec names it: no other account has a password to go by")
            }
            By::Spec { .. } => {
                format!("{format}, as the spec names it: no other account has a whole one to go by")
            }
            By::Preset { of: 0, .. } => {
                format!("{format}, the preset's, since no other account has a password to go by")
            }
            By::Preset { accounts, of } => format!(
                "{format}, the preset's, which {} of {} other accounts have: they are divided",
                count_of(accounts),
                count_of(of)
            ),
        }
    }
}

/// What stands in the report of it.
pub fn report(hints: &dyn Hints, users: &Users, sample: &HashSample) -> PasswordsReport {
    let survey = &sample.others(sample.own);
    let of = survey.with_password();
    let share = |accounts: usize| i32::try_from(accounts * 100 / of.max(1)).unwrap_or(100);
    let size = |accounts: usize| i64::try_from(accounts).unwrap_or(i64::MAX);
    let readable = survey.formats.iter().map(|(format, accounts)| PasswordFormatReport {
        family: Some(format.family),
        format: format.seems(),
        accounts: size(*accounts),
        percent: share(*accounts),
    });
    let others = survey.others.iter().map(|(what, accounts)| PasswordFormatReport {
        family: None,
        format: text::clip(&what.to_string(), 255),
        accounts: size(*accounts),
        percent: share(*accounts),
    });
    let chosen = choose(hints, users, Some(sample));
    PasswordsReport {
        sampled: size(of),
        formats: readable.chain(others).take(16).collect(),
        writes: chosen.as_ref().ok().map(|chosen| chosen.format.to_string()),
        why: text::clip(
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
        self.password_hash.as_str()
    }
}

pub(in crate::domain) mod broken;
pub(in crate::domain) use self::broken::{beside, cut_by, is_cut, mend};

#[cfg(test)]
mod tests;
