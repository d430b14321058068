//! Holds what the demo saw against what it expected. Pure: facts in, lines and broken promises out.

use std::collections::{BTreeMap, BTreeSet};

use longshore_workers::credits::Balance;
use serde::Serialize;

use crate::{
    dev::leads_csv::Expected,
    store::demo::{Census, Figures, Message},
};

/// A text that the vendor's own record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// To whom.
    pub to: String,
    /// Our message, by the callback's address.
    pub message: Option<i64>,
}

/// What was seen of one team.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What must come of its files.
    pub expected: Expected,
    /// Credits it was given.
    pub granted: i64,
    /// Leads that were to be looked up.
    pub sample: i64,
    /// Dead letters that were to be.
    pub letters: i64,
    /// What its work came to.
    pub figures: Figures,
    /// Its jobs.
    pub census: Census,
    /// Its books.
    pub balance: Balance,
    /// Its messages.
    pub messages: Vec<Message>,
    /// What the vendor's own record holds of it.
    pub taken: Vec<Taken>,
}

/// What was seen beside the teams.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Credits that the vendor for people charged, by its own record.
    pub charged: i64,
    /// How the books disagree with their entries, in words.
    pub discrepancies: Vec<String>,
    /// Messages a killed worker had in its hands, at most.
    pub in_hand: i64,
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What was counted.
    pub what: &'static str,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub seen: String,
    /// They agree.
    pub ok: bool,
}

/// What `demo --json` prints.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the table names each in words")]
pub struct Totals {
    pub rows_in: i64,
    pub rows_loaded: i64,
    pub rows_rejected: i64,
    pub rows_duplicate: i64,
    pub enrolled: i64,
    pub enriched: i64,
    pub out_of_credit: i64,
    pub planned: i64,
    pub accepted: i64,
    pub unknown: i64,
    pub suppressed: i64,
    pub waiting_for_hours: i64,
    pub dead: i64,
    pub replayed: i64,
    pub credits_granted: i64,
    pub credits_available: i64,
    pub credits_held: i64,
    pub credits_captured: i64,
    pub credits_released: i64,
    pub second_sends: i64,
    pub jobs: i64,
    pub jobs_lost: i64,
    pub promises_broken: Vec<String>,
    pub seconds: f64,
}

/// What was expected beside what was seen.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// For people.
    pub lines: Vec<Line>,
    /// For programs.
    pub totals: Totals,
}

impl Verdict {
    fn exactly(&mut self, what: &'static str, expected: i64, seen: i64) {
        self.line(what, expected.to_string(), seen, expected == seen);
    }

    fn within(&mut self, what: &'static str, least: i64, most: i64, seen: i64) {
        let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
        self.line(what, expected, seen, (least..=most).contains(&seen));
    }

    fn line(&mut self, what: &'static str, expected: String, seen: i64, ok: bool) {
        if !ok {
            self.totals.promises_broken.push(format!("{what}: expected {expected}, saw {seen}"));
        }
        self.lines.push(Line { what, expected, seen: seen.to_string(), ok });
    }
}

