//! Who of before is who today: old id to login to new id, as one mapping that is looked up once per
//! row; and what was counted of it.

use crate::domain::{blank, facts::key_kind::KeyKind};

use std::collections::{HashMap, HashSet};

/// One old id that does not name the same person any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The id as it was.
    pub old: String,
    /// The id that the same person has today; `None`: nobody has that login, or more than one.
    pub new: Option<String>,
    /// Whether somebody else has the old id today.
    pub shifted: bool,
    /// Why there is no new id; `None` where there is one.
    pub lost: Option<Lost>,
}

/// Why a person of before is not told among today's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nobody has the login, nor one like it.
    Gone,
    /// One account has a login that differs by case or surrounding spaces only: its id.
    Alike(String),
    /// Several accounts have the login, or ones that differ by case or surrounding spaces only.
    Ambiguous,
}

/// Today's users by id and by login.
#[derive(Debug, Default)]
pub struct Today {
    by_id: HashMap<String, Option<String>>,
    by_login: HashMap<String, Holders>,
}

/// Whose a login is.
#[derive(Debug)]
enum Holders {
    /// One account's, or the one active one's of several.
    One { id: String, active: bool },
    /// Several accounts', so it says nothing. Of those that are not active, one active one may be told.
    Several { active: bool },
}

impl Holders {
    /// The account that is told for certain.
    fn one(&self) -> Option<&String> {
        match self {
            Self::One { id, .. } => Some(id),
            Self::Several { .. } => None,
        }
    }

    fn add(&mut self, other: &str, is_active: bool) {
        let was = match self {
            Self::One { active, .. } | Self::Several { active } => *active,
        };
        match (was, is_active) {
            (true, false) => {}
            (false, true) => *self = Self::One { id: other.to_owned(), active: true },
            (both, _) => *self = Self::Several { active: both },
        }
    }
}

