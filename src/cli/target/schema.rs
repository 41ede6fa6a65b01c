//! What an API server would refuse in a resource: unknown fields by name, and values that the schema
//! does not take. A file never passes through an API server, and a field that is silently dropped
//! is a repair that nobody asked for, or one that never comes.

use serde_json::Value;

use crate::api;

/// Everything that is wrong with a resource as it was written, each with its path.
pub(super) fn problems(resource: &Value) -> Vec<String> {
    let Ok(definition) = serde_json::to_value(api::crd::definition()) else { return Vec::new() };
    let Some(schema) = definition.pointer("/spec/versions/0/schema/openAPIV3Schema") else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    walk(resource, schema, "", &mut problems);
    problems
}

fn walk(value: &Value, schema: &Value, path: &str, problems: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == Value::Bool(true) {
        return;
    }
    let here = if path.is_empty() { "the resource" } else { path };
    if value.is_null() {
        if schema["nullable"] != Value::Bool(true) && !path.is_empty() {
            problems.push(format!("{here} is empty: set it, or leave it out"));
        }
        return;
    }
    match (schema["type"].as_str(), value) {
        (Some("object"), Value::Object(fields)) => object(fields, schema, path, problems),
        (Some("array"), Value::Array(items)) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &schema["items"], &format!("{path}[{at}]"), problems);
            }
        }
        (Some("string"), Value::String(text)) => string(text, schema, here, problems),
        (Some("integer"), Value::Number(number)) if number.is_i64() => {
            let number = number.as_f64().unwrap_or_default();
            let outside = schema["minimum"].as_f64().is_some_and(|least| number < least)
                || schema["maximum"].as_f64().is_some_and(|most| number > most);
            if outside {
                problems.push(format!(
                    "{here} is {number} and must be from {} to {}",
                    schema["minimum"], schema["maximum"]
                ));
            }
        }
        (Some("number"), Value::Number(_)) | (Some("boolean"), Value::Bool(_)) | (None, _) => {}
        (Some(wanted), other) => {
            problems.push(format!("{here} must be {} and is {}", named(wanted), kind(other)));
        }
    }
}

fn object(fields: &serde_json::Map<String, Value>, schema: &Value, path: &str, problems: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (name, value) in fields {
        match properties.get(name) {
            Some(schema) => walk(value, schema, &below(name), problems),
            // What an API server knows of every object.
            None if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") => {}
            None => {
                let meant = closest(name, properties.keys().map(String::as_str))
                    .map(|meant| format!(": did you mean {meant:?}?"))
                    .unwrap_or_default();
                problems.push(format!("{} is not a field{meant}", below(name)));
            }
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            problems.push(format!("{} is missing", below(name)));
        }
    }
}

/// Algorithms that there are (RFC 7518 section 3.1, RFC 8812) and that are not supported: a word that is
/// spelled alike would be the wrong advice.
const UNSUPPORTED: [&str; 3] = ["ES512", "ES256K", "Ed448"];

fn string(text: &str, schema: &Value, here: &str, problems: &mut Vec<String>) {
    let words: Vec<&str> =
        schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if words.contains(&"EdDSA") && UNSUPPORTED.contains(&text) {
        problems.push(format!("{here}: {text} is not supported; {} are", words.join(", ")));
    } else if !words.is_empty() && !words.contains(&text) {
        let meant = closest(text, words.iter().copied())
            .map(|meant| format!(": did you mean {meant:?}?"))
            .unwrap_or_default();
        problems.push(format!("{here} must be one of {}{meant}", words.join(", ")));
    }
    let length = text.chars().count() as u64;
    if schema["minLength"].as_u64().is_some_and(|least| length < least) {
        problems.push(format!("{here} is too short"));
    }
    if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        problems.push(format!("{here} is longer than {} characters", schema["maxLength"]));
    }
}

fn named(wanted: &str) -> &str {
    match wanted {
        "object" => "a map",
        "array" => "a list",
        "string" => "text (put it in quotes)",
        "integer" => "a whole number",
        "boolean" => "true or false",
        other => other,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// The name that was probably meant, if one is near enough.
pub(super) fn closest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase().replace(['_', '-'], "");
    names
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (before + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            before = *cell;
            *cell = here;
            left = here;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource() -> Value {
        json!({
            "apiVersion": "auth.probeops.com/v1alpha1", "kind": "AuthConsistency",
            "metadata": {"name": "probeops", "labels": {"any": "thing"}},
            "spec": {
                "database": {"urlSecretRef": {"name": "probeops", "key": "DATABASE_URL"}},
                "users": {"preset": "FastAPI"},
                "jwt": {"secretRef": {"name": "probeops", "key": "JWT"}, "claims": {"any": {"thing": 1}}},
            },
        })
    }

    #[test]
    fn a_right_resource_has_no_problems() {
        assert_eq!(problems(&resource()), Vec::<String>::new());
    }

    #[test]
    fn problems_have_their_path_and_what_was_meant() {
        for (path, name, value, expected) in [
            ("/spec", "refrences", json!({}), "spec.refrences is not a field: did you mean \"references\"?"),
            (
                "/spec/users",
                "id_column",
                json!("id"),
                "spec.users.id_column is not a field: did you mean \"idColumn\"?",
            ),
            (
                "/spec/users",
                "preset",
                json!("fastapi"),
                "spec.users.preset must be one of FastAPI: did you mean \"FastAPI\"?",
            ),
            ("/spec", "xyzzy", json!(1), "spec.xyzzy is not a field"),
            ("/spec", "suspend", json!("yes"), "spec.suspend must be true or false and is text"),
            ("/spec", "admin", json!({}), "spec.admin.login is missing"),
            (
                "/spec",
                "references",
                json!({"limits": {"percent": 101}}),
                "spec.references.limits.percent is 101 and must be from 0.0 to 100.0",
            ),
            (
                "/spec",
                "references",
                json!({"rules": [{"table": "t", "onOrphans": "Delete"}]}),
                "spec.references.rules[0].onOrphans is not a field: did you mean \"onOrphan\"?",
            ),
        ] {
            let mut resource = resource();
            resource.pointer_mut(path).unwrap()[name] = value;
            assert_eq!(problems(&resource), vec![expected.to_owned()]);
        }
    }
}
