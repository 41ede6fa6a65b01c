-- src/engine/postgres/repair/move_id.rs

SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
  OR p."id" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS integer) FOR UPDATE;

SELECT pg_catalog.count(*)
FROM ONLY "public"."logs" c
WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id");

/* row by row */
SELECT c."id"::pg_catalog.text
FROM ONLY "public"."logs" c
WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id") FOR UPDATE OF c;

/* row by row */
SELECT c."user_id"::pg_catalog.text, c."role"::pg_catalog.text
FROM ONLY "public"."roles" c
WHERE (CAST($1::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id") FOR UPDATE OF c;

WITH u AS (UPDATE ONLY "public"."users" AS c
  SET "id" = CASE WHEN c."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer) THEN CAST($2::pg_catalog.text
      AS integer) ELSE c."id" END
  WHERE c."id" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS integer)
  RETURNING 1), t0 AS (UPDATE ONLY "public"."logs" AS c
  SET "user_id" = CASE WHEN (CAST($4::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id")
    THEN CAST($5::pg_catalog.text AS integer)
    ELSE c."user_id" END
  WHERE (CAST($6::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id")
  RETURNING 1), t1 AS (UPDATE ONLY "public"."roles" AS c
  SET "user_id" = CASE WHEN (CAST($7::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id")
    THEN CAST($8::pg_catalog.text AS integer)
    ELSE c."user_id" END
  WHERE (CAST($9::pg_catalog.text AS integer) OPERATOR("pg_catalog".=) c."user_id")
  RETURNING 1)
SELECT
  (SELECT pg_catalog.count(*)
  FROM u),
  (SELECT pg_catalog.count(*)
  FROM t0),
  (SELECT pg_catalog.count(*)
  FROM t1);
