//! `snapshot`: writes down whom ids name, before a migration; and the file again, for `check --against`.

use crate::{
    cli::passphrase::{PASSPHRASE, PassphraseFlags},
    domain::{
        identities::{
            list::{LoginKey, MAX_FIELD},
            snapshot::{Keyed, LongLogins},
        },
        text::{self, clip, number, sample},
    },
    pass,
};

use clap::Args;
use jiff::Timestamp;

use super::{
    output::{CliError, Exit, Output},
    target::{TargetFlags, Variables},
};

/// What a ConfigMap holds at most.
const CONFIG_MAP_BYTES: usize = 1 << 20;

/// Flags of `snapshot`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Without a passphrase logins stand in the snapshot as they are.")]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// That logins were left out, and what it means.
fn left_out(long: &LongLogins) -> String {
    let count = i64::try_from(long.count).unwrap_or(i64::MAX);
    let ids: Vec<String> = long.sample.iter().map(|id| clip(id, 64)).collect();
    format!(
        "auth-consistency: the snapshot has no login of {} (id {}), since it has more than {} bytes: rows that name one are given back to nobody by it, so give such an account a shorter login and take it anew",
        text::count(count, "account"),
        sample(&ids, count),
        number(MAX_FIELD as i64)
    )
}

/// Runs the command.
///
/// # Errors
/// There is no target, the passphrase is no use, or the database cannot be asked.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let passphrase = flags.passphrase.read(variables)?;
    let salt: [u8; 16] = rand::random();
    let key = match &passphrase {
        Some(passphrase) => Some(LoginKey::derive(passphrase, &salt).map_err(CliError::Usage)?),
        None => None,
    };
    let place = flags.target.place();
    let target = place.target_before(variables).await?;
    let keyed = key.as_ref().map(|key| (key, Keyed::new(&salt, key.check())));
    let snapshot = pass::snapshot(&target, &place.policy(), keyed, Timestamp::now()).await?;
    let text = snapshot
        .write()
        .map_err(|error| CliError::CouldNotTell(format!("the snapshot cannot be written: {error}")))?;
    let bytes = text.len();
    let mut said = Output::new(text, Exit::Fine);
    if key.is_none() {
        said = said.remark(format!(
            "auth-consistency: the snapshot holds the logins of {} people as they are, which is personal data: keep it as such, or set {PASSPHRASE}",
            number(snapshot.people.len() as i64)
        ));
    }
    if let Some(long) = &snapshot.long_logins {
        said = said.remark(left_out(long));
    }
    if bytes > CONFIG_MAP_BYTES {
        said = said.remark(format!(
            "auth-consistency: the snapshot has {} bytes, and a ConfigMap holds {} at most: for a resource, keep a copy of the user table and name it in spec.references.identities.table",
            number(bytes as i64),
            number(CONFIG_MAP_BYTES as i64)
        ));
    }
    Ok(said)
}
