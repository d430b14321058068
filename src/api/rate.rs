//! How many requests a key may make: a token bucket a key, in this process.
//!
//! Each API process gives a key its share of the rate: the rate divided by the number of processes alive, asked for every few
//! seconds. So no request waits for a shared counter, and together the processes give what was promised, as far as their
//! callers are spread evenly. Where the number can't be learned any more, the rate falls open: a limit must not be what stops
//! work when the database has trouble. Cancelling and opting out take nothing from the bucket.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue};
use chrono::{DateTime, TimeDelta, Utc};
use longshore_workers::db;
use sqlx::PgPool;
use tracing::warn;

use crate::{store::processes, telemetry, tenancy::keys};

/// How often the number of processes is asked for.
const ASK_SECONDS: i64 = 5;
/// A number that is older is none.
const STALE_SECONDS: i64 = 30;
const PATIENCE: Duration = Duration::from_secs(2);

/// What one key may do, in all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests a second, lastingly.
    pub per_second: u32,
    /// Requests at once, after a quiet time.
    pub burst: u32,
}

impl Quota {
    /// What a key with a rate of its own may do: never more than every key.
    pub fn within(self, own: Option<keys::Rate>) -> Self {
        let least = |every: u32, own: i32| every.min(u32::try_from(own).unwrap_or(1)).max(1);
        own.map_or(self, |own| Self { per_second: least(self.per_second, own.per_second), burst: least(self.burst, own.burst) })
    }
}

/// How a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests that this process gives the key at once.
    pub limit: i64,
    /// So many of them are left.
    pub remaining: i64,
    /// Seconds until all of them are there again.
    pub reset: i64,
    /// Seconds in which an empty bucket fills.
    pub window: i64,
    /// The request was one too many; the next makes sense after so many seconds.
    pub refused: Option<u32>,
}

/// Where [`super::auth::Caller`] leaves the standing for the headers of the answer.
#[derive(Debug, Clone, Default)]
pub struct Seen(Arc<OnceLock<Standing>>);

impl Seen {
    pub(super) fn set(&self, standing: Standing) {
        let _ = self.0.set(standing);
    }

