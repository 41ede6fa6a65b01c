//! `init`: proposes a resource for an app, from its database and from the names of its Secrets.

mod page;
mod questions;

use crate::{
    api::{shared::SecretKeyRef, spec::PasswordHash},
    cli::target::{
        Cluster, Named as Resource, TargetFlags, TargetSource, Variables, quoted, resolve, unencrypted,
    },
    domain::{
        advise::init::{
            choose::{self, Candidate, Choice},
            facts::DatabaseFacts,
            propose::{Chosen, Field, Proposal, Unfit, propose},
            secrets::{self, Purpose, SecretKeys},
        },
        target::{Target, users::Users},
        text::{clip, count, named, number},
    },
    network::ResolveEntry,
    pass,
};

use std::{ffi::OsString, io::Write, path::PathBuf};

use clap::Args;
use secrecy::ExposeSecret;

use super::output::{CliError, Exit, Output};

use page::{Content, Named};
use questions::{Answers, one_of, whoever};

/// Flags of `init`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "DATABASE_URL says which database is read; without it --database-secret does, with -n. Nothing is written to\n\
                  the database. At a terminal what is not told by flags is asked; a script is asked nothing, and where\n\
                  several tables could hold the accounts it ends with exit code 2 and lists them."
)]
pub(super) struct Flags {
    /// Write to this file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file where there is one
    #[arg(long, requires = "output")]
    force: bool,
    #[command(flatten)]
    about: About,
    #[command(flatten)]
    secrets: SecretFlags,
    /// Address of a host, instead of asking DNS
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolve)]
    resolve: Vec<(String, ResolveEntry)>,
}

/// What the person knows of the app.
#[derive(Args, Clone, Debug)]
struct About {
    /// Name of the resource; the database's when left out
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Table whose rows are the accounts
    #[arg(long, value_name = "[SCHEMA.]TABLE")]
    table: Option<String>,
    /// Column that tokens and references name
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// Column that people sign in with
    #[arg(long, value_name = "COLUMN")]
    login_column: Option<String>,
    /// Column that holds the password hash
    #[arg(long, value_name = "COLUMN")]
    password_column: Option<String>,
    /// Login of the account that must always exist
    #[arg(long, value_name = "LOGIN")]
    admin: Option<String>,
}

/// Where the Secrets are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Secrets")]
struct SecretFlags {
    /// Namespace of the app; its Secrets are looked through by the names of their keys
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "CONTEXT", requires = "namespace")]
    context: Option<String>,
    /// Kubeconfig file
    #[arg(long, value_name = "FILE", requires = "namespace")]
    kubeconfig: Option<PathBuf>,
    /// Secret key that holds the connection string
    #[arg(long, value_name = "NAME/KEY", value_parser = secret)]
    database_secret: Option<SecretKeyRef>,
    /// Secret key that holds the signing key
    #[arg(long, value_name = "NAME/KEY", value_parser = secret)]
    signing_key_secret: Option<SecretKeyRef>,
    /// Secret key that holds the admin's password
    #[arg(long, value_name = "NAME/KEY", value_parser = secret, requires = "admin")]
    admin_password_secret: Option<SecretKeyRef>,
}

fn secret(text: &str) -> Result<SecretKeyRef, String> {
    match text.split_once('/') {
        Some((name, key)) if !name.is_empty() && !key.is_empty() && !key.contains('/') => {
            Ok(SecretKeyRef { name: name.into(), key: key.into() })
        }
        _ => Err("write NAME/KEY, for example app/JWT_SECRET".into()),
    }
}

/// A table with what is said of the others, or the list that a script gets: that is no failure.
type Table<'f> = Result<(Candidate<'f>, Vec<String>), String>;

/// The cluster, `None` where no namespace was named, or why it cannot be asked.
type Asked = Result<Option<Cluster>, String>;

/// The Secrets of the namespace, or why they are not known.
type Names = Result<Vec<SecretKeys>, String>;

/// Runs the command.
///
/// # Errors
/// There is no database, it cannot be read, or the file is there already.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    proposed(flags, variables, &mut *whoever()).await
}

