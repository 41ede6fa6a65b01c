//! What is wrong with the admin, or with another account that is kept by its rules: missing, ambiguous,
//! at another id, drifted, or with a password that does not serve.

mod ambiguous;
mod other_id;
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
            accounts::{Account, AdminFacts, WantedId},
            key_kind::KeyKind,
            new_ids::{IdDefault, Untold},
            rights::Right,
            schema::UserTable,
        },
        finding::{Finding, person},
        hints::{Grant, On},
        plan::undone,
        request::Requests,
        step::Step,
        target::{Admin, Target},
        text::{count, sample},
    },
};

use super::{giving, hashing::Chosen, rights, seeding};
use other_id::other_id;

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
    let said = format!("there is no account {:?} in {}", admin.login, users.object.describe());
    let absent = Absent { target, admin, users, observation, said };
    if admin.on_missing == OnMissing::Report && reset.is_none() {
        return absent.plain(&format!(": create it, or set {}.onMissing to Seed", admin.field()));
    }
    let chosen = match seedable(target, admin, users) {
        Ok(chosen) => chosen,
        Err((reason, why)) => return absent.unseedable(reason, why),
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
        return absent.at_the_wanted_id(wanted, seed);
    }
    match absent.new_id(free) {
        Ok(id) => absent.at_a_new_id(id, seed),
        Err((reason, why)) => absent.plain(&format!(", and {why}")).blocked_by(reason),
    }
}

/// An account that is not there.
struct Absent<'a> {
    target: &'a Target,
    admin: &'a Admin,
    users: &'a UserTable,
    observation: &'a Observation,
    /// That it is not there, as a clause.
    said: String,
}

