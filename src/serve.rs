//! Placeholder for the roles, until the lead's own file takes its place at the merge.

use crate::config::Config;

/// Serves HTTP.
pub async fn api(_: Config) -> anyhow::Result<()> {
    anyhow::bail!("the role api is not in this build")
}

/// Claims and runs jobs of these queues; none named: all.
pub async fn worker(_: Config, _: Vec<String>) -> anyhow::Result<()> {
    anyhow::bail!("the role worker is not in this build")
}

/// Fires schedules.
pub async fn scheduler(_: Config) -> anyhow::Result<()> {
    anyhow::bail!("the role scheduler is not in this build")
}
