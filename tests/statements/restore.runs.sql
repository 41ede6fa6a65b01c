-- src/engine/postgres/restore/runs.rs

SELECT run, to_char(min(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), string_agg(DISTINCT action
    || ' ' || object, ', '), sum(rows)::int8
FROM auth_consistency.audit
WHERE system_identifier = $1::pg_catalog.text
  AND database_oid = $2::pg_catalog.int8 AND owner = $3::pg_catalog.text
  AND action NOT IN ('Purge', 'Restore')
GROUP BY run
ORDER BY max(id) DESC
LIMIT 50;
