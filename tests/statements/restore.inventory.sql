-- src/engine/postgres/restore/inventory.rs

SELECT b.run, b.step, b.action, count(*), count(q._ac_restored_at), to_char(min(b.at) AT TIME ZONE 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS"Z"'), b.system_identifier || '/' || b.database_oid || '/' || b.owner, coalesce(b.column_names,
    (SELECT s.column_names
    FROM auth_consistency.steps s
    WHERE s.run = b.run AND s.step = b.step)), min(b.batch)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
GROUP BY b.run, b.step, b.action, b.column_names, 7;

/* row by row */
SELECT b.action, (q._ac_restored_at IS NOT NULL)::text, left(q."id"::pg_catalog.text, 1000), left(q."post_id"::pg_catalog.text,
    1000)
FROM "auth_consistency"."q_likes_2dde4ac8_b65bd9f9cea83e78" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
ORDER BY b.batch, q.ctid
LIMIT $3::pg_catalog.int8;

/* row by row */
SELECT b.action, (q._ac_restored_at IS NOT NULL)::text, left(q."id"::pg_catalog.text, 1000), left(q."post_id"::pg_catalog.text,
    1000), left(q."title"::pg_catalog.text, 1000)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
ORDER BY b.batch, q.ctid
LIMIT $3::pg_catalog.int8;

/* row by row */
SELECT b.action, (q._ac_restored_at IS NOT NULL)::text, left(q."id"::pg_catalog.text, 1000), left(q."stamp"::pg_catalog.text,
    1000), left(q."tokens_valid_after"::pg_catalog.text, 1000), left(q."email"::pg_catalog.text, 1000),
  left(q."role"::pg_catalog.text, 1000), left(q."is_active"::pg_catalog.text, 1000)
FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
ORDER BY b.batch, q.ctid
LIMIT $3::pg_catalog.int8;

SELECT DISTINCT c
FROM auth_consistency.steps s
CROSS JOIN unnest(s.column_names) c
WHERE s.run = $1::pg_catalog.text AND s.schema_name = $2::pg_catalog.text
  AND s.table_name = $3::pg_catalog.text
ORDER BY 1;
