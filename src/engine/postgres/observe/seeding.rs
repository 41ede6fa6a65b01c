//! What a new row of the user table needs, read from the catalogue before anything is planned.

mod sources;

use crate::{
    api::report::ObjectRef,
    domain::{
        facts::{
            key_kind::KeyKind,
            seed::{NeededColumn, SeedFacts, SeedFault, Suggested},
        },
        target::{Admin, SeedValue, Target},
    },
    engine::postgres::{
        catalog::{Column, resolved::ResolvedSchema},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

/// Characters of a UUID as text.
const UUID_LENGTH: usize = 36;

/// What there is to know of the user table for a new row.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<SeedFacts, DatabaseError> {
    let computed = known.users.columns.iter().filter(|column| column.generated);
    let computed = computed.map(|column| column.name.as_str().to_owned()).collect();
    let needed: Vec<&Column> =
        known.users.columns.iter().filter(|column| may_need(target, known, column)).collect();
    let mut faults = BTreeMap::new();
    for account in target.kept() {
        let found = faults_of(connection, known, account).await?;
        if !found.is_empty() {
            faults.insert(account.account().map(str::to_owned), found);
        }
    }
    let needed = needed_columns(connection, known, &needed).await?;
    let undrawn = undrawn(connection, known.users.oid).await?;
    Ok(SeedFacts { needed, computed, sources: sources::observe(connection, known).await?, undrawn, faults })
}

/// Columns whose defaults draw from a sequence of which the role may not take a value, each with its sequence. An
/// identity column asks for no right.
async fn undrawn(connection: &mut PgConnection, table: i64) -> Result<Vec<(String, ObjectRef)>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT a.attname::text, n.nspname::text, c.relname::text FROM pg_attrdef d \
         JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
         JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid \
           AND dep.refclassid = 'pg_class'::regclass \
         JOIN pg_class c ON c.oid = dep.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') \
           AND NOT has_sequence_privilege(c.oid, 'UPDATE') END \
         AND d.adrelid = ",
    );
    sql.integer(table).add("::oid ORDER BY 1, 2, 3");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let (schema, table) = (row.try_get(1)?, row.try_get(2)?);
        found.push((row.try_get(0)?, ObjectRef { schema, table, ..ObjectRef::default() }));
    }
    Ok(found)
}

fn required(column: &Column) -> bool {
    column.not_null && !column.has_default && !column.generated
}

/// Whether a new row needs a value for the column, or a condition may ask for one.
fn may_need(target: &Target, known: &ResolvedSchema, column: &Column) -> bool {
    let name = column.name.as_str();
    let is = |other: &Option<Column>| other.as_ref().is_some_and(|other| other.name == column.name);
    let filled = known.id.name == column.name
        || is(&known.login)
        || is(&known.password)
        || is(&known.salt)
        || is(&known.algorithm)
        || known
            .active_when
            .iter()
            .any(|(one, condition)| one.name == column.name && condition.equals.is_some());
    let asked = || {
        let own = target.kept().flat_map(|account| &account.columns);
        let mut all = own.chain(&target.users.active_when);
        all.any(|condition| condition.column == name && condition.is_null == Some(false))
    };
    !filled && (required(column) || (!column.has_default && !column.generated && asked()))
}

