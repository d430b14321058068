//! What nobody sends who means well, to the real binary: no failure of ours, and no memory that stays.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use longshore::tenancy::keys::Scope;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::door::key;
use crate::support::{ApiProcess, PATIENCE, TestDb};

/// One hostile request: its name, its bytes, and the statuses that are an answer to it (none: hanging up is).
struct Attack {
    name: &'static str,
    bytes: Vec<u8>,
    statuses: &'static [u16],
}

fn attack(name: &'static str, bytes: impl Into<Vec<u8>>, statuses: &'static [u16]) -> Attack {
    Attack { name, bytes: bytes.into(), statuses }
}

fn head(key: &str, method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\n{more}\r\n")
}

fn post(key: &str, path: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let more = format!("content-type: application/json\r\ncontent-length: {}\r\n{more}", body.len());
    [head(key, "POST", path, &more).as_bytes(), body].concat()
}

/// A gzip stream that would unpack to a gigabyte, as far as its reader believes it.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    // A stored deflate block after the other, all of zeros.
    for _ in 0..4 {
        bytes.extend([0, 0xff, 0xff, 0, 0]);
        bytes.extend(vec![0; 0xffff]);
    }
    bytes
}

fn corpus(key: &str) -> Vec<Attack> {
    let job = |payload: &str| format!(r#"{{"kind":"refresh_tags","payload":{payload}}}"#);
    let single = |body: String| post(key, "/v1/jobs", "", body.as_bytes());
    const REFUSED: &[u16] = &[400, 413, 415, 422];
    let deep = |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    let mut all = vec![
        attack("a NUL", single(job(r#"{"a":"\u0000"}"#)), REFUSED),
        attack("a raw NUL", single(job("{\"a\":\"\0\"}")), REFUSED),
        attack("half a surrogate pair", single(job(r#"{"a":"\ud800"}"#)), REFUSED),
        attack("surrogates the wrong way round", single(job(r#"{"a":"\udc00\ud800"}"#)), REFUSED),
        attack("the same key twice", single(r#"{"kind":"refresh_tags","kind":"send_sms","payload":{}}"#.into()), REFUSED),
        attack("the same key twice, escaped", single(job(r#"{"a":1,"\u0061":2}"#)), REFUSED),
        attack("1e400000", single(job(r#"{"a":1e400000}"#)), REFUSED),
        attack("a number of 100,000 digits", single(job(&format!(r#"{{"a":{}}}"#, "9".repeat(100_000)))), REFUSED),
        attack("100,000 open arrays", single(job(&"[".repeat(100_000))), REFUSED),
        attack("arrays 100,000 deep", single(job(&deep("[", "]", 100_000))), REFUSED),
        attack("objects 20,000 deep", single(job(&deep(r#"{"a":"#, "}", 20_000))), REFUSED),
        attack(
            "an ignored field 100,000 deep",
            single(format!(r#"{{"kind":"refresh_tags","payload":{{}},"extra":{}}}"#, deep("[", "]", 100_000))),
            REFUSED,
        ),
        attack(
            "100,000 fields",
            single(job(&format!("{{{}}}", (0..20_000).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",")))),
            REFUSED,
        ),
        attack("no JSON", single("nonsense".into()), REFUSED),
        attack("an empty body", single(String::new()), REFUSED),
        attack("bad UTF-8", post(key, "/v1/jobs", "", b"{\"kind\":\"\xff\xfe\",\"payload\":{}}"), REFUSED),
        attack("overlong UTF-8", post(key, "/v1/jobs", "", b"{\"kind\":\"\xc0\x80\",\"payload\":{}}"), REFUSED),
        attack("a byte order mark", post(key, "/v1/jobs", "", b"\xef\xbb\xbf{}"), REFUSED),
        attack("a gzip bomb", post(key, "/v1/jobs", "content-encoding: gzip\r\n", &bomb()), &[415]),
        attack("a bomb in a batch", post(key, "/v1/jobs/batch", "content-encoding: gzip, gzip\r\n", &bomb()), &[415]),
        attack(
            "another media type",
            head(key, "POST", "/v1/jobs", "content-type: text/xml\r\ncontent-length: 2\r\n") + "{}",
            &[415],
        ),
        attack("no media type", head(key, "POST", "/v1/jobs", "content-length: 2\r\n") + "{}", &[415]),
        attack("300 KiB", single(job(&format!(r#"{{"a":"{}"}}"#, "x".repeat(300 * 1024)))), &[413]),
        attack("3 MiB in a batch", post(key, "/v1/jobs/batch", "", "x".repeat(3 << 20).as_bytes()), &[413]),
        attack(
            "a terabyte, as it says",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ncontent-length: 1099511627776\r\n"),
            &[413],
        ),
        attack(
            "1,001 jobs",
            post(key, "/v1/jobs/batch", "", format!("{{\"jobs\":[{}]}}", vec!["{}"; 1001].join(",")).as_bytes()),
            &[422],
        ),
        attack(
            "a body that breaks off",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ncontent-length: 100\r\n") + "{",
            &[400],
        ),
        attack(
            "two lengths",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ncontent-length: 2\r\ncontent-length: 3\r\n") + "{}",
            &[400],
        ),
        attack(
            "a length and chunks",
            head(
                key,
                "POST",
                "/v1/jobs",
                "content-type: application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
            ) + "2\r\n{}\r\n0\r\n\r\n",
            &[400, 422],
        ),
        attack(
            "bad chunks",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ntransfer-encoding: chunked\r\n") + "zz\r\n{}\r\n",
            &[400],
        ),
        attack(
            "a chunk larger than memory",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ntransfer-encoding: chunked\r\n")
                + "ffffffffffffffff\r\n{}",
            &[400, 413],
        ),
        attack(
            "chunks with long extensions",
            format!(
                "{}1;{}\r\n{{\r\n0\r\n\r\n",
                head(key, "POST", "/v1/jobs", "content-type: application/json\r\ntransfer-encoding: chunked\r\n"),
                "x".repeat(60_000)
            ),
            &[400],
        ),
        attack(
            "an unknown coding of the transfer",
            head(key, "POST", "/v1/jobs", "content-type: application/json\r\ntransfer-encoding: gzip\r\n") + "{}",
            &[400],
        ),
        attack(
            "a header of 200 KiB",
            head(key, "GET", "/v1/jobs", &format!("x-long: {}\r\n", "x".repeat(200 * 1024))),
            &[431, 400],
        ),
        attack(
            "a thousand headers",
            head(key, "GET", "/v1/jobs", &(0..1000).map(|n| format!("x-{n}: y\r\n")).collect::<String>()),
            &[431, 400],
        ),
        attack("a header with a NUL", head(key, "GET", "/v1/jobs", "x-nul: a\0b\r\n"), &[400]),
        attack("a folded header", head(key, "GET", "/v1/jobs", "x-folded: a\r\n b\r\n"), &[400, 200]),
        attack("a key of 60 KiB", head(&"k".repeat(60 * 1024), "GET", "/v1/jobs", ""), &[401, 431, 400]),
        attack(
            "an idempotency key of 5,000 bytes",
            post(key, "/v1/jobs", &format!("idempotency-key: {}\r\n", "k".repeat(5000)), b"{}"),
            REFUSED,
        ),
        attack("an event id that is no text", head(key, "GET", "/v1/jobs/job_1/events", "last-event-id: \u{e9}\r\n"), &[404]),
        attack("an address of 60 KiB", head(key, "GET", &format!("/v1/jobs?kind={}", "k".repeat(60_000)), ""), &[400, 414, 431]),
        attack("ten thousand parameters", head(key, "GET", &format!("/v1/jobs?{}", "a=1&".repeat(10_000)), ""), &[400]),
        attack("a way out", head(key, "GET", "/v1/jobs/../../etc/passwd", ""), &[404]),
        attack("a way out, encoded", head(key, "GET", "/v1/jobs/..%2f..%2fetc%2fpasswd", ""), &[404]),
        attack("a way out of the page's files", head(key, "GET", "/docs/..%2f..%2fCargo.toml", ""), &[404]),
        attack("a NUL in the address", head(key, "GET", "/v1/jobs/%00", ""), &[404]),
        attack("bad UTF-8 in the address", head(key, "GET", "/v1/jobs/%ff%fe", ""), &[404]),
        attack("half an escape", head(key, "GET", "/v1/jobs/%", ""), &[404, 400]),
        attack("twice escaped", head(key, "GET", "/v1/jobs/%2525", ""), &[404]),
        attack("double slashes", head(key, "GET", "//v1//jobs", ""), &[404]),
        attack("an id beyond all numbers", head(key, "GET", "/v1/jobs/job_99999999999999999999999", ""), &[404]),
        attack("an absolute address", head(key, "GET", "http://elsewhere.example/v1/jobs", ""), &[200, 404, 400]),
        attack("CONNECT", head(key, "CONNECT", "elsewhere.example:443", ""), &[400, 404, 405]),
        attack("TRACE", head(key, "TRACE", "/v1/jobs", ""), &[405]),
        attack("a method of 10,000 letters", head(key, &"M".repeat(10_000), "/v1/jobs", ""), &[400, 405]),
        attack("HTTP/9.9", "GET / HTTP/9.9\r\n\r\n", &[400, 505]),
        attack("HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[400, 505]),
        attack("no HTTP", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], &[400]),
        attack("only line ends", "\r\n".repeat(5000), &[400]),
    ];
    // Requests behind each other on one connection, of which one is bad.
    let mut pipelined = String::new();
    for _ in 0..200 {
        pipelined += &format!("GET /v1/jobs/nonsense HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
    }
    pipelined += "nonsense\r\n\r\n";
    all.push(attack("200 requests at once, and nonsense", pipelined, &[404]));
    all
}

async fn send(address: SocketAddr, attack: &Attack, patience: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let mut answer = Vec::new();
    let talk = async {
        // It may be refused before all of it is sent.
        let _ = stream.write_all(&attack.bytes).await;
        if timeout(patience, stream.read_to_end(&mut answer)).await.is_err() {
            // It waits for what never comes.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut answer).await;
        }
    };
    timeout(PATIENCE, talk).await.unwrap_or_else(|_| panic!("{}: neither answered nor hung up on", attack.name));
    answer
}

fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

#[tokio::test]
async fn nothing_hostile_makes_the_door_fail_or_grow() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let (text, _) = key(&db, team, &Scope::ALL, None).await;
    let api = &ApiProcess::start(
        &db,
        &[
            ("LONGSHORE_API__REQUESTS_PER_SECOND", "1000000"),
            ("LONGSHORE_API__REQUESTS_AT_ONCE", "1000000"),
            ("LONGSHORE_LOG__LEVEL", "warn"),
        ],
    )
    .await;
    let corpus = corpus(&text);
    let round = async |first: bool| {
        let patience = if first { Duration::from_secs(3) } else { Duration::from_millis(300) };
        let all = corpus.iter().map(|attack| async move { (attack, send(api.api, attack, patience).await) });
        for (attack, answer) in join_all(all).await {
            let seen = statuses(&answer);
            assert!(seen.iter().all(|status| *status < 500), "{}: {seen:?}", attack.name);
            if first {
                if seen.is_empty() {
                    eprintln!("{}: hung up on without a word", attack.name);
                }
                let fits = seen.first().is_none_or(|status| attack.statuses.contains(status));
                assert!(
                    fits,
                    "{}: {seen:?}, not one of {:?}: {}",
                    attack.name,
                    attack.statuses,
                    String::from_utf8_lossy(&answer)
                );
            }
        }
    };
    round(true).await;
    for _ in 0..4 {
        round(false).await;
    }
    let (before, files) = (api.resident(), api.open_files());
    for _ in 0..20 {
        round(false).await;
    }
    let after = api.resident();
    eprintln!("{} attacks, 25 rounds: {before} KiB resident after 5 of them, {after} KiB at the end", corpus.len());
    assert!(after < before + 16 * 1024, "it grew from {before} KiB to {after} KiB");
    assert!(api.open_files() <= files + 8, "connections stay open");
    let accepted: i64 = sqlx::query_scalar("select count(*) from queue.jobs").fetch_one(&db.admin).await.expect("a count");
    assert_eq!(accepted, 0, "something of it was accepted");
    let printed = api.printed();
    assert!(!printed.contains("panicked"), "{printed}");
}

#[tokio::test]
async fn slow_callers_are_given_up_and_hold_nobody_else() {
    let db = TestDb::new().await;
    let team = db.team("acme").await;
    let (text, _) = key(&db, team, &Scope::ALL, None).await;
    let api = ApiProcess::start(&db, &[]).await;
    let mut lazy = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(api.api).await.expect("a connection");
        let begun = if n % 2 == 0 {
            // Headers, a few bytes at a time.
            "GET /v1/jobs HTTP/1.1\r\nhost: x\r\nx-slow: ".to_owned()
        } else {
            head(&text, "POST", "/v1/jobs", "content-type: application/json\r\ncontent-length: 1000\r\n") + "{"
        };
        stream.write_all(begun.as_bytes()).await.expect("a beginning");
        lazy.push(stream);
    }
    let ask = attack("an honest request", head(&text, "GET", "/v1/jobs", ""), &[200]);
    assert_eq!(statuses(&send(api.api, &ask, Duration::from_secs(10)).await), [200], "slow callers are in the way");
    let given_up = async {
        for (n, stream) in lazy.iter_mut().enumerate() {
            let mut answer = Vec::new();
            // A trickle does not keep it open.
            let _ = stream.write_all(b"y").await;
            let _ = stream.read_to_end(&mut answer).await;
            let seen = statuses(&answer);
            assert!(seen.is_empty() || seen == [408], "{seen:?}");
            assert!(n % 2 == 0 || seen == [408], "a slow body is answered with words");
        }
    };
    timeout(PATIENCE, given_up).await.expect("slow callers were kept");
}
