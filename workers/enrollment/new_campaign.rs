//! What a team says of a campaign it wants, and what is refused in it, with the field named.

use chrono::TimeDelta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engagement::{self, Engagement};
use crate::{
    job::Invalid,
    messages::{Purpose, template},
};

/// A campaign as a team asks for it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCampaign {
    /// 1 to 200 characters, once in a team.
    pub name: String,
    /// The number its messages come from, E.164.
    pub sender: String,
    /// What its messages are for; marketing where nothing is said.
    #[serde(default)]
    pub purpose: Purpose,
    /// A lead matches with any of them; none: every lead matches.
    #[serde(default)]
    pub target_tags: Vec<String>,
    /// The levels of leads it is for: high, medium, low (or green, yellow, red). At least one.
    pub engagement: Vec<String>,
    /// Its messages in their order, 1 to 3.
    pub steps: Vec<NewStep>,
}

/// One message of a sequence.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStep {
    /// Minutes behind the step before; for the first, behind enrollment and activation.
    pub delay_minutes: i64,
    /// The text, 1 to 1600 characters, with variables in double braces. Variant `a`, where there are others.
    pub template: String,
    /// Its share of the leads beside `variants`, 1 to 100; 1 where nothing is said.
    pub weight: Option<i64>,
    /// Other texts, each for its share of the leads: variants `b`, `c`, … At most four.
    #[serde(default)]
    pub variants: Vec<NewVariant>,
}

impl NewStep {
    /// A step with one text for all.
    pub fn new(delay_minutes: i64, template: impl Into<String>) -> Self {
        Self { delay_minutes, template: template.into(), ..Self::default() }
    }
}

/// Another text of a step.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVariant {
    /// The text, 1 to 1600 characters, with variables in double braces.
    pub template: String,
    /// Its share of the leads, 1 to 100; 1 where nothing is said.
    pub weight: Option<i64>,
}

/// A campaign that keeps every rule.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub name: String,
    pub sender: String,
    pub purpose: Purpose,
    pub target_tags: Vec<String>,
    pub engagement: Vec<Engagement>,
    pub delays: Vec<i32>,
    pub templates: Vec<String>,
    pub weights: Vec<i16>,
    pub variants: Variants,
}

/// The variants of all steps but `a`, as columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Variants {
    pub steps: Vec<i16>,
    pub names: Vec<String>,
    pub weights: Vec<i16>,
    pub templates: Vec<String>,
}

/// What another text of a step is called, in their order; the step's own is `a`.
const NAMES: [&str; 4] = ["b", "c", "d", "e"];
const MOST_TAGS: usize = 100;
const LONGEST_DELAY: TimeDelta = TimeDelta::days(365);

impl NewCampaign {
    /// Refuses what could not run, naming the field.
    pub fn check(&self) -> Result<(), Invalid> {
        self.checked().map(drop)
    }

    pub(super) fn checked(&self) -> Result<Checked, Invalid> {
        let mut checked = Checked {
            name: words("name", &self.name, 200)?,
            sender: sender(&self.sender)?,
            purpose: self.purpose,
            target_tags: tags(&self.target_tags)?,
            engagement: levels(&self.engagement)?,
            delays: Vec::new(),
            templates: Vec::new(),
            weights: Vec::new(),
            variants: Variants::default(),
        };
        steps(&self.steps, &mut checked)?;
        Ok(checked)
    }
}

/// A campaign's name, without blanks around it.
pub(super) fn name(text: &str) -> Result<String, Invalid> {
    words("name", text, 200)
}

/// What leads are chosen by, for whoever asks how many there are.
pub(super) fn audience(given_tags: &[String], engagement: &[String]) -> Result<(Vec<String>, Vec<Engagement>), Invalid> {
    Ok((tags(given_tags)?, levels(engagement)?))
}

fn words(field: &str, text: &str, most: usize) -> Result<String, Invalid> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Invalid::new(field, "is empty")),
        count if count > most => Err(Invalid::new(field, format!("has {count} characters; {most} are the most"))),
        _ if text.contains('\0') => Err(Invalid::new(field, "contains a NUL character")),
        _ => Ok(text.to_owned()),
    }
}

