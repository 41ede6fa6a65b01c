-- src/engine/postgres/observe/constraints.rs

SELECT pg_has_role(c.relowner, 'USAGE'), pg_get_userbyid(c.relowner)::text,
  (SELECT has_table_privilege(p.oid, 'REFERENCES')
  FROM pg_class p
  WHERE p.oid = $1::pg_catalog.int8::oid)
FROM pg_class c
WHERE c.oid = $2::pg_catalog.int8::oid;

SELECT EXISTS
  (SELECT
  FROM pg_constraint
  WHERE conrelid = $1::pg_catalog.int8::oid
    AND conname::text = $2::pg_catalog.text), EXISTS
  (SELECT
  FROM pg_index i
  JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indisunique AND i.indisvalid AND i.indimmediate
    AND i.indpred IS NULL AND i.indnkeyatts = 1
    AND i.indrelid = $3::pg_catalog.int8::oid
    AND a.attname::text = $4::pg_catalog.text);
