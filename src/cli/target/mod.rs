//! What a command works on: a file, the environment alone, or a resource in a cluster.
//!
//! Flags become a [`TargetSource`], and a place is loaded into a spec and its Secrets. Whatever the place,
//! they are parsed by the same `Target::parse` as the controller's.

pub mod against;
mod cluster;
mod elsewhere;
mod environment;
mod file;
mod schema;
mod secret_names;

use crate::{
    api::{
        AuthConsistencySpec, AuthConsistencyStatus,
        shared::ColumnCondition,
        spec::{Algorithm, IdentitiesSpec, IdentityTable, OnOrphan},
        status::SigningKeyStatus,
    },
    cli::target::against::Against,
    domain::{
        identities::list::ConfigMaps,
        request::Asking,
        target::{IdentitySource, ResourceIdentity, Target, secrets::Secrets},
    },
    engine::hints,
    network::{self, HostPolicy, ResolveEntry},
    tokens::{KeySet, SigningKey, TokenShape},
};

use std::{fmt::Write as _, io::Read as _, path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};

pub(super) use cluster::{Cluster, Named};
pub(super) use elsewhere::Elsewhere;
pub(super) use environment::{Variables, process as process_variables, unencrypted};

use super::output::CliError;

/// The flags that say what to work on.
#[derive(Args, Clone, Debug, Default)]
#[command(
    next_help_heading = "What to look at",
    after_help = "Without -f FILE and without NAME the environment says what to look at: DATABASE_URL, and\n\
                  where there are any JWT_SECRET, JWT_ALGORITHM, JWT_KEY_ID, ADMIN_EMAIL and ADMIN_PASSWORD."
)]
pub(super) struct TargetFlags {
    /// Name of a resource in a cluster
    #[arg(value_name = "NAME", conflicts_with = "file")]
    pub name: Option<String>,
    /// File with the resource and its Secrets; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Namespace of the resource in the cluster
    #[arg(short, long, value_name = "NAMESPACE", requires = "name")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "CONTEXT", requires = "name")]
    pub context: Option<String>,
    /// Kubeconfig file
    #[arg(long, value_name = "FILE", requires = "name")]
    pub kubeconfig: Option<PathBuf>,
    /// Address of a host, instead of asking DNS
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolve)]
    pub resolve: Vec<(String, ResolveEntry)>,
    /// With the environment alone: what to do with rows that name nobody
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["file", "name"])]
    pub on_orphan: Option<OrphanChoice>,
    /// With the environment alone: what makes the account an admin, for example role=admin
    #[arg(long, value_name = "COLUMN=VALUE", conflicts_with_all = ["file", "name"], value_parser = column)]
    pub admin_column: Vec<ColumnCondition>,
}

/// Whose keys a key or a token is compared with.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct ElsewhereFlags {
    /// Compare with the keys of resources in all namespaces, not only in that of NAME
    #[arg(short = 'A', long, requires = "name")]
    all_namespaces: bool,
}

/// What to do with rows that name nobody.
#[derive(ValueEnum, Clone, Copy, Debug)]
pub(super) enum OrphanChoice {
    /// Only report
    Report,
    /// Give the rows to the admin
    Reassign,
    /// Set the reference to NULL
    SetNull,
    /// Delete the rows, after copying them to quarantine
    Delete,
}

impl From<OrphanChoice> for OnOrphan {
    fn from(choice: OrphanChoice) -> Self {
        match choice {
            OrphanChoice::Report => Self::Report,
            OrphanChoice::Reassign => Self::Reassign,
            OrphanChoice::SetNull => Self::SetNull,
            OrphanChoice::Delete => Self::Delete,
        }
    }
}

/// The entry, and how it was written.
pub(super) fn resolve(text: &str) -> Result<(String, ResolveEntry), network::FlagInvalid> {
    Ok((text.to_owned(), text.parse()?))
}

fn column(text: &str) -> Result<ColumnCondition, String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => {
            Ok(ColumnCondition { column: column.into(), equals: Some(value.into()), is_null: None })
        }
        _ => Err("write COLUMN=VALUE, for example role=admin".into()),
    }
}

/// Where a resource comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A file; `-` is standard input.
    File(PathBuf),
    /// The app's own variables.
    Environment(environment::Choices),
    /// A resource in a cluster.
    Cluster(Named),
}

