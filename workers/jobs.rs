//! The kinds that a producer enqueues, by name.

pub use crate::{
    datalake::ingest_file::IngestFile,
    enrichment::enrich_person::EnrichPerson,
    enrollment::{
        end_enrollments::EndEnrollments, enroll_batch::EnrollBatch, reenroll_leads::ReenrollLeads, refresh_tags::RefreshTags,
        run_sequence::RunSequence, sync_campaign::SyncCampaign,
    },
    messages::{pull_deactivations::PullDeactivations, send_email::SendEmail, send_sms::SendSms, write_text::WriteText},
};
