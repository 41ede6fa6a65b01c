//! Catalogs that do not fit into one answer.

use auth_consistency::{api::condition::Reason as R, pass::Look};

use crate::support::{Case, Db, USUAL, admin_and_ada};

/// So many tables with a hundred columns each, of which every one is a foreign key to the users. A server makes such keys
/// one by one, in time that grows with their square; here they are written to the catalog as it would.
async fn keys(tables: usize) -> Db {
    let db = admin_and_ada(
        "CREATE TABLE t_1 (id int PRIMARY KEY, c1 int CONSTRAINT real REFERENCES users);
         ALTER TABLE t_1 DROP CONSTRAINT t_1_pkey",
    )
    .await;
    db.run(&format!(
        "DO $$ BEGIN FOR t IN 1..{tables} LOOP EXECUTE (SELECT format('CREATE TABLE k_%s (id int, %s)', t,
           string_agg(format('c%s int', c), ', ')) FROM generate_series(1, 100) c); END LOOP; END $$;
         SET allow_system_table_mods = on;
         INSERT INTO pg_constraint SELECT (jsonb_populate_record(k, jsonb_build_object('oid', 3000000000 + t * 100 + c,
           'conname', format('key %s of %s', c, t), 'conrelid', format('k_%s', t)::regclass::oid::int8,
           'conkey', jsonb_build_array(c + 1)))).*
         FROM pg_constraint k, generate_series(1, {tables}) t, generate_series(1, 100) c WHERE k.conname = 'real';
         ALTER TABLE t_1 DROP CONSTRAINT real; INSERT INTO k_2 (id, c7) VALUES (1, 9); ANALYZE"
    ))
    .await;
    db
}

#[tokio::test]
async fn twenty_thousand_foreign_keys_are_looked_at() {
    let db = keys(200).await;
    let mut case = Case::new(&db, &format!("{USUAL}timeout: 5m\n"));
    // With their counters, which are read before.
    case.look = Look::Hinted;
    let pass = case.check().await;
    let references = pass.report.as_ref().and_then(|report| report.references.as_ref()).unwrap();
    assert_eq!((references.checked, references.orphan_rows), (20_000, 1), "{:?}", references.skipped.first());
    assert!(pass.finding(R::OrphanRows).message.contains("k_2"));
}
