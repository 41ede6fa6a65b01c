-- src/engine/postgres/observe/scope/undeclared.rs

WITH said AS
  (SELECT s, t, c
  FROM ROWS
  FROM (unnest($1::pg_catalog.text[]), unnest($2::pg_catalog.text[]), unnest($3::pg_catalog.text[])) AS
    r(s, t, c))
SELECT n.nspname::text, c.relname::text, a.attname::text, count(*) OVER ()
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
JOIN pg_attribute a
ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t
ON t.oid = a.atttypid
JOIN pg_type bt
ON bt.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype
  ELSE t.oid END
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency')
  AND n.nspname !~ '^pg_(toast|temp)' AND a.attidentity = ''
  AND a.attgenerated = '' AND bt.typname::text = ANY ($4::pg_catalog.text[])
  AND lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\1_\2', 'g')) ~ $5::pg_catalog.text
  AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
  AND NOT EXISTS
  (SELECT
  FROM pg_attrdef d
  WHERE d.adrelid = c.oid AND d.adnum = a.attnum
    AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
  AND NOT EXISTS
  (SELECT
  FROM pg_constraint k
  WHERE k.contype = 'f' AND k.conrelid = c.oid
    AND a.attnum = ANY (k.conkey)) AND NOT EXISTS
  (SELECT
  FROM said x
  WHERE x.s = n.nspname::text AND x.t = c.relname::text
    AND coalesce(x.c = a.attname::text, true))
  AND NOT (c.oid = $6::pg_catalog.int8::oid
    AND a.attname::text = ANY ($7::pg_catalog.text[]))
ORDER BY 1, 2, a.attnum
LIMIT $8::pg_catalog.int8;
