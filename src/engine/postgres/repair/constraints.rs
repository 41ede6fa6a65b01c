//! Foreign keys that are added and validated: each in a transaction of its own, after the rows, and
//! only while no row names nobody.
//!
//! `ADD ... NOT VALID` looks at no old row and so holds its lock for a moment; `VALIDATE` looks at all
//! of them while the app goes on writing. Both are PostgreSQL's own proof, which no counting of ours
//! replaces.

use sqlx::{PgConnection, Row};

use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
        spec::OnConstraint,
    },
    domain::{
        facts::{
            ConstraintFacts, Reference,
            foreign_key::{ForeignKeyOptions, referenced_columns},
        },
        target::Target,
        text::clip,
    },
    engine::postgres::{
        catalog::reference::ReferenceTable,
        ledger::{
            self, Entry,
            fence::{self, Fence},
        },
        observe::Known,
        session::error::DatabaseError,
        sql::{Name, Sql},
    },
};

/// The longest name that PostgreSQL keeps as it is.
const LONGEST_NAME: usize = 63;

/// VALIDATE may take as many times the time of one look at the database; it keeps nobody from writing.
const VALIDATE_TIMES: u32 = 5;

/// What is known of the foreign keys that the spec asks us to add or to validate. What one said that is
/// gone is known from a snapshot alone.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
    references: &[Reference],
    missing: &[ObjectRef],
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
            (original, options) => {
                refused(connection, known, object, &options.unwrap_or_default(), original, parts).await?
            }
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

/// The reference with these columns.
fn table<'k>(known: &'k Known, object: &ObjectRef) -> Option<&'k ReferenceTable> {
    known.references.iter().find(|table| {
        table.object.schema == object.schema
            && table.object.table == object.table
            && table.object.columns == object.columns
    })
}

/// The statement that a person runs instead of us. `parts` says whether NOT VALID is for partitioned tables, too.
fn by_hand(table: &ReferenceTable, name: &str, adding: Option<&ForeignKeyOptions>, parts: bool) -> Sql {
    let name = Name::from_catalog(name.to_owned());
    match adding {
        None => {
            let mut sql = Sql::new("ALTER TABLE ");
            sql.relation(&table.child.relation).add(" VALIDATE CONSTRAINT ").name(&name);
            sql
        }
        Some(options) => add_statement(table, &name, options, parts || !table.child.relation.partitioned),
    }
}

fn add_statement(table: &ReferenceTable, name: &Name, options: &ForeignKeyOptions, not_valid: bool) -> Sql {
    let list = |sql: &mut Sql, names: &mut dyn Iterator<Item = &Name>| {
        for (at, name) in names.enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).name(name);
        }
    };
    let mut sql = Sql::new("ALTER TABLE ");
    sql.relation(&table.child.relation).add(" ADD CONSTRAINT ").name(name).add(" FOREIGN KEY (");
    list(&mut sql, &mut table.columns.iter().map(|column| &column.name));
    sql.add(") REFERENCES ").relation(&table.parent.relation).add(" (");
    list(&mut sql, &mut table.parent_columns.iter().map(|column| &column.name));
    sql.add(")");
    for clause in options.clauses() {
        sql.add(clause);
    }
    if not_valid {
        sql.add(" NOT VALID");
    }
    sql
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
    known: &Known,
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

fn moved(object: &ObjectRef) -> DatabaseError {
    DatabaseError::Moved(format!("{} is not there any more", object.describe()))
}

/// A foreign key that is there.
enum State {
    /// It is marked valid.
    Valid,
    /// It is not.
    NotValid,
    /// It is NOT ENFORCED, and nothing validates it.
    NotEnforced,
}

