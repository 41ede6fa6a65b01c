-- src/engine/postgres/repair/rows/change.rs

WITH o AS MATERIALIZED (
  SELECT x.t, x.i, x.beside
  FROM (
    SELECT c.tableoid AS t, c.ctid AS i, (false
        OR (c."team" IS NOT NULL AND (pg_catalog.row_number() OVER (PARTITION BY c."team"
            ORDER BY c.tableoid, c.ctid) OPERATOR(pg_catalog.>) 1
            OR EXISTS
            (SELECT
            FROM ONLY "public"."logs" h
            WHERE h."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer)
              AND (h."team" OPERATOR("pg_catalog".=) c."team"))))) AS so, NULL::pg_catalog.text AS beside
    FROM ONLY "public"."logs" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($2::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0)) x
  WHERE x.so), n AS MATERIALIZED
  (SELECT pg_catalog.count(*) AS n
  FROM o), b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step,
      chunk, action, name, column_names)
  SELECT $3::pg_catalog.text, $4::pg_catalog.int8, $5::pg_catalog.text, $6::pg_catalog.text, $7::pg_catalog.int8,
    $8::pg_catalog.int8, $9::pg_catalog.text, $10::pg_catalog.text, NULL::pg_catalog.text[]
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS q (_ac_batch,
      _ac_new_key, "id", "user_id", "team")
  SELECT
    (SELECT b.batch
    FROM b), NULL::pg_catalog.text, c."id", c."user_id", c."team"
  FROM ONLY "public"."logs" c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."team")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h), changed AS (DELETE
  FROM ONLY "public"."logs" AS c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING true AS so, true AS same), a AS ( INSERT INTO auth_consistency.audit (system_identifier, database_oid,
      owner, run, step, chunk, action, object, rows, plan_hash)
  SELECT $11::pg_catalog.text, $12::pg_catalog.int8, $13::pg_catalog.text, $14::pg_catalog.text, $15::pg_catalog.int8,
    $16::pg_catalog.int8, $17::pg_catalog.text, $18::pg_catalog.text, n.n, $19::pg_catalog.text
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING 1), s AS ( UPDATE auth_consistency.steps AS s
  SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = $20::pg_catalog.int8
  FROM n
  WHERE s.run OPERATOR(pg_catalog.=) $21::pg_catalog.text
    AND s.step OPERATOR(pg_catalog.=) $22::pg_catalog.int8
  RETURNING 1)
SELECT
  (SELECT n.n
  FROM n),
  (SELECT pg_catalog.count(*)
  FROM kept),
  (SELECT pg_catalog.count(*)
  FROM changed),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.so),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.same),
  (SELECT b.batch
  FROM b),
  (SELECT pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
        0)::pg_catalog.text, ' ', $23::pg_catalog.text::pg_catalog.text)
  FROM kept);

WITH o AS MATERIALIZED (
  SELECT x.t, x.i, x.beside
  FROM (
    SELECT c.tableoid AS t, c.ctid AS i, true AS so, NULL::pg_catalog.text AS beside
    FROM ONLY "public"."logs" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($1::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0)) x
  WHERE x.so), n AS MATERIALIZED
  (SELECT pg_catalog.count(*) AS n
  FROM o), b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step,
      chunk, action, name, column_names)
  SELECT $2::pg_catalog.text, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text, $6::pg_catalog.int8,
    $7::pg_catalog.int8, $8::pg_catalog.text, $9::pg_catalog.text, NULL::pg_catalog.text[]
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS q (_ac_batch,
      _ac_new_key, "id", "user_id", "team")
  SELECT
    (SELECT b.batch
    FROM b), $10::pg_catalog.text, c."id", c."user_id", c."team"
  FROM ONLY "public"."logs" c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."team")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h), changed AS (UPDATE ONLY "public"."logs" AS c
  SET "user_id" = CAST($11::pg_catalog.text AS integer)
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING c."user_id" OPERATOR("pg_catalog".=) CAST($12::pg_catalog.text AS integer) AS so, true AS
    same), a AS ( INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step,
      chunk, action, object, rows, plan_hash)
  SELECT $13::pg_catalog.text, $14::pg_catalog.int8, $15::pg_catalog.text, $16::pg_catalog.text, $17::pg_catalog.int8,
    $18::pg_catalog.int8, $19::pg_catalog.text, $20::pg_catalog.text, n.n, $21::pg_catalog.text
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING 1), s AS ( UPDATE auth_consistency.steps AS s
  SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = $22::pg_catalog.int8
  FROM n
  WHERE s.run OPERATOR(pg_catalog.=) $23::pg_catalog.text
    AND s.step OPERATOR(pg_catalog.=) $24::pg_catalog.int8
  RETURNING 1)
SELECT
  (SELECT n.n
  FROM n),
  (SELECT pg_catalog.count(*)
  FROM kept),
  (SELECT pg_catalog.count(*)
  FROM changed),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.so),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.same),
  (SELECT b.batch
  FROM b),
  (SELECT pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
        0)::pg_catalog.text, ' ', $25::pg_catalog.text::pg_catalog.text)
  FROM kept);

