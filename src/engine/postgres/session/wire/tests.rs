use proptest::prelude::*;

use super::*;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

/// A filter of a session that has asked for this.
fn asked(kinds: &[u8]) -> Filter {
    let mut filter = Filter::default();
    assert_eq!(filter.take(&message(b'Z', b"I"), &mut Vec::new()), Ok(6));
    kinds.iter().for_each(|kind| filter.asks(*kind, b""));
    filter
}

/// What is passed on of all that is read, in pieces.
fn passed(mut filter: Filter, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Broken>) {
    let (mut read, mut passed, mut rest) = (Vec::new(), Vec::new(), bytes);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (part, after) = rest.split_at(cut.min(rest.len()));
        (rest, _) = (after, read.extend_from_slice(part));
        match filter.take(&read, &mut passed) {
            Ok(done) => drop(read.drain(..done)),
            Err(broken) => return (passed, Some(broken)),
        }
    }
    (passed, None)
}

/// Bytes that are more like an answer than chance is.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(b"RSKZENACTDtn123IGHdc?\0".to_vec());
    let body = prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'x'), any::<u8>()], 0..40);
    let one = (kind, body, prop::option::of(any::<i32>())).prop_map(|(kind, body, length)| {
        let mut all = message(kind, &body);
        if let Some(length) = length {
            all[1..5].copy_from_slice(&length.to_be_bytes());
        }
        all
    });
    prop::collection::vec(one, 0..6).prop_map(|all| all.concat())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_where_they_are_cut_makes_no_difference(
        bytes in prop_oneof![answer(), prop::collection::vec(any::<u8>(), 0..200)],
        cuts in prop::collection::vec(1_usize..30, 0..20),
        started in any::<bool>(),
    ) {
        let filter = || if started { asked(b"SSQ") } else { Filter::default() };
        prop_assert_eq!(passed(filter(), &bytes, &cuts), passed(filter(), &bytes, &[]));
    }

    #[test]
    fn what_is_passed_on_is_whole_messages_that_may_be(bytes in answer()) {
        let (passed, _) = passed(asked(b"SSS"), &bytes, &[]);
        let mut again = asked(b"SSS");
        let mut twice = Vec::new();
        prop_assert_eq!(again.take(&passed, &mut twice), Ok(passed.len()));
        prop_assert_eq!(twice, passed);
    }
}

#[test]
fn types_that_the_driver_would_ask_the_server_about_become_text() {
    let columns = |oid: u32| [&b"\0\x01c\0\0\0\0\0\0\0"[..], &oid.to_be_bytes(), &[0; 8]].concat();
    for (oid, told) in [(23_u32, 23_u32), (25, 25), (1009, 1009), (16_500, 705), (3802, 705)] {
        let (passed, broken) = passed(asked(b"S"), &message(b'T', &columns(oid)), &[]);
        assert_eq!((passed, broken), (message(b'T', &columns(told)), None));
    }
}

#[test]
fn an_error_is_cut_and_keeps_its_code_and_what_names_what_is_concerned() {
    let long = "\u{e9}".repeat(LONGEST_FIELD);
    let body = format!("SFEHLER\0VERROR\0C23505\0M{long}\0nusers_email_key\0\0");
    let (passed, broken) = passed(asked(b"Q"), &message(b'E', body.as_bytes()), &[]);
    let kept = "\u{e9}".repeat(LONGEST_FIELD / 2);
    let expected = format!("SFEHLER\0VERROR\0C23505\0M{kept}\0nusers_email_key\0\0");
    assert_eq!((passed, broken), (message(b'E', expected.as_bytes()), None));
}

#[test]
fn what_nobody_listens_to_is_dropped_and_does_not_count_as_an_answer() {
    let aside =
        [message(b'N', b"SNOTICE\0\0"), message(b'A', b"x"), message(b'S', b"TimeZone\0UTC\0")].concat();
    let end = message(b'Z', b"T");
    let (passed, broken) = passed(asked(b"Q"), &[aside.clone(), end.clone(), aside].concat(), &[]);
    assert_eq!((passed, broken), (end, None));
}

#[test]
fn an_answer_takes_as_much_as_the_bound_and_no_more_unless_it_is_read_row_by_row() {
    let value = 1 << 20;
    let row = message(b'D', &[&[0, 1][..], &(value as u32).to_be_bytes(), &vec![0; value]].concat());
    let columns = message(b'T', &[&b"\0\x01c\0\0\0\0\0\0\0"[..], &25_u32.to_be_bytes(), &[0; 8]].concat());
    let rows = |filter: &mut Filter, many: usize| {
        filter.take(&columns, &mut Vec::new()).unwrap();
        (0..many).find_map(|_| filter.take(&row, &mut Vec::new()).err())
    };
    let mut filter = asked(b"SS");
    for _ in 0..2 {
        assert_eq!(rows(&mut filter, 7), None, "each answer has its own bound");
        filter.take(&message(b'Z', b"I"), &mut Vec::new()).unwrap();
    }
    filter.asks(b'P', format!("\0{MANY}SELECT 1\0").as_bytes());
    filter.asks(b'S', b"");
    assert_eq!(rows(&mut filter, 100), None);
    filter.take(&message(b'Z', b"I"), &mut Vec::new()).unwrap();
    filter.asks(b'P', b"\0SELECT 1\0");
    filter.asks(b'S', b"");
    assert_eq!(rows(&mut filter, 100), Some(Broken::Kept));
}

#[test]
fn rows_of_nothing_are_counted_too() {
    let columns = message(b'T', &[&b"\0\x01c\0\0\0\0\0\0\0"[..], &25_u32.to_be_bytes(), &[0; 8]].concat());
    let mut filter = asked(b"S");
    filter.take(&columns, &mut Vec::new()).unwrap();
    let row = message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xff]);
    let taken = (0..MOST_KEPT).take_while(|_| filter.take(&row, &mut Vec::new()).is_ok()).count();
    assert_eq!(taken, (MOST_KEPT - columns.len()) / (row.len() + ROW + VALUE));
}
