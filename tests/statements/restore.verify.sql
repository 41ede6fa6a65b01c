-- src/engine/postgres/restore/verify.rs

SELECT pg_catalog.array_remove(ARRAY[NULL::pg_catalog.text, CASE
    WHEN
    (SELECT c."tokens_valid_after"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) q."tokens_valid_after"::pg_catalog.text
      COLLATE pg_catalog."C" OR (c."tokens_valid_after"::pg_catalog.text IS NULL
        AND q."tokens_valid_after"::pg_catalog.text IS NULL)
    FROM "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
    WHERE q.ctid OPERATOR(pg_catalog.=) CAST($1::pg_catalog.text AS pg_catalog.tid)) THEN NULL
    ELSE $2::pg_catalog.text END, CASE WHEN c."stamp"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=)
    q."stamp"::pg_catalog.text COLLATE pg_catalog."C"
    OR (c."stamp"::pg_catalog.text IS NULL AND q."stamp"::pg_catalog.text IS NULL) THEN NULL
    ELSE $3::pg_catalog.text END], NULL)
FROM ONLY "public"."users" c, "auth_consistency"."q_users_3ab2afaa_8a40c0a11c289890" q
WHERE c.tableoid OPERATOR(pg_catalog.=) $4::pg_catalog.int8::pg_catalog.oid
  AND c.ctid OPERATOR(pg_catalog.=) CAST($5::pg_catalog.text AS pg_catalog.tid)
  AND q.ctid OPERATOR(pg_catalog.=) CAST($6::pg_catalog.text AS pg_catalog.tid);

SELECT pg_catalog.array_remove(ARRAY[NULL::pg_catalog.text, CASE
    WHEN c."id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) q."id"::pg_catalog.text
    COLLATE pg_catalog."C" OR (c."id"::pg_catalog.text IS NULL
      AND q."id"::pg_catalog.text IS NULL) THEN NULL
    ELSE $1::pg_catalog.text END, CASE WHEN c."post_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=)
    q."post_id"::pg_catalog.text COLLATE pg_catalog."C"
    OR (c."post_id"::pg_catalog.text IS NULL AND q."post_id"::pg_catalog.text IS NULL) THEN NULL
    ELSE $2::pg_catalog.text END], NULL)
FROM ONLY "public"."likes" c, "auth_consistency"."q_likes_2dde4ac8_b65bd9f9cea83e78" q
WHERE c.tableoid OPERATOR(pg_catalog.=) $3::pg_catalog.int8::pg_catalog.oid
  AND c.ctid OPERATOR(pg_catalog.=) CAST($4::pg_catalog.text AS pg_catalog.tid)
  AND q.ctid OPERATOR(pg_catalog.=) CAST($5::pg_catalog.text AS pg_catalog.tid);

SELECT pg_catalog.array_remove(ARRAY[NULL::pg_catalog.text, CASE
    WHEN c."post_id"::pg_catalog.text COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) q."post_id"::pg_catalog.text
    COLLATE pg_catalog."C" OR (c."post_id"::pg_catalog.text IS NULL
      AND q."post_id"::pg_catalog.text IS NULL) THEN NULL
    ELSE $1::pg_catalog.text END], NULL)
FROM ONLY "public"."drafts" c, "auth_consistency"."q_drafts_46498eb5_f7caf7e9b5b1f348" q
WHERE c.tableoid OPERATOR(pg_catalog.=) $2::pg_catalog.int8::pg_catalog.oid
  AND c.ctid OPERATOR(pg_catalog.=) CAST($3::pg_catalog.text AS pg_catalog.tid)
  AND q.ctid OPERATOR(pg_catalog.=) CAST($4::pg_catalog.text AS pg_catalog.tid);

SELECT DISTINCT t.tgname::text
FROM pg_trigger t
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
  AND t.tgtype::int8 & $1::pg_catalog.int8 <> 0
  AND (t.tgrelid = $2::pg_catalog.int8::oid)
ORDER BY 1;
