-- src/engine/postgres/ledger/remaps.rs

SELECT EXISTS
  (SELECT
  FROM pg_namespace n
  WHERE n.nspname = 'auth_consistency' AND has_schema_privilege(n.oid, 'USAGE'))
  AND to_regclass('auth_consistency.audit') IS NOT NULL;

SELECT run, step, sum(rows)::int8
FROM auth_consistency.audit
WHERE action IN ('Remap', 'Reassign') AND object = $1::pg_catalog.text
GROUP BY run, step;

SELECT to_regclass('auth_consistency.batches') IS NOT NULL;

SELECT b.run, b.step, bool_or(b.action = 'MoveId'), count(q._ac_restored_at), count(*)
FROM "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" q
JOIN auth_consistency.batches b
ON b.batch = q._ac_batch
WHERE b.action IN ('Remap', 'Reassign', 'MoveId')
GROUP BY b.run, b.step;

SELECT to_regclass('auth_consistency.remaps') IS NOT NULL;

SELECT run, step
FROM auth_consistency.remaps
WHERE object = $1::pg_catalog.text AND list = $2::pg_catalog.text
  AND shifted > 0;

SELECT name
FROM auth_consistency.quarantine
WHERE schema_name OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND table_name OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND pg_catalog.to_regclass(pg_catalog.format('auth_consistency.%I', name)) IS NOT NULL;

SELECT pg_catalog.to_regclass('auth_consistency.remaps') IS NOT NULL;

INSERT INTO auth_consistency.remaps (system_identifier, database_oid, run, step, object, list, shifted)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.int8, $5::pg_catalog.text,
    $6::pg_catalog.text, $7::pg_catalog.int8);
