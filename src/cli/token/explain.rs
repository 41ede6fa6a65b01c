//! `token explain`: why a token fails, or why each of many does.

use clap::Args;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::{TokenFlags, many};
use crate::{
    application,
    cli::{
        said::{Exit, Failure, Said},
        show::{Cell, Format, Look, OutputFlags, Table, wrap},
        target::{Place, Signer, TargetFlags, Variables},
    },
    database::{Asked, SubjectRow},
    pass,
    tokens::{self, Account, Keyring, Step, SubjectFacts, Verdict, Verification},
};

/// Flags of `token explain`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    token: TokenFlags,
    /// Every line is a token, as cut from an access log: prints the causes with counts
    #[arg(long)]
    lines: bool,
    /// Do not show the token to the app, even where nothing else is wrong with it
    #[arg(long)]
    no_probe: bool,
    #[command(flatten)]
    output: OutputFlags,
}

/// What is printed for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    steps: Vec<StepAnswer<'a>>,
    cause: &'static str,
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

/// Something that was not looked at, and why.
struct Skipped {
    step: &'static str,
    why: String,
    /// Whether it was meant to be, so that nobody can tell.
    untold: bool,
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
    if flags.lines {
        return many::run(&place, &signer, token.expose_secret(), format).await;
    }
    let verification = explain(&signer, token.expose_secret());
    let mut steps = verification.steps.clone();
    let mut verdict = verification.verdict.clone();
    let mut skipped = None;
    if let Some(asked) = asked(&verification) {
        match &signer.target {
            None => {
                let why = "DATABASE_URL is not set".to_owned();
                skipped = Some(Skipped { step: "user", why, untold: false });
            }
            Some(target) => match pass::resolve(target, &place.policy(), &[asked]).await {
                Ok(rows) => {
                    for row in rows {
                        verdict = verification.resolve(&facts(row));
                        steps.push(user_step(&verdict));
                    }
                    if !flags.no_probe && target.probe.is_some() && verdict.holds() {
                        let (asked, after) = at_the_app(&place, &signer, &token, verdict).await;
                        verdict = after;
                        match asked {
                            Ok(step) => steps.push(step),
                            Err(why) => skipped = Some(Skipped { step: "app", why, untold: false }),
                        }
                    }
                }
                Err(fault) => {
                    let why = place.plain(&fault.message);
                    skipped = Some(Skipped { step: "user", why, untold: true });
                }
            },
        }
    }
    let exit = match (verdict.holds(), skipped.as_ref().is_some_and(|skipped| skipped.untold)) {
        (true, false) => Exit::Fine,
        (true, true) => Exit::CouldNotTell,
        (false, _) => Exit::Findings,
    };
    show(format, &steps, &verdict, skipped.as_ref(), exit, Look::of_stdout())
}

/// What the database has a word in, where everything else holds.
pub(in crate::cli) fn asked(verification: &Verification) -> Option<Asked> {
    let subject = verification.subject()?.to_owned();
    Some(Asked { subject, token: verification.id.clone() })
}

/// What the signer's keys and shape make of a token.
pub(super) fn explain(signer: &Signer, token: &str) -> Verification {
    let keys = Keyring { previous: &signer.previous, ..Keyring::of(&signer.key) };
    tokens::explain(token, &keys, &signer.shape, Timestamp::now())
}

/// Shows the token to the app's verifiers: the last step, or why there is none, and the verdict after it.
async fn at_the_app(
    place: &Place,
    signer: &Signer,
    token: &SecretString,
    verdict: Verdict,
) -> (Result<Step, String>, Verdict) {
    let (Some(target), Verdict::NothingWrong { login }) = (&signer.target, &verdict) else {
        return (Err("the spec names no app".into()), verdict);
    };
    // As the app would get it: what stood around it is no part of it.
    let bare: SecretString = match tokens::bare(token.expose_secret()) {
        Some(bare) => bare,
        None => return (Err("the token cannot be sent".into()), verdict),
    };
    let mut accepted = Vec::new();
    let mut unheard = Vec::new();
    for (verifier, answer) in pass::show_to_app(target, &place.policy(), &bare).await {
        match answer {
            application::Answer::Accepted { status } => {
                accepted.push(format!("{verifier} accepts it ({status})"))
            }
            application::Answer::Refused { status } => {
                let verdict = Verdict::RefusedByApp { verifier, status };
                return (Ok(Step { name: "app", held: false, detail: verdict.message() }), verdict);
            }
            application::Answer::Unclear { status } => unheard.push(format!("{verifier} answers {status}")),
            application::Answer::Unreachable { why } | application::Answer::HostNotAllowed { why } => {
                unheard.push(format!("{verifier}: {why}"));
            }
        }
    }
    if accepted.is_empty() || !unheard.is_empty() {
        return (Err(format!("not told: {}", unheard.join("; "))), verdict);
    }
    let step = Step { name: "app", held: true, detail: accepted.join(", ") };
    let login = login.clone();
    (Ok(step), Verdict::AcceptedByApp { login })
}

fn show(
    format: Format,
    steps: &[Step],
    verdict: &Verdict,
    skipped: Option<&Skipped>,
    exit: Exit,
    look: Look,
) -> Result<Said, Failure> {
    let user = skipped.filter(|skipped| skipped.step == "user");
    let answer = Answer {
        steps: steps
            .iter()
            .map(|step| StepAnswer { step: step.name, held: step.held, detail: &step.detail })
            .collect(),
        cause: verdict.cause(),
        verdict: verdict.message(),
        remedy: verdict.remedy(),
        holds: if verdict.holds() && user.is_some() { None } else { Some(verdict.holds()) },
    };
    let remark = |said: Said| match user.filter(|_| exit == Exit::CouldNotTell) {
        Some(Skipped { why, .. }) => {
            said.remark(format!("auth-consistency: could not tell whom the token names: {why}"))
        }
        None => said,
    };
    if let Some(document) = format.document(&answer)? {
        return Ok(remark(Said::new(document, exit)));
    }
    let not_looked_at = skipped.map(|skipped| match skipped.step {
        "user" => (skipped.step, format!("not looked up: {}", skipped.why)),
        step => (step, skipped.why.clone()),
    });
    let mut page = chain(steps, not_looked_at.as_ref().map(|(step, why)| (*step, why.as_str())), look);
    page.push('\n');
    let mut verdict = capital(&answer.verdict);
    verdict.push_str(". ");
    match user {
        Some(Skipped { why, .. }) => {
            verdict.push_str(&format!("The subject was not looked up in the user table: {why}."));
        }
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
    let mut invalidated_before = None;
    let mut is_revoked = false;
    let account = match row {
        SubjectRow::Missing => Account::Missing,
        SubjectRow::NotOfType { type_name } => Account::NotOfType { type_name },
        SubjectRow::Inactive { login } => Account::Inactive { login },
        SubjectRow::Active { login, id, written, valid_after, revoked } => {
            is_revoked = revoked;
            invalidated_before = valid_after.and_then(|seconds| Timestamp::from_second(seconds).ok());
            Account::Active { login, id, written }
        }
    };
    SubjectFacts { account, invalidated_before, revoked: is_revoked }
}

/// A sentence's first letter as a capital.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
