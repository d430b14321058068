//! Settings: where they come from, and how a mistake in them is said.

use std::{collections::BTreeSet, fs, path::PathBuf};

use longshore::{
    cli::config::{Command, answer},
    config::{Config, ConfigError, DEFAULTS},
    workers::rules::Rules,
};
use tempfile::TempDir;

/// A folder with a configuration file and an environment, in which nothing else is set.
struct Setup {
    folder: TempDir,
    file: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Setup {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), file: None, environment: Vec::new() }
    }

    fn file(mut self, text: &str) -> Self {
        let path = self.folder.path().join("fleet.toml");
        fs::write(&path, text).unwrap();
        self.file = Some(path);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes a secret into a file and points `variable` to it.
    fn secret_file(self, variable: &str, secret: &str) -> Self {
        let path = self.folder.path().join("secret");
        fs::write(&path, secret).unwrap();
        let path = path.display().to_string();
        self.env(variable, &path)
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load_from(self.file.as_deref(), self.environment.clone().into_iter())
    }

    /// What a person reads, the folder's name taken out.
    fn problem(&self) -> String {
        let text = self.load().expect_err("a refusal").to_string();
        text.replace(&self.folder.path().display().to_string(), "")
    }

    fn source(&self, key: &str) -> String {
        let config = self.load().expect("a configuration");
        let setting = config.settings().iter().find(|setting| setting.key == key).expect("a setting");
        format!("{} from {}", setting.value, setting.source.replace(&self.folder.path().display().to_string(), ""))
    }
}

#[test]
fn the_file_in_the_tree_is_the_defaults() {
    let config = Setup::new().load().expect("the defaults");
    assert!(config.settings().iter().all(|setting| setting.source == "default"));
    assert_eq!(config.worker.lease.as_secs(), 30);
    assert_eq!(config.api.bind.port(), 8080);
    assert!(config.database.url.is_none() && config.objects.endpoint.is_none());
}

#[test]
fn every_setting_has_a_comment_and_its_section() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        assert!(!is_setting || above.starts_with('#'), "{line:?} has no comment above it");
        above = line;
    }
}

#[test]
fn every_rule_is_in_the_file_with_the_default_that_its_family_has() {
    let config = Setup::new().load().expect("the defaults");
    let (file, code) = (format!("{:#?}", config.rules), format!("{:#?}", Rules::default()));
    assert_eq!(file, code);
    let defaults: toml::Table = DEFAULTS.parse().unwrap();
    let rules = defaults["rules"].to_string();
    // Said elsewhere in the file: api.public_url.
    for field in
        code.lines().filter_map(|line| line.trim().split_once(':')).map(|(field, _)| field).filter(|field| *field != "public_url")
    {
        assert!(
            rules.contains(&format!("{field} =")) || defaults["rules"].get(field).is_some(),
            "config.toml does not name {field}"
        );
    }
}

#[test]
fn callbacks_are_asked_for_where_the_api_can_be_reached() {
    let callback = |setup: Setup| setup.load().unwrap().vendors.twilio.status_callback_url;
    assert_eq!(callback(Setup::new()), "");
    let setup = Setup::new().env("LONGSHORE_API__PUBLIC_URL", "https://fleet.example/");
    assert_eq!(callback(setup), "https://fleet.example/v1/webhooks/twilio/status");
}

#[test]
fn every_secret_is_documented_by_the_setting_that_names_its_file() {
    let config = Setup::new()
        .env("DATABASE_URL", "postgres://somewhere/db")
        .env("LONGSHORE_ADMIN__TOKEN", &"k".repeat(32))
        .env("LONGSHORE_OBJECTS__SECRET_ACCESS_KEY", "k")
        .env("LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN", "k")
        .env("LONGSHORE_VENDORS__APOLLO__API_KEY", "k")
        .load()
        .expect("secrets from the environment");
    let masked: BTreeSet<_> = config.settings().iter().filter(|one| one.value == "••••").map(|one| one.key.as_str()).collect();
    let defaults: toml::Table = DEFAULTS.parse().unwrap();
    for key in &masked {
        let named = format!("{key}_file");
        let mut value = &toml::Value::Table(defaults.clone());
        for part in named.split('.') {
            value = value.get(part).unwrap_or_else(|| panic!("config.toml does not name {named}"));
        }
    }
    assert_eq!(masked.len(), 5);
}

