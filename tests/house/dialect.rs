//! What one database calls things, and the statements in its words, stand in the folder of its engine alone: another
//! engine could not say them. Read from the sources as the grammar has them, without comments and without tests.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Literal, TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, Lit, Macro,
    visit::{self, Visit},
};

use super::{rooms::of_tests, sources};

/// Names of the client library and of PostgreSQL's own columns, as words of names and of texts.
const NAMES: [&str; 5] = ["sqlx", "sqlstate", "oid", "xmin", "ctid"];

/// What begins statements that people are told, and functions of them.
const STATEMENTS: [&str; 8] =
    ["ALTER", "CREATE", "DROP", "GRANT", "VALIDATE", "REINDEX", "setval", "nextval"];

/// Classes of SQLSTATEs (PostgreSQL 18 manual, appendix A).
const CLASSES: [&str; 44] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23",
    "24", "25", "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44",
    "53", "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX",
];

/// Where such a word is no database's, or must stand all the same: (file, word, why).
const BUT: [(&str, &str, &str); 7] = [
    ("src/tokens/der.rs", "oid", "ASN.1 names curves and algorithms by object identifiers"),
    ("src/tokens/explain/remarks.rs", "oid", "tokens of Microsoft's name their user by a claim of that name"),
    ("src/telemetry.rs", "sqlx", "what the client library logs is left out of the log by the library's name"),
    ("src/domain/facts/credentials.rs", "public", "a word of what columns of keys are called"),
    ("src/domain/advise/init/secrets.rs", "pg_", "what people call keys of Secrets"),
    ("src/domain/identities/snapshot.rs", "oid", "files of snapshots have a field of that name"),
    (
        "src/api/report.rs",
        "public",
        "names of objects are shortened where no engine is at hand: a part of the contract",
    ),
];

/// Collects what one file says in a database's words.
#[derive(Default)]
struct Reader {
    said: BTreeSet<String>,
}

impl Reader {
    /// A name of Rust's, by its words: `TypeOid` and `type_oid` alike.
    fn name(&mut self, name: &str) {
        let (mut words, mut before) = (String::new(), '_');
        for c in name.chars() {
            if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
                words.push('_');
            }
            words.push(c.to_ascii_lowercase());
            before = c;
        }
        self.said.extend(words.split('_').filter(|word| NAMES.contains(word)).map(str::to_owned));
        if words.starts_with("pg_") {
            self.said.insert("pg_".to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if NAMES.contains(&word) || STATEMENTS.contains(&word) {
                self.said.insert(word.to_owned());
            }
            if word.starts_with("pg_") {
                self.said.insert("pg_".to_owned());
            }
        }
        let qualified = text
            .split("public.")
            .skip(1)
            .any(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "_\"{".contains(c)));
        if text == "public" || qualified {
            self.said.insert("public".to_owned());
        }
        if text.contains("::reg") {
            self.said.insert("::regclass".to_owned());
        }
        let is_state = text.len() == 5
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && text.get(..2).is_some_and(|class| CLASSES.contains(&class));
        if is_state {
            self.said.insert(format!("SQLSTATE {text}"));
        }
    }

    fn literal(&mut self, literal: Literal) {
        match Lit::new(literal) {
            Lit::Str(text) => self.text(&text.value()),
            Lit::ByteStr(text) => self.text(&String::from_utf8_lossy(&text.value())),
            _ => {}
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(name) => self.name(&name.to_string()),
                TokenTree::Literal(literal) => self.literal(literal),
                TokenTree::Group(group) if is_comment(&group.stream()) => {}
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) => {}
            }
        }
    }
}

