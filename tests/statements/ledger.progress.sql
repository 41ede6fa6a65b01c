-- src/engine/postgres/ledger/progress.rs

UPDATE auth_consistency.steps
SET done = done OPERATOR(pg_catalog.+) $1::pg_catalog.int8
WHERE run OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $3::pg_catalog.int8
RETURNING ceiling OPERATOR(pg_catalog.-) done;
