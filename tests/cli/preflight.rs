//! `preflight`: what a move would break, told on the source, with evidence and without a secret.

use serde_json::{Value, json};

use crate::{
    borrowed, dsn, environment, file, run,
    world::{Database, KEY},
};

/// The app of the demo as it was before its move.
const BEFORE: &str = include_str!("../app/before.sql");

/// The same as it should have been.
const RIGHT: &str = "
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(255) NOT NULL UNIQUE, hashed_password varchar(255) NOT NULL,
  role varchar(20) NOT NULL DEFAULT 'user', is_active boolean NOT NULL DEFAULT true, tokens_valid_after timestamptz
);
INSERT INTO users (id, email, hashed_password, role) VALUES
  ('9b2f6a1e-0c5d-4f3a-8e7b-1d2c3b4a5f60', 'admin@probeops.com', '$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq', 'admin'),
  ('5d0c7b3a-91e4-4a6f-b2d8-7f6e5d4c3b2a', 'ada@example.com', '$2b$04$dsGFMt4S/sqND4xDBW4feu4Kj0EJrVGEG1s0eaIVqsPCH5D/ZDkHq', 'user');
CREATE TABLE usage_logs (id bigserial PRIMARY KEY, user_id uuid REFERENCES users (id), tool text NOT NULL);
INSERT INTO usage_logs (user_id, tool) SELECT id, 'ping' FROM users, generate_series(1, 10);
";

/// The admin's id in it.
const ADMIN: &str = "9b2f6a1e-0c5d-4f3a-8e7b-1d2c3b4a5f60";

/// A resource that says all that a move needs, after a change.
fn resource(database: &Database, change: impl FnOnce(&mut Value)) -> String {
    let file = file(database, "Report");
    let mut documents = file.split("\n---\n");
    let mut resource: Value = serde_json::from_str(documents.next().unwrap()).unwrap();
    resource["spec"]["jwt"]["previousSecretRefs"] = json!([{"name": "old", "key": "key"}]);
    resource["spec"]["admin"]["id"] = ADMIN.into();
    change(&mut resource["spec"]);
    let old = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "old"},
        "stringData": {"key": format!("canary-of-before-{}", &KEY[7..])}});
    [resource.to_string(), old.to_string()]
        .into_iter()
        .chain(documents.map(str::to_owned))
        .collect::<Vec<_>>()
        .join("\n---\n")
}

/// What becomes of a resource.
type Change = fn(&mut Value);

fn risks(answer: &Value) -> Vec<&str> {
    answer["risks"].as_array().unwrap().iter().map(|risk| risk["risk"].as_str().unwrap()).collect()
}

fn risk<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let found = answer["risks"].as_array().unwrap().iter().find(|risk| risk["risk"] == name);
    found.unwrap_or_else(|| panic!("{name}: {answer:#}"))
}

fn evidence(answer: &Value, name: &str) -> String {
    let lines = risk(answer, name)["evidence"].as_array().unwrap().iter();
    lines.map(|line| line.as_str().unwrap()).collect::<Vec<_>>().join("; ")
}

/// What every row and every table is, which no command here may change.
const STATE: &str = "SELECT md5(string_agg(x, ';' ORDER BY x)) FROM (SELECT format('%s %s %s', ctid, xmin, u) FROM users u \
    UNION ALL SELECT format('%s %s %s', ctid, xmin, l) FROM usage_logs l UNION ALL SELECT nspname FROM pg_namespace \
    WHERE nspname !~ '^pg_' UNION ALL SELECT oid::text FROM pg_class WHERE relnamespace = 'public'::regnamespace) t(x)";

