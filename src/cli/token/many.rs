//! Many tokens at once, one a line: what is wrong with how many of them.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::{
    cli::{
        output::{CliError, Exit, Output},
        show::{Cell, Format, PageStyle, Table, wrap},
        target::{Signer, TargetSource},
        token::steps::{asked, capital, explain, facts},
    },
    domain::text::{count, number},
    engine::SubjectQuery,
    pass,
    tokens::{Verdict, Verification},
};

/// Lines that are looked at.
const MOST: usize = 100_000;

/// Line numbers that are named of each cause.
const NAMED: usize = 3;

/// What is printed for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    tokens: usize,
    hold: usize,
    /// Whether subjects were looked up in the user table.
    looked_up: bool,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    cause: &'static str,
    tokens: usize,
    /// The first lines, counted from 1.
    lines: Vec<usize>,
    /// What is so of the first of them.
    example: String,
    remedy: &'static str,
    holds: bool,
}

/// Explains every line that is not empty. Tokens are never printed back: lines are named by their number.
///
/// # Errors
/// There is no token, or there are too many.
pub(super) async fn run(
    place: &TargetSource,
    signer: &Signer,
    text: &str,
    format: Format,
) -> Result<Output, CliError> {
    let lines: Vec<(usize, SecretString)> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (at, line.to_owned().into()))
        .collect();
    if lines.is_empty() {
        return Err(CliError::Usage("there is no token: give one on each line".into()));
    }
    if lines.len() > MOST {
        return Err(CliError::Usage(format!(
            "there are {}, and {} are looked at in one go: give fewer",
            count(i64::try_from(lines.len()).unwrap_or(i64::MAX), "line"),
            number(i64::try_from(MOST).unwrap_or(i64::MAX))
        )));
    }
    let explained: Vec<(usize, Verification)> =
        lines.iter().map(|(at, line)| (*at, explain(signer, line.expose_secret()))).collect();
    let (verdicts, untold) = resolved(place, signer, explained).await;
    let answer = answer(&verdicts, untold.is_none());
    let exit = match (answer.hold == answer.tokens, &untold) {
        (false, _) => Exit::Findings,
        (true, Some(Untold::Failed(_))) => Exit::CouldNotTell,
        (true, _) => Exit::Fine,
    };
    if let Some(document) = format.document(&answer)? {
        return Ok(Output::new(document, exit));
    }
    Ok(Output::new(page(&answer, untold.as_ref(), PageStyle::of_stdout()), exit))
}

/// Why no subject was looked up.
enum Untold {
    /// Nobody said where.
    NotAsked(&'static str),
    /// It could not be.
    Failed(String),
}

/// The verdicts with what the user table says; each subject is looked up once.
async fn resolved(
    place: &TargetSource,
    signer: &Signer,
    explained: Vec<(usize, Verification)>,
) -> (Vec<(usize, Verdict)>, Option<Untold>) {
    let plain = |explained: Vec<(usize, Verification)>| {
        explained.into_iter().map(|(at, verification)| (at, verification.verdict)).collect()
    };
    let Some(target) = &signer.target else {
        return (plain(explained), Some(Untold::NotAsked("DATABASE_URL is not set")));
    };
    let mut all: Vec<SubjectQuery> = explained.iter().filter_map(|(_, one)| asked(one)).collect();
    all.sort();
    all.dedup();
    if all.is_empty() {
        return (plain(explained), None);
    }
    match pass::resolve(target, &place.policy(), &all).await {
        Ok(rows) => {
            let rows: BTreeMap<SubjectQuery, _> = all.into_iter().zip(rows).collect();
            let verdicts = explained
                .into_iter()
                .map(|(at, one)| match asked(&one).and_then(|asked| rows.get(&asked)) {
                    Some(row) => (at, one.resolve(&facts(row.clone()))),
                    None => (at, one.verdict),
                })
                .collect();
            (verdicts, None)
        }
        Err(fault) => (plain(explained), Some(Untold::Failed(place.plain(&fault.message)))),
    }
}

fn answer(verdicts: &[(usize, Verdict)], looked_up: bool) -> Answer {
    let mut causes: BTreeMap<&'static str, Cause> = BTreeMap::new();
    for (at, verdict) in verdicts {
        let cause = causes.entry(verdict.cause()).or_insert_with(|| Cause {
            cause: verdict.cause(),
            tokens: 0,
            lines: Vec::new(),
            example: verdict.message(),
            remedy: verdict.remedy(),
            holds: verdict.holds(),
        });
        cause.tokens += 1;
        if cause.lines.len() < NAMED {
            cause.lines.push(*at);
        }
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    // What most of them have first, and what holds last.
    causes.sort_by_key(|cause| (cause.holds, std::cmp::Reverse(cause.tokens), cause.cause));
    let hold = causes.iter().filter(|cause| cause.holds).map(|cause| cause.tokens).sum();
    Answer { tokens: verdicts.len(), hold, looked_up, causes }
}

fn page(answer: &Answer, untold: Option<&Untold>, look: PageStyle) -> String {
    let amount = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut table = Table::new(&["CAUSE", "TOKENS", "LINES", "FOR EXAMPLE"], 4, look);
    for cause in &answer.causes {
        let mut lines: Vec<String> = cause.lines.iter().map(ToString::to_string).collect();
        if cause.tokens > cause.lines.len() {
            lines.push("…".into());
        }
        table.row(vec![
            Cell::text(cause.cause),
            Cell::Number(number(amount(cause.tokens))),
            Cell::text(lines.join(", ")),
            Cell::text(&cause.example),
        ]);
    }
    let mut text = table.render();
    text.push('\n');
    let mut closing = match amount(answer.tokens - answer.hold) {
        0 => format!("Nothing is wrong with {}.", count(amount(answer.tokens), "token")),
        wrong => format!("{} of {} fail.", number(wrong), count(amount(answer.tokens), "token")),
    };
    if let Some(first) = answer.causes.iter().find(|cause| !cause.holds) {
        closing.push_str(&format!(" Most: {}.", capital(&first.example)));
        closing.push_str(&format!(" {}", first.remedy));
    }
    match untold {
        Some(Untold::NotAsked(why)) => {
            closing.push_str(&format!(" Subjects were not looked up in the user table: {why}."));
        }
        Some(Untold::Failed(why)) => {
            closing.push_str(&format!(" Nobody can tell whom the tokens name: {why}."));
        }
        None => {}
    }
    text.push_str(&wrap(&closing, look.width));
    text
}
