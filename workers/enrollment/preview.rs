//! Who a campaign would reach: how many leads, what would keep how many of them out, and a look at some.
//!
//! The leads of a small team are counted on the spot. Those of a large one are read from the last count that the job
//! `refresh_tags` made, which says when that was: a hundredth of a second for a million leads instead of half a minute's worth
//! of every form that is open. What each lead of the sample comes to is always looked at anew.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::{
    campaigns::{self, Step},
    engagement::Engagement,
    new_campaign,
    refresh_tags::{REFRESH_KEY, RefreshTags},
};
use crate::{
    enqueue::{self, EnqueueError, KeyScope, Options},
    ids::{CampaignId, TeamId},
    job::Invalid,
    messages::{
        segments::{self, Segments},
        template::{self, Brand},
    },
};

/// A team with more leads is counted by a job.
const COUNTED_ON_THE_SPOT: i64 = 5_000;
/// So many leads of a group are known to the last count.
const FIRST: i64 = 100;
/// A count that is older is asked for anew by whoever looks at it.
const FRESH: TimeDelta = TimeDelta::seconds(60);
/// The longest sample.
pub const LONGEST_SAMPLE: i64 = 100;
/// How far into the leads a sample may begin.
pub const FURTHEST_OFFSET: i64 = 10_000;

/// Which leads a campaign is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    campaign: Option<CampaignId>,
    tags: Vec<String>,
    engagement: Vec<String>,
}

/// How many leads there are, and what would keep them out of the campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Leads that match.
    pub total: i64,
    /// Of those, leads that nothing keeps out.
    pub free: i64,
    /// Would be skipped: no phone.
    pub no_phone: i64,
    /// Would be skipped: the lead said stop.
    pub stopped: i64,
    /// Would be skipped: the number is on the suppression list.
    pub suppressed: i64,
    /// Would be skipped: in this campaign already.
    pub enrolled_before: i64,
    /// Would be skipped: in another running sequence.
    pub running_elsewhere: i64,
    /// When they were counted, where that was not now.
    pub counted_at: Option<DateTime<Utc>>,
    /// The team has so many leads that a job should count them.
    #[serde(skip)]
    pub is_large: bool,
}

/// A lead of the sample. Who it is, without a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sampled {
    /// The lead.
    pub lead_id: i64,
    /// Its first name.
    pub first_name: Option<String>,
    /// Its last name.
    pub last_name: Option<String>,
    /// Its company.
    pub company: Option<String>,
    /// Its city.
    pub city: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// Its postal code.
    #[serde(skip)]
    pub zip: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its level.
    pub engagement: String,
    /// `free`, or what would keep it out.
    pub fate: String,
    /// Why a text could not be written for it; never sent then.
    pub problem: Option<String>,
}

/// A text of the campaign as somebody whose every field is known would get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Text {
    /// The step.
    pub step: i16,
    /// The variant.
    pub variant: String,
    /// The text; `None` where it can't be written.
    pub text: Option<String>,
    /// Why not.
    pub problem: Option<String>,
    /// What it is sent as, placeholders and all: a lead's own words may make it longer or shorter.
    #[serde(flatten)]
    pub segments: Option<Segments>,
}

/// A preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How many.
    pub counted: Counted,
    /// Some of them, by id.
    pub sample: Vec<Sampled>,
    /// The texts.
    pub texts: Vec<Text>,
}

impl Audience {
    /// The leads with any of these tags and one of these levels, in whatever words the team has for them.
    pub fn new(tags: &[String], engagement: &[String]) -> Result<Self, Invalid> {
        let (tags, levels) = new_campaign::audience(tags, engagement)?;
        Ok(Self { campaign: None, tags, engagement: stored(&levels) })
    }

    /// The leads that a campaign is for; `None` where the team has no such campaign.
    pub async fn of(conn: &mut PgConnection, team: TeamId, campaign: CampaignId) -> Result<Option<Self>, sqlx::Error> {
        let found = campaigns::find(conn, team, campaign).await?;
        let audience =
            found.map(|found| Self { campaign: Some(campaign), tags: found.target_tags, engagement: stored(&found.engagement) });
        Ok(audience)
    }

    /// Counts them.
    pub async fn count(&self, conn: &mut PgConnection, team: TeamId) -> Result<Counted, sqlx::Error> {
        let is_large = self.is_large(conn, team).await?;
        if is_large && let Some(counted) = self.count_from_last(conn, team).await? {
            return Ok(counted);
        }
        let campaign = self.campaign.map(|campaign| campaign.0);
        let row = sqlx::query_file!("enrollment/preview/count.sql", team.0, &self.tags, &self.engagement, campaign)
            .fetch_one(conn)
            .await?;
        Ok(Counted {
            total: row.total,
            free: row.free,
            no_phone: row.no_phone,
            stopped: row.stopped,
            suppressed: row.suppressed,
            enrolled_before: row.enrolled_before,
            running_elsewhere: row.running_elsewhere,
            counted_at: None,
            is_large,
        })
    }

