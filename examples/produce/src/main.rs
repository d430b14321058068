//! A producer of its own: an order is written and its job enqueued in one transaction.
//!
//!     DATABASE_URL=postgres://your_platform@…/… cargo run -p produce -- TEAM_ID
//!
//! The role needs `longshore_producer` and its own tables; nothing here knows an API server, a handler or a vendor.

mod produce;

use longshore::{TeamId, sqlx::PgPool};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "an example has no configuration of its own")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    let team: TeamId = std::env::args().nth(1).ok_or("say whose jobs these are: produce TEAM_ID")?.parse()?;
    let accepted = produce::upload(&pool, team, 1).await?;
    println!("{} loads the upload", accepted.job);
    let forgotten = produce::think_twice(&pool, team, 2).await?;
    println!("{} was never there", forgotten.job);
    println!("{} jobs at once", produce::look_up(&pool, team, &[1, 2, 3]).await?);
    Ok(())
}
