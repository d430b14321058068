//! Texts in variants: who gets which is recorded, stays the same, and follows the shares.

use longshore::workers::{
    enrollment::{
        campaigns::{self, CampaignError, NewVariant},
        figures,
        run_sequence::RunSequence,
        variants,
    },
    ids::CampaignId,
};

use super::{House, new_campaign};

impl House {
    async fn compared(&self, name: &str) -> CampaignId {
        let mut new = new_campaign(name, &[0, 0]);
        new.steps[0].variants.push(NewVariant { template: "Hi {{ first_name }}".into(), weight: Some(3) });
        self.campaign(new).await
    }
}

#[tokio::test]
async fn each_lead_gets_one_variant_by_its_share_and_the_message_says_which() {
    let house = House::new().await;
    house.leads(house.team, 400).await;
    let campaign = house.compared("Spring").await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    worker.drain("enrollment").await;
    let rows: Vec<(i64, String, String)> =
        sqlx::query_as("select lead_id, variant, body from longshore.messages where step = 1 order by lead_id")
            .fetch_all(&house.db.admin)
            .await
            .expect("messages");
    assert_eq!(rows.len(), 400);
    for (lead, variant, body) in &rows {
        let expected =
            if variants::assign(campaign, *lead, 1, [1, 3].into_iter()) == 0 { ("a", "Hello Ada") } else { ("b", "Hi Ada") };
        assert_eq!((variant.as_str(), body.as_str()), expected, "lead {lead}");
    }
    let of_b = rows.iter().filter(|(_, variant, _)| variant == "b").count();
    assert!((240..360).contains(&of_b), "three in four of 400: {of_b}");
    assert_eq!(house.count("select count(*) from longshore.messages where step = 2 and variant = 'a'").await, 400);
    let all = house.with(async |conn| Ok(figures::load(conn, house.team, campaign).await?)).await.expect("figures");
    let by: Vec<_> = all.variants().iter().map(|one| (one.step, one.variant.as_str(), one.figures.planned)).collect();
    let of_b = i64::try_from(of_b).expect("a count");
    assert_eq!(by, [(1, "a", 400 - of_b), (1, "b", of_b), (2, "a", 400)]);
}

#[tokio::test]
async fn a_step_is_planned_once_for_a_lead_whatever_variant_somebody_has_in_mind() {
    let house = House::new().await;
    house.leads(house.team, 20).await;
    let campaign = house.compared("Spring").await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    house.activate(campaign).await;
    house.run("update longshore.enrollments set next_step = 2").await;
    house
        .run(
            "insert into longshore.messages (team_id, campaign_id, lead_id, step, variant, sender, recipient, body)
             select team_id, campaign_id, lead_id, 2, 'e', '+15005550006', '+12125550000', 'planned by another build' from longshore.enrollments
             where lead_id <= 5",
        )
        .await;
    worker.enqueue(house.team, &RunSequence { campaign_id: campaign }).await;
    worker.drain("enrollment").await;
    assert_eq!(house.count("select count(*) from longshore.messages where step = 2").await, 20);
    assert_eq!(
        house.count("select count(*) from queue.jobs where kind = 'send_sms'").await,
        15,
        "whoever planned a message enqueues it"
    );
}

#[tokio::test]
async fn a_clone_has_the_same_audience_steps_and_variants_and_no_leads() {
    let house = House::new().await;
    house.leads(house.team, 5).await;
    let source = house.compared("Spring").await;
    let worker = house.worker().await;
    worker.drain("enrollment").await;
    let team = house.team;
    let copy = house.with(async |conn| campaigns::clone(conn, team, source, " Autumn ", None).await).await.expect("a clone");
    let both = house
        .with(async |conn| {
            let all = [campaigns::steps(conn, team, source).await?, campaigns::steps(conn, team, copy).await?];
            Ok((all, campaigns::find(conn, team, copy).await?.expect("the copy")))
        })
        .await;
    let ([of_source, of_copy], found) = both.expect("both");
    assert_eq!(of_source, of_copy);
    assert_eq!((found.name.as_str(), found.cloned_from, found.state.as_str()), ("Autumn", Some(source), "draft"));
    assert_eq!(house.count("select count(distinct campaign_id) from longshore.enrollments").await, 1);
    let taken = house.with(async |conn| campaigns::clone(conn, team, source, "Spring", None).await).await;
    assert!(matches!(taken, Err(CampaignError::NameTaken { .. })), "{taken:?}");
    let absent = house.with(async |conn| campaigns::clone(conn, team, CampaignId(4711), "Winter", None).await).await;
    assert!(matches!(absent, Err(CampaignError::NotFound(_))), "{absent:?}");
}

#[tokio::test]
async fn the_same_key_gives_the_same_campaign_and_another_wish_under_it_is_refused() {
    let house = House::new().await;
    let (team, new) = (house.team, new_campaign("Spring", &[0]));
    let ask = async |new: &campaigns::NewCampaign| {
        house.with(async |conn| campaigns::create_once(conn, team, new, "key-1").await).await
    };
    let (a, b) = tokio::join!(ask(&new), ask(&new));
    let (a, b) = (a.expect("a campaign"), b.expect("the same"));
    assert_eq!(a.campaign, b.campaign);
    assert_eq!([a.job, b.job].into_iter().flatten().count(), 1, "one of the two made it");
    let other = ask(&new_campaign("Autumn", &[0])).await;
    assert!(matches!(other, Err(CampaignError::KeyReused)), "{other:?}");
    assert_eq!(house.count("select count(*) from longshore.campaigns").await, 1);
}
