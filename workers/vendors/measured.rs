//! Counts and times every call to a vendor, whatever it answers and however it ends.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::VendorError;
use crate::{
    enrichment::provider::{PersonFound, PersonProvider, PersonQuery},
    messages::{
        email::mailer::{Mailer, OutboundMail},
        gateway::{Accepted, OutboundSms, Reconciled, SmsGateway},
        generator::{Prompt, TextGenerator, Written},
    },
    telemetry::{self, Send as Sent},
};

/// A vendor's client, measured.
pub struct Measured<T>(pub T);

/// A call under way. One that is dropped was given up: whether it took effect is unknown.
struct Call {
    vendor: &'static str,
    started: Instant,
    sends: bool,
    answered: bool,
}

impl Call {
    fn to(vendor: &'static str, sends: bool) -> Self {
        Self { vendor, started: Instant::now(), sends, answered: false }
    }

    fn answered<T>(mut self, result: Result<T, VendorError>) -> Result<T, VendorError> {
        self.answered = true;
        telemetry::vendor_request(self.vendor, &result, self.started.elapsed());
        if self.sends {
            match &result {
                Ok(_) => telemetry::sends(Sent::Accepted, 1),
                Err(VendorError::UnknownOutcome { .. }) => telemetry::sends(Sent::Unknown, 1),
                Err(VendorError::Refused { .. } | VendorError::Recipient { .. }) => telemetry::sends(Sent::Failed, 1),
                // Not taken, and tried again.
                Err(_) => {}
            }
        }
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            let given_up = VendorError::UnknownOutcome { vendor: self.vendor, reason: String::new() };
            telemetry::vendor_request(self.vendor, &Err::<(), _>(given_up), self.started.elapsed());
            if self.sends {
                telemetry::sends(Sent::Unknown, 1);
            }
        }
    }
}

#[async_trait]
impl<T: SmsGateway> SmsGateway for Measured<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn send(&self, message: &OutboundSms) -> Result<Accepted, VendorError> {
        let call = Call::to(self.name(), true);
        call.answered(self.0.send(message).await)
    }

    async fn find(&self, message: &OutboundSms, attempted_at: DateTime<Utc>) -> Result<Reconciled, VendorError> {
        let call = Call::to(self.name(), false);
        call.answered(self.0.find(message, attempted_at).await)
    }

    async fn deactivated(&self, day: NaiveDate) -> Result<Vec<String>, VendorError> {
        let call = Call::to(self.name(), false);
        call.answered(self.0.deactivated(day).await)
    }
}

#[async_trait]
impl<T: PersonProvider> PersonProvider for Measured<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn quote(&self, query: &PersonQuery) -> i64 {
        self.0.quote(query)
    }

    async fn find(&self, query: &PersonQuery) -> Result<PersonFound, VendorError> {
        let call = Call::to(self.name(), false);
        call.answered(self.0.find(query).await)
    }
}

#[async_trait]
impl<T: TextGenerator> TextGenerator for Measured<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn quote(&self, prompt: &Prompt) -> i64 {
        self.0.quote(prompt)
    }

    fn price(&self, tokens: i64) -> i64 {
        self.0.price(tokens)
    }

    async fn generate(&self, prompt: &Prompt) -> Result<Written, VendorError> {
        let call = Call::to(self.name(), false);
        call.answered(self.0.generate(prompt).await)
    }
}

#[async_trait]
impl<T: Mailer> Mailer for Measured<T> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn send(&self, mail: &OutboundMail, within: Duration) -> Result<Accepted, VendorError> {
        // What became of the mail counts its job, when that is on record.
        let call = Call::to(self.name(), false);
        call.answered(self.0.send(mail, within).await)
    }
}