async fn proposed(
    flags: Flags,
    variables: Variables<'_>,
    answers: &mut (dyn Answers + Send),
) -> Result<Output, CliError> {
    if let Some(file) = flags.output.as_ref().filter(|file| !flags.force && file.exists()) {
        return Err(CliError::Usage(format!("{} is there already: --force overwrites it", file.display())));
    }
    let cluster = cluster(&flags.secrets).await;
    let names = names(&cluster).await;
    let (mut target, place) = target(&flags, variables, &cluster, &names).await?;
    let policy = place.policy();
    let found = pass::init(&target, &policy, flags.about.table.as_deref()).await?;
    let (candidate, others) = match chosen(&found, &flags.about, answers)? {
        Ok(chosen) => chosen,
        Err(list) => return Ok(Output::new("", Exit::Findings).help(list)),
    };
    let columns = Chosen {
        id: flags.about.id_column.clone(),
        login: flags.about.login_column.clone(),
        password: flags.about.password_column.clone(),
    };
    let proposal = propose(&found, &candidate, &columns).map_err(|unfit| refused(&candidate, &unfit))?;
    target.users = users(&proposal);
    let looked = pass::discover(&target, &policy).await;
    let suggestions = looked.as_ref().map(|(suggestions, _)| suggestions.as_slice());
    let unlooked = match (&candidate.facts.unread, &looked) {
        (Some(why), Err(_)) => {
            format!("no row of {} was read: {why}", named(&candidate.facts.shown()))
        }
        (None, Err(fault)) => fault.message.clone(),
        (_, Ok(_)) => String::new(),
    };

    let secrets = &flags.secrets;
    let connection = secret_for(Purpose::Database, secrets.database_secret.as_ref(), &names, answers);
    let admin = match &flags.about.admin {
        Some(login) => Some(login.clone()),
        None => answers
            .ask("Login of the account that must always exist (nothing: none): ")
            .filter(|login| !login.is_empty()),
    };
    let admin_password = match admin {
        Some(_) => {
            secret_for(Purpose::AdminPassword, secrets.admin_password_secret.as_ref(), &names, answers)
        }
        None => Named::Open("there is no admin".into()),
    };
    let signing_key = secret_for(Purpose::SigningKey, secrets.signing_key_secret.as_ref(), &names, answers);
    let database = target.database.connection.database.clone();
    let text = page::page(&Content {
        name: &flags.about.name.clone().unwrap_or_else(|| resource_name(&database)),
        namespace: flags.secrets.namespace.as_deref(),
        schema_in_string: target.database.connection.schema.is_some(),
        unencrypted: unencrypted(&target.database.connection),
        proposal: &proposal,
        others: &others,
        connection: &connection,
        signing_key: &signing_key,
        admin_password: &admin_password,
        admin: admin.as_deref(),
        suggestions: suggestions.map_err(|_| unlooked.as_str()),
    });
    written(&flags, text)
}

/// Where the resource goes.
fn written(flags: &Flags, text: String) -> Result<Output, CliError> {
    let Some(path) = &flags.output else { return Ok(Output::new(text, Exit::Fine)) };
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    // Somebody may have made it meanwhile.
    if flags.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let shown = path.display();
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CliError::CouldNotTell(format!("{shown} cannot be written: {error}")))?;
    Ok(Output::new("", Exit::Fine).remark(format!(
        "auth-consistency: {shown} is written: read it, put the Secrets that it names behind it as documents, and run `{} check -f {}`",
        crate::cli::called::program(),
        quoted(&path.to_string_lossy())
    )))
}

/// The cluster, where a namespace was named.
async fn cluster(flags: &SecretFlags) -> Asked {
    let Some(namespace) = &flags.namespace else { return Ok(None) };
    let named = Resource {
        name: String::new(),
        namespace: Some(namespace.clone()),
        context: flags.context.clone(),
        kubeconfig: flags.kubeconfig.clone(),
    };
    Cluster::connect(&named).await.map(Some).map_err(|error| error.to_string())
}

/// The names of the Secrets in it.
async fn names(cluster: &Asked) -> Names {
    let names = match cluster {
        Ok(Some(cluster)) => cluster.secret_names().await,
        Ok(None) => return Err("with -n NAMESPACE one is looked for by the names of its keys".into()),
        Err(why) => Err(why.clone()),
    };
    names.map_err(|why| format!("none was looked for: {why}"))
}

