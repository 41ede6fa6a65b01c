//! Ids that the app gives by itself, as frameworks do that ask a sequence by its name: what a new account gets must
//! not be what somebody else gets next.

use auth_consistency::api::{
    condition::{ConditionType as C, Reason as R},
    report::Action as A,
};

use crate::support::{Case, Db, HASH};

const MISSING: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, None);
const SEED: (A, &str, i64) = (A::Seed, "player", 1);
const SPEC: &str = "
users: {table: player, idColumn: id, loginColumn: name, passwordColumn: secret}
admin: {login: root, passwordSecretRef: {name: admin, key: password}, ID}
";

/// Players up to 40 whose ids the app gives, and no admin.
async fn players(more: &str) -> Db {
    Db::new(&format!(
        "CREATE TABLE player (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, secret text NOT NULL);
         INSERT INTO player SELECT g, 'p' || g, '{HASH}' FROM generate_series(31, 40) g; {more}"
    ))
    .await
}

fn case(db: &Db) -> Case {
    Case::new(db, &SPEC.replace(", ID", ""))
}

fn seeded(id: i64) -> String {
    format!("+ player ({id},root,HASH")
}

/// As the app does it: a number of the sequence, and a row with it.
async fn signs_up(db: &Db, sequence: &str) {
    db.run(&format!("INSERT INTO player SELECT nextval('{sequence}'), 'new', 'x'")).await;
}

#[tokio::test]
async fn an_id_that_a_sequence_gives_next_is_not_taken_unasked_and_what_it_says_mends_it() {
    for name in ["hibernate_sequence", "player_seq", "Player_ID_seq", "tickets"] {
        let db =
            players(&format!("CREATE SEQUENCE \"{name}\" START 41; CREATE SEQUENCE other START 7")).await;
        let mut case = case(&db);
        let message = case.check().await.finding(R::AdminMissing).message;
        let said =
            format!("the sequence {name} gives 41 next, so the next sign-up would fail if the app takes ids");
        assert!(message.contains(&said), "{message}");
        let before = db.fingerprint().await;
        case.repair().await.found(&[MISSING]).repaired(&[]).plans(&[(A::Seed, "player", 1, true)]);
        assert_eq!(db.fingerprint().await, before, "what waits writes nothing");
        let (_, rest) = message.split_once("draw an id that nobody else gets by ").unwrap();
        let (statement, rest) = rest.split_once(", and set spec.admin.id to it").unwrap();
        assert_eq!(rest, ", or approve it if the app gives ids otherwise");
        let id = db.text(statement).await;
        let mut case = Case::new(&db, &SPEC.replace("ID", &format!("id: '{id}'")));
        case.mends(&db, &[MISSING], &[SEED], &[&seeded(41)]).await;
        signs_up(&db, &format!("\"{name}\"")).await;
        assert_eq!(db.text("SELECT id FROM player WHERE name = 'new'").await, "42", "{name}");
    }
}

#[tokio::test]
async fn whoever_approves_it_gets_the_id_that_was_shown() {
    let db = players("CREATE SEQUENCE hibernate_sequence START 41").await;
    case(&db).waits(&db, &[MISSING], &[SEED], &[&seeded(41)]).await;
}

#[tokio::test]
async fn a_sequence_of_the_table_that_comes_to_the_id_later_is_moved_first() {
    let db = players("CREATE SEQUENCE player_id_seq START 3").await;
    let mut case = case(&db);
    let message = case.repair().await.repaired(&[]).finding(R::AdminMissing).message;
    assert!(
        message.contains("the sequence player_id_seq gives 3 next, so it comes to 41 later"),
        "{message}"
    );
    let (_, rest) = message.split_once("move it past that by ").unwrap();
    db.run(rest.split_once(", or approve").unwrap().0).await;
    case.mends(&db, &[MISSING], &[SEED], &[&seeded(41)]).await;
    signs_up(&db, "player_id_seq").await;
}

#[tokio::test]
async fn where_no_sequence_would_come_to_the_id_the_account_is_seeded_and_that_is_said() {
    for (made, said) in [
        ("SELECT 1", "no sequence that was looked at gives 41 next"),
        ("CREATE SEQUENCE invoices START 3", "no sequence that was looked at gives 41 next"),
        (
            "CREATE SEQUENCE hibernate_sequence START 300",
            "the sequence hibernate_sequence does not come to it",
        ),
        // What is called after the table counts more than what is for all of them.
        (
            "CREATE SEQUENCE hibernate_sequence START 41; CREATE SEQUENCE player_seq START 50",
            "the sequence player_seq does not come to it any more",
        ),
        // It belongs to another table.
        (
            "CREATE TABLE game (id bigserial); SELECT setval('game_id_seq', 40)",
            "no sequence that was looked at",
        ),
    ] {
        let db = players(made).await;
        let mut case = case(&db);
        let message = case.check().await.finding(R::AdminMissing).message;
        assert!(message.contains("it gets the id 41, since column \"id\" has no default"), "{message}");
        assert!(message.contains(said), "{made}: {message}");
        let pass = case.mends(&db, &[MISSING], &[SEED], &[&seeded(41)]).await;
        assert!(pass.report.as_ref().unwrap().next_id_untold.is_some(), "{made}");
    }
}

#[tokio::test]
async fn where_the_app_gives_numbers_between_it_is_asked_to_make_the_account() {
    for (made, said) in [
        ("CREATE SEQUENCE player_seq INCREMENT 50 START 51", "the sequence player_seq gives 51 next and goes 50 at a time"),
        ("CREATE TABLE hibernate_sequences (sequence_name text, next_val bigint)", "the table hibernate_sequences looks"),
        (
            "CREATE FUNCTION gives() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; new.id := 1; RETURN new; END $$;
             CREATE TRIGGER gives BEFORE INSERT ON player FOR EACH ROW EXECUTE FUNCTION gives()",
            "gives, which runs before each new row, may count ids by itself and come to 41",
        ),
    ] {
        let db = players(made).await;
        let mut case = case(&db);
        let message = case.check().await.finding(R::AdminMissing).message;
        assert!(message.contains(said), "{message}");
        assert!(message.contains("set spec.admin.id to an id that"), "{message}");
        case.repair().await.found(&[MISSING]).repaired(&[]).plans(&[(A::Seed, "player", 1, true)]);
    }
}

#[tokio::test]
async fn a_sequence_of_the_table_that_the_role_may_not_read_is_told_with_the_grant() {
    let db = players("CREATE SEQUENCE player_seq START 300").await;
    let role = db.role("GRANT SELECT, INSERT, UPDATE ON player TO ROLE").await;
    let mut case = case(&db);
    case.edit(|spec| spec.mode = auth_consistency::api::spec::Mode::Observe);
    case.secret("db", "url", &db.url_of(&role));
    let message = case.check().await.finding(R::AdminMissing).message;
    assert!(
        message.contains("the role may not read the sequence player_seq, which may give 41"),
        "{message}"
    );
    let (_, rest) = message.split_once("run ").unwrap();
    db.run(&rest.split_once(" the role").unwrap().0.to_owned().replace(" TO", &format!(" TO {}", role.0)))
        .await;
    let message = case.check().await.finding(R::AdminMissing).message;
    assert!(message.contains("the sequence player_seq does not come to it any more"), "{message}");
    db.run(&format!("DROP OWNED BY {}", role.0)).await;
}
