-- src/engine/postgres/repair/password.rs

SELECT pg_catalog."left"(p."hashed_password"::pg_catalog.text, 4096), NULL::pg_catalog.text, NULL::pg_catalog.text,
  coalesce(false, false)
FROM ONLY "public"."users" p
WHERE p."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer);
