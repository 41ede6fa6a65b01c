//! Which copies of one run are of one row: a run may change a row more than once, by several references.
//!
//! A row is known by its primary key, which a repair may change too: then what one step gave it is what the
//! next step found. An id that a later run moved took rows along too, and those are followed there. Only steps that come after one another are linked, since within one step rows may change
//! places.

use crate::{
    api::report::Action,
    engine::postgres::{
        catalog::Column,
        ledger::{audit, fence::Fence, quarantine::Quarantine},
        restore::inventory::with_batches,
        sql::{
            Name, Sql, sql,
            template::{Texts, each},
            with,
        },
    },
};

use std::collections::{BTreeMap, HashMap};

use sqlx::{PgConnection, Row};

/// One copy of a row that a run changed more than once.
#[derive(Debug, Clone)]
pub(in crate::engine::postgres) struct Member {
    /// Which of the quarantine tables holds it.
    pub table: usize,
    /// Its place there.
    pub copy: String,
    /// The step that made it.
    pub step: i64,
    /// What the step did to the row.
    pub action: Action,
    /// The columns that it changed; a Delete has none of its own. Of an id that was moved, those that are undone.
    pub columns: Vec<String>,
    /// Whether it was put back.
    pub restored: bool,
    /// The primary key that the row has after the step; empty where it is not known.
    pub now: Vec<String>,
    /// Whether putting back undoes the step, or needs to know of it.
    pub undone: bool,
    /// Whether it is a step of the run, of which nothing is left when the row is put back.
    pub whole: bool,
}

impl Member {
    /// Whether the step moved an id: that is moved back by the spec, and not with a row. What an earlier step of the
    /// run wrote is undone all the same, where the id that it named has moved since.
    pub(in crate::engine::postgres) fn moves_id(&self) -> bool {
        self.action == Action::MoveId
    }
}

/// Says of the steps of one row that moved an id what of them is undone: columns that an earlier step wrote, and
/// that go back to what they were before it. The row's own key stays where it moved to.
fn settle(row: &mut [Member]) {
    let mut written: Vec<String> = Vec::new();
    let others = row.iter().rposition(|one| !one.moves_id());
    for (at, one) in row.iter_mut().enumerate() {
        if !one.moves_id() {
            if !one.restored {
                written.extend(one.columns.iter().cloned());
            }
            continue;
        }
        let moved = one.columns.len();
        one.columns.retain(|column| written.contains(column));
        one.whole &= !one.columns.is_empty() && one.columns.len() == moved;
        // Where no later copy has the row's key of now, this one tells it.
        one.undone = !one.columns.is_empty() || others.is_some_and(|last| last < at);
    }
}

/// The rows of one table that a run changed more than once, each with its copies from first to last.
#[derive(Debug, Clone, Default)]
pub(in crate::engine::postgres) struct Lineage {
    rows: Vec<Vec<Member>>,
    of: HashMap<(usize, String), usize>,
}

impl Lineage {
    /// All copies of the row that a copy is of, if there are others.
    pub(in crate::engine::postgres) fn of(&self, table: usize, copy: &str) -> Option<&[Member]> {
        self.of.get(&(table, copy.to_owned())).and_then(|at| self.rows.get(*at)).map(Vec::as_slice)
    }

    /// All such rows.
    pub(in crate::engine::postgres) fn rows(&self) -> impl Iterator<Item = &[Member]> {
        self.rows.iter().map(Vec::as_slice)
    }

    fn new(rows: Vec<Vec<Member>>) -> Self {
        let mut rows: Vec<Vec<Member>> = rows.into_iter().filter(|row| row.len() > 1).collect();
        rows.iter_mut().for_each(|row| settle(row));
        let of = rows
            .iter()
            .enumerate()
            .flat_map(|(at, row)| row.iter().map(move |member| ((member.table, member.copy.clone()), at)));
        Self { of: of.collect(), rows }
    }
}

/// Which copies are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::postgres) enum Of {
    /// Those of the run.
    Run,
    /// Those of later runs too that moved an id: rows that the run changed may have gone along.
    RunAndMoves,
}

/// Which step of which run.
type StepOf = (String, i64);

/// A copy with the keys that its row had before and after the step.
struct Kept {
    batch: i64,
    of: StepOf,
    before: Vec<String>,
    after: Vec<String>,
    member: Member,
}

/// Looks which copies of a run in these quarantine tables, all of one source table with this primary key,
/// are of one row. Where one step alone took rows, no row was changed twice, and none is read.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn of_run(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    tables: &[Quarantine],
    key: &[Column],
    which: Of,
) -> Result<Lineage, sqlx::Error> {
    if key.is_empty() || !several_steps(connection, fence, run, tables, which).await? {
        return Ok(Lineage::default());
    }
    let moved = moved_from(connection, fence, run, which).await?;
    let mut copies = Vec::new();
    for (at, table) in tables.iter().enumerate() {
        copies.extend(read(connection, fence, run, (at, table), key, &moved, which).await?);
    }
    copies.sort_by_key(|one| one.batch);
    Ok(Lineage::new(linked(copies)))
}

