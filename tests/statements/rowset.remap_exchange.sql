-- src/engine/postgres/rowset/remap_exchange.rs

SELECT count(*)
FROM
  (SELECT b.t, b.i
  FROM
    (SELECT c.tableoid AS t, c.ctid AS i, c."user_id" AS k, c."team" AS o0
    FROM ONLY "public"."logs" c
    JOIN ROWS
    FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[]))
      WITH ORDINALITY AS m(old_id, new_id, shifted, n)
    ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
      AND CASE WHEN m.shifted::pg_catalog.bool THEN true
      ELSE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END) b
  WHERE EXISTS
    (SELECT
    FROM
      (SELECT CAST(m.new_id AS integer) AS k, c."team" AS o0
      FROM ONLY "public"."logs" c
      JOIN ROWS
      FROM (pg_catalog.unnest($4::pg_catalog.text[]), pg_catalog.unnest($5::pg_catalog.text[]), pg_catalog.unnest($6::pg_catalog.text[]))
        WITH ORDINALITY AS m(old_id, new_id, shifted, n)
      ON CAST(m.old_id AS integer) OPERATOR("pg_catalog".=) c."user_id"
        AND CASE WHEN m.shifted::pg_catalog.bool THEN true
        ELSE c."user_id" IS NOT NULL AND NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END) a
    WHERE a.k OPERATOR("pg_catalog".=) b.k AND (a.o0 OPERATOR("pg_catalog".=) b.o0))) w;
