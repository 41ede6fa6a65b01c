//! What gives the next id where that is no sequence that was looked at: said, since nothing else is.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        diagnose::named_ids::highest_id,
        facts::{
            Observation,
            key_kind::KeyKind,
            new_ids::{IdDefault, Untold},
            schema::UserTable,
        },
        finding::{Finding, person},
        hints::Column,
        target::Target,
        text::{clip, unseen},
    },
};

/// How it is said that nobody has looked at what gives the next id.
pub const NOBODY_KNOWS: &str = "nobody knows here what gives the next id";

/// Characters of a default that are shown.
const SHOWN: usize = 120;

/// What nobody has looked at, where it is not known what gives the next id.
pub fn untold(target: &Target, users: &UserTable) -> Option<String> {
    let column = ObjectRef { columns: vec![target.users.id_column.clone()], ..users.object.clone() };
    let column = column.describe();
    match &users.id_default {
        IdDefault::Untold(Untold::Expression(default)) => Some(format!(
            "{NOBODY_KNOWS}: the default of {column} is {}, so whether it is behind was not looked at",
            shown(default)
        )),
        IdDefault::Untold(untold @ Untold::ByName { default, among, .. }) if !untold.is_missing() => {
            Some(format!(
                "{NOBODY_KNOWS}: the default of {column} is {}, and the app's search_path says whether that is {}, so whether it is behind was not looked at{}",
                shown(default),
                among.iter().take(5).map(|one| target.hints.name(one)).collect::<Vec<_>>().join(" or "),
                bound(target, users, among)
            ))
        }
        IdDefault::Untold(Untold::Triggers(names)) => Some(format!(
            "{NOBODY_KNOWS}: {column} has no default, and the {} {} may give it, so whether what that takes is behind was not looked at",
            if names.len() == 1 { "trigger" } else { "triggers" },
            shown(&names.join(", "))
        )),
        IdDefault::None if users.counts_ids() => Some(format!(
            "{NOBODY_KNOWS}: {column} has no default, so the app gives it, and whether what it takes it from is behind was not looked at"
        )),
        _ => None,
    }
}

/// The statement that ties the default to the sequence that is meant.
fn bound(target: &Target, users: &UserTable, among: &[ObjectRef]) -> String {
    let here = among.iter().find(|one| one.schema == users.object.schema).or(among.first());
    here.map_or_else(String::new, |one| {
        format!(
            ": if it is {}, say so by {}",
            target.hints.name(one),
            target.hints.default_from(Column { table: &users.object, name: &target.users.id_column }, one)
        )
    })
}

/// The default draws by a name that nothing has: no row is taken that leaves its id to it.
pub(in crate::domain) fn missing(
    target: &Target,
    untold: &Untold,
    users: &UserTable,
    observation: &Observation,
) -> Option<Finding> {
    let Untold::ByName { default, schema, name, .. } = untold else { return None };
    if !untold.is_missing() {
        return None;
    }
    let schema = schema.as_ref().unwrap_or(&users.object.schema).clone();
    let sequence = ObjectRef { schema, table: name.clone(), ..ObjectRef::default() };
    let start = highest_id(users, observation).saturating_add(1);
    let found = person(
        Reason::SequenceBehind,
        ConditionType::SchemaCompatible,
        Severity::Error,
        Some(users.object.clone()),
        format!(
            "the ids of {} come from {}, and there is no sequence of that name, so every sign-up fails that leaves its id to it: make one by {}",
            users.object.describe(),
            shown(default),
            target.hints.create_sequence(&sequence, start)
        ),
    );
    Some(found.blocked_by(Reason::RepairUnsupported))
}

/// An expression of the catalog, as far as it can be read.
fn shown(default: &str) -> String {
    clip(&default.replace(unseen, "?"), SHOWN)
}

impl UserTable {
    /// Whether ids are numbers, which something counts.
    pub fn counts_ids(&self) -> bool {
        self.id_kind == KeyKind::Integer || self.id_type.starts_with("numeric")
    }
}
