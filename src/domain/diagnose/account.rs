//! What is wrong with the admin, or with another account that is kept by its rules: missing, ambiguous,
//! at another id, drifted, or with a password that does not serve.

mod ambiguous;
pub(in crate::domain) mod password;

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::{OnDrift, OnMissing},
    },
    domain::{
        diagnose::{free_ids::Free, hashing::broken, references},
        facts::{
            Observation,
            accounts::{Account, AdminFacts},
            key_kind::KeyKind,
            new_ids::{IdDefault, Untold},
            schema::UserTable,
        },
        finding::{Finding, person},
        plan::undone,
        request::Requests,
        sql_name::sql_table,
        step::Step,
        target::{Admin, Target},
        text::{count, sample},
    },
};

use super::{foreign, giving, hashing::Chosen, rights, seeding};

/// What is wrong with the admin, or with another account.
pub(in crate::domain) fn diagnose(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
    requests: &Requests,
    free: &Free,
) -> Vec<Finding> {
    if let Some(found) = ambiguous::ambiguous(target, admin, facts, users) {
        // What is odd about the Secret's password is so whichever account is meant.
        let odd = password::suspicious(target, admin, None, users, false);
        return odd.into_iter().chain([found]).collect();
    }
    let done = observation.bookkeeping.reset_handled || observation.bookkeeping.reset_before.is_some();
    let asked = admin.place.is_none() && !done;
    let reset = requests.reset.clone().filter(|_| asked);
    let mut found =
        Vec::from_iter(password::suspicious(target, admin, facts.account.as_ref(), users, reset.is_some()));
    let Some(account) = &facts.account else {
        found.push(missing(target, admin, facts, users, observation, reset, free));
        return found;
    };
    found.extend(other_id(target, admin, account, facts, users, observation));
    found.extend(drifted(target, admin, account, users));
    let barred = undone::barred(target, observation, requests.take_claim.as_deref());
    found.extend(password::diagnose(target, admin, account, users, reset, barred));
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
) -> Finding {
    let finding = |reason, severity, message: String| {
        person(reason, ConditionType::AdminConsistent, severity, Some(users.object.clone()), message)
    };
    let (field, who) = (admin.field(), admin.called());
    let absent = format!("there is no account {:?} in {}", admin.login, users.object.describe());
    if admin.on_missing == OnMissing::Report && reset.is_none() {
        return finding(
            admin.missing(),
            Severity::Error,
            format!("{absent}: create it, or set {field}.onMissing to Seed"),
        );
    }
    let plain = |message: String| finding(admin.missing(), Severity::Error, message);
    let chosen = match seedable(target, admin, users) {
        Ok(chosen) => chosen,
        Err((reason, why)) => {
            // What keeps the app, too, from storing a hash that it can read.
            let others = password::sample(admin, users);
            let seems = others.and_then(|sample| sample.survey.others.first()).map(|(what, _)| what);
            let mend = seems.and_then(|seems| broken::mend(users, others, seems));
            let why = mend.map_or(why, |mend| {
                format!("{}, and {mend}", others.map(super::hashing::seen).unwrap_or_default())
            });
            return plain(format!("{absent}, and it cannot be seeded: {why}")).blocked_by(reason);
        }
    };
    let seed = |id: Option<String>, claimed| Step::Seed {
        users: users.object.clone(),
        account: admin.account().map(str::to_owned),
        id,
        claimed,
        token: reset.clone(),
        format: Some(chosen.format),
    };
    if let Some(wanted) = &facts.wanted {
        let id = admin.id.clone().unwrap_or_default();
        let Some(canonical) = wanted.canonical.clone() else {
            return plain(format!("{absent}, and {field}.id {id:?} is no {}: correct it", users.id_type))
                .blocked_by(Reason::SpecInvalid);
        };
        if let Some(check) = &wanted.refused {
            return plain(format!("{absent}, and {field}.id {id:?} is refused by CHECK {check:?} of the id column: choose another id"))
                .blocked_by(Reason::SpecInvalid);
        }
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
            let why = naming(wanted.orphan_rows, &id);
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
        found.approval = unseen(observation, &wanted.unseen, "that id");
        return found;
    }
    let id = match (&users.id_default, users.id_kind) {
        (IdDefault::Sequence(sequence), KeyKind::Integer)
            if references::is_spent(observation, users, sequence) =>
        {
            return plain(format!(
                "{absent}, and the sequence {} has no id left to give it: end SequenceBehind first, or set {field}.id",
                sequence.object.describe()
            ))
            .blocked_by(Reason::SequenceBehind);
        }
        (IdDefault::Sequence(sequence), KeyKind::Integer) => free.past(sequence).map(|id| id.to_string()),
        (IdDefault::Untold(untold), _) if untold.is_missing() => {
            return plain(format!("{absent}, and the sequence that gives ids is not there: end SequenceBehind first, or set {field}.id"))
                .blocked_by(Reason::SequenceBehind);
        }
        (IdDefault::None | IdDefault::Untold(Untold::Triggers(_)), KeyKind::Integer) => match free.next() {
            Some(next) => Some(next.to_string()),
            None => {
                return plain(format!("{absent}, and there is no id left above the highest that the id column takes: set {field}.id"))
                    .blocked_by(Reason::SpecInvalid);
            }
        },
        (IdDefault::Sequence(_) | IdDefault::Untold(_) | IdDefault::Expression, _)
        | (IdDefault::None, KeyKind::Uuid) => None,
        (IdDefault::UnreadableSequence(name), _) => {
            return plain(format!(
                "{absent}, and the role may not read the sequence {name}, so a safe id cannot be told: run what `auth-consistency grants` prints"
            ))
            .blocked_by(Reason::PrivilegeMissing);
        }
        (IdDefault::None, _) => {
            return plain(format!(
                "{absent}, and column {:?} has no default: set {field}.id",
                target.users.id_column
            ))
            .blocked_by(Reason::SpecInvalid);
        }
    };
    let counted = match &users.id_default {
        IdDefault::None | IdDefault::Untold(Untold::Triggers(_)) => id.as_deref(),
        _ => None,
    };
    let doubt = counted.and_then(|id| id.parse().ok());
    let doubt = doubt.map(|id| giving::doubt(users, &target.users.id_column, id, &field));
    let message = doubt.as_ref().map_or("", |doubt| &doubt.message);
    let mut found = plain(format!("{absent}{message}")).with_step(seed(id, false));
    if users.id_kind == KeyKind::Integer {
        let hidden = observation.unchecked.iter().filter(|one| one.ends.is_err());
        let hidden: Vec<ObjectRef> = hidden.map(|one| one.object.clone()).collect();
        found.approval = unseen(observation, &hidden, "the new id");
    }
    found.approval = doubt.and_then(|doubt| doubt.approval).or(found.approval);
    found
}

