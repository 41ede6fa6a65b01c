-- src/engine/postgres/restore/past.rs

SELECT s.step, s.action, s.schema_name, s.table_name, s.column_names, s.constraint_name
FROM auth_consistency.steps s
JOIN auth_consistency.runs r
ON r.run OPERATOR(pg_catalog.=) s.run
WHERE r.system_identifier OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND r.database_oid OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND r.owner OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND r.run OPERATOR(pg_catalog.=) $4::pg_catalog.text
ORDER BY s.step;

SELECT EXISTS
  (SELECT
  FROM auth_consistency.batches
  WHERE action OPERATOR(pg_catalog.=) 'Delete'
    AND run OPERATOR(pg_catalog.=) $1::pg_catalog.text
    AND step OPERATOR(pg_catalog.=) $2::pg_catalog.int8);

SELECT DISTINCT q.schema_name, q.table_name, b.action, b.column_names
FROM auth_consistency.batches b
JOIN auth_consistency.quarantine q
ON q.name OPERATOR(pg_catalog.=) b.name
WHERE b.run OPERATOR(pg_catalog.=) $1::pg_catalog.text
  AND b.step OPERATOR(pg_catalog.=) $2::pg_catalog.int8
  AND b.system_identifier OPERATOR(pg_catalog.=) $3::pg_catalog.text
  AND b.database_oid OPERATOR(pg_catalog.=) $4::pg_catalog.int8
  AND NOT (q.schema_name OPERATOR(pg_catalog.=) $5::pg_catalog.text
    AND q.table_name OPERATOR(pg_catalog.=) $6::pg_catalog.text)
ORDER BY 1, 2;
