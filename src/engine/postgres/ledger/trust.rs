//! Whether the schema `auth_consistency` is ours.
//!
//! Whoever may make schemas could make that one first, with a trigger or a view in it that runs as whoever
//! writes there, or with a right to read the copies. So it is held to what this program made: in each look
//! before anything is read from it, and in the transaction in which a run begins. That is read from the
//! catalog alone, which runs nobody's code. The same holds for event triggers of the database, which run with
//! whoever makes a table, and we do.

use sqlx::{PgConnection, Row};

use crate::{
    domain::{
        diagnose::trust::{LONGEST_MEND, untrusted},
        facts::{Distrust, Doubt},
    },
    engine::postgres::{
        hints::hints,
        observe::foreign,
        session::error::DatabaseError,
        sql::{Name, Relation, Sql},
        sql_name::{sql_name, sql_table},
    },
};

/// Doubts that are read at most; people mend one after the other.
const MOST: i64 = 50;

/// The columns of all layouts, as (table, column, type). A table of another name holds copies.
const COLUMNS: &[(&str, &[(&str, &str)])] = &[
    ("layout", &[("version", "bigint")]),
    (
        "claims",
        &[
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("user_table_oid", "bigint"),
            ("owner", "text"),
            ("owner_name", "text"),
            ("epoch", "bigint"),
            ("plan_serial", "bigint"),
            ("claimed_at", "timestamp with time zone"),
            ("operator", "text"),
            ("takes", "bigint"),
        ],
    ),
    (
        "runs",
        &[
            ("run", "text"),
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("owner", "text"),
            ("owner_name", "text"),
            ("generation", "bigint"),
            ("plan_hash", "text"),
            ("opened_at", "timestamp with time zone"),
            ("closed_at", "timestamp with time zone"),
        ],
    ),
    (
        "steps",
        &[
            ("run", "text"),
            ("step", "bigint"),
            ("action", "text"),
            ("schema_name", "text"),
            ("table_name", "text"),
            ("column_names", "text[]"),
            ("constraint_name", "text"),
            ("ceiling", "bigint"),
            ("done", "bigint"),
            ("chunk", "bigint"),
            ("passed_tid", "text"),
            ("passed_key", "text"),
        ],
    ),
    ("step_keys", &[("run", "text"), ("step", "bigint"), ("key", "text")]),
    (
        "audit",
        &[
            ("id", "bigint"),
            ("at", "timestamp with time zone"),
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("owner", "text"),
            ("run", "text"),
            ("step", "bigint"),
            ("chunk", "bigint"),
            ("action", "text"),
            ("object", "text"),
            ("rows", "bigint"),
            ("plan_hash", "text"),
            ("reset_token", "text"),
        ],
    ),
    (
        "batches",
        &[
            ("batch", "bigint"),
            ("at", "timestamp with time zone"),
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("owner", "text"),
            ("run", "text"),
            ("step", "bigint"),
            ("chunk", "bigint"),
            ("action", "text"),
            ("name", "text"),
            ("column_names", "text[]"),
            ("rows", "bigint"),
            ("digest", "text"),
        ],
    ),
    (
        "remaps",
        &[
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("run", "text"),
            ("step", "bigint"),
            ("object", "text"),
            ("list", "text"),
            ("shifted", "bigint"),
            ("at", "timestamp with time zone"),
        ],
    ),
    (
        "quarantine",
        &[
            ("name", "text"),
            ("schema_name", "text"),
            ("table_name", "text"),
            ("layout", "text"),
            ("created_at", "timestamp with time zone"),
        ],
    ),
    (
        "ended",
        &[
            ("system_identifier", "text"),
            ("database_oid", "bigint"),
            ("owner", "text"),
            ("run", "text"),
            ("step", "bigint"),
            ("cause", "text"),
            ("accounts", "text[]"),
            ("valid_after", "bigint"),
            ("at", "timestamp with time zone"),
            ("restored_at", "timestamp with time zone"),
        ],
    ),
];

