//! `compare`: two environments side by side, each a resource or a snapshot.

use crate::{
    cli::passphrase::PassphraseFlags,
    domain::{
        advise::compare::{Alone, Comparison, PEM_LAYOUT, PemLayout, compare},
        identities::{
            list::LoginKey,
            snapshot::{Keyed, Logins, Snapshot},
        },
        target::Jwt,
        text::{count, number},
    },
    network::ResolveEntry,
    pass, tokens,
};

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::{
    output::{CliError, Exit, Output},
    show::{Cell, OutputFlags, PageStyle, Table, wrap},
    target::{self, TargetFlags, Variables},
};

/// Accounts that the table names.
const NAMED: usize = 20;

/// Flags of `compare`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "A and B are each a file that holds a resource and its Secrets, a file that `auth-consistency snapshot`\n\
                  wrote, or a resource in the cluster, as NAME or NAMESPACE/NAME."
)]
pub(super) struct Flags {
    /// The one environment
    #[arg(value_name = "A")]
    a: String,
    /// The other
    #[arg(value_name = "B")]
    b: String,
    /// Context of the kubeconfig, for resources in a cluster
    #[arg(long, value_name = "CONTEXT")]
    context: Option<String>,
    /// Kubeconfig file
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Address of a host, instead of asking DNS
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = target::resolve)]
    resolve: Vec<(String, ResolveEntry)>,
    #[command(flatten)]
    passphrase: PassphraseFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// One environment, as it was given.
enum Side {
    Written(Box<Snapshot>),
    Live(Box<TargetFlags>),
}

impl Side {
    fn read(given: &str, flags: &Flags) -> Result<Self, CliError> {
        let file = Path::new(given);
        let resource = |file: Option<PathBuf>, name: Option<String>, namespace: Option<String>| {
            let in_cluster = name.is_some();
            Self::Live(Box::new(TargetFlags {
                file,
                name,
                namespace,
                context: flags.context.clone().filter(|_| in_cluster),
                kubeconfig: flags.kubeconfig.clone().filter(|_| in_cluster),
                resolve: flags.resolve.clone(),
                on_orphan: None,
                admin_column: Vec::new(),
            }))
        };
        if !file.exists() {
            // What looks like a path is one that was mistyped.
            if given.starts_with(['.', '/'])
                || [".yaml", ".yml", ".json"].iter().any(|end| given.ends_with(end))
            {
                return Err(CliError::Usage(format!("there is no file {given}")));
            }
            return Ok(match given.split_once('/') {
                Some((namespace, name)) => resource(None, Some(name.into()), Some(namespace.into())),
                None => resource(None, Some(given.into()), None),
            });
        }
        let (text, name) = target::read(file)?;
        if !Snapshot::is_one(&text) {
            return Ok(resource(Some(file.to_owned()), None, None));
        }
        let text = text.trim_start_matches('\u{feff}');
        Snapshot::read(text)
            .map(|snapshot| Self::Written(Box::new(snapshot)))
            .map_err(|why| CliError::Usage(format!("{name}: {why}")))
    }

    fn keyed(&self) -> Option<&Keyed> {
        match self {
            Self::Written(snapshot) => match &snapshot.logins {
                Logins::Keyed(keyed) => Some(keyed),
                Logins::Plain => None,
            },
            Self::Live(_) => None,
        }
    }

