-- src/engine/postgres/search/statistics.rs

WITH r AS MATERIALIZED
  (SELECT *
  FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[], $3::pg_catalog.int8[], $4::pg_catalog.int8[],
      $5::pg_catalog.text[], $6::pg_catalog.text[]) WITH ORDINALITY AS r(child, parent, child_type, parent_type,
      child_column, parent_column, n)), sizes AS MATERIALIZED
  (SELECT t.oid, sum(CASE WHEN l.reltuples > 0
      AND l.relpages > 0 THEN l.reltuples / l.relpages
      ELSE 60 END * (pg_relation_size(l.oid) / current_setting('block_size')::int8))::float8 AS rows,
    count(*)::float8 AS leaves
  FROM
    (SELECT child AS oid
    FROM r
    UNION
    SELECT parent
    FROM r) t
  CROSS JOIN LATERAL
    (SELECT t.oid::oid AS leaf
    WHERE NOT EXISTS
      (SELECT
      FROM pg_partitioned_table q
      WHERE q.partrelid = t.oid::oid)
    UNION ALL
    SELECT p.relid
    FROM pg_partition_tree(t.oid::oid::regclass) p
    WHERE p.isleaf AND p.relid <> t.oid::oid) p
  JOIN pg_class l
  ON l.oid = p.leaf
  GROUP BY t.oid), orders AS MATERIALIZED
  (SELECT t.child_type, t.parent_type, oc.opcfamily,
    (SELECT ARRAY[n.nspname::text, o.oprname::text]
    FROM pg_amop a
    JOIN pg_operator o
    ON o.oid = a.amopopr
    JOIN pg_namespace n
    ON n.oid = o.oprnamespace
    WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 5
      AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.parent_type::oid) AS above_key,
    (SELECT ARRAY[n.nspname::text, o.oprname::text]
    FROM pg_amop a
    JOIN pg_operator o
    ON o.oid = a.amopopr
    JOIN pg_namespace n
    ON n.oid = o.oprnamespace
    WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 1
      AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.parent_type::oid) AS below_key,
    (SELECT ARRAY[n.nspname::text, o.oprname::text]
    FROM pg_amop a
    JOIN pg_operator o
    ON o.oid = a.amopopr
    JOIN pg_namespace n
    ON n.oid = o.oprnamespace
    WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 5
      AND a.amoplefttype = t.child_type::oid AND a.amoprighttype = t.child_type::oid) AS above,
    (SELECT ARRAY[n.nspname::text, o.oprname::text]
    FROM pg_amop a
    JOIN pg_operator o
    ON o.oid = a.amopopr
    JOIN pg_namespace n
    ON n.oid = o.oprnamespace
    WHERE a.amopfamily = oc.opcfamily AND a.amopstrategy = 3
      AND a.amoplefttype = t.parent_type::oid AND a.amoprighttype = t.child_type::oid) AS equal
  FROM
    (SELECT DISTINCT child_type, parent_type
    FROM r) t
  JOIN pg_opclass oc
  ON oc.opcdefault AND oc.opcintype = t.parent_type::oid
  JOIN pg_am am
  ON am.oid = oc.opcmethod AND am.amname = 'btree')
SELECT coalesce(s.rows, 0), coalesce(s.leaves, 1), coalesce(u.rows, 0), ca.attcollation = pa.attcollation,
  EXISTS
  (SELECT
  FROM pg_index i
  JOIN pg_opclass oc
  ON oc.oid = i.indclass[0]
  WHERE i.indrelid = r.child::oid AND i.indisvalid
    AND i.indisready AND i.indislive AND NOT i.indcheckxmin
    AND i.indpred IS NULL AND i.indkey[0] = ca.attnum
    AND oc.opcfamily = o.opcfamily AND i.indcollation[0] = ca.attcollation), CASE
  WHEN s.rows > 20000 THEN
  (SELECT CASE WHEN d.n_distinct < 0 THEN - d.n_distinct * s.rows
    ELSE d.n_distinct END::float8
  FROM pg_stats d
  WHERE d.schemaname = cn.nspname AND d.tablename = c.relname
    AND d.attname = ca.attname
  ORDER BY d.inherited DESC
  LIMIT 1) END, o.above_key, o.below_key, o.above, o.equal
FROM r
LEFT JOIN sizes s
ON s.oid = r.child
LEFT JOIN sizes u
ON u.oid = r.parent
JOIN pg_class c
ON c.oid = r.child::oid
JOIN pg_namespace cn
ON cn.oid = c.relnamespace
JOIN pg_attribute ca
ON ca.attrelid = r.child::oid AND ca.attname::text = r.child_column
JOIN pg_attribute pa
ON pa.attrelid = r.parent::oid AND pa.attname::text = r.parent_column
LEFT JOIN orders o
ON o.child_type = r.child_type AND o.parent_type = r.parent_type
ORDER BY r.n;

SELECT coalesce((SELECT CASE WHEN l.reltuples > 0
      AND l.relpages > 0 THEN l.reltuples / l.relpages
      ELSE 60 END * (pg_relation_size(l.oid) / current_setting('block_size')::int8)
    FROM pg_class l
    WHERE l.oid = r.child::oid), 0)::float8, coalesce((SELECT CASE
      WHEN l.reltuples > 0 AND l.relpages > 0 THEN l.reltuples / l.relpages
      ELSE 60 END * (pg_relation_size(l.oid) / current_setting('block_size')::int8)
    FROM pg_class l
    WHERE l.oid = r.parent::oid), 0)::float8, ca.attcollation = pa.attcollation, EXISTS
  (SELECT
  FROM pg_index i
  JOIN pg_opclass oc
  ON oc.oid = i.indclass[0]
  WHERE i.indrelid = r.child::oid AND i.indisvalid
    AND i.indisready AND i.indislive AND NOT i.indcheckxmin
    AND i.indpred IS NULL AND i.indkey[0] = ca.attnum
    AND oc.opcfamily = r.family::oid AND i.indcollation[0] = ca.attcollation)
FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[], $3::pg_catalog.int8[], $4::pg_catalog.text[],
    $5::pg_catalog.text[]) WITH ORDINALITY AS r(child, parent, family, child_column, parent_column, n)
JOIN pg_attribute ca
ON ca.attrelid = r.child::oid AND ca.attname::text = r.child_column
JOIN pg_attribute pa
ON pa.attrelid = r.parent::oid AND pa.attname::text = r.parent_column
ORDER BY r.n;
