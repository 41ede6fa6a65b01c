//! `plan --accept`: the rules that say that today's orphans are wanted, for those who decline a repair.

use crate::{
    api::{
        condition::Reason,
        report::{FindingReport, ObjectRef},
        spec::{Accept, ReferenceRule},
    },
    domain::{target::policy::Rule, text::count},
};

use super::{
    discover::rules,
    output::{CliError, Exit, Output},
    pass_command::Looked,
    show::{Format, PageStyle, wrap},
};

/// Shows the rules for what a look found.
///
/// # Errors
/// They cannot be written down.
pub(super) fn said(looked: &Looked, format: Format, today: &str) -> Result<Output, CliError> {
    let orphans: Vec<&FindingReport> =
        looked.report.findings.iter().filter(|one| one.finding == Reason::OrphanRows).collect();
    let (changed, new): (Vec<_>, Vec<_>) = orphans
        .iter()
        .filter_map(|one| accepting(&looked.rules, one.object.as_ref()?, one.rows?, today))
        .partition(|(_, there)| *there);
    let only = |rules: Vec<(ReferenceRule, bool)>| rules.into_iter().map(|(rule, _)| rule);
    let exit = Exit::of(looked.report.consistent);
    if format != Format::Table {
        let all: Vec<ReferenceRule> = only(changed).chain(only(new)).collect();
        return Ok(Output::new(format.document(&all)?.unwrap_or_default(), exit));
    }
    let width = PageStyle::of_stdout().width;
    if orphans.is_empty() {
        return Ok(Output::new(
            wrap("No reference has orphans, so there is nothing to accept.", width),
            exit,
        ));
    }
    let rows: i64 = orphans.iter().filter_map(|one| one.rows).sum();
    let mut text = wrap(
        &format!(
            "These rules accept what names nobody today ({}): up to that many count as consistent, and one more does not. Say why in each reason, and paste them under spec.references.rules.",
            count(rows, "row")
        ),
        width,
    );
    if !new.is_empty() {
        text.push_str(&format!("\n{}", rules(only(new))?));
    }
    if !changed.is_empty() {
        text.push('\n');
        text.push_str(&wrap("Instead of the rules that there are for the same columns:", width));
        text.push_str(&format!("\n{}", rules(only(changed))?));
    }
    Ok(Output::new(text, exit))
}

/// The rule that accepts these orphans, and whether there is one for the same columns already.
fn accepting(rules: &[Rule], object: &ObjectRef, rows: i64, today: &str) -> Option<(ReferenceRule, bool)> {
    let there = rules.iter().find(|rule| rule.names(object));
    let mut rule = match there {
        Some(rule) => ReferenceRule { schema: Some(rule.schema.clone()), ..rule.rule.clone() },
        None => ReferenceRule {
            schema: Some(object.schema.clone()),
            table: object.table.clone(),
            columns: Some(object.columns.clone()),
            ..ReferenceRule::default()
        },
    };
    rule.accept = Some(Accept { rows, reason: format!("known on {today}; say why") });
    (rows > 0).then_some((rule, there.is_some()))
}
