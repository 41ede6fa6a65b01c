//! What comes from a server, held to the protocol's form and to bounds before the driver sees it.
//!
//! Nothing is known of a server but that somebody named it. The driver believes lengths, counts and values, and
//! panics or fills memory where they lie. So each message is read whole here, up to a bound, and passed on only in
//! a form that the driver can take: PostgreSQL 15 manual, chapter 55. What we have no use for is dropped.

use std::collections::VecDeque;

/// Bytes that one message may have. What is read of a table is cut to far less in the statement itself.
pub(in crate::engine::postgres) const LONGEST_MESSAGE: usize = 2 << 20;

/// Bytes that all messages may have before the first statement may be sent. Usual are about 500.
const LONGEST_STARTUP: usize = 64 << 10;

/// Bytes that the answer to one statement may take, since all of it is kept.
const MOST_KEPT: usize = 12 << 20;

/// Bytes of an answer that is read row by row. Whoever reads it keeps little, and time ends what has no end.
const LONGEST_ANSWER: usize = 1 << 36;

/// How a statement begins whose answer is read row by row.
pub(in crate::engine::postgres) const MANY: &str = "/* row by row */ ";

/// Bytes of what is dropped, in the answer to one statement: what triggers of an app have to say.
const LONGEST_ASIDE: usize = 16 << 20;

/// What the driver keeps of a row beside its bytes, and of each of its values.
const ROW: usize = 96;
const VALUE: usize = 16;

/// How often a message that is not there as a whole stands in memory until it is passed on, buffers grown by half.
const BUFFERS: usize = 4;

/// A table has no more columns (`MaxTupleAttributeNumber`).
const MOST_COLUMNS: usize = 1664;

/// Bytes that are kept of each field of an error.
const LONGEST_FIELD: usize = 4 << 10;

/// Rounds of hashing that a server may ask for when it is shown a password; PostgreSQL's default is 4096.
const MOST_ROUNDS: u32 = 1_000_000;

/// The code of an error that is no server's, but says why nothing more is read from it.
pub(in crate::engine::postgres) const REFUSED: &str = "08W00";

/// How a message begins that cannot be from PostgreSQL.
pub(in crate::engine::postgres) const FOREIGN: &str =
    "what answers there does not speak PostgreSQL's protocol";

/// That other looks take the room for what catalogs say.
pub(in crate::engine::postgres) const CATALOGS_CROWDED: &str = "other databases with many foreign keys to their user tables are looked at at the same time, and no more of what the catalog of this one says is kept";

/// That others take the room.
pub(in crate::engine::postgres) const CROWDED: &str =
    "other databases send long answers at the same time, and no more of what this one sends is kept";

/// Why nothing more is read from a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A length that no message can have.
    #[error("{FOREIGN}: a message of it has the length {0}")]
    Length(i32),
    /// A longer message than any that is asked for.
    #[error(
        "the server sent a message of {0} bytes, and none that is asked for has more than {LONGEST_MESSAGE}"
    )]
    TooLong(usize),
    /// A message that has no place here.
    #[error("{FOREIGN}: it sent a message of the kind {0:#04x} where none can be")]
    Kind(u8),
    /// A message that is not what its kind must be.
    #[error("{FOREIGN}: {0} of it is not as it must be")]
    Form(&'static str),
    #[error("the server sent more than {LONGEST_STARTUP} bytes before it took a statement")]
    Startup,
    /// Too much for one statement.
    #[error("the server's answer to one statement had no end")]
    Endless,
    /// More than what is kept of an answer may take.
    #[error("the server's answer to one statement takes more than {} MiB, and no more is kept of one", MOST_KEPT >> 20)]
    Kept,
    #[error(
        "the catalog says more of the foreign keys to the user table and of their tables than is kept of one look"
    )]
    Catalog,
    /// No room for more of a catalog beside those of others.
    #[error("{CATALOGS_CROWDED}")]
    Catalogs,
    #[error("{CROWDED}")]
    Crowded,
    #[error("the server asks for more than {MOST_ROUNDS} rounds of hashing of the password")]
    Rounds,
}

/// How the next answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// By a statement with values, whose rows come in binary form; `many`: and are read one by one.
    Extended { many: bool },
    /// By one of our own statements without any, whose rows nobody reads.
    Simple,
}

/// How many bytes values of a column have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Any,
    Fixed(usize),
    /// An array, whose elements are so.
    Array(Option<usize>),
}

