-- src/engine/postgres/rowset/unique_keys.rs

SELECT coalesce(sum(n), 0)::int8
FROM
  (SELECT count(*) AS n
  FROM ONLY "public"."logs" c
  WHERE ((c."user_id" IS NOT NULL AND NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"))
      OR EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer)
        AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
    AND c."team" IS NOT NULL
  GROUP BY c."team"
  HAVING count(*) > 1) g;

SELECT count(*)
FROM
  (SELECT (false OR (c."team" IS NOT NULL AND (pg_catalog.row_number() OVER (PARTITION BY c."team"
          ORDER BY c.tableoid, c.ctid) OPERATOR(pg_catalog.>) 1
          OR EXISTS
          (SELECT
          FROM ONLY "public"."logs" h
          WHERE h."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer)
            AND (h."team" OPERATOR("pg_catalog".=) c."team"))))) AS surplus
  FROM ONLY "public"."logs" c
  WHERE c."user_id" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."user_id")) x
WHERE x.surplus;

SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE p."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer);
