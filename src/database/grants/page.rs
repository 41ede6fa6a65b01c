//! What a role needs as SQL, and what no GRANT gives as comments.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::{Extent, Named, Needs, Rights};
use crate::database::{error::DatabaseError, identifier::Sql};

/// Who it is written for, and who runs it.
struct Page {
    role: String,
    /// The owner of the user table.
    owner: String,
    database: String,
    /// Whether that owner may make schemas.
    makes_schemas: bool,
    /// The owner of our schema, where it is there.
    schema_owner: Option<String>,
    /// Whether that is the role, or it has all that it needs there.
    schema_usable: bool,
}

impl Page {
    async fn of(connection: &mut PgConnection, users: i64) -> Result<Self, DatabaseError> {
        let mut sql = Sql::new(
            "SELECT quote_ident(current_user), quote_ident(pg_get_userbyid(c.relowner)), quote_ident(current_database()), \
             has_database_privilege(c.relowner, current_database(), 'CREATE'), quote_ident(pg_get_userbyid(n.nspowner)), \
             coalesce(pg_get_userbyid(n.nspowner) = current_user, false) \
             FROM pg_class c LEFT JOIN pg_namespace n ON n.nspname = 'auth_consistency' WHERE c.oid = ",
        );
        sql.integer(users).add("::oid");
        let row = sql.one(connection).await?;
        Ok(Self {
            role: row.try_get(0)?,
            owner: row.try_get(1)?,
            database: row.try_get(2)?,
            makes_schemas: row.try_get(3)?,
            schema_owner: row.try_get(4)?,
            schema_usable: row.try_get(5)?,
        })
    }
}

/// The statements, with a comment before each group.
///
/// # Errors
/// The database fails.
pub(super) async fn write(
    connection: &mut PgConnection,
    needs: &Needs,
    users: i64,
    extent: Extent,
) -> Result<String, DatabaseError> {
    let page = Page::of(connection, users).await?;
    let role = &page.role;
    let mut text = String::from("-- Observe: read accounts and references.\n");
    let tables = || needs.observe.0.iter().map(|(named, _)| named);
    let schemas: BTreeSet<&String> = tables().chain(&needs.read).map(|(schema, _)| schema).collect();
    for schema in schemas {
        let schema = quoted(connection, &[schema]).await?;
        text.push_str(&format!("GRANT USAGE ON SCHEMA {schema} TO {role};\n"));
    }
    text.push_str(&on_tables(connection, &needs.observe, &page).await?);
    for (schema, name) in &needs.read {
        let name = quoted(connection, &[schema, name]).await?;
        text.push_str(&format!("GRANT SELECT ON SEQUENCE {name} TO {role};\n"));
    }
    text.push_str(&hidden(connection, tables().cloned().collect(), &page).await?);
    if extent == Extent::Observe {
        return Ok(text);
    }
    text.push_str("\n-- Enforce, in addition: keep the accounts, and what was there before a repair.\n");
    text.push_str(&on_tables(connection, &needs.accounts, &page).await?);
    for ((schema, name), rights) in &needs.drawn {
        let name = quoted(connection, &[schema, name]).await?;
        text.push_str(&format!("GRANT {rights} ON SEQUENCE {name} TO {role};\n"));
    }
    for ((schema, table), column) in &needs.columns {
        let (table, column) =
            (quoted(connection, &[schema, table]).await?, quoted(connection, &[column]).await?);
        text.push_str(&format!("GRANT UPDATE ({column}) ON {table} TO {role};\n"));
    }
    text.push_str(&own_schema(&page));
    for (rights, what) in [
        (
            &needs.references,
            "Enforce, for what spec.references and spec.sessions say to repair, and to put it back.",
        ),
        (&needs.moves, "Enforce, for an account whose id the spec says: the rows that name it move along."),
        (&needs.constraints, "Enforce, for spec.references.constraint: a foreign key that is gone."),
    ] {
        if !rights.0.is_empty() {
            text.push_str(&format!("\n-- {what}\n"));
            text.push_str(&on_tables(connection, rights, &page).await?);
        }
    }
    text.push_str(&owners(connection, &needs.owned, &page).await?);
    let schemas: BTreeSet<&String> = needs.taken.iter().map(|(schema, _)| schema).collect();
    if !schemas.is_empty() {
        text.push_str("\n-- For restore --into alone: a schema in which the role may make the table. Another one will do as well.\n");
    }
    for schema in schemas {
        let schema = quoted(connection, &[schema]).await?;
        text.push_str(&format!("GRANT CREATE ON SCHEMA {schema} TO {role};\n"));
    }
    Ok(text)
}

