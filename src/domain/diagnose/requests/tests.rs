use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
use serde_json::{Value, json};

use super::*;

const RESET: &str = "auth.probeops.com/reset-admin";

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(1_800_000_000 + second).unwrap())
}

/// A manager of the annotation, and of the spec where it wrote that, too.
fn manager(second: Option<i64>, spec: bool) -> ManagedFieldsEntry {
    let mut fields = json!({"f:metadata": {"f:annotations": {".": {}, format!("f:{RESET}"): {}}}});
    if spec {
        fields["f:spec"] = json!({"f:users": {}});
    }
    ManagedFieldsEntry {
        fields_v1: Some(FieldsV1(fields)),
        time: second.map(at),
        ..ManagedFieldsEntry::default()
    }
}

fn fields(fields: Value, second: i64) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        fields_v1: Some(FieldsV1(fields)),
        time: Some(at(second)),
        ..ManagedFieldsEntry::default()
    }
}

fn written(managers: &[ManagedFieldsEntry]) -> Written {
    Past { created: Some(&at(100)), managers, first_sight: true }.written(RESET)
}

#[test]
fn a_request_that_somebody_wrote_to_the_object_is_told_from_one_that_came_with_it() {
    for (what, managers, expected) in [
        ("kubectl annotate, later", vec![manager(Some(500), false)], Written::After),
        ("kubectl annotate, within the same second", vec![manager(Some(100), false)], Written::After),
        ("kubectl create or apply of a copy", vec![manager(Some(100), true)], Written::Before),
        ("a backup tool that puts old managers back", vec![manager(Some(7), false)], Written::Before),
        ("the same of an apply", vec![manager(Some(7), true)], Written::Before),
        (
            "a copy, and annotated since",
            vec![manager(Some(100), true), manager(Some(200), false)],
            Written::After,
        ),
        ("an apply that changed something since", vec![manager(Some(300), true)], Written::Untold),
        ("a slow admission", vec![manager(Some(101), true)], Written::Untold),
        ("no time", vec![manager(None, false)], Written::Untold),
        ("two who do not agree", vec![manager(Some(7), false), manager(None, true)], Written::Untold),
        ("nobody", vec![], Written::Untold),
    ] {
        assert_eq!(written(&managers), expected, "{what}");
    }
}

#[test]
fn managers_of_other_annotations_say_nothing() {
    let other = json!({"f:metadata": {"f:annotations": {"f:auth.probeops.com/reconcile": {}}}});
    let label = json!({"f:metadata": {"f:labels": {format!("f:{RESET}"): {}}}});
    for managers in [vec![fields(other, 500)], vec![fields(label, 500)], vec![ManagedFieldsEntry::default()]]
    {
        assert_eq!(written(&managers), Written::Untold);
    }
    assert_eq!(
        Past { created: None, managers: &[manager(Some(500), false)], first_sight: true }.written(RESET),
        Written::Untold
    );
}

#[test]
fn what_nobody_can_tell_is_refused_at_the_first_sight_and_done_afterwards() {
    let created = at(100);
    let refuses = |managers: &[ManagedFieldsEntry], first_sight| {
        Past { created: Some(&created), managers, first_sight }.refuses(RESET)
    };
    for (managers, first, later) in [
        (vec![manager(Some(300), true)], true, false),
        (vec![manager(Some(100), true)], true, true),
        (vec![manager(Some(300), false)], false, false),
    ] {
        assert_eq!((refuses(&managers, true), refuses(&managers, false)), (first, later));
    }
}

fn claim(owner: &str, takes: i64) -> Claim {
    Claim {
        owner: owner.into(),
        owner_name: "probeops/probeops".into(),
        epoch: 9,
        plan_serial: 2,
        operator: Some("here".into()),
        takes,
    }
}

