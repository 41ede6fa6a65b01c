//! A report as a page: what was looked at, what is wrong, what would be done, what was done, and one
//! closing paragraph.

use super::{Cell, Closing, PageStyle, Table, clean, table};
use crate::{
    api::condition::Reason,
    api::report::{
        AdminReport, ConsistencyReport, FindingReport, ObjectRef, PasswordsReport, SearchReport, StepReport,
    },
    domain::text::{count, number},
};

/// What the first line of a page says beside the report's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Heading {
    /// Where the resource comes from.
    pub from: String,
    /// The server's host and port, where they are known.
    pub server: Option<String>,
    /// Whether the connection is not encrypted.
    pub unencrypted: bool,
    /// A table that comes before everything else.
    pub above: Option<String>,
}

/// The whole page.
pub(in crate::cli) fn report(
    report: &ConsistencyReport,
    heading: &Heading,
    closing: &Closing<'_>,
    look: PageStyle,
) -> String {
    let mut page = head(report, heading);
    let facts = facts(report, look);
    let plan_first = closing.asked.is_plan();
    let findings: Vec<&FindingReport> = report
        .findings
        .iter()
        // What the plan mends is in the plan; the rest must not be taken for mended.
        .filter(|finding| !plan_first || finding.remedy.is_none())
        .collect();
    let findings = findings_table(&findings, plan_first, look);
    let plan = report.plan.as_ref().map(|plan| steps("PLAN", &plan.steps, look)).unwrap_or_default();
    let repaired = steps("REPAIRED", &report.repaired, look);
    let searched = searched(&report.searched, look);
    let parts = if plan_first {
        [facts, searched, plan, findings, repaired]
    } else {
        [facts, searched, repaired, findings, plan]
    };
    for part in heading.above.iter().cloned().chain(parts).filter(|part| !part.is_empty()) {
        page.push('\n');
        page.push_str(&part);
    }
    page.push('\n');
    page.push_str(&table::wrap(&closing.paragraph(report), look.width));
    page
}

fn head(report: &ConsistencyReport, heading: &Heading) -> String {
    let target = &report.target;
    let mut line = format!("{}/{} {}", target.namespace, target.name, heading.from);
    if let (Some(engine), Some(version)) = (&target.engine, &target.server_version) {
        line.push_str(&format!(": {engine} {version}"));
    }
    if let Some(server) = &heading.server {
        line.push_str(&format!(" at {server}"));
    }
    if heading.unencrypted {
        line.push_str(", without encryption");
    }
    line.push('\n');
    clean(&line).into_owned()
}

/// What is so, wrong or not.
fn facts(report: &ConsistencyReport, look: PageStyle) -> String {
    let mut facts = Table::new(&[], 2, look);
    let mut add = |name: &str, text: String| facts.row(vec![Cell::text(name), Cell::text(text)]);
    if let Some(admin) = &report.admin {
        add("admin", account(admin));
    }
    for beside in &report.accounts {
        add("account", account(beside));
    }
    if let Some(passwords) = &report.passwords {
        add("passwords", stored(passwords));
    }
    if let Some(key) = &report.signing_key {
        let fingerprint = key.fingerprint.as_deref().unwrap_or("no fingerprint, since the key is weak");
        let since = key.changed_time.as_ref().map(|time| format!(", in use since {}", time.0));
        add("signing key", format!("{:?}, {fingerprint}{}", key.algorithm, since.unwrap_or_default()));
        if let Some(rotation) = &key.rotation {
            add("rotation", rotation.why.clone());
        }
    }
    if let Some(references) = &report.references {
        let spelled = report.findings.iter().any(|one| one.finding == Reason::IdSpellingDiffers);
        let orphans = if references.orphan_rows == 0 {
            let how = if spelled { ", some in another spelling" } else { "" };
            format!("every row names a user{how}")
        } else {
            format!("{} no user", verb(references.orphan_rows, "row", "names", "name"))
        };
        let accepted = match references.accepted_rows {
            0 => String::new(),
            rows => format!(", {} accepted by a rule", verb(rows, "row", "is", "are")),
        };
        add(
            "references",
            match references.checked {
                0 => "none checked".to_owned(),
                checked => format!("{} checked, {orphans}{accepted}", number(checked)),
            },
        );
        for skipped in references.skipped.iter().filter(|skipped| skipped.asked) {
            add("ignored", format!("{}: {}", skipped.object.describe(), skipped.why));
        }
        for skipped in references.skipped.iter().filter(|skipped| !skipped.asked) {
            add("not checked", format!("{}: {}", skipped.object.describe(), skipped.why));
        }
    }
    if let Some(untold) = &report.next_id_untold {
        add("next id", untold.clone());
    }
    if facts.is_empty() { String::new() } else { facts.render() }
}

