//! What the configuration says to the job kinds: one section a family.

use serde::Deserialize;

/// The families' sections of the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Enrichment.
    pub enrichment: crate::enrichment::Rules,
    /// Files and their rows.
    pub datalake: crate::datalake::Rules,
    /// Enrolling leads and running sequences.
    pub enrollment: crate::enrollment::EnrollmentRules,
    /// `[rules.messages]`
    pub messages: crate::messages::Rules,
    /// Texts that a model writes or a person approves.
    pub content: crate::messages::content::Rules,
    /// Mail.
    pub email: crate::messages::email::Rules,
}