/// A statement for each table. Whose owner is another one than the user table's has it said beside it.
async fn on_tables(
    connection: &mut PgConnection,
    rights: &Rights,
    page: &Page,
) -> Result<String, DatabaseError> {
    let owners = owned_by(connection, rights.0.iter().map(|(named, _)| named)).await?;
    let mut text = String::new();
    for (named, rights) in &rights.0 {
        let name = quoted(connection, &[&named.0, &named.1]).await?;
        let rights: Vec<&str> = rights.iter().map(|right| right.as_str()).collect();
        let statement = format!("GRANT {} ON {name} TO {};", rights.join(", "), page.role);
        match owners.get(named) {
            Some(owner) if *owner != page.owner => {
                text.push_str(&format!("{statement} -- {owner} owns it\n"));
            }
            _ => text.push_str(&format!("{statement}\n")),
        }
    }
    Ok(text)
}

async fn owned_by(
    connection: &mut PgConnection,
    tables: impl Iterator<Item = &Named> + Clone,
) -> Result<BTreeMap<Named, String>, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT n.nspname::text, c.relname::text, quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(tables.clone().map(|(schema, _)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(tables.map(|(_, table)| Some(table.clone())).collect());
    sql.add(")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text");
    let rows = sql.all(connection).await?;
    rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?))).collect()
}

/// Row-level security that would hide rows from the role: no GRANT helps against it.
async fn hidden(
    connection: &mut PgConnection,
    tables: Vec<Named>,
    page: &Page,
) -> Result<String, DatabaseError> {
    let mut sql = Sql::new(
        "SELECT string_agg(format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(tables.iter().map(|(schema, _)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(tables.iter().map(|(_, table)| Some(table.clone())).collect());
    sql.add(
        ")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text \
         WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) \
         AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND (r.rolbypassrls OR r.rolsuper))",
    );
    Ok(match sql.scalar::<Option<String>>(connection).await? {
        Some(tables) => format!(
            "-- Row-level security hides rows of {tables} from the role, so that nothing can be said of them. No GRANT\n\
             -- changes that. A superuser runs: ALTER ROLE {} BYPASSRLS;\n",
            page.role
        ),
        None => String::new(),
    })
}

/// Where copies of rows, the claim and the audit are kept.
fn own_schema(page: &Page) -> String {
    let Page { role, owner, database, .. } = page;
    let grant = format!("GRANT USAGE, CREATE ON SCHEMA auth_consistency TO {role};");
    match &page.schema_owner {
        Some(_) if page.schema_usable => {
            format!("-- The schema auth_consistency is {role}'s already.\n")
        }
        Some(other) => format!(
            "-- {other} owns the schema auth_consistency and runs this, unless the role can make the schema anew:\n\
             -- {grant}\n-- GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth_consistency TO {role};\n"
        ),
        None if page.makes_schemas => format!(
            "-- An empty schema for copies and audit; or, instead: GRANT CREATE ON DATABASE {database} TO {role};\n\
             CREATE SCHEMA IF NOT EXISTS auth_consistency;\n{grant}\n"
        ),
        None => format!(
            "-- A schema for copies and audit: {owner} may make none, so the owner of the database or a superuser runs one of these two:\n\
             -- CREATE SCHEMA IF NOT EXISTS auth_consistency; {grant}\n-- GRANT CREATE ON DATABASE {database} TO {role};\n"
        ),
    }
}

/// Foreign keys are their table's owner's: no right on the table can be granted for them.
async fn owners(
    connection: &mut PgConnection,
    tables: &BTreeSet<Named>,
    page: &Page,
) -> Result<String, DatabaseError> {
    if tables.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from(
        "\n-- Enforce, for spec.references.constraint: only a table's owner may add or validate its foreign keys, which no right\n\
         -- on the table gives. Without it findings print the statement that the owner runs by hand.\n",
    );
    let mut sql = Sql::new(
        "SELECT quote_ident(pg_get_userbyid(c.relowner)), string_agg(DISTINCT format('%I.%I', n.nspname, c.relname), ', '), \
         pg_has_role(c.relowner, 'USAGE') FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(tables.iter().map(|(schema, _)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(tables.iter().map(|(_, table)| Some(table.clone())).collect());
    sql.add(
        ")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text \
         GROUP BY c.relowner ORDER BY 1",
    );
    for row in sql.all(connection).await? {
        let (owner, tables, has): (String, String, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        text.push_str(&if has {
            format!("-- {tables}: the role has what {owner} has.\n")
        } else {
            format!(
                "-- {tables}: a superuser, or who may give {owner} to others, runs: GRANT {owner} TO {};\n",
                page.role
            )
        });
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