/// Where a resource comes from and how hosts are found.
#[derive(Clone, Debug)]
pub(super) struct TargetSource {
    /// Where the resource comes from.
    pub source: Source,
    /// How a person says the same again.
    pub again: RerunHint,
    /// A file that says whom old ids named, in place of what the resource says.
    pub against: Option<Against>,
    resolve: Vec<ResolveEntry>,
}

/// What commands that a person may run next begin and end with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RerunHint {
    /// `auth-consistency`, or `kubectl auth-consistency`.
    pub program: &'static str,
    /// The flags of the target, each with a space before it.
    pub tail: String,
}

impl RerunHint {
    /// A whole command, in backquotes.
    pub(super) fn command(&self, what: &str) -> String {
        format!("`{} {what}{}`", self.program, self.tail)
    }

    /// A whole command that always works from here, and knows no `--direct`.
    pub(super) fn command_here(&self, what: &str) -> String {
        format!("`{} {what}{}`", self.program, self.tail.trim_end_matches(" --direct"))
    }
}

/// A resource and the Secrets that it names, before they are parsed.
pub(super) struct Loaded {
    /// What the resource says.
    pub spec: AuthConsistencySpec,
    /// Which resource it is.
    pub resource: ResourceIdentity,
    /// The Secrets that it names.
    pub secrets: Secrets,
    /// The ConfigMaps that it names.
    pub config_maps: ConfigMaps,
}

/// The signing key with those beside it and the shape of its tokens, and the target where there is one.
pub(super) struct Signer {
    /// The keys.
    pub keys: KeySet,
    /// What tokens look like.
    pub shape: TokenShape,
    /// Where subjects are looked up; `None` where only the key is known.
    pub target: Option<Target>,
    /// Keys of other resources, with what messages call them; none unless they were read.
    pub elsewhere: Vec<(String, SigningKey)>,
}

impl Signer {
    /// What signs the tokens of a target; `None` where it has none.
    pub(super) fn of(target: Target) -> Option<Self> {
        let jwt = target.jwt.as_ref()?;
        let keys = |called: &[(String, SigningKey)]| called.iter().map(|(_, key)| key.clone()).collect();
        let keys = KeySet {
            current: jwt.key.clone(),
            previous: keys(&jwt.previous),
            standby: keys(&jwt.standby),
            revoked: keys(&jwt.revoked),
            by_id: jwt.by_id,
        };
        Some(Self { keys, shape: jwt.shape.clone(), target: Some(target), elsewhere: Vec::new() })
    }
}

impl TargetFlags {
    /// Whether standard input holds the resource.
    pub(super) fn reads_stdin(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.as_os_str() == "-")
    }

    /// Flags to settings.
    pub(super) fn place(self) -> TargetSource {
        let mut tail = String::new();
        let mut add = |text: &str| {
            let _ = write!(tail, " {}", quoted(text));
        };
        if let Some(file) = &self.file {
            add("-f");
            add(&file.to_string_lossy());
        }
        for (flag, value) in [("-n", &self.namespace), ("--context", &self.context)] {
            if let Some(value) = value {
                add(flag);
                add(value);
            }
        }
        if let Some(file) = &self.kubeconfig {
            add("--kubeconfig");
            add(&file.to_string_lossy());
        }
        for (text, _) in &self.resolve {
            add("--resolve");
            add(text);
        }
        if let Some(choice) = self.on_orphan {
            add("--on-orphan");
            add(choice.to_possible_value().as_ref().map_or("", |value| value.get_name()));
        }
        for one in &self.admin_column {
            add("--admin-column");
            add(&format!("{}={}", one.column, one.equals.as_deref().unwrap_or_default()));
        }
        if let Some(name) = &self.name {
            add(name);
        }
        let resolve = self.resolve.into_iter().map(|(_, entry)| entry).collect();
        let source = match (self.file, self.name) {
            (Some(file), _) => Source::File(file),
            (None, Some(name)) => Source::Cluster(Named {
                name,
                namespace: self.namespace,
                context: self.context,
                kubeconfig: self.kubeconfig,
            }),
            (None, None) => Source::Environment(environment::Choices {
                on_orphan: self.on_orphan.map(Into::into).unwrap_or_default(),
                admin_columns: self.admin_column,
            }),
        };
        TargetSource {
            source,
            again: RerunHint { program: crate::cli::called::program(), tail },
            against: None,
            resolve,
        }
    }
}

