//! Creates an account, at an id that no row names.

use crate::{
    api::report::{self, Action},
    domain::{
        facts::key_kind::KeyKind,
        target::{Admin, SeedValue, Target},
    },
    engine::postgres::{
        catalog::{Column, resolved::ResolvedSchema},
        ledger::{
            self,
            audit::{self, Entry},
            fence::{self, Fence},
            progress,
        },
        observe::{hashes::stored_columns, ids},
        repair::{
            guard::beyond::Own,
            password::{hash, read_back},
        },
        session::error::{DatabaseError, gone},
        sql::{Sql, run},
    },
    passwords::{Format, Made},
};

use sqlx::{Connection, PgConnection, Row};

use super::{accounts::kept, guard};

/// What a column of the new row is given.
enum Value<'a> {
    Text(&'a str),
    Random(String),
    Now,
}

/// How an account is created.
pub struct Seeding<'a> {
    /// Its login; `None`: the admin.
    pub account: Option<&'a str>,
    /// The id that it gets; `None`: the column's default, or a random uuid.
    pub id: Option<&'a str>,
    /// Rows may name this very id: a person said so and approved.
    pub claimed: bool,
    /// The reset token that asked for it.
    pub token: Option<&'a str>,
    /// The format of its password that was planned.
    pub format: Option<Format>,
}

