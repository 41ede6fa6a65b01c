//! What is said of the sequence that gives ids, and how far it is moved unasked.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass,
};

use crate::support::{Case, Db};

const BEHIND: (R, C, Option<R>) = (R::SequenceBehind, C::SchemaCompatible, None);
const USERS: &str = "users: {table: users, idColumn: id, loginColumn: email}\n";
const MOVED: &[(A, &str, i64)] = &[(A::AdvanceSequence, "users_id_seq", 0)];

fn declared(columns: &str) -> String {
    format!("{USERS}references: {{limits: {{rows: 1000, percent: 100}}, rules: [{columns}]}}\n")
}

async fn stands_at(db: &Db, sequence: &str) -> String {
    db.text(&format!("SELECT last_value FROM {sequence}")).await
}

#[tokio::test]
async fn what_is_nobodys_id_makes_no_new_id_longer_than_32_bits_or_than_javascript_reads_unasked() {
    for (kind, values, above, said) in [
        ("bigint", "('1'), ('2'), ('2147483647')", "2147483647", "32 bits"),
        ("bigint", "('1'), ('4294967295')", "4294967295", "32 bits"),
        ("text", "('1'), ('823746512983746561'), ('auth0|x')", "823746512983746561", "JavaScript"),
    ] {
        let db = Db::new(&format!(
            "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE); INSERT INTO users (email) VALUES ('a'), ('b'), ('c');
             CREATE TABLE logs (id bigserial PRIMARY KEY, user_id {kind}); INSERT INTO logs (user_id) SELECT v::{kind} FROM (VALUES {values}) t(v)"
        ))
        .await;
        let mut case = Case::new(&db, &declared("{table: logs, columns: [user_id], declared: true}"));
        let waiting = case.repair().await;
        waiting.repaired(&[]).plans(&[(A::AdvanceSequence, "users_id_seq", 0, true)]);
        let why = format!("{:?}", waiting.outcome().plan);
        assert!(why.contains(said), "{why}");
        assert_eq!(stands_at(&db, "users_id_seq").await, "3", "{above}");
        case.approve().await.repaired(MOVED);
        assert_eq!(stands_at(&db, "users_id_seq").await, above);
    }
}

#[tokio::test]
async fn ids_that_are_in_use_are_gone_above_at_once_however_long_they_are() {
    let db = Db::new(
        "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE); INSERT INTO users VALUES (5000000000, 'a'), (5000000001, 'b')",
    )
    .await;
    let mut case = Case::new(&db, USERS);
    let told = case.check().await.finding(R::SequenceBehind).message;
    assert!(told.ends_with("sign-ups fail with a duplicate key once it comes to them"), "{told}");
    case.repair().await.consistent().repaired(MOVED);
    db.run("INSERT INTO users (email) VALUES ('c')").await;
}

#[tokio::test]
async fn the_next_sign_up_is_said_to_fail_where_somebody_has_its_id() {
    let db = Db::new(
        "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE); INSERT INTO users VALUES (1, 'a'), (7, 'b')",
    )
    .await;
    let told = Case::new(&db, USERS).check().await.finding(R::SequenceBehind).message;
    assert!(told.ends_with("the next sign-up fails with a duplicate key"), "{told}");
    assert!(db.refused("INSERT INTO users (email) VALUES ('c')").await == "23505");
}

#[tokio::test]
async fn of_a_default_that_makes_another_number_of_it_the_sequence_says_nothing() {
    let db = Db::new(
        "CREATE FUNCTION mixed(bigint) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT (($1 * 7919) % 16777213)::int';
         CREATE SEQUENCE users_id_seq;
         CREATE TABLE users (id int PRIMARY KEY DEFAULT mixed(nextval('users_id_seq')), email text UNIQUE);
         ALTER SEQUENCE users_id_seq OWNED BY users.id;
         INSERT INTO users (email) SELECT 'u' || g FROM generate_series(1, 300) g",
    )
    .await;
    let mut case = Case::new(&db, USERS);
    case.repair().await.repaired(&[]).found(&[]);
    assert_eq!(stands_at(&db, "users_id_seq").await, "300");
}

