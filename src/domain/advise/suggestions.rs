//! Which columns may name users although no foreign key says so: scored by name and by data, with the
//! evidence. A suggestion is never repaired; whoever knows the app declares it in a rule.

use crate::{
    api::{report::ObjectRef, shared::ColumnCondition, spec::ReferenceRule},
    domain::{
        facts::key_kind::KeyKind,
        target::policy::Rule,
        text::{count, number},
    },
};

use super::account_names::{AccountNames, Says};

/// Values that mean nobody in many apps.
const NOBODY: [&str; 4] = ["0", "-1", "", "00000000-0000-0000-0000-000000000000"];

/// Fewer distinct values than this prove nothing by themselves.
const FEW_VALUES: usize = 5;

/// Numbers agree by chance far more easily than uuids do.
const FEW_NUMBERS: usize = 20;

/// The longest value of a type column that is suggested for `where`.
const LONGEST_TYPE: usize = 40;

/// A column that may name users, and what a sample of it showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// Table and column.
    pub object: ObjectRef,
    /// The column's type, as SQL has it.
    pub column_type: String,
    /// About how many rows the table has; `None` where nobody has counted.
    pub rows: Option<i64>,
    /// A column beside it that says what kind of thing it names.
    pub type_column: Option<String>,
    /// The values of the sample.
    pub values: Vec<Value>,
    /// Whether most of the values that were held against the users' logins are logins; looked at only where none is an id.
    pub logins: bool,
    /// How many numbers of a hundred, out of the range of the sample, would be users by chance.
    pub chance: Option<i64>,
    /// The same values held against the keys of other tables of accounts.
    pub others: Vec<OtherTable>,
}

/// How many values of a sample are keys of another table of accounts.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OtherTable {
    /// The table, and the column that is its key.
    pub object: ObjectRef,
    /// How many distinct values were held against it.
    pub sampled: i64,
    /// How many of them it has.
    pub found: i64,
}

/// One distinct value of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The value as text, cut to a length that tells sentinels apart.
    pub text: String,
    /// What the column beside it says.
    pub kind: Option<String>,
    /// Rows of the sample that have it.
    pub rows: i64,
    /// Whether a user has it.
    pub user: bool,
}

/// How sure a suggestion is.
#[derive(serde::Serialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Name and data agree, or the data could hardly be chance.
    Likely,
    /// One of the two alone.
    Possible,
}

/// A column that may name users.
#[derive(serde::Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// Table and column.
    pub object: ObjectRef,
    /// The column's type, as SQL has it.
    pub column_type: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Distinct values in the sample, those that mean nobody left out.
    pub sampled: i64,
    /// How many of them are users.
    pub users: i64,
    /// About how many rows the table has; null where nobody has counted.
    pub rows: Option<i64>,
    /// The evidence, in words.
    pub why: String,
    /// Other tables of accounts that have at least as many of the values, best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherTable>,
    /// Whether a rule for the same columns stands already, which this one takes the place of.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// What to put into `spec.references.rules`.
    pub rule: ReferenceRule,
}

impl Suggestion {
    /// `98 % of 312`.
    pub fn share(&self) -> String {
        if self.sampled == 0 {
            return "no values".into();
        }
        format!("{} % of {}", self.users * 100 / self.sampled, number(self.sampled))
    }
}

/// The values of a sample that are about one thing: those of one class, where a column beside says which.
struct Chosen<'a> {
    values: Vec<&'a Value>,
    /// What the rule says of the column beside.
    kind: Option<String>,
    /// Whether that is called after the users.
    of_users: bool,
    /// Whether the column beside names classes, and none of them is called after the users.
    of_others: bool,
    /// Further classes that are called after the users.
    further: Vec<String>,
}

