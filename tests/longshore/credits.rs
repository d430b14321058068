//! The ledger: nobody spends what isn't there, nothing moves twice, nothing is rewritten, and the books prove themselves.

use std::time::Duration;

use longshore::workers::{
    credits::{self, Balance, Held, HoldKey, HoldState, Settled},
    db::{self, PoolSize},
    ids::{JobId, TeamId},
};
use sqlx::PgPool;

use crate::support::TestDb;

mod model;

/// A team with credits, and the doors to its books.
struct Books {
    db: TestDb,
    team: TeamId,
    worker: PgPool,
    operator: PgPool,
    scheduler: PgPool,
}

impl Books {
    async fn with(credits: i64) -> Self {
        let db = TestDb::new().await;
        let team = db.team("payers").await;
        let (worker, operator, scheduler) = (db.pool("worker"), db.pool("operator"), db.pool("scheduler"));
        let books = Self { db, team, worker, operator, scheduler };
        if credits > 0 {
            books.grant(credits).await;
        }
        books
    }

    fn key(&self, job: i64, call: i32) -> HoldKey<'static> {
        HoldKey { team: self.team, job: JobId(job), step: "person", call }
    }

    async fn grant(&self, amount: i64) {
        credits::grant(&mut self.operator.acquire().await.unwrap(), self.team, amount, "a test").await.expect("a grant");
    }

    async fn hold(&self, key: HoldKey<'_>, amount: i64) -> Result<Held, sqlx::Error> {
        let mut tx = db::begin_as(&self.worker, key.team).await?;
        let held = credits::hold(&mut tx, key, "apollo", amount).await?;
        tx.commit().await?;
        Ok(held)
    }

    async fn capture(&self, key: HoldKey<'_>, amount: i64) -> Result<Settled, sqlx::Error> {
        let mut tx = db::begin_as(&self.worker, key.team).await?;
        let settled = credits::capture(&mut tx, key, amount).await?;
        tx.commit().await?;
        Ok(settled)
    }

    async fn mark_unknown(&self, key: HoldKey<'_>) -> Result<bool, sqlx::Error> {
        let mut tx = db::begin_as(&self.worker, key.team).await?;
        let open = credits::mark_unknown(&mut tx, key).await?;
        tx.commit().await?;
        Ok(open)
    }

    async fn settle_expired(&self) -> credits::Expired {
        credits::settle_expired(&mut self.scheduler.acquire().await.unwrap(), 1000).await.expect("a round")
    }

    /// Locks the books first, as everybody does who touches holds.
    async fn let_a_day_pass(&self, team: TeamId) {
        let mut tx = db::begin(&self.db.admin).await.unwrap();
        let lock = "select from longshore.credit_accounts where team_id = $1 and account = 'available' for update";
        sqlx::query(lock).bind(team.0).execute(&mut *tx).await.expect("a lock");
        let past = "update longshore.credit_holds set expires_at = expires_at - interval '25 hours' where team_id = $1";
        sqlx::query(past).bind(team.0).execute(&mut *tx).await.expect("an update");
        tx.commit().await.unwrap();
    }

    async fn balance_of(&self, team: TeamId) -> Balance {
        credits::balance(&mut self.operator.acquire().await.unwrap(), team).await.expect("a balance")
    }

    async fn balance(&self) -> Balance {
        self.balance_of(self.team).await
    }

    async fn wrong(&self) -> Vec<String> {
        let found = credits::verify(&mut self.operator.acquire().await.unwrap()).await.expect("a verification");
        found.into_iter().map(|one| one.what).collect()
    }
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned()).unwrap_or_default()
}

