//! Turns a step's template and a lead into the text that is sent. A variable that is not there is an error, never a gap.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value;

/// What a template may name.
pub const VARIABLES: [&str; 6] = ["first_name", "last_name", "company", "city", "state", "zip"];

// A text has 1600 characters; a template that computes longer than this is not writing one.
const FUEL: u64 = 20_000;
const LONGEST: usize = 1600;

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It can't be read.
    #[error("the template can't be read: {0}")]
    Syntax(String),
    /// It names what no lead has.
    #[error("the template names {}, which no lead has; it may name {}", .0.join(", "), VARIABLES.join(", "))]
    Unknown(Vec<String>),
    /// This lead lacks what it names. Names the template's place, not the lead's data.
    #[error("the template could not be filled for this lead: {0}")]
    Unresolved(String),
    /// The text is empty.
    #[error("the text is empty")]
    Empty,
    /// The text is too long.
    #[error("the text has {0} characters; at most 1600 can be sent")]
    TooLong(usize),
    /// The text holds a character that can't be stored or sent.
    #[error("the text holds the control character U+{0:04X}")]
    Control(u32),
}

/// Refuses a template that could not be filled for any lead.
pub fn check(template: &str) -> Result<(), TemplateError> {
    let environment = environment();
    let parsed = environment.template_from_str(template).map_err(|e| TemplateError::Syntax(e.to_string()))?;
    let known = BTreeSet::from(VARIABLES.map(str::to_owned));
    let unknown: BTreeSet<String> = parsed.undeclared_variables(false).into_iter().filter(|name| !known.contains(name)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(TemplateError::Unknown(unknown.into_iter().collect())) }
}

/// The text for one lead, without blanks around it. `lead` serializes to an object with [`VARIABLES`]; one that is missing,
/// null or blank does not exist for the template.
pub fn render(template: &str, lead: &impl Serialize) -> Result<String, TemplateError> {
    let environment = environment();
    let parsed = environment.template_from_str(template).map_err(|e| TemplateError::Syntax(e.to_string()))?;
    let text = parsed.render(values(lead)?).map_err(|e| TemplateError::Unresolved(reason(&e)))?;
    let text = text.trim();
    if let Some(control) = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(TemplateError::Control(control.into()));
    }
    match text.chars().count() {
        0 => Err(TemplateError::Empty),
        length if length > LONGEST => Err(TemplateError::TooLong(length)),
        _ => Ok(text.to_owned()),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

fn values(lead: &impl Serialize) -> Result<BTreeMap<String, String>, TemplateError> {
    let lead = serde_json::to_value(lead).map_err(|e| TemplateError::Unresolved(e.to_string()))?;
    let Value::Object(fields) = lead else { return Ok(BTreeMap::new()) };
    let texts = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.trim().to_owned())));
    Ok(texts.filter(|(_, text)| !text.is_empty()).collect())
}

/// The kind and place of an error; its detail could quote the lead's data.
fn reason(error: &minijinja::Error) -> String {
    match error.line() {
        Some(line) => format!("{} in line {line}", error.kind()),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ada() -> Value {
        json!({ "first_name": "Ada", "company": "Engines & Co", "last_name": null })
    }

    #[test]
    fn what_is_known_is_filled_in_as_it_is() {
        assert_eq!(render("Hi {{ first_name }} of {{company}}! ", &ada()), Ok("Hi Ada of Engines & Co!".into()));
    }

    #[test]
    fn a_missing_or_blank_variable_is_an_error() {
        let blank = json!({ "first_name": "  " });
        for (template, lead) in [
            ("Hi {{ last_name }}", &ada()),
            ("Hi {{ first_name }}", &blank),
            ("Hi {{ nonsense }}", &ada()),
            ("Hi {{ first_name.nick }}", &ada()),
            ("{% if last_name %}Hi{% endif %}", &ada()),
            ("{% for x in last_name %}{{ x }}{% endfor %}Hi", &ada()),
        ] {
            let rendered = render(template, lead);
            assert!(matches!(rendered, Err(TemplateError::Unresolved(_))), "{template:?} gave {rendered:?}");
        }
    }

    #[test]
    fn a_template_may_say_what_stands_in() {
        assert_eq!(render("Hi {{ last_name | default('there') }}", &ada()), Ok("Hi there".into()));
    }

    #[test]
    fn a_text_nobody_could_get_is_refused() {
        assert_eq!(render("  ", &ada()), Err(TemplateError::Empty));
        assert_eq!(render(&"x".repeat(1601), &ada()), Err(TemplateError::TooLong(1601)));
        assert_eq!(render("a\u{0}b", &ada()), Err(TemplateError::Control(0)));
        assert!(matches!(render("{% for i in range(99999) %}{% endfor %}x", &ada()), Err(TemplateError::Unresolved(_))));
        assert!(matches!(render("Hi {{ first_name", &ada()), Err(TemplateError::Syntax(_))));
    }

    #[test]
    fn a_variable_nobody_has_is_refused_when_the_template_is_written() {
        assert_eq!(check("Hi {{ first_name }} in {{ city }}"), Ok(()));
        assert_eq!(check("Hi {{ fristname }}"), Err(TemplateError::Unknown(vec!["fristname".into()])));
        assert!(matches!(check("Hi {% if %}"), Err(TemplateError::Syntax(_))));
    }

    proptest! {
        #[test]
        fn a_leads_data_is_never_read_as_a_template(name in "[a-z{}%# |_]{1,30}") {
            let lead = json!({ "first_name": format!("x{name}x") });
            prop_assert_eq!(render("{{ first_name }}", &lead), Ok(format!("x{name}x")));
        }

        #[test]
        fn no_template_makes_it_panic(template in "[{}%a-z_|. ()\"0-9\n]{0,60}") {
            let _ = render(&template, &ada());
            let _ = check(&template);
        }
    }
}
