//! Runs that overtake each other, requests whose jobs ended, files that become the same.

use std::{fs, sync::Arc};

use longshore::{
    queue::settle::Verdict,
    workers::datalake::{Dataset, upload},
};
use serde_json::Value;

use super::{
    store::Odd,
    world::{ADA, FILE, World, bare, worker},
};

const ERASE: &str = "people erase --team acme --phone '617 555 0123' --yes --json";
const EXPORT: &str = "people export --team acme --phone '617 555 0123' --json";

impl World {
    fn exports(&self) -> Vec<String> {
        self.objects().into_iter().map(|(key, _)| key).filter(|key| key.contains("/exports/")).collect()
    }

    async fn object_of(&self, request: &Value) -> Option<String> {
        self.ask(&format!("select object_key from longshore.people_requests where request_id = {request}")).await
    }

    /// Her message has no outcome yet: an erasure waits for it.
    async fn leave_a_message_open(&self) {
        let update = "update longshore.messages set state = 'unknown', ended_at = null";
        self.tell(&format!("{update} where team_id = '{}' and recipient = '{}'", self.acme, ADA.0)).await;
    }

    async fn close_the_message(&self) {
        self.tell("update longshore.messages set state = 'delivered', ended_at = now() where state = 'unknown'").await;
    }
}

#[tokio::test]
async fn an_export_that_was_overtaken_takes_nothing_of_the_other_run_away_and_leaves_nothing() {
    let world = World::new().await;
    let (odd, gate) = Odd::that_waits(world.store.clone());
    let slow = Arc::new(worker(&world.db, Arc::new(odd)).await);
    let asked = world.run(EXPORT);
    let claimed = slow.claim("upkeep", 1).await.pop().expect("the export");
    let overtaken = tokio::spawn({
        let slow = slow.clone();
        async move { slow.run(claimed).await }
    });
    gate.reached.acquire().await.expect("a gate").forget();
    slow.die(&world.db).await;
    world.worker.reap().await;
    world.work().await;
    let written = world.object_of(&asked.json()["request"]).await.expect("an export");
    gate.open.add_permits(1);
    assert_eq!(overtaken.await.expect("a verdict"), Verdict::Nothing);
    assert_eq!(world.exports(), [written]);
}

#[tokio::test]
async fn what_is_asked_for_again_behind_a_cancelled_job_is_carried_out() {
    let world = World::new().await;
    let first = world.run(ERASE).json();
    let job = first["job"].as_str().expect("a job");
    let cancelled = world.run(&format!("jobs cancel {job}"));
    assert_eq!(cancelled.code, 0, "{cancelled}");
    let second = world.run(ERASE);
    let second = second.json();
    assert_eq!((&second["known"], &second["request"]), (&Value::Bool(true), &first["request"]), "{second}");
    assert_ne!(second["job"], first["job"], "it was told that a cancelled job carries it out");
    world.work().await;
    let left = world.traces(ADA).await;
    assert!(left.iter().all(|(_, row)| row.contains(&world.globex.to_string())), "{left:#?}");
    // Another job of the same request, as a replay of a dead one would be, has nothing to do; one of no request is no work at all.
    for (request, done) in [(first["request"].clone(), true), (Value::from(999_999), false)] {
        let enqueue = "queue.enqueue('{team}', 'erase_person', '{\"request_id\": {request}}')";
        let enqueue = enqueue.replace("{team}", &world.acme.to_string()).replace("{request}", &request.to_string());
        let _: i64 = world.ask(&format!("select ({enqueue}).job_id")).await;
        let verdicts = world.worker.drain("upkeep").await;
        match &verdicts[..] {
            [(_, Verdict::Done { output })] => assert!(done && output.is_some(), "{verdicts:?}"),
            [(_, Verdict::Dead { error, .. })] => assert!(!done && error.contains("999999"), "{verdicts:?}"),
            _ => panic!("{verdicts:?}"),
        }
    }
}

