//! The queue itself, through the functions that every process calls.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    ATTEMPTS, Door, KEYS, KINDS, LIMITS, Offer, Op, Policy, QUEUES, Scope, TEAMS, WORKERS, Word,
    state::{Answer, Claimed, Given, Line, Model, Standing},
};

/// Teams, kinds and queues of one case, apart from those of every other.
pub struct Real<'c> {
    conn: &'c mut PgConnection,
    case: usize,
    teams: Vec<Uuid>,
    boots: Vec<Uuid>,
    /// The last job of the cases before.
    before: i64,
}

/// Where every job of the case is; a job in two places has two lines, one that is lost has none of its own.
const VIEW: &str = "
    with places as (
      select unnest(jobs) as id, 'ready' as place, attempt, 0::bigint as fence from queue.ready where team_id = any ($1)
      union all select unnest(jobs), 'blocked', attempt, 0 from queue.blocked where team_id = any ($1)
      union all select job_id, 'suspect', attempt, 0 from queue.suspects where team_id = any ($1)
      union all select job_id, case when run_at = 'infinity' then 'parked' else 'later' end, attempt, 0
        from queue.scheduled where team_id = any ($1)
      union all select unnest(open), 'running', attempt, fence from queue.leases where team_id = any ($1)
      union all select job_id, case outcome when 1 then 'done' when 3 then 'cancelled' else 'dead' end, attempt, fence
        from queue.outcomes where team_id = any ($1) and job_id > $2
    )
    select j.id, coalesce(p.place, 'nowhere'), coalesce(p.attempt, 0::smallint), coalesce(p.fence, 0)
    from queue.jobs j left join places p on p.id = j.id
    where j.team_id = any ($1) and j.id > $2
    order by j.id";

impl<'c> Real<'c> {
    pub async fn new(conn: &'c mut PgConnection, case: usize) -> Self {
        let boots = (0..WORKERS).map(|_| Uuid::new_v4()).collect();
        let before = sqlx::query_scalar("select nextval('queue.job_ids')").fetch_one(&mut *conn).await.expect("an id");
        let mut real = Self { conn, case, teams: (0..TEAMS).map(|_| Uuid::new_v4()).collect(), boots, before };
        let kinds: Vec<_> = (0..KINDS.len())
            .map(|kind| {
                json!({
                    "kind": real.kind(kind), "queue": real.queue(KINDS[kind]), "version": 1, "priority": 5, "max_attempts": ATTEMPTS,
                    "timeout_seconds": 5, "price": 0, "required": ["n"], "fields": { "n": ["number"] }, "schema": {}, "aliases": []
                })
            })
            .collect();
        sqlx::query("select queue.register($1)").bind(json!(kinds)).execute(&mut *real.conn).await.expect("the kinds");
        for boot in 0..WORKERS {
            real.enter(boot).await;
        }
        real
    }

    fn kind(&self, kind: usize) -> String {
        format!("model_{}_{kind}", self.case)
    }

    fn queue(&self, queue: usize) -> String {
        format!("model_{}_q{queue}", self.case)
    }

    async fn enter(&mut self, boot: usize) {
        let enter = "select queue.enter($1, 'worker', 'test', 1, 'test', '{}', 10, interval '1 day')";
        sqlx::query(enter).bind(self.boots[boot]).execute(&mut *self.conn).await.expect("a place in the fleet");
    }

    /// Does it; `None` where there was nothing to do it to.
    pub async fn apply(&mut self, op: &Op, model: &Model) -> Result<Option<Answer>, String> {
        self.perform(op, model).await.map_err(|error| error.to_string())
    }