/// One connection, as far as what may come next depends on what was before.
#[derive(Debug, Default)]
pub(in crate::engine::postgres) struct Filter {
    started: bool,
    asked: VecDeque<Asked>,
    many: bool,
    columns: Option<Vec<Width>>,
    bytes: usize,
    aside: usize,
}

impl Filter {
    /// The driver sends a message of this kind that begins so.
    pub(in crate::engine::postgres) fn asks(&mut self, kind: u8, begin: &[u8]) {
        match kind {
            // The statement has no name.
            b'P' => self.many = begin.strip_prefix(b"\0").is_some_and(|sql| sql.starts_with(MANY.as_bytes())),
            // Each of these is answered until the server is ready for the next.
            b'Q' => self.asked.push_back(Asked::Simple),
            b'S' => self.asked.push_back(Asked::Extended { many: self.many }),
            _ => {}
        }
    }

    /// Takes whole messages from the front of what was read, and adds what the driver gets. Returns how many
    /// bytes are done with.
    pub(in crate::engine::postgres) fn take(
        &mut self,
        read: &[u8],
        passed: &mut Vec<u8>,
    ) -> Result<usize, Broken> {
        let mut done = 0;
        while let Some((kind, length)) = head(&read[done..]) {
            let long =
                usize::try_from(length).ok().filter(|long| *long >= 4).ok_or(Broken::Length(length))?;
            if !self.is_expected(kind) {
                return Err(Broken::Kind(kind));
            }
            // Before it is waited for: what is announced counts as if it were there.
            if !self.started && self.bytes.saturating_add(long) > LONGEST_STARTUP {
                return Err(Broken::Startup);
            }
            if long > LONGEST_MESSAGE {
                return Err(Broken::TooLong(long));
            }
            let Some(message) = read.get(done..done + 1 + long) else { break };
            self.count(kind, message.len())?;
            let before = passed.len();
            if let Err(broken) = self.pass(kind, &message[5..], message, passed) {
                // Nor a part of what cannot be.
                passed.truncate(before);
                return Err(broken);
            }
            done += message.len();
        }
        Ok(done)
    }

    /// Bytes that are held on its account: what is kept of the answer, and what is read of a long message.
    pub(in crate::engine::postgres) fn holds(&self, rest: &[u8]) -> usize {
        let many = matches!(self.asked.front(), Some(Asked::Extended { many: true }));
        let announced = head(rest).and_then(|(_, length)| usize::try_from(length).ok()).unwrap_or_default();
        (if many { 0 } else { self.bytes }) + announced * BUFFERS
    }

    fn is_expected(&self, kind: u8) -> bool {
        match kind {
            b'E' | b'N' | b'S' => true,
            b'R' | b'K' => !self.started,
            // What we did not ask for, the driver would take for the answer to the next statement.
            b'Z' => !self.started || !self.asked.is_empty(),
            b'C' | b'I' => self.started && !self.asked.is_empty(),
            b'T' | b'D' => !self.asked.is_empty(),
            b'1' | b'2' | b'3' | b't' | b'n' => {
                matches!(self.asked.front(), Some(Asked::Extended { .. }))
            }
            b'A' => self.started,
            // Copies among them: nothing is ever copied.
            _ => false,
        }
    }

    fn count(&mut self, kind: u8, bytes: usize) -> Result<(), Broken> {
        if self.started && matches!(kind, b'N' | b'A' | b'S') {
            self.aside += bytes;
        } else {
            // A row of nothing takes room too, and so does each of its values.
            let columns = self.columns.as_ref().map_or(0, Vec::len);
            self.bytes += bytes + if kind == b'D' { ROW + columns * VALUE } else { 0 };
        }
        let many = matches!(self.asked.front(), Some(Asked::Extended { many: true }));
        if self.aside > LONGEST_ASIDE || self.bytes > LONGEST_ANSWER {
            Err(Broken::Endless)
        } else if self.started && !many && self.bytes > MOST_KEPT {
            Err(Broken::Kept)
        } else {
            Ok(())
        }
    }