#[tokio::test]
async fn an_export_that_is_written_while_its_person_is_erased_goes_too() {
    let world = World::new().await;
    let [erase, export] = [ERASE, EXPORT].map(|line| world.run(line).json());
    let both = world.worker.claim("upkeep", 2).await;
    assert_eq!(both.len(), 1, "an erasure and an export of one team at once");
    world.worker.settle(&both[0], Verdict::Snooze { delay: std::time::Duration::ZERO, reason: "a test".into() }).await;
    world.leave_a_message_open().await;
    world.worker.let_time_pass(&world.db).await;
    world.worker.drain("upkeep").await;
    let written = world.object_of(&export["request"]).await.expect("an export, while the erasure waits");
    assert!(world.exports().contains(&written));
    // An orphan of a run that was cut off and never came back.
    let orphan = world.folder.path().join("objects").join(&written).with_file_name("0-orphan.jsonl");
    fs::write(&orphan, ADA.0).expect("an orphan");
    world.close_the_message().await;
    world.worker.let_time_pass(&world.db).await;
    world.work().await;
    assert!(
        world
            .ask::<bool>(&format!(
                "select ended_at is not null from longshore.people_requests where request_id = {}",
                erase["request"]
            ))
            .await
    );
    assert_eq!(world.exports(), [""; 0]);
}

#[tokio::test]
async fn an_export_that_is_written_behind_the_look_at_exports_goes_too() {
    let world = World::new().await;
    let erase = world.run(ERASE).json();
    // Once the uploaded files and the exports are done, somebody of theirs writes: the erasure waits, and an export comes between.
    world
        .tell(&format!(
            "create table seed.visits (n integer);
             create function seed.come_back() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
             begin
               if not exists (select from seed.visits) then
                 insert into seed.visits values (1);
                 update longshore.messages set state = 'unknown', ended_at = null, recipient = '{phone}' where team_id = '{team}' and message_id =
                   (select min(message_id) from longshore.messages where team_id = '{team}');
               end if;
               return null;
             end $$;
             create trigger come_back after update on longshore.rejects for each statement execute function seed.come_back()",
            team = world.acme,
            phone = ADA.0,
        ))
        .await;
    let verdicts = world.worker.drain("upkeep").await;
    let [(_, Verdict::Snooze { .. })] = &verdicts[..] else { panic!("{verdicts:?}") };
    let export = world.run(EXPORT).json();
    let verdicts = world.worker.drain("upkeep").await;
    assert!(matches!(&verdicts[..], [(_, Verdict::Nothing)]), "{verdicts:?}");
    assert!(world.object_of(&export["request"]).await.is_some());
    world.close_the_message().await;
    world.worker.let_time_pass(&world.db).await;
    world.work().await;
    assert!(
        world
            .ask::<bool>(&format!(
                "select ended_at is not null from longshore.people_requests where request_id = {}",
                erase["request"]
            ))
            .await
    );
    assert_eq!(world.exports(), [""; 0]);
    let receipt: Value =
        world.ask(&format!("select receipt from longshore.people_requests where request_id = {}", export["request"])).await;
    assert_eq!(receipt["object"], "taken away by an erasure");
}

#[tokio::test]
async fn two_files_in_one_object_are_both_blanked_and_neither_is_lost() {
    let world = World::new().await;
    world
        .tell(&format!(
            "update longshore.files set object_key = '{}', bytes = (select bytes from longshore.files where file_id = 901) where file_id = 902",
            world.upload
        ))
        .await;
    assert_eq!(world.run(ERASE).code, 0);
    world.work().await;
    for file in [901, 902] {
        let key: String = world.ask(&format!("select object_key from longshore.files where file_id = {file}")).await;
        let size = world.store.size(&key).await.unwrap_or_else(|error| panic!("file {file} is lost: {error}"));
        let text = String::from_utf8(world.store.read(&key, 0, size).await.expect("bytes").to_vec()).expect("text");
        assert!(text.contains("Carol") && !text.contains("Lovelace"), "file {file}: {text}");
    }
    assert!(world.objects().iter().all(|(key, _)| *key != world.upload), "the object that had her is still there");
}

#[tokio::test]
async fn the_same_bytes_uploaded_again_bring_nobody_back() {
    let world = World::new().await;
    let path = world.folder.path().join("again.csv");
    fs::write(&path, FILE).expect("a file");
    let pool = world.db.pool("api");
    let accept = || upload::accept(&pool, &*world.store, world.acme, Dataset::Leads, &path, "again.csv");
    // The seed's digest is made up; these are the file's own.
    let (first, _) = accept().await.expect("a file");
    world.tell(&format!("update longshore.files set state = 'failed', error = 'a test' where file_id = {}", first.file.0)).await;
    assert_eq!(world.run(ERASE).code, 0);
    world.work().await;
    let (second, _) = accept().await.expect("the same file");
    assert_eq!((second.file, second.new), (first.file, false));
    for (key, text) in world.objects() {
        let hers = bare(&text).contains(&ADA.0[2..]);
        assert_eq!(hers, key.contains(&world.globex.to_string()), "{key}: {text}");
    }
}
