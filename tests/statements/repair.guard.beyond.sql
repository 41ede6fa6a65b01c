-- src/engine/postgres/repair/guard/beyond.rs

SELECT pg_catalog.count(*), pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on'
FROM pg_catalog.pg_cursors c
WHERE c.is_holdable;

/* row by row */ WITH s AS MATERIALIZED
  (SELECT n.oid
  FROM pg_catalog.pg_namespace n
  WHERE pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_temp_')
    OR pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_toast_temp_')), r AS MATERIALIZED
  (SELECT c.oid
  FROM pg_catalog.pg_class c
  JOIN s
  ON s.oid OPERATOR(pg_catalog.=) c.relnamespace), t AS MATERIALIZED
  (SELECT r.oid
  FROM r
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_type c
  JOIN s
  ON s.oid OPERATOR(pg_catalog.=) c.typnamespace
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_proc c
  JOIN s
  ON s.oid OPERATOR(pg_catalog.=) c.pronamespace
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_constraint c
  JOIN s
  ON s.oid OPERATOR(pg_catalog.=) c.connamespace
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_attrdef c
  JOIN r
  ON r.oid OPERATOR(pg_catalog.=) c.adrelid
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_rewrite c
  JOIN r
  ON r.oid OPERATOR(pg_catalog.=) c.ev_class
  UNION ALL
  SELECT c.oid
  FROM pg_catalog.pg_trigger c
  JOIN r
  ON r.oid OPERATOR(pg_catalog.=) c.tgrelid), me AS MATERIALIZED
  (SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8 AS xid)
SELECT $1::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, pg_catalog.starts_with(c.oid::pg_catalog.regclass::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_class c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.oid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $2::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.attrelid AS thing, pg_catalog.starts_with(c.attrelid::pg_catalog.regclass::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_attribute c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.attrelid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $3::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, pg_catalog.starts_with(c.oid::pg_catalog.regtype::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_type c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.oid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $4::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside
  FROM pg_catalog.pg_proc c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.oid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $5::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside
  FROM pg_catalog.pg_constraint c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.oid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $6::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.adrelid AS thing, pg_catalog.starts_with(c.adrelid::pg_catalog.regclass::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_attrdef c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.adrelid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $7::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.indexrelid AS thing, pg_catalog.starts_with(c.indexrelid::pg_catalog.regclass::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_index c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.indexrelid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $8::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.seqrelid AS thing, pg_catalog.starts_with(c.seqrelid::pg_catalog.regclass::pg_catalog.text,
      'pg_toast.') AS aside
  FROM pg_catalog.pg_sequence c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.seqrelid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $9::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside
  FROM pg_catalog.pg_rewrite c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.ev_class)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $10::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside
  FROM pg_catalog.pg_trigger c
  WHERE NOT c.tgisinternal OR NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.tgrelid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $11::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.oid AS thing, false AS aside
  FROM pg_catalog.pg_namespace c
  WHERE NOT pg_catalog.starts_with(c.nspname::pg_catalog.text, 'pg_temp_')
    AND NOT pg_catalog.starts_with(c.nspname::pg_catalog.text, 'pg_toast_temp_')) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $12::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.classid AS thing, false AS aside
  FROM pg_catalog.pg_depend c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.objid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END
UNION ALL
SELECT $13::pg_catalog.text, x.ctid::pg_catalog.text, x.thing::pg_catalog.int8, x.aside
FROM me,
  (SELECT c.xmin, c.ctid, c.classid AS thing, false AS aside
  FROM pg_catalog.pg_shdepend c
  WHERE NOT EXISTS
    (SELECT
    FROM t
    WHERE t.oid OPERATOR(pg_catalog.=) c.objid)) x
WHERE CASE WHEN pg_catalog.age(x.xmin) OPERATOR(pg_catalog.<=) 0
  AND pg_catalog.age(x.xmin) OPERATOR(pg_catalog.>) (-16777216) THEN pg_catalog.pg_xact_status((me.xid
      OPERATOR(pg_catalog.-) pg_catalog.age(x.xmin))::pg_catalog.text::pg_catalog.xid8) OPERATOR(pg_catalog.=)
  'in progress' ELSE false END;