#[tokio::test]
async fn a_default_that_casts_what_it_draws_is_the_sequences() {
    for default in [
        "nextval('users_id_seq')",
        "nextval('users_id_seq')::int",
        "(nextval('users_id_seq'))::numeric(10,0)::int",
    ] {
        let db = Db::new(&format!(
            "CREATE SEQUENCE users_id_seq; CREATE TABLE users (id int PRIMARY KEY DEFAULT {default}, email text UNIQUE);
             INSERT INTO users VALUES (1, 'a')"
        ))
        .await;
        let pass = Case::new(&db, USERS).check().await;
        let plain = !default.contains("numeric");
        assert_eq!(
            pass.outcome().findings().iter().any(|one| one.finding == R::SequenceBehind),
            plain,
            "{default}"
        );
    }
}

#[tokio::test]
async fn a_sequence_that_the_role_may_not_read_is_not_called_right() {
    let db = Db::new(
        "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE); INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 20) g",
    )
    .await;
    let role = db.role("GRANT SELECT ON users TO ROLE").await;
    let mut case = Case::new(&db, USERS);
    case.edit(|spec| spec.mode = auth_consistency::api::spec::Mode::Observe);
    case.secret("db", "url", &db.url_of(&role));
    case.check().await.found(&[(R::PrivilegeMissing, C::SchemaCompatible, None)]);
    let grants =
        pass::grants_to_observe(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
    db.run(&grants).await;
    case.check().await.found(&[(R::SequenceBehind, C::SchemaCompatible, Some(R::PrivilegeMissing))]);
    db.run(&format!("DROP OWNED BY {}", role.0)).await;
}

#[tokio::test]
async fn ids_of_another_type_than_an_integer_are_held_against_their_sequence() {
    for (kind, default) in [
        ("numeric", "nextval('users_id_seq')"),
        ("numeric(12)", "nextval('users_id_seq')"),
        ("text", "nextval('users_id_seq')::text"),
    ] {
        let db = Db::new(&format!(
            "CREATE SEQUENCE users_id_seq; CREATE TABLE users (id {kind} PRIMARY KEY DEFAULT {default}, email text UNIQUE);
             ALTER SEQUENCE users_id_seq OWNED BY users.id; INSERT INTO users SELECT g, 'u' || g FROM generate_series(1, 20) g"
        ))
        .await;
        assert!(db.refused("INSERT INTO users (email) VALUES ('new')").await == "23505", "{kind}");
        let mut case = Case::new(&db, USERS);
        case.check().await.found(&[BEHIND]);
        case.repair().await.consistent().repaired(MOVED);
        db.run("INSERT INTO users (email) VALUES ('new')").await;
        assert_eq!(db.text("SELECT id FROM users WHERE email = 'new'").await, "21", "{kind}");
        case.settled(&db).await;
    }
}

#[tokio::test]
async fn of_two_servers_that_take_turns_the_ids_of_the_other_one_are_none_of_the_sequences() {
    let db = Db::new(
        "CREATE SEQUENCE users_id_seq INCREMENT 2 START 1;
         CREATE TABLE users (id int PRIMARY KEY DEFAULT nextval('users_id_seq'), email text UNIQUE);
         INSERT INTO users (email) SELECT 'here' || g FROM generate_series(1, 4) g;
         INSERT INTO users SELECT g * 2, 'there' || g FROM generate_series(1, 500) g",
    )
    .await;
    let mut case = Case::new(&db, USERS);
    case.repair().await.consistent().repaired(&[]);
    assert_eq!(stands_at(&db, "users_id_seq").await, "7");
    db.run("INSERT INTO users VALUES (11, 'copied')").await;
    case.check().await.found(&[BEHIND]);
    case.repair().await.consistent().repaired(MOVED);
    db.run("INSERT INTO users (email) VALUES ('new')").await;
    assert_eq!(db.text("SELECT id FROM users WHERE email = 'new'").await, "13");
    case.settled(&db).await;
}

const SPENT: (R, C, Option<R>) = (R::SequenceBehind, C::SchemaCompatible, Some(R::RepairUnsupported));

async fn signs_up(db: &Db) -> String {
    db.run("INSERT INTO users (email) VALUES ('new')").await;
    db.text("SELECT id FROM users WHERE email = 'new'").await
}

#[tokio::test]
async fn a_sequence_that_ends_before_its_column_is_told_with_the_statement_that_lets_it_go_on() {
    const INT: &str = "2147483647";
    const BIGINT: &str = "9223372036854775807";
    for (id, then, ids, last, limit) in [
        ("serial PRIMARY KEY", "ALTER TABLE users ALTER id TYPE bigint", "1, 2147483646", INT, BIGINT),
        ("bigserial PRIMARY KEY", "ALTER SEQUENCE users_id_seq MAXVALUE 610", "600, 601", "610", BIGINT),
        ("int PRIMARY KEY GENERATED ALWAYS AS IDENTITY (MAXVALUE 610)", "SELECT 1", "600", "610", INT),
        ("smallserial PRIMARY KEY", "ALTER TABLE users ALTER id TYPE int", "32766", "32767", INT),
        (
            "serial PRIMARY KEY CHECK (id < 5000)",
            "ALTER SEQUENCE users_id_seq MAXVALUE 610",
            "3",
            "610",
            "4999",
        ),
        (
            "int PRIMARY KEY DEFAULT nextval('users_id_seq'::text)",
            "ALTER SEQUENCE users_id_seq MAXVALUE 610",
            "3",
            "610",
            INT,
        ),
    ] {
        let made = if id.contains("::text") { "CREATE SEQUENCE users_id_seq;" } else { "" };
        let db = Db::new(&format!(
            "{made} CREATE TABLE users (id {id}, email text UNIQUE); {then};
             INSERT INTO users OVERRIDING SYSTEM VALUE SELECT i, 'u' || i FROM unnest('{{{ids}, {last}}}'::bigint[]) i;
             SELECT setval('users_id_seq', {last})"
        ))
        .await;
        assert_eq!(db.refused("INSERT INTO users (email) VALUES ('new')").await, "2200H", "{id}");
        let mut case = Case::new(&db, USERS);
        let message = case.reports(&db, &[SPENT]).await.finding(R::SequenceBehind).message;
        let said = format!(
            "and {last}, which somebody has, is the last one that it gives, though the id column takes more, \
             so every sign-up fails: run "
        );
        let (_, statement) = message.split_once(&said).unwrap_or_else(|| panic!("{message}"));
        assert_eq!(statement, format!("ALTER SEQUENCE public.users_id_seq AS bigint MAXVALUE {limit}"));
        db.run(statement).await;
        case.check().await.consistent();
        assert_eq!(signs_up(&db).await, (last.parse::<i64>().unwrap() + 1).to_string(), "{id}");
    }
}

#[tokio::test]
async fn where_a_sequence_has_no_id_left_above_those_in_use_its_own_end_is_told() {
    let db = Db::new(
        "CREATE TABLE users (id bigserial PRIMARY KEY, email text UNIQUE); ALTER SEQUENCE users_id_seq MAXVALUE 40;
         INSERT INTO users VALUES (1, 'a'), (39, 'b'); SELECT setval('users_id_seq', 1)",
    )
    .await;
    let mut case = Case::new(&db, USERS);
    let message = case.reports(&db, &[SPENT]).await.finding(R::SequenceBehind).message;
    let said = "no id is left above 39: 40 is the last one that the sequence gives, and the id column takes more. Run ";
    let (_, statement) = message.split_once(said).unwrap_or_else(|| panic!("{message}"));
    db.run(statement).await;
    case.mends(&db, &[BEHIND], MOVED, &[]).await;
    assert_eq!(signs_up(&db).await, "40");
}

#[tokio::test]
async fn no_sequence_is_set_back_to_where_somebody_has_the_id_that_comes_next() {
    let db = Db::new(
        "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE);
         INSERT INTO users SELECT g, 'u' || g FROM generate_series(2147483640, 2147483647) g; SELECT setval('users_id_seq', 2147483647)",
    )
    .await;
    let mut case = Case::new(&db, USERS);
    let message = case.reports(&db, &[SPENT]).await.finding(R::SequenceBehind).message;
    let said = "and 2147483647, which somebody has, is the last id that there can be, so every sign-up fails: \
                give the id column and the sequence a wider type";
    assert!(message.ends_with(said), "{message}");
    // A mark alone is no reason to widen anything.
    db.run("DELETE FROM users WHERE id BETWEEN 2147483641 AND 2147483646; UPDATE users SET id = 12 WHERE id = 2147483640").await;
    let message = case.check().await.finding(R::SequenceBehind).message;
    let (_, statement) = message.split_once("set it back by ").unwrap_or_else(|| panic!("{message}"));
    db.run(statement).await;
    case.check().await.consistent();
    assert_eq!(signs_up(&db).await, "13");
}
