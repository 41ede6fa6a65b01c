//! Writes the copies of rows that are not back into a table of their own, beside the one that they are from.
//!
//! The new table has the columns and types of the source and nothing else: no constraint, default or
//! index that could refuse a row, and nothing of ours. The copies stay in quarantine.

use crate::{
    api::report::{Action, ObjectRef},
    domain::text::clip,
    engine::{
        ExportRequest, Exported,
        postgres::{
            catalog::{self, Column, Found, Table},
            ledger::{
                audit::{self, Entry},
                fence::{self, Fence},
                quarantine::{Quarantine, tables},
            },
            restore::inventory::{self, is_named, with_batches},
            session::{
                error::DatabaseError,
                transaction::{prepare, statement_timeout},
            },
            sql::{Name, Relation, Sql},
            sql_name::sql_table,
        },
    },
};

use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use super::lineage::{self, is_of_run};

/// Columns of a quarantine table that are ours.
const OURS: [&str; 3] = ["_ac_batch", "_ac_new_key", "_ac_restored_at"];

/// How long one statement may take at least: a person waits for it, and all rows go in one transaction.
const PATIENCE: Duration = Duration::from_secs(3600);

/// One source table of the run: its quarantine tables, and rows that are not back and that are.
struct Source {
    object: ObjectRef,
    copies: Vec<Copies>,
    away: i64,
    back: i64,
}

/// One quarantine table, and which of its copies stand for their rows where that is not each for itself.
struct Copies {
    quarantine: Quarantine,
    table: Table,
    /// First copies of rows that are not back as a whole.
    first: Vec<Option<String>>,
    /// Copies of rows that another copy stands for, or that are back.
    left_out: Vec<Option<String>>,
}

/// Makes the table and writes the rows, in one transaction under the fence.
///
/// # Errors
/// There are no such rows, the table cannot be made, the run was overtaken, or the database fails; then
/// nothing was made.
pub async fn export(
    connection: &mut PgConnection,
    fence: &Fence,
    wanted: &ExportRequest,
) -> Result<Exported, DatabaseError> {
    let mut transaction = connection.begin().await?;
    prepare(&mut transaction, fence.statement_timeout).await?;
    let own = || Ok(fence.clone());
    let whose = wanted.identity.as_ref().map_or_else(own, |identity| inventory::whose(fence, identity))?;
    let sources = sources(&mut transaction, &whose, &wanted.run).await?;
    let source = chosen(sources, wanted)?;
    let columns = columns(&source)?;
    let into = destination(&mut transaction, &source.object, &wanted.into).await?;
    transaction.rollback().await?;

    let object = |relation: &Relation| ObjectRef {
        schema: relation.schema.as_str().to_owned(),
        table: relation.name.as_str().to_owned(),
        ..ObjectRef::default()
    };
    let mut transaction = fence::enter(connection, fence).await?;
    statement_timeout(&mut transaction, fence.statement_timeout.max(PATIENCE)).await?;
    make(&mut transaction, &into, &columns).await?;
    let mut rows = 0;
    for copies in &source.copies {
        rows += fill(&mut transaction, &whose, &wanted.run, &into, copies).await?;
    }
    if rows != source.away {
        return Err(DatabaseError::PlanStale(format!(
            "{rows} rows could be written, and {} were meant: nothing was made",
            source.away
        )));
    }
    let into = object(&into);
    let entry = Entry { step: 0, chunk: 1, action: Action::Restore, object: &into, rows, token: None };
    audit::audit(&mut transaction, fence, &entry).await?;
    transaction.commit().await?;
    Ok(Exported { object: source.object, into, rows })
}

/// The tables that rows of a run are from, of this target alone.
async fn sources(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
) -> Result<Vec<Source>, DatabaseError> {
    let mut found: Vec<(ObjectRef, Vec<(Quarantine, Table)>)> = Vec::new();
    for (quarantine, object) in tables(connection).await? {
        let mut sql = Sql::new("SELECT EXISTS (SELECT FROM ");
        with_batches(&mut sql, &quarantine);
        is_of_run(&mut sql, fence, run);
        sql.add(")");
        let (schema, name) = (quarantine.relation.schema.as_str(), quarantine.relation.name.as_str());
        if !sql.scalar::<bool>(connection).await? {
            continue;
        }
        let Found::Table(table) = catalog::find_table(connection, schema, name).await? else { continue };
        match found.iter_mut().find(|(one, _)| *one == object) {
            Some((_, copies)) => copies.push((quarantine, *table)),
            None => found.push((object, vec![(quarantine, *table)])),
        }
    }
    let mut sources = Vec::new();
    for (object, tables) in found {
        sources.push(source(connection, fence, run, object, tables).await?);
    }
    Ok(sources)
}

