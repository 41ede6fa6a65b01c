-- src/engine/postgres/repair/sequence.rs

SELECT pg_catalog.setval(pg_catalog.format('%I.%I', $1::pg_catalog.text, $2::pg_catalog.text)::pg_catalog.regclass,
    n.value, true)
FROM (
  SELECT i.step, i.next OPERATOR(pg_catalog.+) (pg_catalog.int8larger(($3::pg_catalog.int8 OPERATOR(pg_catalog.-)
          i.next) OPERATOR(pg_catalog./) i.step, 0) OPERATOR(pg_catalog.*) i.step) AS value
  FROM
    (SELECT
      (SELECT CASE WHEN n.value OPERATOR(pg_catalog.>) $4::pg_catalog.int8
        AND n.cycle THEN $5::pg_catalog.int8 WHEN n.value OPERATOR(pg_catalog.<) $6::pg_catalog.int8
        AND n.cycle THEN $7::pg_catalog.int8 WHEN n.value OPERATOR(pg_catalog.>) 9223372036854775807 THEN
        9223372036854775807 WHEN n.value OPERATOR(pg_catalog.<) -9223372036854775808 THEN -9223372036854775808
        ELSE n.value::pg_catalog.int8 END
      FROM
        (SELECT s.last_value::pg_catalog.numeric OPERATOR(pg_catalog.+) CASE
          WHEN s.is_called THEN $8::pg_catalog.int8
          ELSE 0 END AS value, false AS cycle) n) AS next, $9::pg_catalog.int8 AS step
    FROM "public"."users_id_seq" s) i) n
WHERE n.value OPERATOR(pg_catalog.<=) ($10::pg_catalog.int8 OPERATOR(pg_catalog.-) n.step);
