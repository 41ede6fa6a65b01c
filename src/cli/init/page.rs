//! The resource as YAML, each line with its reason as a comment.

use crate::{
    api::{
        API_VERSION,
        shared::{ColumnCondition, SecretKeyRef},
    },
    cli::show::wrap,
    domain::{
        advise::{
            init::{
                propose::{Condition, Field, Proposal},
                secrets::FILL_IN,
            },
            suggestions::{Confidence, Suggestion},
        },
        text::{clean, count},
    },
};

/// Columns of a line.
const WIDTH: usize = 100;

/// Rules that a resource takes.
const MOST_RULES: usize = 128;

/// A Secret for a field, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// This one, and why.
    This(SecretKeyRef, String),
    /// None, and what to look at.
    Open(String),
}

/// What a page is made of.
pub(super) struct Content<'a> {
    /// Name of the resource.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Whether the connection string says in which schema the tables are.
    pub schema_in_string: bool,
    /// Whether the database is on this machine, and the connection string says nothing of encryption.
    pub unencrypted: bool,
    /// What the user table comes to.
    pub proposal: &'a Proposal,
    /// Tables that are not meant, and why.
    pub others: &'a [String],
    /// The Secret of the connection string.
    pub connection: &'a Named,
    /// The Secret of the signing key.
    pub signing_key: &'a Named,
    /// The Secret of the admin's password.
    pub admin_password: &'a Named,
    /// Login of the admin.
    pub admin: Option<&'a str>,
    /// Columns that may name users, or why nobody looked.
    pub suggestions: Result<&'a [Suggestion], &'a str>,
}

/// Lines under construction.
#[derive(Default)]
struct Page(String);

impl Page {
    /// A line that stands for itself.
    fn line(&mut self, indent: usize, text: &str) {
        self.0.push_str(&" ".repeat(indent));
        self.0.push_str(&clean(text));
        self.0.push('\n');
    }

    /// A comment, in as many lines as it takes.
    fn comment(&mut self, indent: usize, text: &str) {
        let width = u16::try_from(WIDTH.saturating_sub(indent + 2)).unwrap_or(u16::MAX);
        for line in wrap(text, width).lines() {
            self.line(indent, &format!("# {}", line.trim_end()));
        }
    }

    /// A field with its reason: behind it where that fits, in front of it otherwise.
    fn field(&mut self, indent: usize, text: &str, why: &str) {
        let line = format!("{text} # {}", clean(why));
        if line.chars().count() + indent <= WIDTH {
            self.line(indent, &line);
        } else {
            self.comment(indent, why);
            self.line(indent, text);
        }
    }
}

