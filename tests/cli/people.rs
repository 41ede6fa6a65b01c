//! Who was who: `snapshot` before a migration, `check --against` and Remap after it.

use std::path::PathBuf;

use crate::{
    KEY, borrowed, environment, file, plain_dsn, run, tls,
    world::{CONSISTENT, Database},
};

const PASSPHRASE: (&str, &str) = ("AUTH_CONSISTENCY_SNAPSHOT_PASSPHRASE", "canary passphrase of a snapshot");

/// A file of its own, gone at the end.
struct File(PathBuf);

impl File {
    fn new(database: &Database, text: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("{}.before", database.name)));
        std::fs::write(&file.0, text).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Ada and Brook change places, and new rows are written.
const MOVED: &str = "SET session_replication_role = replica; UPDATE users SET id = id + 1000 WHERE id > 1; UPDATE users SET id = 1005 - id WHERE id > 1000; RESET session_replication_role;
    INSERT INTO usage_logs (user_id, tool) SELECT id, 'new' FROM users WHERE id > 1";

/// How many logs of each kind each person has.
const LOGS: &str = "SELECT string_agg(x, ', ') FROM (SELECT format('%s %s %s', split_part(email, '@', 1), tool, count(*)) AS x \
    FROM usage_logs l JOIN users u ON u.id = l.user_id GROUP BY email, tool ORDER BY 1) t";