WITH o AS MATERIALIZED (
  SELECT x.t, x.i, x.beside
  FROM (
    SELECT c.tableoid AS t, c.ctid AS i, true AS so, NULL::pg_catalog.text AS beside
    FROM ONLY "public"."posts" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($1::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0)) x
  WHERE x.so), n AS MATERIALIZED
  (SELECT pg_catalog.count(*) AS n
  FROM o), b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step,
      chunk, action, name, column_names)
  SELECT $2::pg_catalog.text, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text, $6::pg_catalog.int8,
    $7::pg_catalog.int8, $8::pg_catalog.text, $9::pg_catalog.text, NULL::pg_catalog.text[]
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_posts_a109cce5_04d91b4c29907009" AS q
      (_ac_batch, _ac_new_key, "id", "user_id", "title")
  SELECT
    (SELECT b.batch
    FROM b), NULL::pg_catalog.text, c."id", c."user_id", c."title"
  FROM ONLY "public"."posts" c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."title")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h), changed AS (DELETE
  FROM ONLY "public"."posts" AS c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING true AS so, true AS same), a AS ( INSERT INTO auth_consistency.audit (system_identifier, database_oid,
      owner, run, step, chunk, action, object, rows, plan_hash)
  SELECT $10::pg_catalog.text, $11::pg_catalog.int8, $12::pg_catalog.text, $13::pg_catalog.text, $14::pg_catalog.int8,
    $15::pg_catalog.int8, $16::pg_catalog.text, $17::pg_catalog.text, n.n, $18::pg_catalog.text
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING 1), s AS ( UPDATE auth_consistency.steps AS s
  SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = $19::pg_catalog.int8
  FROM n
  WHERE s.run OPERATOR(pg_catalog.=) $20::pg_catalog.text
    AND s.step OPERATOR(pg_catalog.=) $21::pg_catalog.int8
  RETURNING 1)
SELECT
  (SELECT n.n
  FROM n),
  (SELECT pg_catalog.count(*)
  FROM kept),
  (SELECT pg_catalog.count(*)
  FROM changed),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.so),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.same),
  (SELECT b.batch
  FROM b),
  (SELECT pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
        0)::pg_catalog.text, ' ', $22::pg_catalog.text::pg_catalog.text)
  FROM kept);

WITH o AS MATERIALIZED (
  SELECT x.t, x.i, x.beside
  FROM (
    SELECT c.tableoid AS t, c.ctid AS i, true AS so, NULL::pg_catalog.text AS beside
    FROM ONLY "public"."logs" c
    WHERE c.ctid OPERATOR(pg_catalog.=) ANY
      ((SELECT CAST($1::pg_catalog.text AS pg_catalog.tid[]))::pg_catalog.tid[])
      AND c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"
      OFFSET 0)) x
  WHERE x.so), n AS MATERIALIZED
  (SELECT pg_catalog.count(*) AS n
  FROM o), b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step,
      chunk, action, name, column_names)
  SELECT $2::pg_catalog.text, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text, $6::pg_catalog.int8,
    $7::pg_catalog.int8, $8::pg_catalog.text, $9::pg_catalog.text, NULL::pg_catalog.text[]
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS q (_ac_batch,
      _ac_new_key, "id", "user_id", "team")
  SELECT
    (SELECT b.batch
    FROM b), NULL::pg_catalog.text, c."id", c."user_id", c."team"
  FROM ONLY "public"."logs" c
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."team")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h), changed AS (UPDATE ONLY "public"."logs" AS c
  SET "user_id" = NULL
  WHERE c.ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT o.i
      FROM o))
  RETURNING c."user_id" IS NULL AS so, true AS same), a AS ( INSERT INTO auth_consistency.audit (system_identifier,
      database_oid, owner, run, step, chunk, action, object, rows, plan_hash)
  SELECT $10::pg_catalog.text, $11::pg_catalog.int8, $12::pg_catalog.text, $13::pg_catalog.text, $14::pg_catalog.int8,
    $15::pg_catalog.int8, $16::pg_catalog.text, $17::pg_catalog.text, n.n, $18::pg_catalog.text
  FROM n
  WHERE n.n OPERATOR(pg_catalog.>) 0
  RETURNING 1), s AS ( UPDATE auth_consistency.steps AS s
  SET done = s.done OPERATOR(pg_catalog.+) n.n, chunk = $19::pg_catalog.int8
  FROM n
  WHERE s.run OPERATOR(pg_catalog.=) $20::pg_catalog.text
    AND s.step OPERATOR(pg_catalog.=) $21::pg_catalog.int8
  RETURNING 1)
SELECT
  (SELECT n.n
  FROM n),
  (SELECT pg_catalog.count(*)
  FROM kept),
  (SELECT pg_catalog.count(*)
  FROM changed),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.so),
  (SELECT pg_catalog.count(*)
  FROM changed
  WHERE changed.same),
  (SELECT b.batch
  FROM b),
  (SELECT pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
        0)::pg_catalog.text, ' ', $22::pg_catalog.text::pg_catalog.text)
  FROM kept);
