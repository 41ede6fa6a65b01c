//! What a role needs as SQL, and what no GRANT gives as comments.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use super::{Extent, Named, Needs, Rights};
use crate::engine::postgres::{
    session::error::DatabaseError,
    sql::Sql,
    sql_name::{comment_name, sql_name, sql_table},
};

/// Who it is written for, and who runs it. All but the role are bare names.
struct Page {
    /// As SQL.
    role: String,
    /// In comments.
    grantee: Option<String>,
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
            "SELECT current_user::text, pg_get_userbyid(c.relowner)::text, current_database()::text, \
             has_database_privilege(c.relowner, current_database(), 'CREATE'), pg_get_userbyid(n.nspowner)::text, \
             coalesce(pg_get_userbyid(n.nspowner) = current_user, false) \
             FROM pg_class c LEFT JOIN pg_namespace n ON n.nspname = 'auth_consistency' WHERE c.oid = ",
        );
        sql.integer(users).add("::oid");
        let row = sql.one(connection).await?;
        let role: String = row.try_get(0)?;
        Ok(Self {
            role: sql_name(&role),
            grantee: comment_name(&role),
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
        let schema = sql_name(schema);
        text.push_str(&format!("GRANT USAGE ON SCHEMA {schema} TO {role};\n"));
    }
    text.push_str(&on_tables(connection, &needs.observe, &page).await?);
    for (schema, name) in &needs.read {
        let name = sql_table(schema, name);
        text.push_str(&format!("GRANT SELECT ON SEQUENCE {name} TO {role};\n"));
    }
    text.push_str(&hidden(connection, tables().cloned().collect(), &page).await?);
    if extent == Extent::Observe {
        return Ok(text);
    }
    text.push_str("\n-- Enforce, in addition: keep the accounts, and what was there before a repair.\n");
    text.push_str(&on_tables(connection, &needs.accounts, &page).await?);
    for ((schema, name), rights) in &needs.drawn {
        let name = sql_table(schema, name);
        text.push_str(&format!("GRANT {rights} ON SEQUENCE {name} TO {role};\n"));
    }
    for ((schema, table), column) in &needs.columns {
        let (table, column) = (sql_table(schema, table), sql_name(column));
        text.push_str(&format!("GRANT UPDATE ({column}) ON {table} TO {role};\n"));
    }
    text.push_str(&own_schema(&page));
    text.push_str(&roles_of_all_data(connection).await?);
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
        let schema = sql_name(schema);
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
        let name = sql_table(&named.0, &named.1);
        let rights: Vec<&str> = rights.iter().map(|right| right.as_str()).collect();
        let statement = format!("GRANT {} ON {name} TO {};", rights.join(", "), page.role);
        match owners.get(named) {
            Some(owner) if *owner != page.owner => {
                text.push_str(&format!("{statement} -- {} owns it\n", role_word(owner)));
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
        "SELECT n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text FROM pg_class c \
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
        "SELECT n.nspname::text, c.relname::text FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(tables.iter().map(|(schema, _)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(tables.iter().map(|(_, table)| Some(table.clone())).collect());
    sql.add(
        ")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text \
         WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')) \
         AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND (r.rolbypassrls OR r.rolsuper)) ORDER BY 1, 2",
    );
    let rows = sql.all(connection).await?;
    let tables: Vec<Named> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
    if tables.is_empty() {
        return Ok(String::new());
    }
    let statement = commented(page.grantee.as_ref().map(|role| format!("ALTER ROLE {role} BYPASSRLS;")));
    Ok(format!(
        "-- Row-level security hides rows of {} from the role, so that nothing can be said of them. No GRANT\n\
         -- changes that. A superuser runs: {statement}\n",
        table_words(&tables)
    ))
}

/// A role in a comment.
fn role_word(name: &str) -> String {
    comment_name(name).unwrap_or_else(|| "another role".into())
}

/// Tables in a comment.
fn table_words(tables: &[Named]) -> String {
    let named = |(schema, table): &Named| Some(format!("{}.{}", comment_name(schema)?, comment_name(table)?));
    let mut words: Vec<String> = tables.iter().filter_map(named).collect();
    match (tables.len() - words.len(), words.len()) {
        (0, _) => {}
        (1, 0) => words.push("a table above".into()),
        (more, 0) => words.push(format!("{more} tables above")),
        (more, _) => words.push(format!("{more} more")),
    }
    words.join(", ")
}

/// A statement in a comment, where its names may stand there.
fn commented(statement: Option<String>) -> String {
    statement.unwrap_or_else(|| {
        "a statement that is not written here, since a name in it would be more than a name in a comment"
            .into()
    })
}

/// Roles that have whatever is in any schema, as the server has it. A superuser's rights surprise nobody.
async fn roles_of_all_data(connection: &mut PgConnection) -> Result<String, DatabaseError> {
    let sql = Sql::new(
        "SELECT r.rolname::text FROM pg_roles r WHERE NOT r.rolsuper AND r.rolname NOT LIKE 'pg\\_%' \
         AND r.rolname <> current_user AND EXISTS (SELECT FROM pg_roles g \
           WHERE g.rolname IN ('pg_read_all_data', 'pg_write_all_data') AND pg_has_role(r.oid, g.oid, 'MEMBER')) \
         ORDER BY 1 LIMIT 11",
    );
    let rows = sql.all(connection).await?;
    let mut names: Vec<String> = Vec::new();
    for row in rows.iter().take(10) {
        names.push(role_word(&row.try_get::<String, _>(0)?));
    }
    if rows.len() > names.len() {
        names.push("others".into());
    }
    names.dedup();
    Ok(match names.as_slice() {
        [] => String::new(),
        _ => format!(
            "-- Members of pg_read_all_data or pg_write_all_data read or write the copies without any of this: {}.\n",
            names.join(", ")
        ),
    })
}

/// Where copies of rows, the claim and the audit are kept.
fn own_schema(page: &Page) -> String {
    let Page { role, grantee, owner, database, .. } = page;
    let grant = |role: &String| format!("GRANT USAGE, CREATE ON SCHEMA auth_consistency TO {role};");
    let database = comment_name(database);
    let create = commented(
        grantee
            .as_ref()
            .zip(database)
            .map(|(role, name)| format!("GRANT CREATE ON DATABASE {name} TO {role};")),
    );
    match &page.schema_owner {
        Some(_) if page.schema_usable => "-- The schema auth_consistency is the role's already.\n".into(),
        Some(other) => format!(
            "-- {} owns the schema auth_consistency and runs this, unless the role can make the schema anew:\n\
             -- {}\n-- {}\n",
            role_word(other),
            commented(grantee.as_ref().map(grant)),
            commented(grantee.as_ref().map(|role| format!(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA auth_consistency TO {role};"
            )))
        ),
        None if page.makes_schemas => format!(
            "-- An empty schema for copies and audit; or, instead: {create}\n\
             CREATE SCHEMA IF NOT EXISTS auth_consistency;\n{}\n",
            grant(role)
        ),
        None => format!(
            "-- A schema for copies and audit: {} may make none, so the owner of the database or a superuser runs one of these two:\n\
             -- {}\n-- {create}\n",
            comment_name(owner).unwrap_or_else(|| "the tables' owner".into()),
            commented(
                grantee
                    .as_ref()
                    .map(|role| format!("CREATE SCHEMA IF NOT EXISTS auth_consistency; {}", grant(role)))
            )
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
        "SELECT pg_get_userbyid(c.relowner)::text, n.nspname::text, c.relname::text, \
         pg_has_role(c.relowner, 'USAGE'), coalesce((SELECT r.rolsuper FROM pg_roles r WHERE r.oid = c.relowner), false) \
         FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN ROWS FROM (unnest(",
    );
    sql.texts(tables.iter().map(|(schema, _)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(tables.iter().map(|(_, table)| Some(table.clone())).collect());
    sql.add(")) AS t(s, r) ON t.s = n.nspname::text AND t.r = c.relname::text ORDER BY 1, 2, 3");
    let mut by_owner: BTreeMap<(String, bool, bool), Vec<Named>> = BTreeMap::new();
    for row in sql.all(connection).await? {
        let named = (row.try_get(1)?, row.try_get(2)?);
        by_owner.entry((row.try_get(0)?, row.try_get(3)?, row.try_get(4)?)).or_default().push(named);
    }
    for ((owner, has, superuser), tables) in by_owner {
        let (tables, owner) = (table_words(&tables), comment_name(&owner));
        let called = owner.clone().unwrap_or_else(|| "its owner".into());
        text.push_str(&if has {
            format!("-- {tables}: the role has what {called} has.\n")
        } else if superuser {
            format!(
                "-- {tables}: {called} owns it and is a superuser, in whose role one may do anything at all. Give it another owner\n\
                 -- first (ALTER TABLE ... OWNER TO ...), or run by hand what findings print.\n"
            )
        } else {
            let both = owner.zip(page.grantee.as_ref());
            let statement = commented(both.map(|(owner, role)| format!("GRANT {owner} TO {role};")));
            format!("-- {tables}: a superuser, or who may give {called} to others, runs: {statement}\n")
        });
    }
    Ok(text)
}
