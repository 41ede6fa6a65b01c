//! The page about the move from counted ids to UUIDs holds: every statement of it runs as it stands there, forth,
//! back and forth again, with the app at work between the steps, and nothing is lost.

use auth_consistency::pass::request;

use std::collections::BTreeMap;

use auth_consistency::domain::advise::preflight::RiskName;
use auth_consistency::{network::HostPolicy, pass};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

use crate::support::{Case, Db, HASH};

const PAGE: &str = include_str!("../../docs/uuids.md");
const BEFORE: &str = include_str!("../app/before.sql");
const AGAIN: &str = "-- again until it says UPDATE 0";

/// One step of the page.
#[derive(Default)]
struct Step {
    forth: Vec<String>,
    back: Vec<String>,
    /// Whether an app that goes by ids works after it, and one that goes by UUIDs.
    works: (bool, bool),
}

/// The steps of the page by their numbers; those without SQL and without a promise are left out.
fn steps() -> BTreeMap<u32, Step> {
    let mut steps: BTreeMap<u32, Step> = BTreeMap::new();
    let (mut at, mut back, mut fence) = (None, false, None::<String>);
    for line in PAGE.lines() {
        if let Some(text) = &mut fence {
            if line == "```" {
                let step: &mut Step = steps.entry(at.expect("SQL outside of a step")).or_default();
                let statements = if back { &mut step.back } else { &mut step.forth };
                statements.extend(split(text));
                fence = None;
            } else {
                text.push_str(line);
                text.push('\n');
            }
        } else if line == "```sql" {
            fence = Some(String::new());
        } else if let Some(heading) = line.strip_prefix("## ") {
            at = heading.split_once(". ").and_then(|(number, _)| number.parse().ok());
            back = false;
        } else if line.starts_with("**Way back.**") {
            back = true;
        } else if let [number, ids, uuids] =
            line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..]
            && let Ok(number) = number.parse::<u32>()
        {
            steps.entry(number).or_default().works = (ids == "yes", uuids == "yes");
        }
    }
    // As the page says of the last step's way back.
    assert!(PAGE.contains("\nThen the function and the three triggers of step 4, as they stand there.\n"));
    let triggers: Vec<String> = steps[&4].forth.clone();
    let triggers = triggers.into_iter().filter(|one| !one.starts_with("ALTER"));
    steps.get_mut(&8).unwrap().back.extend(triggers);
    steps
}

/// Statements end with a semicolon at the end of a line, but not within the body of a function.
fn split(text: &str) -> Vec<String> {
    let (mut statements, mut one) = (Vec::new(), String::new());
    for line in text.lines() {
        one.push_str(line);
        one.push('\n');
        if line.ends_with(';') && one.matches("$$").count() % 2 == 0 {
            statements.push(std::mem::take(&mut one));
        }
    }
    assert_eq!(one, "", "no statement ends here");
    statements
}

async fn all(db: &Db, statements: &[String]) {
    let connection = &mut *db.connection().await;
    for statement in statements {
        let mut rounds = 0;
        loop {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *connection).await;
            let done = done.unwrap_or_else(|error| panic!("{error}\nin\n{statement}"));
            rounds += 1;
            if !statement.starts_with(AGAIN) || done.rows_affected() == 0 {
                break;
            }
            assert!(rounds < 10, "it never says UPDATE 0:\n{statement}");
        }
    }
}

/// What the catalog says of the app's tables, in an order of its own.
async fn schema(db: &Db) -> Vec<String> {
    db.texts(
        "SELECT x FROM ( \
         SELECT format('column %s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), \
           a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
           LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
           WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
         UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) \
           FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
         UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
         UNION ALL SELECT format('function %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
         UNION ALL SELECT format('sequence %s', oid::regclass) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' \
         ) t(x) ORDER BY x",
    )
    .await
}

/// Whose rows there were at the beginning: those that the app writes meanwhile are called `new`.
fn owners(key: &str, reference: &str) -> String {
    let of = |table: &str, but: &str| {
        format!(
            "SELECT '{table} ' || u.email || ' ' || string_agg(t.id::text, ',' ORDER BY t.id) AS x FROM {table} t \
                 JOIN users u ON u.{key} = t.{reference} WHERE {but} GROUP BY u.email"
        )
    };
    format!(
        "SELECT string_agg(x, '; ' ORDER BY x) FROM ({} UNION ALL {} UNION ALL {}) t",
        of("usage_logs", "t.tool <> 'new'"),
        of("api_keys", "t.key_hash NOT LIKE 'new %'"),
        of("saved_reports", "t.title <> 'new'")
    )
}

