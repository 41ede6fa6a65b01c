//! Statements as they are read: one literal with named parts.
//!
//! A plain operator in it is written out as the catalogue's, `OPERATOR(pg_catalog.=)`, since a bare one is looked for
//! along the path. That takes away the precedence that operators have bare: one with another one beside it takes
//! parentheses. What the rules here cannot be sure of does not compile; a statement that compiles means what it says.
//!
//! PostgreSQL 15 manual, sections 4.1.3 (symbols of operators) and 4.1.6 (their precedence).

use super::{
    Name, Operator, Relation, Shared, Sql, TypeName,
    lexer::{Kind, Lexer, Problem, problem},
};

/// Something that stands in a statement, by a name, where its literal has `{name}`.
pub(in crate::engine::postgres) trait Part {
    /// Adds it.
    fn add_to(&self, sql: &mut Sql);
}

impl<T: Part + ?Sized> Part for &T {
    fn add_to(&self, sql: &mut Sql) {
        (**self).add_to(sql);
    }
}

/// A name, quoted.
impl Part for Name {
    fn add_to(&self, sql: &mut Sql) {
        sql.name(self);
    }
}

/// `schema.name`.
impl Part for Relation {
    fn add_to(&self, sql: &mut Sql) {
        sql.relation(self);
    }
}

/// `ONLY schema.name`, or without ONLY where its partitions are meant too.
pub(in crate::engine::postgres) struct Only<'a>(pub &'a Relation);

impl Part for Only<'_> {
    fn add_to(&self, sql: &mut Sql) {
        sql.only(self.0);
    }
}

/// A type.
impl Part for TypeName {
    fn add_to(&self, sql: &mut Sql) {
        sql.type_name(self);
    }
}

/// An operator of the catalog between two operands of exactly the types that it takes.
impl Part for Operator {
    fn add_to(&self, sql: &mut Sql) {
        sql.operator_alone(self);
    }
}

/// A text, bound.
impl Part for str {
    fn add_to(&self, sql: &mut Sql) {
        sql.text(self);
    }
}

/// A text, bound.
impl Part for String {
    fn add_to(&self, sql: &mut Sql) {
        sql.text(self.as_str());
    }
}

/// A text or NULL, bound.
impl Part for Option<String> {
    fn add_to(&self, sql: &mut Sql) {
        sql.text_or_null(self.clone());
    }
}

/// A 64 bit integer, bound.
impl Part for i64 {
    fn add_to(&self, sql: &mut Sql) {
        sql.integer(*self);
    }
}

/// An array that is bound already.
impl Part for Shared {
    fn add_to(&self, sql: &mut Sql) {
        sql.again(*self);
    }
}

/// An array of texts, bound.
pub(in crate::engine::postgres) struct Texts<'a>(pub &'a [String]);

impl Part for Texts<'_> {
    fn add_to(&self, sql: &mut Sql) {
        sql.texts(self.0.iter().cloned().map(Some).collect());
    }
}

/// An array of 64 bit integers, bound.
pub(in crate::engine::postgres) struct Integers<'a>(pub &'a [i64]);

impl Part for Integers<'_> {
    fn add_to(&self, sql: &mut Sql) {
        sql.integers(self.0.to_vec());
    }
}

/// A text, bound, that the database reads as a value of a type.
pub(in crate::engine::postgres) struct Typed<'a>(pub &'a str, pub &'a TypeName);

impl Part for Typed<'_> {
    fn add_to(&self, sql: &mut Sql) {
        sql.typed(self.0, self.1);
    }
}

/// A small number of ours.
pub(in crate::engine::postgres) struct Ordinal(pub usize);

impl Part for Ordinal {
    fn add_to(&self, sql: &mut Sql) {
        sql.ordinal(self.0);
    }
}

/// A piece of our own SQL.
pub(in crate::engine::postgres) struct Piece(pub &'static str);

impl Part for Piece {
    fn add_to(&self, sql: &mut Sql) {
        sql.add(self.0);
    }
}

struct With<F>(F);

impl<F: Fn(&mut Sql)> Part for With<F> {
    fn add_to(&self, sql: &mut Sql) {
        self.0(sql);
    }
}

/// What another function adds.
pub(in crate::engine::postgres) fn with(add: impl Fn(&mut Sql)) -> impl Part {
    With(add)
}

/// What another function adds for each of several things, with `glue` between them.
pub(in crate::engine::postgres) fn each<'a, T>(
    things: &'a [T],
    glue: &'static str,
    add: impl Fn(&mut Sql, &'a T) + 'a,
) -> impl Part + 'a {
    With(move |sql: &mut Sql| {
        for (at, thing) in things.iter().enumerate() {
            sql.add(if at > 0 { glue } else { "" });
            add(sql, thing);
        }
    })
}

