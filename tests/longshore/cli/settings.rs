//! Settings, flags, quotas and the keyring, as an operator handles them.

use std::{io::Write as _, process::Stdio};

use longshore::{store, workers};

use super::fleet::{Fleet, Ran, binary, ran};

const KEYS: &str = "2026-05=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,2026-11=AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// With a keyring, and `input` on standard input.
fn with_keys(fleet: &Fleet, current: &str, line: &str, input: &str) -> Ran {
    let mut command = binary(&fleet.db.url("operator"), line);
    command.env("LONGSHORE_SECRETS__KEYS", KEYS).env("LONGSHORE_SECRETS__CURRENT", current);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
    ran(line, child.wait_with_output().expect("its end"))
}

#[tokio::test]
async fn a_setting_is_set_shown_and_taken_away() {
    let fleet = Fleet::new().await;
    let set = fleet.run("settings set brand.company 'Acme & Sons' --team acme");
    assert_eq!(set.code, 0, "{set}");
    assert_eq!(fleet.run("settings get brand.company --team acme").stdout, "Acme & Sons\n");
    assert!(fleet.run("settings get brand.company --team globex").stderr.contains("not set"));
    let list = fleet.run("settings list --team acme --json");
    let company = list.json().as_array().unwrap().iter().find(|one| one["name"] == "brand.company").unwrap().clone();
    assert_eq!((&company["value"], &company["updated_by"]), (&"Acme & Sons".into(), &"operator ann".into()), "{list}");
    for (line, code, said) in [
        ("settings set messages.daily_limit many --team acme", 2, "messages.daily_limit is of type number, not text"),
        ("settings set messages.daily_limit 99 --team acme", 2, "whole number from 1 to 20"),
        ("settings set brand.colour red --team acme", 2, "there is no such setting"),
        ("settings set integrations.token sk-canary --team acme", 2, "doesn't belong on a command line"),
        ("settings unset brand.link_domain --team acme", 3, "has not set it"),
    ] {
        let refused = fleet.run(line);
        assert!(refused.code == code && refused.stderr.contains(said), "{refused}");
    }
    for line in ["settings set messages.hours [10,18] --team acme", "settings set messages.written_consent_only true --team acme"]
    {
        let set = fleet.run(line);
        assert_eq!(set.code, 0, "{set}");
    }
    // A text with what is set, before anybody gets it.
    let text = "'Hi {{ first_name }}, {{ brand.company }} here'";
    assert_eq!(fleet.run(&format!("settings preview {text} --team acme")).stdout, "Hi [first_name], Acme & Sons here\n");
    for (team, text, said) in [("globex", text, "has not set"), ("acme", "'Hi {{ surname }}'", "which no lead has")] {
        let refused = fleet.run(&format!("settings preview {text} --team {team}"));
        assert!(refused.code == 2 && refused.stderr.contains(said), "{refused}");
    }
    assert_eq!(fleet.run("settings unset brand.company --team acme").code, 0);
    assert_eq!(fleet.run("settings unset brand.company --team acme").code, 3);
}

#[tokio::test]
async fn a_secret_comes_from_standard_input_and_a_keys_end_is_told() {
    let fleet = Fleet::new().await;
    let line = "settings set integrations.token - --team acme";
    let refused = fleet.run(line);
    assert!(refused.code == 2 && refused.stderr.contains("1 to 200"), "nothing on standard input: {refused}");
    let without = with_keys(&fleet, "2027", line, "x");
    assert!(without.code == 2 && without.stderr.contains("no key \"2027\""), "{without}");
    let set = with_keys(&fleet, "2026-05", line, "canary-token-0123456789-wxyz\n");
    assert!(set.code == 0 && set.stderr.contains("••••wxyz") && !set.stderr.contains("canary"), "{set}");
    let get = fleet.run("settings get integrations.token --team acme --json");
    assert!(!get.stdout.contains("canary") && get.stdout.contains("••••wxyz"), "{get}");

    let states = |ran: &Ran| {
        let all = ran.json();
        all.as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {} {}", one["key"], one["state"], one["data_keys"]))
            .collect::<Vec<_>>()
    };
    let status = with_keys(&fleet, "2026-11", "secrets status --json", "");
    assert_eq!(states(&status), ["\"2026-05\" \"needed\" 1", "\"2026-11\" \"current\" 0"]);
    let none = fleet.run("secrets status");
    assert!(none.code == 1 && none.stdout.contains("MISSING"), "{none}");
    let mut conn = fleet.db.pool("worker").acquire().await.unwrap();
    store::jobs::register(&mut conn, &workers::registry()).await.expect("the kinds of the house");
    let rotate = with_keys(&fleet, "2026-11", "secrets rotate", "");
    assert!(rotate.code == 0 && rotate.stderr.contains("the workers do it, as job_"), "{rotate}");
    let deed = "select action || ' ' || actor from longshore.audit_log order by at desc, seq desc limit 1";
    let deed: String = sqlx::query_scalar(deed).fetch_one(&fleet.db.admin).await.unwrap();
    assert_eq!(deed, "keyring.rotate operator ann");
    let again = with_keys(&fleet, "2026-11", "secrets rotate", "");
    assert!(again.stderr.contains("at it already"), "{again}");
    assert_eq!(fleet.run("secrets rotate").code, 2, "without a keyring");
}

