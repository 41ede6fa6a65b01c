//! Columns that are called as those are that name users, and that nobody looks at: read from the catalog alone.

use crate::{
    api::report::ObjectRef,
    domain::{
        advise::account_names::AccountNames, diagnose::sessions::Mechanism, facts::Undeclared, target::Target,
    },
    engine::postgres::{catalog::resolved::ResolvedSchema, sql::Sql},
};

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

use crate::engine::postgres::catalog::declared::Place;

/// Names that are told.
const SAMPLE: i64 = 5;

/// Counts them: of types that an id can be held in, without a foreign key to any table, in tables and schemas that the role
/// may use. `taken` are the references that are in scope.
///
/// # Errors
/// The database fails.
pub(super) async fn observe(
    connection: &mut PgConnection,
    target: &Target,
    known: &ResolvedSchema,
    taken: &BTreeSet<Place>,
) -> Result<Undeclared, sqlx::Error> {
    let (alike, further) = known.id.comparable();
    let types = [alike, further].concat();
    let mut said: Vec<(String, String, Option<String>)> = Vec::new();
    for (schema, table, columns) in taken {
        said.extend(columns.iter().map(|column| (schema.clone(), table.clone(), Some(column.clone()))));
    }
    for rule in target.references.rules.iter().filter(|rule| rule.rule.declared || rule.rule.ignore) {
        let mut say = |column| said.push((rule.schema.clone(), rule.rule.table.clone(), column));
        match &rule.rule.columns {
            Some(columns) => columns.iter().cloned().map(Some).for_each(say),
            None => say(None),
        }
    }
    for means in target.sessions.iter().flat_map(|sessions| &sessions.ends) {
        if let Mechanism::Rows { schema, table, column, .. } = means {
            said.push((schema.clone(), table.clone(), Some(column.clone())));
        }
    }
    let mut sql = Sql::new("WITH said AS (SELECT s, t, c FROM ROWS FROM (unnest(");
    sql.texts(said.iter().map(|(schema, ..)| Some(schema.clone())).collect()).add("), unnest(");
    sql.texts(said.iter().map(|(_, table, _)| Some(table.clone())).collect()).add("), unnest(");
    sql.texts(said.iter().map(|(.., column)| column.clone()).collect());
    sql.add(
        ")) AS r(s, t, c)) SELECT n.nspname::text, c.relname::text, a.attname::text, count(*) OVER () \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type bt ON bt.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END \
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' \
         AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency') AND n.nspname !~ '^pg_(toast|temp)' \
         AND a.attidentity = '' AND a.attgenerated = '' AND bt.typname::text = ANY (",
    );
    sql.texts(types.iter().map(|name| Some((*name).to_owned())).collect());
    sql.add(") AND lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\\1_\\2', 'g')) ~ ");
    sql.text(AccountNames::of(&target.users.table).pattern());
    sql.add(
        " AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT') \
         AND NOT EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum \
                         AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%') \
         AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid AND a.attnum = ANY (k.conkey)) \
         AND NOT EXISTS (SELECT FROM said x WHERE x.s = n.nspname::text AND x.t = c.relname::text \
                         AND coalesce(x.c = a.attname::text, true)) \
         AND NOT (c.oid = ",
    );
    sql.integer(known.users.oid).add("::oid AND a.attname::text = ANY (");
    let own = [Some(&known.id), known.login.as_ref()];
    sql.texts(own.into_iter().flatten().map(|column| Some(column.name.as_str().to_owned())).collect());
    sql.add(")) ORDER BY 1, 2, a.attnum LIMIT ").integer(SAMPLE);
    let mut found = Undeclared::default();
    for row in sql.all(connection).await? {
        found.columns = row.try_get(3)?;
        found.sample.push(ObjectRef {
            schema: row.try_get(0)?,
            table: row.try_get(1)?,
            columns: vec![row.try_get(2)?],
            constraint: None,
        });
    }
    Ok(found)
}
