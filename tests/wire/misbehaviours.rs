//! What servers have been seen to do, or could do, and what is said of each.

use crate::server::{
    At::{self, Begin, Columns, Hello, Password, Rows, Tls},
    Does::{self, Always, Closes, Drips, Floods, Goes, Says},
    columns, error, lying, message, ready, row,
};

/// A misbehaviour, and a part of what a person reads of it.
pub struct Misbehaviour {
    pub name: &'static str,
    pub at: At,
    pub does: Does,
    pub said: &'static str,
}

const FOREIGN: &str = "what answers there does not speak PostgreSQL's protocol";
const COLUMNS: &str = "the list of columns of it is not as it must be";
const ROW: &str = "a row of it is not as it must be";
const LONG: &str = "none that is asked for has more than 2097152";
const STARTUP: &str = "more than 65536 bytes before it took a statement";

fn one(name: &'static str, at: At, does: Does, said: &'static str) -> Misbehaviour {
    Misbehaviour { name, at, does, said }
}

fn sasl(kind: u32, text: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes(), text].concat())
}

/// What a client that would use SCRAM is told first, and then this.
fn scram(then: &[u8]) -> Vec<u8> {
    [sasl(10, b"SCRAM-SHA-256\0\0"), sasl(11, then)].concat()
}

/// The columns of a statement as far as they are read.
fn parsed(columns: &[u8]) -> Vec<u8> {
    [message(b'1', b""), message(b't', &[0, 0]), columns.to_vec(), ready()].concat()
}

/// The second statement is the first whose row is read; these are its columns and its rows.
fn rows(types: &[u32], rows: &[u8]) -> Does {
    Always(columns(types), rows.to_vec())
}

/// An array of one dimension.
fn array(count: i32, elements: &[u8]) -> Vec<u8> {
    [&1_i32.to_be_bytes()[..], &[0; 8], &count.to_be_bytes(), &1_i32.to_be_bytes(), elements].concat()
}