#[test]
fn later_sources_override_earlier_ones_and_each_value_says_where_it_came_from() {
    let setup = Setup::new().file("[worker]\n# more\nslots = 20\npoll_milliseconds = 100\n");
    assert_eq!(setup.source("worker.slots"), "20 from /fleet.toml:3");
    let setup = setup.env("LONGSHORE_WORKER__SLOTS", "32");
    assert_eq!(setup.source("worker.slots"), "32 from env LONGSHORE_WORKER__SLOTS");
    assert_eq!(setup.source("worker.poll_milliseconds"), "100 from /fleet.toml:4");
    assert_eq!(setup.source("worker.lease_seconds"), "30 from default");
}

#[test]
fn the_usual_variables_are_honoured_and_ours_go_before_them() {
    let setup = Setup::new().env("PORT", "9000").env("DATABASE_URL", "postgres://a/b").env("RUST_LOG", "debug");
    assert_eq!(setup.source("api.bind"), "\"0.0.0.0:9000\" from env PORT");
    assert_eq!(setup.source("database.url"), "•••• from env DATABASE_URL");
    assert_eq!(setup.source("log.level"), "\"debug\" from env RUST_LOG");
    let setup = setup.env("LONGSHORE_API__BIND", "127.0.0.1:1").env("LONGSHORE_DATABASE__URL", "postgres://c/d");
    assert_eq!(setup.source("api.bind"), "\"127.0.0.1:1\" from env LONGSHORE_API__BIND");
    assert_eq!(setup.source("database.url"), "•••• from env LONGSHORE_DATABASE__URL");
}

#[test]
fn a_list_in_the_environment_is_separated_by_commas() {
    let config = Setup::new().env("LONGSHORE_WORKER__QUEUES", "messages, enrichment,").load().unwrap();
    assert_eq!(config.worker.queues, ["messages", "enrichment"]);
    let config = Setup::new().env("LONGSHORE_RULES__MESSAGES__LOOK_SECONDS", "3,6").load().unwrap();
    assert_eq!(config.rules.messages.look_seconds, [3, 6]);
}

#[test]
fn a_file_may_be_named_by_a_variable() {
    let mut setup = Setup::new().file("[worker]\nslots = 3\n");
    let path = setup.file.take().unwrap();
    let setup = setup.env("LONGSHORE_CONFIG", &path.display().to_string());
    assert_eq!(setup.load().unwrap().worker.slots, 3);
}

#[test]
fn variables_for_tests_and_tools_are_no_mistakes() {
    let setup = Setup::new().env("LONGSHORE_TEST_REQUIRE", "all").env("LONGSHORE_PG_BIN", "/opt/pg/bin").env("HOME", "/");
    assert_eq!(setup.load().unwrap().pg_bin(), Some(std::path::Path::new("/opt/pg/bin")));
}

#[test]
fn a_wrong_type_is_refused_with_its_line() {
    let problem = Setup::new().file("[database.pools]\nengine = \"ten\"\n").problem();
    insta::assert_snapshot!(problem, @r#"configuration: database.pools.engine must be a whole number, not a text "ten" (/fleet.toml, line 2)"#);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    let problem = Setup::new().file("[worker]\nslots = 2\nlease_secods = 5\n").problem();
    insta::assert_snapshot!(problem, @"configuration: worker.lease_secods is no setting (/fleet.toml, line 3); did you mean worker.lease_seconds?");
}

#[test]
fn a_key_like_no_other_is_refused_with_a_way_to_the_list() {
    let problem = Setup::new().file("colour = true\n").problem();
    insta::assert_snapshot!(problem, @"configuration: colour is no setting (/fleet.toml, line 1); `longshore config show` lists every setting");
}

#[test]
fn a_variable_with_our_prefix_that_names_nothing_is_refused() {
    let problem = Setup::new().env("LONGSHORE_WORKER__SLOT", "3").problem();
    insta::assert_snapshot!(problem, @"configuration: the environment variable LONGSHORE_WORKER__SLOT names no setting; did you mean LONGSHORE_WORKER__SLOTS?");
    let problem = Setup::new().env("LONGSHORE_WORKER_SLOTS", "3").problem();
    insta::assert_snapshot!(problem, @"configuration: the environment variable LONGSHORE_WORKER_SLOTS names no setting; did you mean LONGSHORE_WORKER__SLOTS?");
}

#[test]
fn a_bad_value_in_the_environment_names_its_variable() {
    let problem = Setup::new().env("LONGSHORE_WORKER__SLOTS", "many").problem();
    insta::assert_snapshot!(problem, @r#"configuration: worker.slots must be a whole number, not "many" (environment variable LONGSHORE_WORKER__SLOTS)"#);
}

#[test]
fn a_secret_in_a_file_is_refused_and_not_repeated() {
    let problem = Setup::new().file("[vendors.twilio]\nauth_token = \"0123456789abcdef\"\n").problem();
    insta::assert_snapshot!(problem, @"configuration: vendors.twilio.auth_token is a secret and must not stand in a file that is shared (/fleet.toml, line 2); set LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN, or vendors.twilio.auth_token_file to a file that holds it");
}

#[test]
fn a_secret_may_come_from_a_file_of_its_own() {
    let setup = Setup::new().secret_file("LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN_FILE", "t0ken\n");
    assert_eq!(setup.source("vendors.twilio.auth_token"), "•••• from file /secret");
    let token = setup.load().unwrap().vendors.twilio.auth_token;
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token), "t0ken");
}

