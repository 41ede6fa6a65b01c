-- src/engine/postgres/queries/discover.rs

WITH ruled AS
  (SELECT s, t, c
  FROM ROWS
  FROM (unnest($1::pg_catalog.text[]), unnest($2::pg_catalog.text[]), unnest($3::pg_catalog.text[])) AS
    r(s, t, c)), columns AS
  (SELECT c.oid AS r, n.nspname::text AS s, c.relname::text AS t, a.attname::text AS c, a.attnum AS n,
    c.reltuples, c.relkind, bt.typname::text AS type, lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])',
        '\1_\2', 'g')) AS plain, has_schema_privilege(n.oid, 'USAGE')
    AND has_column_privilege(c.oid, a.attnum, 'SELECT') AS readable
  FROM pg_class c
  JOIN pg_namespace n
  ON n.oid = c.relnamespace
  JOIN pg_attribute a
  ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t
  ON t.oid = a.atttypid
  JOIN pg_type bt
  ON bt.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype
    ELSE t.oid END
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'auth_consistency')
    AND n.nspname !~ '^pg_(toast|temp)' AND a.attidentity = ''
    AND a.attgenerated = '' AND NOT EXISTS
    (SELECT
    FROM pg_attrdef d
    WHERE d.adrelid = c.oid AND d.adnum = a.attnum
      AND pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%')
    AND NOT EXISTS
    (SELECT
    FROM pg_constraint k
    WHERE k.contype = 'f' AND k.conrelid = c.oid
      AND a.attnum = ANY (k.conkey)) AND bt.typname::text = ANY ($4::pg_catalog.text[])
    AND NOT (c.oid = $5::pg_catalog.int8::oid
      AND a.attname::text = ANY ($6::pg_catalog.text[]))
    AND NOT EXISTS
    (SELECT
    FROM ruled x
    WHERE x.s = n.nspname::text AND x.t = c.relname::text
      AND coalesce(x.c = a.attname::text, true))), told AS
  (SELECT k.*, EXISTS
    (SELECT
    FROM unnest($7::pg_catalog.text[]) e
    WHERE k.plain = e OR right(k.plain, length(e) + 1) = '_' || e)
    OR (k.plain ~ '_(id|uuid)$' AND EXISTS
      (SELECT
      FROM pg_attribute y
      WHERE y.attrelid = k.r AND y.attnum > 0 AND NOT y.attisdropped
        AND lower(regexp_replace(y.attname::text, '([a-z0-9])([A-Z])', '\1_\2', 'g')) = regexp_replace(k.plain,
          '(id|uuid)$', 'type'))) AS named
  FROM columns k), all_of AS
  (SELECT *, count(*) OVER () AS many
  FROM told
  WHERE named OR type = ANY ($8::pg_catalog.text[]))
SELECT s, t, c, CASE WHEN relkind = 'p' THEN
  (SELECT sum(greatest(l.reltuples, 0))
  FROM pg_partition_tree(r) p
  JOIN pg_class l
  ON l.oid = p.relid
  WHERE p.isleaf)::int8 WHEN reltuples >= 0 THEN reltuples::int8 END,
  (SELECT a.attname::text
  FROM pg_attribute a
  JOIN pg_type y
  ON y.oid = a.atttypid
  WHERE a.attrelid = k.r AND a.attnum > 0 AND NOT a.attisdropped
    AND (y.typname IN ('text', 'varchar', 'bpchar', 'citext')
      OR y.typtype = 'e') AND has_column_privilege(k.r, a.attnum, 'SELECT')
    AND lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\1_\2', 'g')) IN (regexp_replace(k.plain,
        '_?(id|uuid)$', '') || '_type', k.plain || '_type', regexp_replace(k.plain, '_?(id|uuid)$', '')
      || '_kind')
  LIMIT 1), readable, many
FROM all_of k
ORDER BY named DESC, reltuples DESC, s, t, c
LIMIT $9::pg_catalog.int8;

WITH c AS MATERIALIZED
  (SELECT c."id", NULL::text AS _ac_kind, count(*) AS _ac_rows
  FROM
    (SELECT *
    FROM ONLY "public"."logs" c
    WHERE c."id" IS NOT NULL
    LIMIT $1::pg_catalog.int8) c
  GROUP BY 1, 2)
SELECT left(c."id"::text, 64), c._ac_kind, c._ac_rows, (c."id" IS NOT NULL
    AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."id"))
FROM c;
