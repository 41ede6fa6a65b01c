//! The SQL that gives a role what a pass needs, and what undoing it needs: least first.
//!
//! It runs as printed, and twice, as the owner of the tables and as a superuser. What no GRANT gives, or what
//! another owner must run, stands there as a comment that says who and why.

mod page;

use crate::engine::Extent;
use crate::engine::keeping::Keeping;
use crate::{
    api::{
        report::{Action, ObjectRef},
        spec::{OnCollision, OnConstraint, OnOrphan},
    },
    domain::{
        diagnose::sessions::{Mechanism, Sessions},
        target::{
            IdentitySource, IdentityTable, Target,
            policy::{Policy, Rule},
        },
    },
    engine::postgres::{
        catalog::{self, Found, Table},
        repair::rows::cascades,
        session::{error::DatabaseError, transaction::prepare},
        sql::Sql,
    },
};

use std::collections::BTreeSet;

use sqlx::{Connection, PgConnection, Row};

/// A right on a table, in the order in which it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Select,
    Insert,
    Update,
    Delete,
    References,
}

impl Right {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::References => "REFERENCES",
        }
    }
}

/// Schema and name of a table.
type Named = (String, String);

/// Rights by table, in the order in which they are asked for.
#[derive(Default)]
struct Rights(Vec<(Named, BTreeSet<Right>)>);

impl Rights {
    fn add(&mut self, table: &Named, rights: &[Right]) {
        match self.0.iter_mut().find(|(one, _)| one == table) {
            Some((_, there)) => there.extend(rights),
            None if rights.is_empty() => {}
            None => self.0.push((table.clone(), rights.iter().copied().collect())),
        }
    }
}

/// What a target's role needs.
#[derive(Default)]
struct Needs {
    observe: Rights,
    accounts: Rights,
    columns: Vec<(Named, String)>,
    references: Rights,
    moves: Rights,
    constraints: Rights,
    /// Sequences that are read, and that are set or drawn from.
    read: Vec<Named>,
    drawn: Vec<(Named, &'static str)>,
    /// Tables whose foreign keys are changed.
    owned: BTreeSet<Named>,
    /// Tables whose rows may be taken: where what cannot go back is written beside.
    taken: BTreeSet<Named>,
}

/// The statements, with a comment before each group.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants(
    connection: &mut PgConnection,
    target: &Target,
    extent: Extent,
) -> Result<String, DatabaseError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let users = match catalog::find_table(connection, &target.users.schema, &target.users.table).await? {
        Found::Table(table) => *table,
        _ => {
            return Err(DatabaseError::UserTable(format!(
                "there is no table {}.{}: correct spec.users",
                target.users.schema, target.users.table
            )));
        }
    };
    let needs = needs(connection, target, &users).await?;
    let text = page::write(connection, &needs, users.oid, extent).await?;
    transaction.rollback().await?;
    Ok(text)
}

