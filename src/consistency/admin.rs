//! What is wrong with the admin: missing, ambiguous, at another id, drifted, or with a password that
//! does not serve.

use secrecy::SecretString;

use super::{
    diagnosis::{Diagnosed, Requests, Step, person},
    observation::{Account, AdminFacts, IdDefault, KeyKind, Observation, UserTable},
    orphans,
    target::{Admin, Target},
    wording::{clip, count},
};
use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::{OnDrift, OnMissing, PasswordPolicy},
    },
    passwords,
};

/// What is wrong with the admin.
pub(super) fn diagnose(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
) -> Vec<Diagnosed> {
    let at = |columns: &[String]| ObjectRef { columns: columns.to_vec(), ..users.object.clone() };
    let login = target.users.login_column.clone().unwrap_or_default();
    if facts.exact > 1 || facts.look_alikes > 0 {
        let message = format!(
            "{} of {} could be the admin {:?} by case or spaces: keep one, and delete or rename the others",
            count(facts.exact + facts.look_alikes, "account"),
            users.object.describe(),
            admin.login
        );
        return vec![person(
            Reason::AdminAmbiguous,
            ConditionType::AdminConsistent,
            Severity::Error,
            Some(at(&[login])),
            message,
        )];
    }
    let reset = requests.reset.clone().filter(|_| !observation.bookkeeping.reset_handled);
    let Some(account) = &facts.account else {
        return vec![missing(target, admin, facts, users, observation, reset)];
    };
    let mut found = Vec::new();
    found.extend(other_id(target, admin, account, facts, users, observation));
    found.extend(drifted(target, admin, account, users));
    found.extend(password(target, admin, account, users, reset));
    found
}

/// The admin is not there: seed it where the spec allows, at an id that makes nobody's old token an
/// admin's.
fn missing(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    reset: Option<String>,
) -> Diagnosed {
    let finding = |reason, severity, message: String| {
        person(reason, ConditionType::AdminConsistent, severity, Some(users.object.clone()), message)
    };
    let absent = format!("there is no account {:?} in {}", admin.login, users.object.describe());
    if admin.on_missing == OnMissing::Report && reset.is_none() {
        return finding(
            Reason::AdminMissing,
            Severity::Error,
            format!("{absent}: create it, or set spec.admin.onMissing to Seed"),
        );
    }
    let plain = |message: String| finding(Reason::AdminMissing, Severity::Error, message);
    match unusable(target, admin.password.as_ref()) {
        Ok(()) => {}
        Err(why) => {
            return plain(format!("{absent}, and it cannot be seeded: {why}"))
                .blocked_by(Reason::AdminPasswordUnusable);
        }
    }
    if let Some(column) = users.unfilled.first() {
        return plain(format!(
            "{absent}, and it cannot be seeded: column {column:?} may not be NULL and has no default, so add it to spec.admin.columns"
        ))
        .blocked_by(Reason::SpecInvalid);
    }
    if !users.rights.insert {
        return plain(format!(
            "{absent}, and the role may not INSERT into {}: run what `auth-consistency grants` prints",
            users.object.describe()
        ))
        .blocked_by(Reason::PrivilegeMissing);
    }
    let seed = |id: Option<String>, claimed| Step::Seed {
        users: users.object.clone(),
        id,
        claimed,
        token: reset.clone(),
    };
    if let Some(wanted) = &facts.wanted {
        let id = admin.id.clone().unwrap_or_default();
        let Some(canonical) = wanted.canonical.clone() else {
            return plain(format!("{absent}, and spec.admin.id {id:?} is no {}: correct it", users.id_type))
                .blocked_by(Reason::SpecInvalid);
        };
        if wanted.occupied {
            return finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!(
                    "{absent}, and another account has the id {id} that spec.admin.id gives it: choose another id, ids of people are never swapped"
                ),
            );
        }
        if wanted.orphan_rows > 0 {
            let why = format!("{} name the id {id}", count(wanted.orphan_rows, "row"));
            let mut claimed = finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!("{absent}, and {why} that spec.admin.id gives it: whoever holds an old token for it would become the admin, so approve it only if that was the admin"),
            )
            .with_step(seed(Some(canonical), true));
            claimed.finding.rows = Some(wanted.orphan_rows);
            claimed.approval = Some(why);
            return claimed;
        }
        let mut found = plain(absent).with_step(seed(Some(canonical), false));
        if observation.skipped.iter().any(|skipped| !skipped.asked) {
            found.approval = Some("some references could not be read and may name that id".into());
        }
        return found;
    }
    let unread = observation.skipped.iter().any(|skipped| !skipped.asked);
    let id = match (&users.id_default, users.id_kind) {
        (IdDefault::Sequence(_) | IdDefault::Expression, _) | (IdDefault::None, KeyKind::Uuid) => None,
        (IdDefault::UnreadableSequence(name), _) => {
            return plain(format!(
                "{absent}, and the role may not read the sequence {name}, so a safe id cannot be told: run what `auth-consistency grants` prints"
            ))
            .blocked_by(Reason::PrivilegeMissing);
        }
        (IdDefault::None, KeyKind::Integer) => match orphans::highest_id(users, observation).checked_add(1) {
            Some(next) => Some(next.to_string()),
            None => {
                return plain(format!(
                    "{absent}, and there is no id left above the highest: set spec.admin.id"
                ))
                .blocked_by(Reason::SpecInvalid);
            }
        },
        (IdDefault::None, _) => {
            return plain(format!(
                "{absent}, and column {:?} has no default: set spec.admin.id",
                target.users.id_column
            ))
            .blocked_by(Reason::SpecInvalid);
        }
    };
    let mut found = plain(absent).with_step(seed(id, false));
    if unread && users.id_kind == KeyKind::Integer {
        found.approval = Some("some references could not be read and may name the new id".into());
    }
    found
}

