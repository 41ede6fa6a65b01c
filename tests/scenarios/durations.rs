//! Durations of the spec: each has its bounds, at admission and where an object is older than they are.

use crate::world::World;

#[tokio::test]
async fn a_duration_beyond_its_bounds_is_refused_at_admission_by_its_field() {
    let world = World::new("").await;
    for (field, spec, inside, outside) in [
        ("spec.interval", "{interval: TIME}", ["10s", "168h"], ["9999ms", "168h1s", "0s"]),
        ("spec.timeout", "{timeout: TIME}", ["1s", "10m"], ["999ms", "601s", "1h"]),
        (
            "spec.probe.interval",
            "{probe: {interval: TIME, verifiers: [{name: api, url: 'http://x/'}]}}",
            ["10s", "168h"],
            ["1ms", "169h", "9s"],
        ),
        (
            "spec.references.deepInterval",
            "{references: {deepInterval: TIME}}",
            ["10s", "168h"],
            ["1s", "1000h", "1ms"],
        ),
        (
            "spec.jwt.lifetime",
            "{jwt: {lifetime: TIME}}",
            ["1s", "876000h"],
            ["0s", "876001h", "99999999999999999999h"],
        ),
    ] {
        for text in outside {
            let said = world.apply_refused(&spec.replace("TIME", text));
            assert!(said.contains(&format!("{field}: ")), "{text}: {said}");
        }
        for text in inside {
            world.apply(&spec.replace("TIME", text));
        }
    }
}