#[tokio::test]
async fn a_flag_holds_a_kind_back_and_says_why() {
    let fleet = Fleet::new().await;
    let refused = fleet.run("flags set careful --percent 0");
    assert!(refused.code == 2 && refused.stderr.contains("--description"), "{refused}");
    let set = fleet.run("flags set careful --description 'Step by step' --percent 0 --kind carry_note");
    assert!(set.code == 0 && set.stderr.contains("jobs of kind carry_note wait"), "{set}");
    for (line, code) in [
        ("flags set careful --percent 101", 2),
        ("flags set careful --kind no_such_kind", 2),
        ("flags set Careful --description x", 2),
        ("flags override nothing on --team acme", 3),
        ("flags explain nothing --team acme", 3),
        ("flags unset nothing", 3),
    ] {
        let refused = fleet.run(line);
        assert_eq!(refused.code, code, "{refused}");
    }
    let job = fleet.enqueue(fleet.acme, "").await;
    assert!(fleet.stepper.drain("notes").await.is_empty());
    let shown = fleet.run(&format!("jobs show {job}"));
    assert!(shown.stdout.contains("rollout careful: off for this team"), "{shown}");
    let why = fleet.run("flags explain careful --team acme");
    assert!(why.stdout.contains("is off for team acme") && why.stdout.contains("carry_note wait"), "{why}");
    assert_eq!(fleet.run("flags override careful on --team acme").code, 0);
    assert_eq!(fleet.stepper.drain("notes").await.len(), 1);
    let listed = fleet.run("flags list --team acme --json");
    assert_eq!(listed.json()[0]["on"], true, "{listed}");
    assert_eq!(fleet.run("flags list --json").json()[0]["overrides"], 1);
}

#[tokio::test]
async fn quotas_are_set_and_shown_as_one_thing() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.run("lanes set --queue notes --running 9").code, 0);
    let set = fleet.run("quotas set --team acme --queue notes --unfinished 70 --rate 5/s");
    assert_eq!(set.code, 0, "{set}");
    assert_eq!(fleet.run("quotas set --queue notes --unfinished 70").code, 2, "whose?");
    assert_eq!(fleet.run("quotas set --team acme --queue nowhere --unfinished 70").code, 3);
    let shown = fleet.run("quotas show --team acme --json").json();
    let notes = shown["queues"].as_array().unwrap().iter().find(|one| one["queue"] == "notes").unwrap().clone();
    let told = (&notes["unfinished_most"], &notes["running_most"], &notes["per_second"], &notes["own"]);
    assert_eq!(told, (&70.into(), &9.into(), &5.0.into(), &true.into()));
    let other = fleet.run("quotas show --team globex");
    assert!(other.code == 0 && other.stdout.contains("every team"), "{other}");

    // What its keys may ask for over HTTP, and a key that may ask for less.
    let made = fleet.run("keys create slow --team acme --rate 50/s --burst 60 --json");
    assert_eq!(made.code, 0, "{made}");
    assert_eq!((&made.json()["per_second"], &made.json()["burst"]), (&50.into(), &60.into()));
    let requests = fleet.run("quotas show --team acme --json").json()["requests"].clone();
    assert_eq!((&requests["per_second"], &requests["batch_jobs"]), (&1000.into(), &1000.into()));
    assert_eq!(requests["keys"], serde_json::json!([{ "key": made.json()["key_id"], "per_second": 50, "burst": 60 }]));
    let words = fleet.run("quotas show --team acme");
    assert!(words.stderr.contains("1000/s") && words.stderr.contains("50/s, bursts of 60"), "{words}");
    assert!(fleet.run("keys list --team acme").stdout.contains("50/s"));
    for wrong in ["--rate 1/m", "--rate 0/s", "--burst 5", "--rate 5/s --burst 0"] {
        assert_eq!(fleet.run(&format!("keys create x --team acme {wrong}")).code, 2, "{wrong}");
    }
}
