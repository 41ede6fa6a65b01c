//! `token explain`: why a token fails.

use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::TokenFlags;
use crate::{
    cli::{
        said::{Exit, Failure, Said},
        show::{Cell, Format, Look, OutputFlags, Table, wrap},
        target::{TargetFlags, Variables},
    },
    database::SubjectRow,
    pass,
    tokens::{self, Account, Step, SubjectFacts, Verdict},
};

/// Flags of `token explain`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// What is printed for programs.
#[derive(Serialize)]
struct Answer<'a> {
    steps: Vec<StepAnswer<'a>>,
    verdict: String,
    remedy: &'static str,
    /// Null: nothing is wrong, and the subject was not looked up.
    holds: Option<bool>,
}

#[derive(Serialize)]
struct StepAnswer<'a> {
    step: &'a str,
    held: bool,
    detail: &'a str,
}

/// Runs the command.
///
/// # Errors
/// There is no key or no token.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    if flags.target.reads_stdin() && flags.token.token_file.is_none() {
        return Err(Failure::Usage(
            "both the resource and the token are on standard input: give one of them as a file".into(),
        ));
    }
    let format = flags.output.output;
    let place = flags.target.place();
    let signer = place.signer(variables).await?;
    let token = flags.token.read()?;
    let now = Timestamp::now();
    let verification = tokens::explain(token.expose_secret(), &signer.key, &[], &signer.shape, now);
    let mut steps = verification.steps.clone();
    let mut verdict = verification.verdict.clone();
    let mut not_looked_up = None;
    if let Some(subject) = verification.subject() {
        match &signer.target {
            None => not_looked_up = Some("DATABASE_URL is not set".to_owned()),
            Some(target) => match pass::resolve(target, &place.policy(), subject).await {
                Ok(row) => {
                    verdict = verification.resolve(&facts(row));
                    steps.push(user_step(&verdict));
                }
                Err(fault) => not_looked_up = Some(place.plain(&fault.message)),
            },
        }
    }
    let untold = not_looked_up.is_some() && signer.target.is_some();
    let exit = match (verdict.holds(), untold) {
        (true, false) => Exit::Fine,
        (true, true) => Exit::CouldNotTell,
        (false, _) => Exit::Findings,
    };
    show(format, &steps, &verdict, not_looked_up.as_deref(), exit, Look::of_stdout())
}

fn show(
    format: Format,
    steps: &[Step],
    verdict: &Verdict,
    not_looked_up: Option<&str>,
    exit: Exit,
    look: Look,
) -> Result<Said, Failure> {
    let answer = Answer {
        steps: steps
            .iter()
            .map(|step| StepAnswer { step: step.name, held: step.held, detail: &step.detail })
            .collect(),
        verdict: verdict.message(),
        remedy: verdict.remedy(),
        holds: if verdict.holds() && not_looked_up.is_some() { None } else { Some(verdict.holds()) },
    };
    let remark = |said: Said| match not_looked_up.filter(|_| exit == Exit::CouldNotTell) {
        Some(why) => said.remark(format!("auth-consistency: could not tell whom the token names: {why}")),
        None => said,
    };
    if let Some(document) = format.document(&answer)? {
        return Ok(remark(Said::new(document, exit)));
    }
    let why = not_looked_up.map(|why| format!("not looked up: {why}"));
    let mut page = chain(steps, why.as_deref().map(|why| ("user", why)), look);
    page.push('\n');
    let mut verdict = capital(&answer.verdict);
    verdict.push_str(". ");
    match not_looked_up {
        Some(why) => verdict.push_str(&format!("The subject was not looked up in the user table: {why}.")),
        None => verdict.push_str(answer.remedy),
    }
    page.push_str(&wrap(&verdict, look.width));
    Ok(remark(Said::new(page, exit)))
}

/// The steps of a verifier as a table. What was not looked at is neither ok nor fails.
pub(in crate::cli) fn chain(steps: &[Step], skipped: Option<(&str, &str)>, look: Look) -> String {
    let mut table = Table::new(&["STEP", "", "FOUND"], 3, look);
    let rows = steps.iter().map(|step| (step.name, if step.held { "ok" } else { "FAILS" }, &*step.detail));
    for (name, state, detail) in rows.chain(skipped.map(|(name, why)| (name, "-", why))) {
        table.row(vec![Cell::text(name), Cell::text(state), Cell::text(detail)]);
    }
    table.render()
}

/// The last step: the account that the subject names.
pub(in crate::cli) fn user_step(verdict: &Verdict) -> Step {
    let detail = match verdict {
        Verdict::NothingWrong { login } => format!("{login}, active"),
        other => other.message(),
    };
    Step { name: "user", held: verdict.holds(), detail }
}

/// What the user table says, as the verdict takes it.
pub(in crate::cli) fn facts(row: SubjectRow) -> SubjectFacts {
    let account = match row {
        SubjectRow::Missing => Account::Missing,
        SubjectRow::Inactive { login } => Account::Inactive { login },
        SubjectRow::Active { login, id } => Account::Active { login, id },
    };
    SubjectFacts { account, invalidated_before: None }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
