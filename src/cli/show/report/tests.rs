use crate::{
    cli::{show::Verb, target::RerunHint},
    domain::plan::offer::ResetOffer,
};
use serde_json::json;

use super::*;

const LOOK: PageStyle = PageStyle { width: 100, colour: false };

fn finding(name: &str, severity: &str, remedy: Option<&str>) -> serde_json::Value {
    json!({
        "finding": name, "condition": "ReferencesConsistent", "severity": severity,
        "object": {"schema": "public", "table": "usage_logs", "columns": ["user_id"]},
        "message": "1,234 rows of usage_logs.user_id name 3 users that do not exist (4711, 4712, 4713)",
        "remedy": remedy, "docs": "auth-consistency explain OrphanRows",
    })
}

fn example() -> ConsistencyReport {
    serde_json::from_value(json!({
        "apiVersion": "auth.probeops.com/v1alpha1", "kind": "ConsistencyReport",
        "target": {"namespace": "apps", "name": "probeops", "engine": "PostgreSQL", "serverVersion": "15.14"},
        "consistent": false,
        "findings": [
            finding("OrphanRows", "Error", Some("Reassign")),
            finding("ConstraintUnvalidated", "Warning", None),
        ],
        "admin": {"login": "admin@probeops.com", "id": "1", "active": true, "passwordMatches": false, "passwordHash": "Bcrypt"},
        "signingKey": {"fingerprint": null, "algorithm": "HS256"},
        "references": {
            "checked": 12, "orphanRows": 1234,
            "skipped": [{"object": {"schema": "billing", "table": "cards", "columns": ["user_id"]}, "why": "no SELECT privilege"}],
        },
        "plan": {
            "hash": "abc", "rows": 1234, "awaitingApproval": true,
            "steps": [
                {"action": "AdvanceSequence", "object": {"schema": "public", "table": "users_id_seq"}, "rows": 0, "message": "move the sequence users_id_seq above 107"},
                {"action": "Reassign", "object": {"schema": "public", "table": "usage_logs"}, "rows": 1234, "message": "give 1,234 rows of usage_logs.user_id to admin@probeops.com", "waits": "1,234 rows are over the limit of 100"},
            ],
        },
        "elapsedMs": 12,
    }))
    .unwrap()
}

fn page(shown: &ConsistencyReport, asked: Verb) -> String {
    let again = RerunHint { program: "auth-consistency", tail: " -f file.yaml".into() };
    let heading = Heading {
        from: "from a file".into(),
        server: Some("db:5432".into()),
        unencrypted: true,
        above: None,
    };
    let closing = Closing {
        asked,
        token: None,
        again: &again,
        observes: false,
        by_operator: false,
        suspended: false,
        repaired: shown.repaired.iter().map(|step| step.message.clone()).collect(),
        unknown: Vec::new(),
        approval_unused: None,
        reset_undone: false,
        // What would do it says whether it would be done.
        reset_offer: shown
            .passwords
            .as_ref()
            .is_none_or(|passwords| passwords.writes.is_some())
            .then(ResetOffer::default),
    };
    report(shown, &heading, &closing, LOOK)
}

#[test]
fn what_needs_more_than_a_repair_is_named_once() {
    let mut shown = example();
    shown.findings = ["IdNotUnique", "AdminAmbiguous", "IdNotUnique"]
        .map(|name| serde_json::from_value(finding(name, "Error", None)).unwrap())
        .to_vec();
    let page = page(&shown, Verb::Check).replace('\n', " ");
    assert!(page.contains("IdNotUnique and AdminAmbiguous need more than a repair"), "{page}");
}

