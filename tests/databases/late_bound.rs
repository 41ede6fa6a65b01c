//! Ids that come from a sequence which nothing in the catalog ties to their column: a default that only names it, and
//! what nobody can tell from here.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        report::Action as A,
    },
    network::HostPolicy,
    pass::{self, ScanMode},
};

use crate::support::{Case, Db, HASH, Pass, USUAL};

const MEMBERS: &str = "users: {table: members, idColumn: no, loginColumn: nick}\n";
const BEHIND: (R, C, Option<R>) = (R::SequenceBehind, C::SchemaCompatible, None);
const MISSING: (R, C, Option<R>) = (R::AdminMissing, C::AdminConsistent, None);
const ORPHANS: (R, C, Option<R>) = (R::OrphanRows, C::ReferencesConsistent, None);
const ADVANCE: (A, &str, i64) = (A::AdvanceSequence, "member_no", 0);

/// Members whose numbers come from a default; the sequence has given 5 and there are 12 of them.
async fn members(kind: &str, default: &str) -> Db {
    Db::new(&format!(
        "CREATE SEQUENCE member_no;
         CREATE TABLE members (no {kind} PRIMARY KEY DEFAULT {default}, nick text NOT NULL UNIQUE);
         INSERT INTO members SELECT g, 'm' || g FROM generate_series(1, 12) g; SELECT setval('member_no', 5)"
    ))
    .await
}

async fn joins(db: &Db) -> String {
    db.run("INSERT INTO members (nick) VALUES ('new')").await;
    db.text("SELECT no FROM members WHERE nick = 'new'").await
}

/// What a pass says of the next id, everywhere where it says that all is well.
#[track_caller]
fn untold(pass: &Pass) -> String {
    let untold =
        pass.report.as_ref().unwrap().next_id_untold.clone().expect("nothing is said of the next id");
    for condition in ["Ready", "SchemaCompatible"] {
        let one = pass.status.conditions.iter().find(|one| one.type_ == condition).unwrap();
        assert!(one.status != "True" || one.message.contains(&untold), "{one:?}");
    }
    let page = auth_consistency::cli::page(pass.report.as_ref().unwrap());
    assert!(
        page.contains("\nnext id ") && page.contains(" Nobody knows here what gives the next id"),
        "{page}"
    );
    untold
}

#[tokio::test]
async fn a_default_that_draws_by_a_name_draws_from_the_sequence_of_that_name() {
    for (kind, default) in [
        ("int", "nextval('member_no'::text)"),
        ("int", "nextval(('member_no'::text)::regclass)"),
        ("bigint", "nextval('\"public\".\"member_no\"'::text::regclass)"),
        ("int", "nextval('Member_No'::varchar)"),
        ("int", "nextval('PUBLIC.member_no'::text)::int"),
        ("text", "nextval('member_no'::text)::text"),
    ] {
        let db = members(kind, default).await;
        assert_eq!(db.refused("INSERT INTO members (nick) VALUES ('new')").await, "23505", "{default}");
        let mut case = Case::new(&db, MEMBERS);
        let message = case.check().await.finding(R::SequenceBehind).message;
        assert!(message.contains("the sequence member_no gives 7 next"), "{default}: {message}");
        let mended = case.mends(&db, &[BEHIND], &[ADVANCE], &[]).await;
        assert_eq!(mended.report.as_ref().unwrap().next_id_untold, None, "{default}");
        assert_eq!(joins(&db).await, "13", "{default}");
    }
}

#[tokio::test]
async fn where_rows_name_the_next_number_that_a_name_gives_the_sequence_is_behind() {
    let db = members("int", "nextval('member_no'::text)").await;
    db.run(
        "SELECT setval('member_no', 12); CREATE TABLE posts (id int PRIMARY KEY, author int);
         INSERT INTO posts VALUES (1, 13), (2, 14), (3, 2)",
    )
    .await;
    let rules = "references: {rules: [{table: posts, columns: [author], declared: true}]}";
    let mut case = Case::new(&db, &format!("{MEMBERS}{rules}\n"));
    let message = case.check().await.finding(R::SequenceBehind).message;
    assert!(
        message.contains("a sign-up that gets one of those ids inherits somebody's old rows"),
        "{message}"
    );
    case.mends_first(&db, &[BEHIND, ORPHANS], &[ADVANCE], &[]).await.found(&[ORPHANS]);
    assert_eq!(joins(&db).await, "15");
}

#[tokio::test]
async fn a_role_that_may_not_read_the_sequence_of_that_name_is_told_and_the_grants_suffice() {
    let db = members("int", "nextval('member_no'::text)").await;
    let role = db.role("GRANT SELECT ON members TO ROLE").await;
    let mut case = Case::new(&db, MEMBERS);
    case.edit(|spec| spec.mode = auth_consistency::api::spec::Mode::Observe);
    case.secret("db", "url", &db.url_of(&role));
    case.check().await.found(&[(R::PrivilegeMissing, C::SchemaCompatible, None)]);
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let grants = pass::grants_to_observe(&case.target(), &anywhere).await.unwrap();
    db.run(&grants).await;
    case.check().await.found(&[(R::SequenceBehind, C::SchemaCompatible, Some(R::PrivilegeMissing))]);
    db.run(&format!("DROP OWNED BY {}", role.0)).await;
}

