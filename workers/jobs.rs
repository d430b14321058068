//! The kinds that a producer enqueues, by name.

pub use crate::{
    datalake::ingest_file::IngestFile,
    enrichment::enrich_person::EnrichPerson,
    enrollment::{
        end_enrollments::EndEnrollments, enroll_batch::EnrollBatch, refresh_tags::RefreshTags, run_sequence::RunSequence,
    },
    messages::{pull_deactivations::PullDeactivations, send_sms::SendSms},
};