async fn needs(
    connection: &mut PgConnection,
    target: &Target,
    users: &Table,
) -> Result<Needs, DatabaseError> {
    use Right::{Delete, Insert, References, Select, Update};
    let mut needs = Needs::default();
    let user_table: Named = (target.users.schema.clone(), target.users.table.clone());
    needs.observe.add(&user_table, &[Select]);
    let moves = target.kept().any(|one| one.id.is_some());
    let references = references(connection, target, users).await?;
    for (object, table, policy, names_id) in &references {
        let named: Named = (object.schema.clone(), object.table.clone());
        needs.observe.add(&named, &[Select]);
        let rights = repair(connection, object, policy).await?;
        needs.references.add(&named, &rights);
        if !rights.is_empty() {
            needs.taken.insert(named.clone());
            along(connection, target, table, (object, policy), &mut needs).await?;
        }
        if moves && *names_id {
            // Rows that name those by the id would keep it where it is.
            for one in cascades::touched(connection, table).await? {
                if object.columns.iter().any(|column| one.parent_columns.contains(column)) {
                    needs.observe.add(&(one.schema, one.table), &[Select]);
                }
            }
            if named != user_table {
                needs.moves.add(&named, &[Update]);
            }
        }
        // What only a rule declares has no foreign key to validate.
        if policy.constraint != OnConstraint::Report && object.constraint.is_some() {
            needs.owned.insert(named);
        }
        if policy.constraint == OnConstraint::Restore {
            needs.constraints.add(&user_table, &[References]);
        }
        // Whom rows are given to is held meanwhile, which takes the right to UPDATE.
        if let OnOrphan::Remap | OnOrphan::Reassign = policy.on_orphan {
            needs.accounts.add(&user_table, &[Update]);
        }
    }
    if let Some(IdentitySource::Table(IdentityTable { schema, table, .. })) = &target.references.identities {
        needs.observe.add(&(schema.clone(), table.clone()), &[Select]);
    }
    for (schema, table) in target.sessions.iter().flat_map(Sessions::tables) {
        needs.observe.add(&(schema.to_owned(), table.to_owned()), &[Select]);
    }
    if target.kept().next().is_some() {
        needs.accounts.add(&user_table, &[Insert, Update]);
    }
    if let Some(sequence) = catalog::sequence(connection, users.oid, &target.users.id_column).await? {
        let name = (sequence.relation.schema.as_str().to_owned(), sequence.relation.name.as_str().to_owned());
        needs.read.push(name.clone());
        needs.drawn.push((name, "USAGE, UPDATE"));
    }
    // Which rows are old is told by how far the table's own numbers had come.
    for (_, table, ..) in references.iter().filter(|_| target.references.identities.is_some()) {
        let key = catalog::primary_key(connection, table.oid).await?;
        let [column] = key.as_slice() else { continue };
        if let Some(sequence) = catalog::sequence(connection, table.oid, column).await? {
            let name =
                (sequence.relation.schema.as_str().to_owned(), sequence.relation.name.as_str().to_owned());
            if !needs.read.contains(&name) {
                needs.read.push(name);
            }
        }
    }
    if target.kept().next().is_some() {
        for name in drawn(connection, users.oid).await? {
            if needs.drawn.iter().all(|(known, _)| *known != name) {
                needs.drawn.push((name, "USAGE"));
            }
        }
    }
    for means in target.sessions.iter().flat_map(|sessions| &sessions.ends) {
        match means {
            Mechanism::Time { column } | Mechanism::Stamp { column } => {
                needs.columns.push((user_table.clone(), column.clone()));
            }
            Mechanism::Rows { schema, table, .. } => {
                let named: Named = (schema.clone(), table.clone());
                needs.references.add(&named, &[Insert, Update, Delete]);
                needs.taken.insert(named);
                if let Found::Table(table) = catalog::find_table(connection, schema, table).await? {
                    for one in cascades::touched(connection, &table).await? {
                        needs.observe.add(&(one.schema, one.table), &[Select]);
                    }
                }
            }
        }
    }
    if !needs.accounts.0.is_empty() || !needs.columns.is_empty() {
        needs.taken.insert(user_table);
    }
    Ok(needs)
}

