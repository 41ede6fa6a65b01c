-- src/engine/postgres/session/server.rs

SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int8,
  (SELECT system_identifier::text
  FROM pg_control_system()),
  (SELECT oid::int8
  FROM pg_database
  WHERE datname = current_database()), pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool,
  current_user::text, current_database()::text, CASE
  WHEN current_setting('default_transaction_read_only')::bool THEN
  (SELECT source
  FROM pg_catalog.pg_settings
  WHERE name OPERATOR(pg_catalog.=) 'default_transaction_read_only') END;
