//! What is wrong with the people whom ids name: ids that name another person than before, and rows
//! that can be given back to the person whom they were written for.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{Action, ObjectRef, Severity},
        spec::OnOrphan,
    },
    domain::{
        diagnose::{
            obstacles::{in_the_way, lacks, refit},
            refusal::Collision,
        },
        facts::{
            Observation,
            identities::{IdentityFacts, OldTokens, ReferenceFacts, Unusable},
            references::Reference,
            rights::Right,
            schema::UserTable,
        },
        finding::{Finding, Resolution, person},
        hints::Hints,
        step::Step,
        target::Target,
        text::{clip, count, number, sample},
    },
};

use super::rights;

mod remainder;

/// What `Remap` comes to for one reference.
pub(in crate::domain) struct Remedy {
    /// The end of the finding's sentence.
    pub words: String,
    /// The step, where there is one.
    pub step: Option<Step>,
    /// Why there is none although there would be rows to give back.
    pub blocked: Option<Reason>,
    /// Why a person must approve the step, however small it is.
    pub approval: Option<String>,
    /// Whether what blocks it may pass by itself.
    pub transient: bool,
}

impl Remedy {
    fn none(words: impl Into<String>) -> Self {
        Self { words: words.into(), step: None, blocked: None, approval: None, transient: false }
    }

    fn refused(reason: Reason, why: &str) -> Self {
        Self { blocked: Some(reason), ..Self::none(format!("; Remap is refused: {why}")) }
    }
}

/// What is wrong with the identities, and with the ids that they tell of.
pub(in crate::domain) fn findings(
    target: &Target,
    observation: &Observation,
    users: &UserTable,
) -> Vec<Finding> {
    let Some(identities) = &observation.identities else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(problem) = &identities.problem {
        found.push(unusable(problem));
    }
    for (object, definition) in &identities.missing {
        let known = observation.missing_constraints.iter().any(|missing| {
            (&missing.schema, &missing.table, &missing.constraint)
                == (&object.schema, &object.table, &object.constraint)
        });
        if known {
            continue;
        }
        found.push(person(
            Reason::ConstraintMissing,
            ConditionType::SchemaCompatible,
            Severity::Warning,
            Some(object.clone()),
            format!(
                "{} had the foreign key {} when the snapshot was taken, and has none now: add it with NOT VALID, then validate it ({definition})",
                object.describe(),
                object.constraint.as_deref().unwrap_or_default()
            ),
        ));
    }
    found.extend(shifted_ids(target, identities, users));
    for reference in &observation.references {
        let facts = identities.of(&reference.object).filter(|facts| facts.shifted.rows > 0);
        found.extend(facts.map(|facts| shifted_rows(target, observation, reference, facts)));
    }
    found
}

/// Why it cannot be told whom old ids named.
fn unusable(problem: &Unusable) -> Finding {
    let end = if problem.transient {
        "it is asked again by itself, and nothing is given back until then"
    } else {
        "correct spec.references.identities, nothing is given back until then"
    };
    let mut found = person(
        problem.reason,
        ConditionType::ReferencesConsistent,
        Severity::Error,
        None,
        format!("{}; {end}", problem.why),
    );
    if problem.transient {
        found.ends = Resolution::Automatic;
    }
    found
}

/// Ids that somebody else has now: a finding even where no row names them, since tokens may.
fn shifted_ids(target: &Target, identities: &IdentityFacts, users: &UserTable) -> Option<Finding> {
    if identities.shifted == 0 {
        return None;
    }
    let rows = identities.references.iter().any(|facts| facts.shifted.rows > 0);
    let mut message = format!(
        "{} of {} {} another person than before ({})",
        count(identities.shifted, "id"),
        users.object.describe(),
        if identities.shifted == 1 { "names" } else { "name" },
        sample(&identities.sample, identities.shifted),
    );
    let changed = identities.shifted - identities.elsewhere;
    if changed > 0 {
        message.push_str(&format!(
            "; of {} of them the previous login is nowhere today, which may also be one that was changed: then take it out of the list",
            number(changed)
        ));
    }
    let ends = target.sessions.as_ref().is_some_and(|sessions| !sessions.ends.is_empty());
    message.push_str(match identities.tokens {
        OldTokens::Perhaps if ends => {
            ": an old token signs in as somebody else, so have sessions end first (EndSessions); when that is done and rows are right, take the list out (spec.references.identities, or --against)"
        }
        OldTokens::Perhaps => {
            ": an old token signs in as somebody else, so end all sessions first, by another signing key (look first at what else it protects: `auth-consistency explain keys`) or by spec.sessions; when that is done and rows are right, take the list out (spec.references.identities, or --against)"
        }
        OldTokens::None => "; when rows are right, take the list out (spec.references.identities, or --against)",
        OldTokens::Ended => {
            "; old tokens that name them were ended: when rows are right too, take the list out (spec.references.identities, or --against)"
        }
        OldTokens::Dead => {
            "; old tokens are worth nothing any more: when rows are right too, take the list out (spec.references.identities, or --against)"
        }
    });
    if !identities.uncounted.is_empty() {
        let names: Vec<String> = identities.uncounted.iter().take(5).map(|one| one.describe()).collect();
        message.push_str(&format!(
            "; rows of {} could not be counted",
            sample(&names, i64::try_from(identities.uncounted.len()).unwrap_or(i64::MAX))
        ));
    }
    let grave = rows || identities.tokens == OldTokens::Perhaps;
    let mut found = person(
        Reason::IdentityShifted,
        ConditionType::ReferencesConsistent,
        if grave { Severity::Critical } else { Severity::Warning },
        Some(users.object.clone()),
        message,
    );
    found.finding.keys = Some(identities.shifted);
    found.finding.sample = identities.sample.iter().map(|id| clip(id, 255)).collect();
    Some(found)
}