/// Any table: it is replaced by the list that was read before anything looks at it.
fn instead_of_identities() -> IdentitiesSpec {
    let name = || "against".to_owned();
    let table = IdentityTable { schema: None, table: name(), id_column: name(), login_column: name() };
    IdentitiesSpec { config_map_ref: None, table: Some(table), database: None, passphrase_secret_ref: None }
}

impl TargetSource {
    /// A person's own rights: any host that they could reach anyway.
    pub(super) fn policy(&self) -> HostPolicy {
        HostPolicy::unrestricted(self.resolve.clone())
    }

    /// The resource and its Secrets.
    ///
    /// # Errors
    /// They cannot be read, or are not what they should be.
    pub(super) async fn load(&self, variables: Variables<'_>) -> Result<Loaded, CliError> {
        match &self.source {
            Source::File(file) => {
                let (text, name) = read(file)?;
                file::load(&text, &name)
            }
            Source::Environment(choices) => environment::load(variables, choices),
            Source::Cluster(named) => Cluster::connect(named).await?.load().await,
        }
    }

    /// The target.
    ///
    /// # Errors
    /// As [`Self::load`], or they make no target.
    pub(super) async fn target(&self, variables: Variables<'_>) -> Result<Target, CliError> {
        let loaded = self.load(variables).await?;
        self.parsed(loaded, variables)
    }

    /// The target for what makes a list of people: the spec may ask for one that is not there yet.
    ///
    /// # Errors
    /// As [`Self::target`].
    pub(super) async fn target_before(&self, variables: Variables<'_>) -> Result<Target, CliError> {
        let mut loaded = self.load(variables).await?;
        let named = loaded.spec.references.identities.is_some();
        loaded.spec.references.identities.get_or_insert_with(instead_of_identities);
        let mut target = self.parsed(loaded, variables)?;
        target.references.identities = target.references.identities.filter(|_| named);
        Ok(target)
    }

    fn parsed(&self, mut loaded: Loaded, variables: Variables<'_>) -> Result<Target, CliError> {
        if self.against.is_some() {
            // The file that was given stands in for what the spec names, or does not name yet.
            loaded.spec.references.identities = Some(instead_of_identities());
        }
        let parsed =
            Target::parse_with(&loaded.spec, loaded.resource, &loaded.secrets, &loaded.config_maps, hints());
        let mut target = parsed.map_err(|errors| {
            let messages: Vec<String> = errors.iter().map(|error| self.plain(&error.message)).collect();
            let message = messages.join("; ");
            // What a person gave is theirs to correct; what a cluster holds may still come.
            match self.source {
                Source::Cluster(_) => CliError::CouldNotTell(message),
                Source::File(_) | Source::Environment(_) => CliError::Usage(message),
            }
        })?;
        if let Some(against) = &self.against {
            let identities = against.read(variables)?;
            identities.of(&target.users).map_err(CliError::Usage)?;
            target.references.identities = Some(IdentitySource::List(Arc::new(identities)));
        }
        let RerunHint { program, tail } = &self.again;
        target.asking = Asking::Command { program: (*program).to_owned(), tail: tail.clone() };
        Ok(target)
    }

    /// The signing key, with the target where there is one.
    ///
    /// # Errors
    /// As [`Self::target`], or there is no key.
    pub(super) async fn signer(&self, variables: Variables<'_>) -> Result<Signer, CliError> {
        if matches!(self.source, Source::Environment(_)) && variables("DATABASE_URL").is_none() {
            let (keys, shape) = environment::signer(variables)?.ok_or_else(|| {
                CliError::Usage("there is no signing key: give -f FILE or NAME, or set JWT_SECRET".into())
            })?;
            return Ok(Signer { keys, shape, target: None, elsewhere: Vec::new() });
        }
        Signer::of(self.target(variables).await?).ok_or_else(|| self.keyless())
    }

