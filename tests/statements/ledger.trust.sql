-- src/engine/postgres/ledger/trust.rs

SELECT coalesce(pg_get_userbyid(n.nspowner) <> current_user
    OR n.nspacl IS NOT NULL OR o.odd OR EXISTS
    (SELECT
    FROM pg_event_trigger) OR EXISTS
    (SELECT
    FROM pg_inherits h
    WHERE h.inhrelid = ANY (o.oids) OR h.inhparent = ANY (o.oids))
    OR EXISTS
    (SELECT
    FROM pg_trigger g
    WHERE g.tgrelid = ANY (o.oids) AND NOT g.tgisinternal)
    OR EXISTS
    (SELECT
    FROM pg_rewrite w
    WHERE w.ev_class = ANY (o.oids)) OR EXISTS
    (SELECT
    FROM pg_policy p
    WHERE p.polrelid = ANY (o.oids)) OR EXISTS
    (SELECT
    FROM pg_attrdef d
    WHERE d.adrelid = ANY (o.oids) AND pg_get_expr(d.adbin, d.adrelid) NOT IN ('clock_timestamp()', '0'))
    OR EXISTS
    (SELECT
    FROM pg_attribute a
    WHERE a.attrelid = ANY (o.oids) AND a.attnum > 0
      AND (a.attacl IS NOT NULL OR a.attgenerated <> ''))
    OR EXISTS
    (SELECT
    FROM pg_constraint c
    WHERE c.conrelid = ANY (o.oids) AND (c.contype NOT IN ('p', 'u', 'f', 'n')
        OR c.contype = 'f' AND c.confrelid <> ALL (o.oids)))
    OR EXISTS
    (SELECT
    FROM pg_constraint c
    WHERE c.confrelid = ANY (o.oids) AND c.contype = 'f'
      AND c.conrelid <> ALL (o.oids)) OR EXISTS
    (SELECT
    FROM pg_index i
    WHERE i.indrelid = ANY (o.oids) AND (i.indexprs IS NOT NULL
        OR i.indpred IS NOT NULL OR EXISTS
        (SELECT
        FROM unnest(i.indclass::oid[]) AS class(oid)
        JOIN pg_opclass k
        ON k.oid = class.oid
        WHERE k.opcnamespace <> 'pg_catalog'::regnamespace))), true)
FROM pg_namespace n
CROSS JOIN LATERAL
  (SELECT array_agg(c.oid) AS oids, bool_or(c.relkind NOT IN ('r', 'i', 'S')
      OR c.relowner <> n.nspowner OR c.relacl IS NOT NULL
      OR c.relrowsecurity OR c.relforcerowsecurity) AS odd
  FROM pg_class c
  WHERE c.relnamespace = n.oid) o
WHERE n.nspname = 'auth_consistency';

SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
FROM pg_namespace n
JOIN pg_class c
ON c.relnamespace = n.oid
JOIN pg_attribute a
ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = 'auth_consistency' AND c.relkind = 'r'
  AND c.relname::text = ANY ($1::pg_catalog.text[]);

WITH app AS MATERIALIZED
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
    WHERE u.oid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid)), known AS MATERIALIZED
  (SELECT *
  FROM ROWS
  FROM (unnest($2::pg_catalog.text[]), unnest($3::pg_catalog.text[]), unnest($4::pg_catalog.text[])) AS
    k(name, part, type)), s AS
  (SELECT n.oid, n.nspowner, n.nspacl
  FROM pg_namespace n
  WHERE n.nspname = 'auth_consistency'), r AS MATERIALIZED
  (SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind, c.relowner, c.relacl, c.relrowsecurity
    OR c.relforcerowsecurity AS secured
  FROM pg_class c
  JOIN s
  ON s.oid = c.relnamespace), grants AS
  (SELECT 'SCHEMA' AS target, NULL AS name, a.grantee, NULL AS part
  FROM s
  CROSS JOIN LATERAL aclexplode(s.nspacl) a
  UNION
  SELECT CASE r.kind WHEN 'S' THEN 'SEQUENCE'
    ELSE 'TABLE' END, r.name, a.grantee, NULL
  FROM r
  CROSS JOIN LATERAL aclexplode(r.relacl) a
  UNION
  SELECT 'TABLE', r.name, a.grantee, t.attname::text
  FROM r
  JOIN pg_attribute t
  ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped
  CROSS JOIN LATERAL aclexplode(t.attacl) a)
