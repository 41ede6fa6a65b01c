//! Durations of the spec: each has its bounds, at admission and where an object is older than they are.

use crate::world::World;

#[tokio::test]
async fn a_duration_beyond_its_bounds_is_refused_at_admission_by_its_field() {
    let world = World::new("").await;
    let probe = |interval: &str| {
        format!("{{probe: {{interval: {interval}, verifiers: [{{name: api, url: 'http://x/'}}]}}}}")
    };
    let all: [(&str, &dyn Fn(&str) -> String, [&str; 2], [&str; 3]); 5] = [
        (
            "spec.interval",
            &|text| format!("{{interval: {text}}}"),
            ["10s", "168h"],
            ["9999ms", "168h1s", "0s"],
        ),
        ("spec.timeout", &|text| format!("{{timeout: {text}}}"), ["1s", "10m"], ["999ms", "601s", "1h"]),
        ("spec.probe.interval", &probe, ["10s", "168h"], ["1ms", "169h", "9s"]),
        (
            "spec.references.deepInterval",
            &|text| format!("{{references: {{deepInterval: {text}}}}}"),
            ["10s", "168h"],
            ["1s", "1000h", "1ms"],
        ),
        (
            "spec.jwt.lifetime",
            &|text| format!("{{jwt: {{lifetime: {text}}}}}"),
            ["1s", "876000h"],
            ["0s", "876001h", "99999999999999999999h"],
        ),
    ];
    for (field, spec, inside, outside) in all {
        for text in outside {
            let said = world.apply_refused(&spec(text));
            assert!(said.contains(&format!("{field}: ")), "{text}: {said}");
        }
        for text in inside {
            world.apply(&spec(text));
        }
    }
}
