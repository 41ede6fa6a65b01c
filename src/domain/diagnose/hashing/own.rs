//! An account's own stored password beside those of others: whether the app reads it, and when its format is kept.

use crate::{
    api::{condition::Reason, password::PasswordFamily, spec::PasswordHash},
    domain::{facts::hashes::HashSample, target::users::Users},
    passwords::{Description, Format, Survey},
};

use super::{By, Chosen, FEW, Refused, seen};

/// The account's own format, where nothing that others have says that the app reads another one; `None`: they decide.
/// A table in which an app makes new hashes at the next sign-in, or into which others were imported, has several.
pub(super) fn kept_format(
    sample: &HashSample,
    survey: &Survey,
    own: Format,
) -> Result<Option<Chosen>, Refused> {
    let (of, accounts) = (survey.with_password(), survey.has(own.family));
    let majority = survey.majority().filter(|_| of >= FEW);
    let alone = of < FEW && accounts == 0;
    let same = survey.has_variant(&own);
    let theirs = majority.is_some_and(|majority| majority.new.family == own.family);
    if (theirs && (same == accounts || same == 0)) || !(accounts > 0 || alone) {
        return Ok(None);
    }
    if !own.is_told() || !own.can_make() {
        // Where nobody has another one, what all have says it, or the preset does.
        return match survey.majority() {
            None if of == 0 => Ok(None),
            Some(majority) if majority.new.family == own.family => Ok(None),
            _ => Err(Refused {
                reason: Reason::PasswordHashUnclear,
                why: format!(
                    "what is stored is {}, and {}: set spec.users.passwordHash to the one that the app reads, or have the app set the password",
                    own.seems(),
                    seen(sample)
                ),
            }),
        };
    }
    let format = match (same, accounts) {
        (_, 0) => own.for_new(),
        (0, _) => survey.new_in(own.family),
        _ => survey.new_with(own.family, own.prefix),
    };
    Ok(Some(Chosen { format, by: By::Own { accounts: if same > 0 { same } else { accounts }, of } }))
}

/// The format, unless as many accounts have another prefix of bcrypt and nobody says which of them the app reads.
pub(super) fn untied(
    users: &Users,
    sample: &HashSample,
    survey: &Survey,
    format: Format,
) -> Result<Format, Refused> {
    let tied = survey.tied();
    if format.family != PasswordFamily::Bcrypt || tied.is_empty() {
        return Ok(format);
    }
    let preset = users.preset_hash.map(Format::default_of).filter(|preset| preset.family == format.family);
    if let Some(preset) = preset.filter(|preset| tied.contains(&preset.prefix)) {
        return Ok(survey.new_with(format.family, preset.prefix));
    }
    let named = [PasswordHash::Bcrypt2a, PasswordHash::Bcrypt2b, PasswordHash::Bcrypt2y];
    let named = named.iter().filter(|named| named.prefix().is_some_and(|prefix| tied.contains(&prefix)));
    let names: Vec<&str> = named.map(|named| named.as_str()).collect();
    Err(Refused {
        reason: Reason::PasswordHashUnclear,
        why: format!(
            "which prefix of bcrypt the app reads cannot be told, since {}: set spec.users.passwordHash to {}",
            seen(sample),
            names.join(" or ")
        ),
    })
}

/// How an account's own stored password stands beside what the app reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// As others have it, or nothing says otherwise.
    Fitting,
    /// Others have another one, and they are too few to say what the app reads.
    Undecided,
    /// Not what the app reads, by the others or by the spec.
    Foreign,
}

/// Whether the app reads an account's stored password, by what the others have.
pub fn own(users: &Users, sample: Option<&HashSample>, format: Option<Format>, seems: &Description) -> Own {
    let survey = sample.map_or_else(Survey::default, |sample| sample.others(format));
    let others = survey.with_password() > 0;
    let named = users.password_hash.family();
    let fits = match format {
        Some(format) if otherwise(users, &format) => {
            survey.has_variant(&format) > 0 || (others && survey.formats.is_empty())
        }
        Some(format) if others => {
            let few = survey.with_password() < FEW;
            if few && named.is_none() && survey.has(format.family) == 0 && !survey.formats.is_empty() {
                return Own::Undecided;
            }
            survey.has(format.family) > 0
                || (few && named == Some(format.family))
                // Where the others are of no format that is known, nothing is known of this one either.
                || survey.formats.is_empty()
        }
        Some(_) => true,
        // However many have it, no app reads it.
        None if seems.is_broken() => false,
        None if others => survey.others.iter().any(|(other, _)| same_kind(other, seems)),
        None => false,
    };
    if fits { Own::Fitting } else { Own::Foreign }
}

/// Whether the spec names another format than this one: another family, or another prefix of bcrypt.
fn otherwise(users: &Users, format: &Format) -> bool {
    users.password_hash.prefix().is_some_and(|prefix| prefix != format.prefix)
        || users.password_hash.family().is_some_and(|named| named != format.family)
}

/// Whether an account's stored password has a prefix of bcrypt, or an order of its parts, that the others of its
/// family do not have: many libraries read all of them, and some only what they write themselves.
pub fn of_another_variant(users: &Users, sample: Option<&HashSample>, format: Option<Format>) -> bool {
    let (Some(sample), Some(format)) = (sample, format) else { return false };
    match users.password_hash.prefix() {
        // Whoever names the prefix knows which one the app reads, however many have another from before.
        Some(named) => format.family == PasswordFamily::Bcrypt && named != format.prefix,
        None => format.is_read_by_variant() && sample.others(Some(format)).lacks(&format),
    }
}

/// Whether two descriptions say the same; what a survey takes for plain text is not recognised by itself.
fn same_kind(one: &Description, other: &Description) -> bool {
    let unknown = |what: &Description| matches!(what, Description::Unrecognised | Description::PlainText);
    one == other || (unknown(one) && unknown(other))
}
