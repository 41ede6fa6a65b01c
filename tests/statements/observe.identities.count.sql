-- src/engine/postgres/observe/identities/count.rs

/* row by row */
SELECT m.n, count(*), count(*) FILTER
  (WHERE false), count(*) FILTER
  (WHERE NOT (false) AND true)
FROM ONLY "public"."logs" c
JOIN ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
  WITH ORDINALITY AS m(old_id, new_id, shifted, n)
ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
WHERE CASE WHEN m.shifted::pg_catalog.bool THEN true
  ELSE c."user_id" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END
GROUP BY m.n
ORDER BY m.n;

SELECT count(*)
FROM ONLY "public"."logs";

SELECT coalesce(sum(g.moved), 0)::int8
FROM
  (SELECT count(*) FILTER
    (WHERE x.moved) AS moved
  FROM
    (SELECT CAST(m.new_id AS integer) AS k, true AS moved, c."team" AS o0
    FROM ONLY "public"."logs" c
    JOIN ROWS
    FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
      WITH ORDINALITY AS m(old_id, new_id, shifted, n)
    ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
      AND CASE WHEN m.shifted::pg_catalog.bool THEN true
      ELSE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END
    UNION ALL
    SELECT c."user_id", false, c."team" AS o0
    FROM ONLY "public"."logs" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ROWS
      FROM (pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[]), pg_catalog.unnest($6::pg_catalog.text[]))
        WITH ORDINALITY AS m(old_id, new_id, shifted, n)
      WHERE CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
        AND CASE WHEN m.shifted::pg_catalog.bool THEN true
        ELSE c."user_id" IS NOT NULL AND NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END)) x
  WHERE x.o0 IS NOT NULL
  GROUP BY x.k, x.o0
  HAVING count(*) > 1 AND bool_or(x.moved)) g;
