//! Whatever changes something is in the audit log, or on a short list with a reason.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use longshore::{
    api::openapi,
    cli::Cli,
    tenancy::keys::Scope,
    workers::{
        db,
        dead::run_dead_plan::RunDeadPlan,
        enrollment::{
            campaigns::{self, NewCampaign, NewStep},
            end_enrollments::EndEnrollments,
            enroll_batch::EnrollBatch,
            reenroll_leads::ReenrollLeads,
            run_sequence::RunSequence,
            sync_campaign::SyncCampaign,
        },
        ids::TeamId,
        messages::{send_sms::SendSms, write_text::WriteText},
        people::{erase_person::ErasePerson, export_person::ExportPerson},
        webhooks::deliver_webhook::DeliverWebhook,
    },
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    api::door::{self, Door, registry},
    cli::fleet::Fleet,
    support::{Stepper, services},
};

/// Commands that change nothing.
const READS: &[&str] = &[
    "approvals export",
    "approvals list",
    "approvals show",
    "audit export",
    "audit list",
    "audit verify",
    "campaigns analytics",
    "campaigns list",
    "campaigns preview",
    "campaigns show",
    "campaigns tags",
    "campaigns trail",
    "campaigns why",
    "completions",
    "config check",
    "content show",
    "config show",
    "credits balance",
    "credits verify",
    "dead list",
    "dead plans",
    "dead report",
    "dead show",
    "doctor",
    "email sender show",
    "export openapi",
    "export ts",
    "buckets list",
    "jobs list",
    "jobs show",
    "keys list",
    "kinds",
    "lanes list",
    "messages inbox",
    "messages unknown list",
    "queues list",
    "schedules list",
    "secrets status",
    "senders list",
    "settings get",
    "settings list",
    "settings preview",
    "flags explain",
    "flags list",
    "quotas show",
    "teams list",
    "people requests",
    "webhooks deliveries",
    "webhooks events",
    "webhooks list",
];

/// Commands that change something and are in no audit log, and why.
const APART: &[(&str, &str)] = &[
    ("jobs enqueue", "a job is its own record: who, what and when are in it for as long as its history is kept"),
    ("campaigns enroll", "a job is its own record: it says what it did, and why to each lead"),
    ("migrate", "it writes functions.put, where there is something to put: see the test of the migration"),
    ("webhooks test", "it changes nothing but its own record: a delivery is listed with the others"),
    ("api", "a process of the fleet"),
    ("worker", "a process of the fleet"),
    ("scheduler", "a process of the fleet"),
    ("run", "processes of the fleet"),
    ("dev", "a database of its own, for trying"),
    ("demo", "a database of its own, for trying"),
    ("sandbox", "pretends to be vendors"),
    ("bench", "a database of its own, for measuring"),
    ("bench-api", "a process of a measurement"),
    ("bench-worker", "a process of a measurement"),
    ("secrets rotate", "it writes keyring.rotate, where there is a keyring: see the test of the command line"),
];

