//! What each Longshore job does.
//!
//! This crate is a leaf: it knows nothing of claims, HTTP or the command line. [`job`] holds the contract, [`ctx`] what a
//! running job may reach; one folder a family holds its kinds, its rules, and its SQL beside them.
//!
//! Without the feature `handlers` it is the library of a producer: the payloads ([`jobs`]), and how they are enqueued
//! ([`enqueue()`], [`enqueue_many`]) in the producer's own transaction.

pub mod db;
pub mod enqueue;
pub mod ids;
pub mod job;
pub mod jobs;

#[cfg(feature = "handlers")]
pub mod clock;
#[cfg(feature = "handlers")]
pub mod coalesce;
#[cfg(feature = "handlers")]
pub mod credits;
#[cfg(feature = "handlers")]
pub mod ctx;
#[cfg(feature = "handlers")]
pub mod datalake;
#[cfg(feature = "handlers")]
pub mod dead;
#[cfg(feature = "handlers")]
pub mod enrichment;
#[cfg(feature = "handlers")]
pub mod enrollment;
#[cfg(feature = "handlers")]
pub mod failpoints;
#[cfg(feature = "handlers")]
pub mod messages;
#[cfg(feature = "handlers")]
pub mod people;
#[cfg(feature = "handlers")]
pub mod registry;
#[cfg(feature = "handlers")]
pub mod rules;
#[cfg(feature = "handlers")]
pub mod secrets;
#[cfg(feature = "handlers")]
pub mod settings;
#[cfg(feature = "handlers")]
pub mod telemetry;
#[cfg(feature = "handlers")]
pub mod vendors;
#[cfg(feature = "handlers")]
pub mod webhooks;

// In a producer's build a family is its payloads: the files that say what a kind is, without those that say what it does.
#[cfg(not(feature = "handlers"))]
/// Datalake: payloads.
pub mod datalake {
    pub mod ingest_file;
}
#[cfg(not(feature = "handlers"))]
/// Enrichment: payloads.
pub mod enrichment {
    pub mod enrich_person;
}
#[cfg(not(feature = "handlers"))]
/// Enrollment: payloads.
pub mod enrollment {
    pub mod end_enrollments;
    pub mod enroll_batch;
    pub mod reenroll_leads;
    pub mod refresh_tags;
    pub mod run_sequence;
    pub mod sync_campaign;
}
#[cfg(not(feature = "handlers"))]
/// Messages: payloads.
pub mod messages {
    pub mod pull_deactivations;
    pub mod send_email;
    pub mod send_sms;
    pub mod write_text;
}

pub use db::{act_as, begin_as};
pub use enqueue::{EnqueueError, Enqueued, Options, enqueue, enqueue_many, enqueue_many_with, enqueue_with};
pub use ids::{BatchId, JobId, TeamId};
pub use job::Job;
pub use sqlx;

/// Every kind this build can run. A new one is a file, a `mod` beside it, and a line here.
#[cfg(feature = "handlers")]
pub fn registry() -> registry::Registry {
    registry::Registry::new()
        .add::<datalake::ingest_file::IngestFile>()
        .add::<dead::run_dead_plan::RunDeadPlan>()
        .add::<enrichment::enrich_person::EnrichPerson>()
        .add::<enrollment::end_enrollments::EndEnrollments>()
        .add::<enrollment::enroll_batch::EnrollBatch>()
        .add::<enrollment::reenroll_leads::ReenrollLeads>()
        .add::<enrollment::refresh_tags::RefreshTags>()
        .add::<enrollment::run_sequence::RunSequence>()
        .add::<messages::send_email::SendEmail>()
        .add::<enrollment::sync_campaign::SyncCampaign>()
        .add::<messages::pull_deactivations::PullDeactivations>()
        .add::<messages::send_sms::SendSms>()
        .add::<messages::write_text::WriteText>()
        .add::<secrets::rotate_secrets::RotateSecrets>()
        .add::<people::erase_person::ErasePerson>()
        .add::<people::erase_team::EraseTeam>()
        .add::<people::export_person::ExportPerson>()
        .add::<people::export_team::ExportTeam>()
        .add::<webhooks::deliver_webhook::DeliverWebhook>()
}
