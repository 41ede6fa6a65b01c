-- src/engine/postgres/rowset/dependents.rs

SELECT count(*)
FROM ONLY "public"."drafts" d
WHERE EXISTS
  (SELECT
  FROM ONLY "public"."posts" c
  WHERE c."id" OPERATOR("pg_catalog".=) d."post_id"
    AND c."user_id" IS NOT NULL AND NOT EXISTS
    (SELECT
    FROM ONLY "public"."users" p
    WHERE p."id" OPERATOR("pg_catalog".=) c."user_id"));

SELECT con.confdeltype::text, ARRAY(SELECT a.attname::text
  FROM pg_attribute a
  WHERE a.attrelid = con.conrelid AND a.attnum = ANY (con.conkey)
    AND (coalesce(to_jsonb(con) -> 'confdelsetcols', 'null') = 'null'
      OR to_jsonb(con) -> 'confdelsetcols' @> to_jsonb(a.attnum))
  ORDER BY a.attnum), ARRAY(SELECT t.relid::oid::int8
  FROM pg_partition_tree(con.conrelid) t
  WHERE t.isleaf), con.confupdtype IN ('c', 'n', 'd')
FROM pg_constraint con
WHERE con.contype = 'f' AND con.conname::text = $1::pg_catalog.text
  AND con.conrelid = $2::pg_catalog.int8::oid;
