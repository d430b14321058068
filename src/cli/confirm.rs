//! Asks before something that can't be taken back.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::problem::{Exit, Problem};

/// More than so many, and the number itself must be typed.
const TYPE_THE_NUMBER_ABOVE: i64 = 1_000;

/// Passes when `yes` was given or a person says so; fails with exit code 7 where nobody can be asked.
pub fn confirm(yes: bool, question: &str, count: i64) -> Result<(), Problem> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Problem::new(Exit::Refused, "this needs a confirmation, and nobody is at a terminal to give it")
            .value(question)
            .remedy("say it again with --yes"));
    }
    let wanted = if count > TYPE_THE_NUMBER_ABOVE { count.to_string() } else { "y".into() };
    let prompt =
        if count > TYPE_THE_NUMBER_ABOVE { format!("{question} Type {count} to go on: ") } else { format!("{question} [y/N] ") };
    let mut answer = String::new();
    let asked = io::stderr().write_all(prompt.as_bytes()).and_then(|()| io::stderr().flush());
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if says_so(&answer, &wanted) => Ok(()),
        _ => Err(Problem::new(Exit::Refused, "not confirmed; nothing was changed")),
    }
}

fn says_so(answer: &str, wanted: &str) -> bool {
    let answer = answer.trim().to_lowercase();
    answer == wanted || (wanted == "y" && answer == "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_anything_else_mean_no() {
        assert!(says_so("Y\n", "y") && says_so("yes\n", "y") && says_so("1500\n", "1500"));
        for no in ["", "\n", "n\n", "yeah\n"] {
            assert!(!says_so(no, "y"), "{no:?}");
        }
        assert!(!says_so("y\n", "1500"));
    }

    #[test]
    fn where_nobody_can_be_asked_the_code_is_7() {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            assert_eq!(confirm(false, "Really?", 1).map_err(|problem| problem.exit), Err(Exit::Refused));
        }
        assert_eq!(confirm(true, "Really?", 1), Ok(()));
    }
}
