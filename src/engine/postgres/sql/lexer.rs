//! What stands in the literal of a statement, token by token, and what about it cannot be sure.
//!
//! All of it can run while the program is compiled.

/// Why a literal is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// A word in capitals that is not on the lists, or a keyword in small letters.
    Word,
    /// The path decides which operator that is.
    PathDecides,
    /// Two operators beside one another.
    Precedence,
    /// An operator that is not known, or none that can stand there.
    Operator,
    /// An operator without white space around it.
    Spaces,
    /// Something is not closed.
    Open,
    /// A part that is not given, or not used.
    Part,
    /// A character that is not known.
    Character,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Space,
    /// A keyword, after which an operand may begin.
    Keyword,
    /// A name, a number, a literal, or a keyword that is a value.
    Operand,
    Cast,
    /// `*` for all columns or rows.
    Star,
    /// One that is written out.
    Operator,
    /// `=` or `:=` that gives a column a value.
    Assignment,
    /// `=>`
    Argument,
    Part,
    Open,
    Close,
    Comma,
    Dot,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub kind: Kind,
    pub from: usize,
}

/// Within one pair of parentheses, or between CASE and END.
#[derive(Clone, Copy)]
struct Level {
    /// The operator of the expression that stands here: where its symbol is, `(0, 0)` for `IS`.
    operator: Option<(usize, usize)>,
    /// Between SET and what ends it.
    sets: bool,
    /// The next `=` gives a column a value.
    assigns: bool,
    case: bool,
}

impl Level {
    const NEW: Self = Self { operator: None, sets: false, assigns: false, case: false };
}

/// Parentheses within one another.
const DEPTH: usize = 24;

pub(super) struct Lexer<'a> {
    text: &'a [u8],
    /// Behind the token that was read last.
    pub at: usize,
    /// What came before; white space does not count.
    before: Kind,
    /// Where that is.
    word: (usize, usize),
    levels: [Level; DEPTH],
    depth: usize,
}

