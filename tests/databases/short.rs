//! Questions that most databases need not be asked are asked where one has what they are about, and short questions say
//! what the whole ones say.

use crate::{
    support::{Case, Db, HASH, USUAL, admin_and_ada},
    types::{VALUES, literal},
};

/// What stands in whole questions alone.
const WHOLE: [(&str, &str); 9] = [
    ("code", "whose(top, table_owner"),
    ("others", "x.kind, x.name, pg_get_userbyid(x.owner)"),
    ("ledger", "doubts ORDER BY"),
    ("checks", "regexp_matches(con.tree"),
    ("columns", "kind AS MATERIALIZED"),
    ("orders", "orders AS MATERIALIZED"),
    ("parts", "pg_partition_root"),
    ("leaves", "WHERE t.isleaf"),
    ("silent", "t.tgenabled = 'R'"),
];

async fn asked(db: &Db, case: &mut Case) -> Vec<&'static str> {
    let statements = db.statements(case.check()).await;
    assert!(statements.iter().any(|sql| sql.contains("pg_constraint")), "nothing was logged");
    let asked = |text: &str| statements.iter().any(|sql| sql.contains(text));
    WHOLE.into_iter().filter(|(_, text)| asked(text)).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn what_a_database_has_nothing_of_is_not_asked_for_and_what_it_has_is() {
    let world = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE FUNCTION one(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
        CREATE TYPE mood AS ENUM ('fine'); CREATE DOMAIN small AS int CHECK (VALUE < 9);
        CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users, what text);
        CREATE TABLE notes (id int PRIMARY KEY, user_id int REFERENCES users);
        INSERT INTO logs VALUES (1, 5, 'x');";
    let db = admin_and_ada(world).await;
    let mut case = Case::new(&db, USUAL);
    // What reads the parts of a table to tell which one it belongs to is asked in any case.
    let usual = ["parts"];
    assert_eq!(asked(&db, &mut case).await, usual);
    for (sql, back, more) in [
        (
            "CREATE TRIGGER t AFTER INSERT ON logs FOR EACH ROW EXECUTE FUNCTION f()",
            "DROP TRIGGER t ON logs",
            &["others"][..],
        ),
        ("CREATE RULE r AS ON INSERT TO notes DO ALSO NOTHING", "DROP RULE r ON notes", &["others"]),
        (
            "ALTER TABLE logs ADD CONSTRAINT c CHECK (one(id) = 1)",
            "ALTER TABLE logs DROP CONSTRAINT c",
            &["others"],
        ),
        (
            "ALTER TABLE logs ALTER id SET DEFAULT one(1)",
            "ALTER TABLE logs ALTER id DROP DEFAULT",
            &["others"],
        ),
        ("CREATE INDEX i ON logs (one(id))", "DROP INDEX i", &["code", "others"]),
        ("CREATE INDEX i ON logs (id) WHERE one(id) = 1", "DROP INDEX i", &["code", "others"]),
        ("ALTER TABLE logs ADD mood mood", "ALTER TABLE logs DROP mood", &["code", "others", "columns"]),
        ("ALTER TABLE logs ADD n small", "ALTER TABLE logs DROP n", &["code", "others", "columns"]),
        ("ALTER TABLE logs ADD n small[]", "ALTER TABLE logs DROP n", &["code", "others", "columns"]),
        ("ALTER TABLE logs ADD t tsrange", "ALTER TABLE logs DROP t", &["columns"]),
        ("CREATE SCHEMA auth_consistency", "DROP SCHEMA auth_consistency", &["ledger"]),
        (
            "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
             CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION e()",
            "DROP EVENT TRIGGER e",
            &["ledger"],
        ),
        (
            "ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0)",
            "ALTER TABLE users DROP CONSTRAINT c",
            &["checks"],
        ),
        ("ALTER TABLE logs DISABLE TRIGGER ALL", "ALTER TABLE logs ENABLE TRIGGER ALL", &["silent"]),
        (
            "CREATE TABLE sums (id int PRIMARY KEY, user_email text REFERENCES users (email), n numeric); \
             ALTER TABLE users ADD n numeric UNIQUE; ALTER TABLE sums ADD FOREIGN KEY (n) REFERENCES users (n)",
            "DROP TABLE sums",
            &["orders"],
        ),
    ] {
        db.run(sql).await;
        let mut all: Vec<&str> = usual.iter().chain(more).copied().collect();
        all.sort_by_key(|name| WHOLE.iter().position(|(one, _)| one == name));
        assert_eq!(asked(&db, &mut case).await, all, "{sql}");
        db.run(back).await;
        assert_eq!(asked(&db, &mut case).await, usual, "{back}");
    }
    db.run(
        "CREATE TABLE days (id int, user_id int REFERENCES users) PARTITION BY LIST (id); \
         CREATE TABLE monday PARTITION OF days FOR VALUES IN (1)",
    )
    .await;
    assert_eq!(asked(&db, &mut case).await, ["others", "orders", "parts", "leaves"]);
}