/// A literal that was checked, with the names of its parts.
#[derive(Clone, Copy)]
pub(in crate::engine::postgres) struct Template(&'static str);

impl Template {
    /// Checks a literal: in a constant, what cannot be sure does not compile.
    pub(in crate::engine::postgres) const fn new(text: &'static str, names: &[&str]) -> Self {
        let problem = problem(text, names);
        assert!(!matches!(problem, Some(Problem::Word)), "a word in capitals that the templates do not know");
        assert!(
            !matches!(problem, Some(Problem::PathDecides)),
            "the path decides what this compares with (IN, BETWEEN, LIKE, NULLIF, IS DISTINCT FROM, CASE without WHEN, USING with columns)"
        );
        assert!(
            !matches!(problem, Some(Problem::Precedence)),
            "two operators beside one another: put one of them into parentheses"
        );
        assert!(
            !matches!(problem, Some(Problem::Operator)),
            "this operator is not known, or stands where none can"
        );
        assert!(!matches!(problem, Some(Problem::Spaces)), "an operator has white space on both sides");
        assert!(
            !matches!(problem, Some(Problem::Open)),
            "parentheses, quotes or CASE do not end in this literal"
        );
        assert!(!matches!(problem, Some(Problem::Part)), "a part is not given, or one is not used");
        assert!(!matches!(problem, Some(Problem::Character)), "a character that the templates do not know");
        Self(text)
    }
}

/// `sql!("SELECT … {name} …", name = part)` is a new statement, `sql!(sql, "…", name = part)` adds to one.
macro_rules! sql {
    ($text:literal $(, $name:ident = $part:expr)* $(,)?) => {{
        let mut new = $crate::engine::postgres::sql::Sql::new("");
        $crate::engine::postgres::sql::sql!(new, $text $(, $name = $part)*);
        new
    }};
    ($sql:expr, $text:literal $(, $name:ident = $part:expr)* $(,)?) => {{
        const TEMPLATE: $crate::engine::postgres::sql::template::Template =
            $crate::engine::postgres::sql::template::Template::new($text, &[$(stringify!($name)),*]);
        $sql.put(
            TEMPLATE,
            &[$((stringify!($name), &$part as &dyn $crate::engine::postgres::sql::template::Part)),*],
        )
    }};
}
pub(in crate::engine::postgres) use sql;

impl Sql {
    /// Adds a literal with its parts.
    pub(in crate::engine::postgres) fn put(
        &mut self,
        Template(text): Template,
        parts: &[(&'static str, &dyn Part)],
    ) -> &mut Self {
        let mut lexer = Lexer::new(text);
        // One that has a problem is none.
        while let Ok(Some(token)) = lexer.next() {
            let written = text.get(token.from..lexer.at).unwrap_or_default();
            match token.kind {
                Kind::Space => self.add(" "),
                Kind::Operator => self.add("OPERATOR(pg_catalog.").add(written).add(")"),
                Kind::Assignment => self.add("="),
                Kind::Part => self.part_of(parts, written.trim_matches(['{', '}'])),
                _ => self.add(written),
            };
        }
        self
    }

    fn part_of(&mut self, parts: &[(&'static str, &dyn Part)], name: &str) -> &mut Self {
        if let Some((_, part)) = parts.iter().find(|(one, _)| *one == name) {
            part.add_to(self);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::from_catalog(name.into())
    }

    fn written(text: &'static str) -> String {
        assert_eq!(problem(text, &[]), None, "{text}");
        Sql::new("").put(Template(text), &[]).as_str().to_owned()
    }

    #[test]
    fn an_operator_is_written_out_as_the_catalogue_s() {
        for (text, sql) in [
            ("a = b", "a OPERATOR(pg_catalog.=) b"),
            (
                "WHERE a.b <> 'x' AND c <= 1",
                "WHERE a.b OPERATOR(pg_catalog.<>) 'x' AND c OPERATOR(pg_catalog.<=) 1",
            ),
            ("a || b || c", "a OPERATOR(pg_catalog.||) b OPERATOR(pg_catalog.||) c"),
            ("(a + 1) * 2", "(a OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog.*) 2"),
            ("a = ANY (ARRAY['x', 'y'])", "a OPERATOR(pg_catalog.=) ANY (ARRAY['x', 'y'])"),
            (
                "a @> b OR NOT (a ->> 'k') = 'v'",
                "a OPERATOR(pg_catalog.@>) b OR NOT (a OPERATOR(pg_catalog.->>) 'k') OPERATOR(pg_catalog.=) 'v'",
            ),
            (
                "CASE WHEN a > 0 THEN b - 1 ELSE -1 END = c",
                "CASE WHEN a OPERATOR(pg_catalog.>) 0 THEN b OPERATOR(pg_catalog.-) 1 ELSE -1 END OPERATOR(pg_catalog.=) c",
            ),
            ("a = -1", "a OPERATOR(pg_catalog.=) -1"),
            ("a - 1", "a OPERATOR(pg_catalog.-) 1"),
        ] {
            assert_eq!(written(text), sql);
        }
    }

    #[test]
    fn what_looks_like_an_operator_and_is_none_stays() {
        for text in [
            "SELECT * FROM a",
            "SELECT a.*, pg_catalog.count(*) FROM a",
            "SELECT x, * FROM a",
            "DELETE FROM a RETURNING *",
            "'a = b' AS c, \"x = y\" AS d, '''=''' AS e",
            "a::pg_catalog.text COLLATE pg_catalog.\"C\"",
            "pg_catalog.make_interval(secs => 1)",
            "(-1, -20)",
            "a IS NOT NULL AND b IS NULL",
            "UPDATE a SET b = 1, c = (SELECT 2) FROM d",
            "INSERT INTO a (b) VALUES (1) ON CONFLICT (b) DO UPDATE SET c = 2",
            "a[1]",
        ] {
            assert_eq!(written(text), text);
        }
    }

    #[test]
    fn what_a_column_is_given_is_no_comparison() {
        assert_eq!(
            written("UPDATE a SET b = (c = 1), d = e || 'x' WHERE f = 2"),
            "UPDATE a SET b = (c OPERATOR(pg_catalog.=) 1), d = e OPERATOR(pg_catalog.||) 'x' WHERE f OPERATOR(pg_catalog.=) 2"
        );
        assert_eq!(
            written("UPDATE a SET b = c = 1"),
            "UPDATE a SET b = c OPERATOR(pg_catalog.=) 1",
            "the first gives the value, the second one compares"
        );
        // One of several that are put together.
        assert_eq!(written("b := 1"), "b = 1");
    }

    #[test]
    fn what_cannot_be_sure_is_no_template() {
        use Problem as P;
        for (text, why) in [
            ("a = b || c", P::Precedence),
            ("a + b - c", P::Precedence),
            ("a = b = c", P::Precedence),
            ("a = b IS NULL", P::Precedence),
            ("a IS NULL = b", P::Precedence),
            ("a ->> 'k' = 'v'", P::Precedence),
            ("a != b", P::Operator),
            ("a === b", P::Operator),
            ("= b", P::Operator),
            ("- a", P::Operator),
            ("-a", P::Operator),
            ("a = - b", P::Operator),
            ("a = AND b", P::Operator),
            ("a = NOT b", P::Operator),
            ("a = * b", P::Operator),
            ("a * * b", P::Operator),
            ("a := b := c", P::Operator),
            ("a=b", P::Spaces),
            ("a =b", P::Spaces),
            ("a <-1", P::Operator),
            ("a IN (1)", P::PathDecides),
            ("a NOT IN (1)", P::PathDecides),
            ("a LIKE 'x'", P::PathDecides),
            ("a BETWEEN 1 AND 2", P::PathDecides),
            ("NULLIF(a, b)", P::PathDecides),
            ("a IS DISTINCT FROM b", P::PathDecides),
            ("CASE a WHEN 1 THEN 2 END", P::PathDecides),
            ("a JOIN b USING (c)", P::PathDecides),
            ("a NATURAL JOIN b", P::PathDecides),
            ("a and b", P::Word),
            ("a in (1)", P::Word),
            ("a AT TIME ZONE 'UTC'", P::Word),
            ("(a", P::Open),
            ("a)", P::Open),
            ("CASE WHEN a THEN b", P::Open),
            ("(CASE WHEN a) END", P::Open),
            ("'a", P::Open),
            ("\"a", P::Open),
            ("a =", P::Spaces),
            ("a = ", P::Open),
            ("(a = )", P::Open),
            ("E'a'", P::Word),
            ("e'a'", P::Character),
            ("a; b", P::Character),
            ("$1", P::Character),
            ("a -- b", P::Operator),
            ("a /* b */", P::Operator),
            ("a : b", P::Character),
            ("ä", P::Character),
            ("{a b}", P::Part),
            ("{a", P::Part),
            ("{}", P::Part),
        ] {
            assert_eq!(problem(text, &[]), Some(why), "{text}");
        }
        assert_eq!(problem("{a} = {b}", &["a"]), Some(P::Part), "one is not given");
        assert_eq!(problem("{a} = 1", &["a", "b"]), Some(P::Part), "one is not used");
    }

    #[test]
    fn a_part_is_what_its_type_says() {
        let relation = Relation { schema: name("public"), name: name("us\"ers"), partitioned: false };
        let columns = [name("a"), name("b")];
        let equal = Operator::from_catalog("ext".into(), "=".into()).unwrap();
        let sql = sql!(
            "SELECT {columns} FROM {users} p
              WHERE p.{login} {equal} {value} AND p.n = {n} AND {more}",
            columns = each(&columns, ", ", |sql, one| {
                sql.column("p", one);
            }),
            users = Only(&relation),
            login = name("login"),
            equal = equal,
            value = Typed("'; DROP TABLE users; --", &TypeName::from_catalog("text".into())),
            n = 7_i64,
            more = with(|sql| {
                sql!(sql, "p.x = {x}", x = "{n} = 1");
            }),
        );
        assert_eq!(
            sql.as_str(),
            "SELECT p.\"a\", p.\"b\" FROM ONLY \"public\".\"us\"\"ers\" p \
             WHERE p.\"login\" OPERATOR(\"ext\".=) CAST($1::pg_catalog.text AS pg_catalog.text) \
             AND p.n OPERATOR(pg_catalog.=) $2::pg_catalog.int8 AND p.x OPERATOR(pg_catalog.=) $3::pg_catalog.text"
        );
    }
}
