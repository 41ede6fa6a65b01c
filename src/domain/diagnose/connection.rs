//! What is odd about the values by which somebody signs in to a database, as their Secrets hold them: told beside a
//! sign-in that fails, and where it works only since something is left off.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::Severity,
    },
    domain::{
        finding::{Finding, person},
        target::{Database, odd::Odd},
        text::{count, unseen},
    },
    passwords::PasswordWarning,
};

/// What may be the reason that a sign-in fails, at the end of a sentence.
pub fn beside(odd: &[Odd]) -> String {
    let mut told = String::new();
    for (at, one) in odd.iter().enumerate() {
        let again = odd[..at].iter().any(|before| before.warning == one.warning);
        let said = if again { format!("the same holds for {}", one.value) } else { one.describe() };
        told.push_str("; ");
        told.push_str(&said);
    }
    told
}

/// What makes a value none that can be understood, in brackets behind what is said of it.
pub fn bracketed(bytes: &[u8]) -> String {
    let odd = Odd::whole("", bytes).into_iter().find(|one| one.warning != PasswordWarning::LineBreakLeftOff);
    odd.map(|one| format!(" (it {})", one.describe().trim_start_matches("the value of").trim_start()))
        .unwrap_or_default()
}

/// What works only since something is left off.
pub(in crate::domain) fn suspicious(database: &Database) -> Option<Finding> {
    let cut: Vec<&Odd> =
        database.odd.iter().filter(|one| one.warning == PasswordWarning::LineBreakLeftOff).collect();
    let first = cut.first()?;
    let others = match cut.len() - 1 {
        0 => String::new(),
        more => format!(" ({} beside)", count(i64::try_from(more).unwrap_or(i64::MAX), "value")),
    };
    let (reason, condition) = (Reason::DatabaseSecretSuspicious, ConditionType::DatabaseReachable);
    Some(person(reason, condition, Severity::Warning, None, format!("{}{others}", first.describe())))
}

/// The name of a database that is not there, as far as it may be repeated: what is no usual name may be half of
/// something else.
pub fn unknown_name(name: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || "_.$-".contains(c);
    if (1..=63).contains(&name.len()) && name.chars().all(usual) {
        return format!("there is no database {name:?}");
    }
    let characters = count(i64::try_from(name.chars().count()).unwrap_or(i64::MAX), "character");
    let odd = if name.trim_end().len() != name.len() {
        " and ends with white space"
    } else if name.trim_start().len() != name.len() {
        " and begins with white space"
    } else if name.contains(unseen) {
        " and one of them nobody sees"
    } else if name.len() > 63 {
        " and no name of PostgreSQL's is longer than 63 bytes"
    } else {
        ""
    };
    format!("there is no database of that name, which has {characters}{odd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_about_a_value_is_told_without_it_and_a_weak_one_is_not_odd() {
        for (value, told) in [
            ("postgres", ""),
            ("s3cr3t-Canary", ""),
            ("\"s3cr3t-Canary\"", "stands in quotes"),
            ("${DB_PASSWORD}", "variable or template"),
            ("s3cr3t-Canary\n", "ends with a line break or white space, which is left off here"),
            ("s3cr3t-Canary\n\n", "ends with a line break, which is taken for a part of it"),
            ("\u{feff}s3cr3t-Canary", "byte order mark"),
            ("czNjcjN0LUNhbmFyeQ==", "is base64 of a text"),
            (" s3cr3t-Canary", "begins or ends with white space"),
        ] {
            let said = beside(&Odd::whole("spec.database.passwordSecretRef", value.as_bytes()));
            assert!(said.contains(told) && said.is_empty() == told.is_empty(), "{value:?}: {said}");
            assert!(!said.contains("anary"), "{said}");
            assert!(
                told.is_empty() || said.starts_with("; the value of spec.database.passwordSecretRef "),
                "{said}"
            );
        }
        assert_eq!(
            bracketed(b"'postgres://u:canary@h/d'"),
            " (it stands in quotes, which are taken for a part of it)"
        );
        assert_eq!(bracketed(b"canary\n"), "");
    }

    #[test]
    fn names_of_databases_are_repeated_where_they_can_be_nothing_else() {
        assert_eq!(unknown_name("Shop_2.x"), "there is no database \"Shop_2.x\"");
        for name in [
            "a;password=canary",
            "canary\n",
            " canary",
            "can ary",
            "can\u{202e}ary",
            &"canary".repeat(20),
            "",
        ] {
            let told = unknown_name(name);
            assert!(!told.contains("canary") && told.contains("character"), "{name:?}: {told}");
        }
    }
}
