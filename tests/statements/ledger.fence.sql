-- src/engine/postgres/ledger/fence.rs

WITH l AS MATERIALIZED
  (SELECT pg_catalog.pg_try_advisory_xact_lock($1::pg_catalog.int8::pg_catalog.int4, $2::pg_catalog.int8::pg_catalog.int4)
    AS had), held AS MATERIALIZED (
  SELECT c.owner, c.epoch
  FROM auth_consistency.claims c, l
  WHERE l.had AND c.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
    AND c.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
    AND c.user_table_oid OPERATOR(pg_catalog.=) $5::pg_catalog.int8 FOR UPDATE OF c)
SELECT pg_catalog.set_config('statement_timeout', $6::pg_catalog.text, true),
  (SELECT l.had
  FROM l),
  (SELECT held.owner
  FROM held),
  (SELECT held.epoch
  FROM held), s.ceiling OPERATOR(pg_catalog.-) s.done, s.chunk, s.passed_tid, s.passed_key, CASE
  WHEN pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica' THEN pg_catalog.set_config('session_replication_role',
    'origin', true) END
FROM (SELECT) one
LEFT JOIN auth_consistency.steps s
ON s.run OPERATOR(pg_catalog.=) $7::pg_catalog.text
  AND s.step OPERATOR(pg_catalog.=) $8::pg_catalog.int8;

SELECT CASE WHEN pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica'
  THEN pg_catalog.set_config('session_replication_role', 'origin', true) END;

SELECT pg_catalog.pg_try_advisory_xact_lock($1::pg_catalog.int8::pg_catalog.int4, $2::pg_catalog.int8::pg_catalog.int4);
