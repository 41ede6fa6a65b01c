//! What `auth-consistency snapshot` reads before a migration, in one read-only transaction.

use crate::engine::SnapshotRequest;
use crate::{
    api,
    domain::{
        diagnose::not_unique,
        identities::{
            list::{LoginKey, MAX_FIELD, MAX_PEOPLE},
            snapshot::{
                Column, Database, HighWater, KIND, Logins, LongLogins, Reference, Sequence, Snapshot, Users,
            },
        },
        incremental::change_marks::Reuse,
        target::Target,
        text::number,
    },
    engine::postgres::{
        catalog::{self, reference::ReferenceTable, resolved::ResolvedSchema},
        observe::{scope, user_table::inherited, users::users},
        rowset::people::{login_text, own_key},
        session::{
            error::{DatabaseError, unusable_users},
            server,
            transaction::prepare,
        },
        sql::Sql,
    },
};

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection, Row};

/// Ids of people whose logins were left out that are told.
const SAMPLE: usize = 5;

/// Takes a snapshot: whom ids name, and the schema around them.
///
/// # Errors
/// The user table cannot be used or holds too many users, or the database fails.
pub async fn snapshot(
    connection: &mut PgConnection,
    target: &Target,
    request: SnapshotRequest<'_>,
) -> Result<Snapshot, DatabaseError> {
    let SnapshotRequest { taken, signing_key, tokens, key } = request;
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let (server, _) = server::of(connection).await?;
    let Ok((known, table)) = users(connection, target).await? else {
        return Err(unusable_users());
    };
    if inherited(connection, &known).await?.is_some() {
        return Err(DatabaseError::Unsupported(
            "people are in a table that inherits from the user table too: run `auth-consistency check` to see which".into(),
        ));
    }
    if let Some(shared) = &table.shared_ids {
        return Err(DatabaseError::NotUnique(format!(
            "{}, so by an id nobody can tell whom it named, and no snapshot is taken: run `auth-consistency check` to see what ends it",
            not_unique::counted(&table.object, shared)
        )));
    }
    let Some(login) = &known.login else {
        return Err(DatabaseError::Unsupported(
            "people are known by their logins: set spec.users.loginColumn".into(),
        ));
    };
    let columns = |columns: &[catalog::Column]| {
        columns
            .iter()
            .map(|column| Column {
                name: column.name.as_str().to_owned(),
                data_type: column.declared_type.as_str().to_owned(),
            })
            .collect::<Vec<Column>>()
    };
    let sequence = match &known.sequence {
        Some(found) if found.readable => {
            let next = catalog::next_value(connection, found).await?;
            let last = if found.increment < 0 { known.first_id } else { known.last_id };
            Some(sequence(found, next, Some(last)))
        }
        _ => None,
    };
    let tables = scope::resolve(connection, target, &known, &Reuse::default()).await?.tables;
    let mut references = Vec::new();
    for table in &tables {
        let one = Reference {
            schema: table.object.schema.clone(),
            table: table.object.table.clone(),
            columns: columns(&table.columns),
            constraint: table.key.as_ref().map(|key| key.name.clone()),
            definition: table.key.as_ref().map(|key| key.definition.to_string()),
            high_water: high_water(connection, table).await?,
        };
        references.push(one.clone());
        references.extend(table.twins.iter().map(|twin| Reference {
            constraint: Some(twin.name.clone()),
            definition: Some(twin.definition.to_string()),
            ..one.clone()
        }));
    }
    let (login_key, logins) = match key {
        Some((key, keyed)) => (Some(key), Logins::Keyed(keyed)),
        None => (None, Logins::Plain),
    };
    let (people, long_logins) = people(connection, &known, login, login_key).await?;
    let snapshot = Snapshot {
        api_version: api::API_VERSION.into(),
        kind: KIND.into(),
        taken,
        holds_personal_data: login_key.is_none(),
        database: Database {
            engine: "PostgreSQL".into(),
            server_version: server.version,
            system_identifier: server.identity.system,
            database_oid: server.identity.database,
        },
        users: Users {
            schema: target.users.schema.clone(),
            table: target.users.table.clone(),
            id_column: known.id.name.as_str().to_owned(),
            login_column: login.name.as_str().to_owned(),
            columns: columns(&known.users.columns),
            sequence,
        },
        logins,
        signing_key,
        tokens,
        references,
        long_logins,
        people,
    };
    transaction.rollback().await?;
    Ok(snapshot)
}

