-- src/engine/postgres/observe/move_preview.rs

SELECT pg_catalog.count(*)
FROM ONLY "public"."logs" c
WHERE ((CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id"));
