//! Which copies of one run are of one row: a run may change a row more than once, by several references.
//!
//! A row is known by its primary key, which a repair may change too: then what one step gave it is what the
//! next step found. Only steps that come after one another are linked, since within one step rows may change
//! places.

use std::collections::{BTreeMap, HashMap};

use sqlx::{PgConnection, Row};

use super::{
    bookkeeping,
    catalog::Column,
    fence::Fence,
    identifier::{Name, Sql},
    kept::with_batches,
    quarantine::Quarantine,
};
use crate::api::report::Action;

/// One copy of a row that a run changed more than once.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Which of the quarantine tables holds it.
    pub table: usize,
    /// Its place there.
    pub copy: String,
    /// The step that made it.
    pub step: i64,
    /// What the step did to the row.
    pub action: Action,
    /// The columns that it changed; a Delete has none of its own.
    pub columns: Vec<String>,
    /// Whether it was put back.
    pub restored: bool,
}

impl Member {
    /// Whether putting back undoes the step: an id that was moved is moved back by the spec.
    pub(super) fn is_undone(&self) -> bool {
        self.action != Action::MoveId
    }
}

/// The rows of one table that a run changed more than once, each with its copies from first to last.
#[derive(Debug, Clone, Default)]
pub(super) struct Lineage {
    rows: Vec<Vec<Member>>,
    of: HashMap<(usize, String), usize>,
}

impl Lineage {
    /// All copies of the row that a copy is of, if there are others.
    pub(super) fn of(&self, table: usize, copy: &str) -> Option<&[Member]> {
        self.of.get(&(table, copy.to_owned())).and_then(|at| self.rows.get(*at)).map(Vec::as_slice)
    }

    /// All such rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Member]> {
        self.rows.iter().map(Vec::as_slice)
    }

    fn new(rows: Vec<Vec<Member>>) -> Self {
        let rows: Vec<Vec<Member>> = rows.into_iter().filter(|row| row.len() > 1).collect();
        let of = rows
            .iter()
            .enumerate()
            .flat_map(|(at, row)| row.iter().map(move |member| ((member.table, member.copy.clone()), at)));
        Self { of: of.collect(), rows }
    }
}

/// A copy with the keys that its row had before and after the step.
struct Kept {
    batch: i64,
    before: Vec<String>,
    after: Vec<String>,
    member: Member,
}

/// Looks which copies of a run in these quarantine tables, all of one source table with this primary key,
/// are of one row. Where one step alone took rows, no row was changed twice, and none is read.
///
/// # Errors
/// The database fails.
pub(super) async fn of_run(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    tables: &[Quarantine],
    key: &[Column],
) -> Result<Lineage, sqlx::Error> {
    if key.is_empty() || !several_steps(connection, fence, run, tables).await? {
        return Ok(Lineage::default());
    }
    let moved = moved_from(connection, fence, run).await?;
    let mut copies = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        copies.extend(read(connection, fence, run, (at, table), key, &moved).await?);
    }
    copies.sort_by_key(|one| one.batch);
    Ok(Lineage::new(linked(copies)))
}

fn linked(copies: Vec<Kept>) -> Vec<Vec<Member>> {
    let mut rows: Vec<Vec<Member>> = Vec::new();
    let mut open: HashMap<Vec<String>, usize> = HashMap::new();
    let (mut step, mut here, mut ends) = (None, HashMap::new(), HashMap::new());
    for Kept { before, after, member, .. } in copies {
        if step.replace(member.step) != Some(member.step) {
            open.extend(std::mem::take(&mut ends));
            here.clear();
        }
        let row = match here.get(&before).copied().or_else(|| open.remove(&before)) {
            Some(row) => row,
            None => {
                rows.push(Vec::new());
                rows.len() - 1
            }
        };
        here.insert(before, row);
        if member.action != Action::Delete {
            ends.insert(after, row);
        }
        if let Some(row) = rows.get_mut(row) {
            row.push(member);
        }
    }
    rows
}

