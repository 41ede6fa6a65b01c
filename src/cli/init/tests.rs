//! Questions and Secrets, without a database.

use super::{
    questions::{Given, Nobody},
    *,
};
use crate::domain::advise::init::facts::{ColumnFacts, TableFacts, UniqueKey, ValueKind};

fn accounts(table: &str) -> TableFacts {
    let email = ColumnFacts { name: "email".into(), kind: ValueKind::Text, ..ColumnFacts::default() };
    let key =
        |column: &str, primary| UniqueKey { columns: vec![column.into()], primary, ..UniqueKey::default() };
    TableFacts {
        schema: "public".into(),
        table: table.into(),
        columns: vec![email],
        keys: vec![key("id", true), key("email", false)],
        ..TableFacts::default()
    }
}

fn about() -> About {
    About { name: None, table: None, id_column: None, login_column: None, password_column: None, admin: None }
}

#[test]
fn a_person_chooses_between_tables_and_a_script_gets_the_list() {
    let found = DatabaseFacts {
        all: 2,
        tables: vec![accounts("members"), accounts("staff")],
        ..DatabaseFacts::default()
    };
    let mut given = Given(vec!["2"], String::new());
    let (candidate, others) = chosen(&found, &about(), &mut given).unwrap().unwrap();
    assert_eq!(candidate.facts.table, "staff");
    assert_eq!(others, ["members: another one was chosen"]);
    assert!(given.1.contains("  1  members: no foreign key references it; email is unique\n"), "{}", given.1);
    let list = chosen(&found, &about(), &mut Nobody).unwrap().err().unwrap();
    assert!(list.contains("--table public.members\n") && list.contains("--table public.staff\n"), "{list}");
    let named = About { table: Some("members".into()), ..about() };
    assert_eq!(chosen(&found, &named, &mut Nobody).unwrap().unwrap().0.facts.table, "members");
}

#[test]
fn a_secret_is_the_flags_or_the_only_one_or_a_persons_and_never_one_of_several() {
    let names = |keys: &[&str]| -> Names {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Ok(vec![SecretKeys { name: "app".into(), kind: "Opaque".into(), keys }])
    };
    let this = |named: Named| match named {
        Named::This(reference, _) => format!("{}/{}", reference.name, reference.key),
        Named::Open(why) => why,
    };
    let flag = secret("own/key").unwrap();
    let purpose = Purpose::SigningKey;
    assert_eq!(this(secret_for(purpose, Some(&flag), &names(&["JWT_SECRET"]), &mut Nobody)), "own/key");
    assert_eq!(this(secret_for(purpose, None, &names(&["JWT_SECRET"]), &mut Nobody)), "app/JWT_SECRET");
    let two = names(&["JWT_SECRET", "jwt-key"]);
    let mut given = Given(vec!["nonsense", "other/JWT"], String::new());
    assert_eq!(this(secret_for(purpose, None, &two, &mut given)), "other/JWT");
    assert!(given.1.contains("perhaps app/JWT_SECRET or app/jwt-key"), "{}", given.1);
    assert_eq!(
        this(secret_for(purpose, None, &two, &mut Nobody)),
        "several Secrets could hold the signing key: app/JWT_SECRET, app/jwt-key; --signing-key-secret NAME/KEY names one"
    );
    let open = this(secret_for(purpose, None, &Err("it is raining".into()), &mut Nobody));
    assert!(open.ends_with("--signing-key-secret NAME/KEY names one, and it is raining"), "{open}");
    for wrong in ["", "name", "/key", "name/", "a/b/c"] {
        assert!(secret(wrong).is_err(), "{wrong}");
    }
}

/// What a script without any variable is told that has no database but that of a Secret.
async fn told(flags: &[&str]) -> CliError {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }
    let line = [&["init"], flags].concat();
    let flags = <Line as clap::Parser>::try_parse_from(line).unwrap().flags;
    proposed(flags, &|_| None, &mut Nobody).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_is_the_reason_and_not_a_missing_flag() {
    let nowhere = ["-n", "shop", "--kubeconfig", "/nonexistent/kubeconfig"];
    let secret = ["--database-secret", "shop/DATABASE_URL"];
    let CliError::CouldNotTell(why) = told(&[nowhere.as_slice(), &secret].concat()).await else {
        panic!("a flag that was given is asked for")
    };
    assert!(why.starts_with("Secret \"shop\" cannot be read: the cluster cannot be reached: "), "{why}");
    assert!(!why.contains("--database-secret"), "{why}");
    // Without that flag it is missing, whatever the cluster says.
    let CliError::Usage(why) = told(&nowhere).await else { panic!("no database was named") };
    assert!(why.contains("; none was looked for: the cluster cannot be reached: "), "{why}");
    let CliError::Usage(why) = told(&secret).await else { panic!("no namespace was named") };
    assert!(why.ends_with("--database-secret NAME/KEY of the Secret that holds it"), "{why}");
}

#[test]
fn a_resource_is_called_as_kubernetes_takes_it() {
    for (database, name) in [
        ("shop", "shop"),
        ("My_Shop", "my-shop"),
        ("__", "app"),
        ("größe", "gr--e"),
        (&"x".repeat(80), &"x".repeat(63)),
    ] {
        assert_eq!(resource_name(database), name);
    }
}

#[test]
fn scalars_are_read_as_the_same_text() {
    for text in [
        "user", "true", "No", "1", "-", "a b", "a: b", "#", "{", "é", "a\nb", "\u{202e}", "~", "null", "",
        "'", "\"",
    ] {
        let written = page::scalar(text);
        assert!(!written.contains('\n') && !written.contains('\u{202e}'), "{written:?}");
        let read: std::collections::BTreeMap<String, Vec<String>> =
            serde_saphyr::from_str(&format!("a: [{written}, b]")).unwrap();
        assert_eq!(read["a"], [text, "b"], "{written}");
    }
}
