//! Accounts beside the admin, from the database to the status, and what admission refuses of them.

use crate::{
    nothing_leaks, scenario,
    world::{CONSISTENT, World, condition, shared_operator},
};

const ACCOUNTS: &str = "{accounts: [
  {login: smoke@probeops.com, passwordSecretRef: {name: smoke, key: password}, columns: [{column: role, equals: tester}]},
  {login: exporter@probeops.com, passwordSecretRef: {name: exporter, key: password}, columns: [{column: role, equals: service}]}]}";

#[tokio::test]
async fn missing_accounts_are_seeded_by_the_operator_and_the_status_shows_both_beside_the_admin() {
    let world = scenario("", ACCOUNTS).await;
    let waiting = world.ready("False", "SecretMissing").await;
    assert!(condition(&waiting, "Ready").unwrap().2.contains("spec.accounts[0].passwordSecretRef"));
    world.secret("smoke", "password", "canary of the smoke test");
    world.secret("exporter", "password", "canary of the exporter");
    let status = world.ready("True", "Consistent").await;
    let shown: Vec<_> = status
        .accounts
        .iter()
        .map(|one| (one.login.as_str(), one.id.as_deref(), one.seeded_time.is_some()))
        .collect();
    assert_eq!(shown, [("exporter@probeops.com", Some("4"), true), ("smoke@probeops.com", Some("5"), true)]);
    let admin = status.admin.as_ref().unwrap();
    assert_eq!((admin.id.as_deref(), admin.seeded_time.is_some()), (Some("1"), false));
    let told = condition(&status, "AdminConsistent").unwrap();
    assert_eq!((told.0, told.2), ("True", "the admin and 2 accounts beside it are what the spec says"));
    let roles = "SELECT string_agg(id || ' ' || role, ', ' ORDER BY id) FROM users";
    assert_eq!(world.database.text(roles).await, "1 admin, 2 user, 3 user, 4 service, 5 tester");
    let settled = world.another_pass().await;
    assert_eq!((settled.accounts, settled.history), (status.accounts, status.history));
    world.database.run("UPDATE users SET is_active = false WHERE id = 5").await;
    crate::world::until("it is active again", async || {
        world.database.text("SELECT is_active::text FROM users WHERE id = 5").await == "true"
    })
    .await;
    world.ready("True", "Consistent").await;
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn accounts_that_contradict_each_other_or_the_admin_are_refused_at_admission() {
    shared_operator();
    let world = World::new(CONSISTENT).await;
    let secret = "onMissing: Report";
    let many: String = (0..51).map(|at| format!("{{login: 't{at}', {secret}}},")).collect();
    for (fields, says) in [
        (
            format!("{{accounts: [{{login: admin@probeops.com, {secret}}}]}}"),
            "an account has the admin's login",
        ),
        (format!("{{accounts: [{{login: a, {secret}}}, {{login: a, {secret}}}]}}"), "Duplicate value"),
        (
            format!("{{accounts: [{{login: a, id: '5', {secret}}}, {{login: b, id: '5', {secret}}}]}}"),
            "two accounts have the same id",
        ),
        (
            format!("{{admin: {{id: '5'}}, accounts: [{{login: a, id: '5', {secret}}}]}}"),
            "an account has the admin's id",
        ),
        ("{accounts: [{login: a}]}".to_owned(), "onMissing Seed needs a password"),
        (format!("{{accounts: [{many}]}}"), "must have at most 50 items"),
    ] {
        let refused = world.apply_refused(&fields);
        assert!(refused.contains(says) && refused.contains("spec.accounts"), "{says}: {refused}");
    }
}