/// A FastAPI app's table in a schema that is on nobody's path, without the admin.
async fn app(id: &str, more: &str) -> Db {
    Db::new(&format!(
        "CREATE SCHEMA app; CREATE SEQUENCE app.user_no;
         CREATE TABLE app.users (id {id}, email text NOT NULL UNIQUE, hashed_password text NOT NULL, \
         role text NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, PRIMARY KEY (id));
         INSERT INTO app.users SELECT g, 'u' || g, '{HASH}', 'user' FROM generate_series(1, 12) g;
         SELECT setval('app.user_no', 12); {more}"
    ))
    .await
}

fn in_app(db: &Db) -> Case {
    Case::new(db, &USUAL.replace("{preset: FastAPI}", "{preset: FastAPI, schema: app}"))
}

#[tokio::test]
async fn an_account_is_seeded_from_the_sequence_of_the_name_whatever_the_path_of_the_role_is() {
    let db = app("int DEFAULT nextval('user_no'::text)", "SELECT setval('app.user_no', 3)").await;
    let advance = (A::AdvanceSequence, "app.user_no", 0);
    let seed = (A::Seed, "app.users", 1);
    let changes = &["+ app.users (13,admin@example.com,HASH,admin,t)"];
    in_app(&db).mends(&db, &[BEHIND, MISSING], &[advance, seed], changes).await;
    assert_eq!(db.text("SELECT nextval('app.user_no')").await, "14");
}

#[tokio::test]
async fn an_account_is_seeded_from_a_sequence_that_the_id_owns_and_no_default_draws_from() {
    let db = app("int", "ALTER SEQUENCE app.user_no OWNED BY app.users.id").await;
    let changes = &["+ app.users (13,admin@example.com,HASH,admin,t)"];
    in_app(&db).mends(&db, &[MISSING], &[(A::Seed, "app.users", 1)], changes).await;
    assert_eq!(
        db.text("SELECT nextval('app.user_no')").await,
        "14",
        "whoever signs up next gets another one"
    );
}

#[tokio::test]
async fn a_name_that_the_apps_path_decides_on_is_told_with_the_statement_that_ties_it() {
    let db = members("int", "nextval('member_no'::text)").await;
    db.run("CREATE SCHEMA \"Old\"; CREATE SEQUENCE \"Old\".member_no START 900").await;
    let mut case = Case::new(&db, MEMBERS);
    let pass = case.repair().await;
    pass.found(&[]).repaired(&[]);
    let said = untold(&pass);
    assert!(
        said.contains("the app's search_path says whether that is \"Old\".member_no or public.member_no"),
        "{said}"
    );
    case.settled(&db).await;
    let (_, statement) = said.split_once("say so by ").unwrap();
    db.run(statement).await;
    case.mends(&db, &[BEHIND], &[ADVANCE], &[]).await;
    assert_eq!(joins(&db).await, "13");
}

#[tokio::test]
async fn a_name_that_no_sequence_has_is_an_error_with_the_statement_that_makes_one() {
    for (name, made) in [("member_no", "public.member_no"), ("\"Arch\".\"No\"", "\"Arch\".\"No\"")] {
        let db = members("int", &format!("nextval('{name}'::text)")).await;
        db.run("DROP SEQUENCE member_no; CREATE SCHEMA \"Arch\"; CREATE TABLE \"Arch\".member_no_log ()")
            .await;
        assert_eq!(db.refused("INSERT INTO members (nick) VALUES ('new')").await, "42P01", "{name}");
        let mut case = Case::new(&db, MEMBERS);
        let spent = (R::SequenceBehind, C::SchemaCompatible, Some(R::RepairUnsupported));
        let message = case.reports(&db, &[spent]).await.finding(R::SequenceBehind).message;
        let (_, statement) = message.split_once("make one by ").unwrap();
        assert_eq!(statement, format!("CREATE SEQUENCE {made} START 13"));
        db.run(statement).await;
        case.check().await.consistent();
        assert_eq!(joins(&db).await, "13", "{name}");
    }
}

#[tokio::test]
async fn a_sequence_that_is_made_or_altered_is_seen_by_a_look_that_relies_on_an_earlier_one() {
    let db = members("int", "nextval('member_no'::text)").await;
    db.run("SELECT setval('member_no', 12)").await;
    let mut case = Case::new(&db, MEMBERS);
    case.look = ScanMode::Incremental;
    for _ in 0..3 {
        case.repair().await.consistent();
    }
    db.run("ALTER SEQUENCE member_no MAXVALUE 12").await;
    let message = case.check().await.finding(R::SequenceBehind).message;
    for _ in 0..3 {
        case.check().await.found(&[(R::SequenceBehind, C::SchemaCompatible, Some(R::RepairUnsupported))]);
    }
    db.run(message.split_once("run ").unwrap().1).await;
    case.check().await.consistent();
    db.run("CREATE SCHEMA old; CREATE SEQUENCE old.member_no").await;
    let said = untold(&case.check().await);
    assert!(said.contains("old.member_no or public.member_no"), "{said}");
    db.run("DROP SEQUENCE old.member_no").await;
    assert_eq!(case.check().await.consistent().report.as_ref().unwrap().next_id_untold, None);
}

