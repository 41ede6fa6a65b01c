-- src/engine/postgres/catalog/plain.rs

SELECT a.attrelid::int8, a.attname::text, format_type(a.atttypid, a.atttypmod), format_type(a.atttypid,
    -1), a.atttypid::int8, t.typname::text, a.attnotnull, a.atthasdef
  OR a.attidentity <> '', a.attgenerated::text, a.attidentity = 'a', a.attcollation::int8
FROM pg_attribute a
JOIN pg_type t
ON t.oid = a.atttypid
WHERE a.attnum > 0 AND NOT a.attisdropped
  AND a.attrelid = ANY ($1::pg_catalog.int8[]::oid[])
ORDER BY a.attrelid, a.attnum;
