//! Whom a campaign would reach, said before it is there.

use longshore::workers::{
    enrollment::{
        campaigns,
        preview::{Audience, Counted, Preview, refresh},
        refresh_tags::RefreshTags,
    },
    messages::template::Brand,
};

use super::{House, new_campaign, noon};

impl House {
    async fn looks(&self, audience: &Audience, offset: i64, limit: i64) -> Preview {
        let look = async |conn: &mut sqlx::PgConnection| {
            Ok(audience.preview(conn, self.team, &[], &Brand::new(), (offset, limit)).await?)
        };
        self.with(look).await.expect("a preview")
    }
}

fn vips() -> Audience {
    Audience::new(&["vip".into()], &["High".into(), "green".into(), "medium".into()]).expect("an audience")
}

fn counted(counted: &Counted) -> (i64, i64, i64, i64, i64, i64, i64) {
    let Counted { total, free, no_phone, stopped, suppressed, enrolled_before, running_elsewhere, .. } = *counted;
    (total, free, no_phone, stopped, suppressed, enrolled_before, running_elsewhere)
}

/// One lead for each fate, of those whose number ends below ten.
const FATES: &str = "
    update longshore.leads set phone = null where lead_id % 1000 = 1;
    update longshore.leads set stopped_at = now() where lead_id % 1000 = 2;
    insert into longshore.suppressions (team_id, phone, reason, source)
      select team_id, phone, 'LEGAL_DNC', 'test' from longshore.leads where lead_id % 1000 = 3;
    update longshore.leads set tags = '{other}' where lead_id % 1000 = 4;
    update longshore.leads set engagement = 'low' where lead_id % 1000 = 5";

#[tokio::test]
async fn a_preview_counts_every_reason_and_changes_nothing() {
    let house = House::new().await;
    house.leads(house.team, 20).await;
    house.run(FATES).await;
    let elsewhere = campaigns::NewCampaign { target_tags: vec!["vip".into()], ..new_campaign("Elsewhere", &[0, 60]) };
    house.run("update longshore.leads set engagement = 'medium' where lead_id <= 8").await;
    let worker = house.worker().await;
    house.campaign(campaigns::NewCampaign { engagement: vec!["medium".into()], ..elsewhere }).await;
    worker.drain("enrollment").await;
    house.run("update longshore.leads set engagement = 'low' where lead_id = 5").await;

    let before = house.count("select count(*) from queue.jobs").await;
    let seen = house.looks(&vips(), 0, 100).await;
    // 20 less other tags (4) and low (5); of 6, 7 and 8 another campaign has the leads.
    assert_eq!(counted(&seen.counted), (18, 12, 1, 1, 1, 0, 3));
    assert_eq!(seen.counted.counted_at, None, "counted now");
    assert_eq!(house.count("select count(*) from queue.jobs").await, before);
    let fates: Vec<_> = seen.sample.iter().map(|lead| lead.fate.as_str()).collect();
    assert_eq!(fates[..6], ["no_phone", "stopped", "suppressed", "running_elsewhere", "running_elsewhere", "running_elsewhere"]);
    assert_eq!(seen.sample.len(), 18);
    assert!(!format!("{seen:?}").contains("+1212"), "no number in a preview");
}

#[tokio::test]
async fn a_sample_is_a_page_of_at_most_a_hundred_by_id() {
    let house = House::new().await;
    house.leads(house.team, 150).await;
    let page = async |offset, limit| {
        let seen = house.looks(&vips(), offset, limit).await;
        seen.sample.iter().map(|lead| lead.lead_id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3).await, [1, 2, 3]);
    assert_eq!(page(148, 10).await, [149, 150]);
    assert_eq!(page(0, 1000).await.len(), 100);
    assert!(page(0, 0).await.is_empty() && page(150, 10).await.is_empty());
}

