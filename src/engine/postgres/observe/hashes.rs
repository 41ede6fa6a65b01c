//! The stored passwords of other accounts: a bounded sample from all over the table, in which format they are.
//! What is read is looked at here, and nothing of it goes further than its format.

use crate::{
    domain::{
        diagnose::hashing::choose,
        facts::hashes::{Beside, HashSample, Others, Says, Unfit},
        target::{Admin, Target},
    },
    engine::postgres::{
        catalog::{
            Column, Table,
            condition::{equals, holds},
            resolved::ResolvedSchema,
        },
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
    passwords::{self, Format, Made, Stored, survey},
};

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::fit;

/// Accounts of a sample.
const MOST: i64 = 200;

/// With fewer accounts than this, a part of the table says too little: all of it is read.
const FEW: usize = 20;

/// Up to so many blocks a table is read whole.
const SMALL: i64 = 512;

/// Blocks that are read of a larger one.
const BLOCKS: i64 = 256;

/// A stored password as its columns hold it.
pub(in crate::engine::postgres) struct StoredRow {
    hash: SecretString,
    salt: Option<SecretString>,
    algorithm: Option<String>,
    /// Whether clients get white space after it, which casts to text take off.
    padded: bool,
    /// What `ResolvedSchema::beside` has in this row.
    beside: Vec<Option<SecretString>>,
}

impl StoredRow {
    /// Reads it from the columns of a row that [`select`] added, the first of which is `at`; `None` where there is no
    /// hash.
    pub(in crate::engine::postgres) fn read(
        row: &PgRow,
        at: usize,
        known: &ResolvedSchema,
    ) -> Result<Option<Self>, sqlx::Error> {
        let hash: Option<String> = row.try_get(at)?;
        let salt: Option<String> = row.try_get(at + 1)?;
        let (algorithm, padded) = (row.try_get(at + 2)?, row.try_get(at + 3)?);
        let beside = values(row, at + PARTS, known)?;
        let hash = hash.filter(|hash| !hash.is_empty()).map(SecretString::from);
        Ok(hash.map(|hash| Self { hash, salt: salt.map(SecretString::from), algorithm, padded, beside }))
    }

    /// Whether clients get more than what [`Self::stored`] says: blanks.
    pub(in crate::engine::postgres) fn is_padded(&self) -> bool {
        self.padded
    }

    /// The column of a salt that stands beside it though the format has none.
    pub(in crate::engine::postgres) fn salted(
        &self,
        known: &ResolvedSchema,
        format: &Format,
    ) -> Option<String> {
        let filled = known.beside.iter().zip(&self.beside);
        let mut salts = filled.filter(|((_, says), value)| *says == Says::Salt && value.is_some());
        let (column, _) = salts.next().map(|(column, _)| column)?;
        (!passwords::keeps_a_salt(format)).then(|| column.name.as_str().to_owned())
    }

    /// As it is looked at.
    pub(in crate::engine::postgres) fn stored(&self) -> Stored<'_> {
        Stored {
            hash: self.hash.expose_secret(),
            salt: self.salt.as_ref().map(ExposeSecret::expose_secret),
            algorithm: self.algorithm.as_deref(),
        }
    }

    /// All of it in one text, by which it is known again.
    pub(in crate::engine::postgres) fn whole(&self) -> SecretString {
        let Stored { hash, salt, algorithm } = self.stored();
        match (salt, algorithm) {
            (None, None) => self.hash.clone(),
            _ => format!("{hash}\0{}\0{}", salt.unwrap_or_default(), algorithm.unwrap_or_default()).into(),
        }
    }
}

/// The columns of hash, salt and algorithm, and whether there are blanks after them.
const PARTS: usize = 4;

/// Columns beside the password that are looked at, at most.
const MOST_BESIDE: usize = 8;

/// How many columns [`select`] adds.
pub(in crate::engine::postgres) fn width(known: &ResolvedSchema) -> usize {
    PARTS + known.beside.len()
}

