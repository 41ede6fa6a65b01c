//! Stored passwords that no app reads: what cut them off, as far as that was looked at, and what to do.

use crate::{
    domain::{
        diagnose::hashing::statements,
        facts::{hashes::HashSample, schema::UserTable},
        hints::{Column, Hints},
    },
    passwords::{Description, Format},
};

use super::{count_of, seen};

/// Characters of a column that takes every format that is made.
const WIDE: usize = 255;

/// Characters that the password column holds; `None` where its type says no number.
fn room(users: &UserTable) -> Option<usize> {
    let of = users.password_type.as_deref()?;
    let digits = of.strip_prefix("character varying(").or_else(|| of.strip_prefix("character("))?;
    digits.strip_suffix(')')?.parse().ok()
}

/// Whether a hash that does not read is one that its column cut off: all have as many characters as it holds.
pub(in crate::domain) fn is_cut(users: &UserTable, sample: Option<&HashSample>, seems: &Description) -> bool {
    let length = sample.and_then(|sample| sample.survey.length);
    matches!(seems, Description::Damaged(_)) && length.is_some() && length == room(users)
}

/// What cut a hash off, as a clause, where the column's type says so.
pub(in crate::domain) fn cut_by(users: &UserTable, seems: &Description) -> Option<String> {
    let whole = seems.cut_from()?;
    let of = users.password_type.as_deref()?;
    room(users).filter(|room| *room < whole).map(|_| format!(" (its column is {of})"))
}

/// What the other accounts have beside what an account has, as a clause with its comma: how many have the same, and
/// what the rest has.
pub(in crate::domain) fn beside(sample: &HashSample, seems: &Description) -> String {
    let same = |other: &&(Description, usize)| other.0 == *seems;
    let Some((_, alike)) = sample.survey.others.iter().find(same) else {
        return format!(", and {}", seen(sample));
    };
    let mut rest = sample.clone();
    rest.survey.others.retain(|(other, _)| other != seems);
    let (alike, of) = (count_of(*alike), count_of(sample.survey.with_password()));
    let have = if alike == "1" { "has" } else { "have" };
    let also = format!(", as {alike} of {of} other accounts {have} it");
    if rest.survey.formats.is_empty() && rest.survey.others.is_empty() {
        return also;
    }
    format!("{also}, and {}", seen(&rest))
}

/// What is to be done where nobody's stored password is one that an app reads, since another password would be
/// stored like it; `None` where others can be read.
pub(in crate::domain) fn mend(
    hints: &dyn Hints,
    users: &UserTable,
    sample: Option<&HashSample>,
    seems: &Description,
) -> Option<String> {
    let cut = is_cut(users, sample, seems);
    if !(cut || seems.is_broken()) || sample.is_some_and(|sample| !sample.survey.formats.is_empty()) {
        return None;
    }
    // Whoever names it has a new one made here, since what is left of the others does not contradict it.
    let here = match seems.remains_of()[..] {
        [family] if Format::default_of(family).can_make() => format!(
            ", or set spec.users.passwordHash to {} if that is what the app writes, and it is made here",
            family.as_str()
        ),
        _ => String::new(),
    };
    let (whole, of) = (seems.cut_from(), users.password_type.as_deref());
    let short = cut || whole.zip(room(users)).is_some_and(|(whole, room)| room < whole);
    if let Some(unpack) = statements::unpack(hints, users, seems) {
        return Some(format!(
            "nobody can sign in with it: have the app store the text of a hash and not its bytes (in Python hash.decode()), then make text of those that are there by `{unpack}`, which leaves all rows in another form as they are"
        ));
    }
    let first = match (of, &users.password_column) {
        (Some(of), Some(column)) if short => {
            let widen = hints.widen_text(Column { table: &users.object, name: column }, WIDE);
            format!(
                "its column is {of}, which is too short for such a hash: widen it by `{widen}`, then have the app set the passwords anew{here}"
            )
        }
        (Some(of), _) if whole.is_some() => {
            format!(
                "its column ({of}) has room for a whole one, so it was cut off before: mend that, then have the app set the passwords anew{here}"
            )
        }
        _ => {
            "no app reads it as it stands, so mend how it is stored, then have the app set the passwords anew"
                .to_owned()
        }
    };
    Some(format!("nobody can sign in with it: {first}"))
}