/// The suggestion that a sample comes to, if any.
pub fn suggest(sampled: &Sampled, id_kind: KeyKind, names: &AccountNames) -> Option<Suggestion> {
    let column = sampled.object.columns.first()?;
    let absent = sentinels(&sampled.values);
    let chosen = choose(sampled, somebody(&sampled.values).collect(), names);
    let users = chosen.values.iter().filter(|value| value.user).count();
    let seen = Seen {
        says: names.column(column),
        users,
        values: chosen.values.len(),
        chance: sampled.chance.filter(|_| id_kind == KeyKind::Integer),
        integers: id_kind == KeyKind::Integer,
    };
    // What names people by their logins is no reference by id.
    if users == 0 && sampled.logins {
        return None;
    }
    let (mut confidence, mut why) =
        seen.verdict(&chosen, sampled.type_column.as_deref().unwrap_or_default())?;
    let mut others: Vec<OtherTable> = sampled
        .others
        .iter()
        .filter(|other| other.found > 0 && other.found * seen.total() >= seen.hits() * other.sampled)
        .cloned()
        .collect();
    others.sort_by(|a, b| (b.found, &a.object).cmp(&(a.found, &b.object)));
    if let Some(best) = others.first() {
        let better = best.found * seen.total() > seen.hits() * best.sampled;
        if better {
            confidence = Confidence::Possible;
        }
        why.push_str(&format!(
            "; {} has {} % of the values{}",
            best.object.describe(),
            best.found * 100 / best.sampled.max(1),
            if better {
                ", so they fit that table better"
            } else {
                ", too: the values do not tell the two apart"
            }
        ));
    }
    if !absent.is_empty() {
        why.push_str(&format!("; {} is no user and frequent, so it may mean nobody", absent.join(" and ")));
    }
    let only_where = match (&sampled.type_column, &chosen.kind) {
        (Some(column), Some(kind)) => {
            vec![ColumnCondition { column: column.clone(), equals: Some(kind.clone()), is_null: None }]
        }
        _ => Vec::new(),
    };
    Some(Suggestion {
        object: sampled.object.clone(),
        column_type: sampled.column_type.clone(),
        confidence,
        sampled: seen.total(),
        users: seen.hits(),
        rows: sampled.rows,
        why,
        others,
        replaces: false,
        rule: ReferenceRule {
            schema: Some(sampled.object.schema.clone()),
            table: sampled.object.table.clone(),
            columns: Some(sampled.object.columns.clone()),
            declared: true,
            absent,
            only_where,
            ..ReferenceRule::default()
        },
    })
}

/// What a sample says beside its classes.
struct Seen {
    says: Option<Says>,
    users: usize,
    values: usize,
    chance: Option<i64>,
    integers: bool,
}

impl Seen {
    fn total(&self) -> i64 {
        i64::try_from(self.values).unwrap_or(i64::MAX)
    }

    fn hits(&self) -> i64 {
        i64::try_from(self.users).unwrap_or(i64::MAX)
    }

    fn share(&self) -> usize {
        (self.users * 100).checked_div(self.values).unwrap_or(0)
    }

    /// Whether as many of such numbers would be users by chance: less than three standard deviations away.
    fn by_chance(&self) -> Option<i64> {
        let chance = self.chance.filter(|_| self.users > 0)?;
        let (n, p) = (self.values as f64, (chance as f64 / 100.0).min(1.0));
        let far = self.users as f64 - n * p > 3.0 * (n * p * (1.0 - p)).sqrt();
        (!far).then_some(chance)
    }

