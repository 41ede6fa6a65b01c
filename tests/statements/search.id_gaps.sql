-- src/engine/postgres/search/id_gaps.rs

SELECT count(*), min(p."id")::int8, max(p."id")::int8
FROM ONLY "public"."users" p
WHERE p."id" IS NOT NULL;

SELECT g.id + 1, g.next - 1
FROM
  (SELECT p."id"::int8 AS id, lead(p."id"::int8) OVER
    (ORDER BY p."id") AS next
  FROM ONLY "public"."users" p
  WHERE p."id" IS NOT NULL) g
WHERE g.next > g.id AND g.next - 1 > g.id
ORDER BY 1
LIMIT $1::pg_catalog.int8;
