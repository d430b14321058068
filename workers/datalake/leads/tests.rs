//! What each value of a lead may be.

use chrono::TimeZone as _;

use super::*;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 17, 18, 0, 0).unwrap()
}

fn header(names: &str) -> Result<Header, String> {
    read_header(names.split(',').map(str::as_bytes))
}

/// A row that has only these columns.
fn lead(row: &[(&str, &str)]) -> Result<Lead, Unfit> {
    let names = row.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    read_lead(&header(&names).unwrap(), row.iter().map(|(_, value)| value.as_bytes()), now())
}

fn column_at_fault(row: &[(&str, &str)]) -> String {
    lead(row).expect_err("a reject").column
}

#[test]
fn the_header_is_read_in_any_order_and_spelling() {
    use Column::*;
    assert_eq!(header("Last Name, PHONE ,shoe size,consent-at").unwrap(), [Some(LastName), Some(Phone), None, Some(ConsentAt)]);
}

#[test]
fn a_header_without_the_phone_names_it_and_shows_nobodys_data() {
    let error = header("Ann,+12125550123").unwrap_err();
    assert_eq!(error, "column phone is missing from the header row, which has 2 columns, divided by commas");
    assert_eq!(header("phone,Phone").unwrap_err(), "column phone stands twice in the header row");
    let utf16: Vec<u8> = "phone".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(read_header([&utf16[..]].into_iter()).unwrap_err().contains("UTF-16"));
}

#[test]
fn a_phone_number_becomes_e164() {
    for text in ["(212) 555-0123", "212.555.0123", "1 212 555 0123", "+1 (212) 555-0123", " 2125550123 "] {
        assert_eq!(lead(&[("phone", text)]).unwrap().phone, "+12125550123", "{text}");
    }
    assert_eq!(lead(&[("phone", "+44 20 7183 8750")]).unwrap().phone, "+442071838750");
}

#[test]
fn what_is_no_phone_number_is_rejected() {
    for text in ["", "n/a", "555-0123", "123", "0000000000", "212555012345", "2.12555E+09", "+1 212 555 0123 ext. 9"] {
        assert_eq!(column_at_fault(&[("phone", text)]), "phone", "{text}");
    }
}

#[test]
fn each_value_is_cleaned_or_refused_by_name() {
    let ok = [("phone", "2125550123")];
    let with = |name, value| lead(&[ok[0], (name, value)]).unwrap();
    assert_eq!(with("email", " Ann@Example.COM ").email.as_deref(), Some("ann@example.com"));
    assert_eq!(with("company", "Acme\r\n  Inc.").company.as_deref(), Some("Acme Inc."));
    assert_eq!(with("first_name", " \t ").first_name, None);
    assert_eq!(with("state", "new york").state, Some("NY"));
    assert_eq!(with("state", "tx").state, Some("TX"));
    assert_eq!(with("tags", "a; B|a ;;").tags, ["a", "B"]);
    assert_eq!(with("domain", "Example.COM").domain.as_deref(), Some("example.com"));
    for (name, value) in [
        ("email", "ann"),
        ("email", "a b@example.com"),
        ("email", "@example.com"),
        ("email", "a@b@example.com"),
        ("email", "a@-x.com"),
        ("state", "Ontario"),
        ("zip", "12345678901"),
        ("company", &"x".repeat(201)),
        ("shoe", "4\u{0}2"),
    ] {
        let fault = column_at_fault(&[ok[0], (name, value)]);
        assert_eq!(fault, if name == "shoe" { "column 2" } else { name }, "{value:?}");
    }
}

#[test]
fn engagement_is_read_robustly() {
    let read =
        |text| lead(&[("phone", "2125550123"), ("engagement", text)]).map(|lead| (lead.engagement, lead.engagement_unknown));
    for (text, wanted) in [
        (" Green ", (Engagement::High, false)),
        ("HIGH", (Engagement::High, false)),
        ("yellow", (Engagement::Medium, false)),
        ("Medium", (Engagement::Medium, false)),
        ("RED", (Engagement::Low, false)),
        ("low ", (Engagement::Low, false)),
        ("", (Engagement::Medium, false)),
        ("lukewarm", (Engagement::Medium, true)),
    ] {
        assert_eq!(read(text).unwrap(), wanted, "{text:?}");
    }
}

#[test]
fn consent_counts_only_with_its_date() {
    let read = |level, at| lead(&[("phone", "2125550123"), ("consent", level), ("consent_at", at)]);
    let at = Utc.with_ymd_and_hms(2026, 1, 31, 0, 0, 0).unwrap();
    for text in ["2026-01-31", "2026-01-31T01:00:00+01:00", "1/31/2026", "2026-01-31 00:00:00", "01/31/2026 00:00"] {
        assert_eq!(read("Express Written", text).unwrap().consent, Some(Consent { level: "express_written", at }), "{text}");
    }
    let undated = read("express", "").unwrap();
    assert_eq!((undated.consent, undated.consent_undated), (None, true));
    assert_eq!(read("no", "junk").unwrap().consent, None);
    assert_eq!(read("maybe", "2026-01-31").unwrap_err().column, "consent");
    for wrong in ["31/01/2026", "yesterday", "2027-01-31", "1926-01-31"] {
        assert_eq!(read("express", wrong).unwrap_err().column, "consent_at", "{wrong}");
    }
}
