//! `restore`: lists the runs that changed something, puts the rows of one back from quarantine, or writes
//! them into a table of their own.

use std::collections::BTreeSet;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    output::{CliError, Exit, Output},
    show::{Cell, OutputFlags, PageStyle, Table, wrap},
    target::{RerunHint, TargetFlags, Variables, quoted},
};
use crate::{
    api::{
        condition::Reason,
        report::{Action, ObjectRef},
    },
    cli::words::{run_word, word},
    domain::{
        hints::Hints,
        text::{count, more, number, unseen},
    },
    engine::{ExportRequest, Exported, Restored, RunSummary},
    pass,
};

/// Flags of `restore`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    #[command(flatten)]
    target: TargetFlags,
    /// The run whose rows are put back; without it the runs are listed
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Whose run it is, as `quarantine list` shows those of another database or resource
    #[arg(long, value_name = "IDENTITY", requires = "run")]
    identity: Option<String>,
    /// Write the rows that are not back into this new table instead, as `table` or `schema.table`
    #[arg(long, value_name = "TABLE", requires = "run")]
    into: Option<String>,
    /// Which table's rows, as `table` or `schema.table`, where the run has those of several
    #[arg(long, value_name = "TABLE", requires = "into")]
    table: Option<String>,
    #[command(flatten)]
    output: OutputFlags,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunAnswer {
    run: String,
    opened_at: String,
    actions: String,
    rows: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoredAnswer {
    object: ObjectRef,
    action: Action,
    rows: i64,
    blocked: i64,
    #[serde(skip)]
    again: i64,
    #[serde(skip)]
    blocked_again: i64,
    /// Accounts among the rows that somebody had changed since.
    newer: i64,
    /// The run under which is kept what they held until now.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_under: Option<String>,
    #[serde(skip)]
    repeats: bool,
    reason: Option<Reason>,
    sample: Vec<Blocked>,
}

#[derive(Serialize)]
struct Blocked {
    key: String,
    why: String,
}

/// Runs the command.
///
/// # Errors
/// There is no target, the database cannot be asked, or the run is not this target's.
pub(super) async fn run(flags: Flags, variables: Variables<'_>) -> Result<Output, CliError> {
    let format = flags.output.output;
    let place = flags.target.place();
    let target = place.target(variables).await?;
    let policy = place.policy();
    let look = PageStyle::of_stdout();
    let Some(run) = &flags.run else {
        let runs: Vec<RunAnswer> = pass::runs(&target, &policy).await?.into_iter().map(Into::into).collect();
        return Ok(match format.document(&runs)? {
            Some(document) => Output::new(document, Exit::Fine),
            None => {
                // What a dump brought along is in no list of runs.
                let others =
                    if runs.is_empty() { pass::inventory(&target, &policy).await? } else { Vec::new() };
                Output::new(list(&runs, !others.is_empty(), &place.again, look), Exit::Fine)
            }
        });
    };
    if let Some(into) = flags.into {
        let wanted = ExportRequest { run: run.clone(), table: flags.table, into, identity: flags.identity };
        let written = pass::export(&target, &policy, &wanted, Timestamp::now()).await?;
        return Ok(match format.document(&written)? {
            Some(document) => Output::new(document, Exit::Fine),
            None => Output::new(wrap(&beside(target.hints, &written), look.width), Exit::Fine),
        });
    }
    let restored = pass::restore(&target, &policy, run, flags.identity.as_deref(), Timestamp::now()).await?;
    let restored: Vec<RestoredAnswer> = restored.into_iter().map(Into::into).collect();
    let blocked: i64 = restored.iter().map(|one| one.blocked).sum();
    let exit = if blocked > 0 { Exit::Findings } else { Exit::Fine };
    Ok(match format.document(&restored)? {
        Some(document) => Output::new(document, exit),
        None => {
            let identity = flags.identity.as_deref();
            Output::new(page(target.hints, &restored, run, identity, &place.again, look), exit)
        }
    })
}

fn list(runs: &[RunAnswer], others: bool, again: &RerunHint, look: PageStyle) -> String {
    if runs.is_empty() {
        let none = "No repair of this resource has changed anything in this database";
        let others = if others {
            format!(
                ", but there are copies of rows that another resource or database made: {} shows them, and how they are put back.",
                again.command("quarantine list")
            )
        } else {
            ", so there is nothing to restore.".to_owned()
        };
        return wrap(&format!("{none}{others}"), look.width);
    }
    let mut table = Table::new(&["RUN", "BEGAN", "ROWS", "WHAT IT DID"], 4, look);
    for run in runs {
        table.row(vec![
            Cell::text(&run.run),
            Cell::text(&run.opened_at),
            Cell::Number(number(run.rows)),
            Cell::text(&run.actions),
        ]);
    }
    // A run that only moved a sequence has nothing to put back.
    let next = match runs.iter().find(|run| run.rows > 0) {
        Some(newest) => format!(
            "{} puts the rows of the newest run that has some back, as far as today's constraints allow.",
            again.command(&format!("restore --run {}", run_word(&newest.run)))
        ),
        None => "No run has rows in quarantine, so there is nothing to put back.".to_owned(),
    };
    format!("{}\n{}", table.render(), wrap(&next, look.width))
}

/// What was written into a table of its own.
fn beside(hints: &dyn Hints, written: &Exported) -> String {
    let (from, into) = (hints.name(&written.object), hints.name(&written.into));
    let (were, they) = if written.rows == 1 { ("was", "it") } else { ("were", "they") };
    format!(
        "{} of {from} {were} written into {into}, as {they} {were} before the repair. Only its owner may read it. \
         {from} is as it was, and the copies stay in quarantine.",
        count(written.rows, "row")
    )
}

fn page(
    hints: &dyn Hints,
    restored: &[RestoredAnswer],
    run: &str,
    identity: Option<&str>,
    again: &RerunHint,
    look: PageStyle,
) -> String {
    let of = identity.map_or_else(String::new, |identity| format!(" --identity {}", word(identity)));
    let (rows, blocked) = restored.iter().fold((0, 0), |(rows, blocked), one| {
        (rows + one.rows - one.again, blocked + one.blocked - one.blocked_again)
    });
    if restored.is_empty() {
        return wrap(
            "This run has no rows in quarantine: it changed nothing that could be put back.",
            look.width,
        );
    }
    let mut table = Table::new(&["UNDONE", "WHERE", "BACK", "STAYED", "WHY"], 5, look);
    for one in restored {
        let why: Vec<String> =
            one.sample.iter().map(|blocked| format!("{}: {}", blocked.key, blocked.why)).collect();
        let more = (one.blocked > one.sample.len() as i64).then(|| "…".to_owned());
        let none = why.is_empty().then(|| "-".to_owned());
        table.row(vec![
            Cell::text(one.action.as_str()),
            Cell::text(one.object.describe()),
            Cell::Number(number(one.rows)),
            Cell::Number(number(one.blocked)),
            Cell::lines(none.into_iter().chain(why).chain(more)),
        ]);
    }
    let mut closing = format!(
        "{} put back.",
        if rows == 1 { "1 row was".to_owned() } else { format!("{} were", count(rows, "row")) }
    );
    if blocked > 0 {
        closing.push_str(&format!(
            " {} stayed in quarantine, in the schema auth_consistency ({}, {}): nothing of them is lost.",
            count(blocked, "row"),
            Reason::RestoreBlocked,
            more(Reason::RestoreBlocked)
        ));
        // An id that was moved has no copy of its own.
        closing.push_str(&into_tables(hints, restored, &format!("{}{of}", run_word(run)), again));
    }
    if let Some(kept) = restored.iter().find_map(|one| one.kept_under.as_ref()) {
        let newer: i64 = restored.iter().map(|one| one.newer).sum();
        if newer > 0 {
            closing.push_str(&format!(
                " Of these, {} been changed since that run: what it held until now is kept too, and {} brings it back.",
                if newer == 1 { "1 account had".to_owned() } else { format!("{} accounts had", number(newer)) },
                again.command(&format!("restore --run {kept}"))
            ));
        }
    }
    if restored.iter().any(|one| one.repeats) {
        closing.push_str(
            " The next repair does the same to them again unless the resource says otherwise by then: set onOrphan to Report for them.",
        );
    }
    format!("{}\n{}", table.render(), wrap(&closing, look.width))
}

/// How rows that stayed are written into tables of their own, table by table.
fn into_tables(hints: &dyn Hints, restored: &[RestoredAnswer], run: &str, again: &RerunHint) -> String {
    let tables = |stayed: bool| -> BTreeSet<(&str, &str)> {
        let rows = restored.iter().filter(|one| !stayed || (one.blocked > 0 && one.action != Action::MoveId));
        rows.map(|one| (one.object.schema.as_str(), one.object.table.as_str())).collect()
    };
    let stayed = tables(true);
    // Rows that moved with an id have copies too.
    let several = stayed.len() > 1 || restored.iter().any(|one| one.action == Action::MoveId);
    let mut text = String::new();
    for (schema, table) in &stayed {
        let object = ObjectRef { schema: (*schema).into(), table: (*table).into(), ..ObjectRef::default() };
        let name = format!("{schema}.{table}");
        // Whoever copies the command would name another table.
        let shown = !name.contains(|c| unseen(c) || c == '`');
        let name = if shown { quoted(&name) } else { "SCHEMA.TABLE".to_owned() };
        let which = if several { format!(" --table {name}") } else { String::new() };
        text.push_str(&format!(
            " {} writes {} into a table of their own.",
            again.command(&format!("restore --run {run}{which} --into TABLE")),
            if several { format!("those of {}", hints.name(&object)) } else { "them".to_owned() }
        ));
    }
    text
}

impl From<RunSummary> for RunAnswer {
    fn from(run: RunSummary) -> Self {
        Self { run: run.run, opened_at: run.opened_at, actions: run.actions, rows: run.rows }
    }
}

impl From<Restored> for RestoredAnswer {
    fn from(restored: Restored) -> Self {
        Self {
            object: restored.object,
            action: restored.action,
            rows: restored.rows,
            blocked: restored.blocked,
            again: restored.again,
            blocked_again: restored.blocked_again,
            newer: restored.newer,
            kept_under: restored.kept_under,
            repeats: restored.repeats,
            reason: (restored.blocked > 0).then_some(Reason::RestoreBlocked),
            sample: restored.sample.into_iter().map(|(key, why)| Blocked { key, why }).collect(),
        }
    }
}
