//! The one way of check, plan, reset, repair and verify: look, here or by the operator, and show the
//! report.

use crate::{
    api::{
        report::ConsistencyReport,
        shared::TlsMode,
        spec::{Mode, OnUndeclared},
    },
    cli::target::against::Against,
    domain::{parse::duration, target::policy::Rule, text::count},
    engine::hints,
};

use std::time::{Duration, Instant};

use clap::Args;
use secrecy::SecretString;

use super::{
    operator,
    output::{CliError, Exit, Output},
    pass_run::{self, Done, PassOptions},
    show::{self, Closing, Format, Heading, OutputFlags, PageStyle, Verb},
    target::{Cluster, Signer, Source, TargetFlags, TargetSource, Variables},
    token::{Explained, beside},
};

/// Flags of the commands that the operator can be asked to do.
#[derive(Args, Clone, Debug)]
pub(super) struct AnswerFlags {
    #[command(flatten)]
    target: TargetFlags,
    /// Do it here, with your own rights, and not by the operator
    #[arg(long, requires = "name", help_heading = "In a cluster")]
    direct: bool,
    /// How long to wait for the operator
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration::parse, help_heading = "In a cluster")]
    wait_timeout: Duration,
    #[command(flatten)]
    output: OutputFlags,
}

/// Who does it.
enum Who {
    Here,
    Operator { timeout: Duration },
}

/// What the flags come to.
pub(super) struct Settings {
    place: TargetSource,
    who: Who,
    format: Format,
    /// Whether columns that look as if they named users are a finding.
    strict: bool,
    /// A token that is explained beside what was asked for.
    token: Option<SecretString>,
}

impl AnswerFlags {
    /// Whether standard input holds the resource.
    pub(super) fn reads_stdin(&self) -> bool {
        self.target.reads_stdin()
    }

    /// Flags to settings.
    pub(super) fn settings(self) -> Settings {
        let in_cluster = self.target.name.is_some();
        let mut place = self.target.place();
        let who =
            if in_cluster && !self.direct { Who::Operator { timeout: self.wait_timeout } } else { Who::Here };
        if self.direct {
            place.again.tail.push_str(" --direct");
        }
        Settings { place, who, format: self.output.output, strict: false, token: None }
    }
}

/// What a look found, and the rules that there are.
pub(super) struct Looked {
    /// The report.
    pub report: ConsistencyReport,
    /// The rules of the resource.
    pub rules: Vec<Rule>,
}

impl Settings {
    /// Whether the operator does it.
    pub(super) fn by_operator(&self) -> bool {
        matches!(self.who, Who::Operator { .. })
    }

    /// Has columns that look as if they named users be a finding.
    ///
    /// # Errors
    /// The operator is to be asked, who goes by the resource.
    pub(super) fn strict(mut self) -> Result<Self, CliError> {
        if self.by_operator() {
            return Err(CliError::Usage(
                "the operator goes by the resource: set spec.references.undeclared to Report, or add --direct".into(),
            ));
        }
        self.strict = true;
        Ok(self)
    }

    /// Explains this token too.
    pub(super) fn with_token(self, token: SecretString) -> Self {
        Self { token: Some(token), ..self }
    }

    /// How the answer looks.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Holds today's users against a file.
    ///
    /// # Errors
    /// The operator is to be asked, who has no such file.
    pub(super) fn against(mut self, against: Against) -> Result<Self, CliError> {
        if let Who::Operator { .. } = self.who {
            return Err(CliError::Usage(
                "the operator cannot read a file of yours: add --direct, or name a ConfigMap in spec.references.identities".into(),
            ));
        }
        self.place.against = Some(against);
        Ok(self)
    }
}

