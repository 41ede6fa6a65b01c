//! Steps in words, as people read them in a plan and in what was done.

use crate::{
    api::report::{Action, ObjectRef, StepReport},
    domain::{
        facts::{
            foreign_key::ForeignKeyOptions, references::Cascaded, session_mechanism::Mechanism,
            sessions::Audience,
        },
        step::Step,
        target::Target,
        text::{clip, count, number},
    },
    passwords::Format,
};

/// What goes along with deleted rows, in words.
fn along(takes: &[Cascaded]) -> String {
    takes
        .iter()
        .map(|taken| {
            let rows = count(taken.rows, "row");
            match taken.action {
                Action::Delete => {
                    let table = ObjectRef { columns: Vec::new(), ..taken.object.clone() };
                    format!(", with {rows} of {} (ON DELETE CASCADE)", table.describe())
                }
                _ => format!(
                    ", and with it set {} to NULL in {rows} (ON DELETE SET NULL)",
                    taken.object.describe()
                ),
            }
        })
        .collect()
}

/// Whether a step is still to come, or was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tense {
    Planned,
    Done,
}

impl Tense {
    fn verb(self, planned: &'static str, done: &'static str) -> &'static str {
        match self {
            Self::Planned => planned,
            Self::Done => done,
        }
    }
}

/// What is done with rows for which a unique key has no room, in words.
fn colliding(surplus: i64, tense: Tense) -> String {
    if surplus == 0 {
        return String::new();
    }
    format!(
        ", except for {} that would {} in a unique key: {} those, after copying them to quarantine",
        number(surplus),
        tense.verb("collide", "have collided"),
        tense.verb("delete", "deleted")
    )
}

/// One step as it is shown.
pub fn step_report(target: &Target, step: &Step, waits: Option<String>) -> StepReport {
    told(target, step, step.rows(), waits, Tense::Planned)
}

/// One step as it was done, with the rows that it really changed.
pub fn done_report(target: &Target, step: &Step, rows: i64) -> StepReport {
    let mut report = told(target, step, rows, None, Tense::Done);
    if let Step::Seed { format: Some(format), .. } | Step::Reset { format: Some(format), .. } = step {
        let unknown =
            if format.is_told() { "" } else { "; that the app reads it shows when somebody signs in" };
        report.message = clip(&format!("{}, read back and verified{unknown}", report.message), 512);
    }
    report
}

/// In which format a password is written.
fn stored_as(format: Option<&Format>) -> String {
    format.map_or_else(String::new, |format| format!(", its password as {format}"))
}

fn told(target: &Target, step: &Step, rows: i64, waits: Option<String>, tense: Tense) -> StepReport {
    let admin = target.admin.as_ref().map_or("the admin", |admin| admin.login.as_str());
    let login = step.account().unwrap_or(admin);
    let object = step.object();
    let message = match step {
        Step::AdvanceSequence { past, descends, .. } => {
            let beyond = if *descends { "below" } else { "above" };
            format!("{} the sequence {} {beyond} {past}", tense.verb("move", "moved"), object.describe())
        }
        Step::Seed { id, format, .. } => {
            let id = id.as_ref().map_or_else(String::new, |id| format!(" with the id {id}"));
            let creating = tense.verb("create", "created");
            format!("{creating} {login} in {}{id}{}", object.describe(), stored_as(format.as_ref()))
        }
        Step::Correct { users, .. } => format!("put {} of {login} right", users.columns.join(", ")),
        Step::Reset { format, .. } => {
            let writing = tense.verb("write", "wrote");
            format!("{writing} the password and the columns of {login}{}", stored_as(format.as_ref()))
        }
        Step::MoveId { from, to, .. } => {
            let moving = tense.verb("move", "moved");
            format!("{moving} {login} from id {from} to id {to} with {}", count(rows - 1, "row"))
        }
        Step::AddConstraint { reference, options } => {
            format!("{} {}", tense.verb("add", "added"), adding(reference, options))
        }
        Step::ValidateConstraint { reference } => {
            format!("{} {}", tense.verb("validate", "validated"), validating(reference))
        }
        Step::Remap { keys, shifted, surplus, exchanged, pairs, .. } => format!(
            "{} {} of {} back to the {} they belong to, by login ({pairs}){}{}{}",
            tense.verb("give", "gave"),
            count(rows, "row"),
            object.describe(),
            if *keys == 1 { "person".to_owned() } else { format!("{} people", number(*keys)) },
            match shifted {
                0 => String::new(),
                some => format!("; {} of them from people who have those ids now", number(*some)),
            },
            match exchanged {
                0 => String::new(),
                some => format!(
                    "; {} {} for that",
                    number(*some),
                    tense.verb(
                        "change places in a unique key, and are taken out and put in again",
                        "changed places in a unique key, and were taken out and put in again"
                    )
                ),
            },
            colliding(*surplus, tense)
        ),
        Step::EndSessions { means, due, active, .. } => {
            ending_sessions((means, &object.describe_table()), &due.whom, rows, *active, tense)
        }
        Step::Rows { action, surplus, .. } => {
            let rows = count(rows, "row");
            let of = object.describe();
            match action {
                Action::SetNull => format!("set {of} to NULL in {rows}"),
                Action::Delete => format!(
                    "{} {rows} of {}{}, after copying them to quarantine",
                    tense.verb("delete", "deleted"),
                    ObjectRef { columns: Vec::new(), ..object.clone() }.describe(),
                    along(step.taken())
                ),
                _ => format!(
                    "{} {rows} of {of} to {login}{}",
                    tense.verb("give", "gave"),
                    colliding(*surplus, tense)
                ),
            }
        }
    };
    StepReport {
        action: step.action(),
        object: object.clone(),
        account: step.account().map(str::to_owned),
        rows,
        message: clip(&message, 512),
        waits: waits.map(|why| clip(&why, 512)),
    }
}

/// How tokens and sessions end, by what of a table, in words.
fn ending_sessions(
    (means, table): (&Mechanism, &str),
    whom: &Audience,
    rows: i64,
    active: i64,
    tense: Tense,
) -> String {
    let whose = |accounts: i64| match whom {
        Audience::Everybody => format!("everybody ({})", count(accounts, "account")),
        Audience::Accounts(_) => count(accounts, "account"),
    };
    let having = tense.verb("have", "had");
    match means {
        Mechanism::Time { column } => {
            format!("{having} {} of {table} sign in again, by setting {column}", whose(rows))
        }
        Mechanism::Stamp { column } => {
            format!("{having} {} of {table} sign in again, by a new {column}", whose(rows))
        }
        Mechanism::Rows { .. } => format!(
            "{} sessions of {}: {} {} of {table}, after copying them to quarantine",
            tense.verb("end", "ended"),
            match whom {
                Audience::Everybody => "everybody".to_owned(),
                Audience::Accounts(_) => count(active, "active account"),
            },
            tense.verb("delete", "deleted"),
            count(rows, "row")
        ),
    }
}

/// An addition in words.
pub(in crate::domain) fn adding(object: &ObjectRef, options: &ForeignKeyOptions) -> String {
    let said = options.to_string();
    format!(
        "the foreign key {} of {} for new rows, {}",
        object.constraint.as_deref().unwrap_or_default(),
        object.describe(),
        if said.is_empty() { "without ON DELETE and ON UPDATE".to_owned() } else { format!("with {said}") }
    )
}

/// A validation in words.
pub(in crate::domain) fn validating(object: &ObjectRef) -> String {
    format!("the foreign key {} of {}", object.constraint.as_deref().unwrap_or_default(), object.describe())
}