pub fn all() -> Vec<Misbehaviour> {
    let parameter = message(b'S', &[b"a".repeat(20), b"\0x\0".to_vec()].concat());
    let notice = message(b'N', b"SWARNING\0VWARNING\0C01000\0Mcanary-of-a-row\0\0");
    let fields: [(u8, &[u8]); 4] = [(b'S', b"FATAL"), (b'V', b"FATAL"), (b'C', b"57P03"), (b'M', b"no")];
    let text = "x".repeat(1 << 20);
    vec![
        // Lengths.
        one("the length 0", Hello, Says(lying(b'R', 0, b"")), FOREIGN),
        one("the length 1", Hello, Says(lying(b'R', 1, b"")), FOREIGN),
        one("the length 3", Hello, Says(lying(b'R', 3, b"")), FOREIGN),
        one("the length -1", Hello, Says(lying(b'R', -1, b"")), FOREIGN),
        one("the smallest length", Hello, Says(lying(b'R', i32::MIN, b"")), FOREIGN),
        one("the largest length", Hello, Says(lying(b'R', i32::MAX, b"")), STARTUP),
        one("the length 0 after the password", Password, Says(lying(b'Z', 0, b"")), FOREIGN),
        one("the length 0 as an answer", Begin, Says(lying(b'C', 0, b"")), FOREIGN),
        one("the largest length of a row", Rows(0), Says(lying(b'D', i32::MAX, b"")), LONG),
        one(
            "a body that ends early",
            Hello,
            Closes(lying(b'R', 8, &[0; 2])),
            "no connection to the database",
        ),
        // Bodies that are too short for what they are.
        one("a question without a kind", Hello, Says(message(b'R', b"")), FOREIGN),
        one("a salt of two bytes", Hello, Says(message(b'R', &[0, 0, 0, 5, 1, 2])), FOREIGN),
        one("a session's key of four bytes", Password, Says(message(b'K', &[0; 4])), FOREIGN),
        one("an empty end of an answer", Password, Says(message(b'Z', b"")), FOREIGN),
        one("an unknown state of transactions", Password, Says(message(b'Z', b"?")), FOREIGN),
        one(
            "parameters that are not all there",
            Columns(0),
            Says([message(b'1', b""), message(b't', &[0, 9])].concat()),
            FOREIGN,
        ),
        // Authentication.
        one(
            "an unknown way to sign in",
            Hello,
            Says(message(b'R', &99_u32.to_be_bytes())),
            "it was broken off",
        ),
        one("Kerberos", Hello, Says(message(b'R', &7_u32.to_be_bytes())), "it was broken off"),
        one("no mechanism that is known", Hello, Says(sasl(10, b"OTHER\0\0")), "it was broken off"),
        one("mechanisms without an end", Hello, Says(sasl(10, b"SCRAM-SHA-256")), FOREIGN),
        one("SCRAM without attributes", Hello, Says(scram(b"")), FOREIGN),
        one("SCRAM with attributes of one letter", Hello, Says(scram(b"r,s,i")), FOREIGN),
        one("SCRAM with a salt that is none", Hello, Says(scram(b"r=x,s=!!,i=4096")), FOREIGN),
        one(
            "SCRAM with four thousand million rounds",
            Hello,
            Says(scram(b"r=x,s=AAAA,i=4294967295")),
            "more than 1000000 rounds",
        ),
        one(
            "SCRAM with a wrong proof",
            Hello,
            Says([scram(b"r=x,s=AAAA,i=1"), sasl(12, b"v=AAAA")].concat()),
            FOREIGN,
        ),
        one(
            "SCRAM with a proof that is none",
            Hello,
            Says([scram(b"r=x,s=AAAA,i=1"), sasl(12, b"v")].concat()),
            FOREIGN,
        ),
        // Floods.
        one("parameters for ever", Hello, Floods(vec![], parameter.clone()), STARTUP),
        one("notices for ever, before anything", Hello, Floods(vec![], notice.clone()), STARTUP),
        one("that it trusts us, for ever", Hello, Floods(vec![], message(b'R', &[0; 4])), STARTUP),
        one("notices for ever", Begin, Floods(vec![], notice.clone()), "had no end|TimedOut"),
        one("parameters for ever, later", Begin, Floods(vec![], parameter), "had no end|TimedOut"),
        one("that it is ready, for ever", Begin, Floods(vec![], ready()), FOREIGN),
        one(
            "rows for ever",
            Rows(1),
            Floods(message(b'2', b""), row(&[Some(b"x")])),
            "takes more than 12 MiB|TimedOut",
        ),
        one(
            "rows for BEGIN, for ever",
            Begin,
            Floods(columns(&[25]), row(&[Some(b"x")])),
            "takes more than 12 MiB|TimedOut",
        ),
        one(
            "rows of nothing for ever",
            Rows(1),
            Floods(message(b'2', b""), row(&[None])),
            "takes more than 12 MiB|TimedOut",
        ),
        one(
            "rows of a megabyte for ever",
            Rows(1),
            Floods(message(b'2', b""), row(&[Some(text.as_bytes())])),
            "takes more than 12 MiB|TimedOut",
        ),
        one("zeroes for ever", Hello, Floods(vec![], vec![0; 16]), FOREIGN),
        // Columns and rows.
        one("more columns than a table can have", Columns(0), Says(parsed(&columns(&[23; 1700]))), COLUMNS),
        one("columns that are not there", Columns(0), Says(parsed(&message(b'T', &[0xff, 0xff]))), COLUMNS),
        one(
            "a column without a name's end",
            Columns(0),
            Says(parsed(&message(b'T', b"\0\x01name"))),
            COLUMNS,
        ),
        one("a row that nobody asked for", Password, Says(row(&[Some(b"x")])), FOREIGN),
        one("fewer values than columns", Rows(0), rows(&[25, 25], &row(&[Some(b"x")])), ROW),
        one("more values than columns", Rows(0), rows(&[25], &row(&[Some(b"x"), Some(b"y")])), ROW),
        one(
            "a value that is longer than its row",
            Rows(0),
            rows(&[25], &message(b'D', &[0, 1, 0, 0, 0, 99, 1])),
            ROW,
        ),
        one(
            "a value of negative length",
            Rows(0),
            rows(&[25], &message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xfe])),
            ROW,
        ),
        one("a boolean of no bytes", Rows(0), rows(&[16], &row(&[Some(b"")])), ROW),
        one("an integer of three bytes", Rows(0), rows(&[23], &row(&[Some(b"abc")])), ROW),
        one(
            "an array of two thousand million",
            Rows(0),
            rows(&[1009], &row(&[Some(&array(i32::MAX, b""))])),
            ROW,
        ),
        one(
            "an array whose elements are not there",
            Rows(0),
            rows(&[1016], &row(&[Some(&array(1, &[0, 0, 0, 8]))])),
            ROW,
        ),
        one("an array of two bytes", Rows(0), rows(&[1009], &row(&[Some(&[0, 1])])), ROW),
        one("text that is no UTF-8", Rows(0), rows(&[25], &row(&[Some(&[0xff, 0xfe])])), "could not be read"),
        one("types that nobody knows", Rows(0), rows(&[4_000_000], &row(&[Some(b"x")])), "could not be read"),
        one("nothing at all for every statement", Rows(0), rows(&[], b""), "could not be read"),
        // Errors.
        one("an error without fields", Hello, Says(message(b'E', b"\0")), FOREIGN),
        one("an error without an end", Hello, Says(message(b'E', b"SFATAL")), FOREIGN),
        one(
            "an error that is no UTF-8",
            Hello,
            Says(error(&[(b'S', b"FATAL"), (b'C', b"28000"), (b'M', b"\xff\xfe")])),
            "28000",
        ),
        one(
            "an error of an unknown severity",
            Hello,
            Says(error(&[(b'V', b"CANARY"), (b'C', b"57P03"), (b'M', b"wait")])),
            "57P03",
        ),
        one("an error of 100 MB", Begin, Says(lying(b'E', 100_000_000, b"")), LONG),
        one(
            "an error of a megabyte",
            Begin,
            Goes([error(&[&fields[..3], &[(b'M', text.as_bytes())]].concat()), ready()].concat()),
            "57P03",
        ),
        one(
            "an error in our own name",
            Hello,
            Says(error(&[(b'S', b"FATAL"), (b'C', b"08W00"), (b'M', b"say this")])),
            "08P01",
        ),
        // What has no place.
        one("a copy from us", Begin, Says(message(b'G', &[0, 0, 0])), FOREIGN),
        one("a copy to us", Begin, Says(message(b'H', &[0, 0, 0])), FOREIGN),
        one("an unknown kind", Begin, Says(message(b'?', b"")), FOREIGN),
        one("another protocol", Hello, Closes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), FOREIGN),
        one("another database's greeting", Hello, Says(b"\x4a\0\0\0\x0a8.0.36\0".to_vec()), FOREIGN),
        // Time.
        one("silence", Hello, Says(vec![]), "no answer in 10 s"),
        one("silence after the password", Password, Says(vec![]), "no answer in 10 s"),
        one(
            "no transaction where one was begun",
            Begin,
            Goes([message(b'C', b"BEGIN\0"), ready()].concat()),
            "began none",
        ),
        one("silence after BEGIN", Begin, Says(vec![]), "TimedOut"),
        one("silence instead of columns", Columns(0), Says(vec![]), "TimedOut"),
        one("silence instead of rows", Rows(0), Says(vec![]), "TimedOut"),
        one("a header and no more", Begin, Says(lying(b'C', 100, b"")), "TimedOut"),
        one("one byte after the other", Hello, Drips(message(b'R', &[0, 0, 0, 99])), "it was broken off"),
        // Ends.
        one("an end at once", Hello, Closes(vec![]), "no connection to the database"),
        one("an end after the password", Password, Closes(vec![]), "no connection to the database"),
        one("an end instead of BEGIN", Begin, Closes(vec![]), "no connection to the database"),
        one("an end instead of columns", Columns(0), Closes(vec![]), "no connection to the database"),
        one("an end in the middle of rows", Rows(1), Closes(vec![]), "no connection to the database"),
    ]
}

