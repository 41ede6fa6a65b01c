//! The command line: one file per command. Raw flags become settings, settings an answer; this room
//! prints and never decides.
//!
//! `target` says what to work on, `engine` runs the pass here and `operator` asks for one in a
//! cluster; `answer` shows the report of either; `show` has tables and the closing paragraph.

mod accept;
mod called;
mod check;
mod compare;
mod completions;
mod crd;
mod discover;
mod explain;
mod grants;
mod init;
mod key;
mod operator;
mod output;
mod pass_command;
mod pass_run;
mod passphrase;
mod plan;
mod preflight;
mod progress_bar;
mod quarantine;
mod repair;
mod reset;
mod restore;
mod run;
mod session_reset;
mod show;
mod snapshot;
mod target;
mod token;
mod verify;
mod words;

use std::ffi::OsString;

use clap::{Parser, Subcommand, error::ErrorKind};

pub use output::{Exit, Output};

use crate::api::report::ConsistencyReport;
use output::CliError;

/// A report as `check` prints it for people.
pub fn page(report: &ConsistencyReport) -> String {
    let closing = show::Closing {
        asked: show::Verb::Check,
        token: None,
        again: &target::RerunHint::default(),
        observes: false,
        by_operator: false,
        suspended: false,
        repaired: report.repaired.iter().map(|step| step.message.clone()).collect(),
        unknown: Vec::new(),
        approval_unused: None,
        reset_undone: false,
        reset_offer: None,
    };
    show::report(report, &show::Heading::default(), &closing, show::PageStyle { width: 100, colour: false })
}

/// Keeps accounts, the references to them and the tokens that name them consistent.
#[derive(Parser, Debug)]
#[command(
    name = "auth-consistency",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 consistent, 2 findings, 1 could not tell, 64 wrong usage.\n\
                  Secrets come from the environment, a file or standard input, never from a flag's value."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Propose a resource for an app, from its database and the names of its Secrets; writes nothing to the database
    Init(Box<init::Flags>),
    /// Say what is wrong; changes nothing
    Check(check::Flags),
    /// Say what a repair would do, with counts; changes nothing
    Plan(plan::Flags),
    /// Write the admin's password and columns now, or create the admin
    Reset(reset::Flags),
    /// Mint a token, verify it, look its subject up, ask the app; changes nothing
    Verify(verify::Flags),
    /// Repair what needs no approval, and with --approve what does
    Repair(repair::Flags),
    /// List the repairs that were made, or put the rows of one back
    Restore(restore::Flags),
    /// See, put back or drop what repairs took or changed
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    /// Look for columns that name users although no foreign key says so; changes nothing
    Discover(discover::Flags),
    /// Write down whom ids name, before a migration
    Snapshot(snapshot::Flags),
    /// Say what differs between two environments; changes nothing
    Compare(compare::Flags),
    /// Say what a migration would break, before it; changes nothing
    Preflight(preflight::Flags),
    /// Print the SQL that gives the database role what it needs
    Grants(grants::Flags),
    /// Mint, read or explain a token
    #[command(subcommand)]
    Token(token::Command),
    /// Look at the signing key
    #[command(subcommand)]
    Key(key::Command),
    /// Print the page that explains a reason, as messages name it
    Explain(explain::Flags),
    /// Print the CustomResourceDefinition
    Crd(crd::Flags),
    /// Write the session-reset page as files, for a web server of the app's own
    SessionResetPage(session_reset::Flags),
    /// Print a completion script for a shell
    Completions(completions::Flags),
    /// Run the operator
    Run(Box<run::Flags>),
}

/// Parses the arguments, runs the command and returns what it says.
pub async fn main(arguments: impl IntoIterator<Item = OsString>) -> Output {
    // Whatever the file is called, help and hints call the program by its name.
    let arguments = std::iter::once(OsString::from(called::program())).chain(arguments.into_iter().skip(1));
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    dispatch(cli.command).await.unwrap_or_else(|failure| failure.said())
}

async fn dispatch(command: Command) -> Result<Output, CliError> {
    let variables: target::Variables<'_> = &target::process_variables;
    // Each on the heap: together they would take more of the stack than a thread may have.
    match command {
        Command::Init(flags) => Box::pin(init::run(*flags, variables)).await,
        Command::Check(flags) => Box::pin(check::run(flags, variables)).await,
        Command::Plan(flags) => Box::pin(plan::run(flags, variables)).await,
        Command::Reset(flags) => Box::pin(reset::run(flags, variables)).await,
        Command::Verify(flags) => Box::pin(verify::run(flags, variables)).await,
        Command::Repair(flags) => Box::pin(repair::run(flags, variables)).await,
        Command::Restore(flags) => Box::pin(restore::run(flags, variables)).await,
        Command::Quarantine(command) => Box::pin(quarantine::run(command, variables)).await,
        Command::Discover(flags) => Box::pin(discover::run(flags, variables)).await,
        Command::Snapshot(flags) => Box::pin(snapshot::run(flags, variables)).await,
        Command::Compare(flags) => Box::pin(compare::run(flags, variables)).await,
        Command::Preflight(flags) => Box::pin(preflight::run(flags, variables)).await,
        Command::Grants(flags) => Box::pin(grants::run(flags, variables)).await,
        Command::Token(command) => Box::pin(token::run(command, variables)).await,
        Command::Key(command) => Box::pin(key::run(command, variables)).await,
        Command::Explain(flags) => Ok(explain::run(&flags)),
        Command::Crd(flags) => crd::run(&flags),
        Command::SessionResetPage(flags) => session_reset::run(flags),
        Command::Completions(flags) => Ok(completions::run(&flags)),
        Command::Run(flags) => Box::pin(run::run(*flags)).await,
    }
}

/// Help and version are answers; everything else is wrong usage.
fn usage(error: &clap::Error) -> Output {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Output::new(text, Exit::Fine),
        _ => Output::new("", Exit::Usage).help(text),
    }
}

#[cfg(test)]
mod tests;
