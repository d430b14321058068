//! What needs somebody's look leaves only when they let it, once, in the words that they saw; and what was decided is kept.

use longshore::{
    queue::settle::Verdict,
    workers::{
        db,
        messages::{
            approval::{self, ApprovalError, ApprovedMany, By, Filter, Many, decisions, stage::Stage},
            content::Rules,
            opt_out::{self, Reason},
            send_sms::SendSms,
        },
    },
};
use serde_json::{Value, json};

use super::world::World;

const BY: By<'static> = By { who: "key abc", reason: Some("it reads well"), seen: None };

fn looked_at() -> Value {
    json!({ "step": 1, "approval": true })
}

async fn waiting(world: &World) -> Vec<approval::Waiting> {
    let mut tx = world.api().await;
    approval::list(&mut tx, world.team, Filter::default(), 100).await.expect("a list")
}

async fn approve(world: &World, message: i64, by: By<'_>) -> Result<(), ApprovalError> {
    let mut tx = world.api().await;
    approval::approve(&mut tx, world.team, message, by).await?;
    tx.commit().await?;
    Ok(())
}

async fn stages(world: &World, message: i64) -> Vec<Stage> {
    let mut tx = world.api().await;
    let seen = approval::find(&mut tx, world.team, message).await.expect("a message");
    seen.moments.iter().map(|moment| moment.stage).collect()
}

#[tokio::test]
async fn a_message_that_needs_a_look_waits_for_it_whatever_job_is_enqueued() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message_id = world.message(&worker, "Hello {{ first_name }}", looked_at(), "ada@example.com").await;
    assert_eq!(world.stands(message_id).await, ("preview".into(), "planned".into()));
    assert_eq!(world.jobs("send_sms").await, 0);
    worker.enqueue(world.team, &SendSms { message_id }).await;
    let (_, verdict) = worker.next("messages").await.expect("a run");
    assert!(matches!(verdict, Verdict::Nothing), "a job that came too early ends, and is not tried again: {verdict:?}");
    assert_eq!((world.sandbox.twilio.calls(), world.stands(message_id).await.1.as_str()), (0, "planned"));
    let waiting = waiting(&world).await;
    assert_eq!((waiting[0].message, waiting[0].body.as_str()), (message_id, "Hello Ada"));

    approve(&world, message_id, BY).await.expect("an approval");
    assert_eq!(world.stands(message_id).await, ("approved".into(), "planned".into()));
    assert_eq!(world.jobs("send_sms").await, 2, "the one that was too early, and the one that sends");
    assert_eq!(stages(&world, message_id).await, [Stage::Draft, Stage::Preview, Stage::Approved, Stage::Pending]);
    let again = approve(&world, message_id, BY).await.expect_err("a second approval");
    assert!(matches!(again, ApprovalError::NotNow { stage: Stage::Pending, .. }), "{again}");
}

#[tokio::test]
async fn no_statement_marks_what_is_not_cleared_for_a_vendor() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", looked_at(), "ada@example.com").await;
    for state in ["dispatching", "accepted", "delivered", "failed", "unknown"] {
        let mark = "update longshore.messages set state = $2, attempted_at = now(), accepted_at = now(),
            ended_at = case when $2 in ('delivered', 'failed') then now() end where message_id = $1";
        let marked =
            sqlx::query(mark).bind(message).bind(state).execute(&world.db.admin).await.expect_err("a refusal").to_string();
        assert!(marked.contains("messages_cleared"), "{state}: {marked}");
    }
}

#[tokio::test]
async fn planning_again_asks_nobody_again() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign("Hello", looked_at()).await;
    world.lead(campaign, "ada@example.com").await;
    let first = world.plan(&worker, campaign).await;
    approve(&world, first[0], BY).await.expect("an approval");
    let due_again = "update longshore.enrollments set state = 'running', next_step = 1, next_due_at = '2026-11-01'";
    sqlx::query(due_again).execute(&world.db.admin).await.expect("an update");
    assert_eq!(world.plan(&worker, campaign).await, first);
    assert_eq!(world.stands(first[0]).await.0, "approved");
    assert_eq!((world.jobs("send_sms").await, world.texts(first[0]).await.len()), (1, 1));
}

