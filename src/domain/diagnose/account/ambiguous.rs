//! More than one account could be meant by a login: each cause with its words and its way out. Accounts are named
//! by their ids, since logins of others stand in no status.

use crate::{
    api::{
        condition::{ConditionType, Reason},
        report::{ObjectRef, Severity},
    },
    domain::{
        blank,
        facts::{
            accounts::{AdminFacts, Namesakes},
            schema::UserTable,
        },
        finding::{Finding, person},
        hints::Row,
        target::{Admin, Target},
        text::{clip, count, named, sample, statement},
    },
};

/// Why it is not clear which account is meant, if it is not.
pub(super) fn ambiguous(
    target: &Target,
    admin: &Admin,
    facts: &AdminFacts,
    users: &UserTable,
) -> Option<Finding> {
    let login = target.users.login_column.clone().unwrap_or_default();
    let said = Said { target, admin, facts, users, login: &login };
    let message = match (facts.exact, facts.look_alikes) {
        (0 | 1, 0) => return None,
        (0, _) => said.only_nearly(),
        (1, _) => said.beside(),
        _ => said.equal(),
    };
    Some(person(
        Reason::AdminAmbiguous,
        ConditionType::AdminConsistent,
        Severity::Error,
        Some(ObjectRef { columns: vec![login.clone()], ..users.object.clone() }),
        message,
    ))
}

/// What a message is made of.
struct Said<'a> {
    target: &'a Target,
    admin: &'a Admin,
    facts: &'a AdminFacts,
    users: &'a UserTable,
    login: &'a str,
}

impl Said<'_> {
    fn namesakes(&self) -> &Namesakes {
        &self.facts.namesakes
    }

    /// `account 5 has`, `accounts 5, 7 have`.
    fn accounts(ids: &[String], all: i64) -> String {
        let shown: Vec<String> = ids.iter().map(|id| clip(id, 64)).collect();
        let (noun, verb) = if all == 1 { ("account", "has") } else { ("accounts", "have") };
        format!("{noun} {} {verb}", sample(&shown, all))
    }

    /// How the accounts that are not meant are renamed: none by an id that more than one of them may have.
    fn rename_others(&self, id: Option<&String>) -> String {
        match self.users.shared_ids {
            Some(_) => {
                "end IdNotUnique of the user table before any is renamed, since a statement that goes by an id may meet more than one account".to_owned()
            }
            None => format!("rename the others (`{}`)", self.rename(id)),
        }
    }

    /// The statement that gives an account a login that nobody has.
    fn rename(&self, id: Option<&String>) -> String {
        statement(self.target.hints.rename(self.row(id), self.login))
    }

    fn row<'a>(&'a self, id: Option<&'a String>) -> Row<'a> {
        let id = id.map_or("", String::as_str);
        Row { table: &self.users.object, key: &self.target.users.id_column, id }
    }

    /// By what logins differ that are nearly one: what does not show is named.
    fn difference(&self) -> String {
        let blanks = &self.namesakes().blanks;
        if blanks.iter().all(|&c| c == ' ') {
            return "case or spaces".to_owned();
        }
        let called: Vec<String> = blanks.iter().take(5).map(|&c| blank::called(c)).collect();
        let all = i64::try_from(blanks.len()).unwrap_or(i64::MAX);
        format!("case or blank characters at an end ({})", sample(&called, all))
    }

    /// Nobody has the login, and somebody nearly.
    fn only_nearly(&self) -> String {
        let (all, nearly) = (self.facts.look_alikes, &self.namesakes().nearly);
        let spelled = format!(
            "no account of {} has the login {:?}, and {} one that differs from it by {} only",
            self.users.object.describe(),
            self.admin.login,
            Self::accounts(nearly, all),
            self.difference()
        );
        let field = self.admin.field();
        // The spec takes no login with blanks around it.
        let takes = self.namesakes().blanks.is_empty();
        let others = || self.rename_others(nearly.get(1).or(nearly.first()));
        if all > 1 && takes {
            return format!(
                "{spelled}: choose the one that is meant, write its login into {field}.login, and {}",
                others()
            );
        }
        // By an id that several have no row can be written.
        if self.users.shared_ids.is_some() {
            return match takes {
                true => format!(
                    "{spelled}: if that is {}, write its login into {field}.login; if it is somebody else, {}",
                    self.admin.called(),
                    self.rename_others(None)
                ),
                false => format!("{spelled}: {}", self.rename_others(None)),
            };
        }
        let meant = self.row(nearly.first());
        let give = statement(self.target.hints.set_login(meant, self.login, &self.admin.login));
        if all > 1 {
            return format!(
                "{spelled}: choose the one that is meant, give it the spec's login (for account {}: `{give}`), and {}",
                nearly.first().map(|id| clip(id, 64)).unwrap_or_default(),
                others()
            );
        }
        let written = if takes { format!("write its login into {field}.login, or ") } else { String::new() };
        format!(
            "{spelled}: if that is {}, {written}run `{give}`; if it is somebody else, rename it (`{}`)",
            self.admin.called(),
            self.rename(nearly.first())
        )
    }

    /// One account has the login, and others nearly.
    fn beside(&self) -> String {
        let nearly = &self.namesakes().nearly;
        let account = self.facts.account.as_ref().map(|account| clip(&account.id, 64)).unwrap_or_default();
        format!(
            "account {account} of {} has the login {:?}, and {} one that differs from it by {} only: which of them signs in depends on how the app compares logins, so keep one and {}",
            self.users.object.describe(),
            self.admin.login,
            Self::accounts(nearly, self.facts.look_alikes),
            self.difference(),
            self.rename_others(nearly.first())
        )
    }

    /// Several have the very login.
    fn equal(&self) -> String {
        let Namesakes { equal, active, spare, tenants, partial, .. } = self.namesakes();
        let same = format!(
            "{} of {} have the very login {:?} (ids {})",
            count(self.facts.exact, "account"),
            self.users.object.describe(),
            self.admin.login,
            sample(&equal.iter().map(|id| clip(id, 64)).collect::<Vec<_>>(), self.facts.exact)
        );
        let rename = || self.rename_others(spare.as_ref().or(equal.get(1)));
        if let Some((key, columns)) = tenants {
            let conditions: Vec<String> =
                columns.iter().map(|column| format!("{{column: {column}, equals: ...}}")).collect();
            return format!(
                "{same}, and the unique key {} keeps logins apart only together with {}: say which one is meant by {} in {}.columns",
                named(key),
                columns.join(", "),
                conditions.join(", "),
                self.admin.field()
            );
        }
        let one_id = equal.len() > 1 && equal.iter().all(|id| Some(id) == equal.first());
        if one_id && self.users.shared_ids.is_some() {
            return format!(
                "{same}: their ids are equal, so no statement that goes by the id tells them apart: end IdNotUnique of the user table first"
            );
        }
        let untold = |one: &Told| {
            !self.target.users.active_when.iter().any(|condition| condition.column == one.column)
        };
        if let Some((key, condition)) = partial
            && let Some(one) = condition_of(condition).filter(untold)
        {
            return format!(
                "{same}, and the unique key {} keeps those apart only where {}: say that in spec.users.activeWhen ({}), so that the others do not count",
                named(key),
                clip(condition, 200),
                one.said()
            );
        }
        if !self.target.users.active_when.is_empty() {
            return format!(
                "{same}, and {} of them {} active by spec.users.activeWhen, so which one signs in cannot be told: keep one, and {}",
                if *active == 0 { "none".to_owned() } else { active.to_string() },
                if *active == 1 || *active == 0 { "is" } else { "are" },
                rename()
            );
        }
        if let Some((key, condition)) = partial {
            return format!(
                "{same}, and the unique key {} keeps those apart only where {}: say that in spec.users.activeWhen, so that the others do not count",
                named(key),
                clip(condition, 200)
            );
        }
        format!(
            "{same}, and no unique key keeps logins apart: if all but one are deleted or disabled, name the column that says so in spec.users.activeWhen; else keep one, and {}",
            rename()
        )
    }
}

