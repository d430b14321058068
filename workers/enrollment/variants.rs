//! Which of a step's texts a lead gets. Pure: the same lead gets the same one, whoever asks and however often.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::CampaignId;

/// One text of a step, for its share of the leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// `a`, `b`, …; `a` is the step's own template.
    pub variant: String,
    /// Its share, beside those of the other variants.
    pub weight: i16,
    /// The text with its variables.
    pub template: String,
}

/// The place among `weights` that a lead falls on at a step. A hash and not a draw, so that nothing has to be kept for it to be
/// the same again; the message keeps what it was.
pub fn assign(campaign: CampaignId, lead: i64, step: i16, weights: impl Iterator<Item = i16> + Clone) -> usize {
    let total: u64 = weights.clone().map(share).sum();
    if total == 0 {
        return 0;
    }
    let digest = Sha256::digest(format!("longshore-variant-1:{}:{lead}:{step}", campaign.0));
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    // The remainder favours no variant by more than the share of the total in 2⁶⁴.
    let mut point = u64::from_be_bytes(bytes) % total;
    for (at, weight) in weights.map(share).enumerate() {
        if point < weight {
            return at;
        }
        point -= weight;
    }
    0
}

fn share(weight: i16) -> u64 {
    u64::try_from(weight).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_assignment_never_changes() {
        // A change here would give leads of running campaigns another text.
        let seen: Vec<_> = (1..=12).map(|lead| assign(CampaignId(7), lead, 1, [1, 1].into_iter())).collect();
        let again: Vec<_> = (1..=12).map(|lead| assign(CampaignId(7), lead, 1, [1, 1].into_iter())).collect();
        assert_eq!(seen, again);
        assert!(seen.contains(&0) && seen.contains(&1), "{seen:?}");
    }

    #[test]
    fn shares_are_kept_to_within_what_chance_allows() {
        let mut counts = [0_u32; 3];
        for lead in 0..20_000 {
            counts[assign(CampaignId(1), lead, 2, [1, 2, 1].into_iter())] += 1;
        }
        // Four standard deviations of a binomial draw are below 300.
        for (count, expected) in counts.into_iter().zip([5000_u32, 10_000, 5000]) {
            assert!(count.abs_diff(expected) < 300, "{counts:?}");
        }
    }

    proptest! {
        #[test]
        fn every_lead_falls_on_a_variant_with_a_share(campaign: i64, lead: i64, step in 1i16..4, weights in prop::collection::vec(0i16..100, 1..6)) {
            let at = assign(CampaignId(campaign), lead, step, weights.iter().copied());
            prop_assert!(at < weights.len());
            prop_assert!(weights[at] > 0 || weights.iter().all(|weight| *weight == 0));
        }
    }
}
