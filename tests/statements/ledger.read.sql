-- src/engine/postgres/ledger/read.rs

SELECT n.oid IS NOT NULL, CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
  ELSE has_schema_privilege(n.oid, 'USAGE')
  AND (has_schema_privilege(n.oid, 'CREATE')) END, n.oid IS NOT NULL
  AND has_schema_privilege(n.oid, 'USAGE') AND to_regclass('auth_consistency.layout') IS NOT NULL, coalesce(t.readable,
    true), coalesce(t.writable, true), EXISTS
  (SELECT
  FROM pg_event_trigger), current_user::text, current_database()::text
FROM
  (SELECT 1) one
LEFT JOIN pg_namespace n
ON n.nspname = 'auth_consistency'
LEFT JOIN LATERAL
  (SELECT bool_and(has_table_privilege(c.oid, 'SELECT')) AS readable, bool_and(has_table_privilege(c.oid,
        'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
      AND (c.relname NOT IN ('runs', 'steps', 'step_keys', 'batches')
        OR has_table_privilege(c.oid, 'DELETE'))) AS writable
  FROM pg_class c
  WHERE n.oid IS NOT NULL AND c.relnamespace = n.oid
    AND c.relkind = 'r') t
ON true;

SELECT coalesce(bool_or(system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text), false), count(*) > 0
FROM auth_consistency.runs
WHERE plan_hash = $4::pg_catalog.text;

SELECT (extract(epoch
    FROM max(at)) * 1000)::int8, action, object, sum(rows)::int8, max(plan_hash), run
FROM auth_consistency.audit
WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
GROUP BY run, step, action, object
ORDER BY max(id) DESC
LIMIT $4::pg_catalog.int8;

SELECT coalesce(max(id), 0)
FROM auth_consistency.audit
WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text;

SELECT run, plan_hash, generation
FROM auth_consistency.runs
WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND closed_at IS NULL AND plan_hash IS NOT NULL
  AND NOT EXISTS
  (SELECT
  FROM auth_consistency.runs other
  WHERE other.plan_hash OPERATOR(pg_catalog.=) runs.plan_hash
    AND other.run OPERATOR(pg_catalog.<>) runs.run)
ORDER BY opened_at DESC
LIMIT 1;

DELETE
FROM auth_consistency.runs
WHERE run OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT run
    FROM auth_consistency.runs
    WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
      AND (plan_hash IS NULL OR closed_at IS NOT NULL)
      AND NOT EXISTS
      (SELECT
      FROM auth_consistency.audit a
      WHERE a.run OPERATOR(pg_catalog.=) auth_consistency.runs.run)
      AND plan_hash IS NULL));

DELETE
FROM auth_consistency.step_keys
WHERE run OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT run
    FROM auth_consistency.runs
    WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
      AND (plan_hash IS NULL OR closed_at IS NOT NULL)));

DELETE
FROM auth_consistency.steps
WHERE run OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT run
    FROM auth_consistency.runs
    WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
      AND (plan_hash IS NULL OR closed_at IS NOT NULL)
      AND NOT EXISTS
      (SELECT
      FROM auth_consistency.audit a
      WHERE a.run OPERATOR(pg_catalog.=) auth_consistency.runs.run)
      AND plan_hash IS NULL));
