//! The queue beside a model of it: the same random operations on both, and after each they agree on where every job is,
//! which keys stand, and what was answered.

mod real;
mod state;

use std::cell::{Cell, RefCell};

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::support::TestDb;
use real::Real;
use state::{Answer, Model};

/// Some teams, kinds, queues, processes, keys: few of each, so that what is done often meets what was done.
const TEAMS: usize = 3;
/// The queue of each kind.
const KINDS: [usize; 3] = [0, 0, 1];
const QUEUES: usize = 2;
const WORKERS: usize = 2;
const KEYS: usize = 3;
/// How many jobs with each limit key run at once, as the jobs say.
const LIMITS: [i64; 2] = [1, 2];
/// Attempts of every job.
const ATTEMPTS: i16 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Period,
    Unfinished,
    Forever,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    First,
    Replace,
    Debounce,
}

#[derive(Debug, Clone, Copy)]
struct Key {
    key: usize,
    scope: Scope,
    policy: Policy,
}

/// What is offered to the queue.
#[derive(Debug, Clone, Copy)]
struct Offer {
    team: usize,
    kind: usize,
    priority: i16,
    body: u8,
    key: Option<Key>,
    delayed: bool,
    limit: Option<usize>,
    chain: bool,
}

/// What a worker says of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Done,
    Retry,
    Snoozed,
    Parked,
    Dead,
    Cancelled,
    Released,
}

/// By which function it says so; all but `done` have one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Settle,
    Finish,
    Complete,
}

/// A numbers of things stands for the n-th of those there are, modulo their number, so that a list that is cut shorter
/// still means something.
#[derive(Debug, Clone)]
enum Op {
    Enqueue(Offer),
    EnqueueEach(usize, Vec<(usize, u8, Option<usize>)>, Scope),
    Claim { worker: usize, queue: usize, slots: i32, after: Option<usize> },
    ClaimSuspect { worker: usize },
    Settle { claim: usize, word: Word, door: Door },
    Die { worker: usize },
    Reap,
    Disown { worker: usize },
    TimePasses,
    KeysLapse,
    Tidy,
    Cancel { job: usize },
    Pause { queue: Option<usize>, team: Option<usize>, kind: Option<usize> },
    Resume { pause: usize },
    Unpark { team: usize },
    Replay { job: usize },
    Discard { job: usize },
    LimitLane { team: usize, queue: usize, most: Option<i32> },
    LimitKey { team: usize, limit: usize, most: Option<i32> },
}

fn offer() -> impl Strategy<Value = Offer> {
    let scope = prop::sample::select(vec![Scope::Period, Scope::Unfinished, Scope::Forever]);
    let policy = prop::sample::select(vec![Policy::First, Policy::First, Policy::Replace, Policy::Debounce]);
    let key = prop::option::of((0..KEYS, scope, policy).prop_map(|(key, scope, policy)| Key { key, scope, policy }));
    let limit = prop::option::weighted(0.4, 0..LIMITS.len());
    let job = (0..TEAMS, 0..KINDS.len(), prop::sample::select(vec![3i16, 5, 7]), 0u8..2);
    (job, key, prop::bool::weighted(0.15), limit, prop::bool::weighted(0.1)).prop_map(
        |((team, kind, priority, body), key, delayed, limit, chain)| Offer {
            team,
            kind,
            priority,
            body,
            key,
            delayed,
            limit,
            chain,
        },
    )
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    use Word::*;
    let word = prop::sample::select(vec![Done, Done, Done, Retry, Snoozed, Parked, Dead, Cancelled, Released]);
    let door = prop::sample::select(vec![Door::Settle, Door::Finish, Door::Complete]);
    let each = prop::collection::vec((0..KINDS.len(), 0u8..2, prop::option::of(0..KEYS)), 1..5);
    let each_scope = prop::sample::select(vec![Scope::Period, Scope::Forever]);
    let any = 0usize..1000;
    let one_of = |n: usize| prop::option::of(0..n);
    let op = prop_oneof![
        12 => offer().prop_map(Op::Enqueue),
        3 => (0..TEAMS, each, each_scope).prop_map(|(team, rows, scope)| Op::EnqueueEach(team, rows, scope)),
        10 => (0..WORKERS, 0..QUEUES, 1i32..6, one_of(TEAMS))
            .prop_map(|(worker, queue, slots, after)| Op::Claim { worker, queue, slots, after }),
        3 => (0..WORKERS).prop_map(|worker| Op::ClaimSuspect { worker }),
        14 => (any.clone(), word, door).prop_map(|(claim, word, door)| Op::Settle { claim, word, door }),
        2 => (0..WORKERS).prop_map(|worker| Op::Die { worker }),
        3 => Just(Op::Reap),
        1 => (0..WORKERS).prop_map(|worker| Op::Disown { worker }),
        3 => Just(Op::TimePasses),
        1 => Just(Op::KeysLapse),
        1 => Just(Op::Tidy),
        3 => any.clone().prop_map(|job| Op::Cancel { job }),
        1 => (one_of(QUEUES), one_of(TEAMS), one_of(KINDS.len()))
            .prop_map(|(queue, team, kind)| Op::Pause { queue, team, kind }),
        2 => any.clone().prop_map(|pause| Op::Resume { pause }),
        1 => (0..TEAMS).prop_map(|team| Op::Unpark { team }),
        3 => any.clone().prop_map(|job| Op::Replay { job }),
        1 => any.prop_map(|job| Op::Discard { job }),
        1 => (0..TEAMS, 0..QUEUES, prop::option::of(1i32..3)).prop_map(|(team, queue, most)| Op::LimitLane { team, queue, most }),
        1 => (0..TEAMS, 0..LIMITS.len(), prop::option::of(1i32..4))
            .prop_map(|(team, limit, most)| Op::LimitKey { team, limit, most }),
    ];
    prop::collection::vec(op, 20..80)
}