/// Adds the condition that copies `q` with their batches `b` are of a run of this target.
pub(super) fn is_of_run(sql: &mut Sql, fence: &Fence, run: &str) {
    sql.add(" WHERE b.run OPERATOR(pg_catalog.=) ").text(run);
    is_ours(sql, fence);
}

/// Adds the condition that batches `b` are of this target.
pub(super) fn is_ours(sql: &mut Sql, fence: &Fence) {
    sql.add(" AND b.owner OPERATOR(pg_catalog.=) ").text(&fence.owner);
    sql.add(" AND b.system_identifier OPERATOR(pg_catalog.=) ").text(&fence.identity.system);
    sql.add(" AND b.database_oid OPERATOR(pg_catalog.=) ").integer(fence.identity.database);
}

async fn several_steps(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    tables: &[Quarantine],
) -> Result<bool, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT pg_catalog.count(DISTINCT b.step) OPERATOR(pg_catalog.>) 1 FROM auth_consistency.batches b",
    );
    is_of_run(&mut sql, fence, run);
    sql.add(" AND b.name OPERATOR(pg_catalog.=) ANY (");
    sql.texts(tables.iter().map(|one| Some(one.relation.name.as_str().to_owned())).collect()).add(")");
    sql.scalar(connection).await
}

/// The ids that accounts had before the run moved them, by step: the copy of the account's own row says it.
async fn moved_from(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
) -> Result<BTreeMap<i64, String>, sqlx::Error> {
    // Its copy is the first of the step.
    let mut sql = Sql::new(
        "SELECT DISTINCT ON (b.step) b.step, b.batch, b.name, b.column_names[1] FROM auth_consistency.batches b",
    );
    is_of_run(&mut sql, fence, run);
    sql.add(" AND b.action OPERATOR(pg_catalog.=) 'MoveId' ORDER BY b.step, b.batch");
    let mut moved = BTreeMap::new();
    for row in sql.all(connection).await? {
        // What an older program wrote does not say which columns.
        let Some(column) = row.try_get::<Option<String>, _>(3)? else { continue };
        let mut sql = Sql::new("SELECT ");
        sql.column("q", &Name::from_catalog(column)).add("::pg_catalog.text FROM ");
        sql.relation(&Quarantine::named(row.try_get(2)?).relation);
        sql.add(" q WHERE q._ac_batch OPERATOR(pg_catalog.=) ").integer(row.try_get(1)?);
        if let Some(copy) = sql.optional(connection).await? {
            moved.insert(row.try_get(0)?, copy.try_get(0)?);
        }
    }
    Ok(moved)
}

async fn read(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    (at, table): (usize, &Quarantine),
    key: &[Column],
    moved: &BTreeMap<i64, String>,
) -> Result<Vec<Kept>, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT b.batch, b.step, b.action, coalesce(b.column_names, s.column_names, ARRAY[]::pg_catalog.text[]), \
         q.ctid::pg_catalog.text, q._ac_restored_at IS NOT NULL, q._ac_new_key, ARRAY[",
    );
    for (at, column) in key.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).column("q", &column.name).add("::pg_catalog.text");
    }
    sql.add("] FROM ");
    with_batches(&mut sql, table);
    sql.add(
        " LEFT JOIN auth_consistency.steps s ON s.run OPERATOR(pg_catalog.=) b.run AND s.step OPERATOR(pg_catalog.=) b.step",
    );
    is_of_run(&mut sql, fence, run);
    sql.add(" ORDER BY b.batch, q.ctid");
    let mut found = Vec::new();
    for row in sql.all(connection).await? {
        let name: String = row.try_get(2)?;
        let Some(action) = bookkeeping::action(&name) else { continue };
        let (step, columns): (i64, Vec<String>) = (row.try_get(1)?, row.try_get(3)?);
        let new_key: Option<String> = row.try_get(6)?;
        let before: Vec<Option<String>> = row.try_get(7)?;
        // A key has no NULL.
        let Some(before) = before.into_iter().collect::<Option<Vec<String>>>() else { continue };
        let columns = if action == Action::Delete { Vec::new() } else { columns };
        let after = after(key, &before, action, &columns, new_key.as_deref(), moved.get(&step));
        let member =
            Member { table: at, copy: row.try_get(4)?, step, action, columns, restored: row.try_get(5)? };
        found.push(Kept { batch: row.try_get(0)?, before, after, member });
    }
    Ok(found)
}

