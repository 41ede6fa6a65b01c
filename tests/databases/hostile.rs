//! A database whose owner means harm: names that try to be SQL, functions and operators that stand in
//! for the catalogue's, triggers, rules and views with side effects. Whatever it holds, only what the
//! plan says is changed, and nothing of theirs is run in our name.

use std::io::Read as _;

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::{Action as A, FindingReport},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{Case, Db, HASH, Line, Pass, USUAL, qualified::unqualified_by_the_role_s_path};

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
    // Types, too, are looked for on the path.
    sql += "CREATE FUNCTION public.seen(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $f$
              BEGIN INSERT INTO public.canary VALUES ($1); RETURN true; END $f$;\n";
    for kind in
        ["text", "uuid", "int8", "int4", "oid", "name", "bool", "timestamptz", "tid", "regclass", "\"char\""]
    {
        sql += &format!(
            "CREATE DOMAIN public.{kind} AS pg_catalog.{kind} CHECK (public.seen('type {kind}'));\n"
        );
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

/// The same of every type, function and operator that the catalogue has and something can be made beside.
const SHADOWS_OF_ALL: &str = "CREATE TABLE public.canary (what text);
    CREATE FUNCTION public.seen(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $f$
      BEGIN INSERT INTO public.canary VALUES ($1); RETURN true; END $f$;
    DO $do$ DECLARE one record; made int := 0; BEGIN
      SET LOCAL check_function_bodies = off;
      FOR one IN SELECT p.oid, p.proname, p.proretset, p.prorettype, (SELECT string_agg(CASE format_type(a.kind, -1)
              WHEN '\"any\"' THEN CASE WHEN p.provariadic <> 0 AND a.at = p.pronargs THEN 'VARIADIC text[]' ELSE 'anyelement' END
              ELSE CASE WHEN p.provariadic <> 0 AND a.at = p.pronargs THEN 'VARIADIC ' ELSE '' END || format_type(a.kind, -1) END,
            ', ' ORDER BY a.at) FROM unnest(p.proargtypes) WITH ORDINALITY a(kind, at)) AS takes
          FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind <> 'p'
          AND p.proname <> 'seen' AND NOT EXISTS (SELECT FROM pg_aggregate g WHERE g.aggfnoid = p.oid AND g.aggkind <> 'n')
          AND NOT EXISTS (SELECT FROM pg_type t WHERE t.oid = ANY (p.proargtypes::oid[] || p.prorettype) AND t.typtype = 'p'
            AND t.typname !~ '^(any.*|record|void|_record)$') LOOP
        BEGIN
          EXECUTE pg_catalog.format('CREATE FUNCTION public.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS %L', one.proname, one.takes,
            CASE WHEN one.proretset THEN 'SETOF' ELSE '' END, format_type(one.prorettype, -1),
            pg_catalog.format('BEGIN PERFORM public.seen(%L); RETURN%s; END', 'function ' || one.oid::regprocedure::text,
              CASE WHEN one.proretset OR one.prorettype = 'void'::regtype THEN '' ELSE ' NULL' END));
          made := made + 1;
        -- A few differ from others only in what nobody else may say, or return what their arguments do not tell.
        EXCEPTION WHEN duplicate_function OR invalid_function_definition OR feature_not_supported THEN NULL; END;
      END LOOP;
      FOR one IN SELECT o.oid, o.oprname, o.oprleft, o.oprright, o.oprresult FROM pg_operator o
          WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprright <> 0 LOOP
        EXECUTE pg_catalog.format('CREATE FUNCTION public.operator_%s(%s) RETURNS %s LANGUAGE plpgsql AS %L', one.oid,
          pg_catalog.concat_ws(', ', CASE WHEN one.oprleft <> 0 THEN format_type(one.oprleft, -1) END, format_type(one.oprright, -1)),
          format_type(one.oprresult, -1), pg_catalog.format('BEGIN PERFORM public.seen(%L); RETURN NULL; END', 'operator ' || one.oid::regoperator::text));
        EXECUTE pg_catalog.format('CREATE OPERATOR public.%s (%s FUNCTION = public.operator_%s, RIGHTARG = %s)', one.oprname,
          CASE WHEN one.oprleft <> 0 THEN pg_catalog.format('LEFTARG = %s,', format_type(one.oprleft, -1)) ELSE '' END, one.oid,
          format_type(one.oprright, -1));
        made := made + 1;
      END LOOP;
      FOR one IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace
          AND t.typtype IN ('b', 'r') AND t.typcategory <> 'A' LOOP
        EXECUTE pg_catalog.format('CREATE DOMAIN public.%I AS pg_catalog.%1$I CHECK (public.seen(%L))', one.typname, 'type ' || one.typname);
        made := made + 1;
      END LOOP;
      IF made < 2500 THEN RAISE 'only % of the catalogue have something beside', made; END IF;
    END $do$;";

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
    let (on_orphan, action) =
        [("Delete", A::Delete), ("Reassign", A::Reassign), ("SetNull", A::SetNull)][seed as usize % 3];
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
        let kept = match action {
            A::Delete => format!("SELECT count(*) FROM {child}"),
            A::Reassign => format!(
                "SELECT count(*) - {gone} FROM {child} WHERE {column} = {} OR {column} = {}",
                value(5),
                value(1),
                column = quoted(&column)
            ),
            _ => format!("SELECT count(*) FROM {child} WHERE {} IS NOT NULL", quoted(&column)),
        };
        left.push((kept, sound));
    }
    sql += &shadows();
    let db = Db::new(&sql).await;
    // Our own sessions get the path by which the shadows would be found; the test's own has it not.
    db.run(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", db.name)).await;
    let mut case = Case::new(
        &db,
        &format!(
            "users: {{schema: {}, table: {}, idColumn: {}, loginColumn: {}, passwordColumn: {}, passwordHash: Bcrypt}}
admin: {{login: admin@example.com, passwordSecretRef: {{name: admin, key: password}}}}
references: {{onOrphan: {on_orphan}, limits: {{rows: 100000, percent: 100}}}}\n",
            yaml(&schema),
            yaml(&users),
            yaml(&id),
            yaml(&login),
            yaml(&password)
        ),
    );
    let before = db.snapshot().await;
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
    assert!(
        pass.outcome().repaired.iter().all(|step| step.action == action),
        "{:?}",
        pass.outcome().repaired
    );
    for (count, rows) in &left {
        assert_eq!(db.text(count).await, rows.to_string(), "seed {seed}: {count}");
    }
    assert_eq!(db.text(&format!("SELECT count(*) FROM {parent}")).await, "2", "seed {seed}");
    // All of it goes back, once those that the rows name are there.
    for number in 4000..4003 {
        db.run(&format!("INSERT INTO {parent} VALUES ({}, 'x{number}', 'x')", value(number))).await;
    }
    let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
    let back: i64 = restored.iter().map(|one| one.rows).sum();
    assert_eq!(
        (back, restored.iter().map(|one| one.blocked).sum()),
        (orphans, 0),
        "seed {seed}: {restored:?}"
    );
    let changes = db.changes(&before).await;
    assert!(
        changes.len() == 3 && changes.iter().all(|one| one.starts_with('+')),
        "seed {seed}: {changes:#?}"
    );
    let canary = db.texts("SELECT DISTINCT what FROM public.canary").await;
    assert_eq!(canary, Vec::<String>::new(), "seed {seed}: something of theirs was run");
}

#[tokio::test]
async fn shadowed_functions_are_not_run_where_an_account_is_moved_put_right_given_a_password_and_put_back() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY CHECK (id < 1000), email text NOT NULL UNIQUE, \
         hashed_password text NOT NULL, role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'user'), (5, 'ada@example.com', '{HASH}', 'user');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users CHECK (user_id < 1000));
         INSERT INTO logs VALUES (1, 1), (2, 5); {SHADOWS_OF_ALL}"
    ))
    .await;
    db.run(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", db.name)).await;
    let canary = async || db.texts("SELECT DISTINCT what FROM public.canary").await;
    let line = Line::cut(&db, None).await;
    let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
    let yaml = format!("{USUAL}references: {{limits: {{rows: 100, percent: 100}}}}\n");
    let mut case = Case::with_database(database, &yaml);
    case.secret("db", "url", &line.url(&db));
    let open = || unqualified_by_the_role_s_path(&line.statements()).join("\n");
    case.repair().await.consistent().repaired(&[(A::Correct, "users.role", 1)]);
    assert_eq!((canary().await, open()), (Vec::new(), String::new()), "put right");
    let run = case.status.history[0].run.clone();
    assert_eq!(case.restore(&run).await.unwrap().iter().map(|one| one.rows).sum::<i64>(), 1);
    assert_eq!((canary().await, open()), (Vec::new(), String::new()), "put back");
    assert_eq!(db.text("SELECT role FROM users WHERE id = 1").await, "user");
    case.repair().await.consistent();
    case.edit(|spec| spec.admin.as_mut().unwrap().id = Some("7".into()));
    case.repair().await.repaired(&[(A::MoveId, "users", 2)]);
    assert_eq!((canary().await, open()), (Vec::new(), String::new()), "moved");
    case.requests.reset = Some("now".into());
    case.repair().await.repaired(&[(A::Reset, "users.hashed_password", 1)]);
    assert_eq!((canary().await, open()), (Vec::new(), String::new()), "a password");
    db.run("DELETE FROM logs WHERE id = 1; DELETE FROM users WHERE id = 7").await;
    case.repair().await.consistent();
    assert_eq!((canary().await, open()), (Vec::new(), String::new()), "made anew");
    assert_eq!(db.text("SELECT id FROM users WHERE email = 'admin@example.com'").await, "7");
}

