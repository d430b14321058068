//! What can be wrong with a configuration, said so that the reader knows which line or variable to change.

use std::fmt;

/// Everything that is wrong, at once, so that a start fails once and not once a mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(.0))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    pub(super) fn one(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }
}

fn list(problems: &[String]) -> String {
    match problems {
        [one] => format!("configuration: {one}"),
        many => {
            let lines: String = many.iter().map(|problem| format!("\n- {problem}")).collect();
            format!("configuration: {} problems{lines}", many.len())
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `config.toml` as it was compiled in.
    Default,
    /// A line of the file that `--config` names.
    File {
        /// The file, as it was named.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// The file that a `…_file` setting names.
    SecretFile(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => write!(f, "env {name}"),
            Self::SecretFile(path) => write!(f, "file {path}"),
        }
    }
}

/// `; did you mean …?`, when a known name is near.
pub(super) fn did_you_mean<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.map(|name| (distance(wrong, name), name)).min();
    match nearest {
        Some((distance, name)) if distance <= 2.max(wrong.len() / 4) => format!("; did you mean {name}?"),
        _ => "; `longshore config show` lists every setting".into(),
    }
}

/// How many letters must change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