#[tokio::test]
async fn a_large_teams_preview_is_of_the_last_count_and_the_same_as_one_counted_on_the_spot() {
    let house = House::new().await;
    house.leads(house.team, 5_100).await;
    house.run(FATES).await;
    let worker = house.worker().await;
    house.campaign(campaigns::NewCampaign { engagement: vec!["high".into()], ..new_campaign("Elsewhere", &[0, 60]) }).await;
    // Half of them are enrolled elsewhere.
    house.run("update longshore.leads set engagement = 'medium' where lead_id > 2500 and engagement = 'high'").await;
    worker.drain("enrollment").await;

    let live = house.looks(&vips(), 0, 100).await;
    assert_eq!(live.counted.counted_at, None, "nobody has counted yet");
    house.with(async |conn| Ok(refresh(conn, house.team, &live.counted, noon()).await?)).await.expect("a refresh");
    house.with(async |conn| Ok(refresh(conn, house.team, &live.counted, noon()).await?)).await.expect("a second wish");
    let wishes = "select count(*) from queue.jobs where kind = 'refresh_tags'";
    assert_eq!(house.count(wishes).await, 1, "one on its way is enough");
    worker.drain("enrollment").await;

    let cached = house.looks(&vips(), 0, 100).await;
    assert_eq!(cached.counted.counted_at, Some(noon()));
    assert_eq!(counted(&cached.counted), counted(&live.counted));
    assert_eq!(cached.sample, live.sample);
    assert_eq!(house.looks(&vips(), 90, 20).await.sample.len(), 20, "beyond what the last count knows by name");
    // A count of a moment ago is not made anew.
    house.with(async |conn| Ok(refresh(conn, house.team, &cached.counted, noon()).await?)).await.expect("no refresh");
    assert_eq!(house.count(wishes).await, 1);
    // What changed meanwhile is in the next count, and in the sample at once.
    house.run("update longshore.leads set stopped_at = now() where lead_id = 10").await;
    let sample = house.looks(&vips(), 0, 100).await.sample;
    assert!(sample.iter().any(|lead| lead.lead_id == 10 && lead.fate == "stopped"));
    worker.enqueue(house.team, &RefreshTags {}).await;
    worker.drain("enrollment").await;
    assert_eq!(house.looks(&vips(), 0, 0).await.counted.stopped, live.counted.stopped + 1);
}

#[tokio::test]
async fn a_campaigns_preview_shows_its_texts_and_whom_they_can_not_be_written_for() {
    let house = House::new().await;
    house.leads(house.team, 3).await;
    house.run("update longshore.leads set first_name = null where lead_id = 2").await;
    let mut new = new_campaign("Spring", &[0, 60]);
    new.steps[1].template = "Hello from {{ brand.company }}".into();
    new.steps[0]
        .variants
        .push(campaigns::NewVariant { template: "Hi {{ first_name | default('there') }} ✨".into(), weight: Some(2) });
    let campaign = house.campaign(new).await;
    let team = house.team;
    let seen = house
        .with(async |conn| {
            let audience = Audience::of(conn, team, campaign).await?.expect("an audience");
            let steps = campaigns::steps(conn, team, campaign).await?;
            let brand = Brand::from([("company".to_owned(), "Acme".to_owned())]);
            Ok(audience.preview(conn, team, &steps, &brand, (0, 10)).await?)
        })
        .await
        .expect("a preview");
    let texts: Vec<_> =
        seen.texts.iter().map(|one| (one.step, one.variant.as_str(), one.text.as_deref().unwrap_or_default())).collect();
    assert_eq!(texts, [(1, "a", "Hello [first_name]"), (1, "b", "Hi [first_name] ✨"), (2, "a", "Hello from Acme")]);
    let encodings: Vec<_> = seen.texts.iter().filter_map(|one| one.segments).map(|all| all.encoding.as_str()).collect();
    assert_eq!(encodings, ["GSM-7", "UCS-2", "GSM-7"]);
    let problems: Vec<_> = seen.sample.iter().map(|lead| lead.problem.is_some()).collect();
    assert_eq!(problems, [false, true, false]);
}
