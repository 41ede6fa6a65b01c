-- src/engine/postgres/ledger/integrity.rs

/* row by row */
SELECT q._ac_batch, pg_catalog.count(*), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ',
    coalesce(pg_catalog.sum(q.h), 0)::pg_catalog.text, ' ', $1::pg_catalog.text::pg_catalog.text)
FROM
  (SELECT q._ac_batch, CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."email")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8 AS
    h
  FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
  WHERE q._ac_batch OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.int8[])) q
GROUP BY q._ac_batch;

/* row by row */
SELECT q._ac_batch, pg_catalog.count(*), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ',
    coalesce(pg_catalog.sum(q.h), 0)::pg_catalog.text, ' ', $1::pg_catalog.text::pg_catalog.text)
FROM
  (SELECT q._ac_batch, CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."email", q."hashed_password")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h
  FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
  WHERE q._ac_batch OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.int8[])) q
GROUP BY q._ac_batch;

SELECT pg_catalog.set_config('TimeZone', $1::pg_catalog.text, true);

/* row by row */
SELECT b.batch, b.step, b.action, b.rows, b.digest
FROM auth_consistency.batches b
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8
  AND b.owner OPERATOR(pg_catalog.=) $4::pg_catalog.text;

/* row by row */
SELECT s.step, coalesce((
    SELECT pg_catalog.sum(a.rows)
    FROM auth_consistency.audit a
    WHERE a.run OPERATOR(pg_catalog.=) s.run AND a.step OPERATOR(pg_catalog.=) s.step
      AND a.system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND a.database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND a.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text), 0)::pg_catalog.int8
FROM auth_consistency.steps s
WHERE NOT EXISTS
  (SELECT
  FROM auth_consistency.audit a
  WHERE a.run OPERATOR(pg_catalog.=) s.run AND a.action OPERATOR(pg_catalog.=) 'Restore')
  AND s.run OPERATOR(pg_catalog.=) $4::pg_catalog.text;

SELECT EXISTS (
  SELECT
  FROM auth_consistency.audit p
  WHERE p.action OPERATOR(pg_catalog.=) 'Purge'
    AND p.id OPERATOR(pg_catalog.>) coalesce((
      SELECT pg_catalog.min(a.id)
      FROM auth_consistency.audit a
      WHERE a.run OPERATOR(pg_catalog.=) $1::pg_catalog.text), 0));