/// A text as a plain or quoted scalar of YAML, that is read as this text in every place.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let word = text.to_ascii_lowercase();
    let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(&word.as_str());
    if first && text.chars().all(plain) && !reserved {
        return text.to_owned();
    }
    // Each document of JSON is one of YAML.
    let quoted = serde_json::Value::from(text).to_string();
    let mut shown = String::with_capacity(quoted.len());
    for c in quoted.chars() {
        if crate::domain::text::unseen(c) {
            shown.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

fn reference(secret: &SecretKeyRef) -> String {
    format!("{{name: {}, key: {}}}", scalar(&secret.name), scalar(&secret.key))
}

fn condition(one: &ColumnCondition) -> String {
    let says = match (&one.equals, one.is_null) {
        (Some(value), _) => format!("equals: {}", quoted(value)),
        (None, is_null) => format!("isNull: {}", is_null.unwrap_or(true)),
    };
    format!("- {{column: {}, {says}}}", scalar(&one.column))
}

/// A value, which is text whatever it looks like.
fn quoted(value: &str) -> String {
    let scalar = scalar(value);
    if scalar.starts_with('"') { scalar } else { format!("\"{scalar}\"") }
}

/// A value of JSON in one line of YAML.
fn flow(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{}: {}", scalar(name), flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        serde_json::Value::Array(values) => {
            format!("[{}]", values.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A rule in one line.
fn rule(suggestion: &Suggestion, users_schema: &str) -> String {
    let mut rule = suggestion.rule.clone();
    rule.schema = rule.schema.filter(|schema| schema != users_schema);
    let value = serde_json::to_value(&rule).unwrap_or_default();
    // In the order in which people read it.
    let member = |name: &&str| Some(format!("{name}: {}", flow(value.get(*name)?)));
    let members: Vec<String> =
        ["schema", "table", "columns", "declared", "absent", "where"].iter().filter_map(member).collect();
    format!("- {{{}}}", members.join(", "))
}

/// The resource.
pub(super) fn page(content: &Content<'_>) -> String {
    let mut page = Page::default();
    page.comment(
        0,
        "Proposed by auth-consistency init. Each line has its reason: read them, and correct what is not so. In mode Observe nothing is written to the database.",
    );
    page.line(0, &format!("apiVersion: {API_VERSION}"));
    page.line(0, "kind: AuthConsistency");
    page.line(0, "metadata:");
    page.line(2, &format!("name: {}", scalar(content.name)));
    if let Some(namespace) = content.namespace {
        page.line(2, &format!("namespace: {}", scalar(namespace)));
    }
    page.line(0, "spec:");
    page.line(2, "mode: Observe");
    database(&mut page, content);
    users(&mut page, content);
    admin(&mut page, content);
    signing_key(&mut page, content);
    references(&mut page, content);
    page.0
}

fn database(page: &mut Page, content: &Content<'_>) {
    page.line(2, "database:");
    match content.connection {
        Named::This(secret, why) => page.field(4, &format!("urlSecretRef: {}", reference(secret)), why),
        Named::Open(why) => page.field(
            4,
            &format!("urlSecretRef: {{name: {FILL_IN}, key: DATABASE_URL}}"),
            &format!("{why}. Until it is filled in, the file is refused"),
        ),
    }
    if content.unencrypted {
        page.comment(
            4,
            "The connection string says nothing of encryption, so that VerifyFull is asked for. A database on this machine may have none; then say so here or by sslmode=disable in the string:",
        );
        page.line(4, "# tls: {mode: Disable}");
    }
}

fn users(page: &mut Page, content: &Content<'_>) {
    let proposal = content.proposal;
    page.line(2, "users:");
    for other in content.others {
        page.comment(4, &format!("Not chosen: {other}."));
    }
    if let Some(preset) = proposal.preset {
        let columns = "the preset's table and columns are all there";
        page.field(4, &format!("preset: {preset:?}"), &format!("{columns}; {}", proposal.table.why));
        if content.schema_in_string {
            page.line(4, &format!("schema: {}", scalar(&proposal.schema)));
        }
    } else {
        if proposal.schema != crate::engine::hints().default_schema() || content.schema_in_string {
            page.line(4, &format!("schema: {}", scalar(&proposal.schema)));
        }
        page.field(4, &format!("table: {}", scalar(&proposal.table.column)), &proposal.table.why);
        page.field(4, &format!("idColumn: {}", scalar(&proposal.id.column)), &proposal.id.why);
        column(page, "loginColumn", &proposal.login);
        column(page, "passwordColumn", &proposal.password);
        for (name, of) in [("saltColumn", &proposal.salt), ("algorithmColumn", &proposal.algorithm)] {
            if let Some(column) = of {
                page.field(4, &format!("{name}: {}", scalar(column)), "the format has it beside the hash");
            }
        }
        if proposal.active.is_empty() {
            page.field(
                4,
                "activeWhen: []",
                "no column was found that says it: every account counts as active",
            );
        } else {
            page.line(4, "activeWhen:");
            conditions(page, 6, &proposal.active);
        }
    }
    if proposal.password.is_ok() {
        let why = match proposal.format_known {
            true => "a new password is written in the format that the others have",
            false => {
                "no password tells the format, so that none is written before you name it here (PasswordHashUnclear)"
            }
        };
        page.field(4, "passwordHash: AsStored", why);
    }
    for doubt in &proposal.active_doubts {
        page.comment(4, &format!("activeWhen: {doubt}."));
    }
    for remark in &proposal.remarks {
        page.comment(4, &format!("{remark}."));
    }
}

fn column(page: &mut Page, name: &str, of: &Result<Field, String>) {
    match of {
        Ok(field) => page.field(4, &format!("{name}: {}", scalar(&field.column)), &field.why),
        Err(why) => page.comment(4, &format!("{name}: {why}.")),
    }
}

fn conditions(page: &mut Page, indent: usize, of: &[Condition]) {
    for one in of {
        page.field(indent, &condition(&one.condition), &one.why);
    }
}

fn admin(page: &mut Page, content: &Content<'_>) {
    let proposal = content.proposal;
    let Some(login) = content.admin else {
        page.comment(
            2,
            "admin: no account was named that must always exist; --admin LOGIN names one. The block would be:",
        );
        page.line(2, "# admin:");
        page.line(2, "#   login: LOGIN");
        page.line(2, "#   onMissing: Report");
        if !proposal.admin.is_empty() {
            page.line(2, "#   columns:");
            for one in &proposal.admin {
                page.line(2, &format!("#     {} # {}", condition(&one.condition), one.why));
            }
        }
        return;
    };
    page.line(2, "admin:");
    page.field(4, &format!("login: {}", quoted(login)), "as it was named");
    match content.admin_password {
        Named::This(secret, why) => page.field(4, &format!("passwordSecretRef: {}", reference(secret)), why),
        Named::Open(why) => {
            page.field(4, "onMissing: Report", &format!("an account is created with a password only: {why}"));
        }
    }
    if proposal.admin.is_empty() {
        page.comment(4, "columns: no column was found that says who is an admin.");
    } else {
        page.line(4, "columns:");
        conditions(page, 6, &proposal.admin);
    }
}

fn signing_key(page: &mut Page, content: &Content<'_>) {
    match content.signing_key {
        Named::This(secret, why) => {
            page.line(2, "jwt:");
            page.field(4, &format!("secretRef: {}", reference(secret)), why);
            page.field(4, "algorithm: HS256", "the usual one; what the app signs with is in its code");
            page.field(
                4,
                "subjectClaim: sub",
                "the usual one; the claim whose value is the id of the account",
            );
        }
        Named::Open(why) => {
            page.comment(
                2,
                &format!("jwt: {why}. Without it tokens are not looked at. For an app that signs its own, the block would be:"),
            );
            for line in
                ["jwt:", "  secretRef: {name: NAME, key: KEY}", "  algorithm: HS256", "  subjectClaim: sub"]
            {
                page.line(2, &format!("# {line}"));
            }
        }
    }
}

fn references(page: &mut Page, content: &Content<'_>) {
    let keys = i64::try_from(content.proposal.keys).unwrap_or(i64::MAX);
    page.line(2, "references:");
    page.comment(
        4,
        &match keys {
            0 => "No foreign key references the table.".to_owned(),
            1 => "1 foreign key references the table, and needs no rule.".to_owned(),
            many => format!("{} reference the table, and need no rule.", count(many, "foreign key")),
        },
    );
    page.field(4, "onOrphan: Report", "rows that name nobody are reported, and nothing is done about them");
    let suggestions = match content.suggestions {
        Ok(suggestions) => suggestions,
        Err(why) => {
            page.comment(
                4,
                &format!("rules: columns that name users without a foreign key were not looked for: {why}."),
            );
            return;
        }
    };
    let likely = |one: &&Suggestion| one.confidence == Confidence::Likely;
    let (sure, open): (Vec<&Suggestion>, Vec<&Suggestion>) = suggestions.iter().partition(likely);
    if !sure.is_empty() {
        page.line(4, "rules:");
        for one in sure.iter().take(MOST_RULES) {
            let why = format!("{}; {} values of a sample", one.why, one.share());
            page.field(6, &rule(one, &content.proposal.schema), &why);
        }
        if sure.len() > MOST_RULES {
            page.comment(6, "There are more than a resource takes: auth-consistency discover lists them.");
        }
    }
    if !open.is_empty() {
        page.comment(4, "Perhaps these name users, too; put each that does under rules:");
        for one in open.iter().take(MOST_RULES) {
            page.comment(4, &format!("{}; {} values of a sample:", one.why, one.share()));
            page.line(4, &format!("# {}", rule(one, &content.proposal.schema)));
        }
    }
}