fn sequence(found: &catalog::Sequence, next: i64, last: Option<i64>) -> Sequence {
    Sequence {
        schema: found.relation.schema.as_str().to_owned(),
        name: found.relation.name.as_str().to_owned(),
        next,
        increment: Some(found.increment),
        last,
    }
}

/// How far the table's own key has come; `None` where it does not tell old rows from new ones.
async fn high_water(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<HighWater>, sqlx::Error> {
    if !table.child.select {
        return Ok(None);
    }
    let Some((column, found, next)) = own_key(connection, table).await? else { return Ok(None) };
    let mut sql = Sql::new("SELECT coalesce(max(c.");
    sql.name(&column.name).add(")::int8, 0) FROM ").only(&table.child.relation).add(" c");
    let highest: i64 = sql.scalar(connection).await?;
    // A sequence that is behind gives values below those in use: then they do not tell what is old.
    let counts = next > highest;
    Ok(counts.then(|| HighWater {
        column: column.name.as_str().to_owned(),
        highest,
        sequence: sequence(&found, next, None),
    }))
}

/// People, and how many of them have a login that is longer than a list may hold. What is digested must be one text for
/// all logins that are equal; a plain one stays as it is.
async fn people(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    login: &catalog::Column,
    key: Option<&LoginKey>,
) -> Result<(Vec<(String, Option<String>)>, Option<LongLogins>), DatabaseError> {
    let short = |sql: &mut Sql, text: fn(&mut Sql)| {
        sql.add("CASE WHEN pg_catalog.octet_length(");
        text(sql);
        sql.add(") OPERATOR(pg_catalog.<=) ").ordinal(MAX_FIELD).add(" THEN ");
        text(sql);
        sql.add(" END");
    };
    let mut sql = Sql::new("SELECT ");
    short(&mut sql, |sql| _ = sql.add("p.id"));
    sql.add(", ");
    short(&mut sql, |sql| _ = sql.add("p.login"));
    sql.add(", coalesce(pg_catalog.octet_length(p.login) OPERATOR(pg_catalog.>) ").ordinal(MAX_FIELD);
    sql.add(", false) FROM (SELECT ").column("p", &known.id.name).add("::pg_catalog.text AS id, ");
    if key.is_some() {
        login_text(&mut sql, login, |sql| {
            sql.column("p", &login.name);
        });
    } else {
        sql.column("p", &login.name).add("::pg_catalog.text");
    }
    sql.add(" AS login, ").column("p", &known.id.name).add(" AS place FROM ");
    sql.only(&known.users.relation).add(" p) p ORDER BY p.place LIMIT ").integer(MAX_PEOPLE as i64 + 1);
    let (mut people, mut long) = (Vec::new(), LongLogins { count: 0, sample: Vec::new() });
    let mut rows = sql.stream(connection);
    while let Some(row) = rows.try_next().await? {
        let Some(id) = row.try_get::<Option<String>, _>(0)? else {
            return Err(DatabaseError::Unsupported(format!(
                "an id has more than {} bytes, or is NULL, and no list of people can hold such a one: remove that account, or give it another id",
                number(MAX_FIELD as i64)
            )));
        };
        let login: Option<String> = row.try_get(1)?;
        if row.try_get(2)? {
            long.count += 1;
            long.sample.extend(Some(id.clone()).filter(|_| long.sample.len() < SAMPLE));
        }
        people.push((id, login.map(|login| key.map_or(login.clone(), |key| key.digest(&login)))));
    }
    if people.len() > MAX_PEOPLE {
        return Err(DatabaseError::Unsupported(format!(
            "there are more than {} users: keep a copy of the table and name it in spec.references.identities.table",
            number(MAX_PEOPLE as i64)
        )));
    }
    Ok((people, Some(long).filter(|long| long.count > 0)))
}
