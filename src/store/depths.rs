//! The depth of every queue, measured by one process and read by all who show it, so that nobody counts jobs.

use std::time::Duration;

use sqlx::PgConnection;

use crate::telemetry;

/// Measures the depths and publishes them as metrics, with the state of the queues and the processes alive. The
/// scheduler calls it every few seconds; where several run, one measures and all publish what it found.
pub async fn publish(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/store/depths/measure.sql").fetch_one(&mut *conn).await?;
    for depth in sqlx::query_file!("src/store/depths/read.sql").fetch_all(&mut *conn).await? {
        // Due later is no age yet.
        let age = Duration::try_from_secs_f64(depth.oldest_age_seconds).unwrap_or_default();
        telemetry::queue_depth(&depth.queue, &depth.state, depth.jobs, age);
        telemetry::measured_at(depth.measured_at);
    }
    for queue in sqlx::query_file!("src/store/depths/queues.sql").fetch_all(&mut *conn).await? {
        telemetry::queue_state(&queue.queue, queue.paused, queue.workers);
    }
    for role in sqlx::query_file!("src/store/depths/processes.sql").fetch_all(conn).await? {
        telemetry::processes(&role.role, role.alive);
    }
    Ok(())
}