/// Commands with power: a line that does it, and the action it must leave, by ann and for the reason given.
const DEEDS: &[(&str, &str, &str)] = &[
    ("teams create", "teams create initech", "team.create"),
    ("keys create", "keys create laptop --team acme", "key.create"),
    ("keys rotate", "keys rotate KEY --team acme", "key.rotate"),
    ("keys token", "keys token --team acme --for ann", "token.create"),
    ("keys revoke", "keys revoke KEY --team acme --yes", "key.revoke"),
    ("queues pause", "queues pause notes", "queue.pause"),
    ("queues resume", "queues resume notes", "queue.resume"),
    ("queues keep", "queues keep notes --days 9", "queue.keep"),
    ("lanes set", "lanes set --queue notes --team acme --weight 3", "lane.set"),
    ("quotas set", "quotas set --team acme --queue notes --unfinished 70", "lane.set"),
    ("settings set", "settings set brand.company Acme --team acme", "setting.set"),
    ("settings unset", "settings unset brand.company --team acme", "setting.unset"),
    ("flags set", "flags set new_way --description new --percent 10", "flag.set"),
    ("flags override", "flags override new_way on --team acme", "flag.override"),
    ("flags unset", "flags unset new_way", "flag.unset"),
    ("buckets set", "buckets set vendor --rate 5/s", "bucket.set"),
    ("buckets remove", "buckets remove vendor", "bucket.remove"),
    ("credits grant", "credits grant acme 500", "credits.grant"),
    (
        "schedules put",
        "schedules put nightly --team acme --kind carry_note --payload '{\"trouble\": \"\"}' --cron '0 3 * * *'",
        "schedule.put",
    ),
    ("schedules pause", "schedules pause nightly --team acme", "schedule.pause"),
    ("schedules resume", "schedules resume nightly --team acme", "schedule.resume"),
    ("schedules run-now", "schedules run-now nightly --team acme", "schedule.run"),
    ("schedules delete", "schedules delete nightly --team acme --yes", "schedule.delete"),
    ("jobs cancel", "jobs cancel WAITING", "job.cancel"),
    ("dead replay", "dead replay LETTER0 --yes", "dead.replay"),
    ("dead discard", "dead discard LETTER1 --yes", "dead.discard"),
    ("dead plan", "dead plan --all", "dead.plan"),
    ("dead approve", "dead approve plan_1 --as bob", "dead.approve"),
    ("dead run", "dead run plan_1 --detach", "dead.run"),
    ("dead stop", "dead stop plan_1", "dead.stop"),
    ("campaigns schedule", "campaigns schedule 1 --team acme --at 2h", "campaign.schedule"),
    ("campaigns activate", "campaigns activate 1 --team acme", "campaign.activate"),
    ("campaigns pause", "campaigns pause 1 --team acme", "campaign.pause"),
    ("campaigns resume", "campaigns resume 1 --team acme", "campaign.resume"),
    ("campaigns reenroll", "campaigns reenroll 1 --team acme", "campaign.reenroll"),
    ("campaigns stop", "campaigns stop 1 --team acme --yes", "campaign.stop"),
    ("campaigns recall", "campaigns recall 1 --team acme --yes", "campaign.recall"),
    ("campaigns clone", "campaigns clone 1 --team acme --name Autumn", "campaign.clone"),
    ("campaigns delete", "campaigns delete 2 --team acme --yes", "campaign.delete"),
    (
        "campaigns create",
        "campaigns create '{\"name\": \"Winter\", \"sender\": \"+12025550100\", \"engagement\": [\"high\"], \"steps\": [{\"delay_minutes\": 0, \"template\": \"Hello\"}]}' --team acme",
        "campaign.create",
    ),
    ("campaigns complete", "campaigns complete 4 --team acme", "campaign.complete"),
    ("content set", "content set 3 CONTENT --team acme", "campaign.content"),
    ("approvals approve", "approvals approve 1 --team acme", "approval.approve"),
    ("approvals reject", "approvals reject 2 --team acme", "approval.reject"),
    ("approvals edit", "approvals edit 3 Hi --team acme", "approval.edit"),
    ("approvals rewrite", "approvals rewrite 4 --team acme", "approval.rewrite"),
    ("email sender set", "email sender set hi@acme.example.com --team acme --name Acme --postal '1 Main Street'", "email.sender"),
    ("email consent", "email consent ada@example.com --team acme --method paper", "email.consent"),
    ("email suppress", "email suppress ada@example.com --team acme", "email.suppress"),
    ("senders put", "senders put +12125550199 --team acme --pool main --rate 3/s --burst 5 --daily 2000", "sender.add"),
    ("senders release", "senders release +12125550199 --team acme", "sender.release"),
    ("senders retire", "senders retire +12125550199 --team acme", "sender.retire"),
    ("messages unknown resolve", "messages unknown resolve UNKNOWN --team acme --outcome given-up", "message.resolve"),
    ("messages suppress", "messages suppress +16175550177 --team acme", "suppression.add"),
    ("messages consent", "messages consent +16175550178 --team acme --method paper", "consent.give"),
    ("people export", "people export --team acme --phone 617-555-0123", "people.export"),
    ("people erase", "people erase --team acme --phone 617-555-0123 --yes", "people.erase"),
    ("teams export", "teams export acme", "team.export"),
    ("teams erase", "teams erase globex --yes", "team.erase"),
    ("webhooks create", "webhooks create https://example.com/hooks --team acme --events job.done", "webhook.create"),
    ("webhooks update", "webhooks update ep_1 --team acme --events job.dead --description ours", "webhook.update"),
    ("webhooks rotate", "webhooks rotate ep_1 --team acme --keep 1", "webhook.rotate"),
    ("webhooks replay", "webhooks replay ep_1 dlv_1 --team acme", "webhook.replay"),
    ("webhooks delete", "webhooks delete ep_1 --team acme --yes", "webhook.delete"),
];

