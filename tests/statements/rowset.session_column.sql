-- src/engine/postgres/rowset/session_column.rs

SELECT has_column_privilege($1::pg_catalog.int8::oid, $2::pg_catalog.text, 'UPDATE');

SELECT CAST($1::pg_catalog.text AS pg_catalog.text)::text;

SELECT floor(extract(epoch
    FROM now()))::int8;

SELECT count(*) FILTER
  (WHERE (p."tokens_valid_after" IS NULL OR p."tokens_valid_after" OPERATOR(pg_catalog.<) ($1::pg_catalog.int8))),
  count(*) FILTER
  (WHERE (p."tokens_valid_after" IS NULL OR p."tokens_valid_after" OPERATOR(pg_catalog.<) ($2::pg_catalog.int8))
    AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS boolean), false)),
  coalesce(bool_or(p."tokens_valid_after" OPERATOR(pg_catalog.>) $4::pg_catalog.int8), false)
FROM ONLY "public"."users" p
JOIN ROWS
FROM (pg_catalog.unnest($5::pg_catalog.text[])) AS k(k0)
ON p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer);

SELECT count(*) FILTER
  (WHERE true), count(*) FILTER
  (WHERE true AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean),
      false)), false
FROM ONLY "public"."users" p
JOIN ROWS
FROM (pg_catalog.unnest($2::pg_catalog.text[])) AS k(k0)
ON p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer);
