-- src/engine/postgres/queries/discover/other_tables.rs

SELECT n.nspname::text, c.relname::text, a.attname::text
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
JOIN pg_index i
ON i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1
JOIN pg_attribute a
ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency')
  AND EXISTS
  (SELECT
  FROM pg_attribute y
  WHERE y.attrelid = c.oid AND y.attnum > 0
    AND NOT y.attisdropped AND lower(regexp_replace(y.attname::text, '([a-z0-9])([A-Z])', '\1_\2', 'g'))
    = ANY ($1::pg_catalog.text[])) AND c.oid <> $2::pg_catalog.int8::oid
ORDER BY c.reltuples DESC, 1, 2
LIMIT $3::pg_catalog.int8;
