//! Names by which people tell tables of accounts, columns that name users, and classes of users.

/// Endings of columns that name whoever did or has something.
const PEOPLE: [&str; 42] = [
    "owner_id",
    "owner",
    "author_id",
    "author",
    "creator_id",
    "creator",
    "editor_id",
    "editor",
    "poster_id",
    "poster",
    "writer_id",
    "submitter_id",
    "uploader_id",
    "manager_id",
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
    "by_user",
    "by_user_id",
    "by_uid",
    "create_uid",
    "write_uid",
    "uid",
];

/// Endings that mean something else as often: of these the data must say something, too.
const AMBIGUOUS: [&str; 1] = ["uid"];

/// Columns that a table of accounts has, in the spelling of [`plain`].
pub const ACCOUNT_COLUMNS: [&str; 16] = [
    "email",
    "e_mail",
    "email_address",
    "mail",
    "login",
    "login_name",
    "username",
    "user_name",
    "password",
    "passwd",
    "password_hash",
    "password_digest",
    "hashed_password",
    "encrypted_password",
    "crypted_password",
    "user_password",
];

/// Words that a copy of a table has in its name beside the table's own.
const COPY: [&str; 22] = [
    "old",
    "new",
    "bak",
    "backup",
    "copy",
    "tmp",
    "temp",
    "legacy",
    "archive",
    "archived",
    "orig",
    "original",
    "prev",
    "previous",
    "import",
    "imported",
    "migrated",
    "before",
    "v",
    "tb",
    "tbl",
    "deprecated",
];

/// Words that make accounts of one kind others than those of another: `admin_users` is no copy of `users`.
const KINDS: [&str; 30] = [
    "admin",
    "anonymous",
    "api",
    "banned",
    "blocked",
    "bot",
    "client",
    "company",
    "customer",
    "device",
    "employee",
    "external",
    "group",
    "guest",
    "internal",
    "invited",
    "org",
    "organization",
    "partner",
    "pending",
    "portal",
    "project",
    "role",
    "service",
    "staff",
    "super",
    "supplier",
    "team",
    "tenant",
    "vendor",
];

/// What a column's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The user table's own name.
    Users,
    /// Somebody who did or has something.
    Somebody,
    /// Somebody, or something else as often.
    Perhaps,
}

/// The names that go with one user table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountNames {
    words: Vec<String>,
    head: String,
    own: Vec<String>,
    endings: Vec<String>,
}

impl AccountNames {
    /// The names that go with a user table of this name.
    pub fn of(user_table: &str) -> Self {
        let table = plain(user_table);
        let (words, head) = words(user_table);
        let one = singular(&table);
        let mut own = Vec::new();
        for name in ["user", &table, &one, &head] {
            own.extend(["_id", "id", "_uuid", "_uid", ""].map(|ending| format!("{name}{ending}")));
        }
        own.sort();
        own.dedup();
        let mut endings: Vec<String> = PEOPLE.iter().map(|ending| (*ending).to_owned()).collect();
        endings.extend(own.iter().cloned());
        endings.sort();
        endings.dedup();
        Self { words, head, own, endings }
    }

    /// Endings that say that a column names users of this table, in the spelling of [`plain`].
    pub fn endings(&self) -> &[String] {
        &self.endings
    }

    /// A regular expression for columns that name users by their names alone, in the spelling of [`plain`].
    pub fn pattern(&self) -> String {
        let escaped = |ending: &String| -> String {
            ending
                .chars()
                .flat_map(|c| (!c.is_alphanumeric() && c != '_').then_some('\\').into_iter().chain([c]))
                .collect()
        };
        let clear = self.endings.iter().filter(|ending| !AMBIGUOUS.contains(&ending.as_str()));
        let (by, whole): (Vec<_>, Vec<_>) = clear.partition(|ending| ending.starts_with("by"));
        let joined =
            |endings: &[&String]| endings.iter().map(|one| escaped(one)).collect::<Vec<_>>().join("|");
        format!("^(.*_)?({})$|_({})$", joined(&whole), joined(&by))
    }

    /// The word that says what the table holds, in the singular: `user` of `accounts_user`.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// What a column's name says of users, if anything.
    pub fn column(&self, column: &str) -> Option<Says> {
        let column = plain(column);
        let ends = |ending: &str| match column.strip_suffix(ending) {
            // "by" alone is a word, and "standby" is another.
            Some("") => !ending.starts_with("by"),
            Some(before) => before.ends_with('_'),
            None => false,
        };
        if self.own.iter().any(|ending| ends(ending)) {
            return Some(Says::Users);
        }
        let mut found = self.endings.iter().filter(|ending| ends(ending)).peekable();
        found.peek()?;
        let clear = found.any(|ending| !AMBIGUOUS.contains(&ending.as_str()));
        Some(if clear { Says::Somebody } else { Says::Perhaps })
    }