impl<'a> Lexer<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        let (word, levels) = ((0, 0), [Level::NEW; DEPTH]);
        Self { text: text.as_bytes(), at: 0, before: Kind::Comma, word, levels, depth: 0 }
    }

    const fn byte(&self, at: usize) -> u8 {
        if at < self.text.len() { self.text[at] } else { 0 }
    }

    /// Whether an operand has just ended.
    const fn behind_operand(&self) -> bool {
        matches!(self.before, Kind::Operand | Kind::Part | Kind::Close | Kind::Star)
    }

    /// The next token; `None` at the end.
    pub(super) const fn next(&mut self) -> Result<Option<Token>, Problem> {
        let from = self.at;
        if from == self.text.len() {
            let open = self.depth > 0 || matches!(self.before, Kind::Operator | Kind::Cast | Kind::Dot);
            return if open { Err(Problem::Open) } else { Ok(None) };
        }
        let byte = self.text[from];
        let kind = match byte {
            b' ' | b'\n' => {
                while matches!(self.byte(self.at), b' ' | b'\n') {
                    self.at += 1;
                }
                return Ok(Some(Token { kind: Kind::Space, from }));
            }
            b'\'' | b'"' => match self.quoted(byte) {
                Ok(kind) => kind,
                Err(problem) => return Err(problem),
            },
            b'{' => match self.part() {
                Ok(kind) => kind,
                Err(problem) => return Err(problem),
            },
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => match self.word() {
                Ok(kind) => kind,
                Err(problem) => return Err(problem),
            },
            b'0'..=b'9' => {
                self.digits();
                Kind::Operand
            }
            b'(' | b'[' => {
                self.at += 1;
                if self.follows(b"USING") {
                    return Err(Problem::PathDecides);
                }
                if self.depth + 1 == DEPTH {
                    return Err(Problem::Open);
                }
                self.depth += 1;
                self.levels[self.depth] = Level::NEW;
                Kind::Open
            }
            b')' | b']' => {
                self.at += 1;
                if self.depth == 0 || self.levels[self.depth].case || matches!(self.before, Kind::Operator) {
                    return Err(Problem::Open);
                }
                self.depth -= 1;
                Kind::Close
            }
            b',' => {
                self.at += 1;
                let level = &mut self.levels[self.depth];
                level.operator = None;
                level.assigns = level.sets;
                Kind::Comma
            }
            b'.' => {
                self.at += 1;
                Kind::Dot
            }
            b':' if self.byte(from + 1) == b':' => {
                self.at += 2;
                Kind::Cast
            }
            b':' if self.byte(from + 1) == b'=' => {
                self.at += 2;
                let behind = self.behind_operand();
                let level = &mut self.levels[self.depth];
                if !behind || level.operator.is_some() || (level.sets && !level.assigns) {
                    return Err(Problem::Operator);
                }
                (level.sets, level.assigns) = (true, false);
                Kind::Assignment
            }
            _ if is_symbol(byte) => match self.symbol() {
                Ok(kind) => kind,
                Err(problem) => return Err(problem),
            },
            _ => return Err(Problem::Character),
        };
        if matches!(self.before, Kind::Operator) && !self.begins_operand(kind, from) {
            return Err(Problem::Operator);
        }
        if self.follows(b"CASE") && !self.is_word(from, b"WHEN") {
            return Err(Problem::PathDecides);
        }
        (self.before, self.word) = (kind, (from, self.at));
        Ok(Some(Token { kind, from }))
    }

    /// Whether what begins here can stand behind an operator.
    const fn begins_operand(&self, kind: Kind, from: usize) -> bool {
        match kind {
            Kind::Operand | Kind::Part | Kind::Open => true,
            Kind::Keyword => {
                self.is_word(from, b"ANY")
                    || self.is_word(from, b"ALL")
                    || self.is_word(from, b"CAST")
                    || self.is_word(from, b"ARRAY")
                    || self.is_word(from, b"ROW")
                    || self.is_word(from, b"CASE")
            }
            _ => false,
        }
    }

    /// Whether the word from here on is this one.
    const fn is_word(&self, from: usize, word: &[u8]) -> bool {
        same(self.text, from, self.at, word)
    }

    /// Whether the word before was this one.
    const fn follows(&self, word: &[u8]) -> bool {
        same(self.text, self.word.0, self.word.1, word)
    }

    const fn digits(&mut self) {
        while matches!(self.byte(self.at), b'0'..=b'9' | b'.') {
            self.at += 1;
        }
    }

    const fn quoted(&mut self, mark: u8) -> Result<Kind, Problem> {
        // E'…' and the like have rules of their own.
        if self.at > 0 && self.text[self.at - 1].is_ascii_alphanumeric() {
            return Err(Problem::Character);
        }
        self.at += 1;
        while self.byte(self.at) != mark || self.byte(self.at + 1) == mark {
            self.at += if self.byte(self.at) == mark { 2 } else { 1 };
            if self.at >= self.text.len() {
                return Err(Problem::Open);
            }
        }
        self.at += 1;
        Ok(Kind::Operand)
    }

    const fn part(&mut self) -> Result<Kind, Problem> {
        self.at += 1;
        let from = self.at;
        while matches!(self.byte(self.at), b'a'..=b'z' | b'0'..=b'9' | b'_') {
            self.at += 1;
        }
        if self.at == from || self.byte(self.at) != b'}' {
            return Err(Problem::Part);
        }
        self.at += 1;
        Ok(Kind::Part)
    }

    const fn word(&mut self) -> Result<Kind, Problem> {
        let from = self.at;
        while matches!(self.byte(self.at), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_') {
            self.at += 1;
        }
        if matches!(self.before, Kind::Dot | Kind::Cast) {
            return Ok(Kind::Operand);
        }
        let (text, to) = (self.text, self.at);
        if is_in(text, from, to, PATH_DECIDES) || self.is_word(from, b"FROM") && self.follows(b"DISTINCT") {
            return Err(Problem::PathDecides);
        }
        if !text[from].is_ascii_uppercase() {
            return if is_in(text, from, to, IN_CAPITALS) { Err(Problem::Word) } else { Ok(Kind::Operand) };
        }
        let level = &mut self.levels[self.depth];
        if is_in(text, from, to, SEPARATING) {
            level.operator = None;
            if same(text, from, to, b"SET") {
                (level.sets, level.assigns) = (true, true);
            } else if same(text, from, to, b"WHERE")
                || same(text, from, to, b"FROM")
                || same(text, from, to, b"RETURNING")
            {
                (level.sets, level.assigns) = (false, false);
            }
            return Ok(Kind::Keyword);
        }
        if same(text, from, to, b"IS") {
            if level.operator.is_some() {
                return Err(Problem::Precedence);
            }
            level.operator = Some((0, 0));
            return Ok(Kind::Keyword);
        }
        if same(text, from, to, b"CASE") {
            if self.depth + 1 == DEPTH {
                return Err(Problem::Open);
            }
            self.depth += 1;
            self.levels[self.depth] = Level { case: true, ..Level::NEW };
            return Ok(Kind::Keyword);
        }
        if same(text, from, to, b"END") {
            if self.depth == 0 || !level.case {
                return Err(Problem::Open);
            }
            self.depth -= 1;
            return Ok(Kind::Operand);
        }
        if same(text, from, to, b"NULL") {
            return Ok(Kind::Operand);
        }
        if is_in(text, from, to, JOINING) { Ok(Kind::Keyword) } else { Err(Problem::Word) }
    }

    const fn symbol(&mut self) -> Result<Kind, Problem> {
        let from = self.at;
        while is_symbol(self.byte(self.at)) {
            self.at += 1;
        }
        let (text, to) = (self.text, self.at);
        if same(text, from, to, b"=>") {
            return Ok(Kind::Argument);
        }
        if !self.behind_operand() {
            let all = matches!(self.before, Kind::Open | Kind::Comma | Kind::Dot)
                || self.follows(b"SELECT")
                || self.follows(b"RETURNING");
            if same(text, from, to, b"*") && all {
                return Ok(Kind::Star);
            }
            if same(text, from, to, b"-") && self.byte(to).is_ascii_digit() {
                self.digits();
                return Ok(Kind::Operand);
            }
            return Err(Problem::Operator);
        }
        if !is_in(text, from, to, OPERATORS) {
            return Err(Problem::Operator);
        }
        if !matches!(self.byte(from - 1), b' ' | b'\n') || !matches!(self.byte(to), b' ' | b'\n') {
            return Err(Problem::Spaces);
        }
        let level = &mut self.levels[self.depth];
        if level.assigns && same(text, from, to, b"=") {
            level.assigns = false;
            return Ok(Kind::Assignment);
        }
        if let Some((first, end)) = level.operator {
            // Of one and the same, the left one goes first, bare or not.
            let alike = end - first == to - from && equal(text, first, from, to - from);
            if !alike || !is_in(text, from, to, CHAINED) {
                return Err(Problem::Precedence);
            }
        }
        level.operator = Some((from, to));
        Ok(Kind::Operator)
    }
}