#[test]
fn a_secret_given_twice_is_refused() {
    let setup = Setup::new()
        .secret_file("LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN_FILE", "t0ken")
        .env("LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN", "other");
    insta::assert_snapshot!(setup.problem(), @"configuration: vendors.twilio.auth_token is given twice: by LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN and by vendors.twilio.auth_token_file (env LONGSHORE_VENDORS__TWILIO__AUTH_TOKEN_FILE); remove one");
}

#[test]
fn short_and_placeholder_secrets_are_refused() {
    let problem = Setup::new().env("LONGSHORE_ADMIN__TOKEN", &"k".repeat(31)).problem();
    insta::assert_snapshot!(problem, @"configuration: admin.token has 31 characters, and 32 are the least: make one with `openssl rand -hex 32` (env LONGSHORE_ADMIN__TOKEN)");
    let problem = Setup::new().env("LONGSHORE_VENDORS__APOLLO__API_KEY", "change-me").problem();
    insta::assert_snapshot!(problem, @"configuration: vendors.apollo.api_key is a placeholder (env LONGSHORE_VENDORS__APOLLO__API_KEY)");
    let problem = Setup::new().env("LONGSHORE_VENDORS__APOLLO__API_KEY", "").problem();
    insta::assert_snapshot!(problem, @"configuration: vendors.apollo.api_key is empty (env LONGSHORE_VENDORS__APOLLO__API_KEY)");
}

