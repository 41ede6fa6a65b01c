//! The passphrase that logins of a snapshot are keyed by.

use super::{output::CliError, target::Variables};
use crate::{
    cli::target,
    domain::identities::{list::LoginKey, snapshot::Keyed},
};
use clap::Args;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Variable that holds the passphrase.
pub(super) const PASSPHRASE: &str = "AUTH_CONSISTENCY_SNAPSHOT_PASSPHRASE";

/// Where the passphrase comes from: never from an argument.
#[derive(Args, Clone, Debug, Default)]
pub(in crate::cli) struct PassphraseFlags {
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
    pub(in crate::cli) fn read(
        &self,
        variables: Variables<'_>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, CliError> {
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
            return Err(CliError::Usage(format!("{from} holds no passphrase: fill it, or leave it out")));
        }
        Ok(Some(bytes))
    }
}

impl PassphraseFlags {
    /// The key that digests of logins were made with.
    ///
    /// # Errors
    /// There is no passphrase, or it is another one.
    pub(in crate::cli) fn key(&self, keyed: &Keyed, variables: Variables<'_>) -> Result<LoginKey, CliError> {
        let Some(passphrase) = self.read(variables)? else {
            return Err(CliError::Usage(format!(
                "the logins of the snapshot are keyed: set {PASSPHRASE}, or give --passphrase-file"
            )));
        };
        let salt =
            keyed.salt_bytes().ok_or_else(|| CliError::Usage("the snapshot's salt is no salt".into()))?;
        let key = LoginKey::derive(&passphrase, &salt).map_err(CliError::Usage)?;
        if key.check() != keyed.check {
            return Err(CliError::Usage(
                "the passphrase is not the one that the snapshot was taken with".into(),
            ));
        }
        Ok(key)
    }
}
