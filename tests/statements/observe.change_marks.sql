-- src/engine/postgres/observe/change_marks.rs

SELECT
  (SELECT system_identifier::text
  FROM pg_control_system()), d.oid::int8, pg_postmaster_start_time()::text, concat_ws(' ', pg_stat_get_db_stat_reset_time(d.oid),
    '/', pg_stat_get_bgwriter_stat_reset_time()), pg_is_in_recovery(), current_setting('track_counts')::bool
  AND NOT EXISTS
  (SELECT
  FROM pg_db_role_setting s
  CROSS JOIN unnest(s.setconfig) v
  WHERE s.setdatabase IN (0, d.oid) AND lower(v) LIKE 'track\_counts=%'), concat_ws(' ', r.oid, r.rolsuper,
    r.rolinherit, r.rolbypassrls, (WITH RECURSIVE mine(oid) AS
      (SELECT r.oid
      UNION
      SELECT m.roleid
      FROM pg_auth_members m
      JOIN mine
      ON m.member = mine.oid)
    SELECT string_agg(concat(m.roleid, ':', m.xmin), ' '
      ORDER BY m.roleid, m.xmin::text)
    FROM pg_auth_members m
    JOIN mine
    ON m.member = mine.oid)), c.oid::int8, concat_ws(' ', c.oid, c.xmin, n.xmin,
    (SELECT hashtextextended(string_agg(concat(a.attnum, ':', a.xmin), ' '
        ORDER BY a.attnum), 0)
    FROM pg_attribute a
    WHERE a.attrelid = c.oid),
    (SELECT hashtextextended(string_agg(concat(q.seqrelid, ':', q.xmin, ':', x.xmin), ' '
        ORDER BY q.seqrelid), 0)
    FROM pg_sequence q
    JOIN pg_class x
    ON x.oid = q.seqrelid
    WHERE x.relpersistence <> 't')),
  (SELECT ARRAY[coalesce(string_agg(concat(x.oid, ':', x.relfilenode, ':', i.xmin), ' '
      ORDER BY x.oid), ''), coalesce(bool_or(i.indisvalid
        AND i.indpred IS NULL AND a.attnum = ANY (i.indkey)), false)::text]
  FROM pg_index i
  JOIN pg_class x
  ON x.oid = i.indexrelid
  LEFT JOIN pg_attribute a
  ON a.attrelid = i.indrelid AND a.attname::text = $1::pg_catalog.text
  WHERE i.indrelid = c.oid AND i.indisunique), CASE
  WHEN c.relkind <> 'p' THEN ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, pg_stat_get_tuples_inserted(c.oid),
  pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)]
  END
FROM pg_database d
CROSS JOIN pg_roles r
CROSS JOIN pg_namespace n
JOIN pg_class c
ON c.relnamespace = n.oid
WHERE d.datname = current_database() AND r.rolname = current_user
  AND n.nspname = $2::pg_catalog.text::name
  AND n.nspname::text = $3::pg_catalog.text
  AND c.relname = $4::pg_catalog.text::name
  AND c.relname::text = $5::pg_catalog.text;

SELECT n.nspname::text, c.relname::text, con.conname::text, concat_ws(' ', con.oid, con.xmin, c.oid, c.xmin,
    n.xmin, CASE WHEN con.oid IN
    (SELECT part.conparentid
    FROM pg_constraint part
    WHERE part.conparentid <> 0) THEN (WITH RECURSIVE tree(oid) AS
      (SELECT con.oid
      UNION ALL
      SELECT part.oid
      FROM tree
      JOIN pg_constraint part
      ON part.conparentid = tree.oid)
    SELECT string_agg(concat(t.oid, t.tgenabled), ' '
      ORDER BY t.oid)
    FROM tree
    JOIN pg_trigger t
    ON t.tgconstraint = tree.oid
    WHERE t.tgenabled NOT IN ('O', 'A')) ELSE
    (SELECT string_agg(concat(t.oid, t.tgenabled), ' '
      ORDER BY t.oid)
    FROM pg_trigger t
    WHERE t.tgconstraint = con.oid AND t.tgenabled NOT IN ('O', 'A')) END, CASE cardinality(con.conkey)
    WHEN 1 THEN
    (SELECT a.xmin::text
    FROM pg_attribute a
    WHERE a.attrelid = o.oid AND a.attnum = con.conkey[1])
    ELSE
    (SELECT string_agg(a.xmin::text, ' '
      ORDER BY a.attnum)
    FROM pg_attribute a
    WHERE a.attrelid = o.oid AND a.attnum = ANY (con.conkey)) END), CASE
  WHEN c.relkind <> 'p' THEN ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, pg_stat_get_tuples_inserted(c.oid),
  pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)]
  END, o.relispartition, ARRAY(SELECT a.attname::text
  FROM unnest(con.conkey) WITH ORDINALITY k(n, i)
  JOIN pg_attribute a
  ON a.attrelid = con.conrelid AND a.attnum = k.n
  ORDER BY k.i), con.oid::int8
