//! Keys: whether the time that a wrong key takes to be refused says how far it was right (Welch's t-test, as dudect does it).

use std::{hint::black_box, time::Instant};

use anyhow::{Context as _, bail};
use longshore_workers::clock::{Random as _, SystemRandom};
use secrecy::ExposeSecret as _;

use super::{
    Bench,
    report::{Line, rounded},
    scaled,
};
use crate::tenancy::keys;

/// How many comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Of both sorts together.
    pub samples: u64,
}

impl Sizes {
    pub(super) fn scaled(scale: f64) -> Self {
        Self { samples: scaled(1_000_000, scale, 10_000) }
    }
}

/// Beyond this a difference is no chance: one in a hundred thousand.
const LEAK: f64 = 4.5;
/// Guesses at either of two keys; few enough to stay in the processor's caches, many enough that no one of them decides.
const GUESSES: usize = 256;
/// The share of the samples that counts: the slowest are the neighbours'.
const COUNTED: f64 = 0.99;

/// A wrong key, and two that are kept: one that it begins like, one that it has nothing of. The same text is compared with
/// both, so that what differs is how far it is right and nothing else.
struct Guess {
    text: String,
    near: Kept,
    far: Kept,
}

/// What a guess is compared with.
#[derive(Clone)]
struct Kept {
    text: String,
    digest: [u8; 32],
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let samples = sizes.samples;
    bench.say(&format!("keys: {samples} wrong keys, half of them right for the first 37 of 43 letters"));
    let [naive, keys, digests] = tokio::task::spawn_blocking(move || measure(samples)).await.context("measuring")??;
    bench.report(&told(Line::baseline("keys", "a comparison that stops at the first wrong letter"), &naive))?;
    bench.report(&told(Line::ours("keys", "read a key and compare it; near: its secret begins right"), &keys))?;
    bench.report(&told(Line::ours("keys", "read a key and compare it; near: its digest begins right"), &digests))?;
    for Times { t, t_of_all, .. } in [keys, digests] {
        if t.abs() >= LEAK || t_of_all.abs() >= LEAK {
            bail!("the time of a comparison tells how far a key is right: t is {t:.1} ({t_of_all:.1} of all samples)");
        }
    }
    Ok(())
}

fn told(line: Line, times: &Times) -> Line {
    let mut line = line;
    line.n = times.n;
    line.seconds = rounded(times.seconds, 3);
    line.with("t", rounded(times.t, 2))
        .with("t_of_all", rounded(times.t_of_all, 2))
        .with("near_ns", rounded(times.near, 1))
        .with("far_ns", rounded(times.far, 1))
}

/// What the samples of one way to compare came to.
struct Times {
    n: u64,
    seconds: f64,
    /// Of the samples that count.
    t: f64,
    t_of_all: f64,
    near: f64,
    far: f64,
}

fn measure(samples: u64) -> anyhow::Result<[Times; 3]> {
    let made = [keys::guesses(GUESSES, &SystemRandom), keys::guesses(GUESSES, &SystemRandom)];
    let mut kept = Vec::new();
    for one in &made {
        let text = one.right.expose_secret().to_owned();
        kept.push(Kept { digest: keys::parse(&text).context("our own key")?.digest(), text });
    }
    let mut by_secret = Vec::new();
    let mut by_digest = Vec::new();
    for (one, (near, far)) in made.iter().zip([(&kept[0], &kept[1]), (&kept[1], &kept[0])]) {
        for guess in &one.near {
            let text = guess.expose_secret().to_owned();
            let digest = keys::parse(&text).context("our own guess")?.digest();
            by_secret.push(Guess { text: text.clone(), near: near.clone(), far: far.clone() });
            // Nobody can steer a digest; if they could, this is what they would look for.
            let [mut at_the_end, mut at_the_start] = [digest; 2];
            at_the_end[31] ^= 1;
            at_the_start[0] ^= 1;
            let kept = |digest| Kept { text: String::new(), digest };
            by_digest.push(Guess { text, near: kept(at_the_end), far: kept(at_the_start) });
        }
    }
    let ours = |text: &str, kept: &Kept| keys::parse(text).is_ok_and(|parsed| parsed.is_kept_as(&kept.digest));
    let naive =
        |text: &str, kept: &Kept| text.bytes().zip(kept.text.bytes()).all(|(one, other)| black_box(one) == black_box(other));
    Ok([sampled(samples, &by_secret, naive), sampled(samples, &by_secret, ours), sampled(samples, &by_digest, ours)])
}

fn sampled(samples: u64, guesses: &[Guess], compare: impl Fn(&str, &Kept) -> bool) -> Times {
    let began = Instant::now();
    // Taken in a random order that costs nothing between two samples.
    let mut state = (SystemRandom.unit() * u64::MAX as f64) as u64 | 1;
    let mut taken: Vec<(bool, f64)> = Vec::with_capacity(samples as usize);
    for _ in 0..samples {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let guess = &guesses[((state >> 1) % guesses.len() as u64) as usize];
        let near = state & 1 == 1;
        let kept = if near { &guess.near } else { &guess.far };
        let start = Instant::now();
        black_box(compare(black_box(&guess.text), black_box(kept)));
        taken.push((near, start.elapsed().as_nanos() as f64));
    }
    let seconds = began.elapsed().as_secs_f64();
    let t_of_all = welch(&taken);
    let mut sorted: Vec<f64> = taken.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let bound = sorted[((sorted.len() - 1) as f64 * COUNTED) as usize];
    taken.retain(|(_, time)| *time <= bound);
    let mean = |near: bool| Moments::of(&taken, near).mean;
    Times { n: samples, seconds, t: welch(&taken), t_of_all, near: mean(true), far: mean(false) }
}

#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    fn of(taken: &[(bool, f64)], near: bool) -> Self {
        let times = || taken.iter().filter(|(sort, _)| *sort == near).map(|(_, time)| *time);
        let n = times().count() as f64;
        let mean = times().sum::<f64>() / n.max(1.0);
        let variance = times().map(|time| (time - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        Self { n, mean, variance }
    }
}

/// Welch's t of the two sorts: how far their means lie apart, in their own spread.
fn welch(taken: &[(bool, f64)]) -> f64 {
    let (near, far) = (Moments::of(taken, true), Moments::of(taken, false));
    let spread = (near.variance / near.n.max(1.0) + far.variance / far.n.max(1.0)).sqrt();
    if spread > 0.0 { (near.mean - far.mean) / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_is_as_in_the_books() {
        // Welch's own kind of example: means 3 and 6, variances 2.5 and 10, five each.
        let near = [1.0, 2.0, 3.0, 4.0, 5.0].map(|time| (true, time));
        let far = [2.0, 4.0, 6.0, 8.0, 10.0].map(|time| (false, time));
        let t = welch(&[near, far].concat());
        assert!((t - -3.0 / 2.5_f64.sqrt()).abs() < 1e-9, "{t}");
    }
}
