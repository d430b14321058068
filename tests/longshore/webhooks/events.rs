//! What is told, of what, and to whom.

use std::collections::BTreeSet;

use longshore::workers::{
    db,
    enqueue::{self, Options},
    ids::EndpointId,
    job::Job as _,
    messages::inbox::{self, Inbound},
    webhooks::events::{self, EVENTS},
};
use serde_json::{Value, json};

use super::world::{Receiver, World};
use crate::support::kinds::Scripted;

const PHONE: &str = "+12125557431";
const TEXT: &str = "canary text 8842";

impl World {
    /// A message that waits, and its id.
    async fn message(&self) -> i64 {
        let team = self.team.0;
        self.ask(&format!(
            "with c as (insert into longshore.campaigns (team_id, name, state, sender, engagement, activated_at, opens_at)
               values ('{team}', gen_random_uuid()::text, 'active', '+12125550199', '{{high}}', now(), now()) returning campaign_id),
             l as (insert into longshore.leads (team_id, phone) values ('{team}', '{PHONE}')
               on conflict (team_id, phone) do update set city = 'x' returning lead_id)
             insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body)
             select '{team}', c.campaign_id, l.lead_id, 1, '+12125550199', '{PHONE}', '{TEXT}' from c, l returning message_id"
        ))
        .await
    }

    /// Brings a message into a state, as the worker's role does.
    async fn becomes(&self, message: i64, state: &str) {
        let mut tx = db::begin_as(&self.db.pool("worker"), self.team).await.expect("a transaction");
        let update = "update longshore.messages set state = $3, attempted_at = now(), accepted_at = now(), state_reason = $4,
            ended_at = case when $3 in ('delivered', 'failed', 'suppressed') then now() end where team_id = $1 and message_id = $2";
        let done =
            sqlx::query(update).bind(self.team.0).bind(message).bind(state).bind(format!("the vendor says {PHONE} is wrong"));
        assert_eq!(done.execute(&mut *tx).await.expect("an update").rows_affected(), 1);
        tx.commit().await.expect("a commit");
    }

    async fn receive(&self, from: &str, sid: &str) {
        let mut tx = db::begin_as(&self.api, self.team).await.expect("a transaction");
        let raw = json!({ "From": from });
        let text = Inbound {
            vendor: "twilio",
            vendor_id: sid,
            sender: from,
            recipient: "+12125550199",
            body: TEXT,
            hint: None,
            raw: &raw,
        };
        inbox::receive(&mut tx, self.team, &text).await.expect("a text");
        tx.commit().await.expect("a commit");
    }

    async fn told(&self, id: EndpointId) -> Vec<String> {
        self.deliveries(id).await.into_iter().map(|one| one.event).collect()
    }
}

#[tokio::test]
async fn every_event_of_the_catalogue_is_told_in_its_form_and_without_a_number_or_a_text() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let names: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
    world.endpoint(&receiver.url(), &names).await;

    let pool = world.db.pool("worker");
    let mut tx = db::begin_as(&pool, world.team).await.expect("a transaction");
    let batch = enqueue::open_batch(&mut tx, world.team, Some(&Scripted::new("count")), Some("req_1")).await.expect("a batch");
    for does in ["output", "die", "effect"] {
        let options = Options { batch: Some(batch), correlation: Some("req_1".into()), ..Options::default() };
        enqueue::one(&mut tx, world.team, &Scripted::noted(does, PHONE), options).await.expect("a job");
    }
    enqueue::seal_batch(&mut tx, world.team, batch).await.expect("a seal");
    let unrun = enqueue::one(&mut tx, world.team, &Scripted::new("nothing"), Options::default()).await.expect("a job").job;
    tx.commit().await.expect("a commit");
    let cancel = format!("select queue.cancel('{}', {}, 'key abc')", world.team.0, unrun.0);
    assert_eq!(world.ask::<String>(&cancel).await, "cancelled");
    world.worker.drain(Scripted::QUEUE).await;
    world.worker.fold_batches().await;
    world.worker.drain(Scripted::QUEUE).await;
    for state in ["accepted", "delivered", "failed", "unknown", "suppressed"] {
        world.becomes(world.message().await, state).await;
    }
    world.receive(PHONE, "SM1").await;
    world.receive("+13105550000", "SM2").await;
    let created = "select count(longshore.tell_campaign(team_id, campaign_id)) from longshore.campaigns";
    assert!(world.ask::<i64>(created).await > 0, "a campaign to tell of");
    world.deliver().await;

    let mut told = BTreeSet::new();
    for got in receiver.got() {
        let body = got.json();
        let event = events::find(&got.event()).expect("an event of the catalogue");
        event.check(body["data"].clone()).unwrap_or_else(|error| panic!("{}: {error}: {body}", event.name));
        assert!(body["timestamp"].as_str().expect("a moment").ends_with('Z'), "{body}");
        assert_eq!(body.as_object().expect("an object").len(), 3, "{body}");
        assert!(!got.body.contains(PHONE) && !got.body.contains(TEXT), "{body}");
        told.insert(event.name);
    }
    assert_eq!(told, names.into_iter().collect(), "each of them was told");
    let all = receiver.got();
    let data =
        |event: &str| all.iter().map(super::world::Got::json).find(|body| body["type"] == event).expect("it")["data"].clone();
    assert_eq!(data("batch.ended")["done"], 2);
    assert_eq!(data("job.dead")["error"], "no use");
    assert_eq!(data("job.dead")["correlation_id"], "req_1");
    assert_eq!(data("job.cancelled")["reason"], "cancelled before it ran, by key abc");
    assert_eq!(data("message.failed")["reason"], "the vendor says [number …7431] is wrong");
    let lead: i64 = world.ask("select lead_id from longshore.leads").await;
    assert_eq!(data("message.replied")["lead_id"], lead);
}

