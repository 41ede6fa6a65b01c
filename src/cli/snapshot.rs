//! `snapshot`: writes down whom ids name, before a migration; and the file again, for `check --against`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    said::{Exit, Failure, Said},
    target::{self, TargetFlags, Variables},
};
use crate::{
    domain::{
        identities::{
            list::{Identities, LoginKey, MAX_FIELD},
            snapshot::{Keyed, LongLogins, Snapshot},
        },
        text::{self, clip, number, sample},
    },
    pass,
};

/// Variable that holds the passphrase.
const PASSPHRASE: &str = "AUTH_CONSISTENCY_SNAPSHOT_PASSPHRASE";

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

/// Where the passphrase comes from: never from an argument.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct PassphraseFlags {
    /// File with the passphrase that logins are keyed by, instead of the variable
    /// AUTH_CONSISTENCY_SNAPSHOT_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseFlags {
    /// The passphrase, where there is one.
    ///
    /// # Errors
    /// It cannot be read, or is empty.
    fn read(&self, variables: Variables<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let (mut bytes, from) = match &self.passphrase_file {
            Some(file) => (target::read_secret(file)?, file.display().to_string()),
            None => match variables(PASSPHRASE) {
                Some(value) => (Zeroizing::new(value.into_encoded_bytes()), PASSPHRASE.to_owned()),
                None => return Ok(None),
            },
        };
        // One line break is how editors and `echo` end a file.
        for end in [b'\n', b'\r'] {
            if bytes.last() == Some(&end) {
                bytes.pop();
            }
        }
        if bytes.is_empty() {
            return Err(Failure::Usage(format!("{from} holds no passphrase: fill it, or leave it out")));
        }
        Ok(Some(bytes))
    }
}

impl PassphraseFlags {
    /// The key that digests of logins were made with.
    ///
    /// # Errors
    /// There is no passphrase, or it is another one.
    pub(super) fn key(&self, keyed: &Keyed, variables: Variables<'_>) -> Result<LoginKey, Failure> {
        let Some(passphrase) = self.read(variables)? else {
            return Err(Failure::Usage(format!(
                "the logins of the snapshot are keyed: set {PASSPHRASE}, or give --passphrase-file"
            )));
        };
        let salt =
            keyed.salt_bytes().ok_or_else(|| Failure::Usage("the snapshot's salt is no salt".into()))?;
        let key = LoginKey::derive(&passphrase, &salt).map_err(Failure::Usage)?;
        if key.check() != keyed.check {
            return Err(Failure::Usage(
                "the passphrase is not the one that the snapshot was taken with".into(),
            ));
        }
        Ok(key)
    }
}

/// A file that says whom old ids named.
#[derive(Clone, Debug)]
pub(super) struct Against {
    /// A snapshot, or CSV.
    pub file: PathBuf,
    /// Where the passphrase comes from.
    pub passphrase: PassphraseFlags,
}

impl Against {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is not what it should be.
    pub(super) fn read(&self, variables: Variables<'_>) -> Result<Identities, Failure> {
        let (text, name) = target::read(&self.file)?;
        let passphrase = if Snapshot::is_keyed(&text) { self.passphrase.read(variables)? } else { None };
        Identities::parse(&text, name, passphrase.as_ref().map(|bytes| bytes.as_slice()))
            .map_err(Failure::Usage)
    }
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
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Said, Failure> {
    let passphrase = flags.passphrase.read(variables)?;
    let salt: [u8; 16] = rand::random();
    let key = match &passphrase {
        Some(passphrase) => Some(LoginKey::derive(passphrase, &salt).map_err(Failure::Usage)?),
        None => None,
    };
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let keyed = key.as_ref().map(|key| (key, Keyed::new(&salt, key.check())));
    let snapshot = pass::snapshot(&target, &place.policy(), keyed, Timestamp::now()).await?;
    let text = snapshot
        .write()
        .map_err(|error| Failure::CouldNotTell(format!("the snapshot cannot be written: {error}")))?;
    let bytes = text.len();
    let mut said = Said::new(text, Exit::Fine);
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
