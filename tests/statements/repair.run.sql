-- src/engine/postgres/repair/run.rs

INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation,
    plan_hash)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text,
    $6::pg_catalog.int8, $7::pg_catalog.text);

INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names, constraint_name,
    ceiling)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.text,
    $6::pg_catalog.text[], $7::pg_catalog.text, $8::pg_catalog.int8);

INSERT INTO auth_consistency.claims AS held (system_identifier, database_oid, user_table_oid, owner, owner_name,
    epoch, plan_serial, operator, takes)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text,
    1, $6::pg_catalog.int8, $7::pg_catalog.text, (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())
      OPERATOR(pg_catalog.*) 1000)::pg_catalog.int8)
ON CONFLICT (system_identifier, database_oid, user_table_oid) DO UPDATE
SET owner = excluded.owner, owner_name = excluded.owner_name, operator = excluded.operator, epoch = held.epoch
  OPERATOR(pg_catalog.+) 1, takes = held.takes OPERATOR(pg_catalog.+) CASE
  WHEN held.owner OPERATOR(pg_catalog.=) excluded.owner THEN 0
  ELSE 1 END, plan_serial = held.plan_serial OPERATOR(pg_catalog.+) excluded.plan_serial
RETURNING held.epoch;

UPDATE auth_consistency.runs
SET closed_at = pg_catalog.clock_timestamp()
WHERE closed_at IS NULL AND owner OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND system_identifier OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND database_oid OPERATOR(pg_catalog.=) $3::pg_catalog.int8;
