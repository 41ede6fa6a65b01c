//! What every revision of a resource is held to, in whatever situation it was written. Pure: it reads what was
//! recorded and says what is wrong with it.
//!
//! The verdict of tools is computed by the published rules of kstatus (`sigs.k8s.io/cli-utils`): deletion, then
//! the generation, then the first of Reconciling and Stalled that is True, then Ready.

use std::collections::BTreeMap;

use serde_json::Value;

/// The order that conditions stand in.
const ORDER: [&str; 9] = [
    "Ready",
    "Reconciling",
    "Stalled",
    "DatabaseReachable",
    "SchemaCompatible",
    "AdminConsistent",
    "ReferencesConsistent",
    "SigningKeyTrusted",
    "TokensAccepted",
];

/// What tools make of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kstatus {
    InProgress,
    Failed,
    Current,
    Terminating,
}

/// One condition as it was recorded.
#[derive(Debug, Clone, PartialEq)]
struct Condition<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: &'a str,
    time: &'a str,
    generation: Option<i64>,
}

fn conditions(object: &Value) -> Vec<Condition<'_>> {
    let list = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|one| Condition {
            kind: one["type"].as_str().unwrap_or_default(),
            status: one["status"].as_str().unwrap_or_default(),
            reason: one["reason"].as_str().unwrap_or_default(),
            message: one["message"].as_str().unwrap_or_default(),
            time: one["lastTransitionTime"].as_str().unwrap_or_default(),
            generation: one["observedGeneration"].as_i64(),
        })
        .collect()
}

/// The verdict of kstatus.
pub fn kstatus(object: &Value) -> Kstatus {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Kstatus::Terminating;
    }
    let (generation, observed) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
    if !generation.is_null() && !observed.is_null() && generation != observed {
        return Kstatus::InProgress;
    }
    let conditions = conditions(object);
    for one in &conditions {
        match (one.kind, one.status) {
            ("Reconciling", "True") => return Kstatus::InProgress,
            ("Stalled", "True") => return Kstatus::Failed,
            _ => {}
        }
    }
    match conditions.iter().find(|one| one.kind == "Ready").map(|one| one.status) {
        Some("True") | None => Kstatus::Current,
        Some(_) => Kstatus::InProgress,
    }
}

/// Everything that is wrong with a recorded life; `secrets` are texts that may stand nowhere in it.
pub fn complaints(revisions: &[Value], secrets: &[&str]) -> Vec<String> {
    let mut lives: BTreeMap<&str, Life> = BTreeMap::new();
    let mut all = Vec::new();
    for object in revisions {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let life = lives.entry(uid).or_default();
        let mut found = alone(object);
        found.extend(life.next(object));
        let text = object.to_string();
        found
            .extend(secrets.iter().filter(|one| text.contains(**one)).map(|one| format!("it holds {one:?}")));
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        all.extend(found.into_iter().map(|what| format!("revision {version}: {what}")));
    }
    all
}

/// What one revision says by itself.
fn alone(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let conditions = conditions(object);
    let get = |kind: &str| conditions.iter().find(|one| one.kind == kind);
    let status = &object["status"];
    let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
    let observed = status["observedGeneration"].as_i64();
    let mut places = Vec::new();
    for one in &conditions {
        match ORDER.iter().position(|name| *name == one.kind) {
            Some(place) => places.push(place),
            None => found.push(format!("there is no condition {}", one.kind)),
        }
        if one.generation.is_none_or(|of| of > generation || of > observed.unwrap_or(-1).max(0)) {
            found.push(format!("{} is ahead of what was looked at", one.kind));
        }
        if one.reason.is_empty() || one.message.is_empty() || one.time.is_empty() {
            found.push(format!("{} lacks a reason, a message or a time", one.kind));
        }
        if (one.reason == "NotChecked" && one.kind != "Ready" && one.kind != "Stalled")
            && one.status != "Unknown"
        {
            found.push(format!("{} was not checked and is {}", one.kind, one.status));
        }
        if ["Reconciling", "Stalled"].contains(&one.kind) && one.status != "True" {
            found.push(format!("{} is {}", one.kind, one.status));
        }
    }
    if !places.is_sorted_by(|a, b| a < b) {
        found.push("the conditions are not in their order".into());
    }
    if observed.is_none_or(|of| of > generation) {
        found.push("the status is ahead of the spec".into());
    }
    let verdict = kstatus(object);
    let Some(ready) = get("Ready") else {
        if !conditions.is_empty() {
            found.push("there are conditions without Ready".into());
        }
        if verdict == Kstatus::Current {
            found.push("it is current and nobody has looked".into());
        }
        return found;
    };
    let (reconciling, stalled) = (get("Reconciling"), get("Stalled"));
    let suspended = ready.reason == "Suspended";
    let expected = match (ready.status, reconciling.is_some(), stalled.is_some()) {
        ("Unknown", true, false) | ("True", true, false) => Some(Kstatus::InProgress),
        ("True", false, false) => Some(Kstatus::Current),
        ("False", true, false) if !suspended => Some(Kstatus::InProgress),
        ("False", false, true) => Some(Kstatus::Failed),
        ("False", false, false) if suspended => Some(Kstatus::InProgress),
        _ => None,
    };
    match expected {
        None => found.push(format!(
            "Ready={} ({}) with Reconciling {} and Stalled {}",
            ready.status,
            ready.reason,
            reconciling.is_some(),
            stalled.is_some()
        )),
        Some(expected) if observed == Some(generation) && verdict != Kstatus::Terminating => {
            if verdict != expected {
                found.push(format!("kstatus is {verdict:?} and the table says {expected:?}"));
            }
        }
        Some(_) => {}
    }
    if verdict == Kstatus::Current && !suspended && ready.generation != Some(generation) {
        found.push("it is current for a spec that nobody has looked at".into());
    }
    if stalled.is_some_and(|stalled| !suspended && stalled.reason != ready.reason) {
        found.push("Ready and Stalled give two reasons".into());
    }
    if ready.reason == "ApprovalRequired" && status["plan"]["hash"].is_null() {
        found.push("a plan waits for approval and has no hash".into());
    }
    found.extend(incomplete(object, ready, &conditions));
    found
}