/// Nobody's, as the column of each app writes it.
fn nobody(key: &str) -> &'static str {
    if key == "id" { "999999" } else { "00000000-0000-4000-8000-000000000000" }
}

/// What the app does all day: a sign-up, rows of all kinds for the new user, one of them given to somebody else;
/// ids of nobody are refused, and everybody sees what was theirs. Why it does not work, if so.
async fn works(connection: &mut PgConnection, key: &str, who: &str, owned: &str) -> Result<(), String> {
    let reference = format!("user_{key}");
    let login = format!("{who}@example.com");
    let (user, ada) = (
        format!("(SELECT {key} FROM users WHERE email = '{login}')"),
        format!("(SELECT {key} FROM users WHERE email = 'ada@example.com')"),
    );
    let written = [
        format!("INSERT INTO users (email, hashed_password) VALUES ('{login}', '{HASH}')"),
        format!("INSERT INTO usage_logs ({reference}, tool) VALUES ({user}, 'new')"),
        format!("INSERT INTO usage_logs ({reference}, tool) VALUES (NULL, 'new')"),
        format!("INSERT INTO api_keys ({reference}, key_hash) VALUES ({user}, 'new {who}')"),
        format!("INSERT INTO saved_reports ({reference}, title) VALUES ({user}, 'new')"),
        format!("UPDATE saved_reports SET {reference} = {ada} WHERE {reference} = {user}"),
        format!("UPDATE usage_logs SET target = 'seen' WHERE {reference} = {user}"),
    ];
    for statement in &written {
        let done = connection.execute(AssertSqlSafe(statement.clone())).await;
        let done = done.map_err(|error| format!("{error} in {statement}"))?;
        if done.rows_affected() != 1 {
            return Err(format!("{} rows were written by {statement}", done.rows_affected()));
        }
    }
    for table in ["usage_logs", "api_keys", "saved_reports"] {
        let column = match table {
            "usage_logs" => "tool",
            "api_keys" => "key_hash",
            _ => "title",
        };
        let wrong =
            format!("INSERT INTO {table} ({reference}, {column}) VALUES ('{}', 'nobody')", nobody(key));
        connection.execute("SAVEPOINT refused").await.unwrap();
        let refused = connection.execute(AssertSqlSafe(wrong.clone())).await;
        let code =
            refused.err().and_then(|error| error.into_database_error()?.code().map(|code| code.into_owned()));
        if code.as_deref() != Some("23503") {
            return Err(format!("not refused ({code:?}): {wrong}"));
        }
        connection.execute("ROLLBACK TO refused").await.unwrap();
    }
    let seen = connection.fetch_one(AssertSqlSafe(owners(key, &reference))).await;
    let seen = seen.map_err(|error| error.to_string())?.get::<Option<String>, _>(0);
    if seen.as_deref() != Some(owned) {
        return Err("people do not see what was theirs".into());
    }
    Ok(())
}

/// The app at work, and how much of it was written.
struct App {
    owned: String,
    days: i64,
    written: i64,
}

impl App {
    /// A day of an app: its rows stay where it works, and nothing of it where it does not.
    async fn day(&mut self, db: &Db, key: &str) -> Result<(), String> {
        self.days += 1;
        let mut connection = db.another().await;
        connection.execute("BEGIN").await.unwrap();
        let done = works(&mut connection, key, &format!("{key}{}", self.days), &self.owned).await;
        connection.execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await.unwrap();
        self.written += i64::from(done.is_ok());
        done
    }

    /// What works is what the page says.
    async fn as_promised(&mut self, db: &Db, step: u32, (ids, uuids): (bool, bool)) {
        for (key, promised) in [("id", ids), ("uuid", uuids)] {
            let done = self.day(db, key).await;
            assert_eq!(done.is_ok(), promised, "after step {step}, by {key}: {done:?}");
        }
    }

    /// What worked before a step works after the way back from it; UUIDs that stay may let more work.
    async fn still(&mut self, db: &Db, step: u32, (ids, uuids): (bool, bool)) {
        for (key, worked) in [("id", ids), ("uuid", uuids)] {
            if worked {
                let done = self.day(db, key).await;
                assert!(done.is_ok(), "after the way back from step {step}, by {key}: {done:?}");
            }
        }
    }
}

