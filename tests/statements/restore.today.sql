-- src/engine/postgres/restore/today.rs

SELECT name
FROM auth_consistency.quarantine
WHERE schema_name = $1::pg_catalog.text AND table_name = $2::pg_catalog.text
ORDER BY created_at, name;
