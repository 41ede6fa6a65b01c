-- src/engine/postgres/search/statements.rs

/* row by row */
  (SELECT 0::int8, CASE WHEN pg_catalog.octet_length(d.key::text) OPERATOR(pg_catalog.<=) 65536 THEN d.key::text
    END
  FROM (
    SELECT DISTINCT c."email" AS key
    FROM ONLY "public"."mails" c
    WHERE c."email" IS NOT NULL
    OFFSET 0) d
  WHERE NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."email" OPERATOR("pg_catalog".=) d.key)
  LIMIT 10001)
UNION ALL
  (SELECT 1::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."members" c
    WHERE NOT (c."tenant" IS NULL AND c."user_id" IS NULL)
      AND (c."tenant" IS NULL OR c."user_id" IS NULL
        OR NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."tenant" OPERATOR("pg_catalog".=) c."tenant"
          AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
    LIMIT 1) f)
UNION ALL
  (SELECT 2::int8, CASE WHEN pg_catalog.octet_length(d.key::text) OPERATOR(pg_catalog.<=) 65536 THEN d.key::text
    END
  FROM (
    SELECT DISTINCT c."user_id" AS key
    FROM "public"."parts" c
    WHERE c."user_id" IS NOT NULL
    OFFSET 0) d
  WHERE NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) d.key)
  LIMIT 10001)
UNION ALL
  (SELECT 3::int8, CASE WHEN pg_catalog.octet_length(d.key::text) OPERATOR(pg_catalog.<=) 65536 THEN d.key::text
    END
  FROM (
    SELECT DISTINCT c."user_id" AS key
    FROM ONLY "public"."plain" c
    WHERE c."user_id" IS NOT NULL
    OFFSET 0) d
  WHERE NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) d.key)
  LIMIT 10001)
UNION ALL
  (SELECT 4::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."soft" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
              E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
      AND NOT c."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
      AND coalesce(c."kind" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text), false)
    LIMIT 1) f);

/* row by row */
  (SELECT 3::int8, CASE WHEN pg_catalog.octet_length(f.key::text) OPERATOR(pg_catalog.<=) 65536 THEN f.key::text
    END
  FROM ( WITH RECURSIVE d(key) AS (
        (SELECT c."user_id"
        FROM ONLY "public"."plain" c
        WHERE c."user_id" IS NOT NULL
        ORDER BY c."user_id"
        LIMIT 1)
      UNION ALL
      SELECT f.key
      FROM d
      CROSS JOIN LATERAL (
        SELECT c."user_id" AS key
        FROM ONLY "public"."plain" c
        WHERE c."user_id" OPERATOR("pg_catalog".>) d.key
        ORDER BY c."user_id"
        LIMIT 1) f)
    SELECT d.key
    FROM d
    WHERE NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) d.key)
    LIMIT 10001) f);

/* row by row */
  (SELECT 3::int8, CASE WHEN pg_catalog.octet_length(f.key::text) OPERATOR(pg_catalog.<=) 65536 THEN f.key::text
    END
  FROM ( WITH RECURSIVE users(low, high) AS MATERIALIZED (
      SELECT p."id", lead(p."id") OVER
        (ORDER BY p."id")
      FROM ONLY "public"."users" p
      WHERE p."id" IS NOT NULL), found(key, high) AS (
        (SELECT f.key, u.high
        FROM users u
        CROSS JOIN LATERAL (
          SELECT c."user_id" AS key
          FROM ONLY "public"."plain" c
          WHERE c."user_id" OPERATOR("pg_catalog".>) u.low
            AND c."user_id" OPERATOR("pg_catalog".<) u.high
          ORDER BY c."user_id"
          LIMIT 1) f
        WHERE u.high IS NOT NULL
        UNION ALL
        SELECT f.key, f.low
        FROM (
          SELECT c."user_id" AS key,
            (SELECT u.low
            FROM users u
            ORDER BY u.low
            LIMIT 1) AS low
          FROM ONLY "public"."plain" c
          WHERE c."user_id" IS NOT NULL
          ORDER BY c."user_id"
          LIMIT 1) f
        WHERE f.low IS NULL OR f.key OPERATOR("pg_catalog".<) f.low
        UNION ALL
        SELECT f.key, NULL
        FROM
          (SELECT u.low
          FROM users u
          WHERE u.high IS NULL) u
        CROSS JOIN LATERAL (
          SELECT c."user_id" AS key
          FROM ONLY "public"."plain" c
          WHERE c."user_id" OPERATOR("pg_catalog".>) u.low
          ORDER BY c."user_id"
          LIMIT 1) f)
      UNION ALL
      SELECT f.key, o.high
      FROM found o
      CROSS JOIN LATERAL (
        SELECT c."user_id" AS key
        FROM ONLY "public"."plain" c
        WHERE c."user_id" OPERATOR("pg_catalog".>) o.key
        ORDER BY c."user_id"
        LIMIT 1) f
      WHERE o.high IS NULL OR f.key OPERATOR("pg_catalog".<) o.high)
    SELECT key
    FROM found
    LIMIT 10001) f);