#[test]
fn who_holds_the_table_is_a_resource_or_a_command_on_the_environment_alone() {
    let environment = Claim { owner_name: ENVIRONMENT.into(), ..claim(ENVIRONMENT, 0) };
    let told = held_by(&environment, "`TAKE`");
    assert!(told.starts_with("a command that had its target from the environment alone"), "{told}");
    assert!(told.ends_with("run `TAKE`") && !told.contains(ENVIRONMENT), "{told}");
    let told = held_by(&claim("a", 0), "`TAKE`");
    assert!(
        told.starts_with("the resource probeops/probeops (uid a)") && told.ends_with("run `TAKE`"),
        "{told}"
    );
}

#[test]
fn a_claim_is_asked_for_by_uid_and_by_how_often_it_went_from_one_to_another() {
    for (asked, owner, takes, fit) in [
        ("a", "a", 0, true),
        ("a", "a", 3, false),
        ("a/3", "a", 3, true),
        ("a/3/1764500000", "a", 3, true),
        (" a/3 ", "a", 3, true),
        ("a/3/anything", "a", 4, false),
        ("a/", "a", 0, false),
        ("b/3", "a", 3, false),
        ("", "a", 0, false),
        ("default/probeops", "default/probeops", 0, true),
        ("default/probeops", "default/probeops", 2, false),
        ("default/probeops/2", "default/probeops", 2, true),
        ("default/probeops/1", "default/probeops", 2, false),
        ("default", "default/probeops", 0, false),
    ] {
        assert_eq!(fits(asked, &claim(owner, takes)), fit, "{asked} for {owner}/{takes}");
    }
    // As an annotation, to which a time may be added.
    assert_eq!(claim_asked("a"), "a/0");
    assert_eq!(claim_asked("a/2/x"), "a/2/x");
}

#[test]
fn the_words_about_a_request_that_came_along_say_how_to_ask_anew() {
    let told = older(RESET, "monday", "shop", "app");
    assert_eq!(told.why, WhyNotDone::OlderThanResource);
    assert!(
        told.message.ends_with(
            "`kubectl annotate authcon app -n shop --overwrite auth.probeops.com/reset-admin=\"$(date +%s)\"`"
        ),
        "{}",
        told.message
    );
    let long = older(RESET, &"x".repeat(5000), "shop", "app");
    assert!(long.value.chars().count() <= 1024 && long.message.chars().count() <= 1024);
    assert!(long.message.ends_with('`'), "{}", long.message);
}

#[test]
fn a_value_that_is_too_long_says_so_and_stays_another_than_one_that_begins_alike() {
    let long = "x".repeat(MAX_VALUE + 1);
    let kept = kept_value(&long);
    assert!(kept.chars().count() <= MAX_VALUE && kept.contains("(1,025 characters, "), "{kept}");
    assert_eq!(kept_value(&long), kept);
    assert_ne!(kept_value(&format!("{long}y")), kept);
    assert_ne!(kept_value(&format!("{}y", "x".repeat(MAX_VALUE))), kept);
    for value in ["", "1", "größe", &"ü".repeat(MAX_VALUE)] {
        assert_eq!(kept_value(value), value, "what fits is kept as it is");
    }
    assert_eq!(kept_value("a\u{202e}\n"), "a\\u{202e}\\n");
    // What is shown as more characters than it has.
    let unseen = "\u{202e}".repeat(200);
    let kept = kept_value(&unseen);
    assert!(kept.chars().count() <= MAX_VALUE && kept.contains("(200 characters, "), "{kept}");
    assert_ne!(kept_value(&format!("{unseen}a")), kept);
}

#[test]
fn no_claim_that_somebody_forged_is_in_a_command() {
    for owner in [
        "\"; touch canary; \"",
        "$(touch canary)",
        "`touch canary`",
        "--x",
        "a b",
        "a\nb",
        "",
        &"x".repeat(600),
    ] {
        assert_eq!(uid_word(owner), "UID", "{owner:?}");
    }
    for owner in [
        "0b7c6d2e-6f5d-4e3c-9f53-0d1f2a3b4c5d",
        "default/probeops",
        "default/my.app_2".replace('_', "-").as_str(),
    ] {
        assert_eq!(uid_word(owner), owner);
    }
}