/// Kinds of repair of rows, with what each makes of the database: whoever repairs, the path is the role's.
const OVER_ROWS: [(&str, &[(A, &str)]); 4] = [
    ("onOrphan: Delete", &[(A::Delete, "posts.user_id"), (A::Delete, "logs.user_id")]),
    ("onOrphan: SetNull", &[(A::SetNull, "logs.user_id"), (A::SetNull, "posts.user_id")]),
    (
        "onOrphan: Reassign, onCollision: DeleteOrphan",
        &[(A::Reassign, "logs.user_id"), (A::Reassign, "posts.user_id")],
    ),
    (
        "onOrphan: Remap, onCollision: DeleteOrphan, identities: {configMapRef: {name: before, key: people.csv}}",
        &[(A::Remap, "logs.user_id"), (A::Remap, "posts.user_id")],
    ),
];

#[tokio::test]
async fn nothing_that_stands_beside_the_catalogue_s_is_run_where_rows_are_repaired_and_put_back() {
    for (references, actions) in OVER_ROWS {
        let db = Db::new(&format!(
            "CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
             role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, tokens_valid_after bigint);
             INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin'), (5, 'ada@example.com', '{HASH}', 'user'), \
               (6, 'bob@example.com', '{HASH}', 'user');
             CREATE TABLE logs (id int PRIMARY KEY, user_id int, team int, UNIQUE (user_id, team));
             CREATE TABLE posts (id int PRIMARY KEY, user_id int REFERENCES users, title text);
             CREATE TABLE likes (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE CASCADE);
             CREATE TABLE drafts (id int PRIMARY KEY, post_id int REFERENCES posts ON DELETE SET NULL, title text);
             CREATE TABLE tokens (token text PRIMARY KEY, user_id text);
             SET session_replication_role = replica;
             INSERT INTO logs VALUES (1, 9, 1), (2, 5, 1), (3, 6, 3), (4, 8, 2), (5, 1, 2);
             INSERT INTO posts VALUES (1, 9, 'a'), (2, 5, 'b'), (3, 8, 'c');
             INSERT INTO likes VALUES (1, 1), (2, 2); INSERT INTO drafts VALUES (1, 3, 'd'), (2, 2, 'e');
             INSERT INTO tokens VALUES ('a', '5'), ('b', '6');
             RESET session_replication_role;
             ALTER TABLE logs ADD CONSTRAINT logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID; {SHADOWS_OF_ALL}"
        ))
        .await;
        db.run(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", db.name)).await;
        let canary = async || db.texts("SELECT DISTINCT what FROM public.canary").await;
        let shifts = references.contains("Remap");
        let sessions = if shifts {
            "jwt: {secretRef: {name: jwt, key: key}}\nsessions: {invalidateBeforeColumn: tokens_valid_after, tables: [{table: tokens, column: user_id}]}\n"
        } else {
            ""
        };
        let line = Line::cut(&db, None).await;
        let database = "{urlSecretRef: {name: db, key: url}, tls: {mode: Disable}}";
        let yaml = format!(
            "{USUAL}references: {{{references}, constraint: Validate, limits: {{rows: 100, percent: 100}}}}\n{sessions}"
        );
        let mut case = Case::with_database(database, &yaml);
        case.secret("db", "url", &line.url(&db));
        // Who was 9 is ada now; ada's old id is bob's.
        case.config_map(
            "before",
            "people.csv",
            "id,login\n1,admin@example.com\n9,ada@example.com\n5,bob@example.com\n8,bob@example.com\n",
        );
        case.secret("jwt", "key", "canary-weak");
        let mut repaired = Vec::new();
        for _ in 0..4 {
            let mut pass = case.repair().await;
            if pass.status.plan.as_ref().is_some_and(|plan| plan.awaiting_approval) {
                pass = case.approve().await;
            }
            repaired.extend(pass.outcome().repaired.clone());
            assert_eq!(canary().await, [""; 0], "{references}: {:?}", pass.outcome().findings());
        }
        for (action, object) in actions {
            let done =
                repaired.iter().any(|one| (one.action, one.object.describe().as_str()) == (*action, *object));
            assert!(done, "{references}: {object}: {repaired:?}");
        }
        assert_eq!(repaired.iter().any(|one| one.action == A::EndSessions), shifts, "{repaired:?}");
        let runs = db.texts("SELECT DISTINCT run FROM auth_consistency.batches").await;
        db.run(&format!(
            "INSERT INTO users VALUES (8, 'h@example.com', '{HASH}'), (9, 'n@example.com', '{HASH}')"
        ))
        .await;
        for run in &runs {
            case.beside(run, Some("logs"), "logs_before").await.ok();
            assert_eq!(canary().await, [""; 0], "{references}: beside");
            let back: i64 = case.restore(run).await.unwrap().iter().map(|one| one.rows).sum();
            assert!(back > 0, "{references}");
            assert_eq!(canary().await, [""; 0], "{references}: back");
        }
        let now = jiff::Timestamp::from_second(1_850_000_000).unwrap();
        let anywhere = auth_consistency::network::HostPolicy::unrestricted(Vec::new());
        let all = auth_consistency::engine::PurgeFilter::OlderThan(0);
        auth_consistency::pass::purge(&case.target(), &anywhere, &all, None, Some(now)).await.unwrap();
        assert_eq!(canary().await, [""; 0], "{references}: purged");
        let open = unqualified_by_the_role_s_path(&line.statements());
        assert!(open.is_empty(), "{references}:\n{}", open.join("\n"));
    }
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
        let refused = |one: &FindingReport| matches!(one.finding, R::RepairFailed) || one.blocked.is_some();
        assert!(findings.iter().any(refused), "{trap}: {findings:#?}");
        assert_eq!(pass.outcome().repaired, [], "{trap}");
        assert_eq!(db.text("SELECT count(*) FROM logs").await, "2", "{trap}");
        assert_eq!(db.text("SELECT count(*) FROM users").await, "2", "{trap}");
    }
}

