//! `quarantine`: what repairs took or changed, listed, shown, put back and dropped.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    output::{CliError, Exit, Output},
    restore,
    show::{Cell, OutputFlags, PageStyle, Table, wrap},
    target::{TargetFlags, Variables},
};
use crate::{
    api::report::ObjectRef,
    cli::words::{run_word, word},
    domain::{
        parse::duration,
        text::{count, number},
    },
    engine::{PurgeFilter, QuarantineEntry, QuarantineRows, RowsQuery},
    pass,
};

/// The commands about quarantine.
#[derive(Subcommand, Clone, Debug)]
pub(super) enum Command {
    /// List what is kept: run by run, table by table
    List(ListFlags),
    /// Print the rows of a run as they were: their key and the reference
    Show(ShowFlags),
    /// Put the rows of a run back
    Restore(restore::Flags),
    /// Drop kept rows for good
    Purge(PurgeFlags),
}

/// Flags of `quarantine list`.
#[derive(Args, Clone, Debug)]
pub(super) struct ListFlags {
    #[command(flatten)]
    target: TargetFlags,
    #[command(flatten)]
    output: OutputFlags,
}

/// Flags of `quarantine show`.
#[derive(Args, Clone, Debug)]
pub(super) struct ShowFlags {
    #[command(flatten)]
    target: TargetFlags,
    /// The run whose rows are shown
    #[arg(long, value_name = "RUN")]
    run: String,
    /// One table only, as `table` or `schema.table`
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// All columns, which may hold what nobody should read; password hashes are hidden
    #[arg(long)]
    all_columns: bool,
    /// Whose rows, as `quarantine list` shows those of another database or resource
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Rows per table
    #[arg(long, value_name = "ROWS", default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    output: OutputFlags,
}

/// Flags of `quarantine purge`.
#[derive(Args, Clone, Debug)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["run", "older_than"])))]
pub(super) struct PurgeFlags {
    #[command(flatten)]
    target: TargetFlags,
    /// Drop the rows of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Drop what was taken this long ago, for example 30d
    #[arg(long, value_name = "DAYS", value_parser = duration::days)]
    older_than: Option<i64>,
    /// Whose rows, as `quarantine list` shows those of another database or resource
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Really drop them; without it the command only says what it would drop
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: OutputFlags,
}

/// Runs the command.
///
/// # Errors
/// There is no target, or the database cannot be asked.
pub(super) async fn run(command: Command, variables: Variables<'_>) -> Result<Output, CliError> {
    match command {
        Command::List(flags) => list(flags, variables).await,
        Command::Show(flags) => show(flags, variables).await,
        Command::Restore(flags) => restore::run(flags, variables).await,
        Command::Purge(flags) => purge(flags, variables).await,
    }
}

async fn list(flags: ListFlags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let kept = pass::inventory(&target, &place.policy()).await?;
    if let Some(document) = flags.output.output.document(&kept)? {
        return Ok(Output::new(document, Exit::Fine));
    }
    let look = PageStyle::of_stdout();
    if kept.is_empty() {
        return Ok(Output::new(
            wrap("Quarantine is empty: no repair has taken or changed a row.", look.width),
            Exit::Fine,
        ));
    }
    let mut text = listing(&kept, look);
    text.push('\n');
    // The newest: they are listed newest first.
    let which = kept.first().map_or_else(String::new, |one| {
        let of = one.identity.as_deref().map(|identity| format!(" --identity {}", word(identity)));
        format!(" --run {}{}", run_word(&one.run), of.unwrap_or_default())
    });
    let command = |what: &str| place.again.command(&format!("quarantine {what}{which}"));
    text.push_str(&wrap(
        &format!(
            "{} prints the rows of the newest run, {} puts them back, {} says what would be dropped.",
            command("show"),
            command("restore"),
            command("purge")
        ),
        look.width,
    ));
    Ok(Output::new(text, Exit::Fine))
}