    fn pass(&mut self, kind: u8, body: &[u8], message: &[u8], passed: &mut Vec<u8>) -> Result<(), Broken> {
        match kind {
            b'R' => authentication(body)?,
            b'K' if body.len() < 8 => return Err(Broken::Form("the key of the session")),
            // The version is all that is read of them; what is set later is set by ourselves.
            b'S' if self.started || !body.starts_with(b"server_version\0") => return Ok(()),
            b'S' => text_fields(body, 2).ok_or(Broken::Form("a parameter"))?,
            b'T' | b'D' if self.asked.front() == Some(&Asked::Simple) => return Ok(()),
            // Nobody listens to either, and notices are told by whoever writes functions.
            b'N' | b'A' => return Ok(()),
            b'E' => {
                error(body, passed)?;
                return Ok(());
            }
            b'Z' => {
                if !matches!(body, [b'I' | b'T' | b'E']) {
                    return Err(Broken::Form("the end of an answer"));
                }
                if self.started {
                    self.asked.pop_front();
                }
                (self.started, self.bytes, self.aside) = (true, 0, 0);
            }
            b'1' | b'2' | b'3' | b'I' | b'n' if !body.is_empty() => {
                return Err(Broken::Form("a message that is empty"));
            }
            b'n' => self.columns = None,
            b't' => {
                let mut types = Reader(body);
                let count = types.u16().ok_or(Broken::Form("the list of parameters"))?;
                let start = passed.len();
                passed.extend_from_slice(&message[..7]);
                for _ in 0..count {
                    let oid = types.u32().ok_or(Broken::Form("the list of parameters"))?;
                    passed.extend_from_slice(&known(oid).to_be_bytes());
                }
                if !types.0.is_empty() || passed.len() - start != message.len() {
                    return Err(Broken::Form("the list of parameters"));
                }
                return Ok(());
            }
            b'T' => {
                self.columns =
                    Some(described(body, message, passed).ok_or(Broken::Form("the list of columns"))?);
                return Ok(());
            }
            b'D' => {
                let columns = self.columns.as_deref().ok_or(Broken::Form("a row without columns"))?;
                row(body, columns).ok_or(Broken::Form("a row"))?;
            }
            _ => {}
        }
        passed.extend_from_slice(message);
        Ok(())
    }
}

/// Kind and length of the next message, once they are there.
fn head(read: &[u8]) -> Option<(u8, i32)> {
    match read {
        [kind, a, b, c, d, ..] => Some((*kind, i32::from_be_bytes([*a, *b, *c, *d]))),
        // Not one more byte of what is none is waited for.
        _ => None,
    }
}

/// Reads from the front, as far as there is something.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Up to the next NUL, which is taken too.
    fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Some(text)
    }

    /// A value with its length; the inner `None` is NULL.
    fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.bytes(usize::try_from(length).ok()?).map(Some),
        }
    }
}

fn text_fields(body: &[u8], count: usize) -> Option<()> {
    let mut fields = Reader(body);
    for _ in 0..count {
        fields.text()?;
    }
    fields.0.is_empty().then_some(())
}

