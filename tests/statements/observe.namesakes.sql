-- src/engine/postgres/observe/namesakes.rs

SELECT c.relname::text, ARRAY(SELECT a.attname::text
  FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
  JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = k.n
  WHERE k.o <= i.indnkeyatts
  ORDER BY k.o), i.indexprs IS NOT NULL AND EXISTS
  (SELECT
  FROM pg_depend d
  JOIN pg_attribute a
  ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
    AND a.attname::text = $1::pg_catalog.text), "left"(pg_get_expr(i.indpred, i.indrelid), 200)
FROM pg_index i
JOIN pg_class c
ON c.oid = i.indexrelid
WHERE i.indisunique AND i.indisvalid AND i.indislive
  AND i.indrelid = $2::pg_catalog.int8::oid
ORDER BY c.relname;
