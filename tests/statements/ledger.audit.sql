-- src/engine/postgres/ledger/audit.rs

INSERT INTO auth_consistency.audit (system_identifier, database_oid, owner, run, step, chunk, action,
    object, rows, plan_hash, reset_token)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int8,
    $6::pg_catalog.int8, $7::pg_catalog.text, $8::pg_catalog.text, $9::pg_catalog.int8, $10::pg_catalog.text,
    $11::pg_catalog.text);
