//! Whether our own schema in the app's database may be relied on, and what ends it where it may not.

use crate::domain::{
    facts::ledger::{Distrust, Doubt},
    hints::Hints,
    text::{clip, count, named},
};

/// Statements that one message names; the rest is told once these are run.
const NAMED: usize = 3;

/// Characters that the statements of one message have at most, so that the message has room for them.
pub const LONGEST_MEND: usize = 560;

impl Distrust {
    fn describe(&self) -> String {
        let what = match &self.table {
            Some(table) => format!("its table {}", named(table)),
            None => "the schema itself".to_owned(),
        };
        match &self.doubt {
            Doubt::Owner(role) => format!("{what} belongs to {}", named(role)),
            Doubt::Shape(None) => format!("{what} is not as this program makes it"),
            Doubt::Shape(Some(part)) => {
                format!("{} of {what} is not as this program makes it", named(part))
            }
            Doubt::Code(name) => {
                format!("{}, which runs with whoever uses {what}, is not of this program", named(name))
            }
            Doubt::RowSecurity => format!("row-level security hides rows of {what}"),
            Doubt::Key(table) => format!("a foreign key of {} rests on {what}", clip(table, 100)),
            Doubt::Grant(Some(role)) => format!("{} has rights on {what}", named(role)),
            Doubt::Grant(None) => format!("everybody has rights on {what}"),
            Doubt::EventTrigger { name, role } => format!(
                "the event trigger {} runs code of {} with the rights of whoever makes or changes a table",
                named(name),
                named(role)
            ),
        }
    }
}

/// Why the schema is not relied on, and the statements that end it; `None` where nothing is wrong with it.
pub fn untrusted(hints: &dyn Hints, doubts: &[Distrust]) -> Option<String> {
    let beyond = doubts.iter().find(|one| one.mend.is_none());
    let first = beyond.or_else(|| doubts.first())?;
    let others = match doubts.len() - 1 {
        0 => String::new(),
        more => format!(" ({} beside)", count(i64::try_from(more).unwrap_or(i64::MAX), "doubt")),
    };
    let what = first.describe();
    let begin = match &first.doubt {
        Doubt::EventTrigger { .. } => {
            format!("{what}, and a repair makes some in the schema auth_consistency{others}")
        }
        _ => format!(
            "the schema auth_consistency, where copies of rows and the audit are, may be another's: {what}{others}"
        ),
    };
    Some(if beyond.is_some() {
        // Somebody else has made the schema, or has changed it beyond what can be taken back.
        format!(
            "{begin}; look who made it, and have its owner or a superuser set it aside by `{}`, which keeps what is in it, before a repair makes it anew",
            hints.set_ledger_aside()
        )
    } else {
        let mut mends = String::new();
        for mend in doubts.iter().filter_map(|one| one.mend.as_deref()).take(NAMED) {
            if mends.is_empty() {
                mends.push_str(mend);
            } else if mends.chars().count() + mend.chars().count() + 2 <= LONGEST_MEND {
                mends.push_str("; ");
                mends.push_str(mend);
            }
        }
        format!("{begin}; have its owner or a superuser run `{mends}`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::hints;

    fn doubt(table: Option<&str>, doubt: Doubt, mend: Option<&str>) -> Distrust {
        Distrust { table: table.map(str::to_owned), doubt, mend: mend.map(str::to_owned) }
    }

    #[test]
    fn a_schema_without_doubts_is_relied_on() {
        assert_eq!(untrusted(hints(), &[]), None);
    }

    #[test]
    fn what_can_be_taken_back_is_told_with_its_statements_and_no_more_than_three() {
        let doubts: Vec<Distrust> = ["a", "b", "c", "d"]
            .map(|role| {
                doubt(Some("audit"), Doubt::Grant(Some(role.into())), Some(&format!("REVOKE {role}")))
            })
            .into();
        let told = untrusted(hints(), &doubts).unwrap();
        assert!(told.contains("\"a\" has rights on its table \"audit\" (3 doubts beside)"), "{told}");
        assert!(told.ends_with("run `REVOKE a; REVOKE b; REVOKE c`"), "{told}");
    }

    #[test]
    fn an_event_trigger_is_told_as_what_it_is_and_after_what_is_wrong_with_the_schema() {
        let event = || {
            let of = Doubt::EventTrigger { name: "e".into(), role: "neighbour".into() };
            doubt(None, of, Some("ALTER EVENT TRIGGER e DISABLE"))
        };
        let told = untrusted(hints(), &[event()]).unwrap();
        assert!(told.starts_with("the event trigger \"e\" runs code of \"neighbour\""), "{told}");
        assert!(
            told.ends_with("have its owner or a superuser run `ALTER EVENT TRIGGER e DISABLE`"),
            "{told}"
        );
        let grant = doubt(None, Doubt::Grant(None), Some("REVOKE"));
        let told = untrusted(hints(), &[grant, event()]).unwrap();
        assert!(told.contains("everybody has rights on the schema itself (1 doubt beside)"), "{told}");
        assert!(told.ends_with("run `REVOKE; ALTER EVENT TRIGGER e DISABLE`"), "{told}");
    }

    #[test]
    fn one_doubt_that_cannot_be_taken_back_sets_the_whole_schema_aside() {
        let doubts = [
            doubt(Some("audit"), Doubt::Code("t".into()), Some("DROP TRIGGER t ON auth_consistency.audit")),
            doubt(Some("claims"), Doubt::Owner("neighbour".into()), None),
        ];
        let told = untrusted(hints(), &doubts).unwrap();
        assert!(told.contains("its table \"claims\" belongs to \"neighbour\" (1 doubt beside)"), "{told}");
        assert!(told.contains(hints().set_ledger_aside()) && !told.contains("DROP TRIGGER"), "{told}");
    }
}
