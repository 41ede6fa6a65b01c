-- src/engine/postgres/catalog/sequence/late.rs

SELECT x.text, EXISTS
  (SELECT
  FROM regexp_matches(x.tree, ':(funcid|opfuncid) ([0-9]+)', 'g') AS f(m)
  WHERE f.m[2]::int8 >= 16384), EXISTS
  (SELECT
  FROM regexp_matches(x.tree, ':funcid ([0-9]+)', 'g') AS f(m)
  JOIN pg_proc p
  ON p.oid = f.m[1]::oid
  WHERE p.proname IN ('nextval', 'currval', 'lastval', 'setval'))
FROM pg_attribute a
LEFT JOIN pg_attrdef d
ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_type t
ON t.oid = a.atttypid
CROSS JOIN LATERAL
  (SELECT CASE WHEN d.oid IS NOT NULL THEN pg_get_expr(d.adbin, d.adrelid)
    ELSE pg_get_expr(t.typdefaultbin, 0) END AS text, coalesce(d.adbin, t.typdefaultbin)::text AS tree)
  x
WHERE a.attgenerated = '' AND a.attidentity = ''
  AND a.attrelid = $1::pg_catalog.int8::oid
  AND a.attname::text = $2::pg_catalog.text
  AND x.text IS NOT NULL;

SELECT t.tgname::text
FROM pg_attribute a
JOIN pg_trigger t
ON t.tgrelid = a.attrelid
JOIN pg_proc p
ON p.oid = t.tgfoid
WHERE NOT a.atthasdef AND a.attidentity = ''
  AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
  AND t.tgtype & 7 = 7 AND (p.prosrc ~* '\mnextval\M'
    OR EXISTS
    (SELECT
    FROM translate(lower(p.prosrc), E'" \t\r\n', '') AS f(text)
    WHERE position('new.' || lower(a.attname) || ':=' IN f.text) > 0
      OR position('intonew.' || lower(a.attname) || ';' IN f.text) > 0))
  AND a.attrelid = $1::pg_catalog.int8::oid
  AND a.attname::text = $2::pg_catalog.text
ORDER BY t.tgname::text;
