//! What people write back, and what carriers say of numbers: heard at once, once, and answered where a team wants it.

use longshore::{
    api::twilio::INBOUND_PATH,
    dev::sandbox::twilio::Incoming,
    workers::{
        job::Job as _,
        messages::{pull_deactivations::PullDeactivations, send_sms::SendSms},
    },
};
use serde_json::json;

use super::world::{SENDER, World};

fn text(world: &World, from: &str, body: &str) -> Incoming {
    Incoming {
        from: from.into(),
        to: SENDER.into(),
        body: body.into(),
        url: Some(format!("{}{INBOUND_PATH}", world.api)),
        opt_out_type: None,
        times: 1,
    }
}

async fn reasons(world: &World, phone: &str) -> Vec<String> {
    let select = "select reason from longshore.suppressions where phone = $1 and lifted_at is null order by reason";
    sqlx::query_scalar(select).bind(phone).fetch_all(&world.db.admin).await.expect("the list")
}

async fn set(world: &World, name: &str, value: serde_json::Value) {
    let insert = "insert into longshore.team_settings (team_id, name, value, updated_by) values ($1, $2, $3, 'a test')";
    sqlx::query(insert).bind(world.team.0).bind(name).bind(value).execute(&world.db.admin).await.expect("a setting");
}

#[tokio::test]
async fn each_way_to_say_no_suppresses_for_its_own_reason_before_the_answer() {
    let world = World::new().await;
    for (body, reason) in [
        ("STOP", "OPT_OUT"),
        ("please stop texting me", "OPT_OUT"),
        ("You have the wrong number", "WRONG_NUMBER"),
        ("my attorney will hear of this", "LEGAL_DNC"),
    ] {
        let (message, phone) = world.message().await;
        let answers = world.sandbox.twilio.write(&text(&world, &phone, body)).await;
        assert_eq!(answers[0].status, 200, "{body}");
        // No waiting: it was done when the answer came.
        assert_eq!(reasons(&world, &phone).await, [reason], "{body}");
        assert_eq!(world.state(message).await, "suppressed", "{body}");
    }
    let held: i64 = sqlx::query_scalar("select count(*) from longshore.consents where revoked_at is null")
        .fetch_one(&world.db.admin)
        .await
        .expect("a count");
    assert_eq!(held, 0, "whoever said no agreed to nothing");
}

#[tokio::test]
async fn a_text_that_is_delivered_five_times_is_one_text_with_one_answer() {
    let world = World::new().await;
    set(&world, "messages.stop_answer", json!("No more texts from A & B.")).await;
    let (_, phone) = world.message().await;
    let answers = world.sandbox.twilio.write(&Incoming { times: 5, ..text(&world, &phone, "please stop") }).await;
    let said: Vec<_> =
        answers.iter().map(|answer| answer.body.contains("<Message>No more texts from A &amp; B.</Message>")).collect();
    assert_eq!(said, [true, false, false, false, false]);
    let kept: Vec<(String, Option<String>)> =
        sqlx::query_as("select meaning, answer from longshore.inbox").fetch_all(&world.db.admin).await.expect("the inbox");
    assert_eq!(kept, [("stop".to_owned(), Some("No more texts from A & B.".to_owned()))]);
}

#[tokio::test]
async fn help_is_answered_where_the_team_says_how_and_the_vendor_has_not() {
    let world = World::new().await;
    let (_, phone) = world.message().await;
    let silent = world.sandbox.twilio.write(&text(&world, &phone, "HELP")).await;
    assert!(silent[0].body.ends_with("<Response></Response>"), "{silent:?}");
    set(&world, "messages.help_answer", json!("Acme. STOP ends it.")).await;
    let answered = world.sandbox.twilio.write(&text(&world, &phone, "Help!")).await;
    assert!(answered[0].body.contains("<Message>Acme. STOP ends it.</Message>"), "{answered:?}");
    let hinted = Incoming { opt_out_type: Some("HELP".into()), ..text(&world, &phone, "help") };
    assert!(world.sandbox.twilio.write(&hinted).await[0].body.ends_with("<Response></Response>"));
    assert!(reasons(&world, &phone).await.is_empty());
}

#[tokio::test]
async fn numbers_that_carriers_took_back_are_out_of_reach_and_their_consent_is_gone() {
    let world = World::new().await;
    let worker = world.worker().await;
    let ((message, phone), (kept, other)) = (world.message().await, world.message().await);
    // 17 November by the test's clock: the list of the day before.
    let day = "2026-11-16".parse().expect("a day");
    world.sandbox.twilio.deactivate(day, vec![phone.clone(), "+12125559999".into(), "garbage".into()]);
    for _ in 0..2 {
        worker.enqueue(world.team, &PullDeactivations::default()).await;
    }
    world.run_again(&worker).await;
    for message_id in [message, kept] {
        worker.enqueue(world.team, &SendSms { message_id }).await;
    }
    world.run_again(&worker).await;
    assert_eq!((world.state(message).await.as_str(), world.state(kept).await.as_str()), ("suppressed", "accepted"));
    assert_eq!((reasons(&world, &phone).await, reasons(&world, &other).await), (vec!["INVALID_NUMBER".to_owned()], vec![]));
    assert!(reasons(&world, "+12125559999").await.is_empty(), "nobody of ours");
    let revoked: bool = sqlx::query_scalar("select revoked_at is not null from longshore.consents where phone = $1")
        .bind(&phone)
        .fetch_one(&world.db.admin)
        .await
        .expect("a consent");
    assert!(revoked, "its next owner has agreed to nothing");
    let ended: i64 = sqlx::query_scalar(
        "select count(*) from queue.outcomes o join queue.jobs j on j.id = o.job_id where j.kind = $1 and o.outcome = 1",
    )
    .bind(PullDeactivations::KIND)
    .fetch_one(&world.db.admin)
    .await
    .expect("a count");
    assert_eq!(ended, 2, "the second run finds it done");
}