    fn verdict(&self, chosen: &Chosen<'_>, type_column: &str) -> Option<(Confidence, String)> {
        let (share, chance) = (self.share(), self.by_chance());
        let dense = match chance {
            Some(chance) => {
                format!(", which chance explains (ids are so dense that {chance} % of any such numbers are)")
            }
            None => String::new(),
        };
        let further = match chosen.further.as_slice() {
            [] => String::new(),
            more => format!(
                "; {type_column} has {} too, and the rule is about one class: bring them to one, or add no foreign key",
                more.iter().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(", ")
            ),
        };
        if chosen.of_users {
            let kind = chosen.kind.as_deref().unwrap_or_default();
            return Some(match share {
                50.. => (
                    Confidence::Likely,
                    format!("{type_column} says \"{kind}\", and its values are users{further}"),
                ),
                _ => (
                    Confidence::Possible,
                    format!(
                        "{type_column} says \"{kind}\"; most of its values are no users: orphans, or something else{further}"
                    ),
                ),
            });
        }
        let Some(says) = self.says else { return self.by_data(share) };
        if says == Says::Perhaps && self.users == 0 {
            return None;
        }
        let by_data = !self.integers && share >= 90 && self.users >= FEW_VALUES;
        if chosen.of_others && !by_data {
            let what =
                chosen.kind.as_ref().map_or_else(String::new, |kind| format!(" (\"{kind}\" fits best)"));
            return Some((
                Confidence::Possible,
                format!(
                    "by its name, and {type_column} has no class that is called after the users{what}{dense}"
                ),
            ));
        }
        Some(match share {
            _ if self.values == 0 => {
                (Confidence::Possible, "by its name; there are no values to look at".into())
            }
            50.. if chance.is_none() || says == Says::Users => {
                (Confidence::Likely, format!("by its name, and its values are users{dense}"))
            }
            50.. => (Confidence::Possible, format!("by its name; its values are users{dense}")),
            1.. => (
                Confidence::Possible,
                format!("by its name; most of its values are no users: orphans, or something else{dense}"),
            ),
            _ => (
                Confidence::Possible,
                "by its name; none of its values is a user: orphans, or something else".into(),
            ),
        })
    }

    /// By its values alone.
    fn by_data(&self, share: usize) -> Option<(Confidence, String)> {
        // Small numbers are ids of anything.
        if self.integers {
            let chance = self.chance?;
            return (share >= 99 && self.users >= FEW_NUMBERS && chance <= 50).then(|| {
                (
                    Confidence::Possible,
                    format!("by its data: chance alone would make {chance} % of such numbers users"),
                )
            });
        }
        (share >= 90 && self.users >= FEW_VALUES)
            .then(|| (Confidence::Likely, "by its data, which could hardly be chance".into()))
    }
}

/// The values of the class that is called after the users; without one, those of the class that fits best, where a column
/// beside tells classes apart at all.
fn choose<'a>(sampled: &Sampled, all: Vec<&'a Value>, names: &AccountNames) -> Chosen<'a> {
    let kinds = match &sampled.type_column {
        Some(_) => kinds(&all),
        None => Vec::new(),
    };
    let of = |kind: &str| -> Vec<&'a Value> {
        all.iter().filter(|value| value.kind.as_deref() == Some(kind)).copied().collect()
    };
    let mut classes: Vec<&Kind<'a>> = kinds.iter().filter(|kind| names.class(kind.name)).collect();
    classes.sort_by_key(|kind| std::cmp::Reverse((kind.users, kind.values)));
    if let [first, further @ ..] = classes.as_slice() {
        return Chosen {
            values: of(first.name),
            kind: Some(first.name.to_owned()),
            of_users: true,
            of_others: false,
            further: further.iter().map(|kind| kind.name.to_owned()).collect(),
        };
    }
    let whole =
        |of_others, all| Chosen { values: all, kind: None, of_users: false, of_others, further: Vec::new() };
    // What has users with every value of the column beside is told apart by something else.
    let everywhere = kinds.iter().all(|kind| kind.users * 100 >= kind.values * 90);
    let best = kinds
        .iter()
        .filter(|kind| kind.users > 0)
        .max_by_key(|kind| (kind.users * 100 / kind.values, kind.values));
    match best {
        Some(best) if !everywhere => {
            Chosen { values: of(best.name), kind: Some(best.name.to_owned()), ..whole(true, Vec::new()) }
        }
        Some(_) => whole(false, all),
        None => whole(!kinds.is_empty(), all),
    }
}

/// What a column beside says, with how many distinct values there are of it, and how many of them are users.
struct Kind<'a> {
    name: &'a str,
    values: i64,
    users: i64,
}