/// A row that the run changed more than once has several copies: the first one is the row as it was.
async fn source(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    object: ObjectRef,
    tables: Vec<(Quarantine, Table)>,
) -> Result<Source, DatabaseError> {
    let key: Vec<Column> = match catalog::find_table(connection, &object.schema, &object.table).await? {
        Found::Table(source) => {
            let key = catalog::primary_key(connection, source.oid).await?;
            let key: Vec<&Column> = key.iter().filter_map(|name| source.column(name)).collect();
            let there =
                |column: &&Column| tables.iter().all(|(_, one)| one.column(column.name.as_str()).is_some());
            if key.iter().all(there) { key.into_iter().cloned().collect() } else { Vec::new() }
        }
        _ => Vec::new(),
    };
    let quarantines: Vec<Quarantine> = tables.iter().map(|(quarantine, _)| quarantine.clone()).collect();
    let lineage = lineage::of_run(connection, fence, run, &quarantines, &key, lineage::Of::Run).await?;
    let mut copies: Vec<Copies> = tables
        .into_iter()
        .map(|(quarantine, table)| Copies { quarantine, table, first: Vec::new(), left_out: Vec::new() })
        .collect();
    for row in lineage.rows() {
        let away = row.iter().any(|one| !one.restored);
        for (at, one) in row.iter().enumerate() {
            if let Some(copies) = copies.get_mut(one.table) {
                let list = if at == 0 && away { &mut copies.first } else { &mut copies.left_out };
                list.push(Some(one.copy.clone()));
            }
        }
    }
    let (mut away, mut back) = (0, 0);
    for one in &copies {
        let mut sql = Sql::new("SELECT pg_catalog.count(*) FILTER (WHERE ");
        one.is_away(&mut sql);
        sql.add("), pg_catalog.count(*) FILTER (WHERE q._ac_restored_at IS NOT NULL AND NOT (");
        one.is_away(&mut sql);
        sql.add(")) FROM ");
        with_batches(&mut sql, &one.quarantine);
        is_of_run(&mut sql, fence, run);
        let row = sql.one(connection).await?;
        away += row.try_get::<i64, _>(0)?;
        back += row.try_get::<i64, _>(1)?;
    }
    Ok(Source { object, copies, away, back })
}

impl Copies {
    /// Adds the condition that the copy `q` is the one to be written of a row that is not back.
    fn is_away(&self, sql: &mut Sql) {
        sql.add("q._ac_restored_at IS NULL");
        if self.first.is_empty() && self.left_out.is_empty() {
            return;
        }
        let among = |sql: &mut Sql, copies: &[Option<String>]| {
            sql.add("q.ctid::pg_catalog.text OPERATOR(pg_catalog.=) ANY (SELECT k.i FROM pg_catalog.unnest(");
            sql.texts(copies.to_vec()).add(") k(i))");
        };
        sql.add(" AND NOT (");
        among(sql, &self.left_out);
        sql.add(") OR ");
        among(sql, &self.first);
    }
}

/// The one source that is meant.
fn chosen(sources: Vec<Source>, wanted: &ExportRequest) -> Result<Source, DatabaseError> {
    let run = &wanted.run;
    if sources.is_empty() {
        return Err(DatabaseError::NotFound(format!(
            "there are no rows of a run {run:?} of this resource in quarantine: `auth-consistency quarantine list` shows what is there"
        )));
    }
    let names: Vec<String> =
        sources.iter().map(|one| sql_table(&one.object.schema, &one.object.table)).collect();
    let names = names.join(", ");
    // What is back is not meant, unless all is.
    let away = sources.iter().any(|one| one.away > 0);
    let mut meant: Vec<Source> = sources
        .into_iter()
        .filter(|one| match &wanted.table {
            Some(table) => is_named(&one.object, table),
            None => one.away > 0 || !away,
        })
        .collect();
    let source = match (meant.pop(), meant.is_empty()) {
        (Some(source), true) => source,
        (Some(_), false) => {
            return Err(DatabaseError::NotFound(format!(
                "the run {run:?} has rows of several tables in quarantine ({names}): choose one with --table, as schema.table"
            )));
        }
        (None, _) => {
            return Err(DatabaseError::NotFound(format!(
                "the run {run:?} has no rows of {:?} in quarantine, but of {names}",
                wanted.table.as_deref().unwrap_or_default()
            )));
        }
    };
    if source.away == 0 {
        return Err(DatabaseError::NotFound(format!(
            "all {} rows of {} that the run {run:?} took are back in their table, so nothing was written",
            source.back,
            sql_table(&source.object.schema, &source.object.table)
        )));
    }
    Ok(source)
}

/// The columns of all copies. A table whose columns were changed during a run has several layouts: a row
/// has NULL in the columns that it did not have.
fn columns(source: &Source) -> Result<Vec<Column>, DatabaseError> {
    let mut columns: Vec<Column> = Vec::new();
    // The newest layout comes last.
    for copies in source.copies.iter().rev() {
        for column in theirs(&copies.table) {
            match columns.iter().find(|one| one.name == column.name) {
                None => columns.push(column.clone()),
                Some(one) if one.declared_type == column.declared_type => {}
                Some(one) => {
                    return Err(DatabaseError::Unsupported(format!(
                        "the column {:?} had two types while the run took rows ({} and {}), so they do not fit into one table: `auth-consistency quarantine show --all-columns` prints them",
                        one.name.as_str(),
                        column.declared_type.as_str(),
                        one.declared_type.as_str()
                    )));
                }
            }
        }
    }
    Ok(columns)
}

