-- src/engine/postgres/repair/seed.rs

SELECT pg_catalog.count(*)
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text);

INSERT INTO "public"."users" AS p ("email", "hashed_password", "role", "is_active")
VALUES (CAST($1::pg_catalog.text AS pg_catalog.text), CAST($2::pg_catalog.text AS pg_catalog.text), CAST($3::pg_catalog.text
      AS pg_catalog.text), CAST($4::pg_catalog.text AS boolean))
RETURNING p."id"::pg_catalog.text;