/// Columns by whose names they may say how the password is read, those that the spec names for something else left
/// out, and the column of salts that it names.
pub(in crate::engine::postgres) fn beside<const N: usize>(
    table: &Table,
    named: [&Option<Column>; N],
    salt: Option<&Column>,
) -> Vec<(Column, Says)> {
    let is = |one: Option<&Column>, column: &Column| one.is_some_and(|one| one.name == column.name);
    let others = table.columns.iter().filter(|column| {
        !column.opaque && !is(salt, column) && !named.into_iter().any(|one| is(one.as_ref(), column))
    });
    let others = others.filter_map(|column| Some((column.clone(), Says::of(column.name.as_str())?)));
    salt.cloned().map(|salt| (salt, Says::Salt)).into_iter().chain(others).take(MOST_BESIDE).collect()
}

/// Adds the columns of a stored password, each cut where no format goes on, and those beside it.
pub(in crate::engine::postgres) fn select(sql: &mut Sql, known: &ResolvedSchema) {
    for column in [&known.password, &known.salt, &known.algorithm] {
        match column {
            // The text in bytes, and its own spelling of bytes that are none.
            Some(column) if column.base_name == "bytea" => sql
                .add("pg_catalog.\"left\"(pg_catalog.encode(")
                .column("p", &column.name)
                .add(", 'escape'), 4096), "),
            Some(column) => {
                sql.add("pg_catalog.\"left\"(").column("p", &column.name).add("::pg_catalog.text, 4096), ")
            }
            None => sql.add("NULL::pg_catalog.text, "),
        };
    }
    sql.add("coalesce(false");
    let fixed = [&known.password, &known.salt].into_iter().flatten();
    for column in fixed.filter(|column| column.base_name == "bpchar") {
        sql.add(" OR pg_catalog.length(pg_catalog.concat(").column("p", &column.name);
        sql.add(")) OPERATOR(pg_catalog.>) pg_catalog.length(").column("p", &column.name);
        sql.add("::pg_catalog.text)");
    }
    sql.add(", false)");
    for (column, _) in &known.beside {
        sql.add(", pg_catalog.\"left\"(").column("p", &column.name).add("::pg_catalog.text, 256)");
    }
}

/// What stands in the columns beside the password, where there is something.
fn values(row: &PgRow, at: usize, known: &ResolvedSchema) -> Result<Vec<Option<SecretString>>, sqlx::Error> {
    let mut found = Vec::with_capacity(known.beside.len());
    for beside in 0..known.beside.len() {
        let value: Option<String> = row.try_get(at + beside)?;
        let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        found.push(value.map(SecretString::from));
    }
    Ok(found)
}

