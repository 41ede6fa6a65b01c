-- src/engine/postgres/repair/guard.rs

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
    WHERE u.oid OPERATOR(pg_catalog.=) $1::pg_catalog.int8::pg_catalog.oid))
SELECT c.oid::pg_catalog.int8, pg_catalog.format('%s.%s', n.nspname, c.relname), x.i, x.u, x.d, x.b, c.relname::pg_catalog.text,
  CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN 'sequence'
  WHEN c.relpersistence OPERATOR(pg_catalog.=) 't' THEN 'temporary'
  WHEN n.nspname OPERATOR(pg_catalog.=) 'pg_catalog' THEN 'catalog'
  WHEN n.nspname OPERATOR(pg_catalog.=) 'auth_consistency' THEN 'own'
  ELSE 'table' END, CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN NOT EXISTS
  (SELECT
  FROM app
  WHERE app.oid OPERATOR(pg_catalog.=) c.relowner)
  ELSE false END, pg_catalog.age(c.xmin) OPERATOR(pg_catalog.>) 0
  AND pg_catalog.age(n.xmin) OPERATOR(pg_catalog.>) 0
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n
ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL
  (SELECT pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS i, pg_catalog.pg_stat_get_xact_tuples_updated(c.oid)
    AS u, pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS d, CASE
    WHEN c.relkind OPERATOR(pg_catalog.=) 'S' THEN pg_catalog.pg_stat_get_xact_blocks_fetched(c.oid)
    ELSE 0 END AS b
  OFFSET 0) x
WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m,S}'::pg_catalog."char"[])
  AND (c.relpersistence OPERATOR(pg_catalog.<>) 't'
    OR c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  AND (c.relkind OPERATOR(pg_catalog.<>) 'S'
    OR n.nspname OPERATOR(pg_catalog.<>) 'auth_consistency')
  AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'
  AND (x.i OPERATOR(pg_catalog.<>) 0 OR x.u OPERATOR(pg_catalog.<>) 0
    OR x.d OPERATOR(pg_catalog.<>) 0 OR x.b OPERATOR(pg_catalog.<>) 0);
