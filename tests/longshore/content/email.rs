//! Mail goes to those who may get one, once, with a way out that one click takes; what nobody knows is left to a person.

use std::{sync::Arc, time::Duration};

use longshore::{
    dev::sandbox::smtp::Taken,
    queue::settle::Verdict,
    workers::{
        clock::SeededRandom,
        messages::{
            approval::{self, By},
            channel::Channel,
            content::{self, ContentError, StepContent},
            email::opt_out::{self, Reason},
            send_email::SendEmail,
            voice::{NOT_OFFERED, NoVoice, OutboundCall, VoiceGateway as _},
        },
        vendors::{VendorError, smtp::Smtp},
    },
};
use serde_json::{Value, json};

use super::world::{ANN, World};
use crate::support::Stepper;

fn mail() -> Value {
    json!({ "step": 1, "channel": "email", "subject": "A question, {{ first_name }}" })
}

/// A mail that is planned, to this address.
async fn planned(world: &World, worker: &Stepper, email: &str) -> i64 {
    world.message(worker, "Hello {{ first_name }} of {{ company }}", mail(), email).await
}

fn taken(world: &World, email: &str) -> Vec<Taken> {
    world.sandbox.smtp.taken().into_iter().filter(|mail| mail.to == email).collect()
}

async fn rules(world: &World, message: i64) -> Vec<String> {
    let select = "select verdict || ' ' || rule from longshore.message_decisions where message_id = $1 order by decision_id";
    sqlx::query_scalar(select).bind(message).fetch_all(&world.db.admin).await.expect("the decisions")
}

#[tokio::test]
async fn a_mail_leaves_once_with_its_sender_its_postal_address_and_a_way_out() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message_id = planned(&world, &worker, "Ada@Example.com").await;
    assert_eq!(world.jobs("send_sms").await, 0);
    worker.drain("messages").await;
    worker.enqueue(world.team, &SendEmail { message_id }).await;
    worker.drain("messages").await;
    let mails = taken(&world, "ada@example.com");
    assert_eq!(mails.len(), 1);
    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.header("Subject")), ("hello@acme.example.com", Some("A question, Ada")));
    assert_eq!(mail.header("Reply-To"), Some("answers@acme.example.com"));
    assert!(mail.header("From").is_some_and(|from| from.contains("Acme") && from.contains("hello@acme.example.com")));
    let link = mail.header("List-Unsubscribe").expect("a way out");
    let link = link.trim_start_matches('<').trim_end_matches('>');
    assert!(link.starts_with("https://api.example.com/v1/unsubscribe/") && link.len() > 60, "{link}");
    assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    let text = mail.text();
    assert!(text.starts_with("Hello Ada of Engines\n"), "{text}");
    assert!(text.contains("1 Main Street, Springfield") && text.contains(link), "{text}");
    assert_eq!(world.stands(message_id).await, ("none".into(), "accepted".into()));
    assert_eq!(world.column(message_id, "vendor_id").await.as_deref(), mail.header("Message-ID"));
    assert_eq!(rules(&world, message_id).await, ["send all_open"]);
    let evidence = world.count("select count(*) from longshore.message_decisions where inputs::text ilike '%example.com%'").await;
    assert_eq!(evidence, 0, "the evidence holds nobody's address");
}

#[tokio::test]
async fn each_gate_that_is_closed_keeps_a_mail_back() {
    let world = World::new().await;
    let worker = world.worker().await;
    for (change, rule) in [
        ("update longshore.email_consents set revoked_at = now()", "no_consent"),
        ("update longshore.email_consents set expires_at = '2026-11-01'", "consent_expired"),
        ("update longshore.leads set stopped_at = now()", "lead_stopped"),
        ("update longshore.leads set email = 'new@example.com'", "address_changed"),
        ("update longshore.enrollments set state = 'stopped', next_step = null, next_due_at = null", "enrollment_stopped"),
        ("update longshore.campaigns set state = 'stopped'", "campaign_stopped"),
        (
            "insert into longshore.email_suppressions (team_id, email, reason, source)
             select team_id, lower(email), 'LEGAL_DNC', 'test' from longshore.leads on conflict do nothing",
            "suppressed_legal_dnc",
        ),
    ] {
        let email = format!("{}@example.com", rule.replace('_', "."));
        let message = planned(&world, &worker, &email).await;
        sqlx::raw_sql(change).execute(&world.db.admin).await.expect("a change");
        worker.drain("messages").await;
        assert_eq!(rules(&world, message).await, [format!("suppress {rule}")]);
        assert_eq!((world.stands(message).await.1.as_str(), taken(&world, &email).len()), ("suppressed", 0), "{rule}");
    }
}

