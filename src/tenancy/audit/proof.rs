//! Proves chains of the audit log, from the database or from an export: each hash anew, each link, each end. It asks the database
//! for nothing but the fields.

use longshore_workers::ids::TeamId;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Entry, Head, Line};

/// The first place where a chain is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Whose chain.
    pub team_id: TeamId,
    /// The entry.
    pub seq: i64,
    /// What is wrong with it.
    pub what: &'static str,
}

/// A chain as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Whose.
    pub team_id: TeamId,
    /// How many entries it has.
    pub entries: i64,
    /// The number of its newest one, which the next must follow.
    pub seq: i64,
    /// That one's hash: who keeps it elsewhere can tell later that nothing before it was rewritten.
    pub hash: String,
}

/// Takes the lines of a reading in their order, and remembers one entry and what is broken.
#[derive(Debug, Default)]
pub struct Proof {
    open: Option<Chain>,
    /// What each chain is found to be, but for those that are broken.
    pub sound: Vec<Chain>,
    /// The first broken entry of each chain that has one.
    pub broken: Vec<Broken>,
    /// Entries looked at.
    pub entries: u64,
}

impl Proof {
    /// Looks at the next line.
    pub fn take(&mut self, line: &Line) {
        match line {
            Line::Entry(entry) => self.entry(entry),
            Line::Head { head } => self.head(head),
        }
    }

    /// Ends the reading.
    pub fn finish(mut self) -> Self {
        self.close();
        self
    }

    fn entry(&mut self, entry: &Entry) {
        self.entries += 1;
        if self.open.as_ref().is_none_or(|chain| chain.team_id != entry.team_id) {
            self.close();
            self.open = Some(Chain { team_id: entry.team_id, entries: 0, seq: 0, hash: "0".repeat(64) });
        }
        let Some(chain) = &mut self.open else { return };
        let what = match entry {
            _ if entry.seq > chain.seq + 1 => Some("the entries before it are missing"),
            _ if entry.seq <= chain.seq => Some("its number was there before"),
            _ if entry.previous != chain.hash => Some("it does not follow the entry before it"),
            _ if entry.hash != due(entry) => Some("it is not what was written"),
            _ => None,
        };
        chain.entries += 1;
        chain.seq = entry.seq;
        chain.hash.clone_from(&entry.hash);
        if let Some(what) = what {
            self.break_at(entry.team_id, entry.seq, what);
        }
    }

    fn head(&mut self, head: &Head) {
        if self.open.as_ref().is_none_or(|chain| chain.team_id != head.team_id) {
            self.close();
            self.open = Some(Chain { team_id: head.team_id, entries: 0, seq: 0, hash: "0".repeat(64) });
        }
        let Some(chain) = self.open.take() else { return };
        let what = match chain {
            _ if head.seq > chain.seq => Some((chain.seq + 1, "it and what follows are missing")),
            _ if head.seq < chain.seq => Some((head.seq + 1, "it was added past the log's one way in")),
            _ if head.hash != chain.hash => Some((head.seq, "it is not the entry that the chain's head knows")),
            _ => None,
        };
        match what {
            Some((seq, what)) => self.break_at(head.team_id, seq, what),
            None if self.is_broken(chain.team_id) => {}
            None => self.sound.push(chain),
        }
    }

    /// A chain that ended without its head.
    fn close(&mut self) {
        if let Some(chain) = self.open.take() {
            self.break_at(chain.team_id, chain.seq, "the chain's head is missing");
        }
    }

    fn is_broken(&self, team: TeamId) -> bool {
        self.broken.last().is_some_and(|broken| broken.team_id == team)
    }

    fn break_at(&mut self, team_id: TeamId, seq: i64, what: &'static str) {
        if !self.is_broken(team_id) {
            self.broken.push(Broken { team_id, seq, what });
        }
    }
}