/* row by row */
  (SELECT 2::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."sessions" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
              E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
    LIMIT 1) f)
UNION ALL
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM ONLY "public"."posts" c
      CROSS JOIN LATERAL
        (VALUES (1, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $2::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $3::pg_catalog.int8)
              OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int8[])) THEN c."user_id"::int8
            END)) v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $4::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $5::pg_catalog.int8)
            OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int8[])))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001);

/* row by row */
  (SELECT 0::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."mails" c
    WHERE c."email" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."email" OPERATOR("pg_catalog".=) c."email")
    LIMIT 1) f)
UNION ALL
  (SELECT 1::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."members" c
    WHERE NOT (c."tenant" IS NULL AND c."user_id" IS NULL)
      AND (c."tenant" IS NULL OR c."user_id" IS NULL
        OR NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."tenant" OPERATOR("pg_catalog".=) c."tenant"
          AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
    LIMIT 1) f)
UNION ALL
  (SELECT 2::int8, NULL::text
  FROM
    (SELECT
    FROM "public"."parts" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id")
    LIMIT 1) f)
UNION ALL
  (SELECT 3::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."plain" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."id" OPERATOR("pg_catalog".=) c."user_id")
    LIMIT 1) f)
UNION ALL
  (SELECT 4::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."soft" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
              E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
      AND NOT c."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
      AND coalesce(c."kind" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text), false)
    LIMIT 1) f);

/* row by row */
  (SELECT 0::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."mails" c
    WHERE c."email" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."email" OPERATOR("pg_catalog".=) c."email")
    LIMIT 1) f)
UNION ALL
  (SELECT 1::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."members" c
    WHERE NOT (c."tenant" IS NULL AND c."user_id" IS NULL)
      AND (c."tenant" IS NULL OR c."user_id" IS NULL
        OR NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."tenant" OPERATOR("pg_catalog".=) c."tenant"
          AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
    LIMIT 1) f)
UNION ALL
  (SELECT 4::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."soft" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
              E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
      AND NOT c."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
      AND coalesce(c."kind" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text), false)
    LIMIT 1) f)
UNION ALL
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM "public"."parts" c
      CROSS JOIN LATERAL
        (VALUES (2, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $4::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $5::pg_catalog.int8)
              OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.int8[])) THEN c."user_id"::int8
            END)) v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $6::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $7::pg_catalog.int8)
            OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.int8[])))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001);

/* row by row */
  (SELECT 0::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."mails" c
    WHERE c."email" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE p."email" OPERATOR("pg_catalog".=) c."email")
    LIMIT 1) f)
UNION ALL
  (SELECT 1::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."members" c
    WHERE NOT (c."tenant" IS NULL AND c."user_id" IS NULL)
      AND (c."tenant" IS NULL OR c."user_id" IS NULL
        OR NOT EXISTS
        (SELECT
        FROM ONLY "public"."users" p
        WHERE p."tenant" OPERATOR("pg_catalog".=) c."tenant"
          AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
    LIMIT 1) f)
UNION ALL
  (SELECT 4::int8, NULL::text
  FROM
    (SELECT
    FROM ONLY "public"."soft" c
    WHERE c."user_id" IS NOT NULL AND NOT EXISTS
      (SELECT
      FROM ONLY "public"."users" p
      WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
              E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
      AND NOT c."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
      AND coalesce(c."kind" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text), false)
    LIMIT 1) f)
UNION ALL
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM "public"."parts" c
      CROSS JOIN LATERAL
        (VALUES (2, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $4::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $5::pg_catalog.int8)
              OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.int8[])) THEN c."user_id"::int8
            END)) v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $6::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $7::pg_catalog.int8)
            OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($3::pg_catalog.int8[])))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001)