#[tokio::test]
async fn our_own_schema_is_looked_at_as_a_whole_where_anything_of_it_is_not_as_it_was_made() {
    let db = admin_and_ada("UPDATE users SET role = 'user' WHERE id = 1").await;
    let mut case = Case::new(&db, USUAL);
    assert_eq!(case.repair().await.outcome().repaired.len(), 1);
    assert_eq!(asked(&db, &mut case).await, ["parts"]);
    for (sql, back) in [
        ("ALTER TABLE runs ALTER generation TYPE int", "ALTER TABLE runs ALTER generation TYPE bigint"),
        ("ALTER TABLE runs ADD more text", "ALTER TABLE runs DROP more"),
        ("ALTER TABLE runs ALTER generation SET DEFAULT 7", "ALTER TABLE runs ALTER generation DROP DEFAULT"),
        ("CREATE INDEX more ON runs ((1))", "DROP INDEX more"),
        ("CREATE VIEW more AS SELECT 1", "DROP VIEW more"),
        ("CREATE TABLE public.more () INHERITS (layout)", "DROP TABLE public.more"),
        ("CREATE RULE more AS ON INSERT TO runs DO ALSO NOTHING", "DROP RULE more ON runs"),
        ("CREATE POLICY more ON runs", "DROP POLICY more ON runs"),
        ("ALTER TABLE runs ENABLE ROW LEVEL SECURITY", "ALTER TABLE runs DISABLE ROW LEVEL SECURITY"),
        ("ALTER TABLE runs ADD CONSTRAINT more CHECK (true)", "ALTER TABLE runs DROP CONSTRAINT more"),
    ] {
        let run = async |sql: &str| {
            db.run(&format!("SET search_path = auth_consistency; {sql}; RESET search_path")).await
        };
        run(sql).await;
        assert_eq!(asked(&db, &mut case).await, ["ledger", "parts"], "{sql}");
        run(back).await;
        assert_eq!(asked(&db, &mut case).await, ["parts"], "{back}");
    }
    db.run("GRANT SELECT ON auth_consistency.runs TO PUBLIC").await;
    assert_eq!(asked(&db, &mut case).await, ["ledger", "parts"]);
}

#[tokio::test]
async fn what_belongs_to_another_role_than_the_user_table_is_asked_about_whoever_that_is() {
    let db = admin_and_ada("CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users)").await;
    let (role, _) = db.role("GRANT ALL ON SCHEMA public TO ROLE; ALTER TABLE logs OWNER TO ROLE").await;
    let mut case = Case::new(&db, USUAL);
    assert!(asked(&db, &mut case).await.contains(&"others"));
    db.run(&format!("ALTER TABLE users OWNER TO {role}")).await;
    assert!(!asked(&db, &mut case).await.contains(&"others"));
}

/// How each reference was searched, and what was found of it.
async fn seen(case: &mut Case) -> (Vec<String>, String) {
    let pass = case.check().await;
    let outcome = pass.outcome();
    let mut searched: Vec<String> =
        outcome.searched.iter().map(|one| format!("{} {:?}", one.object.describe(), one.choice)).collect();
    searched.sort();
    (searched, format!("{:#?}", outcome.references))
}