    async fn is_large(&self, conn: &mut PgConnection, team: TeamId) -> Result<bool, sqlx::Error> {
        let most = COUNTED_ON_THE_SPOT + 1;
        let leads = sqlx::query_file_scalar!("enrollment/preview/size.sql", team.0, most).fetch_one(conn).await?;
        Ok(leads == most)
    }

    /// As of the last count; `None` before the first one.
    async fn count_from_last(&self, conn: &mut PgConnection, team: TeamId) -> Result<Option<Counted>, sqlx::Error> {
        let campaign = self.campaign.map(|campaign| campaign.0);
        let row = sqlx::query_file!("enrollment/preview/last_count.sql", team.0, &self.tags, &self.engagement, campaign)
            .fetch_one(conn)
            .await?;
        Ok(row.counted_at.map(|counted_at| Counted {
            total: row.total,
            free: row.free,
            no_phone: row.no_phone,
            stopped: row.stopped,
            suppressed: row.suppressed,
            enrolled_before: row.enrolled_before,
            running_elsewhere: row.running_elsewhere,
            counted_at: Some(counted_at),
            is_large: true,
        }))
    }

    /// Looks at `limit` of them behind the first `offset`, by id; at those that the last count named, where it can say.
    async fn sample(
        &self,
        conn: &mut PgConnection,
        team: TeamId,
        (offset, limit): (i64, i64),
        from_last: bool,
    ) -> Result<Vec<Sampled>, sqlx::Error> {
        let limit = limit.clamp(0, LONGEST_SAMPLE);
        let leads = if from_last && offset + limit <= FIRST {
            sqlx::query_file_scalar!("enrollment/preview/first_leads.sql", team.0, &self.tags, &self.engagement, offset, limit)
                .fetch_all(&mut *conn)
                .await?
        } else {
            sqlx::query_file_scalar!("enrollment/preview/leads.sql", team.0, &self.tags, &self.engagement, offset, limit)
                .fetch_all(&mut *conn)
                .await?
        };
        let campaign = self.campaign.map(|campaign| campaign.0);
        sqlx::query_file_as!(Sampled, "enrollment/preview/look.sql", team.0, &leads, &self.tags, &self.engagement, campaign)
            .fetch_all(conn)
            .await
    }

    /// Counts them, looks at some (those behind an offset, and how many), and writes the texts of `steps`.
    pub async fn preview(
        &self,
        conn: &mut PgConnection,
        team: TeamId,
        steps: &[Step],
        brand: &Brand,
        sample: (i64, i64),
    ) -> Result<Preview, sqlx::Error> {
        let counted = self.count(conn, team).await?;
        let mut sample = self.sample(conn, team, sample, counted.counted_at.is_some()).await?;
        for lead in &mut sample {
            lead.problem = problem(steps, lead, brand);
        }
        Ok(Preview { counted, sample, texts: texts(steps, brand) })
    }
}

fn stored(levels: &[Engagement]) -> Vec<String> {
    levels.iter().map(|level| level.as_str().to_owned()).collect()
}

/// Has the leads of a large team counted anew, where the count that was shown is not of a moment ago.
pub async fn refresh(conn: &mut PgConnection, team: TeamId, counted: &Counted, now: DateTime<Utc>) -> Result<(), EnqueueError> {
    let is_fresh = counted.counted_at.is_some_and(|at| now - at < FRESH);
    if counted.is_large && !is_fresh {
        let once = Options { key: Some(REFRESH_KEY.into()), key_scope: KeyScope::WhileUnfinished, ..Options::default() };
        enqueue::one(conn, team, &RefreshTags {}, once).await?;
    }
    Ok(())
}

/// Every text of the steps: number, variant, template.
fn all_texts(steps: &[Step]) -> impl Iterator<Item = (i16, &str, &str)> {
    steps.iter().flat_map(|step| {
        let own = std::iter::once((step.step, "a", step.template.as_str()));
        own.chain(step.variants.iter().map(|other| (step.step, other.variant.as_str(), other.template.as_str())))
    })
}

fn texts(steps: &[Step], brand: &Brand) -> Vec<Text> {
    let text = |(step, variant, template): (i16, &str, &str)| {
        let written = template::preview(template, brand);
        let segments = written.as_deref().ok().map(segments::count);
        let (text, problem) = match written {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Text { step, variant: variant.to_owned(), text, problem, segments }
    };
    all_texts(steps).map(text).collect()
}

/// Why one of the texts could not be written for a lead.
fn problem(steps: &[Step], lead: &Sampled, brand: &Brand) -> Option<String> {
    let fields = Fields {
        first_name: lead.first_name.as_deref(),
        last_name: lead.last_name.as_deref(),
        company: lead.company.as_deref(),
        city: lead.city.as_deref(),
        state: lead.state.as_deref(),
        zip: lead.zip.as_deref(),
    };
    all_texts(steps).find_map(|(step, variant, template)| {
        let error = template::render(template, &fields, brand).err()?;
        Some(format!("step {step}, variant {variant}: {error}"))
    })
}

/// What a text may name of a lead.
#[derive(Serialize)]
struct Fields<'a> {
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    company: Option<&'a str>,
    city: Option<&'a str>,
    state: Option<&'a str>,
    zip: Option<&'a str>,
}