/// Whether these are the tokens between the brackets of a comment that documents something.
fn is_comment(tokens: &TokenStream) -> bool {
    let mut first = tokens.clone().into_iter();
    matches!(first.next(), Some(TokenTree::Ident(name)) if name == "doc")
        && matches!(first.next(), Some(TokenTree::Punct(mark)) if mark.as_char() == '=')
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Use(one) => &one.attrs,
            Item::Fn(one) => &one.attrs,
            Item::Impl(one) => &one.attrs,
            Item::Struct(one) => &one.attrs,
            Item::Const(one) => &one.attrs,
            _ => &Vec::new(),
        };
        if !of_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    /// Comments that document something are attributes of it.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_ident(&mut self, name: &'ast Ident) {
        self.name(&name.to_string());
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.text(&text.value());
    }

    fn visit_lit_byte_str(&mut self, text: &'ast syn::LitByteStr) {
        self.text(&String::from_utf8_lossy(&text.value()));
    }

    fn visit_macro(&mut self, one: &'ast Macro) {
        self.visit_path(&one.path);
        self.tokens(one.tokens.clone());
    }
}

fn said(source: &str) -> BTreeSet<String> {
    let mut reader = Reader::default();
    reader.visit_file(&syn::parse_file(source).unwrap());
    reader.said
}

#[test]
fn the_words_of_a_database_stand_in_its_engine_alone() {
    let mut but: BTreeSet<(&str, &str)> = BUT.iter().map(|(file, word, _)| (*file, *word)).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let name = path.to_string_lossy().replace('\\', "/");
        let of_tests = name.split('/').any(|part| part == "tests" || part == "tests.rs");
        if of_tests || name.starts_with("src/engine/postgres/") {
            continue;
        }
        for word in said(&text) {
            let listed = BUT.iter().any(|(file, one, _)| *file == name && *one == word);
            but.retain(|(file, one)| *file != name || *one != word);
            if !listed {
                wrong.push(format!("  {name} says {word}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "what a database calls things, and what people run there, its engine says (domain/hints.rs):\n{}",
        wrong.join("\n")
    );
    assert!(but.is_empty(), "these need no exception any more: {but:?}");
}

#[test]
fn such_words_are_found_in_names_texts_and_macros_and_not_in_comments_tests_or_other_words() {
    for (source, word) in [
        ("fn f() { let table_oid = 1; }", "oid"),
        ("struct TypeOid;", "oid"),
        ("const OID: u8 = 1;", "oid"),
        ("use sqlx::Row;", "sqlx"),
        ("fn f() { row.xmin() }", "xmin"),
        ("fn f() { format!(\"ALTER TABLE {table}\") }", "ALTER"),
        ("fn f() { g(\"run `GRANT x`\") }", "GRANT"),
        ("const A: &str = r#\"SELECT setval('x', 1)\"#;", "setval"),
        ("const A: &[u8] = b\"DROP\";", "DROP"),
        ("fn f() { matches!(code, Some(\"40P01\" | \"x\")) }", "SQLSTATE 40P01"),
        ("fn f() { g(\"x.ctid\") }", "ctid"),
        ("fn f() { g(\"'a'::regclass\") }", "::regclass"),
        ("fn f() { g(\"pg_class\") }", "pg_"),
        ("fn f() { pg_version() }", "pg_"),
        ("fn f() { schema.unwrap_or(\"public\") }", "public"),
        ("fn f() { format!(\"public.{table}\") }", "public"),
        ("fn f() { error.sqlstate() }", "sqlstate"),
        ("#[arg(help = \"CREATE it\")] struct A;", "CREATE"),
    ] {
        assert_eq!(said(source), BTreeSet::from([word.to_owned()]), "{source}");
    }
    for source in [
        "/// ALTER TABLE, an oid\nfn f() { /* DROP */ } // pg_class",
        "names! {\n/// GRANT.\nOne }",
        "fn f() { g(\"it is public. v4.public.\") }",
        "#[cfg(test)]\nmod tests { const A: &str = \"ALTER TABLE\"; }",
        "#[cfg(test)]\nfn f() { g(\"public\") }",
        "fn f() { g(\"alter it, oidc, gpg_key, public keys, HS256, 40 rows\") }",
        "struct Avoid; fn f() { droid.validate(); Creates::drop() }",
    ] {
        assert_eq!(said(source), BTreeSet::new(), "{source}");
    }
}