fn commands() -> BTreeSet<String> {
    fn collect(command: &clap::Command, line: &str, all: &mut BTreeSet<String>) {
        let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help").peekable();
        if inner.peek().is_none() {
            all.insert(line.to_owned());
        }
        for inner in inner {
            collect(inner, format!("{line} {}", inner.get_name()).trim(), all);
        }
    }
    let mut all = BTreeSet::new();
    collect(&Cli::command(), "", &mut all);
    all
}

#[test]
fn every_command_reads_is_audited_or_says_why_not() {
    let within =
        |list: BTreeSet<&str>, command: &str| list.iter().any(|one| command == *one || command.starts_with(&format!("{one} ")));
    let reads: BTreeSet<&str> = READS.iter().copied().collect();
    let apart: BTreeSet<&str> = APART.iter().map(|(command, _)| *command).collect();
    let deeds: BTreeSet<&str> = DEEDS.iter().map(|(command, ..)| *command).collect();
    let unknown: Vec<_> = commands()
        .into_iter()
        .filter(|command| [&reads, &apart, &deeds].into_iter().filter(|list| within((*list).clone(), command)).count() != 1)
        .collect();
    assert!(unknown.is_empty(), "these are on none of the lists of this file, or on two: {unknown:?}");
    let commands = commands();
    let gone: Vec<_> = reads.union(&deeds).filter(|one| !commands.contains(**one)).collect();
    assert!(gone.is_empty(), "there are no such commands any more: {gone:?}");
}

async fn newest(pool: &PgPool) -> (i64, Value) {
    let entries = "select count(*), coalesce((select to_jsonb(l) from longshore.audit_log l order by at desc limit 1), 'null') from longshore.audit_log";
    sqlx::query_as(entries).fetch_one(pool).await.expect("the entries")
}

