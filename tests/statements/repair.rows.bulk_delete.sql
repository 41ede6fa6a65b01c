-- src/engine/postgres/repair/rows/bulk_delete.rs

SELECT NOT EXISTS
  (SELECT
  FROM pg_trigger
  WHERE NOT tgisinternal AND tgrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::oid)
  AND NOT EXISTS
  (SELECT
  FROM pg_rewrite
  WHERE ev_class OPERATOR(pg_catalog.=) $2::pg_catalog.int8::oid);

/* row by row */ WITH d AS (DELETE
  FROM ONLY "public"."logs" AS c
  WHERE c.ctid OPERATOR(pg_catalog.>) CAST($1::pg_catalog.text AS pg_catalog.tid)
    AND EXISTS
    (SELECT
    FROM auth_consistency.step_keys l
    WHERE l.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
      AND l.step OPERATOR(pg_catalog.=) $3::pg_catalog.int8
      AND l.key OPERATOR(pg_catalog.=) c."user_id"::pg_catalog.text)
  RETURNING c."id", c."user_id", c."team"), n AS MATERIALIZED
  (SELECT pg_catalog.count(*) AS n
  FROM d), b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step,
      chunk, action, name, column_names)
  SELECT $4::pg_catalog.text, $5::pg_catalog.int8, $6::pg_catalog.text, $7::pg_catalog.text, $8::pg_catalog.int8,
    $9::pg_catalog.int8, $10::pg_catalog.text, $11::pg_catalog.text, NULL::pg_catalog.text[]
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS q (_ac_batch,
      _ac_new_key, "id", "user_id", "team")
  SELECT
    (SELECT b.batch
    FROM b), NULL::pg_catalog.text, d."id", d."user_id", d."team"
  FROM d
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."team")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h), a AS ( INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step,
      chunk, action, object, rows, plan_hash)
  SELECT $12::pg_catalog.text, $13::pg_catalog.int8, $14::pg_catalog.text, $15::pg_catalog.text, $16::pg_catalog.int8,
    $17::pg_catalog.int8, $18::pg_catalog.text, $19::pg_catalog.text, n.n, $20::pg_catalog.text
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING 1), s AS ( UPDATE auth_consistency.steps AS s
  SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = $21::pg_catalog.int8
  FROM n
  WHERE s.run OPERATOR(pg_catalog.=) $22::pg_catalog.text
    AND s.step OPERATOR(pg_catalog.=) $23::pg_catalog.int8
  RETURNING 1)
SELECT
  (SELECT n.n
  FROM n),
  (SELECT pg_catalog.count(*)
  FROM kept), k.key, coalesce(k.long, false),
  (SELECT b.batch
  FROM b),
  (SELECT pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
        0)::pg_catalog.text, ' ', $24::pg_catalog.text::pg_catalog.text)
  FROM kept)
FROM
  (SELECT 1) o
LEFT JOIN (
  SELECT CASE WHEN NOT k.long THEN k.key END AS key, k.long
  FROM (
    SELECT k.key, pg_catalog.octet_length(k.key) OPERATOR(pg_catalog.>) 1000 AS long
    FROM (
      SELECT DISTINCT c."user_id"::pg_catalog.text AS key
      FROM d c) k) k) k
ON true;

SELECT NOT EXISTS (
  SELECT
  FROM
    (SELECT CAST(k.key AS integer) AS "user_id"
    FROM pg_catalog.unnest($1::pg_catalog.text[]) k(key)) c
  WHERE NOT (EXISTS
      (SELECT
      FROM auth_consistency.step_keys l
      WHERE l.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
        AND l.step OPERATOR(pg_catalog.=) $3::pg_catalog.int8
        AND l.key OPERATOR(pg_catalog.=) c."user_id"::pg_catalog.text)
      AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0)));
