-- src/engine/postgres/catalog/bounds.rs

SELECT k.name, CASE WHEN octet_length(k.condition) <= 32768 THEN k.condition END, k.known, k.known
  AND k.bound, k.columns
FROM
  (SELECT con.conname::text AS name, ARRAY(SELECT o.attname::text
    FROM pg_attribute o
    WHERE o.attrelid = con.conrelid AND o.attnum = ANY (con.conkey)) AS columns, CASE
    WHEN con.tree IS NOT NULL THEN pg_get_expr(con.conbin, con.conrelid) END AS condition, con.tree IS
    NOT NULL AND NOT EXISTS
    (SELECT
    FROM regexp_matches(con.tree, '[{]([A-Z_]+)', 'g') AS n(m)
    WHERE n.m[1] <> ALL (ARRAY[ 'VAR', 'CONST', 'OPEXPR', 'BOOLEXPR', 'SCALARARRAYOPEXPR', 'ARRAY', 'ARRAYEXPR',
        'NULLTEST', 'BOOLEANTEST', 'DISTINCTEXPR', 'CASE', 'CASEEXPR', 'WHEN', 'CASEWHEN', 'COALESCE',
        'COALESCEEXPR', 'RELABELTYPE', 'FUNCEXPR', 'COERCEVIAIO', 'ARRAYCOERCEEXPR', 'CASETESTEXPR']))
    AND NOT EXISTS
    (SELECT
    FROM regexp_matches(con.tree, ':(funcid|opno|consttype|resulttype) ([0-9]+)', 'g') AS n(m)
    WHERE CASE n.m[1] WHEN 'funcid' THEN NOT EXISTS
      (SELECT
      FROM pg_proc p
      WHERE p.oid = n.m[2]::oid AND p.oid < 16384
        AND p.provolatile = 'i') WHEN 'opno' THEN NOT EXISTS
      (SELECT
      FROM pg_operator o
      JOIN pg_proc p
      ON p.oid = o.oprcode
      WHERE o.oid = n.m[2]::oid AND o.oid < 16384
        AND p.oid < 16384 AND p.provolatile = 'i')
      ELSE n.m[2] <> ALL (ARRAY['16', '20', '21', '23', '25', '1042', '1043', '1700', '2950', '1005',
        '1007', '1009', '1015', '1016', '1231', '2951']) END)
    AND (cardinality(con.conkey) = 1 OR NOT EXISTS
      (SELECT
      FROM regexp_matches(con.tree, ':vartype ([0-9]+)', 'g') AS n(m)
      WHERE n.m[1]::int8 >= 16384)) AS known, NOT EXISTS
    (SELECT
    FROM regexp_matches(con.tree, '[{]([A-Z_]+)', 'g') AS n(m)
    WHERE n.m[1] <> ALL (ARRAY[ 'VAR', 'CONST', 'OPEXPR', 'BOOLEXPR', 'SCALARARRAYOPEXPR', 'ARRAY', 'ARRAYEXPR',
        'NULLTEST', 'BOOLEANTEST', 'DISTINCTEXPR', 'RELABELTYPE']))
    AND NOT EXISTS
    (SELECT
    FROM regexp_matches(con.tree, ':opno ([0-9]+)', 'g') AS n(m)
    WHERE NOT EXISTS
      (SELECT
      FROM pg_operator o
      WHERE o.oid = n.m[1]::oid AND o.oprname IN ('<', '<=', '=', '<>', '>=', '>')
        AND o.oprleft IN (20, 21, 23) AND o.oprright IN (20, 21, 23))) AS bound
  FROM
    (SELECT c.*, CASE WHEN octet_length(c.conbin::text) <= 1048576 THEN c.conbin::text END AS tree, coalesce((to_jsonb(c)
          ->> 'conenforced')::bool, true) AS enforced
    FROM pg_constraint c
    WHERE c.contype = 'c' AND c.conrelid = $1::pg_catalog.int8::oid) con
  JOIN pg_attribute a
  ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)
  WHERE con.enforced AND a.attname::text = $2::pg_catalog.text
  ORDER BY cardinality(con.conkey) > 1, 1
  LIMIT $3::pg_catalog.int8) k
ORDER BY cardinality(k.columns) > 1, k.name;

SELECT
  (SELECT coalesce(((id < 1000)), true)
  FROM
    (SELECT CAST(v.value AS pg_catalog.int4) AS "id") t)
FROM pg_catalog.unnest($1::pg_catalog.int8[]) WITH ORDINALITY AS v(value, at)
ORDER BY v.at;
