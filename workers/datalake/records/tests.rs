//! What lines are records, and what becomes of those that are not.

use proptest::prelude::*;

use super::*;

/// What a piece says, without borrowing it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Record(u64, Vec<String>),
    Fault(u64, Reason),
}

/// Reads `bytes` as a caller does who gets them in pieces of these sizes, over and over.
fn read(bytes: &[u8], sizes: &[usize], columns: Option<usize>) -> (Vec<Seen>, Place) {
    let (mut splitter, mut place, mut seen, mut known) = (Splitter::default(), Place::default(), Vec::new(), 0);
    for size in sizes.iter().cycle() {
        known = (known + size).min(bytes.len());
        loop {
            let rest = &bytes[usize::try_from(place.byte).unwrap()..known];
            match splitter.next(&mut place, rest, known == bytes.len(), columns) {
                Piece::Nothing => break,
                Piece::Record(record) => {
                    let fields = record.fields.iter().map(|field| String::from_utf8_lossy(field).into_owned());
                    seen.push(Seen::Record(record.line, fields.collect()));
                }
                Piece::Fault(fault) => seen.push(Seen::Fault(fault.line, fault.reason)),
            }
            assert!(seen.len() <= bytes.len(), "it goes round in circles");
        }
        if known == bytes.len() {
            return (seen, place);
        }
    }
    unreachable!("no sizes")
}

fn record(line: u64, fields: &[&str]) -> Seen {
    Seen::Record(line, fields.iter().map(|field| (*field).to_owned()).collect())
}

#[test]
fn line_breaks_of_every_kind_end_a_record_and_empty_lines_are_none() {
    let (seen, place) = read(b"\xef\xbb\xbf\r\na,b\r\nc,d\n\n\re,f\rg,h", &[100], Some(2));
    assert_eq!(seen, [record(2, &["a", "b"]), record(3, &["c", "d"]), record(6, &["e", "f"]), record(7, &["g", "h"])]);
    assert_eq!(place.byte, 23);
}

#[test]
fn a_quoted_field_holds_line_breaks_commas_and_quotes() {
    let (seen, _) = read(b"\"a\r\nb\",\"c,\"\"d\"\"\"\ne,f\n", &[1], Some(2));
    assert_eq!(seen, [record(1, &["a\r\nb", "c,\"d\""]), record(3, &["e", "f"])]);
}

#[test]
fn a_broken_quote_costs_its_own_line_and_no_other() {
    let (seen, _) = read(b"a,\"b\nc,d\n\"e\",f\ng,\"h\n", &[100], Some(2));
    assert_eq!(
        seen,
        [Seen::Fault(1, Reason::Quotes), record(2, &["c", "d"]), record(3, &["e", "f"]), Seen::Fault(4, Reason::Quotes)]
    );
}

#[test]
fn a_line_with_too_few_or_too_many_fields_is_none() {
    let (seen, _) = read(b"a\nb,c\nd,e,f\n", &[100], Some(2));
    let columns = |found| Reason::Columns { found, expected: 2 };
    assert_eq!(seen, [Seen::Fault(1, columns(1)), record(2, &["b", "c"]), Seen::Fault(3, columns(3))]);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_whole() {
    for quote in ["", "\""] {
        let bytes = format!("a,b\nc,{quote}{}{quote}\r\nd,e\n", "x".repeat(10 * 1024 * 1024));
        let (seen, _) = read(bytes.as_bytes(), &[1000, 1024 * 1024], Some(2));
        assert_eq!(seen, [record(1, &["a", "b"]), Seen::Fault(2, Reason::TooLong), record(3, &["d", "e"])]);
    }
    let (seen, place) = read("x".repeat(200_000).as_bytes(), &[70_000], Some(2));
    assert_eq!((seen, place.byte), (vec![Seen::Fault(1, Reason::TooLong)], 200_000));
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let bytes = format!("a,\"b\n{}", "c,d\n".repeat(50_000));
    let (seen, _) = read(bytes.as_bytes(), &[4096], Some(2));
    assert_eq!(seen.len(), 50_001);
    assert_eq!(seen[0], Seen::Fault(1, Reason::Quotes));
    assert_eq!(seen[50_000], record(50_001, &["c", "d"]));
}

#[test]
fn ten_thousand_fields_are_a_fault() {
    let (seen, _) = read(format!("{}\na,b\n", ",".repeat(10_000)).as_bytes(), &[7], Some(2));
    assert_eq!(seen, [Seen::Fault(1, Reason::TooLong), record(2, &["a", "b"])]);
}

proptest! {
    #[test]
    fn what_the_csv_crate_writes_is_read_back_whatever_the_pieces(
        rows in prop::collection::vec(prop::collection::vec("[a\"',\r\n é]{0,6}", 3), 0..12),
        crlf in any::<bool>(),
        sizes in prop::collection::vec(1usize..20, 1..5),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let (seen, _) = read(&bytes, &sizes, Some(3));
        let fields: Vec<_> = seen.into_iter().map(|piece| match piece {
            Seen::Record(_, fields) => fields,
            Seen::Fault(line, reason) => panic!("line {line}: {reason}"),
        }).collect();
        prop_assert_eq!(fields, rows);
    }

    #[test]
    fn any_bytes_give_the_same_pieces_whatever_the_sizes(
        bytes in prop::collection::vec(prop::sample::select(b"ab,,\"\"\r\n\n\xef\xbb\xbf\0".to_vec()), 0..120),
        sizes in prop::collection::vec(1usize..9, 1..5),
    ) {
        let whole = read(&bytes, &[bytes.len().max(1)], Some(2));
        prop_assert_eq!(read(&bytes, &sizes, Some(2)), whole);
    }
}