#[tokio::test]
async fn a_paused_campaign_mails_nobody_until_it_goes_on() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = planned(&world, &worker, "ada@example.com").await;
    let set = async |state: &str| {
        sqlx::query("update longshore.campaigns set state = $1").bind(state).execute(&world.db.admin).await.expect("an update")
    };
    set("paused").await;
    for _ in 0..3 {
        let verdicts = world.run_again(&worker, "messages").await;
        assert!(matches!(&verdicts[..], [Verdict::Snooze { reason, .. }] if reason == "campaign_paused"), "{verdicts:?}");
    }
    set("active").await;
    world.run_again(&worker, "messages").await;
    assert_eq!(taken(&world, "ada@example.com").len(), 1);
    assert_eq!(rules(&world, message).await, ["wait campaign_paused", "send all_open"]);
}

#[tokio::test]
async fn nobody_is_mailed_more_often_than_the_day_allows() {
    let world = World::new().await;
    let worker = world.worker().await;
    for _ in 0..3 {
        planned(&world, &worker, "ada@example.com").await;
    }
    worker.drain("messages").await;
    assert_eq!(taken(&world, "ada@example.com").len(), 2);
}

#[tokio::test]
async fn an_address_that_takes_no_mail_is_not_tried_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    let first = planned(&world, &worker, "nobody@example.com").await;
    worker.drain("messages").await;
    assert_eq!(world.stands(first).await.1, "failed");
    let reason = world.column(first, "state_reason").await.expect("a reason");
    assert!(!reason.contains('@'), "what a server says may name somebody: {reason}");
    let second = planned(&world, &worker, "nobody@example.com").await;
    worker.drain("messages").await;
    assert_eq!(rules(&world, second).await, ["suppress suppressed_invalid_address"]);
}

#[tokio::test]
async fn a_mail_that_the_server_may_have_is_never_sent_again_by_itself() {
    let world = World::new().await;
    let mut services = world.services();
    services.rules.email.dispatch_milliseconds = 1500;
    let worker = world.worker_with(services).await;
    for email in ["cut@example.com", "hang@example.com"] {
        let message_id = planned(&world, &worker, email).await;
        let (_, verdict) = worker.next("messages").await.expect("a run");
        let parked = format!("unknown_outcome message {message_id}:");
        assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with(&parked)), "{email}: {verdict:?}");
        assert_eq!(world.stands(message_id).await.1, "unknown");
        // Somebody wakes it, or asks for it anew: it stays unknown.
        worker.enqueue(world.team, &SendEmail { message_id }).await;
        let (_, verdict) = worker.next("messages").await.expect("a run");
        assert!(matches!(verdict, Verdict::Park { .. }), "{verdict:?}");
        assert_eq!(taken(&world, email).len(), 1, "{email}");
    }
}

#[tokio::test]
async fn a_mail_that_the_server_cannot_have_is_tried_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    for (email, state) in [("early@example.com", "planned"), ("full@example.com", "planned"), ("refused@example.com", "failed")] {
        let message = planned(&world, &worker, email).await;
        let (_, verdict) = worker.next("messages").await.expect("a run");
        assert_eq!(matches!(verdict, Verdict::Retry { .. } | Verdict::Snooze { .. }), state == "planned", "{email}: {verdict:?}");
        assert_eq!((world.stands(message).await.1.as_str(), taken(&world, email).len()), (state, 0), "{email}");
    }
}

#[tokio::test]
async fn a_process_that_dies_with_a_mail_in_hand_leaves_it_unknown() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message_id = planned(&world, &worker, "ada@example.com").await;
    let died = "update longshore.messages set state = 'dispatching', attempted_at = now() where message_id = $1";
    sqlx::query(died).bind(message_id).execute(&world.db.admin).await.expect("a mark");
    let verdicts = world.run_again(&worker, "messages").await;
    assert!(matches!(&verdicts[..], [Verdict::Park { .. }]), "{verdicts:?}");
    assert_eq!((world.stands(message_id).await.1.as_str(), taken(&world, "ada@example.com").len()), ("unknown", 0));
}