/// Creates the account, unless somebody did meanwhile.
///
/// # Errors
/// The row violates a constraint, or the id that it got is one that rows still name.
pub async fn seed(
    connection: &mut PgConnection,
    fence: &Fence,
    number: i64,
    target: &Target,
    known: &ResolvedSchema,
    seeding: &Seeding<'_>,
) -> Result<i64, DatabaseError> {
    let account = target.account(seeding.account);
    let (Some(admin), Some(login), Some(_)) = (account, &known.login, &known.password) else {
        return Err(gone());
    };
    let (made, format) = hash(target, admin, known, seeding.format).await?;
    let mut transaction = fence::enter(connection, fence).await?;
    ledger::not_done_yet(&mut transaction, seeding.token).await?;
    let mut sql = Sql::new("SELECT pg_catalog.count(*) FROM ");
    sql.only(&known.users.relation).add(" p WHERE ");
    known.is_account(&mut sql, "p", login, admin);
    if sql.scalar::<i64>(&mut transaction).await? > 0 {
        return Err(DatabaseError::PlanStale(format!("somebody has created {} meanwhile", admin.called())));
    }
    let id = id(&mut transaction, known, seeding.id).await?;
    let values = values(known, admin, seeding, &made)?;
    let before = guard::counts(&mut transaction, fence).await?;
    let got = put_in(&mut transaction, known, &values, id.as_deref(), seeding.claimed).await?;
    if !kept(&mut transaction, known, known.columns_of(seeding.account), &got).await? {
        return Err(DatabaseError::PlanStale(
            "the account was created and is not what the spec says: a trigger or a computed column may say otherwise".into(),
        ));
    }
    read_back(&mut transaction, known, &made, &got).await?;
    // What waits for the end of the transaction runs now, while somebody looks.
    run(&mut transaction, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    guard::compare(&mut transaction, fence, &before, guard::Rows::Any(&known.users), &Own::default()).await?;
    let object = &report::ObjectRef {
        schema: target.users.schema.clone(),
        table: target.users.table.clone(),
        ..Default::default()
    };
    let entry = Entry { step: number, chunk: 1, action: Action::Seed, object, rows: 1, token: seeding.token };
    audit::audit_of(&mut transaction, fence, &entry, seeding.account, Some(&format)).await?;
    progress::count_done(&mut transaction, fence, number, 1).await?;
    transaction.commit().await?;
    Ok(1)
}

/// The id to ask for; `None`: the column makes one that no row can name.
async fn id(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    given: Option<&str>,
) -> Result<Option<String>, DatabaseError> {
    match (given, known.id.kind(), known.id.has_default) {
        (Some(id), ..) => Ok(Some(id.to_owned())),
        (None, KeyKind::Uuid, false) => Ok(Some(uuid_v4())),
        (None, ..) => {
            ids::skip_named(connection, known).await?;
            Ok(ids::draw(connection, known).await?)
        }
    }
}

/// What the columns of the new row are given, but for the id.
fn values<'a>(
    known: &'a ResolvedSchema,
    admin: &'a Admin,
    seeding: &Seeding<'_>,
    made: &'a Made,
) -> Result<Vec<(&'a Column, Value<'a>)>, DatabaseError> {
    let mut values: Vec<(&Column, Value<'_>)> =
        known.login.iter().map(|login| (login, Value::Text(&admin.login))).collect();
    values.extend(stored_columns(known, made).into_iter().map(|(column, text)| (column, Value::Text(text))));
    // A format that has no salt of its own leaves the column empty, which may not be NULL.
    for column in [&known.salt, &known.algorithm].into_iter().flatten() {
        let written = values.iter().any(|(there, _)| there.name == column.name);
        if !written && column.not_null && !column.has_default && !column.generated {
            values.push((column, Value::Text("")));
        }
    }
    // The spec's own columns win over what makes an account active. What the database computes it computes,
    // and whether that came out as it should is looked at afterwards.
    for (column, condition) in known.columns_of(seeding.account).iter().chain(&known.active_when) {
        if let Some(value) = &condition.equals
            && !values.iter().any(|(there, _)| there.name == column.name)
            && column.name != known.id.name
            && !column.generated
        {
            values.push((column, Value::Text(value)));
        }
    }
    for (name, value) in &admin.seed_columns {
        let Some(column) = known.users.column(name) else {
            return Err(DatabaseError::PlanStale(format!("there is no column {name:?} any more")));
        };
        values.push((
            column,
            match value {
                SeedValue::Text(text) => Value::Text(text),
                SeedValue::Now => Value::Now,
                SeedValue::Uuid => Value::Random(uuid_v4()),
            },
        ));
    }
    Ok(values)
}

/// Puts the row in under an id that no row names, but where that was asked for, and returns the id.
async fn put_in(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    values: &[(&Column, Value<'_>)],
    id: Option<&str>,
    claimed: bool,
) -> Result<String, DatabaseError> {
    let mut tried = connection.begin().await?;
    let got = insert(&mut tried, known, values, id).await?;
    if claimed || ids::unclaimed(&mut tried, known, &got).await.is_ok() {
        tried.commit().await?;
        return Ok(got);
    }
    // A trigger of the app may have made rows for the new account: who named the id before is seen without
    // them.
    tried.rollback().await?;
    ids::unclaimed(connection, known, &got).await?;
    if insert(connection, known, values, Some(&got)).await? != got {
        return Err(DatabaseError::PlanStale(
            "the database gives the new account another id than it is asked for: a trigger may do that"
                .into(),
        ));
    }
    Ok(got)
}

/// Puts the row in and returns its id: the one that is given, or what the column makes.
async fn insert(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    values: &[(&Column, Value<'_>)],
    id: Option<&str>,
) -> Result<String, DatabaseError> {
    let own = id.map(|id| (&known.id, Value::Text(id)));
    let values: Vec<&(&Column, Value<'_>)> = values.iter().chain(&own).collect();
    let mut sql = Sql::new("INSERT INTO ");
    sql.relation(&known.users.relation).add(" AS p (");
    for (at, (column, _)) in values.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" }).name(&column.name);
    }
    sql.add(if id.is_some() && known.id.identity_always {
        ") OVERRIDING SYSTEM VALUE VALUES ("
    } else {
        ") VALUES ("
    });
    for (at, (column, value)) in values.iter().enumerate() {
        sql.add(if at > 0 { ", " } else { "" });
        // Without modifiers: a cast to varchar(32) would cut a hash, and an assignment refuses it.
        match value {
            Value::Text(text) => sql.typed(text, &column.type_name),
            Value::Random(uuid) => sql.typed(uuid, &column.type_name),
            // A time without a zone is UTC, as apps keep it.
            Value::Now if column.base_name == "timestamptz" => sql.add("pg_catalog.now()"),
            Value::Now => sql.add("pg_catalog.timezone('UTC', pg_catalog.now())"),
        };
    }
    sql.add(") RETURNING ").column("p", &known.id.name).add("::pg_catalog.text");
    let got: Option<String> = match sql.optional(connection).await? {
        Some(row) => row.try_get(0)?,
        None => None,
    };
    got.ok_or_else(|| {
        DatabaseError::PlanStale(
            "the database took the new account and kept no row of it: a trigger may keep it back".into(),
        )
    })
}

/// RFC 9562 section 5.4.
fn uuid_v4() -> String {
    let bits = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc << 60)) | (0x4000 << 64) | (0x8 << 60);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    #[test]
    fn random_uuids_are_of_version_four() {
        for _ in 0..64 {
            let uuid = super::uuid_v4();
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}
