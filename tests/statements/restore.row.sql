-- src/engine/postgres/restore/row.rs

SELECT EXISTS
  (SELECT
  FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q, "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890"
    c
  WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
    AND c.ctid OPERATOR(pg_catalog.=) CAST($2::pg_catalog.text AS pg_catalog.tid)
    AND c."tokens_valid_after" OPERATOR(pg_catalog.=) (q._ac_new_key::pg_catalog.int8));

INSERT INTO "public"."likes" AS r ("id", "post_id")
SELECT q."id", q."post_id"
FROM "auth_consistency"."q_likes_2dde4ac8_b65bd9f9cea83e78" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
RETURNING r.tableoid::pg_catalog.int8, r.ctid::pg_catalog.text;

INSERT INTO "public"."logs" AS r ("id", "user_id", "team")
SELECT q."id", q."user_id", q."team"
FROM "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
RETURNING r.tableoid::pg_catalog.int8, r.ctid::pg_catalog.text;

UPDATE ONLY "public"."users" AS c
SET "tokens_valid_after" =
  (SELECT q."tokens_valid_after"
  FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
  WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)), "stamp" = q."stamp"
FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($2::pg_catalog.text AS pg_catalog.tid)
  AND c."id" OPERATOR("pg_catalog".=) CAST(q."id"::pg_catalog.text AS integer)
  AND c."stamp"::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key
  AND (c."tokens_valid_after"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) q."tokens_valid_after"::pg_catalog.text
    COLLATE pg_catalog."C" OR (c."tokens_valid_after"::pg_catalog.text IS NULL
      AND q."tokens_valid_after"::pg_catalog.text IS NULL))
RETURNING c.tableoid::pg_catalog.int8, c.ctid::pg_catalog.text;

UPDATE ONLY "public"."drafts" AS c
SET "post_id" = q."post_id"
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
  AND c."id" OPERATOR("pg_catalog".=) CAST(q."id"::pg_catalog.text AS integer)
  AND (c."post_id" IS NULL OR c."post_id"::pg_catalog.text OPERATOR(pg_catalog.=) q."post_id"::pg_catalog.text)
RETURNING c.tableoid::pg_catalog.int8, c.ctid::pg_catalog.text;

UPDATE ONLY "public"."logs" AS c
SET "user_id" = q."user_id"
FROM "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
  AND c."id" OPERATOR("pg_catalog".=) CAST(q."id"::pg_catalog.text AS integer)
  AND c."user_id"::pg_catalog.text OPERATOR(pg_catalog.=) q._ac_new_key
RETURNING c.tableoid::pg_catalog.int8, c.ctid::pg_catalog.text;

UPDATE ONLY "public"."users" AS c
SET "role" = q."role"
FROM "auth_consistency"."q_users_3ab2afaa_43af9056f4958dac" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)
  AND c."id" OPERATOR("pg_catalog".=) CAST(q."id"::pg_catalog.text AS integer)
RETURNING c.tableoid::pg_catalog.int8, c.ctid::pg_catalog.text;

UPDATE "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" AS q
SET _ac_restored_at = pg_catalog.clock_timestamp()
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid);
