-- src/engine/postgres/restore/repeats.rs

SELECT EXISTS
  (SELECT
  FROM ONLY "public"."logs" c
  WHERE c."user_id" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"));
