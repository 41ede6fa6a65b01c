//! Which column people sign in with.

use super::{
    facts::{ColumnFacts, TableFacts, ValueKind},
    frameworks::{self, Framework},
    password,
};

/// A column that people may sign in with.
#[derive(Debug, Clone)]
pub struct Login<'f> {
    /// The column.
    pub column: &'f ColumnFacts,
    /// What its values are told apart by.
    pub unique: Unique,
    /// Whether its values are addresses of e-mail, by the sample alone.
    addresses: bool,
    /// Whether the app is known to look accounts up by it.
    known: bool,
}

/// How far a column tells accounts apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unique {
    /// By itself, in all rows.
    Alone,
    /// By itself, as an expression over it.
    Expression,
    /// By itself, in some of the rows.
    Partial,
    /// By itself, in some of the rows, as an expression over it.
    PartialExpression,
    /// Together with other columns.
    Together(Vec<String>),
    /// Nothing says so.
    Not,
}

impl Login<'_> {
    /// Whether some key tells accounts apart by it.
    pub fn tells_apart(&self) -> bool {
        self.unique != Unique::Not
    }

    /// What is known of it, as what follows "it is".
    pub fn how(&self) -> String {
        let mail = if self.addresses { ", with addresses of e-mail" } else { "" };
        let known = if self.known { "; the app looks accounts up by it" } else { "" };
        let unique = match &self.unique {
            Unique::Alone => "unique".to_owned(),
            Unique::Expression => "unique by an index over an expression".to_owned(),
            Unique::Partial => "unique among some of the rows".to_owned(),
            Unique::PartialExpression => {
                "unique among some of the rows, by an index over an expression".to_owned()
            }
            Unique::Together(others) => format!("unique only together with {}", others.join(", ")),
            Unique::Not => "not unique".to_owned(),
        };
        format!("{unique}{mail}{known}")
    }

    fn rank(&self) -> usize {
        match self.unique {
            Unique::Alone => 0,
            Unique::Expression | Unique::Partial | Unique::PartialExpression => 1,
            Unique::Together(_) => 2,
            Unique::Not => 3,
        }
    }
}

/// How far a column tells the rows of its table apart.
fn unique(facts: &TableFacts, column: &str) -> Unique {
    match (facts.unique(column), facts.unique_together(column)) {
        (Some(key), _) if !key.partial && !key.expression => Unique::Alone,
        (Some(key), _) if !key.partial => Unique::Expression,
        (Some(key), _) if !key.expression => Unique::Partial,
        (Some(_), _) => Unique::PartialExpression,
        (None, Some(key)) => {
            Unique::Together(key.columns.iter().filter(|one| *one != column).cloned().collect())
        }
        (None, None) => Unique::Not,
    }
}

/// The columns that people may sign in with, the best first: what the app is known to look up, what tells accounts apart,
/// what is called so.
pub fn columns<'f>(facts: &'f TableFacts, framework: Option<&Framework>) -> Vec<Login<'f>> {
    let passwords = password::columns(facts);
    let mut found: Vec<((bool, usize, usize, bool), Login<'f>)> = Vec::new();
    for column in facts.columns.iter().filter(|column| column.kind == ValueKind::Text) {
        if passwords.iter().any(|password| password.column == column.name) {
            continue;
        }
        let unique = unique(facts, &column.name);
        let addresses = column.filled > 0 && column.addresses * 2 > column.filled;
        let order = frameworks::login_order(framework, &column.name);
        // Without a name that says so, only addresses that are unique are logins.
        let Some((unknown, at)) = order.or_else(|| (addresses && unique != Unique::Not).then_some((true, 9)))
        else {
            continue;
        };
        let login = Login { column, unique, addresses, known: !unknown };
        // What the app looks up counts before what is unique, unless nothing tells accounts apart by it.
        let named_first = !unknown && login.tells_apart();
        found.push(((!named_first, login.rank(), at, !column.not_null), login));
    }
    found.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.column.name.cmp(&other.column.name)));
    found.into_iter().map(|(_, login)| login).collect()
}
