//! Rows of other tables that name rows by a key which is about to change: the database refuses the change, or
//! goes on to rows that nobody copied.

use sqlx::PgConnection;

use crate::{
    api::condition::Reason,
    domain::{diagnose::rights, facts::rights::Right, text::count},
    engine::postgres::{
        catalog::{Table, keys::ForeignKey},
        hints::hints,
        rowset::dependents::of_those,
        sql::{Name, Sql},
        sql_name::sql_table,
    },
};

/// What of a table changes.
pub(in crate::engine::postgres) struct Changing<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its columns that change.
    pub columns: Vec<&'a Name>,
    /// What the rows are named by, where that is the user table's own key.
    pub is_users: bool,
}

/// Why rows `c` of a table cannot change: the first foreign key whose rows would not change along. `along` says
/// which columns of which table do, `rows` adds the condition on `c`.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn held(
    connection: &mut PgConnection,
    changing: &Changing<'_>,
    along: impl Fn(i64, &str) -> bool,
    rows: impl Fn(&mut Sql),
) -> Result<Option<(Reason, String)>, sqlx::Error> {
    let Changing { table, columns, is_users } = changing;
    let changes = |name: &str| columns.iter().any(|column| column.as_str() == name);
    // A partition changes with the table that it is a part of.
    let changed = |key: &ForeignKey, own: &str| {
        along(key.child_oid, own) || key.root.as_ref().is_some_and(|root| along(root.oid, own))
    };
    let behind = |key: &ForeignKey| {
        let mut columns = key.child_columns.iter().zip(&*key.parent_columns);
        columns.find(|(own, named)| changes(named) && !changed(key, own)).map(|(own, _)| own.clone())
    };
    let there = of_those(connection, table, |key| behind(key).is_some()).await?;
    for dependent in there {
        let key = &dependent.key;
        let Some(column) = behind(key) else { continue };
        let called = dependent.object().describe();
        if !key.readable || !dependent.table.select {
            let name = dependent.called();
            return Ok(Some((
                Reason::PrivilegeMissing,
                format!(
                    "rows of {called} may depend on it, and the role may not SELECT from {name}: {}",
                    rights::grant(hints(), &dependent.table.rights, &[Right::Select], &dependent.object())
                ),
            )));
        }
        if let Some(why) = dependent.refused() {
            let why = format!("rows of {called} may depend on it and are not looked at: {why}");
            return Ok(Some((Reason::RepairUnsupported, why)));
        }
        let mut sql = Sql::new("SELECT count(*) FROM ");
        sql.only(&dependent.table.relation).add(" d JOIN ").only(&table.relation).add(" c ON ");
        dependent.names(&mut sql, "c", "d");
        sql.add(" WHERE ");
        rows(&mut sql);
        let found: i64 = sql.scalar(connection).await?;
        if found == 0 {
            continue;
        }
        let (name, verb) = (&key.name, if found == 1 { "names" } else { "name" });
        let what = if *is_users {
            format!("{verb} it ({name})")
        } else {
            let table = sql_table(table.relation.schema.as_str(), table.relation.name.as_str());
            format!("{verb} rows of {table} by the id ({name})")
        };
        let does = match (dependent.carries, key.enforcement.holds()) {
            (true, _) => "and the move would go on to them (ON UPDATE)",
            (false, true) => "which the foreign key forbids",
            (false, false) => "which would be left behind, since the foreign key does not hold",
        };
        let remedy = if *is_users {
            format!("let {called} be checked")
        } else {
            format!("declare {}.{column} by a rule in spec.references.rules", key.child.1)
        };
        return Ok(Some((
            Reason::RepairUnsupported,
            format!(
                "{} of {called} {what}, {does}: {remedy}, so that it moves along, or take those rows away first",
                count(found, "row")
            ),
        )));
    }
    Ok(None)
}
