//! The one place where a name becomes SQL.
//!
//! Names come from the live catalog, but for that of a table that a person wants made: [`Name`],
//! [`TypeName`], [`Operator`] and [`Expression`] can be made inside this room alone. Values are only ever bound parameters. Every statement is sent unnamed, so that
//! poolers work.

// Tests of what strangers write have this file in a room of their own.
#[path = "sql/lexer.rs"]
mod lexer;
#[path = "sql/template.rs"]
pub(in crate::engine::postgres) mod template;

use std::{panic::Location, sync::Arc};

use crate::{
    domain::{
        blank::{self, BLANK},
        text::clip,
    },
    engine::postgres::{session::wire::MANY, sql_name::sql_name},
};

use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, postgres::PgRow, query::Query};

pub(in crate::engine::postgres) use template::{Only, sql, with};

/// PostgreSQL 15 manual, section 4.1.1: NAMEDATALEN is 64, and one byte ends the name.
const LONGEST_NAME: usize = 63;

/// Bytes of a row's text that is read whole.
pub(super) const LONGEST_TEXT: usize = 64 << 10;

/// A name out of the catalog, or one of our own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// A name as the catalog gave it.
    pub(super) fn from_catalog(name: String) -> Self {
        Self(name.into())
    }

    /// A name for something that is made now: one that would be cut, or that no name can be, is refused,
    /// and the error says why.
    pub(super) fn created(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("a name cannot be empty".into());
        }
        if name.contains('\0') {
            return Err("a name cannot hold the character NUL".into());
        }
        if name.len() > LONGEST_NAME {
            return Err(format!(
                "the name {} has {} bytes, and PostgreSQL would cut it after {LONGEST_NAME}: choose a shorter one",
                clip(name, 80),
                name.len()
            ));
        }
        Ok(Self(name.into()))
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// PostgreSQL 15 manual, section 4.1.1: quoted, with quotes inside doubled.
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// Words that `format_type` begins a type with and that the grammar itself knows: they mean the catalogue's
/// types whatever the path is, and some of them cannot be qualified.
const GRAMMAR: [&str; 12] = [
    "bigint",
    "bit",
    "boolean",
    "character",
    "double",
    "integer",
    "interval",
    "numeric",
    "real",
    "smallint",
    "time",
    "timestamp",
];

/// A type as `format_type` wrote it under `search_path = pg_catalog, pg_temp`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeName {
    shown: Arc<str>,
    sql: Arc<str>,
}

impl TypeName {
    /// A type as the catalog wrote it.
    ///
    /// What is written without a schema is `pg_catalog`'s, and found there only where it says so: a type
    /// `public.text` stands before it on many a path, and one in `pg_temp` on every path.
    pub(super) fn from_catalog(name: String) -> Self {
        let end = match name.strip_prefix('"') {
            // A quote in a name is doubled.
            Some(rest) => rest.replace("\"\"", "__").find('"').map_or(name.len(), |at| at + 2),
            None => name.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(name.len()),
        };
        let (word, rest) = name.split_at_checked(end).unwrap_or((&name, ""));
        let sql = if rest.starts_with('.') || GRAMMAR.contains(&word) {
            Arc::from(name.as_str())
        } else {
            format!("pg_catalog.{name}").into()
        };
        Self { shown: name.into(), sql }
    }

    /// The type as people read it.
    pub fn as_str(&self) -> &str {
        &self.shown
    }
}

/// An operator out of the catalog: a schema and a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Operator {
    schema: Name,
    symbol: Arc<str>,
    /// What it takes, where that is not the catalogue's own.
    takes: Option<Arc<(TypeName, TypeName)>>,
}

impl Operator {
    /// An operator as the catalog gave it; `None` for a symbol that no operator can have.
    pub(super) fn from_catalog(schema: String, symbol: String) -> Option<Self> {
        // PostgreSQL 15 manual, section 4.1.3.
        let fits = !symbol.is_empty() && symbol.chars().all(|c| "+-*/<>=~!@#%^&|`?".contains(c));
        fits.then_some(Self { schema: Name(schema.into()), symbol: symbol.into(), takes: None })
    }