fn unusable(target: &Target, password: Option<&SecretString>) -> Result<(), String> {
    let Some(password) = password else {
        return Err("spec.admin.passwordSecretRef is not set".into());
    };
    passwords::check(target.users.password_hash, password)
        .map_err(|error| format!("the password of spec.admin.passwordSecretRef cannot be used: {error}"))
}

/// The admin has another id than the spec says.
fn other_id(
    target: &Target,
    admin: &Admin,
    account: &Account,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
) -> Option<Diagnosed> {
    let wanted = facts.wanted.as_ref()?;
    let id = admin.id.clone().unwrap_or_default();
    if wanted.canonical.as_ref() == Some(&account.id) {
        return None;
    }
    let at = ObjectRef { columns: vec![target.users.id_column.clone()], ..users.object.clone() };
    let finding = |reason, severity, message| {
        person(reason, ConditionType::AdminConsistent, severity, Some(at.clone()), message)
    };
    let differs = format!("the admin has the id {} and spec.admin.id says {id}", account.id);
    let Some(canonical) = wanted.canonical.clone() else {
        return Some(
            finding(
                Reason::AdminIdDiffers,
                Severity::Error,
                format!("{differs}, which is no {}: correct it", users.id_type),
            )
            .blocked_by(Reason::SpecInvalid),
        );
    };
    if wanted.occupied {
        return Some(finding(
            Reason::AdminIdClaimed,
            Severity::Critical,
            format!(
                "{differs}, which another account has: ids of people are never swapped, so choose another id"
            ),
        ));
    }
    let step = Step::MoveId {
        users: users.object.clone(),
        from: account.id.clone(),
        to: canonical,
        rows: account.references.iter().map(|(_, rows)| rows).sum::<i64>() + 1,
        claimed: wanted.orphan_rows > 0,
    };
    if let Some((reason, why)) = wanted.immovable.as_ref().filter(|_| admin.on_drift == OnDrift::Correct) {
        let refused = format!("{differs}, and it is not moved: {why}");
        return Some(finding(Reason::AdminIdDiffers, Severity::Error, refused).blocked_by(*reason));
    }
    // What could not be read would stay behind.
    let unread = observation.skipped.iter().any(|skipped| !skipped.asked);
    if wanted.orphan_rows > 0 {
        let why = format!("{} that name nobody name the id {id}", count(wanted.orphan_rows, "row"));
        let mut claimed = finding(
            Reason::AdminIdClaimed,
            Severity::Critical,
            format!(
                "{differs}, and {why}: whoever holds an old token for it would become the admin, so approve it only if that was the admin"
            ),
        );
        claimed.finding.rows = Some(wanted.orphan_rows);
        if admin.on_drift == OnDrift::Correct {
            claimed = claimed.with_step(step);
            claimed.approval = Some(why);
        }
        return Some(claimed);
    }
    Some(match admin.on_drift {
        OnDrift::Correct => {
            let message = format!("{differs}: tokens that name {id} find nobody");
            let mut found = finding(Reason::AdminIdDiffers, Severity::Error, message).with_step(step);
            if unread {
                found.approval = Some("some references could not be read and may name the old id".into());
            }
            found
        }
        OnDrift::Report => finding(
            Reason::AdminIdDiffers,
            Severity::Error,
            format!("{differs}: set spec.admin.onDrift to Correct to move it"),
        ),
    })
}