#[tokio::test]
async fn columns_of_every_type_that_the_server_came_with_are_compared_as_the_catalog_says() {
    let db = admin_and_ada("CREATE TYPE own AS ENUM ('one')").await;
    let keys = "SELECT t.typname::text FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree' \
                JOIN pg_type t ON t.oid = o.opcintype WHERE o.opcdefault AND t.typtype = 'b' AND t.oid < 16384 \
                UNION SELECT 'varchar' ORDER BY 1";
    let mut types = 0;
    for name in db.texts(keys).await {
        let Some((_, values)) = VALUES.iter().find(|(of, _)| *of == name) else {
            panic!("no values are known of {name}")
        };
        let value = literal(values[0]);
        let orphan = values.get(1).map_or_else(String::new, |other| {
            format!("INSERT INTO \"r_{name}\" VALUES (2, {}::\"{name}\");", literal(other))
        });
        db.run(&format!(
            "ALTER TABLE users ADD \"c_{name}\" \"{name}\" UNIQUE; \
             UPDATE users SET \"c_{name}\" = {value}::\"{name}\" WHERE id = 1; \
             CREATE TABLE \"r_{name}\" (id int PRIMARY KEY, key \"{name}\" REFERENCES users (\"c_{name}\")); \
             SET session_replication_role = replica; \
             INSERT INTO \"r_{name}\" VALUES (1, {value}::\"{name}\"), (3, NULL); {orphan} \
             RESET session_replication_role"
        ))
        .await;
        types += 1;
    }
    assert!(types > 25, "{types}");
    let mut case = Case::new(&db, USUAL);
    let short = seen(&mut case).await;
    assert_eq!(short.0.len(), types, "{short:#?}");
    // With it, the whole question is asked.
    for table in
        db.texts("SELECT format('%I', relname) FROM pg_class WHERE relname ~ '^r_' AND relkind = 'r'").await
    {
        db.run(&format!("ALTER TABLE {table} ADD own own")).await;
    }
    db.run("ALTER TABLE users ADD own own").await;
    assert_eq!(seen(&mut case).await, short);
}

#[tokio::test]
async fn an_id_that_nothing_orders_is_told_whether_its_type_is_known_or_looked_up() {
    let db = Db::new(&format!(
        "CREATE TYPE own AS ENUM ('one');
         CREATE TABLE users (email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ('admin@example.com', '{HASH}', 'admin');"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let types = [
        "json",
        "point",
        "bool[]",
        "int8[]",
        "int2[]",
        "int4[]",
        "text[]",
        "bpchar[]",
        "varchar[]",
        "date[]",
    ];
    for name in types.into_iter().chain(["timestamptz[]", "uuid[]", "jsonb[]", "xml", "int4range"]) {
        db.run(&format!("ALTER TABLE users ADD id {name}")).await;
        let short = case.check().await.conditions();
        assert!(short.iter().any(|one| one.contains("UserTableUnsupported")), "{name}: {short:#?}");
        db.run("ALTER TABLE users ADD own own").await;
        assert_eq!(case.check().await.conditions(), short, "{name}");
        db.run("ALTER TABLE users DROP id, DROP own").await;
    }
}

#[tokio::test]
async fn references_are_searched_the_same_way_whether_their_order_is_known_or_looked_up() {
    let db = admin_and_ada(
        "ALTER TABLE users ADD big bigint UNIQUE, ADD small smallint UNIQUE, ADD code varchar(20) UNIQUE, \
           ADD uuid uuid UNIQUE, ADD german text COLLATE \"C\" UNIQUE, ADD amount numeric UNIQUE;
         UPDATE users SET big = id, small = id, code = id, german = id, amount = id, \
           uuid = '00000000-0000-0000-0000-000000000001' WHERE id = 1;
         CREATE DOMAIN number AS bigint;
         CREATE TABLE ints (id int PRIMARY KEY, a int REFERENCES users, b int REFERENCES users (big), \
           c bigint REFERENCES users (small));
         CREATE INDEX ON ints (a); CREATE INDEX ON ints (b, a); CREATE INDEX ON ints (c) WHERE c > 0;
         INSERT INTO ints SELECT n, 1 + n % 2, 1, 1 FROM generate_series(1, 30000) n;
         CREATE TABLE texts (id int PRIMARY KEY, a text REFERENCES users (code), b varchar REFERENCES users (german), \
           c uuid REFERENCES users (uuid));
         CREATE INDEX ON texts (a); CREATE INDEX ON texts (b COLLATE \"C\"); CREATE INDEX ON texts USING hash (c);
         INSERT INTO texts SELECT n, '1', '1', '00000000-0000-0000-0000-000000000001' FROM generate_series(1, 25000) n;
         INSERT INTO texts VALUES (0, 'x', NULL, '00000000-0000-0000-0000-000000000002');
         CREATE TABLE few (id int PRIMARY KEY, a bigint REFERENCES users (big)); INSERT INTO few VALUES (1, 7);",
    )
    .await;
    db.run("ANALYZE").await;
    let mut case = Case::new(&db, USUAL);
    let short = seen(&mut case).await;
    assert_eq!(short.0.len(), 7, "{short:#?}");
    assert!(!asked(&db, &mut case).await.contains(&"orders"));
    db.run("CREATE TABLE sums (id int PRIMARY KEY, n numeric REFERENCES users (amount))").await;
    let mut whole = seen(&mut case).await.0;
    assert!(asked(&db, &mut case).await.contains(&"orders"));
    whole.retain(|one| !one.contains("sums"));
    assert_eq!(whole, short.0);
}