#[tokio::test]
async fn sixty_four_racing_holds_on_ten_credits_give_ten() {
    let books = Books::with(10).await;
    let size = PoolSize { connections: 64, acquire_timeout: Duration::from_secs(30) };
    let pool = db::guarded_pool(books.db.url("worker").parse().expect("an address"), size);
    let ready = std::sync::Arc::new(tokio::sync::Barrier::new(64));
    let races: Vec<_> = (1..=64)
        .map(|job| {
            let (pool, key, ready) = (pool.clone(), books.key(job, 1), ready.clone());
            tokio::spawn(async move {
                let mut tx = db::begin_as(&pool, key.team).await.unwrap();
                ready.wait().await;
                let held = credits::hold(&mut tx, key, "apollo", 1).await.expect("an answer, never an error");
                tx.commit().await.unwrap();
                held
            })
        })
        .collect();
    let mut held = 0;
    for race in races {
        match race.await.unwrap() {
            Held::Held => held += 1,
            Held::Insufficient { available } => assert_eq!(available, 0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(held, 10);
    let balance = books.balance().await;
    assert_eq!((balance.available, balance.held), (0, 10));
    assert_eq!(books.wrong().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_replayed_hold_capture_or_release_moves_nothing() {
    let books = Books::with(100).await;
    let (paid, free) = (books.key(1, 1), books.key(1, 2));
    assert_eq!(books.hold(paid, 9).await.unwrap(), Held::Held);
    assert_eq!(books.hold(paid, 9).await.unwrap(), Held::AlreadyHeld(HoldState::Held));
    assert_eq!(books.capture(paid, 4).await.unwrap(), Settled::Now);
    for amount in [4, 9, 0] {
        let before = Settled::Before { state: HoldState::Captured, captured: 4 };
        assert_eq!(books.capture(paid, amount).await.unwrap(), before);
    }
    assert_eq!(books.hold(paid, 9).await.unwrap(), Held::AlreadyHeld(HoldState::Captured));
    assert!(!books.mark_unknown(paid).await.unwrap());

    books.hold(free, 9).await.unwrap();
    assert_eq!(books.capture(free, 0).await.unwrap(), Settled::Now);
    assert_eq!(books.capture(free, 0).await.unwrap(), Settled::Before { state: HoldState::Released, captured: 0 });
    assert_eq!(books.balance().await, Balance { available: 96, held: 0, spent: 4, owed: 0, granted: 100 });
    assert_eq!(books.wrong().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_contradicts_the_books_is_refused() {
    let books = Books::with(100).await;
    let key = books.key(1, 1);
    assert_eq!(code(&books.capture(key, 1).await.unwrap_err()), "LS021", "captured what was never held");
    books.hold(key, 9).await.unwrap();
    assert_eq!(code(&books.hold(key, 8).await.unwrap_err()), "LS022", "one key for two amounts");
    books.capture(key, 0).await.unwrap();
    assert_eq!(code(&books.capture(key, 9).await.unwrap_err()), "LS023", "charged for what was released");
    assert_eq!(code(&books.hold(books.key(1, 2), -1).await.unwrap_err()), "LS020");
    assert_eq!(books.balance().await, Balance { available: 100, held: 0, spent: 0, owed: 0, granted: 100 });
}

#[tokio::test]
async fn a_charge_beyond_its_hold_is_entered_in_full_and_becomes_debt_where_nothing_is_left() {
    let books = Books::with(10).await;
    books.hold(books.key(1, 1), 5).await.unwrap();
    books.capture(books.key(1, 1), 7).await.unwrap();
    assert_eq!(books.balance().await, Balance { available: 3, held: 0, spent: 7, owed: 0, granted: 10 });
    books.hold(books.key(1, 2), 2).await.unwrap();
    books.capture(books.key(1, 2), 8).await.unwrap();
    assert_eq!(books.balance().await, Balance { available: 0, held: 0, spent: 15, owed: 5, granted: 10 });
    books.grant(4).await;
    assert_eq!(books.hold(books.key(1, 3), 1).await.unwrap(), Held::Insufficient { available: 0 });
    books.grant(4).await;
    assert_eq!(books.balance().await, Balance { available: 3, held: 0, spent: 15, owed: 0, granted: 18 });
    assert_eq!(books.wrong().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_hold_that_stays_open_for_a_day_is_charged_in_full_once() {
    let books = Books::with(30).await;
    for call in 1..=3 {
        books.hold(books.key(1, call), 9).await.unwrap();
    }
    assert!(books.mark_unknown(books.key(1, 1)).await.unwrap());
    books.capture(books.key(1, 3), 1).await.unwrap();
    assert_eq!(books.settle_expired().await, credits::Expired { holds: 0, credits: 0 });
    assert_eq!(books.balance().await.held, 18);
    books.let_a_day_pass(books.team).await;
    assert_eq!(books.settle_expired().await, credits::Expired { holds: 2, credits: 18 });
    assert_eq!(books.settle_expired().await, credits::Expired { holds: 0, credits: 0 });
    assert_eq!(books.balance().await, Balance { available: 11, held: 0, spent: 19, owed: 0, granted: 30 });
    let late = books.capture(books.key(1, 1), 1).await.unwrap();
    assert_eq!(late, Settled::Before { state: HoldState::Captured, captured: 9 });
    assert_eq!(books.wrong().await, Vec::<String>::new());
}

#[tokio::test]
async fn no_role_rewrites_the_ledger() {
    let books = Books::with(100).await;
    books.hold(books.key(1, 1), 9).await.unwrap();
    let rewrites = [
        "update longshore.ledger_entries set amount = amount + 1",
        "delete from longshore.ledger_entries",
        "truncate longshore.ledger_entries",
    ];
    let direct = [
        "insert into longshore.ledger_entries (team_id, transfer_id, account, amount, kind) values ($1, 1, 'available', 5, 'grant')",
        "update longshore.credit_accounts set balance = balance + 5 where team_id = $1",
        "delete from longshore.credit_accounts where team_id = $1",
        "update longshore.credit_holds set amount = 0 where team_id = $1",
        "delete from longshore.credit_holds where team_id = $1",
        "select longshore.credit_post($1, 'grant', array['granted', 'available'], array[-5, 5], null, null, null, null)",
    ];
    for role in ["postgres", "longshore_owner", "longshore_engine"] {
        for rewrite in rewrites {
            let mut tx = db::begin(&books.db.admin).await.unwrap();
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set local role {role}"))).execute(&mut *tx).await.unwrap();
            let refused = sqlx::raw_sql(rewrite).execute(&mut *tx).await.expect_err(rewrite);
            assert!(["LS024", "42501"].contains(&code(&refused).as_str()), "{role}: {rewrite}: {refused}");
        }
    }
    for role in ["api", "worker", "scheduler", "operator", "auditor"] {
        let pool = books.db.pool(role);
        for statement in rewrites.iter().chain(&direct) {
            let mut tx = db::begin_as(&pool, books.team).await.unwrap();
            let query = sqlx::query(*statement);
            let query = if statement.contains("$1") { query.bind(books.team.0) } else { query };
            let refused = query.execute(&mut *tx).await.expect_err(statement);
            assert_eq!(code(&refused), "42501", "{role}: {statement}: {refused}");
        }
    }
    for role in ["api", "worker", "scheduler", "auditor"] {
        let mut tx = db::begin_as(&books.db.pool(role), books.team).await.unwrap();
        let refused = credits::grant(&mut tx, books.team, 5, "to myself").await.expect_err("a grant by itself");
        assert_eq!(code(&refused), "42501", "{role} gave itself credits");
    }
    assert_eq!(books.balance().await, Balance { available: 91, held: 9, spent: 0, owed: 0, granted: 100 });
}

#[tokio::test]
async fn a_transfer_that_does_not_sum_to_zero_is_refused_even_from_the_superuser() {
    let books = Books::with(100).await;
    let lopsided = "insert into longshore.ledger_entries (team_id, transfer_id, account, amount, kind) values ($1, 7, 'available', 5, 'grant')";
    let refused = sqlx::query(lopsided).bind(books.team.0).execute(&books.db.admin).await.expect_err("a lopsided transfer");
    assert_eq!(code(&refused), "LS025");
}

#[tokio::test]
async fn verification_finds_each_way_to_cook_the_books() {
    let cooked = [
        ("update longshore.credit_accounts set balance = balance + 1 where account = 'available'", "account available stands at"),
        ("delete from longshore.credit_accounts where account = 'held'", "account held stands at"),
        ("delete from longshore.ledger_entries where kind = 'hold' and account = 'held' and call = 2", "sums to"),
        ("delete from longshore.ledger_entries where kind = 'grant'", "on the wrong side of zero"),
        ("update longshore.credit_holds set amount = 1 where call = 2", "open holds come to"),
        ("delete from longshore.credit_holds where call = 1", "no hold"),
        ("update longshore.credit_holds set captured = 9 where call = 1", "of step person of"),
        ("update longshore.ledger_entries set account = 'spent:other' where account = 'spent:apollo'", "of step person of"),
    ];
    for (how, found) in cooked {
        let books = Books::with(100).await;
        books.hold(books.key(1, 1), 9).await.unwrap();
        books.capture(books.key(1, 1), 4).await.unwrap();
        books.hold(books.key(1, 2), 9).await.unwrap();
        assert_eq!(books.wrong().await, Vec::<String>::new());
        let mut tx = db::begin(&books.db.admin).await.unwrap();
        sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
        sqlx::raw_sql(how).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let wrong = books.wrong().await;
        assert!(wrong.iter().any(|what| what.contains(found)), "{how}: {wrong:?}");
    }
}

#[tokio::test]
async fn another_team_neither_sees_nor_spends_these_credits() {
    let books = Books::with(100).await;
    books.hold(books.key(1, 1), 9).await.unwrap();
    let stranger = books.db.team("strangers").await;
    for attempt in [
        "select 1 from longshore.credit_accounts",
        "select 1 from longshore.ledger_entries",
        "select 1 from longshore.credit_holds",
    ] {
        for role in ["api", "worker", "scheduler"] {
            let mut tx = db::begin_as(&books.db.pool(role), stranger).await.unwrap();
            assert!(sqlx::query(attempt).fetch_all(&mut *tx).await.unwrap().is_empty(), "{role}: {attempt}");
        }
    }
    let mut tx = db::begin_as(&books.worker, stranger).await.unwrap();
    let spent = credits::hold(&mut tx, books.key(2, 1), "apollo", 1).await.expect_err("another team's credits");
    assert_eq!(code(&spent), "LS007");
    let mut tx = db::begin_as(&books.worker, stranger).await.unwrap();
    assert_eq!(code(&credits::capture(&mut tx, books.key(1, 1), 9).await.unwrap_err()), "LS007");
    let mut tx = db::begin(&books.worker).await.unwrap();
    let nobody = credits::hold(&mut tx, books.key(2, 1), "apollo", 1).await.expect_err("a hold for no team in particular");
    assert_eq!(code(&nobody), "LS007");
    // The same job number in another team is another hold.
    let own = HoldKey { team: stranger, ..books.key(1, 1) };
    assert_eq!(books.hold(own, 1).await.unwrap(), Held::Insufficient { available: 0 });
    assert_eq!(books.balance().await, Balance { available: 91, held: 9, spent: 0, owed: 0, granted: 100 });
}

#[tokio::test]
async fn clients_that_race_with_everything_leave_sound_books() {
    let books = Books::with(200).await;
    let clients = (0..8i64).map(|client| {
        let books = &books;
        async move {
            for round in 0..25 {
                // Every key is fought over by two clients.
                let key = books.key(client / 2, round / 2 + 1);
                let held = books.hold(key, 9).await.expect("no deadlock");
                if !matches!(held, Held::Insufficient { .. }) {
                    match (client + i64::from(round)) % 3 {
                        0 => drop(books.mark_unknown(key).await.expect("no deadlock")),
                        1 => drop(books.capture(key, 4).await),
                        _ => drop(books.capture(key, 0).await.expect("no deadlock")),
                    }
                }
                if round % 10 == 9 {
                    books.let_a_day_pass(books.team).await;
                    books.settle_expired().await;
                }
            }
        }
    });
    futures_util::future::join_all(clients).await;
    let balance = books.balance().await;
    assert_eq!(balance.available + balance.held + balance.spent - balance.owed, balance.granted);
    assert_eq!(books.wrong().await, Vec::<String>::new());
}