fn drifted(target: &Target, admin: &Admin, account: &Account, users: &UserTable) -> Option<Diagnosed> {
    if account.inactive.is_empty() && account.drifted.is_empty() {
        return None;
    }
    let mut columns: Vec<String> = account.inactive.iter().chain(&account.drifted).cloned().collect();
    columns.sort();
    columns.dedup();
    let mut what = Vec::new();
    if !account.inactive.is_empty() {
        what.push(format!("is not active ({})", account.inactive.join(", ")));
    }
    if !account.drifted.is_empty() {
        what.push(format!("lacks what makes it an admin ({})", account.drifted.join(", ")));
    }
    let object = ObjectRef { columns: columns.clone(), ..users.object.clone() };
    let message = format!("the account {:?} {}", admin.login, what.join(" and "));
    let finding = |message: String| {
        person(
            Reason::AdminDrifted,
            ConditionType::AdminConsistent,
            Severity::Error,
            Some(object.clone()),
            message,
        )
    };
    if admin.on_drift == OnDrift::Report {
        return Some(finding(format!("{message}: correct it, or set spec.admin.onDrift to Correct")));
    }
    // Such a condition says what the value may not be, and not what it is.
    let unwritable = columns.iter().find(|name| {
        let mut conditions = admin.columns.iter().chain(&target.users.active_when);
        conditions.any(|condition| condition.column == **name && condition.is_null == Some(false))
    });
    if let Some(column) = unwritable {
        return Some(
            finding(format!(
                "{message}, and isNull: false says no value to write to {column}: correct the account by hand"
            ))
            .blocked_by(Reason::RepairUnsupported),
        );
    }
    if !users.rights.update {
        return Some(
            finding(format!(
                "{message}, and the role may not UPDATE {}: run what `auth-consistency grants` prints",
                users.object.describe()
            ))
            .blocked_by(Reason::PrivilegeMissing),
        );
    }
    Some(finding(message).with_step(Step::Correct { users: object.clone() }))
}

fn password(
    target: &Target,
    admin: &Admin,
    account: &Account,
    users: &UserTable,
    reset: Option<String>,
) -> Option<Diagnosed> {
    let object =
        ObjectRef { columns: target.users.password_column.iter().cloned().collect(), ..users.object.clone() };
    let finding = |reason, message: String| {
        person(reason, ConditionType::AdminConsistent, Severity::Error, Some(object.clone()), message)
    };
    let facts = &account.password;
    let foreign = facts.format != Some(target.users.password_hash);
    // One that could not be compared is not equal: the Secret's may be too long for the format.
    let differs = admin.password_policy == PasswordPolicy::Always && facts.matches != Some(true);
    let asked = reset.is_some();
    if !foreign && !differs && !asked {
        return None;
    }
    let mut found = if foreign {
        let seems =
            if facts.absent { "is empty".to_owned() } else { format!("seems to be {}", facts.family) };
        finding(
            Reason::PasswordHashForeign,
            format!(
                "the admin's stored password {seems}, and the app reads {:?}: reset it with {}=now, or correct spec.users.passwordHash",
                target.users.password_hash,
                crate::api::annotation::RESET_ADMIN
            ),
        )
    } else if differs {
        finding(
            Reason::AdminPasswordDiffers,
            "the admin's password is not the Secret's, and spec.admin.passwordPolicy is Always".to_owned(),
        )
    } else {
        finding(Reason::AdminDrifted, "a reset of the admin was asked for".to_owned())
    };
    if !asked && admin.password_policy != PasswordPolicy::Always {
        return Some(found);
    }
    if let Err(why) = unusable(target, admin.password.as_ref()) {
        found.finding.message = clip(&format!("{}, and {why}", found.finding.message), 1024);
        return Some(found.blocked_by(Reason::AdminPasswordUnusable));
    }
    if !users.rights.update {
        found.finding.message = clip(
            &format!(
                "{}, and the role may not UPDATE {}: run what `auth-consistency grants` prints",
                found.finding.message,
                users.object.describe()
            ),
            1024,
        );
        return Some(found.blocked_by(Reason::PrivilegeMissing));
    }
    Some(found.with_step(Step::Reset { users: object, token: reset }))
}
