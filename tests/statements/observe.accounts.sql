-- src/engine/postgres/observe/accounts.rs

SELECT count(*) FILTER
  (WHERE p."email" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)), count(*) FILTER
  (WHERE NOT p."email" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text)
    AND lower(btrim(p."email"::text,
        (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
        FROM pg_catalog.unnest($3::pg_catalog.int8[]) b(c)
        WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
          'UTF8'))) = lower($4::pg_catalog.text)), count(*) FILTER
  (WHERE NOT p."email" OPERATOR("pg_catalog".=) CAST($5::pg_catalog.text AS pg_catalog.text)
    AND lower(btrim(p."email"::text,
        (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
        FROM pg_catalog.unnest($6::pg_catalog.int8[]) b(c)
        WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
          'UTF8'))) = lower($7::pg_catalog.text) AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($8::pg_catalog.text
        AS boolean), false))
FROM ONLY "public"."users" p;

SELECT count(*) OVER (), CASE WHEN pg_catalog.octet_length(p."id"::pg_catalog.text) OPERATOR(pg_catalog.>)
  65536 THEN pg_catalog.concat(pg_catalog."left"(p."id"::pg_catalog.text, 100), '... (', pg_catalog.octet_length(p."id"::pg_catalog.text),
    ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p."id"::pg_catalog.text,
          'UTF8')), 'hex'), ')') ELSE p."id"::pg_catalog.text END, CASE
  WHEN pg_catalog.octet_length(p."id"::pg_catalog.text) OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(p."id"::pg_catalog.text,
      100), '... (', pg_catalog.octet_length(p."id"::pg_catalog.text), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p."id"::pg_catalog.text,
          'UTF8')), 'hex'), ')') ELSE p."id"::pg_catalog.text END, pg_catalog."left"(p."hashed_password"::pg_catalog.text,
    4096), NULL::pg_catalog.text, NULL::pg_catalog.text, coalesce(false, false), coalesce(p."is_active"
    OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean), false), coalesce(p."role" OPERATOR("pg_catalog".=)
    CAST($2::pg_catalog.text AS pg_catalog.text), false)
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS pg_catalog.text)
ORDER BY p."id"
LIMIT 1;

SELECT count(*) OVER (), CASE WHEN pg_catalog.octet_length(p."id"::pg_catalog.text) OPERATOR(pg_catalog.>)
  65536 THEN pg_catalog.concat(pg_catalog."left"(p."id"::pg_catalog.text, 100), '... (', pg_catalog.octet_length(p."id"::pg_catalog.text),
    ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p."id"::pg_catalog.text,
          'UTF8')), 'hex'), ')') ELSE p."id"::pg_catalog.text END, NULL::pg_catalog.text, pg_catalog."left"(p."hashed_password"::pg_catalog.text,
    4096), NULL::pg_catalog.text, NULL::pg_catalog.text, coalesce(false, false), coalesce(p."is_active"
    OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean), false), coalesce(p."role" OPERATOR("pg_catalog".=)
    CAST($2::pg_catalog.text AS pg_catalog.text), false)
FROM ONLY "public"."users" p
WHERE p."email" OPERATOR("pg_catalog".=) CAST($3::pg_catalog.text AS pg_catalog.text)
ORDER BY p."id"
LIMIT 1;

SELECT CAST($1::pg_catalog.text AS integer)::text;

SELECT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS integer));
