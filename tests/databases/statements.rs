//! Statements that messages print are copied and run: they are about the very object, whatever its name is made of.

use auth_consistency::api::condition::Reason as R;

use crate::support::{Case, Db, HASH, USUAL};

/// Names that end what stands around them, or look like others.
pub(crate) const NAMES: [&str; 7] = [
    "a`; DROP TABLE users; `b",
    "logs\u{202e}",
    "a\nDROP TABLE users",
    "it's \\0041 \u{1}\\",
    "\u{e0041}x\u{fe0f}",
    "Größe 用户",
    "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
];

/// A name as the test itself writes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Users with ids of a type; NAME in `sql` stands for the name, and triggers are off.
async fn world(id: &str, admin: &str, name: &str, sql: &str) -> (Db, Case) {
    let db = Db::new(&format!(
        "CREATE TABLE users (id {id}, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true);
         INSERT INTO users VALUES ({admin}, 'admin@example.com', '{HASH}', 'admin');
         SET session_replication_role = replica; {}; RESET session_replication_role;",
        sql.replace("NAME", &quoted(name))
    ))
    .await;
    let case = Case::new(&db, USUAL);
    (db, case)
}

/// The only finding of a reason, whose statement, which begins and ends so, is run and ends it.
async fn mended(db: &Db, case: &mut Case, reason: R, (begins, ends): (&str, &str)) {
    let message = case.check().await.finding(reason).message;
    let from = message.rfind(begins).unwrap_or_else(|| panic!("{begins}: {message}"));
    let to = if ends.is_empty() { message.len() } else { from + message[from..].find(ends).unwrap() };
    let statement = &message[from..to];
    if statement.contains(" by hand (with these names the statement is too long to be told)") {
        return;
    }
    assert!(!statement.contains('`'), "{message}");
    let tables = db.text("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid > 16384").await;
    db.run(statement).await;
    let left = db.text("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid > 16384").await;
    assert_eq!(left, tables, "{statement}");
    let found = case.check().await;
    let found = found.outcome().findings();
    assert!(found.iter().all(|one| one.finding != reason), "{statement}: {found:#?}");
}

#[tokio::test]
async fn a_statement_about_a_foreign_key_is_about_that_one_whatever_it_is_called() {
    for name in NAMES {
        let int = "int PRIMARY KEY";
        let key = "CREATE TABLE NAME (id int PRIMARY KEY, NAME int)";
        let (db, mut case) = world(
            int,
            "1",
            name,
            &format!(
                "{key}; ALTER TABLE NAME ADD CONSTRAINT NAME FOREIGN KEY (NAME) REFERENCES users NOT VALID"
            ),
        )
        .await;
        mended(&db, &mut case, R::ConstraintUnvalidated, ("ALTER TABLE ", ", or set")).await;
        let sql = format!(
            "{key}; ALTER TABLE NAME ADD CONSTRAINT NAME FOREIGN KEY (NAME) REFERENCES users; ALTER TABLE NAME DISABLE TRIGGER ALL"
        );
        let (db, mut case) = world(int, "1", name, &sql).await;
        mended(&db, &mut case, R::ConstraintDisabled, ("ALTER TABLE ", "; Old rows")).await;
        let sql = "CREATE TABLE NAME (id int PRIMARY KEY, NAME int CONSTRAINT NAME REFERENCES users)";
        let (db, mut case) = world("bigint PRIMARY KEY", "1", name, sql).await;
        mended(&db, &mut case, R::IdTypeDiffers, ("ALTER TABLE ", "")).await;
    }
}

#[tokio::test]
async fn a_sequence_is_set_back_whatever_it_is_called() {
    for name in NAMES {
        let sql = "CREATE SEQUENCE NAME OWNED BY users.id; ALTER TABLE users ALTER id SET DEFAULT nextval('NAME_LITERAL')";
        let literal = quoted(name).replace('\'', "''");
        let sql = format!("{}; SELECT setval('NAME_LITERAL', 2147483647)", sql);
        let sql = sql.replace("NAME_LITERAL", &literal);
        let (db, mut case) = world("int PRIMARY KEY", "1", name, &sql).await;
        mended(&db, &mut case, R::SequenceBehind, ("SELECT setval", "")).await;
    }
}

#[tokio::test]
async fn rows_get_the_users_spelling_and_indexes_are_made_anew_whatever_they_are_called() {
    for name in NAMES {
        let sql = "CREATE TABLE NAME (id int PRIMARY KEY, NAME text CONSTRAINT NAME REFERENCES users); INSERT INTO NAME VALUES (1, 'ADA')";
        let (db, mut case) = world("text PRIMARY KEY", "'ada'", name, sql).await;
        mended(&db, &mut case, R::IdSpellingDiffers, ("UPDATE ", "")).await;
        let told = case.check().await.outcome().findings().iter().any(|one| one.message.contains("by hand"));
        assert_eq!(told, name.len() == 63, "{name}");
        let sql = "CREATE COLLATION NAME FROM \"en-x-icu\"; \
             CREATE TABLE NAME (id int PRIMARY KEY, NAME text COLLATE NAME REFERENCES users); \
             ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE; ALTER TABLE users ALTER id TYPE text COLLATE NAME; \
             ALTER TABLE users ADD CONSTRAINT NAME_KEY PRIMARY KEY (id); ALTER TABLE NAME ADD CONSTRAINT NAME FOREIGN KEY (NAME) REFERENCES users; \
             UPDATE pg_collation SET collversion = '0' WHERE collname LIKE '%' AND collnamespace = 'public'::regnamespace";
        let key: String = name.chars().take(9).chain(['k']).collect();
        let sql = sql.replace("NAME_KEY", &quoted(&key));
        let (db, mut case) = world("text PRIMARY KEY", "'ada'", name, &sql).await;
        let message = case.check().await.finding(R::IndexUntrusted).message;
        let mut statements: Vec<String> = Vec::new();
        for piece in message.split(": run ").last().unwrap().split("; ") {
            match statements.last_mut() {
                // Within a name.
                Some(last) if !["REINDEX ", "ALTER "].iter().any(|verb| piece.starts_with(verb)) => {
                    *last += &format!("; {piece}");
                }
                _ => statements.push(piece.to_owned()),
            }
        }
        for statement in statements {
            db.run(&statement).await;
        }
        case.check().await.consistent();
    }
}
