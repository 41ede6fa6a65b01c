-- src/engine/postgres/queries/grants/page.rs

SELECT current_user::text, pg_get_userbyid(c.relowner)::text, current_database()::text, has_database_privilege(c.relowner,
    current_database(), 'CREATE'), pg_get_userbyid(n.nspowner)::text, coalesce(pg_get_userbyid(n.nspowner)
    = current_user, false)
FROM pg_class c
LEFT JOIN pg_namespace n
ON n.nspname = 'auth_consistency'
WHERE c.oid = $1::pg_catalog.int8::oid;

SELECT n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
JOIN ROWS
FROM (unnest($1::pg_catalog.text[]), unnest($2::pg_catalog.text[])) AS t(s, r)
ON t.s = n.nspname::text AND t.r = c.relname::text;

SELECT n.nspname::text, c.relname::text
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
JOIN ROWS
FROM (unnest($1::pg_catalog.text[]), unnest($2::pg_catalog.text[])) AS t(s, r)
ON t.s = n.nspname::text AND t.r = c.relname::text
WHERE c.relrowsecurity AND (c.relforcerowsecurity
    OR NOT pg_has_role(c.relowner, 'USAGE')) AND NOT EXISTS
  (SELECT
  FROM pg_roles r
  WHERE r.rolname = current_user AND (r.rolbypassrls
      OR r.rolsuper))
ORDER BY 1, 2;

SELECT r.rolname::text
FROM pg_roles r
WHERE NOT r.rolsuper AND r.rolname NOT LIKE 'pg\_%'
  AND r.rolname <> current_user AND EXISTS
  (SELECT
  FROM pg_roles g
  WHERE g.rolname IN ('pg_read_all_data', 'pg_write_all_data')
    AND pg_has_role(r.oid, g.oid, 'MEMBER'))
ORDER BY 1
LIMIT 11;
