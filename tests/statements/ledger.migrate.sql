-- src/engine/postgres/ledger/migrate.rs

SELECT EXISTS
  (SELECT
  FROM pg_catalog.pg_namespace
  WHERE nspname OPERATOR(pg_catalog.=) 'auth_consistency');

SELECT pg_catalog.to_regclass('auth_consistency.layout') IS NOT NULL;

SELECT max(version)
FROM auth_consistency.layout;

SELECT name
FROM auth_consistency.quarantine
WHERE pg_catalog.to_regclass(pg_catalog.format('auth_consistency.%I', name)) IS NOT NULL
ORDER BY name;
