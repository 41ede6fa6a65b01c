-- src/engine/postgres/repair/accounts.rs

SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text) FOR UPDATE;

UPDATE ONLY "public"."users" AS p
SET "role" = CAST($1::pg_catalog.text AS pg_catalog.text), "is_active" = CAST($2::pg_catalog.text AS boolean)
WHERE p."id" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS integer);

UPDATE ONLY "public"."users" AS p
SET "hashed_password" = CAST($1::pg_catalog.text AS pg_catalog.text), "role" = CAST($2::pg_catalog.text
    AS pg_catalog.text), "is_active" = CAST($3::pg_catalog.text AS boolean)
WHERE p."id" OPERATOR("pg_catalog".=) CAST($4::pg_catalog.text AS integer);

SELECT true AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean),
    false) AND coalesce(p."role" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text),
    false)
FROM ONLY "public"."users" p
WHERE p."id" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS integer);
