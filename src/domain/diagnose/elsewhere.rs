//! Foreign keys that reference another table than the user table, though their columns name users: a user model that was
//! swapped, a copy, another schema's users.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::Severity,
        spec::OnConstraint,
    },
    domain::{
        facts::{KeyElsewhere, Noticed, Observation, foreign_key::ForeignKeyOptions},
        finding::{Finding, person},
        hints::Column,
        target::Target,
        text::{count, number, statement},
    },
};

/// What is told of them.
pub(in crate::domain) fn findings(target: &Target, observation: &Observation) -> Vec<Finding> {
    observation.elsewhere.iter().filter(|key| key.is_told()).map(|key| one(target, key)).collect()
}

fn one(target: &Target, key: &KeyElsewhere) -> Finding {
    let (object, to) = (&key.object, target.hints.name(&key.to));
    let users = target.hints.name(&target.users.object());
    let ruled = target.references.rules.iter().any(|rule| {
        rule.names(object)
            || (rule.rule.constraint.is_some()
                && (&rule.schema, &rule.rule.table, &rule.rule.constraint)
                    == (&object.schema, &object.table, &object.constraint))
    });
    let why = match key.noticed {
        Noticed::Rule if ruled => ", though a rule says that the column names users".to_owned(),
        Noticed::Rule => ", though the snapshot says that the column names users".to_owned(),
        Noticed::Names => {
            ", and by their names the two tables hold the same kind of accounts, and the column names users"
                .to_owned()
        }
        Noticed::Logins { looked_at, same } => format!(
            ", though the column is called as those that name users, and {} of {} of {to} that were looked at are in the user table with the same id and login",
            number(same),
            count(looked_at, "account"),
        ),
    };
    let lacking = match key.lacking {
        Some((_, lacking)) if lacking > 0 => {
            format!("; accounts of {users} are not in it, and a row that names one of those breaks the key")
        }
        _ => String::new(),
    };
    let held = match target.references.policy(object).constraint {
        OnConstraint::Restore => "; no repair changes it or adds a second one beside it",
        _ => "",
    };
    let message = format!(
        "the foreign key {} of {} references {to} and not the user table {users}{why}{lacking}{held}. Where an id is the same account in both tables, {}; where it is not, write the users' ids into the column {between}; where {to} is meant, ignore the column in spec.references.rules",
        object.constraint.as_deref().unwrap_or_default(),
        object.describe(),
        replaced(target, key).map_or_else(
            || "put a key to the user table in its place by hand".to_owned(),
            |sql| format!("run {sql}, and check again"),
        ),
        between = target.hints.between_the_keys(),
    );
    person(
        Reason::ReferenceElsewhere,
        ConditionType::SchemaCompatible,
        Severity::Warning,
        Some(object.clone()),
        message,
    )
}

/// The statement that has the foreign key reference the user table, with all else that it says; `None` where that is not
/// known.
pub(in crate::domain) fn replaced(target: &Target, key: &KeyElsewhere) -> Option<String> {
    let options = ForeignKeyOptions::parse(&key.definition)?;
    let users = target.users.object();
    let to = Column { table: &users, name: &target.users.id_column };
    target.hints.replace_foreign_key(&key.object, to, &options, key.not_valid).map(statement)
}
