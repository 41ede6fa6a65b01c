-- src/engine/postgres/ledger/claim.rs

SELECT owner, owner_name, epoch, plan_serial, pg_catalog.to_jsonb(claims) OPERATOR(pg_catalog.->>) 'operator',
    (pg_catalog.to_jsonb(claims) OPERATOR(pg_catalog.->>) 'takes')::pg_catalog.int8
FROM auth_consistency.claims
WHERE system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND user_table_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8;
