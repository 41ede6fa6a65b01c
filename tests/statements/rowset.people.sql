-- src/engine/postgres/rowset/people.rs

/* row by row */
SELECT p."id"::pg_catalog.text, CASE WHEN pg_catalog.octet_length(CAST(p."email" AS pg_catalog.text)::pg_catalog.text)
  OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(CAST(p."email" AS pg_catalog.text)::pg_catalog.text,
      100), '... (', pg_catalog.octet_length(CAST(p."email" AS pg_catalog.text)::pg_catalog.text), ' bytes, sha256 ',
    pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(CAST(p."email" AS pg_catalog.text)::pg_catalog.text,
          'UTF8')), 'hex'), ')') ELSE CAST(p."email" AS pg_catalog.text)::pg_catalog.text END, true
  AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean), false)
FROM ONLY "public"."users" p
WHERE p."id" IS NOT NULL
LIMIT $2::pg_catalog.int8;
