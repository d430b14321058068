//! A commit that was sent and whose answer was lost: nobody on our side knows whether it happened.

use longshore::workers::{enqueue::Options, job::Limit};

use crate::support::{Fleet, kinds::Scripted, process::WORKER};

#[tokio::test]
async fn a_commit_whose_answer_is_lost_takes_effect_once() {
    let fleet = Fleet::new().await;
    let proxy = fleet.db.proxy().await;
    let mut jobs = Vec::new();
    for n in 0..60 {
        let limit = (n % 3 == 0).then(|| Limit::new("pair", 2));
        jobs.push(fleet.enqueue_with(fleet.team, &Scripted::new("effect"), Options { limit, ..Options::default() }).await);
    }
    proxy.hold("COMMIT\0");
    let _worker = fleet.worker_process_with(&[(WORKER, &fleet.db.url_through(&proxy, "worker"))]);
    for _ in 0..6 {
        proxy.held().await;
        let before = fleet.census().await.done;
        proxy.cut();
        // Others go on meanwhile; and each time another commit is cut off from its answer.
        fleet.until("work behind the cut", || async { fleet.census().await.done > before }).await;
        proxy.hold("COMMIT\0");
    }
    proxy.let_go();
    fleet.promises_hold().await;
    for job in jobs {
        assert_eq!(fleet.effects(job).await, 1, "{job}");
        assert!(fleet.attempts(job).await.is_empty(), "the commit took place: there was no other attempt at {job}");
    }
}
