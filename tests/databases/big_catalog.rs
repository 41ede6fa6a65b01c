//! Catalogs that do not fit into one answer, and what a look at them costs.

use super::hostile::peak;
use crate::support::{Db, admin_and_ada};

/// kB by which a process may grow for any catalog.
const GROWTH: i64 = 32 << 10;

/// Makes tables of these numbers with a hundred columns each, of which every one is a foreign key to the users. A server
/// makes such keys one by one, in time that grows with their square; here they are written to the catalog as it would.
async fn keys(db: &Db, tables: std::ops::RangeInclusive<usize>) {
    let (first, last) = (tables.start(), tables.end());
    db.run(&format!(
        "DO $$ BEGIN FOR t IN {first}..{last} LOOP EXECUTE (SELECT format('CREATE TABLE k_%s (id int, %s)', t,
           string_agg(format('c%s int', c), ', ')) FROM generate_series(1, 100) c); END LOOP; END $$;
         SET allow_system_table_mods = on;
         INSERT INTO pg_constraint SELECT (jsonb_populate_record(k, jsonb_build_object('oid', 3000000000 + t * 100 + c,
           'conname', format('key %s of %s', c, t), 'conrelid', format('k_%s', t)::regclass::oid::int8,
           'conkey', jsonb_build_array(c + 1)))).*
         FROM pg_constraint k, generate_series({first}, {last}) t, generate_series(1, 100) c WHERE k.conname = 'real'"
    ))
    .await;
}

#[tokio::test]
async fn seven_thousand_foreign_keys_are_looked_at_within_bounds_and_more_than_are_kept_are_told() {
    let db =
        admin_and_ada("CREATE TABLE t_1 (id int PRIMARY KEY, c1 int CONSTRAINT real REFERENCES users)").await;
    let url = format!("{}?sslmode=require", db.url().replace("postgresql+asyncpg", "postgresql"));
    let usual = peak(&url);
    assert_eq!(usual.code, 0, "{}", usual.said);
    keys(&db, 1..=70).await;
    db.run("INSERT INTO k_2 (id, c7) VALUES (1, 9); ANALYZE").await;
    let many = peak(&url);
    let report: serde_json::Value = serde_json::from_str(&many.said).unwrap();
    let references = &report["references"];
    assert_eq!(
        (&references["checked"], &references["orphanRows"]),
        (&7_001.into(), &1.into()),
        "{}",
        many.said
    );
    assert!(many.said.contains("k_2"), "{}", many.said);
    let grew = many.most - usual.most;
    assert!(grew < GROWTH, "{grew} kB more than for a small database");
    // More than one look keeps, alone in its process: nothing is claimed.
    keys(&db, 71..=80).await;
    let more = peak(&url);
    assert_eq!(more.code, 1, "{}", more.said);
    assert!(more.said.contains("than is kept of one look"), "{}", more.said);
    assert!(!more.said.contains("k_2"), "{}", more.said);
    let grew = more.most - usual.most;
    assert!(grew < GROWTH, "{grew} kB more than for a small database");
}