/// Judges a demo by its teams and the house.
pub fn judge(teams: &[Seen], house: &House, seconds: f64) -> Verdict {
    let sum = |count: fn(&Seen) -> i64| teams.iter().map(count).sum::<i64>();
    let file = |count: fn(&Expected) -> u64| teams.iter().map(|team| count(&team.expected).cast_signed()).sum::<i64>();
    let mut verdict = Verdict::default();
    let v = &mut verdict;

    v.exactly("rows in the files", file(|e| e.rows), sum(|t| t.figures.rows_in));
    v.exactly("rows loaded as leads", file(|e| e.loaded), sum(|t| t.figures.rows_loaded));
    v.exactly("leads in the database", file(|e| e.loaded), sum(|t| t.figures.leads));
    v.exactly("rows rejected, with their reasons", file(|e| e.rejected), sum(|t| t.figures.rows_rejected));
    v.exactly("rows whose number was there already", file(|e| e.duplicates), sum(|t| t.figures.rows_duplicate));
    v.exactly("unknown engagements taken as medium", file(|e| e.warned), sum(|t| t.figures.engagement_unknown));

    let pilots = file(|e| e.pilot.total());
    let stopped = file(|e| e.pilot.opted_out);
    let sendable = file(|e| e.pilot.sendable);
    v.exactly("leads enrolled, opted-out ones left out", pilots - stopped, sum(|t| t.figures.enrolled));
    v.exactly("messages planned, one a lead", pilots - stopped, sum(|t| t.figures.planned));
    v.exactly("messages stopped for want of consent", file(|e| e.pilot.without_consent), sum(|t| t.figures.suppressed));
    v.exactly("messages waiting for the morning", file(|e| e.pilot.out_of_hours), sum(|t| t.figures.waiting));
    let unknown = sum(|t| t.figures.unknown);
    v.within("messages of unknown outcome, held for a person", 0, house.in_hand, unknown);
    v.exactly("messages accepted by the vendor, our records", sendable - unknown, sum(|t| t.figures.accepted));
    v.exactly("messages that failed or hang", 0, sum(|t| t.figures.failed + t.figures.underway));

    let record = sum(|t| t.taken.len() as i64);
    v.exactly("messages accepted, the vendor's own record", sum(|t| t.figures.accepted), record);
    let second = sum(|t| second_sends(&t.taken));
    v.exactly("second sends", 0, second);
    v.exactly("messages on one record and not on the other", 0, sum(disagreements));
    v.exactly("messages to people who said stop", 0, sum(to_stopped));

    let (granted, charged) = (sum(|t| t.granted), house.charged);
    let (available, held) = (sum(|t| t.balance.available), sum(|t| t.balance.held));
    let captured = sum(|t| t.balance.spent);
    v.exactly("leads looked up or out of credit", sum(|t| t.sample), sum(|t| t.figures.looked_up + t.figures.out_of_credit));
    let short = sum(|t| t.figures.out_of_credit);
    v.within("of those, out of credit", 1, sum(|t| t.sample) - 1, short);
    v.exactly("credits granted", granted, sum(|t| t.balance.granted));
    v.exactly("credits available, held and captured", granted, available + held + captured);
    v.within("credits captured, the vendor's own charges", charged - held, charged, captured);
    v.exactly("discrepancies in the books", 0, house.discrepancies.len() as i64);

    v.exactly("dead letters, their cause then removed", sum(|t| t.letters), sum(|t| t.figures.died));
    v.exactly("dead letters replayed", sum(|t| t.letters), sum(|t| t.figures.replayed));
    v.exactly("dead letters left", 0, sum(|t| t.figures.dead_open));
    v.exactly("files not loaded", 0, sum(|t| t.figures.files_open));
    v.exactly("jobs found nowhere", 0, sum(|t| t.census.lost));
    v.exactly("jobs found in two places", 0, sum(|t| t.census.doubled));
    v.exactly("jobs still moving", 0, sum(|t| t.figures.moving));

    let broken = std::mem::take(&mut verdict.totals.promises_broken);
    verdict.totals = Totals {
        rows_in: sum(|t| t.figures.rows_in),
        rows_loaded: sum(|t| t.figures.rows_loaded),
        rows_rejected: sum(|t| t.figures.rows_rejected),
        rows_duplicate: sum(|t| t.figures.rows_duplicate),
        enrolled: sum(|t| t.figures.enrolled),
        enriched: sum(|t| t.figures.enriched),
        out_of_credit: short,
        planned: sum(|t| t.figures.planned),
        accepted: sum(|t| t.figures.accepted),
        unknown,
        suppressed: sum(|t| t.figures.suppressed),
        waiting_for_hours: sum(|t| t.figures.waiting),
        dead: sum(|t| t.figures.died),
        replayed: sum(|t| t.figures.replayed),
        credits_granted: granted,
        credits_available: available,
        credits_held: held,
        credits_captured: captured,
        credits_released: sum(|t| t.figures.released),
        second_sends: second,
        jobs: sum(|t| t.census.accepted),
        jobs_lost: sum(|t| t.census.lost),
        promises_broken: broken,
        seconds,
    };
    verdict
}

/// Takings of a message that the vendor had taken before.
fn second_sends(taken: &[Taken]) -> i64 {
    let mut times: BTreeMap<(Option<i64>, &str), i64> = BTreeMap::new();
    for one in taken {
        *times.entry((one.message, &one.to)).or_default() += 1;
    }
    times.values().map(|times| times - 1).sum()
}