/// An account in words.
fn account(account: &AdminReport) -> String {
    let password = match (account.password_matches, &account.password_uncompared) {
        (Some(true), _) => "the password is the right one".to_owned(),
        (Some(false), _) => "the password is not the Secret's".to_owned(),
        (None, Some(why)) => format!("the password could not be compared, since {why}"),
        (None, None) => "the password was not compared".to_owned(),
    };
    let format = account.password_hash.map(|format| format!(" ({format:?})")).unwrap_or_default();
    let active = if account.active { "active" } else { "not active" };
    format!("{}, id {}, {active}, {password}{format}", account.login, account.id)
}

/// What the other accounts have, and what a new password is written as.
fn stored(passwords: &PasswordsReport) -> String {
    let formats: Vec<String> = passwords
        .formats
        .iter()
        .map(|one| format!("{} of {}: {}", number(one.accounts), number(passwords.sampled), one.format))
        .collect();
    let others = match formats.as_slice() {
        [] => "no other active account has one".to_owned(),
        some => format!("other active accounts, {}", some.join("; ")),
    };
    match &passwords.writes {
        Some(format) => format!("{others}; a new one is written as {format}"),
        None => format!("{others}; none is written"),
    }
}

fn verb(n: i64, noun: &str, one: &str, many: &str) -> String {
    format!("{} {}", count(n, noun), if n == 1 { one } else { many })
}

fn findings_table(findings: &[&FindingReport], beside_plan: bool, look: PageStyle) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let name = if beside_plan { "NOT IN THE PLAN" } else { "FINDING" };
    let mut rows = Table::new(&["SEVERITY", name, "WHERE", "WHAT IS WRONG"], 4, look);
    for finding in findings {
        rows.row(vec![
            Cell::Severity(finding.severity),
            Cell::text(finding.finding.as_str()),
            Cell::text(finding.object.as_ref().map_or("-".to_owned(), ObjectRef::describe)),
            Cell::text(&finding.message),
        ]);
    }
    rows.render()
}

fn steps(name: &str, steps: &[StepReport], look: PageStyle) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let mut rows = Table::new(&[name, "ROWS", "WHAT"], 3, look);
    for step in steps {
        let waits = step.waits.as_ref().map(|why| format!("waits: {why}"));
        rows.row(vec![
            Cell::text(step.action.as_str()),
            Cell::Number(number(step.rows)),
            Cell::lines([step.message.clone()].into_iter().chain(waits)),
        ]);
    }
    rows.render()
}

/// How each reference was searched, slowest first.
fn searched(searched: &[SearchReport], look: PageStyle) -> String {
    if searched.is_empty() {
        return String::new();
    }
    let mut slowest: Vec<&SearchReport> = searched.iter().collect();
    slowest.sort_by_key(|one| std::cmp::Reverse(one.elapsed_micros));
    let mut rows = Table::new(&["SEARCHED", "BY", "MS", "WHY"], 4, look);
    for one in slowest {
        rows.row(vec![
            Cell::text(one.object.describe()),
            Cell::text(one.strategy.as_str()),
            Cell::Number(format!("{:.1}", one.elapsed_micros as f64 / 1e3)),
            Cell::text(&one.why),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests;