#[tokio::test]
async fn a_server_that_does_not_know_us_parks_the_job() {
    let world = World::new().await;
    world.sandbox.smtp.demand("acme", "a password");
    let worker = world.worker().await;
    let message = planned(&world, &worker, "ada@example.com").await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert!(matches!(&verdict, Verdict::Park { reason } if reason.starts_with("vendor_config")), "{verdict:?}");
    assert_eq!(world.stands(message).await.1, "planned");

    let mut services = world.services();
    let config = longshore::workers::vendors::smtp::Config {
        username: "acme".into(),
        password: "a password".to_owned().into(),
        ..world.sandbox.smtp_config()
    };
    services.vendors.mail = Arc::new(Smtp::new(&config).expect("a client"));
    // Two workers never draw the same link.
    services.random = Arc::new(SeededRandom::new(2));
    let worker = world.worker_with(services).await;
    for email in ["bob@example.com", "cleo@example.com"] {
        planned(&world, &worker, email).await;
        let verdicts = worker.drain("messages").await;
        assert_eq!(taken(&world, email).len(), 1, "the connection of the first serves the second: {verdicts:?}");
    }
}

#[tokio::test]
async fn leaving_by_a_mail_stops_every_channel_at_once() {
    let world = World::new().await;
    let worker = world.worker().await;
    let first = planned(&world, &worker, "ada@example.com").await;
    worker.drain("messages").await;
    let lead: i64 = world.column(first, "lead_id").await.expect("a lead").parse().expect("a number");
    // A second mail and a text that waits for somebody's look, both planned for the same lead.
    let campaign = world.campaign("Again {{ first_name }}", json!({ "step": 1, "approval": true })).await;
    let again = "insert into longshore.enrollments (team_id, campaign_id, lead_id, state, next_step, next_due_at, run_job)
        values ($1, $2, $3, 'running', 1, '2026-11-01', 1)";
    sqlx::query("update longshore.enrollments set state = 'completed', next_step = null, next_due_at = null")
        .execute(&world.db.admin)
        .await
        .expect("an end");
    sqlx::query(again).bind(world.team.0).bind(campaign).bind(lead).execute(&world.db.admin).await.expect("an enrollment");
    let text = world.plan(&worker, campaign).await[0];

    let mut tx = world.api().await;
    let stopped = opt_out::unsubscribe(&mut tx, world.team, first).await.expect("a way out");
    tx.commit().await.expect("a commit");
    assert_eq!(stopped.messages, 1);
    assert_eq!(world.stands(text).await.1, "suppressed");
    let mut tx = world.api().await;
    assert!(approval::approve(&mut tx, world.team, text, By { who: ANN, reason: None, seen: None }).await.is_err());
    assert_eq!(opt_out::unsubscribe(&mut tx, world.team, first).await.expect("a second click").messages, 0);
    drop(tx);
    assert_eq!(world.count("select count(*) from longshore.email_consents where revoked_at is null").await, 0);
    assert_eq!(world.count("select count(*) from longshore.leads where stopped_at is null").await, 0);
}

#[tokio::test]
async fn a_way_out_that_is_being_committed_holds_the_next_mail_until_it_is() {
    let world = World::new().await;
    let worker = world.worker().await;
    let first = planned(&world, &worker, "ada@example.com").await;
    worker.drain("messages").await;
    let lead: i64 = world.column(first, "lead_id").await.expect("a lead").parse().expect("a number");
    let next = world.campaign("Again {{ first_name }}", mail()).await;
    for statement in [
        "update longshore.enrollments set state = 'completed', next_step = null, next_due_at = null where lead_id = $2",
        "insert into longshore.enrollments (team_id, campaign_id, lead_id, next_step, next_due_at, run_job)
         select team_id, $1, lead_id, 1, '2026-11-01', 1 from longshore.leads where lead_id = $2",
    ] {
        sqlx::query(statement).bind(next).bind(lead).execute(&world.db.admin).await.expect("a statement");
    }
    let second = world.plan(&worker, next).await[0];

    let mut leaving = world.api().await;
    opt_out::unsubscribe(&mut leaving, world.team, first).await.expect("a way out");
    let commit = async {
        let select = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        while sqlx::query_scalar::<_, i64>(select).fetch_one(&world.db.admin).await.expect("a count") == 0 {
            tokio::task::yield_now().await;
        }
        leaving.commit().await.expect("a commit");
    };
    let within = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(worker.next("messages"), commit) });
    within.await.expect("the mail to wait, and to go on");
    assert_eq!((world.stands(second).await.1.as_str(), taken(&world, "ada@example.com").len()), ("suppressed", 1));
}