#[tokio::test]
async fn a_keyed_snapshot_is_taken_before_and_held_against_the_users_after_a_move() {
    let database = Database::create(CONSISTENT).await;
    let mut variables = environment(&database);
    let plain = run(&["snapshot"], &borrowed(&variables), "");
    assert_eq!((plain.code, &plain.json()["holdsPersonalData"]), (0, &true.into()), "{}", plain.err);
    assert!(
        plain.err.contains("personal data") && plain.out.contains("[\"2\",\"ada@example.com\"]"),
        "{}",
        plain.err
    );

    variables.push((PASSPHRASE.0, PASSPHRASE.1.into()));
    let keyed = run(&["snapshot"], &borrowed(&variables), "");
    assert_eq!((keyed.code, keyed.err.as_str()), (0, ""));
    let document = keyed.json();
    assert_eq!(
        (&document["kind"], &document["holdsPersonalData"]),
        (&"IdentitySnapshot".into(), &false.into())
    );
    assert!(!keyed.out.contains("@example.com") && !keyed.out.contains("@probeops.com"), "{}", keyed.out);
    assert_eq!(document["people"].as_array().unwrap().len(), 3);
    let again = run(&["snapshot"], &borrowed(&variables), "");
    assert_ne!(again.json()["logins"], document["logins"], "each has a salt of its own");

    let before = File::new(&database, &keyed.out);
    let said = run(&["check", "--against", before.path()], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    database.run(MOVED).await;
    let logs = database.text(LOGS).await;
    let said = run(&["check", "--against", before.path(), "-o", "json"], &borrowed(&variables), "");
    let report = said.json();
    let found: Vec<_> = report["findings"].as_array().unwrap().iter().map(|one| &one["finding"]).collect();
    // On the users, the logs, and the keys: what is new is not counted.
    assert_eq!((said.code, found.len()), (2, 3), "{report}");
    assert!(found.iter().all(|one| *one == "IdentityShifted"), "{report}");
    let logged = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["object"]["table"] == "usage_logs")
        .unwrap();
    assert_eq!((&logged["rows"], &logged["keys"]), (&20.into(), &2.into()));
    assert_eq!(database.text(LOGS).await, logs, "a check changes nothing");

    // Without the resource's own identities, without the passphrase, or with another, it says so.
    let said = run(&["check"], &borrowed(&variables), "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    variables.pop();
    let said = run(&["check", "--against", before.path()], &borrowed(&variables), "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("its logins are keyed: give the passphrase"), "{}", said.err);
    variables.push((PASSPHRASE.0, "another canary passphrase".into()));
    let said = run(&["check", "--against", before.path()], &borrowed(&variables), "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("the passphrase is not the one that it was taken with"), "{}", said.err);
    let said = run(&["snapshot", "--passphrase-file", "-"], &borrowed(&variables), "short\n");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("use at least 12"), "{}", said.err);
}

#[tokio::test]
async fn a_file_with_a_snapshot_in_a_config_map_gives_rows_back_once_approved() {
    let database = Database::create(CONSISTENT).await;
    database.run("DROP TABLE api_keys").await;
    let environment = environment(&database);
    let snapshot = run(&["snapshot"], &borrowed(&environment), "").out;
    database.run(MOVED).await;
    // A resource that asks for Remap names its list later: the list is made, and tried, before.
    let bare = file(&database, "Remap");
    assert_eq!(run(&["check", "-f", "-"], &[], &bare).code, 64);
    assert_eq!(run(&["snapshot", "-f", "-"], &[], &bare).code, 0);
    let before = File::new(&database, &snapshot);
    let tried = run(&["check", "-f", "-", "--against", before.path()], &[], &bare);
    let said = tried.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(tried.code == 2 && said.contains("by login (2 → 3, 3 → 2)"), "{} {}", tried.out, tried.err);
    let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "before"}, "data": {"before.json": snapshot}});
    let file = bare.replacen(
        "\"references\":{",
        "\"references\":{\"identities\":{\"configMapRef\":{\"name\":\"before\"}},",
        1,
    );
    let missing = run(&["plan", "-f", "-"], &[], &file);
    assert_eq!(missing.code, 64);
    assert!(missing.err.contains("there is no ConfigMap \"before\""), "{}", missing.err);
    let file = format!("{file}\n---\n{map}");
    let plan = run(&["plan", "-f", "-"], &[], &file);
    assert_eq!(plan.code, 2);
    let said = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("by login (2 → 3, 3 → 2)") && !said.contains("ada@"), "{}", plan.out);
    let report = run(&["plan", "-f", "-", "-o", "json"], &[], &file).json();
    let hash = report["plan"]["hash"].as_str().unwrap();
    let said = run(&["repair", "-f", "-", "--approve", hash], &[], &file);
    let done = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(done.contains("gave 20 rows of usage_logs.user_id back"), "{} {}", said.out, said.err);
    // Each of the two has ten old rows before, between and after, so it is told row by row.
    let moved = "SELECT count(*)::text FROM usage_logs WHERE tool = 'ping' AND user_id = CASE id % 3 WHEN 0 THEN 1 WHEN 1 THEN 3 ELSE 2 END";
    assert_eq!(database.text(moved).await, "30");
    assert_eq!(
        database.text(LOGS).await,
        "ada new 1, ada ping 10, admin ping 10, brook new 1, brook ping 10"
    );
    let run_id =
        database.text("SELECT DISTINCT run FROM auth_consistency.audit WHERE action = 'Remap'").await;
    let said = run(&["restore", "-f", "-", "--run", &run_id], &[], &file);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let swapped = database
        .text("SELECT count(*)::text FROM usage_logs WHERE tool = 'ping' AND user_id = 1 + id % 3")
        .await;
    assert_eq!(swapped, "30", "each row names what it named before the repair");
}

/// Everybody but the admin has got another id, and old rows name nobody.
const RENUMBERED: &str = "SET session_replication_role = replica; DROP TABLE api_keys; UPDATE users SET id = id + 4000 WHERE id > 1; SELECT setval('users_id_seq', 5000)";