fn listing(kept: &[QuarantineEntry], look: PageStyle) -> String {
    let mut table = Table::new(&["RUN", "TAKEN", "ROWS", "BACK", "ACTION", "FROM"], 6, look);
    for one in kept {
        let foreign = one.identity.as_ref().map(|identity| format!("of {identity}"));
        table.row(vec![
            Cell::text(&one.run),
            Cell::text(&one.at),
            Cell::Number(number(one.rows)),
            Cell::Number(number(one.restored)),
            Cell::text(&one.action),
            Cell::lines([one.object.describe()].into_iter().chain(foreign)),
        ]);
    }
    table.render()
}

async fn show(flags: ShowFlags, variables: Variables<'_>) -> Result<Output, CliError> {
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let wanted = RowsQuery {
        run: flags.run,
        table: flags.table,
        all_columns: flags.all_columns,
        limit: flags.limit,
        identity: flags.identity,
    };
    let shown = pass::quarantine_rows(&target, &place.policy(), &wanted).await?;
    if let Some(document) = flags.output.output.document(&shown)? {
        return Ok(Output::new(document, Exit::Fine));
    }
    let look = PageStyle::of_stdout();
    let pages: Vec<String> = shown.iter().map(|one| page(one, look)).collect();
    Ok(Output::new(pages.join("\n"), Exit::Fine))
}

fn page(shown: &QuarantineRows, look: PageStyle) -> String {
    let headers: Vec<&str> = shown.columns.iter().map(String::as_str).collect();
    let mut table = Table::new(&headers, headers.len(), look);
    for row in &shown.rows {
        table.row(row.iter().map(|cell| Cell::text(cell.as_deref().unwrap_or("NULL"))).collect());
    }
    let more = if shown.more { "There are more: raise --limit.\n" } else { "" };
    format!("{}\n{}{more}", shown.object.describe(), table.render())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    done: bool,
    /// How many of the rows were never put back.
    never_put_back: i64,
    tables: Vec<PurgedTable>,
}

#[derive(Serialize)]
struct PurgedTable {
    object: ObjectRef,
    rows: i64,
}

async fn purge(flags: PurgeFlags, variables: Variables<'_>) -> Result<Output, CliError> {
    let which = match (flags.run, flags.older_than) {
        (Some(run), _) => PurgeFilter::Run(run),
        (None, Some(days)) => PurgeFilter::OlderThan(days),
        (None, None) => return Err(CliError::Usage("give --run RUN or --older-than DAYS".into())),
    };
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let identity = flags.identity.as_deref();
    let now = jiff::Timestamp::now();
    let away = pass::unrestored(&target, &place.policy(), &which, identity).await?;
    let tables = pass::purge(&target, &place.policy(), &which, identity, flags.yes.then_some(now)).await?;
    let purged = Purged {
        done: flags.yes,
        never_put_back: away,
        tables: tables.into_iter().map(|(object, rows)| PurgedTable { object, rows }).collect(),
    };
    if let Some(document) = flags.output.output.document(&purged)? {
        return Ok(Output::new(document, Exit::Fine));
    }
    let look = PageStyle::of_stdout();
    if purged.tables.is_empty() {
        let text = "There are no such rows in quarantine. Rows of another database or resource are dropped only with --identity, as `quarantine list` shows it.";
        return Ok(Output::new(wrap(text, look.width), Exit::Fine));
    }
    let mut table = Table::new(&["FROM", "ROWS"], 2, look);
    for one in &purged.tables {
        table.row(vec![Cell::text(one.object.describe()), Cell::Number(number(one.rows))]);
    }
    let rows: i64 = purged.tables.iter().map(|one| one.rows).sum();
    let never = match away {
        0 => String::new(),
        _ if rows == 1 => ", which was never put back".to_owned(),
        _ if away >= rows => ", none of which were ever put back".to_owned(),
        _ => format!(
            ", of which {} never put back",
            if away == 1 { "1 was".into() } else { format!("{} were", number(away)) }
        ),
    };
    let closing = if purged.done {
        format!("Dropped for good: {}{never}.", count(rows, "row"))
    } else {
        format!(
            "Nothing was dropped. With --yes, {} would be{never}, and nothing brings them back.",
            count(rows, "row")
        )
    };
    Ok(Output::new(format!("{}\n{}", table.render(), wrap(&closing, look.width)), Exit::Fine))
}