#[tokio::test]
async fn every_command_with_power_leaves_one_entry_that_says_who_and_why() {
    let (fleet, jobs) = Fleet::with_dead_letters().await;
    fleet.db.sender(fleet.acme, &named("Spring").sender, "").await;
    // The worker that a detached plan would ask for, and a job that waits.
    Stepper::new(&fleet.db, longshore::workers::registry().add::<crate::cli::fleet::CarryNote>(), services(&fleet.db)).await;
    let waiting = fleet.enqueue(fleet.acme, "").await;
    let mut tx = db::begin_as(&fleet.db.pool("api"), fleet.acme).await.expect("a transaction");
    // One that ends with what waits in it, one to delete, one whose texts are looked at.
    for name in ["Spring", "Summer", "Harvest"] {
        campaigns::create(&mut tx, fleet.acme, &named(name)).await.expect("a campaign");
    }
    tx.commit().await.expect("a commit");
    to_look_at(&fleet.db.admin, fleet.acme, 3, 4).await;
    let mut content = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut content, br#"[{"step": 1, "prompt": "Be kind.", "approval": true}]"#).expect("a content");
    let mut key = String::new();
    for (command, line, action) in DEEDS {
        let line = line
            .replace("KEY", &key)
            .replace("WAITING", &waiting.to_string())
            .replace("CONTENT", &content.path().display().to_string())
            .replace("LETTER0", &jobs[0].to_string())
            .replace("LETTER1", &jobs[1].to_string());
        let line = if line.contains("UNKNOWN") { line.replace("UNKNOWN", &unknown(&fleet).await.to_string()) } else { line };
        if *command == "campaigns complete" {
            let active =
                "update longshore.campaigns set state = 'active', activated_at = now(), opens_at = now() where campaign_id = 4";
            sqlx::query(active).execute(&fleet.db.admin).await.expect("an active campaign");
        }
        assert!(line.starts_with(command), "{line} tries another command than {command}");
        if *command == "webhooks replay" {
            // Something that was sent, and has ended.
            assert_eq!(fleet.run("webhooks test ep_1 --team acme --wait 0").code, 0);
            let end = "update longshore.webhook_deliveries set state = 'failed', ended_at = now()";
            sqlx::query(end).execute(&fleet.db.admin).await.expect("an end");
        }
        if *command == "senders release" {
            let rest = "update longshore.sender_standing set state = 'quarantined', state_reason = 'a test'";
            sqlx::query(rest).execute(&fleet.db.admin).await.expect("a quarantine");
        }
        // Of this plan's size nothing needs an approval; it may be given all the same.
        let (before, _) = newest(&fleet.db.admin).await;
        let ran = fleet.run(&format!("{line} --reason 'ticket 7'"));
        assert_eq!(ran.code, 0, "{ran}");
        if *command == "keys create" {
            key = ran.stdout.split('_').nth(2).expect("a key id").to_owned();
        }
        let (after, entry) = newest(&fleet.db.admin).await;
        // A first number sets a schedule; that is written down too.
        let entries = if *action == "sender.add" { 2 } else { 1 };
        assert_eq!(after, before + entries, "{line} left {entry}");
        assert_eq!(entry["action"], *action, "{line}");
        let by = if line.contains("--as bob") { "operator bob" } else { "operator ann" };
        assert_eq!((&entry["actor"], &entry["reason"]), (&json!(by), &json!("ticket 7")), "{line}");
        assert!(!entry["target"].as_str().unwrap_or_default().is_empty(), "{line}");
    }
    let verify = fleet.run("audit verify");
    assert_eq!(verify.code, 0, "{verify}");
}

/// A message of which nobody knows whether it was sent.
async fn unknown(fleet: &Fleet) -> i64 {
    let unknown = "with l as (
          insert into longshore.leads (team_id, phone) values ($1, '+12125550123') returning team_id, lead_id, phone
        ) insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body, state, attempted_at)
        select team_id, 1, lead_id, 1, '+12125550199', phone, 'Hello', 'unknown', now() from l returning message_id";
    sqlx::query_scalar(unknown).bind(fleet.acme.0).fetch_one(&fleet.db.admin).await.expect("a message")
}

/// Messages of a campaign that somebody has to look at and that a model can write anew, numbered from 1 in a new database.
async fn to_look_at(pool: &PgPool, team: TeamId, campaign: i64, count: i32) {
    let made = "with s as (
            insert into longshore.step_contents (team_id, campaign_id, step, prompt, approval, changed_by) values ($1, $2, 1, 'Be kind.', true, 'test')),
          l as (
            insert into longshore.leads (team_id, phone) select $1, '+1212' || (5551000 + n) from generate_series(1, $3) n returning lead_id, phone),
          m as (
            insert into longshore.messages (team_id, campaign_id, lead_id, step, sender, recipient, body, approval)
            select $1, $2, lead_id, 1, '+12125550199', phone, 'Hello', 'preview' from l order by lead_id returning message_id)
        insert into longshore.message_texts (team_id, message_id, source, body, written_by)
        select $1, message_id, 'template', 'Hello', 'job 1' from m";
    sqlx::query(made).bind(team.0).bind(campaign).bind(count).execute(pool).await.expect("messages");
}

fn named(name: &str) -> NewCampaign {
    NewCampaign {
        name: name.into(),
        sender: "+12025550100".into(),
        target_tags: vec![],
        engagement: vec!["high".into()],
        steps: vec![NewStep::new(5, "Hello")],
        ..NewCampaign::default()
    }
}

