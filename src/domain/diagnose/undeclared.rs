//! Columns that look as if they named users, and that nobody checks: told where the spec asks for it, and a remark else.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
        spec::OnUndeclared,
    },
    domain::{
        facts::Observation,
        finding::{Finding, person},
        target::Target,
        text::{count, number},
    },
};

/// What is told of them.
pub(in crate::domain) fn finding(target: &Target, observation: &Observation) -> Option<Finding> {
    let undeclared = &observation.undeclared;
    if target.references.undeclared != OnUndeclared::Report || undeclared.columns == 0 {
        return None;
    }
    let mut names: Vec<String> = undeclared.sample.iter().map(ObjectRef::describe).collect();
    let left = undeclared.columns - i64::try_from(names.len()).unwrap_or(i64::MAX);
    if left > 0 {
        names.push(format!("and {} more", number(left)));
    }
    Some(person(
        Reason::ReferencesUndeclared,
        ConditionType::ReferencesConsistent,
        Severity::Error,
        None,
        format!(
            "{} ({}): run `auth-consistency discover`, then declare or ignore each in spec.references.rules",
            unchecked(undeclared.columns),
            names.join(", ")
        ),
    ))
}

/// `3 columns with names like user_id or created_by are not checked, since ...`.
pub fn unchecked(columns: i64) -> String {
    let (names, are, have) = match columns {
        1 => ("a name", "is", "it has"),
        _ => ("names", "are", "they have"),
    };
    format!(
        "{} with {names} like user_id or created_by {are} not checked, since {have} no foreign key and no rule",
        count(columns, "column")
    )
}
