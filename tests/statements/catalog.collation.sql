-- src/engine/postgres/catalog/collation.rs

WITH wanted AS
  (SELECT DISTINCT t::int8 AS t, c
  FROM ROWS
  FROM (unnest($1::pg_catalog.text[]), unnest($2::pg_catalog.text[])) AS w(t, c)), tables AS
  (SELECT w.t, w.c, w.t::oid AS r
  FROM wanted w
  UNION
  SELECT w.t, w.c, p.relid::oid
  FROM wanted w
  CROSS JOIN LATERAL pg_partition_tree(w.t::oid) p), changed AS
  (SELECT co.oid, n.nspname::text AS space, co.collname::text AS called, co.collversion AS made, pg_collation_actual_version(co.oid)
    AS now
  FROM pg_collation co
  JOIN pg_namespace n
  ON n.oid = co.collnamespace
  WHERE co.collversion IS NOT NULL
  UNION ALL
  SELECT 'pg_catalog.default'::regcollation::oid, NULL, d.datname::text, d.datcollversion, pg_database_collation_actual_version(d.oid)
  FROM pg_database d
  WHERE d.datname = current_database() AND d.datcollversion IS NOT NULL)
SELECT t.t, t.c, n.nspname::text, i.relname::text, h.space, h.called, "left"(h.made, 64), "left"(h.now,
    64), h.oid::int8
FROM tables t
JOIN pg_index x
ON x.indrelid = t.r AND x.indisvalid
CROSS JOIN LATERAL unnest(x.indkey::int2[], x.indcollation::oid[]) k(attnum, sorted)
JOIN pg_attribute a
ON a.attrelid = x.indrelid AND a.attnum = k.attnum
  AND a.attname::text = t.c
JOIN changed h
ON h.oid = k.sorted AND h.made <> h.now
JOIN pg_class i
ON i.oid = x.indexrelid AND i.relkind = 'i'
JOIN pg_namespace n
ON n.oid = i.relnamespace
JOIN pg_am am
ON am.oid = i.relam AND am.amname IN ('btree', 'gist', 'spgist', 'brin')
ORDER BY 1, 2, 3, 4;