/// The references in scope that are there: table, policy, and whether it names the id alone.
async fn references(
    connection: &mut PgConnection,
    target: &Target,
    users: &Table,
) -> Result<Vec<(ObjectRef, Table, Policy, bool)>, DatabaseError> {
    let mut objects = Vec::new();
    for key in catalog::foreign_keys(connection, users.oid, &Keeping::default()).await? {
        let names_id = *key.parent_columns == [target.users.id_column.clone()];
        let ruled = |rule: &Rule| (&rule.schema, &rule.rule.table) == (&key.child.0, &key.child.1);
        // What a partition has for itself is looked at through the whole table.
        let whole = key.root.filter(|root| !root.foreign && !target.references.rules.iter().any(ruled));
        let (schema, table) = whole.map_or(key.child, |root| root.name);
        let object = ObjectRef { schema, table, columns: key.child_columns, constraint: Some(key.name) };
        objects.push((object, names_id));
    }
    let named = |rule: &&Rule| rule.rule.declared || rule.rule.constraint.is_some();
    for rule in target.references.rules.iter().filter(named) {
        let object = ObjectRef {
            schema: rule.schema.clone(),
            table: rule.rule.table.clone(),
            columns: rule.rule.columns.clone().unwrap_or_default(),
            constraint: rule.rule.constraint.clone(),
        };
        objects.push((object, true));
    }
    let before = target.references.identities.as_ref().map_or(&[][..], IdentitySource::references);
    for one in before {
        let object = ObjectRef {
            schema: one.schema.clone(),
            table: one.table.clone(),
            columns: one.columns.iter().map(|column| column.name.clone()).collect(),
            constraint: one.constraint.clone(),
        };
        if target.references.policy(&object).constraint == OnConstraint::Restore {
            objects.push((object, true));
        }
    }
    objects.sort_by(|(a, _), (b, _)| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    let names: Vec<(&str, &str)> =
        objects.iter().map(|(one, _)| (one.schema.as_str(), one.table.as_str())).collect();
    let tables = catalog::find_tables(connection, &names).await?;
    let mut there = Vec::new();
    for ((object, names_id), found) in objects.into_iter().zip(tables) {
        let policy = target.references.policy(&object);
        // Of a table that is not there nothing can be granted; a check tells of it.
        if let (Found::Table(table), None) = (found, &policy.ignore) {
            there.push((object, *table, policy, names_id));
        }
    }
    Ok(there)
}

/// The rights on its table that the repair of a reference takes, and putting its rows back.
async fn repair(
    connection: &mut PgConnection,
    object: &ObjectRef,
    policy: &Policy,
) -> Result<Vec<Right>, DatabaseError> {
    use Right::{Delete, Insert, Update};
    let gives_way = policy.on_collision == OnCollision::DeleteOrphan;
    Ok(match policy.on_orphan {
        OnOrphan::Report => Vec::new(),
        OnOrphan::SetNull => vec![Update],
        OnOrphan::Delete => vec![Insert, Update, Delete],
        OnOrphan::Reassign | OnOrphan::Remap if gives_way => vec![Insert, Update, Delete],
        // Rows that change places in a unique key are taken out and put in again.
        OnOrphan::Remap if in_a_unique_key(connection, object).await? => vec![Insert, Update, Delete],
        OnOrphan::Reassign | OnOrphan::Remap => vec![Update],
    })
}

/// Adds what rows of other tables take that depend on those that are repaired: they are counted, and what
/// goes along is held, copied and put back.
async fn along(
    connection: &mut PgConnection,
    target: &Target,
    table: &Table,
    (object, policy): (&ObjectRef, &Policy),
    needs: &mut Needs,
) -> Result<(), DatabaseError> {
    use Right::{Insert, Select, Update};
    let removes = policy.on_orphan == OnOrphan::Delete || policy.on_collision == OnCollision::DeleteOrphan;
    let accounts = |named: &Named| *named == (target.users.schema.clone(), target.users.table.clone());
    for one in cascades::touched(connection, table).await? {
        let named: Named = (one.schema.clone(), one.table.clone());
        let changes = object.columns.iter().any(|column| one.parent_columns.contains(column));
        if !(removes || one.carries && changes) {
            continue;
        }
        needs.observe.add(&named, &[Select]);
        if policy.on_orphan != OnOrphan::Delete || accounts(&named) {
            continue;
        }
        match one.effect {
            Some(Action::Delete) => {
                needs.references.add(&named, &[Insert, Update]);
                needs.taken.insert(named.clone());
                if let Found::Table(table) = catalog::find_table(connection, &named.0, &named.1).await? {
                    for further in cascades::touched(connection, &table).await? {
                        needs.observe.add(&(further.schema, further.table), &[Select]);
                    }
                }
            }
            Some(_) => {
                needs.references.add(&named, &[Update]);
                needs.taken.insert(named);
            }
            None => {}
        }
    }
    Ok(())
}

/// Sequences that the defaults of a table's columns draw from; those of identity columns need no right.
async fn drawn(connection: &mut PgConnection, table: i64) -> Result<Vec<Named>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_attrdef d \
         JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass \
         JOIN pg_class c ON c.oid = dep.refobjid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE d.adrelid = ",
    );
    sql.integer(table).add("::oid ORDER BY 1, 2");
    sql.all(connection).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Whether a column of the reference belongs to a unique key that is checked row by row.
async fn in_a_unique_key(connection: &mut PgConnection, object: &ObjectRef) -> Result<bool, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey) \
         WHERE i.indisunique AND i.indimmediate AND n.nspname::text = ",
    );
    sql.text(&object.schema).add(" AND c.relname::text = ").text(&object.table);
    sql.add(" AND a.attname::text = ANY (")
        .texts(object.columns.iter().cloned().map(Some).collect())
        .add("))");
    Ok(sql.scalar(connection).await?)
}