SELECT kind, name, whose, of_kind, part
FROM (
  SELECT 1 AS n, 'Owner' AS kind, NULL AS name, pg_get_userbyid(s.nspowner)::text AS whose, NULL AS of_kind,
    NULL AS part
  FROM s
  WHERE s.nspowner NOT IN
    (SELECT oid
    FROM app)
  UNION ALL
  SELECT 2, 'Owner', r.name, pg_get_userbyid(r.relowner)::text, NULL, NULL
  FROM r
  WHERE r.relowner NOT IN
    (SELECT oid
    FROM app)
  UNION ALL
  SELECT 3, 'Kind', r.name, NULL, NULL, NULL
  FROM r
  WHERE r.kind NOT IN ('r', 'i', 'S')
  UNION ALL
  SELECT 3, 'Kind', r.name, NULL, NULL, NULL
  FROM r
  JOIN pg_inherits h
  ON r.oid IN (h.inhrelid, h.inhparent)
  UNION ALL
  SELECT 4, 'Kind', r.name, t.attname::text, NULL, NULL
  FROM r
  JOIN pg_attribute t
  ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped
  LEFT JOIN known k
  ON k.name = r.name AND k.part = t.attname::text
  WHERE r.kind = 'r' AND r.name IN
    (SELECT name
    FROM known) AND k.type IS DISTINCT FROM format_type(t.atttypid, t.atttypmod)
  UNION ALL
  SELECT 4, 'Kind', r.name, t.attname::text, NULL, NULL
  FROM r
  JOIN pg_attribute t
  ON t.attrelid = r.oid AND t.attnum > 0 AND NOT t.attisdropped
  JOIN pg_attrdef d
  ON d.adrelid = r.oid AND d.adnum = t.attnum
  WHERE t.attgenerated <> '' OR pg_get_expr(d.adbin, d.adrelid) NOT IN ('clock_timestamp()', '0')
  UNION ALL
  SELECT 5, 'Kind', r.name, c.conname::text, NULL, NULL
  FROM r
  JOIN pg_constraint c
  ON c.conrelid = r.oid
  WHERE c.contype NOT IN ('p', 'u', 'f', 'n')
    OR c.contype = 'f' AND c.confrelid NOT IN
    (SELECT oid
    FROM r)
  UNION ALL
  SELECT 5, 'Kind', r.name, x.relname::text, NULL, NULL
  FROM r
  JOIN pg_index i
  ON i.indrelid = r.oid
  JOIN pg_class x
  ON x.oid = i.indexrelid
  WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL
    OR EXISTS
    (SELECT
    FROM unnest(i.indclass::oid[]) AS class(oid)
    JOIN pg_opclass o
    ON o.oid = class.oid
    WHERE o.opcnamespace <> 'pg_catalog'::regnamespace)
  UNION ALL
  SELECT 6, 'Code', r.name, g.tgname::text, 'TRIGGER', NULL
  FROM r
  JOIN pg_trigger g
  ON g.tgrelid = r.oid AND NOT g.tgisinternal
  UNION ALL
  SELECT 6, 'Code', r.name, w.rulename::text, 'RULE', NULL
  FROM r
  JOIN pg_rewrite w
  ON w.ev_class = r.oid
  WHERE r.kind = 'r'
  UNION ALL
  SELECT 6, 'Code', r.name, p.polname::text, 'POLICY', NULL
  FROM r
  JOIN pg_policy p
  ON p.polrelid = r.oid
  UNION ALL
  SELECT 7, 'Hidden', r.name, NULL, NULL, NULL
  FROM r
  WHERE r.secured
  UNION ALL
  SELECT 8, 'Key', r.name, n.nspname::text, h.relname::text, f.conname::text
  FROM r
  JOIN pg_constraint f
  ON f.confrelid = r.oid AND f.contype = 'f'
    AND f.conparentid = 0
  JOIN pg_class h
  ON h.oid = f.conrelid
  JOIN pg_namespace n
  ON n.oid = h.relnamespace
  WHERE f.conrelid NOT IN
    (SELECT oid
    FROM r)
  UNION ALL
  SELECT 9, 'Grant', g.name, CASE WHEN g.grantee = 0 THEN NULL
    ELSE pg_get_userbyid(g.grantee)::text END, g.target, g.part
  FROM grants g
  WHERE g.grantee NOT IN
    (SELECT oid
    FROM app)
  UNION ALL
  SELECT 10, 'Event', e.evtname::text, pg_get_userbyid(CASE
      WHEN e.evtowner IN
      (SELECT oid
      FROM app) THEN p.proowner ELSE e.evtowner END)::text, NULL, NULL
  FROM pg_event_trigger e
  JOIN pg_proc p
  ON p.oid = e.evtfoid
  WHERE e.evtenabled IN ('O', 'A') AND e.evtevent <> 'login'
    AND (e.evtowner NOT IN
      (SELECT oid
      FROM app) OR p.proowner NOT IN
      (SELECT oid
      FROM app))) doubts
ORDER BY n, name NULLS FIRST, whose, of_kind, part
LIMIT $5::pg_catalog.int8;

SELECT 0::pg_catalog.int8, NULL::pg_catalog.text, a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid,
  pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text
FROM pg_catalog.pg_namespace n
CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
WHERE n.nspname OPERATOR(pg_catalog.=) 'auth_consistency'
  AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner
  AND pg_catalog.pg_get_userbyid(n.nspowner) OPERATOR(pg_catalog.=) CURRENT_USER
UNION
SELECT 1, c.relname::pg_catalog.text, a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid, pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n
ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
WHERE a.grantee OPERATOR(pg_catalog.<>) c.relowner
  AND n.nspname OPERATOR(pg_catalog.=) 'auth_consistency'
  AND pg_catalog.pg_get_userbyid(c.relowner) OPERATOR(pg_catalog.=) CURRENT_USER;