    /// The same with the types that it takes, as the catalog wrote them: where others may make operators, too, one of
    /// the same name that takes a column's own type would come before it.
    pub(super) fn taking(self, types: Option<Vec<String>>) -> Self {
        let takes = match types.map(<[String; 2]>::try_from) {
            Some(Ok([left, right])) if self.schema.as_str() != "pg_catalog" => {
                Some(Arc::new((TypeName::from_catalog(left), TypeName::from_catalog(right))))
            }
            _ => None,
        };
        Self { takes, ..self }
    }

    /// Whether it is called as another one is.
    pub(super) fn is(&self, other: &Self) -> bool {
        (&self.schema, &self.symbol) == (&other.schema, &other.symbol)
    }

    /// Whether it is the catalogue's own, where nobody else makes operators.
    pub(super) fn is_of_catalogue(&self) -> bool {
        self.schema.as_str() == "pg_catalog"
    }
}

/// The types that an operator takes, of a table `o` of operators in the schema `n`.
pub(super) const TAKES: &str = "CASE WHEN n.nspname <> 'pg_catalog' THEN ARRAY[format_type(o.oprleft, -1), format_type(o.oprright, -1)] END";

impl Operator {
    fn cast(&self, right: bool) -> Option<&TypeName> {
        self.takes.as_deref().map(|(left, other)| if right { other } else { left })
    }
}

