//! Constraints that refuse rows as they would be once they name an account by its new id.

use crate::{
    api::{condition::Reason, report::ObjectRef},
    domain::{
        diagnose::obstacles::dropping,
        facts::references::{Barrier, InTheWay},
        text::count,
    },
    engine::postgres::{
        catalog::{Column, Table, condition::equals, resolved::ResolvedSchema},
        hints::hints,
        observe::in_the_way::{self, Change, Value},
        rowset::carriers::Carrier,
        sql::Sql,
    },
};

use sqlx::PgConnection;

/// A column, and the condition that the row `c` names the old id there.
type Naming<'a> = (&'a Column, Box<dyn Fn(&mut Sql) + Send + Sync + 'a>);

/// The first of them, with what can be done.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn barred(
    connection: &mut PgConnection,
    known: &ResolvedSchema,
    carriers: &[Carrier<'_>],
    from: &str,
    to: &str,
) -> Result<Option<(Reason, String)>, sqlx::Error> {
    let users = std::iter::once(&*known.users);
    let tables = carriers.iter().map(|one| one.table).filter(|table| table.oid != known.users.oid);
    for table in users.chain(tables) {
        let mut naming: Vec<Naming<'_>> = Vec::new();
        if table.oid == known.users.oid {
            naming.push((&known.id, Box::new(|sql| equals(sql, "c", &known.id, from))));
        }
        let own = carriers.iter().filter(|one| one.table.oid == table.oid);
        for reference in own.flat_map(|one| one.references.iter().copied()) {
            if let Some(column) = reference.columns.first() {
                naming.push((column, Box::new(|sql| reference.names_user(sql, from))));
            }
        }
        if let Some(found) = of(connection, table, &naming, to).await? {
            return Ok(Some(told(table, &found, to)));
        }
    }
    Ok(None)
}

async fn of(
    connection: &mut PgConnection,
    table: &Table,
    naming: &[Naming<'_>],
    to: &str,
) -> Result<Option<InTheWay>, sqlx::Error> {
    let written: Vec<_> =
        naming.iter().map(|(column, names)| (*column, Value::Where(&**names, to))).collect();
    let rows = |sql: &mut Sql| {
        sql.add(" FROM ").only(&table.relation).add(" c WHERE (false");
        for (_, names) in naming {
            sql.add(" OR ");
            names(sql);
        }
        sql.add(")");
    };
    let beside = |sql: &mut Sql| {
        sql.add("(false");
        for (column, _) in naming {
            sql.add(" OR ");
            equals(sql, "c", column, to);
        }
        sql.add(") AND NOT (false");
        for (_, names) in naming {
            sql.add(" OR coalesce(");
            names(sql);
            sql.add(", false)");
        }
        sql.add(")");
    };
    in_the_way::of_change(connection, &Change { table, rows: &rows, written: &written, beside: &beside })
        .await
}

fn told(table: &Table, found: &InTheWay, to: &str) -> (Reason, String) {
    let InTheWay { name, kind, rows } = found;
    let object = ObjectRef {
        schema: table.relation.schema.as_str().to_owned(),
        table: table.relation.name.as_str().to_owned(),
        ..ObjectRef::default()
    };
    let (reason, what) = match kind {
        Barrier::Exclusion => (Reason::UniqueKeyInTheWay, "EXCLUDE constraint"),
        _ => (Reason::RepairUnsupported, "CHECK"),
    };
    let why = format!(
        "the {what} {name:?} of {} refuses the id {to} in {}: choose another id, {}",
        object.describe(),
        count(*rows, "row"),
        dropping(hints(), &object, name)
    );
    (reason, why)
}