UNION ALL
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM ONLY "public"."plain" c
      CROSS JOIN LATERAL
        (VALUES (3, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $9::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $10::pg_catalog.int8)
              OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($8::pg_catalog.int8[])) THEN c."user_id"::int8
            END)) v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $11::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $12::pg_catalog.int8)
            OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($8::pg_catalog.int8[])))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001);

/* row by row */
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM ONLY "public"."logs" c
      CROSS JOIN LATERAL
        (VALUES (0, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $2::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $3::pg_catalog.int8)
              OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int8[])) THEN c."user_id"::int8
            END)) v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $4::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $5::pg_catalog.int8)
            OR c."user_id"::int8 OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.int8[])))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001);

/* row by row */
  (SELECT x.n, x.key
  FROM (
    SELECT d.n, d.key, row_number() OVER (PARTITION BY d.n) AS nth
    FROM (
      SELECT DISTINCT v.n::int8 AS n, v.key::text AS key
      FROM ONLY "public"."logs" c
      CROSS JOIN LATERAL
        (VALUES (0, CASE WHEN (false OR (c."user_id" OPERATOR(pg_catalog.<=) $1::pg_catalog.int8)
              OR (c."user_id" OPERATOR(pg_catalog.>=) $2::pg_catalog.int8)) THEN c."user_id"::int8 END))
        v(n, key)
      WHERE ((false OR (c."user_id" OPERATOR(pg_catalog.<=) $3::pg_catalog.int8)
            OR (c."user_id" OPERATOR(pg_catalog.>=) $4::pg_catalog.int8)))
        AND v.key IS NOT NULL) d) x
  WHERE x.nth OPERATOR(pg_catalog.<=) 10001);

/* row by row */ (WITH RECURSIVE found(key, last) AS (
    SELECT f.key, g.last
    FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) g(first, last)
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."logs" c
      WHERE c."user_id" OPERATOR(pg_catalog.>=) g.first
        AND c."user_id" OPERATOR(pg_catalog.<=) g.last
      ORDER BY c."user_id"
      LIMIT 1) f
    UNION ALL
    SELECT f.key, o.last
    FROM found o
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."logs" c
      WHERE c."user_id" OPERATOR(pg_catalog.>) o.key
        AND c."user_id" OPERATOR(pg_catalog.<=) o.last
      ORDER BY c."user_id"
      LIMIT 1) f)
  SELECT 0::int8, key::text
  FROM found
  LIMIT 10001);

/* row by row */ (WITH RECURSIVE found(key, last) AS (
    SELECT f.key, g.last
    FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) g(first, last)
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."logs" c
      WHERE c."user_id" OPERATOR(pg_catalog.>=) g.first
        AND c."user_id" OPERATOR(pg_catalog.<=) g.last
      ORDER BY c."user_id"
      LIMIT 1) f
    UNION ALL
    SELECT f.key, o.last
    FROM found o
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."logs" c
      WHERE c."user_id" OPERATOR(pg_catalog.>) o.key
        AND c."user_id" OPERATOR(pg_catalog.<=) o.last
      ORDER BY c."user_id"
      LIMIT 1) f)
  SELECT 0::int8, key::text
  FROM found
  LIMIT 10001)
UNION ALL (WITH RECURSIVE found(key, last) AS (
    SELECT f.key, g.last
    FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) g(first, last)
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."roles" c
      WHERE c."user_id" OPERATOR(pg_catalog.>=) g.first
        AND c."user_id" OPERATOR(pg_catalog.<=) g.last
      ORDER BY c."user_id"
      LIMIT 1) f
    UNION ALL
    SELECT f.key, o.last
    FROM found o
    CROSS JOIN LATERAL (
      SELECT c."user_id"::int8 AS key
      FROM ONLY "public"."roles" c
      WHERE c."user_id" OPERATOR(pg_catalog.>) o.key
        AND c."user_id" OPERATOR(pg_catalog.<=) o.last
      ORDER BY c."user_id"
      LIMIT 1) f)
  SELECT 2::int8, key::text
  FROM found
  LIMIT 10001);
