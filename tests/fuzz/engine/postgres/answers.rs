//! The filter between a server and the driver.

use proptest::prelude::*;

use super::session::wire::{Broken, Filter, LONGEST_MESSAGE, MANY, REFUSED, refusal};
use crate::{
    canary::{CANARY, keeps_canary},
    mutate::Target,
};

/// One thing that happens on a connection.
enum Event<'a> {
    Server(&'a [u8]),
    Asks(u8, &'static [u8]),
}

/// An input as what happens: a number of what it is, a length, and what the server sends.
fn events(mut input: &[u8]) -> Vec<Event<'_>> {
    const MANY_ROWS: &[u8] = b"\0/* row by row */ SELECT 1";
    assert!(MANY_ROWS[1..].starts_with(MANY.as_bytes()));
    let mut events = Vec::new();
    while let Some((what, rest)) = input.split_first() {
        match what % 8 {
            0 => events.push(Event::Asks(b'Q', b"")),
            1 => events.extend([Event::Asks(b'P', b"\0SELECT 1"), Event::Asks(b'S', b"")]),
            2 => events.extend([Event::Asks(b'P', MANY_ROWS), Event::Asks(b'S', b"")]),
            _ => {
                let (length, rest) = rest.split_at(rest.len().min(2));
                let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                let (sent, rest) = rest.split_at(length.min(rest.len()));
                events.push(Event::Server(sent));
                input = rest;
                continue;
            }
        }
        input = rest;
    }
    events
}

/// What is passed on, `piece` bytes at a time.
fn passed(events: &[Event<'_>], piece: usize) -> (Vec<u8>, Option<Broken>) {
    let (mut filter, mut read, mut passed) = (Filter::default(), Vec::new(), Vec::new());
    for event in events {
        let sent = match event {
            Event::Asks(kind, begin) => {
                filter.asks(*kind, begin);
                continue;
            }
            Event::Server(sent) => sent,
        };
        for sent in sent.chunks(piece) {
            read.extend_from_slice(sent);
            match filter.take(&read, &mut passed) {
                Ok(done) => drop(read.drain(..done)),
                Err(broken) => return (passed, Some(broken)),
            }
        }
    }
    assert!(read.len() <= LONGEST_MESSAGE + 5, "{} bytes wait for their end", read.len());
    (passed, None)
}

fn number(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte))
}

/// The bytes up to NUL, and what is behind it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).expect("a text has an end");
    (&bytes[..end], &bytes[end + 1..])
}

/// Reads messages as the driver does, which believes them: here each belief is a claim.
fn believed(mut stream: &[u8]) -> String {
    let (mut kinds, mut columns) = (String::new(), 0);
    while !stream.is_empty() {
        let (kind, length) = (stream[0], usize::try_from(number(&stream[1..5])).unwrap());
        assert!((4..=LONGEST_MESSAGE + (64 << 10)).contains(&length), "a message of {length} bytes");
        let body = &stream[5..=length];
        stream = &stream[length + 1..];
        match kind {
            b'E' => {
                let (mut rest, mut found) = (body, Vec::new());
                while rest[0] != 0 {
                    found.push(rest[0]);
                    let (field, after) = text(&rest[1..]);
                    assert!(
                        field.len() <= 4 << 10 && std::str::from_utf8(field).is_ok(),
                        "a field of an error"
                    );
                    assert!(
                        rest[0] != b'C' || field != REFUSED.as_bytes(),
                        "a server speaks in our own name"
                    );
                    assert!(rest[0] != b'C' || field.len() == 5, "a code");
                    rest = after;
                }
                assert_eq!(rest.len(), 1, "an error ends where it says");
                assert!(found.contains(&b'C') && found.contains(&b'M'), "an error says what it is");
            }
            b'S' => {
                let (name, value) = text(body);
                assert_eq!((name, text(value).1), (&b"server_version"[..], &b""[..]), "a parameter");
            }
            b'T' => {
                columns = number(&body[..2]);
                assert!(columns <= 1664, "{columns} columns");
                let rest = (0..columns).fold(&body[2..], |rest, _| {
                    let rest = text(rest).1;
                    // The driver would ask the server for any other type.
                    let oid = number(&rest[6..10]);
                    assert!(oid < 3_000, "the type {oid}");
                    &rest[18..]
                });
                assert!(rest.is_empty(), "columns end where they say");
            }
            b't' => {
                let count = usize::try_from(number(&body[..2])).unwrap();
                assert_eq!(body.len(), 2 + 4 * count, "parameters");
                assert!(body[2..].chunks(4).all(|oid| number(oid) < 3_000), "types of parameters");
            }
            b'D' => {
                assert_eq!(number(&body[..2]), columns, "a row has its columns");
                let rest = (0..columns).fold(&body[2..], |rest, _| {
                    let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
                    assert!(length >= -1, "a value of {length} bytes");
                    &rest[4 + usize::try_from(length).unwrap_or(0)..]
                });
                assert!(rest.is_empty(), "a row ends where it says");
            }
            b'n' => columns = -1,
            b'K' => assert!(body.len() >= 8),
            b'Z' => assert!(matches!(body, [b'I' | b'T' | b'E'])),
            b'1' | b'2' | b'3' | b'I' => assert!(body.is_empty()),
            b'R' | b'C' => {}
            other => panic!("the kind {:?} is passed on", char::from(other)),
        }
        if !kinds.ends_with(char::from(kind)) {
            kinds.push(char::from(kind));
        }
    }
    kinds
}

