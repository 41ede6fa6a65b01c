//! Names in SQL that is printed for a person to run. Whoever names a table must not be able to write a
//! statement into somebody else's hands.

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

/// A name as SQL: bare where that is the same name, otherwise in quotes; characters that cannot be seen
/// or that turn the line around are written as numbers (section 4.1.2.3, `U&"..."`).
pub fn sql_name(name: &str) -> String {
    let simple = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && name.chars().all(simple) && !RESERVED.contains(&name) {
        return name.to_owned();
    }
    if name.chars().any(unseen) {
        let mut text = "U&\"".to_owned();
        for c in name.chars() {
            match c {
                '"' => text.push_str("\"\""),
                '\\' => text.push_str("\\\\"),
                c if unseen(c) => text.push_str(&format!("\\+{:06X}", u32::from(c))),
                c => text.push(c),
            }
        }
        text.push('"');
        return text;
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.table` as SQL.
pub fn sql_table(schema: &str, table: &str) -> String {
    format!("{}.{}", sql_name(schema), sql_name(table))
}

/// Control characters, and those that change the direction of what follows or have no width.
fn unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
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
        assert_eq!(sql_name("a\n\u{202e}\\\""), "U&\"a\\+00000A\\+00202E\\\\\"\"\"");
        assert_eq!(sql_table("public", "order"), "public.\"order\"");
    }

    proptest! {
        #[test]
        fn no_name_ends_its_quotes_early_or_breaks_the_line(name in ".{1,40}") {
            let sql = sql_name(&name);
            prop_assert!(!sql.contains('\n'));
            if let Some(inner) = sql.strip_prefix("U&").unwrap_or(&sql).strip_prefix('"') {
                let inner = inner.strip_suffix('"').unwrap();
                prop_assert_eq!(inner.replace("\"\"", "").matches('"').count(), 0);
            }
        }
    }
}