#[test]
fn a_check_says_what_is_wrong_and_what_to_do_next() {
    assert_eq!(
        page(&example(), Verb::Check),
        "\
apps/probeops from a file: PostgreSQL 15.14 at db:5432, without encryption

admin        admin@probeops.com, id 1, active, the password is not the Secret's (Bcrypt)
signing key  HS256, no fingerprint, since the key is weak
references   12 checked, 1,234 rows name no user
not checked  billing.cards.user_id: no SELECT privilege

SEVERITY  FINDING                WHERE               WHAT IS WRONG
Error     OrphanRows             usage_logs.user_id  1,234 rows of usage_logs.user_id name 3 users
                                                     that do not exist (4711, 4712, 4713)
Warning   ConstraintUnvalidated  usage_logs.user_id  1,234 rows of usage_logs.user_id name 3 users
                                                     that do not exist (4711, 4712, 4713)

PLAN             ROWS   WHAT
AdvanceSequence      0  move the sequence users_id_seq above 107
Reassign         1,234  give 1,234 rows of usage_logs.user_id to admin@probeops.com
                        waits: 1,234 rows are over the limit of 100

Not consistent: 1 error (OrphanRows) and 1 warning (ConstraintUnvalidated). Checked: 12 references,
1 account and the signing key. Nothing was changed. `auth-consistency repair -f file.yaml` does the
1 step that needs no approval. 1 step over 1,234 rows waits for approval; read the plan, and if it
is what you want, run `auth-consistency repair --approve abc -f file.yaml`. The admin's password is
not the Secret's. If the admin cannot sign in, `auth-consistency reset -f file.yaml` writes the
password again.
"
    );
}

#[test]
fn a_plan_shows_what_it_does_not_mend_apart() {
    let page = page(&example(), Verb::Plan);
    let (plan, rest) = page.split_once("SEVERITY  NOT IN THE PLAN").unwrap();
    assert!(plan.contains("PLAN             ROWS   WHAT"), "{page}");
    assert!(rest.contains("ConstraintUnvalidated") && !rest.contains("Error     OrphanRows"), "{page}");
}

/// A report with nothing in it but that all is right.
fn consistent() -> ConsistencyReport {
    let mut report = example();
    report.consistent = Some(true);
    report.findings.clear();
    report.plan = None;
    report.admin = None;
    report.references = None;
    report.signing_key = None;
    report
}

#[test]
fn nothing_that_was_not_looked_for_is_called_consistent() {
    let report = consistent();
    assert_eq!(
        page(&report, Verb::Check),
        "apps/probeops from a file: PostgreSQL 15.14 at db:5432, without encryption\n\n\
         Nothing wrong was found, and nothing was looked for. Nothing was checked: no reference to the user\n\
         table is known, and the spec names no account and no signing key. Nothing was changed.\n"
    );
}

#[test]
fn a_verdict_says_what_it_is_about_and_what_nobody_checked() {
    let mut report = consistent();
    let mut references = example().references.unwrap();
    (references.checked, references.declared, references.undeclared) = (6, 2, 7);
    (references.orphan_rows, references.skipped) = (0, Vec::new());
    report.references = Some(references);
    assert_eq!(
        page(&report, Verb::Check),
        "apps/probeops from a file: PostgreSQL 15.14 at db:5432, without encryption\n\n\
         references  6 checked, every row names a user\n\n\
         Consistent. Checked: 6 references (2 of them declared by rules). 7 columns with names like user_id\n\
         or created_by are not checked, since they have no foreign key and no rule:\n\
         `auth-consistency discover -f file.yaml` looks at them. Nothing was changed.\n"
    );
}

#[test]
fn what_is_not_known_of_the_next_id_stands_beside_what_is_consistent() {
    let mut report = consistent();
    report.next_id_untold = Some("nobody knows here what gives the next id: users.id has no default".into());
    assert_eq!(
        page(&report, Verb::Check),
        "apps/probeops from a file: PostgreSQL 15.14 at db:5432, without encryption\n\n\
         next id  nobody knows here what gives the next id: users.id has no default\n\n\
         Nothing wrong was found, and nothing was looked for. Nobody knows here what gives the next id, see\n\
         above. Nothing was checked: no reference to the user table is known, and the spec names no account\n\
         and no signing key. Nothing was changed.\n"
    );
}

