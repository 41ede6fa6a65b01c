-- src/engine/postgres/restore/export.rs

SELECT EXISTS
  (SELECT
  FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
  JOIN auth_consistency.batches b
  ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
  WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
    AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
    AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8);

SELECT pg_catalog.count(*) FILTER
  (WHERE q._ac_restored_at IS NULL AND NOT (q.ctid::pg_catalog.text OPERATOR(pg_catalog.=) ANY
      (SELECT k.i
      FROM pg_catalog.unnest($1::pg_catalog.text[]) k(i)))
    OR q.ctid::pg_catalog.text OPERATOR(pg_catalog.=) ANY
    (SELECT k.i
    FROM pg_catalog.unnest($2::pg_catalog.text[]) k(i))), pg_catalog.count(*) FILTER
  (WHERE q._ac_restored_at IS NOT NULL AND NOT (q._ac_restored_at IS NULL
      AND NOT (q.ctid::pg_catalog.text OPERATOR(pg_catalog.=) ANY
        (SELECT k.i
        FROM pg_catalog.unnest($3::pg_catalog.text[]) k(i)))
      OR q.ctid::pg_catalog.text OPERATOR(pg_catalog.=) ANY
      (SELECT k.i
      FROM pg_catalog.unnest($4::pg_catalog.text[]) k(i))))
FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE b.run OPERATOR(pg_catalog.=) $5::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $6::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $7::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $8::pg_catalog.int8;

SELECT pg_catalog.count(*) FILTER
  (WHERE q._ac_restored_at IS NULL), pg_catalog.count(*) FILTER
  (WHERE q._ac_restored_at IS NOT NULL AND NOT (q._ac_restored_at IS NULL))
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8;

SELECT has_schema_privilege(n.oid, 'CREATE'), current_user::text, EXISTS
  (SELECT
  FROM pg_class c
  WHERE c.relnamespace = n.oid AND c.relname = $1::pg_catalog.text::name)
  OR EXISTS
  (SELECT
  FROM pg_type t
  WHERE t.typnamespace = n.oid AND t.typname = $2::pg_catalog.text::name)
FROM pg_namespace n
WHERE n.nspname = $3::pg_catalog.text::name;

CREATE TABLE "public"."logs_before" ("id" integer, "user_id" integer, "team" integer);

SELECT DISTINCT r.rolname::pg_catalog.text
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n
ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
LEFT JOIN pg_catalog.pg_roles r
ON r.oid OPERATOR(pg_catalog.=) a.grantee
WHERE a.grantee OPERATOR(pg_catalog.<>) c.relowner
  AND n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND c.relname::pg_catalog.text OPERATOR(pg_catalog.=) $2::pg_catalog.text;

INSERT INTO "public"."logs_before" ("id", "user_id", "team")
SELECT q."id", q."user_id", q."team"
FROM "auth_consistency"."q_logs_5a0efbb5_b1b71cc9126320bd" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.owner OPERATOR(pg_catalog.=) $2::pg_catalog.text
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND (q._ac_restored_at IS NULL)
ORDER BY b.batch, q.ctid;
