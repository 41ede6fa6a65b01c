//! What a command compares with: a resource, a snapshot, or a sealed one with its passphrase.

use std::path::PathBuf;

use crate::{
    cli::{
        output::CliError,
        passphrase::PassphraseFlags,
        target::{self, Variables},
    },
    domain::identities::{list::Identities, snapshot::Snapshot},
};

/// A file that says whom old ids named.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Against {
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
    pub(super) fn read(&self, variables: Variables<'_>) -> Result<Identities, CliError> {
        let (text, name) = target::read(&self.file)?;
        let passphrase = if Snapshot::is_keyed(&text) { self.passphrase.read(variables)? } else { None };
        Identities::parse(&text, name, passphrase.as_ref().map(|bytes| bytes.as_slice()))
            .map_err(CliError::Usage)
    }
}