/// What is there that this program does not make, with the names that end it. It is safe with the roles that are
/// the app, the owner of the user table among them, whose triggers run with this role's rights whenever an account is
/// repaired.
const DOUBTS: &str = "s AS (SELECT n.oid, n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname = 'auth_consistency'), \
     r AS MATERIALIZED (SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind, c.relowner, c.relacl, \
       c.relrowsecurity OR c.relforcerowsecurity AS secured FROM pg_class c JOIN s ON s.oid = c.relnamespace), \
     grants AS (SELECT 'SCHEMA' AS target, NULL AS name, a.grantee, NULL AS part \
         FROM s CROSS JOIN LATERAL aclexplode(s.nspacl) a \
       UNION SELECT CASE r.kind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, r.name, a.grantee, NULL \
         FROM r CROSS JOIN LATERAL aclexplode(r.relacl) a \
       UNION SELECT 'TABLE', r.name, a.grantee, t.attname::text FROM r \
         JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped \
         CROSS JOIN LATERAL aclexplode(t.attacl) a) \
     SELECT kind, name, whose, of_kind, part FROM ( \
       SELECT 1 AS n, 'Owner' AS kind, NULL AS name, pg_get_userbyid(s.nspowner)::text AS whose, NULL AS of_kind, NULL AS part FROM s \
         WHERE s.nspowner NOT IN (SELECT oid FROM app) \
       UNION ALL SELECT 2, 'Owner', r.name, pg_get_userbyid(r.relowner)::text, NULL, NULL FROM r \
         WHERE r.relowner NOT IN (SELECT oid FROM app) \
       UNION ALL SELECT 3, 'Kind', r.name, NULL, NULL, NULL FROM r WHERE r.kind NOT IN ('r', 'i', 'S') \
       UNION ALL SELECT 3, 'Kind', r.name, NULL, NULL, NULL FROM r JOIN pg_inherits h ON r.oid IN (h.inhrelid, h.inhparent) \
       UNION ALL SELECT 4, 'Kind', r.name, t.attname::text, NULL, NULL FROM r \
         JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped \
         LEFT JOIN known k ON k.name = r.name AND k.part = t.attname::text \
         WHERE r.kind = 'r' AND r.name IN (SELECT name FROM known) \
         AND k.type IS DISTINCT FROM format_type(t.atttypid, t.atttypmod) \
       UNION ALL SELECT 4, 'Kind', r.name, t.attname::text, NULL, NULL FROM r \
         JOIN pg_attribute t ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped \
         JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = t.attnum \
         WHERE t.attgenerated <> '' \
         OR pg_get_expr(d.adbin, d.adrelid) NOT IN ('clock_timestamp()', '0') \
       UNION ALL SELECT 5, 'Kind', r.name, c.conname::text, NULL, NULL FROM r JOIN pg_constraint c ON c.conrelid = r.oid \
         WHERE c.contype NOT IN ('p', 'u', 'f', 'n') OR c.contype = 'f' AND c.confrelid NOT IN (SELECT oid FROM r) \
       UNION ALL SELECT 5, 'Kind', r.name, x.relname::text, NULL, NULL FROM r JOIN pg_index i ON i.indrelid = r.oid \
         JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR EXISTS \
         (SELECT FROM unnest(i.indclass::oid[]) AS class(oid) JOIN pg_opclass o ON o.oid = class.oid \
          WHERE o.opcnamespace <> 'pg_catalog'::regnamespace) \
       UNION ALL SELECT 6, 'Code', r.name, g.tgname::text, 'TRIGGER', NULL \
         FROM r JOIN pg_trigger g ON g.tgrelid = r.oid AND NOT g.tgisinternal \
       UNION ALL SELECT 6, 'Code', r.name, w.rulename::text, 'RULE', NULL \
         FROM r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE r.kind = 'r' \
       UNION ALL SELECT 6, 'Code', r.name, p.polname::text, 'POLICY', NULL \
         FROM r JOIN pg_policy p ON p.polrelid = r.oid \
       UNION ALL SELECT 7, 'Hidden', r.name, NULL, NULL, NULL FROM r WHERE r.secured \
       UNION ALL SELECT 8, 'Key', r.name, n.nspname::text, h.relname::text, f.conname::text \
         FROM r JOIN pg_constraint f ON f.confrelid = r.oid AND f.contype = 'f' AND f.conparentid = 0 \
         JOIN pg_class h ON h.oid = f.conrelid JOIN pg_namespace n ON n.oid = h.relnamespace \
         WHERE f.conrelid NOT IN (SELECT oid FROM r) \
       UNION ALL SELECT 9, 'Grant', g.name, CASE WHEN g.grantee = 0 THEN NULL ELSE pg_get_userbyid(g.grantee)::text END, \
         g.target, g.part FROM grants g WHERE g.grantee NOT IN (SELECT oid FROM app) \
       UNION ALL SELECT 10, 'Event', e.evtname::text, pg_get_userbyid(CASE WHEN e.evtowner IN (SELECT oid FROM app) \
           THEN p.proowner ELSE e.evtowner END)::text, NULL, NULL \
         FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid \
         WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login' \
         AND (e.evtowner NOT IN (SELECT oid FROM app) OR p.proowner NOT IN (SELECT oid FROM app))) doubts \
     ORDER BY n, name NULLS FIRST, whose, of_kind, part LIMIT ";

