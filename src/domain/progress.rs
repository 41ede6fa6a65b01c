//! How far a long look or repair has got: one value for the status, for the bar at the command line and
//! for the words of both.

use crate::{
    api::status::{Progress as Shown, Unit},
    domain::text::{clip, count, number},
};

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What, as the beginning of a sentence: `Delete of usage_logs.user_id`.
    pub what: String,
    /// What is counted.
    pub unit: Unit,
    /// How many are done.
    pub done: i64,
    /// How many there are; an estimate where only the work itself tells.
    pub all: i64,
    /// Why it makes a pause, if it does: a plain clause.
    pub paused: Option<String>,
}

impl Progress {
    /// Rows of a repair.
    pub fn rows(what: impl Into<String>, done: i64, all: i64) -> Self {
        Self { what: what.into(), unit: Unit::Rows, done, all, paused: None }
    }

    /// References of a look; `at` is the one that is being searched.
    pub fn references(at: &str, done: i64, all: i64) -> Self {
        Self { what: format!("looking at {at}"), unit: Unit::References, done, all, paused: None }
    }

    /// As a status tells of it.
    pub fn told(shown: &Shown) -> Self {
        let Shown { what, unit, done, left, paused } = shown.clone();
        Self { what, unit, done, all: done.saturating_add(left), paused }
    }

    /// The same during a pause.
    pub fn paused(self, why: impl Into<String>) -> Self {
        Self { paused: Some(why.into()), ..self }
    }

    /// How many are left; more than were counted on are none too few.
    pub fn left(&self) -> i64 {
        self.all.saturating_sub(self.done).max(0)
    }

    /// `Delete of usage_logs.user_id: 1,000 of 3,000 rows done`.
    pub fn words(&self) -> String {
        let unit = match self.unit {
            Unit::Rows => "row",
            Unit::References => "reference",
        };
        let all = self.all.max(self.done);
        let mut words = format!("{}: {} of {} done", self.what, number(self.done), count(all, unit));
        if let Some(why) = &self.paused {
            words.push_str(&format!("; paused, since {why}"));
        }
        words
    }

    /// As the status holds it.
    pub fn shown(&self) -> Shown {
        Shown {
            what: clip(&self.what, 255),
            unit: self.unit,
            done: self.done.max(0),
            left: self.left(),
            paused: self.paused.as_deref().map(|why| clip(why, 255)),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{
        AuthConsistencyStatus,
        condition::{ConditionType, Reason},
    };
    use crate::domain::{
        fault::{Class, Fault},
        report::{End, Seen, looking, status, unseen::suspended, working},
    };

    #[test]
    fn what_is_under_way_reads_as_a_sentence() {
        let repair = Progress::rows("Delete of logs.user_id", 1000, 3000);
        assert_eq!(repair.words(), "Delete of logs.user_id: 1,000 of 3,000 rows done");
        let paused = repair.clone().paused("a replica is 11 s behind");
        assert_eq!(
            paused.words(),
            "Delete of logs.user_id: 1,000 of 3,000 rows done; paused, since a replica is 11 s behind"
        );
        let look = Progress::references("logs.user_id", 0, 1);
        assert_eq!(look.words(), "looking at logs.user_id: 0 of 1 reference done");
    }

    #[test]
    fn a_look_at_what_has_a_verdict_leaves_it_as_it_is_and_one_at_something_new_does_not() {
        let [then, now] = [0, 60].map(|second| Time(jiff::Timestamp::from_second(second).unwrap()));
        let progress = Progress::references("logs.user_id", 3, 5);
        let end = |class| {
            End::Failed(Fault {
                reason: Reason::DatabaseUnreachable,
                condition: ConditionType::DatabaseReachable,
                class,
                message: "nobody answers".into(),
            })
        };
        // One that waits for a person, and one that comes by itself.
        for (class, before) in [(Class::Terminal, "Stalled"), (Class::Transient, "Reconciling")] {
            let settled = status(&AuthConsistencyStatus::default(), 1, &then, &end(class), &Seen::default());
            let under_way = looking(&settled, 1, &now, &progress.words(), Some(&progress));
            assert_eq!(under_way.progress, Some(progress.shown()));
            for one in &settled.conditions {
                let same = under_way.conditions.iter().find(|other| other.type_ == one.type_).unwrap();
                assert_eq!(same == one, one.type_ != "Reconciling", "{before}: {}", one.type_);
            }
            let reconciling = under_way.conditions.iter().find(|one| one.type_ == "Reconciling");
            let said = reconciling.map(|one| (one.status.as_str(), one.message.clone()));
            // Of what waits for a person nobody says that it comes by itself.
            assert_eq!(said, (class == Class::Transient).then(|| ("True", progress.words())));
            assert_eq!(
                looking(&settled, 2, &now, "looking", None),
                working(&settled, 2, &now, "looking", None),
                "nothing was said of this generation yet"
            );
        }
        let nobody = AuthConsistencyStatus::default();
        assert_eq!(looking(&nobody, 1, &now, "looking", None), working(&nobody, 1, &now, "looking", None));
    }

    #[test]
    fn it_stands_in_the_status_as_long_as_it_is_under_way() {
        let now = Time(jiff::Timestamp::UNIX_EPOCH);
        let progress = Progress::references("logs.user_id", 3, 5);
        let settled = AuthConsistencyStatus::default();
        let under_way = working(&settled, 1, &now, &progress.words(), Some(&progress));
        assert_eq!(under_way.progress, Some(progress.shown()));
        assert_eq!(under_way.conditions[1].message, "looking at logs.user_id: 3 of 5 references done");
        assert_eq!(working(&under_way, 1, &now, "repairing", None).progress, None);
        assert_eq!(suspended(&under_way, 1, &now, &Seen::default()).progress, None);
        let end = End::Failed(Fault {
            reason: Reason::TimedOut,
            condition: ConditionType::DatabaseReachable,
            class: Class::Transient,
            message: "it took too long".into(),
        });
        let ended = status(&under_way, 1, &now, &end, &Seen::default());
        assert_eq!(ended.progress, None);
        assert_eq!(status(&ended, 1, &now, &end, &Seen::default()), ended);
    }

    #[test]
    fn the_status_has_what_is_done_and_what_is_left_within_its_bounds() {
        let shown = Progress::rows("Delete of logs.user_id", 1000, 3000).shown();
        assert_eq!((shown.done, shown.left, shown.paused), (1000, 2000, None));
        let paused = Progress::rows("Delete of logs.user_id", 1000, 3000).paused("so it is");
        assert_eq!(Progress::told(&paused.shown()), paused);
        let more = Progress::rows("x".repeat(300), 3001, 3000);
        assert_eq!((more.shown().left, more.shown().what.chars().count()), (0, 255));
        assert!(more.words().ends_with(": 3,001 of 3,001 rows done"));
        assert_eq!(more.paused("y".repeat(300)).shown().paused.unwrap().chars().count(), 255);
    }
}
