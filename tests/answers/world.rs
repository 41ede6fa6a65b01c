//! A world drawn from a seed: a user table in the style of some framework, tables that reference it, their rows, and
//! a spec for it. As it is drawn nothing is wrong in it; causes are planted afterwards.

use std::fmt::Write as _;

use auth_consistency::api::condition::Reason;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};

use crate::{
    expected::Expected,
    support::{HASH, PASSWORD},
};

/// Of which kind the ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    Integer,
    BigInt,
    Uuid,
    /// A uuid in a column of text.
    UuidText,
    /// A number in a column of text.
    NumberText,
    /// A short random text, as nanoid and cuid make it.
    Nanoid,
}

impl Ids {
    pub fn sql(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Uuid => "uuid",
            Self::UuidText => "varchar(64)",
            Self::NumberText => "varchar(64)",
            Self::Nanoid => "text",
        }
    }

    pub fn counted(self) -> bool {
        matches!(self, Self::Integer | Self::BigInt)
    }

    pub fn text(self) -> bool {
        matches!(self, Self::UuidText | Self::NumberText | Self::Nanoid)
    }
}

/// What gives a new user an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    Serial,
    IdentityAlways,
    IdentityByDefault,
    /// A sequence that the column draws from and does not own.
    Drawn,
    /// The app itself, or a default of random uuids.
    Nothing,
}

/// How one can see that an account may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    Flag(&'static str),
    NotDeleted(&'static str),
    Status(&'static str, &'static str),
    Always,
}

/// How frameworks call the table and its columns.
pub struct Style {
    schema: &'static str,
    table: &'static str,
    id: &'static str,
    login: &'static str,
    password: &'static str,
    active: Active,
    /// Column, type, and the admin's value.
    pub role: (&'static str, &'static str, &'static str),
    mail: bool,
    ids: &'static [Ids],
}

const NUMBERS: &[Ids] = &[Ids::Integer, Ids::BigInt];
const ANY: &[Ids] = &[Ids::Integer, Ids::BigInt, Ids::Uuid, Ids::UuidText, Ids::NumberText, Ids::Nanoid];

const STYLES: &[Style] = &[
    Style {
        schema: "public",
        table: "users",
        id: "id",
        login: "email",
        password: "hashed_password",
        active: Active::Flag("is_active"),
        role: ("role", "text", "admin"),
        mail: true,
        ids: ANY,
    },
    Style {
        schema: "public",
        table: "auth_user",
        id: "id",
        login: "username",
        password: "password",
        active: Active::Flag("is_active"),
        role: ("is_superuser", "boolean", "true"),
        mail: false,
        ids: NUMBERS,
    },
    Style {
        schema: "public",
        table: "users",
        id: "id",
        login: "email",
        password: "encrypted_password",
        active: Active::NotDeleted("deleted_at"),
        role: ("admin", "boolean", "true"),
        mail: true,
        ids: ANY,
    },
    Style {
        schema: "public",
        table: "User",
        id: "id",
        login: "email",
        password: "passwordHash",
        active: Active::Status("status", "ACTIVE"),
        role: ("role", "text", "ADMIN"),
        mail: true,
        ids: ANY,
    },
    Style {
        schema: "app",
        table: "user_account",
        id: "user_id",
        login: "user_name",
        password: "password_hash",
        active: Active::Flag("enabled"),
        role: ("authority", "text", "ROLE_ADMIN"),
        mail: false,
        ids: ANY,
    },
    Style {
        schema: "identity",
        table: "AspNetUsers",
        id: "Id",
        login: "UserName",
        password: "PasswordHash",
        active: Active::Always,
        role: ("Kind", "text", "Administrator"),
        mail: true,
        ids: ANY,
    },
    Style {
        schema: "auth",
        table: "user",
        id: "uid",
        login: "mail",
        password: "pass",
        active: Active::Status("state", "enabled"),
        role: ("rights", "integer", "7"),
        mail: true,
        ids: ANY,
    },
    Style {
        schema: "my-app",
        table: "Members Of",
        id: "Member No",
        login: "e-mail",
        password: "pw",
        active: Active::NotDeleted("left on"),
        role: ("level", "integer", "9"),
        mail: true,
        ids: ANY,
    },
];

/// One account.
#[derive(Clone, Debug)]
pub struct User {
    pub id: String,
    pub login: String,
}

/// A column that names users.
#[derive(Clone, Debug)]
pub struct Reference {
    pub schema: String,
    pub table: String,
    pub column: String,
    pub nullable: bool,
    /// Its foreign key; none where a rule alone declares it.
    pub key: Option<String>,
    pub on_delete: &'static str,
    /// Column and value that say that the id is a user's.
    pub of_type: Option<(String, String)>,
    pub partitioned: bool,
    pub rows: usize,
}

impl Reference {
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }
}

