//! Works through many things one by one: at a chosen rate, with a bar on a terminal, stopping between two on Ctrl-C.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    arguments::Rate,
    problem::{Exit, Problem},
};
use crate::shutdown::Shutdown;

/// What came of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was done.
    Done,
    /// Somebody else did it first.
    Skipped,
    /// It could not be done.
    Failed,
}

/// What came of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Matched at the start.
    pub matched: i64,
    /// Done.
    pub done: i64,
    /// Settled by somebody else meanwhile.
    pub skipped: i64,
    /// Not possible.
    pub failed: i64,
    /// Ctrl-C came before the end.
    pub interrupted: bool,
}

impl Tally {
    /// The code that tells it.
    pub fn exit(&self) -> Exit {
        match self {
            Self { interrupted: true, .. } => Exit::Interrupted,
            Self { matched: 0, .. } => Exit::NothingMatched,
            Self { failed: 0, .. } => Exit::Done,
            Self { done: 0, .. } => Exit::Failed,
            _ => Exit::PartlyDone,
        }
    }
}

/// Paces a batch and counts it.
#[derive(Debug)]
pub struct Batch {
    tally: Tally,
    started: Instant,
    rate: Option<Rate>,
    bar: ProgressBar,
    shutdown: Shutdown,
}

impl Batch {
    /// Starts one of `matched` things.
    pub fn start(matched: i64, rate: Option<Rate>) -> Result<Self, Problem> {
        let deaf = |error: std::io::Error| Problem::new(Exit::Failed, format!("can't listen for Ctrl-C: {error}"));
        let target = if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {per_sec}  {eta}");
        let bar = ProgressBar::with_draw_target(Some(matched.unsigned_abs()), target)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Ok(Self {
            tally: Tally { matched, ..Tally::default() },
            started: Instant::now(),
            rate,
            bar,
            shutdown: Shutdown::on_signals().map_err(deaf)?,
        })
    }

    /// Waits until the next thing may be done. False: stop here.
    pub async fn may_go_on(&mut self) -> bool {
        let begun = self.tally.done + self.tally.skipped + self.tally.failed;
        let due = self.started + self.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(begun as f64 / rate.per_second));
        tokio::select! {
            biased;
            () = self.shutdown.stop().cancelled() => self.tally.interrupted = true,
            () = tokio::time::sleep_until(due) => {}
        }
        !self.tally.interrupted
    }

    /// Waits so long, or until Ctrl-C.
    pub async fn pause(&self, how_long: Duration) {
        tokio::select! {
            () = self.shutdown.stop().cancelled() => {}
            () = tokio::time::sleep(how_long) => {}
        }
    }

    /// Counts what came of it.
    pub fn count(&mut self, step: Step) {
        match step {
            Step::Done => self.tally.done += 1,
            Step::Skipped => self.tally.skipped += 1,
            Step::Failed => self.tally.failed += 1,
        }
        self.bar.inc(1);
    }

    /// What came of it so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// A line of words that the bar does not run over.
    pub fn say(&self, words: &str) {
        self.bar.suspend(|| eprintln!("{words}"));
    }

    /// Ends it.
    pub fn finish(self) -> Tally {
        self.bar.finish_and_clear();
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rate_is_kept() {
        let mut batch = Batch::start(21, "200/s".parse().ok()).expect("a batch");
        let started = Instant::now();
        while batch.tally.done < 21 {
            assert!(batch.may_go_on().await);
            batch.count(Step::Done);
        }
        assert!(started.elapsed() >= Duration::from_millis(100), "{:?}", started.elapsed());
        assert_eq!(batch.finish().exit(), Exit::Done);
    }

    #[test]
    fn the_code_tells_what_came_of_a_batch() {
        let tally = |matched, done, failed| Tally { matched, done, failed, ..Tally::default() }.exit();
        assert_eq!(tally(0, 0, 0), Exit::NothingMatched);
        assert_eq!(tally(2, 2, 0), Exit::Done);
        assert_eq!(tally(2, 1, 1), Exit::PartlyDone);
        assert_eq!(tally(2, 0, 2), Exit::Failed);
        assert_eq!(Tally { matched: 9, done: 3, interrupted: true, ..Tally::default() }.exit(), Exit::Interrupted);
    }
}
