-- src/engine/postgres/queries/grants.rs

SELECT DISTINCT n.nspname::text, c.relname::text
FROM pg_attrdef d
JOIN pg_depend dep
ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid
  AND dep.refclassid = 'pg_class'::regclass
JOIN pg_class c
ON c.oid = dep.refobjid AND c.relkind = 'S'
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE d.adrelid = $1::pg_catalog.int8::oid
ORDER BY 1, 2;