/// What an entry's hash must be.
fn due(entry: &Entry) -> String {
    let Entry { team_id, seq, at, actor, action, target, reason, before, after, previous, hash: _ } = entry;
    let (team, seq) = (team_id.to_string(), seq.to_string());
    let mut hash = Sha256::new();
    let fields = [
        Some("longshore-audit-1"),
        Some(previous),
        Some(&team),
        Some(&seq),
        Some(at),
        Some(actor),
        Some(action),
        Some(target),
        reason.as_deref(),
        before.as_deref(),
        after.as_deref(),
    ];
    for field in fields {
        match field {
            Some(text) => hash.update(format!("{}:{text},", text.len())),
            None => hash.update("-,"),
        }
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(team: u128, entries: i64) -> Vec<Line> {
        let team_id = TeamId(uuid::Uuid::from_u128(team));
        let mut previous = "0".repeat(64);
        let mut lines = Vec::new();
        for seq in 1..=entries {
            let mut entry = Entry {
                team_id,
                seq,
                at: "2026-11-17T18:00:00.000000Z".into(),
                actor: "operator ada".into(),
                action: "queue.pause".into(),
                target: format!("queue {seq}"),
                reason: (seq % 2 == 0).then(|| "because, so".into()),
                before: None,
                after: Some(r#"{"paused": true}"#.into()),
                previous: previous.clone(),
                hash: String::new(),
            };
            entry.hash = due(&entry);
            previous.clone_from(&entry.hash);
            lines.push(Line::Entry(Box::new(entry)));
        }
        lines.push(Line::Head { head: Head { team_id, seq: entries, hash: previous } });
        lines
    }

    fn prove(lines: &[Line]) -> Proof {
        let mut proof = Proof::default();
        lines.iter().for_each(|line| proof.take(line));
        proof.finish()
    }

    #[test]
    fn the_example_of_the_document_is_right() {
        let document = include_str!("../../../docs/AUDIT.md");
        let bytes = document.lines().find(|line| line.starts_with("17:longshore-audit-1,")).expect("the example");
        let Some(Line::Entry(entry)) = chain(1, 1).first().cloned() else { panic!("an entry") };
        let example = Entry { target: "queue messages".into(), reason: None, ..*entry };
        assert_eq!(due(&example), hex::encode(Sha256::digest(bytes)));
    }

    #[test]
    fn chains_that_are_as_written_are_sound() {
        let lines = [chain(1, 3), chain(2, 0), chain(3, 1)].concat();
        let proof = prove(&lines);
        assert_eq!(proof.broken, []);
        assert_eq!(proof.sound.iter().map(|chain| chain.entries).collect::<Vec<_>>(), [3, 0, 1]);
    }

    #[test]
    fn each_way_to_break_a_chain_is_named_at_its_first_entry() {
        type Break = fn(&mut Vec<Line>);
        let ways: [(Break, i64, &str); 8] = [
            (|lines| edit(lines, 1, |entry| entry.actor = "nobody".into()), 2, "it is not what was written"),
            (|lines| edit(lines, 1, |entry| entry.reason = None), 2, "it is not what was written"),
            (|lines| drop(lines.remove(1)), 3, "the entries before it are missing"),
            (|lines| drop(lines.remove(0)), 2, "the entries before it are missing"),
            (|lines| drop(lines.remove(3)), 4, "it and what follows are missing"),
            (|lines| lines.insert(1, lines[0].clone()), 1, "its number was there before"),
            (|lines| drop(lines.pop()), 4, "the chain's head is missing"),
            (
                |lines| {
                    edit(lines, 2, |entry| {
                        entry.target = "x".into();
                        entry.hash = due(entry)
                    })
                },
                4,
                "it does not follow the entry before it",
            ),
        ];
        for (way, seq, what) in ways {
            let mut lines = chain(1, 4);
            way(&mut lines);
            let broken = prove(&[lines, chain(2, 2)].concat()).broken;
            assert_eq!(broken.len(), 1, "{what}");
            assert_eq!((broken[0].seq, broken[0].what), (seq, what));
        }
    }

    fn edit(lines: &mut [Line], at: usize, change: impl Fn(&mut Entry)) {
        let Line::Entry(entry) = &mut lines[at] else { panic!("an entry") };
        change(entry);
    }
}