/// Rows that belong to another person than the one whom they name.
fn shifted_rows(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
    facts: &ReferenceFacts,
) -> Finding {
    let shifted = &facts.shifted;
    let mut message = format!(
        "{} of {} {}{} {} who {} not the {} of before ({})",
        count(shifted.rows, "row"),
        reference.object.describe(),
        if facts.no_mark.is_some() || facts.touched.is_some() { "may " } else { "" },
        if shifted.rows == 1 && facts.no_mark.is_none() && facts.touched.is_none() {
            "names"
        } else {
            "name"
        },
        count(shifted.keys, "user"),
        if shifted.keys == 1 { "is" } else { "are" },
        if shifted.keys == 1 { "one" } else { "ones" },
        sample(&shifted.sample, shifted.keys),
    );
    let policy = target.references.policy(&reference.object);
    let mut remedy = None;
    if let Some(why) = &facts.no_mark {
        message.push_str(&format!(
            "; which of them are old cannot be told, so none is moved: {why}; move them by hand, or delete them"
        ));
    } else if let Some(run) = &facts.touched {
        message.push_str(&format!(
            "; the run {run} has given rows of {} to users of today, which look like old ones now, so none is moved: restore that run, which gives those rows back too, or move them by hand",
            reference.object.describe()
        ));
    } else if facts.movable.rows == 0 {
        message.push_str(&remainder::of_others(&facts.shifted_remainder));
    } else if policy.on_orphan != OnOrphan::Remap {
        message.push_str(": choose onOrphan Remap for it to give them back");
    } else {
        let one = self::remedy(target, observation, reference);
        message.push_str(&one.words);
        remedy = Some(one);
    }
    let mut found = person(
        Reason::IdentityShifted,
        ConditionType::ReferencesConsistent,
        Severity::Critical,
        Some(reference.object.clone()),
        message,
    );
    found.finding.rows = Some(shifted.rows);
    found.finding.keys = Some(shifted.keys);
    found.finding.sample = shifted.sample.iter().map(|id| clip(id, 255)).collect();
    match remedy {
        Some(remedy) => with_remedy(found, remedy),
        None => found,
    }
}

/// What `Remap` would do where it was not chosen, for people who choose.
pub(in crate::domain) fn offer(observation: &Observation, reference: &Reference) -> Option<String> {
    let facts = observation.identities.as_ref().and_then(|identities| identities.of(&reference.object))?;
    let rows = facts.returning.rows;
    (rows > 0).then(|| format!("Remap (it gives {} back to their people)", count(rows, "row")))
}

/// A finding with what `Remap` comes to; its words are in the message already.
pub(in crate::domain) fn with_remedy(found: Finding, remedy: Remedy) -> Finding {
    let mut found = match (remedy.step, remedy.blocked) {
        (Some(step), _) => found.with_step(step),
        (None, Some(reason)) => found.blocked_by(reason),
        (None, None) => found,
    };
    found.approval = found.approval.or(remedy.approval);
    if remedy.transient {
        found.ends = Resolution::Automatic;
    }
    found
}

/// What `Remap` comes to for a reference with rows that name nobody, or somebody else.
pub(in crate::domain) fn remedy(target: &Target, observation: &Observation, reference: &Reference) -> Remedy {
    let policy = &target.references.policy(&reference.object);
    let Some(identities) = &observation.identities else {
        return Remedy::none("; whom they belong to is not known: name a list in spec.references.identities");
    };
    if let Some(problem) = &identities.problem {
        let refused =
            Remedy::refused(problem.reason, "the list in spec.references.identities cannot be used");
        return Remedy { transient: problem.transient, ..refused };
    }
    let nothing = ReferenceFacts::default();
    let facts = identities.of(&reference.object).unwrap_or(&nothing);
    if let Some((reason, why)) = refusal(target, observation, reference, facts) {
        return Remedy::refused(reason, &why);
    }
    let rest = remainder::remainder(observation, identities, reference, policy, facts);
    if facts.rows() == 0 {
        return Remedy::none(rest.map(|rest| format!("; {rest}")).unwrap_or_default());
    }
    let mut words = format!(
        "; {} can be given back to {} ({})",
        count(facts.rows(), "row"),
        count(facts.returning.keys + facts.movable.keys, "id"),
        pairs(facts),
    );
    if let Some(rest) = rest {
        words.push_str(&format!("; {rest}"));
    }
    let approval = if facts.movable.rows > 0 {
        Some("rows that name somebody are moved, all ids as one exchange".to_owned())
    } else if facts.doubtful > 0 {
        Some(format!(
            "{} may name an id that was given out again since, and then they are not the old person's",
            count(facts.doubtful, "row")
        ))
    } else {
        policy.accept.as_ref().map(|(rows, _)| format!("only {} are accepted by a rule", number(*rows)))
    };
    let step = Step::Remap {
        reference: reference.object.clone(),
        definition: reference.definition.to_string(),
        rows: facts.rows(),
        keys: facts.returning.keys + facts.movable.keys,
        shifted: facts.movable.rows,
        surplus: facts.surplus.unwrap_or(0),
        exchanged: facts.exchanged,
        pairs: pairs(facts),
        digest: facts.digest.clone(),
        table_rows: facts.table_rows,
    };
    Remedy { words, step: Some(step), blocked: None, approval, transient: false }
}