/// Messages that our records call accepted and the vendor's do not, or the other way round, or that went to another number.
/// One of unknown outcome is not called accepted; if the vendor has it all the same, the two disagree.
fn disagreements(seen: &Seen) -> i64 {
    let theirs: BTreeSet<(i64, &str)> = seen.taken.iter().map(|one| (one.message.unwrap_or_default(), one.to.as_str())).collect();
    let ours: BTreeSet<(i64, &str)> =
        seen.messages.iter().filter(|one| one.accepted).map(|one| (one.message_id, one.recipient.as_str())).collect();
    ours.symmetric_difference(&theirs).count() as i64
}

fn to_stopped(seen: &Seen) -> i64 {
    let stopped: BTreeSet<&str> = seen.expected.opted_out.iter().map(String::as_str).collect();
    seen.taken.iter().filter(|one| stopped.contains(one.to.as_str())).count() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::leads_csv::Pilot;

    /// A team of one row: one lead, one message, one lookup that found credit and one that did not.
    fn good() -> (Vec<Seen>, House) {
        let expected = Expected {
            rows: 3,
            loaded: 2,
            rejected: 1,
            opted_out: vec!["+12125550199".into()],
            pilot: Pilot { sendable: 1, opted_out: 1, ..Pilot::default() },
            ..Expected::default()
        };
        let figures = Figures {
            rows_in: 3,
            rows_loaded: 2,
            rows_rejected: 1,
            leads: 2,
            enrolled: 1,
            planned: 1,
            accepted: 1,
            enriched: 1,
            looked_up: 1,
            out_of_credit: 1,
            died: 1,
            replayed: 1,
            ..Figures::default()
        };
        let seen = Seen {
            expected,
            granted: 10,
            sample: 2,
            letters: 1,
            figures,
            census: Census { accepted: 5, ..Census::default() },
            balance: Balance { available: 1, held: 0, spent: 9, owed: 0, granted: 10 },
            messages: vec![Message { message_id: 7, recipient: "+12125550100".into(), accepted: true }],
            taken: vec![Taken { to: "+12125550100".into(), message: Some(7) }],
        };
        (vec![seen], House { charged: 9, in_hand: 4, ..House::default() })
    }

    fn broken(change: impl FnOnce(&mut Seen, &mut House)) -> Vec<String> {
        let (mut teams, mut house) = good();
        change(&mut teams[0], &mut house);
        judge(&teams, &house, 1.0).totals.promises_broken
    }

    #[test]
    fn a_demo_that_kept_every_promise_breaks_none() {
        assert_eq!(broken(|_, _| ()), Vec::<String>::new());
    }

    #[test]
    fn each_broken_promise_is_named() {
        let again = |seen: &mut Seen, _: &mut House| seen.taken.push(seen.taken[0].clone());
        assert!(broken(again).contains(&"second sends: expected 0, saw 1".to_owned()));
        let named = |sentence: &str, change: fn(&mut Seen, &mut House)| {
            let broken = broken(change);
            assert!(broken.iter().any(|one| one.starts_with(sentence)), "{sentence}: {broken:?}");
        };
        named("jobs found nowhere", |seen, _| seen.census.lost = 1);
        named("jobs still moving", |seen, _| seen.figures.moving = 1);
        named("rows loaded as leads", |seen, _| seen.figures.rows_loaded = 1);
        named("credits available, held and captured", |seen, _| seen.balance.available = 0);
        named("credits captured, the vendor's own charges", |_, house| house.charged = 8);
        named("discrepancies in the books", |_, house| house.discrepancies.push("x".into()));
        named("messages to people who said stop", |seen, _| seen.taken[0].to = "+12125550199".into());
        named("messages of unknown outcome", |seen, _| seen.figures.unknown = 5);
        named("messages on one record and not on the other", |seen, _| seen.messages[0].accepted = false);
        named("dead letters left", |seen, _| seen.figures.dead_open = 1);
    }

    #[test]
    fn a_message_whose_outcome_is_unknown_may_be_missing_but_not_be_on_the_vendors_record() {
        let lost_on_the_way = |seen: &mut Seen, _: &mut House| {
            (seen.figures.unknown, seen.figures.accepted) = (1, 0);
            seen.messages[0].accepted = false;
            seen.taken.clear();
        };
        assert_eq!(broken(lost_on_the_way), Vec::<String>::new());
        let taken_all_the_same = |seen: &mut Seen, house: &mut House| {
            let taken = seen.taken.clone();
            lost_on_the_way(seen, house);
            seen.taken = taken;
        };
        assert!(!broken(taken_all_the_same).is_empty());
    }
}
