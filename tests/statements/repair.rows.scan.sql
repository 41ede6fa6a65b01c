-- src/engine/postgres/repair/rows/scan.rs

SELECT array_agg(t.oid::int8), coalesce(max(pg_relation_size(t.oid)), 0) / current_setting('block_size')::int8,
  coalesce(sum(pg_relation_size(t.oid)), 0)::int8 / current_setting('block_size')::int8
FROM
  (SELECT $1::pg_catalog.int8::oid AS oid) t;

SELECT pg_catalog.count(*), pg_catalog.array_agg(x.i)::pg_catalog.text, pg_catalog.array_agg(x.t)::pg_catalog.text
FROM
  (SELECT c.tableoid AS t, c.ctid AS i
  FROM ONLY "public"."logs" c
  WHERE c.ctid OPERATOR(pg_catalog.>) CAST($1::pg_catalog.text AS pg_catalog.tid)
    AND EXISTS
    (SELECT
    FROM auth_consistency.step_keys l
    WHERE l.run OPERATOR(pg_catalog.=) $2::pg_catalog.text
      AND l.step OPERATOR(pg_catalog.=) $3::pg_catalog.int8
      AND l.key OPERATOR(pg_catalog.=) c."user_id"::pg_catalog.text)
  ORDER BY c.ctid
  LIMIT $4::pg_catalog.int8 FOR UPDATE OF c) x;
