//! Whether the admin comes out of a move as the same one.

use super::{Facts, Risk, RiskName};
use crate::{
    api::spec::OnMissing,
    domain::{
        diagnose::seeding,
        target::{Admin, Target},
        text::count,
    },
};

/// Nothing makes the admin the same one everywhere.
pub(super) fn by_hand(target: &Target, facts: &Facts<'_>) -> Option<Risk> {
    let mut evidence = match &target.admin {
        None => vec!["spec.admin names no account".to_owned()],
        Some(admin) => differences(admin, facts),
    };
    let by_hand = target.accounts.iter().filter(|account| account.on_missing == OnMissing::Report);
    evidence.extend(unseedable(target, facts));
    evidence.extend(by_hand.map(|account| {
        format!(
            "spec.accounts {:?} has onMissing Report, so nothing makes it where it is missing",
            account.login
        )
    }));
    (!evidence.is_empty()).then(|| Risk {
        risk: RiskName::AdminByHand,
        breaks: "somebody makes the admin of the target by hand, or it is seeded there with another id: nobody can sign in as admin meanwhile, and what the old one's tokens and rows name is nobody, or somebody else".into(),
        evidence,
        to_do: "set spec.admin with onMissing: Seed, a password from a Secret, and the id that it has today, and take the same resource to the target".into(),
        docs: RiskName::AdminByHand.docs(),
    })
}

fn differences(admin: &Admin, facts: &Facts<'_>) -> Vec<String> {
    let mut evidence = Vec::new();
    if admin.on_missing == OnMissing::Report {
        evidence.push(
            "spec.admin.onMissing is Report, so nothing makes the account where it is missing".to_owned(),
        );
    }
    let account = facts.observation.admin.as_ref().and_then(|admin| admin.account.as_ref());
    let named = || {
        let rows: i64 = account
            .iter()
            .flat_map(|one| &one.references)
            .map(|(_, rows)| *rows)
            .fold(0, i64::saturating_add);
        if rows > 0 {
            format!(", and {} {} it", count(rows, "row"), if rows == 1 { "names" } else { "name" })
        } else {
            String::new()
        }
    };
    match (&admin.id, account) {
        (None, Some(account)) => {
            evidence.push(format!("spec.admin.id says no id: it is {} today{}", account.id, named()))
        }
        (None, None) => evidence.push("spec.admin.id says no id".to_owned()),
        (Some(_), Some(account)) => {
            // In the column's own spelling, where the type takes the spec's at all.
            let wanted = facts.observation.admin.as_ref().and_then(|admin| admin.wanted.as_ref());
            let canonical = wanted.and_then(|wanted| wanted.canonical.as_ref());
            if canonical != Some(&account.id) {
                evidence.push(format!(
                    "the admin has the id {} today{}, and spec.admin.id says another",
                    account.id,
                    named()
                ));
            }
        }
        (Some(_), None) => {}
    }
    if account.is_none() && facts.observation.users.is_ok() {
        evidence.push("the account is not there today".to_owned());
    }
    evidence
}

/// Accounts that are to be seeded where they are missing, and could not be.
fn unseedable(target: &Target, facts: &Facts<'_>) -> Vec<String> {
    let Ok(users) = &facts.observation.users else { return Vec::new() };
    let seeded = target.kept().filter(|account| account.on_missing == OnMissing::Seed);
    seeded
        .filter_map(|account| {
            let obstacles = seeding::obstacles(target, account, users);
            let why: Vec<String> = obstacles.into_iter().map(|(_, why)| why).collect();
            (!why.is_empty()).then(|| format!("{} could not be seeded: {}", account.called(), why.join("; ")))
        })
        .collect()
}
