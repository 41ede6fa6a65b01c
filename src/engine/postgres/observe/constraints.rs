//! Foreign keys that are missing, or not validated.

use sqlx::{PgConnection, Row};

use crate::{
    api::{condition::Reason, report::ObjectRef, spec::OnConstraint},
    domain::{
        facts::{
            KeyElsewhere,
            foreign_key::{ForeignKeyOptions, referenced_columns},
            references::{ConstraintFacts, Reference, same_columns},
        },
        target::Target,
        text::clip,
    },
    engine::postgres::{
        catalog::{reference::ReferenceTable, resolved::ResolvedSchema},
        repair::constraints::LONGEST_NAME,
        rowset::foreign_keys::{by_hand, table},
        session::error::DatabaseError,
        sql::Sql,
        sql_name::sql_table,
    },
};

/// What is known of the foreign keys that the spec asks us to add or to validate. What one said that is
/// gone is known from a snapshot alone.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    references: &[Reference],
    (missing, elsewhere): (&[ObjectRef], &[KeyElsewhere]),
    server_version: i64,
) -> Result<Vec<ConstraintFacts>, DatabaseError> {
    // PostgreSQL 18 manual, ALTER TABLE: before, NOT VALID was not allowed on partitioned tables.
    let parts = server_version >= 180_000;
    let mut facts = Vec::new();
    let policy = |object: &ObjectRef| target.references.policy(object).constraint;
    let open =
        |reference: &&Reference| !reference.soft && !reference.validated && reference.enforcement.holds();
    let twins: Vec<Reference> = references.iter().flat_map(Reference::of_twins).collect();
    for reference in references.iter().chain(&twins).filter(open) {
        if policy(&reference.object) == OnConstraint::Report {
            continue;
        }
        let refused = match table(known, &reference.object) {
            Some(table) => not_owner(connection, table, &reference.object, None, parts).await?,
            None => None,
        };
        facts.push(ConstraintFacts {
            object: reference.object.clone(),
            options: ForeignKeyOptions::default(),
            refused,
        });
    }
    for object in missing.iter().filter(|object| policy(object) == OnConstraint::Restore) {
        let original = target.references.definition(object);
        let options = original.map_or_else(|| Some(ForeignKeyOptions::default()), ForeignKeyOptions::parse);
        let refused = match (original, options) {
            (Some(said), None) => Some((
                Reason::RepairUnsupported,
                format!("the snapshot has it with more than is known here: add it by hand ({said})"),
            )),
            (original, options) => match elsewhere.iter().find(|key| same_columns(&key.object, object)) {
                Some(key) => Some((Reason::ReferenceElsewhere, beside(key))),
                None => {
                    refused(connection, known, object, &options.unwrap_or_default(), original, parts).await?
                }
            },
        };
        let options = options.unwrap_or_default();
        facts.push(ConstraintFacts { object: object.clone(), options, refused });
    }
    for one in &mut facts {
        if let Some((_, why)) = &mut one.refused {
            *why = clip(why, 700);
        }
    }
    Ok(facts)
}

/// Why no second key is added beside one that references another table.
fn beside(key: &KeyElsewhere) -> String {
    format!(
        "its column has the foreign key {} to {}, and beside it a second one would only let in rows that both tables have: drop that one first, or leave constraint out of the rule",
        key.object.constraint.as_deref().unwrap_or_default(),
        sql_table(&key.to.schema, &key.to.table)
    )
}

/// Only a table's owner may change its constraints; there is no right that could be granted.
async fn not_owner(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    object: &ObjectRef,
    adding: Option<&ForeignKeyOptions>,
    parts: bool,
) -> Result<Option<(Reason, String)>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT pg_has_role(c.relowner, 'USAGE'), pg_get_userbyid(c.relowner)::text, \
         (SELECT has_table_privilege(p.oid, 'REFERENCES') FROM pg_class p WHERE p.oid = ",
    );
    sql.integer(table.parent.oid).add("::oid) FROM pg_class c WHERE c.oid = ").integer(table.child.oid);
    sql.add("::oid");
    let row = sql.one(connection).await?;
    let name = object.constraint.as_deref().unwrap_or_default();
    let run = || by_hand(table, name, adding, parts).as_str().to_owned();
    if !row.try_get::<bool, _>(0)? {
        let owner: String = row.try_get(1)?;
        return Ok(Some((
            Reason::PrivilegeMissing,
            format!("only the table's owner {owner} may do that: let that role run {}", run()),
        )));
    }
    if adding.is_some() && !row.try_get::<bool, _>(2)? {
        return Ok(Some((
            Reason::PrivilegeMissing,
            "the role may not make the user table's key a reference: run what `auth-consistency grants` prints"
                .into(),
        )));
    }
    Ok(None)
}

/// Why a foreign key that is gone is not ours to add: told when it is planned, not when it runs.
async fn refused(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    object: &ObjectRef,
    options: &ForeignKeyOptions,
    original: Option<&str>,
    parts: bool,
) -> Result<Option<(Reason, String)>, DatabaseError> {
    let refuse = |why: String| Ok(Some((Reason::RepairUnsupported, why)));
    let name = object.constraint.as_deref().unwrap_or_default();
    if object.columns.len() != 1 {
        return refuse("the rule that names it must name its one column in columns".into());
    }
    if name.len() > LONGEST_NAME {
        return refuse(format!("its name takes {} bytes, and {LONGEST_NAME} are possible", name.len()));
    }
    let Some(table) = table(known, object) else {
        return refuse("its column could not be checked, so nothing is claimed about its rows".into());
    };
    let parent = table.parent_columns.iter().map(|column| column.name.as_str());
    if let Some(said) = original
        && !referenced_columns(said).is_some_and(|columns| columns.iter().map(String::as_str).eq(parent))
    {
        return refuse(format!("it referenced another column of users: add it by hand ({said})"));
    }
    if let Some(key) = &table.key {
        return refuse(format!(
            "the foreign key {} is about the same column: correct the name in the rule",
            key.name
        ));
    }
    if !table.absent.is_empty() || !table.only_where.is_empty() {
        return refuse(
            "the rule has absent or where, and a foreign key knows no exceptions: leave constraint out"
                .into(),
        );
    }
    if table.operators.is_none() {
        return refuse("the types differ: change the column's type first".into());
    }
    if let Some(why) = not_owner(connection, table, object, Some(options), parts).await? {
        return Ok(Some(why));
    }
    // Adding it in one go would keep the app from writing for as long as it takes to look at all rows.
    if table.child.relation.partitioned && !parts {
        return refuse(format!(
            "the table is partitioned, so the app could not write while all rows are looked at: choose a quiet hour and run {}",
            by_hand(table, name, Some(options), parts).as_str()
        ));
    }
    let mut sql = Sql::new("SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = ");
    sql.integer(table.child.oid).add("::oid AND conname::text = ").text(name);
    sql.add(
        "), EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indnkeyatts = 1 \
         AND i.indrelid = ",
    );
    sql.integer(table.parent.oid).add("::oid AND a.attname::text = ");
    sql.text(table.parent_columns.first().map_or("", |column| column.name.as_str())).add(")");
    let row = sql.one(connection).await?;
    if row.try_get::<bool, _>(0)? {
        return refuse(
            "another constraint of the table has that name: rename it, or correct the rule".into(),
        );
    }
    if !row.try_get::<bool, _>(1)? {
        return refuse(
            "the user table has no unique key of its id column alone: add a primary key first".into(),
        );
    }
    Ok(None)
}