/// Conditions that the spec calls for and that a verdict lacks, or the other way round.
fn incomplete(object: &Value, ready: &Condition<'_>, conditions: &[Condition<'_>]) -> Option<String> {
    let (spec, observed) = (&object["spec"], &object["status"]["observedGeneration"]);
    let judged = ready.status != "Unknown" && !["Suspended", "SpecInvalid"].contains(&ready.reason);
    if !judged || object["metadata"]["generation"] != *observed {
        return None;
    }
    let called_for = |kind: &str| match kind {
        "AdminConsistent" => {
            !spec["admin"].is_null() || spec["accounts"].as_array().is_some_and(|list| !list.is_empty())
        }
        "SigningKeyTrusted" => !spec["jwt"].is_null(),
        "TokensAccepted" => !spec["probe"].is_null(),
        _ => true,
    };
    ORDER[3..].iter().find_map(|kind| {
        let there = conditions.iter().any(|one| one.kind == *kind);
        match (called_for(kind), there) {
            (true, false) => Some(format!("{kind} is missing")),
            (false, true) => Some(format!("{kind} is there and the spec does not call for it")),
            _ => None,
        }
    })
}

/// What is remembered of a resource from one revision to the next.
#[derive(Default)]
struct Life {
    observed: Option<i64>,
    /// By condition: whether it was there last, its status, time and generation when it last was.
    last: BTreeMap<String, (bool, String, String, i64)>,
}

impl Life {
    /// What is wrong with a revision beside those before it.
    fn next(&mut self, object: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let status = &object["status"];
        let observed = status["observedGeneration"].as_i64().unwrap_or(-1);
        let conditions = conditions(object);
        let ready = conditions.iter().find(|one| one.kind == "Ready");
        if let Some(before) = self.observed {
            if observed < before {
                found.push(format!("the status went back from generation {before} to {observed}"));
            }
            let kept = ready.is_none_or(|one| one.reason == "Suspended");
            let looked = conditions.iter().any(|one| {
                one.kind == "DatabaseReachable" && one.status == "True" && one.generation == Some(observed)
            });
            let has = ["findings", "plan", "references"].into_iter().find(|name| !status[*name].is_null());
            if let Some(name) = has
                && observed > before
                && !kept
                && !looked
            {
                found.push(format!("{name} is of another generation"));
            }
        }
        for one in &conditions {
            let generation = one.generation.unwrap_or_default();
            let Some((there, status, time, of)) = self.last.get(one.kind) else { continue };
            if *there && status == one.status && time != one.time {
                found.push(format!("the time of {} moved and its status did not", one.kind));
            } else if one.time < time.as_str() {
                found.push(format!("the time of {} went back", one.kind));
            }
            if generation < *of {
                found.push(format!("{} went back from generation {of} to {generation}", one.kind));
            }
            if *there && one.reason == "NotChecked" && generation > *of {
                found.push(format!("{} was not checked and has a new generation", one.kind));
            }
        }
        self.observed = Some(observed);
        for (kind, last) in &mut self.last {
            last.0 = conditions.iter().any(|one| one.kind == kind);
        }
        for one in conditions {
            let last = (true, one.status.to_owned(), one.time.to_owned(), one.generation.unwrap_or_default());
            self.last.insert(one.kind.to_owned(), last);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(kind: &str, status: &str, reason: &str, generation: i64, second: i64) -> Value {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "so it is", "observedGeneration": generation,
            "lastTransitionTime": format!("2026-01-01T00:00:{second:02}Z"),
        })
    }