/// One list of operations, on both; then everything is let go, and everything must end.
async fn case(real: &mut Real<'_>, ops: &[Op]) -> Result<(), String> {
    let mut model = Model::default();
    for op in ops {
        step(real, &mut model, op).await.map_err(|fault| format!("{op:?}: {fault}"))?;
    }
    for op in model.lift_everything() {
        step(real, &mut model, &op).await.map_err(|fault| format!("afterwards, {op:?}: {fault}"))?;
    }
    for _ in 0..100 {
        if model.is_over() {
            return Ok(());
        }
        for op in model.work_on() {
            step(real, &mut model, &op).await.map_err(|fault| format!("to the end, {op:?}: {fault}"))?;
        }
    }
    Err(format!("some jobs never end: {:?}", model.unfinished()))
}

async fn step(real: &mut Real<'_>, model: &mut Model, op: &Op) -> Result<(), String> {
    let Some(answer) = real.apply(op, model).await? else { return Ok(()) };
    let freed = model.key_to_be_freed(op);
    let expected = model.apply(op, &answer)?;
    if expected != answer {
        return Err(format!("the model answers {expected:?}, Postgres {answer:?}"));
    }
    let (jobs, keys) = real.view().await;
    model.see_blocked(&jobs);
    if jobs != model.jobs(&jobs) {
        return Err(format!("jobs by the model {:#?}\nby Postgres {jobs:#?}", model.jobs(&jobs)));
    }
    model.check_freed(op, &answer, freed)?;
    if keys != model.keys() {
        return Err(format!("keys by the model {:?}\nby Postgres {keys:?}", model.keys()));
    }
    Ok(())
}

#[test]
fn whatever_is_done_to_the_queue_and_to_its_model_they_agree_and_every_job_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let db = runtime.block_on(TestDb::new());
    let conn = RefCell::new(runtime.block_on(async { db.admin.acquire().await.expect("a connection") }));
    let (cases, steps) = (Cell::new(0), Cell::new(0));
    // The same lists every time: what fails here fails for everybody.
    let config = Config { cases: 64, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[18; 32]));
    let outcome = runner.run(&ops(), |ops| {
        cases.set(cases.get() + 1);
        steps.set(steps.get() + ops.len());
        let mut conn = conn.borrow_mut();
        let agreed = runtime.block_on(async {
            let mut real = Real::new(&mut conn, cases.get()).await;
            case(&mut real, &ops).await
        });
        agreed.map_err(TestCaseError::fail)
    });
    println!("{} cases, {} operations", cases.get(), steps.get());
    if let Err(fault) = outcome {
        panic!("{fault}");
    }
}

/// What both answer to an enqueue.
fn accepted(job: i64, deduplicated: bool) -> Answer {
    Answer::Enqueued(Some((job, deduplicated)))
}