/// The database, as a target whose user table nobody knows yet.
async fn target(
    flags: &Flags,
    variables: Variables<'_>,
    cluster: &Asked,
    names: &Names,
) -> Result<(Target, TargetSource), CliError> {
    let given = variables("DATABASE_URL");
    let url: OsString = match (given, cluster, &flags.secrets.database_secret) {
        (Some(url), ..) => url,
        (None, Ok(Some(cluster)), Some(reference)) => {
            let value = cluster.secret_value(reference).await?;
            String::from_utf8(value.expose_secret().clone())
                .map_err(|_| {
                    CliError::Usage(format!(
                        "key {:?} of Secret {:?} is no text",
                        reference.key, reference.name
                    ))
                })?
                .into()
        }
        (None, Err(why), Some(reference)) => {
            return Err(CliError::CouldNotTell(format!("Secret {:?} cannot be read: {why}", reference.name)));
        }
        (None, ..) => return Err(no_database(flags.secrets.namespace.is_some(), names)),
    };
    let only = move |name: &str| (name == "DATABASE_URL").then(|| url.clone());
    let place = TargetFlags { resolve: flags.resolve.clone(), ..TargetFlags::default() }.place();
    let target = place.target(&only).await?;
    Ok((target, place))
}

/// Nobody said which database is meant.
fn no_database(asked: bool, names: &Names) -> CliError {
    let mut text = "there is no database to look at: set DATABASE_URL (postgresql://USER:PASSWORD@HOST:PORT/NAME), or give \
                    -n NAMESPACE and --database-secret NAME/KEY of the Secret that holds it"
        .to_owned();
    match names {
        Ok(secrets) => {
            let found = secrets::find(secrets, Purpose::Database);
            if !found.is_empty() {
                let shown: Vec<String> =
                    found.iter().map(|one| format!("{}/{}", one.name, one.key)).collect();
                text.push_str(&format!("; by the names of their keys: {}", clip(&shown.join(", "), 512)));
            }
        }
        Err(why) if asked => text.push_str(&format!("; {why}")),
        Err(_) => {}
    }
    CliError::Usage(text)
}

/// The table that is meant.
fn chosen<'f>(
    found: &'f DatabaseFacts,
    about: &About,
    answers: &mut (dyn Answers + Send),
) -> Result<Table<'f>, CliError> {
    if let Some(name) = &about.table {
        return match choose::named(found, name) {
            Ok(candidate) => Ok(Ok((candidate, Vec::new()))),
            Err(several) if several.is_empty() => Err(CliError::Usage(format!(
                "no table that could hold accounts is called {} (views, partitions, foreign tables and those of extensions \
                 are not looked at)",
                named(name)
            ))),
            Err(several) => Err(CliError::Usage(format!(
                "several tables are called {}: write --table {}",
                named(name),
                several.join(" or --table ")
            ))),
        };
    }
    match choose::choose(found) {
        Choice::One(candidate, others) => Ok(Ok((*candidate, others))),
        Choice::Several(candidates) => {
            let lines: Vec<String> = candidates.iter().map(Candidate::line).collect();
            let question = "Several tables could hold the accounts:";
            if let Some(at) = one_of(answers, question, &lines) {
                let rest = candidates.iter().enumerate().filter(|(other, _)| *other != at);
                let others =
                    rest.map(|(_, other)| format!("{}: another one was chosen", other.facts.shown()));
                let others = others.collect();
                let candidate = candidates.into_iter().nth(at);
                return candidate
                    .map(|candidate| Ok((candidate, others)))
                    .ok_or_else(|| CliError::CouldNotTell("no table was chosen".into()));
            }
            let flags = candidates.iter().zip(&lines).map(|(one, line)| {
                let name = format!("{}.{}", one.facts.schema, one.facts.table);
                format!("  --table {}\n    {line}", quoted(&name))
            });
            let flags: Vec<String> = flags.collect();
            Ok(Err(format!(
                "auth-consistency: several tables could hold the accounts, and nothing was written. Say which one is meant:\n{}",
                flags.join("\n")
            )))
        }
        Choice::Nothing => {
            let looked = i64::try_from(found.tables.len()).unwrap_or(i64::MAX);
            // Those without any column or foreign key that says so need no look.
            let bound = match looked {
                24.. if looked < found.all => {
                    format!(", as far as the {} likeliest go, which were looked at", number(looked))
                }
                _ => String::new(),
            };
            Ok(Err(format!(
                "auth-consistency: of {} in this database none looks like one of accounts{bound}: that has a key, and logins or \
                 passwords. Where one is, say --table [SCHEMA.]TABLE.",
                count(found.all, "table")
            )))
        }
    }
}