fn case(db: &Db, users: &str, jwt: &str) -> Case {
    Case::new(
        db,
        &format!(
            "users: {{preset: FastAPI{users}}}\n\
             admin: {{login: admin@probeops.com, passwordSecretRef: {{name: admin, key: password}}, columns: [{{column: role, equals: admin}}]}}\n\
             jwt: {{secretRef: {{name: jwt, key: key}}{jwt}}}\n"
        ),
    )
}

async fn risks(case: &Case) -> Vec<RiskName> {
    let anywhere = HostPolicy::unrestricted(Vec::new());
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let preflight = pass::preflight(&case.target(), &anywhere, &request::Unattended, now).await.unwrap();
    assert_eq!(preflight.untold, [""; 0]);
    preflight.risks.iter().map(|risk| risk.risk).collect()
}

#[tokio::test]
async fn every_step_to_uuids_runs_as_the_page_has_it_forth_and_back_and_loses_nothing() {
    let db = Db::new(BEFORE).await;
    case(&db, "", "").check().await.consistent();
    assert!(risks(&case(&db, "", "")).await.contains(&RiskName::CountedIds));
    let counts = "SELECT format('%s %s %s %s', (SELECT count(*) FROM users), (SELECT count(*) FROM usage_logs), \
                  (SELECT count(*) FROM api_keys), (SELECT count(*) FROM saved_reports))";
    assert_eq!(db.text(counts).await, "8 3000 9 24");
    let mut app = App { owned: db.text(&owners("id", "user_id")).await, days: 0, written: 0 };
    app.as_promised(&db, 0, (true, false)).await;

    let steps = steps();
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), [1, 2, 4, 5, 7, 8]);
    let mut before_it = (true, false);
    for (number, step) in &steps {
        let before = schema(&db).await;
        all(&db, &step.forth).await;
        let after = schema(&db).await;
        assert_ne!(before, after, "step {number} does nothing");
        app.as_promised(&db, *number, step.works).await;
        all(&db, &step.back).await;
        assert_eq!(schema(&db).await, before, "the way back from step {number} leads elsewhere");
        app.still(&db, *number, before_it).await;
        all(&db, &step.forth).await;
        assert_eq!(schema(&db).await, after, "step {number} does something else the second time");
        app.as_promised(&db, *number, step.works).await;
        before_it = step.works;
    }

    let n = app.written;
    assert_eq!(db.text(counts).await, format!("{} {} {} {}", 8 + n, 3000 + 2 * n, 9 + n, 24 + n));
    assert_eq!(db.text(&owners("uuid", "user_uuid")).await, app.owned);
    let mut moved = case(&db, ", idColumn: uuid", ", subjectColumn: uuid");
    let pass = moved.check().await;
    pass.consistent();
    assert_eq!(pass.report.as_ref().unwrap().references.as_ref().unwrap().checked, 3);
    let left = risks(&moved).await;
    assert!(!left.contains(&RiskName::CountedIds) && !left.contains(&RiskName::SubjectIsId), "{left:?}");
}

#[tokio::test]
async fn a_row_that_changes_hands_between_the_steps_ends_with_whoever_had_it_last() {
    let db = Db::new(BEFORE).await;
    let steps = steps();
    for step in [1, 2, 4] {
        all(&db, &steps[&step].forth).await;
    }
    // One that waits for its UUID, and one that has it, by either name; and one that becomes nobody's.
    db.run("UPDATE usage_logs SET user_id = 4712 WHERE id = 1700").await;
    db.run("UPDATE usage_logs SET user_uuid = (SELECT uuid FROM users WHERE id = 4713) WHERE id = 1701")
        .await;
    all(&db, &steps[&5].forth).await;
    db.run("UPDATE usage_logs SET user_id = 5003 WHERE id = 1702").await;
    db.run("UPDATE usage_logs SET user_uuid = NULL WHERE id = 1703").await;
    db.run("UPDATE usage_logs SET user_id = NULL WHERE id = 1704").await;
    let both = "SELECT l.id || ' ' || coalesce(i.id::text, '-') || ' ' || coalesce(u.id::text, '-') FROM usage_logs l \
                LEFT JOIN users i ON i.id = l.user_id LEFT JOIN users u ON u.uuid = l.user_uuid \
                WHERE l.id BETWEEN 1700 AND 1704 ORDER BY l.id";
    assert_eq!(
        db.texts(both).await,
        ["1700 4712 4712", "1701 4713 4713", "1702 5003 5003", "1703 - -", "1704 - -"]
    );
    let apart = "SELECT count(*) FROM usage_logs l LEFT JOIN users u ON u.id = l.user_id WHERE u.uuid IS DISTINCT FROM l.user_uuid";
    assert_eq!(db.text(apart).await, "0");
}