/// No row names nobody any more; the foreign keys of these tests were never validated.
#[track_caller]
fn mended(pass: &Pass) {
    let findings = pass.outcome().findings();
    assert!(findings.iter().all(|one| one.finding == R::ConstraintUnvalidated), "{findings:#?}");
}

/// What a function of the app leaves in `pg_temp` of whatever session runs it: relations, and types that
/// come before the catalogue's.
fn leftovers() -> String {
    let mut body = String::new();
    for name in
        ["users", "logs", "pg_class", "pg_attribute", "pg_constraint", "audit", "steps", "claims", "layout"]
    {
        body += &format!("CREATE TEMP TABLE IF NOT EXISTS {name} (id int, run text);\n");
    }
    body += "IF to_regtype('pg_temp.text') IS NULL THEN
        FOR kind IN SELECT t.typname FROM pg_catalog.pg_type t WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
          AND t.typtype IN ('b', 'r') AND t.typcategory <> 'A' LOOP
          EXECUTE pg_catalog.format('CREATE DOMAIN pg_temp.%I AS pg_catalog.%1$I CHECK (public.seen(%L))', kind, 'type ' || kind);
        END LOOP; END IF;\n";
    format!(
        "CREATE TABLE canary (what pg_catalog.text);
         CREATE FUNCTION public.seen(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $f$
           BEGIN INSERT INTO public.canary VALUES ($1); RETURN true; END $f$;
         CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $f$ DECLARE kind pg_catalog.name;
           BEGIN {body} RETURN COALESCE(NEW, OLD); END $f$;"
    )
}

#[tokio::test]
async fn what_a_trigger_leaves_in_pg_temp_is_taken_for_nothing_of_the_catalogue_s() {
    for on_orphan in ["Delete", "Reassign", "SetNull"] {
        let db = Db::new(&format!(
            "{} CREATE TABLE users (id uuid PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true);
             INSERT INTO users VALUES (md5('1')::uuid, 'admin@example.com', '{HASH}', 'admin');
             CREATE TABLE logs (id int PRIMARY KEY, user_id uuid, note text);
             CREATE TABLE more (id text PRIMARY KEY, user_id uuid, at timestamptz);
             INSERT INTO logs SELECT n, md5((n % 7)::text)::uuid, 'x' FROM generate_series(1, 700) n;
             INSERT INTO more SELECT n, md5((n % 7)::text)::uuid, now() FROM generate_series(1, 70) n;
             ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;
             ALTER TABLE more ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;
             CREATE TRIGGER leave BEFORE INSERT OR UPDATE OR DELETE ON logs FOR EACH ROW EXECUTE FUNCTION leave();
             CREATE TRIGGER leave BEFORE INSERT OR UPDATE OR DELETE ON more FOR EACH ROW EXECUTE FUNCTION leave();",
            leftovers()
        ))
        .await;
        let yaml = format!(
            "{}references: {{onOrphan: {on_orphan}, limits: {{rows: 10000, percent: 100}}}}\n",
            crate::support::USUAL
        );
        let mut case = Case::new(&db, &yaml);
        let before = db.snapshot().await;
        let pass = case.repair().await;
        mended(&pass);
        let done: i64 = pass.outcome().repaired.iter().map(|step| step.rows).sum();
        // All but those of the admin: 100 of 700 and 10 of 70.
        assert_eq!(done, 660, "{on_orphan}");
        db.run("INSERT INTO users SELECT md5(n::text)::uuid, 'u' || n, 'x', 'user' FROM generate_series(0, 6) n WHERE n <> 1")
            .await;
        let restored = case.restore(&case.status.history[0].run.clone()).await.unwrap();
        assert_eq!(
            restored.iter().map(|one| (one.rows, one.blocked)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
            (done, 0)
        );
        assert_eq!(db.changes(&before).await.len(), 6, "{on_orphan}: only the six users are new");
        assert_eq!(db.text("SELECT count(*) FROM canary").await, "0", "{on_orphan}");
    }
}

/// Settings that a role may have as its own, and that would change what statements mean or how values read.
const SETTINGS: [&str; 22] = [
    "search_path = evil, \"$user\"",
    "statement_timeout = '500ms'",
    "lock_timeout = '1ms'",
    "row_security = on",
    "client_encoding = 'LATIN1'",
    "\"DateStyle\" = 'SQL, DMY'",
    "\"IntervalStyle\" = 'sql_standard'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "standard_conforming_strings = off",
    "escape_string_warning = off",
    "backslash_quote = off",
    "\"TimeZone\" = 'Asia/Kolkata'",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "transform_null_equals = on",
    "quote_all_identifiers = on",
    "array_nulls = off",
    "xmloption = 'document'",
    "enable_seqscan = off",
    "jit = on",
    "client_min_messages = 'debug5'",
];

const KEYED: [(&str, &str, &str); 6] = [
    ("by_float", "float8", "0.1 + @ / 7.0"),
    ("by_time", "timestamptz", "'2025-03-30 01:59:59.999999+00'::timestamptz + @ * interval '1 day'"),
    ("by_span", "interval", "@ * interval '1 day 02:03:04.000005'"),
    ("by_raw", "bytea", "decode(md5((@)::text) || '5c5c27', 'hex')"),
    ("by_day", "date", "date '2025-02-03' + @"),
    ("by_name", "text", "E'caf\\u00e9 \\\\ '' ' || @"),
];

fn keyed() -> String {
    let columns: String =
        KEYED.iter().map(|(name, kind, _)| format!(", {name} {kind} NOT NULL UNIQUE")).collect();
    let values = |n: &str| KEYED.iter().map(|(.., e)| format!(", {}", e.replace('@', n))).collect::<String>();
    let mut sql = format!(
        "CREATE SCHEMA evil; CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, role text, is_active boolean{columns});
         INSERT INTO users SELECT n, CASE n WHEN 1 THEN 'admin@example.com' ELSE 'u' || n END, '{HASH}',
           CASE n WHEN 1 THEN 'admin' END, true{} FROM generate_series(1, 3) n;\n",
        values("n")
    );
    for (name, kind, expression) in KEYED {
        sql += &format!(
            "CREATE TABLE t_{name} (id int PRIMARY KEY, k {kind}, f float8, s interval, r bytea, d timestamptz);
             INSERT INTO t_{name} SELECT n, {}, n / 3.0, n * interval '1 day -00:00:01', '\\x5c27'::bytea, '2025-01-31'::date + n FROM generate_series(1, 7) n;
             ALTER TABLE t_{name} ADD FOREIGN KEY (k) REFERENCES users ({name}) NOT VALID;\n",
            expression.replace('@', "n")
        );
    }
    sql
}

#[tokio::test]
async fn a_repair_and_its_restore_are_the_same_whatever_the_role_s_own_settings_are() {
    let grants = "GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE;";
    let yaml = |on_orphan: &str| {
        format!(
            "{}references: {{onOrphan: {on_orphan}, limits: {{rows: 100, percent: 100}}}}\n",
            crate::support::USUAL
        )
    };
    for on_orphan in ["Delete", "Reassign", "SetNull"] {
        let mut all = Vec::new();
        for hostile in [false, true] {
            let db = Db::new(&keyed()).await;
            let role = db.role(grants).await;
            if hostile {
                for setting in SETTINGS {
                    db.run(&format!("ALTER ROLE {} SET {setting}", role.0)).await;
                }
            }
            let mut case = Case::new(&db, &yaml(on_orphan));
            case.secret("db", "url", &db.url_of(&role));
            let before = db.snapshot().await;
            let found: Vec<_> = case
                .check()
                .await
                .outcome()
                .findings()
                .iter()
                .map(|one| (one.rows, one.message.clone()))
                .collect();
            let pass = case.repair().await;
            mended(&pass);
            let done: i64 = pass.outcome().repaired.iter().map(|step| step.rows).sum();
            assert_eq!(done, 24, "{on_orphan}, hostile: {hostile}");
            let after = db.changes(&before).await;
            let tables = db
                .texts("SELECT format('%s', name) FROM auth_consistency.quarantine ORDER BY table_name")
                .await;
            let mut copies = Vec::new();
            for table in tables {
                copies.extend(
                    db.texts(&format!("SELECT format('%s %s', q._ac_new_key, ROW(id, k, f, s, r, d)) FROM auth_consistency.\"{table}\" q ORDER BY id"))
                        .await,
                );
            }
            let run = case.status.history[0].run.clone();
            db.run(&format!(
                "INSERT INTO users SELECT n, 'u' || n, 'x', 'user', true{} FROM generate_series(4, 7) n",
                KEYED.iter().map(|(.., e)| format!(", {}", e.replace('@', "n"))).collect::<String>()
            ))
            .await;
            let restored = case.restore(&run).await.unwrap();
            let back: Vec<_> =
                restored.iter().map(|one| (one.object.describe(), one.rows, one.blocked)).collect();
            assert!(
                back.iter().all(|one| (one.1, one.2) == (4, 0)),
                "{on_orphan}, hostile: {hostile}: {restored:?}"
            );
            assert_eq!(db.changes(&before).await.len(), 4, "{on_orphan}, hostile: {hostile}");
            all.push((found, after, copies, back));
            db.run(&format!("DROP SCHEMA auth_consistency CASCADE; DROP OWNED BY {}", role.0)).await;
        }
        assert_eq!(all[0], all[1], "{on_orphan}");
    }
}

#[tokio::test]
async fn a_role_for_which_triggers_and_foreign_keys_are_off_repairs_with_them_on_or_not_at_all() {
    let db = Db::new(&format!(
        "CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true);
         INSERT INTO users VALUES (1, 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE logs (id int PRIMARY KEY, user_id int); INSERT INTO logs VALUES (1, 9), (2, 1);
         ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;
         CREATE TABLE told (id int);
         CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN PERFORM pg_sleep(0); RETURN OLD; END $f$;
         CREATE TRIGGER tell BEFORE DELETE ON logs FOR EACH ROW EXECUTE FUNCTION tell();"
    ))
    .await;
    let yaml = format!(
        "{}references: {{onOrphan: Delete, limits: {{rows: 10, percent: 100}}}}\n",
        crate::support::USUAL
    );
    // Whoever may not switch them on is told, and changes nothing.
    let weak = db
        .role("GRANT CREATE ON DATABASE DATABASE_NAME TO ROLE; GRANT ALL ON ALL TABLES IN SCHEMA public TO ROLE;")
        .await;
    db.run(&format!("ALTER ROLE {} SET session_replication_role = replica", weak.0)).await;
    let mut case = Case::new(&db, &yaml);
    case.secret("db", "url", &db.url_of(&weak));
    let before = db.snapshot().await;
    let pass = case.repair().await;
    let said = format!("{:?}", pass.end);
    assert!(said.contains("session_replication_role is replica for this role"), "{said}");
    assert_eq!(db.changes(&before).await, [""; 0]);
    assert_eq!(db.text("SELECT count(*) FROM pg_namespace WHERE nspname = 'auth_consistency'").await, "0");
    // Whoever may has them on.
    let strong =
        db.role("ALTER USER ROLE SUPERUSER; ALTER USER ROLE SET session_replication_role = replica").await;
    let mut case = Case::new(&db, &yaml);
    case.secret("db", "url", &db.url_of(&strong));
    mended(&case.repair().await);
    let run = case.status.history[0].run.clone();
    let before = db.snapshot().await;
    let restored = case.restore(&run).await.unwrap();
    assert_eq!(
        (restored[0].rows, restored[0].blocked),
        (0, 1),
        "a row that names nobody stays: {restored:?}"
    );
    assert_eq!(db.changes(&before).await, [""; 0]);
    db.run(&format!("DROP SCHEMA auth_consistency CASCADE; DROP OWNED BY {}, {}", weak.0, strong.0)).await;
}

/// A look at a database by the program, in a process of its own.
pub struct Looked {
    /// The most memory that it has used at a time, in kB.
    pub most: i64,
    /// How it ended.
    pub code: i32,
    /// What it said.
    pub said: String,
}

/// Looks at a database.
pub fn peak(url: &str) -> Looked {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_auth-consistency"))
        .args(["check", "-o", "json"])
        .env_clear()
        .env("DATABASE_URL", url)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Beside the measuring, so that it never waits for somebody to read.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        err.read_to_string(&mut said).unwrap();
        said
    });
    let status = format!("/proc/{}/status", child.id());
    let mut highest = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        highest = highest.max(now.unwrap_or(0));
        if let Some(ended) = child.try_wait().unwrap() {
            return Looked { most: highest, code: ended.code().unwrap(), said: said.join().unwrap() };
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[tokio::test]
async fn a_look_at_ten_thousand_tables_and_keys_of_a_megabyte_takes_little_memory() {
    const USERS: &str =
        "id text PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true";
    let small = Db::new(&format!(
        "CREATE TABLE users ({USERS}); INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin');
         CREATE TABLE logs (id int PRIMARY KEY, user_id text REFERENCES users)"
    ))
    .await;
    let url = |db: &Db| format!("{}?sslmode=require", db.url().replace("postgresql+asyncpg", "postgresql"));
    let Looked { most: least, code, .. } = peak(&url(&small));
    assert_eq!(code, 0);
    let large = Db::new(&format!(
        "CREATE TABLE users ({USERS}); INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin');
         INSERT INTO users SELECT 'u' || n, repeat(md5(n::text), 32000), 'x', 'user' FROM generate_series(1, 40) n;"
    ))
    .await;
    for part in 0..10 {
        // Every twentieth refers to users: 500 foreign keys.
        large
            .run(&format!(
                "DO $$ BEGIN FOR n IN 1..1000 LOOP
                   EXECUTE format('CREATE TABLE other_{part}_%s (id int, user_id varchar(99){{}}, at timestamptz, amount numeric, flag boolean)', n);
                   IF n % 20 = 0 THEN
                     EXECUTE format('ALTER TABLE other_{part}_%s ADD FOREIGN KEY (user_id) REFERENCES users', n); END IF;
                 END LOOP; END $$;"
            ).replace("{}", ""))
            .await;
    }
    large
        .run(
            "CREATE TABLE logs (id int PRIMARY KEY, user_id text);
             INSERT INTO logs SELECT n, repeat(md5((n % 60)::text), 32000) FROM generate_series(1, 70) n;
             ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID; ANALYZE logs, users",
        )
        .await;
    let Looked { most, code, .. } = peak(&url(&large));
    assert_eq!(code, 2, "the orphans are found");
    // The 60 keys alone have 60 MB. A few of them at a time, and what the catalogue says of 501 foreign keys,
    // fit below half of that; whoever holds all keys does not.
    assert!(most - least < 30 * 1024, "{} kB more than for a small database", most - least);
}

#[tokio::test]
async fn a_value_of_twenty_megabytes_in_the_admins_row_or_in_a_key_costs_little_memory_and_is_told_by_its_length()
 {
    const USERS: &str = "id text PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true, note text";
    let url = |db: &Db| format!("{}?sslmode=require", db.url().replace("postgresql+asyncpg", "postgresql"));
    let small = Db::new(&format!(
        "CREATE TABLE users ({USERS}); INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin')"
    ))
    .await;
    let Looked { most: least, code, .. } = peak(&url(&small));
    assert_eq!(code, 0);
    let large = Db::new(&format!(
        "CREATE TABLE users ({USERS});
         INSERT INTO users SELECT '1', 'admin@example.com', t, t, true, t FROM repeat('x', 20000000) t;
         INSERT INTO users SELECT '2', t, t, t, true, t FROM repeat('y', 20000000) t;
         CREATE TABLE logs (id int PRIMARY KEY, user_id text);
         INSERT INTO logs VALUES (1, repeat('z', 20000000)), (2, repeat('z', 20000000)), (3, '1'), (4, '2');
         ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID; ANALYZE logs, users"
    ))
    .await;
    let Looked { most, code, .. } = peak(&url(&large));
    assert_eq!(code, 2, "the orphans are found");
    assert!(most - least < 8 * 1024, "{} kB more than for a small database", most - least);
    let mut case = Case::new(&large, crate::support::USUAL);
    let pass = case.check().await;
    let finding = pass.finding(R::OrphanRows);
    assert_eq!((finding.rows, finding.keys), (Some(2), Some(1)));
    let sample = finding.sample.join(" ");
    assert!(sample.contains("zzz... (20000000 bytes, sha256 ") && sample.len() < 300, "{sample}");
    assert_eq!(pass.finding(R::AdminDrifted).condition, C::AdminConsistent);
}

#[tokio::test]
async fn rows_whose_keys_are_a_megabyte_long_are_repaired_and_restored() {
    for (on_orphan, index) in
        [("Delete", ""), ("SetNull", ""), ("Reassign", "CREATE INDEX ON logs USING hash (user_id)")]
    {
        let db = Db::new(&format!(
            "CREATE TABLE users (id text PRIMARY KEY, email text, hashed_password text, role text, is_active boolean DEFAULT true);
             INSERT INTO users VALUES ('1', 'admin@example.com', '{HASH}', 'admin');
             CREATE TABLE logs (id int PRIMARY KEY, user_id text);
             INSERT INTO logs SELECT n, repeat(md5(n::text), 32000) FROM generate_series(1, 3) n;
             INSERT INTO logs VALUES (4, 'short'), (5, '1'); {index};
             ALTER TABLE logs ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID;"
        ))
        .await;
        let yaml = format!(
            "{}references: {{onOrphan: {on_orphan}, limits: {{rows: 10, percent: 100}}}}\n",
            crate::support::USUAL
        );
        let mut case = Case::new(&db, &yaml);
        let before = db.text("SELECT md5(string_agg(l::text, ';' ORDER BY id)) FROM logs l").await;
        mended(&case.repair().await);
        let run = case.status.history[0].run.clone();
        db.run("ALTER TABLE logs DROP CONSTRAINT logs_user_id_fkey").await;
        let restored = case.restore(&run).await.unwrap();
        assert_eq!(
            (restored[0].rows, restored[0].blocked),
            (4, 0),
            "{on_orphan}: {} blocked",
            restored[0].blocked
        );
        assert_eq!(
            db.text("SELECT md5(string_agg(l::text, ';' ORDER BY id)) FROM logs l").await,
            before,
            "{on_orphan}"
        );
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
