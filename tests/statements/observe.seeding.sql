-- src/engine/postgres/observe/seeding.rs

SELECT a.attname::text, n.nspname::text, c.relname::text
FROM pg_attrdef d
JOIN pg_attribute a
ON a.attrelid = d.adrelid AND a.attnum = d.adnum
JOIN pg_depend dep
ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid
  AND dep.refclassid = 'pg_class'::regclass
JOIN pg_class c
ON c.oid = dep.refobjid
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE')
  AND NOT has_sequence_privilege(c.oid, 'UPDATE') END
  AND d.adrelid = $1::pg_catalog.int8::oid
ORDER BY 1, 2, 3;
