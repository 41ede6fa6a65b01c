-- src/engine/postgres/ledger/mod.rs

SELECT owner, system_identifier = $1::pg_catalog.text
  AND database_oid = $2::pg_catalog.int8, extract(epoch
  FROM at)::int8
FROM auth_consistency.audit
WHERE reset_token = $3::pg_catalog.text
ORDER BY owner = $4::pg_catalog.text DESC, 2 DESC, id DESC
LIMIT 1;

SELECT max(id) FILTER
  (WHERE reset_token = $1::pg_catalog.text) = max(id)
FROM auth_consistency.audit
WHERE reset_token IS NOT NULL AND system_identifier OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8
  AND owner OPERATOR(pg_catalog.=) $4::pg_catalog.text;

SELECT EXISTS
  (SELECT
  FROM auth_consistency.audit a
  WHERE a.reset_token OPERATOR(pg_catalog.=) $1::pg_catalog.text);
