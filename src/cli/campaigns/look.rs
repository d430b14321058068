//! Looking into campaigns: how one stands, whom it would reach, what became of each lead.

use clap::Args;
use serde::Serialize;

use super::{Named, find, not_found, of};
use crate::{
    cli::{
        env::Env,
        output::{Column, Table, span},
        problem::{Exit, Problem},
    },
    workers::{
        enrollment::{
            campaigns::{self, Campaign, Step},
            figures::{self, Figures},
            preview::{Audience, Counted, FURTHEST_OFFSET},
            refresh_tags,
            report::{self, CampaignReport},
            trail::{self, Entry, Place},
        },
        messages::segments,
        settings::Settings,
    },
};

/// Whom to show.
#[derive(Debug, Args)]
pub struct Preview {
    #[command(flatten)]
    named: Named,
    /// Where the sample begins
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..=FURTHEST_OFFSET))]
    offset: i64,
    /// Leads in the sample
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..=100))]
    limit: i64,
}

/// Which part of a trail.
#[derive(Debug, Args)]
pub struct Trail {
    #[command(flatten)]
    named: Named,
    /// Go on behind this place, the last of the page before: lead, step and round, as 51.1.1
    #[arg(long, value_name = "PLACE")]
    after: Option<Place>,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Which lead.
#[derive(Debug, Args)]
pub struct Why {
    #[command(flatten)]
    named: Named,
    /// The lead's number
    lead: i64,
}

/// Whose tags.
#[derive(Debug, Args)]
pub struct Tags {
    /// The team (name or id)
    #[arg(long)]
    team: String,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    campaign: &'a Campaign,
    steps: &'a [Step],
    report: &'a CampaignReport,
}

pub(super) async fn show(named: &Named, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let campaign = find(&mut tx, team, id).await?;
    let steps = campaigns::steps(&mut tx, team, id).await?;
    let report = report::report(&mut tx, team, id).await?;
    if env.out.json {
        env.out.json(&Shown { campaign: &campaign, steps: &steps, report: &report })?;
        return Ok(Exit::Done);
    }
    env.out.fields(&fields(&campaign, &report, env))?;
    env.out.line("")?;
    let columns = [
        Column::Number("STEP"),
        Column::Text("AFTER"),
        Column::Text("VARIANT"),
        Column::Number("SHARE"),
        Column::Number("SEGMENTS"),
        Column::Flexible("TEMPLATE"),
    ];
    let mut table = Table::new(columns);
    for step in &steps {
        let own = ("a", step.weight, step.template.as_str());
        let others = step.variants.iter().map(|one| (one.variant.as_str(), one.weight, one.template.as_str()));
        for (variant, weight, template) in std::iter::once(own).chain(others) {
            table.row([
                step.step.to_string(),
                span(i64::from(step.delay_minutes) * 60),
                variant.to_owned(),
                weight.to_string(),
                // Of the text as it stands: a lead's own words make it longer or shorter.
                segments::count(template).segments.to_string(),
                template.to_owned(),
            ]);
        }
    }
    env.out.table(&table)?;
    Ok(Exit::Done)
}

fn fields(campaign: &Campaign, report: &CampaignReport, env: &Env) -> Vec<(&'static str, String)> {
    let levels: Vec<_> = campaign.engagement.iter().map(|level| level.as_str()).collect();
    let tags = if campaign.target_tags.is_empty() { "all leads".into() } else { campaign.target_tags.join(" ") };
    let CampaignReport { matching, enrollments: leads, messages, .. } = report;
    vec![
        ("campaign", campaign.id.0.to_string()),
        ("name", campaign.name.clone()),
        ("state", stands(campaign)),
        ("sender", campaign.sender.clone()),
        ("purpose", campaign.purpose.as_str().to_owned()),
        ("tags", tags),
        ("engagement", levels.join(" ")),
        ("created", env.out.time(campaign.created_at)),
        ("scheduled for", env.out.time_or_dash(campaign.activate_at)),
        ("activated", env.out.time_or_dash(campaign.activated_at)),
        ("recalled", env.out.time_or_dash(campaign.recalled_at)),
        ("matching", format!("{matching} leads")),
        (
            "enrolled",
            format!("{}: {} running, {} completed, {} stopped", leads.enrolled, leads.running, leads.completed, leads.stopped),
        ),
        (
            "messages",
            format!(
                "{} planned: {} accepted, {} delivered, {} failed, {} unknown, {} suppressed, {} waiting",
                messages.planned,
                messages.accepted,
                messages.delivered,
                messages.failed,
                messages.unknown,
                messages.suppressed,
                messages.waiting
            ),
        ),
    ]
}

/// Its state, and why it is in it where no person moved it there.
fn stands(campaign: &Campaign) -> String {
    let why = campaign.state_reason.as_deref().map(|reason| match reason {
        "filtered" => "by itself: carriers took too many of its texts for spam; the audit log has the figures",
        "sender_unregistered" => "by itself: its number is none of the team's",
        "sender_retired" => "by itself: its number is out of use",
        "all_through" => "by itself: nobody was left in it",
        other => other,
    });
    why.map_or_else(|| campaign.state.to_string(), |why| format!("{} {why}", campaign.state))
}

pub(super) async fn preview(wanted: &Preview, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(&wanted.named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    let audience = Audience::of(&mut tx, team, id).await?.ok_or_else(|| not_found(id))?;
    let steps = campaigns::steps(&mut tx, team, id).await?;
    let brand = Settings::load(&mut tx, team).await?.brand();
    let seen = audience.preview(&mut tx, team, &steps, &brand, (wanted.offset, wanted.limit)).await?;
    if env.out.json {
        env.out.json(&seen)?;
        return Ok(Exit::Done);
    }
    let Counted { total, free, no_phone, stopped, suppressed, enrolled_before, running_elsewhere, counted_at, .. } =
        &seen.counted;
    let counted = counted_at.map_or_else(|| "now".to_owned(), |at| env.out.time(at));
    let skipped = format!(
        "{no_phone} no phone, {stopped} stopped, {suppressed} suppressed, {enrolled_before} enrolled before, \
         {running_elsewhere} running elsewhere"
    );
    env.out.fields(&[
        ("matching", format!("{total} leads")),
        ("free", free.to_string()),
        ("skipped", skipped),
        ("counted", counted),
    ])?;
    let columns = [Column::Number("STEP"), Column::Text("VARIANT"), Column::Text("SEGMENTS"), Column::Flexible("TEXT")];
    let mut texts = Table::new(columns);
    for one in &seen.texts {
        let segments = one.segments.map_or_else(|| "-".into(), |all| format!("{} {}", all.segments, all.encoding.as_str()));
        let text = one.text.clone().or_else(|| one.problem.clone()).unwrap_or_default();
        texts.row([one.step.to_string(), one.variant.clone(), segments, text]);
    }
    env.out.line("")?;
    env.out.table(&texts)?;
    let columns = [Column::Number("LEAD"), Column::Flexible("NAME"), Column::Text("FATE"), Column::Flexible("PROBLEM")];
    let mut sample = Table::new(columns);
    for lead in &seen.sample {
        let names: Vec<_> = [&lead.first_name, &lead.last_name].into_iter().filter_map(Option::as_deref).collect();
        sample.row([lead.lead_id.to_string(), names.join(" "), lead.fate.clone(), lead.problem.clone().unwrap_or_default()]);
    }
    env.out.line("")?;
    env.out.table(&sample)?;
    Ok(Exit::Done)
}

pub(super) async fn trail(wanted: &Trail, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(&wanted.named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    find(&mut tx, team, id).await?;
    let entries = trail::page(&mut tx, team, id, wanted.after, wanted.limit).await?;
    if env.out.json {
        env.out.json(&entries)?;
    } else if entries.is_empty() {
        env.out.say("nothing was planned for any lead");
    } else {
        told(&entries, env)?;
    }
    if let Some(last) = entries.last().filter(|_| entries.len() as i64 == wanted.limit) {
        env.out.say(&format!("there may be more: --after {}", last.place()));
    }
    Ok(Exit::Done)
}

pub(super) async fn why(wanted: &Why, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(&wanted.named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    find(&mut tx, team, id).await?;
    let Some(why) = trail::why(&mut tx, team, id, wanted.lead).await? else {
        return Err(Problem::new(Exit::NothingMatched, "the team has no such lead").value(wanted.lead.to_string()));
    };
    if env.out.json {
        env.out.json(&why)?;
        return Ok(Exit::Done);
    }
    let mut fields = vec![("lead", why.lead_id.to_string()), ("answer", why.answer.clone())];
    if let Some(enrollment) = &why.enrollment {
        let next = enrollment.next_step.map_or_else(|| "-".into(), |step| format!("step {step}"));
        fields.push((
            "enrolled",
            format!("{} by job_{}, round {}", env.out.time(enrollment.enrolled_at), enrollment.run_job, enrollment.round),
        ));
        fields.push(("sequence", enrollment.state.clone()));
        fields.push(("next", format!("{next} {}", env.out.time_or_dash(enrollment.next_due_at))));
    }
    env.out.fields(&fields)?;
    if !why.trail.is_empty() {
        env.out.line("")?;
        told(&why.trail, env)?;
    }
    Ok(Exit::Done)
}

/// A line for each thing that happened, in its order.
fn told(entries: &[Entry], env: &Env) -> Result<(), Problem> {
    let columns = [
        Column::Number("LEAD"),
        Column::Number("STEP"),
        Column::Text("VARIANT"),
        Column::Number("ROUND"),
        Column::Text("WHEN"),
        Column::Text("WHAT"),
        Column::Flexible("BY"),
    ];
    let mut table = Table::new(columns);
    for one in entries {
        let again = one.resend_of.map(|message| format!("once more, after message {message}"));
        let mut lines = vec![(one.planned_at, "planned".to_owned(), again.unwrap_or_default())];
        let decided = one.decisions.iter();
        lines.extend(decided.map(|all| (all.at, all.verdict.clone(), format!("{} ({})", all.rule, all.rules_version))));
        if let Some(at) = one.attempted_at {
            lines.push((at, "dispatched".into(), one.vendor.clone().unwrap_or_default()));
        }
        if let Some(at) = one.accepted_at {
            let segments = one.segments.map(|segments| format!("{segments} segments"));
            lines.push((at, "accepted".into(), segments.unwrap_or_default()));
        }
        let code = |code: Option<i32>| code.map(|code| format!("error {code}")).unwrap_or_default();
        lines.extend(one.reports.iter().map(|all| (all.at, format!("vendor: {}", all.status), code(all.error_code))));
        if let Some(at) = one.ended_at {
            lines.push((at, one.state.clone(), one.reason.clone().unwrap_or_default()));
        }
        lines.sort_by_key(|(at, ..)| *at);
        for (at, what, by) in lines {
            table.row([
                one.lead_id.to_string(),
                one.step.to_string(),
                one.variant.clone(),
                one.round.to_string(),
                env.out.time(at),
                what,
                by,
            ]);
        }
    }
    env.out.table(&table)
}

pub(super) async fn analytics(named: &Named, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let (team, id) = of(named, &mut db).await?;
    let mut tx = db.begin_as(team).await?;
    find(&mut tx, team, id).await?;
    let all = figures::load(&mut tx, team, id).await?;
    if env.out.json {
        env.out.json(&all)?;
        return Ok(Exit::Done);
    }
    let columns = [
        Column::Text("STEP"),
        Column::Text("VARIANT"),
        Column::Number("PLANNED"),
        Column::Number("ACCEPTED"),
        Column::Number("DELIVERED"),
        Column::Number("FAILED"),
        Column::Number("SUPPRESSED"),
        Column::Number("REPLIES"),
        Column::Number("OPT-OUTS"),
        Column::Number("SEGMENTS"),
        Column::Number("CREDITS"),
    ];
    let mut table = Table::new(columns);
    let mut row = |step: String, variant: &str, figures: &Figures| {
        table.row([
            step,
            variant.to_owned(),
            figures.planned.to_string(),
            figures.accepted.to_string(),
            figures.delivered.to_string(),
            figures.failed.to_string(),
            figures.suppressed.to_string(),
            figures.replies.to_string(),
            figures.opt_outs.to_string(),
            figures.segments.to_string(),
            figures.credits.to_string(),
        ]);
    };
    for one in all.variants() {
        row(one.step.to_string(), &one.variant, &one.figures);
    }
    let totals = all.totals();
    row("all".into(), "", &totals);
    env.out.table(&table)?;
    let counted = totals.failed_by_class.iter().map(|(class, n)| format!("{n} {class}"));
    let failed: Vec<_> = counted.collect();
    let rules: Vec<_> = totals.suppressed_by_rule.iter().map(|(rule, n)| format!("{n} {rule}")).collect();
    let or_none = |all: Vec<String>| if all.is_empty() { "-".into() } else { all.join(", ") };
    env.out.line("")?;
    env.out.fields(&[("failed", or_none(failed)), ("suppressed", or_none(rules))])?;
    Ok(Exit::Done)
}

pub(super) async fn tags(wanted: &Tags, env: &Env) -> Result<Exit, Problem> {
    let mut db = env.database().await?;
    let team = db.team(&wanted.team).await?.team_id;
    let mut tx = db.begin_as(team).await?;
    let all = refresh_tags::list(&mut tx, team, wanted.limit).await?;
    if env.out.json {
        env.out.json(&all)?;
    } else if all.is_empty() {
        env.out.say("no tags were counted yet");
    } else {
        let mut table = Table::new([Column::Flexible("TAG"), Column::Number("LEADS"), Column::Text("COUNTED")]);
        for one in &all {
            table.row([one.tag.clone(), one.leads.to_string(), env.out.time(one.refreshed_at)]);
        }
        env.out.table(&table)?;
    }
    Ok(Exit::Done)
}