#[test]
fn what_could_not_be_told_is_never_called_consistent() {
    let mut report = example();
    report.consistent = None;
    report.findings.clear();
    report.plan = None;
    let page = page(&report, Verb::Check);
    assert!(page.contains("\nCould not tell: something in scope could not be looked at"), "{page}");
}

#[test]
fn no_line_is_wider_than_the_page_but_for_a_command() {
    for asked in [Verb::Check, Verb::Plan, Verb::Repair, Verb::Reset, Verb::Verify] {
        for line in page(&example(), asked).lines() {
            assert!(line.chars().count() <= 100 || line.starts_with('`'), "{line}");
        }
    }
}

#[test]
fn accounts_beside_the_admin_stand_below_it() {
    let mut shown = example();
    assert!(!page(&shown, Verb::Check).contains("\naccount "), "there is none");
    let account =
        json!({"login": "smoke@probeops.com", "id": "7", "active": false, "passwordHash": "Bcrypt"});
    shown.accounts = vec![serde_json::from_value(account).unwrap()];
    let page = page(&shown, Verb::Check);
    let (admin, beside) =
        (page.find("admin@probeops.com, id 1").unwrap(), page.find("smoke@probeops.com").unwrap());
    assert!(admin < beside);
    assert!(
        page.contains("smoke@probeops.com, id 7, not active, the password was not compared (Bcrypt)"),
        "{page}"
    );
}

#[test]
fn what_was_not_compared_is_not_called_different_and_no_reset_is_offered_that_would_be_refused() {
    let mut shown = example();
    let admin = shown.admin.as_mut().unwrap();
    admin.password_matches = None;
    admin.password_hash = None;
    admin.password_uncompared = Some("the stored one is yescrypt, which is not read here".into());
    let passwords = json!({
        "sampled": 1200, "writes": null, "why": "yescrypt is not made here",
        "formats": [
            {"family": "Bcrypt", "format": "bcrypt ($2b$, cost 12)", "accounts": 12, "percent": 1},
            {"family": null, "format": "yescrypt, which is not read here", "accounts": 1188, "percent": 99},
        ],
    });
    shown.passwords = Some(serde_json::from_value(passwords).unwrap());
    let said = page(&shown, Verb::Check).replace("\n             ", " ").replace('\n', " ");
    for told in [
        "the password could not be compared, since the stored one is yescrypt",
        "passwords    other active accounts, 12 of 1,200: bcrypt ($2b$, cost 12); 1,188 of 1,200: yescrypt, which is not read here; none is written",
        "The admin's password was not compared with the Secret's, since the stored one is yescrypt",
    ] {
        assert!(said.contains(told), "{told}\nin\n{said}");
    }
    assert!(!said.contains("reset") && !said.contains("is not the Secret's"), "{said}");
    // Where a reset would be done, it is offered as before.
    shown.passwords.as_mut().unwrap().writes = Some("bcrypt ($2b$, cost 12)".into());
    let said = page(&shown, Verb::Check);
    assert!(said.contains("auth-consistency reset -f file.yaml"), "{said}");
}

#[test]
fn a_rotation_is_a_row_with_why_the_old_key_stays() {
    let mut report = example();
    report.signing_key = serde_json::from_value(json!({
        "fingerprint": "v1:scrypt:67e5", "algorithm": "HS256", "changedTime": "2026-11-27T08:00:00Z",
        "rotation": {"until": "2026-11-28T08:00:00Z", "mayGo": false, "why": "the old keys must stay until then"},
    }))
    .unwrap();
    let page = page(&report, Verb::Check);
    assert!(
        page.contains("signing key  HS256, v1:scrypt:67e5, in use since 2026-11-27T08:00:00Z\n"),
        "{page}"
    );
    assert!(page.contains("rotation     the old keys must stay until then\n"), "{page}");
}
