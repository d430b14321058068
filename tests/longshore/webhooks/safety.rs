//! Where webhooks do not go, whatever a name stands for.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use longshore::{
    queue::settle::Verdict,
    workers::vendors::receiver::{Receivers, Resolver, Rules},
};

use super::world::{Receiver, World};
use crate::support::services;

/// A name server that answers each question as it was told.
struct Scripted {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().expect("an address")).collect();
        Arc::new(Self { answers: Mutex::new(answers.iter().map(parse).collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().expect("a list").len()
    }
}

#[async_trait]
impl Resolver for Scripted {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().expect("a list").push(host.to_owned());
        self.answers.lock().expect("a list").pop_front().ok_or_else(|| io::Error::other("no such name"))
    }
}

async fn world(rules: Rules, names: &Arc<Scripted>) -> World {
    World::with(|services| services.receivers = Receivers::new(rules, names.clone())).await
}

fn refused(verdicts: &[Verdict], words: &str) -> bool {
    matches!(verdicts, [Verdict::Retry { error, .. }] if error.contains(words))
}

#[tokio::test]
async fn a_name_that_changes_what_it_stands_for_is_looked_at_each_time_and_connected_to_as_it_was_looked_at() {
    // A test's receiver is on this machine, so this machine counts as public here; metadata never does.
    let names = Scripted::new(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1", "169.254.169.254"], &["::ffff:127.0.0.1"]]);
    let world = world(services::local(), &names).await;
    let receiver = Receiver::open().await;
    let (id, _) = world.endpoint(&format!("http://hooks.example.test:{}/x", receiver.port), &["job.done"]).await;
    world.one_done().await;
    assert!(matches!(world.deliver().await.as_slice(), [Verdict::Nothing]));
    assert_eq!(receiver.got()[0].header("host"), format!("hooks.example.test:{}", receiver.port));
    assert_eq!(names.asked(), 1, "asked once, for one connection: what was looked at is what was connected to");

    world.one_done().await;
    for _ in 0..3 {
        assert!(refused(&world.deliver_later().await, "not public"));
    }
    assert!(refused(&world.deliver_later().await, "can't be resolved"));
    assert_eq!((receiver.got().len(), names.asked()), (1, 5));
    let problem = world.deliveries(id).await[1].problem.clone().expect("a problem");
    assert!(!problem.contains("169.254") && !problem.contains("example"), "it tells nobody what a name stands for: {problem}");
}

#[tokio::test]
async fn outside_a_local_stack_nothing_private_is_reached_by_name_or_number() {
    let strict = Rules { allow_http: true, ..Rules::default() };
    for private in
        ["127.0.0.1", "10.0.0.5", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "fd00:ec2::254", "::1", "0.0.0.0"]
    {
        let names = Scripted::new(&[&[private], &["1.1.1.1", private]]);
        let receivers = Receivers::new(strict, names.clone());
        let now = services::noon();
        for _ in 0..2 {
            let answer = receivers.post("http://hooks.example.test:9000/x", &[], "{}".into(), now).await;
            assert!(answer.as_ref().is_err_and(|error| error.to_string().contains("not public")), "{private}: {answer:?}");
        }
        let literal = if private.contains(':') { format!("[{private}]") } else { private.to_owned() };
        let answer = receivers.post(&format!("http://{literal}:9000/"), &[], "{}".into(), now).await;
        assert!(answer.as_ref().is_err_and(|error| error.to_string().contains("not public")), "{private}: {answer:?}");
        assert_eq!(names.asked(), 2, "a number is no question");
    }
    let names = Scripted::new(&[]);
    let https_only = Receivers::new(Rules::default(), names.clone());
    let answer = https_only.post("http://example.com/", &[], "{}".into(), services::noon()).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("https")));
    assert_eq!(names.asked(), 0);
}

#[tokio::test]
async fn a_receiver_whose_certificate_is_not_good_gets_nothing() {
    // Speaks no TLS at all.
    let receiver = Receiver::open().await;
    let names = Scripted::new(&[&["127.0.0.1"]]);
    let receivers = Receivers::new(services::local(), names);
    let url = format!("https://hooks.example.test:{}/x", receiver.port);
    let answer = receivers.post(&url, &[], "{}".into(), services::noon()).await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(receiver.got().is_empty());
}
