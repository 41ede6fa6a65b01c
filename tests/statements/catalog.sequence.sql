-- src/engine/postgres/catalog/sequence.rs

SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqmax, has_schema_privilege(n.oid, 'USAGE')
  AND has_sequence_privilege(c.oid, 'SELECT'), has_sequence_privilege(c.oid, 'UPDATE'), s.seqcycle, s.seqmin,
  s.seqcache, c.relpersistence <> 'p' AND pg_is_in_recovery()
FROM pg_attribute a
LEFT JOIN pg_attrdef d
ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_depend dep
ON (dep.classid = 'pg_class'::regclass AND dep.refclassid = 'pg_class'::regclass
    AND dep.refobjid = a.attrelid AND dep.refobjsubid = a.attnum
    AND dep.deptype IN ('a', 'i')) OR (dep.classid = 'pg_attrdef'::regclass
    AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass)
JOIN pg_class c
ON c.relkind = 'S' AND c.oid = CASE WHEN dep.classid = 'pg_attrdef'::regclass THEN dep.refobjid
  ELSE dep.objid END
JOIN pg_namespace n
ON n.oid = c.relnamespace
JOIN pg_sequence s
ON s.seqrelid = c.oid
WHERE a.attrelid = $1::pg_catalog.int8::oid
  AND a.attname::text = $2::pg_catalog.text
  AND (d.oid IS NULL OR pg_get_expr(d.adbin, d.adrelid) ~ '^\(?nextval\(''([^'']|'''')*''::regclass\)\)?(::[a-z ]+(\([0-9, ]+\))?)?$')
ORDER BY dep.classid = 'pg_attrdef'::regclass DESC
LIMIT 1;

SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqmax, has_schema_privilege(n.oid, 'USAGE')
  AND has_sequence_privilege(c.oid, 'SELECT'), has_sequence_privilege(c.oid, 'UPDATE'), s.seqcycle, s.seqmin,
  s.seqcache, c.relpersistence <> 'p' AND pg_is_in_recovery()
FROM pg_sequence s
JOIN pg_class c
ON c.oid = s.seqrelid
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'auth_consistency'
  AND NOT EXISTS
  (SELECT
  FROM pg_depend d
  WHERE (d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.deptype IN ('a', 'i', 'e')) OR (d.classid = 'pg_attrdef'::regclass
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid))
ORDER BY n.nspname::text, c.relname::text
LIMIT 200;

SELECT
  (SELECT CASE WHEN n.value OPERATOR(pg_catalog.>) $1::pg_catalog.int8
    AND n.cycle THEN $2::pg_catalog.int8 WHEN n.value OPERATOR(pg_catalog.<) $3::pg_catalog.int8
    AND n.cycle THEN $4::pg_catalog.int8 WHEN n.value OPERATOR(pg_catalog.>) 9223372036854775807 THEN
    9223372036854775807 WHEN n.value OPERATOR(pg_catalog.<) -9223372036854775808 THEN -9223372036854775808
    ELSE n.value::pg_catalog.int8 END
  FROM
    (SELECT s.last_value::pg_catalog.numeric OPERATOR(pg_catalog.+) CASE
      WHEN s.is_called THEN $5::pg_catalog.int8
      ELSE 0 END AS value, false AS cycle) n)
FROM "public"."users_id_seq" s;