/// Whether the foreign key is there, and whether it is marked valid.
async fn state(
    connection: &mut PgConnection,
    table: &ReferenceTable,
    name: &str,
) -> Result<Option<State>, DatabaseError> {
    // PostgreSQL 18 brought conenforced.
    let mut sql = Sql::new(
        "SELECT convalidated, pg_catalog.to_jsonb(con) OPERATOR(pg_catalog.->>) 'conenforced' OPERATOR(pg_catalog.=) 'false' \
         FROM pg_catalog.pg_constraint con WHERE contype OPERATOR(pg_catalog.=) 'f' \
         AND conrelid OPERATOR(pg_catalog.=) ",
    );
    sql.integer(table.child.oid).add("::pg_catalog.oid AND confrelid OPERATOR(pg_catalog.=) ");
    sql.integer(table.parent.oid)
        .add("::pg_catalog.oid AND conname::pg_catalog.text OPERATOR(pg_catalog.=) ");
    sql.text(name);
    let Some(row) = sql.optional(connection).await? else { return Ok(None) };
    Ok(Some(match (row.try_get(0)?, row.try_get::<Option<bool>, _>(1)?) {
        (_, Some(true)) => State::NotEnforced,
        (true, _) => State::Valid,
        (false, _) => State::NotValid,
    }))
}

fn orphans_again(object: &ObjectRef) -> DatabaseError {
    DatabaseError::Moved(format!("rows of {} name nobody: those are mended first", object.describe()))
}

/// Adds a foreign key that looks at no old row.
///
/// # Errors
/// The run was overtaken, rows name nobody, or the database refuses it.
pub async fn add_constraint(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &Known,
    object: &ObjectRef,
    options: &ForeignKeyOptions,
) -> Result<i64, DatabaseError> {
    let table = table(known, object).ok_or_else(|| moved(object))?;
    let name = object.constraint.as_deref().unwrap_or_default();
    let mut transaction = fence::enter(connection, fence).await?;
    // Somebody was faster: there is nothing left to do, and nothing to write down.
    if state(&mut transaction, table, name).await?.is_some() {
        return Ok(0);
    }
    let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
    sql.only(&table.child.relation).add(" c WHERE ");
    table.orphaned(&mut sql);
    sql.add(")");
    if sql.scalar::<bool>(&mut transaction).await? {
        return Err(orphans_again(object));
    }
    let name = Name::from_catalog(name.to_owned());
    add_statement(table, &name, options, true).execute(&mut transaction).await?;
    written(&mut transaction, fence, number, Action::AddConstraint, object).await?;
    transaction.commit().await?;
    Ok(0)
}

/// Has the database look at all rows and mark the foreign key valid.
///
/// # Errors
/// The run was overtaken, rows name nobody, or the database refuses it.
pub async fn validate_constraint(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    known: &Known,
    object: &ObjectRef,
) -> Result<i64, DatabaseError> {
    let table = table(known, object).ok_or_else(|| moved(object))?;
    let name = object.constraint.as_deref().unwrap_or_default();
    let patient = Fence { statement_timeout: fence.statement_timeout * VALIDATE_TIMES, ..fence.clone() };
    let mut transaction = fence::enter(connection, &patient).await?;
    match state(&mut transaction, table, name).await? {
        None => return Err(moved(object)),
        Some(State::Valid) => return Ok(0),
        Some(State::NotValid) => {}
        Some(State::NotEnforced) => {
            return Err(DatabaseError::Moved(format!(
                "the foreign key {name} of {} is NOT ENFORCED now",
                object.describe()
            )));
        }
    }
    match by_hand(table, name, None, true).execute(&mut transaction).await {
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("23503") => {
            return Err(orphans_again(object));
        }
        Err(error) => return Err(error.into()),
    }
    written(&mut transaction, fence, number, Action::ValidateConstraint, object).await?;
    transaction.commit().await?;
    Ok(0)
}

async fn written(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    action: Action,
    object: &ObjectRef,
) -> Result<(), DatabaseError> {
    let entry = Entry { step: number, chunk: 1, action, object, rows: 0, token: None };
    Ok(ledger::audit(connection, fence, &entry).await?)
}