#[tokio::test]
async fn many_dead_letters_are_one_entry_with_the_filter_and_the_number() {
    let (fleet, _) = Fleet::with_dead_letters().await;
    let (before, _) = newest(&fleet.db.admin).await;
    let ran = fleet.run("dead replay --error mailbox --yes --reason 'the vendor is back, says ops@example.com'");
    assert_eq!(ran.code, 0, "{ran}");
    let (after, entry) = newest(&fleet.db.admin).await;
    assert_eq!(after, before + 1, "one entry for two letters");
    assert_eq!((&entry["action"], &entry["target"]), (&json!("dead.replay"), &json!("2 dead letters")));
    assert_eq!((&entry["after"]["matched"], &entry["after"]["filter"]["error"]), (&json!(2), &json!("mailbox")));
    assert_eq!(entry["reason"], "the vendor is back, says [e-mail]");

    // A made-up number of an entry covers nothing.
    fleet.stepper.drain("notes").await;
    let letter: i64 = sqlx::query_scalar("select job_id from queue.dead where replayed_at is null limit 1")
        .fetch_one(&fleet.db.admin)
        .await
        .expect("a letter");
    let team: uuid::Uuid = sqlx::query_scalar("select team_id from queue.dead where job_id = $1")
        .bind(letter)
        .fetch_one(&fleet.db.admin)
        .await
        .expect("its team");
    sqlx::query("select queue.discard($1, $2, 'eve', 999)")
        .bind(team)
        .bind(letter)
        .execute(&fleet.db.admin)
        .await
        .expect("a discard");
    assert_eq!(newest(&fleet.db.admin).await.1["action"], "dead.discard");
}

/// Operations over HTTP that change something and are in no audit log, and why.
const OPERATIONS_APART: &[(&str, &str)] = &[
    ("enqueueJob", "a job is its own record"),
    ("enqueueJobs", "jobs are their own record"),
    ("testWebhookEndpoint", "a delivery is its own record"),
    ("enrollCampaign", "a job is its own record"),
    ("previewAudience", "it changes nothing"),
    ("cancelJob", "a team cancels its own jobs as it likes; the job says by which key"),
];