/// A condition as `pg_get_expr` wrote it under `search_path = pg_catalog, pg_temp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    /// A condition as the catalog wrote it.
    pub(super) fn from_catalog(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A table or sequence.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Relation {
    /// Its schema.
    pub schema: Name,
    /// Its name.
    pub name: Name,
    /// Whether it is partitioned: then its partitions are meant too, otherwise it alone.
    pub partitioned: bool,
}

enum Bound {
    Text(Option<String>),
    Integer(i64),
    Integers(Vec<i64>),
    Texts(Vec<Option<String>>),
}

/// An array that is bound once and may be named often.
#[derive(Debug, Clone, Copy)]
pub struct Shared(usize);

/// Under which debug builds write each statement that they run, without its values: no filter asks for it but a
/// test's.
const STATEMENTS: &str = "auth_consistency::statements";

/// A statement under construction.
pub struct Sql {
    text: String,
    bound: Vec<Bound>,
    /// Whether it is for a person to read and to run.
    printed: bool,
    /// Where it was begun.
    begun: &'static Location<'static>,
}

impl Sql {
    /// Begins with a piece of our own SQL.
    #[track_caller]
    pub fn new(sql: &'static str) -> Self {
        Self { text: sql.to_owned(), bound: Vec::new(), printed: false, begun: Location::caller() }
    }

    /// Begins one that a person is shown, in which every character of a name shows.
    #[track_caller]
    pub fn printed(sql: &'static str) -> Self {
        Self { printed: true, ..Self::new(sql) }
    }

    /// Adds a piece of our own SQL.
    pub fn add(&mut self, sql: &'static str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Adds a name.
    pub fn name(&mut self, name: &Name) -> &mut Self {
        self.text.push_str(&if self.printed { sql_name(&name.0) } else { name.quoted() });
        self
    }

    /// Adds `alias.name`.
    pub fn column(&mut self, alias: &'static str, name: &Name) -> &mut Self {
        self.add(alias).add(".").name(name)
    }

    /// Adds `schema.name`.
    pub fn relation(&mut self, relation: &Relation) -> &mut Self {
        self.name(&relation.schema).add(".").name(&relation.name)
    }

    /// Adds `ONLY schema.name`, or without ONLY where partitions are meant too.
    ///
    /// A foreign key neither checks nor sees rows of inheritance children, so neither do we.
    pub fn only(&mut self, relation: &Relation) -> &mut Self {
        if !relation.partitioned {
            self.add("ONLY ");
        }
        self.relation(relation)
    }

    /// Adds ` OPERATOR(schema.symbol) `: a bare `=` under a pinned path compares citext
    /// case-sensitively without a word.
    pub fn operator(&mut self, operator: &Operator) -> &mut Self {
        self.add(" ").operator_alone(operator).add(" ")
    }

    fn operator_alone(&mut self, operator: &Operator) -> &mut Self {
        self.add("OPERATOR(").name(&operator.schema).add(".");
        self.text.push_str(&operator.symbol);
        self.add(")")
    }

    /// Adds `left OPERATOR(schema.symbol) right`, each as exactly what the operator takes.
    pub fn compared(
        &mut self,
        operator: &Operator,
        left: impl FnOnce(&mut Self),
        right: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.cast(operator.cast(false), left).operator(operator).cast(operator.cast(true), right)
    }

    /// The same of two columns, each with its alias.
    pub fn columns_compared(
        &mut self,
        operator: &Operator,
        left: (&'static str, &Name),
        right: (&'static str, &Name),
    ) -> &mut Self {
        let column = |(alias, name): (&'static str, &Name), sql: &mut Self| {
            sql.column(alias, name);
        };
        self.compared(operator, |sql| column(left, sql), |sql| column(right, sql))
    }

    fn cast(&mut self, to: Option<&TypeName>, value: impl FnOnce(&mut Self)) -> &mut Self {
        let Some(to) = to else {
            value(self);
            return self;
        };
        self.add("CAST(");
        value(self);
        self.add(" AS ").type_name(to).add(")")
    }

    /// Adds a type.
    pub fn type_name(&mut self, name: &TypeName) -> &mut Self {
        self.text.push_str(&name.sql);
        self
    }

    /// Adds a condition, in parentheses.
    pub fn expression(&mut self, expression: &Expression) -> &mut Self {
        self.text.push('(');
        self.text.push_str(&expression.0);
        self.text.push(')');
        self
    }

    /// Adds a small number of ours, such as the position of an output column.
    pub fn ordinal(&mut self, number: usize) -> &mut Self {
        self.text.push_str(&number.to_string());
        self
    }

    fn placeholder(&mut self, bound: Bound) -> &mut Self {
        self.bound.push(bound);
        self.text.push('$');
        self.text.push_str(&self.bound.len().to_string());
        self
    }

    /// Binds a text.
    pub fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.placeholder(Bound::Text(Some(value.into()))).add("::pg_catalog.text")
    }

    /// Binds a text or NULL.
    pub fn text_or_null(&mut self, value: Option<String>) -> &mut Self {
        self.placeholder(Bound::Text(value)).add("::pg_catalog.text")
    }

    /// Binds a text that the database reads as a value of a type.
    pub fn typed(&mut self, value: &str, type_name: &TypeName) -> &mut Self {
        self.add("CAST(").text(value).add(" AS ").type_name(type_name).add(")")
    }

    /// Adds a text of somebody's row, which may be of any length, as it is shown and compared: what is longer than
    /// that stands there by its beginning, its length and its digest, so that equal texts stay equal.
    pub fn bounded(&mut self, text: impl Fn(&mut Self)) -> &mut Self {
        self.add("CASE WHEN pg_catalog.octet_length(");
        text(self);
        self.add(") OPERATOR(pg_catalog.>) ")
            .ordinal(LONGEST_TEXT)
            .add(" THEN pg_catalog.concat(pg_catalog.\"left\"(");
        text(self);
        self.add(", 100), '... (', pg_catalog.octet_length(");
        text(self);
        self.add("), ' bytes, sha256 ', pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(");
        text(self);
        self.add(", 'UTF8')), 'hex'), ')') ELSE ");
        text(self);
        self.add(" END")
    }

    /// Adds a text of somebody's row as it is looked for again: NULL where it is longer than is kept of any.
    pub fn whole_or_null(&mut self, text: &'static str) -> &mut Self {
        self.add("CASE WHEN pg_catalog.octet_length(").add(text).add(") OPERATOR(pg_catalog.<=) ");
        self.ordinal(LONGEST_TEXT).add(" THEN ").add(text).add(" END")
    }

    /// Binds a 64 bit integer.
    pub fn integer(&mut self, value: i64) -> &mut Self {
        self.placeholder(Bound::Integer(value)).add("::pg_catalog.int8")
    }

    /// Binds an array of 64 bit integers.
    pub fn integers(&mut self, values: Vec<i64>) -> &mut Self {
        self.placeholder(Bound::Integers(values)).add("::pg_catalog.int8[]")
    }

    /// Binds an array of texts.
    pub fn texts(&mut self, values: Vec<Option<String>>) -> &mut Self {
        self.placeholder(Bound::Texts(values)).add("::pg_catalog.text[]")
    }

    /// Binds an array of 64 bit integers for [`Self::again`].
    pub fn share(&mut self, values: Vec<i64>) -> Shared {
        self.bound.push(Bound::Integers(values));
        Shared(self.bound.len())
    }

    /// Adds an array that is bound already.
    pub fn again(&mut self, shared: Shared) -> &mut Self {
        self.text.push('$');
        self.text.push_str(&shared.0.to_string());
        self.add("::pg_catalog.int8[]")
    }

    /// Adds the characters of [`BLANK`] that the database's encoding has, as `btrim` takes them. Beyond ASCII a number
    /// is a character of its own only in UTF8.
    pub fn blanks(&mut self) -> &mut Self {
        self.add(
            "(SELECT pg_catalog.string_agg(pg_catalog.chr(b.c::pg_catalog.int4), '') FROM pg_catalog.unnest(",
        );
        self.integers(BLANK.iter().map(|c| i64::from(u32::from(*c))).collect());
        self.add(
            ") b(c) WHERE b.c OPERATOR(pg_catalog.<) 128 \
             OR pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'UTF8')",
        )
    }

    /// Adds blank characters as they stand within `E'...'`, of a statement that a person is shown.
    pub fn escaped_blanks(&mut self, blanks: &[char]) -> &mut Self {
        self.text.push_str(&blank::within_literal(blanks));
        self
    }

    /// The statement's text, for `grants` and for tests: values are not in it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn query<'q>(self) -> Query<'q, Postgres, <Postgres as sqlx::Database>::Arguments> {
        if cfg!(debug_assertions) {
            tracing::trace!(target: STATEMENTS, begun = %self.begun, text = self.text);
        }
        let mut query = sqlx::query(AssertSqlSafe(self.text)).persistent(false);
        for bound in self.bound {
            query = match bound {
                Bound::Text(value) => query.bind(value),
                Bound::Integer(value) => query.bind(value),
                Bound::Integers(values) => query.bind(values),
                Bound::Texts(values) => query.bind(values),
            };
        }
        query
    }

    /// Runs it and returns how many rows it changed.
    pub async fn execute(self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
        let changed = self.query().execute(connection).await?.rows_affected();
        Ok(i64::try_from(changed).unwrap_or(i64::MAX))
    }

    /// All rows.
    pub async fn all(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
        self.query().fetch_all(connection).await
    }

    /// All rows that a repair goes over, however many they are: how many it was allowed is known.
    pub async fn every(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, sqlx::Error> {
        self.stream(connection).try_collect().await
    }

    /// The only row.
    pub async fn one(self, connection: &mut PgConnection) -> Result<PgRow, sqlx::Error> {
        self.query().fetch_one(connection).await
    }

    /// The only row, if there is one.
    pub async fn optional(self, connection: &mut PgConnection) -> Result<Option<PgRow>, sqlx::Error> {
        self.query().fetch_optional(connection).await
    }

    /// The first column of the only row.
    pub async fn scalar<T>(self, connection: &mut PgConnection) -> Result<T, sqlx::Error>
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
    {
        self.one(connection).await?.try_get(0)
    }

    /// Rows one by one, for results that may be large: whoever reads them bounds what is kept.
    pub fn stream(
        mut self,
        connection: &mut PgConnection,
    ) -> futures::stream::BoxStream<'_, Result<PgRow, sqlx::Error>> {
        self.text.insert_str(0, MANY);
        self.query().fetch(connection)
    }
}

/// Runs one of our own statements that has no values.
pub async fn run(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    // The simple protocol: no plan, no parameters, nothing for a pooler to remember.
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relation(schema: &str, name: &str, partitioned: bool) -> Relation {
        Relation { schema: Name(schema.into()), name: Name(name.into()), partitioned }
    }

    #[test]
    fn names_are_quoted_and_values_are_only_ever_bound() {
        let mut sql = Sql::new("SELECT 1 FROM ");
        sql.only(&relation("pub\"lic", "user", false)).add(" c WHERE ").column("c", &Name("select".into()));
        sql.operator(&Operator::from_catalog("pg_catalog".into(), "=".into()).unwrap());
        sql.typed("'; DROP TABLE users; --", &TypeName::from_catalog("integer".into()));
        assert_eq!(
            sql.as_str(),
            "SELECT 1 FROM ONLY \"pub\"\"lic\".\"user\" c WHERE c.\"select\" OPERATOR(\"pg_catalog\".=) CAST($1::pg_catalog.text AS integer)"
        );
    }

    #[test]
    fn a_partitioned_table_means_its_partitions_too() {
        let mut sql = Sql::new("");
        sql.only(&relation("a", "b", true));
        assert_eq!(sql.as_str(), "\"a\".\"b\"");
    }

    #[test]
    fn a_type_of_the_catalogue_is_not_looked_for_on_the_path() {
        for (shown, sql) in [
            ("text", "pg_catalog.text"),
            ("text[]", "pg_catalog.text[]"),
            ("uuid", "pg_catalog.uuid"),
            ("\"char\"", "pg_catalog.\"char\""),
            ("\"text\"[]", "pg_catalog.\"text\"[]"),
            ("character varying(3)", "character varying(3)"),
            ("time(3) with time zone", "time(3) with time zone"),
            ("numeric(10,2)", "numeric(10,2)"),
            ("bit(3)", "bit(3)"),
            ("public.text", "public.text"),
            ("public.\"a.\"\"b\"", "public.\"a.\"\"b\""),
            ("\"a\"\".b\".\"c d\"", "\"a\"\".b\".\"c d\""),
        ] {
            let name = TypeName::from_catalog(shown.into());
            assert_eq!((name.as_str(), &*name.sql), (shown, sql));
        }
    }

    #[test]
    fn a_name_that_would_be_cut_or_cannot_be_one_is_not_made() {
        assert_eq!(Name::created("a\"b").unwrap().quoted(), "\"a\"\"b\"");
        assert!(Name::created(&"\u{e9}".repeat(31)).is_ok());
        for (name, why) in [("", "empty"), ("a\0b", "NUL"), (&"\u{e9}".repeat(32), "64 bytes")] {
            assert!(Name::created(name).unwrap_err().contains(why), "{name:?}");
        }
    }

    #[test]
    fn what_is_no_operator_symbol_is_refused() {
        for symbol in ["", "=) OR (1=1", "and", "= "] {
            assert_eq!(Operator::from_catalog("s".into(), symbol.into()), None, "{symbol}");
        }
    }

    proptest! {
        #[test]
        fn no_name_ends_its_quotes_early(name in ".{0,40}") {
            let quoted = Name(name.as_str().into()).quoted();
            let inner = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inner.replace("\"\"", "\u{1}").matches('"').count(), 0);
            prop_assert_eq!(inner.replace("\"\"", "\""), name);
        }
    }
}
