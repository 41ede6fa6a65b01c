//! What the search path decides about in statements: names of types, functions, operators and relations that stand
//! there without a schema. Where the path is the role's own, whoever may create something on it decides what they mean.

/// Types that the grammar itself knows, and that mean the catalogue's whatever the path is.
const TYPES: [&str; 12] = [
    "BIGINT",
    "BIT",
    "BOOLEAN",
    "CHARACTER",
    "DOUBLE",
    "INTEGER",
    "INTERVAL",
    "NUMERIC",
    "REAL",
    "SMALLINT",
    "TIME",
    "TIMESTAMP",
];

/// Words before a parenthesis that call nothing that the path could lead to.
const WORDS: [&str; 44] = [
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COALESCE",
    "CONFLICT",
    "ELSE",
    "EXCEPT",
    "EXISTS",
    "EXTRACT",
    "FILTER",
    "FROM",
    "GREATEST",
    "IN",
    "INTERSECT",
    "INTO",
    "JOIN",
    "KEY",
    "LATERAL",
    "LEAST",
    "LIMIT",
    "MATERIALIZED",
    "NOT",
    "ON",
    "ONLY",
    "OPERATOR",
    "OR",
    "OVER",
    "RETURNING",
    "ROW",
    "SELECT",
    "SET",
    "SOME",
    "THEN",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
];

/// Words that compare by an operator that the path leads to.
const COMPARING: [&str; 7] = ["BETWEEN", "ILIKE", "IN", "LIKE", "NATURAL", "NULLIF", "SIMILAR"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Quoted,
    Literal,
    Cast,
    Operator(String),
    Mark(char),
}

/// A token, and whether it stands right behind the one before it.
type Placed = (Token, bool);

fn tokens(sql: &str) -> Vec<Placed> {
    let all: Vec<char> = sql.chars().collect();
    let (mut found, mut at, mut adjacent) = (Vec::new(), 0, false);
    let within = |from: usize, mark: char| {
        let mut at = from + 1;
        while at < all.len() && (all[at] != mark || all.get(at + 1) == Some(&mark)) {
            at += if all[at] == mark { 2 } else { 1 };
        }
        at + 1
    };
    let run = |from: usize, of: &dyn Fn(char) -> bool| {
        all[from..].iter().position(|c| !of(*c)).map_or(all.len(), |length| from + length)
    };
    while at < all.len() {
        let (token, next) = match all[at] {
            c if c.is_whitespace() => {
                (at, adjacent) = (at + 1, false);
                continue;
            }
            '/' if all.get(at + 1) == Some(&'*') => {
                let ends = |pair: &[char]| pair == ['*', '/'];
                let length = all[at..].windows(2).position(ends).map_or(all.len(), |end| end + 2);
                (at, adjacent) = (at + length, false);
                continue;
            }
            '\'' => (Token::Literal, within(at, '\'')),
            '"' => (Token::Quoted, within(at, '"')),
            '$' => (Token::Literal, run(at + 1, &|c| c.is_ascii_digit())),
            c if c.is_ascii_digit() => (Token::Literal, run(at, &|c| c.is_ascii_digit() || c == '.')),
            c if c.is_alphabetic() || c == '_' => {
                let end = run(at, &|c| c.is_alphanumeric() || c == '_' || c == '$');
                (Token::Word(all[at..end].iter().collect::<String>().to_uppercase()), end)
            }
            ':' if all.get(at + 1) == Some(&':') => (Token::Cast, at + 2),
            c if "+-*/<>=~!@#%^&|`?".contains(c) => {
                let end = run(at, &|c| "+-*/<>=~!@#%^&|`?".contains(c));
                (Token::Operator(all[at..end].iter().collect()), end)
            }
            c => (Token::Mark(c), at + 1),
        };
        found.push((token, adjacent));
        (at, adjacent) = (next, true);
    }
    found
}

struct Statement {
    tokens: Vec<Placed>,
}

