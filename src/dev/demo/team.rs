//! A team of the demo, and what it does.

use std::{fs, io::BufWriter, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use longshore_workers::{
    clock::SystemRandom,
    credits,
    datalake::{Dataset, upload},
    db,
    enqueue::Options,
    enrollment::campaigns::{self, NewCampaign, NewStep},
    ids::{CampaignId, TeamId},
    messages::opt_out::{self, Reason},
    vendors::http::{self, Deadlines},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{
    doors::Doors,
    verdict::{Seen, Taken},
};
use crate::{
    dev::{
        leads_csv::{Expected, PILOT, Recipe, generate},
        sandbox::Sandbox,
    },
    store::{
        dead::{self, Filter},
        demo,
    },
    tenancy::{
        keys::{self, Scope},
        teams::{self, TeamError},
    },
};

/// A team of the demo.
pub(super) struct Team {
    pub id: TeamId,
    pub key: SecretString,
    pub name: String,
    sender: String,
    expected: Expected,
    granted: i64,
    sample: i64,
    campaign: Option<CampaignId>,
    /// Objects that are missing for a while: where they are, and where they should be.
    missing: Vec<(PathBuf, PathBuf)>,
    hidden_rows: i64,
}

impl Team {
    /// Makes a team, a key and a number to text from. What an earlier demo has taken is left to it.
    pub async fn create(doors: &mut Doors, name: &str, number: u64) -> anyhow::Result<Self> {
        let mut nth = 1;
        let (id, name) = loop {
            let wanted = if nth == 1 { name.to_owned() } else { format!("{name} {nth}") };
            match teams::create(&mut doors.operator, &wanted).await {
                Ok(id) => break (id, wanted),
                Err(TeamError::Taken(_)) => nth += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let scopes = [Scope::Enqueue, Scope::Read, Scope::Cancel];
        let key = keys::create(&mut doors.operator, id, "demo", &scopes, None, &SystemRandom).await?.text;
        let sender = doors.register(id, number).await?;
        Ok(Self {
            id,
            key,
            sender,
            name,
            expected: Expected::default(),
            granted: 0,
            sample: 0,
            campaign: None,
            missing: Vec::new(),
            hidden_rows: 0,
        })
    }

    /// Makes a leads file and uploads it.
    pub async fn upload(&mut self, doors: &mut Doors, recipe: Recipe) -> anyhow::Result<()> {
        let (path, expected) = self.write_file(doors, recipe)?;
        upload::accept(&doors.api, &*doors.objects, self.id, Dataset::Leads, &path, "leads.csv").await?;
        fs::remove_file(&path)?;
        self.expected.add(expected);
        Ok(())
    }

    /// Uploads small files whose objects go missing before their load begins: dead letters.
    pub async fn upload_missing(&mut self, doors: &mut Doors, count: i64, seed: u64) -> anyhow::Result<()> {
        for number in 0..count {
            // Numbers of their own, so that none of these rows is a duplicate of another file's.
            let given_before = 8000 + 100 * u32::try_from(number)?;
            let seed = seed + 1000 + number.unsigned_abs();
            let (path, expected) = self.write_file(doors, Recipe { rows: 50, seed, pilot: 0, given_before })?;
            let stored = upload::store(&*doors.objects, self.id, &path).await?;
            let (there, away) = (doors.folder.join(&stored.key), doors.aside.join(format!("missing-{number}.csv")));
            fs::rename(&there, &away).context("hiding an object")?;
            self.missing.push((away, there));
            fs::remove_file(&path)?;
            let mut tx = db::begin_as(&doors.api, self.id).await?;
            let upload =
                upload::register(&mut tx, &*doors.objects, self.id, Dataset::Leads, &stored, &format!("late-{number}.csv"))
                    .await?;
            upload.enqueue(&mut tx, self.id, Options::default()).await?;
            tx.commit().await?;
            self.hidden_rows += expected.rows.cast_signed();
            self.expected.add(expected);
        }
        Ok(())
    }

    /// Puts the missing objects back, and replays the dead letters they left.
    pub async fn replay_missing(&mut self, doors: &mut Doors) -> anyhow::Result<()> {
        for (away, there) in &self.missing {
            fs::rename(away, there).context("putting an object back")?;
        }
        let filter = Filter { team: Some(self.id), kind: Some("ingest_file".into()), ..Filter::default() };
        let letters = dead::list(&mut doors.operator, &filter, false, None, 100).await?;
        for letter in letters {
            dead::replay(&mut doors.operator, self.id, letter.job, "demo", None, None).await?;
        }
        Ok(())
    }

    /// Takes the numbers of people who said stop out of the team's reach.
    pub async fn suppress(&mut self, doors: &mut Doors) -> anyhow::Result<()> {
        let mut tx = db::begin_as(&doors.api, self.id).await?;
        for phone in &self.expected.opted_out {
            opt_out::suppress(&mut tx, self.id, phone, Reason::OptOut, "demo: said stop before").await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Creates the campaign and enrolls its leads.
    pub async fn enroll(&mut self, doors: &mut Doors) -> anyhow::Result<()> {
        let new = NewCampaign {
            name: "Pilot".into(),
            sender: self.sender.clone(),
            target_tags: vec![PILOT.into()],
            engagement: vec!["high".into(), "medium".into()],
            steps: vec![NewStep::new(0, "Hello {{ first_name }}, a word from the pilot. Reply STOP to opt out.")],
            ..NewCampaign::default()
        };
        let mut tx = db::begin_as(&doors.api, self.id).await?;
        let (campaign, _) = campaigns::create_and_enroll(&mut tx, self.id, &new).await?;
        tx.commit().await?;
        self.campaign = Some(campaign);
        Ok(())
    }

    /// Its campaign, once it is there.
    pub fn campaign(&self) -> Option<CampaignId> {
        self.campaign
    }

    /// Lets the campaign begin.
    pub async fn activate(&mut self, doors: &mut Doors) -> anyhow::Result<()> {
        let campaign = self.campaign.context("the campaign is not there yet")?;
        let now = doors.now();
        let mut tx = db::begin_as(&doors.api, self.id).await?;
        campaigns::activate(&mut tx, self.id, campaign, now).await?;
        Ok(tx.commit().await?)
    }

    /// Asks over HTTP, as the team, for people to be looked up; the credits do for some of them.
    pub async fn look_up(&mut self, doors: &mut Doors, api: &str, sample: i64, credits: i64) -> anyhow::Result<()> {
        credits::grant(&mut doors.operator, self.id, credits, "demo").await?;
        self.granted += credits;
        let leads = demo::sample(&mut doors.auditor, self.id, sample).await?;
        self.sample = i64::try_from(leads.len())?;
        let jobs: Vec<Value> = leads
            .iter()
            .map(|lead| json!({ "kind": "enrich_person", "payload": { "lead_id": lead }, "idempotency_key": format!("demo-{lead}") }))
            .collect();
        let client = http::client(Deadlines { connect: Duration::from_secs(2), total: Duration::from_secs(20) })?;
        let answer = client
            .post(format!("{api}/v1/jobs/batch"))
            .bearer_auth(self.key.expose_secret())
            .json(&json!({ "jobs": jobs }))
            .send()
            .await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("POST /v1/jobs/batch answered {status}: {text}");
        }
        Ok(())
    }

    /// Rows in its files.
    pub fn expected_rows(&self) -> i64 {
        self.expected.rows.cast_signed()
    }

    /// Of those, in files that are missing at first.
    pub fn hidden_rows(&self) -> i64 {
        self.hidden_rows
    }

    /// Leads that the campaign may enroll.
    pub fn pilots(&self) -> i64 {
        (self.expected.pilot.total() - self.expected.pilot.opted_out).cast_signed()
    }

    /// Messages that should leave.
    pub fn sendable(&self) -> i64 {
        self.expected.pilot.sendable.cast_signed()
    }

    /// All that is to be known of it in the end.
    pub async fn seen(self, doors: &mut Doors, sandbox: &Sandbox) -> anyhow::Result<Seen> {
        let own = self.id.to_string();
        let taken = sandbox.twilio.accepted().into_iter().filter(|one| one.t.as_deref() == Some(&own));
        Ok(Seen {
            granted: self.granted,
            sample: self.sample,
            letters: self.missing.len().try_into()?,
            figures: doors.figures(self.id).await?,
            census: demo::census(&mut doors.auditor, self.id).await?,
            balance: credits::balance(&mut doors.auditor, self.id).await?,
            messages: demo::messages(&mut doors.auditor, self.id).await?,
            taken: taken.map(|one| Taken { message: one.m.as_deref().and_then(|id| id.parse().ok()), to: one.to }).collect(),
            expected: self.expected,
        })
    }

    fn write_file(&self, doors: &Doors, recipe: Recipe) -> anyhow::Result<(PathBuf, Expected)> {
        let path = doors.aside.join(format!("{}-{}.csv", self.name.replace(' ', "-"), recipe.seed));
        let mut file = BufWriter::new(fs::File::create(&path)?);
        let expected = generate(recipe, &mut file)?;
        Ok((path, expected))
    }
}
