-- src/engine/postgres/observe/ids.rs

SELECT max(p."id")::int8
FROM ONLY "public"."users" p
WHERE p."id" < $1::pg_catalog.int8;

SELECT pg_is_in_recovery();

SELECT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" = $1::pg_catalog.int8);

SELECT count(*)
FROM ONLY "public"."logs" c
WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id");

SELECT EXISTS
  (SELECT
  FROM ONLY "public"."logs" c
  WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id"));
