//! The campaign's story: the trail of one lead of each fate, as `longshore campaigns why` would tell it.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use longshore_workers::{
    db,
    enrollment::trail::{self, Entry},
    ids::{CampaignId, TeamId},
};

use super::{doors::Doors, show::Show};
use crate::store::demo;

/// Tells it.
pub(super) async fn tell(doors: &mut Doors, team: TeamId, campaign: CampaignId, show: Show) -> anyhow::Result<()> {
    let fates = demo::fates(&mut doors.auditor, team, campaign).await?;
    show.say(&format!("  campaign {campaign}, one lead of each fate:"));
    for one in fates {
        let mut tx = db::begin_as(&doors.api, team).await?;
        let why = trail::why(&mut tx, team, campaign, one.lead_id).await?.context("a lead of the campaign is gone")?;
        tx.commit().await?;
        show.say(&format!("    {}: lead {}, {}", one.fate, why.lead_id, why.answer));
        for line in why.trail.iter().flat_map(happened) {
            show.say(&format!("      {line}"));
        }
    }
    Ok(())
}

/// What happened to a message, in its order.
fn happened(entry: &Entry) -> Vec<String> {
    let mut all: Vec<(DateTime<Utc>, String)> =
        vec![(entry.planned_at, format!("step {}, variant {}, planned", entry.step, entry.variant))];
    all.extend(
        entry.decisions.iter().map(|one| (one.at, format!("{}: {} (rules {})", one.verdict, one.rule, one.rules_version))),
    );
    all.extend(entry.accepted_at.map(|at| (at, "the vendor has it".to_owned())));
    let code = |code: Option<i32>| code.map(|code| format!(", error {code}")).unwrap_or_default();
    all.extend(entry.reports.iter().map(|one| (one.at, format!("the vendor says {}{}", one.status, code(one.error_code)))));
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, what)| format!("{} {what}", at.format("%H:%M:%S%.3f"))).collect()
}
