//! The SQL that gives a role what a pass needs: least first.

use sqlx::{Connection, PgConnection, Row};

use super::{
    catalog::{self, Found},
    error::DatabaseError,
    identifier::Sql,
    transaction::prepare,
};
use crate::{
    api::{
        report::ObjectRef,
        spec::{OnCollision, OnConstraint, OnOrphan},
    },
    consistency::{
        sessions::{Means, Sessions},
        target::{IdentitySource, IdentityTable, Policy, Target},
    },
};

/// The statements for Observe and for Enforce, with a comment before each.
///
/// # Errors
/// The user table is not there, or the database fails.
pub async fn grants(connection: &mut PgConnection, target: &Target) -> Result<String, DatabaseError> {
    let mut transaction = connection.begin().await?;
    let connection = &mut *transaction;
    prepare(connection, target.timeout).await?;
    let users = match catalog::find_table(connection, &target.users.schema, &target.users.table).await? {
        Found::Table(table) => *table,
        _ => {
            return Err(DatabaseError::Unsupported(format!(
                "there is no table {}.{}: correct spec.users",
                target.users.schema, target.users.table
            )));
        }
    };
    let role: String = Sql::new("SELECT quote_ident(current_user)").scalar(connection).await?;
    let mut tables = Vec::new();
    for key in catalog::foreign_keys(connection, users.oid).await? {
        let object = ObjectRef {
            schema: key.child.0,
            table: key.child.1,
            columns: key.child_columns,
            constraint: Some(key.name),
        };
        let policy = target.references.policy(&object);
        tables.push((object, policy));
    }
    for rule in
        target.references.rules.iter().filter(|rule| rule.rule.declared || rule.rule.constraint.is_some())
    {
        let object = ObjectRef {
            schema: rule.schema.clone(),
            table: rule.rule.table.clone(),
            columns: rule.rule.columns.clone().unwrap_or_default(),
            constraint: None,
        };
        let policy = target.references.policy(&object);
        tables.push((object, policy));
    }
    tables.retain(|(_, policy)| policy.ignore.is_none());
    tables.sort_by(|(a, _), (b, _)| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    let sequence = catalog::sequence(connection, users.oid, &target.users.id_column).await?;

    let mut schemas: Vec<String> = tables.iter().map(|(object, _)| object.schema.clone()).collect();
    schemas.push(target.users.schema.clone());
    schemas.sort();
    schemas.dedup();
    let mut text = String::from("-- Observe: read accounts and references.\n");
    for schema in &schemas {
        let schema = quoted(connection, &[schema]).await?;
        text.push_str(&format!("GRANT USAGE ON SCHEMA {schema} TO {role};\n"));
    }
    let user_table = quoted(connection, &[&target.users.schema, &target.users.table]).await?;
    text.push_str(&format!("GRANT SELECT ON {user_table} TO {role};\n"));
    // Each table, and what its repair takes.
    let mut names: Vec<(String, Option<&str>)> = Vec::new();
    for (object, policy) in &tables {
        let name = quoted(connection, &[&object.schema, &object.table]).await?;
        if names.iter().all(|(known, ..)| *known != name) {
            text.push_str(&format!("GRANT SELECT ON {name} TO {role};\n"));
        }
        names.push((name, repair(connection, object, policy).await?));
    }
    if let Some(IdentitySource::Table(IdentityTable { schema, table, .. })) = &target.references.identities {
        let name = quoted(connection, &[schema, table]).await?;
        if schemas.iter().all(|known| known != schema) {
            let schema = quoted(connection, &[schema]).await?;
            text.push_str(&format!("GRANT USAGE ON SCHEMA {schema} TO {role};\n"));
        }
        text.push_str(&format!("GRANT SELECT ON {name} TO {role};\n"));
    }
    for (schema, table) in target.sessions.iter().flat_map(Sessions::tables) {
        let name = quoted(connection, &[schema, table]).await?;
        // Tables of sessions are references too.
        if names.iter().any(|(known, _)| *known == name) {
            continue;
        }
        if schemas.iter().all(|known| known != schema) {
            schemas.push(schema.to_owned());
            let schema = quoted(connection, &[schema]).await?;
            text.push_str(&format!("GRANT USAGE ON SCHEMA {schema} TO {role};\n"));
        }
        text.push_str(&format!("GRANT SELECT ON {name} TO {role};\n"));
    }
    let sequence_name = match &sequence {
        Some(sequence) => Some(
            quoted(connection, &[sequence.relation.schema.as_str(), sequence.relation.name.as_str()]).await?,
        ),
        None => None,
    };
    if let Some(name) = &sequence_name {
        text.push_str(&format!("GRANT SELECT ON SEQUENCE {name} TO {role};\n"));
    }
    text.push_str("\n-- Enforce, in addition: keep the admin, and what was there before a repair.\n");
    text.push_str(&format!("GRANT INSERT, UPDATE ON {user_table} TO {role};\n"));
    if let Some(name) = &sequence_name {
        text.push_str(&format!("GRANT USAGE, UPDATE ON SEQUENCE {name} TO {role};\n"));
    }
    for means in target.sessions.iter().flat_map(|sessions| &sessions.ends) {
        match means {
            Means::Time { column } | Means::Stamp { column } => {
                let column = quoted(connection, &[column]).await?;
                text.push_str(&format!("GRANT UPDATE ({column}) ON {user_table} TO {role};\n"));
            }
            Means::Rows { schema, table, .. } => {
                let name = quoted(connection, &[schema, table]).await?;
                text.push_str(&format!("GRANT UPDATE, DELETE ON {name} TO {role};\n"));
            }
        }
    }
    let database: String = Sql::new("SELECT quote_ident(current_database())").scalar(connection).await?;
    text.push_str(&format!(
        "-- One of the two: an empty schema made by the owner, or the right to make it.\nCREATE SCHEMA IF NOT EXISTS auth_consistency AUTHORIZATION {role};\n-- GRANT CREATE ON DATABASE {database} TO {role};\n"
    ));
    if names.iter().any(|(_, rights)| rights.is_some()) {
        text.push_str("\n-- Enforce, for the references that spec.references says to repair.\n");
    }
    for (name, rights) in names {
        if let Some(rights) = rights {
            text.push_str(&format!("GRANT {rights} ON {name} TO {role};\n"));
        }
    }
    text.push_str(&owners(connection, &tables, &user_table, &role).await?);
    transaction.rollback().await?;
    Ok(text)
}

/// The rights on its table that the repair of a reference takes.
async fn repair(
    connection: &mut PgConnection,
    object: &ObjectRef,
    policy: &Policy,
) -> Result<Option<&'static str>, DatabaseError> {
    let gives_way = policy.on_collision == OnCollision::DeleteOrphan;
    Ok(match policy.on_orphan {
        OnOrphan::Report => None,
        OnOrphan::SetNull => Some("UPDATE"),
        OnOrphan::Delete => Some("UPDATE, DELETE"),
        OnOrphan::Reassign => Some(if gives_way { "UPDATE, DELETE" } else { "UPDATE" }),
        // Rows that change places in a unique key are taken out and put in again.
        OnOrphan::Remap if in_a_unique_key(connection, object).await? => Some("INSERT, UPDATE, DELETE"),
        OnOrphan::Remap => Some("UPDATE"),
    })
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

/// Foreign keys are their table's owner's: no right on the table can be granted for them.
async fn owners(
    connection: &mut PgConnection,
    tables: &[(ObjectRef, Policy)],
    user_table: &str,
    role: &str,
) -> Result<String, DatabaseError> {
    let changed: Vec<&(ObjectRef, Policy)> =
        tables.iter().filter(|(_, policy)| policy.constraint != OnConstraint::Report).collect();
    if changed.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from(
        "\n-- Enforce, for spec.references.constraint: only a table's owner may change its foreign keys.\n",
    );
    let mut sql = Sql::new(
        "SELECT DISTINCT quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(changed.iter().map(|(object, _)| Some(object.schema.clone())).collect()).add("), unnest(");
    sql.texts(changed.iter().map(|(object, _)| Some(object.table.clone())).collect());
    sql.add(
        ")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text \
         WHERE NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1",
    );
    for row in sql.all(connection).await? {
        text.push_str(&format!("GRANT {} TO {role};\n", row.try_get::<String, _>(0)?));
    }
    if changed.iter().any(|(_, policy)| policy.constraint == OnConstraint::Restore) {
        text.push_str(&format!("GRANT REFERENCES ON {user_table} TO {role};\n"));
    }
    Ok(text)
}

/// `schema.table`, each part quoted by the database where it has to be.
async fn quoted(connection: &mut PgConnection, parts: &[&str]) -> Result<String, DatabaseError> {
    let mut sql = Sql::new("SELECT string_agg(quote_ident(part), '.' ORDER BY n) FROM unnest(");
    sql.texts(parts.iter().map(|part| Some((*part).to_owned())).collect());
    sql.add(") WITH ORDINALITY parts(part, n)");
    Ok(sql.one(connection).await?.try_get(0)?)
}
