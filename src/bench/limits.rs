//! Limits: lanes with a concurrency limit and a mass of blocked jobs. The engine has no limits yet, and this says so.

use super::{Bench, report::Line};

pub(super) fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    bench.report(&Line::ours("limits", "not supported yet").with("supported", false))
}