#[tokio::test]
async fn the_source_of_the_demos_move_shows_what_the_move_went_on_to_break() {
    let database = Database::create(BEFORE).await;
    let variables = environment(&database);
    let before = database.text(STATE).await;
    let said = run(&["preflight"], &borrowed(&variables), "");
    assert_eq!(said.code, 2, "{} {}", said.out, said.err);
    assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{}", said.out);
    assert!(!said.out.contains(&database.password) && !said.out.contains(&dsn(&database)));
    for line in [
        "CountedIds",
        "  page      auth-consistency explain uuids",
        "4 risks. Nothing was changed.",
        "`auth-consistency snapshot >before.json`",
    ] {
        assert!(said.out.contains(line), "{line}: {}", said.out);
    }

    let said = run(&["preflight", "-o", "json"], &borrowed(&variables), "");
    let answer = said.json();
    assert_eq!((said.code, &answer["ready"], &answer["kind"]), (2, &json!(false), &json!("PreflightReport")));
    // It has a column to refuse old tokens by, foreign keys that hold, no orphans, and a key that was drawn.
    assert_eq!(risks(&answer), ["CountedIds", "SubjectIsId", "NoOverlap", "AdminByHand"], "{answer:#}");
    assert_eq!(
        evidence(&answer, "CountedIds"),
        "the ids of users are integer, and the sequence users_id_seq gives them: the next is 5,121; the highest id is \
         5,120; 3 references name them: api_keys.user_id, saved_reports.user_id, usage_logs.user_id"
    );
    assert_eq!(evidence(&answer, "AdminByHand"), "spec.admin.id says no id: it is 1 today");
    assert_eq!(
        evidence(&answer, "NoOverlap"),
        "the environment names no previous key; tokens live for 24 hours (assumed: the environment does not say)"
    );
    assert_eq!(
        (&answer["untold"], &answer["snapshot"]),
        (&json!([]), &"auth-consistency snapshot >before.json".into())
    );
    for risk in answer["risks"].as_array().unwrap() {
        let fields: Vec<_> = risk.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = ["risk", "breaks", "evidence", "toDo", "docs"];
        let mut fields = fields;
        fields.sort_unstable();
        expected.sort_unstable();
        assert_eq!(fields, expected);
        let page: Vec<&str> = risk["docs"].as_str().unwrap().split(' ').skip(1).collect();
        let said = run(&page, &[], "");
        assert_eq!(said.code, 0, "{page:?}: {}", said.err);
    }
    let yaml = run(&["preflight", "-o", "yaml"], &borrowed(&variables), "");
    let yaml: Value = serde_saphyr::from_str(&yaml.out).unwrap();
    assert_eq!(yaml, answer);
    assert_eq!(database.text(STATE).await, before, "it only reads");
}

