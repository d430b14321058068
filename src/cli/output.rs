//! What a command prints: data on stdout (a table, or JSON with `--json`), words on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Width, presets};
use serde::Serialize;

use super::problem::{Exit, Problem};

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// How this run prints.
#[derive(Debug, Clone)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
    terminal: bool,
    color: bool,
    now: DateTime<Utc>,
}

impl Output {
    /// Looks at the terminal once.
    pub fn new(json: bool, color: When, no_color: bool, now: DateTime<Utc>) -> Self {
        let terminal = io::stdout().is_terminal();
        let color = match color {
            When::Auto => terminal && !no_color,
            When::Always => true,
            When::Never => false,
        };
        Self { json, terminal, color, now }
    }

    /// The present moment, as this run sees it.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Prints one JSON value. Never coloured.
    pub fn json(&self, value: &impl Serialize) -> Result<(), Problem> {
        let text = serde_json::to_string_pretty(value).map_err(|e| Problem::new(Exit::Failed, e.to_string()))?;
        self.line(&text)
    }

    /// Prints JSON when asked to, else a sentence on stderr.
    pub fn told(&self, value: &impl Serialize, words: &str) -> Result<(), Problem> {
        self.say(words);
        if self.json { self.json(value) } else { Ok(()) }
    }

    /// A line of data. A reader that went away (`| head`) is no error of ours.
    pub fn line(&self, text: &str) -> Result<(), Problem> {
        match writeln!(io::stdout().lock(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Problem::new(Exit::Failed, format!("can't write to standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Words for a person.
    pub fn say(&self, words: &str) {
        let _ = writeln!(io::stderr().lock(), "{words}");
    }

    /// A moment: how long ago or ahead on a terminal, in full elsewhere.
    pub fn time(&self, moment: DateTime<Utc>) -> String {
        if !self.terminal {
            return moment.to_rfc3339_opts(SecondsFormat::Secs, true);
        }
        let seconds = (self.now - moment).num_seconds();
        match seconds {
            -1..=1 => "now".into(),
            2.. => format!("{} ago", span(seconds)),
            _ => format!("in {}", span(-seconds)),
        }
    }

    /// As [`Output::time`]; a dash for none.
    pub fn time_or_dash(&self, moment: Option<DateTime<Utc>>) -> String {
        moment.map_or_else(|| "-".into(), |moment| self.time(moment))
    }

    /// Prints a table; on a terminal one line a row, fitted to its width.
    pub fn table(&self, table: &Table) -> Result<(), Problem> {
        let width = if self.terminal { comfy_table::Table::new().width() } else { None };
        self.line(&table.render(width, self.color))
    }

    /// Prints names and values below each other.
    pub fn fields(&self, fields: &[(&str, String)]) -> Result<(), Problem> {
        let longest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            let indent = format!("\n{:longest$}  ", "");
            let value = value.lines().map(printable).collect::<Vec<_>>().join(&indent);
            self.line(format!("{name:longest$}  {value}").trim_end())?;
        }
        Ok(())
    }
}

/// A span in its largest whole unit.
pub fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Text from elsewhere, without what would steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How a column behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Never cut.
    Text(&'static str),
    /// Never cut, to the right.
    Number(&'static str),
    /// Cut behind 20 characters on a terminal.
    Short(&'static str),
    /// Cut where the line is full.
    Flexible(&'static str),
}

/// A table without lines.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty one.
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Into<Vec<String>>) {
        self.rows.push(cells.into());
    }

    /// As text: every row in full without a `width`, else one line each.
    pub fn render(&self, width: Option<u16>, color: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_truncation_indicator("…");
        if color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        match width {
            Some(width) => table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let names = self.columns.iter().map(|column| {
            let (Column::Text(name) | Column::Number(name) | Column::Short(name) | Column::Flexible(name)) = column;
            Cell::new(name).add_attribute(Attribute::Bold)
        });
        let mut header = Row::from(names.collect::<Vec<_>>());
        header.max_height(1);
        table.set_header(header);
        for cells in &self.rows {
            let mut row = Row::from(cells.iter().map(|text| painted(text)).collect::<Vec<_>>());
            row.max_height(1);
            table.add_row(row);
        }
        for (column, shown) in self.columns.iter().zip(table.column_iter_mut()) {
            shown.set_padding((0, 2));
            match column {
                Column::Text(_) => drop(shown.set_constraint(ColumnConstraint::ContentWidth)),
                Column::Number(_) => {
                    shown.set_constraint(ColumnConstraint::ContentWidth);
                    shown.set_cell_alignment(CellAlignment::Right);
                }
                Column::Short(_) if width.is_some() => {
                    shown.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(22)));
                }
                Column::Short(_) | Column::Flexible(_) => {}
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

fn painted(text: &str) -> Cell {
    let cell = Cell::new(printable(text));
    match text {
        "dead" | "stopped" | "revoked" | "expired" => cell.fg(Color::Red),
        "paused" | "parked" | "retry" | "unknown" => cell.fg(Color::Yellow),
        "done" | "active" | "live" | "running" => cell.fg(Color::Green),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table =
            Table::new([Column::Text("JOB"), Column::Short("TEAM"), Column::Number("TRIES"), Column::Flexible("ERROR")]);
        table.row([
            "job_1".into(),
            "a team with quite a long name".into(),
            "10".into(),
            format!("the vendor said no{}", " and no".repeat(20)),
        ]);
        table.row(["job_12345".into(), "acme".into(), "3".into(), "short\u{1b}[2J\nline".into()]);
        table
    }

    #[test]
    fn a_row_is_one_line_and_fits_the_terminal() {
        for width in [60, 80, 120] {
            let text = table().render(Some(width), false);
            assert_eq!(text.lines().count(), 3, "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
            assert!(text.contains("job_12345") && text.contains('…') && text.contains("the vendor"), "{text}");
        }
    }

    #[test]
    fn without_a_terminal_nothing_is_cut_and_nothing_steers() {
        let text = table().render(None, false);
        assert_eq!(text.matches(" and no").count(), 20);
        assert!(!text.contains('\u{1b}') && !text.contains("…"), "{text:?}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_span_is_told_in_its_largest_unit() {
        assert_eq!([0, 119, 120, 7_199, 7_200, 172_800].map(span), ["0s", "119s", "2m", "119m", "2h", "2d"]);
    }
}