fn property(input: &[u8]) -> String {
    let events = events(input);
    let (whole, broken) = passed(&events, usize::MAX);
    for piece in [1, 50] {
        assert_eq!(passed(&events, piece), (whole.clone(), broken), "it differs in pieces of {piece}");
    }
    // An error's severity becomes a word, and what is no UTF-8 takes three bytes.
    assert!(whole.len() <= 3 * input.len() + 16, "{} bytes are made of {}", whole.len(), input.len());
    let kinds = believed(&whole);
    let Some(broken) = broken else { return kinds };
    let told = refusal(broken);
    keeps_canary(&broken.to_string());
    assert!(told.len() < 500 && told.windows(REFUSED.len()).any(|part| part == REFUSED.as_bytes()));
    let broken = format!("{broken:?}");
    kinds + broken.split('(').next().unwrap_or_default()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

/// As an input: the server sends this.
fn sends(bytes: &[u8]) -> Vec<u8> {
    [&[3][..], &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn column(oid: u32) -> Vec<u8> {
    [&b"c\0\0\0\0\0\0\0"[..], &oid.to_be_bytes(), &[0xff; 8]].concat()
}

#[test]
fn no_server_makes_it_panic_and_what_is_passed_on_is_what_the_driver_can_believe() {
    let hello = [
        message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
        message(b'R', b"\0\0\0\x0br=abc,s=c2FsdA==,i=4096"),
        message(b'R', b"\0\0\0\0"),
        message(b'S', b"server_version\x0015.1\0"),
        message(b'S', b"TimeZone\0UTC\0"),
        message(b'K', &[0; 8]),
        message(b'Z', b"I"),
    ]
    .concat();
    let columns: Vec<u8> = [16, 23, 20, 25, 1016, 1009, 3802].iter().flat_map(|oid| column(*oid)).collect();
    let int8s =
        [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8][..], &[0; 8]].concat();
    let texts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25];
    let values: [&[u8]; 7] = [b"\x01", b"\0\0\0\x07", &[0; 8], CANARY.as_bytes(), &int8s, &texts, b"{}"];
    let values =
        values.iter().flat_map(|one| [&u32::try_from(one.len()).unwrap().to_be_bytes()[..], one].concat());
    let rows = [
        message(b'1', b""),
        message(b't', &[0, 1, 0, 0, 0, 25]),
        message(b'T', &[&[0, 7][..], &columns].concat()),
        message(b'2', b""),
        message(b'D', &[0, 7].into_iter().chain(values).collect::<Vec<u8>>()),
        message(b'D', &[&[0, 7][..], &[0xff; 28]].concat()),
        message(b'C', b"SELECT 2\0"),
        message(b'3', b""),
        message(b'Z', b"T"),
    ]
    .concat();
    let error =
        message(b'E', format!("SFATAL\0VFEHLER\0C23505\0M{CANARY}\0DKey\0nusers_pkey\0\0").as_bytes());
    let aside = [message(b'N', b"SNOTICE\0\0"), message(b'A', &[0; 9]), message(b'S', b"a\0b\0")].concat();
    let simple = [message(b'C', b"BEGIN\0"), message(b'Z', b"T")].concat();
    let seeds = vec![
        sends(&hello),
        [sends(&hello), vec![0], sends(&simple), vec![1], sends(&rows)].concat(),
        [
            sends(&hello),
            vec![2],
            sends(&rows),
            vec![1],
            sends(&aside),
            sends(&error),
            sends(&message(b'Z', b"E")),
        ]
        .concat(),
        [
            sends(&hello),
            vec![1],
            sends(&message(b'n', b"")),
            sends(&message(b'I', b"")),
            sends(&message(b'Z', b"I")),
        ]
        .concat(),
        sends(&error),
        sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ];
    let kind = prop::sample::select(b"RSKZENACDTtn123IGHdc?\0".to_vec());
    let body = prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'x'), any::<u8>()], 0..40);
    let one = (0_u8..6, kind, body).prop_map(|(what, kind, body)| match what {
        0..3 => vec![what],
        _ => sends(&message(kind, &body)),
    });
    let started = sends(&hello);
    Target {
        name: "answers",
        seeds,
        words: &[
            b"\0",
            b"\x01",
            b"\x02",
            b"\x03\0\x06Z\0\0\0\x05I",
            b"\x03\0\x06Z\0\0\0\x05T",
            b"E\0\0\0\x0eC23505\0Mx\0\0",
            b"C08W00\0",
            b"\x7f\xff\xff\xff",
            b"\x80\0\0\0",
            b"\xff\xff\xff\xff",
            b"\0\0\0\x04",
            b"\xff\xff",
            b"i=4294967295,",
            b"D\0\0\0\x06\0\0",
            b"T\0\0\0\x06\0\0",
            b"server_version\0",
        ],
        strategy: (any::<bool>(), prop::collection::vec(one, 0..8))
            .prop_map(move |(begun, all)| {
                [if begun { started.clone() } else { Vec::new() }, all.concat()].concat()
            })
            .boxed(),
        property: Box::new(property),
        work: 2,
    }
    .run();
}