/// Looks, here or by the operator, and changes nothing here.
///
/// # Errors
/// There is nothing to tell of.
pub(super) async fn look(settings: &Settings, variables: Variables<'_>) -> Result<Looked, CliError> {
    match settings.who {
        Who::Here => {
            let target = settings.place.target(variables).await?;
            let done = pass_run::run(&settings.place, target, PassOptions::look()).await?;
            Ok(Looked { report: done.report, rules: done.target.references.rules })
        }
        Who::Operator { timeout } => {
            let Source::Cluster(named) = &settings.place.source else {
                return Err(CliError::Usage(
                    "only a resource in a cluster has an operator: give its NAME".into(),
                ));
            };
            let cluster = Cluster::connect(named).await?;
            let resource = operator::ask(&cluster, &PassOptions::look(), timeout).await?;
            let status = resource.status.unwrap_or_default();
            let schema = resource.spec.users.schema.clone();
            let schema = schema.unwrap_or_else(|| hints().default_schema().to_owned());
            let rules = resource.spec.references.rules.into_iter();
            Ok(Looked {
                report: operator::tell(&cluster, &status, 0).report,
                rules: rules
                    .map(|rule| Rule { schema: rule.schema.clone().unwrap_or_else(|| schema.clone()), rule })
                    .collect(),
            })
        }
    }
}

/// Does what was asked for and shows what came of it.
///
/// # Errors
/// There is nothing to show.
pub(super) async fn give(
    settings: Settings,
    asked: Verb,
    errand: PassOptions,
    variables: Variables<'_>,
) -> Result<Output, CliError> {
    match settings.who {
        Who::Here => {
            let mut target = settings.place.target(variables).await?;
            if settings.strict {
                target.references.undeclared = OnUndeclared::Report;
            }
            if errand.reset && target.admin.is_none() {
                return Err(CliError::Usage(match settings.place.source {
                    Source::Environment(_) => {
                        "there is no admin to reset: set ADMIN_EMAIL and ADMIN_PASSWORD".into()
                    }
                    _ => "the resource names no admin to reset: set spec.admin".into(),
                }));
            }
            if errand.reset
                && matches!(settings.place.source, Source::Environment(_))
                && target.admin.as_ref().is_some_and(|admin| admin.password.is_none())
            {
                let why = "there is no password to reset the admin's to: set ADMIN_PASSWORD";
                return Err(CliError::Usage(why.into()));
            }
            if settings.token.is_some() && target.jwt.is_none() {
                return Err(settings.place.keyless());
            }
            let mut done = pass_run::run(&settings.place, target, errand).await?;
            let signer = settings.token.as_ref().and_then(|_| Signer::of(done.target.clone()));
            let (explained, unread) = match settings.token.as_ref().zip(signer) {
                Some((token, signer)) => {
                    let (explained, unread) = beside(&settings.place, signer, token).await;
                    (Some(explained), unread)
                }
                None => (None, None),
            };
            done.report.token = explained.as_ref().map(Explained::report);
            let (place, look) = (&settings.place, PageStyle::of_stdout());
            let said = here(place, settings.format, asked, &done, explained.as_ref(), None, look)?;
            Ok(said.unread(unread))
        }
        Who::Operator { timeout } => by_operator(&settings, asked, errand, timeout, variables).await,
    }
}

/// Shows what came of a pass that ran here.
///
/// # Errors
/// It cannot be written down.
pub(super) fn here(
    place: &TargetSource,
    format: Format,
    asked: Verb,
    done: &Done,
    token: Option<&Explained>,
    above: Option<String>,
    look: PageStyle,
) -> Result<Output, CliError> {
    let outcome = &done.outcome;
    let unknown: Vec<String> =
        outcome.unknown.iter().map(|(condition, _, why)| format!("{why} ({condition})")).collect();
    let reset_undone = asked == Verb::Reset && outcome.reset_handled.is_none();
    let mut exit = Exit::of(done.report.consistent);
    if reset_undone && exit == Exit::Fine {
        exit = Exit::Findings;
    }
    exit = with_token(exit, token);
    if let Some(document) = format.document(&done.report)? {
        let mut said = Output::new(document, exit);
        for why in unknown.iter().chain(&outcome.approval_unused) {
            said = said.remark(format!("auth-consistency: {why}"));
        }
        return Ok(said);
    }
    let connection = &done.target.database.connection;
    let heading = Heading {
        from: place.from().into(),
        server: Some(format!("{}:{}", connection.host, connection.port)),
        unencrypted: done.target.database.tls == TlsMode::Disable,
        above: above.or_else(|| token.map(|token| token.chain(look))),
    };
    let closing = Closing {
        asked,
        token: token.map(Explained::sentences),
        again: &place.again,
        observes: done.observes(),
        by_operator: false,
        suspended: false,
        unknown,
        repaired: done.report.repaired.iter().map(|step| step.message.clone()).collect(),
        approval_unused: outcome.approval_unused.clone(),
        reset_undone,
        reset_offer: outcome.reset_offer.clone(),
    };
    Ok(Output::new(show::report(&done.report, &heading, &closing, look), exit))
}