fn linked(copies: Vec<Kept>) -> Vec<Vec<Member>> {
    let mut rows: Vec<Vec<Member>> = Vec::new();
    let mut open: HashMap<Vec<String>, usize> = HashMap::new();
    let (mut step, mut here, mut ends) = (None, HashMap::new(), HashMap::new());
    for Kept { before, mut after, mut member, of, .. } in copies {
        if step.as_ref() != Some(&of) {
            step = Some(of);
            open.extend(std::mem::take(&mut ends));
            here.clear();
        }
        let same_step = here.get(&before).copied();
        let row = match same_step.or_else(|| open.remove(&before)) {
            Some(row) => row,
            None => {
                rows.push(Vec::new());
                rows.len() - 1
            }
        };
        // A row that names its own id has two copies of the step that moved it, and only one of them says so.
        let twin = same_step.and_then(|row| rows.get(row)).and_then(|row| row.last());
        if let Some(twin) = twin.filter(|one| one.moves_id() && after == before && one.now != before) {
            after.clone_from(&twin.now);
        }
        here.insert(before, row);
        member.now.clone_from(&after);
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
pub(in crate::engine::postgres) fn is_of_run(sql: &mut Sql, fence: &Fence, run: &str) {
    sql!(sql, " WHERE b.run = {run}{is_ours}", run = run, is_ours = with(|sql| is_ours(sql, fence)));
}

/// The same for a run, and where it is wanted for what later runs moved ids in.
fn is_of(sql: &mut Sql, fence: &Fence, run: &str, which: Of) {
    if which == Of::Run {
        return is_of_run(sql, fence, run);
    }
    sql!(
        sql,
        " WHERE (b.run = {run} OR b.action = 'MoveId' AND b.batch > (
             SELECT pg_catalog.min(f.batch) FROM auth_consistency.batches f WHERE f.run = {run})){is_ours}",
        run = run,
        is_ours = with(|sql| is_ours(sql, fence)),
    );
}

/// Adds the condition that batches `b` are of this target.
pub(in crate::engine::postgres) fn is_ours(sql: &mut Sql, fence: &Fence) {
    sql!(
        sql,
        " AND b.owner = {owner} AND b.system_identifier = {system} AND b.database_oid = {database}",
        owner = fence.owner,
        system = fence.identity.system,
        database = fence.identity.database,
    );
}

async fn several_steps(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    tables: &[Quarantine],
    which: Of,
) -> Result<bool, sqlx::Error> {
    let names: Vec<String> = tables.iter().map(|one| one.relation.name.as_str().to_owned()).collect();
    let sql = sql!(
        "SELECT pg_catalog.count(DISTINCT ROW(b.run, b.step)) > 1 FROM auth_consistency.batches b{is_of}
         AND b.name = ANY ({names})",
        is_of = with(|sql| is_of(sql, fence, run, which)),
        names = Texts(&names),
    );
    sql.scalar(connection).await
}

