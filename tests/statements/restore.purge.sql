-- src/engine/postgres/restore/purge.rs

SELECT count(*)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days
      => $2::pg_catalog.int8::pg_catalog.int4));

SELECT count(*)
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
JOIN auth_consistency.batches b
ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days
      => $2::pg_catalog.int8::pg_catalog.int4))
  AND q._ac_restored_at IS NULL;

DELETE
FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348"
WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT q.ctid
    FROM "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
    JOIN auth_consistency.batches b
    ON b.batch OPERATOR(pg_catalog.=) q._ac_batch
    WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
        OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
      AND b.at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days
          => $2::pg_catalog.int8::pg_catalog.int4))
    ORDER BY q.ctid
    LIMIT $3::pg_catalog.int8));

DELETE
FROM auth_consistency.batches AS b
WHERE (b.system_identifier OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.database_oid::pg_catalog.text
    OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) b.owner) OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.at OPERATOR(pg_catalog.<) (pg_catalog.now() OPERATOR(pg_catalog.-) pg_catalog.make_interval(days
      => $2::pg_catalog.int8::pg_catalog.int4))
  AND b.name OPERATOR(pg_catalog.=) $3::pg_catalog.text;
