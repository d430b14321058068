//! The same bytes give the same rows, whatever the pieces.

use chrono::TimeZone as _;
use proptest::prelude::*;

use super::*;

/// Loads `bytes` in pieces of `size`; with `resumed`, each piece is read by a reader who knows only what was stored.
fn load(bytes: &[u8], size: usize, resumed: bool) -> Result<(Batch, Progress), Unusable> {
    let now = Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).unwrap();
    let (mut splitter, mut progress, mut all, mut known) = (Splitter::default(), Progress::default(), Batch::default(), 0);
    loop {
        if resumed {
            progress = serde_json::from_value(serde_json::to_value(progress).unwrap()).unwrap();
            splitter = Splitter::default();
        }
        known = (known + size).min(bytes.len());
        let from = usize::try_from(progress.place.byte).unwrap();
        let batch = parse(&mut splitter, &mut progress, &bytes[from..known], known == bytes.len(), now)?;
        all.rows.extend(batch.rows);
        all.rejects.extend(batch.rejects);
        if known == bytes.len() {
            return Ok((all, progress));
        }
    }
}

/// Lines good and bad, of every kind we know.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let kinds: Vec<&'static [u8]> = vec![
        b"2125550123,Ann,a@example.com",
        b"\"(213) 555-0199\",\"O'Neill, \"\"Bob\"\"\",",
        b"+13125550100,\"two\nlines\",c@example.com",
        b"3125550101,\"broken,c@example.com",
        b"3125550102,bro\"ken,",
        b"3125550103,too,many,fields",
        b"3125550104",
        b"not a number,Eve,",
        b"3125550105,N\0L,",
        b"3125550106,\xff\xfe,",
        b"3125550107,Dan,nowhere",
        b"",
        b"\"\n\n,\",\"",
    ];
    let end = prop::sample::select(vec![&b"\n"[..], b"\r\n", b"\r", b"\n\n"]);
    let line = (prop::sample::select(kinds), end).prop_map(|(line, end)| [line, end].concat());
    let long = Just([b"3125550108,\"".as_slice(), &b"x".repeat(70_000), b"\",\n"].concat());
    prop::collection::vec(prop_oneof![40 => line, 1 => long], 0..30).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_file_gives_the_same_rows_in_one_piece_and_in_any_pieces(lines in lines(), size in 1usize..400, resumed in any::<bool>()) {
        let bytes = [b"\xef\xbb\xbfPhone,First Name,email\r\n".as_slice(), &lines].concat();
        let (whole, end) = load(&bytes, bytes.len(), false).unwrap();
        let size = if bytes.len() > 60_000 { size * 100 } else { size };
        let (pieces, also_end) = load(&bytes, size, resumed).unwrap();
        prop_assert_eq!(&pieces, &whole);
        prop_assert_eq!(&also_end, &end);
        prop_assert_eq!(end.place.byte, bytes.len() as u64);
        // Every record is either taken or rejected, once, in order.
        let mut numbers: Vec<_> = whole.rows.iter().map(|r| r.record).chain(whole.rejects.iter().map(|r| r.record)).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=end.records).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1usize..50) {
        let _ = load(&bytes, size, true);
    }
}

#[test]
fn a_reject_says_where_and_why_and_keeps_the_line() {
    let (batch, _) = load(b"phone,email\n2125550123,x\n\n2125550123,\"two\nlines\"\n2125550124,y\0\n", 9, false).unwrap();
    let seen: Vec<_> = batch.rejects.iter().map(|r| (r.record, r.line, r.column.as_deref(), r.raw.as_str())).collect();
    assert_eq!(
        seen,
        [
            (1, 2, Some("email"), "2125550123,x"),
            (2, 4, Some("email"), "2125550123,\"two\nlines\""),
            (3, 6, Some("email"), "2125550124,y\u{fffd}"),
        ]
    );
    assert_eq!(batch.rejects[2].reason, "holds a NUL character");
}

#[test]
fn what_is_kept_of_a_rejected_line_is_bounded() {
    let (batch, _) = load(format!("phone\n{}\n", "é".repeat(30_000)).as_bytes(), 4096, false).unwrap();
    assert_eq!(batch.rejects[0].raw, "é".repeat(1000));
}

#[test]
fn a_file_without_a_header_row_is_unusable() {
    for empty in [&b""[..], b"\xef\xbb\xbf", b"\n\r\n"] {
        assert!(load(empty, 10, false).unwrap_err().to_string().contains("empty"), "{empty:?}");
    }
    assert!(load(b"\"phone\n", 10, false).unwrap_err().to_string().starts_with("the header row can't be read"));
    assert_eq!(load(b"phone", 1, false).unwrap().0, Batch::default());
}