/// What becomes of a connection string.
pub type Change = Box<dyn Fn(&str) -> String + Send>;

/// The world.
pub struct World {
    pub rng: StdRng,
    pub style: &'static Style,
    pub ids: Ids,
    pub gives: Gives,
    pub sequence: Option<String>,
    pub schema: String,
    pub table: String,
    pub id: String,
    pub login: String,
    pub password: String,
    pub active: Active,
    /// A unique key keeps logins apart.
    pub unique_login: bool,
    /// Users name users.
    pub managers: bool,
    pub users: Vec<User>,
    pub references: Vec<Reference>,
    /// Makes the healthy world.
    pub sql: String,
    /// What is done to it, with triggers off.
    pub harm: String,
    pub spec: Value,
    /// Secrets by name and key, in place of the usual ones.
    pub secrets: Vec<(String, String, String)>,
    pub no_secret: Option<(String, String, Reason)>,
    pub config_map: Option<(String, String)>,
    /// The role that the connection string names, in place of the superuser: what it is granted.
    pub role: Option<String>,
    /// Replaces the connection string: what of it by what.
    pub url: Option<Change>,
    /// The status remembers this key.
    pub key_before: Option<String>,
    /// Another resource has repaired here before.
    pub rival: bool,
    /// Compares the password, as `check` does.
    pub compare_password: bool,
    pub expected: Vec<Expected>,
    /// What may be told beside: a reason, and a table where it has to be about one.
    pub beside: Vec<(Reason, Option<String>)>,
    made: u64,
}

/// An identifier in SQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Keys that are long enough and nobody's; few, since a fingerprint costs time.
pub const KEYS: [&str; 4] = [
    "canary-9d1f4c7eab02536f81c4d7e9a0b3f652",
    "canary-4e7ab90c1d52f3866a0e9b7c5d41f238",
    "canary-c3b1f5a79e20846d7f1a3c5e9b0d2846",
    "canary-70e5d3c1b9a78f6e4d2c0b1a3f5e7d9c",
];

const PEOPLE: [&str; 14] = [
    "ada", "grace", "linus", "margaret", "dennis", "barbara", "ken", "radia", "edsger", "frances", "tim",
    "hedy", "alan", "jean",
];

