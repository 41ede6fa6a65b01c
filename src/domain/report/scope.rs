//! What a verdict is about, in numbers: nothing that was not looked at stands behind it.

use crate::{
    api::{
        condition::ConditionType,
        report::{ConsistencyReport, ReferencesReport},
    },
    domain::text::{count, number},
};

use super::Outcome;

/// How much a pass looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scope {
    /// References that were checked.
    pub references: i64,
    /// Those of them that only a rule declares.
    pub declared: i64,
    /// Columns that are called as those are that name users, and were not checked.
    pub undeclared: i64,
    /// References that were not checked, on purpose or not.
    pub skipped: i64,
    /// Accounts that the spec names and that are there.
    pub accounts: i64,
    /// Whether a signing key was looked at.
    pub key: bool,
    /// Whether the app was asked.
    pub app: bool,
}

impl Scope {
    fn of(references: Option<&ReferencesReport>, accounts: usize, key: bool, app: bool) -> Self {
        let accounts = i64::try_from(accounts).unwrap_or(i64::MAX);
        let skipped = references.map_or(0, |one| i64::try_from(one.skipped.len()).unwrap_or(i64::MAX));
        Self {
            references: references.map_or(0, |one| one.checked),
            declared: references.map_or(0, |one| one.declared),
            undeclared: references.map_or(0, |one| one.undeclared),
            skipped,
            accounts,
            key,
            app,
        }
    }

    /// What was checked, in words; `None` where nothing was.
    pub fn checked(&self) -> Option<String> {
        let mut parts = Vec::new();
        if self.references > 0 {
            let declared = match (self.declared, self.references) {
                (0, _) => String::new(),
                (declared, all) if declared == all => " (declared by rules)".to_owned(),
                (declared, _) => format!(" ({} of them declared by rules)", number(declared)),
            };
            parts.push(format!("{}{declared}", count(self.references, "reference")));
        }
        if self.accounts > 0 {
            parts.push(count(self.accounts, "account"));
        }
        parts.extend(self.key.then(|| "the signing key".to_owned()));
        parts.extend(self.app.then(|| "what the app accepts".to_owned()));
        match parts.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            [before @ .., last] => Some(format!("{} and {last}", before.join(", "))),
        }
    }

    /// The same as a sentence's beginning, also where nothing was.
    pub fn sentence(&self) -> String {
        match self.checked() {
            Some(checked) => format!("checked: {checked}"),
            None => "nothing was checked: no reference to the user table is known, and the spec names no account and no signing key".into(),
        }
    }
}

impl From<&ConsistencyReport> for Scope {
    fn from(report: &ConsistencyReport) -> Self {
        let accounts = report.admin.iter().count() + report.accounts.len();
        Self::of(report.references.as_ref(), accounts, report.signing_key.is_some(), report.app_asked)
    }
}

impl From<&Outcome> for Scope {
    fn from(outcome: &Outcome) -> Self {
        let accounts = outcome.admin.iter().count() + outcome.accounts.len();
        // A pass that did not wait for the fingerprint looked at the key all the same, and reports none.
        let key = outcome.applicable.contains(&ConditionType::SigningKeyTrusted)
            && !outcome.unknown.iter().any(|(one, ..)| *one == ConditionType::SigningKeyTrusted);
        Self::of(outcome.references.as_ref(), accounts, key, outcome.app_asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_checked_is_said_in_numbers_and_nothing_is_called_nothing() {
        assert_eq!(Scope::default().checked(), None);
        assert!(Scope::default().sentence().starts_with("nothing was checked: "));
        let one = Scope { references: 1, ..Scope::default() };
        assert_eq!(one.sentence(), "checked: 1 reference");
        let all = Scope { references: 12, declared: 2, accounts: 1, key: true, app: true, ..one };
        assert_eq!(
            all.sentence(),
            "checked: 12 references (2 of them declared by rules), 1 account, the signing key and what the app accepts"
        );
        let declared = Scope { references: 2, declared: 2, undeclared: 7, ..Scope::default() };
        assert_eq!(declared.sentence(), "checked: 2 references (declared by rules)");
    }
}
