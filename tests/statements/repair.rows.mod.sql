-- src/engine/postgres/repair/rows/mod.rs

WITH n AS (UPDATE auth_consistency.batches AS b
  SET rows = k.n, digest = k.d
  FROM ROWS
  FROM (pg_catalog.unnest($1::pg_catalog.int8[]), pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[]))
    AS k(b, n, d)
  WHERE b.batch OPERATOR(pg_catalog.=) k.b) UPDATE auth_consistency.steps
SET passed_tid = $4::pg_catalog.text, passed_key = $5::pg_catalog.text
WHERE run OPERATOR(pg_catalog.=) $6::pg_catalog.text
  AND step OPERATOR(pg_catalog.=) $7::pg_catalog.int8;

SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
  AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS boolean), false) FOR
  SHARE;