/// Tables that reference users, by table and column.
const TABLES: [(&str, &str); 12] = [
    ("posts", "author_id"),
    ("orders", "user_id"),
    ("audit_log", "actor_id"),
    ("comments", "user_id"),
    ("invites", "invited_by"),
    ("Project", "ownerId"),
    ("usage_logs", "user_id"),
    ("team_members", "member_id"),
    ("tickets", "assignee_id"),
    ("documents", "created_by"),
    ("payments", "customer_id"),
    ("time entries", "User Id"),
];

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let style = STYLES.choose(&mut rng).unwrap();
        let ids = *style.ids.choose(&mut rng).unwrap();
        let gives = match ids {
            Ids::Integer | Ids::BigInt => {
                *[Gives::Serial, Gives::IdentityAlways, Gives::IdentityByDefault, Gives::Drawn]
                    .choose(&mut rng)
                    .unwrap()
            }
            _ => Gives::Nothing,
        };
        let mut world = Self {
            rng,
            style,
            ids,
            gives,
            sequence: None,
            schema: style.schema.into(),
            table: style.table.into(),
            id: style.id.into(),
            login: style.login.into(),
            password: style.password.into(),
            active: style.active,
            unique_login: false,
            managers: false,
            users: Vec::new(),
            references: Vec::new(),
            sql: String::new(),
            harm: String::new(),
            spec: Value::Null,
            secrets: Vec::new(),
            no_secret: None,
            config_map: None,
            role: None,
            url: None,
            key_before: None,
            rival: false,
            compare_password: false,
            expected: Vec::new(),
            beside: Vec::new(),
            made: 0,
        };
        world.draw_users();
        world.draw_references();
        world.draw_spec();
        world
    }

    /// The user table in SQL.
    pub fn users_sql(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }

    /// An id that nobody has and nobody had.
    pub fn new_id(&mut self) -> String {
        self.made += 1;
        let n = self.made * 3 + self.rng.random_range(0..3);
        match self.ids {
            Ids::Integer | Ids::BigInt | Ids::NumberText => (n + 10).to_string(),
            Ids::Uuid | Ids::UuidText => {
                let (a, b): (u64, u64) = (self.rng.random(), self.rng.random());
                let (x, y) =
                    (a & 0xffff_ffff_ffff_0fff | 0x4000, b & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000);
                let hex = format!("{x:016x}{y:016x}");
                format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            }
            Ids::Nanoid => {
                let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
                (0..12).map(|_| char::from(*letters.choose(&mut self.rng).unwrap())).collect()
            }
        }
    }

    /// An account that is not the admin.
    pub fn somebody(&mut self) -> User {
        self.users[1..].choose(&mut self.rng).unwrap().clone()
    }

    pub fn admin(&self) -> User {
        self.users[0].clone()
    }

    fn draw_users(&mut self) {
        let (table, style) = (self.users_sql(), self.style);
        let (id, login, password) = (quote(&self.id), quote(&self.login), quote(&self.password));
        if self.schema != "public" {
            let _ = writeln!(self.sql, "CREATE SCHEMA {};", quote(&self.schema));
        }
        let kind = self.ids.sql();
        let sequence =
            format!("{}.{}", quote(&self.schema), quote(&format!("{}_{}_seq", self.table, self.id)));
        let column = match (self.gives, self.ids) {
            (Gives::Serial, Ids::BigInt) => "bigserial".to_owned(),
            (Gives::Serial, _) => "serial".to_owned(),
            (Gives::IdentityAlways, _) => format!("{kind} GENERATED ALWAYS AS IDENTITY"),
            (Gives::IdentityByDefault, _) => format!("{kind} GENERATED BY DEFAULT AS IDENTITY"),
            (Gives::Drawn, _) => {
                let _ = writeln!(self.sql, "CREATE SEQUENCE {sequence};");
                format!("{kind} DEFAULT nextval({}::regclass)", text(&sequence))
            }
            (Gives::Nothing, Ids::Uuid) => "uuid DEFAULT gen_random_uuid()".to_owned(),
            (Gives::Nothing, _) => kind.to_owned(),
        };
        self.sequence = self.ids.counted().then_some(sequence);
        let (role, role_type, of_admin) = style.role;
        let active = match style.active {
            Active::Flag(name) => format!(", {} boolean NOT NULL DEFAULT true", quote(name)),
            Active::NotDeleted(name) => format!(", {} timestamptz", quote(name)),
            Active::Status(name, value) => format!(", {} text NOT NULL DEFAULT {}", quote(name), text(value)),
            Active::Always => String::new(),
        };
        let other = match role_type {
            "boolean" => "false",
            "integer" => "1",
            _ => "member",
        };
        let _ = writeln!(
            self.sql,
            "CREATE TABLE {table} ({id} {column} PRIMARY KEY, {login} varchar(255) NOT NULL, {password} varchar(255), \
             {} {role_type} NOT NULL DEFAULT '{other}', manager_id {kind}{active});",
            quote(role)
        );
        // How logins are kept apart differs.
        let way = self.rng.random_range(0..3);
        self.unique_login = way < 2;
        let unique = match way {
            0 => format!("ALTER TABLE {table} ADD UNIQUE ({login});"),
            1 => format!("CREATE UNIQUE INDEX ON {table} ({login});"),
            _ => format!("CREATE INDEX ON {table} ({login});"),
        };
        let _ = writeln!(self.sql, "{unique}");
        let count = self.rng.random_range(5..12);
        for (n, person) in PEOPLE.iter().enumerate().take(count) {
            let id = self.new_id();
            let name = if n == 0 { "admin" } else { person };
            let login = if style.mail { format!("{name}@example.org") } else { name.to_owned() };
            self.users.push(User { id, login });
        }
        let overriding = if self.gives == Gives::IdentityAlways { " OVERRIDING SYSTEM VALUE" } else { "" };
        for n in 0..count {
            let User { id: value, login: name } = &self.users[n];
            let role_value = if n == 0 { of_admin } else { other };
            let _ = writeln!(
                self.sql,
                "INSERT INTO {table} ({id}, {login}, {password}, {}){overriding} VALUES ({}, {}, '{HASH}', '{role_value}');",
                quote(role),
                text(value),
                text(name)
            );
        }
        self.advance();
    }

    /// Moves the sequence above all ids.
    fn advance(&mut self) {
        if let Some(sequence) = &self.sequence {
            let high = self.users.iter().filter_map(|user| user.id.parse::<i64>().ok()).max().unwrap_or(1);
            // Far enough that an orphan's id lies below.
            let _ = writeln!(self.sql, "SELECT setval({}, {});", text(sequence), high + 1000);
        }
    }

    fn draw_references(&mut self) {
        let many = self.rng.random_range(2..5);
        let mut tables: Vec<_> = TABLES.to_vec();
        for n in 0..many {
            let at = self.rng.random_range(0..tables.len());
            let (table, column) = tables.remove(at);
            let declared = n == 0 || self.rng.random_bool(0.7);
            let nullable = self.rng.random_bool(0.6);
            let on_delete = if !declared {
                ""
            } else if nullable {
                *["", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON DELETE RESTRICT"]
                    .choose(&mut self.rng)
                    .unwrap()
            } else {
                *["", " ON DELETE CASCADE", " ON DELETE RESTRICT", " DEFERRABLE INITIALLY DEFERRED"]
                    .choose(&mut self.rng)
                    .unwrap()
            };
            let of_type = (!declared && self.rng.random_bool(0.5))
                .then(|| ("owner_type".to_owned(), "User".to_owned()));
            let reference = Reference {
                schema: self.schema.clone(),
                table: table.into(),
                column: column.into(),
                nullable,
                key: declared.then(|| format!("{}_{}_fkey", table.to_lowercase(), column.to_lowercase())),
                on_delete,
                of_type,
                partitioned: declared && self.rng.random_bool(0.15),
                rows: 0,
            };
            self.make_table(reference);
        }
        if self.rng.random_bool(0.4) {
            // Who manages whom.
            self.managers = true;
            let (table, id) = (self.users_sql(), quote(&self.id));
            let key = format!("{}_manager_fkey", self.table.to_lowercase());
            let _ = writeln!(
                self.sql,
                "UPDATE {table} SET manager_id = {} WHERE {id} <> {};
                 ALTER TABLE {table} ADD CONSTRAINT {} FOREIGN KEY (manager_id) REFERENCES {table} ({id});",
                text(&self.users[0].id),
                text(&self.users[0].id),
                quote(&key)
            );
        }
    }

    /// Makes a table that references users, with rows.
    pub fn make_table(&mut self, mut reference: Reference) {
        let (table, column, kind) = (reference.quoted(), quote(&reference.column), self.ids.sql());
        let not_null = if reference.nullable { "" } else { " NOT NULL" };
        let typed =
            reference.of_type.as_ref().map_or(String::new(), |(name, _)| format!(", {} text", quote(name)));
        let key = reference.key.as_ref().map_or(String::new(), |name| {
            format!(
                ", CONSTRAINT {} FOREIGN KEY ({column}) REFERENCES {} ({}){}",
                quote(name),
                self.users_sql(),
                quote(&self.id),
                reference.on_delete
            )
        });
        let (primary, partition) = match reference.partitioned {
            true => (
                "day integer NOT NULL, PRIMARY KEY (row_no, day)",
                format!(
                    " PARTITION BY LIST (day); CREATE TABLE {}.{} PARTITION OF {table} FOR VALUES IN (1); \
                     CREATE TABLE {}.{} PARTITION OF {table} DEFAULT",
                    quote(&reference.schema),
                    quote(&format!("{}_1", reference.table)),
                    quote(&reference.schema),
                    quote(&format!("{}_other", reference.table)),
                ),
            ),
            false => ("day integer NOT NULL DEFAULT 1, PRIMARY KEY (row_no)", String::new()),
        };
        let _ = writeln!(
            self.sql,
            "CREATE TABLE {table} (row_no bigint GENERATED BY DEFAULT AS IDENTITY, {column} {kind}{not_null}, note text{typed}, \
             {primary}{key}){partition};"
        );
        if self.rng.random_bool(0.5) {
            let _ = writeln!(self.sql, "CREATE INDEX ON {table} ({column});");
        }
        reference.rows = self.rng.random_range(6..20);
        let mut rows = Vec::new();
        for _ in 0..reference.rows {
            let user = self.users.choose(&mut self.rng).unwrap().id.clone();
            let value =
                if reference.nullable && self.rng.random_bool(0.1) { "NULL".into() } else { text(&user) };
            rows.push(self.row(&reference, &value));
        }
        if let Some((of, _)) = &reference.of_type {
            // Others name what is no user, by ids that no user has.
            let other = self.new_id();
            rows.push(format!(
                "INSERT INTO {table} ({column}, {}) VALUES ({}, 'Group');",
                quote(of),
                text(&other)
            ));
        }
        for row in rows {
            let _ = writeln!(self.sql, "{row}");
        }
        self.references.push(reference);
    }

    /// The statement that puts one row into a table, which names this user.
    pub fn row(&mut self, reference: &Reference, value: &str) -> String {
        let day = self.rng.random_range(1..4);
        let (of, is) = match &reference.of_type {
            Some((of, is)) => (format!(", {}", quote(of)), format!(", {}", text(is))),
            None => Default::default(),
        };
        format!(
            "INSERT INTO {} ({}, day{of}) VALUES ({value}, {day}{is});",
            reference.quoted(),
            quote(&reference.column)
        )
    }

    fn draw_spec(&mut self) {
        let active = match self.active {
            Active::Flag(name) => json!([{"column": name, "equals": "true"}]),
            Active::NotDeleted(name) => json!([{"column": name, "isNull": true}]),
            Active::Status(name, value) => json!([{"column": name, "equals": value}]),
            Active::Always => json!([]),
        };
        let rules: Vec<Value> = self.references.iter().filter_map(declaring).collect();
        let (role, _, of_admin) = self.style.role;
        let key = *KEYS.choose(&mut self.rng).unwrap();
        self.secrets.push(("jwt".into(), "key".into(), key.into()));
        self.spec = json!({
            "users": {
                "schema": self.schema, "table": self.table, "idColumn": self.id, "loginColumn": self.login,
                "passwordColumn": self.password, "activeWhen": active,
            },
            "admin": {
                "login": self.users[0].login, "passwordSecretRef": {"name": "admin", "key": "password"},
                "columns": [{"column": role, "equals": of_admin}],
            },
            "jwt": {"secretRef": {"name": "jwt", "key": "key"}},
            "references": {"rules": rules},
        });
        if self.rng.random_bool(0.3) {
            self.spec["admin"]["id"] = json!(self.users[0].id);
        }
        if self.rng.random_bool(0.3) {
            self.spec["accounts"] = json!([{
                "login": self.users[1].login, "passwordSecretRef": {"name": "admin", "key": "password"}, "columns": [],
            }]);
        }
    }

    /// The spec without `database`, as YAML takes it.
    pub fn yaml(&self) -> String {
        let blocks = self.spec.as_object().unwrap();
        blocks.iter().fold(String::new(), |yaml, (name, block)| format!("{yaml}{name}: {block}\n"))
    }

    /// A rule about a reference, which is made where there is none.
    pub fn rule(&mut self, reference: &Reference) -> &mut Value {
        let mine = |rule: &Value| rule["table"] == reference.table.as_str();
        let rules = self.spec["references"]["rules"].as_array_mut().unwrap();
        if !rules.iter().any(mine) {
            rules.push(json!({
                "schema": reference.schema, "table": reference.table, "columns": [reference.column],
            }));
        }
        rules.iter_mut().find(|rule| mine(rule)).unwrap()
    }

    /// Adds a statement of harm.
    pub fn do_harm(&mut self, sql: impl AsRef<str>) {
        let _ = writeln!(self.harm, "{};", sql.as_ref());
    }

    /// A reference for which this holds.
    pub fn reference(&mut self, of: impl Fn(&Reference) -> bool) -> Option<Reference> {
        let fitting: Vec<_> = self.references.iter().filter(|one| of(one)).cloned().collect();
        fitting.choose(&mut self.rng).cloned()
    }

    pub fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.rng).unwrap()
    }

    /// The Secret's password, of which all stored hashes are.
    pub fn password_text(&self) -> &'static str {
        PASSWORD
    }
}

fn declaring(reference: &Reference) -> Option<Value> {
    if reference.key.is_some() {
        return None;
    }
    let mut rule = json!({
        "schema": reference.schema, "table": reference.table, "columns": [reference.column], "declared": true,
    });
    if let Some((column, value)) = &reference.of_type {
        rule["where"] = json!([{"column": column, "equals": value}]);
    }
    Some(rule)
}
