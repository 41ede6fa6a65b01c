-- src/engine/postgres/observe/scope/elsewhere.rs

SELECT DISTINCT n.nspname::text
FROM pg_constraint k
JOIN pg_class c
ON c.oid = k.conrelid
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE k.contype = 'f' AND k.confrelid = $1::pg_catalog.int8::oid;

WITH k AS
  (SELECT con.*, n.nspname::text AS s, c.relname::text AS t, c.relkind AS kind, pn.nspname::text AS ps,
    p.relname::text AS pt, EXISTS
    (SELECT
    FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) r(s, t)
    WHERE r.s = n.nspname::text AND r.t = c.relname::text) AS ruled, strpos(lower(p.relname::text), $3::pg_catalog.text)
    > 0 AS called
  FROM pg_constraint con
  JOIN pg_class c
  ON c.oid = con.conrelid
  JOIN pg_namespace n
  ON n.oid = c.relnamespace
  JOIN pg_class p
  ON p.oid = con.confrelid
  JOIN pg_namespace pn
  ON pn.oid = p.relnamespace
  WHERE con.contype = 'f' AND con.conparentid = 0
    AND con.confrelid <> $4::pg_catalog.int8::oid
    AND con.conrelid <> con.confrelid), holding AS MATERIALIZED
  (SELECT d.r
  FROM
    (SELECT DISTINCT k.confrelid AS r
    FROM k) d
  WHERE EXISTS (
    SELECT
    FROM pg_attribute a
    WHERE a.attrelid = d.r AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attname::text = ANY ($5::pg_catalog.text[])
        OR lower(regexp_replace(a.attname::text, '([a-z0-9])([A-Z])', '\1_\2', 'g')) = ANY ($6::pg_catalog.text[])))),
  told AS
  (SELECT k.*, k.confrelid IN
    (SELECT h.r
    FROM holding h) AND NOT EXISTS
    (SELECT
    FROM pg_constraint l
    WHERE l.contype = 'f' AND ((l.conrelid = k.confrelid
          AND l.confrelid = $7::pg_catalog.int8::oid)
        OR (l.conrelid = $8::pg_catalog.int8::oid
          AND l.confrelid = k.confrelid))) AS accounts
  FROM k)
SELECT t.s, t.t, t.conname::text, ARRAY(SELECT a.attname::text
  FROM unnest(t.conkey) WITH ORDINALITY x(n, i)
  JOIN pg_attribute a
  ON a.attrelid = t.conrelid AND a.attnum = x.n
  ORDER BY x.i), t.ps, t.pt, ARRAY(SELECT a.attname::text
  FROM unnest(t.confkey) WITH ORDINALITY x(n, i)
  JOIN pg_attribute a
  ON a.attrelid = t.confrelid AND a.attnum = x.n
  ORDER BY x.i), "left"(pg_get_constraintdef(t.oid), 4096), t.accounts, t.kind = 'r'
  OR current_setting('server_version_num')::int >= 180000, EXISTS
  (SELECT
  FROM pg_constraint l
  JOIN pg_attribute i
  ON i.attname::text = $9::pg_catalog.text AND i.attrelid = $10::pg_catalog.int8::oid
  WHERE l.contype = 'f' AND ((l.conrelid = t.confrelid
        AND l.conkey = t.confkey AND l.confrelid = i.attrelid
        AND l.confkey = ARRAY[i.attnum]) OR (l.conrelid = i.attrelid
        AND l.conkey = ARRAY[i.attnum] AND l.confrelid = t.confrelid
        AND l.confkey = t.confkey)))
FROM told t
WHERE t.ruled OR t.accounts
ORDER BY t.ruled DESC, t.called DESC, t.s, t.t, t.conname
LIMIT $11::pg_catalog.int8;
