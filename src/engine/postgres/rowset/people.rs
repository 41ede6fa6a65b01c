//! Lists of people, as statements read them.

use futures::TryStreamExt;
use sqlx::{PgConnection, Row};

use crate::{
    domain::{
        facts::key_kind::KeyKind,
        identities::{
            list::{self, Identities, MAX_PEOPLE},
            mapping::Today,
        },
        text::number,
    },
    engine::postgres::{
        catalog::{
            self, Column, condition::holds, mapping::Source, reference::ReferenceTable,
            resolved::ResolvedSchema,
        },
        sql::Sql,
    },
};

pub(in crate::engine::postgres) fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(in crate::engine::postgres) fn list_digest(source: &Source, people: &[(String, String)]) -> String {
    match source {
        Source::List(list) => list.digest(),
        Source::Table(_) => {
            let people = people.iter().zip(1..);
            Identities {
                people: people
                    .map(|((id, login), row)| list::ListedUser { id: id.clone(), login: login.clone(), row })
                    .collect(),
                key: None,
                before: None,
                origin: String::new(),
            }
            .digest()
        }
    }
}

/// Adds a login in the one text that equal logins share.
pub(in crate::engine::postgres) fn login_text(sql: &mut Sql, login: &Column, value: impl FnOnce(&mut Sql)) {
    let fold = login.base_name == "citext";
    sql.add(if fold { "pg_catalog.lower(" } else { "" }).add("CAST(");
    value(sql);
    sql.add(" AS ").type_name(&login.type_name).add(")::pg_catalog.text").add(if fold { ")" } else { "" });
}

/// The previous people, ids canonical and each once, logins in the form that today's have. The inner
/// error says what is wrong with the list.
pub(in crate::engine::postgres) async fn people(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    source: &Source,
) -> Result<Result<Vec<(String, String)>, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let mut people = Vec::new();
    match source {
        Source::List(list) => {
            // A text is its own canonical form, and a digest was made of one.
            if list.key.is_some() || matches!(login.base_name.as_str(), "text" | "varchar") {
                people.extend(list.people.iter().map(|one| (one.row, one.id.clone(), one.login.clone())));
            } else {
                for some in list.people.chunks(10_000) {
                    let mut sql = Sql::new("SELECT ");
                    login_text(&mut sql, login, |sql| {
                        sql.add("u.login");
                    });
                    sql.add(" FROM pg_catalog.unnest(");
                    sql.texts(some.iter().map(|one| Some(one.login.clone())).collect());
                    sql.add(") WITH ORDINALITY AS u(login, n) ORDER BY u.n");
                    for (one, row) in some.iter().zip(sql.all(connection).await?) {
                        people.push((one.row, one.id.clone(), row.try_get(0)?));
                    }
                }
            }
        }
        Source::Table(table) => {
            let mut sql = Sql::new("SELECT ");
            sql.column("o", &table.id.name).add("::pg_catalog.text, ");
            sql.bounded(|sql| {
                login_text(sql, login, |sql| {
                    sql.column("o", &table.login.name).add("::pg_catalog.text");
                });
            });
            sql.add(" FROM ").only(&table.relation).add(" o WHERE ").column("o", &table.id.name);
            sql.add(" IS NOT NULL AND ")
                .column("o", &table.login.name)
                .add(" IS NOT NULL ORDER BY 1, 2 LIMIT ");
            sql.integer(length(MAX_PEOPLE) + 1);
            let mut rows = sql.stream(connection);
            while let Some(row) = rows.try_next().await? {
                people.push((people.len() as u64 + 1, row.try_get(0)?, row.try_get(1)?));
            }
            if people.len() > MAX_PEOPLE {
                return Ok(Err(format!("it holds more than {} people", number(length(MAX_PEOPLE)))));
            }
            if people.is_empty() {
                return Ok(Err("nobody stands in it".into()));
            }
        }
    }
    let integer = matches!(known.id.base_name.as_str(), "int2" | "int4");
    let narrow = |id: &str| match known.id.base_name.as_str() {
        "int2" => id.parse::<i16>().is_ok(),
        _ => id.parse::<i32>().is_ok(),
    };
    Ok(list::settle(known.id.kind(), people).map(|mut settled| {
        // An id that today's column cannot hold names nobody today, and no row by it can be moved.
        settled.retain(|(id, _)| !integer || narrow(id));
        settled
    }))
}

/// Today's users; the inner error says why they cannot be held against a list.
pub(in crate::engine::postgres) async fn today(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    source: &Source,
) -> Result<Result<Today, String>, sqlx::Error> {
    let Some(login) = &known.login else {
        return Ok(Err("the user table's login column is not known".into()));
    };
    let key = match source {
        Source::List(list) => list.key.as_ref(),
        Source::Table(_) => None,
    };
    let mut sql = Sql::new("SELECT ");
    sql.column("p", &known.id.name).add("::pg_catalog.text, ");
    // No list holds a login that is so long, and no two different ones become equal.
    sql.bounded(|sql| {
        login_text(sql, login, |sql| {
            sql.column("p", &login.name);
        });
    });
    sql.add(", true");
    for (column, condition) in known.active_when.iter().filter(|_| known.active_decides) {
        sql.add(" AND ");
        holds(&mut sql, "p", column, condition);
    }
    sql.add(" FROM ").only(&known.users.relation).add(" p WHERE ").column("p", &known.id.name);
    sql.add(" IS NOT NULL LIMIT ").integer(length(MAX_PEOPLE) + 1);
    let mut today = Today::default();
    let mut rows = sql.stream(connection);
    while let Some(row) = rows.try_next().await? {
        let login: Option<String> = row.try_get(1)?;
        let login = login.map(|login| key.map_or(login.clone(), |key| key.digest(&login)));
        today.add(row.try_get(0)?, login, row.try_get::<Option<bool>, _>(2)?.unwrap_or(false));
    }
    if today.len() > MAX_PEOPLE {
        return Ok(Err(format!(
            "there are more than {} users, too many to hold against a list of people",
            number(length(MAX_PEOPLE))
        )));
    }
    Ok(Ok(today))
}

/// The table's own key, where it is one integer that an ascending sequence gives out: then what is
/// above a value was written later. With the sequence's next value.
pub(in crate::engine::postgres) async fn own_key(
    connection: &mut PgConnection,
    table: &ReferenceTable,
) -> Result<Option<(Column, catalog::Sequence, i64)>, sqlx::Error> {
    let [name] = &*table.primary_key else { return Ok(None) };
    let Some(column) = table.child.column(name).filter(|column| column.kind() == KeyKind::Integer) else {
        return Ok(None);
    };
    match catalog::sequence(connection, table.child.oid, name).await? {
        // One that begins anew at its end gives lower numbers to later rows.
        Some(sequence) if sequence.readable && sequence.increment > 0 && !sequence.cycle => {
            let next = catalog::next_value(connection, &sequence).await?;
            Ok(Some((column.clone(), sequence, next)))
        }
        _ => Ok(None),
    }
}