#[tokio::test]
async fn a_file_that_names_the_old_database_gives_rows_back_and_errors_name_the_field() {
    let (database, old) = (Database::create(CONSISTENT).await, Database::create(CONSISTENT).await);
    database.run(RENUMBERED).await;
    let secret = |value: &str| serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "old"}, "stringData": {"url": value}});
    let identities = format!(
        "\"references\":{{\"identities\":{{\"table\":{{\"table\":\"users\",\"idColumn\":\"id\",\"loginColumn\":\"email\"}},\
         \"database\":{{\"urlSecretRef\":{{\"name\":\"old\",\"key\":\"url\"}},\"tls\":{}}}}},",
        tls()
    );
    let named = file(&database, "Remap").replacen("\"references\":{", &identities, 1);
    let with = |value: &str| format!("{named}\n---\n{}", secret(value));
    let field = "spec.references.identities.database";
    for (file, why) in [
        (named.clone(), format!("{field}.urlSecretRef: there is no Secret \"old\"")),
        (with(""), format!("{field}.urlSecretRef: key \"url\" of Secret \"old\" is empty")),
        (with("mysql://canary:canary@h/d"), format!("{field}.urlSecretRef: key \"url\" of Secret \"old\": ")),
        (
            named.replace("\"urlSecretRef\":{\"name\":\"old\"", "\"urlSecret\":{\"name\":\"old\""),
            format!("{field}.urlSecret is not a field"),
        ),
    ] {
        let said = run(&["check", "-f", "-"], &[], &file);
        assert_eq!(said.code, 64, "{} {}", said.out, said.err);
        assert!(said.err.contains(&why), "{}", said.err);
    }
    let url = plain_dsn(&old);
    let port = format!(":{}/", Database::port());
    let said = run(&["check", "-f", "-", "-o", "json"], &[], &with(&url.replace(&port, ":1/")));
    assert_eq!(said.code, 2, "orphans are orphans all the same: {}", said.err);
    let report = said.json();
    let found: Vec<_> = report["findings"].as_array().unwrap().iter().map(|one| &one["finding"]).collect();
    assert!(found.contains(&&"IdentitiesUnreachable".into()), "{report}");

    let named = with(&url);
    let report = run(&["plan", "-f", "-", "-o", "json"], &[], &named).json();
    assert_eq!(report["plan"]["steps"][0]["rows"], 20, "{report}");
    let hash = report["plan"]["hash"].as_str().unwrap();
    let said = run(&["repair", "-f", "-", "--approve", hash], &[], &named);
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    assert_eq!(database.text(LOGS).await, "ada ping 10, admin ping 10, brook ping 10");
}