#[tokio::test]
async fn no_account_is_seeded_where_the_sequence_is_not_there() {
    let db = app("int DEFAULT nextval('user_no'::text)", "DROP SEQUENCE app.user_no").await;
    let mut case = in_app(&db);
    let spent = (R::SequenceBehind, C::SchemaCompatible, Some(R::RepairUnsupported));
    let blocked = (R::AdminMissing, C::AdminConsistent, Some(R::SequenceBehind));
    let pass = case.reports(&db, &[spent, blocked]).await;
    let message = pass.finding(R::SequenceBehind).message;
    db.run(message.split_once("make one by ").unwrap().1).await;
    let changes = &["+ app.users (13,admin@example.com,HASH,admin,t)"];
    case.mends(&db, &[MISSING], &[(A::Seed, "app.users", 1)], changes).await;
}

#[tokio::test]
async fn a_default_that_runs_the_apps_code_is_not_run_and_told() {
    for default in ["gives()", "nextval(names())", "gives()::bigint + 1", "nextval('member_no'::text) + 1000"]
    {
        let db = Db::new(&format!(
            "CREATE SEQUENCE member_no;
             CREATE FUNCTION gives() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
             CREATE FUNCTION names() RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN RAISE 'run'; END $$;
             CREATE TABLE members (no bigint PRIMARY KEY DEFAULT {default}, nick text NOT NULL UNIQUE);
             INSERT INTO members SELECT g, 'm' || g FROM generate_series(1, 12) g"
        ))
        .await;
        let mut case = Case::new(&db, MEMBERS);
        let pass = case.repair().await;
        pass.consistent().repaired(&[]);
        let said = untold(&pass);
        assert!(said.contains("the default of members.no is "), "{said}");
        assert!(said.ends_with("so whether it is behind was not looked at"), "{said}");
        case.settled(&db).await;
        assert_eq!(db.text("SELECT nextval('member_no')").await, "1", "nothing was drawn: {default}");
    }
}

#[tokio::test]
async fn a_function_of_the_same_name_as_the_servers_is_the_apps() {
    let db = Db::new(
        "CREATE FUNCTION nextval(text) RETURNS bigint LANGUAGE sql AS 'SELECT 77::bigint'; CREATE SEQUENCE member_no;
         CREATE TABLE members (no bigint PRIMARY KEY DEFAULT nextval('member_no'::text), nick text NOT NULL UNIQUE);
         INSERT INTO members SELECT g, 'm' || g FROM generate_series(1, 12) g",
    )
    .await;
    let pass = Case::new(&db, MEMBERS).check().await;
    let said = untold(pass.found(&[]));
    assert!(said.contains("the default of members.no is public.nextval('member_no'::text)"), "{said}");
}

#[tokio::test]
async fn ids_that_nothing_counts_need_no_word() {
    for (kind, default) in [
        ("uuid", "DEFAULT gen_random_uuid()"),
        ("uuid", ""),
        ("uuid", "DEFAULT own()"),
        ("text", "DEFAULT md5(random()::text)"),
        ("text", ""),
    ] {
        let db = Db::new(&format!(
            "CREATE FUNCTION own() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';
             CREATE TABLE members (no {kind} PRIMARY KEY {default}, nick text NOT NULL UNIQUE);
             INSERT INTO members VALUES (gen_random_uuid(), 'a')"
        ))
        .await;
        let pass = Case::new(&db, MEMBERS).check().await;
        assert_eq!(pass.consistent().report.as_ref().unwrap().next_id_untold, None, "{kind} {default}");
    }
}

#[tokio::test]
async fn ids_that_the_app_or_a_trigger_gives_are_told() {
    let db = Db::new(
        "CREATE SEQUENCE member_no;
         CREATE TABLE members (no numeric(10) PRIMARY KEY, nick text NOT NULL UNIQUE, seen int);
         INSERT INTO members SELECT g, 'm' || g FROM generate_series(1, 12) g;
         CREATE FUNCTION numbers() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN new.\"no\"  := (SELECT count(*) + 100 FROM members); RETURN new; END $$;
         CREATE FUNCTION notes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.seen := new.no; RETURN new; END $$;
         CREATE TRIGGER notes BEFORE INSERT ON members FOR EACH ROW EXECUTE FUNCTION notes()",
    )
    .await;
    let mut case = Case::new(&db, MEMBERS);
    let said = untold(case.repair().await.consistent());
    assert!(said.contains("members.no has no default, so the app gives it, and whether"), "{said}");
    case.settled(&db).await;
    db.run("CREATE TRIGGER numbers BEFORE INSERT ON members FOR EACH ROW EXECUTE FUNCTION numbers()").await;
    let said = untold(case.repair().await.consistent());
    assert!(said.contains("members.no has no default, and the trigger numbers may give it"), "{said}");
    case.settled(&db).await;
}