async fn needed_columns(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    columns: &[&Column],
) -> Result<Vec<NeededColumn>, DatabaseError> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(
        "SELECT w.at, b.typcategory::text, (SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = b.oid ORDER BY e.enumsortorder LIMIT 1), EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[])), f.nspname, f.relname FROM unnest(",
    );
    sql.texts(columns.iter().map(|column| Some(column.name.as_str().to_owned())).collect()).add(", ");
    sql.integers(columns.iter().map(|column| column.base_oid).collect()).add(
        ") WITH ORDINALITY w(name, base, at) JOIN pg_type b ON b.oid = w.base::oid JOIN pg_attribute a ON a.attname::text = w.name AND a.attnum > 0 AND a.attrelid = ",
    );
    sql.integer(known.users.oid).add(
        "::oid LEFT JOIN LATERAL (SELECT n.nspname::text, c.relname::text FROM pg_constraint k \
         JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey) ORDER BY k.conname LIMIT 1) f ON true \
         ORDER BY w.at",
    );
    let mut needed = Vec::with_capacity(columns.len());
    for (row, column) in sql.all(connection).await?.iter().zip(columns) {
        let category: String = row.try_get(1)?;
        let label: Option<String> = row.try_get(2)?;
        let unique: bool = row.try_get(3)?;
        let other: (Option<String>, Option<String>) = (row.try_get(4)?, row.try_get(5)?);
        needed.push(NeededColumn {
            name: column.name.as_str().to_owned(),
            required: required(column),
            suggested: match other {
                (Some(schema), Some(table)) => {
                    Suggested::RowOf(ObjectRef { schema, table, ..ObjectRef::default() }.describe())
                }
                _ => suggested(column, &category, label, unique),
            },
        });
    }
    Ok(needed)
}

/// A value that the type takes; of a category as `pg_type` has them.
fn suggested(column: &Column, category: &str, label: Option<String>, unique: bool) -> Suggested {
    if takes_now(column) {
        return Suggested::Value(SeedValue::Now);
    }
    if column.kind() == KeyKind::Uuid || (unique && takes_uuid(column)) {
        return Suggested::Value(SeedValue::Uuid);
    }
    let text = match (category, column.base_name.as_str()) {
        ("E", _) => label.unwrap_or_default(),
        ("B", _) => "false".to_owned(),
        ("D", _) => "00:00".to_owned(),
        ("N" | "T" | "V", _) => "0".to_owned(),
        ("A", _) | (_, "json" | "jsonb") => "{}".to_owned(),
        ("R", _) => "empty".to_owned(),
        ("I", _) => "0.0.0.0".to_owned(),
        _ => String::new(),
    };
    Suggested::StandIn(text)
}

/// Whether the column holds a date, or a time with its date.
pub(in crate::engine::postgres) fn takes_now(column: &Column) -> bool {
    matches!(column.base_name.as_str(), "timestamptz" | "timestamp" | "date")
}

/// Whether the column holds a UUID, by itself or as text.
fn takes_uuid(column: &Column) -> bool {
    let length = column.declared_type.as_str().split_once('(');
    let length = length.and_then(|(_, rest)| rest.trim_end_matches(')').parse::<usize>().ok());
    match column.kind() {
        KeyKind::Uuid => true,
        KeyKind::Text => length.is_none_or(|length| length >= UUID_LENGTH),
        _ => false,
    }
}

/// What of an account's `seedColumns` cannot be written. What is computed is told by its name.
async fn faults_of(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    account: &Admin,
) -> Result<Vec<SeedFault>, DatabaseError> {
    let mut found = Vec::new();
    for (name, value) in &account.seed_columns {
        let fault = |why: String| SeedFault { column: name.clone(), why };
        let Some(column) = known.users.column(name) else {
            found.push(fault("is not there".into()));
            continue;
        };
        let of = column.declared_type.as_str();
        match value {
            SeedValue::Now if !takes_now(column) => found.push(fault(format!(
                "is of type {of}, and now: true is for a date, or a time with its date"
            ))),
            SeedValue::Uuid if !takes_uuid(column) => {
                found.push(fault(format!("is of type {of}, which holds no UUID")));
            }
            SeedValue::Text(text) => {
                let taken = savepoint(connection, async |connection: &mut PgConnection| {
                    let mut sql = Sql::new("SELECT ");
                    sql.typed(text, &column.type_name).add(" IS NULL");
                    sql.one(connection).await.map(drop)
                })
                .await?;
                if let Err(why) = taken {
                    found.push(fault(format!("is of type {of} and does not take its value ({why})")));
                }
            }
            SeedValue::Now | SeedValue::Uuid => {}
        }
    }
    Ok(found)
}
