//! Rules that are about no reference: what they ask for is done nowhere, so that is told and not passed over.

use crate::{
    api::report::{ObjectRef, Skipped},
    domain::{
        target::{Target, policy::Rule},
        text::nearest,
    },
    engine::postgres::{
        catalog::{
            self, Found,
            declared::{Scope, no_table},
            keys::ForeignKey,
        },
        session::error::DatabaseError,
    },
};

use std::collections::BTreeSet;

use sqlx::PgConnection;

use super::{RULE, declared_object};
use crate::engine::postgres::catalog::declared::Place;

/// A rule that no foreign key is meant by, and the columns of those that its table has.
pub(super) struct Idle {
    object: ObjectRef,
    keys: Vec<Vec<String>>,
}

/// The rules that no foreign key to the users is meant by. What declares a reference, or names a foreign key that
/// must be there, says what it is about by itself; what ignores asks for nothing.
pub(super) fn rules<'k>(target: &Target, keys: impl Iterator<Item = &'k ForeignKey>) -> Vec<Idle> {
    let keys: Vec<&ForeignKey> = keys.collect();
    let of_table = |rule: &Rule, key: &ForeignKey| {
        let is = |(schema, table): &(String, String)| (schema, table) == (&rule.schema, &rule.rule.table);
        is(&key.child) || key.root.as_ref().is_some_and(|root| is(&root.name))
    };
    let asking = target.references.rules.iter().filter(|rule| {
        let rule = &rule.rule;
        !rule.declared && !rule.ignore && rule.constraint.is_none()
    });
    asking
        .filter_map(|rule| {
            let there: Vec<Vec<String>> =
                keys.iter().filter(|key| of_table(rule, key)).map(|key| key.child_columns.clone()).collect();
            let meant =
                there.iter().any(|columns| rule.rule.columns.as_ref().is_none_or(|wanted| wanted == columns));
            (!meant).then(|| Idle { object: declared_object(rule), keys: there })
        })
        .collect()
}

/// Tells of them, but for those that are about a reference in another way.
///
/// # Errors
/// The database fails.
pub(super) async fn told(
    connection: &mut PgConnection,
    idle: Vec<Idle>,
    taken: &BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let is_taken = |object: &ObjectRef| {
        taken.iter().any(|(schema, table, columns)| {
            (schema, table) == (&object.schema, &object.table)
                && (object.columns.is_empty() || *columns == object.columns)
        })
    };
    let mut idle = idle;
    idle.retain(|one| !is_taken(&one.object));
    let names: Vec<(&str, &str)> =
        idle.iter().map(|one| (one.object.schema.as_str(), one.object.table.as_str())).collect();
    let found = catalog::find_tables(connection, &names).await?;
    for (Idle { object, keys }, found) in idle.into_iter().zip(found) {
        let why = match found {
            Found::Nothing(alike) => no_table(&alike, RULE),
            Found::Other(kind) => format!("it is a {kind} and not a table: correct {RULE}"),
            Found::Table(table) => about(&object, &keys, &table),
        };
        scope.skipped.push(Skipped { object, why, asked: false, transient: false });
    }
    Ok(())
}

/// Why a rule changes nothing at a table that is there.
fn about(object: &ObjectRef, keys: &[Vec<String>], table: &catalog::Table) -> String {
    let columns = || table.columns.iter().map(|column| column.name.as_str());
    if let Some(name) = object.columns.iter().find(|name| table.column(name).is_none()) {
        let keyed = keys.iter().flatten().map(String::as_str);
        let near = nearest(name, keyed).or_else(|| nearest(name, columns()));
        let near = near.map(|near| format!(", but there is {near:?}")).unwrap_or_default();
        return format!("there is no column {name:?}{near}: correct {RULE}");
    }
    if let Some(first) = keys.first() {
        return format!(
            "no foreign key of these columns names users, so the rule is about nothing; one of ({}) does: correct {RULE}, or add declared: true to it",
            first.join(", ")
        );
    }
    format!(
        "no foreign key of the table names users, so the rule is about nothing: add columns and declared: true to {RULE}"
    )
}
