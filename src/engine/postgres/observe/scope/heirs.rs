//! Tables that inherit in the old way from a table whose rows name users: their rows do so too, and neither a
//! foreign key nor a look at the parent sees them.

use crate::{
    api::{
        report::{ObjectRef, Skipped},
        spec::ReferenceRule,
    },
    domain::{
        target::Target,
        text::{clip, count},
    },
    engine::postgres::{
        catalog::{
            self,
            declared::{Place, Scope, place, soft},
            heirs::Heir,
            resolved::ResolvedSchema,
        },
        session::{
            error::DatabaseError,
            transaction::{LOCKED, savepoint},
        },
        sql::Relation,
        sql_name::sql_table,
    },
};

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::RULE;

/// Tables that a message names at most.
const NAMED: usize = 3;

/// Tells of the tables with rows that inherit from those in scope, and are no references of their own. What is
/// ignored, and what is told, may name ids all the same.
pub(super) async fn unseen(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    taken: &BTreeSet<Place>,
    scope: &mut Scope,
) -> Result<(), DatabaseError> {
    let tops: BTreeSet<i64> =
        scope.tables.iter().filter(|table| table.child.inherited).map(|table| table.child.oid).collect();
    let mut of: BTreeMap<i64, Vec<Heir>> = BTreeMap::new();
    for heir in catalog::heirs(connection, &tops.into_iter().collect::<Vec<_>>()).await? {
        of.entry(heir.top).or_default().push(heir);
    }
    if of.is_empty() {
        return Ok(());
    }
    let (mut told, mut naming) = (taken.clone(), Vec::new());
    let mut skipped = Vec::new();
    // What is not read itself is told by itself.
    for table in scope.tables.iter().filter(|table| table.refused().is_none()) {
        let (mut left, mut transient) = (Vec::new(), false);
        for heir in of.get(&table.child.oid).into_iter().flatten() {
            let object = ObjectRef {
                schema: heir.relation.schema.as_str().to_owned(),
                table: heir.relation.name.as_str().to_owned(),
                columns: table.object.columns.clone(),
                constraint: None,
            };
            if !told.insert(place(&object)) {
                continue;
            }
            let ignored = target.references.policy(&object).ignore;
            if ignored.is_none() {
                let rows = savepoint(connection, async |connection: &mut PgConnection| {
                    heir.has_rows(connection, &table.child.relation).await
                });
                match rows.await? {
                    Ok(false) => continue,
                    Ok(true) => {}
                    // What cannot be told counts as if there were some.
                    Err(why) => transient |= why == LOCKED,
                }
            }
            if table.ids.is_some() && object.columns.len() == 1 {
                naming.push(object.clone());
            }
            match ignored {
                None => left.push(object),
                Some(_)
                    if target
                        .references
                        .rules
                        .iter()
                        .any(|rule| rule.rule.declared && rule.names(&object)) => {}
                Some(why) => {
                    skipped.push(Skipped { object, why: clip(&why, 512), asked: true, transient: false });
                }
            }
        }
        if let Some((first, others)) = left.split_first() {
            let why = why(&table.child.relation, table.key.is_some(), others, first.columns.len() == 1);
            skipped.push(Skipped { object: first.clone(), why, asked: false, transient });
        }
    }
    scope.skipped.extend(skipped);
    let rule = |object: &ObjectRef| ReferenceRule {
        table: object.table.clone(),
        columns: Some(object.columns.clone()),
        // Who may not read it is told so already.
        ignore: true,
        ..ReferenceRule::default()
    };
    let rules: Vec<ReferenceRule> = naming.iter().map(rule).collect();
    let mut set_aside = Scope::default();
    soft(connection, known, rules.iter().zip(naming).collect(), RULE, taken, &mut set_aside).await?;
    scope.passive.extend(set_aside.tables);
    Ok(())
}

fn why(parent: &Relation, hard: bool, others: &[ObjectRef], one_column: bool) -> String {
    let mut names: Vec<String> =
        others.iter().take(NAMED).map(|one| sql_table(&one.schema, &one.table)).collect();
    if others.len() > NAMED {
        let more = i64::try_from(others.len() - NAMED).unwrap_or(i64::MAX);
        names.push(format!("{} more", count(more, "table")));
    }
    let parent = sql_table(parent.schema.as_str(), parent.name.as_str());
    let (also, whose, each) = match others.len() {
        0 => (String::new(), "its", "it"),
        1 => (format!(", as {} does", names.join(", ")), "their", "each"),
        _ => (format!(", as {} do", names.join(", ")), "their", "each"),
    };
    clip(
        &format!(
            "the table inherits from {parent}{also}, and {} sees none of {whose} rows: {}, or ignore it there",
            if hard { "the foreign key" } else { "a look at that table" },
            match (one_column, others.is_empty()) {
                (true, true) => "declare it by a rule in spec.references.rules".to_owned(),
                (true, false) => "declare each by a rule of its own in spec.references.rules".to_owned(),
                (false, _) =>
                    format!("give {each} that foreign key too, or name it by a rule in spec.references.rules"),
            }
        ),
        512,
    )
}
