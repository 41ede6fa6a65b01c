//! Whether the columns' types take the values that the spec compares them with: an enum that lacks a role, a
//! boolean that is to be `active`.

use crate::{
    domain::{facts::schema::SchemaFault, target::Target, text::clip},
    engine::postgres::{
        catalog::{Column, resolved::ResolvedSchema},
        session::{error::DatabaseError, transaction::savepoint},
        sql::Sql,
    },
};

use sqlx::PgConnection;

/// A value of the spec, the column that is to take it, and the field that has it.
struct Wanted<'a> {
    column: &'a Column,
    value: &'a str,
    field: String,
}

/// The first value of the spec that its column's type does not take.
///
/// # Errors
/// The database fails as a whole.
pub(super) async fn unfit(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
) -> Result<Option<SchemaFault>, DatabaseError> {
    let wanted = wanted(target, known);
    // All in one, as a rule.
    if wanted.is_empty() || taken(connection, &wanted).await?.is_ok() {
        return Ok(None);
    }
    for one in &wanted {
        if let Err(why) = taken(connection, std::slice::from_ref(one)).await? {
            return Ok(Some(SchemaFault::ValueUnfit {
                column: one.column.name.as_str().to_owned(),
                column_type: one.column.declared_type.as_str().to_owned(),
                value: clip(one.value, 80),
                field: one.field.clone(),
                why,
            }));
        }
    }
    Ok(None)
}

fn wanted<'a>(target: &'a Target, known: &'a ResolvedSchema) -> Vec<Wanted<'a>> {
    let active = known.active_when.iter().map(|one| (one, "spec.users.activeWhen".to_owned()));
    let kept = target.kept().flat_map(|account| {
        let field = format!("{}.columns", account.field());
        known.columns_of(account.account()).iter().map(move |one| (one, field.clone()))
    });
    let mut wanted: Vec<Wanted<'a>> = active
        .chain(kept)
        .filter_map(|((column, condition), field)| {
            Some(Wanted { column, value: condition.equals.as_deref()?, field })
        })
        .collect();
    if let Some(login) = &known.login {
        wanted.extend(target.kept().map(|account| Wanted {
            column: login,
            value: &account.login,
            field: format!("{}.login", account.field()),
        }));
    }
    wanted
}

/// The inner error is what the database said.
async fn taken(
    connection: &mut PgConnection,
    wanted: &[Wanted<'_>],
) -> Result<Result<(), String>, DatabaseError> {
    savepoint(connection, async |connection: &mut PgConnection| {
        let mut sql = Sql::new("SELECT ");
        for (at, one) in wanted.iter().enumerate() {
            sql.add(if at > 0 { ", " } else { "" }).typed(one.value, &one.column.type_name).add(" IS NULL");
        }
        sql.one(connection).await.map(drop)
    })
    .await
}