    /// Says it in the answer: in the three headers that clients know, and in the two that the IETF's draft 10 makes of them.
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        let Some(Standing { limit, remaining, reset, window, .. }) = self.0.get().copied() else { return };
        for (name, text) in [
            ("ratelimit-limit", limit.to_string()),
            ("ratelimit-remaining", remaining.to_string()),
            ("ratelimit-reset", reset.to_string()),
            ("ratelimit-policy", format!("\"key\";q={limit};w={window}")),
            ("ratelimit", format!("\"key\";r={remaining};t={reset}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// The buckets of a process.
pub struct Rates {
    quota: Quota,
    pool: PgPool,
    /// When each key's bucket is full again.
    full_at: Mutex<HashMap<String, DateTime<Utc>>>,
    doors: Arc<Doors>,
}

/// The API processes alive, as last learned.
struct Doors {
    count: AtomicI64,
    learned_at: AtomicI64,
    asking: AtomicBool,
}

impl Rates {
    /// Keys at once of which something is remembered.
    const MOST: usize = 10_000;

    pub(super) fn new(quota: Quota, pool: PgPool, now: DateTime<Utc>) -> Self {
        let doors = Doors { count: 1.into(), learned_at: now.timestamp().into(), asking: false.into() };
        Self { quota, pool, full_at: Mutex::default(), doors: Arc::new(doors) }
    }

    /// What every key may do.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one request from a key's bucket, which its own rate makes smaller. `None`: the rate is not known, and holds nobody
    /// up.
    pub fn take(&self, key: &str, own: Option<keys::Rate>, now: DateTime<Utc>) -> Option<Standing> {
        let doors = self.doors(now)?;
        let quota = self.quota.within(own);
        let interval = TimeDelta::microseconds((1_000_000 * doors / i64::from(quota.per_second)).max(1));
        let limit = (i64::from(quota.burst) / doors).max(1);
        let whole = interval * i32::try_from(limit).unwrap_or(i32::MAX);
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= Self::MOST && !buckets.contains_key(key) {
            buckets.retain(|_, full_at| *full_at > now);
            if buckets.len() >= Self::MOST {
                telemetry::rate_fell_open();
                return None;
            }
        }
        // A clock that was set back must not shut anybody out for long.
        let full_at = buckets.get(key).copied().unwrap_or(now).clamp(now, now + whole);
        let next = full_at + interval;
        let refused = next - now > whole;
        let stands = if refused { full_at } else { next };
        buckets.insert(key.to_owned(), stands);
        drop(buckets);
        let left = (whole - (stands - now)).num_microseconds().unwrap_or(0) / interval.num_microseconds().unwrap_or(1).max(1);
        let seconds = |span: TimeDelta| (span.num_milliseconds() + 999) / 1000;
        let wait = seconds(next - now - whole).max(1);
        Some(Standing {
            limit,
            remaining: left,
            reset: seconds(stands - now),
            window: seconds(whole).max(1),
            refused: refused.then(|| u32::try_from(wait).unwrap_or(1)),
        })
    }

    /// How many processes share the rate; `None` where that is not known any more.
    fn doors(&self, now: DateTime<Utc>) -> Option<i64> {
        let age = now.timestamp() - self.doors.learned_at.load(Ordering::Relaxed);
        if !(0..ASK_SECONDS).contains(&age) && !self.doors.asking.swap(true, Ordering::Relaxed) {
            let (pool, doors) = (self.pool.clone(), self.doors.clone());
            tokio::spawn(async move {
                let count = async {
                    let mut work = db::work(&pool).await?;
                    let alive = processes::count_doors(&mut work).await?;
                    work.done().await?;
                    Ok::<_, sqlx::Error>(alive)
                };
                match tokio::time::timeout(PATIENCE, count).await {
                    Ok(Ok(alive)) => {
                        doors.count.store(alive.max(1), Ordering::Relaxed);
                        doors.learned_at.store(now.timestamp(), Ordering::Relaxed);
                    }
                    Ok(Err(error)) => warn!("can't learn how many API processes share the rates: {error}"),
                    Err(_) => warn!("can't learn how many API processes share the rates: no answer within {PATIENCE:?}"),
                }
                doors.asking.store(false, Ordering::Relaxed);
            });
        }
        if age > STALE_SECONDS {
            telemetry::rate_fell_open();
            return None;
        }
        Some(self.doors.count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use proptest::prelude::*;
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    use super::*;

    fn noon() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 17, 12, 0, 0).single().expect("a moment")
    }

    fn rates(per_second: u32, burst: u32) -> Rates {
        // Nobody answers there; within the first seconds nobody asks either.
        let nowhere = PgPoolOptions::new().connect_lazy_with(PgConnectOptions::new().host("127.0.0.1").port(1));
        Rates::new(Quota { per_second, burst }, nowhere, noon())
    }

    #[tokio::test]
    async fn a_bucket_gives_its_burst_and_then_its_rate() {
        let rates = rates(10, 3);
        let taken: Vec<_> = (0..4).map(|_| rates.take("a", None, noon()).expect("a rate")).collect();
        assert_eq!(taken.iter().map(|one| one.remaining).collect::<Vec<_>>(), [2, 1, 0, 0]);
        assert_eq!(taken.iter().map(|one| one.refused).collect::<Vec<_>>(), [None, None, None, Some(1)]);
        assert_eq!(rates.take("b", None, noon()).expect("a rate").refused, None, "another key has a bucket of its own");
        assert_eq!(rates.take("a", None, noon() + TimeDelta::milliseconds(100)).expect("a rate").refused, None);
        assert_eq!(
            rates.take("a", None, noon() - TimeDelta::hours(1)).map(|one| one.reset),
            Some(1),
            "a clock set back shuts nobody out"
        );
    }

    #[tokio::test]
    async fn a_keys_own_rate_makes_its_bucket_smaller_and_never_larger() {
        let rates = rates(10, 4);
        let own = |per_second, burst| Some(keys::Rate { per_second, burst });
        for (key, rate, given) in [("less", own(1, 2), 2), ("more", own(1000, 1000), 4), ("none", None, 4)] {
            let taken = (0..10).filter(|_| rates.take(key, rate, noon()).is_some_and(|one| one.refused.is_none())).count();
            assert_eq!(taken, given, "{key}");
        }
        let later = |milliseconds| noon() + TimeDelta::milliseconds(milliseconds);
        assert!(rates.take("less", own(1, 2), later(900)).is_some_and(|one| one.refused.is_some()), "one a second, not ten");
        assert!(rates.take("less", own(1, 2), later(1000)).is_some_and(|one| one.refused.is_none()));
    }

    proptest! {
        #[test]
        fn no_key_gets_more_than_its_burst_and_its_rate(steps in prop::collection::vec(0_i64..400, 1..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let _inside = runtime.enter();
            let (rates, mut at, mut granted) = (rates(10, 5), 0, 0_i64);
            for step in steps {
                // Four seconds at most: nobody asks how many processes there are.
                at = (at + step).min(4_000);
                let standing = rates.take("a", None, noon() + TimeDelta::milliseconds(at)).expect("a rate");
                granted += i64::from(standing.refused.is_none());
                prop_assert!(granted <= 5 + at / 100);
                prop_assert!((0..=standing.limit).contains(&standing.remaining));
            }
        }
    }
}
