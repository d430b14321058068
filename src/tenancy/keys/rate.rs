//! How often a key may ask: what is kept with it, which only ever narrows what the configuration gives every key.

use serde::Serialize;

use super::KeyError;

/// What one key may do, in all processes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Requests a second, lastingly.
    pub per_second: i32,
    /// Requests at once, after a quiet time.
    pub burst: i32,
}

impl Rate {
    /// The most a second that can be asked for.
    pub const MOST: i32 = 1_000_000;
    /// The most at once.
    pub const MOST_AT_ONCE: i32 = 10_000_000;

    /// As it is asked for; `None`: none of its own. Without a burst it is twice the rate.
    pub fn wanted(per_second: Option<i32>, burst: Option<i32>) -> Result<Option<Self>, KeyError> {
        let Some(per_second) = per_second else {
            return if burst.is_some() { Err(KeyError::InvalidRate) } else { Ok(None) };
        };
        let burst = burst.unwrap_or_else(|| per_second.saturating_mul(2).min(Self::MOST_AT_ONCE));
        let sound = (1..=Self::MOST).contains(&per_second) && (1..=Self::MOST_AT_ONCE).contains(&burst);
        if sound { Ok(Some(Self { per_second, burst })) } else { Err(KeyError::InvalidRate) }
    }

    /// As it is kept.
    pub(super) fn kept(per_second: Option<i32>, burst: Option<i32>) -> Option<Self> {
        per_second.zip(burst).map(|(per_second, burst)| Self { per_second, burst })
    }

    /// Whether whoever has this may give that: no more, and never none.
    pub fn covers(self, other: Option<Self>) -> bool {
        other.is_some_and(|other| other.per_second <= self.per_second && other.burst <= self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_rate_with_or_without_its_burst() {
        for (per_second, burst, expected) in [
            (None, None, Some(None)),
            (Some(5), None, Some(Some(Rate { per_second: 5, burst: 10 }))),
            (Some(5), Some(1), Some(Some(Rate { per_second: 5, burst: 1 }))),
            (Some(Rate::MOST), None, Some(Some(Rate { per_second: Rate::MOST, burst: 2 * Rate::MOST }))),
            (None, Some(5), None),
            (Some(0), None, None),
            (Some(-1), None, None),
            (Some(i32::MAX), None, None),
            (Some(5), Some(0), None),
            (Some(5), Some(i32::MAX), None),
        ] {
            assert_eq!(Rate::wanted(per_second, burst).ok(), expected, "{per_second:?} {burst:?}");
        }
    }

    #[test]
    fn whoever_has_a_rate_gives_no_more_and_never_none() {
        let own = Rate { per_second: 10, burst: 20 };
        assert!(own.covers(Some(own)) && own.covers(Some(Rate { per_second: 1, burst: 1 })));
        for more in [None, Some(Rate { per_second: 11, burst: 20 }), Some(Rate { per_second: 10, burst: 21 })] {
            assert!(!own.covers(more), "{more:?}");
        }
    }
}