fn kinds<'a>(values: &[&'a Value]) -> Vec<Kind<'a>> {
    let mut kinds: Vec<Kind<'a>> = Vec::new();
    for value in values {
        let Some(name) = value.kind.as_deref().filter(|kind| kind.chars().count() <= LONGEST_TYPE) else {
            continue;
        };
        let users = i64::from(value.user);
        match kinds.iter_mut().find(|kind| kind.name == name) {
            Some(kind) => {
                kind.values += 1;
                kind.users += users;
            }
            None => kinds.push(Kind { name, values: 1, users }),
        }
    }
    kinds
}

/// The suggestion as a rule that the spec takes beside those that stand: two for the same columns are refused, so that one
/// that stands goes over into it.
pub fn beside(mut suggestion: Suggestion, rules: &[Rule]) -> Suggestion {
    if let Some(standing) = rules.iter().find(|rule| rule.names(&suggestion.object)) {
        let rule = suggestion.rule;
        suggestion.replaces = true;
        suggestion.rule = ReferenceRule {
            schema: rule.schema,
            declared: true,
            absent: rule.absent,
            only_where: rule.only_where,
            ..standing.rule.clone()
        };
    }
    suggestion
}

/// The values that may be users: those that mean nobody are left out.
pub fn somebody(values: &[Value]) -> impl Iterator<Item = &Value> {
    let absent = sentinels(values);
    values.iter().filter(move |value| !absent.contains(&value.text))
}

/// Values that mean nobody: no user has them, and more than one row in fifty does.
fn sentinels(values: &[Value]) -> Vec<String> {
    let all = values.iter().map(|value| value.rows).fold(0, i64::saturating_add);
    NOBODY
        .iter()
        .filter(|text| {
            let with: Vec<&Value> = values.iter().filter(|value| value.text == **text).collect();
            let rows = with.iter().map(|value| value.rows).fold(0, i64::saturating_add);
            with.iter().all(|value| !value.user) && rows > 1 && rows.saturating_mul(50) > all
        })
        .map(|text| (*text).to_owned())
        .collect()
}

/// Suggestions in the order in which a person reads them.
pub fn ordered(mut suggestions: Vec<Suggestion>) -> Vec<Suggestion> {
    suggestions.sort_by(|a, b| {
        let share = |one: &Suggestion| (one.users * 100).checked_div(one.sampled).unwrap_or(0);
        a.confidence
            .cmp(&b.confidence)
            .then_with(|| share(b).cmp(&share(a)))
            .then_with(|| b.rows.cmp(&a.rows))
            .then_with(|| a.object.cmp(&b.object))
    });
    suggestions
}