/// Operations with power: a request that does it, and the action it must leave.
const OPERATIONS: &[(&str, &str, &str, &str)] = &[
    ("replayDead", "/v1/dead/LETTER0/replay", "", "dead.replay"),
    ("discardDead", "/v1/dead/LETTER1/discard", "", "dead.discard"),
    ("makeDeadPlan", "/v1/dead/plans", r#"{"filter": {}}"#, "dead.plan"),
    ("runDeadPlan", "/v1/dead/plans/plan_1/run", "", "dead.run"),
    (
        "putSchedule",
        "/v1/schedules/nightly",
        r#"{"kind": "greet", "payload": {"name": "Ada"}, "cron": "30 2 * * *"}"#,
        "schedule.put",
    ),
    ("pauseSchedule", "/v1/schedules/nightly/pause", r#"{"reason": "ticket 7"}"#, "schedule.pause"),
    ("resumeSchedule", "/v1/schedules/nightly/resume", "", "schedule.resume"),
    ("runSchedule", "/v1/schedules/nightly/run", "", "schedule.run"),
    ("deleteSchedule", "/v1/schedules/nightly", "", "schedule.delete"),
    ("putSetting", "/v1/settings/brand.company", r#"{"value": "Acme"}"#, "setting.set"),
    ("deleteSetting", "/v1/settings/brand.company", "", "setting.unset"),
    (
        "createCampaign",
        "/v1/campaigns",
        r#"{"name": "Summer", "sender": "+12025550100", "engagement": ["high"], "steps": [{"delay_minutes": 0, "template": "Hello"}]}"#,
        "campaign.create",
    ),
    ("scheduleCampaign", "/v1/campaigns/1/schedule", r#"{"activate_at": "LATER"}"#, "campaign.schedule"),
    ("activateCampaign", "/v1/campaigns/1/activate", "", "campaign.activate"),
    ("pauseCampaign", "/v1/campaigns/1/pause", "", "campaign.pause"),
    ("resumeCampaign", "/v1/campaigns/1/resume", "", "campaign.resume"),
    ("reenrollCampaign", "/v1/campaigns/1/reenroll", "", "campaign.reenroll"),
    ("completeCampaign", "/v1/campaigns/1/complete", "", "campaign.complete"),
    ("recallCampaign", "/v1/campaigns/1/recall", "", "campaign.recall"),
    ("cloneCampaign", "/v1/campaigns/1/clone", r#"{"name": "Autumn"}"#, "campaign.clone"),
    ("stopCampaign", "/v1/campaigns/3/stop", "", "campaign.stop"),
    ("deleteCampaign", "/v1/campaigns/3", "", "campaign.delete"),
    ("createKey", "/v1/keys", r#"{"name": "another", "scopes": ["dead"]}"#, "key.create"),
    ("rotateKey", "/v1/keys/KEY/rotate", "", "key.rotate"),
    ("revokeKey", "/v1/keys/KEY", "", "key.revoke"),
    ("approveMany", "/v1/approvals", r#"{"at_most": 1}"#, "approval.approve"),
    ("rejectMessage", "/v1/approvals/2/reject", "", "approval.reject"),
    ("editMessage", "/v1/approvals/3/edit", r#"{"body": "Hi"}"#, "approval.edit"),
    ("approveMessage", "/v1/approvals/3/approve", "", "approval.approve"),
    ("rewriteMessage", "/v1/approvals/4/rewrite", "", "approval.rewrite"),
    ("putCampaignContent", "/v1/campaigns/2/content", r#"{"steps": [{"step": 1, "approval": true}]}"#, "campaign.content"),
    ("suppressNumber", "/v1/suppressions", r#"{"phone": "+16175550177"}"#, "suppression.add"),
    (
        "recordConsent",
        "/v1/consents",
        r#"{"phone": "+16175550178", "level": "express_written", "method": "paper"}"#,
        "consent.give",
    ),
    ("exportPerson", "/v1/people/exports", r#"{"email": "ada@example.com"}"#, "people.export"),
    ("erasePerson", "/v1/people/erasures", r#"{"phone": "+16175550123", "reason": "ticket 7"}"#, "people.erase"),
    (
        "createWebhookEndpoint",
        "/v1/webhook-endpoints",
        r#"{"url": "https://example.com/hooks", "events": ["job.done"]}"#,
        "webhook.create",
    ),
    ("updateWebhookEndpoint", "/v1/webhook-endpoints/ep_1", r#"{"description": "ours"}"#, "webhook.update"),
    ("rotateWebhookSecret", "/v1/webhook-endpoints/ep_1/rotate", "", "webhook.rotate"),
    ("replayWebhookDelivery", "/v1/webhook-endpoints/ep_1/deliveries/dlv_1/replay", "", "webhook.replay"),
    ("deleteWebhookEndpoint", "/v1/webhook-endpoints/ep_1", "", "webhook.delete"),
];

/// What the document offers that changes something: the operation's id and its method.
fn operations() -> Vec<(String, Method)> {
    let document: Value = openapi::document().parse().expect("JSON");
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").iter());
    let changing = operations.filter(|(method, _)| method.as_str() != "get");
    changing
        .map(|(method, operation)| {
            (operation["operationId"].as_str().expect("an id").to_owned(), method.to_uppercase().parse().expect("a method"))
        })
        .collect()
}

#[tokio::test]
async fn every_operation_with_power_leaves_an_entry_or_says_why_not() {
    let mut door = Door::open().await;
    let kinds = registry().add::<RunDeadPlan>().add::<ErasePerson>().add::<ExportPerson>().add::<DeliverWebhook>();
    let kinds = kinds.add::<SendSms>().add::<WriteText>();
    let kinds =
        kinds.add::<EnrollBatch>().add::<EndEnrollments>().add::<ReenrollLeads>().add::<RunSequence>().add::<SyncCampaign>();
    let stepper = Stepper::new(&door.db, kinds, services(&door.db)).await;
    let mut letters = Vec::new();
    for _ in 0..3 {
        letters.push(door.enqueue(&json!({ "kind": "greet", "payload": { "name": "dead" } })).await);
    }
    stepper.drain("greetings").await;
    door.db.sender(door.team, &named("Spring").sender, "").await;
    let mut tx = db::begin_as(&door.db.pool("api"), door.team).await.expect("a transaction");
    for name in ["Spring", "Harvest"] {
        campaigns::create(&mut tx, door.team, &named(name)).await.expect("a campaign");
    }
    tx.commit().await.expect("a commit");
    to_look_at(&door.db.admin, door.team, 2, 4).await;
    let (key, key_id) = door::key(&door.db, door.team, &[Scope::Dead, Scope::Schedules, Scope::Admin], None).await;
    door.key = key;
    let known = operations();
    for (operation, _) in &known {
        let times = OPERATIONS.iter().filter(|(id, ..)| id == operation).count()
            + OPERATIONS_APART.iter().filter(|(id, _)| id == operation).count();
        assert_eq!(times, 1, "{operation} is on none of the lists of this file, or on two");
    }
    let mut made = String::new();
    for (operation, path, body, action) in OPERATIONS {
        let (_, method) =
            known.iter().find(|(id, _)| id == operation).unwrap_or_else(|| panic!("there is no {operation} any more"));
        let path = path.replace("LETTER0", &letters[0]).replace("LETTER1", &letters[1]).replace("KEY", &made);
        if *operation == "replayWebhookDelivery" {
            // Something that was sent, and has ended.
            assert_eq!(door.post("/v1/webhook-endpoints/ep_1/test", &json!({})).await.status(), 202);
            let end = "update longshore.webhook_deliveries set state = 'failed', ended_at = now()";
            sqlx::query(end).execute(&door.db.admin).await.expect("an end");
        }
        let later = (door::now(&door.db).await + chrono::TimeDelta::hours(1)).to_rfc3339();
        let body = &body.replace("LATER", &later);
        let (before, _) = newest(&door.db.admin).await;
        let mut request = door.request(method.clone(), &path).header("if-match", "*");
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let answer = request.send().await.expect("an answer");
        let good = answer.status().is_success();
        let said = answer.text().await.expect("a body");
        assert!(good, "{operation}: {said}");
        if *operation == "createKey" {
            let key: Value = said.parse().expect("JSON");
            made = key["id"].as_str().expect("its id").to_owned();
        }
        let (after, entry) = newest(&door.db.admin).await;
        assert_eq!(after, before + 1, "{operation}");
        assert_eq!((&entry["action"], &entry["actor"]), (&json!(action), &json!(format!("key {key_id}"))), "{operation}");
        assert_eq!(entry["team_id"], door.team.to_string(), "{operation}");
    }
}

#[tokio::test]
async fn a_team_reads_its_own_log_page_by_page_with_an_admins_key() {
    let mut door = Door::open().await;
    door::problem(door.get("/v1/audit").await, 403, "missing_scope").await;
    let other = door.db.team("globex").await;
    door::key(&door.db, other, &[Scope::Read], None).await;
    door.key = door::key(&door.db, door.team, &[Scope::Admin], None).await.0;
    let first = door::json(door.get("/v1/audit?limit=1").await).await;
    assert_eq!((first["entries"].as_array().map(Vec::len), &first["next"]), (Some(1), &json!(2)));
    let rest = door::json(door.get("/v1/audit?after=2&limit=5").await).await;
    assert_eq!((rest["entries"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    let seen = [&first["entries"][0], &rest["entries"][0]];
    assert!(seen.iter().all(|entry| entry["action"] == "key.create"), "{seen:?}");
    assert_eq!(door::json(door.get("/v1/audit?action=queue").await).await["entries"], json!([]));
    assert_eq!(door::json(door.get("/v1/audit?action=key").await).await["entries"].as_array().map(Vec::len), Some(2));
    for wrong in ["limit=0", "limit=x", "colour=red", "after=x"] {
        door::problem(door.get(&format!("/v1/audit?{wrong}")).await, 400, "invalid_request").await;
    }
}

#[tokio::test]
async fn a_migration_that_puts_functions_in_place_is_in_the_houses_log() {
    let db = crate::support::TestDb::new().await;
    let (_, entry) = newest(&db.admin).await;
    assert_eq!((&entry["action"], &entry["team_id"]), (&json!("functions.put"), &json!("00000000-0000-0000-0000-000000000001")));
    let signed: String =
        sqlx::query_scalar("select digest from longshore._functions").fetch_one(&db.admin).await.expect("the digest");
    assert_eq!(entry["after"]["digest"], signed);
}