/// Why a person must say that nobody is named by an id: some rows could not be read for it.
fn unseen(observation: &Observation, hidden: &[ObjectRef], id: &str) -> Option<String> {
    let unread = observation.skipped.iter().filter(|skipped| !skipped.asked).map(|skipped| &skipped.object);
    let mut names: Vec<String> = unread.chain(hidden).map(ObjectRef::describe).collect();
    names.sort();
    names.dedup();
    let all = i64::try_from(names.len()).unwrap_or(i64::MAX);
    names.truncate(5);
    (all > 0).then(|| format!("rows of {} could not be read and may name {id}", sample(&names, all)))
}

/// The format of a new account's password; the error is everything that keeps it from being created, with the
/// reason of the first of it.
fn seedable(target: &Target, admin: &Admin, users: &UserTable) -> Result<Chosen, (Reason, String)> {
    let chosen = password::writable(target, admin, users);
    let (grave, last): (Vec<_>, Vec<_>) = seeding::obstacles(target, admin, users)
        .into_iter()
        .partition(|(reason, _)| *reason == Reason::RepairUnsupported);
    let mut why: Vec<(Reason, String)> = grave;
    why.extend(chosen.as_ref().err().cloned());
    if !users.rights.insert {
        let table = sql_table(&users.object.schema, &users.object.table);
        let drawn = seeding::undrawable(target, admin, users);
        let drawn: Vec<String> = drawn.into_iter().map(|name| format!("SEQUENCE {name}")).collect();
        let rights = drawn.iter().map(|on| ("USAGE", on.as_str()));
        let message = format!(
            "the role may not INSERT into {}: {}",
            users.object.describe(),
            rights::granted(&users.rights.role, std::iter::once(("INSERT", table.as_str())).chain(rights))
        );
        why.push((Reason::PrivilegeMissing, message));
    }
    // Last, since it may end in lines that are copied.
    why.extend(last);
    match (chosen, why.first()) {
        (Ok(chosen), None) => Ok(chosen),
        (Err(why), None) => Err(why),
        (_, Some((reason, _))) => {
            let reason = *reason;
            Err((reason, why.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; ")))
        }
    }
}

/// The account has another id than the spec says.
fn other_id(
    target: &Target,
    admin: &Admin,
    account: &Account,
    facts: &AdminFacts,
    users: &UserTable,
    observation: &Observation,
) -> Option<Finding> {
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
    if let Some(check) = &wanted.refused {
        let refused = format!("{differs}, which CHECK {check:?} of the id column refuses: choose another id");
        let found = finding(Reason::AdminIdDiffers, Severity::Error, refused);
        return Some(found.blocked_by(Reason::SpecInvalid));
    }
    if users.seed.computed.contains(&target.users.id_column) {
        return Some(
            finding(
                Reason::AdminIdDiffers,
                Severity::Error,
                format!(
                    "{differs}, and the database computes {} (GENERATED ALWAYS AS), so that nobody can write it: leave {field}.id out",
                    target.users.id_column
                ),
            )
            .blocked_by(Reason::RepairUnsupported),
        );
    }
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
        rows: account.references.iter().map(|(_, rows)| *rows).fold(1, i64::saturating_add),
        claimed: wanted.orphan_rows > 0,
    };
    // A table may name the id in several columns.
    let moved: Vec<ObjectRef> = account
        .references
        .iter()
        .flat_map(|(of, _)| {
            of.columns.iter().map(|one| ObjectRef { columns: vec![one.clone()], ..of.clone() })
        })
        .collect();
    let moved: Vec<&ObjectRef> = moved.iter().collect();
    let foreign = || Some((Reason::ForeignOwner, foreign::unnamed(&observation.foreign, &moved, None)?));
    let held = match admin.on_drift {
        OnDrift::Correct => wanted.immovable.clone().or_else(foreign),
        OnDrift::Report => None,
    };
    if wanted.orphan_rows > 0 {
        let why = format!("{}, which nobody has", naming(wanted.orphan_rows, &id));
        let claimed = |end: String| {
            let message =
                format!("{differs}, and {why}: whoever holds an old token for it would become {who}, {end}");
            let mut claimed = finding(Reason::AdminIdClaimed, Severity::Critical, message);
            claimed.finding.rows = Some(wanted.orphan_rows);
            claimed
        };
        // Whoever moves it by hand must know all the same.
        if let Some((reason, held)) = held {
            let end = format!("so find out first whose it was; and it is not moved: {held}");
            return Some(claimed(end).blocked_by(reason));
        }
        let mut found = claimed(format!("so approve it only if that was {who}"));
        if admin.on_drift == OnDrift::Correct {
            found = found.with_step(step);
            found.approval = Some(why);
        }
        return Some(found);
    }
    if let Some((reason, why)) = held {
        let refused = format!("{differs}, and it is not moved: {why}");
        return Some(finding(Reason::AdminIdDiffers, Severity::Error, refused).blocked_by(reason));
    }
    Some(match admin.on_drift {
        OnDrift::Correct => {
            let message = format!("{differs}: tokens that name {id} find nobody");
            let mut found = finding(Reason::AdminIdDiffers, Severity::Error, message).with_step(step);
            // What could not be read would stay behind.
            found.approval = unseen(observation, &wanted.unseen, "the old id or the new one");
            found
        }
        OnDrift::Report => finding(
            Reason::AdminIdDiffers,
            Severity::Error,
            format!("{differs}: set {field}.onDrift to Correct to move it"),
        ),
    })
}

/// `2 rows name the id 7`.
fn naming(rows: i64, id: &str) -> String {
    format!("{} {} the id {id}", count(rows, "row"), if rows == 1 { "names" } else { "name" })
}

fn drifted(target: &Target, admin: &Admin, account: &Account, users: &UserTable) -> Option<Finding> {
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
            admin.drifted(),
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
    if let Some(column) = columns.iter().find(|name| users.seed.computed.contains(name)) {
        return Some(
            finding(format!(
                "{message}, and the database computes {column} (GENERATED ALWAYS AS), so that nobody can write it: correct what it is computed of"
            ))
            .blocked_by(Reason::RepairUnsupported),
        );
    }
    if !users.rights.update {
        return Some(
            finding(format!(
                "{message}, and the role may not UPDATE {}: {}",
                users.object.describe(),
                rights::grant(&users.rights, "UPDATE", &users.object)
            ))
            .blocked_by(Reason::PrivilegeMissing),
        );
    }
    let account = admin.account().map(str::to_owned);
    Some(finding(message).with_step(Step::Correct { users: object.clone(), account }))
}