#[tokio::test]
async fn what_is_bad_today_is_told_with_its_counts_and_never_with_its_secrets() {
    let database = Database::create(BEFORE).await;
    database
        .run(
            "ALTER TABLE users DROP COLUMN tokens_valid_after, ALTER email DROP NOT NULL;
             INSERT INTO users (email, hashed_password) VALUES ('ADA@example.com', 'canary'), (NULL, 'canary'), (NULL, 'canary');
             ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey;
             UPDATE usage_logs SET user_id = 77 WHERE id IN (1, 2, 3);
             ALTER TABLE usage_logs ADD CONSTRAINT usage_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES users NOT VALID;
             ALTER TABLE api_keys DROP CONSTRAINT api_keys_user_id_fkey",
        )
        .await;
    let variables = [("DATABASE_URL", dsn(&database)), ("JWT_SECRET", "your-secret-key".to_owned())];
    let said = run(&["preflight", "-o", "json"], &borrowed(&variables), "");
    let answer = said.json();
    assert_eq!(
        risks(&answer),
        [
            "CountedIds",
            "SubjectIsId",
            "LoginAmbiguous",
            "KeyInCode",
            "NoOverlap",
            "NoInvalidation",
            "ReferenceWithoutConstraint",
            "ReferencesWithOrphans",
            "AdminByHand"
        ],
        "{answer:#}"
    );
    assert_eq!(
        evidence(&answer, "LoginAmbiguous"),
        "2 accounts have no login (email); 2 accounts have logins that differ from others only by case or spaces (email)"
    );
    assert!(evidence(&answer, "KeyInCode").contains("well-known placeholder"), "{answer:#}");
    assert_eq!(evidence(&answer, "ReferencesWithOrphans"), "3 rows of usage_logs.user_id name nobody (77)");
    let unguarded = evidence(&answer, "ReferenceWithoutConstraint");
    for told in [
        "usage_logs_user_id_fkey of usage_logs.user_id is NOT VALID, so it says nothing of older rows: 3 of them name nobody today",
        "api_keys.user_id (integer)",
    ] {
        assert!(unguarded.contains(told), "{told}: {unguarded}");
    }
    let shown = run(&["preflight"], &borrowed(&variables), "");
    assert_eq!(shown.code, 2);
    assert!(shown.out.lines().all(|line| line.chars().count() <= 100), "{}", shown.out);
    for text in [&said.out, &said.err, &shown.out, &shown.err] {
        for secret in ["your-secret-key", &database.password, "ADA@", "ada@"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[tokio::test]
async fn a_source_that_is_as_it_should_be_is_ready() {
    let database = Database::create(RIGHT).await;
    let good = resource(&database, |_| ());
    let said = run(&["preflight", "-f", "-"], &[], &good);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    for told in [
        "Nothing that is looked for would break.",
        "`auth-consistency snapshot -f - >before.json`",
        "in a repository",
    ] {
        let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(told), "{told}: {}", said.out);
    }
    let said = run(&["preflight", "-f", "-", "-o", "json"], &[], &good);
    let answer = said.json();
    assert_eq!((said.code, &answer["ready"], &answer["risks"]), (0, &json!(true), &json!([])), "{answer:#}");

    // Each thing that is taken away shows alone.
    let changes: [(&str, Change); 4] = [
        ("NoOverlap", |spec| spec["jwt"]["previousSecretRefs"] = json!([])),
        ("LongLivedTokens", |spec| spec["jwt"]["lifetime"] = "200h".into()),
        ("AdminByHand", |spec| spec["admin"]["onMissing"] = "Report".into()),
        ("AdminByHand", |spec| spec["admin"]["id"] = "5d0c7b3a-91e4-4a6f-b2d8-7f6e5d4c3b2a".into()),
    ];
    for (name, change) in changes {
        let said = run(&["preflight", "-f", "-", "-o", "json"], &[], &resource(&database, change));
        let answer = said.json();
        assert_eq!((said.code, risks(&answer)), (2, vec![name]), "{answer:#}");
    }
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_no_readiness() {
    let database = Database::create(RIGHT).await;
    let good = resource(&database, |_| ());
    // The role may not read what may name users.
    database.run("CREATE TABLE cards (user_id uuid, number text)").await;
    let said = run(&["preflight", "-f", "-", "-o", "json"], &[], &good);
    let answer = said.json();
    assert_eq!((said.code, &answer["ready"], &answer["risks"]), (1, &json!(null), &json!([])), "{answer:#}");
    assert_eq!(answer["untold"], json!(["cards.user_id: no SELECT privilege on public.cards"]));
    let shown = run(&["preflight", "-f", "-"], &[], &good);
    assert!(shown.code == 1 && shown.out.contains("COULD NOT TELL"), "{}", shown.out);
    // Whoever knows that it is none says so.
    let ignoring = |spec: &mut Value| {
        let rule = json!({"table": "cards", "columns": ["user_id"], "ignore": true, "reason": "another app's users"});
        spec["references"]["rules"].as_array_mut().unwrap().push(rule);
    };
    let said = run(&["preflight", "-f", "-"], &[], &resource(&database, ignoring));
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);

    let elsewhere =
        resource(&database, |spec| spec["users"] = json!({"preset": "FastAPI", "table": "people"}));
    let said = run(&["preflight", "-f", "-", "-o", "json"], &[], &elsewhere);
    let answer = said.json();
    assert_eq!((said.code, &answer["ready"]), (1, &json!(null)), "{answer:#}");
    let wrong = good.replace(&format!(":{}/", Database::port()), ":1/");
    let said = run(&["preflight", "-f", "-"], &[], &wrong);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("DatabaseUnreachable"), "{}", said.err);
    assert_eq!(run(&["preflight"], &[], "").code, 64);
}
