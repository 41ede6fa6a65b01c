//! `token mint`: a token as the app would mint it.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use crate::{
    cli::{
        output::{CliError, Exit, Output},
        target::{TargetFlags, Variables},
    },
    domain::{parse::duration, target::Target},
    network::HostPolicy,
    pass, tokens,
};

/// Flags of `token mint`.
#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    /// Whom the token names; the admin's subject when left out
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// How long the token lives
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
    lifetime: Duration,
}

/// Runs the command.
///
/// # Errors
/// There is no key, no subject, or the subject does not fit.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let signer = place.signer(variables).await?;
    let subject = match (flags.subject, &signer.target) {
        (Some(subject), _) => subject,
        (None, Some(target)) => admin_subject(target, &place.policy()).await?,
        (None, None) => {
            return Err(CliError::Usage(
                "there is nobody to mint a token for: give --subject, or set DATABASE_URL and ADMIN_EMAIL"
                    .into(),
            ));
        }
    };
    let token = tokens::mint(&signer.keys.current, &signer.shape, &subject, Timestamp::now(), flags.lifetime)
        .map_err(|error| CliError::Usage(format!("no token was minted: {error}")))?;
    Ok(Output::new(token.expose_secret(), Exit::Fine))
}

/// The subject that the admin's tokens carry.
async fn admin_subject(target: &Target, policy: &HostPolicy) -> Result<String, CliError> {
    let Some(admin) = &target.admin else {
        return Err(CliError::Usage(
            "there is nobody to mint a token for: give --subject, or name an admin in the resource".into(),
        ));
    };
    let Some(account) = pass::admin_account(target, policy).await? else {
        return Err(CliError::CouldNotTell(format!(
            "there is no account {:?}: `auth-consistency check` says more, --subject names somebody else",
            admin.login
        )));
    };
    account.subject.ok_or_else(|| {
        CliError::CouldNotTell(format!("the subject of {:?} is NULL: give --subject", admin.login))
    })
}