/// The columns of a quarantine table that are the source's.
fn theirs(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.iter().filter(|column| !OURS.contains(&column.name.as_str()))
}

/// The table that is to be made: named soundly, not there yet, and where the role may make one.
async fn destination(
    connection: &mut PgConnection,
    source: &ObjectRef,
    into: &str,
) -> Result<Relation, DatabaseError> {
    let (schema, table) = into.split_once('.').unwrap_or((&source.schema, into));
    let name = |name: &str| {
        Name::created(name)
            .map_err(|why| DatabaseError::Unsupported(format!("--into {:?}: {why}", clip(into, 130))))
    };
    let relation = Relation { schema: name(schema)?, name: name(table)?, partitioned: false };
    let refused = |why: String| Err(DatabaseError::Unsupported(why));
    if schema == "auth_consistency" {
        return refused(
            "the schema auth_consistency is our own, and holds nothing else: name another one as --into schema.table"
                .into(),
        );
    }
    if schema.starts_with("pg_") || schema == "information_schema" {
        return refused(format!(
            "the schema {schema:?} is the server's own: name one of the app's as --into schema.table"
        ));
    }
    let mut sql = Sql::new(
        "SELECT has_schema_privilege(n.oid, 'CREATE'), current_user::text, \
         EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = ",
    );
    sql.text(table)
        .add("::name) OR EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = n.oid AND t.typname = ");
    sql.text(table).add("::name) FROM pg_namespace n WHERE n.nspname = ").text(schema).add("::name");
    let Some(row) = sql.optional(connection).await? else {
        return refused(format!(
            "there is no schema {schema:?}: create it first, or name another one as --into schema.table"
        ));
    };
    if row.try_get::<bool, _>(2)? {
        return refused(taken(&relation));
    }
    if !row.try_get::<bool, _>(0)? {
        return refused(format!(
            "the role {:?} may not create tables in the schema {schema:?}: GRANT CREATE ON SCHEMA to it, or name another schema as --into schema.table",
            row.try_get::<String, _>(1)?
        ));
    }
    Ok(relation)
}

fn taken(into: &Relation) -> String {
    format!(
        "{} is there already, and is left as it is: name a table that does not exist yet",
        sql_table(into.schema.as_str(), into.name.as_str())
    )
}

/// Makes the table. What the database's owner gives others by default on new tables is taken back: the rows
/// may be those that the source's own rights keep from them.
async fn make(
    connection: &mut PgConnection,
    into: &Relation,
    columns: &[Column],
) -> Result<(), DatabaseError> {
    let mut sql = Sql::new("CREATE TABLE ");
    sql.relation(into).add(" (");
    for (at, column) in columns.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name).add(" ").type_name(&column.declared_type);
    }
    sql.add(")");
    if let Err(error) = sql.execute(connection).await.map_err(DatabaseError::from) {
        // Somebody was quicker.
        return Err(match error.sqlstate().as_deref() {
            Some("42P07" | "42710") => DatabaseError::Unsupported(taken(into)),
            _ => error,
        });
    }
    let mut sql = Sql::new(
        "SELECT DISTINCT r.rolname::pg_catalog.text FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a \
         LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee \
         WHERE a.grantee OPERATOR(pg_catalog.<>) c.relowner AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) ",
    );
    sql.text(into.schema.as_str()).add(" AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) ");
    sql.text(into.name.as_str());
    for row in sql.all(connection).await? {
        let mut sql = Sql::new("REVOKE ALL ON TABLE ");
        sql.relation(into).add(" FROM ");
        match row.try_get::<Option<String>, _>(0)? {
            Some(role) => sql.name(&Name::from_catalog(role)),
            None => sql.add("PUBLIC"),
        };
        sql.execute(connection).await?;
    }
    Ok(())
}

/// Writes the rows of one quarantine table.
async fn fill(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    into: &Relation,
    copies: &Copies,
) -> Result<i64, DatabaseError> {
    let Copies { quarantine, table, .. } = copies;
    let mut sql = Sql::new("INSERT INTO ");
    sql.relation(into);
    if theirs(table).next().is_none() {
        return Ok(0);
    }
    sql.add(" (");
    for (at, column) in theirs(table).enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name);
    }
    sql.add(") SELECT ");
    for (at, column) in theirs(table).enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("q", &column.name);
    }
    sql.add(" FROM ");
    with_batches(&mut sql, quarantine);
    is_of_run(&mut sql, fence, run);
    sql.add(" AND (");
    copies.is_away(&mut sql);
    sql.add(") ORDER BY b.batch, q.ctid");
    Ok(sql.execute(connection).await?)
}