#[tokio::test]
async fn an_endpoint_gets_what_it_subscribes_to_and_no_more() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (done, _) = world.endpoint(&receiver.url(), &["job.done", "message.replied"]).await;
    let (dead, _) = world.endpoint(&receiver.url(), &["job.dead"]).await;
    let (other_kind, _) = world.endpoint_of(world.team, &receiver.url(), &["job.done", "batch.ended"], &["send_sms"]).await;
    let other = world.db.team("umbrella").await;
    let (foreign, _) = world.endpoint_of(other, &receiver.url(), &["job.done", "job.dead"], &[]).await;

    world.one_done().await;
    world.worker.enqueue(world.team, &Scripted::new("die")).await;
    world.worker.drain(Scripted::QUEUE).await;
    world.becomes(world.message().await, "accepted").await;
    assert_eq!(world.told(done).await, ["job.done"]);
    assert_eq!(world.told(dead).await, ["job.dead"]);
    assert!(world.told(other_kind).await.is_empty(), "its kinds are others");
    let foreign: i64 =
        world.ask(&format!("select count(*) from longshore.webhook_deliveries where endpoint_id = {}", foreign.0)).await;
    assert_eq!(foreign, 0, "another team's");
    world.deliver().await;
    assert_eq!(receiver.events(), ["job.dead", "job.done"]);
}

#[tokio::test]
async fn a_delivery_tells_of_nothing() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done", "job.dead", "job.cancelled"]).await;
    world.one_done().await;
    assert_eq!(world.deliver().await.len(), 1);
    assert_eq!(world.deliver().await.len(), 0, "its own end is no event");
    assert_eq!((world.told(id).await, receiver.got().len()), (vec!["job.done".to_owned()], 1));
}

#[tokio::test]
async fn what_is_rolled_back_is_told_to_nobody() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["message.accepted", "job.done", "message.replied"]).await;
    let message = world.message().await;
    let mut tx = db::begin_as(&world.db.pool("worker"), world.team).await.expect("a transaction");
    sqlx::query("update longshore.messages set state = 'accepted', accepted_at = now() where message_id = $1")
        .bind(message)
        .execute(&mut *tx)
        .await
        .expect("an update");
    let inside: i64 =
        sqlx::query_scalar("select count(*) from longshore.webhook_deliveries").fetch_one(&mut *tx).await.expect("a count");
    assert_eq!(inside, 1, "it is written with the change");
    tx.rollback().await.expect("a rollback");
    assert!(world.told(id).await.is_empty());

    // A completion that is fenced: somebody else has the job.
    world.worker.enqueue(world.team, &Scripted::new("effect")).await;
    let job = world.worker.claim(Scripted::QUEUE, 1).await.pop().expect("a job");
    world.tell("update queue.leases set fence = fence + 1000").await;
    world.worker.run(job).await;
    assert!(world.told(id).await.is_empty());
    assert!(world.deliver().await.is_empty() && receiver.got().is_empty());
}

#[tokio::test]
async fn jobs_that_nobody_wants_to_hear_of_go_the_cheap_way() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let special = async |world: &World, team| {
        world.worker.enqueue(team, &Scripted::new("nothing")).await;
        let job = world.worker.claim(Scripted::QUEUE, 1).await.pop().expect("a job");
        assert!(world.worker.finish(&job).await);
        job.special
    };
    assert!(!special(&world, world.team).await, "no endpoint at all");
    let (of_messages, _) = world.endpoint(&receiver.url(), &["message.failed"]).await;
    assert!(!special(&world, world.team).await, "none that hears of jobs");
    let (of_others, _) = world.endpoint_of(world.team, &receiver.url(), &["job.done"], &["send_sms"]).await;
    assert!(!special(&world, world.team).await, "none that hears of this kind");
    let (all, _) = world.endpoint(&receiver.url(), &["job.dead"]).await;
    assert!(special(&world, world.team).await);
    let other = world.db.team("umbrella").await;
    assert!(!special(&world, other).await, "another team's jobs");
    for id in [of_messages, of_others, all] {
        world.delete(id).await;
    }
    assert!(!special(&world, world.team).await, "gone again");
}

#[tokio::test]
async fn the_end_of_a_job_whose_worker_died_is_told_too() {
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.dead"]).await;
    let job = world.worker.enqueue(world.team, &Scripted::new("nothing")).await;
    world.tell("update queue.jobs set max_attempts = 1").await;
    assert_eq!(world.worker.claim(Scripted::QUEUE, 1).await.len(), 1);
    world.worker.die(&world.db).await;
    world.worker.reap().await;
    assert_eq!(world.told(id).await, ["job.dead"]);
    let data: Value = world.ask("select data from longshore.webhook_deliveries").await;
    assert_eq!((&data["id"], &data["error"]), (&json!(job.to_string()), &json!("worker lost: its process stopped renewing")));
}

#[tokio::test]
async fn what_is_disabled_hears_of_nothing_and_what_is_enabled_again_of_what_follows() {
    use longshore::workers::webhooks::endpoints::Wanted;
    let (world, receiver) = (World::new().await, Receiver::open().await);
    let (id, _) = world.endpoint(&receiver.url(), &["job.done"]).await;
    let off = world.update(id, Wanted { enabled: Some(false), ..Wanted::default() }).await;
    assert_eq!(off.disabled_reason.as_deref(), Some("switched off"));
    world.one_done().await;
    let on = world.update(id, Wanted { enabled: Some(true), events: Some(vec!["job.done".into()]), ..Wanted::default() }).await;
    assert!(on.disabled_at.is_none() && on.disabled_reason.is_none());
    world.one_done().await;
    assert_eq!(world.told(id).await.len(), 1);
}
