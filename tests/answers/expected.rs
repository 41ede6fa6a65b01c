//! What a good tool says of what was planted, and what ours said.

use auth_consistency::api::{condition::Reason, report::ObjectRef};

use crate::support::Pass;

/// What is to be told.
#[derive(Clone, Debug)]
pub struct Expected {
    pub cause: &'static str,
    /// One of these is the right reason.
    pub reasons: Vec<Reason>,
    /// Schema and table that it is about, and the column where it is about one.
    pub table: Option<String>,
    pub column: Option<String>,
    pub blocked: Option<Reason>,
    /// What the message has to name.
    pub words: Vec<String>,
}

impl Expected {
    pub fn new(cause: &'static str, reason: Reason) -> Self {
        Self { cause, reasons: vec![reason], table: None, column: None, blocked: None, words: Vec::new() }
    }

    pub fn at(mut self, table: &str) -> Self {
        self.table = Some(table.into());
        self
    }

    pub fn column(mut self, column: &str) -> Self {
        self.column = Some(column.into());
        self
    }

    pub fn blocked(mut self, reason: Reason) -> Self {
        self.blocked = Some(reason);
        self
    }

    pub fn or(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }

    pub fn says(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }
}

/// One thing that was told.
#[derive(Clone, Debug)]
pub struct Told {
    pub reason: Reason,
    pub object: Option<ObjectRef>,
    pub blocked: Option<Reason>,
    pub text: String,
}

impl Told {
    fn is(&self, expected: &Expected) -> bool {
        let object = self.object.clone().unwrap_or_default();
        expected.reasons.contains(&self.reason)
            && expected.table.as_ref().is_none_or(|table| object.table == *table)
            && expected.column.as_ref().is_none_or(|column| object.columns.contains(column))
            && expected.blocked.is_none_or(|blocked| self.blocked == Some(blocked))
    }

    fn lacks<'a>(&self, expected: &'a Expected) -> Option<&'a str> {
        let text = self.text.to_lowercase();
        expected.words.iter().map(String::as_str).find(|word| {
            // Words between bars stand for one another.
            !word.split('|').any(|one| text.contains(&one.to_lowercase()))
        })
    }
}

/// Everything that a pass told as wrong or as not to be told.
pub fn told(pass: &Pass) -> Vec<Told> {
    let mut all = Vec::new();
    match &pass.report {
        Some(report) => {
            for one in &report.findings {
                all.push(Told {
                    reason: one.finding,
                    object: one.object.clone(),
                    blocked: one.blocked,
                    text: one.message.clone(),
                });
            }
            for one in report.references.iter().flat_map(|references| &references.skipped) {
                all.push(Told {
                    reason: if one.why.contains("collation") {
                        Reason::IndexUntrusted
                    } else {
                        Reason::RowsUnreadable
                    },
                    object: Some(one.object.clone()),
                    blocked: None,
                    text: one.why.clone(),
                });
            }
        }
        None => {
            for one in pass.status.conditions.iter().filter(|one| one.status != "True") {
                let reason = Reason::ALL.iter().find(|reason| reason.as_str() == one.reason);
                let Some(&reason) = reason.filter(|reason| **reason != Reason::NotChecked) else { continue };
                all.push(Told { reason, object: None, blocked: None, text: one.message.clone() });
            }
        }
    }
    all
}

/// What became of one world.
#[derive(Default, Debug)]
pub struct Judgement {
    /// The cause, and what was said in its place.
    pub missed: Vec<(&'static str, String)>,
    /// What was told and is not so.
    pub untrue: Vec<String>,
    pub all_clear: bool,
    /// A verdict that nothing explains.
    pub bare: bool,
}

impl Judgement {
    pub fn right(&self) -> bool {
        self.missed.is_empty() && self.untrue.is_empty() && !self.all_clear && !self.bare
    }
}

/// Holds what was told against what was planted.
pub fn judge(pass: &Pass, expected: &[Expected], beside: &[(Reason, Option<String>)]) -> Judgement {
    let told = told(pass);
    let mut judgement = Judgement::default();
    for one in expected {
        let alike: Vec<_> = told.iter().filter(|told| told.is(one)).collect();
        if alike.iter().any(|told| told.lacks(one).is_none()) {
            continue;
        }
        let said = match alike.first() {
            Some(near) => {
                format!("{} without {:?}: {}", near.reason, near.lacks(one).unwrap_or_default(), near.text)
            }
            None if told.is_empty() => "nothing".into(),
            None => {
                let all = told.iter().map(|told| {
                    let object = told.object.as_ref().map(ObjectRef::describe).unwrap_or_default();
                    let blocked = told.blocked.map_or(String::new(), |reason| format!(" blocked {reason}"));
                    format!("{} {object}{blocked}: {}", told.reason, told.text)
                });
                format!(
                    "wanted {:?} {:?} {:?}, not {}",
                    one.table,
                    one.column,
                    one.blocked,
                    all.collect::<Vec<_>>().join(" ## ")
                )
            }
        };
        judgement.missed.push((one.cause, said));
    }
    for told in &told {
        let table = told.object.as_ref().map(|object| object.table.as_str());
        let may = beside.iter().any(|(reason, of)| {
            *reason == told.reason && of.as_deref().is_none_or(|of| table.is_none_or(|table| table == of))
        });
        if !may && !expected.iter().any(|one| told.is(one)) {
            let object = told.object.as_ref().map(ObjectRef::describe).unwrap_or_default();
            judgement.untrue.push(format!("{} {object}: {}", told.reason, told.text));
        }
    }
    if let Some(report) = &pass.report {
        // With warnings alone it is consistent.
        let silent = |one: &Expected| !told.iter().any(|told| one.reasons.contains(&told.reason));
        judgement.all_clear = report.consistent == Some(true) && expected.iter().any(silent);
        judgement.bare = report.consistent != Some(true) && told.is_empty();
    }
    judgement
}
