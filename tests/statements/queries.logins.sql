-- src/engine/postgres/queries/logins.rs

WITH p AS
  (SELECT p."email"::text AS login
  FROM ONLY "public"."users" p), same AS
  (SELECT lower(btrim(login,
        (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
        FROM pg_catalog.unnest($1::pg_catalog.int8[]) b(c)
        WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
          'UTF8'))) AS folded, count(*) AS accounts
  FROM p
  WHERE login IS NOT NULL
  GROUP BY login), alike AS
  (SELECT sum(accounts) AS accounts, count(*) AS logins
  FROM same
  GROUP BY folded)
SELECT
  (SELECT count(*)
  FROM p
  WHERE login IS NULL),
  (SELECT coalesce(sum(accounts), 0)::int8
  FROM same
  WHERE accounts > 1),
  (SELECT coalesce(sum(accounts), 0)::int8
  FROM alike
  WHERE logins > 1);
