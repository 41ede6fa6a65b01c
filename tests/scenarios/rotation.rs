//! A signing key in the place of another: told while it matters, until the old one may go.

use crate::{
    nothing_leaks, scenario,
    world::{KEY, condition},
};

const NEXT: &str = "canary-41d7a2f08c6be935-the-signing-key-after-that";

#[tokio::test]
async fn a_key_without_the_old_one_is_told_until_the_old_one_is_named_and_then_when_that_may_go() {
    let world = scenario("", "").await;
    world.ready("True", "Consistent").await;
    world.secret("jwt", "key", NEXT);
    let status = world.another_pass().await;
    let trusted = condition(&status, "SigningKeyTrusted").unwrap();
    assert_eq!((trusted.0, trusted.1), ("False", "RotationWithoutOverlap"));
    assert!(trusted.2.contains("previousSecretRefs"), "{}", trusted.2);
    assert_eq!(condition(&status, "Ready").map(|one| one.0), Some("True"), "a warning stops nothing");
    let key = status.signing_key.clone().unwrap();
    assert_eq!((key.replaced.len(), key.rotation), (1, None));
    let again = world.another_pass().await;
    assert_eq!(
        (&again.signing_key, &again.findings),
        (&status.signing_key, &status.findings),
        "nothing moves while it lasts"
    );

    world.secret("jwt-old", "key", KEY);
    world.edit("{jwt: {previousSecretRefs: [{name: jwt-old, key: key}]}}").await;
    let status = world
        .wait("the old key", |status| {
            condition(status, "SigningKeyTrusted").is_some_and(|one| (one.0, one.1) == ("True", "Trusted"))
        })
        .await;
    let rotation = status.signing_key.unwrap().rotation.unwrap();
    assert_eq!(rotation.may_go, Some(false), "{}", rotation.why);
    assert!(rotation.since < rotation.until);

    world.edit("{jwt: {lifetime: 2s}}").await;
    let ended = |status: &auth_consistency::api::AuthConsistencyStatus| {
        let key = status.signing_key.as_ref();
        key.is_some_and(|key| {
            key.replaced.is_empty() && key.rotation.as_ref().is_some_and(|rotation| rotation.may_go.is_none())
        })
    };
    let status = world.wait("the end of the old tokens", ended).await;
    let why = status.signing_key.clone().unwrap().rotation.unwrap().why;
    assert!(why.contains("have ended") && why.contains("no probe"), "{why}");

    world.edit("{jwt: {previousSecretRefs: null}}").await;
    let status = world
        .wait("the spec without the old key", |status| {
            status.signing_key.as_ref().is_some_and(|key| key.rotation.is_none())
        })
        .await;
    assert_eq!(condition(&status, "SigningKeyTrusted").map(|one| one.1), Some("Trusted"));
    assert!(status.findings.is_empty(), "{:?}", status.findings);
    nothing_leaks(&world).await;
}

#[tokio::test]
async fn an_old_key_that_is_named_before_it_is_replaced_leaves_nothing_to_warn_of() {
    let world = scenario("", "{suspend: true}").await;
    world.secret("jwt-old", "key", KEY);
    world.apply("{suspend: false, jwt: {previousSecretRefs: [{name: jwt-old, key: key}]}}");
    let status = world.ready("True", "Consistent").await;
    assert_eq!(status.signing_key.unwrap().rotation, None, "nothing was replaced yet");
    world.secret("jwt", "key", NEXT);
    let status = world.another_pass().await;
    let trusted = condition(&status, "SigningKeyTrusted").unwrap();
    assert_eq!((trusted.0, trusted.1), ("True", "Trusted"));
    assert!(trusted.2.contains("must stay in the app"), "{}", trusted.2);
    assert!(status.findings.is_empty(), "{:?}", status.findings);
    let key = status.signing_key.clone().unwrap();
    let rotation = key.rotation.unwrap();
    assert_eq!((rotation.may_go, rotation.since), (Some(false), key.changed_time));
    let again = world.another_pass().await;
    assert_eq!((again.signing_key, again.conditions), (status.signing_key, status.conditions));
}