/// What is wrong with the token is a finding, too; what cannot be told of it counts where all else is well.
fn with_token(exit: Exit, token: Option<&Explained>) -> Exit {
    match token.map(|token| token.exit) {
        Some(token) if exit == Exit::Fine || token == Exit::Findings => token,
        _ => exit,
    }
}

async fn by_operator(
    settings: &Settings,
    asked: Verb,
    errand: PassOptions,
    timeout: Duration,
    variables: Variables<'_>,
) -> Result<Output, CliError> {
    let Source::Cluster(named) = &settings.place.source else {
        return Err(CliError::Usage("only a resource in a cluster has an operator: give its NAME".into()));
    };
    let cluster = Cluster::connect(named).await?;
    let before = cluster.get().await?.status.unwrap_or_default();
    let began = Instant::now();
    let resource = operator::ask(&cluster, &errand, timeout).await?;
    let status = resource.status.unwrap_or_default();
    let elapsed = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    let mut told = operator::tell(&cluster, &status, elapsed);
    let mut unread = None;
    let explained = match &settings.token {
        // The operator shows nobody's token to anybody: it is looked at here, with the caller's own rights.
        Some(token) => match settings.place.signer(variables).await {
            Ok(signer) => {
                let (explained, why) = beside(&settings.place, signer, token).await;
                unread = why;
                Some(explained)
            }
            // What the operator said is worth telling all the same.
            Err(why) => {
                told.unknown
                    .push(format!("why the token fails, since it is held against the key here: {why}"));
                None
            }
        },
        None => None,
    };
    let unlooked = settings.token.is_some() && explained.is_none();
    told.report.token = explained.as_ref().map(Explained::report);
    let reset_undone = errand.reset && status.last_handled_reset_admin == before.last_handled_reset_admin;
    let approval_unused = errand
        .approve
        .filter(|hash| status.last_handled_approval.as_ref() != Some(hash))
        .map(|_| "it is not for the plan as it is now: read the new one and approve its hash".to_owned());
    let mut exit = Exit::of(told.report.consistent);
    if (reset_undone || approval_unused.is_some()) && exit == Exit::Fine {
        exit = Exit::Findings;
    }
    exit = with_token(exit, explained.as_ref());
    if unlooked && exit == Exit::Fine {
        exit = Exit::CouldNotTell;
    }
    let look = PageStyle::of_stdout();
    if let Some(document) = settings.format.document(&told.report)? {
        let mut said = Output::new(document, exit);
        for why in told.unknown.iter().chain(&approval_unused) {
            said = said.remark(format!("auth-consistency: {why}"));
        }
        return Ok(said.unread(unread));
    }
    let found = if told.report.consistent.is_some() { "found" } else { "last found" };
    let heading = Heading {
        from: format!("as the operator {found} it"),
        above: explained.as_ref().map(|token| token.chain(look)),
        ..Heading::default()
    };
    let new = status.history.iter().filter(|repair| !before.history.contains(repair));
    let closing = Closing {
        asked,
        token: explained.as_ref().map(Explained::sentences),
        again: &settings.place.again,
        observes: resource.spec.mode == Mode::Observe,
        by_operator: true,
        suspended: resource.spec.suspend,
        unknown: told.unknown,
        repaired: new
            .map(|repair| {
                format!(
                    "{} of {}, {}, run {}",
                    repair.action,
                    repair.object,
                    count(repair.rows, "row"),
                    repair.run
                )
            })
            .collect(),
        approval_unused,
        reset_undone,
        // Its status says in a finding how a reset is asked for, where it would do one.
        reset_offer: None,
    };
    Ok(Output::new(show::report(&told.report, &heading, &closing, look), exit).unread(unread))
}
