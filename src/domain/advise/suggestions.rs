//! Which columns may name users although no foreign key says so: scored by name and by data, with the
//! evidence. A suggestion is never repaired; whoever knows the app declares it in a rule.

use crate::{
    api::{report::ObjectRef, shared::ColumnCondition, spec::ReferenceRule},
    domain::{
        facts::key_kind::KeyKind,
        text::{count, number},
    },
};

/// Endings of columns that name whoever did or has something.
const PEOPLE: [&str; 32] = [
    "user_id",
    "userid",
    "user_uuid",
    "user",
    "owner_id",
    "owner",
    "author_id",
    "author",
    "creator_id",
    "creator",
    "assignee_id",
    "assignee",
    "assigned_to",
    "assigned_to_id",
    "actor_id",
    "actor",
    "sender_id",
    "recipient_id",
    "receiver_id",
    "reporter_id",
    "reviewer_id",
    "approver_id",
    "requester_id",
    "inviter_id",
    "invitee_id",
    "follower_id",
    "moderator_id",
    "operator_id",
    "performer_id",
    "impersonator_id",
    "by",
    "by_id",
];

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
    /// How many numbers of a hundred, out of the range of the sample, would be users by chance.
    pub chance: Option<i64>,
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

/// Endings that say that a column names users of this table, in the spelling of [`plain`].
pub fn endings(user_table: &str) -> Vec<String> {
    let table = plain(user_table);
    let one = singular(&table);
    let mut endings: Vec<String> = PEOPLE.iter().map(|ending| (*ending).to_owned()).collect();
    for name in [&table, &one] {
        endings.extend([format!("{name}_id"), format!("{name}id"), format!("{name}_uuid"), name.clone()]);
    }
    endings.sort();
    endings.dedup();
    endings
}

/// A name in small letters with underscores: `createdBy` is `created_by`.
pub fn plain(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
        before = letter;
    }
    text
}

fn singular(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    match plural.strip_suffix('s') {
        Some(stem) if !stem.ends_with('s') => stem.to_owned(),
        _ => plural.to_owned(),
    }
}

/// Whether a column is called as those are that name users.
pub fn named(column: &str, endings: &[String]) -> bool {
    let column = plain(column);
    endings.iter().any(|ending| match column.strip_suffix(ending.as_str()) {
        // "by" alone is a word, and "standby" is another.
        Some("") => ending != "by" && ending != "by_id",
        Some(before) => before.ends_with('_'),
        None => false,
    })
}

