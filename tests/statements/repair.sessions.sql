-- src/engine/postgres/repair/sessions.rs

SELECT floor(extract(epoch
    FROM opened_at))::int8
FROM auth_consistency.runs
WHERE run = $1::pg_catalog.text;

/* row by row */
SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE (p."tokens_valid_after" IS NULL OR p."tokens_valid_after" OPERATOR(pg_catalog.<) ($1::pg_catalog.int8))
  AND p."id" OPERATOR("pg_catalog".=) ANY
  (SELECT CAST(k.key AS integer)
  FROM auth_consistency.step_keys k
  WHERE k.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
    AND k.step OPERATOR(pg_catalog.=) $3::pg_catalog.int8)
LIMIT $4::pg_catalog.int8 FOR UPDATE OF p;

/* row by row */
SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE NOT EXISTS
  (SELECT
  FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
  WHERE q."id" OPERATOR("pg_catalog".=) p."id"
    AND q._ac_batch OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.batch
      FROM auth_consistency.batches b
      JOIN auth_consistency.runs r
      ON r.run OPERATOR(pg_catalog.=) b.run
      JOIN auth_consistency.steps s
      ON s.run OPERATOR(pg_catalog.=) b.run AND s.step OPERATOR(pg_catalog.=) b.step
      WHERE r.closed_at IS NULL AND b.action OPERATOR(pg_catalog.=) 'EndSessions'
        AND s.passed_key OPERATOR(pg_catalog.=) $1::pg_catalog.text
        AND b.system_identifier OPERATOR(pg_catalog.=) $2::pg_catalog.text
        AND b.database_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8
        AND b.owner OPERATOR(pg_catalog.=) $4::pg_catalog.text)))
  AND p."id" OPERATOR("pg_catalog".=) ANY
  (SELECT CAST(k.key AS integer)
  FROM auth_consistency.step_keys k
  WHERE k.run OPERATOR(pg_catalog.=) $5::pg_catalog.text
    AND k.step OPERATOR(pg_catalog.=) $6::pg_catalog.int8)
LIMIT $7::pg_catalog.int8 FOR UPDATE OF p;

WITH u AS (UPDATE ONLY "public"."users" AS p
  SET "tokens_valid_after" = ($1::pg_catalog.int8)
  FROM ROWS
  FROM (pg_catalog.unnest($2::pg_catalog.text[])) AS k(k0)
  WHERE p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  RETURNING p."tokens_valid_after" OPERATOR(pg_catalog.=) ($3::pg_catalog.int8) AS so)
SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER
  (WHERE u.so)
FROM u;

WITH u AS (UPDATE ONLY "public"."users" AS p
  SET "stamp" = pg_catalog.translate(pg_catalog.gen_random_uuid()::pg_catalog.text, '-', '')
  FROM ROWS
  FROM (pg_catalog.unnest($1::pg_catalog.text[])) AS k(k0)
  WHERE p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  RETURNING p."id"::pg_catalog.text AS id, p."stamp"::pg_catalog.text AS now), c AS (UPDATE "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890"
    AS q
  SET _ac_new_key = u.now
  FROM u, auth_consistency.batches b
  WHERE b.batch OPERATOR(pg_catalog.=) q._ac_batch
    AND b.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
    AND b.step OPERATOR(pg_catalog.=) $3::pg_catalog.int8
    AND b.chunk OPERATOR(pg_catalog.=) $4::pg_catalog.int8
    AND q."id"::pg_catalog.text OPERATOR(pg_catalog.=) u.id
  RETURNING u.now IS NOT NULL AND (q."stamp" IS NULL
      OR q."stamp"::pg_catalog.text OPERATOR(pg_catalog.<>) u.now) AS so)
SELECT
  (SELECT pg_catalog.count(*)
  FROM u), pg_catalog.count(*) FILTER
  (WHERE c.so)
FROM c;
