//! Foreign keys of columns that name users, which reference another table: a user model that was swapped, a copy, users of
//! another schema. What only looks like that is left alone.

use auth_consistency::{
    api::{
        condition::{ConditionType as C, Reason as R},
        spec::OnUndeclared,
    },
    network::HostPolicy,
    pass,
};

use crate::support::{Case, Db, USUAL, admin_and_ada as with};

type Found = (R, C, Option<R>);

const ELSEWHERE: Found = (R::ReferenceElsewhere, C::SchemaCompatible, None);
const OLD: &str = "CREATE TABLE users_old (id int PRIMARY KEY, email text); INSERT INTO users_old VALUES (1, 'admin@example.com')";

/// Every foreign key of the app, as the catalog has it.
const KEYS: &str = "SELECT conrelid::regclass || ' ' || conname || ' ' || convalidated || ' ' || pg_get_constraintdef(oid) \
    FROM pg_constraint WHERE contype = 'f' ORDER BY 1";

fn spec(references: &str) -> String {
    format!("{USUAL}references: {{{references}}}\n")
}

/// The one statement of a message.
fn statement(message: &str) -> &str {
    let at = message.find("run ALTER TABLE ").unwrap() + 4;
    message[at..].split(", and check again").next().unwrap()
}

#[tokio::test]
async fn a_key_to_the_users_of_before_is_told_and_ends_by_the_statement_that_is_printed() {
    let db = with(&format!(
        "{OLD}; CREATE TABLE logs (id int PRIMARY KEY, user_id int, \"at\" int);
         ALTER TABLE logs ADD CONSTRAINT \"Logs-fk\" FOREIGN KEY (user_id) REFERENCES users_old ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
         INSERT INTO logs VALUES (1, 1, 0), (2, 1, 0), (3, NULL, 0)"
    ))
    .await;
    assert_eq!(db.refused("INSERT INTO logs VALUES (4, 5)").await, "23503");
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, &[ELSEWHERE]).await;
    let message = pass.finding(R::ReferenceElsewhere).message;
    let told = "the foreign key Logs-fk of logs.user_id references public.users_old and not the user table public.users, and by their names the two tables hold the same kind of accounts, and the column names users; accounts of public.users are not in it, and a row that names one of those breaks the key. Where an id is the same account in both tables, run ";
    assert!(message.starts_with(told), "{message}");
    db.run(statement(&message)).await;
    db.run("INSERT INTO logs VALUES (4, 5)").await;
    let pass = case.check().await;
    pass.found(&[(R::ConstraintUnvalidated, C::SchemaCompatible, None)]);
    assert_eq!(
        db.texts(KEYS).await,
        [
            "logs Logs-fk false FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED NOT VALID"
        ]
    );
}

#[tokio::test]
async fn a_user_model_that_was_swapped_is_told_by_its_logins_whatever_the_tables_are_called() {
    let db = with(
        "INSERT INTO users (id, email, hashed_password) SELECT n, 'u' || n, '' FROM generate_series(11, 20) n;
         CREATE TABLE staff_logins (id int PRIMARY KEY, username text); INSERT INTO staff_logins SELECT id, email FROM users WHERE id < 15;
         INSERT INTO staff_logins VALUES (900, 'someone else');
         CREATE TABLE customers (id int PRIMARY KEY, email text); INSERT INTO customers SELECT id, 'c' || id FROM users;
         UPDATE customers SET email = u.email FROM users u WHERE u.id = customers.id AND u.id < 14;
         CREATE TABLE logs (id int PRIMARY KEY, user_id int CONSTRAINT logs_fk REFERENCES staff_logins, batch_id int REFERENCES staff_logins);
         CREATE TABLE notes (id int PRIMARY KEY, owner_id int REFERENCES customers);
         INSERT INTO logs VALUES (1, 11, 11); INSERT INTO notes VALUES (1, 11)",
    )
    .await;
    db.run("UPDATE customers SET email = 'c' || id WHERE id = 11").await;
    let before = db.fingerprint().await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, &[ELSEWHERE]).await;
    let message = pass.finding(R::ReferenceElsewhere).message;
    let told = "the foreign key logs_fk of logs.user_id references public.staff_logins and not the user table public.users, though the column is called as those that name users, and 6 of 7 accounts of public.staff_logins that were looked at are in the user table with the same id and login; accounts of";
    assert!(message.starts_with(told), "{message}");
    assert_eq!(db.fingerprint().await, before, "it writes nothing");
    let role = db.role("GRANT SELECT ON users, logs, notes TO ROLE").await;
    let mut other = Case::new(&db, USUAL);
    other.secret("db", "url", &db.url_of(&role));
    let found = other.check().await.outcome().findings();
    assert!(found.iter().all(|one| one.finding != R::ReferenceElsewhere), "nobody could look: {found:#?}");
    db.run(statement(&message)).await;
    case.check().await.found(&[(R::ConstraintUnvalidated, C::SchemaCompatible, None)]);
    // A key of its own says that an id is the same account in both.
    db.run(
        "ALTER TABLE logs DROP CONSTRAINT logs_fk; DELETE FROM staff_logins WHERE id = 900;
            ALTER TABLE logs ADD CONSTRAINT logs_fk FOREIGN KEY (user_id) REFERENCES staff_logins;
            ALTER TABLE staff_logins ADD FOREIGN KEY (id) REFERENCES users",
    )
    .await;
    let findings = case.check().await.outcome().findings();
    assert!(findings.iter().all(|one| one.finding != R::ReferenceElsewhere), "{findings:#?}");
}