/// A condition as the spec has conditions.
struct Told {
    column: String,
    holds: &'static str,
}

impl Told {
    fn said(&self) -> String {
        format!("{{column: {}, {}}}", self.column, self.holds)
    }
}

/// The condition of a unique key as the spec has conditions, where it is about one column being NULL or a boolean.
fn condition_of(condition: &str) -> Option<Told> {
    let bare = condition.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let quoted =
        |name: &str| name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(str::to_owned);
    let told = |name: &str, holds| {
        let name = name.trim();
        let column = quoted(name)
            .filter(|name| !name.contains('"'))
            .or_else(|| plain(name).then(|| name.to_owned()))?;
        Some(Told { column, holds })
    };
    if let Some(name) = bare.strip_suffix(" IS NULL") {
        return told(name, "isNull: true");
    }
    if let Some(name) = bare.strip_prefix("NOT ") {
        return told(name, "equals: \"false\"");
    }
    told(bare, "equals: \"true\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_of_a_key_is_said_as_the_spec_has_it_or_not_at_all() {
        for (condition, said) in [
            ("(deleted_at IS NULL)", Some("{column: deleted_at, isNull: true}")),
            ("(\"deletedAt\" IS NULL)", Some("{column: deletedAt, isNull: true}")),
            ("(NOT deleted)", Some("{column: deleted, equals: \"false\"}")),
            ("is_active", Some("{column: is_active, equals: \"true\"}")),
            ("((status = 'on'::text) AND (deleted_at IS NULL))", None),
            ("(lower(a) IS NULL)", None),
        ] {
            assert_eq!(condition_of(condition).map(|one| one.said()).as_deref(), said, "{condition}");
        }
    }
}
