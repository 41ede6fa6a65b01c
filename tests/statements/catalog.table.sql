-- src/engine/postgres/catalog/table.rs

SELECT c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, coalesce(has_schema_privilege(n.oid,
      'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false), coalesce(has_table_privilege(c.oid, 'INSERT'),
    false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false), coalesce(has_table_privilege(c.oid,
      'DELETE'), false),
  (SELECT ARRAY[rn.nspname::text, r.relname::text]
  FROM pg_class r
  JOIN pg_namespace rn
  ON rn.oid = r.relnamespace
  WHERE c.relispartition AND r.oid = pg_partition_root(c.oid)), c.relkind = 'p'
  AND EXISTS
  (SELECT
  FROM pg_partition_tree(c.oid) t
  JOIN pg_class f
  ON f.oid = t.relid
  WHERE f.relkind = 'f'), c.relkind = 'r' AND c.relhassubclass, c.relowner::int8, CASE
  WHEN c.relrowsecurity AND (c.relforcerowsecurity
    OR NOT pg_has_role(c.relowner, 'USAGE')) AND NOT EXISTS
  (SELECT
  FROM pg_roles q
  WHERE q.rolname = current_user AND (q.rolbypassrls
      OR q.rolsuper)) THEN ARRAY[current_user::text, pg_has_role(c.relowner, 'USAGE')::text] END, c.relchecks
  > 0, current_user::text, false
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.int8[]::oid[]);

SELECT c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, coalesce(has_schema_privilege(n.oid,
      'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false), coalesce(has_table_privilege(c.oid, 'INSERT'),
    false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false), coalesce(has_table_privilege(c.oid,
      'DELETE'), false), NULL::text[], false, c.relkind = 'r'
  AND c.relhassubclass, c.relowner::int8, NULL::text[], c.relchecks > 0, current_user::text, c.relkind
  = 'p' OR c.relispartition OR c.relrowsecurity
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE c.oid = ANY ($1::pg_catalog.int8[]::oid[]);

SELECT c.oid::int8, c.relkind::text, n.nspname::text, c.relname::text, coalesce(has_schema_privilege(n.oid,
      'USAGE') AND has_table_privilege(c.oid, 'SELECT'), false), coalesce(has_table_privilege(c.oid, 'INSERT'),
    false), coalesce(has_table_privilege(c.oid, 'UPDATE'), false), coalesce(has_table_privilege(c.oid,
      'DELETE'), false), NULL::text[], false, c.relkind = 'r'
  AND c.relhassubclass, c.relowner::int8, NULL::text[], c.relchecks > 0, current_user::text, c.relkind
  = 'p' OR c.relispartition OR c.relrowsecurity, k.at
FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) WITH ORDINALITY AS k(schema, name, at)
JOIN pg_namespace n
ON n.nspname = k.schema::name AND n.nspname::text = k.schema
JOIN pg_class c
ON c.relnamespace = n.oid AND c.relname = k.name::name
  AND c.relname::text = k.name;
