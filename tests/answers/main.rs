//! Whether the answers are right: worlds drawn from a seed, each with one fault planted in it or two, and what was
//! planted held against what is said.
//!
//! `AUTHCON_ANSWERS` is how many, `AUTHCON_ANSWERS_SEED` from which seed. Without them the worlds are always the same
//! ones, so that no commit fails by its luck; `.ci/run` draws some more by its commit, and prints what they came to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod causes;
mod expected;
mod registry;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod world;

use std::{
    collections::BTreeMap,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use auth_consistency::api::condition::Reason;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use causes::Cause;
use expected::{Judgement, judge};
use support::{Case, Db};
use tokens::TokenCause;
use world::World;

/// The seed of the worlds that each commit is held against.
const SEED: u64 = 16;

/// How many of them.
const MANY: usize = 240;

/// A world to be asked about.
enum Task {
    Pass { seed: u64, causes: Vec<&'static Cause> },
    Token { seed: u64, cause: &'static TokenCause },
}

/// What became of it.
struct Answer {
    seed: u64,
    planted: Vec<&'static str>,
    judgement: Judgement,
}

fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.trim().parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// So many worlds: each cause as often as every other, in two of five with another one.
fn tasks(seed: u64, many: usize) -> Vec<Task> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (causes, of_tokens) = (causes::all(), tokens::CAUSES);
    let all = causes.len() + of_tokens.len();
    let mut order: Vec<usize> = Vec::new();
    while order.len() < many {
        let mut round: Vec<usize> = (0..all).collect();
        round.shuffle(&mut rng);
        order.extend(round);
    }
    order.truncate(many);
    let mut tasks = Vec::new();
    for at in order {
        let seed = rng.random();
        if at >= causes.len() {
            tasks.push(Task::Token { seed, cause: &of_tokens[at - causes.len()] });
            continue;
        }
        let mut planted = vec![causes[at]];
        if rng.random_bool(0.4) {
            let other = causes[rng.random_range(0..causes.len())];
            if causes[at].part.goes_with(other.part) {
                planted.push(other);
            }
        }
        tasks.push(Task::Pass { seed, causes: planted });
    }
    tasks
}

/// A world that the causes fit into: the first from a seed on.
fn planted(seed: u64, causes: &[&'static Cause]) -> (World, Vec<&'static str>) {
    for further in 0..200 {
        let mut world = World::new(seed.wrapping_add(further));
        let mut names = Vec::new();
        for cause in causes {
            if (cause.plant)(&mut world) {
                names.push(cause.name);
            } else if names.is_empty() {
                break;
            }
        }
        if !names.is_empty() {
            return (world, names);
        }
    }
    panic!("{} fits into no world", causes[0].name);
}

/// The database of a world, and a resource over it.
async fn made(world: &mut World, database: bool) -> (Option<Db>, Case) {
    let yaml = world.yaml();
    let db = if database {
        let harm =
            format!("SET session_replication_role = replica; {}; RESET session_replication_role", world.harm);
        let db = Db::new(&world.sql).await;
        db.run(&harm).await;
        Some(db)
    } else {
        None
    };
    let mut case = match &db {
        Some(db) => Case::new(db, &yaml),
        None => Case::with_database("{urlSecretRef: {name: db, key: url}}", &yaml),
    };
    case.compare_password = world.compare_password;
    if let Some(db) = &db {
        let mut url = db.url();
        if let Some(grants) = &world.role {
            let role = db.role(grants).await;
            url = db.url_of(&role);
        }
        if let Some(change) = &world.url {
            url = change(&url);
        }
        case.secret("db", "url", &url);
    } else {
        case.secret("db", "url", "postgresql://app:canary-7c1e@db/app");
    }
    for (name, key, value) in &world.secrets {
        case.secret(name, key, value);
    }
    if let Some((name, key, reason)) = &world.no_secret {
        case.no_secret(name, key, *reason);
    }
    if let Some((name, text)) = &world.config_map {
        case.config_map(name, "people.csv", text);
    }
    (db, case)
}

async fn pass(mut world: World) -> Judgement {
    let (db, mut case) = made(&mut world, true).await;
    if world.rival {
        let mut rival = case.rival(db.as_ref().unwrap());
        rival.edit(|spec| spec.interval = "6m".into());
        rival.repair().await;
    }
    if let Some(before) = &world.key_before {
        let now = world.secrets.iter().find(|(name, ..)| name == "jwt").unwrap().2.clone();
        case.secret("jwt", "key", before);
        case.check().await;
        case.secret("jwt", "key", &now);
    }
    judge(&case.check().await, &world.expected, &world.beside)
}

fn answer(task: &Task, runtime: &tokio::runtime::Runtime) -> Answer {
    let (seed, names) = match task {
        Task::Pass { seed, causes } => (*seed, causes.iter().map(|cause| cause.name).collect()),
        Task::Token { seed, cause } => (*seed, vec![cause.name]),
    };
    let done = catch_unwind(AssertUnwindSafe(|| match task {
        Task::Pass { seed, causes } => {
            let (world, names) = planted(*seed, causes);
            (runtime.block_on(Box::pin(pass(world))), names)
        }
        Task::Token { seed, cause } => {
            let fitting = (0..200).find_map(|further| tokens::planted(seed.wrapping_add(further), cause));
            let (mut world, token) = fitting.unwrap_or_else(|| panic!("{} fits into no world", cause.name));
            let asked = async {
                let (_db, case) = made(&mut world, cause.by_table).await;
                tokens::ask(&case, cause, token).await
            };
            (runtime.block_on(Box::pin(asked)), vec![cause.name])
        }
    }));
    match done {
        Ok((judgement, planted)) => Answer { seed, planted, judgement },
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let missed = vec![("a panic", text.unwrap_or_default())];
            Answer { seed, planted: names, judgement: Judgement { missed, ..Judgement::default() } }
        }
    }
}

/// Asks about all of them, by a few at once.
fn answers(tasks: &[Task]) -> Vec<Answer> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            std::thread::Builder::new()
                .stack_size(16 << 20)
                .spawn_scoped(scope, || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let answer = answer(task, &runtime);
                        answers.lock().unwrap().push(answer);
                    }
                })
                .unwrap();
        }
    });
    let mut answers = answers.into_inner().unwrap();
    answers.sort_by_key(|answer| answer.seed);
    answers
}