impl Absent<'_> {
    fn finding(&self, reason: Reason, severity: Severity, more: &str) -> Finding {
        let message = format!("{}{more}", self.said);
        person(reason, ConditionType::AdminConsistent, severity, Some(self.users.object.clone()), message)
    }

    fn plain(&self, more: &str) -> Finding {
        self.finding(self.admin.missing(), Severity::Error, more)
    }

    /// It cannot be created, and perhaps what keeps the app, too, from storing a hash that it can read.
    fn unseedable(&self, reason: Reason, why: String) -> Finding {
        let others = password::sample(self.admin, self.users);
        let seems = others.and_then(|sample| sample.survey.others.first()).map(|(what, _)| what);
        let mend = seems.and_then(|seems| broken::mend(self.target.hints, self.users, others, seems));
        let why = mend.map_or(why, |mend| {
            format!("{}, and {mend}", others.map(super::hashing::seen).unwrap_or_default())
        });
        self.plain(&format!(", and it cannot be seeded: {why}")).blocked_by(reason)
    }

    /// With the id that the spec gives it.
    fn at_the_wanted_id(&self, wanted: &WantedId, seed: impl Fn(Option<String>, bool) -> Step) -> Finding {
        let (field, who) = (self.admin.field(), self.admin.called());
        let id = self.admin.id.clone().unwrap_or_default();
        let Some(canonical) = wanted.canonical.clone() else {
            let why = format!(", and {field}.id {id:?} is no {}: correct it", self.users.id_type);
            return self.plain(&why).blocked_by(Reason::SpecInvalid);
        };
        if let Some(check) = &wanted.refused {
            let why = format!(
                ", and {field}.id {id:?} is refused by CHECK {check:?} of the id column: choose another id"
            );
            return self.plain(&why).blocked_by(Reason::SpecInvalid);
        }
        let claimed = |why: &str| self.finding(Reason::AdminIdClaimed, Severity::Critical, why);
        if wanted.occupied {
            return claimed(&format!(
                ", and another account has the id {id} that {field}.id gives it: choose another id, ids of people are never swapped"
            ));
        }
        if wanted.orphan_rows > 0 {
            let why = naming(wanted.orphan_rows, &id);
            let mut claimed = claimed(&format!(
                ", and {why} that {field}.id gives it: whoever holds an old token for it would become {who}, so approve it only if that was {who}"
            ))
            .with_step(seed(Some(canonical), true));
            claimed.finding.rows = Some(wanted.orphan_rows);
            claimed.approval = Some(why);
            return claimed;
        }
        let mut found = self.plain("").with_step(seed(Some(canonical), false));
        found.approval = unseen(self.observation, &wanted.unseen, "that id");
        found
    }

    /// The id that it gets where the spec gives none; `None`: the database gives one. The error is why none can be told.
    fn new_id(&self, free: &Free) -> Result<Option<String>, (Reason, String)> {
        let (users, field) = (self.users, self.admin.field());
        match (&users.id_default, users.id_kind) {
            (IdDefault::Sequence(sequence), KeyKind::Integer)
                if references::is_spent(self.observation, users, sequence) =>
            {
                let name = sequence.object.describe();
                Err((
                    Reason::SequenceBehind,
                    format!(
                        "the sequence {name} has no id left to give it: end SequenceBehind first, or set {field}.id"
                    ),
                ))
            }
            (IdDefault::Sequence(sequence), KeyKind::Integer) => {
                Ok(free.past(sequence).map(|id| id.to_string()))
            }
            (IdDefault::Untold(untold), _) if untold.is_missing() => Err((
                Reason::SequenceBehind,
                format!(
                    "the sequence that gives ids is not there: end SequenceBehind first, or set {field}.id"
                ),
            )),
            (IdDefault::None | IdDefault::Untold(Untold::Triggers(_)), KeyKind::Integer) => {
                let next = free.next().map(|id| Some(id.to_string()));
                next.ok_or_else(|| {
                    let why = format!(
                        "there is no id left above the highest that the id column takes: set {field}.id"
                    );
                    (Reason::SpecInvalid, why)
                })
            }
            (IdDefault::Sequence(_) | IdDefault::Untold(_) | IdDefault::Expression, _)
            | (IdDefault::None, KeyKind::Uuid) => Ok(None),
            (IdDefault::UnreadableSequence(name), _) => Err((
                Reason::PrivilegeMissing,
                format!(
                    "the role may not read the sequence {name}, so a safe id cannot be told: run what `auth-consistency grants` prints"
                ),
            )),
            (IdDefault::None, _) => {
                let column = &self.target.users.id_column;
                Err((Reason::SpecInvalid, format!("column {column:?} has no default: set {field}.id")))
            }
        }
    }

    /// With an id that nobody has had.
    fn at_a_new_id(&self, id: Option<String>, seed: impl Fn(Option<String>, bool) -> Step) -> Finding {
        let (users, observation) = (self.users, self.observation);
        let counted = match &users.id_default {
            IdDefault::None | IdDefault::Untold(Untold::Triggers(_)) => id.as_deref(),
            _ => None,
        };
        let doubt = counted.and_then(|id| id.parse().ok());
        let doubt = doubt.map(|id| giving::doubt(self.target, users, id, &self.admin.field()));
        let message = doubt.as_ref().map_or("", |doubt| &doubt.message);
        let mut found = self.plain(message).with_step(seed(id, false));
        if users.id_kind == KeyKind::Integer {
            let hidden = observation.unchecked.iter().filter(|one| one.ends.is_err());
            let hidden: Vec<ObjectRef> = hidden.map(|one| one.object.clone()).collect();
            found.approval = unseen(observation, &hidden, "the new id");
        }
        found.approval = doubt.and_then(|doubt| doubt.approval).or(found.approval);
        found
    }
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
        let drawn = seeding::undrawable(target, admin, users);
        let insert = Grant { rights: &[Right::Insert], on: On::Table(&users.object) };
        let grants = std::iter::once(insert).chain(seeding::drawing(&drawn));
        let message = format!(
            "the role may not INSERT into {}: {}",
            users.object.describe(),
            rights::granted(target.hints, &users.rights.role, grants)
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
                rights::grant(target.hints, &users.rights, &[Right::Update], &users.object)
            ))
            .blocked_by(Reason::PrivilegeMissing),
        );
    }
    let account = admin.account().map(str::to_owned);
    Some(finding(message).with_step(Step::Correct { users: object.clone(), account }))
}
