-- src/engine/postgres/restore/lineage.rs

SELECT pg_catalog.count(DISTINCT ROW(b.run, b.step)) OPERATOR(pg_catalog.>) 1
FROM auth_consistency.batches b
WHERE (b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    OR b.action OPERATOR(pg_catalog.=) 'MoveId'
    AND b.batch OPERATOR(pg_catalog.>) (
    SELECT pg_catalog.min(f.batch)
    FROM auth_consistency.batches f
    WHERE f.run OPERATOR(pg_catalog.=) $2::pg_catalog.text))
  AND b.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $4::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $5::pg_catalog.int8
  AND b.name OPERATOR(pg_catalog.=) ANY ($6::pg_catalog.text[]);

SELECT pg_catalog.count(DISTINCT ROW(b.run, b.step)) OPERATOR(pg_catalog.>) 1
FROM auth_consistency.batches b
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND b.name OPERATOR(pg_catalog.=) ANY ($5::pg_catalog.text[]);

SELECT DISTINCT
ON (b.run, b.step) b.step, b.batch, b.name, b.column_names[1], b.run
FROM auth_consistency.batches b
WHERE (b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    OR b.action OPERATOR(pg_catalog.=) 'MoveId'
    AND b.batch OPERATOR(pg_catalog.>) (
    SELECT pg_catalog.min(f.batch)
    FROM auth_consistency.batches f
    WHERE f.run OPERATOR(pg_catalog.=) $2::pg_catalog.text))
  AND b.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $4::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $5::pg_catalog.int8
  AND b.action OPERATOR(pg_catalog.=) 'MoveId'
ORDER BY b.run, b.step, b.batch;

SELECT DISTINCT
ON (b.run, b.step) b.step, b.batch, b.name, b.column_names[1], b.run
FROM auth_consistency.batches b
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND b.action OPERATOR(pg_catalog.=) 'MoveId'
ORDER BY b.run, b.step, b.batch;

/* row by row */
SELECT b.batch, b.step, b.action, coalesce(b.column_names, s.column_names, ARRAY[]::pg_catalog.text[]),
  q.ctid::pg_catalog.text, q._ac_restored_at IS NOT NULL, q._ac_new_key, ARRAY[q."id"::pg_catalog.text],
  CASE WHEN b.action OPERATOR(pg_catalog.=) 'MoveId' THEN ARRAY[NULL::pg_catalog.text] END, b.run
FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
LEFT JOIN auth_consistency.steps s
ON s.run OPERATOR(pg_catalog.=) b.run AND s.step OPERATOR(pg_catalog.=) b.step
WHERE (b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    OR b.action OPERATOR(pg_catalog.=) 'MoveId'
    AND b.batch OPERATOR(pg_catalog.>) (
    SELECT pg_catalog.min(f.batch)
    FROM auth_consistency.batches f
    WHERE f.run OPERATOR(pg_catalog.=) $2::pg_catalog.text))
  AND b.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $4::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $5::pg_catalog.int8
ORDER BY b.batch, q.ctid;

/* row by row */
SELECT b.batch, b.step, b.action, coalesce(b.column_names, s.column_names, ARRAY[]::pg_catalog.text[]),
  q.ctid::pg_catalog.text, q._ac_restored_at IS NOT NULL, q._ac_new_key, ARRAY[q."id"::pg_catalog.text],
  CASE WHEN b.action OPERATOR(pg_catalog.=) 'MoveId' THEN ARRAY[NULL::pg_catalog.text] END, b.run
FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
LEFT JOIN auth_consistency.steps s
ON s.run OPERATOR(pg_catalog.=) b.run AND s.step OPERATOR(pg_catalog.=) b.step
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
ORDER BY b.batch, q.ctid;

SELECT DISTINCT n.name
FROM auth_consistency.batches b
CROSS JOIN LATERAL pg_catalog.unnest(b.column_names) n(name)
WHERE (b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    OR b.action OPERATOR(pg_catalog.=) 'MoveId'
    AND b.batch OPERATOR(pg_catalog.>) (
    SELECT pg_catalog.min(f.batch)
    FROM auth_consistency.batches f
    WHERE f.run OPERATOR(pg_catalog.=) $2::pg_catalog.text))
  AND b.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $4::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $5::pg_catalog.int8
  AND b.action OPERATOR(pg_catalog.=) 'MoveId'
  AND b.name OPERATOR(pg_catalog.=) $6::pg_catalog.text
ORDER BY 1;

SELECT DISTINCT n.name
FROM auth_consistency.batches b
CROSS JOIN LATERAL pg_catalog.unnest(b.column_names) n(name)
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND b.action OPERATOR(pg_catalog.=) 'MoveId'
  AND b.name OPERATOR(pg_catalog.=) $5::pg_catalog.text
ORDER BY 1;
