//! Webhooks to a team's own servers, by the Standard Webhooks form (docs/WEBHOOKS.md): what is told ([`events`]), to whom
//! ([`endpoints`]), how it is signed ([`sign`]), and how it gets there ([`deliver_webhook`], [`deliveries`]).
//!
//! An event is written in the transaction of what it tells of, by the SQL that records that (functions/53_webhooks.sql), as a
//! delivery and its job for each endpoint that wants to hear of it.

pub mod deliver_webhook;
pub mod deliveries;
pub mod endpoints;
pub mod events;
pub mod sign;
