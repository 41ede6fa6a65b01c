-- src/engine/postgres/rowset/session_keys.rs

UPDATE auth_consistency.steps
SET passed_key = $1::pg_catalog.text
WHERE run OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $3::pg_catalog.int8;

INSERT INTO auth_consistency.step_keys (run, step, key)
SELECT $1::pg_catalog.text, $2::pg_catalog.int8, k
FROM pg_catalog.unnest($3::pg_catalog.text[]) k;
