-- src/engine/postgres/session/transaction.rs

SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('extra_float_digits',
    '1', true), pg_catalog.set_config('DateStyle', 'ISO, MDY', true), pg_catalog.set_config('IntervalStyle',
    'postgres', true), pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('standard_conforming_strings',
    'on', true), pg_catalog.set_config('quote_all_identifiers', 'off', true), pg_catalog.set_config('client_min_messages',
    'error', true), pg_catalog.set_config('constraint_exclusion', 'off', true), pg_catalog.set_config('jit',
    'off', true), CASE WHEN pg_catalog.current_setting('restrict_nonsystem_relation_kind', true) IS NOT
  NULL AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'on' THEN pg_catalog.set_config('restrict_nonsystem_relation_kind',
    'view', true) END, pg_catalog.set_config('row_security', 'off', true), pg_catalog.set_config('statement_timeout',
    $1::pg_catalog.text, true), pg_catalog.set_config('lock_timeout', $2::pg_catalog.text, true);

SELECT pg_catalog.set_config('statement_timeout', $1::pg_catalog.text, true);