fn pairs(facts: &ReferenceFacts) -> String {
    let shown: Vec<String> =
        facts.pairs.iter().map(|(old, new)| format!("{} → {}", clip(old, 40), clip(new, 40))).collect();
    sample(&shown, facts.returning.keys + facts.movable.keys)
}

/// Why rows are not given back although their people are known.
fn refusal(
    target: &Target,
    observation: &Observation,
    reference: &Reference,
    facts: &ReferenceFacts,
) -> Option<(Reason, String)> {
    let hints = target.hints;
    let credentials = target
        .references
        .policy(&reference.object)
        .credentials
        .then(|| "a rule says so".to_owned())
        .or_else(|| facts.credentials.clone())
        .or_else(|| reference.credentials.clone());
    if let Some(why) = credentials {
        return Some((
            Reason::ReassignRefused,
            format!(
                "the rows carry credentials ({why}), and who holds an old one would sign in by it; use Delete"
            ),
        ));
    }
    if let Some(refused) =
        crate::domain::diagnose::refusal::refusal(Action::Remap, target, observation, reference)
    {
        return Some(refused);
    }
    if facts.rows() == 0 {
        return None;
    }
    if let Some(users) = observation.users.as_ref().ok().filter(|users| !users.rights.update) {
        return Some((
            Reason::PrivilegeMissing,
            format!(
                "the role may not UPDATE the user table, without which the accounts cannot be held; {}",
                rights::grant(hints, &users.rights, &[Right::Update], &users.object)
            ),
        ));
    }
    if let Some(unfit) = &facts.unfit {
        return Some((
            Reason::RepairUnsupported,
            format!("{}: {}", unfit.why, refit(hints, reference, unfit)),
        ));
    }
    if let Some(why) = lacks(hints, &reference.rights.role, &facts.lacking) {
        return Some(why);
    }
    if !facts.cascades.is_empty() {
        return Some((
            Reason::RepairUnsupported,
            format!(
                "the change would go on to rows of other tables by ON UPDATE ({}), which are not copied; take those away first",
                facts.cascades.join(", ")
            ),
        ));
    }
    let collision =
        Collision { keys: &facts.collisions, surplus: facts.surplus, otherwise: "merge them by hand" };
    if let Some(why) = collision.refused(target, observation, reference) {
        return Some(why);
    }
    let way = in_the_way(hints, Action::Remap, &reference.object, facts.in_the_way.as_ref());
    if way.is_some() {
        return way;
    }
    exchange_refused(hints, reference, facts)
}

/// Why rows that change places in a unique key cannot be taken out and put in again, if so.
fn exchange_refused(
    hints: &dyn Hints,
    reference: &Reference,
    facts: &ReferenceFacts,
) -> Option<(Reason, String)> {
    if facts.exchanged == 0 {
        return None;
    }
    let rows = count(facts.exchanged, "row");
    let rights = &reference.rights;
    if !rights.insert || !rights.delete {
        let (may_not, lacking): (_, &[Right]) = match (rights.insert, rights.delete) {
            (true, _) => ("DELETE from", &[Right::Delete]),
            (_, true) => ("INSERT into", &[Right::Insert]),
            _ => ("INSERT into and DELETE from", &[Right::Insert, Right::Delete]),
        };
        return Some((
            Reason::PrivilegeMissing,
            format!(
                "{rows} would change places in a unique key, for which they are taken out and put in again, and the role may not {may_not} {}; {}",
                ObjectRef { columns: Vec::new(), ..reference.object.clone() }.describe(),
                rights::grant(hints, rights, lacking, &reference.object)
            ),
        ));
    }
    (!facts.tied.is_empty()).then(|| {
        (
            Reason::UniqueKeyInTheWay,
            format!(
                "{rows} would change places in a unique key, for which they are taken out and put in again, and rows of other tables would go along ({}); make the unique key DEFERRABLE, or exchange them by hand",
                facts.tied.join(", ")
            ),
        )
    })
}