#[tokio::test]
async fn two_environments_are_compared_by_logins_schema_and_tokens() {
    let (old, new) = (Database::create(CONSISTENT).await, Database::create(CONSISTENT).await);
    let resource = |database: &Database| {
        let held = File(std::env::temp_dir().join(format!("{}.yaml", database.name)));
        std::fs::write(&held.0, file(database, "Report")).unwrap();
        held
    };
    let (a, b) = (resource(&old), resource(&new));
    let said = run(&["compare", a.path(), b.path()], &[], "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    // Where a line ends depends on how long the names of the files are.
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Nothing differs: 3 accounts with the same ids."), "{words}");

    // One key pair, stored as not every library reads it: the fingerprint is the same.
    let with_pem = |database: &Database, name: &str, pem: &str| {
        let text = file(database, "Report")
            .replacen(r#""jwt":{"#, r#""jwt":{"algorithm":"RS256","#, 1)
            .replacen(&serde_json::json!(KEY).to_string(), &serde_json::json!(pem).to_string(), 1);
        let held = File(std::env::temp_dir().join(format!("{}-{name}.yaml", database.name)));
        std::fs::write(&held.0, text).unwrap();
        held
    };
    let pem = include_str!("../keys/rsa-one.pem");
    let right = with_pem(&old, "pem", pem);
    let written = with_pem(&new, "written", &pem.replace('\n', "\\n"));
    let said = run(&["compare", right.path(), written.path(), "-o", "json"], &[], "");
    assert_eq!(said.code, 2, "{} {}", said.out, said.err);
    assert_eq!(
        said.json()["differences"],
        serde_json::json!([{
            "about": "SigningKey", "of": "layout of the PEM",
            "a": "as every library reads it", "b": "line breaks are the characters \\n"
        }])
    );
    // What is advised ends it.
    let mended = with_pem(&new, "mended", pem);
    let said = run(&["compare", right.path(), mended.path()], &[], "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);

    new.run(MOVED).await;
    new.run("ALTER TABLE usage_logs DROP CONSTRAINT usage_logs_user_id_fkey; ALTER TABLE users ALTER email TYPE text")
        .await;
    let said = run(&["compare", a.path(), b.path(), "-o", "json"], &[], "");
    assert_eq!(said.code, 2, "{}", said.err);
    let compared = said.json();
    assert_eq!(compared["accounts"]["same"], 1);
    assert_eq!(
        compared["accounts"]["moved"],
        serde_json::json!([
            {"login": "ada@example.com", "a": "2", "b": "3"},
            {"login": "brook@example.com", "a": "3", "b": "2"}
        ])
    );
    assert_eq!(compared["accounts"]["shifted"], 2);
    let about: Vec<_> = compared["differences"].as_array().unwrap().iter().map(|one| &one["about"]).collect();
    assert_eq!(about, ["Column", "Reference"], "{compared}");

    // What was written down before does as well as the environment itself, keyed or not.
    let plain = File::new(&old, &run(&["snapshot", "-f", a.path()], &[], "").out);
    let said = run(&["compare", plain.path(), b.path()], &[], "");
    assert_eq!(said.code, 2);
    assert!(
        said.out.contains("ada@example.com") && said.out.contains("2 ids of A are somebody"),
        "{}",
        said.out
    );
    let keyed = File::new(&new, &run(&["snapshot", "-f", a.path()], &[PASSPHRASE], "").out);
    let said = run(&["compare", keyed.path(), b.path()], &[PASSPHRASE], "");
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(!said.out.contains("ada@") && said.out.contains("(keyed login)"), "{}", said.out);
    for (given, variables, why) in [
        ([keyed.path(), b.path()], vec![], "set AUTH_CONSISTENCY_SNAPSHOT_PASSPHRASE"),
        ([keyed.path(), b.path()], vec![(PASSPHRASE.0, "another canary passphrase")], "is not the one"),
        ([keyed.path(), plain.path()], vec![], "nobody can tell who is who"),
        ([keyed.path(), "./missing.yaml"], vec![], "there is no file ./missing.yaml"),
    ] {
        let said = run(&["compare", given[0], given[1]], &variables, "");
        assert_eq!(said.code, 64, "{given:?}: {} {}", said.out, said.err);
        assert!(said.err.contains(why), "{}", said.err);
    }
}

#[tokio::test]
async fn a_snapshot_is_read_as_editors_save_it_and_one_of_another_version_is_refused_by_name() {
    let database = Database::create(CONSISTENT).await;
    let variables = environment(&database);
    let variables = borrowed(&variables);
    let taken = run(&["snapshot"], &variables, "").out;
    let saved = format!("\u{feff}{}", taken.replace('\n', "\r\n"));
    let before = File::new(&database, &saved);
    let said = run(&["check", "--against", before.path()], &variables, "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    let said = run(&["compare", before.path(), before.path()], &variables, "");
    assert_eq!(said.code, 0, "{} {}", said.out, said.err);
    std::fs::write(before.path(), taken.replacen("v1alpha1", "v9", 1)).unwrap();
    for command in [&["check", "--against", before.path()][..], &["compare", before.path(), before.path()]] {
        let said = run(command, &variables, "");
        assert_ne!(said.code, 0, "{}", said.out);
        let all = format!("{}{}", said.out, said.err);
        assert!(all.contains("its apiVersion is") && all.contains("use the program that wrote it"), "{all}");
    }
    // UTF-16, as PowerShell's > writes it.
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(taken.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    std::fs::write(before.path(), wide).unwrap();
    let said = run(&["compare", before.path(), before.path()], &variables, "");
    assert_eq!(said.code, 64);
    assert!(said.err.contains("is not UTF-8 text: save it as such"), "{}", said.err);
}
