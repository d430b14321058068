//! Says what is of the right type and yet can't work.

use std::{ops::RangeInclusive, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::Config;
use crate::{api::cors, workers::vendors::smtp::Security};

impl Config {
    /// Names each setting that can't work to `problem`.
    pub(super) fn check(&self, problem: &mut impl FnMut(&str, String)) {
        let pools = &self.database.pools;
        let connections = 1..=1000;
        for (name, count) in
            [("engine", pools.engine), ("handlers", pools.handlers), ("api", pools.api), ("reserve", pools.reserve)]
        {
            within(&format!("database.pools.{name}"), count, &connections, problem);
        }
        let seconds = 1..=3600;
        for (key, duration) in [
            ("database.acquire_timeout_seconds", self.database.acquire_timeout),
            ("database.statement_timeout_seconds", self.database.statement_timeout),
            ("database.handler_statement_timeout_seconds", self.database.handler_statement_timeout),
            ("worker.lease_seconds", self.worker.lease),
            ("worker.beat_seconds", self.worker.beat),
            ("scheduler.tick_seconds", self.scheduler.tick),
        ] {
            within(key, duration.as_secs(), &seconds, problem);
        }
        within("worker.grace_seconds", self.worker.grace.as_secs(), &(0..=3600), problem);
        within("worker.poll_milliseconds", self.worker.poll.as_millis(), &(10..=60_000), problem);
        within("scheduler.settled_days", self.scheduler.settled_days, &(1..=3650), problem);
        within("worker.slots", self.worker.slots, &(1..=10_000), problem);
        for (key, count) in [
            ("api.requests_per_second", self.api.requests_per_second),
            ("api.requests_at_once", self.api.requests_at_once),
            ("api.waiting", self.api.waiting),
            ("api.waiting_per_key", self.api.waiting_per_key),
        ] {
            within(key, count, &(1..=1_000_000), problem);
        }
        for origin in &self.api.cors_origins {
            if let Some(fault) = cors::fault(origin) {
                problem("api.cors_origins", format!("{origin:?} {fault}"));
            }
        }
        let day = 86_400;
        within("clock.offset_seconds", self.clock.offset_seconds, &(-366 * day..=366 * day), problem);
        let bound = 0..=1_000_000_000;
        within("dead.approve_above_jobs", self.dead.approve_above_jobs, &bound, problem);
        within("dead.approve_above_credits", self.dead.approve_above_credits, &bound, problem);
        let twilio = Duration::from_millis(self.vendors.twilio.timeout_milliseconds);
        within("vendors.twilio.timeout_milliseconds", twilio.as_millis(), &(100..=60_000), problem);
        within("vendors.apollo.timeout_milliseconds", self.vendors.apollo.timeout_milliseconds, &(100..=60_000), problem);
        within("vendors.azure.timeout_milliseconds", self.vendors.azure.timeout_milliseconds, &(100..=60_000), problem);
        let smtp = &self.vendors.smtp;
        let local = ["localhost", "127.0.0.1", "::1"].contains(&smtp.host.as_str());
        if smtp.security == Security::None && !smtp.username.is_empty() && !local {
            problem("vendors.smtp.security", "must not be none: the password would travel in the clear".into());
        }
        let (content, email) = (&self.rules.content, &self.rules.email);
        within("rules.content.max_tokens", content.max_tokens, &(16..=2000), problem);
        within("rules.content.rewrites_per_hour", content.rewrites_per_hour, &(0..=10_000), problem);
        within("rules.content.approve_at_once", content.approve_at_once, &(1..=5000), problem);
        within("rules.email.daily_limit", email.daily_limit, &(1..=100), problem);
        within("rules.email.dispatch_milliseconds", email.dispatch_milliseconds, &(100..=15_000), problem);
        within("rules.email.paused_seconds", email.paused_seconds, &(1..=86_400), problem);
        for (at, one) in self.schedules.iter().enumerate() {
            let double = self.schedules[..at].iter().any(|other| (&other.team, &other.name) == (&one.team, &one.name));
            if let Some(fault) = one.fault().or_else(|| double.then(|| "is declared twice".into())) {
                problem("schedules", format!("{:?} {fault}", one.name));
            }
        }
        if self.worker.beat * 3 > self.worker.lease {
            problem(
                "worker.beat_seconds",
                format!("must be at most a third of worker.lease_seconds, which is {}", self.worker.lease.as_secs()),
            );
        }
        if twilio >= self.worker.lease {
            problem("vendors.twilio.timeout_milliseconds", "must be shorter than worker.lease_seconds".into());
        }
        for (key, url) in [
            ("api.public_url", self.api.public_url.as_deref()),
            ("objects.endpoint", self.objects.endpoint.as_deref()),
            ("vendors.twilio.base_url", Some(self.vendors.twilio.base_url.as_str())),
            ("vendors.apollo.base_url", Some(self.vendors.apollo.base_url.as_str())),
            ("vendors.azure.base_url", Some(self.vendors.azure.base_url.as_str()).filter(|url| !url.is_empty())),
        ] {
            if url.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
                problem(key, "must start with http:// or https://".into());
            }
        }
        if !self.objects.url.starts_with("file:///") && !self.objects.url.starts_with("s3://") {
            problem("objects.url", "must start with file:/// or s3://".into());
        }
        let postgres =
            |url: &SecretString| ["postgres://", "postgresql://"].iter().any(|scheme| url.expose_secret().starts_with(scheme));
        for (key, url) in [("database.url", &self.database.url), ("database.direct_url", &self.database.direct_url)] {
            if url.as_ref().is_some_and(|url| !postgres(url)) {
                problem(key, "must start with postgres:// or postgresql://".into());
            }
        }
        let texts = &self.rules.messages;
        within("rules.messages.carrier_batch", texts.carrier_batch, &(1..=2000), problem);
        within("rules.messages.carrier_pause_seconds", texts.carrier_pause_seconds, &(0..=3600), problem);
        within("rules.messages.segment_credits", texts.segment_credits, &(0..=1_000_000), problem);
        within("rules.messages.team_daily_segments", texts.team_daily_segments, &(0..=1_000_000_000), problem);
        within("webhooks.timeout_milliseconds", self.webhooks.timeout_milliseconds, &(100..=20_000), problem);
        within("webhooks.disable_after_days", self.webhooks.disable_after_days, &(1..=365), problem);
        for (key, loose) in
            [("webhooks.allow_http", self.webhooks.allow_http), ("webhooks.allow_private", self.webhooks.allow_private)]
        {
            if loose && !cfg!(feature = "dev") {
                problem(key, "can only be set in a build with the local stack (feature dev)".into());
            }
        }
        if self.clock.offset_seconds != 0 && !cfg!(feature = "dev") {
            problem("clock.offset_seconds", "can only be set in a build with the local stack (feature dev)".into());
        }
    }
}

fn within<N: PartialOrd + std::fmt::Display>(
    key: &str,
    value: N,
    allowed: &RangeInclusive<N>,
    problem: &mut impl FnMut(&str, String),
) {
    if !allowed.contains(&value) {
        problem(key, format!("must be from {} to {}, not {value}", allowed.start(), allowed.end()));
    }
}
