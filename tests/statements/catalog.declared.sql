-- src/engine/postgres/catalog/declared.rs

SELECT CAST($1::pg_catalog.text AS pg_catalog.text)::text;
