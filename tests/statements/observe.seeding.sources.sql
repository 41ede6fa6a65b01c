-- src/engine/postgres/observe/seeding/sources.rs

SELECT n.nspname::text, c.relname::text
FROM pg_class c
JOIN pg_namespace n
ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_'
  AND EXISTS
  (SELECT
  FROM pg_attribute a
  WHERE a.attrelid = c.oid AND a.attname::text IN ('next_val', 'sequence_next_hi_value', 'next_hi', 'seq_count',
      'sequence_value')) AND c.relname::text = ANY ($1::pg_catalog.text[])
ORDER BY 1, 2
LIMIT 5;
