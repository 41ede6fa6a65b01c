-- src/engine/postgres/repair/move_id/crowded.rs

SELECT count(*)
FROM ONLY "public"."roles" c
WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id")
  AND EXISTS
  (SELECT
  FROM ONLY "public"."roles" h
  WHERE h."user_id" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS integer)
    AND (h."role" OPERATOR("pg_catalog".=) c."role"));
