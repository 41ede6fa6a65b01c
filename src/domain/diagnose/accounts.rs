//! The accounts that are kept, taken together: none of them stands in another's way, and each new one gets
//! an id of its own. What is wrong with one of them alone is `admin`'s.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        blank,
        diagnose::{
            account,
            free_ids::{Free, Kept},
        },
        facts::{Observation, accounts::AdminFacts, schema::UserTable},
        finding::{Finding, person},
        request::Requests,
        step::Step,
        target::{Admin, Target},
    },
};

use super::hashing;

/// What is wrong with the accounts that are kept.
pub(in crate::domain) fn diagnose(
    target: &Target,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
) -> Vec<Finding> {
    let admin = target.admin.iter().zip(&observation.admin);
    let kept: Vec<Kept<'_>> = admin.chain(target.accounts.iter().zip(&observation.accounts)).collect();
    let mut free = Free::of(&kept, users, observation);
    let mut found = Vec::from_iter(contradicted(target, users));
    for (at, one) in kept.iter().enumerate() {
        let (account, facts) = *one;
        // Whoever comes first is kept all the same: a mistake beside it does not touch the admin.
        if let Some(clash) = kept.iter().take(at).find_map(|other| clash(target, users, *one, *other)) {
            found.push(clash);
            continue;
        }
        let mut mine = account::diagnose(target, account, facts, users, observation, requests, &free);
        for one in &mut mine {
            changes_hands(&kept, account, one);
            if let Some(Step::Seed { id: Some(id), .. }) = &one.step {
                free.take(id);
            }
        }
        found.extend(mine);
    }
    found
}

/// The spec names a format that nobody else's password has: said once, whatever is to be written.
fn contradicted(target: &Target, users: &UserTable) -> Option<Finding> {
    let refused = users.passwords.values().find_map(|sample| hashing::contradicted(target, Some(sample)))?;
    let columns = target.users.password_column.iter().cloned().collect();
    let object = ObjectRef { columns, ..users.object.clone() };
    let condition = ConditionType::AdminConsistent;
    Some(person(refused.reason, condition, Severity::Error, Some(object), refused.why))
}

/// Why an account cannot be kept beside one that comes before it.
fn clash(target: &Target, users: &UserTable, one: Kept<'_>, other: Kept<'_>) -> Option<Finding> {
    let ((account, facts), (before, theirs)) = (one, other);
    let plain = blank::folded;
    let row = |facts: &AdminFacts| facts.account.as_ref().map(|account| account.id.clone());
    let wanted = |facts: &AdminFacts| facts.wanted.as_ref().and_then(|wanted| wanted.canonical.clone());
    let (column, reason, severity, message) = if plain(&account.login) == plain(&before.login)
        || row(facts).is_some_and(|id| row(theirs) == Some(id))
    {
        let message = format!(
            "{} ({:?}) and {} ({:?}) name one account by case, spaces or the column's own equality: keep one of them in the spec",
            account.field(),
            account.login,
            before.field(),
            before.login
        );
        (target.users.login_column.clone(), Reason::AdminAmbiguous, Severity::Error, message)
    } else if wanted(facts).is_some_and(|id| wanted(theirs) == Some(id)) {
        let message = format!(
            "{}.id says {} for {}, which is the id that {}.id says: choose another id",
            account.field(),
            account.id.as_deref().unwrap_or_default(),
            account.called(),
            before.field()
        );
        (Some(target.users.id_column.clone()), Reason::AdminIdClaimed, Severity::Critical, message)
    } else {
        return None;
    };
    let object = ObjectRef { columns: column.into_iter().collect(), ..users.object.clone() };
    Some(person(reason, ConditionType::AdminConsistent, severity, Some(object), message))
}

/// An id that an account leaves and that the spec gives to another one: the next pass would give it away,
/// with the old tokens that name it.
fn changes_hands(kept: &[Kept<'_>], account: &Admin, found: &mut Finding) {
    let Some(Step::MoveId { from, .. }) = &found.step else { return };
    let heir = kept.iter().find(|(other, facts)| {
        let wanted = facts.wanted.as_ref().and_then(|wanted| wanted.canonical.as_ref());
        other.place != account.place && wanted == Some(from)
    });
    if let Some((heir, _)) = heir {
        found.approval.get_or_insert_with(|| {
            format!(
                "{}.id gives the id {from} to {} next: whoever holds an old token for it would become {}",
                heir.field(),
                heir.called(),
                heir.called()
            )
        });
    }
}
