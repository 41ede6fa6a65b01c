-- src/engine/postgres/observe/in_the_way.rs

SELECT con.conname::text, ARRAY(SELECT a.attname::text
  FROM pg_attribute a
  WHERE a.attrelid = con.conrelid AND a.attnum > 0
    AND (a.attnum = ANY (con.conkey) OR EXISTS
      (SELECT
      FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = con.conindid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = con.conrelid
        AND d.refobjsubid = a.attnum))), ARRAY(SELECT pg_get_indexdef(con.conindid, k.at::int, true)
  FROM generate_subscripts(con.conexclop, 1) k(at)
  ORDER BY k.at), ARRAY(SELECT n.nspname::text
  FROM unnest(con.conexclop) WITH ORDINALITY k(op, at)
  JOIN pg_operator o
  ON o.oid = k.op
  JOIN pg_namespace n
  ON n.oid = o.oprnamespace
  ORDER BY k.at), ARRAY(SELECT o.oprname::text
  FROM unnest(con.conexclop) WITH ORDINALITY k(op, at)
  JOIN pg_operator o
  ON o.oid = k.op
  ORDER BY k.at)
FROM pg_constraint con
JOIN pg_index i
ON i.indexrelid = con.conindid
WHERE con.contype = 'x' AND NOT con.condeferrable
  AND i.indpred IS NULL AND NOT EXISTS
  (SELECT
  FROM unnest(con.conexclop) op
  WHERE op >= 16384) AND NOT EXISTS
  (SELECT
  FROM regexp_matches(i.indexprs::text, ':(funcid|opno|consttype|resulttype|vartype|funcresulttype) ([0-9]+)',
      'g') AS n(m)
  WHERE n.m[2]::int8 >= 16384) AND con.conrelid = $1::pg_catalog.int8::oid
ORDER BY con.conname;