    fn object(version: i64, generation: i64, status: Value) -> Value {
        json!({
            "metadata": {"uid": "u", "generation": generation, "resourceVersion": version.to_string()},
            "spec": {"database": {}, "users": {}},
            "status": status,
        })
    }

    fn domain(status: &str, reason: &str, generation: i64, second: i64) -> Vec<Value> {
        ["DatabaseReachable", "SchemaCompatible", "ReferencesConsistent"]
            .map(|kind| condition(kind, status, reason, generation, second))
            .to_vec()
    }

    fn with(first: &[Value], domain: Vec<Value>) -> Value {
        Value::Array([first.to_vec(), domain].concat())
    }

    /// Created, looked at, consistent, another spec, the database gone, back, a person's, suspended.
    fn good() -> Vec<Value> {
        let ready = |status, reason, of, at| condition("Ready", status, reason, of, at);
        let working = |of, at| {
            [ready("Unknown", "Progressing", of, at), condition("Reconciling", "True", "Progressing", of, at)]
        };
        let down = [
            ready("False", "DatabaseUnreachable", 2, 6),
            condition("Reconciling", "True", "ProgressingWithRetry", 2, 5),
        ];
        let mut not_checked = domain("Unknown", "NotChecked", 1, 6);
        not_checked[0] = condition("DatabaseReachable", "False", "DatabaseUnreachable", 2, 6);
        let stalled = [ready("False", "OrphanRows", 2, 6), condition("Stalled", "True", "OrphanRows", 2, 9)];
        let kept = [ready("False", "Suspended", 2, 6), condition("Stalled", "True", "OrphanRows", 2, 9)];
        let found = json!([{"finding": "OrphanRows"}]);
        vec![
            object(1, 1, json!({"observedGeneration": -1})),
            object(2, 1, json!({"observedGeneration": 1, "conditions": working(1, 1)})),
            object(
                3,
                1,
                json!({"observedGeneration": 1, "references": {"orphanRows": 0},
                "conditions": with(&[ready("True", "Consistent", 1, 2)], domain("True", "Connected", 1, 2))}),
            ),
            object(
                4,
                2,
                json!({"observedGeneration": 1, "references": {"orphanRows": 0},
                "conditions": with(&[ready("True", "Consistent", 1, 2)], domain("True", "Connected", 1, 2))}),
            ),
            object(
                5,
                2,
                json!({"observedGeneration": 2,
                "conditions": with(&working(2, 5), domain("True", "Connected", 1, 2))}),
            ),
            object(6, 2, json!({"observedGeneration": 2, "conditions": with(&down, not_checked)})),
            object(
                7,
                2,
                json!({"observedGeneration": 2, "findings": found,
                "conditions": with(&stalled, domain("True", "Connected", 2, 9))}),
            ),
            object(
                8,
                3,
                json!({"observedGeneration": 3, "findings": found,
                "conditions": with(&kept, domain("True", "Connected", 2, 9))}),
            ),
        ]
    }

    #[test]
    fn a_good_life_is_complained_of_nowhere() {
        assert_eq!(complaints(&good(), &["canary"]), Vec::<String>::new());
        let verdicts: Vec<Kstatus> = good().iter().map(kstatus).collect();
        use Kstatus::{Current, Failed, InProgress};
        let expected = [InProgress, InProgress, Current, InProgress, InProgress, InProgress, Failed, Failed];
        assert_eq!(verdicts, expected);
    }