impl Statement {
    fn at(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|(token, _)| token)
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.at(at).is_some_and(|one| matches!(one, Token::Word(there) if there == word))
    }

    fn marks(&self, at: usize, mark: char) -> bool {
        self.at(at) == Some(&Token::Mark(mark))
    }

    /// Behind the parenthesis that is closed for the one that is opened here.
    fn closed(&self, from: usize) -> usize {
        let mut depth = 0;
        for at in from..self.tokens.len() {
            depth += i32::from(self.marks(at, '(')) - i32::from(self.marks(at, ')'));
            if depth == 0 {
                return at + 1;
            }
        }
        self.tokens.len()
    }

    /// Whether a name with its columns is given here, as in `WITH d(key) AS (`, and not called.
    fn defines(&self, at: usize) -> bool {
        let columns = if self.marks(at + 1, '(') { self.closed(at + 1) } else { at + 1 };
        let body = if self.is(columns + 1, "MATERIALIZED") { columns + 2 } else { columns + 1 };
        self.is(columns, "AS") && self.marks(body, '(')
    }

    /// Whether a schema or the grammar says which type it is that stands here.
    fn type_is_known(&self, at: usize) -> bool {
        match self.at(at) {
            Some(Token::Word(word)) => self.marks(at + 1, '.') || TYPES.contains(&word.as_str()),
            Some(Token::Quoted) => self.marks(at + 1, '.'),
            _ => false,
        }
    }

    fn violations(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let given: Vec<&Token> =
            (0..self.tokens.len()).filter(|at| self.defines(*at)).filter_map(|at| self.at(at)).collect();
        // What each open parenthesis is of, and whether what is assigned stands in it.
        let mut open: Vec<(String, bool)> = vec![(String::new(), false)];
        let mut closed = String::new();
        for (at, (token, _)) in self.tokens.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| self.at(at));
            let behind = before == Some(&Token::Mark('.'));
            let calls = self.tokens.get(at + 1) == Some(&(Token::Mark('('), true));
            let (of, assigns) = open.last().cloned().unwrap_or_default();
            // A column of a table that is made, and its type.
            let column = self.is(0, "CREATE") && self.is(1, "TABLE") && open.len() == 2;
            if column && matches!(before, Some(Token::Mark('(' | ','))) && !self.type_is_known(at + 1) {
                found.push(at);
            }
            match token {
                Token::Mark('(') => {
                    let of = match before {
                        Some(Token::Word(word)) => word.clone(),
                        _ => String::new(),
                    };
                    open.push((of, false));
                }
                Token::Mark(')') => closed = open.pop().map_or_else(String::new, |(of, _)| of),
                Token::Cast if !self.type_is_known(at + 1) => found.push(at),
                Token::Quoted if calls && !behind => found.push(at),
                Token::Word(word) => {
                    if let Some(last) = open.last_mut() {
                        match word.as_str() {
                            "SET" => last.1 = true,
                            "FROM" | "WHERE" | "RETURNING" => last.1 = false,
                            _ => {}
                        }
                    }
                    let alias = match before {
                        Some(Token::Word(word)) => word == "AS",
                        Some(Token::Mark(mark)) => *mark == ')',
                        _ => false,
                    };
                    let known = behind
                        || alias
                        || self.defines(at)
                        || WORDS.contains(&word.as_str())
                        || TYPES.contains(&word.as_str());
                    if calls && !known {
                        found.push(at);
                    }
                    if !behind && COMPARING.contains(&word.as_str()) {
                        found.push(at);
                    }
                    if word == "DISTINCT" && self.is(at + 1, "FROM") {
                        found.push(at);
                    }
                    if word == "CASE" && !self.is(at + 1, "WHEN") {
                        found.push(at);
                    }
                    if word == "AS" && of == "CAST" && !self.type_is_known(at + 1) {
                        found.push(at);
                    }
                    let reads = matches!(word.as_str(), "FROM" | "JOIN" | "INTO" | "UPDATE" | "USING");
                    if reads && of != "EXTRACT" {
                        let mut of = at + 1;
                        while self.is(of, "ONLY") || self.is(of, "LATERAL") {
                            of += 1;
                        }
                        let locks = word == "UPDATE" && (self.is(of, "OF") || self.is(of, "SET"));
                        let named = matches!(self.at(of), Some(Token::Word(_) | Token::Quoted))
                            && !locks
                            && !self.is(of, "ROWS");
                        if named
                            && !self.marks(of + 1, '.')
                            && !self.at(of).is_some_and(|one| given.contains(&one))
                        {
                            found.push(of);
                        }
                    }
                }
                Token::Operator(operator) => {
                    let first = matches!(before, Some(Token::Mark('(' | ',')) | Some(Token::Word(_)));
                    let fine = match operator.as_str() {
                        _ if of == "OPERATOR" => behind,
                        "=" => assigns,
                        // The name of an argument.
                        "=>" => true,
                        "*" => behind || first,
                        "-" => (first || closed == "OPERATOR") && self.at(at + 1) == Some(&Token::Literal),
                        _ => false,
                    };
                    if !fine {
                        found.push(at);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// What stands around a place, to be found by people.
    fn around(&self, at: usize) -> String {
        let words = self.tokens[at.saturating_sub(4)..(at + 5).min(self.tokens.len())].iter();
        let words: Vec<String> = words
            .map(|(token, _)| match token {
                Token::Word(word) => word.to_lowercase(),
                Token::Quoted => "\"…\"".into(),
                Token::Literal => "'…'".into(),
                Token::Cast => "::".into(),
                Token::Operator(operator) => operator.clone(),
                Token::Mark(mark) => mark.to_string(),
            })
            .collect();
        words.join(" ")
    }
}

/// What of one statement the path decides about.
pub fn unqualified(sql: &str) -> Vec<String> {
    let statement = Statement { tokens: tokens(sql) };
    statement.violations().into_iter().map(|at| statement.around(at)).collect()
}

/// The same of what one session after the other said, as far as the path was the role's own then.
pub fn unqualified_by_the_role_s_path(statements: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let (mut pinned, mut savepoints): (bool, Vec<(String, bool)>) = (false, Vec::new());
    for sql in statements {
        let words: Vec<&str> = sql.split_whitespace().collect();
        let name = words.last().copied().unwrap_or_default().to_owned();
        match words.first().copied().unwrap_or_default() {
            "ROLLBACK" if words.contains(&"TO") => {
                if let Some(at) = savepoints.iter().rposition(|(one, _)| *one == name) {
                    savepoints.truncate(at + 1);
                    pinned = savepoints[at].1;
                }
            }
            "BEGIN" | "COMMIT" | "ROLLBACK" => (pinned, savepoints) = (false, Vec::new()),
            "SAVEPOINT" => savepoints.push((name, pinned)),
            "RELEASE" => {
                if let Some(at) = savepoints.iter().rposition(|(one, _)| *one == name) {
                    savepoints.truncate(at);
                }
            }
            "SET" => {}
            _ if pinned => {}
            _ => found.extend(
                unqualified(sql)
                    .into_iter()
                    .map(|what| format!("{what}\n  in {}", sql.chars().take(300).collect::<String>())),
            ),
        }
        pinned |= sql.contains("SET LOCAL search_path = pg_catalog")
            || sql.contains("set_config('search_path', 'pg_catalog");
    }
    found
}