pub(super) fn sender(text: &str) -> Result<String, Invalid> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let sound = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    let wrong = || Invalid::new("sender", "is not an E.164 number: a plus sign and 7 to 15 digits, as +15005550006");
    sound.then(|| text.to_owned()).ok_or_else(wrong)
}

fn tags(given: &[String]) -> Result<Vec<String>, Invalid> {
    if given.len() > MOST_TAGS {
        return Err(Invalid::new("target_tags", format!("has {} tags; {MOST_TAGS} are the most", given.len())));
    }
    let mut tags = Vec::with_capacity(given.len());
    for (at, tag) in given.iter().enumerate() {
        let tag = words(&format!("target_tags[{at}]"), tag, 100)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn levels(given: &[String]) -> Result<Vec<Engagement>, Invalid> {
    if given.is_empty() {
        return Err(Invalid::new("engagement", "is empty, so no lead could match; name one of high, medium, low"));
    }
    let mut levels = Vec::new();
    for (at, text) in given.iter().enumerate() {
        match engagement::map(text) {
            (level, true) if !text.trim().is_empty() => levels.push(level),
            _ => {
                let shown: String = text.chars().take(32).collect();
                return Err(Invalid::new(format!("engagement[{at}]"), format!("{shown:?} is not one of high, medium, low")));
            }
        }
    }
    levels.sort_unstable();
    levels.dedup();
    Ok(levels)
}

fn steps(given: &[NewStep], checked: &mut Checked) -> Result<(), Invalid> {
    if !(1..=3).contains(&given.len()) {
        return Err(Invalid::new("steps", format!("has {} messages; a campaign has 1 to 3", given.len())));
    }
    for (at, (step, number)) in given.iter().zip(1_i16..).enumerate() {
        let most = LONGEST_DELAY.num_minutes();
        let sound = (0..=most).contains(&step.delay_minutes).then_some(step.delay_minutes);
        let delay = sound.and_then(|minutes| i32::try_from(minutes).ok()).ok_or_else(|| {
            let reason = format!("is {}; 0 to {most} minutes (a year) are possible", step.delay_minutes);
            Invalid::new(format!("steps[{at}].delay_minutes"), reason)
        })?;
        checked.delays.push(delay);
        checked.templates.push(text(&format!("steps[{at}].template"), &step.template)?);
        checked.weights.push(weight(&format!("steps[{at}].weight"), step.weight)?);
        if step.variants.len() > NAMES.len() {
            let reason = format!("has {}; beside the step's own text there are at most {}", step.variants.len(), NAMES.len());
            return Err(Invalid::new(format!("steps[{at}].variants"), reason));
        }
        for (of, (variant, name)) in step.variants.iter().zip(NAMES).enumerate() {
            let field = format!("steps[{at}].variants[{of}]");
            checked.variants.steps.push(number);
            checked.variants.names.push(name.to_owned());
            checked.variants.weights.push(weight(&format!("{field}.weight"), variant.weight)?);
            checked.variants.templates.push(text(&format!("{field}.template"), &variant.template)?);
        }
    }
    Ok(())
}

fn text(field: &str, given: &str) -> Result<String, Invalid> {
    words(field, given, 1600)?;
    template::check(given).map_err(|error| Invalid::new(field, error.to_string()))?;
    Ok(given.to_owned())
}

fn weight(field: &str, given: Option<i64>) -> Result<i16, Invalid> {
    let given = given.unwrap_or(1);
    let sound = i16::try_from(given).ok().filter(|weight| (1..=100).contains(weight));
    sound.ok_or_else(|| Invalid::new(field, format!("is {given}; a share is 1 to 100")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn good() -> NewCampaign {
        let step = NewStep::new(0, "Hello {{ first_name }}");
        NewCampaign {
            name: "Spring".into(),
            sender: "+15005550006".into(),
            purpose: Purpose::Marketing,
            target_tags: vec!["vip".into()],
            engagement: vec!["High".into()],
            steps: vec![step],
        }
    }

    #[test]
    fn each_fault_names_its_field() {
        let step = NewStep::new;
        let varied = |variant: NewVariant| NewStep { variants: vec![variant], ..NewStep::new(0, "a") };
        let faults: Vec<(&str, NewCampaign)> = vec![
            ("name", NewCampaign { name: " \t".into(), ..good() }),
            ("name", NewCampaign { name: "x".repeat(201), ..good() }),
            ("name", NewCampaign { name: "a\0b".into(), ..good() }),
            ("sender", NewCampaign { sender: "15005550006".into(), ..good() }),
            ("sender", NewCampaign { sender: "+0500555000".into(), ..good() }),
            ("sender", NewCampaign { sender: "+1500555000６".into(), ..good() }),
            ("sender", NewCampaign { sender: String::new(), ..good() }),
            ("target_tags[1]", NewCampaign { target_tags: vec!["a".into(), " ".into()], ..good() }),
            ("target_tags", NewCampaign { target_tags: vec!["a".into(); 101], ..good() }),
            ("engagement", NewCampaign { engagement: vec![], ..good() }),
            ("engagement[1]", NewCampaign { engagement: vec!["low".into(), "hot".into()], ..good() }),
            ("engagement[0]", NewCampaign { engagement: vec![String::new()], ..good() }),
            ("steps", NewCampaign { steps: vec![], ..good() }),
            ("steps", NewCampaign { steps: vec![step(0, "a"), step(0, "a"), step(0, "a"), step(0, "a")], ..good() }),
            ("steps[1].delay_minutes", NewCampaign { steps: vec![step(0, "a"), step(-1, "a")], ..good() }),
            ("steps[0].delay_minutes", NewCampaign { steps: vec![step(525_601, "a")], ..good() }),
            ("steps[0].delay_minutes", NewCampaign { steps: vec![step(i64::MAX, "a")], ..good() }),
            ("steps[0].template", NewCampaign { steps: vec![step(0, "")], ..good() }),
            ("steps[1].template", NewCampaign { steps: vec![step(0, "a"), NewStep::new(0, "é".repeat(1601))], ..good() }),
            ("steps[0].template", NewCampaign { steps: vec![step(0, "Hello {{ fristname }}")], ..good() }),
            ("steps[0].weight", NewCampaign { steps: vec![NewStep { weight: Some(0), ..step(0, "a") }], ..good() }),
            (
                "steps[0].variants",
                NewCampaign {
                    steps: vec![NewStep { variants: vec![NewVariant { template: "b".into(), weight: None }; 5], ..step(0, "a") }],
                    ..good()
                },
            ),
            (
                "steps[0].variants[0].template",
                NewCampaign { steps: vec![varied(NewVariant { template: "{{ x }}".into(), weight: None })], ..good() },
            ),
            (
                "steps[0].variants[0].weight",
                NewCampaign { steps: vec![varied(NewVariant { template: "b".into(), weight: Some(101) })], ..good() },
            ),
        ];
        for (field, campaign) in faults {
            assert_eq!(campaign.check().expect_err(field).field, field);
        }
        assert_eq!(good().check(), Ok(()));
    }

    proptest! {
        #[test]
        fn what_passes_keeps_the_rules_of_the_table(
            name in "\\PC{0,210}", sender in "\\+?[0-9]{0,17}", tags in prop::collection::vec("[ a-c]{0,3}", 0..4),
            engagement in prop::collection::vec("(?i)(high|red|yellow|x|)", 0..4), delay in -2i64..600_000, template in "\\PC{0,20}",
        ) {
            let steps = vec![NewStep::new(delay, template)];
            if let Ok(checked) = (NewCampaign { name, sender, target_tags: tags, engagement, steps, ..NewCampaign::default() }).checked() {
                prop_assert!((1..=200).contains(&checked.name.chars().count()));
                prop_assert!((8..=16).contains(&checked.sender.len()));
                prop_assert!(checked.target_tags.iter().all(|tag| !tag.trim().is_empty()));
                prop_assert!((1..=3).contains(&checked.engagement.len()));
                prop_assert!(checked.delays.iter().all(|delay| (0..=525_600).contains(delay)));
            }
        }
    }
}