/// Before encryption is agreed on; only where it is asked for.
pub fn before_encryption() -> Vec<Misbehaviour> {
    vec![
        one("no encryption", Tls, Says(b"N".to_vec()), "does not support TLS"),
        one("garbage instead of consent", Tls, Says(b"?".to_vec()), FOREIGN),
        one("an error instead of consent", Tls, Closes(error(&[(b'C', b"57P03"), (b'M', b"wait")])), FOREIGN),
        one("an end instead of consent", Tls, Closes(vec![]), "no connection to the database"),
        one("silence instead of consent", Tls, Says(vec![]), "no answer in 10 s"),
        one("consent and no handshake", Tls, Says(b"S".to_vec()), "no answer in 10 s"),
        // CVE-2021-23222: what was sent in the clear must never count as if it had been encrypted.
        one(
            "an answer in the clear behind the consent",
            Tls,
            Says([b"S".to_vec(), message(b'R', &[0; 4]), ready()].concat()),
            "the encrypted connection failed",
        ),
        one(
            "garbage instead of a handshake",
            Tls,
            Floods(b"S".to_vec(), vec![0x41; 64]),
            "the encrypted connection failed",
        ),
        one(
            "a record of a handshake that has no end",
            Tls,
            Floods(b"S".to_vec(), [&[0x16, 3, 3, 0x40, 0][..], &[0; 0x4000]].concat()),
            "the encrypted connection failed",
        ),
    ]
}