    /// The status of the resource in a cluster; `None` where there is no cluster, or it has none.
    pub(super) async fn status_before(&self) -> Option<AuthConsistencyStatus> {
        let Source::Cluster(named) = &self.source else { return None };
        Cluster::connect(named).await.ok()?.get().await.ok()?.status
    }

    /// What that status remembers of the signing key.
    pub(super) async fn key_before(&self) -> Option<SigningKeyStatus> {
        self.status_before().await?.signing_key
    }

    /// The signing keys of the other resources in the cluster; `None` where there is no cluster.
    pub(super) async fn elsewhere(&self, flags: ElsewhereFlags) -> Option<Elsewhere> {
        let Source::Cluster(named) = &self.source else { return None };
        Some(Cluster::connect(named).await.ok()?.elsewhere(flags.all_namespaces).await)
    }

    /// There is no key to hold a token against.
    pub(super) fn keyless(&self) -> CliError {
        CliError::Usage(match self.source {
            Source::Environment(_) => "there is no signing key: set JWT_SECRET".into(),
            _ => "the resource names no signing key: set spec.jwt".into(),
        })
    }

    /// A message in the words of what the person gave.
    pub(super) fn plain(&self, message: &str) -> String {
        match self.source {
            Source::Environment(_) => environment::plain(message),
            _ => message.to_owned(),
        }
    }

    /// Where the resource comes from, for the first line of a report.
    pub(super) fn from(&self) -> &'static str {
        match self.source {
            Source::File(_) => "from a file",
            Source::Environment(_) => "from the environment",
            Source::Cluster(_) => "from the cluster",
        }
    }
}

/// The shape of tokens where only a key is given.
///
/// # Errors
/// `JWT_ALGORITHM` makes no sense.
pub(super) fn algorithm(variables: Variables<'_>) -> Result<Algorithm, CliError> {
    environment::algorithm(variables)
}

/// The key id of the current one where only keys are given.
///
/// # Errors
/// `JWT_KEY_ID` makes no sense.
pub(super) fn key_id(variables: Variables<'_>) -> Result<Option<String>, CliError> {
    environment::key_id(variables)
}

/// The largest file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// A file's text, and how messages call it; `-` is standard input.
///
/// # Errors
/// It cannot be read, or is no text.
pub(super) fn read(file: &std::path::Path) -> Result<(String, String), CliError> {
    let (bytes, name) = if file.as_os_str() == "-" {
        (bytes(std::io::stdin().lock()), "standard input".to_owned())
    } else {
        let name = file.display().to_string();
        (std::fs::File::open(file).and_then(bytes), name)
    };
    let bytes = bytes.map_err(|error| CliError::Usage(format!("{name} cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        CliError::Usage(format!("{name} is not UTF-8 text: save it as such (PowerShell's > writes UTF-16)"))
    })?;
    Ok((text, name))
}

/// Reads to the end, as far as is sensible.
fn bytes(reader: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        // What was cut off would be missed by nobody.
        let why = format!("it holds more than {} MiB", MAX_BYTES >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// A secret from a file, or from standard input for `-`: exactly its bytes.
///
/// # Errors
/// It cannot be read.
pub(super) fn read_secret(file: &std::path::Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CliError> {
    let read = if file.as_os_str() == "-" {
        bytes(std::io::stdin().lock())
    } else {
        std::fs::File::open(file).and_then(bytes)
    };
    read.map(zeroize::Zeroizing::new)
        .map_err(|error| CliError::Usage(format!("{} cannot be read: {error}", file.display())))
}

/// An argument as a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_repeats_the_flags_as_a_shell_takes_them() {
        let flags = TargetFlags { file: Some("my file.yaml".into()), ..TargetFlags::default() };
        assert_eq!(flags.place().again.tail, " -f 'my file.yaml'");
        let flags = TargetFlags {
            name: Some("probeops".into()),
            namespace: Some("apps".into()),
            ..TargetFlags::default()
        };
        assert_eq!(flags.place().again.tail, " -n apps probeops");
        let flags = TargetFlags {
            on_orphan: Some(OrphanChoice::SetNull),
            admin_column: vec![column("role=it's").unwrap()],
            ..TargetFlags::default()
        };
        assert_eq!(flags.place().again.tail, r" --on-orphan set-null --admin-column 'role=it'\''s'");
    }
}
