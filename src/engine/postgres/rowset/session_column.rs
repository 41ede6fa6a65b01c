//! Columns of the user table by which an account's tokens end: a time from which on they count, or a stamp that
//! they hold too.

use crate::{
    api::condition::Reason,
    domain::{
        diagnose::sessions::{Mechanism, TimeKind},
        facts::{
            key_kind::KeyKind,
            sessions::{Audience, Invalidation, MeansFacts},
        },
        target::Target,
    },
    engine::postgres::{
        catalog::{Column, condition::holds, resolved::ResolvedSchema},
        ledger::{
            ended_sessions,
            quarantine::{self, Quarantine},
        },
        rowset::session_rows::{keys, users},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
        sql_keys,
    },
};

use sqlx::{PgConnection, Row};

/// What a stamp in a text column looks like: a random UUID without its hyphens, as Flask-Security's.
const STAMP: &str = "0f3e7d5c9b1a86420f3e7d5c9b1a8642";

/// Seconds since the epoch that are none: such numbers are milliseconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// The last second that a token can tell of; the end of time in a timestamp.
const LAST_SECOND: i64 = 253_402_207_200;

/// How a column ends tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::postgres) enum Kind {
    /// By a time.
    Time(TimeKind),
    /// By another value.
    Stamp,
}

/// The column of the means, where it is there and can be used.
pub(in crate::engine::postgres) fn of<'k>(
    means: &Mechanism,
    known: &'k ResolvedSchema,
) -> Option<(&'k Column, Kind)> {
    let (name, stamp) = match means {
        Mechanism::Time { column } => (column, false),
        Mechanism::Stamp { column } => (column, true),
        Mechanism::Rows { .. } => return None,
    };
    let column = known.users.column(name).filter(|column| !column.generated)?;
    let kind = match column.kind() {
        KeyKind::Text | KeyKind::Uuid if stamp => Kind::Stamp,
        _ if stamp => return None,
        _ => Kind::Time(TimeKind::of(&column.base_name)?),
    };
    Some((column, kind))
}

/// Adds a time as the column holds it; `seconds` adds whole seconds since the epoch, as int8.
pub(in crate::engine::postgres) fn time(sql: &mut Sql, kind: TimeKind, seconds: impl FnOnce(&mut Sql)) {
    let (before, after) = match kind {
        TimeKind::Zoned => ("pg_catalog.to_timestamp((", ")::pg_catalog.float8)"),
        TimeKind::Utc => ("pg_catalog.timezone('UTC', pg_catalog.to_timestamp((", ")::pg_catalog.float8))"),
        TimeKind::Seconds32 => ("(", ")::pg_catalog.int4"),
        TimeKind::Seconds64 => ("(", ")"),
    };
    sql.add(before);
    seconds(sql);
    sql.add(after);
}

/// Adds the condition that the row `c` holds what was written for the copy `q`.
pub(in crate::engine::postgres) fn holds_what_was_set(sql: &mut Sql, column: &Column) {
    sql.column("c", &column.name);
    match TimeKind::of(&column.base_name) {
        Some(kind) => {
            sql.add(" OPERATOR(pg_catalog.=) ");
            time(sql, kind, |sql| {
                sql.add("q._ac_new_key::pg_catalog.int8");
            });
        }
        None => {
            sql.add("::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key");
        }
    }
}

/// Adds what the row holds as whole seconds since the epoch, as an app compares it with `iat`.
pub(in crate::engine::postgres) fn seconds(
    sql: &mut Sql,
    alias: &'static str,
    column: &Column,
    kind: TimeKind,
) {
    match kind {
        TimeKind::Zoned | TimeKind::Utc => {
            sql.add("CASE WHEN pg_catalog.isfinite(").column(alias, &column.name);
            sql.add(") THEN pg_catalog.floor(EXTRACT(epoch FROM ").column(alias, &column.name);
            sql.add("))::pg_catalog.int8 WHEN ").column(alias, &column.name);
            sql.add(" OPERATOR(pg_catalog.=) 'infinity' THEN ").integer(LAST_SECOND).add(" END");
        }
        TimeKind::Seconds32 | TimeKind::Seconds64 => {
            sql.column(alias, &column.name).add("::pg_catalog.int8");
        }
    }
}

/// What tells accounts that are to be changed from those that are done.
pub(in crate::engine::postgres) enum Pending<'a> {
    /// They hold an earlier time than this, or none.
    Earlier(TimeKind, i64),
    /// They have no copy of a run that was about the same: the copies, whose they are and what for.
    NotCopied(Option<(&'a Quarantine, ended_sessions::Of<'a>, &'a str)>),
}

impl Pending<'_> {
    /// Adds the condition on the row `p`.
    pub(in crate::engine::postgres) fn add(&self, sql: &mut Sql, id: &Column, column: &Column) {
        match self {
            Self::Earlier(kind, valid_after) => {
                sql.add("(").column("p", &column.name).add(" IS NULL OR ").column("p", &column.name);
                sql.add(" OPERATOR(pg_catalog.<) ");
                time(sql, *kind, |sql| {
                    sql.integer(*valid_after);
                });
                sql.add(")");
            }
            Self::NotCopied(None) => {
                sql.add("true");
            }
            Self::NotCopied(Some((copies, of, digest))) => {
                sql.add("NOT EXISTS (SELECT FROM ").relation(&copies.relation).add(" q WHERE ");
                match &id.equality {
                    Some(equality) => {
                        sql.columns_compared(equality, ("q", &id.name), ("p", &id.name));
                    }
                    None => {
                        sql.column("q", &id.name)
                            .add("::pg_catalog.text OPERATOR(pg_catalog.=) ")
                            .column("p", &id.name);
                        sql.add("::pg_catalog.text");
                    }
                }
                sql.add(" AND q._ac_batch OPERATOR(pg_catalog.=) ANY (ARRAY(");
                ended_sessions::batches(sql, of, digest);
                sql.add(")))");
            }
        }
    }
}