/// Prints what was planted and what was said instead, and returns the share of right answers and how many of them
/// were a wrong "all is well".
fn told(name: &str, seed: u64, answers: &[Answer]) -> (f64, usize) {
    let right = answers.iter().filter(|answer| answer.judgement.right()).count();
    let clear = answers.iter().filter(|answer| answer.judgement.all_clear).count();
    let mut table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| !answer.judgement.right()) {
        let Judgement { missed, untrue, all_clear, bare } = &answer.judgement;
        let mut add = |what: String| {
            table
                .entry(format!("{} | {what}", answer.planted.join(" + ")))
                .or_default()
                .push(answer.seed.to_string());
        };
        missed.iter().for_each(|(cause, said)| add(format!("missed {cause}: {said}")));
        untrue.iter().for_each(|said| add(format!("not so: {said}")));
        if *all_clear {
            add("WRONG ALL-CLEAR".into());
        }
        if *bare {
            add("a verdict that nothing explains".into());
        }
    }
    // Not by `println!`, of which nothing is seen where the test passes.
    let mut out = std::io::stdout().lock();
    for (what, seeds) in &table {
        let _ = writeln!(out, "  {} × {what}   (worlds {})", seeds.len(), seeds.join(" "));
    }
    let share =
        100.0 * f64::from(u32::try_from(right).unwrap()) / f64::from(u32::try_from(answers.len()).unwrap());
    let _ = writeln!(
        out,
        "{name}, seed {seed}: {right} of {} answers are right ({share:.1} %), {clear} a wrong \"all is well\".",
        answers.len()
    );
    (share, clear)
}

#[test]
fn what_was_planted_is_told_and_nothing_that_is_not_so() {
    let seed = number("AUTHCON_ANSWERS_SEED");
    let many = number("AUTHCON_ANSWERS").map_or(MANY, |many| usize::try_from(many).unwrap());
    let answers = answers(&tasks(seed.unwrap_or(SEED), many));
    let (share, clear) = told("Planted", seed.unwrap_or(SEED), &answers);
    assert_eq!(clear, 0, "something is wrong and all was said to be well");
    // One world of a small number weighs more.
    let least = if many < 1_000 { 99.0 } else { 99.5 };
    assert!(share >= least, "{share:.1} % of the answers are right");
}

/// Worlds of each commit's own: what they came to is printed, and to be looked at when it is not all of them.
#[test]
fn worlds_of_this_commits_own_are_asked_about_too() {
    let Some(seed) = number("AUTHCON_ANSWERS_DRAWN") else { return };
    told("Drawn", seed, &answers(&tasks(seed, 60)));
}

/// One world, by its seed and the names of its causes: `AUTHCON_ANSWERS_WORLD='SEED;a cause;another'`.
#[test]
fn one_world_is_shown() {
    let Ok(wanted) = std::env::var("AUTHCON_ANSWERS_WORLD") else { return };
    let mut parts = wanted.split(';');
    let seed: u64 = parts.next().unwrap().parse().unwrap();
    let names: Vec<&str> = parts.collect();
    let all = causes::all();
    let causes: Vec<_> =
        names.iter().filter_map(|name| all.iter().find(|cause| cause.name == *name).copied()).collect();
    let task = match tokens::CAUSES.iter().find(|cause| cause.name == names[0]) {
        Some(cause) => Task::Token { seed, cause },
        None => {
            let (world, _) = planted(seed, &causes);
            let _ = writeln!(std::io::stdout(), "{}\n{}\n{}", world.sql, world.harm, world.yaml());
            Task::Pass { seed, causes }
        }
    };
    told("One", seed, &answers(&[task]));
}

/// Which reasons nothing is planted for, and why.
#[test]
fn every_reason_has_a_cause_or_a_word_why_not() {
    let planted: Vec<Reason> = causes::all().iter().flat_map(|cause| cause.reasons.iter().copied()).collect();
    for reason in Reason::ALL {
        let why = registry::WITHOUT.iter().find(|(one, _)| one == reason);
        assert!(planted.contains(reason) != why.is_some(), "{reason}: {why:?}");
    }
}

#[test]
fn every_verdict_on_tokens_has_a_cause_or_a_word_why_not() {
    let page = include_str!("../../docs/tokens.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split(", "));
    let named: Vec<&str> = names.map(|name| name.trim_matches('`')).collect();
    assert!(named.len() > 30, "{named:?}");
    let planted: Vec<&str> = tokens::CAUSES.iter().flat_map(|cause| cause.verdicts.iter().copied()).collect();
    for name in named {
        let why = registry::VERDICTS_WITHOUT.iter().find(|(one, _)| *one == name);
        assert!((planted.contains(&name) || name == "NothingWrong") != why.is_some(), "{name}: {why:?}");
    }
}
