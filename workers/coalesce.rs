//! Puts what arrives together for one team into one transaction.
//!
//! Each caller is answered after the commit that holds its part. What arrives while a transaction is under way becomes the next
//! one, so nobody waits for company and a busy process still pays one commit for many. The transaction runs in a task of its
//! own: a caller that goes away neither cancels it nor spoils it for the others. Teams never share one.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::oneshot;

use crate::ids::TeamId;

/// What is written for many at once.
pub trait Write: Send + Sync + 'static {
    /// One caller's part.
    type Item: Send + Sync + 'static;
    /// What the caller is told.
    type Answer: Send + 'static;
    /// Why nothing was written.
    type Error: Send + 'static;
    /// Items in one transaction at most.
    const MOST: usize;
    /// Transactions under way at once for one team.
    const FLIGHTS: usize;

    /// Writes all of them and commits, or writes nothing; an answer for each, in their order.
    fn write(&self, team: TeamId, items: &[&Self::Item]) -> impl Future<Output = Result<Vec<Self::Answer>, Self::Error>> + Send;

    /// Whether the fault may lie with one of several: then each is written for itself.
    fn is_of_one(&self, error: &Self::Error) -> bool;

    /// The same error, for another caller of the same transaction.
    fn again(&self, error: &Self::Error) -> Self::Error;

    /// The task that held this part is gone, and with it what became of it.
    fn broke_off(&self) -> Self::Error;

    /// Nobody hears this answer any more, though what it tells of is committed.
    fn unheard(&self, _item: Self::Item, _answer: Self::Answer) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// Gathers the parts of a process.
pub struct Coalescer<W: Write> {
    writer: W,
    lanes: Mutex<HashMap<TeamId, Lane<W>>>,
    waiting: AtomicUsize,
}

struct Lane<W: Write> {
    waiting: Vec<Waiting<W>>,
    flights: usize,
}

struct Waiting<W: Write> {
    item: W::Item,
    answer: oneshot::Sender<Result<W::Answer, W::Error>>,
}

impl<W: Write> Coalescer<W> {
    /// One that writes so.
    pub fn new(writer: W) -> Arc<Self> {
        Arc::new(Self { writer, lanes: Mutex::default(), waiting: AtomicUsize::new(0) })
    }

    /// What writes.
    pub fn writer(&self) -> &W {
        &self.writer
    }

    /// Parts that no transaction has taken up yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Writes one part; answers when it is committed or refused. A caller that goes away before a transaction has taken its part
    /// up takes the part along.
    pub async fn submit(self: &Arc<Self>, team: TeamId, item: W::Item) -> Result<W::Answer, W::Error> {
        let (answer, answered) = oneshot::channel();
        let departs = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = lanes.entry(team).or_insert_with(|| Lane { waiting: Vec::new(), flights: 0 });
            lane.waiting.push(Waiting { item, answer });
            self.waiting.fetch_add(1, Ordering::Relaxed);
            let departs = lane.flights < W::FLIGHTS;
            lane.flights += usize::from(departs);
            departs
        };
        if departs {
            tokio::spawn(Flight { coalescer: self.clone(), team, landed: false }.run());
        }
        answered.await.unwrap_or_else(|_| Err(self.writer.broke_off()))
    }

    /// The next parts of a team; none left ends the flight, under the same lock.
    fn board(&self, team: TeamId) -> Vec<Waiting<W>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&team) else { return Vec::new() };
        let before = lane.waiting.len();
        lane.waiting.retain(|one| !one.answer.is_closed());
        let boarded: Vec<_> = lane.waiting.drain(..lane.waiting.len().min(W::MOST)).collect();
        self.waiting.fetch_sub(before - lane.waiting.len(), Ordering::Relaxed);
        if boarded.is_empty() {
            lane.flights -= 1;
            if lane.flights == 0 {
                lanes.remove(&team);
            }
        }
        boarded
    }

    async fn carry(&self, team: TeamId, boarded: Vec<Waiting<W>>) {
        let items: Vec<&W::Item> = boarded.iter().map(|one| &one.item).collect();
        match self.writer.write(team, &items).await {
            Ok(answers) => {
                for (one, answer) in boarded.into_iter().zip(answers) {
                    self.tell(one, Ok(answer)).await;
                }
            }
            Err(error) if boarded.len() > 1 && self.writer.is_of_one(&error) => {
                for one in boarded {
                    let alone = self.writer.write(team, &[&one.item]).await;
                    let answer = alone.and_then(|answers| answers.into_iter().next().ok_or_else(|| self.writer.broke_off()));
                    self.tell(one, answer).await;
                }
            }
            Err(error) => {
                for one in boarded {
                    let answer = Err(self.writer.again(&error));
                    self.tell(one, answer).await;
                }
            }
        }
    }

    async fn tell(&self, one: Waiting<W>, answer: Result<W::Answer, W::Error>) {
        if let Err(Ok(answer)) = one.answer.send(answer) {
            self.writer.unheard(one.item, answer).await;
        }
    }
}

/// A task that writes a team's parts until none is waiting.
struct Flight<W: Write> {
    coalescer: Arc<Coalescer<W>>,
    team: TeamId,
    landed: bool,
}

