//! A status as the cluster holds it, whoever wrote it.

use serde_json::{Map, Value};

use crate::api::AuthConsistencyStatus;

/// A status field by field: one that another program wrote, or an older schema took, does not take the others
/// along. The second value is whether nothing was left out.
pub fn understood(stored: Option<&Value>) -> (AuthConsistencyStatus, bool) {
    let Some(stored) = stored else { return (AuthConsistencyStatus::default(), true) };
    if let Ok(status) = serde_json::from_value(stored.clone()) {
        return (status, true);
    }
    let fits = |name: &str, value: &Value| {
        let alone = serde_json::json!({ name: value });
        serde_json::from_value::<AuthConsistencyStatus>(alone).is_ok()
    };
    let mut sound = Map::new();
    for (name, value) in stored.as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(items) => {
                let one = |item: &&Value| fits(name, &Value::Array(vec![(*item).clone()]));
                Value::Array(items.iter().filter(one).cloned().collect())
            }
            other => other.clone(),
        };
        if fits(name, &value) {
            sound.insert(name.clone(), value);
        }
    }
    (serde_json::from_value(Value::Object(sound)).unwrap_or_default(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_in_a_stored_status_takes_nothing_else_along() {
        let good = serde_json::json!({
            "observedGeneration": 3, "lastHandledResetAdmin": "once",
            "conditions": [{"type": "Ready", "status": "True", "reason": "Consistent", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        });
        let (whole, sound) = understood(Some(&good));
        assert!(sound && whole.conditions[0].type_ == "Ready");
        let mut odd = good.clone();
        odd["plan"] = "none".into();
        odd["conditions"].as_array_mut().unwrap().push(serde_json::json!({"type": 7}));
        assert_eq!(understood(Some(&odd)), (whole.clone(), false));
        odd["observedGeneration"] = "three".into();
        let (status, sound) = understood(Some(&odd));
        assert_eq!((status.observed_generation, sound), (-1, false));
        assert_eq!(status.last_handled_reset_admin.as_deref(), Some("once"));
        assert_eq!(understood(Some(&Value::Bool(true))), (AuthConsistencyStatus::default(), false));
        assert_eq!(understood(None), (AuthConsistencyStatus::default(), true));
    }
}
