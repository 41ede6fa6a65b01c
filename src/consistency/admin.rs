//! What is wrong with the admin, or with another account that is kept by its rules: missing, ambiguous,
//! at another id, drifted, or with a password that does not serve.

use super::{
    accounts::Free,
    diagnosis::{Diagnosed, Requests, Step, person},
    observation::{Account, AdminFacts, IdDefault, KeyKind, Observation, UserTable},
    requests as ask,
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

/// What is wrong with the admin, or with another account.
pub(super) fn diagnose(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
    free: &Free,
) -> Vec<Diagnosed> {
    let at = |columns: &[String]| ObjectRef { columns: columns.to_vec(), ..users.object.clone() };
    let login = target.users.login_column.clone().unwrap_or_default();
    if facts.exact > 1 || facts.look_alikes > 0 {
        let message = format!(
            "{} of {} could be {} by case or spaces: keep one, and delete or rename the others",
            count(facts.exact + facts.look_alikes, "account"),
            users.object.describe(),
            match admin.place {
                Some(_) => admin.called(),
                None => format!("the admin {:?}", admin.login),
            }
        );
        return vec![person(
            Reason::AdminAmbiguous,
            ConditionType::AdminConsistent,
            Severity::Error,
            Some(at(&[login])),
            message,
        )];
    }
    let done = observation.bookkeeping.reset_handled || observation.bookkeeping.reset_before.is_some();
    let asked = admin.place.is_none() && !done;
    let reset = requests.reset.clone().filter(|_| asked);
    let Some(account) = &facts.account else {
        return vec![missing(target, admin, facts, users, observation, reset, free)];
    };
    let mut found = Vec::new();
    found.extend(other_id(target, admin, account, facts, users, observation));
    found.extend(drifted(target, admin, account, users));
    found.extend(password(target, admin, account, users, reset));
    found
}

/// The account is not there: seed it where the spec allows, at an id that makes nobody's old token its
/// own.
fn missing(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    reset: Option<String>,
    free: &Free,
) -> Diagnosed {
    let finding = |reason, severity, message: String| {
        person(reason, ConditionType::AdminConsistent, severity, Some(users.object.clone()), message)
    };
    let (field, who) = (admin.field(), admin.called());
    let absent = format!("there is no account {:?} in {}", admin.login, users.object.describe());
    if admin.on_missing == OnMissing::Report && reset.is_none() {
        return finding(
            Reason::AdminMissing,
            Severity::Error,
            format!("{absent}: create it, or set {field}.onMissing to Seed"),
        );
    }
    let plain = |message: String| finding(Reason::AdminMissing, Severity::Error, message);
    match unusable(target, admin) {
        Ok(()) => {}
        Err(why) => {
            return plain(format!("{absent}, and it cannot be seeded: {why}"))
                .blocked_by(Reason::AdminPasswordUnusable);
        }
    }
    // An account's own columns may be what fills them.
    let fills = |name: &String| admin.columns.iter().any(|one| one.column == *name && one.equals.is_some());
    if let Some(column) = users.unfilled.iter().find(|name| !fills(name)) {
        return plain(format!(
            "{absent}, and it cannot be seeded: column {column:?} may not be NULL and has no default, so add it to {field}.columns"
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
        account: admin.account().map(str::to_owned),
        id,
        claimed,
        token: reset.clone(),
    };
    if let Some(wanted) = &facts.wanted {
        let id = admin.id.clone().unwrap_or_default();
        let Some(canonical) = wanted.canonical.clone() else {
            return plain(format!("{absent}, and {field}.id {id:?} is no {}: correct it", users.id_type))
                .blocked_by(Reason::SpecInvalid);
        };
        if wanted.occupied {
            return finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!(
                    "{absent}, and another account has the id {id} that {field}.id gives it: choose another id, ids of people are never swapped"
                ),
            );
        }
        if wanted.orphan_rows > 0 {
            let why = format!("{} name the id {id}", count(wanted.orphan_rows, "row"));
            let mut claimed = finding(
                Reason::AdminIdClaimed,
                Severity::Critical,
                format!("{absent}, and {why} that {field}.id gives it: whoever holds an old token for it would become {who}, so approve it only if that was {who}"),
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
        (IdDefault::Sequence(sequence), KeyKind::Integer) => free.past(sequence).map(|id| id.to_string()),
        (IdDefault::Sequence(_) | IdDefault::Expression, _) | (IdDefault::None, KeyKind::Uuid) => None,
        (IdDefault::UnreadableSequence(name), _) => {
            return plain(format!(
                "{absent}, and the role may not read the sequence {name}, so a safe id cannot be told: run what `auth-consistency grants` prints"
            ))
            .blocked_by(Reason::PrivilegeMissing);
        }
        (IdDefault::None, KeyKind::Integer) => match free.next() {
            Some(next) => Some(next.to_string()),
            None => {
                return plain(format!("{absent}, and there is no id left above the highest: set {field}.id"))
                    .blocked_by(Reason::SpecInvalid);
            }
        },
        (IdDefault::None, _) => {
            return plain(format!(
                "{absent}, and column {:?} has no default: set {field}.id",
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

fn unusable(target: &Target, admin: &Admin) -> Result<(), String> {
    let field = format!("{}.passwordSecretRef", admin.field());
    let Some(password) = &admin.password else {
        return Err(format!("{field} is not set"));
    };
    passwords::check(target.users.password_hash, password)
        .map_err(|error| format!("the password of {field} cannot be used: {error}"))
}

/// The account has another id than the spec says.
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
    let (field, who) = (admin.field(), admin.called());
    let differs = format!("{who} has the id {} and {field}.id says {id}", account.id);
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
        account: admin.account().map(str::to_owned),
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
                "{differs}, and {why}: whoever holds an old token for it would become {who}, so approve it only if that was {who}"
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
            format!("{differs}: set {field}.onDrift to Correct to move it"),
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
        let lacks = if admin.place.is_some() { "what the spec says of it" } else { "what makes it an admin" };
        what.push(format!("lacks {lacks} ({})", account.drifted.join(", ")));
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
        return Some(finding(format!("{message}: correct it, or set {}.onDrift to Correct", admin.field())));
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
    let account = admin.account().map(str::to_owned);
    Some(finding(message).with_step(Step::Correct { users: object.clone(), account }))
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
    let (facts, who) = (&account.password, admin.called());
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
                "{who}'s stored password {seems}, and the app reads {:?}: {}, or correct spec.users.passwordHash",
                target.users.password_hash,
                match admin.place {
                    None => format!("reset it by {}", ask::reset(target)),
                    Some(_) => format!("set {}.passwordPolicy to Always", admin.field()),
                }
            ),
        )
    } else if differs {
        finding(
            Reason::AdminPasswordDiffers,
            format!("{who}'s password is not the Secret's, and {}.passwordPolicy is Always", admin.field()),
        )
    } else {
        finding(Reason::AdminDrifted, "a reset of the admin was asked for".to_owned())
    };
    if !asked && admin.password_policy != PasswordPolicy::Always {
        return Some(found);
    }
    if let Err(why) = unusable(target, admin) {
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
    let account = admin.account().map(str::to_owned);
    Some(found.with_step(Step::Reset { users: object, account, token: reset }))
}