#[tokio::test]
async fn an_operator_keeps_an_address_from_getting_anything() {
    let world = World::new().await;
    let worker = world.worker().await;
    let mut tx = world.operator().await;
    opt_out::suppress(&mut tx, world.team, " ADA@example.com", Reason::DncRequest, ANN).await.expect("a suppression");
    assert!(opt_out::suppress(&mut tx, world.team, "nobody", Reason::DncRequest, ANN).await.is_err());
    tx.commit().await.expect("a commit");
    let message = planned(&world, &worker, "ada@example.com").await;
    worker.drain("messages").await;
    assert_eq!(rules(&world, message).await, ["suppress suppressed_dnc_request"]);
}

#[tokio::test]
async fn a_lead_without_an_address_gets_nothing_and_the_reason_is_kept() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign("Hello", mail()).await;
    world.lead(campaign, "ada@example.com").await;
    let lead = world.lead(campaign, "bob@example.com").await;
    let forget = "update longshore.leads set email = null where lead_id = $1";
    sqlx::query(forget).bind(lead).execute(&world.db.admin).await.expect("an update");
    let messages = world.plan(&worker, campaign).await;
    let mut reasons = Vec::new();
    for message in messages {
        reasons.push((world.stands(message).await.1, world.column(message, "state_reason").await));
    }
    assert_eq!(reasons, [("planned".into(), None), ("suppressed".into(), Some("no_email".into()))]);
}

#[tokio::test]
async fn a_written_mail_is_looked_at_before_it_leaves() {
    let world = World::new().await;
    let worker = world.worker().await;
    let content = json!({ "step": 1, "channel": "email", "subject": "Hi", "prompt": "Be kind.", "approval": true });
    let message = world.message(&worker, "Hello {{ first_name }}", content, "ada@example.com").await;
    worker.drain("texts").await;
    worker.drain("messages").await;
    assert!(taken(&world, "ada@example.com").is_empty());
    let by = By { who: ANN, reason: None, seen: None };
    let mut tx = world.operator().await;
    approval::edit(&mut tx, world.team, message, (Some("Hi Ada"), "Dear Ada"), by).await.expect("an edit");
    let wrong = approval::edit(&mut tx, world.team, message, (Some("Hi\nBcc: all@example.com"), "Dear Ada"), by).await;
    assert!(wrong.is_err(), "a subject is one line");
    approval::approve(&mut tx, world.team, message, by).await.expect("an approval");
    tx.commit().await.expect("a commit");
    worker.drain("messages").await;
    let mails = taken(&world, "ada@example.com");
    assert_eq!((mails.len(), mails[0].header("Subject")), (1, Some("Hi Ada")));
    assert!(mails[0].text().starts_with("Dear Ada\n"));
    assert_eq!(world.stands(message).await, ("approved".into(), "accepted".into()));
}

#[tokio::test]
async fn calls_are_refused_politely_wherever_they_are_asked_for() {
    let world = World::new().await;
    let campaign = world.campaign("Hello", json!({ "step": 1, "approval": true })).await;
    let content = StepContent { step: 1, channel: Channel::Voice, subject: None, prompt: None, approval: false };
    let mut tx = world.operator().await;
    let campaign = longshore::workers::ids::CampaignId(campaign);
    match content::set(&mut tx, world.team, campaign, std::slice::from_ref(&content), ANN).await.expect_err("a refusal") {
        ContentError::Invalid(invalid) => {
            assert_eq!((invalid.field.as_str(), invalid.reason.as_str()), ("steps[0].channel", NOT_OFFERED));
        }
        other => panic!("{other}"),
    }
    let plain = StepContent { channel: Channel::Sms, ..content };
    let begun = content::set(&mut tx, world.team, campaign, &[plain], ANN).await.expect_err("a refusal");
    assert!(matches!(begun, ContentError::Begun { .. }), "{begun}");
    let call = OutboundCall {
        team: world.team,
        message_id: 1,
        to: "+12125550100".into(),
        from: "+12125550199".into(),
        script: "Hello".into(),
        valid_for: Duration::from_secs(60),
    };
    let refused = NoVoice.call(&call).await.expect_err("a refusal");
    assert!(matches!(&refused, VendorError::Refused { .. }) && refused.to_string().contains("choose sms or email"), "{refused}");
}