#[tokio::test]
async fn a_rejected_message_never_leaves_and_says_who_and_why() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", looked_at(), "ada@example.com").await;
    let mut tx = world.api().await;
    approval::reject(&mut tx, world.team, message, By { reason: Some("too pushy"), ..BY }).await.expect("a rejection");
    tx.commit().await.expect("a commit");
    assert_eq!(world.stands(message).await, ("rejected".into(), "suppressed".into()));
    assert!(approve(&world, message, BY).await.is_err());
    let mut tx = world.api().await;
    let seen = approval::find(&mut tx, world.team, message).await.expect("a message");
    assert_eq!((seen.stage, seen.ended_because.as_deref()), (Stage::Rejected, Some("rejected")));
    assert_eq!((seen.decisions[0].decided_by.as_str(), seen.decisions[0].reason.as_deref()), ("key abc", Some("too pushy")));
    assert_eq!(world.jobs("send_sms").await, 0);
}

#[tokio::test]
async fn an_edit_keeps_the_original_and_has_to_be_approved() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello {{ first_name }}", looked_at(), "ada@example.com").await;
    let seen = waiting(&world).await[0].text;
    let mut tx = world.api().await;
    let new = approval::edit(&mut tx, world.team, message, (None, " Dear Ada "), BY).await.expect("an edit");
    tx.commit().await.expect("a commit");
    assert_eq!(world.column(message, "body").await.as_deref(), Some("Dear Ada"));
    assert_eq!(world.stands(message).await.0, "preview");
    assert_eq!(world.texts(message).await, [("template".into(), "Hello Ada".into()), ("edited".into(), "Dear Ada".into())]);
    // Who looked before the edit does not approve what they have not seen.
    let stale = approve(&world, message, By { seen: Some(seen), ..BY }).await.expect_err("a refusal");
    assert!(matches!(stale, ApprovalError::Changed { now, .. } if now == new), "{stale}");
    approve(&world, message, By { seen: Some(new), ..BY }).await.expect("an approval");
    for wrong in ["", "Hi {{ first_name }}", "a\u{0}b"] {
        let mut tx = world.api().await;
        assert!(approval::edit(&mut tx, world.team, message, (None, wrong), BY).await.is_err(), "{wrong:?}");
    }
    let mut tx = world.api().await;
    let exported = decisions::page(&mut tx, world.team, None, 10).await.expect("decisions");
    let told: Vec<_> = exported.iter().map(|one| (one.verdict.as_str(), one.body.as_str(), one.new_body.as_deref())).collect();
    assert_eq!(told, [("edit", "Hello Ada", Some("Dear Ada")), ("approve", "Dear Ada", None)]);
    assert!(exported.iter().all(|one| one.original == "Hello Ada" && one.reason.as_deref() == Some("it reads well")));
    let rest = decisions::page(&mut tx, world.team, Some(exported[0].decision), 10).await.expect("decisions");
    assert_eq!(rest.len(), 1);
}

