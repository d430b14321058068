//! A text is written once, stored, and then sent; where a model can't, the template's text stays; nothing is paid for twice.

use std::time::Duration;

use longshore::{
    dev::sandbox::azure::{Behaviour, Fault},
    queue::settle::Verdict,
    workers::{
        messages::{
            approval::{self, ApprovalError, By, stage::Stage},
            content::Rules,
            opt_out::{self, Reason},
            write_text::WriteText,
        },
        vendors::azure::{Azure, Config},
    },
};
use serde_json::{Value, json};

use super::world::World;

const BY: By<'static> = By { who: "key abc", reason: None, seen: None };

fn written(prompt: &str) -> Value {
    json!({ "step": 1, "prompt": prompt })
}

fn looked_at(prompt: &str) -> Value {
    json!({ "step": 1, "prompt": prompt, "approval": true })
}

async fn spent(world: &World) -> i64 {
    world.count("select coalesce(sum(captured), 0)::bigint from longshore.credit_holds where step = 'text'").await
}

#[tokio::test]
async fn a_text_is_written_once_stored_and_then_sent() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message_id = world.message(&worker, "Hello {{ first_name }}", written("Be kind."), "ada@example.com").await;
    assert_eq!(world.stands(message_id).await, ("draft".into(), "planned".into()));
    assert_eq!(world.jobs("send_sms").await, 0, "nothing leaves before its text is there");
    worker.drain("texts").await;
    let text = "Hi Ada, this is written for you. Hello Ada".to_owned();
    assert_eq!(world.column(message_id, "body").await.as_ref(), Some(&text));
    assert_eq!(world.stands(message_id).await, ("none".into(), "planned".into()));
    assert_eq!(world.texts(message_id).await, [("template".into(), "Hello Ada".into()), ("generated".into(), text)]);
    assert_eq!(world.jobs("send_sms").await, 1);

    // Whoever enqueues it again changes nothing, and asks nobody.
    worker.enqueue(world.team, &WriteText { message_id }).await;
    worker.drain("texts").await;
    let asked = world.sandbox.azure.asked();
    assert_eq!((asked.len(), world.texts(message_id).await.len(), world.jobs("send_sms").await), (1, 2, 1));
    assert!(asked[0].system.ends_with("Be kind.") && asked[0].user.contains("\"first_name\":\"Ada\""), "{asked:?}");
    assert!(!asked[0].user.contains("+1212"), "a model needs no telephone number: {asked:?}");
    assert!(spent(&world).await >= 1);
    // What it cost is the campaign's cost.
    let counted = "select coalesce(sum(n), 0)::bigint from longshore.campaign_moves where measure = 'credits'";
    assert_eq!(world.count(counted).await, spent(&world).await);
}

#[tokio::test]
async fn where_the_content_filter_refuses_the_templates_text_stays() {
    let world = World::new().await;
    let worker = world.worker().await;
    for (prompt, note, questions) in [
        ("[filter]", "content_filter", 1),
        ("[filter-answer]", "content_filter", 1),
        ("[gap]", "placeholder", 2),
        ("[long]", "cut_off", 2),
    ] {
        let before = world.sandbox.azure.asked().len();
        let message = world.message(&worker, "Hello {{ first_name }}", looked_at(prompt), "ada@example.com").await;
        worker.drain("texts").await;
        assert_eq!(world.column(message, "body").await.as_deref(), Some("Hello Ada"), "{prompt}");
        assert_eq!(world.stands(message).await.0, "preview", "{prompt}");
        let mut tx = world.api().await;
        let seen = approval::find(&mut tx, world.team, message).await.expect("a message");
        assert_eq!(seen.texts.last().and_then(|text| text.note.as_deref()), Some(note), "{prompt}");
        assert_eq!(world.sandbox.azure.asked().len() - before, questions, "{prompt}");
    }
}

#[tokio::test]
async fn a_model_that_is_busy_is_asked_again_when_it_said_so() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.sandbox.azure.behave(Behaviour { retry_after_seconds: 6, ..Behaviour::default() });
    world.sandbox.azure.next([Fault::RateLimit, Fault::Error]);
    let message = world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
    let (_, verdict) = worker.next("texts").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Snooze { delay, .. } if *delay == Duration::from_secs(6)), "{verdict:?}");
    let verdicts = world.run_again(&worker, "texts").await;
    assert!(matches!(&verdicts[..], [Verdict::Retry { .. }]), "{verdicts:?}");
    world.run_again(&worker, "texts").await;
    assert_eq!(world.stands(message).await.0, "none");
    let held = "select count(*) from longshore.credit_holds where step = 'text' and state in ('held', 'unknown')";
    assert_eq!(world.count(held).await, 0, "what was refused was given back");
}

#[tokio::test]
async fn the_deployments_limit_of_tokens_is_kept_by_waiting() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.sandbox.azure.behave(Behaviour { requests_per_minute: 1, ..Behaviour::default() });
    let campaign = world.campaign("Hello", written("Be kind.")).await;
    for n in 0..3 {
        world.lead(campaign, &format!("lead{n}@example.com")).await;
    }
    let messages = world.plan(&worker, campaign).await;
    for _ in &messages {
        world.run_again(&worker, "texts").await;
        world.clock.advance(chrono::Duration::seconds(61));
    }
    for message in messages {
        assert_eq!(world.stands(message).await.0, "none");
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_paid_for_and_asked_for_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    world.sandbox.azure.next([Fault::ResetAfter]);
    let message = world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
    let (_, verdict) = worker.next("texts").await.expect("a run");
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    let full = "select count(*) from longshore.credit_holds where step = 'text' and captured = amount";
    assert_eq!(world.count(full).await, 1);
    world.run_again(&worker, "texts").await;
    assert_eq!((world.stands(message).await.0.as_str(), world.sandbox.azure.asked().len()), ("none", 2));
}