impl Today {
    /// Adds a user; `login` in the form that the list has. Of several that have a login, an active one is told
    /// where the others are not active.
    pub fn add(&mut self, id: String, login: Option<String>, active: bool) {
        if let Some(login) = &login {
            self.by_login
                .entry(login.clone())
                .and_modify(|known| known.add(&id, active))
                .or_insert_with(|| Holders::One { id: id.clone(), active });
        }
        self.by_id.insert(id, login);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// A login as one has it that knows neither case nor blanks around it.
fn fold(login: &str) -> String {
    blank::folded(login)
}

/// Accounts whose folded logins are those of people without an account of their very login: an id, or none where
/// there are several.
fn alike(old: &[(String, String)], today: &Today) -> HashMap<String, Option<String>> {
    let lost = old.iter().filter(|(_, login)| !today.by_login.contains_key(login));
    let wanted: HashSet<String> = lost.map(|(_, login)| fold(login)).collect();
    let mut found: HashMap<String, Option<String>> = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    for (login, holders) in &today.by_login {
        let login = fold(login);
        if wanted.contains(&login) {
            found.entry(login).and_modify(|known| *known = None).or_insert_with(|| holders.one().cloned());
        }
    }
    found
}

/// Every old id that does not name the same person any more, in the order of ids.
///
/// Who has the same id, and the same login but for case or surrounding spaces, is the same person as before unless
/// another account has that very login.
pub fn correspond(kind: KeyKind, old: &[(String, String)], today: &Today) -> Vec<Pair> {
    let alike = alike(old, today);
    let lost = |login: &str| match (today.by_login.get(login).map(Holders::one), alike.get(&fold(login))) {
        (Some(Some(_)), _) => None,
        (Some(None), _) | (None, Some(None)) => Some(Lost::Ambiguous),
        (None, Some(Some(id))) => Some(Lost::Alike(id.clone())),
        (None, None) => Some(Lost::Gone),
    };
    let mut pairs: Vec<Pair> = old
        .iter()
        .filter_map(|(id, login)| {
            let holder = today.by_id.get(id);
            // An id that names the same person as before needs no word, whoever else has the login.
            if holder.is_some_and(|holder| holder.as_ref() == Some(login)) {
                return None;
            }
            let respelled = holder
                .is_some_and(|holder| holder.as_ref().is_some_and(|holder| fold(holder) == fold(login)));
            if respelled && !today.by_login.contains_key(login) {
                return None;
            }
            let new = today.by_login.get(login).and_then(Holders::one).cloned();
            Some(Pair { old: id.clone(), new, shifted: holder.is_some(), lost: lost(login) })
        })
        .collect();
    match kind {
        KeyKind::Integer => pairs.sort_by_key(|pair| pair.old.parse::<i64>().unwrap_or(i64::MAX)),
        _ => pairs.sort_by(|a, b| a.old.cmp(&b.old)),
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn today(users: &[(&str, &str)]) -> Today {
        let mut today = Today::default();
        for (id, login) in users {
            today.add((*id).to_owned(), (!login.is_empty()).then(|| (*login).to_owned()), true);
        }
        today
    }

    fn pairs(old: &[(&str, &str)], users: &[(&str, &str)]) -> Vec<String> {
        let old: Vec<_> = old.iter().map(|(id, login)| ((*id).to_owned(), (*login).to_owned())).collect();
        correspond(KeyKind::Integer, &old, &today(users))
            .into_iter()
            .map(|pair| {
                assert_eq!(pair.new.is_none(), pair.lost.is_some());
                let new = pair.new.unwrap_or_else(|| match pair.lost {
                    Some(Lost::Alike(id)) => format!("nobody, but {id} is nearly called so"),
                    Some(Lost::Ambiguous) => "several".into(),
                    _ => "nobody".into(),
                });
                format!("{} -> {new}{}", pair.old, if pair.shifted { ", shifted" } else { "" })
            })
            .collect()
    }

    #[test]
    fn an_id_is_looked_up_by_its_login() {
        let old = [("1", "ada"), ("2", "bob"), ("10", "cy"), ("3", "dan"), ("4", "eve"), ("5", "bob")];
        let users = [("1", "ada"), ("2", "cy"), ("7", "bob"), ("4", "mal"), ("8", "dan"), ("9", "dan")];
        assert_eq!(
            pairs(&old, &users),
            ["2 -> 7, shifted", "3 -> several", "4 -> nobody, shifted", "5 -> 7", "10 -> 2"]
        );
        assert_eq!(
            pairs(&[("1", "a"), ("2", "b")], &[("1", "b"), ("2", "a")]),
            ["1 -> 2, shifted", "2 -> 1, shifted"]
        );
    }

    #[test]
    fn who_has_the_same_id_is_the_same_whoever_else_has_the_login() {
        assert_eq!(pairs(&[("1", "ada")], &[("1", "ada"), ("2", "ada")]), [""; 0]);
        assert_eq!(pairs(&[("1", "ada")], &[("1", "")]), ["1 -> nobody, shifted"]);
        assert_eq!(pairs(&[("1", "ada")], &[]), ["1 -> nobody"]);
        assert_eq!(pairs(&[], &[("1", "ada")]), [""; 0]);
    }

    #[test]
    fn whoever_differs_by_case_or_spaces_only_is_told_apart_from_who_is_gone() {
        let old = [("1", "ada"), ("2", "bob"), ("3", "cy"), ("4", "dan"), ("5", "eve")];
        let users = [("7", "Ada"), ("8", "BOB"), ("9", "bob "), ("3", "Cy"), ("4", " DAN"), ("10", "dan")];
        assert_eq!(
            pairs(&old, &users),
            ["1 -> nobody, but 7 is nearly called so", "2 -> several", "4 -> 10, shifted", "5 -> nobody",],
            "3 is the same person in another spelling"
        );
        // Somebody else who is nearly called so has the id: it is no old id of that one.
        assert_eq!(
            pairs(&[("1", "ada"), ("2", "bob")], &[("1", "bob"), ("5", "ADA")]),
            ["1 -> nobody, but 5 is nearly called so, shifted", "2 -> 1"]
        );
    }

    #[test]
    fn of_several_accounts_of_one_login_the_only_active_one_is_told() {
        let told = |accounts: &[(&str, bool)]| {
            let mut today = Today::default();
            for (id, active) in accounts {
                today.add((*id).to_owned(), Some("ada".into()), *active);
            }
            today.by_login["ada"].one().cloned()
        };
        assert_eq!(told(&[("1", false)]).as_deref(), Some("1"));
        for one in [[("1", false), ("2", true)], [("2", true), ("1", false)]] {
            assert_eq!(told(&one).as_deref(), Some("2"));
        }
        assert_eq!(told(&[("1", false), ("3", false), ("2", true)]).as_deref(), Some("2"));
        assert_eq!(told(&[("1", false), ("2", true), ("3", true), ("4", false)]), None);
        assert_eq!(told(&[("1", false), ("2", false)]), None);
    }

    /// A person is a number; before and after each has an id, or none. Then old rows and new ones, by person.
    type World = (Vec<Option<i64>>, Vec<Option<i64>>, Vec<usize>, Vec<usize>);

    fn worlds() -> impl Strategy<Value = World> {
        let ids = || Just((1..=12_i64).map(Some).chain([None; 4]).collect::<Vec<_>>()).prop_shuffle();
        let rows = || proptest::collection::vec(0_usize..9, 0..30);
        (ids(), ids(), rows(), rows())
    }

    proptest! {
        /// Old rows name their person's old id, new rows their person's new one; what is moved is every
        /// old row, once, looked up in one mapping.
        #[test]
        fn each_old_row_ends_with_its_own_person_and_no_new_row_is_touched(
            (before, after, old_rows, new_rows) in worlds()
        ) {
            let login = |person: usize| format!("p{person}");
            let old: Vec<(String, String)> = before.iter().take(9).enumerate()
                .filter_map(|(person, id)| id.map(|id| (id.to_string(), login(person)))).collect();
            let mut now = Today::default();
            let owner: BTreeMap<i64, usize> = after.iter().take(9).enumerate()
                .filter_map(|(person, id)| id.map(|id| (id, person))).collect();
            for (id, person) in &owner {
                now.add(id.to_string(), Some(login(*person)), true);
            }
            let mapping = correspond(KeyKind::Integer, &old, &now);
            prop_assert!(mapping.iter().all(|pair| pair.new.as_ref() != Some(&pair.old)));
            for person in old_rows.into_iter().filter(|person| before[*person].is_some()) {
                let named = before[person].unwrap();
                let pair = mapping.iter().find(|pair| pair.old == named.to_string());
                let ends = pair.and_then(|pair| pair.new.as_ref()).map_or(named, |new| new.parse().unwrap());
                match after[person] {
                    Some(id) => prop_assert_eq!(ends, id, "whoever is still there gets the row"),
                    // Without a counterpart the row stays where it is, and is reported.
                    None => prop_assert_eq!(ends, named),
                }
                // It is shifted exactly where somebody else has the id.
                let shifted = owner.get(&named).is_some_and(|holder| *holder != person);
                prop_assert_eq!(pair.is_some_and(|pair| pair.shifted), shifted);
            }
            // A new row names an id of today, so no pair that is not shifted can concern it.
            for person in new_rows {
                let Some(named) = after[person] else { continue };
                let pair = mapping.iter().find(|pair| pair.old == named.to_string());
                prop_assert!(pair.is_none_or(|pair| pair.shifted));
            }
        }
    }
}