#[tokio::test]
async fn of_two_who_decide_at_once_one_decides() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign("Hello", looked_at()).await;
    for n in 0..20 {
        world.lead(campaign, &format!("lead{n}@example.com")).await;
    }
    let messages = world.plan(&worker, campaign).await;
    let decide = async |message: i64, rejects: bool| {
        let mut tx = world.api().await;
        let decided = match rejects {
            true => approval::reject(&mut tx, world.team, message, BY).await,
            false => approval::approve(&mut tx, world.team, message, BY).await,
        };
        match decided {
            Ok(()) => tx.commit().await.is_ok(),
            Err(ApprovalError::NotNow { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    for message in &messages {
        let (rejected, approved) = tokio::join!(decide(*message, true), decide(*message, false));
        assert!(rejected ^ approved, "message {message}: rejected {rejected}, approved {approved}");
        let expected = if approved { ("approved", "planned") } else { ("rejected", "suppressed") };
        assert_eq!(world.stands(*message).await, (expected.0.into(), expected.1.into()));
    }
    assert_eq!(world.count("select count(*) from longshore.approval_decisions").await, 20);
}

#[tokio::test]
async fn many_are_approved_at_once_and_none_twice() {
    let world = World::new().await;
    let worker = world.worker().await;
    let campaign = world.campaign("Hello", looked_at()).await;
    for n in 0..30 {
        world.lead(campaign, &format!("lead{n}@example.com")).await;
    }
    let messages = world.plan(&worker, campaign).await;
    let rules = Rules { approve_at_once: 25, ..Rules::default() };
    let many = async |many: Many<'_>| {
        let mut tx = world.api().await;
        let done = approval::approve_many(&mut tx, world.team, many, &rules, BY).await?;
        tx.commit().await?;
        Ok::<ApprovedMany, ApprovalError>(done)
    };
    let whole = Many { messages: None, campaign: Some(campaign), up_to_text: None, at_most: 20 };
    let too_many = many(Many { at_most: 26, ..whole }).await.expect_err("a refusal");
    assert!(matches!(&too_many, ApprovalError::Invalid(invalid) if invalid.field == "at_most"), "{too_many}");
    // One was worded anew since the list was read.
    let newest = waiting(&world).await.iter().map(|one| one.text).max();
    let mut tx = world.api().await;
    approval::edit(&mut tx, world.team, messages[0], (None, "Dear Ada"), BY).await.expect("an edit");
    tx.commit().await.expect("a commit");

    let up_to = Many { up_to_text: newest, ..whole };
    let (one, other) = tokio::join!(many(up_to), many(up_to));
    let approved = one.expect("an answer").approved + other.expect("an answer").approved;
    assert!((20..=29).contains(&approved), "{approved}");
    let rest = many(Many { at_most: 25, ..up_to }).await.expect("an answer");
    assert_eq!((approved + rest.approved, rest.more), (29, false));
    assert_eq!(world.jobs("send_sms").await, 29);
    let approvals = "select count(*) from longshore.approval_decisions where verdict = 'approve'";
    assert_eq!(world.count(approvals).await, 29);
    assert_eq!(world.stands(messages[0]).await.0, "preview");

    let named = Many { messages: Some(&messages), campaign: None, up_to_text: None, at_most: 25 };
    let last = many(named).await.expect_err("more than the cap");
    assert!(matches!(&last, ApprovalError::Invalid(invalid) if invalid.field == "messages"), "{last}");
    let last = many(Many { messages: Some(&messages[..2]), ..named }).await.expect("an answer");
    assert_eq!(last, ApprovedMany { approved: 1, more: false });
}

#[tokio::test]
async fn who_said_stop_is_not_approved_any_more() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", looked_at(), "ada@example.com").await;
    let phone = world.column(message, "recipient").await.expect("a number");
    let mut tx = world.api().await;
    opt_out::suppress(&mut tx, world.team, &phone, Reason::OptOut, "sms STOP").await.expect("an opt-out");
    tx.commit().await.expect("a commit");
    let refused = approve(&world, message, BY).await.expect_err("a refusal");
    assert!(matches!(refused, ApprovalError::NotNow { stage: Stage::Suppressed, .. }), "{refused}");
    assert!(waiting(&world).await.is_empty());
}

#[tokio::test]
async fn another_teams_messages_are_not_there() {
    let world = World::new().await;
    let worker = world.worker().await;
    let message = world.message(&worker, "Hello", looked_at(), "ada@example.com").await;
    let other = world.db.team("second").await;
    let mut tx = db::begin_as(&world.as_api, other).await.expect("a transaction");
    for team in [other, world.team] {
        let found = approval::approve(&mut tx, team, message, BY).await.expect_err("a refusal");
        assert!(matches!(found, ApprovalError::NotFound(_)), "{found}");
        assert!(approval::list(&mut tx, team, Filter::default(), 10).await.expect("a list").is_empty());
        assert!(decisions::page(&mut tx, team, None, 10).await.expect("decisions").is_empty());
    }
    let many = Many { messages: Some(&[message]), campaign: None, up_to_text: None, at_most: 1 };
    let done = approval::approve_many(&mut tx, other, many, &Rules::default(), BY).await.expect("an answer");
    assert_eq!(done, ApprovedMany { approved: 0, more: false });
}
