-- src/engine/postgres/repair/rows/cascades/victims.rs

/* row by row */
SELECT x.i::pg_catalog.text, x.t::pg_catalog.text
FROM
  (SELECT d.tableoid AS t, d.ctid AS i
  FROM ONLY "public"."drafts" d
  WHERE EXISTS
    (SELECT
    FROM ONLY "public"."posts" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($1::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."id" OPERATOR("pg_catalog".=) d."post_id")
  ORDER BY d.ctid FOR UPDATE OF d) x;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.text[]
  RETURNING batch), kept AS (INSERT INTO "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" AS q
      (_ac_batch, "id", "post_id", "title")
  SELECT
    (SELECT b.batch
    FROM b), d."id", d."post_id", d."title"
  FROM ONLY "public"."drafts" d
  WHERE d.ctid OPERATOR(pg_catalog.=) ANY
    ((SELECT CAST($10::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
    AND EXISTS
    (SELECT
    FROM ONLY "public"."posts" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($11::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."id" OPERATOR("pg_catalog".=) d."post_id"
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."post_id", q."title")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $12::pg_catalog.text::pg_catalog.text)
FROM kept;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, NULL::pg_catalog.text[]
  RETURNING batch), kept AS (INSERT INTO "auth_consistency"."q_likes_2dde4ac8_b65bd9f9cea83e78" AS q (_ac_batch,
      "id", "post_id")
  SELECT
    (SELECT b.batch
    FROM b), d."id", d."post_id"
  FROM ONLY "public"."likes" d
  WHERE d.ctid OPERATOR(pg_catalog.=) ANY
    ((SELECT CAST($9::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
    AND EXISTS
    (SELECT
    FROM ONLY "public"."posts" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($10::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."id" OPERATOR("pg_catalog".=) d."post_id"
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."post_id")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8 AS
    h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $11::pg_catalog.text::pg_catalog.text)
FROM kept;

SELECT pg_catalog.count(*)
FROM ONLY "public"."drafts" d
WHERE d.ctid OPERATOR(pg_catalog.=) ANY
  ((SELECT CAST($1::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[]);

SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER
  (WHERE true)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN ONLY "public"."drafts" d
ON d."id" OPERATOR("pg_catalog".=) q."id"
  AND d."post_id" IS NULL
WHERE q._ac_batch OPERATOR(pg_catalog.=) $1::pg_catalog.int8;
