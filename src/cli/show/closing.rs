//! The closing paragraph of a report: what is wrong, what was repaired, what to do next.

use crate::{
    api::{
        condition::Reason,
        report::{Action, ConsistencyReport, FindingReport, Severity, StepReport},
    },
    cli::target::RerunHint,
    domain::{
        diagnose::undeclared::unchecked,
        plan::offer::ResetOffer,
        report::scope::Scope,
        text::{count, docs, number},
    },
};

/// What a person asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Verb {
    /// `check`.
    Check,
    /// `plan`.
    Plan,
    /// `reset`.
    Reset,
    /// `repair`.
    Repair,
    /// `verify`.
    Verify,
}

impl Verb {
    /// Whether the plan is what was asked for.
    pub(super) fn is_plan(self) -> bool {
        self == Self::Plan
    }

    fn changes(self) -> bool {
        matches!(self, Self::Reset | Self::Repair)
    }
}

/// What the closing paragraph must know beside the report.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Closing<'a> {
    /// What was asked for.
    pub asked: Verb,
    /// Why the token that was given fails, or that it does not, in sentences.
    pub token: Option<String>,
    /// How a person says the same again.
    pub again: &'a RerunHint,
    /// `spec.mode` is Observe.
    pub observes: bool,
    /// The operator repairs by itself what needs no approval.
    pub by_operator: bool,
    /// `spec.suspend` is true.
    pub suspended: bool,
    /// What was repaired, in words.
    pub repaired: Vec<String>,
    /// What could not be told, in sentences.
    pub unknown: Vec<String>,
    /// Why an approval was not used.
    pub approval_unused: Option<String>,
    /// A reset was asked for and was not done.
    pub reset_undone: bool,
    /// A reset that would help the admin and would be done.
    pub reset_offer: Option<ResetOffer>,
}

