-- src/engine/postgres/observe/fit.rs

SELECT p."id"::pg_catalog.text
FROM ONLY "public"."users" p
WHERE p."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer);

SELECT coalesce(pg_catalog.bool_and((SELECT coalesce(((id < 1000)), true)
      FROM
        (SELECT CAST(v.value AS integer) AS "id") t)), true)
FROM pg_catalog.unnest($1::pg_catalog.text[]) v(value);

SELECT coalesce(pg_catalog.bool_and(CAST(v.value AS integer) OPERATOR("pg_catalog".=) CAST(v.value AS
        integer)), true)
FROM pg_catalog.unnest($1::pg_catalog.text[]) v(value);

SELECT coalesce(pg_catalog.concat(CAST($1::pg_catalog.text AS pg_catalog.text)) OPERATOR(pg_catalog.=)
    $2::pg_catalog.text, false);
