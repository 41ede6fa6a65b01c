-- src/engine/postgres/rowset/remap_surplus.rs

SELECT count(*)
FROM
  (SELECT x.t, x.i
  FROM
    (SELECT y.t, y.i, y.moved, (false OR (y.o0 IS NOT NULL
          AND pg_catalog.row_number() OVER (PARTITION BY y.k, y.o0
          ORDER BY y.moved, y.t, y.i) OPERATOR(pg_catalog.>) 1)) AS equal
    FROM
      (SELECT true AS moved, c.tableoid AS t, c.ctid AS i, CAST(m.new_id AS integer) AS k, c."team" AS
        o0
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
      SELECT false, c.tableoid, c.ctid, c."user_id", c."team"
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
          WHERE p."id" OPERATOR("pg_catalog".=) c."user_id") END)) y) x
  WHERE x.moved AND x.equal) s;
