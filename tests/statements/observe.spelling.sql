-- src/engine/postgres/observe/spelling.rs

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(o.key) OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(o.key,
      100), '... (', pg_catalog.octet_length(o.key), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(o.key,
          'UTF8')), 'hex'), ')') ELSE o.key END, CASE
  WHEN pg_catalog.octet_length(min(p.key)) OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(min(p.key),
      100), '... (', pg_catalog.octet_length(min(p.key)), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(min(p.key),
          'UTF8')), 'hex'), ')') ELSE min(p.key) END, o.n, count(*)
FROM
  (SELECT min(c."email"::text) AS key, count(*) AS n, CASE
    WHEN octet_length(c."email"::text) > 200 THEN lower(btrim(c."email"::text,
        (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
        FROM pg_catalog.unnest($1::pg_catalog.int8[]) b(c)
        WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
          'UTF8')) COLLATE "default") WHEN translate(lower(btrim(c."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($2::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '{}-', '') ~ '^[0-9a-f]{32}$' THEN translate(lower(btrim(c."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($3::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '{}-', '') ELSE regexp_replace(lower(btrim(c."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($4::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '^[+]?(-?)0*([0-9]+)$', '\1\2') END AS canonical
  FROM ONLY "public"."mails" c
  WHERE c."email" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."email" OPERATOR("pg_catalog".=) c."email")
  GROUP BY c."email") o
JOIN
  (SELECT p."email"::text AS key, CASE WHEN octet_length(p."email"::text) > 200 THEN lower(btrim(p."email"::text,
        (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
        FROM pg_catalog.unnest($5::pg_catalog.int8[]) b(c)
        WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
          'UTF8')) COLLATE "default") WHEN translate(lower(btrim(p."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($6::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '{}-', '') ~ '^[0-9a-f]{32}$' THEN translate(lower(btrim(p."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($7::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '{}-', '') ELSE regexp_replace(lower(btrim(p."email"::text,
          (SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '')
          FROM pg_catalog.unnest($8::pg_catalog.int8[]) b(c)
          WHERE b.c OPERATOR(pg_catalog.<) 128 OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=)
            'UTF8')) COLLATE "default"), '^[+]?(-?)0*([0-9]+)$', '\1\2') END AS canonical
  FROM ONLY "public"."users" p) p
ON p.canonical = o.canonical
GROUP BY o.key, o.n
ORDER BY o.key COLLATE "C";
