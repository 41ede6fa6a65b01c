//! The entries of the audit: one for each effect.

use sqlx::PgConnection;

use crate::{
    api::report::{Action, ObjectRef},
    engine::postgres::{ledger::fence, sql::Sql},
    passwords::Format,
};

/// An action by the name that the audit has.
pub fn action(name: &str) -> Option<Action> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}

/// What one audit row says.
pub struct Entry<'a> {
    /// The step's number in its run.
    pub step: i64,
    /// The chunk's number in its step.
    pub chunk: i64,
    /// What was done.
    pub action: Action,
    /// To what.
    pub object: &'a ObjectRef,
    /// Rows that it changed.
    pub rows: i64,
    /// The reset token that asked for it.
    pub token: Option<&'a str>,
}

/// Writes an audit row, in the transaction of what it tells of.
pub async fn audit(
    connection: &mut PgConnection,
    fence: &fence::Fence,
    entry: &Entry<'_>,
) -> Result<(), sqlx::Error> {
    audit_of(connection, fence, entry, None, None).await
}

/// Writes an audit row about one account; `None`: the admin. Where its password was written, `format` is how.
pub async fn audit_of(
    connection: &mut PgConnection,
    fence: &fence::Fence,
    entry: &Entry<'_>,
    account: Option<&str>,
    format: Option<&Format>,
) -> Result<(), sqlx::Error> {
    let mut object = entry.object.describe();
    if let Some(login) = account {
        object.push_str(&format!(" for {login}"));
    }
    // In words, as all of it: older programs read it, and need no other layout.
    if let Some(format) = format {
        object.push_str(&format!(" with its password as {format}"));
    }
    let mut sql = Sql::new(
        "INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action, object, \
         rows, plan_hash, reset_token) VALUES (",
    );
    sql.text(&fence.identity.system).add(", ").integer(fence.identity.database).add(", ").text(&fence.owner);
    sql.add(", ").text(&fence.run).add(", ").integer(entry.step).add(", ").integer(entry.chunk);
    sql.add(", ").text(entry.action.as_str()).add(", ").text(object);
    sql.add(", ").integer(entry.rows).add(", ").text_or_null(fence.plan_hash.clone());
    sql.add(", ").text_or_null(entry.token.map(str::to_owned)).add(")");
    sql.execute(connection).await?;
    Ok(())
}
