//! Ids that the app gives by itself: whether what it may take them from would come to the one that a new account gets.
//!
//! An id column without a default tells nothing of that. Names tell something: a sequence that is called after the
//! table, or that Hibernate makes for all tables, is most likely the one.

use crate::domain::{
    facts::{
        new_ids::{Counts, IdDefault, IdSource, Stands, Untold},
        rights::Right,
        schema::UserTable,
    },
    hints::{Grant, On},
    target::Target,
    text::{clip, sample},
};

/// What is said of the id that a new account gets.
pub(in crate::domain) struct Doubt {
    /// How it goes on behind what is missing.
    pub(in crate::domain) message: String,
    /// Why a person has to say that nobody else gets the id, if so.
    pub(in crate::domain) approval: Option<String>,
}

/// How likely ids come from something, by its name.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Kin {
    OfTheTable,
    OfAll,
    None,
}

/// Whether what the app may take ids from would come to the id that a new account gets.
pub(in crate::domain) fn doubt(target: &Target, users: &UserTable, id: i64, field: &str) -> Doubt {
    let (hints, id_column) = (target.hints, target.users.id_column.as_str());
    let since = format!("column {id_column:?} has no default");
    if let IdDefault::Untold(Untold::Triggers(names)) = &users.id_default {
        let names = clip(&names.join(", "), 120);
        return waits(
            &since,
            &format!("{names}, which runs before each new row, may count ids by itself and come to {id}"),
            &format!("set {field}.id to an id that it does not give"),
        );
    }
    let sources = &users.seed.sources;
    let kin = |one: &IdSource| kin(users, id_column, one);
    let nearest = sources.iter().map(kin).min().unwrap_or(Kin::None);
    let mut clear = Vec::new();
    for one in sources.iter().filter(|one| kin(one) == nearest) {
        let called = one.object.describe();
        match one.counts {
            Counts::Table => {
                return waits(
                    &since,
                    &format!(
                        "the table {called} looks as if a framework counted ids in it, which may come to {id}"
                    ),
                    &format!(
                        "have the app create the account, or set {field}.id to an id that the app does not give"
                    ),
                );
            }
            Counts::Sequence(None) if nearest != Kin::None => {
                return waits(
                    &since,
                    &format!("the role may not read the sequence {called}, which may give {id}"),
                    &format!(
                        "run {}, or set {field}.id",
                        hints.grant(None, Grant { rights: &[Right::Select], on: On::Sequence(&one.object) })
                    ),
                );
            }
            Counts::Sequence(Some(Stands { next, step, .. })) if next == id && step == 1 => {
                return waits(
                    &since,
                    &format!(
                        "the sequence {called} gives {id} next, so the next sign-up would fail if the app takes ids from it"
                    ),
                    &format!(
                        "draw an id that nobody else gets by {}, and set {field}.id to it",
                        hints.draw(&one.object)
                    ),
                );
            }
            Counts::Sequence(Some(Stands { next, step, held })) if nearest != Kin::None => {
                if step != 1 && (if step > 0 { id > next.saturating_sub(held) } else { id <= next }) {
                    return waits(
                        &since,
                        &format!(
                            "the sequence {called} gives {next} next and goes {step} at a time: if the app takes ids from it, the app alone knows which of the numbers between it has given"
                        ),
                        &format!(
                            "have the app create the account, or set {field}.id to an id that the app does not give"
                        ),
                    );
                }
                if step == 1 && next < id {
                    return waits(
                        &since,
                        &format!(
                            "the sequence {called} gives {next} next, so it comes to {id} later if the app takes ids from it"
                        ),
                        &format!("move it past that by {}", hints.move_past(&one.object, id)),
                    );
                }
                if step == 1 && held > 0 && id > next.saturating_sub(held) {
                    return waits(
                        &since,
                        &format!(
                            "sessions may have {id} in hand from the sequence {called}, which gives {next} next"
                        ),
                        &format!(
                            "draw an id that nobody else gets by {}, and set {field}.id to it",
                            hints.draw(&one.object)
                        ),
                    );
                }
                clear.push(called);
            }
            Counts::Sequence(_) => {}
        }
    }
    let seen = match clear.as_slice() {
        [] => format!("no sequence that was looked at gives {id} next"),
        [one] => format!("the sequence {one} does not come to it any more"),
        some => {
            let all = i64::try_from(some.len()).unwrap_or(i64::MAX);
            let first: Vec<String> = some.iter().take(5).cloned().collect();
            format!("the sequences {} do not come to it any more", sample(&first, all))
        }
    };
    Doubt { message: format!("; it gets the id {id}, since {since} and {seen}"), approval: None }
}

fn waits(since: &str, what: &str, to_do: &str) -> Doubt {
    Doubt {
        message: format!(
            ", and nobody knows here what gives its id: {since}, and {what}: {to_do}, or approve it if the app gives ids otherwise"
        ),
        approval: Some(what.to_owned()),
    }
}

/// By its name alone.
fn kin(users: &UserTable, id_column: &str, one: &IdSource) -> Kin {
    let lower = |text: &str| text.to_lowercase();
    let (name, table, id) = (lower(&one.object.table), lower(&users.object.table), lower(id_column));
    if one.counts == Counts::Table {
        return Kin::OfAll;
    }
    let stems = [table.as_str(), table.strip_suffix('s').unwrap_or(&table)];
    let of_table = stems.iter().any(|stem| {
        let ends =
            ["_seq".to_owned(), "_sequence".into(), format!("_{id}_seq"), "_id_seq".into(), "seq".into()];
        let begins = ["seq_", "sq_", "s_"];
        ends.iter().any(|end| name.strip_suffix(end.as_str()) == Some(stem))
            || begins.iter().any(|begin| name.strip_prefix(begin) == Some(stem))
    });
    match (of_table, name.as_str()) {
        (true, _) => Kin::OfTheTable,
        (false, "hibernate_sequence") => Kin::OfAll,
        _ => Kin::None,
    }
}