FROM pg_constraint con
JOIN pg_class o
ON o.oid = con.conrelid
JOIN pg_class c
ON c.oid = CASE WHEN o.relispartition THEN pg_partition_root(o.oid)::oid
  ELSE o.oid END
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
  AND con.confrelid = $1::pg_catalog.int8::oid
  AND con.oid > $2::pg_catalog.int8::oid
ORDER BY con.oid
LIMIT $3::pg_catalog.int8;

SELECT n.nspname::text, c.relname::text, con.conname::text, concat_ws(' ', con.oid, con.xmin, c.oid, c.xmin,
    n.xmin, CASE WHEN con.oid IN
    (SELECT part.conparentid
    FROM pg_constraint part
    WHERE part.conparentid <> 0) THEN (WITH RECURSIVE tree(oid) AS
      (SELECT con.oid
      UNION ALL
      SELECT part.oid
      FROM tree
      JOIN pg_constraint part
      ON part.conparentid = tree.oid)
    SELECT string_agg(concat(t.oid, t.tgenabled), ' '
      ORDER BY t.oid)
    FROM tree
    JOIN pg_trigger t
    ON t.tgconstraint = tree.oid
    WHERE t.tgenabled NOT IN ('O', 'A')) ELSE
    (SELECT string_agg(concat(t.oid, t.tgenabled), ' '
      ORDER BY t.oid)
    FROM pg_trigger t
    WHERE t.tgconstraint = con.oid AND t.tgenabled NOT IN ('O', 'A')) END, CASE cardinality(con.conkey)
    WHEN 1 THEN
    (SELECT a.xmin::text
    FROM pg_attribute a
    WHERE a.attrelid = o.oid AND a.attnum = con.conkey[1])
    ELSE
    (SELECT string_agg(a.xmin::text, ' '
      ORDER BY a.attnum)
    FROM pg_attribute a
    WHERE a.attrelid = o.oid AND a.attnum = ANY (con.conkey)) END), CASE c.relkind
  WHEN 'p' THEN (
  SELECT ARRAY[coalesce(hashtextextended(string_agg(concat(l.oid, ':', l.relfilenode), ' '
        ORDER BY l.oid), 0), 0), coalesce(bool_and(l.relkind = 'r'), true)::int4::int8, coalesce(sum(pg_stat_get_tuples_inserted(l.oid)),
      0)::int8, coalesce(sum(pg_stat_get_tuples_updated(l.oid)), 0)::int8, coalesce(sum(pg_stat_get_tuples_hot_updated(l.oid)),
      0)::int8, coalesce(sum(pg_stat_get_tuples_deleted(l.oid)), 0)::int8]
  FROM pg_partition_tree(c.oid) t
  JOIN pg_class l
  ON l.oid = t.relid
  WHERE t.isleaf) ELSE ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, pg_stat_get_tuples_inserted(c.oid),
  pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)]
  END, o.relispartition, ARRAY(SELECT a.attname::text
  FROM unnest(con.conkey) WITH ORDINALITY k(n, i)
  JOIN pg_attribute a
  ON a.attrelid = con.conrelid AND a.attnum = k.n
  ORDER BY k.i), con.oid::int8
FROM pg_constraint con
JOIN pg_class o
ON o.oid = con.conrelid
JOIN pg_class c
ON c.oid = CASE WHEN o.relispartition THEN pg_partition_root(o.oid)::oid
  ELSE o.oid END
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE con.contype = 'f' AND con.conparentid = 0
  AND con.confrelid = $1::pg_catalog.int8::oid
  AND con.oid > $2::pg_catalog.int8::oid
ORDER BY con.oid
LIMIT $3::pg_catalog.int8;

SELECT k.at, concat_ws(' ', c.oid, c.xmin, n.xmin,
    (SELECT hashtextextended(string_agg(concat(a.attnum, ':', a.xmin), ' '
        ORDER BY a.attnum), 0)
    FROM pg_attribute a
    WHERE a.attrelid = c.oid)), CASE c.relkind
  WHEN 'p' THEN (
  SELECT ARRAY[coalesce(hashtextextended(string_agg(concat(l.oid, ':', l.relfilenode), ' '
        ORDER BY l.oid), 0), 0), coalesce(bool_and(l.relkind = 'r'), true)::int4::int8, coalesce(sum(pg_stat_get_tuples_inserted(l.oid)),
      0)::int8, coalesce(sum(pg_stat_get_tuples_updated(l.oid)), 0)::int8, coalesce(sum(pg_stat_get_tuples_hot_updated(l.oid)),
      0)::int8, coalesce(sum(pg_stat_get_tuples_deleted(l.oid)), 0)::int8]
  FROM pg_partition_tree(c.oid) t
  JOIN pg_class l
  ON l.oid = t.relid
  WHERE t.isleaf) ELSE ARRAY[c.relfilenode::int8, (c.relkind = 'r')::int4::int8, pg_stat_get_tuples_inserted(c.oid),
  pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_tuples_deleted(c.oid)]
  END
FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) WITH ORDINALITY AS k(schema, name, at)
JOIN pg_namespace n
ON n.nspname = k.schema::name AND n.nspname::text = k.schema
JOIN pg_class c
ON c.relnamespace = n.oid AND c.relname = k.name::name
  AND c.relname::text = k.name;
