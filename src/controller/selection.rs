//! Which resources this operator looks after, by their labels.

use std::{collections::BTreeMap, str::FromStr};

use kube::core::{Expression, Selector, SelectorExt};

/// A label selector; all resources unless it says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection(Selector);

impl Selection {
    /// As the API server takes it; `None` where all are selected.
    pub fn as_query(&self) -> Option<String> {
        (!self.0.selects_all()).then(|| self.0.to_string())
    }

    /// Whether a resource with these labels is one of them.
    pub fn includes(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.0.matches(labels.unwrap_or(&NONE))
    }
}

impl FromStr for Selection {
    type Err = String;

    /// Reads a selector as kubectl takes it with `-l`: `shard=a`, `shard!=a`, `shard in (a, b)`, `shard notin (a)`,
    /// `shard`, `!shard`, several of them separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in parts(text) {
            all.push(expression(part.trim()).ok_or_else(|| {
                format!(
                    "{part:?} is no part of a label selector: write for example shard=a, shard!=a, shard in (a, b), \
                     shard or !shard, separated by commas"
                )
            })?);
        }
        Ok(Self(all.into_iter().collect()))
    }
}

/// What commas separate that stand in no parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    })
    .collect()
}

fn expression(text: &str) -> Option<Expression> {
    let key = |text: &str| key(text.trim());
    let value = |text: &str| value(text.trim());
    if let Some((left, right)) = text.split_once("!=") {
        return Some(Expression::NotEqual(key(left)?, value(right)?));
    }
    if let Some((left, right)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Expression::Equal(key(left)?, value(right)?));
    }
    if let Some(rest) = text.strip_suffix(')') {
        let (left, values) = rest.split_once('(')?;
        let values = values.split(',').map(value).collect::<Option<_>>()?;
        let (left, operator) = left.trim_end().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => Some(Expression::In(key(left)?, values)),
            "notin" => Some(Expression::NotIn(key(left)?, values)),
            _ => None,
        };
    }
    match text.strip_prefix('!') {
        Some(rest) => Some(Expression::DoesNotExist(key(rest)?)),
        None => Some(Expression::Exists(key(text)?)),
    }
}

/// A label's key: a name, and before it perhaps a DNS name and a slash.
fn key(text: &str) -> Option<String> {
    let name = match text.split_once('/') {
        Some((prefix, name)) => {
            let dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
            (prefix.len() <= 253 && !prefix.is_empty() && prefix.chars().all(dns)).then_some(name)?
        }
        None => text,
    };
    (!name.is_empty() && is_name(name)).then(|| text.to_owned())
}

/// A label's value, which may be empty.
fn value(text: &str) -> Option<String> {
    is_name(text).then(|| text.to_owned())
}

fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let at_end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.chars().all(inside) && text.starts_with(at_end) && text.ends_with(at_end)
        || text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn selectors_are_read_as_kubectl_takes_them_and_select_what_the_api_server_selects() {
        for (text, query, selected, others) in [
            ("shard=a", "shard=a", &["shard=a"][..], &["shard=b", ""][..]),
            ("shard == a", "shard=a", &["shard=a"], &["shard=b"]),
            ("shard!=a", "shard!=a", &["shard=b", ""], &["shard=a"]),
            ("shard in (a, b), team", "shard in (a,b),team", &["shard=b,team=x"], &["shard=b", "team=x"]),
            ("shard notin (a,b)", "shard notin (a,b)", &["shard=c", ""], &["shard=a"]),
            ("!example.com/shard", "!example.com/shard", &[""], &["example.com/shard=a"]),
            ("shard=", "shard=", &["shard="], &["shard=a", ""]),
        ] {
            let selection: Selection = text.parse().unwrap();
            assert_eq!(selection.as_query().as_deref(), Some(query));
            for one in selected {
                assert!(selection.includes(Some(&labels(one))), "{text}: {one:?}");
            }
            for one in others {
                assert!(!selection.includes(Some(&labels(one))), "{text}: {one:?}");
            }
        }
        assert!(Selection::default().includes(None) && Selection::default().as_query().is_none());
    }

    #[test]
    fn what_is_no_selector_is_refused_with_the_part_that_is_none() {
        for (text, part) in [
            ("", "\"\""),
            ("shard=a,", "\"\""),
            ("shard=a b", "shard=a b"),
            ("shard in a", "shard in a"),
            ("shard in (a", "shard in (a"),
            ("shard near (a)", "shard near (a)"),
            ("a>1", "a>1"),
            ("-shard=a", "-shard=a"),
            ("UPPER.example/shard=a", "UPPER.example/shard"),
        ] {
            let why = text.parse::<Selection>().unwrap_err();
            assert!(why.contains(part) && why.contains("is no part of a label selector"), "{why}");
        }
    }
}
