//! The user table, and whether it can be used.

use std::{collections::BTreeMap, sync::Arc};

use sqlx::{Connection, PgConnection, Row};

use crate::{
    api::{report::ObjectRef, shared::ColumnCondition},
    domain::{
        facts::schema::{DatabaseIdentity, SchemaFault, UserTable},
        target::Target,
    },
    engine::postgres::{
        catalog::{self, Found, Table, bounds, resolved::ResolvedSchema},
        ledger::trust,
        observe::{hashes, user_table, values},
        session::{
            error::{DatabaseError, unusable_users},
            server,
            transaction::prepare,
        },
        sql::Sql,
    },
};

/// The user table, and every column that the spec names of it.
pub(in crate::engine::postgres) async fn users(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Result<(ResolvedSchema, UserTable), SchemaFault>, DatabaseError> {
    let known = match named(connection, target).await? {
        Ok(known) => known,
        Err(fault) => return Ok(Err(fault)),
    };
    if let Some(fault) = values::unfit(connection, target, &known).await? {
        return Ok(Err(fault));
    }
    Ok(user_table::facts(connection, target, &known).await?.map(|facts| (known, facts)))
}

/// Which right it is that the role lacks to read the user table: that on the schema, that on the table, or that on
/// some of its columns.
async fn unreadable(
    connection: &mut PgConnection,
    target: &Target,
    table: &Table,
    object: &ObjectRef,
) -> Result<String, sqlx::Error> {
    let mut sql = Sql::new(
        "SELECT has_schema_privilege(c.relnamespace, 'USAGE'), has_table_privilege(c.oid, 'SELECT'), \
         has_any_column_privilege(c.oid, 'SELECT'), ARRAY(SELECT a.attname::text FROM pg_attribute a \
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
           AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum LIMIT 20) \
         FROM pg_class c WHERE c.oid = ",
    );
    sql.integer(table.oid).add("::oid");
    let row = sql.one(connection).await?;
    let (usage, whole, some): (bool, bool, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let hidden: Vec<String> = row.try_get(3)?;
    let (schema, name) = (&target.users.schema, object.describe());
    let lacks = match (usage, whole, some) {
        (false, true, _) => format!(
            "the role may not use the schema {schema} (it lacks USAGE), so that it cannot read {name}"
        ),
        (false, ..) => format!("the role may neither use the schema {schema} (USAGE) nor SELECT from {name}"),
        (true, _, true) => {
            format!("the role may SELECT only some columns of {name}, and not {}", hidden.join(", "))
        }
        _ => format!("the role may not SELECT from {name}"),
    };
    Ok(format!("{lacks}: run what `auth-consistency grants` prints"))
}

/// What the user table is called, and every column that the spec names of it.
pub(in crate::engine::postgres) async fn named(
    connection: &mut PgConnection,
    target: &Target,
) -> Result<Result<ResolvedSchema, SchemaFault>, DatabaseError> {
    let spec = &target.users;
    let table = match catalog::find_table(connection, &spec.schema, &spec.table).await? {
        Found::Table(table) => user_table::of_app(*table),
        Found::Other(kind) => return Ok(Err(SchemaFault::NotATable { kind: kind.into() })),
        Found::Nothing(alike) => return Ok(Err(SchemaFault::TableMissing { alike })),
    };
    let object = ObjectRef { schema: spec.schema.clone(), table: spec.table.clone(), ..ObjectRef::default() };
    if !table.select {
        let why = unreadable(connection, target, &table, &object).await?;
        return Ok(Err(SchemaFault::NotReadable { why }));
    }
    if let Some(fault) = user_table::refused(target, &table) {
        return Ok(Err(fault));
    }
    let column = |name: &str, field: &str| {
        table.column(name).cloned().ok_or_else(|| SchemaFault::ColumnMissing {
            column: name.to_owned(),
            field: field.to_owned(),
            there: table.columns.iter().map(|column| column.name.as_str().to_owned()).collect(),
        })
    };
    let optional =
        |name: &Option<String>, field: &str| name.as_ref().map(|name| column(name, field)).transpose();
    let resolved = (|| {
        let subject = target
            .jwt
            .as_ref()
            .map(|jwt| column(&jwt.subject_column, "spec.jwt.subjectColumn"))
            .transpose()?;
        let conditions = |list: &[ColumnCondition], field: &str| {
            list.iter()
                .map(|one| Ok((column(&one.column, field)?, one.clone())))
                .collect::<Result<Vec<_>, SchemaFault>>()
        };
        Ok((
            column(&spec.id_column, "spec.users.idColumn")?,
            optional(&spec.login_column, "spec.users.loginColumn")?,
            (
                optional(&spec.password_column, "spec.users.passwordColumn")?,
                optional(&spec.salt_column, "spec.users.saltColumn")?,
                optional(&spec.algorithm_column, "spec.users.algorithmColumn")?,
            ),
            subject,
            conditions(&spec.active_when, "spec.users.activeWhen")?,
            target
                .kept()
                .map(|one| {
                    let field = format!("{}.columns", one.field());
                    Ok((one.account().map(str::to_owned), conditions(&one.columns, &field)?))
                })
                .collect::<Result<_, SchemaFault>>()?,
        ))
    })();
    let (id, login, (password, salt, algorithm), subject, active_when, columns) = match resolved {
        Ok(resolved) => resolved,
        Err(fault) => return Ok(Err(fault)),
    };
    if id.equality.is_none() {
        return Ok(Err(SchemaFault::IdNotComparable { id_type: id.declared_type.as_str().to_owned() }));
    }
    let (sequence, untold) = catalog::giver(connection, table.oid, id.name.as_str()).await?.parts();
    let (takes, first_id, last_id) = bounds::of(connection, &table, &id, sequence.as_ref()).await?;
    let id_key = catalog::id_key(connection, table.oid, &id.name).await?;
    let beside = hashes::beside(&table, [&Some(id.clone()), &login, &password, &algorithm], salt.as_ref());
    Ok(Ok(ResolvedSchema {
        beside,
        users: Arc::new(table),
        id,
        login,
        password,
        salt,
        algorithm,
        samples: BTreeMap::new(),
        subject,
        active_when,
        columns,
        narrowed: BTreeMap::new(),
        active_decides: false,
        id_key,
        sequence,
        untold,
        first_id,
        last_id,
        takes,
        kept: Arc::default(),
        references: Vec::new(),
        passive: Vec::new(),
        identities: None,
        identity: DatabaseIdentity { system: String::new(), database: 0 },
        ours: false,
    }))
}

/// The user table's names and this database's identity, without a look at any reference.
///
/// # Errors
/// The user table cannot be used, our own schema is not ours, or the database fails.
pub async fn known(connection: &mut PgConnection, target: &Target) -> Result<ResolvedSchema, DatabaseError> {
    let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    prepare(&mut transaction, target.timeout).await?;
    let (server, _) = server::of(&mut transaction).await?;
    let found = users(&mut transaction, target).await?;
    if let Ok((known, _)) = &found {
        trust::require(&mut transaction, known.users.oid).await?;
    }
    transaction.rollback().await?;
    match found {
        Ok((known, _)) => Ok(ResolvedSchema { identity: server.identity, ours: true, ..known }),
        Err(_) => Err(unusable_users()),
    }
}