    #[test]
    fn every_rule_is_one_that_can_be_broken() {
        type Break = fn(&mut Vec<Value>);
        fn one(life: &mut [Value], at: usize, place: usize) -> &mut Value {
            &mut life[at]["status"]["conditions"][place]
        }
        let broken: [(&str, Break); 25] = [
            ("the time of DatabaseReachable moved and its status did not", |life| {
                one(life, 4, 2)["lastTransitionTime"] = "2026-01-01T00:00:05Z".into();
            }),
            ("the time of Ready went back", |life| {
                one(life, 5, 0)["lastTransitionTime"] = "2026-01-01T00:00:01Z".into();
            }),
            ("the time of Reconciling went back", |life| {
                for at in [4, 5] {
                    one(life, at, 1)["lastTransitionTime"] = "2026-01-01T00:00:00Z".into();
                }
            }),
            ("the status went back from generation 2 to 1", |life| {
                life[5]["status"]["observedGeneration"] = 1.into()
            }),
            ("the status is ahead of the spec", |life| life[2]["status"]["observedGeneration"] = 2.into()),
            ("SchemaCompatible was not checked and has a new generation", |life| {
                one(life, 5, 3)["observedGeneration"] = 2.into();
            }),
            ("SchemaCompatible went back from generation 1 to 0", |life| {
                one(life, 5, 3)["observedGeneration"] = 0.into();
            }),
            ("SchemaCompatible was not checked and is True", |life| {
                one(life, 5, 3)["status"] = "True".into()
            }),
            ("Ready is ahead of what was looked at", |life| one(life, 2, 0)["observedGeneration"] = 2.into()),
            ("Stalled is ahead of what was looked at", |life| {
                one(life, 6, 1).as_object_mut().unwrap().remove("observedGeneration");
            }),
            ("Reconciling is False", |life| one(life, 1, 1)["status"] = "False".into()),
            ("there is no condition Healthy", |life| one(life, 2, 1)["type"] = "Healthy".into()),
            ("Ready lacks a reason, a message or a time", |life| one(life, 2, 0)["message"] = "".into()),
            ("the conditions are not in their order", |life| {
                life[2]["status"]["conditions"].as_array_mut().unwrap().reverse();
            }),
            ("there are conditions without Ready", |life| {
                life[2]["status"]["conditions"].as_array_mut().unwrap().remove(0);
            }),
            ("it is current and nobody has looked", |life| {
                life[0]["status"]["observedGeneration"] = 1.into()
            }),
            ("Ready=Unknown (Progressing) with Reconciling false and Stalled false", |life| {
                life[1]["status"]["conditions"].as_array_mut().unwrap().pop();
            }),
            ("Ready=False (OrphanRows) with Reconciling false and Stalled false", |life| {
                life[6]["status"]["conditions"].as_array_mut().unwrap().remove(1);
            }),
            ("Ready=True (OrphanRows) with Reconciling false and Stalled true", |life| {
                one(life, 6, 0)["status"] = "True".into();
            }),
            ("kstatus is Current and the table says InProgress", |life| {
                let list = life[2]["status"]["conditions"].as_array_mut().unwrap();
                list.insert(1, condition("Reconciling", "False", "Progressing", 1, 2));
            }),
            ("it is current for a spec that nobody has looked at", |life| {
                life[3]["status"]["observedGeneration"] = 2.into();
            }),
            ("Ready and Stalled give two reasons", |life| one(life, 6, 1)["reason"] = "AdminMissing".into()),
            ("a plan waits for approval and has no hash", |life| {
                one(life, 6, 0)["reason"] = "ApprovalRequired".into();
                one(life, 6, 1)["reason"] = "ApprovalRequired".into();
            }),
            ("references is of another generation", |life| {
                life[4]["status"]["references"] = json!({"orphanRows": 0});
            }),
            ("it holds \"canary\"", |life| one(life, 2, 0)["message"] = "canary-1".into()),
        ];
        for (rule, break_it) in broken {
            let mut life = good();
            break_it(&mut life);
            let found = complaints(&life, &["canary"]);
            assert!(found.iter().any(|one| one.ends_with(&format!(": {rule}"))), "{rule}: {found:#?}");
        }
    }

    #[test]
    fn a_verdict_has_exactly_the_conditions_that_the_spec_calls_for() {
        let mut life = good();
        life[2]["spec"]["jwt"] = json!({});
        assert!(complaints(&life, &[])[0].ends_with(": SigningKeyTrusted is missing"));
        let mut life = good();
        let more = condition("TokensAccepted", "True", "Accepted", 1, 2);
        life[2]["status"]["conditions"].as_array_mut().unwrap().push(more);
        assert!(
            complaints(&life, &[])[0].contains("TokensAccepted is there and the spec does not call for it")
        );
    }

    #[test]
    fn a_resource_that_was_made_anew_has_a_life_of_its_own() {
        let mut life = good();
        let mut anew = object(9, 1, json!({"observedGeneration": -1}));
        anew["metadata"]["uid"] = "another".into();
        life.push(anew.clone());
        assert_eq!(complaints(&life, &[]), Vec::<String>::new());
        anew["metadata"]["uid"] = "u".into();
        life[8] = anew;
        assert!(!complaints(&life, &[]).is_empty());
    }
}
