-- src/engine/postgres/restore/step.rs

/* row by row */
SELECT q.ctid::pg_catalog.text, pg_catalog.left(pg_catalog.concat_ws(', ', NULL, q."id"::pg_catalog.text),
    200)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND b.step OPERATOR(pg_catalog.=) $5::pg_catalog.int8
  AND b.action OPERATOR(pg_catalog.=) $6::pg_catalog.text
  AND q._ac_restored_at IS NULL
ORDER BY b.batch, q.ctid;
