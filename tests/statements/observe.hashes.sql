-- src/engine/postgres/observe/hashes.rs

SELECT (coalesce(sum(pg_catalog.pg_relation_size(t.relid)), 0) / pg_catalog.current_setting('block_size')::int8)::int8
FROM
  (SELECT $1::pg_catalog.int8::oid::regclass AS relid
  UNION
  SELECT relid
  FROM pg_catalog.pg_partition_tree($2::pg_catalog.int8::oid::regclass)) t;

SELECT pg_catalog."left"(p."hashed_password"::pg_catalog.text, 4096), NULL::pg_catalog.text, NULL::pg_catalog.text,
  coalesce(false, false)
FROM ONLY "public"."users" p
WHERE p."hashed_password" IS NOT NULL AND p."hashed_password"::pg_catalog.text <> ''
  AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean), false)
  AND coalesce(NOT (p."email" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text)),
    true)
ORDER BY pg_catalog.hashtext(p."id"::pg_catalog.text)
LIMIT $3::pg_catalog.int8;