/// The key that a row has after a step.
fn after(
    key: &[Column],
    before: &[String],
    action: Action,
    columns: &[String],
    new_key: Option<&str>,
    moved_from: Option<&String>,
) -> Vec<String> {
    let written = match (action, new_key) {
        (Action::Reassign | Action::Remap, Some(text)) if columns.len() > 1 => fields(text),
        (Action::Reassign | Action::Remap | Action::MoveId, Some(text)) => {
            columns.iter().map(|_| text.to_owned()).collect()
        }
        _ => return before.to_vec(),
    };
    let one = |(column, was): (&Column, &String)| {
        let at = columns.iter().position(|name| name == column.name.as_str());
        match at.and_then(|at| written.get(at)) {
            Some(_) if action == Action::MoveId && moved_from != Some(was) => was.clone(),
            Some(now) => now.clone(),
            None => was.clone(),
        }
    };
    key.iter().zip(before).map(one).collect()
}

/// The fields of a row as the database writes it (PostgreSQL 15 manual, section 8.16.6).
fn fields(row: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let inner = row.strip_prefix('(').and_then(|row| row.strip_suffix(')')).unwrap_or(row);
    let mut characters = inner.chars().peekable();
    while let Some(one) = characters.next() {
        let literal = match one {
            '"' if quoted && characters.peek() == Some(&'"') => characters.next(),
            '"' => {
                quoted = !quoted;
                None
            }
            '\\' => characters.next(),
            ',' if !quoted => {
                fields.push(String::new());
                None
            }
            other => Some(other),
        };
        if let (Some(literal), Some(last)) = (literal, fields.last_mut()) {
            last.push(literal);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(step: i64, action: Action, before: &str, after: &str) -> Kept {
        let member = Member {
            table: 0,
            copy: format!("{step} {before}"),
            step,
            action,
            columns: Vec::new(),
            restored: false,
        };
        Kept { batch: step, before: vec![before.into()], after: vec![after.into()], member }
    }

    fn rows(copies: Vec<Kept>) -> Vec<Vec<String>> {
        let rows = linked(copies);
        rows.into_iter().map(|row| row.into_iter().map(|one| one.copy).collect()).collect()
    }

    #[test]
    fn a_row_is_followed_through_the_keys_that_steps_give_it() {
        assert_eq!(
            rows(vec![
                copy(1, Action::Remap, "5", "7"),
                copy(1, Action::Remap, "7", "5"),
                copy(2, Action::SetNull, "7", "7"),
                copy(3, Action::Delete, "7", "7"),
                copy(3, Action::Delete, "5", "5"),
                copy(4, Action::SetNull, "9", "9"),
            ]),
            [vec!["1 5", "2 7", "3 7"], vec!["1 7", "3 5"], vec!["4 9"]]
        );
    }

    #[test]
    fn a_row_that_was_removed_is_followed_no_further() {
        let copies = vec![copy(1, Action::Delete, "1", "1"), copy(2, Action::SetNull, "1", "1")];
        assert_eq!(rows(copies), [vec!["1 1"], vec!["2 1"]]);
    }

    #[test]
    fn fields_are_read_as_the_database_writes_them() {
        assert_eq!(fields("(a,1)"), ["a", "1"]);
        assert_eq!(fields(r#"("a b","c""d\\e",)"#), ["a b", "c\"d\\e", ""]);
        assert_eq!(fields(r#"("a,b",x)"#), ["a,b", "x"]);
    }
}
