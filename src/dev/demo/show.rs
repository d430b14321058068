//! What a person sees while the demo works: bars on a terminal, a line a step elsewhere. All of it on standard error.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::verdict::Line;

/// Where the steps are shown.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    bars: bool,
}

impl Show {
    /// Bars, where somebody would see them.
    pub fn new() -> Self {
        Self { bars: stderr().is_terminal() }
    }

    /// A sentence.
    pub fn say(self, words: &str) {
        eprintln!("{words}");
    }

    /// A step that is under way.
    pub fn step(self, name: &str, total: i64) -> Step {
        let target = if self.bars { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total.unsigned_abs()), target);
        let style = ProgressStyle::with_template("  {msg:34} {bar:30} {human_pos:>7}/{human_len:7} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Step { bar, name: name.to_owned(), started: Instant::now() }
    }
}

impl Default for Show {
    fn default() -> Self {
        Self::new()
    }
}

/// A step that is under way.
#[derive(Debug)]
pub struct Step {
    bar: ProgressBar,
    name: String,
    started: Instant,
}

impl Step {
    /// So much of it is done.
    pub fn at(&self, done: i64) {
        self.bar.set_position(done.unsigned_abs());
    }

    /// It is over, with a word on what came of it.
    pub fn done(self, result: &str) {
        self.bar.finish_and_clear();
        eprintln!("  {:34} {result} ({:.1} s)", self.name, self.started.elapsed().as_secs_f64());
    }
}

/// The lines of a verdict, what differs marked.
pub fn table(lines: &[Line]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(["promise", "expected", "seen", ""]);
    for line in lines {
        let mark = if line.ok { Cell::new("ok") } else { Cell::new("BROKEN").fg(Color::Red).add_attribute(Attribute::Bold) };
        let number = |text: &str| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([Cell::new(line.what), number(&line.expected), number(&line.seen), mark]);
    }
    table
}
