//! `verify`: mints a token for the admin, verifies it as a verifier would, looks its subject up, and
//! asks the app.

use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::{
    output::{CliError, Exit, Output},
    pass_command,
    pass_run::{self, Done, PassOptions},
    show::{OutputFlags, PageStyle, Verb},
    target::{Source, TargetFlags, TargetSource, Variables},
    token::{asked, chain, facts, user_step},
};
use crate::{
    api::condition::ConditionType,
    pass,
    tokens::{self, Keyring, Step},
};

/// How long the token lives that is minted to be looked at.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

/// Flags of `verify`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let format = flags.output.output;
    let place = flags.target.place();
    let target = place.target(variables).await?;
    if target.jwt.is_none() || target.admin.is_none() {
        return Err(CliError::Usage(match place.source {
            Source::Environment(_) => {
                "a token is minted for the admin: set JWT_SECRET and ADMIN_EMAIL too".into()
            }
            _ => "a token is minted for the admin: the resource needs spec.jwt and spec.admin".into(),
        }));
    }
    let done = pass_run::run(&place, target, PassOptions::look()).await?;
    let steps = steps(&done).await?;
    let look = PageStyle::of_stdout();
    let skipped = not_asked(&place, &done).map(|why| format!("not asked: {why}"));
    let above = chain(&steps, skipped.as_deref().map(|why| ("app", why)), look);
    let mut said = pass_command::here(&place, format, Verb::Verify, &done, None, Some(above), look)?;
    if steps.iter().any(|step| !step.held) && said.exit == Exit::Fine {
        said.exit = Exit::Findings;
    }
    Ok(said)
}

/// The whole way of a token, up to where it ends.
async fn steps(done: &Done) -> Result<Vec<Step>, CliError> {
    let fails = |name, detail: String| Step { name, held: false, detail };
    let (target, report) = (&done.target, &done.report);
    let (Some(jwt), Some(admin)) = (&target.jwt, &target.admin) else { return Ok(Vec::new()) };
    let Some(account) = &report.admin else {
        let why = format!("there is no account {:?} to mint a token for", admin.login);
        return Ok(vec![fails("mint", why)]);
    };
    let subject = if jwt.subject_column == target.users.id_column {
        Some(account.id.clone())
    } else {
        pass::admin_account(target, &done.policy).await?.and_then(|account| account.subject)
    };
    let Some(subject) = subject else {
        return Ok(vec![fails("mint", format!("the admin's {} is NULL", jwt.subject_column))]);
    };
    let now = Timestamp::now();
    let token = match pass::mint_for_admin(jwt, &subject, now, LIFETIME) {
        Ok(token) => token,
        Err(error) => return Ok(vec![fails("mint", error.to_string())]),
    };
    let mut steps = vec![Step {
        name: "mint",
        held: true,
        detail: format!("a token for {} with the subject {subject}, {:?}", admin.login, jwt.shape.algorithm),
    }];
    let verification = tokens::explain(token.expose_secret(), &Keyring::of(&jwt.key), &jwt.shape, now);
    steps.extend(verification.steps.iter().cloned());
    if let Some(asked) = asked(&verification) {
        let rows = pass::resolve(target, &done.policy, &[asked]).await?;
        steps.extend(rows.into_iter().map(|row| user_step(&verification.resolve(&facts(row)))));
    }
    steps.extend(app(done));
    Ok(steps)
}

/// Why the app was not asked, if it was not.
fn not_asked(place: &TargetSource, done: &Done) -> Option<String> {
    let about = ConditionType::TokensAccepted;
    match (&done.target.probe, &place.source) {
        (None, Source::Environment(_)) => {
            Some("only a resource with spec.probe says where the app is".into())
        }
        (None, _) => Some("the resource has no spec.probe".into()),
        (Some(_), _) => {
            let unknown = done.outcome.unknown.iter().find(|(condition, ..)| *condition == about);
            unknown.map(|(.., why)| why.clone())
        }
    }
}

/// What the app said.
fn app(done: &Done) -> Vec<Step> {
    let about = ConditionType::TokensAccepted;
    let Some(probe) = &done.target.probe else { return Vec::new() };
    if done.outcome.unknown.iter().any(|(condition, ..)| *condition == about) {
        return Vec::new();
    }
    let step = |held, detail: String| Step { name: "app", held, detail };
    let found: Vec<Step> = done
        .report
        .findings
        .iter()
        .filter(|finding| finding.condition == about)
        .map(|finding| step(false, finding.message.clone()))
        .collect();
    if !found.is_empty() {
        return found;
    }
    let names: Vec<&str> = probe.verifiers.iter().map(|verifier| verifier.name.as_str()).collect();
    vec![step(true, format!("{} accepts the token and refuses forged ones", names.join(", ")))]
}