    async fn snapshot(
        self,
        key: Option<(&LoginKey, &Keyed)>,
        variables: Variables<'_>,
    ) -> Result<(Snapshot, Option<Jwt>), CliError> {
        match self {
            Self::Written(snapshot) => Ok((*snapshot, None)),
            Self::Live(flags) => {
                let place = flags.place();
                let target = place.target_before(variables).await?;
                let key = key.map(|(key, keyed)| (key, keyed.clone()));
                let snapshot = pass::snapshot(&target, &place.policy(), key, Timestamp::now()).await?;
                Ok((snapshot, target.jwt))
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A side cannot be read or asked, or the two cannot be compared.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let (a, b) = (Side::read(&flags.a, &flags)?, Side::read(&flags.b, &flags)?);
    let keyed = a.keyed().or_else(|| b.keyed()).cloned();
    let live = [&a, &b].into_iter().any(|side| matches!(side, Side::Live(_)));
    // Logins that stand there as digests are compared with digests of the same making.
    let key = match &keyed {
        Some(keyed) if live => Some((flags.passphrase.key(keyed, variables)?, keyed)),
        _ => None,
    };
    let key = key.as_ref().map(|(key, keyed)| (key, *keyed));
    let (a, jwt_a) = a.snapshot(key, variables).await?;
    let (b, jwt_b) = b.snapshot(key, variables).await?;
    let mut compared = compare(&a, &b).map_err(CliError::Usage)?;
    compared.key_of_a = one_key(&a, jwt_b.as_ref()).map(str::to_owned);
    if compared.key_of_a.is_none() {
        compared.key_of_b = one_key(&b, jwt_a.as_ref()).map(str::to_owned);
    }
    compared.add_pem_layouts(pem_layout(jwt_a.as_ref()), pem_layout(jwt_b.as_ref()));
    let exit = if compared.same { Exit::Fine } else { Exit::Findings };
    if let Some(document) = flags.output.output.document(&compared)? {
        return Ok(Output::new(document, exit));
    }
    Ok(Output::new(page(&compared, &flags.a, &flags.b, PageStyle::of_stdout()), exit))
}

/// How the PEM of a side's signing key is laid out, where its Secret is at hand.
fn pem_layout(jwt: Option<&Jwt>) -> PemLayout {
    match jwt {
        None => PemLayout::Unknown,
        Some(jwt) => jwt.key.pem_layout().map_or(PemLayout::Usual, PemLayout::Odd),
    }
}

/// How the key that was written down on one side differs from the other side's, where that is the same key stored
/// or decoded otherwise.
fn one_key(one: &Snapshot, other: Option<&Jwt>) -> Option<&'static str> {
    let fingerprint = one.signing_key.as_ref()?.fingerprint.as_deref()?;
    let jwt = other?;
    let algorithm = jwt.shape.algorithm;
    if tokens::fingerprint(&jwt.key, algorithm).as_deref() == Some(fingerprint) {
        return None;
    }
    tokens::variant_of_fingerprint(&jwt.key, algorithm, fingerprint)
}

fn page(compared: &Comparison, a: &str, b: &str, look: PageStyle) -> String {
    let accounts = &compared.accounts;
    let mut text = String::new();
    let told = accounts.moved.len() + accounts.only_a.len() + accounts.only_b.len();
    if told + compared.differences.len() > 0 {
        let mut table = Table::new(&["WHAT", "WHICH", "A", "B"], 4, look);
        let side = |value: &Option<String>| Cell::text(value.as_deref().unwrap_or("-"));
        for one in &compared.differences {
            table.row(vec![Cell::text(one.about.as_str()), Cell::text(&one.of), side(&one.a), side(&one.b)]);
        }
        let who = |login: &Option<String>| Cell::text(login.as_deref().unwrap_or("(keyed login)"));
        let id = |id: &Option<String>| Cell::text(id.as_deref().unwrap_or("several"));
        let none = || Cell::text("-");
        for one in accounts.moved.iter().take(NAMED) {
            table.row(vec![Cell::text("Id"), who(&one.login), Cell::text(&one.a), Cell::text(&one.b)]);
        }
        // Whoever is nearly called so over there may be the same person.
        let alike = |one: &Alone| match one.alike.as_slice() {
            [] => none(),
            [id] => Cell::text(format!("{id}, by case or spaces")),
            ids => Cell::text(format!("{} accounts, by case or spaces", amount(ids.len()))),
        };
        for one in accounts.only_a.iter().take(NAMED) {
            table.row(vec![Cell::text("Account"), who(&one.login), id(&one.id), alike(one)]);
        }
        for one in accounts.only_b.iter().take(NAMED) {
            table.row(vec![Cell::text("Account"), who(&one.login), alike(one), id(&one.id)]);
        }
        text.push_str(&table.render());
        for (n, words) in [
            (accounts.moved.len(), "ids that differ"),
            (accounts.only_a.len(), "accounts only in A"),
            (accounts.only_b.len(), "accounts only in B"),
        ] {
            if n > NAMED {
                text.push_str(&format!("and {} more {words}\n", amount(n - NAMED)));
            }
        }
        text.push('\n');
    }
    text.push_str(&wrap(&closing(compared, a, b), look.width));
    text
}

fn amount(n: usize) -> String {
    number(i64::try_from(n).unwrap_or(i64::MAX))
}

fn closing(compared: &Comparison, a: &str, b: &str) -> String {
    let accounts = &compared.accounts;
    let accounts_of = |n: usize| count(i64::try_from(n).unwrap_or(i64::MAX), "account");
    let mut said = vec![format!("A is {a} and B is {b}.")];
    if compared.same {
        said.push(format!("Nothing differs: {} with the same ids.", accounts_of(accounts.same)));
    } else {
        let mut parts = vec![format!("{} with the same id on both sides", accounts_of(accounts.same))];
        for (n, words) in [
            (accounts.moved.len(), "with different ids"),
            (accounts.only_a.len(), "only in A"),
            (accounts.only_b.len(), "only in B"),
        ] {
            if n > 0 {
                parts.push(format!("{} {words}", amount(n)));
            }
        }
        said.push(format!("{}.", parts.join(", ")));
    }
    if accounts.shifted > 0 {
        said.push(format!(
            "{} of A are somebody else's in B: a token of A that B accepts signs in as another person, so end sessions when you move, and give rows back with Remap (`auth-consistency explain remap`).",
            count(i64::try_from(accounts.shifted).unwrap_or(i64::MAX), "id")
        ));
    }
    let alike = accounts.only_a.iter().filter(|one| !one.alike.is_empty()).count();
    if alike > 0 {
        said.push(format!(
            "{} only in A {} from an account of B by case or spaces in the login only: Remap takes such logins for two people, so give both sides one spelling where they are one.",
            accounts_of(alike),
            if alike == 1 { "differs" } else { "differ" }
        ));
    }
    let differs = |of: &str| compared.differences.iter().any(|one| one.of == of);
    let one_key = [("A", "B", &compared.key_of_a), ("B", "A", &compared.key_of_b)];
    let one_key = one_key.iter().find_map(|(own, other, how)| Some((own, other, how.as_ref()?)));
    if let Some((own, other, how)) = one_key {
        said.push(format!(
            "The signing keys are one key, stored or decoded otherwise: compared with the key of {other}, that of {own} {how}. Tokens of A are worth nothing in B until both have the same bytes."
        ));
    } else if let Some(print) = compared.differences.iter().find(|one| one.of == "fingerprint") {
        // A key without one is too weak for it.
        let is_one = |side: &Option<String>| side.as_ref().is_some_and(|side| side.starts_with("v1:"));
        let or = if is_one(&print.a) && is_one(&print.b) { "" } else { ", or nobody can tell" };
        said.push(format!("The signing keys differ{or}: tokens of A are worth nothing in B."));
    } else if differs(PEM_LAYOUT) {
        said.push("The signing keys are one key pair, and its PEM is laid out otherwise: a library that cannot read the one layout has no key there (`auth-consistency key audit` says which), so store it in both as every library reads it.".into());
    }
    if accounts.untold > 0 {
        said.push(format!(
            "Nothing is said of {} without a login of their own.",
            accounts_of(accounts.untold)
        ));
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_pair_whose_pem_is_laid_out_otherwise_is_a_difference() {
        let same = || Comparison {
            same: true,
            accounts: Accounts::default(),
            differences: Vec::new(),
            key_of_a: None,
            key_of_b: None,
        };
        let literal = PemLayout::Odd("line breaks are the characters \\n");
        for (a, b) in [
            (PemLayout::Usual, PemLayout::Usual),
            (literal, literal),
            (PemLayout::Usual, PemLayout::Unknown),
            (PemLayout::Unknown, PemLayout::Unknown),
        ] {
            let mut compared = same();
            compared.add_pem_layouts(a, b);
            assert_eq!(compared, same(), "{a:?} {b:?}");
        }
        for (a, b, said_a) in [
            (PemLayout::Usual, literal, "as every library reads it"),
            (PemLayout::Unknown, literal, "not in the snapshot"),
            (PemLayout::Odd("an empty line"), literal, "an empty line"),
        ] {
            let mut compared = same();
            compared.add_pem_layouts(a, b);
            let [one] = &compared.differences[..] else { panic!("{compared:?}") };
            assert_eq!(one.a.as_deref(), Some(said_a));
            assert_eq!(one.b.as_deref(), Some("line breaks are the characters \\n"));
            let said = closing(&compared, "old", "new");
            assert!(!compared.same && !said.contains("Nothing differs"), "{said}");
            assert!(said.contains("one key pair, and its PEM is laid out otherwise"), "{said}");
        }
        // Two keys are two keys, however they are laid out.
        let mut two = same();
        two.differences.push(Difference {
            about: About::SigningKey,
            of: "fingerprint".into(),
            a: None,
            b: None,
        });
        two.add_pem_layouts(PemLayout::Usual, literal);
        assert_eq!(two.differences.len(), 1);
    }
    use crate::domain::advise::compare::{About, Accounts, Difference};

    #[test]
    fn two_keys_that_are_one_stored_otherwise_are_said_to_be_one() {
        let print = |text: &str| Some(format!("v1:scrypt:{text}"));
        let difference =
            Difference { about: About::SigningKey, of: "fingerprint".into(), a: print("0a"), b: print("0b") };
        let mut compared = Comparison {
            same: false,
            accounts: Accounts::default(),
            differences: vec![difference],
            key_of_a: None,
            key_of_b: None,
        };
        let other = "The signing keys differ: tokens of A are worth nothing in B.";
        assert!(closing(&compared, "old", "new").ends_with(other));
        let mut weak = compared.clone();
        weak.differences[0].b = Some("not shown: too weak".into());
        let untold = "The signing keys differ, or nobody can tell: tokens of A are worth nothing in B.";
        assert!(closing(&weak, "old", "new").ends_with(untold));
        compared.key_of_a = Some("lacks the white space around this one".into());
        let said = closing(&compared, "old", "new");
        assert!(said.ends_with("The signing keys are one key, stored or decoded otherwise: compared with the key of B, that of A lacks the white space around this one. Tokens of A are worth nothing in B until both have the same bytes."), "{said}");
        assert!(!said.contains(other));
        (compared.key_of_a, compared.key_of_b) = (None, Some("stands in quotes".into()));
        assert!(
            closing(&compared, "old", "new")
                .contains("compared with the key of A, that of B stands in quotes")
        );
    }
}