impl<W: Write> Flight<W> {
    async fn run(mut self) {
        loop {
            let boarded = self.coalescer.board(self.team);
            if boarded.is_empty() {
                self.landed = true;
                return;
            }
            self.coalescer.carry(self.team, boarded).await;
        }
    }
}

impl<W: Write> Drop for Flight<W> {
    /// A flight that broke off makes room for another, so that a panic does not hold up a team for ever.
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let mut lanes = self.coalescer.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get_mut(&self.team) else { return };
        lane.flights -= 1;
        if lane.flights == 0 {
            // Their callers hear of it: the answers are dropped with them.
            self.coalescer.waiting.fetch_sub(lane.waiting.len(), Ordering::Relaxed);
            lanes.remove(&self.team);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    /// Doubles numbers; minus one spoils a transaction, and zero breaks the connection.
    struct Doubler {
        /// A transaction each.
        open: Semaphore,
        written: Mutex<Vec<Vec<i32>>>,
        unheard: Mutex<Vec<i32>>,
    }

    impl Write for Doubler {
        type Item = i32;
        type Answer = i32;
        type Error = &'static str;
        const MOST: usize = 4;
        const FLIGHTS: usize = 1;

        async fn write(&self, _: TeamId, items: &[&i32]) -> Result<Vec<i32>, &'static str> {
            self.open.acquire().await.expect("a door").forget();
            let items: Vec<i32> = items.iter().map(|item| **item).collect();
            if items.contains(&-1) {
                return Err("spoiled");
            }
            if items.contains(&0) {
                return Err("broken");
            }
            self.written.lock().expect("no panic").push(items.clone());
            Ok(items.into_iter().map(|item| item * 2).collect())
        }

        fn is_of_one(&self, error: &&'static str) -> bool {
            *error == "spoiled"
        }

        fn again(&self, error: &&'static str) -> &'static str {
            error
        }

        fn broke_off(&self) -> &'static str {
            "broke off"
        }

        async fn unheard(&self, item: i32, _: i32) {
            self.unheard.lock().expect("no panic").push(item);
        }
    }

    fn doubler(open: usize) -> Arc<Coalescer<Doubler>> {
        Coalescer::new(Doubler { open: Semaphore::new(open), written: Mutex::default(), unheard: Mutex::default() })
    }

    fn team(n: u128) -> TeamId {
        TeamId(Uuid::from_u128(n))
    }

    async fn all(coalescer: &Arc<Coalescer<Doubler>>, items: &[i32]) -> Vec<Result<i32, &'static str>> {
        futures_util::future::join_all(items.iter().map(|item| coalescer.submit(team(1), *item))).await
    }

    #[tokio::test]
    async fn what_arrives_together_is_written_together_and_answered_in_its_order() {
        let coalescer = doubler(9);
        assert_eq!(all(&coalescer, &[1, 2, 3, 4, 5, 6]).await, [2, 4, 6, 8, 10, 12].map(Ok));
        assert_eq!(*coalescer.writer().written.lock().expect("no panic"), [vec![1, 2, 3, 4], vec![5, 6]]);
        assert_eq!(coalescer.waiting(), 0);
        assert!(coalescer.lanes.lock().expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn teams_never_share_a_transaction() {
        let coalescer = doubler(9);
        let (one, other) = tokio::join!(coalescer.submit(team(1), 1), coalescer.submit(team(2), 2));
        assert_eq!((one, other), (Ok(2), Ok(4)));
        assert_eq!(coalescer.writer().written.lock().expect("no panic").len(), 2);
    }

    #[tokio::test]
    async fn one_that_spoils_a_transaction_spoils_it_for_itself_alone() {
        let coalescer = doubler(9);
        assert_eq!(all(&coalescer, &[1, -1, 3]).await, [Ok(2), Err("spoiled"), Ok(6)]);
    }

    #[tokio::test]
    async fn a_broken_connection_is_everybodys_and_tried_by_nobody_again() {
        let coalescer = doubler(9);
        assert_eq!(all(&coalescer, &[1, 0, 3]).await, [Err("broken"); 3]);
        assert_eq!(coalescer.writer().open.available_permits(), 8, "one transaction was tried");
    }

    #[tokio::test]
    async fn whoever_goes_away_before_the_transaction_takes_the_part_along_and_later_is_told_of() {
        let coalescer = doubler(0);
        // Boarded, and given up while its transaction is under way.
        let first = tokio::spawn({
            let coalescer = coalescer.clone();
            async move { coalescer.submit(team(1), 1).await }
        });
        while coalescer.lanes.lock().expect("no panic").get(&team(1)).is_none_or(|lane| !lane.waiting.is_empty()) {
            tokio::task::yield_now().await;
        }
        let second = tokio::spawn({
            let coalescer = coalescer.clone();
            async move { coalescer.submit(team(1), 2).await }
        });
        while coalescer.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        second.abort();
        let _ = tokio::join!(first, second);
        coalescer.writer().open.add_permits(9);
        assert_eq!(coalescer.submit(team(1), 3).await, Ok(6));
        assert_eq!(*coalescer.writer().written.lock().expect("no panic"), [vec![1], vec![3]]);
        assert_eq!(*coalescer.writer().unheard.lock().expect("no panic"), [1]);
    }
}
