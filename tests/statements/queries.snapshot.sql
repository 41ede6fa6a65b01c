-- src/engine/postgres/queries/snapshot.rs

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(p.id) OPERATOR(pg_catalog.<=) 1024 THEN p.id END, CASE
  WHEN pg_catalog.octet_length(p.login) OPERATOR(pg_catalog.<=) 1024 THEN p.login END, coalesce(pg_catalog.octet_length(p.login)
    OPERATOR(pg_catalog.>) 1024, false)
FROM
  (SELECT p."id"::pg_catalog.text AS id, p."email"::pg_catalog.text AS login, p."id" AS place
  FROM ONLY "public"."users" p) p
ORDER BY p.place
LIMIT $1::pg_catalog.int8;
