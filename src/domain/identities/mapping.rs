//! Who of before is who today: old id to login to new id, as one mapping that is looked up once per
//! row; and what was counted of it.

use crate::domain::facts::key_kind::KeyKind;

use std::collections::HashMap;

/// One old id that does not name the same person any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The id as it was.
    pub old: String,
    /// The id that the same person has today; `None`: nobody has that login, or more than one.
    pub new: Option<String>,
    /// Whether somebody else has the old id today.
    pub shifted: bool,
}

/// Today's users by id and by login.
#[derive(Debug, Default)]
pub struct Today {
    by_id: HashMap<String, Option<String>>,
    /// `None`: more than one account has the login, so it says nothing.
    by_login: HashMap<String, Option<String>>,
}

impl Today {
    /// Adds a user; `login` in the form that the list has.
    pub fn add(&mut self, id: String, login: Option<String>) {
        if let Some(login) = &login {
            self.by_login
                .entry(login.clone())
                .and_modify(|known| *known = None)
                .or_insert_with(|| Some(id.clone()));
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

/// Every old id that does not name the same person any more, in the order of ids.
pub fn correspond(kind: KeyKind, old: &[(String, String)], today: &Today) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = old
        .iter()
        .filter_map(|(id, login)| {
            let holder = today.by_id.get(id);
            // An id that names the same person as before needs no word, whoever else has the login.
            if holder.is_some_and(|holder| holder.as_ref() == Some(login)) {
                return None;
            }
            let new = today.by_login.get(login).cloned().flatten();
            Some(Pair { old: id.clone(), new, shifted: holder.is_some() })
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
            today.add((*id).to_owned(), (!login.is_empty()).then(|| (*login).to_owned()));
        }
        today
    }

    fn pairs(old: &[(&str, &str)], users: &[(&str, &str)]) -> Vec<String> {
        let old: Vec<_> = old.iter().map(|(id, login)| ((*id).to_owned(), (*login).to_owned())).collect();
        correspond(KeyKind::Integer, &old, &today(users))
            .into_iter()
            .map(|pair| {
                let new = pair.new.unwrap_or_else(|| "nobody".into());
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
            ["2 -> 7, shifted", "3 -> nobody", "4 -> nobody, shifted", "5 -> 7", "10 -> 2"]
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
                now.add(id.to_string(), Some(login(*person)));
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
