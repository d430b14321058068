//! How long a failed attempt waits before the next.

use std::time::Duration;

use longshore_workers::job::RetryPolicy;

/// The delay behind failed attempt number `attempt` (counted from 1): exponential growth, capped, of which half is fixed
/// and half is decided by `unit` (0 ≤ unit < 1), so that jobs that failed together do not come back together.
pub fn delay(policy: &RetryPolicy, attempt: i16, unit: f64) -> Duration {
    let doublings = i32::from(attempt.max(1)) - 1;
    let grown = policy.first_delay.as_secs_f64() * 2f64.powi(doublings.min(60));
    let ceiling = grown.min(policy.max_delay.as_secs_f64());
    Duration::from_secs_f64(ceiling / 2.0 + ceiling / 2.0 * unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_lies_between_half_the_ceiling_and_the_ceiling(
            first_ms in 1u64..100_000, max_ms in 1u64..10_000_000, attempt in 1i16..=100, unit in 0.0f64..1.0,
        ) {
            let policy = RetryPolicy {
                attempts: 100, first_delay: Duration::from_millis(first_ms), max_delay: Duration::from_millis(max_ms),
            };
            let ceiling = (first_ms as f64 * 2f64.powi(i32::from(attempt) - 1)).min(max_ms as f64) / 1000.0;
            let got = delay(&policy, attempt, unit).as_secs_f64();
            prop_assert!(got >= ceiling / 2.0 - 1e-6 && got <= ceiling + 1e-6, "{got} against {ceiling}");
        }

        #[test]
        fn a_later_attempt_never_waits_less(first_ms in 1u64..10_000, attempt in 1i16..99, unit in 0.0f64..1.0) {
            let policy = RetryPolicy {
                attempts: 100, first_delay: Duration::from_millis(first_ms), max_delay: Duration::from_secs(600),
            };
            prop_assert!(delay(&policy, attempt + 1, unit) >= delay(&policy, attempt, unit));
        }
    }
}
