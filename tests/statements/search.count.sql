-- src/engine/postgres/search/count.rs

/* row by row */ WITH g(key, n, k0) AS MATERIALIZED
  (SELECT c."user_id"::pg_catalog.text, pg_catalog.count(*), c."user_id"
  FROM ONLY "public"."logs" c
  WHERE c."user_id" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."user_id")
  GROUP BY c."user_id"), l AS (INSERT INTO auth_consistency.step_keys (run, step, key)
  SELECT DISTINCT $1::pg_catalog.text, $2::pg_catalog.int8, g.key
  FROM g)
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min(g.key COLLATE pg_catalog."C")) OPERATOR(pg_catalog.>)
  65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min(g.key COLLATE pg_catalog."C"), 100), '... (',
    pg_catalog.octet_length(pg_catalog.min(g.key COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min(g.key
            COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min(g.key COLLATE pg_catalog."C") END, pg_catalog.sum(g.n)::pg_catalog.int8
FROM g
GROUP BY k0
ORDER BY k0;

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min((ROW(c."tenant", c."user_id")::pg_catalog.text)
      COLLATE pg_catalog."C")) OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min((ROW(c."tenant",
            c."user_id")::pg_catalog.text) COLLATE pg_catalog."C"), 100), '... (', pg_catalog.octet_length(pg_catalog.min((ROW(c."tenant",
            c."user_id")::pg_catalog.text) COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min((ROW(c."tenant",
                c."user_id")::pg_catalog.text) COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min((ROW(c."tenant", c."user_id")::pg_catalog.text) COLLATE pg_catalog."C") END, pg_catalog.count(*),
  pg_catalog."left"(c."user_id"::pg_catalog.text, 100)
FROM ONLY "public"."members" c
WHERE NOT (c."tenant" IS NULL AND c."user_id" IS NULL)
  AND (c."tenant" IS NULL OR c."user_id" IS NULL
    OR NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."tenant" OPERATOR("pg_catalog".=) c."tenant"
      AND p."id" OPERATOR("pg_catalog".=) c."user_id"))
GROUP BY c."tenant", c."user_id"
ORDER BY c."tenant", c."user_id";

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C"))
  OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C"), 100), '... (', pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min((c."user_id"::pg_catalog.text)
            COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C") END, pg_catalog.count(*)
FROM "public"."parts" c
WHERE c."user_id" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."id" OPERATOR("pg_catalog".=) c."user_id")
GROUP BY c."user_id"
ORDER BY c."user_id";

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C"))
  OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C"), 100), '... (', pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min((c."user_id"::pg_catalog.text)
            COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C") END, pg_catalog.count(*)
FROM
  (SELECT c."user_id"
  FROM
    (SELECT DISTINCT CAST(k.key AS integer) AS key
    FROM unnest($1::pg_catalog.text[]) k(key)) k
  CROSS JOIN LATERAL
    (SELECT c."user_id"
    FROM ONLY "public"."logs" c
    WHERE c."user_id" OPERATOR("pg_catalog".=) k.key
    OFFSET 0) c
  LIMIT $2::pg_catalog.int8) c
GROUP BY c."user_id"
ORDER BY c."user_id";

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C"))
  OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C"), 100), '... (', pg_catalog.octet_length(pg_catalog.min((c."user_id"::pg_catalog.text)
        COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min((c."user_id"::pg_catalog.text)
            COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min((c."user_id"::pg_catalog.text) COLLATE pg_catalog."C") END, pg_catalog.count(*)
FROM ONLY "public"."soft" c
WHERE c."user_id" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
          E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
  AND NOT c."user_id" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS pg_catalog.text)
  AND coalesce(c."kind" OPERATOR("pg_catalog".=) CAST($2::pg_catalog.text AS pg_catalog.text), false)
GROUP BY c."user_id"
ORDER BY c."user_id";

/* row by row */
SELECT CASE WHEN pg_catalog.octet_length(pg_catalog.min((c."email"::pg_catalog.text) COLLATE pg_catalog."C"))
  OPERATOR(pg_catalog.>) 65536 THEN pg_catalog.concat(pg_catalog."left"(pg_catalog.min((c."email"::pg_catalog.text)
        COLLATE pg_catalog."C"), 100), '... (', pg_catalog.octet_length(pg_catalog.min((c."email"::pg_catalog.text)
        COLLATE pg_catalog."C")), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.min((c."email"::pg_catalog.text)
            COLLATE pg_catalog."C"), 'UTF8')), 'hex'), ')')
  ELSE pg_catalog.min((c."email"::pg_catalog.text) COLLATE pg_catalog."C") END, pg_catalog.count(*)
FROM ONLY "public"."mails" c
WHERE c."email" IS NOT NULL AND NOT EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  WHERE p."email" OPERATOR("pg_catalog".=) c."email")
GROUP BY c."email"
ORDER BY c."email";