/// Why a table makes no resource.
fn refused(candidate: &Candidate<'_>, unfit: &Unfit) -> CliError {
    let table = candidate.facts.shown();
    CliError::Usage(match unfit {
        Unfit::NoKey => format!(
            "no column of {} tells its rows apart, since it has no primary or unique key of one column: say --id-column COLUMN",
            named(&table)
        ),
        Unfit::NoColumn { column, there } => format!(
            "{} has no column {}; it has {}",
            named(&table),
            named(column),
            clip(&there.join(", "), 512)
        ),
    })
}

/// The Secret for a purpose: the flag's, the only one that is called so, or what a person says.
fn secret_for(
    purpose: Purpose,
    flag: Option<&SecretKeyRef>,
    names: &Names,
    answers: &mut (dyn Answers + Send),
) -> Named {
    if let Some(flag) = flag {
        return Named::This(flag.clone(), "as it was named".into());
    }
    let found = names.as_ref().map(|secrets| secrets::find(secrets, purpose)).unwrap_or_default();
    if let [one] = found.as_slice() {
        let why = format!(
            "by the name of the key; no other Secret of the namespace has one that says as much of {}",
            purpose.words()
        );
        return Named::This(one.clone(), why);
    }
    let shown: Vec<String> = found.iter().map(|one| format!("{}/{}", one.name, one.key)).collect();
    let question = match shown.as_slice() {
        [] => format!("Secret that holds {}, as NAME/KEY (nothing: none, or later): ", purpose.words()),
        some => format!(
            "Secret that holds {}, as NAME/KEY, perhaps {} (nothing: none, or later): ",
            purpose.words(),
            some.join(" or ")
        ),
    };
    for _ in 0..3 {
        match answers.ask(&question) {
            Some(answer) if !answer.is_empty() => {
                if let Ok(reference) = secret(&answer) {
                    return Named::This(reference, "as it was named".into());
                }
            }
            _ => break,
        }
    }
    let (words, by) = (purpose.words(), format!("{} NAME/KEY names one", flag_of(purpose)));
    Named::Open(match (names, shown.as_slice()) {
        (_, some @ [_, ..]) => {
            format!("several Secrets could hold {words}: {}; {by}", some.join(", "))
        }
        (Ok(_), _) => format!("no Secret of the namespace has a key that is called as {words} is; {by}"),
        (Err(why), _) => format!("no Secret was named that holds {words}; {by}, and {why}"),
    })
}

fn flag_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Database => "--database-secret",
        Purpose::SigningKey => "--signing-key-secret",
        Purpose::AdminPassword => "--admin-password-secret",
    }
}

/// The user table as the proposal has it.
fn users(proposal: &Proposal) -> Users {
    let column = |field: &Result<Field, String>| field.as_ref().ok().map(|field| field.column.clone());
    Users {
        schema: proposal.schema.clone(),
        table: proposal.table.column.clone(),
        id_column: proposal.id.column.clone(),
        login_column: column(&proposal.login),
        password_column: column(&proposal.password),
        salt_column: proposal.salt.clone(),
        algorithm_column: proposal.algorithm.clone(),
        password_hash: PasswordHash::AsStored,
        preset_hash: None,
        active_when: proposal.active.iter().map(|one| one.condition.clone()).collect(),
    }
}

/// The name of a resource for a database: what Kubernetes takes (RFC 1123).
fn resource_name(database: &str) -> String {
    let plain: String = database
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(63)
        .collect();
    match plain.trim_matches('-') {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
