-- src/engine/postgres/observe/stability.rs

SELECT min(format('%I.%I', n.nspname, c.relname))
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
  AND c.oid = ANY ($1::pg_catalog.int8[]::oid[]);

SELECT min(format('%I.%I', n.nspname, c.relname))
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
  AND c.oid = ANY (ARRAY(SELECT t.oid::oid
    FROM unnest($1::pg_catalog.int8[]) t(oid)
    UNION
    SELECT p.relid::oid
    FROM unnest($2::pg_catalog.int8[]) t(oid)
    JOIN pg_partitioned_table q
    ON q.partrelid = t.oid::oid
    CROSS JOIN LATERAL pg_partition_tree(t.oid::oid::regclass) p));