#[tokio::test]
async fn without_credit_no_text_is_asked_for() {
    let world = World::new().await;
    let poor = world.db.team("poor").await;
    let services = world.services();
    let worker = world.worker_with(services).await;
    let message_id = world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
    let spend = "select longshore.credit_hold($1, 1, 'all', 1, 'x', 1000, interval '1 hour')";
    let mut tx = longshore::workers::db::begin_as(&world.db.pool("worker"), world.team).await.expect("a transaction");
    sqlx::query(spend).bind(world.team.0).execute(&mut *tx).await.expect("a hold");
    tx.commit().await.expect("a commit");
    let (_, verdict) = worker.next("texts").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with("out_of_credit")), "{verdict:?}");
    assert_eq!((world.sandbox.azure.asked().len(), world.stands(message_id).await.0.as_str()), (0, "draft"));
    // A job of another team finds no such message.
    worker.enqueue(poor, &WriteText { message_id }).await;
    let (_, verdict) = worker.next("texts").await.expect("a run");
    assert!(matches!(verdict, Verdict::Dead { .. }), "{verdict:?}");
}

#[tokio::test]
async fn a_text_for_somebody_who_said_stop_is_not_asked_for() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
    let phone = world.column(message, "recipient").await.expect("a number");
    let mut tx = world.api().await;
    opt_out::suppress(&mut tx, world.team, &phone, Reason::OptOut, "sms STOP").await.expect("an opt-out");
    tx.commit().await.expect("a commit");
    worker.drain("texts").await;
    assert_eq!((world.sandbox.azure.asked().len(), world.jobs("send_sms").await, spent(&world).await), (0, 0, 0));
}

#[tokio::test]
async fn one_person_has_ten_texts_an_hour_written_anew() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", looked_at("Be kind."), "ada@example.com").await;
    let rewrite = async |who: &str| {
        let mut tx = world.api().await;
        approval::rewrite(&mut tx, world.team, message, &Rules::default(), By { who, ..BY }).await?;
        tx.commit().await?;
        Ok::<(), ApprovalError>(())
    };
    let draft = rewrite("key abc").await.expect_err("a refusal");
    assert!(matches!(draft, ApprovalError::NotNow { stage: Stage::Draft, .. }), "{draft}");
    for _ in 0..10 {
        worker.drain("texts").await;
        rewrite("key abc").await.expect("a rewrite");
    }
    worker.drain("texts").await;
    match rewrite("key abc").await.expect_err("a refusal") {
        ApprovalError::TooOften { limit: 10, seconds } => assert!((3500..=3600).contains(&seconds), "{seconds}"),
        other => panic!("{other}"),
    }
    assert_eq!(world.stands(message).await.0, "preview", "what was refused changed nothing");
    rewrite("key def").await.expect("another person's");
    worker.drain("texts").await;
    let pass = "update longshore.rewrite_requests set asked_at = asked_at - interval '1 hour'";
    sqlx::query(pass).execute(&world.db.admin).await.expect("an update");
    rewrite("key abc").await.expect("an hour later");
    assert_eq!(world.count("select count(*) from longshore.rewrite_requests where asked_by = 'key abc'").await, 1);
    // The template, the first text, and one for each time.
    assert_eq!(world.texts(message).await.len(), 13);
}

#[tokio::test]
async fn nobody_has_to_wait_for_a_model_that_does_not_answer() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
    let mut tx = world.api().await;
    let early = approval::approve(&mut tx, world.team, message, BY).await.expect_err("a refusal");
    assert!(matches!(early, ApprovalError::NotNow { stage: Stage::Draft, .. }), "{early}");
    approval::edit(&mut tx, world.team, message, (None, "Dear Ada"), BY).await.expect("an edit");
    tx.commit().await.expect("a commit");
    worker.drain("texts").await;
    assert_eq!((world.stands(message).await.0.as_str(), world.sandbox.azure.asked().len()), ("preview", 0));
    let mut tx = world.api().await;
    approval::approve(&mut tx, world.team, message, BY).await.expect("an approval");
    tx.commit().await.expect("a commit");
    assert_eq!((world.column(message, "body").await.as_deref(), world.jobs("send_sms").await), (Some("Dear Ada"), 1));
}

#[tokio::test]
async fn a_text_that_nobody_wrote_is_not_written_anew() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", json!({ "step": 1, "approval": true }), "ada@example.com").await;
    let mut tx = world.api().await;
    let refused = approval::rewrite(&mut tx, world.team, message, &Rules::default(), BY).await.expect_err("a refusal");
    assert!(matches!(refused, ApprovalError::NotGenerated(_)), "{refused}");
}

#[tokio::test]
async fn without_a_resource_or_with_a_wrong_key_texts_wait_for_a_person() {
    let world = World::new().await;
    for config in [
        Config::default(),
        Config { api_key: "another-key".to_owned().into(), ..world.sandbox.azure_config() },
        Config { deployment: "absent".into(), ..world.sandbox.azure_config() },
    ] {
        let mut services = world.services();
        services.vendors.texts = std::sync::Arc::new(Azure::new(&config).expect("a client"));
        let worker = world.worker_with(services).await;
        world.message(&worker, "Hello", written("Be kind."), "ada@example.com").await;
        let (_, verdict) = worker.next("texts").await.expect("a run");
        assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with("vendor_config")), "{verdict:?}");
    }
    assert_eq!(spent(&world).await, 0);
}