#[tokio::test]
async fn the_statement_for_a_partitioned_table_is_one_that_the_database_takes() {
    let db = with(&format!(
        "{OLD}; CREATE TABLE logs (id int, user_id int CONSTRAINT logs_fk REFERENCES users_old) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF logs DEFAULT; INSERT INTO logs VALUES (1, 1)"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    let message = case.check().await.finding(R::ReferenceElsewhere).message;
    db.run(statement(&message)).await;
    let findings = case.check().await.outcome().findings();
    assert!(findings.iter().all(|one| one.finding == R::ConstraintUnvalidated), "{findings:#?}");
    assert!(db.texts(KEYS).await.iter().all(|key| key.contains("REFERENCES users(id)")));
}

#[tokio::test]
async fn what_is_no_copy_of_the_user_table_is_left_alone_and_what_is_one_in_another_schema_is_told() {
    let db = with(&format!(
        "{OLD};
         CREATE TABLE admin_users (id int PRIMARY KEY, email text); INSERT INTO admin_users VALUES (1, 'a');
         CREATE TABLE posts (id int PRIMARY KEY, author_id int REFERENCES admin_users);
         CREATE TABLE project_users (id int PRIMARY KEY, user_id int REFERENCES users, email text);
         CREATE TABLE tasks (id int PRIMARY KEY, owner_id int REFERENCES project_users);
         CREATE TABLE shifts (id int PRIMARY KEY, batch_id int REFERENCES users_old);
         CREATE TABLE numbers (id int PRIMARY KEY, created_by int REFERENCES users_old);
         INSERT INTO numbers SELECT n, 100 + n FROM generate_series(1, 20) n;
         CREATE SCHEMA tenant; CREATE TABLE tenant.users (id int PRIMARY KEY, email text); INSERT INTO tenant.users VALUES (1);
         CREATE TABLE tenant.logs (id int PRIMARY KEY, user_id int REFERENCES tenant.users)"
    ))
    .await;
    let mut case = Case::new(&db, USUAL);
    case.reports(&db, &[]).await;
    // A table of the same schema shows that the schema is the app's own.
    db.run("CREATE TABLE tenant.cards (id int PRIMARY KEY, user_id int REFERENCES public.users)").await;
    let message = case.reports(&db, &[ELSEWHERE]).await.finding(R::ReferenceElsewhere).message;
    assert!(message.contains("of tenant.logs.user_id references tenant.users and not"), "{message}");
    case.edit(|spec| spec.references.discover = false).reports(&db, &[]).await;
    case.edit(|spec| {
        spec.references.discover = true;
        let rule = "{schema: tenant, table: logs, ignore: true, reason: another product}";
        spec.references.rules = vec![serde_saphyr::from_str(rule).unwrap()];
    });
    case.reports(&db, &[]).await;
}

#[tokio::test]
async fn a_rule_finds_the_key_that_references_another_table_and_restore_adds_none_beside_it() {
    let db = with(
        "CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people VALUES (1), (9);
         CREATE TABLE logs (id int PRIMARY KEY, who int CONSTRAINT logs_who_fkey REFERENCES people); INSERT INTO logs VALUES (1, 1)",
    )
    .await;
    let keys = db.texts(KEYS).await;
    Case::new(&db, &spec("rules: [{table: logs, columns: [who], declared: true}]"))
        .reports(&db, &[ELSEWHERE])
        .await;
    // The key that the rule names is there, and is not the one that is meant.
    let named = "constraint: Restore, rules: [{table: logs, columns: [who], constraint: logs_who_fkey}]";
    let pass = Case::new(&db, &spec(named)).reports(&db, &[ELSEWHERE]).await;
    let message = pass.plans(&[]).finding(R::ReferenceElsewhere).message;
    assert!(message.contains("though a rule says that the column names users"), "{message}");
    assert!(message.contains("no repair changes it or adds a second one beside it"), "{message}");
    // One of another name would stand beside it.
    for (constraint, blocked) in [("Report", None), ("Restore", Some(R::ReferenceElsewhere))] {
        let other = format!(
            "constraint: {constraint}, rules: [{{table: logs, columns: [who], constraint: logs_fk}}]"
        );
        let missing = (R::ConstraintMissing, C::SchemaCompatible, blocked);
        let pass = Case::new(&db, &spec(&other)).reports(&db, &[missing, ELSEWHERE]).await;
        let message = pass.plans(&[]).finding(R::ConstraintMissing).message;
        assert!(
            message.contains("its column has the foreign key logs_who_fkey to public.people"),
            "{message}"
        );
        assert!(!message.contains("NOT VALID"), "{message}");
    }
    assert_eq!(db.texts(KEYS).await, keys, "no key came or went");
    let ignored = "rules: [{table: logs, columns: [who], constraint: logs_who_fkey, ignore: true, reason: people are meant}]";
    Case::new(&db, &spec(ignored)).reports(&db, &[]).await;
    // Where people are users by a key of their own, an id is the same account in both.
    db.run("DELETE FROM people WHERE id = 9; ALTER TABLE people ADD FOREIGN KEY (id) REFERENCES users").await;
    Case::new(&db, &spec("rules: [{table: logs, columns: [who], declared: true}]")).reports(&db, &[]).await;
}

#[tokio::test]
async fn what_the_role_cannot_read_is_not_claimed() {
    let db = with(&format!(
        "{OLD}; CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users_old); INSERT INTO logs VALUES (1, 1)"
    ))
    .await;
    let role = db.role("GRANT SELECT ON users TO ROLE").await;
    let mut case = Case::new(&db, USUAL);
    case.secret("db", "url", &db.url_of(&role));
    let pass = case.check().await;
    let message = pass.finding(R::ReferenceElsewhere).message;
    assert!(!message.contains("are not in it"), "{message}");
}

#[tokio::test]
async fn discover_and_preflight_name_keys_to_another_table() {
    let db = with(&format!(
        "{OLD}; CREATE TABLE logs (id int PRIMARY KEY, user_id int REFERENCES users_old); INSERT INTO logs VALUES (1, 1)"
    ))
    .await;
    let case = Case::new(&db, USUAL);
    let before = db.fingerprint().await;
    let (suggestions, found) =
        pass::discover(&case.target(), &HostPolicy::unrestricted(Vec::new())).await.unwrap();
    assert_eq!((suggestions.len(), found.elsewhere.len()), (0, 1), "{suggestions:?}");
    let key = &found.elsewhere[0];
    assert_eq!((key.object.describe(), key.to.describe()), ("logs.user_id".into(), "users_old.id".into()));
    assert_eq!((key.overlap, key.lacking), (Some((1, 1)), Some((2, 1))));
    assert_eq!(db.fingerprint().await, before, "it writes nothing");
}

#[tokio::test]
async fn columns_that_nobody_declares_are_counted_and_are_a_finding_where_the_spec_says_so() {
    let db = with(
        "CREATE TABLE logs (id int PRIMARY KEY, user_id int, amount int, node_uid int, created_by text, by_uuid uuid, owner_id int REFERENCES users);
         CREATE TABLE teams (id int PRIMARY KEY); CREATE TABLE groups (id int PRIMARY KEY, owner_id int REFERENCES teams);
         CREATE VIEW seen AS SELECT user_id FROM logs; CREATE TABLE hidden (user_id int)",
    )
    .await;
    let mut case = Case::new(&db, USUAL);
    let pass = case.reports(&db, &[]).await;
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.declared, references.undeclared), (1, 0, 3));
    let condition = pass.status.conditions.iter().find(|one| one.type_ == "ReferencesConsistent").unwrap();
    assert!(
        condition.message.contains("; 3 columns with names like user_id or created_by are not checked"),
        "{}",
        condition.message
    );
    let ready = pass.status.conditions.iter().find(|one| one.type_ == "Ready").unwrap();
    assert!(
        ready.message.starts_with("checked: 1 reference and 1 account; nobody knows"),
        "{}",
        ready.message
    );
    case.edit(|spec| spec.references.undeclared = OnUndeclared::Report);
    let pass = case.reports(&db, &[(R::ReferencesUndeclared, C::ReferencesConsistent, None)]).await;
    let message = pass.finding(R::ReferencesUndeclared).message;
    assert!(message.contains("(hidden.user_id, logs.user_id, logs.created_by)"), "{message}");
    case.edit(|spec| {
        for rule in [
            "{table: logs, columns: [user_id], declared: true}",
            "{table: logs, columns: [created_by], ignore: true, reason: names}",
            "{table: hidden, ignore: true, reason: another app}",
        ] {
            spec.references.rules.push(serde_saphyr::from_str(rule).unwrap());
        }
    });
    let pass = case.reports(&db, &[]).await;
    let references = pass.status.references.clone().unwrap();
    assert_eq!((references.checked, references.declared, references.undeclared), (2, 1, 0));
}

#[tokio::test]
async fn a_database_without_references_admin_or_key_is_not_said_to_agree() {
    let db = Db::new(
        "CREATE TABLE users (id int PRIMARY KEY, email text, hashed_password text, is_active boolean)",
    )
    .await;
    let pass = Case::new(&db, "users: {preset: FastAPI}\n").reports(&db, &[]).await;
    let ready = pass.status.conditions.iter().find(|one| one.type_ == "Ready").unwrap();
    assert!(ready.message.starts_with("nothing was checked: "), "{}", ready.message);
}
