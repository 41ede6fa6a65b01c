//! Tables of others are not repaired unless a rule names them: what stands on them runs with the rights of the
//! role that repairs.

use crate::{
    api::{report::ObjectRef, spec::OnOrphan},
    domain::{
        facts::{
            foreign::{Foreign, ForeignThing},
            references::same_columns,
        },
        text::unseen,
    },
};

impl Foreign {
    fn describe(&self) -> String {
        let (what, name) = match &self.thing {
            ForeignThing::Table(name) => ("the table", name),
            ForeignThing::Function(name) => ("the function", name),
            ForeignThing::Type(name) => ("the type", name),
            ForeignThing::Operator(name) => ("the operator", name),
        };
        format!("{what} {name:?} belongs to {:?}", self.owner)
    }
}

/// Why none of these is repaired, and the rules that would allow it; `None` where nothing of others is in the way
/// that no rule names. The first of `objects` is what is repaired, the others go along with it.
pub fn unnamed(foreign: &[Foreign], objects: &[&ObjectRef], on_orphan: Option<OnOrphan>) -> Option<String> {
    let of = |object: &ObjectRef| foreign.iter().filter(|one| same_columns(&one.object, object)).count();
    let mut barred: Vec<(usize, &ObjectRef)> = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        if of(object) > 0 && !barred.iter().any(|(_, one)| same_columns(one, object)) {
            barred.push((at, object));
        }
    }
    let first =
        foreign.iter().find(|one| barred.iter().any(|(_, object)| same_columns(&one.object, object)))?;
    let more = match barred.iter().map(|(_, object)| of(object)).sum::<usize>() - 1 {
        0 => String::new(),
        more => format!(" ({more} more beside)"),
    };
    let rules: Vec<String> =
        barred.iter().map(|(at, object)| rule(object, on_orphan.filter(|_| *at == 0))).collect();
    Some(format!(
        "{}{more}, which is neither this role nor the user table's owner, and its code would run with this role's rights; if that may be, say so in spec.references.rules by {}",
        first.describe(),
        rules.join(" and "),
    ))
}

/// A rule that names a table, as one line of YAML.
fn rule(object: &ObjectRef, on_orphan: Option<OnOrphan>) -> String {
    let columns: Vec<String> = object.columns.iter().map(|name| scalar(name)).collect();
    let mut rule = format!("- {{schema: {}, table: {}", scalar(&object.schema), scalar(&object.table));
    if !columns.is_empty() {
        rule.push_str(&format!(", columns: [{}]", columns.join(", ")));
    }
    if let Some(action) = on_orphan {
        rule.push_str(&format!(", onOrphan: {action:?}"));
    }
    rule.push('}');
    rule
}

/// A name as YAML has it within braces; what may read as something else than a name is quoted as in JSON.
fn scalar(name: &str) -> String {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(plain) && !WORDS.contains(&name)
    {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if unseen(c) || c == '`' => text.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::ReferenceRule;

    #[test]
    fn a_rule_is_read_back_as_what_it_names_whatever_the_names_are() {
        for name in
            ["logs", "no", "1", "_x", "Größe", "a, b}", "q\"uo\\te", "tab\there", "\u{202e}x", "# c", "a`b"]
        {
            let object = ObjectRef {
                schema: name.into(),
                table: name.into(),
                columns: vec![name.into()],
                ..ObjectRef::default()
            };
            let text = rule(&object, Some(OnOrphan::SetNull));
            let rules: Vec<ReferenceRule> = serde_saphyr::from_str(&text).unwrap();
            let expected = ReferenceRule {
                schema: Some(name.into()),
                table: name.into(),
                columns: Some(vec![name.into()]),
                on_orphan: Some(OnOrphan::SetNull),
                ..ReferenceRule::default()
            };
            assert_eq!(rules, [expected], "{text}");
        }
    }
}
