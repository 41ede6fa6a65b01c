-- src/engine/postgres/restore/newer.rs

SELECT ARRAY[c."id"::pg_catalog.text], CASE
  WHEN q._ac_new_key IS NULL THEN false ELSE q._ac_new_key::pg_catalog.jsonb OPERATOR(pg_catalog.<>) pg_catalog.jsonb_build_object($1::pg_catalog.text::pg_catalog.text,
    pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to( c."role"::pg_catalog.text, 'UTF8')), 'hex'))
  END
FROM ONLY "public"."users" c, "auth_consistency"."q_users_3ab2afaa_43af9056f4958dac" q
WHERE q.ctid OPERATOR(pg_catalog.=) CAST($2::pg_catalog.text AS pg_catalog.tid)
  AND c."id" OPERATOR("pg_catalog".=) CAST(q."id"::pg_catalog.text AS integer) FOR UPDATE OF c;

INSERT INTO auth_consistency.runs (run, system_identifier, database_oid, owner, owner_name, generation)
VALUES ($1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.int8, $4::pg_catalog.text, $5::pg_catalog.text,
    0)
ON CONFLICT DO NOTHING;

INSERT INTO auth_consistency.steps (run, step, action, schema_name, table_name, column_names, ceiling,
    done)
VALUES ($1::pg_catalog.text, $2::pg_catalog.int8, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.text,
    $6::pg_catalog.text[], 1, 1)
ON CONFLICT DO NOTHING;
