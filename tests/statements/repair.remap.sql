-- src/engine/postgres/repair/remap.rs

DELETE
FROM ONLY "public"."logs" AS c
USING ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[])) AS k(k0)
WHERE c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer);

/* row by row */
SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
JOIN pg_catalog.unnest($1::pg_catalog.text[]) AS n(id)
ON p."id" OPERATOR("pg_catalog".=) CAST(n.id AS integer)
ORDER BY n.id FOR SHARE OF p;

/* row by row */
SELECT m.old_id, c."id"::pg_catalog.text
FROM ONLY "public"."logs" c
JOIN ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
  WITH ORDINALITY AS m(old_id, new_id, shifted, n)
ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
  AND CASE WHEN m.shifted::pg_catalog.bool THEN true
  ELSE c."user_id" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END
JOIN ROWS
FROM (pg_catalog.unnest($4::pg_catalog.text[])) AS k(k0)
ON c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer);

/* row by row */
SELECT m.old_id, c."id"::pg_catalog.text
FROM ONLY "public"."logs" c
JOIN ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
  WITH ORDINALITY AS m(old_id, new_id, shifted, n)
ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
  AND CASE WHEN m.shifted::pg_catalog.bool THEN true
  ELSE c."user_id" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END
ORDER BY c."id"
LIMIT $4::pg_catalog.int8 FOR UPDATE OF c;

UPDATE ONLY "public"."logs" AS c
SET "user_id" = CAST(m.new_id AS integer)
FROM ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[])) AS k(k0), ROWS
FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]), pg_catalog.unnest($4::pg_catalog.text[]))
  WITH ORDINALITY AS m(old_id, new_id, shifted, n)
WHERE CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
  AND c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer);

UPDATE "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS c
SET _ac_new_key = CAST(m.new_id AS integer)::pg_catalog.text
FROM ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
  WITH ORDINALITY AS m(old_id, new_id, shifted, n)
WHERE CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
  AND c._ac_batch OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.batch
    FROM auth_consistency.batches b
    WHERE b.run OPERATOR(pg_catalog.=) $4::pg_catalog.text
      AND b.step OPERATOR(pg_catalog.=) $5::pg_catalog.int8
      AND b.action OPERATOR(pg_catalog.=) 'Remap'));

SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER
  (WHERE ROW(r."id", r."team")::pg_catalog.text OPERATOR(pg_catalog.=) ROW(c."id", c."team")::pg_catalog.text)
FROM ONLY "public"."logs" r
JOIN "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" c
ON r."user_id"::pg_catalog.text OPERATOR(pg_catalog.=) c._ac_new_key
  AND r."id"::pg_catalog.text OPERATOR(pg_catalog.=) c."id"::pg_catalog.text
WHERE true AND c._ac_batch OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT b.batch
    FROM auth_consistency.batches b
    WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND b.step OPERATOR(pg_catalog.=) $2::pg_catalog.int8
      AND b.action OPERATOR(pg_catalog.=) 'Remap'));