/// Those of `pg_catalog` that are written out.
const OPERATORS: &str = "= <> < > <= >= + - * / % || ~ ~* !~ !~* @> <@ && -> ->> #>> & |";

/// Those that may stand beside themselves.
const CHAINED: &str = "+ - * || -> & |";

/// Words that compare by an operator that the path leads to.
const PATH_DECIDES: &str = "BETWEEN ILIKE IN LIKE NATURAL NULLIF SIMILAR";

/// Keywords that would be names in small letters to these rules.
const IN_CAPITALS: &str = "and between case distinct else end from ilike in is like natural not null nullif on or returning \
    select set similar then using when where";

/// Keywords between two expressions.
const SEPARATING: &str = "AND AS BY ELSE FROM GROUP HAVING INTO JOIN LIMIT OFFSET ON OR ORDER RETURNING SELECT SET THEN UNION \
    USING VALUES WHEN WHERE WITH";

/// Keywords that end no expression.
const JOINING: &str = "ALL ANY ARRAY ASC CAST COLLATE CONFLICT CREATE CROSS DEFAULT DELETE DESC DISTINCT DO EXCEPT EXISTS \
    FILTER FIRST FOR INNER INSERT KEY LAST LATERAL LEFT LOCKED MATERIALIZED NOT NOTHING NOWAIT NULLS OF \
    ONLY OVER OVERRIDING PARTITION RECURSIVE ROW ROWS SHARE SKIP SYSTEM TABLE UPDATE VALUE";

const fn is_symbol(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
    )
}

const fn equal(text: &[u8], one: usize, other: usize, length: usize) -> bool {
    let mut at = 0;
    while at < length {
        if text[one + at] != text[other + at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn same(text: &[u8], from: usize, to: usize, word: &[u8]) -> bool {
    if to - from != word.len() {
        return false;
    }
    let mut at = 0;
    while at < word.len() {
        if text[from + at] != word[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a list of words has this one.
const fn is_in(text: &[u8], from: usize, to: usize, words: &str) -> bool {
    let words = words.as_bytes();
    let mut at = 0;
    while at < words.len() {
        let begins = at;
        while at < words.len() && words[at] != b' ' {
            at += 1;
        }
        if at - begins == to - from {
            let mut one = 0;
            while one < to - from && words[begins + one] == text[from + one] {
                one += 1;
            }
            if one == to - from {
                return true;
            }
        }
        at += 1;
    }
    false
}

/// What is wrong with a literal, if anything is.
pub(super) const fn problem(text: &str, names: &[&str]) -> Option<Problem> {
    let mut lexer = Lexer::new(text);
    let mut used = [false; 32];
    if names.len() > used.len() {
        return Some(Problem::Part);
    }
    loop {
        match lexer.next() {
            Err(problem) => return Some(problem),
            Ok(None) => break,
            Ok(Some(Token { kind: Kind::Part, from })) => {
                let mut at = 0;
                let mut known = false;
                while at < names.len() {
                    if same(lexer.text, from + 1, lexer.at - 1, names[at].as_bytes()) {
                        (used[at], known) = (true, true);
                    }
                    at += 1;
                }
                if !known {
                    return Some(Problem::Part);
                }
            }
            Ok(Some(_)) => {}
        }
    }
    let mut at = 0;
    while at < names.len() {
        if !used[at] {
            return Some(Problem::Part);
        }
        at += 1;
    }
    None
}