fn authentication(body: &[u8]) -> Result<(), Broken> {
    const FORM: Broken = Broken::Form("the question for the password");
    let mut fields = Reader(body);
    match fields.u32().ok_or(FORM)? {
        5 if fields.0.len() != 4 => Err(FORM),
        10 => {
            while !fields.0.is_empty() && fields.0 != [0] {
                fields.text().ok_or(FORM)?;
            }
            Ok(())
        }
        // RFC 5802, section 7: attributes of one letter, with commas between them.
        11 | 12 => {
            for attribute in fields.0.split(|byte| *byte == b',') {
                match attribute {
                    [b'i', b'=', rounds @ ..] => {
                        let rounds =
                            std::str::from_utf8(rounds).ok().and_then(|text| text.parse::<u32>().ok());
                        if rounds.ok_or(FORM)? > MOST_ROUNDS {
                            return Err(Broken::Rounds);
                        }
                    }
                    [_, b'=', ..] => {}
                    _ => return Err(FORM),
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An error with all that is said in it, each part cut.
fn error(body: &[u8], passed: &mut Vec<u8>) -> Result<(), Broken> {
    const FORM: Broken = Broken::Form("an error");
    let mut fields = Reader(body);
    let mut kept: Vec<(u8, String)> = Vec::new();
    while let Some(kind @ 1..) = fields.array::<1>().map(|[kind]| kind) {
        let text = String::from_utf8_lossy(fields.text().ok_or(FORM)?).into_owned();
        let end = text.floor_char_boundary(LONGEST_FIELD);
        let text = match kind {
            // The driver takes no others.
            b'V' if !SEVERITIES.contains(&text.as_str()) => "ERROR".to_owned(),
            b'C' if text.len() != 5 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                return Err(FORM);
            }
            // Our own words are nobody else's.
            b'C' if text == REFUSED => "08P01".to_owned(),
            _ => text[..end].to_owned(),
        };
        // Each stands once.
        if !kept.iter().any(|(before, _)| *before == kind) {
            kept.push((kind, text));
        }
    }
    if [b'C', b'M'].iter().any(|kind| !kept.iter().any(|(one, text)| one == kind && !text.is_empty())) {
        return Err(FORM);
    }
    write_error(&kept, passed);
    Ok(())
}

const SEVERITIES: [&str; 8] = ["PANIC", "FATAL", "ERROR", "WARNING", "NOTICE", "DEBUG", "INFO", "LOG"];

fn write_error<T: AsRef<str>>(fields: &[(u8, T)], passed: &mut Vec<u8>) {
    let start = passed.len();
    passed.extend_from_slice(b"E\0\0\0\0");
    for (kind, text) in fields {
        passed.push(*kind);
        passed.extend_from_slice(text.as_ref().as_bytes());
        passed.push(0);
    }
    passed.push(0);
    let length = u32::try_from(passed.len() - start - 1).unwrap_or(u32::MAX);
    passed[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
}

/// The error that the driver gets in place of what a server sent.
pub(in crate::engine::postgres) fn refusal(broken: Broken) -> Vec<u8> {
    let mut passed = Vec::new();
    let text = broken.to_string();
    write_error(&[(b'S', "FATAL"), (b'V', "FATAL"), (b'C', REFUSED), (b'M', &text)], &mut passed);
    passed
}

/// The columns that rows will have. Passes the list on with no types but those that the driver knows: for any
/// other it would ask the server, and believe whatever that says.
fn described(body: &[u8], message: &[u8], passed: &mut Vec<u8>) -> Option<Vec<Width>> {
    let mut fields = Reader(body);
    let count = usize::from(fields.u16()?);
    if count > MOST_COLUMNS {
        return None;
    }
    passed.extend_from_slice(&message[..7]);
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let name = fields.text()?;
        passed.extend_from_slice(name);
        passed.push(0);
        passed.extend_from_slice(fields.bytes(6)?);
        let oid = fields.u32()?;
        passed.extend_from_slice(&known(oid).to_be_bytes());
        passed.extend_from_slice(fields.bytes(8)?);
        columns.push(width(oid));
    }
    fields.0.is_empty().then_some(columns)
}

/// How values of a type of the catalogue are sent, as far as we ask for any (`pg_type.dat`).
fn width(oid: u32) -> Width {
    match oid {
        16 | 18 => Width::Fixed(1),
        21 => Width::Fixed(2),
        23 | 26 | 700 => Width::Fixed(4),
        20 | 701 => Width::Fixed(8),
        1000 | 1002 => Width::Array(Some(1)),
        1005 => Width::Array(Some(2)),
        1007 | 1021 | 1028 => Width::Array(Some(4)),
        1016 | 1022 => Width::Array(Some(8)),
        1003 | 1009 | 1014 | 1015 => Width::Array(None),
        _ => Width::Any,
    }
}

/// The type itself where it is one that is asked for, else `unknown`, which is text.
fn known(oid: u32) -> u32 {
    const UNKNOWN: u32 = 705;
    let asked =
        !matches!(width(oid), Width::Any) || matches!(oid, 17 | 19 | 25 | 1042 | 1043 | 1700 | 2278 | 2950);
    if asked { oid } else { UNKNOWN }
}

fn row(body: &[u8], columns: &[Width]) -> Option<()> {
    let mut values = Reader(body);
    if usize::from(values.u16()?) != columns.len() {
        return None;
    }
    for width in columns {
        let Some(value) = values.value()? else { continue };
        match width {
            Width::Any => {}
            Width::Fixed(bytes) if value.len() == *bytes => {}
            Width::Fixed(_) => return None,
            Width::Array(bytes) => array(value, *bytes)?,
        }
    }
    values.0.is_empty().then_some(())
}

/// An array of one dimension at most, as all are that we ask for.
fn array(value: &[u8], bytes: Option<usize>) -> Option<()> {
    let mut elements = Reader(value);
    let (dimensions, _, _) = (elements.i32()?, elements.i32()?, elements.u32()?);
    match dimensions {
        0 => return elements.0.is_empty().then_some(()),
        1 => {}
        _ => return None,
    }
    let (count, _) = (elements.i32()?, elements.i32()?);
    // The driver makes room for as many as it is told.
    for _ in 0..usize::try_from(count).ok().filter(|count| *count <= elements.0.len() / 4)? {
        if let (Some(value), Some(bytes)) = (elements.value()?, bytes)
            && value.len() != bytes
        {
            return None;
        }
    }
    elements.0.is_empty().then_some(())
}

// By its path, since `tests/fuzz` reads this file too.
#[cfg(test)]
#[path = "wire/tests.rs"]
mod tests;
