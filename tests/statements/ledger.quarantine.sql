-- src/engine/postgres/ledger/quarantine.rs

SELECT name
FROM auth_consistency.quarantine
WHERE schema_name OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND table_name OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND layout OPERATOR(pg_catalog.=) $3::pg_catalog.text;

CREATE TABLE "auth_consistency"."q_likes_2dde4ac8_b65bd9f9cea83e78" (_ac_batch bigint NOT NULL, _ac_new_key
    pg_catalog.text, _ac_restored_at pg_catalog.timestamptz, "id" integer, "post_id" integer);

CREATE TABLE "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" (_ac_batch bigint NOT NULL, _ac_new_key
    pg_catalog.text, _ac_restored_at pg_catalog.timestamptz, "id" integer, "post_id" integer, "title"
    pg_catalog.text);

CREATE TABLE "auth_consistency"."q_users_3ab2afaa_43af9056f4958dac" (_ac_batch bigint NOT NULL, _ac_new_key
    pg_catalog.text, _ac_restored_at pg_catalog.timestamptz, "id" integer, "email" pg_catalog.text, "hashed_password"
    pg_catalog.text, "role" pg_catalog.text, "is_active" boolean);

CREATE TABLE "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" (_ac_batch bigint NOT NULL, _ac_new_key
    pg_catalog.text, _ac_restored_at pg_catalog.timestamptz, "id" integer, "email" pg_catalog.text, "hashed_password"
    pg_catalog.text, "role" pg_catalog.text, "is_active" boolean, "tokens_valid_after" bigint, "stamp"
    pg_catalog.text);

CREATE TABLE "auth_consistency"."q_sessions_77362a21_e257a25115819ab4" (_ac_batch bigint NOT NULL, _ac_new_key
    pg_catalog.text, _ac_restored_at pg_catalog.timestamptz, "token" pg_catalog.text, "user_id" pg_catalog.text);

INSERT INTO auth_consistency.quarantine (name, schema_name, table_name, layout)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text);

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.text[]
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_bd7dae96cd895251" AS q (_ac_batch,
      _ac_new_key, "id", "user_id")
  SELECT
    (SELECT b.batch
    FROM b), $10::pg_catalog.text, c."id", c."user_id"
  FROM ONLY "public"."logs" c
  JOIN ROWS
  FROM (pg_catalog.unnest($11::pg_catalog.text[])) AS k(k0)
  ON c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8 AS
    h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $12::pg_catalog.text::pg_catalog.text)
FROM kept;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.text[]
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_users_3ab2afaa_43af9056f4958dac" AS q
      (_ac_batch, _ac_new_key, "id", "email", "hashed_password", "role", "is_active")
  SELECT
    (SELECT b.batch
    FROM b), $10::pg_catalog.text, c."id", c."email", c."hashed_password", c."role", c."is_active"
  FROM ONLY "public"."users" c
  JOIN ROWS
  FROM (pg_catalog.unnest($11::pg_catalog.text[])) AS k(k0)
  ON c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."email", q."hashed_password", q."role", q."is_active")::pg_catalog.text, 'UTF8')),
            'hex'), 16)) AS bit(64))::pg_catalog.int8 AS h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $12::pg_catalog.text::pg_catalog.text)
FROM kept;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.text[]
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_roles_d780bdbd_f600b8297860f656" AS q
      (_ac_batch, _ac_new_key, "user_id", "role")
  SELECT
    (SELECT b.batch
    FROM b), $10::pg_catalog.text, c."user_id", c."role"
  FROM ONLY "public"."roles" c
  JOIN ROWS
  FROM (pg_catalog.unnest($11::pg_catalog.text[]), pg_catalog.unnest($12::pg_catalog.text[])) AS k(k0,
      k1)
  ON c."user_id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
    AND c."role" OPERATOR("pg_catalog".=) CAST(k.k1 AS pg_catalog.text)
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."user_id",
                  q."role")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8 AS h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $13::pg_catalog.text::pg_catalog.text)
FROM kept;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, NULL::pg_catalog.text[]
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" AS q (_ac_batch,
      _ac_new_key, "id", "user_id", "team")
  SELECT
    (SELECT b.batch
    FROM b), $9::pg_catalog.text, c."id", c."user_id", c."team"
  FROM ONLY "public"."logs" c
  JOIN ROWS
  FROM (pg_catalog.unnest($10::pg_catalog.text[])) AS k(k0)
  ON c."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."id",
                  q."user_id", q."team")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8
    AS h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $11::pg_catalog.text::pg_catalog.text)
FROM kept;

WITH b AS (INSERT INTO auth_consistency.batches (system_identifier, database_oid, owner, run, step, chunk,
      action, name, column_names)
  SELECT $1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, NULL::pg_catalog.text[]
  RETURNING batch), kept AS ( INSERT INTO "auth_consistency"."q_sessions_77362a21_e257a25115819ab4" AS
    q (_ac_batch, _ac_new_key, "token", "user_id")
  SELECT
    (SELECT b.batch
    FROM b), $9::pg_catalog.text, c."token", c."user_id"
  FROM ONLY "public"."sessions" c
  JOIN ROWS
  FROM (pg_catalog.unnest($10::pg_catalog.text[])) AS k(k0)
  ON c."token" OPERATOR("pg_catalog".=) CAST(k.k0 AS pg_catalog.text)
  RETURNING CAST(pg_catalog.concat('x', pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(ROW(q."token",
                  q."user_id")::pg_catalog.text, 'UTF8')), 'hex'), 16)) AS bit(64))::pg_catalog.int8 AS
    h)
SELECT pg_catalog.count(*),
  (SELECT b.batch
  FROM b), pg_catalog.concat(pg_catalog.current_setting('TimeZone'), ' ', coalesce(pg_catalog.sum(kept.h),
      0)::pg_catalog.text, ' ', $11::pg_catalog.text::pg_catalog.text)
FROM kept;

UPDATE auth_consistency.batches AS b
SET rows = k.n, digest = k.d
FROM ROWS
FROM (pg_catalog.unnest($1::pg_catalog.int8[]), pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.text[]))
  AS k(b, n, d)
WHERE b.batch OPERATOR(pg_catalog.=) k.b;

SELECT s.column_names
FROM auth_consistency.steps s
WHERE s.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND s.step OPERATOR(pg_catalog.=) $2::pg_catalog.int8;

UPDATE "auth_consistency"."q_users_3ab2afaa_43af9056f4958dac" AS q
SET _ac_new_key = (
  SELECT pg_catalog.jsonb_build_object($1::pg_catalog.text::pg_catalog.text, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
            c."hashed_password"::pg_catalog.text, 'UTF8')), 'hex'))::pg_catalog.text
  FROM ONLY "public"."users" c
  WHERE c."id" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS integer))
FROM auth_consistency.batches b
WHERE b.batch OPERATOR(pg_catalog.=) q._ac_batch
  AND b.run OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.step OPERATOR(pg_catalog.=) $4::pg_catalog.int8;

SELECT pg_catalog.to_regclass('auth_consistency.batches') IS NOT NULL;

SELECT q.name, q.schema_name, q.table_name
FROM auth_consistency.quarantine q
WHERE EXISTS (
  SELECT
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n
  ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE n.nspname OPERATOR(pg_catalog.=) 'auth_consistency'
    AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) q.name)
ORDER BY q.schema_name, q.table_name, q.created_at;