/// The suggestion that a sample comes to, if any.
pub fn suggest(sampled: &Sampled, id_kind: KeyKind, endings: &[String]) -> Option<Suggestion> {
    let column = sampled.object.columns.first()?;
    let by_name = named(column, endings);
    let absent = sentinels(&sampled.values);
    let real = |value: &&Value| !absent.contains(&value.text);
    let all: Vec<&Value> = sampled.values.iter().filter(real).collect();
    let of_kind = sampled.type_column.as_ref().and_then(|_| best_kind(&all));
    let values: Vec<&Value> = match &of_kind {
        Some(kind) => all.into_iter().filter(|value| value.kind.as_ref() == Some(kind)).collect(),
        None => all,
    };
    let users = values.iter().filter(|value| value.user).count();
    let share = (users * 100).checked_div(values.len()).unwrap_or(0);
    let (confidence, why) = verdict(by_name, share, users, values.len(), id_kind, sampled)?;
    let only_where = match (&sampled.type_column, &of_kind) {
        (Some(column), Some(kind)) => {
            vec![ColumnCondition { column: column.clone(), equals: Some(kind.clone()), is_null: None }]
        }
        _ => Vec::new(),
    };
    let mut why = why;
    if !absent.is_empty() {
        why.push_str(&format!("; {} is no user and frequent, so it may mean nobody", absent.join(" and ")));
    }
    Some(Suggestion {
        object: sampled.object.clone(),
        column_type: sampled.column_type.clone(),
        confidence,
        sampled: i64::try_from(values.len()).unwrap_or(i64::MAX),
        users: i64::try_from(users).unwrap_or(i64::MAX),
        rows: sampled.rows,
        why,
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

fn verdict(
    by_name: bool,
    share: usize,
    users: usize,
    values: usize,
    id_kind: KeyKind,
    sampled: &Sampled,
) -> Option<(Confidence, String)> {
    let chance = sampled.chance.filter(|_| id_kind == KeyKind::Integer);
    if by_name {
        let dense = match chance {
            Some(chance) if chance >= 50 && users > 0 => {
                format!(" (ids are so dense that {chance} % of any such numbers are)")
            }
            _ => String::new(),
        };
        return Some(match share {
            _ if values == 0 => (Confidence::Possible, "by its name; there are no values to look at".into()),
            50.. => (Confidence::Likely, format!("by its name, and its values are users{dense}")),
            1.. => (
                Confidence::Possible,
                format!("by its name; most of its values are no users: orphans, or something else{dense}"),
            ),
            _ => (
                Confidence::Possible,
                "by its name; none of its values is a user: orphans, or something else".into(),
            ),
        });
    }
    match id_kind {
        // Small numbers are ids of anything.
        KeyKind::Integer => {
            let chance = chance?;
            (share >= 99 && users >= FEW_NUMBERS && chance <= 50).then(|| {
                (
                    Confidence::Possible,
                    format!("by its data: chance alone would make {chance} % of such numbers users"),
                )
            })
        }
        _ => (share >= 90 && users >= FEW_VALUES)
            .then(|| (Confidence::Likely, "by its data, which could hardly be chance".into())),
    }
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

/// What the column beside says where the values are users: the kind with the highest share of users,
/// where not all kinds are alike.
fn best_kind(values: &[&Value]) -> Option<String> {
    let mut kinds: Vec<(&String, i64, i64)> = Vec::new();
    for value in values {
        let Some(kind) = value.kind.as_ref().filter(|kind| kind.chars().count() <= LONGEST_TYPE) else {
            continue;
        };
        let users = i64::from(value.user);
        match kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, all, of)) => {
                *all += 1;
                *of += users;
            }
            None => kinds.push((kind, 1, users)),
        }
    }
    // A kind called after people wins where two are alike.
    let people = |kind: &str| {
        i64::from(["user", "account", "person", "member"].iter().any(|w| plain(kind).contains(w)))
    };
    kinds
        .into_iter()
        .filter(|(_, _, users)| *users > 0)
        .max_by_key(|(kind, all, users)| (users * 100 / all, people(kind), *all))
        .map(|(kind, ..)| kind.clone())
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
            chance,
        }
    }

    fn values(users: usize, others: usize) -> Vec<Value> {
        (0..users + others)
            .map(|at| Value { text: format!("v{at}"), kind: None, rows: 1, user: at < users })
            .collect()
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        let endings = endings("users");
        for name in [
            "user_id",
            "userId",
            "UserID",
            "created_by",
            "createdBy",
            "created_by_id",
            "owner",
            "post_author_id",
            "assigned_to",
            "users_id",
            "userid",
            "deletedBy",
        ] {
            assert!(named(name, &endings), "{name}");
        }
        for name in
            ["id", "standby", "by", "user_agent", "username", "order_id", "superuser_count", "authority"]
        {
            assert!(!named(name, &endings), "{name}");
        }
        assert!(named("account_id", &self::endings("accounts")) && !named("account_id", &endings));
        assert!(named("party_id", &self::endings("Parties")));
    }

    #[test]
    fn small_numbers_alone_are_no_evidence() {
        let endings = endings("users");
        let of = |column: &str, users, others, chance| {
            suggest(&sampled(column, values(users, others), chance), KeyKind::Integer, &endings)
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
            suggest(&sampled("who", values(users, others), None), KeyKind::Uuid, &endings("users"))
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
        let found = suggest(&sampled("user_id", all.clone(), Some(5)), KeyKind::Integer, &endings("users"));
        let found = found.unwrap();
        assert_eq!((found.rule.absent, found.sampled, found.users), (vec!["0".to_owned()], 11, 10));
        // A user who has the id 0 is somebody.
        all.last_mut().unwrap().text = "7".into();
        all.iter_mut().find(|value| value.text == "0").unwrap().user = true;
        let found = suggest(&sampled("user_id", all, Some(5)), KeyKind::Integer, &endings("users"));
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
        let found = suggest(&one, KeyKind::Integer, &endings("users")).unwrap();
        assert_eq!(found.share(), "100 % of 20");
        let condition =
            ColumnCondition { column: "actor_type".into(), equals: Some("User".into()), is_null: None };
        assert_eq!(found.rule.only_where, [condition]);
    }
}