    async fn perform(&mut self, op: &Op, model: &Model) -> Result<Option<Answer>, sqlx::Error> {
        match op {
            Op::Enqueue(offer) => return self.enqueue(offer).await.map(Some),
            Op::EnqueueEach(team, rows, scope) => return self.enqueue_each(*team, rows, *scope).await.map(Some),
            Op::Claim { worker, queue, slots, after } => {
                let boot = self.boots[model.boot(*worker)];
                let after = after.map_or(Uuid::nil(), |team| self.teams[team]);
                let claim = "select fence, job_id, attempt, cancelled from queue.claim($1, $2, $3, $4, $5)";
                let claim = sqlx::query_as(claim).bind(boot).bind(self.queue(*queue)).bind(slots).bind(after).bind(self.kinds());
                return claim.fetch_all(&mut *self.conn).await.map(claimed);
            }
            Op::ClaimSuspect { worker } => {
                let boot = self.boots[model.boot(*worker)];
                let queues: Vec<_> = (0..QUEUES).map(|queue| self.queue(queue)).collect();
                let claim = "select fence, job_id, attempt, cancelled from queue.claim_suspect($1, $2, $3)";
                let claim = sqlx::query_as(claim).bind(boot).bind(queues).bind(self.kinds());
                return claim.fetch_all(&mut *self.conn).await.map(claimed);
            }
            Op::Settle { claim, word, door } => {
                let Some(given) = model.nth_given(*claim) else { return Ok(None) };
                return self.settle(given, model.word(given, *word), *door, model.is_whole(given)).await.map(Some);
            }
            Op::Cancel { job } => {
                let Some((job, team)) = model.nth_job(*job) else { return Ok(None) };
                let said = sqlx::query_scalar("select queue.cancel($1, $2, 'model')").bind(self.teams[team]).bind(job);
                return said.fetch_one(&mut *self.conn).await.map(|said| Some(Answer::Said(said)));
            }
            Op::Replay { job } => {
                let Some((job, team)) = model.nth_dead(*job) else { return Ok(None) };
                let replay = sqlx::query_scalar("select queue.replay($1, $2, 'model')").bind(self.teams[team]).bind(job);
                let new = refused_as(replay.fetch_one(&mut *self.conn).await, "LS013")?;
                return Ok(Some(Answer::Replayed(new)));
            }
            Op::Discard { job } => {
                let Some((job, team)) = model.nth_dead(*job) else { return Ok(None) };
                let discard = sqlx::query_scalar("select queue.discard($1, $2, 'model')").bind(self.teams[team]).bind(job);
                let open: bool = discard.fetch_one(&mut *self.conn).await?;
                return Ok(Some(Answer::Said(open.to_string())));
            }
            _ => {}
        }
        if self.operate(op, model).await? { Ok(Some(Answer::Nothing)) } else { Ok(None) }
    }