#[test]
fn values_that_cannot_work_are_all_named_at_once() {
    let problem = Setup::new()
        .file("[worker]\nbeat_seconds = 20\nslots = 0\n[database.pools]\napi = -1\n")
        .env("LONGSHORE_VENDORS__APOLLO__BASE_URL", "api.apollo.io")
        .problem();
    insta::assert_snapshot!(problem, @"configuration: database.pools.api must not be negative, as -1 is (/fleet.toml:5)");
    let problem = Setup::new()
        .file("[worker]\nbeat_seconds = 20\nslots = 0\n")
        .env("LONGSHORE_VENDORS__APOLLO__BASE_URL", "api.apollo.io")
        .problem();
    insta::assert_snapshot!(problem, @r"
    configuration: 3 problems
    - worker.slots must be from 1 to 10000, not 0 (/fleet.toml:3)
    - worker.beat_seconds must be at most a third of worker.lease_seconds, which is 30 (/fleet.toml:2)
    - vendors.apollo.base_url must start with http:// or https:// (env LONGSHORE_VENDORS__APOLLO__BASE_URL)
    ");
}

#[test]
fn a_password_never_goes_to_a_mail_server_in_the_clear() {
    let server = |host: &str, security: &str| {
        format!("[vendors.smtp]\nhost = \"{host}\"\nsecurity = \"{security}\"\nusername = \"acme\"\n")
    };
    let problem = Setup::new().file(&server("mail.example.com", "none")).problem();
    insta::assert_snapshot!(problem, @"configuration: vendors.smtp.security must not be none: the password would travel in the clear (/fleet.toml:3)");
    for (host, security) in [("mail.example.com", "starttls"), ("mail.example.com", "tls"), ("127.0.0.1", "none")] {
        assert!(Setup::new().file(&server(host, security)).load().is_ok(), "{host} {security}");
    }
}

#[test]
fn a_bad_choice_names_the_good_ones() {
    let problem = Setup::new().file("[log]\nformat = \"xml\"\n").problem();
    insta::assert_snapshot!(problem, @r#"configuration: log.format must be one of auto, json, pretty, not "xml" (/fleet.toml:2)"#);
    let problem = Setup::new().env("LONGSHORE_API__BIND", "8080").problem();
    insta::assert_snapshot!(problem, @"configuration: api.bind can't be read: invalid socket address syntax (env LONGSHORE_API__BIND)");
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_refused() {
    let mut setup = Setup::new();
    setup.file = Some(setup.folder.path().join("none.toml"));
    insta::assert_snapshot!(setup.problem(), @"configuration: /none.toml can't be read: No such file or directory (os error 2)");
    let problem = Setup::new().file("[worker\nslots = 1\n").problem();
    insta::assert_snapshot!(problem, @r"
    configuration: /fleet.toml is not TOML: TOML parse error at line 1, column 8
      |
    1 | [worker
      |        ^
    unclosed table, expected `]`
    ");
}

#[test]
fn a_database_address_is_not_repeated_when_it_is_wrong() {
    let problem = Setup::new().env("DATABASE_URL", "mysql://me:hunter2@db/x").problem();
    insta::assert_snapshot!(problem, @"configuration: database.url must start with postgres:// or postgresql:// (env DATABASE_URL)");
    let missing = Setup::new().load().unwrap().database.url().unwrap_err().to_string();
    insta::assert_snapshot!(missing, @"configuration: no database is named: set DATABASE_URL (postgres://role:password@host/database), or try `longshore dev`, which brings its own");
}

#[test]
fn no_secret_is_shown() {
    let setup = Setup::new().env("DATABASE_URL", "postgres://me:hunter2@db/x").env("LONGSHORE_ADMIN__TOKEN", &"k".repeat(40));
    let mut shown = Vec::new();
    for json in [false, true] {
        assert_eq!(answer(Command::Show, json, setup.load(), &mut shown).unwrap(), 0);
        assert_eq!(answer(Command::Check, json, setup.load(), &mut shown).unwrap(), 0);
    }
    let shown = String::from_utf8(shown).unwrap() + &format!("{:?}", setup.load().unwrap());
    assert!(shown.contains("••••"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("kkkk"), "{shown}");
}

#[test]
fn a_check_of_a_wrong_configuration_answers_2() {
    let setup = Setup::new().env("LONGSHORE_WORKER__SLOT", "3");
    let mut shown = Vec::new();
    assert_eq!(answer(Command::Check, true, setup.load(), &mut shown).unwrap(), 2);
    let answer: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(answer["ok"], false);
    assert!(answer["problems"][0].as_str().unwrap().contains("LONGSHORE_WORKER__SLOT"), "{answer}");
}

#[test]
fn a_declared_schedule_that_cannot_work_is_named_with_its_fault() {
    let one = |name: &str, cron: &str, more: &str| {
        format!("[[schedules]]\nname = '{name}'\nteam = 'acme'\nkind = 'refresh_tags'\ncron = '{cron}'\n{more}\n")
    };
    let sound = Setup::new().file(&one("nightly", "30 2 * * *", "time_zone = 'Europe/Berlin'\nmissed = 'skip'")).load().unwrap();
    assert_eq!((sound.schedules.len(), sound.schedules[0].catch_up_most), (1, 100));
    for (file, fault) in [
        (one("Nightly", "0 4 * * *", ""), "can't be a schedule's name"),
        (one("nightly", "every day", ""), "not a cron pattern"),
        (one("nightly", "0 4 * * *", "time_zone = 'Mars/Base'"), "not a time zone"),
        (one("nightly", "0 4 * * *", "catch_up_most = 0"), "1 to 10000 ticks"),
        (one("nightly", "0 4 * * *", "missed = 'shrug'"), "schedules.0.missed must be one of"),
        (one("nightly", "0 4 * * *", "colour = 'red'"), "colour"),
        (one("nightly", "0 4 * * *", "").repeat(2), "declared twice"),
        ("schedules = 7".to_owned(), "schedules must be a list"),
    ] {
        let problem = Setup::new().file(&file).problem();
        assert!(problem.contains(fault) && problem.contains("/fleet.toml"), "{problem}\nfor\n{file}");
    }
}