/// Whether there may be anything of what [`DOUBTS`] tells, but for the types of columns: what is the role's own, and as
/// this program makes it, raises none, and most of the time it is. To plan the whole question takes a multiple of this.
const DOUBTFUL: &str = "SELECT coalesce(pg_get_userbyid(n.nspowner) <> current_user OR n.nspacl IS NOT NULL OR o.odd \
       OR EXISTS (SELECT FROM pg_event_trigger) \
       OR EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = ANY (o.oids) OR h.inhparent = ANY (o.oids)) \
       OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = ANY (o.oids) AND NOT g.tgisinternal) \
       OR EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = ANY (o.oids)) \
       OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = ANY (o.oids)) \
       OR EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid = ANY (o.oids) \
         AND pg_get_expr(d.adbin, d.adrelid) NOT IN ('clock_timestamp()', '0')) \
       OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = ANY (o.oids) AND a.attnum > 0 \
         AND (a.attacl IS NOT NULL OR a.attgenerated <> '')) \
       OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = ANY (o.oids) \
         AND (c.contype NOT IN ('p', 'u', 'f', 'n') OR c.contype = 'f' AND c.confrelid <> ALL (o.oids))) \
       OR EXISTS (SELECT FROM pg_constraint c WHERE c.confrelid = ANY (o.oids) AND c.contype = 'f' AND c.conrelid <> ALL (o.oids)) \
       OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = ANY (o.oids) AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL \
         OR EXISTS (SELECT FROM unnest(i.indclass::oid[]) AS class(oid) JOIN pg_opclass k ON k.oid = class.oid \
           WHERE k.opcnamespace <> 'pg_catalog'::regnamespace))), true) \
     FROM pg_namespace n CROSS JOIN LATERAL (SELECT array_agg(c.oid) AS oids, bool_or(c.relkind NOT IN ('r', 'i', 'S') \
         OR c.relowner <> n.nspowner OR c.relacl IS NOT NULL OR c.relrowsecurity OR c.relforcerowsecurity) AS odd \
       FROM pg_class c WHERE c.relnamespace = n.oid) o WHERE n.nspname = 'auth_consistency'";

