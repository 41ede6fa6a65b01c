-- src/engine/postgres/session/load.rs

SELECT coalesce((SELECT extract(epoch
      FROM max(replay_lag)) * 1000
    FROM pg_stat_replication), 0)::int8,
  (SELECT count(*)
  FROM pg_locks
  WHERE NOT granted),
  (SELECT count(*)
  FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_xmin IS NOT NULL AND xact_start < clock_timestamp() - interval '5 minutes'),
  (SELECT pg_stat_get_db_xact_commit(oid)
  FROM pg_database
  WHERE datname = current_database());
