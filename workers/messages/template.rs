//! Turns a step's template and a lead into the text that is sent. A variable that is not there is an error, never a gap.

mod grammar;

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Environment;
use serde::Serialize;
use serde_json::Value;

/// What a template may name.
pub const VARIABLES: [&str; 6] = ["first_name", "last_name", "company", "city", "state", "zip"];
/// What a template may name of the team (`longshore settings`).
pub const BRAND: [&str; 4] = ["brand.assistant_name", "brand.company", "brand.link_domain", "brand.sender_name"];

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
    #[error("the template names {}, which no lead has; it may name {}, {}", .0.join(", "), VARIABLES.join(", "), BRAND.join(", "))]
    Unknown(Vec<String>),
    /// It names what the team has not set.
    #[error("the template names {}, which the team has not set: longshore settings set", .0.join(", "))]
    NotSet(Vec<String>),
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
    grammar::check(template)?;
    let environment = grammar::environment();
    let parsed = environment.template_from_str(template).map_err(|e| TemplateError::Syntax(e.to_string()))?;
    let unknown = |name: &String| {
        let first = name.split('.').next().unwrap_or_default();
        if first == "brand" { !BRAND.contains(&name.as_str()) } else { !VARIABLES.contains(&first) }
    };
    let unknown: BTreeSet<String> = parsed.undeclared_variables(true).into_iter().filter(unknown).collect();
    if unknown.is_empty() { Ok(()) } else { Err(TemplateError::Unknown(unknown.into_iter().collect())) }
}

/// The text for one lead, without blanks around it. `lead` serializes to an object with [`VARIABLES`]; one that is missing,
/// null or blank does not exist for the template, nor does a value of the team's `brand` that is not set.
pub fn render(template: &str, lead: &impl Serialize, brand: &Brand) -> Result<String, TemplateError> {
    Texts::new([template], brand).render(0, lead)
}

/// Templates that are read once, for many leads.
pub struct Texts<'t> {
    environment: Environment<'t>,
    unreadable: BTreeMap<usize, TemplateError>,
    known: BTreeSet<String>,
    brand: minijinja::Value,
}

impl<'t> Texts<'t> {
    /// Reads templates; one that can't be read says so when it is asked for.
    pub fn new(templates: impl IntoIterator<Item = &'t str>, brand: &Brand) -> Self {
        let mut environment: Environment<'t> = grammar::environment();
        let mut unreadable = BTreeMap::new();
        for (at, template) in templates.into_iter().enumerate() {
            let syntax = |error: minijinja::Error| TemplateError::Syntax(error.to_string());
            let read =
                grammar::check(template).and_then(|()| environment.add_template_owned(at.to_string(), template).map_err(syntax));
            if let Err(error) = read {
                unreadable.insert(at, error);
            }
        }
        let known = brand.keys().map(|name| format!("brand.{name}")).collect();
        Self { environment, unreadable, known, brand: minijinja::Value::from_pairs(brand.iter()) }
    }

    /// [`render`], for the template number `at`, from 0.
    pub fn render(&self, at: usize, lead: &impl Serialize) -> Result<String, TemplateError> {
        if let Some(error) = self.unreadable.get(&at) {
            return Err(error.clone());
        }
        let parsed = self.environment.get_template(&at.to_string()).map_err(|e| TemplateError::Syntax(e.to_string()))?;
        let mut fields: BTreeMap<String, minijinja::Value> =
            values(lead)?.into_iter().map(|(name, text)| (name, text.into())).collect();
        fields.insert("brand".into(), self.brand.clone());
        let text = parsed.render(fields).map_err(|e| {
            let missing = |name: &String| name.starts_with("brand.") && !self.known.contains(name);
            let missing: BTreeSet<String> = parsed.undeclared_variables(true).into_iter().filter(missing).collect();
            if missing.is_empty() {
                TemplateError::Unresolved(reason(&e))
            } else {
                TemplateError::NotSet(missing.into_iter().collect())
            }
        })?;
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
}

/// What a team has set of itself, by its name behind `brand.`.
pub type Brand = BTreeMap<String, String>;

/// The text as somebody whose every field is known would get it: for whoever writes it. What the team has not set is an error.
pub fn preview(template: &str, brand: &Brand) -> Result<String, TemplateError> {
    check(template)?;
    let sample: BTreeMap<&str, String> = VARIABLES.iter().map(|name| (*name, format!("[{name}]"))).collect();
    render(template, &sample, brand)
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
        assert_eq!(render("Hi {{ first_name }} of {{company}}! ", &ada(), &Brand::new()), Ok("Hi Ada of Engines & Co!".into()));
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
        ] {
            let rendered = render(template, lead, &Brand::new());
            assert!(matches!(rendered, Err(TemplateError::Unresolved(_))), "{template:?} gave {rendered:?}");
        }
    }

    #[test]
    fn a_template_may_say_what_stands_in() {
        assert_eq!(render("Hi {{ last_name | default('there') }}", &ada(), &Brand::new()), Ok("Hi there".into()));
    }

    #[test]
    fn a_brand_is_filled_in_and_what_is_not_set_is_named() {
        let brand = Brand::from([("company".to_owned(), "Acme {{ first_name }}".to_owned())]);
        let template = "Hi {{ first_name }}, {{ brand.company }}";
        assert_eq!(render(template, &ada(), &brand), Ok("Hi Ada, Acme {{ first_name }}".into()));
        assert_eq!(preview(template, &brand), Ok("Hi [first_name], Acme {{ first_name }}".into()));
        let not_set = Err(TemplateError::NotSet(vec!["brand.company".into()]));
        assert_eq!((render(template, &ada(), &Brand::new()), preview(template, &Brand::new())), (not_set.clone(), not_set));
        assert_eq!(render("{{ brand.company | default('us') }}", &ada(), &Brand::new()), Ok("us".into()));
        assert_eq!(check("{{ brand.company }}{{ brand.link_domain }}"), Ok(()));
        assert_eq!(check("{{ brand.colour }}"), Err(TemplateError::Unknown(vec!["brand.colour".into()])));
        assert!(matches!(check("{{ brand }}"), Err(TemplateError::Unknown(_))));
    }

    #[test]
    fn a_text_nobody_could_get_is_refused() {
        assert_eq!(render("  ", &ada(), &Brand::new()), Err(TemplateError::Empty));
        assert_eq!(render(&"x".repeat(1601), &ada(), &Brand::new()), Err(TemplateError::TooLong(1601)));
        assert_eq!(render("a\u{0}b", &ada(), &Brand::new()), Err(TemplateError::Control(0)));
        assert!(matches!(render("Hi {{ first_name", &ada(), &Brand::new()), Err(TemplateError::Syntax(_))));
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
            prop_assert_eq!(render("{{ first_name }}", &lead, &Brand::new()), Ok(format!("x{name}x")));
        }

        #[test]
        fn no_template_makes_it_panic(template in "[{}%a-z_|. ()\"0-9\n]{0,60}") {
            let _ = render(&template, &ada(), &Brand::new());
            let _ = check(&template);
        }
    }
}