    /// Whether what a type column holds is called after the table, as classes of the app are: `User`,
    /// `App\Models\User`, `Core::User`, `accounts.user`, `users`.
    pub fn class(&self, kind: &str) -> bool {
        let last = kind.rsplit(['\\', ':', '.', '/']).next().unwrap_or_default();
        let class = singular(&plain(last));
        class == self.head || class == "user" || class == self.words.join("_")
    }

    /// Whether another table is called as a copy of this one, or as the same of another part of the app, is:
    /// `auth_user` and `accounts_user`, `users` and `users_old`.
    pub fn alike(&self, other: &str) -> bool {
        let (words, head) = words(other);
        let differs = |some: &[String], others: &[String]| {
            some.iter().any(|word| KINDS.contains(&word.as_str()) && !others.contains(word))
        };
        head == self.head
            && !head.is_empty()
            && !differs(&words, &self.words)
            && !differs(&self.words, &words)
    }
}

/// The words of a table's name, each in the singular, without those that a copy has; and the last of them.
fn words(table: &str) -> (Vec<String>, String) {
    let is_copy = |word: &str| {
        let number = word.trim_start_matches('v');
        word.is_empty() || COPY.contains(&word) || number.chars().all(|c| c.is_ascii_digit())
    };
    let words: Vec<String> = plain(table).split('_').filter(|word| !is_copy(word)).map(singular).collect();
    let head = words.last().cloned().unwrap_or_default();
    (words, head)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_are_read_as_people_write_them() {
        let names = AccountNames::of("users");
        for name in ["user_id", "userId", "UserID", "users_id", "userid", "assigned_user_uuid", "user_uid"] {
            assert_eq!(names.column(name), Some(Says::Users), "{name}");
        }
        for name in [
            "created_by",
            "createdBy",
            "created_by_id",
            "owner",
            "post_author_id",
            "assigned_to",
            "deletedBy",
            "poster_id",
            "write_uid",
            "create_uid",
        ] {
            assert_eq!(names.column(name), Some(Says::Somebody), "{name}");
        }
        for name in ["uid", "node_uid"] {
            assert_eq!(names.column(name), Some(Says::Perhaps), "{name}");
        }
        for name in [
            "id",
            "standby",
            "by",
            "user_agent",
            "username",
            "order_id",
            "superuser_count",
            "authority",
            "guid",
        ] {
            assert_eq!(names.column(name), None, "{name}");
        }
        assert_eq!(AccountNames::of("accounts").column("account_id"), Some(Says::Users));
        assert_eq!(names.column("account_id"), None);
        assert_eq!(AccountNames::of("Parties").column("party_id"), Some(Says::Users));
        assert_eq!(AccountNames::of("club_members").column("member_id"), Some(Says::Users));
    }

    #[test]
    fn classes_are_known_by_their_last_word_and_others_are_not() {
        let names = AccountNames::of("users");
        for kind in ["User", r"App\User", r"App\Models\User", "Core::User", "accounts.user", "user", "users"]
        {
            assert!(names.class(kind), "{kind}");
        }
        for kind in ["Group", r"App\Models\UserGroup", "Admin", "AdminUser", "", "free", "user_id"] {
            assert!(!names.class(kind), "{kind}");
        }
        assert!(AccountNames::of("sidewalk_user").class("SidewalkUser"));
        assert!(AccountNames::of("people").class("people") && !AccountNames::of("people").class("Post"));
    }

    #[test]
    fn copies_and_swapped_tables_are_alike_and_other_kinds_of_accounts_are_not() {
        for (one, other) in [
            ("accounts_user", "auth_user"),
            ("tb_user", "auth_user"),
            ("users", "users_old"),
            ("users", "old_users"),
            ("users", "users"),
            ("Users", "users_backup_2024"),
            ("users_v2", "users"),
            ("admin_users", "admin_users_bak"),
        ] {
            assert!(AccountNames::of(one).alike(other), "{one} {other}");
            assert!(AccountNames::of(other).alike(one), "{other} {one}");
        }
        for (one, other) in [
            ("users", "admin_users"),
            ("users", "customers"),
            ("accounts_user", "accounts_profile"),
            ("users", "user_sessions"),
            ("users", "project_users"),
            ("users", "2024"),
            ("old", "new"),
        ] {
            assert!(!AccountNames::of(one).alike(other), "{one} {other}");
            assert!(!AccountNames::of(other).alike(one), "{other} {one}");
        }
    }
}
