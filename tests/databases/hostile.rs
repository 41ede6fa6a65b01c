//! A database whose owner means harm: names that try to be SQL, functions and operators that stand in
//! for the catalogue's, triggers, rules and views with side effects. Whatever it holds, only what the
//! plan says is changed, and nothing of theirs is run in our name.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::{Action as A, Finding},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{Case, Db, HASH};

/// Databases, and referencing tables in each: 500 generated names, columns and sets of rows.
const DATABASES: u64 = 20;
const TABLES: usize = 25;

/// What names are made of.
const PIECES: [&str; 24] = [
    "\"",
    "'",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    "\r",
    "\t",
    "\\",
    "$1",
    "$$",
    "%s",
    "{}",
    "user",
    "select",
    "\u{202e}",
    "é",
    "用户",
    "\u{1f511}",
    " ",
    "DROP TABLE canary",
    "::text",
    "E'\\x00'",
];

fn name(random: &mut StdRng, taken: &mut Vec<String>) -> String {
    loop {
        let mut name = String::new();
        for _ in 0..random.random_range(1..8) {
            let piece = PIECES[random.random_range(0..PIECES.len())];
            if name.len() + piece.len() > 63 {
                break;
            }
            name.push_str(piece);
        }
        // Names of the full length, and such that differ in nothing but their end.
        if random.random_bool(0.2) {
            while name.len() < 63 {
                name.push('x');
            }
        }
        if !name.is_empty() && !taken.contains(&name) {
            taken.push(name.clone());
            return name;
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn yaml(name: &str) -> String {
    serde_json::to_string(name).unwrap()
}

/// Functions and operators that a careless statement would find before those of `pg_catalog`. Each
/// leaves a trace.
fn shadows() -> String {
    let mut sql = "CREATE TABLE public.canary (what text);\n".to_owned();
    let functions = [
        ("lower(text)", "text", "pg_catalog.lower($1)"),
        ("btrim(text)", "text", "pg_catalog.btrim($1)"),
        ("translate(text, text, text)", "text", "pg_catalog.translate($1, $2, $3)"),
        ("regexp_replace(text, text, text)", "text", "pg_catalog.regexp_replace($1, $2, $3)"),
        ("set_config(text, text, boolean)", "text", "pg_catalog.set_config($1, $2, $3)"),
        ("current_setting(text)", "text", "pg_catalog.current_setting($1)"),
        ("pg_try_advisory_xact_lock(int, int)", "boolean", "true"),
        ("clock_timestamp()", "timestamptz", "pg_catalog.clock_timestamp()"),
        ("format_type(oid, int)", "text", "pg_catalog.format_type($1, $2)"),
        ("nextval(regclass)", "bigint", "1"),
        ("setval(regclass, bigint)", "bigint", "1"),
        ("setval(regclass, bigint, boolean)", "bigint", "1"),
        ("has_table_privilege(oid, text)", "boolean", "true"),
        ("pg_is_in_recovery()", "boolean", "false"),
    ];
    for (signature, returns, body) in functions {
        sql += &format!(
            "CREATE FUNCTION public.{signature} RETURNS {returns} LANGUAGE plpgsql AS $f$
             BEGIN INSERT INTO public.canary VALUES ('{signature}'); RETURN {body}; END $f$;\n"
        );
    }
    sql += "CREATE FUNCTION public.step(bigint, text) RETURNS bigint LANGUAGE plpgsql AS $f$
              BEGIN INSERT INTO public.canary VALUES ('count'); RETURN 0; END $f$;
            CREATE AGGREGATE public.count(text) (SFUNC = step, STYPE = bigint, INITCOND = '0');
            CREATE AGGREGATE public.min(text) (SFUNC = pg_catalog.textcat, STYPE = text, INITCOND = 'min');\n";
    for (operator, body) in
        [("=", "true"), ("<>", "false"), ("<", "true"), (">", "true"), (">=", "true"), ("<=", "true")]
    {
        for (at, kind) in ["bigint", "int", "text", "oid", "name", "boolean", "uuid"].iter().enumerate() {
            let function =
                format!("shadow_{at}_{}", operator.bytes().map(|b| b.to_string()).collect::<String>());
            sql += &format!(
                "CREATE FUNCTION public.{function}({kind}, {kind}) RETURNS boolean LANGUAGE plpgsql AS $f$
                 BEGIN INSERT INTO public.canary VALUES ('{operator} {kind}'); RETURN {body}; END $f$;
                 CREATE OPERATOR public.{operator} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = public.{function});\n"
            );
        }
    }
    for operator in ["+", "-", "||"] {
        let (kind, body) = if operator == "||" { ("text", "''") } else { ("bigint", "0") };
        let function = format!("shadow_{}", operator.bytes().map(|b| b.to_string()).collect::<String>());
        sql += &format!(
            "CREATE FUNCTION public.{function}({kind}, {kind}) RETURNS {kind} LANGUAGE plpgsql AS $f$
             BEGIN INSERT INTO public.canary VALUES ('{operator}'); RETURN {body}; END $f$;
             CREATE OPERATOR public.{operator} (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = public.{function});\n"
        );
    }
    sql
}

async fn one(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut taken = vec!["canary".to_owned()];
    let [schema, users, id, login, password] = std::array::from_fn(|_| name(&mut random, &mut taken));
    let kind = ["bigint", "int", "uuid", "text"][random.random_range(0..4)];
    let value = |number: i64| match kind {
        "uuid" => format!("'00000000-0000-4000-8000-{number:012}'"),
        "text" => format!("'key ''{number}''; --'"),
        _ => number.to_string(),
    };
    let parent = format!("{}.{}", quoted(&schema), quoted(&users));
    let mut sql = format!(
        "CREATE SCHEMA {}; CREATE TABLE {parent} ({} {kind} PRIMARY KEY, {} text, {} text);
         INSERT INTO {parent} VALUES ({}, 'admin@example.com', '{HASH}'), ({}, 'ada', 'x');\n",
        quoted(&schema),
        quoted(&id),
        quoted(&login),
        quoted(&password),
        value(1),
        value(5)
    );
    let mut orphans = 0;
    let mut left = Vec::new();
    for _ in 0..TABLES {
        let (table, column, key) =
            (name(&mut random, &mut taken), name(&mut random, &mut taken), name(&mut random, &mut taken));
        let child = format!("{}.{}", quoted(&schema), quoted(&table));
        let delete = ["", " ON DELETE SET NULL", " DEFERRABLE INITIALLY DEFERRED"][random.random_range(0..3)];
        sql += &format!(
            "CREATE TABLE {child} ({} int PRIMARY KEY, {} {kind});\n",
            quoted(&key),
            quoted(&column)
        );
        let (sound, gone) = (random.random_range(0..4), random.random_range(0..4));
        for row in 0..sound + gone {
            let of = if row < sound { 5 } else { 4000 + random.random_range(0..3) };
            sql += &format!("INSERT INTO {child} VALUES ({row}, {});\n", value(of));
        }
        if random.random_bool(0.5) {
            sql += &format!("CREATE INDEX ON {child} ({});\n", quoted(&column));
        }
        sql += &format!(
            "ALTER TABLE {child} ADD FOREIGN KEY ({}) REFERENCES {parent}{delete} NOT VALID;\n",
            quoted(&column)
        );
        orphans += gone;
        left.push((format!("SELECT count(*) FROM {child}"), sound));
    }
    sql += &shadows();
    let db = Db::new(&sql).await;
    // Our own sessions get the path by which the shadows would be found; the test's own has it not.
    db.run(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", db.name)).await;
    let mut case = Case::new(
        &db,
        &format!(
            "users: {{schema: {}, table: {}, idColumn: {}, loginColumn: {}, passwordColumn: {}, passwordHash: Bcrypt}}
references: {{onOrphan: Delete, limits: {{rows: 100000, percent: 100}}}}\n",
            yaml(&schema),
            yaml(&users),
            yaml(&id),
            yaml(&login),
            yaml(&password)
        ),
    );
    let pass = case.check().await;
    assert_eq!(
        pass.status.references.clone().unwrap().orphan_rows,
        orphans,
        "seed {seed}: {:#?}",
        pass.outcome()
    );
    assert_eq!(pass.status.references.unwrap().checked, TABLES as i64, "seed {seed}");
    let pass = case.repair().await;
    let deleted: i64 = pass.outcome().repaired.iter().map(|step| step.rows).sum();
    assert_eq!(deleted, orphans, "seed {seed}: {:#?}", pass.outcome().findings());
    assert!(pass.outcome().repaired.iter().all(|step| step.action == A::Delete));
    for (count, rows) in &left {
        assert_eq!(db.text(count).await, rows.to_string(), "seed {seed}: {count}");
    }
    assert_eq!(db.text(&format!("SELECT count(*) FROM {parent}")).await, "2", "seed {seed}");
    let canary = db.texts("SELECT DISTINCT what FROM public.canary").await;
    assert_eq!(canary, Vec::<String>::new(), "seed {seed}: something of theirs was run");
}

#[tokio::test]
async fn hostile_names_and_shadowed_functions_change_nothing_but_what_the_plan_says() {
    for seed in 0..DATABASES {
        one(seed).await;
    }
}

#[tokio::test]
async fn a_view_with_side_effects_is_no_user_table_and_is_never_read() {
    let db = Db::new(&format!(
        "CREATE TABLE canary (what text);
         CREATE FUNCTION trap() RETURNS bigint LANGUAGE plpgsql AS $f$
           BEGIN INSERT INTO canary VALUES ('read'); RETURN 1; END $f$;
         CREATE VIEW users AS SELECT trap() AS id, 'admin@example.com'::text AS email, '{HASH}'::text AS hashed_password,
           'admin'::text AS role, true AS is_active;"
    ))
    .await;
    let mut case = Case::new(&db, crate::support::USUAL);
    let pass = case.repair().await;
    pass.found(&[(R::UserTableUnsupported, C::SchemaCompatible, None)]);
    assert_eq!(db.text("SELECT count(*) FROM canary").await, "0");
}

#[tokio::test]
async fn rules_and_triggers_that_refuse_or_divert_lose_no_row() {
    for trap in [
        "CREATE RULE divert AS ON DELETE TO logs DO INSTEAD NOTHING;",
        "CREATE RULE divert AS ON DELETE TO logs DO INSTEAD DELETE FROM users;",
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE EXCEPTION 'no'; END $f$;
             CREATE TRIGGER trap BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION trap();",
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN NULL; END $f$;
             CREATE TRIGGER trap BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION trap();",
        "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS $f$
               BEGIN DELETE FROM users WHERE email = 'ada'; RETURN OLD; END $f$;
             CREATE TRIGGER trap AFTER DELETE ON logs FOR EACH ROW EXECUTE FUNCTION trap();",
    ] {
        let db = Db::new(&format!(
            "CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true);
             INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada', 'x', 'user');
             CREATE TABLE logs (id int PRIMARY KEY, user_id int);
             INSERT INTO logs VALUES (1, 4711), (2, 5);
             ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID; {trap}"
        ))
        .await;
        let mut case = Case::new(
            &db,
            &format!(
                "{}references: {{onOrphan: Delete, limits: {{rows: 10, percent: 100}}}}\n",
                crate::support::USUAL
            ),
        );
        let pass = case.repair().await;
        let findings = pass.outcome().findings();
        let refused = |one: &Finding| matches!(one.finding, R::RepairFailed) || one.blocked.is_some();
        assert!(findings.iter().any(refused), "{trap}: {findings:#?}");
        assert_eq!(pass.outcome().repaired, [], "{trap}");
        assert_eq!(db.text("SELECT count(*) FROM logs").await, "2", "{trap}");
        assert_eq!(db.text("SELECT count(*) FROM users").await, "2", "{trap}");
    }
}

#[tokio::test]
async fn ten_thousand_tables_and_texts_of_a_megabyte_stay_out_of_status_and_memory() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id text PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true);
         INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin');
         INSERT INTO users SELECT 'u' || n, repeat(chr(97 + n), 1000000), 'x', 'user' FROM generate_series(1, 5) n;
         CREATE TABLE logs (id int PRIMARY KEY, user_id text);
         INSERT INTO logs SELECT n, repeat(chr(97 + n), 1000000) FROM generate_series(1, 3) n;
         ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         DO $$ BEGIN FOR n IN 1..10000 LOOP
           EXECUTE format('CREATE TABLE other_%s ()', n);

         END LOOP; END $$;"
    ))
    .await;
    let mut case = Case::new(&db, crate::support::USUAL);
    let pass = case.check().await;
    let finding = pass.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.keys), (Some(3), Some(3)));
    let status = serde_json::to_string(&pass.status).unwrap();
    assert!(status.len() < 20_000, "the status has {} bytes", status.len());
    assert_eq!(pass.status.references.unwrap().checked, 1);
}
