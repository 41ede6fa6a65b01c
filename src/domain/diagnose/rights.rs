//! Rights that the role lacks, with the statement that gives them.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::Mode,
    },
    domain::{
        facts::{Observation, references::TableRights, rights::Right},
        finding::{Finding, person},
        hints::{Grant, Hints, On},
        target::Target,
        text::statement,
    },
};

/// What gives them, as a clause. Reading may take a right on the schema, too: that the command says.
pub fn granted<'a>(hints: &dyn Hints, role: &str, grants: impl IntoIterator<Item = Grant<'a>>) -> String {
    let mut reading = false;
    let grants = grants.into_iter().map(|one| {
        reading |= one.rights.contains(&Right::Select);
        hints.grant(Some(role), one)
    });
    let sql = grants.collect::<Vec<_>>().join("; ");
    if reading || sql.is_empty() || statement(sql.clone()) != sql {
        return "run what `auth-consistency grants` prints".to_owned();
    }
    format!("run `{sql}`, or what `auth-consistency grants` prints")
}

/// The same for rights on one table.
pub fn grant(hints: &dyn Hints, rights: &TableRights, lacking: &[Right], table: &ObjectRef) -> String {
    granted(hints, &rights.role, [Grant { rights: lacking, on: On::Table(table) }])
}

/// Repairs are wanted, and our own schema can be neither made nor used: said once, and none of them is offered.
pub fn of_ledger(target: &Target, observation: &Observation, found: &mut Vec<Finding>) {
    let ledger = &observation.bookkeeping;
    // Of one that is another's, what to grant on it would be the wrong advice.
    let unusable = !ledger.usable && ledger.untrusted.is_empty();
    let wanted = found.iter().any(|one| one.step.is_some());
    if !(unusable && wanted && target.mode == Mode::Enforce) || observation.server.read_only.is_some() {
        return;
    }
    for one in found.iter_mut().filter(|one| one.step.is_some()) {
        one.step = None;
        one.finding.blocked.get_or_insert(Reason::PrivilegeMissing);
    }
    let advice = match &ledger.grant {
        Some(sql) => {
            format!("let its owner or a superuser run `{sql}`, or run what `auth-consistency grants` prints")
        }
        None => "run what `auth-consistency grants` prints".to_owned(),
    };
    found.push(person(
        Reason::PrivilegeMissing,
        ConditionType::SchemaCompatible,
        Severity::Error,
        None,
        format!(
            "the role may neither make nor use the schema auth_consistency, which every repair writes first, so none is planned: {advice}"
        ),
    ));
}
