-- src/engine/postgres/catalog/keys.rs

SELECT DISTINCT
ON (ao.amoprighttype) ao.amoprighttype::int8, n.nspname::text, o.oprname::text, CASE
  WHEN n.nspname <> 'pg_catalog' THEN ARRAY[format_type(o.oprleft, -1), format_type(o.oprright, -1)] END
FROM pg_opclass oc
JOIN pg_am am
ON am.oid = oc.opcmethod AND am.amname = 'btree'
JOIN pg_amop ao
ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
  AND ao.amopmethod = am.oid
JOIN pg_operator o
ON o.oid = ao.amopopr
JOIN pg_namespace n
ON n.oid = o.oprnamespace
WHERE oc.opcdefault AND oc.opcintype = $1::pg_catalog.int8::oid
  AND ao.amoplefttype = $2::pg_catalog.int8::oid
  AND ao.amoprighttype = ANY ($3::pg_catalog.int8[]::oid[])
ORDER BY ao.amoprighttype, o.oid;

SELECT con.conname::text, con.convalidated, con.confmatchtype = 'f', "left"(pg_get_constraintdef(con.oid),
    16384), n.nspname::text, c.relname::text, c.oid::int8, ARRAY(SELECT a.attname::text
  FROM unnest(con.conkey) WITH ORDINALITY k(n, i)
  JOIN pg_attribute a
  ON a.attrelid = con.conrelid AND a.attnum = k.n
  ORDER BY k.i), ARRAY(SELECT a.attname::text
  FROM unnest(con.confkey) WITH ORDINALITY k(n, i)
  JOIN pg_attribute a
  ON a.attrelid = con.confrelid AND a.attnum = k.n
  ORDER BY k.i), ARRAY(SELECT
    (SELECT s.nspname::text
    FROM pg_operator o
    JOIN pg_namespace s
    ON s.oid = o.oprnamespace
    WHERE o.oid = k.o)
  FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i)
  ORDER BY k.i), ARRAY(SELECT
    (SELECT o.oprname::text
    FROM pg_operator o
    WHERE o.oid = k.o)
  FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i)
  ORDER BY k.i), has_schema_privilege(n.oid, 'USAGE')
  AND
  (SELECT bool_and(has_column_privilege(c.oid, k, 'SELECT'))
  FROM unnest(con.conkey) k), rn.nspname::text, r.relname::text, r.oid::int8, r.oid IS NOT NULL
  AND EXISTS
  (SELECT
  FROM pg_partition_tree(r.oid) t
  JOIN pg_class f
  ON f.oid = t.relid
  WHERE f.relkind = 'f'), r.oid IS NOT NULL
  AND has_schema_privilege(rn.oid, 'USAGE')
  AND
  (SELECT bool_and(has_column_privilege(r.oid, a.attname::text, 'SELECT'))
  FROM pg_attribute a
  WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)), con.confrelid::int8, con.oid::int8,
  coalesce(NOT (to_jsonb(con) ->> 'conenforced')::bool, false), coalesce((to_jsonb(con) ->> 'conperiod')::bool,
    false), ARRAY(SELECT format_type(o.oprleft, -1)
  FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i)
  JOIN pg_operator o
  ON o.oid = k.o
  ORDER BY k.i), ARRAY(SELECT format_type(o.oprright, -1)
  FROM unnest(con.conpfeqop) WITH ORDINALITY k(o, i)
  JOIN pg_operator o
  ON o.oid = k.o
  ORDER BY k.i), EXISTS
  (SELECT
  FROM pg_trigger
  WHERE tgenabled NOT IN ('O', 'A'))
FROM pg_constraint con
JOIN pg_class c
ON c.oid = con.conrelid
JOIN pg_namespace n
ON n.oid = c.relnamespace
LEFT JOIN pg_class r
ON c.relispartition AND r.oid = pg_partition_root(c.oid)
LEFT JOIN pg_namespace rn
ON rn.oid = r.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
  AND (con.confrelid = $1::pg_catalog.int8::oid)
  AND con.oid > $2::pg_catalog.int8::oid
ORDER BY con.oid
LIMIT $3::pg_catalog.int8;

SELECT i.indrelid::int8, ARRAY(SELECT
    (SELECT a.attname::text
    FROM pg_attribute a
    WHERE a.attrelid = i.indrelid AND a.attnum = k.n)
  FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
  ORDER BY k.o)
FROM pg_index i
WHERE i.indisprimary AND i.indisvalid AND i.indrelid = ANY ($1::pg_catalog.int8[]::oid[]);

SELECT DISTINCT a.attname::text
FROM pg_constraint con
JOIN pg_constraint other
ON other.conrelid = con.conrelid AND other.contype = 'f'
  AND other.oid <> con.oid AND NOT other.conkey @> con.conkey
JOIN pg_attribute a
ON a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)
  AND a.attnum = ANY (other.conkey)
WHERE con.contype = 'f' AND cardinality(con.conkey) > 1
  AND con.conname::text = $1::pg_catalog.text
  AND con.conrelid = $2::pg_catalog.int8::oid
ORDER BY 1;

SELECT coalesce((SELECT k.names
    FROM
      (SELECT ARRAY(SELECT a.attname::text
        FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
        JOIN pg_attribute a
        ON a.attrelid = i.indrelid AND a.attnum = k.n
        WHERE k.o <= i.indnkeyatts - i.indisexclusion::int4
        ORDER BY k.o) AS names, i.indisprimary
      FROM pg_index i
      WHERE i.indisunique AND i.indisvalid AND i.indislive
        AND i.indpred IS NULL AND i.indexprs IS NULL
        AND i.indrelid = $1::pg_catalog.int8::oid) k
    WHERE $2::pg_catalog.text = ANY (k.names)
    ORDER BY cardinality(k.names), k.indisprimary DESC, k.names
    LIMIT 1), ARRAY[]::text[]), EXISTS
  (SELECT
  FROM pg_index i
  WHERE i.indisprimary AND i.indrelid = $3::pg_catalog.int8::oid);

SELECT c.relname::text, i.indpred IS NOT NULL
  OR i.indexprs IS NOT NULL, ARRAY(SELECT a.attname::text
  FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
  JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = k.n
  WHERE k.o <= i.indnkeyatts
  ORDER BY k.o), i.indimmediate, i.indnullsnotdistinct
FROM pg_index i
JOIN pg_class c
ON c.oid = i.indexrelid
WHERE i.indisunique AND i.indislive AND i.indrelid = $1::pg_catalog.int8::oid
ORDER BY c.relname;

SELECT n.nspname::text, c.relname::text, con.conname::text
FROM pg_constraint con
JOIN pg_class c
ON c.oid = con.conrelid
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
  AND con.confupdtype IN ('c', 'n', 'd') AND EXISTS
  (SELECT
  FROM pg_attribute a
  WHERE a.attrelid = con.confrelid AND a.attnum = ANY (con.confkey)
    AND a.attname::text = $1::pg_catalog.text)
  AND con.confrelid = $2::pg_catalog.int8::oid
ORDER BY 1, 2, 3;
