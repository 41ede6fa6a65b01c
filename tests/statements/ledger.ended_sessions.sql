-- src/engine/postgres/ledger/ended_sessions.rs

SELECT coalesce((
    SELECT has_table_privilege(c.oid, 'SELECT')
    FROM pg_class c
    JOIN pg_namespace n
    ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'auth_consistency'
      AND has_schema_privilege(n.oid, 'USAGE') AND c.relname::text OPERATOR(pg_catalog.=) $1::pg_catalog.text),
    false);

SELECT b.cause, b.accounts, b.restored_at IS NOT NULL
FROM auth_consistency.ended b
WHERE b.system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND b.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text;

SELECT min(floor(extract(epoch
      FROM b.opened_at))::int8)
FROM auth_consistency.runs b
JOIN auth_consistency.steps s
ON s.run OPERATOR(pg_catalog.=) b.run
WHERE b.closed_at IS NULL AND b.plan_hash IS NOT NULL
  AND s.action OPERATOR(pg_catalog.=) 'EndSessions'
  AND s.passed_key OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8
  AND b.owner OPERATOR(pg_catalog.=) $4::pg_catalog.text;

/* row by row */
SELECT b.run, b.step, b.batch, b.name
FROM auth_consistency.batches b
JOIN auth_consistency.quarantine q
ON q.name OPERATOR(pg_catalog.=) b.name
WHERE b.action OPERATOR(pg_catalog.=) 'MoveId'
  AND q.schema_name OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND q.table_name OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND b.owner OPERATOR(pg_catalog.=) $5::pg_catalog.text
  AND b.at OPERATOR(pg_catalog.>) (clock_timestamp() OPERATOR(pg_catalog.-) make_interval(secs => $6::pg_catalog.int8::float8))
ORDER BY b.batch;

UPDATE auth_consistency.steps
SET done = done OPERATOR(pg_catalog.+) $1::pg_catalog.int8, chunk = $2::pg_catalog.int8
WHERE run OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $4::pg_catalog.int8;

UPDATE auth_consistency.steps
SET ceiling = done
WHERE run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $2::pg_catalog.int8;

SELECT pg_catalog.to_regclass('auth_consistency.ended') IS NOT NULL;

INSERT INTO auth_consistency.ended (system_identifier, database_oid, owner, run, step, cause, accounts,
    valid_after)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.text, $7::pg_catalog.text[], $8::pg_catalog.int8);

UPDATE auth_consistency.ended
SET restored_at = pg_catalog.clock_timestamp()
WHERE run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8;