/// What the others have, for each account that is kept; nothing where no password is written or compared.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    own: &BTreeMap<Option<String>, Format>,
) -> Result<BTreeMap<Option<String>, HashSample>, DatabaseError> {
    let wanted = target.kept().any(|account| account.password.is_some());
    let (Some(password), Some(login), true) = (&known.password, &known.login, wanted) else {
        return Ok(BTreeMap::new());
    };
    let logins: Vec<&str> = target.kept().map(|account| account.login.as_str()).collect();
    let mut strange = Vec::new();
    let sample = match strangers(connection, known, password, login, &logins).await {
        Ok(Ok(rows)) => {
            strange = rows;
            HashSample { survey: survey(strange.iter().map(StoredRow::stored)), ..HashSample::default() }
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
    let mut unfit: BTreeMap<(Format, bool), Option<Unfit>> = BTreeMap::new();
    for account in target.kept() {
        let who = account.account().map(str::to_owned);
        let mut sample = HashSample { own: own.get(&who).copied(), ..sample.clone() };
        let others: Vec<&str> = logins.iter().copied().filter(|login| *login != account.login).collect();
        if alone && !others.is_empty() {
            let rows = named(connection, known, password, login, &others).await?;
            sample.survey = survey(rows.iter().map(StoredRow::stored));
            sample.kept = true;
            let others = if sample.own.is_some() { &[] } else { rows.as_slice() };
            sample.beside = row_beside(connection, known, account, login, others).await?;
        } else {
            sample.beside = row_beside(connection, known, account, login, &strange).await?;
        }
        // Columns beside it say nothing of whether the hash fits.
        let apart = HashSample { beside: Vec::new(), ..sample.clone() };
        if let Ok(chosen) = choose(target.hints, &target.users, Some(&apart)) {
            let text_in_bytes = sample.own.is_some() || !sample.survey.formats.is_empty();
            let of = (chosen.format, text_in_bytes);
            sample.unfit = match unfit.get(&of) {
                Some(known) => known.clone(),
                None => {
                    let found = untaken(connection, known, &chosen.format, text_in_bytes).await?;
                    unfit.entry(of).or_insert(found).clone()
                }
            };
        }
        samples.insert(who, sample);
    }
    Ok(samples)
}

/// What stands beside the password in an account's own row, and beside those of others.
async fn row_beside(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    account: &Admin,
    login: &Column,
    others: &[StoredRow],
) -> Result<Vec<Beside>, DatabaseError> {
    if known.beside.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("SELECT ");
    select(&mut sql, known);
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ");
    known.is_account(&mut sql, "p", login, account);
    sql.add(" ORDER BY ").column("p", &known.id.name).add(" LIMIT 1");
    let row = sql.optional(connection).await?;
    let own = row.as_ref().map(|row| values(row, PARTS, known)).transpose()?;
    let text = |value: &Option<SecretString>| value.as_ref().map(|value| value.expose_secret().to_owned());
    let mut found = Vec::with_capacity(known.beside.len());
    for (at, (column, says)) in known.beside.iter().enumerate() {
        // What the account is given there is written with its password.
        let kept = known.columns_of(account.account());
        if kept.iter().any(|(kept, _)| kept.name == column.name) {
            continue;
        }
        let mine = own.as_ref().and_then(|own| own.get(at));
        let mut by_family: BTreeMap<_, Others> = BTreeMap::new();
        for row in others {
            let (Some(format), Some(theirs)) = (passwords::recognise(&row.stored()), row.beside.get(at))
            else {
                continue;
            };
            let so_far = by_family.entry(format.family).or_default();
            *(if theirs.is_some() { &mut so_far.filled } else { &mut so_far.empty }) += 1;
            so_far.as_own += usize::from(mine.is_some_and(|mine| text(mine) == text(theirs)));
        }
        let seeded = account.seed_columns.iter().any(|(name, _)| name == column.name.as_str());
        found.push(Beside {
            column: column.name.as_str().to_owned(),
            says: *says,
            own: mine.map(Option::is_some),
            given: column.has_default || seeded,
            others: by_family,
        });
    }
    Ok(found)
}

/// The first column that does not take what a new stored password in a format puts there. The database is asked,
/// with its own types, domains and lengths: what is cut on the way in is another text when it is read.
async fn untaken(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    format: &Format,
    text_in_bytes: bool,
) -> Result<Option<Unfit>, DatabaseError> {
    let Some(made) = passwords::specimen(format) else { return Ok(None) };
    for (column, text) in stored_columns(known, &made) {
        // Bytes may be the text of a hash, and where none is there nobody knows.
        let unknown = column.base_name == "bytea" && !text_in_bytes;
        if unknown || !fit::keeps(connection, column, text).await? {
            return Ok(Some(Unfit {
                column: column.name.as_str().to_owned(),
                column_type: column.declared_type.as_str().to_owned(),
                characters: text.chars().count(),
            }));
        }
    }
    Ok(None)
}

/// Passwords of active accounts that the spec does not name.
async fn strangers(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
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
async fn blocks(connection: &mut PgConnection, known: &ResolvedSchema) -> Result<i64, DatabaseError> {
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
    known: &ResolvedSchema,
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
        read(sql.all(connection).await?, known)
    })
    .await
}

/// Passwords of the accounts of these logins.
async fn named(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
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
    Ok(read(sql.all(connection).await?, known)?)
}

fn read(rows: Vec<PgRow>, known: &ResolvedSchema) -> Result<Vec<StoredRow>, sqlx::Error> {
    let mut read = Vec::with_capacity(rows.len());
    for row in &rows {
        read.extend(StoredRow::read(row, 0, known)?);
    }
    Ok(read)
}

/// What the columns of a stored password get; a salt or a name that the format does not have is left as it is.
pub(in crate::engine::postgres) fn stored_columns<'a>(
    known: &'a ResolvedSchema,
    made: &'a Made,
) -> Vec<(&'a Column, &'a str)> {
    let salt = made.salt.as_ref().map(ExposeSecret::expose_secret);
    [
        (&known.password, Some(made.hash.expose_secret())),
        (&known.salt, salt),
        (&known.algorithm, made.algorithm.as_deref()),
    ]
    .into_iter()
    .filter_map(|(column, value)| Some((column.as_ref()?, value?)))
    .collect()
}
