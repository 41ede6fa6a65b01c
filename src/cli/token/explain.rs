//! `token explain`: why a token fails, or why each of many does.

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::{TokenFlags, both_on_stdin, many};
use crate::{
    api::report::TokenReport,
    application,
    cli::{
        output::{CliError, Exit, Output},
        show::{Cell, Format, OutputFlags, PageStyle, Table, wrap},
        target::{ElsewhereFlags, Signer, TargetFlags, TargetSource, Variables},
        token::{
            asked, facts,
            steps::{capital, explain},
        },
    },
    domain::text::clip,
    pass,
    tokens::{self, Step, Verdict},
};

/// Flags of `token explain`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    token: TokenFlags,
    #[command(flatten)]
    elsewhere: ElsewhereFlags,
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
    /// The step that was not looked at, and why; null where there is none.
    skipped: Option<SkippedAnswer<'a>>,
    cause: &'static str,
    verdict: String,
    /// What else is so of the token that matters for the cause.
    also: &'a [String],
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

#[derive(Serialize)]
struct SkippedAnswer<'a> {
    step: &'a str,
    why: &'a str,
}

/// So many remarks a report holds.
const MOST_REMARKS: usize = 10;

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
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    if flags.target.reads_stdin() && flags.token.reads_stdin() {
        return Err(both_on_stdin());
    }
    let format = flags.output.output;
    let place = flags.target.place();
    let mut signer = place.signer(variables).await?;
    let token = flags.token.read()?;
    let unread = look_elsewhere(&place, &mut signer, &token, flags.lines, flags.elsewhere).await;
    let said = if flags.lines {
        many::run(&place, &signer, token.expose_secret(), format).await?
    } else {
        walk(&place, &signer, &token, !flags.no_probe).await.show(format, PageStyle::of_stdout())?
    };
    Ok(said.unread(unread))
}

/// Explains a token beside a whole check: also by the keys of the other resources of the namespace, where none of
/// its own made it. The second is what could not be looked at.
pub(in crate::cli) async fn beside(
    place: &TargetSource,
    mut signer: Signer,
    token: &SecretString,
) -> (Explained, Option<String>) {
    let unread = look_elsewhere(place, &mut signer, token, false, ElsewhereFlags::default()).await;
    (walk(place, &signer, token, true).await, unread)
}

/// Gives the signer the keys of other resources, where none of its own made a token: nobody else's Secret is
/// read otherwise. What could not be looked at is told.
async fn look_elsewhere(
    place: &TargetSource,
    signer: &mut Signer,
    token: &SecretString,
    lines: bool,
    flags: ElsewhereFlags,
) -> Option<String> {
    let text = token.expose_secret();
    let is_nobodys = |token: &str| explain(signer, token).verdict.is_nobodys();
    let wanted = if lines { text.lines().any(is_nobodys) } else { is_nobodys(text) };
    if !wanted {
        return None;
    }
    let elsewhere = place.elsewhere(flags).await?;
    let remark = elsewhere.remark();
    let named = elsewhere.keys.into_iter().map(|(name, key)| (format!("the resource {name}"), key));
    signer.elsewhere = named.collect();
    remark
}

/// Everything that can be said of a token.
pub(in crate::cli) struct Explained {
    steps: Vec<Step>,
    verdict: Verdict,
    also: Vec<String>,
    remedy: &'static str,
    skipped: Option<Skipped>,
    /// How a command ends that was asked about it.
    pub exit: Exit,
}

/// Walks through a token as far as it holds: what can be told of it alone, whom it names, and, where
/// nothing else is wrong and `probe` says so, what the app makes of it.
async fn walk(place: &TargetSource, signer: &Signer, token: &SecretString, probe: bool) -> Explained {
    let verification = explain(signer, token.expose_secret());
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
                    if probe && target.probe.is_some() && verdict.holds() {
                        let (asked, after) = at_the_app(place, signer, token, verdict).await;
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
    let (also, remedy) = (verification.also(&verdict), verification.remedy(&verdict));
    Explained { steps, verdict, also, remedy, skipped, exit }
}

/// Shows the token to the app's verifiers: the last step, or why there is none, and the verdict after it.
async fn at_the_app(
    place: &TargetSource,
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

impl Explained {
    /// Why nobody looked whom the token names.
    fn nobody_looked(&self) -> Option<&Skipped> {
        self.skipped.as_ref().filter(|skipped| skipped.step == "user")
    }

    /// Null: nothing is wrong, and the subject was not looked up.
    fn holds(&self) -> Option<bool> {
        let holds = self.verdict.holds();
        if holds && self.nobody_looked().is_some() { None } else { Some(holds) }
    }

    /// As a report says it.
    pub(in crate::cli) fn report(&self) -> TokenReport {
        TokenReport {
            cause: self.verdict.cause().into(),
            verdict: clip(&self.verdict.message(), 1024),
            also: self.also.iter().take(MOST_REMARKS).map(|one| clip(one, 1024)).collect(),
            remedy: self.remedy.into(),
            holds: self.holds(),
        }
    }

    /// The steps as a table.
    pub(in crate::cli) fn chain(&self, look: PageStyle) -> String {
        let not_looked_at = self.skipped.as_ref().map(|skipped| match skipped.step {
            "user" => (skipped.step, format!("not looked up: {}", skipped.why)),
            step => (step, skipped.why.clone()),
        });
        chain(&self.steps, not_looked_at.as_ref().map(|(step, why)| (*step, why.as_str())), look)
    }

    /// The verdict and what to do, in sentences.
    pub(in crate::cli) fn sentences(&self) -> String {
        let mut verdict = capital(&self.verdict.message());
        if !self.also.is_empty() {
            verdict.push_str(&format!(". Also: {}", self.also.join("; ")));
        }
        match self.nobody_looked() {
            Some(Skipped { why, .. }) => {
                format!("{verdict}. The subject was not looked up in the user table: {why}.")
            }
            None => format!("{verdict}. {}", self.remedy),
        }
    }

    fn show(&self, format: Format, look: PageStyle) -> Result<Output, CliError> {
        let answer = Answer {
            steps: self
                .steps
                .iter()
                .map(|step| StepAnswer { step: step.name, held: step.held, detail: &step.detail })
                .collect(),
            skipped: self.skipped.as_ref().map(|one| SkippedAnswer { step: one.step, why: &one.why }),
            cause: self.verdict.cause(),
            verdict: self.verdict.message(),
            also: &self.also,
            remedy: self.remedy,
            holds: self.holds(),
        };
        let said = match format.document(&answer)? {
            Some(document) => Output::new(document, self.exit),
            None => {
                let page = format!("{}\n{}", self.chain(look), wrap(&self.sentences(), look.width));
                Output::new(page, self.exit)
            }
        };
        Ok(match self.nobody_looked().filter(|_| self.exit == Exit::CouldNotTell) {
            Some(Skipped { why, .. }) => {
                said.remark(format!("auth-consistency: could not tell whom the token names: {why}"))
            }
            None => said,
        })
    }
}

/// The steps of a verifier as a table. What was not looked at is neither ok nor fails.
pub(in crate::cli) fn chain(steps: &[Step], skipped: Option<(&str, &str)>, look: PageStyle) -> String {
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
        // The user is not what is wrong.
        Verdict::SignedByPreviousKey => "there, and active".to_owned(),
        other => other.message(),
    };
    Step { name: "user", held: verdict.holds() || *verdict == Verdict::SignedByPreviousKey, detail }
}
