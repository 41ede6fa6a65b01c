-- src/engine/postgres/observe/foreign.rs

/* row by row */ WITH RECURSIVE app AS MATERIALIZED
  (SELECT r.oid
  FROM pg_catalog.pg_roles r
  WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
    OR r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) 'pg_database_owner'
    OR r.oid OPERATOR(pg_catalog.=)
    (SELECT d.datdba
    FROM pg_catalog.pg_database d
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    OR r.oid OPERATOR(pg_catalog.=)
    (SELECT u.relowner
    FROM pg_catalog.pg_class u
    WHERE u.oid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid)), n AS MATERIALIZED
  (SELECT c.oid AS top, c.oid
  FROM ROWS
  FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[])) AS k(s, t)
  JOIN pg_catalog.pg_namespace s
  ON s.nspname::pg_catalog.text OPERATOR(pg_catalog.=) k.s
  JOIN pg_catalog.pg_class c
  ON c.relnamespace OPERATOR(pg_catalog.=) s.oid
    AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) k.t), w AS MATERIALIZED
  (SELECT n.top, n.oid
  FROM n
  UNION
  SELECT n.top, p.relid::oid
  FROM n
  JOIN pg_partitioned_table q
  ON q.partrelid = n.oid
  CROSS JOIN LATERAL pg_partition_tree(n.oid::regclass) p), seed(top, owner, att, class, obj) AS
  (SELECT w.top, NULL::oid, NULL::text, s.class, s.obj
  FROM w
  CROSS JOIN LATERAL (
    SELECT 'pg_trigger'::regclass::oid AS class, g.oid AS obj
    FROM pg_trigger g
    WHERE g.tgrelid = w.oid AND NOT g.tgisinternal
      AND g.tgenabled IN ('O', 'A')
    UNION ALL
    SELECT 'pg_rewrite'::regclass, g.oid
    FROM pg_rewrite g
    WHERE g.ev_class = w.oid
    UNION ALL
    SELECT 'pg_constraint'::regclass, g.oid
    FROM pg_constraint g
    WHERE g.conrelid = w.oid
    UNION ALL
    SELECT 'pg_attrdef'::regclass, g.oid
    FROM pg_attrdef g
    WHERE g.adrelid = w.oid
    UNION ALL
    SELECT 'pg_class'::regclass, g.indexrelid
    FROM pg_index g
    WHERE g.indrelid = w.oid
    UNION ALL
    SELECT 'pg_class'::regclass, q.partrelid
    FROM pg_partitioned_table q
    WHERE q.partrelid = w.oid
    UNION ALL
    SELECT 'pg_type'::regclass, y.oid
    FROM pg_attribute a
    JOIN pg_type b
    ON b.oid = a.atttypid
    JOIN pg_type y
    ON y.oid IN (b.oid, b.typelem, b.typbasetype)
      AND y.typtype = 'd'
    WHERE a.attrelid = w.oid AND a.attnum > 0
      AND NOT a.attisdropped) s), reached(top, owner, att, class, obj) AS
  (SELECT *
  FROM seed
  UNION
  SELECT r.top, r.owner, r.att, e.class, e.obj
  FROM reached r
  CROSS JOIN LATERAL (
    SELECT d.refclassid AS class, d.refobjid AS obj
    FROM pg_depend d
    WHERE d.classid = r.class AND d.objid = r.obj
      AND d.objsubid = 0 AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
        OR d.refclassid IN ('pg_type'::regclass, 'pg_opclass'::regclass)
        AND r.class NOT IN ('pg_proc'::regclass, 'pg_operator'::regclass))
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid
    FROM pg_type o
    CROSS JOIN LATERAL
      (SELECT o.typelem AS oid
      UNION ALL
      SELECT a.atttypid
      FROM pg_attribute a
      WHERE a.attrelid = o.typrelid AND a.attnum > 0
        AND NOT a.attisdropped) t
    WHERE r.class = 'pg_type'::regclass AND o.oid = r.obj
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid
    FROM pg_constraint k
    WHERE r.class = 'pg_type'::regclass AND k.contypid = r.obj
    UNION ALL
    SELECT 'pg_proc'::regclass, k.castfunc
    FROM pg_cast k
    WHERE r.class = 'pg_type'::regclass AND (k.castsource = r.obj
        AND k.casttarget < 16384 OR k.casttarget = r.obj
        AND k.castsource < 16384)
    UNION ALL
    SELECT 'pg_opclass'::regclass, o.oid
    FROM pg_opclass o
    WHERE r.class = 'pg_type'::regclass AND o.opcintype = r.obj
    UNION ALL
    SELECT 'pg_proc'::regclass, p.amproc
    FROM pg_opclass o
    JOIN pg_amproc p
    ON p.amprocfamily = o.opcfamily
    WHERE r.class = 'pg_opclass'::regclass AND o.oid = r.obj
    UNION ALL
    SELECT 'pg_operator'::regclass, p.amopopr
    FROM pg_opclass o
    JOIN pg_amop p
    ON p.amopfamily = o.opcfamily
    WHERE r.class = 'pg_opclass'::regclass AND o.oid = r.obj) e
  WHERE e.obj >= 16384)
SELECT s.nspname::text, c.relname::text, x.kind, x.name, pg_get_userbyid(x.owner)::text
FROM
  (SELECT w.top, 'table' AS kind, format('%s.%s', v.nspname, t.relname) AS name, t.relowner AS owner
  FROM w
  JOIN pg_class t
  ON t.oid = w.oid
  JOIN pg_namespace v
  ON v.oid = t.relnamespace
  UNION
  SELECT r.top, 'function', format('%s.%s', v.nspname, p.proname), p.proowner
  FROM reached r
  JOIN pg_proc p
  ON r.class = 'pg_proc'::regclass AND p.oid = r.obj
  JOIN pg_namespace v
  ON v.oid = p.pronamespace
  UNION
  SELECT r.top, 'operator', format('%s.%s', v.nspname, o.oprname), o.oprowner
  FROM reached r
  JOIN pg_operator o
  ON r.class = 'pg_operator'::regclass AND o.oid = r.obj
  JOIN pg_namespace v
  ON v.oid = o.oprnamespace
  UNION
  SELECT r.top, 'type', format('%s.%s', v.nspname, y.typname), y.typowner
  FROM reached r
  JOIN pg_type y
  ON r.class = 'pg_type'::regclass AND y.oid = r.obj
    AND y.typtype = 'd'
  JOIN pg_namespace v
  ON v.oid = y.typnamespace) x
JOIN pg_class c
ON c.oid = x.top
JOIN pg_namespace s
ON s.oid = c.relnamespace
WHERE NOT EXISTS
  (SELECT
  FROM app
  WHERE app.oid = x.owner)
ORDER BY 1, 2, 3 DESC, 4;
