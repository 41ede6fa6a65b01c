//! What the catalog says in text: names, types, operators, definitions of foreign keys.

use auth_consistency::domain::{
    facts::foreign_key::{ForeignKeyOptions, referenced_columns},
    text::{clip, unseen},
};
use proptest::prelude::*;

use super::{
    sql::{Name, Operator, Relation, Sql, TypeName},
    sql_name::{comment_name, sql_name, sql_table},
};
use crate::mutate::Target;

/// What PostgreSQL reads of a text that begins with a quoted name: the name, and what is behind it
/// (manual, section 4.1.1).
fn quoted(sql: &str) -> Option<(String, &str)> {
    let (mut name, mut rest) = (String::new(), sql.strip_prefix('"')?);
    loop {
        let (before, after) = rest.split_once('"')?;
        name += before;
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// The same of a name as it is printed: bare, quoted, or with escapes.
fn printed(sql: &str) -> Option<String> {
    if let Some(escaped) = sql.strip_prefix("U&") {
        let (mut name, (inside, rest)) = (String::new(), quoted(escaped)?);
        let mut left = inside.as_str();
        while let Some((before, after)) = left.split_once('\\') {
            name += before;
            if let Some(more) = after.strip_prefix('\\') {
                name.push('\\');
                left = more;
                continue;
            }
            let (digits, count) = after.strip_prefix('+').map_or((after, 4), |digits| (digits, 6));
            name.push(char::from_u32(u32::from_str_radix(digits.get(..count)?, 16).ok()?)?);
            left = &digits[count..];
        }
        return rest.is_empty().then(|| name + left);
    }
    match quoted(sql) {
        Some((name, rest)) => rest.is_empty().then_some(name),
        None => sql
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            .then(|| sql.to_owned()),
    }
}

fn property(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.as_ref();
    let name = Name::from_catalog(text.to_owned());
    let mut sql = Sql::new("");
    sql.name(&name);
    assert_eq!(quoted(sql.as_str()), Some((text.to_owned(), "")), "a name ends where its quotes do");
    let relation = Relation { schema: name.clone(), name: name.clone(), partitioned: false };
    let mut sql = Sql::new("");
    sql.only(&relation);
    let (schema, rest) = quoted(sql.as_str().strip_prefix("ONLY ").unwrap()).unwrap();
    assert_eq!((schema.as_str(), quoted(&rest[1..])), (text, Some((text.to_owned(), ""))));
    // One that is made is one that PostgreSQL takes as it is.
    let created = Name::created(text);
    assert_eq!(created.is_ok(), (1..=63).contains(&text.len()) && !text.contains('\0'));
    if let Err(why) = &created {
        assert!(why.len() < 500, "{} bytes are said of it", why.len());
    }
    // What is printed for a person.
    let shown = sql_name(text);
    assert!(!shown.contains(unseen), "what is printed has characters that nobody sees");
    assert!(!shown.contains('`'), "what is printed ends what it stands in");
    assert_eq!(printed(&shown).as_deref(), if text.is_empty() { Some("") } else { Some(text) }, "{shown}");
    assert_eq!(sql_table(text, text), format!("{shown}.{shown}"));
    if let Some(comment) = comment_name(text) {
        assert!(comment.bytes().all(|byte| byte.is_ascii_graphic()) && !comment.contains("--"), "{comment}");
    }
    assert!(clip(text, 80).chars().count() <= 84);
    // A type keeps what the catalog said of it, and the schema is the only thing that comes before.
    let type_name = TypeName::from_catalog(text.to_owned());
    let mut sql = Sql::new("");
    sql.type_name(&type_name);
    assert!(
        sql.as_str() == text || sql.as_str().strip_prefix("pg_catalog.") == Some(text),
        "{}",
        sql.as_str()
    );
    assert_eq!(type_name.as_str(), text);
    if let Some(operator) = Operator::from_catalog(text.to_owned(), text.to_owned()) {
        let mut sql = Sql::new("");
        sql.operator(&operator);
        assert_eq!(sql.as_str(), format!(" OPERATOR(\"{text}\".{text}) "), "an operator is symbols alone");
    }
    let options = ForeignKeyOptions::parse(text);
    if let Some(options) = &options {
        let columns = referenced_columns(text).expect("a foreign key has columns");
        let again = format!("FOREIGN KEY (x) REFERENCES y(z){}", options.clauses().concat());
        assert_eq!(ForeignKeyOptions::parse(&again), Some(*options));
        assert!(columns.iter().map(String::len).sum::<usize>() <= text.len());
    }
    format!(
        "{} {} {options:?} {}",
        created.is_ok(),
        comment_name(text).is_some(),
        shown.chars().next().unwrap_or(' ')
    )
}

#[test]
fn no_name_ends_its_quotes_and_no_definition_says_what_it_does_not() {
    let texts = [
        "users",
        "a\"b",
        "user; DROP TABLE users; --",
        "a\n\u{202e}\\\"",
        "character varying(255)[]",
        "\"a.\"\"b\".\"c d\"(3)",
        "public.\"text\"",
        "timestamp(3) with time zone",
        "<>",
        "FOREIGN KEY (user_id) REFERENCES users(id)",
        "FOREIGN KEY (\"a\"\",b\", c) REFERENCES public.\"x)(y\"(\"id\"\")\", z) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED NOT VALID",
        "FOREIGN KEY (a) REFERENCES b(c) ON DELETE SET NULL (a)",
    ];
    Target {
        name: "names",
        seeds: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        words: &[
            b"\"",
            b"\"\"",
            b".",
            b"(",
            b")",
            b", ",
            b"FOREIGN KEY (",
            b") REFERENCES ",
            b" MATCH FULL",
            b" ON UPDATE CASCADE",
            b" ON DELETE SET NULL",
            b" DEFERRABLE",
            b" INITIALLY DEFERRED",
            b" NOT VALID",
            b"pg_catalog.",
            b"\\",
            b"U&",
            b"--",
            b"/*",
            b"\0",
            b"\xe2\x80\xae",
            b"\xf3\xa0\x80\x81",
            b"[]",
            b"'",
        ],
        strategy: prop_oneof![
            "\\PC{0,70}",
            "[a-z\"().,; ]{0,60}",
            "FOREIGN KEY \\([a-z\", ]{0,9}\\) REFERENCES [a-z\".]{0,9}\\([a-z\", ()]{0,9}\\)[ A-Z]{0,30}"
        ]
        .prop_map(String::into_bytes)
        .boxed(),
        property: Box::new(property),
        work: 1,
    }
    .run();
}