/// Whether the whole question is to be asked.
async fn doubtful(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match Sql::new(DOUBTFUL).optional(connection).await? {
        Some(row) if !row.try_get::<bool, _>(0)? => {}
        _ => return Ok(true),
    }
    let mut sql = Sql::new(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_namespace n \
         JOIN pg_class c ON c.relnamespace = n.oid \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         WHERE n.nspname = 'auth_consistency' AND c.relkind = 'r' AND c.relname::text = ANY (",
    );
    sql.texts(COLUMNS.iter().map(|(table, _)| Some((*table).to_owned())).collect()).add(")");
    for row in sql.all(connection).await? {
        let (table, column): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let of: String = row.try_get(2)?;
        let columns = COLUMNS.iter().filter(|(name, _)| *name == table).flat_map(|(_, columns)| *columns);
        if !columns.into_iter().any(|(name, as_made)| *name == column && *as_made == of) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What of the schema is not ours, where it is there, and whose code would run when something is made in it. The path
/// must be the catalog's alone.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn observe(
    connection: &mut PgConnection,
    user_table: i64,
) -> Result<Vec<Distrust>, DatabaseError> {
    if !doubtful(connection).await? {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("WITH ");
    foreign::app(&mut sql, user_table);
    let (mut tables, mut columns, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for (table, all) in COLUMNS {
        for (column, type_name) in *all {
            tables.push(Some((*table).to_owned()));
            columns.push(Some((*column).to_owned()));
            types.push(Some((*type_name).to_owned()));
        }
    }
    sql.add(", known AS MATERIALIZED (SELECT * FROM ROWS FROM (unnest(").texts(tables);
    sql.add("), unnest(").texts(columns).add("), unnest(").texts(types).add(")) AS k(name, part, type)), ");
    sql.add(DOUBTS).integer(MOST);
    sql.all(connection)
        .await?
        .iter()
        .map(|row| {
            Ok(doubt(&Found {
                kind: row.try_get(0)?,
                table: row.try_get(1)?,
                whose: row.try_get(2)?,
                of_kind: row.try_get(3)?,
                part: row.try_get(4)?,
            }))
        })
        .collect()
}

/// What is there that this program does not make, as the catalog names it.
struct Found {
    kind: String,
    /// The table or sequence of the schema; the event trigger.
    table: Option<String>,
    /// The role, column, trigger; of a foreign key the schema that its table is in.
    whose: Option<String>,
    /// What a trigger or a grant is of; of a foreign key its table.
    of_kind: Option<String>,
    /// The column of a grant; the foreign key itself.
    part: Option<String>,
}

fn doubt(found: &Found) -> Distrust {
    let Found { kind, table, whose, of_kind, part } = found;
    let ours = || sql_table("auth_consistency", table.as_deref().unwrap_or_default());
    let named = whose.clone().unwrap_or_default();
    let of_kind = of_kind.as_deref().unwrap_or_default();
    let (doubt, mend) = match kind.as_str() {
        "Event" => {
            let name = table.clone().unwrap_or_default();
            let mend = format!("ALTER EVENT TRIGGER {} DISABLE", sql_name(&name));
            return Distrust {
                table: None,
                doubt: Doubt::EventTrigger { name, role: named },
                mend: Some(mend),
            };
        }
        "Owner" => (Doubt::Owner(named), None),
        "Code" => {
            let mend = format!("DROP {of_kind} {} ON {}", sql_name(&named), ours());
            (Doubt::Code(named), Some(mend))
        }
        "Hidden" => (
            Doubt::RowSecurity,
            Some(format!("ALTER TABLE {} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY", ours())),
        ),
        "Key" => {
            let theirs = sql_table(&named, of_kind);
            let key = sql_name(part.as_deref().unwrap_or_default());
            let mend = format!("ALTER TABLE {theirs} DROP CONSTRAINT {key}");
            (Doubt::Key(theirs), Some(mend))
        }
        "Grant" => {
            let columns = part.as_ref().map_or_else(String::new, |part| format!(" ({})", sql_name(part)));
            let on = if table.is_some() { ours() } else { sql_name("auth_consistency") };
            let from = whose.as_ref().map_or_else(|| "PUBLIC".to_owned(), |role| sql_name(role));
            let mend = format!("REVOKE ALL{columns} ON {of_kind} {on} FROM {from} CASCADE");
            (Doubt::Grant(whose.clone()), Some(mend))
        }
        _ => (Doubt::Shape(whose.clone()), None),
    };
    // What nobody could read to its end is not to be run; the whole schema is set aside then, which has a short name.
    let mend = mend.filter(|mend| mend.chars().count() <= LONGEST_MEND);
    Distrust { table: table.clone(), doubt, mend }
}

/// Goes on where the schema is ours, or not there.
///
/// # Errors
/// It is not ours, or the database fails.
pub(in crate::engine::postgres) async fn require(
    connection: &mut PgConnection,
    user_table: i64,
) -> Result<(), DatabaseError> {
    match untrusted(hints(), &observe(connection, user_table).await?) {
        None => Ok(()),
        Some(why) => Err(DatabaseError::LedgerUntrusted(why)),
    }
}

/// Takes back what default privileges gave away of all that this role has made in the schema; where it was
/// made just now, nobody can have used it.
///
/// # Errors
/// The database fails.
pub(in crate::engine::postgres) async fn keep_to_ourselves(
    connection: &mut PgConnection,
) -> Result<(), sqlx::Error> {
    let sql = Sql::new(
        "SELECT 0::pg_catalog.int8, NULL::pg_catalog.text, a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid, \
         pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text \
         FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a \
         WHERE n.nspname OPERATOR(pg_catalog.=) 'auth_consistency' AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner \
         AND pg_catalog.pg_get_userbyid(n.nspowner) OPERATOR(pg_catalog.=) CURRENT_USER \
         UNION SELECT 1, c.relname::pg_catalog.text, a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid, \
         pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a WHERE a.grantee OPERATOR(pg_catalog.<>) c.relowner \
         AND n.nspname OPERATOR(pg_catalog.=) 'auth_consistency' \
         AND pg_catalog.pg_get_userbyid(c.relowner) OPERATOR(pg_catalog.=) CURRENT_USER",
    );
    let schema = || Name::from_catalog("auth_consistency".into());
    for row in sql.all(connection).await? {
        let mut revoke = Sql::new("REVOKE ALL ON ");
        match row.try_get::<Option<String>, _>(1)? {
            Some(name) => revoke.add("TABLE ").relation(&Relation {
                schema: schema(),
                name: Name::from_catalog(name),
                partitioned: false,
            }),
            None => revoke.add("SCHEMA ").name(&schema()),
        };
        revoke.add(" FROM ");
        match row.try_get(2)? {
            true => revoke.add("PUBLIC"),
            false => revoke.name(&Name::from_catalog(row.try_get(3)?)),
        };
        revoke.execute(connection).await?;
    }
    Ok(())
}