/// The ids that accounts had before the run moved them, by step: the copy of the account's own row says it.
async fn moved_from(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    which: Of,
) -> Result<BTreeMap<StepOf, String>, sqlx::Error> {
    // Its copy is the first of the step.
    let sql = sql!(
        "SELECT DISTINCT ON (b.run, b.step) b.step, b.batch, b.name, b.column_names[1], b.run
         FROM auth_consistency.batches b{is_of} AND b.action = 'MoveId' ORDER BY b.run, b.step, b.batch",
        is_of = with(|sql| is_of(sql, fence, run, which)),
    );
    let mut moved = BTreeMap::new();
    for row in sql.all(connection).await? {
        // What an older program wrote does not say which columns.
        let Some(column) = row.try_get::<Option<String>, _>(3)? else { continue };
        let sql = sql!(
            "SELECT q.{column}::pg_catalog.text FROM {copies} q WHERE q._ac_batch = {batch}",
            column = Name::from_catalog(column),
            copies = Quarantine::named(row.try_get(2)?).relation,
            batch = row.try_get::<i64, _>(1)?,
        );
        if let Some(copy) = sql.optional(connection).await? {
            moved.insert((row.try_get(4)?, row.try_get(0)?), copy.try_get(0)?);
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
    moved: &BTreeMap<StepOf, String>,
    which: Of,
) -> Result<Vec<Kept>, sqlx::Error> {
    let named = columns_of_moves(connection, fence, run, table, which).await?;
    let sql = sql!(
        "SELECT b.batch, b.step, b.action, coalesce(b.column_names, s.column_names, ARRAY[]::pg_catalog.text[]),
           q.ctid::pg_catalog.text, q._ac_restored_at IS NOT NULL, q._ac_new_key, ARRAY[{key}],
           CASE WHEN b.action = 'MoveId' THEN ARRAY[NULL::pg_catalog.text{named}] END, b.run
         FROM {copies} LEFT JOIN auth_consistency.steps s ON s.run = b.run AND s.step = b.step{is_of}
         ORDER BY b.batch, q.ctid",
        key = each(key, ", ", |sql, column| {
            sql!(sql, "q.{name}::pg_catalog.text", name = column.name);
        }),
        named = each(&named, "", |sql, name| {
            sql!(sql, ", q.{name}::pg_catalog.text", name = Name::from_catalog(name.clone()));
        }),
        copies = with(|sql| with_batches(sql, table)),
        is_of = with(|sql| is_of(sql, fence, run, which)),
    );
    let mut found = Vec::new();
    for row in sql.every(connection).await? {
        let name: String = row.try_get(2)?;
        let Some(action) = audit::action(&name) else { continue };
        let (step, columns): (i64, Vec<String>) = (row.try_get(1)?, row.try_get(3)?);
        let new_key: Option<String> = row.try_get(6)?;
        let before: Vec<Option<String>> = row.try_get(7)?;
        // A key has no NULL.
        let Some(before) = before.into_iter().collect::<Option<Vec<String>>>() else { continue };
        let of: StepOf = (row.try_get(9)?, step);
        let had: Vec<Option<String>> = row.try_get::<Option<Vec<_>>, _>(8)?.unwrap_or_default();
        let names_it = |column: &String| {
            let at = named.iter().position(|name| name == column);
            let value = at.and_then(|at| had.get(at + 1)).and_then(Option::as_ref);
            value.is_some() && value == moved.get(&of)
        };
        let columns: Vec<String> = match action {
            Action::Delete => Vec::new(),
            // A row may name the id by one of the columns that name users, and somebody else by another.
            Action::MoveId => columns.into_iter().filter(names_it).collect(),
            _ => columns,
        };
        let after = after(key, &before, action, &columns, new_key.as_deref(), moved.get(&of));
        let (copy, restored) = (row.try_get(4)?, row.try_get(5)?);
        let (now, undone) = (Vec::new(), action != Action::MoveId);
        let whole = of.0 == run;
        let member = Member { table: at, copy, step, action, columns, restored, now, undone, whole };
        found.push(Kept { batch: row.try_get(0)?, of, before, after, member });
    }
    Ok(found)
}

/// The columns by which rows of one quarantine table named ids that were moved.
async fn columns_of_moves(
    connection: &mut PgConnection,
    fence: &Fence,
    run: &str,
    table: &Quarantine,
    which: Of,
) -> Result<Vec<String>, sqlx::Error> {
    let sql = sql!(
        "SELECT DISTINCT n.name FROM auth_consistency.batches b
         CROSS JOIN LATERAL pg_catalog.unnest(b.column_names) n(name){is_of}
         AND b.action = 'MoveId' AND b.name = {copies} ORDER BY 1",
        is_of = with(|sql| is_of(sql, fence, run, which)),
        copies = table.relation.name.as_str(),
    );
    sql.all(connection).await?.iter().map(|row| row.try_get(0)).collect()
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
            now: Vec::new(),
            undone: true,
            whole: true,
        };
        Kept {
            batch: step,
            of: (String::new(), step),
            before: vec![before.into()],
            after: vec![after.into()],
            member,
        }
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
    fn of_a_moved_id_only_what_an_earlier_step_wrote_is_undone() {
        let row = |members: &[(i64, Action, &[&str])]| {
            let mut row: Vec<Member> = members
                .iter()
                .map(|(step, action, columns)| {
                    let mut member = copy(*step, *action, "1", "1").member;
                    member.columns = columns.iter().map(|&name| name.to_owned()).collect();
                    member.undone = *action != Action::MoveId;
                    member
                })
                .collect();
            settle(&mut row);
            row.into_iter().map(|one| (one.columns, one.undone, one.whole)).collect::<Vec<_>>()
        };
        let columns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<String>>();
        let (remap, moving, null) = (Action::Remap, Action::MoveId, Action::SetNull);
        assert_eq!(
            row(&[(1, remap, &["a"]), (2, moving, &["a", "b"]), (3, null, &["c"])])[1],
            (columns(&["a"]), true, false)
        );
        assert_eq!(row(&[(1, remap, &["a"]), (2, moving, &["a"])])[1], (columns(&["a"]), true, true));
        // The row's own id, which a later copy knows of, or only this one.
        assert_eq!(row(&[(1, remap, &["a"]), (2, moving, &["id"])])[1], (Vec::new(), true, false));
        let kept = row(&[(1, remap, &["a"]), (2, moving, &["id"]), (3, null, &["c"])]);
        assert_eq!(kept[1], (Vec::new(), false, false));
        assert_eq!(row(&[(2, moving, &["a"]), (3, null, &["a"])])[0], (Vec::new(), false, false));
    }

    #[test]
    fn fields_are_read_as_the_database_writes_them() {
        assert_eq!(fields("(a,1)"), ["a", "1"]);
        assert_eq!(fields(r#"("a b","c""d\\e",)"#), ["a b", "c\"d\\e", ""]);
        assert_eq!(fields(r#"("a,b",x)"#), ["a,b", "x"]);
    }
}
