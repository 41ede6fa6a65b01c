-- src/engine/postgres/repair/constraints.rs

SELECT convalidated, (pg_catalog.to_jsonb(con) OPERATOR(pg_catalog.->>) 'conenforced') OPERATOR(pg_catalog.=)
  'false'
FROM pg_catalog.pg_constraint con
WHERE contype OPERATOR(pg_catalog.=) 'f' AND conrelid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid
  AND confrelid OPERATOR(pg_catalog.=) $2::pg_catalog.int8::pg_catalog.oid
  AND conname::pg_catalog.text OPERATOR(pg_catalog.=) $3::pg_catalog.text;

SELECT EXISTS
  (SELECT
  FROM ONLY "public"."roles" c
  WHERE c."user_id" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"));
