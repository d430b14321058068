//! The ledger beside a model of it: whatever is done to both, they agree, and the books stay sound.

use std::collections::BTreeMap;

use longshore::workers::{
    credits::{self, Balance, Held, HoldKey, HoldState, Settled},
    ids::JobId,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::Books;

#[derive(Debug, Clone)]
enum Op {
    Grant(i64),
    Hold(i64, i32, i64),
    Capture(i64, i32, i64),
    MarkUnknown(i64, i32),
    Expire,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        1 => (1i64..40).prop_map(Op::Grant),
        4 => (1i64..4, 1i32..4, 0i64..15).prop_map(|(job, call, amount)| Op::Hold(job, call, amount)),
        4 => (1i64..4, 1i32..4, 0i64..25).prop_map(|(job, call, amount)| Op::Capture(job, call, amount)),
        2 => (1i64..4, 1i32..4).prop_map(|(job, call)| Op::MarkUnknown(job, call)),
        1 => Just(Op::Expire),
    ];
    proptest::collection::vec(op, 1..40)
}

/// The ledger as one would explain it.
#[derive(Default)]
struct Model {
    books: BTreeMap<&'static str, i64>,
    holds: BTreeMap<(i64, i32), (i64, HoldState, i64)>,
}

impl Model {
    fn of(&self, account: &str) -> i64 {
        self.books.get(account).copied().unwrap_or(0)
    }

    fn add(&mut self, account: &'static str, amount: i64) {
        *self.books.entry(account).or_default() += amount;
    }

    fn receive(&mut self, amount: i64) {
        let repaid = amount.min(self.of("owed"));
        self.add("owed", -repaid);
        self.add("available", amount - repaid);
    }

    fn settle(&mut self, key: (i64, i32), charged: i64) {
        let (amount, ..) = self.holds[&key];
        self.add("held", -amount);
        self.add("spent", charged);
        if charged <= amount {
            self.receive(amount - charged);
        } else {
            let from_available = (charged - amount).min(self.of("available"));
            self.add("available", -from_available);
            self.add("owed", charged - amount - from_available);
        }
        let state = if charged > 0 { HoldState::Captured } else { HoldState::Released };
        self.holds.insert(key, (amount, state, charged));
    }

    /// What the ledger should answer, in words; `!` where it should refuse.
    fn apply(&mut self, op: &Op) -> String {
        match *op {
            Op::Grant(amount) => {
                self.add("granted", amount);
                self.receive(amount);
                "granted".into()
            }
            Op::Hold(job, call, amount) => match self.holds.get(&(job, call)) {
                Some((held, ..)) if *held != amount => "!".into(),
                Some((_, state, _)) => format!("{:?}", Held::AlreadyHeld(*state)),
                None if self.of("available") < amount => {
                    format!("{:?}", Held::Insufficient { available: self.of("available") })
                }
                None => {
                    self.add("available", -amount);
                    self.add("held", amount);
                    self.holds.insert((job, call), (amount, HoldState::Held, 0));
                    format!("{:?}", Held::Held)
                }
            },
            Op::Capture(job, call, charged) => match self.holds.get(&(job, call)).copied() {
                None => "!".into(),
                Some((_, HoldState::Released, _)) if charged > 0 => "!".into(),
                Some((_, state @ (HoldState::Captured | HoldState::Released), captured)) => {
                    format!("{:?}", Settled::Before { state, captured })
                }
                Some(_) => {
                    self.settle((job, call), charged);
                    format!("{:?}", Settled::Now)
                }
            },
            Op::MarkUnknown(job, call) => match self.holds.get_mut(&(job, call)) {
                Some((_, state @ (HoldState::Held | HoldState::Unknown), _)) => {
                    *state = HoldState::Unknown;
                    "true".into()
                }
                _ => "false".into(),
            },
            Op::Expire => {
                let open = |state| matches!(state, HoldState::Held | HoldState::Unknown);
                let due: Vec<_> =
                    self.holds.iter().filter(|(_, (_, state, _))| open(*state)).map(|(key, hold)| (*key, hold.0)).collect();
                due.into_iter().for_each(|(key, amount)| self.settle(key, amount));
                "expired".into()
            }
        }
    }

    fn balance(&self) -> Balance {
        Balance {
            available: self.of("available"),
            held: self.of("held"),
            spent: self.of("spent"),
            owed: self.of("owed"),
            granted: self.of("granted"),
        }
    }
}

#[test]
fn the_ledger_behaves_as_one_would_explain_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let books = runtime.block_on(Books::with(0));
    let names = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let found = runner.run(&ops(), |ops| {
        names.set(names.get() + 1);
        runtime.block_on(async {
            let team = books.db.team(&format!("team {}", names.get())).await;
            let mut model = Model::default();
            for op in &ops {
                let key = |job, call| HoldKey { team, job: JobId(job), step: "person", call };
                let answer = match *op {
                    Op::Grant(amount) => {
                        let mut conn = books.operator.acquire().await.unwrap();
                        credits::grant(&mut conn, team, amount, "a test").await.map(|()| "granted".into())
                    }
                    Op::Hold(job, call, amount) => books.hold(key(job, call), amount).await.map(|held| format!("{held:?}")),
                    Op::Capture(job, call, amount) => books.capture(key(job, call), amount).await.map(|done| format!("{done:?}")),
                    Op::MarkUnknown(job, call) => books.mark_unknown(key(job, call)).await.map(|open| open.to_string()),
                    Op::Expire => {
                        books.let_a_day_pass(team).await;
                        books.settle_expired().await;
                        Ok("expired".into())
                    }
                };
                prop_assert_eq!(answer.unwrap_or_else(|_| "!".into()), model.apply(op), "{:?}", op);
                prop_assert_eq!(books.balance_of(team).await, model.balance(), "after {:?}", op);
            }
            prop_assert_eq!(books.wrong().await, Vec::<String>::new());
            Ok(())
        })
    });
    found.unwrap_or_else(|broken| panic!("{broken}"));
}
