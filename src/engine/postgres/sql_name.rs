//! Names in SQL that is printed for a person to run. Whoever names a table must not be able to write a
//! statement into somebody else's hands.

use crate::domain::text::unseen;

/// Words that are no names without quotes. PostgreSQL 15 manual, appendix C: "reserved", and "reserved
/// (can be function or type)".
const RESERVED: [&str; 101] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// A name as SQL: bare where that is the same name, otherwise in quotes.
pub fn sql_name(name: &str) -> String {
    let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && name.chars().all(simple) && !RESERVED.contains(&name) {
        return name.to_owned();
    }
    quoted(name, '"')
}

/// A text as a literal of SQL.
pub fn sql_text(text: &str) -> String {
    quoted(text, '\'')
}

/// `schema.table` as a literal that is read as a `regclass`, which knows no `U&"..."`.
pub fn sql_regclass(schema: &str, table: &str) -> String {
    let plain = |name: &str| match sql_name(name) {
        bare if bare == name => bare,
        _ => format!("\"{}\"", name.replace('"', "\"\"")),
    };
    sql_text(&format!("{}.{}", plain(schema), plain(table)))
}

/// In quotes. Characters that cannot be seen or that turn the line around are written as numbers (section 4.1.2.3,
/// `U&"..."`), and so is what ends a statement that stands in a sentence: whoever copies it would leave the rest behind.
fn quoted(text: &str, quote: char) -> String {
    let hides = |c: char| unseen(c) || c == '`';
    let doubled = format!("{quote}{quote}");
    if !text.chars().any(hides) {
        return format!("{quote}{}{quote}", text.replace(quote, &doubled));
    }
    let mut sql = format!("U&{quote}");
    for c in text.chars() {
        match (c, u32::from(c)) {
            (c, _) if c == quote => sql.push_str(&doubled),
            ('\\', _) => sql.push_str("\\\\"),
            (c, code @ ..=0xffff) if hides(c) => sql.push_str(&format!("\\{code:04X}")),
            (c, code) if hides(c) => sql.push_str(&format!("\\+{code:06X}")),
            (c, _) => sql.push(c),
        }
    }
    sql.push(quote);
    sql
}

/// A type as `format_type` writes it, in which names may be quoted that have any character.
pub fn sql_type(shown: &str) -> String {
    let (mut sql, mut rest) = (String::new(), shown);
    while let Some((before, after)) = rest.split_once('"') {
        sql.push_str(before);
        let mut name = String::new();
        let mut chars = after.char_indices().peekable();
        let mut end = after.len();
        while let Some((at, c)) = chars.next() {
            if c == '"' && chars.next_if(|(_, next)| *next == '"').is_none() {
                end = at + 1;
                break;
            }
            name.push(c);
        }
        sql.push_str(&quoted(&name, '"'));
        rest = after.get(end..).unwrap_or_default();
    }
    sql.push_str(rest);
    sql
}

/// `schema.table` as SQL.
pub fn sql_table(schema: &str, table: &str) -> String {
    format!("{}.{}", sql_name(schema), sql_name(table))
}

/// A name as it may stand in a comment of SQL; `None` where it may not. A line break ends a comment, and a name of
/// several words reads as if we said them.
pub fn comment_name(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.$@-".contains(c);
    let fits = (1..=63).contains(&name.len()) && name.chars().all(plain) && !name.contains("--");
    fits.then(|| sql_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_names_stay_as_they_are_and_all_others_are_quoted() {
        assert_eq!(sql_name("usage_logs"), "usage_logs");
        assert_eq!(sql_name("user"), "\"user\"");
        assert_eq!(sql_name("Users"), "\"Users\"");
        assert_eq!(sql_name("7up"), "\"7up\"");
        assert_eq!(sql_name("x; DROP TABLE users; --"), "\"x; DROP TABLE users; --\"");
        assert_eq!(sql_name("a\"b"), "\"a\"\"b\"");
        assert_eq!(sql_name("a\n\u{202e}\\\""), "U&\"a\\000A\\202E\\\\\"\"\"");
        assert_eq!(sql_table("public", "order"), "public.\"order\"");
        assert_eq!(sql_name("a`b"), "U&\"a\\0060b\"");
        assert_eq!(sql_name("a\u{e0041}`"), "U&\"a\\+0E0041\\0060\"");
        assert_eq!(sql_text("it's"), "'it''s'");
        assert_eq!(sql_regclass("public", "it's \u{202e}\\\""), "U&'public.\"it''s \\202E\\\\\"\"\"'");
    }

    #[test]
    fn a_type_keeps_its_words_and_its_names_show() {
        for (shown, sql) in [
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("public.\"Id\"[]", "public.\"Id\"[]"),
            ("\"a\u{202e}\".\"b\"\"\"(3)", "U&\"a\\202E\".\"b\"\"\"(3)"),
            ("\"a", "\"a\""),
        ] {
            assert_eq!(sql_type(shown), sql);
        }
    }

    #[test]
    fn no_name_with_words_or_line_breaks_stands_in_a_comment() {
        for (name, shown) in [("app", "app"), ("App-Owner", "\"App-Owner\""), ("user", "\"user\"")] {
            assert_eq!(comment_name(name).as_deref(), Some(shown));
        }
        for name in
            ["", "a\nDROP TABLE users", "a b", "a;b", "a--b", "a\"b", "a\u{202e}", "用户", "a\u{85}b", "a/*b"]
        {
            assert_eq!(comment_name(name), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn no_name_ends_its_quotes_early_or_breaks_the_line(name in ".{1,40}") {
            let sql = sql_name(&name);
            prop_assert!(!sql.chars().any(unseen));
            if let Some(inner) = sql.strip_prefix("U&").unwrap_or(&sql).strip_prefix('"') {
                let inner = inner.strip_suffix('"').unwrap();
                prop_assert_eq!(inner.replace("\"\"", "").matches('"').count(), 0);
            }
        }
    }
}
