-- src/engine/postgres/catalog/foreign_code.rs

SELECT EXISTS
  (SELECT
  FROM pg_index i
  JOIN pg_depend d
  ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
  WHERE i.indrelid = ANY (n.tables) AND d.refobjid >= 16384
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)),
  EXISTS
  (SELECT
  FROM pg_statistic_ext e
  JOIN pg_depend d
  ON d.classid = 'pg_statistic_ext'::regclass
    AND d.objid = e.oid
  WHERE e.stxrelid = ANY (n.tables) AND d.refobjid >= 16384
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass)),
  EXISTS
  (SELECT
  FROM pg_trigger g
  WHERE g.tgrelid = ANY (n.tables) AND NOT g.tgisinternal)
  OR EXISTS
  (SELECT
  FROM pg_rewrite g
  WHERE g.ev_class = ANY (n.tables)) OR EXISTS
  (SELECT
  FROM pg_constraint g
  JOIN pg_depend d
  ON d.classid = 'pg_constraint'::regclass AND d.objid = g.oid
  WHERE g.conrelid = ANY (n.tables) AND d.refobjid >= 16384
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass))
  OR EXISTS
  (SELECT
  FROM pg_attrdef g
  JOIN pg_depend d
  ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
  WHERE g.adrelid = ANY (n.tables) AND d.refobjid >= 16384
    AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass))
FROM
  (SELECT $1::pg_catalog.int8[]::oid[] AS tables) n;

WITH RECURSIVE tree(top, oid) AS
  (SELECT c.oid, c.oid
  FROM pg_class c
  WHERE c.oid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
  UNION
  SELECT tree.top, i.inhrelid
  FROM tree
  JOIN pg_inherits i
  ON i.inhparent = tree.oid), seed(top, owner, att, class, obj) AS (
  SELECT tree.top, c.relowner, NULL::text, s.class, s.obj
  FROM tree
  JOIN pg_class c
  ON c.oid = tree.oid
  CROSS JOIN LATERAL (
    SELECT 'pg_class'::regclass::oid AS class, i.indexrelid AS obj
    FROM pg_index i
    WHERE i.indrelid = c.oid AND (i.indexprs IS NOT NULL
        OR i.indpred IS NOT NULL OR EXISTS
        (SELECT
        FROM unnest(i.indclass::oid[]) o(oid)
        WHERE o.oid >= 16384))
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass::oid, e.oid
    FROM pg_statistic_ext e
    WHERE e.stxrelid = c.oid
    UNION ALL
    SELECT 'pg_class'::regclass::oid, c.oid
    WHERE c.relkind IN ('p', 'f')
    UNION ALL
    SELECT 'pg_attrdef'::regclass::oid, d.oid
    FROM pg_attrdef d
    JOIN pg_attribute a
    ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = c.oid AND a.attgenerated NOT IN ('', 's')) s
  UNION ALL
  SELECT a.attrelid, c.relowner, a.attname::text, 'pg_type'::regclass::oid, a.atttypid
  FROM pg_attribute a
  JOIN pg_class c
  ON c.oid = a.attrelid
  WHERE a.attrelid IN
    (SELECT top
    FROM tree) AND a.attnum > 0 AND NOT a.attisdropped
    AND a.atttypid >= 16384)
SELECT EXISTS
  (SELECT
  FROM seed s
  WHERE s.class = 'pg_type'::regclass OR s.class = 'pg_class'::regclass
    AND EXISTS
    (SELECT
    FROM pg_class f
    WHERE f.oid = s.obj AND f.relkind = 'f') OR EXISTS
    (SELECT
    FROM pg_depend d
    WHERE d.classid = s.class AND d.objid = s.obj
      AND d.refobjid >= 16384 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass,
        'pg_opclass'::regclass)));
