//! The stored passwords of other accounts: a bounded sample from all over the table, in which format they are.
//! What is read is looked at here, and nothing of it goes further than its format.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    catalog::Column,
    error::DatabaseError,
    identifier::Sql,
    observe::Known,
    references::{equals, holds},
    transaction::savepoint,
};
use crate::{
    consistency::{hashing::HashSample, target::Target},
    passwords::{Stored, survey},
};

/// Accounts of a sample.
const MOST: i64 = 200;

/// With fewer accounts than this, a part of the table says too little: all of it is read.
const FEW: usize = 20;

/// Up to so many blocks a table is read whole.
const SMALL: i64 = 512;

/// Blocks that are read of a larger one.
const BLOCKS: i64 = 256;

/// A stored password as its columns hold it.
pub(super) struct StoredRow {
    hash: SecretString,
    salt: Option<SecretString>,
    algorithm: Option<String>,
}

impl StoredRow {
    /// Reads it from three columns of a row, the first of which is `at`; `None` where there is no hash.
    pub(super) fn read(row: &PgRow, at: usize) -> Result<Option<Self>, sqlx::Error> {
        let hash: Option<String> = row.try_get(at)?;
        let salt: Option<String> = row.try_get(at + 1)?;
        let algorithm = row.try_get(at + 2)?;
        let hash = hash.filter(|hash| !hash.is_empty()).map(SecretString::from);
        Ok(hash.map(|hash| Self { hash, salt: salt.map(SecretString::from), algorithm }))
    }

    /// As it is looked at.
    pub(super) fn stored(&self) -> Stored<'_> {
        Stored {
            hash: self.hash.expose_secret(),
            salt: self.salt.as_ref().map(ExposeSecret::expose_secret),
            algorithm: self.algorithm.as_deref(),
        }
    }

    /// All of it in one text, by which it is known again.
    pub(super) fn whole(&self) -> SecretString {
        let Stored { hash, salt, algorithm } = self.stored();
        match (salt, algorithm) {
            (None, None) => self.hash.clone(),
            _ => format!("{hash}\0{}\0{}", salt.unwrap_or_default(), algorithm.unwrap_or_default()).into(),
        }
    }
}

/// Adds the columns of a stored password, each cut where no format goes on.
pub(super) fn select(sql: &mut Sql, known: &Known) {
    for (at, column) in [&known.password, &known.salt, &known.algorithm].into_iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" });
        match column {
            Some(column) => {
                sql.add("pg_catalog.\"left\"(").column("p", &column.name).add("::pg_catalog.text, 4096)")
            }
            None => sql.add("NULL::pg_catalog.text"),
        };
    }
}

/// What the others have, for each account that is kept; nothing where no password is written or compared.
pub(super) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &Known,
) -> Result<BTreeMap<Option<String>, HashSample>, DatabaseError> {
    let wanted = target.kept().any(|account| account.password.is_some());
    let (Some(password), Some(login), true) = (&known.password, &known.login, wanted) else {
        return Ok(BTreeMap::new());
    };
    let logins: Vec<&str> = target.kept().map(|account| account.login.as_str()).collect();
    let sample = match strangers(connection, known, password, login, &logins).await {
        Ok(Ok(rows)) => {
            HashSample { survey: survey(rows.iter().map(StoredRow::stored)), ..HashSample::default() }
        }
        Ok(Err(why)) => HashSample { unread: Some(why), ..HashSample::default() },
        Err(error) if error.is_timeout() => {
            let unread = Some("they could not be read in the time that spec.timeout allows".to_owned());
            HashSample { unread, ..HashSample::default() }
        }
        Err(error) => return Err(error),
    };
    let alone = sample.unread.is_none() && sample.survey.with_password() == 0;
    let mut samples = BTreeMap::new();
    for account in target.kept() {
        let mut sample = sample.clone();
        let others: Vec<&str> = logins.iter().copied().filter(|login| *login != account.login).collect();
        if alone && !others.is_empty() {
            let rows = named(connection, known, password, login, &others).await?;
            sample.survey = survey(rows.iter().map(StoredRow::stored));
            sample.kept = true;
        }
        samples.insert(account.account().map(str::to_owned), sample);
    }
    Ok(samples)
}

/// Passwords of active accounts that the spec does not name.
async fn strangers(
    connection: &mut PgConnection,
    known: &Known,
    password: &Column,
    login: &Column,
    logins: &[&str],
) -> Result<Result<Vec<StoredRow>, String>, DatabaseError> {
    let blocks = blocks(connection, known).await?;
    if blocks > SMALL {
        let rows = part(connection, known, password, login, logins, Some(blocks)).await?;
        if rows.as_ref().is_ok_and(|rows| rows.len() >= FEW) {
            return Ok(rows);
        }
    }
    part(connection, known, password, login, logins, None).await
}

/// How many blocks the table has, its partitions summed.
async fn blocks(connection: &mut PgConnection, known: &Known) -> Result<i64, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT (coalesce(sum(pg_catalog.pg_relation_size(t.relid)), 0) / pg_catalog.current_setting('block_size')::int8)::int8 FROM (SELECT ",
    );
    sql.integer(known.users.oid)
        .add("::oid::regclass AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(");
    sql.integer(known.users.oid).add("::oid::regclass)) t");
    Ok(sql.scalar(connection).await?)
}

/// Some of the accounts, in an order that has nothing to do with their age and is the same the next time; of a
/// part of the blocks only, where their number is given.
async fn part(
    connection: &mut PgConnection,
    known: &Known,
    password: &Column,
    login: &Column,
    logins: &[&str],
    blocks: Option<i64>,
) -> Result<Result<Vec<StoredRow>, String>, DatabaseError> {
    savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        select(&mut sql, known);
        sql.add(" FROM ").only(&known.users.relation).add(" p");
        if let Some(blocks) = blocks {
            sql.add(" TABLESAMPLE SYSTEM ((100.0 * ").integer(BLOCKS).add(" / ").integer(blocks);
            sql.add(")::pg_catalog.float4) REPEATABLE (0)");
        }
        sql.add(" WHERE ").column("p", &password.name).add(" IS NOT NULL AND ");
        sql.column("p", &password.name).add("::pg_catalog.text <> ''");
        for (column, condition) in &known.active_when {
            sql.add(" AND ");
            holds(&mut sql, "p", column, condition);
        }
        for name in logins {
            sql.add(" AND coalesce(NOT (");
            equals(&mut sql, "p", login, name);
            sql.add("), true)");
        }
        sql.add(" ORDER BY pg_catalog.hashtext(")
            .column("p", &known.id.name)
            .add("::pg_catalog.text) LIMIT ");
        sql.integer(MOST);
        read(sql.all(connection).await?)
    })
    .await
}

/// Passwords of the accounts of these logins.
async fn named(
    connection: &mut PgConnection,
    known: &Known,
    password: &Column,
    login: &Column,
    logins: &[&str],
) -> Result<Vec<StoredRow>, DatabaseError> {
    let mut sql = Sql::new("SELECT ");
    select(&mut sql, known);
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ").column("p", &password.name);
    sql.add(" IS NOT NULL AND (false");
    for name in logins {
        sql.add(" OR ");
        equals(&mut sql, "p", login, name);
    }
    sql.add(") LIMIT ").integer(MOST);
    Ok(read(sql.all(connection).await?)?)
}

fn read(rows: Vec<PgRow>) -> Result<Vec<StoredRow>, sqlx::Error> {
    let mut read = Vec::with_capacity(rows.len());
    for row in &rows {
        read.extend(StoredRow::read(row, 0)?);
    }
    Ok(read)
}