impl Closing<'_> {
    /// The paragraph.
    pub(super) fn paragraph(&self, report: &ConsistencyReport) -> String {
        let mut sentences = vec![self.verdict(report), self.scope(report)];
        sentences.extend(self.done(report));
        sentences.extend(self.token.as_ref().map(|said| format!("The token: {said}")));
        sentences.extend(self.next(report));
        sentences.join(" ")
    }

    fn verdict(&self, report: &ConsistencyReport) -> String {
        let of = |severity| -> Vec<&FindingReport> {
            report.findings.iter().filter(|one| one.severity == severity).collect()
        };
        let counted: Vec<String> = [
            (of(Severity::Critical), "critical finding"),
            (of(Severity::Error), "error"),
            (of(Severity::Warning), "warning"),
        ]
        .into_iter()
        .filter(|(findings, _)| !findings.is_empty())
        .map(|(findings, noun)| format!("{} ({})", count(length(&findings), noun), names(&findings)))
        .collect();
        let counted = list(&counted);
        let next_id = match report.next_id_untold {
            Some(_) => " Nobody knows here what gives the next id, see above.",
            None => "",
        };
        match report.consistent {
            Some(true) if counted.is_empty() && Scope::from(report).checked().is_none() => {
                format!("Nothing wrong was found, and nothing was looked for.{next_id}")
            }
            Some(true) if counted.is_empty() => format!("Consistent.{next_id}"),
            Some(true) => format!("Consistent, with {counted}.{next_id}"),
            Some(false) => {
                let untold = match self.unknown.as_slice() {
                    [] => String::new(),
                    unknown => format!(" Could not tell: {}.", unknown.join("; ")),
                };
                format!("Not consistent: {counted}.{untold}")
            }
            None => {
                let why = match self.unknown.as_slice() {
                    [] => "something in scope could not be looked at, see above".to_owned(),
                    unknown => unknown.join("; "),
                };
                let counted =
                    if counted.is_empty() { String::new() } else { format!(" Findings: {counted}.") };
                format!("Could not tell: {why}.{counted}")
            }
        }
    }

    /// What the verdict is about, and what it is not.
    fn scope(&self, report: &ConsistencyReport) -> String {
        let scope = Scope::from(report);
        let mut text = scope.sentence();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text.push('.');
        if scope.undeclared > 0 && !has(report, Reason::ReferencesUndeclared) {
            let discover = self.again.command_here("discover");
            text.push_str(&format!(" {}: {discover} looks at them.", unchecked(scope.undeclared)));
        }
        text
    }

    fn done(&self, report: &ConsistencyReport) -> Option<String> {
        if !self.repaired.is_empty() {
            return Some(format!("Repaired just now: {}.", self.repaired.join("; ")));
        }
        if self.by_operator {
            return None;
        }
        if self.asked.changes() {
            return Some(match report.consistent {
                Some(true) => "There was nothing to repair.".into(),
                _ => "Nothing was repaired.".into(),
            });
        }
        Some("Nothing was changed.".into())
    }

    fn next(&self, report: &ConsistencyReport) -> Vec<String> {
        let mut next = Vec::new();
        if self.suspended {
            next.push(
                "The resource is suspended, so the operator did not look: set spec.suspend to false.".into(),
            );
        }
        if let Some(why) = &self.approval_unused {
            next.push(format!("The approval was not used: {why}."));
        }
        if self.reset_undone {
            next.push("The reset was not done, for the reasons above.".into());
        }
        next.extend(report.requests_not_done.iter().map(|one| format!("{}.", one.message)));
        next.extend(self.plan(report));
        next.extend(self.people(report));
        next.extend(self.password(report));
        next
    }

    fn plan(&self, report: &ConsistencyReport) -> Vec<String> {
        let Some(plan) = &report.plan else { return Vec::new() };
        if self.observes {
            let waiting = plan.steps.iter().filter(|step| step.waits.is_some()).count();
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            let all = length(&plan.steps);
            let then = match (waiting, all) {
                (0, _) => "set it to Enforce to have the plan carried out".to_owned(),
                (waiting, all) if waiting == all => "with Enforce it waits for approval".to_owned(),
                (waiting, _) => format!(
                    "with Enforce {} of the steps {} for approval, and the rest is carried out",
                    number(waiting),
                    if waiting == 1 { "waits" } else { "wait" }
                ),
            };
            return vec![format!(
                "The plan has {} over {}, and spec.mode is Observe, so nothing is changed: {then}.",
                count(all, "step"),
                count(plan.rows, "row")
            )];
        }
        let (waiting, mut ready): (Vec<&StepReport>, Vec<&StepReport>) =
            plan.steps.iter().partition(|step| step.waits.is_some());
        let barred = [Reason::DatabaseReadOnly, Reason::TargetClaimed].iter().any(|one| has(report, *one));
        let mut next = Vec::new();
        // What was asked for by the reset alone is in no plan of a repair.
        let mine = |step: &StepReport| step.action == Action::Reset;
        if self.reset_undone && !self.by_operator && !barred && ready.iter().any(|step| mine(step)) {
            ready.retain(|step| !mine(step));
            next.push(format!("Once that is mended, {} does it.", self.again.command("reset")));
        }
        if !ready.is_empty() && !barred {
            let steps = count(length(&ready), "step");
            let (need, was) = if ready.len() == 1 { ("needs", "was") } else { ("need", "were") };
            next.push(if self.by_operator {
                format!("The operator does the {steps} that {need} no approval by itself.")
            } else if self.asked == Verb::Repair {
                format!(
                    "The {steps} of the plan that {need} no approval {was} not done, for the reasons above."
                )
            } else {
                format!("{} does the {steps} that {need} no approval.", self.again.command("repair"))
            });
        }
        if let (Some(hash), false) = (&plan.hash, waiting.is_empty()) {
            let rows: i64 = waiting.iter().map(|step| step.rows).sum();
            next.push(format!(
                "{} over {} {} for approval; read the plan, and if it is what you want, run {}.",
                count(length(&waiting), "step"),
                count(rows, "row"),
                if waiting.len() == 1 { "waits" } else { "wait" },
                self.again.command(&format!("repair --approve {hash}"))
            ));
        }
        next
    }

    /// What no step mends.
    fn people(&self, report: &ConsistencyReport) -> Option<String> {
        let grave: Vec<&FindingReport> = report
            .findings
            .iter()
            .filter(|one| one.severity > Severity::Warning && one.remedy.is_none())
            .collect();
        let mut names: Vec<String> = Vec::new();
        for one in &grave {
            let name = one.blocked.unwrap_or(one.finding).to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [] => None,
            [one] => Some(format!(
                "{one} needs more than a repair: its message says what to do, `{}` says more.",
                docs(grave[0].blocked.unwrap_or(grave[0].finding))
            )),
            _ => Some(format!(
                "{} need more than a repair: their messages say what to do, `auth-consistency explain NAME` says more.",
                list(&names)
            )),
        }
    }

    /// Under OnSeed another password is no finding: people change theirs. Whoever looks wants to know.
    fn password(&self, report: &ConsistencyReport) -> Option<String> {
        let admin = report.admin.as_ref()?;
        if self.asked == Verb::Reset {
            return None;
        }
        let said = match (admin.password_matches, &admin.password_uncompared) {
            (Some(false), _) => Some("The admin's password is not the Secret's.".to_owned()),
            (None, Some(why)) => {
                Some(format!("The admin's password was not compared with the Secret's, since {why}."))
            }
            _ => None,
        };
        let told = |odd: &String| report.findings.iter().any(|one| one.message.contains(odd));
        let offer = self.reset_offer.as_ref().map(|offer| {
            let odd = offer.odd.as_ref().filter(|odd| !told(odd));
            let odd = odd.map_or_else(String::new, |odd| format!(" Before that: {odd}."));
            let reset = self.again.command("reset");
            format!("If the admin cannot sign in, {reset} writes the password again.{odd}")
        });
        let sentences: Vec<String> = said.into_iter().chain(offer).collect();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

fn has(report: &ConsistencyReport, reason: Reason) -> bool {
    report.findings.iter().any(|one| one.finding == reason || one.blocked == Some(reason))
}

fn length<T>(things: &[T]) -> i64 {
    i64::try_from(things.len()).unwrap_or(i64::MAX)
}

/// The names of findings, each once.
fn names(findings: &[&FindingReport]) -> String {
    let mut names: Vec<&str> = findings.iter().map(|one| one.finding.as_str()).collect();
    names.dedup();
    names.join(", ")
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_people_write_them() {
        let items = |n: usize| ["a", "b", "c"][..n].iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(list(&items(0)), "");
        assert_eq!(list(&items(1)), "a");
        assert_eq!(list(&items(2)), "a and b");
        assert_eq!(list(&items(3)), "a, b and c");
    }
}
