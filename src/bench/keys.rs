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
/// Guesses of either sort; small enough to stay in the processor's caches, many enough that no one of them decides.
const GUESSES: usize = 256;
/// The share of the samples that counts: the slowest are the neighbours'.
const COUNTED: f64 = 0.99;

/// A text, and whether its secret begins right.
struct Guess {
    text: String,
    near: bool,
}

pub(super) async fn run(bench: &mut Bench<'_>, sizes: &Sizes) -> anyhow::Result<()> {
    let samples = sizes.samples;
    bench.say(&format!("keys: {samples} wrong keys, half of them right for the first 37 of 43 letters"));
    let (ours, naive) = tokio::task::spawn_blocking(move || measure(samples)).await.context("measuring")??;
    bench.report(&told(Line::baseline("keys", "a comparison that stops at the first wrong letter"), &naive))?;
    bench.report(&told(Line::ours("keys", "read a key and compare it"), &ours))?;
    if ours.t.abs() >= LEAK || ours.t_of_all.abs() >= LEAK {
        bail!("the time of a comparison tells how far a key is right: t is {:.1} ({:.1} of all samples)", ours.t, ours.t_of_all);
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

fn measure(samples: u64) -> anyhow::Result<(Times, Times)> {
    let made = keys::guesses(GUESSES, &SystemRandom);
    let right = made.right.expose_secret().to_owned();
    let kept = keys::parse(&right).context("our own key")?.digest();
    let guess = |near: bool| move |text: &secrecy::SecretString| Guess { text: text.expose_secret().to_owned(), near };
    let mut guesses: Vec<Guess> = made.near.iter().map(guess(true)).chain(made.far.iter().map(guess(false))).collect();
    // Neither sort lies before the other in memory.
    guesses.sort_by_cached_key(|_| (SystemRandom.unit() * 1e9) as u64);
    let ours = sampled(samples, &guesses, |text| keys::parse(text).is_ok_and(|parsed| parsed.is_kept_as(&kept)));
    let naive =
        sampled(samples, &guesses, |text| text.bytes().zip(right.bytes()).all(|(one, other)| black_box(one) == black_box(other)));
    Ok((ours, naive))
}

fn sampled(samples: u64, guesses: &[Guess], compare: impl Fn(&str) -> bool) -> Times {
    let began = Instant::now();
    // Taken in a random order that costs nothing between two samples.
    let mut state = (SystemRandom.unit() * u64::MAX as f64) as u64 | 1;
    let mut taken: Vec<(bool, f64)> = Vec::with_capacity(samples as usize);
    for _ in 0..samples {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let guess = &guesses[(state % guesses.len() as u64) as usize];
        let start = Instant::now();
        black_box(compare(black_box(&guess.text)));
        taken.push((guess.near, start.elapsed().as_nanos() as f64));
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