    /// False where there was nothing to do it to.
    async fn operate(&mut self, op: &Op, model: &Model) -> Result<bool, sqlx::Error> {
        match op {
            Op::Die { worker } => {
                let die = "update queue.processes set expires_at = now() where boot_id = $1";
                sqlx::query(die).bind(self.boots[model.boot(*worker)]).execute(&mut *self.conn).await?;
                self.boots.push(Uuid::new_v4());
                self.enter(self.boots.len() - 1).await;
            }
            // As the reaper does.
            Op::Reap => {
                sqlx::query("select queue.unblock_all(), queue.reap(1000)").execute(&mut *self.conn).await?;
            }
            Op::Disown { worker } => {
                let disown = sqlx::query("select queue.disown($1, '{}')").bind(self.boots[model.boot(*worker)]);
                disown.execute(&mut *self.conn).await?;
            }
            Op::TimePasses => {
                let pass = "update queue.scheduled set run_at = now() where team_id = any ($1) and run_at < 'infinity'";
                sqlx::query(pass).bind(&self.teams).execute(&mut *self.conn).await?;
                sqlx::query("select queue.promote(10000)").execute(&mut *self.conn).await?;
            }
            Op::KeysLapse => {
                let lapse = "update queue.keys set expires_at = now() where team_id = any ($1) and expires_at < 'infinity'";
                sqlx::query(lapse).bind(&self.teams).execute(&mut *self.conn).await?;
            }
            Op::Tidy => {
                sqlx::query("select queue.tidy()").execute(&mut *self.conn).await?;
            }
            Op::Pause { queue, team, kind } => {
                if (queue, team, kind) == (&None, &None, &None) {
                    return Ok(false);
                }
                let pause = sqlx::query("select queue.pause($1, 'model', 'a test', $2, $3)");
                let pause = pause.bind(queue.map(|queue| self.queue(queue))).bind(team.map(|team| self.teams[team]));
                pause.bind(kind.map(|kind| self.kind(kind))).execute(&mut *self.conn).await?;
            }
            Op::Resume { pause } => {
                let Some((queue, team, kind)) = model.nth_pause(*pause) else { return Ok(false) };
                let resume = sqlx::query("select queue.resume($1, $2, $3)").bind(queue.map(|queue| self.queue(queue)));
                let resume = resume.bind(team.map(|team| self.teams[team])).bind(kind.map(|kind| self.kind(kind)));
                resume.execute(&mut *self.conn).await?;
            }
            Op::Unpark { team } => {
                let unpark = sqlx::query("select queue.unpark($1, 'waiting')").bind(self.teams[*team]);
                unpark.execute(&mut *self.conn).await?;
            }
            Op::LimitLane { team, queue, most } => {
                let limit = sqlx::query("select queue.set_lane($1, $2, null, $3, null, null, null)");
                limit.bind(self.queue(*queue)).bind(self.teams[*team]).bind(most).execute(&mut *self.conn).await?;
            }
            Op::LimitKey { team, limit, most } => {
                let set = sqlx::query("select queue.set_key_limit($1, $2, $3)").bind(self.teams[*team]);
                set.bind(format!("limit {limit}")).bind(most).execute(&mut *self.conn).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn kinds(&self) -> Vec<String> {
        (0..KINDS.len()).map(|kind| self.kind(kind)).collect()
    }

    async fn enqueue(&mut self, offer: &Offer) -> Result<Answer, sqlx::Error> {
        let enqueue =
            "select job_id, deduplicated from queue.enqueue($1, $2, $3, $4, case when $5 then now() + interval '1 hour' end, $6,
            key_scope => $7, on_conflict => $8, limit_key => $9, limit_to => $10, chain => $11)";
        let (scope, policy) = offer.key.map_or(("period", "first"), |key| (scope_name(key.scope), policy_name(key.policy)));
        let chain = offer.chain.then(|| json!([{ "kind": self.kind(offer.kind), "payload": { "n": 0 } }]));
        let enqueue = sqlx::query_as(enqueue)
            .bind(self.teams[offer.team])
            .bind(self.kind(offer.kind))
            .bind(json!({ "n": offer.body }))
            .bind(offer.key.map(|key| format!("key {}", key.key)))
            .bind(offer.delayed)
            .bind(offer.priority)
            .bind(scope)
            .bind(policy)
            .bind(offer.limit.map(|limit| format!("limit {limit}")))
            .bind(offer.limit.map(|limit| LIMITS[limit] as i32))
            .bind(chain);
        Ok(Answer::Enqueued(refused_as(enqueue.fetch_one(&mut *self.conn).await, "LS006")?))
    }

    async fn enqueue_each(
        &mut self,
        team: usize,
        rows: &[(usize, u8, Option<usize>)],
        scope: Scope,
    ) -> Result<Answer, sqlx::Error> {
        let enqueue =
            "select job_id, deduplicated, problem from queue.enqueue_each($1, $2, $3, $4, key_scope => $5) order by ordinal";
        let rows: Vec<(Option<i64>, bool, Option<String>)> = sqlx::query_as(enqueue)
            .bind(self.teams[team])
            .bind(rows.iter().map(|(kind, ..)| self.kind(*kind)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, body, _)| json!({ "n": body })).collect::<Vec<_>>())
            .bind(rows.iter().map(|(.., key)| key.map(|key| format!("key {key}"))).collect::<Vec<_>>())
            .bind(scope_name(scope))
            .fetch_all(&mut *self.conn)
            .await?;
        let each = rows.into_iter().map(|(job, deduplicated, problem)| match problem {
            Some(problem) if problem.starts_with("LS006") => None,
            Some(problem) => panic!("{problem}"),
            None => Some((job.expect("a job"), deduplicated)),
        });
        Ok(Answer::Each(each.collect()))
    }

    async fn settle(&mut self, given: Given, word: Word, door: Door, whole: bool) -> Result<Answer, sqlx::Error> {
        let Given { boot, fence, job } = given;
        let boot = self.boots[boot];
        let taken = match (word, door) {
            // As a worker does: a lease whose jobs all end goes whole, if it may.
            (Word::Done, Door::Finish) => {
                let leases = sqlx::query("select queue.finish_leases($1, array[$2], array[1], array[$3])")
                    .bind(boot)
                    .bind(fence)
                    .bind(job);
                if whole && leases.fetch_optional(&mut *self.conn).await?.is_some() {
                    return Ok(Answer::Settled(true, None));
                }
                let finish = sqlx::query("select queue.finish($1, array[$2], array[$3])").bind(boot).bind(fence).bind(job);
                finish.fetch_optional(&mut *self.conn).await?.is_some()
            }
            (Word::Done, Door::Complete) => {
                let complete = sqlx::query("select queue.complete($1, $2, $3, null)").bind(boot).bind(fence).bind(job);
                refused_as(complete.fetch_one(&mut *self.conn).await.map(drop), "LS010")?.is_some()
            }
            _ => {
                let settle = "select queue.settle($1, array[$2], array[$3], array[$4], array[interval '1 hour'], array['waiting'], array[null::jsonb])";
                let settle = sqlx::query(settle).bind(boot).bind(fence).bind(job).bind(word_name(word));
                settle.fetch_optional(&mut *self.conn).await?.is_some()
            }
        };
        let follower = "select id from queue.jobs where parent_id = $1 and team_id = any ($2)";
        let follower = sqlx::query_scalar(follower).bind(job).bind(&self.teams).fetch_optional(&mut *self.conn).await?;
        Ok(Answer::Settled(taken, follower.filter(|_| taken)))
    }

    /// Where every job is, and the keys that stand.
    pub async fn view(&mut self) -> (Vec<Line>, Vec<Standing>) {
        let jobs: Vec<Line> =
            sqlx::query_as(VIEW).bind(&self.teams).bind(self.before).fetch_all(&mut *self.conn).await.expect("the jobs");
        let keys: Vec<(i32, i32, i32, i64)> = sqlx::query_as(
            "select array_position($1, k.team_id) - 1, array_position($2, k.kind) - 1, n, k.job_id
             from queue.keys k join generate_series(0, $3) n on k.digest = sha256(convert_to('key ' || n, 'UTF8'))
             where k.team_id = any ($1) and k.expires_at > now() order by 1, 2, 3",
        )
        .bind(&self.teams)
        .bind(self.kinds())
        .bind(KEYS as i32)
        .fetch_all(&mut *self.conn)
        .await
        .expect("the keys");
        let keys = keys.into_iter().map(|(team, kind, key, job)| (team as usize, kind as usize, key as usize, job));
        (jobs, keys.collect())
    }
}

/// `None` where Postgres refused with that SQLSTATE.
fn refused_as<T>(answer: Result<T, sqlx::Error>, code: &str) -> Result<Option<T>, sqlx::Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.as_database_error().and_then(|error| error.code()).is_some_and(|is| is == code) => Ok(None),
        Err(error) => Err(error),
    }
}

fn claimed(rows: Vec<(i64, i64, i16, bool)>) -> Option<Answer> {
    let claimed = rows.into_iter().map(|(fence, job, attempt, cancelled)| Claimed { fence, job, attempt, cancelled });
    Some(Answer::Claimed(claimed.collect()))
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Period => "period",
        Scope::Unfinished => "unfinished",
        Scope::Forever => "forever",
    }
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::First => "first",
        Policy::Replace => "replace",
        Policy::Debounce => "debounce",
    }
}

fn word_name(word: Word) -> &'static str {
    match word {
        Word::Done => "done",
        Word::Retry => "retry",
        Word::Snoozed => "snoozed",
        Word::Parked => "parked",
        Word::Dead => "dead",
        Word::Cancelled => "cancelled",
        Word::Released => "released",
    }
}
