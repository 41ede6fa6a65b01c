-- src/engine/postgres/rowset/session_rows.rs

SELECT count(*),
  (SELECT count(*)
  FROM ONLY "public"."users" p
  WHERE EXISTS
    (SELECT
    FROM ONLY "public"."sessions" c
    WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
            E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C")
    AND coalesce(p."is_active" OPERATOR("pg_catalog".=) CAST($1::pg_catalog.text AS boolean), false)
    AND EXISTS
    (SELECT
    FROM ROWS
    FROM (pg_catalog.unnest($2::pg_catalog.text[])) AS k(k0)
    WHERE p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer))), coalesce(max(octet_length(pg_catalog.json_build_array(c."token"::pg_catalog.text)::pg_catalog.text)),
    0)::int8
FROM ONLY "public"."sessions" c
WHERE EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  JOIN ROWS
  FROM (pg_catalog.unnest($3::pg_catalog.text[])) AS k(k0)
  ON p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
          E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C");

INSERT INTO auth_consistency.step_keys (run, step, key)
SELECT $1::pg_catalog.text, $2::pg_catalog.int8, pg_catalog.json_build_array(c."token"::pg_catalog.text)::pg_catalog.text
FROM ONLY "public"."sessions" c
WHERE EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  JOIN ROWS
  FROM (pg_catalog.unnest($3::pg_catalog.text[])) AS k(k0)
  ON p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
          E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C");

/* row by row */ DELETE
FROM auth_consistency.step_keys l
WHERE l.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND l.step OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND l.key OPERATOR(pg_catalog.=) ANY (ARRAY(
    SELECT l.key
    FROM auth_consistency.step_keys l
    WHERE l.run OPERATOR(pg_catalog.=) $3::pg_catalog.text
      AND l.step OPERATOR(pg_catalog.=) $4::pg_catalog.int8
    ORDER BY l.key
    LIMIT $5::pg_catalog.int8))
RETURNING l.key;

SELECT EXISTS
  (SELECT
  FROM auth_consistency.step_keys l
  WHERE l.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    AND l.step OPERATOR(pg_catalog.=) $2::pg_catalog.int8);

/* row by row */
SELECT c."token"::pg_catalog.text
FROM ONLY "public"."sessions" c
JOIN ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[])) AS k(k0)
ON c."token" OPERATOR("pg_catalog".=) CAST(k.k0 AS pg_catalog.text)
WHERE EXISTS
  (SELECT
  FROM ONLY "public"."users" p
  JOIN ROWS
  FROM (pg_catalog.unnest($2::pg_catalog.text[])) AS k(k0)
  ON p."id" OPERATOR("pg_catalog".=) CAST(k.k0 AS integer)
  WHERE (p."id"::pg_catalog.text) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) (pg_catalog.regexp_replace(pg_catalog.btrim(c."user_id"::pg_catalog.text,
          E' \t\n\r\f\x0B'), '^[+]?(-?)0*([0-9]+)$', '\1\2')) COLLATE pg_catalog."C") FOR UPDATE OF c;

DELETE
FROM ONLY "public"."sessions" c
USING ROWS
FROM (pg_catalog.unnest($1::pg_catalog.text[])) AS k(k0)
WHERE c."token" OPERATOR("pg_catalog".=) CAST(k.k0 AS pg_catalog.text);