/// What the whole search came to, in a sentence.
pub fn summary(suggestions: usize, examined: i64, left: i64) -> String {
    let mut text = format!(
        "{} looked at, {} may name users.",
        count(examined, "column"),
        number(i64::try_from(suggestions).unwrap_or(i64::MAX))
    );
    if left > 0 {
        text.push_str(&format!(
            " {} more of the key's type {} not looked at, those with the least telling names.",
            number(left),
            if left == 1 { "was" } else { "were" }
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(column: &str, values: Vec<Value>, chance: Option<i64>) -> Sampled {
        Sampled {
            object: ObjectRef {
                schema: "public".into(),
                table: "events".into(),
                columns: vec![column.into()],
                constraint: None,
            },
            column_type: "integer".into(),
            rows: Some(1000),
            type_column: None,
            values,
            logins: false,
            chance,
            others: Vec::new(),
        }
    }

    fn values(users: usize, others: usize) -> Vec<Value> {
        (0..users + others)
            .map(|at| Value { text: format!("v{at}"), kind: None, rows: 1, user: at < users })
            .collect()
    }

    #[test]
    fn small_numbers_alone_are_no_evidence() {
        let names = AccountNames::of("users");
        let of = |column: &str, users, others, chance| {
            suggest(&sampled(column, values(users, others), chance), KeyKind::Integer, &names)
        };
        assert_eq!(of("quantity", 100, 0, Some(98)), None, "dense ids match everything");
        assert_eq!(of("quantity", 10, 0, Some(1)), None, "few values match by chance");
        assert_eq!(of("quantity", 90, 10, Some(10)), None);
        assert_eq!(of("who", 100, 0, Some(10)).unwrap().confidence, Confidence::Possible);
        let named = of("user_id", 100, 2, Some(98)).unwrap();
        assert_eq!((named.confidence, named.share().as_str()), (Confidence::Likely, "98 % of 102"));
        assert!(named.why.contains("98 % of any such numbers"), "{}", named.why);
        assert_eq!(of("user_id", 0, 50, Some(0)).unwrap().confidence, Confidence::Possible);
        assert_eq!(of("user_id", 0, 0, None).unwrap().share(), "no values");
    }

    #[test]
    fn uuids_that_are_users_are_evidence() {
        let of = |users, others| {
            suggest(&sampled("who", values(users, others), None), KeyKind::Uuid, &AccountNames::of("users"))
        };
        assert_eq!(of(100, 5).unwrap().confidence, Confidence::Likely);
        assert_eq!(of(4, 0), None);
        assert_eq!(of(50, 50), None);
    }

    #[test]
    fn frequent_values_that_no_user_has_mean_nobody() {
        let mut all = values(10, 0);
        all.push(Value { text: "0".into(), kind: None, rows: 30, user: false });
        all.push(Value { text: "-1".into(), kind: None, rows: 1, user: false });
        let found =
            suggest(&sampled("user_id", all.clone(), Some(5)), KeyKind::Integer, &AccountNames::of("users"));
        let found = found.unwrap();
        assert_eq!((found.rule.absent, found.sampled, found.users), (vec!["0".to_owned()], 11, 10));
        // A user who has the id 0 is somebody.
        all.last_mut().unwrap().text = "7".into();
        all.iter_mut().find(|value| value.text == "0").unwrap().user = true;
        let found = suggest(&sampled("user_id", all, Some(5)), KeyKind::Integer, &AccountNames::of("users"));
        assert_eq!(found.unwrap().rule.absent, [""; 0]);
    }

    #[test]
    fn the_column_beside_says_which_rows_name_users() {
        let mut all = values(20, 60);
        for (at, value) in all.iter_mut().enumerate() {
            value.kind = Some(if at < 20 { "User" } else { "Invoice" }.to_owned());
        }
        let mut one = sampled("actor_id", all, Some(5));
        one.type_column = Some("actor_type".into());
        let found = suggest(&one, KeyKind::Integer, &AccountNames::of("users")).unwrap();
        assert_eq!(found.share(), "100 % of 20");
        let condition =
            ColumnCondition { column: "actor_type".into(), equals: Some("User".into()), is_null: None };
        assert_eq!(found.rule.only_where, [condition]);
    }

    fn of_kinds(column: &str, kinds: &[(&str, usize, usize)], chance: i64) -> Sampled {
        let mut all = Vec::new();
        for (kind, users, others) in kinds {
            for mut value in values(*users, *others) {
                value.text = format!("{kind}{}", value.text);
                value.kind = Some((*kind).to_owned());
                all.push(value);
            }
        }
        Sampled { type_column: Some("actor_type".into()), ..sampled(column, all, Some(chance)) }
    }

    fn of(sampled: &Sampled, table: &str) -> Option<Suggestion> {
        suggest(sampled, KeyKind::Integer, &AccountNames::of(table))
    }

    fn only_where(found: &Suggestion) -> Option<&str> {
        found.rule.only_where.first().and_then(|condition| condition.equals.as_deref())
    }

    #[test]
    fn a_class_that_is_called_after_the_users_wins_over_one_that_fits_by_chance() {
        let found =
            of(&of_kinds("subject_id", &[("Group", 60, 0), (r"App\Models\User", 29, 1)], 98), "users")
                .unwrap();
        assert_eq!((found.confidence, found.users, found.sampled), (Confidence::Likely, 29, 30));
        assert_eq!(only_where(&found), Some(r"App\Models\User"));
        assert!(found.why.starts_with(r#"actor_type says "App\Models\User""#), "{}", found.why);
        assert_eq!(of(&of_kinds("subject_id", &[("Group", 60, 0), ("Post", 40, 0)], 98), "users"), None);
    }

    #[test]
    fn a_second_class_of_users_is_told_since_one_rule_is_about_one() {
        let found =
            of(&of_kinds("model_id", &[("user", 20, 0), (r"App\User", 5, 0), ("Post", 9, 9)], 50), "users")
                .unwrap();
        assert_eq!(only_where(&found), Some("user"));
        assert!(found.why.contains(r#"actor_type has "App\User" too"#), "{}", found.why);
    }

    #[test]
    fn classes_of_others_make_no_column_likely_and_a_plan_of_a_user_is_no_class() {
        let found = of(&of_kinds("owner_id", &[("Group", 40, 0), ("Team", 2, 40)], 98), "users").unwrap();
        assert_eq!((found.confidence, only_where(&found)), (Confidence::Possible, Some("Group")));
        assert!(found.why.contains("no class that is called after the users"), "{}", found.why);
        let found = of(&of_kinds("user_id", &[("free", 40, 1), ("pro", 20, 0)], 10), "users").unwrap();
        assert_eq!((found.confidence, only_where(&found), found.sampled), (Confidence::Likely, None, 61));
    }

    #[test]
    fn what_chance_explains_is_likely_by_the_tables_own_name_alone() {
        let found = |column: &str, users, others, chance| {
            of(&sampled(column, values(users, others), Some(chance)), "users").map(|found| found.confidence)
        };
        assert_eq!(found("user_id", 100, 0, 100), Some(Confidence::Likely));
        assert_eq!(found("owner", 100, 0, 100), Some(Confidence::Possible));
        assert_eq!(found("owner", 100, 0, 60), Some(Confidence::Likely));
        assert_eq!(found("owner", 60, 40, 60), Some(Confidence::Possible));
        assert_eq!(found("node_uid", 0, 40, 0), None);
        assert_eq!(found("write_uid", 40, 1, 5), Some(Confidence::Likely));
    }

    #[test]
    fn another_table_that_fits_as_well_or_better_is_told() {
        let table = |name: &str, found| OtherTable {
            object: ObjectRef { schema: "public".into(), table: name.into(), ..ObjectRef::default() },
            sampled: 20,
            found,
        };
        let mut one = sampled("user_id", values(10, 10), Some(5));
        one.others = vec![table("customers", 20), table("leads", 3)];
        let found = of(&one, "users").unwrap();
        assert_eq!((found.confidence, found.others.len()), (Confidence::Possible, 1));
        assert!(
            found.why.ends_with("; customers has 100 % of the values, so they fit that table better"),
            "{}",
            found.why
        );
        one.others = vec![table("customers", 10)];
        let found = of(&one, "users").unwrap();
        assert_eq!(found.confidence, Confidence::Likely);
        assert!(found.why.contains("customers has 50 % of the values, too"), "{}", found.why);
    }

    #[test]
    fn a_column_of_logins_is_no_reference_by_id() {
        let named = |users, logins| {
            let one = Sampled { logins, ..sampled("user", values(users, 49 - users), None) };
            of(&one, "users").map(|found| found.users)
        };
        assert_eq!(named(0, true), None);
        assert_eq!(named(0, false), Some(0));
        assert_eq!(named(1, true), Some(1), "one of them is an id");
    }

    #[test]
    fn a_rule_that_stands_goes_over_into_the_one_that_is_suggested() {
        let standing = ReferenceRule {
            table: "events".into(),
            columns: Some(vec!["user_id".into()]),
            on_orphan: Some(crate::api::spec::OnOrphan::SetNull),
            ..ReferenceRule::default()
        };
        let rules = [Rule { schema: "public".into(), rule: standing.clone() }];
        let found =
            |column: &str| beside(of(&sampled(column, values(9, 0), Some(5)), "users").unwrap(), &rules);
        let taken = found("user_id");
        assert_eq!(
            (taken.replaces, taken.rule.on_orphan, taken.rule.declared),
            (true, standing.on_orphan, true)
        );
        assert!(!found("owner").replaces);
    }
}
