-- src/engine/postgres/observe/values.rs

SELECT CAST($1::pg_catalog.text AS boolean) IS NULL, CAST($2::pg_catalog.text AS pg_catalog.text) IS NULL,
  CAST($3::pg_catalog.text AS pg_catalog.text) IS NULL;
