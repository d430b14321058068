//! What each Longshore job does.
//!
//! This crate is a leaf: it knows nothing of claims, HTTP or the command line. [`job`] holds the contract, [`ctx`] what a
//! running job may reach; one folder a family holds its kinds, its rules, and its SQL beside them.

pub mod clock;
pub mod credits;
pub mod ctx;
pub mod datalake;
pub mod db;
pub mod dead;
pub mod enqueue;
pub mod enrichment;
pub mod enrollment;
pub mod ids;
pub mod job;
pub mod messages;
pub mod registry;
pub mod rules;
pub mod telemetry;
pub mod vendors;

use registry::Registry;

/// Every kind this build can run. A new one is a file, a `mod` beside it, and a line here.
pub fn registry() -> Registry {
    Registry::new()
        .add::<datalake::ingest_file::IngestFile>()
        .add::<dead::run_dead_plan::RunDeadPlan>()
        .add::<enrichment::enrich_person::EnrichPerson>()
        .add::<enrollment::end_enrollments::EndEnrollments>()
        .add::<enrollment::enroll_batch::EnrollBatch>()
        .add::<enrollment::refresh_tags::RefreshTags>()
        .add::<enrollment::run_sequence::RunSequence>()
        .add::<messages::send_sms::SendSms>()
}
