//! What the operator takes of memory, and how long until all resources are ready, at 8, 100 and 2,000 resources,
//! each with a signing key: at a first start, and at a restart over settled ones. `make bench`.
//!
//! One process of the operator for each figure, with the chart's rights and defaults; all resources observe one
//! database. `AUTHCON_BENCH_BEFORE` names another build of the program: then both are measured, one after the
//! other at each size, and the ratio is printed. `AUTHCON_BENCH_SIZES` sets other sizes (`8,100`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that could not be taken is no measurement"
)]
#![allow(clippy::print_stdout, reason = "its result is what it prints")]

#[path = "../tests/scenarios/fleet.rs"]
mod fleet;
#[path = "../tests/scenarios/world.rs"]
mod world;

use std::time::Duration;

use fleet::{all_ready, passes};
use world::{CONSISTENT, Launch, Operator, World, kubectl};

/// No start is waited for longer.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What one start took.
struct Figures {
    kibibytes: u64,
    /// What of it is pages of the program, which the kernel takes back where it needs them.
    program: u64,
    /// Kept once all is done.
    rests_at: u64,
    seconds: f64,
}

impl Figures {
    fn of(operator: &Operator) -> Self {
        let seconds = operator.began.elapsed().as_secs_f64();
        Self {
            kibibytes: operator.peak_kibibytes(),
            program: operator.program_kibibytes(),
            rests_at: operator.kibibytes(),
            seconds,
        }
    }

    fn print(&self, what: &str) {
        let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
        println!(
            "  {what:<20} peak {:7.1} MiB ({:5.1} of them its program), {:6.1} MiB afterwards, all done after {:6.2} s",
            mebibytes(self.kibibytes),
            mebibytes(self.program),
            mebibytes(self.rests_at),
            self.seconds
        );
    }
}

/// Measures a first start and a restart of one program.
async fn measure(program: Option<&str>, size: usize, keys: usize) -> [Figures; 2] {
    let world = World::new(CONSISTENT).await;
    fleet::create(&world, size, keys).await;
    let (home, namespaces) = (format!("op-{}", world.namespace), [world.namespace.as_str()]);
    let launch =
        Launch { home: &home, namespaces: &namespaces, directly: true, program, ..Launch::default() };
    let operator = Operator::launch(&launch);
    all_ready(&world, size, PATIENCE).await;
    let first = Figures::of(&operator);
    drop(operator);

    let operator = Operator::launch(&launch);
    let done = async || {
        if std::net::TcpStream::connect(&operator.listen).is_err() {
            return false;
        }
        let passes = passes(&operator.metrics().await);
        passes.get("consistent").is_some_and(|passes| *passes >= size as u64)
    };
    while !done().await {
        assert!(operator.began.elapsed() < PATIENCE, "not all had their pass");
        // Each answer has a line for each resource, so that it is not asked for all the time.
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let again = Figures::of(&operator);
    drop(operator);
    kubectl(&["delete", "namespace", &world.namespace, "--wait=false"], "");
    [first, again]
}

#[tokio::main]
async fn main() {
    let before = std::env::var("AUTHCON_BENCH_BEFORE").ok();
    let sizes = std::env::var("AUTHCON_BENCH_SIZES").unwrap_or_else(|_| "8,100,2000".into());
    for size in sizes.split(',').map(|size| size.trim().parse::<usize>().unwrap()) {
        for (keys, whose) in [(1, "one key for all"), (size, "a key for each")] {
            println!("{size} resources, {whose}:");
            let old = match before.as_deref() {
                Some(program) => Some(measure(Some(program), size, keys).await),
                None => None,
            };
            let new = measure(None, size, keys).await;
            for (at, what) in ["first start", "restart"].into_iter().enumerate() {
                if let Some(old) = &old {
                    old[at].print(&format!("{what}, before"));
                }
                new[at].print(what);
                if let Some(old) = &old {
                    println!(
                        "  {:<20} {:.2} of the memory, {:.2} of the time",
                        "",
                        new[at].kibibytes as f64 / old[at].kibibytes as f64,
                        new[at].seconds / old[at].seconds
                    );
                }
            }
        }
    }
}