/// What is wrong with the column, and whether the role may set it.
pub(in crate::engine::postgres) async fn look_at(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    means: &Mechanism,
    facts: &mut MeansFacts,
) -> Result<(), DatabaseError> {
    let table = known.users.relation.name.as_str();
    let (Mechanism::Time { column: name } | Mechanism::Stamp { column: name }) = means else { return Ok(()) };
    let field = means.field();
    let Some(column) = known.users.column(name) else {
        let there: Vec<&str> = known.users.columns.iter().map(|column| column.name.as_str()).collect();
        facts.problem = Some((
            Reason::ColumnMissing,
            format!("{table} has no column {name:?}, which {field} names: it has {}", there.join(", ")),
        ));
        return Ok(());
    };
    let takes = match means {
        Mechanism::Stamp { .. } => "text of at least 32 characters or a uuid that can be set",
        _ => "a timestamp with or without time zone, an integer or a bigint that can be set",
    };
    let unsupported = || {
        let computed = if column.generated { "computed and " } else { "" };
        let of_type = column.declared_type.as_str();
        let why =
            format!("column {name:?} of {table} is {computed}of type {of_type}, and {field} takes {takes}");
        Some((Reason::SessionsColumnUnsupported, why))
    };
    let Some((_, kind)) = of(means, known) else {
        facts.problem = unsupported();
        return Ok(());
    };
    let mut sql = Sql::new("SELECT has_column_privilege(");
    sql.integer(known.users.oid).add("::oid, ").text(name).add(", 'UPDATE')");
    facts.permitted = sql.scalar(connection).await?;
    let fits = if kind == Kind::Stamp && column.kind() == KeyKind::Text {
        // Cut to what the type takes; a domain may refuse it.
        let cut = savepoint(connection, async |connection: &mut PgConnection| {
            let mut sql = Sql::new("SELECT CAST(");
            sql.text(STAMP).add(" AS ").type_name(&column.declared_type).add(")::text");
            sql.scalar::<String>(connection).await
        });
        cut.await?.is_ok_and(|cut| cut.trim_end() == STAMP)
    } else {
        true
    };
    if !fits {
        facts.problem = unsupported();
    }
    Ok(())
}

/// Counts the accounts that ending tokens would change; all that are meant where there is no column.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn count(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    due: &Invalidation,
    facts: &mut MeansFacts,
) -> Result<(), DatabaseError> {
    let column = facts.usable().and_then(|means| of(means, known));
    let digest = due.digest();
    let begun = ended_sessions::begun(connection, target, known, &digest).await?;
    let copies = match (begun, column) {
        (Some(_), Some((_, Kind::Stamp))) => quarantine::existing(connection, &known.users).await?,
        _ => None,
    };
    let pending = match column {
        Some((_, Kind::Time(kind))) => {
            let valid_after: i64 = match begun {
                Some(seconds) => seconds,
                None => Sql::new("SELECT floor(extract(epoch FROM now()))::int8").scalar(connection).await?,
            };
            Pending::Earlier(kind, valid_after)
        }
        _ => {
            let of = ended_sessions::Of { identity: &known.identity, owner: &target.resource.uid };
            Pending::NotCopied(copies.as_ref().map(|copies| (copies, of, digest.as_str())))
        }
    };
    let pending = |sql: &mut Sql| match column {
        Some((column, _)) => pending.add(sql, &known.id, column),
        None => {
            sql.add("true");
        }
    };
    let mut sql = Sql::new("SELECT count(*) FILTER (WHERE ");
    pending(&mut sql);
    sql.add("), count(*) FILTER (WHERE ");
    pending(&mut sql);
    for (column, condition) in &known.active_when {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add("), ");
    match column {
        Some((column, Kind::Time(TimeKind::Seconds64))) => {
            sql.add("coalesce(bool_or(").column("p", &column.name).add(" OPERATOR(pg_catalog.>) ");
            sql.integer(MILLISECONDS).add("), false)");
        }
        _ => {
            sql.add("false");
        }
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p");
    if let Audience::Accounts(ids) = &due.whom {
        let (id, keys) = (std::slice::from_ref(&known.id), keys(ids));
        sql.add(" JOIN ");
        sql_keys::keyed(&mut sql, id, &keys);
        sql.add(" ON ");
        sql_keys::is_keyed(&mut sql, "p", id);
    }
    let row = sql.one(connection).await?;
    (facts.rows, facts.active) = (row.try_get(0)?, row.try_get(1)?);
    if let (Some((column, _)), true) = (column, row.try_get(2)?) {
        facts.problem = Some((
            Reason::SessionsColumnUnsupported,
            format!(
                "column {:?} of {} holds numbers that are no seconds since the epoch but milliseconds, which spec.sessions.invalidateBeforeColumn does not take",
                column.name.as_str(),
                users(target).describe()
            ),
        ));
    }
    Ok(())
}

/// Adds the new value of the column.
pub(in crate::engine::postgres) fn value(sql: &mut Sql, column: &Column, kind: Kind, valid_after: i64) {
    match kind {
        Kind::Time(kind) => time(sql, kind, |sql| {
            sql.integer(valid_after);
        }),
        Kind::Stamp if column.kind() == KeyKind::Uuid => {
            sql.add("pg_catalog.gen_random_uuid()");
        }
        Kind::Stamp => {
            sql.add("pg_catalog.translate(pg_catalog.gen_random_uuid()::pg_catalog.text, '-', '')");
        }
    }
}
