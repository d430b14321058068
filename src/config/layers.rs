//! Lays the sources over each other: the compiled-in defaults, then a file, then the environment. Every value keeps
//! where it came from; what no default names is refused.

use std::{collections::BTreeMap, fs, mem, path::Path};

use toml::{Table, Value, de::DeTable};

use super::problem::{ConfigError, Source, did_you_mean};
use crate::workers::failpoints;

/// A value that only the environment, or a file of its own, may hold.
pub(super) struct Secret {
    /// Its key; `…_file` is the setting that names a file with it.
    pub key: &'static str,
    /// Shorter ones are refused. Ours have 32 characters at least; a vendor's are as the vendor makes them.
    pub shortest: usize,
}

pub(super) const SECRETS: [Secret; 9] = [
    // An address: its password may be none at all, where the server asks for a certificate or trusts the socket.
    Secret { key: "database.url", shortest: 1 },
    Secret { key: "database.direct_url", shortest: 1 },
    Secret { key: "admin.token", shortest: 32 },
    // What the object store, Twilio, Apollo, Azure and the mail server gave out: their length is not ours to choose.
    Secret { key: "objects.secret_access_key", shortest: 1 },
    Secret { key: "vendors.twilio.auth_token", shortest: 1 },
    Secret { key: "vendors.apollo.api_key", shortest: 1 },
    Secret { key: "vendors.azure.api_key", shortest: 1 },
    Secret { key: "vendors.smtp.password", shortest: 1 },
    // Names and keys of exactly 256 bits: the keyring refuses any other length by itself.
    Secret { key: "secrets.keys", shortest: 1 },
];

/// Variables with our prefix that are no settings: the file to read, where Postgres' programs are, what is to fail.
const NO_SETTINGS: [&str; 3] = [super::FILE_VARIABLE, super::PG_BIN_VARIABLE, failpoints::VARIABLE];
const TEST_PREFIX: &str = "LONGSHORE_TEST_";

/// The settings in force, by dotted key.
pub(super) struct Layers {
    pub settings: BTreeMap<String, (Value, Source)>,
    pub problems: Vec<String>,
}

impl Layers {
    /// The compiled-in defaults.
    pub fn defaults(text: &str) -> Result<Self, ConfigError> {
        let table: Table = text.parse().map_err(|error| ConfigError::one(format!("the defaults can't be read: {error}")))?;
        let settings = leaves(&table).into_iter().map(|(key, value)| (key, (value, Source::Default))).collect();
        Ok(Self { settings, problems: Vec::new() })
    }

    /// Lays a file over what is there.
    pub fn add_file(&mut self, path: &Path) {
        let name = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.problems.push(format!("{name} can't be read: {error}")),
        };
        let (table, lines) = match text.parse::<Table>().and_then(|table| Ok((table, lines(&text)?))) {
            Ok(read) => read,
            Err(error) => return self.problems.push(format!("{name} is not TOML: {error}")),
        };
        for (key, value) in leaves(&table) {
            let line = lines.get(&key).copied().unwrap_or(1);
            let place = format!("({name}, line {line})");
            if is_secret(&key) {
                let variable = variable_of(&key);
                self.problems.push(format!(
                    "{key} is a secret and must not stand in a file that is shared {place}; set {variable}, or {key}_file to a file that holds it"
                ));
            } else {
                self.set(&key, value, Source::File { name: name.clone(), line }, &place);
            }
        }
    }

    /// Lays the environment over what is there.
    pub fn add_environment(&mut self, variables: &BTreeMap<String, String>) {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        if let Some(port) = set("PORT") {
            match port.parse::<u16>() {
                Ok(port) => {
                    let bind = Value::String(format!("0.0.0.0:{port}"));
                    self.settings.insert("api.bind".into(), (bind, Source::Variable("PORT".into())));
                }
                Err(_) => self.problems.push(format!("PORT must be a number from 0 to 65535, not {port:?}")),
            }
        }
        if let Some(filter) = set("RUST_LOG") {
            self.settings.insert("log.level".into(), (Value::String(filter.clone()), Source::Variable("RUST_LOG".into())));
        }
        for (name, text) in variables {
            let Some(tail) = name.strip_prefix("LONGSHORE_") else { continue };
            if NO_SETTINGS.contains(&name.as_str()) || name.starts_with(TEST_PREFIX) {
                continue;
            }
            let key = tail.to_lowercase().replace("__", ".");
            if is_secret(&key) && *name == variable_of(&key) {
                continue; // taken by `add_secrets`
            }
            let Some((default, _)) = self.settings.get(&key).filter(|_| *name == variable_of(&key)) else {
                let known: Vec<String> =
                    self.settings.keys().map(|key| variable_of(key)).chain(secrets().map(variable_of)).collect();
                self.problems.push(format!(
                    "the environment variable {name} names no setting{}",
                    did_you_mean(name, known.iter().map(String::as_str))
                ));
                continue;
            };
            match read_as(default, text) {
                Some(value) => self.set(&key, value, Source::Variable(name.clone()), &format!("(environment variable {name})")),
                None => self
                    .problems
                    .push(format!("{key} must be {}, not {text:?} (environment variable {name})", type_name(default))),
            }
        }
    }

    /// Takes each secret from its variable or its file, and drops the `…_file` settings, which have done their duty.
    pub fn add_secrets(&mut self, variables: &BTreeMap<String, String>) {
        for Secret { key, shortest } in SECRETS {
            let mut variable = variable_of(key);
            let mut direct = variables.get(&variable);
            if direct.is_none() && key == "database.url" {
                "DATABASE_URL".clone_into(&mut variable);
                direct = variables.get(&variable).filter(|url| !url.is_empty());
            }
            let named = self.settings.remove(&format!("{key}_file"));
            let file =
                named.and_then(|(value, source)| Some((value.as_str().filter(|path| !path.is_empty())?.to_owned(), source)));
            let (secret, source) = match (direct, file) {
                (None, None) => continue,
                // The usual variable is often set for other programs: a file that somebody named for us goes before it.
                (Some(_), Some((_, source))) if variable != "DATABASE_URL" => {
                    self.problems.push(format!("{key} is given twice: by {variable} and by {key}_file ({source}); remove one"));
                    continue;
                }
                (Some(secret), None) => (secret.clone(), Source::Variable(variable)),
                (_, Some((path, source))) => match fs::read_to_string(&path) {
                    Ok(text) => (text.trim_end_matches(['\r', '\n']).to_owned(), Source::SecretFile(path)),
                    Err(error) => {
                        self.problems.push(format!("{key}_file names {path:?} ({source}), which can't be read: {error}"));
                        continue;
                    }
                },
            };
            let length = secret.chars().count();
            if length < shortest || is_placeholder(&secret) {
                let fault = match length {
                    0 => "is empty".to_owned(),
                    _ if is_placeholder(&secret) => "is a placeholder".to_owned(),
                    _ => format!("has {length} characters, and {shortest} are the least: make one with `openssl rand -hex 32`"),
                };
                self.problems.push(format!("{key} {fault} ({source})"));
                continue;
            }
            self.settings.insert(key.into(), (Value::String(secret), source));
        }
    }

    /// Everything as one table, nested. An empty text means: not set.
    pub fn table(&self) -> Table {
        let mut root = Table::new();
        for (key, (value, _)) in &self.settings {
            if value.as_str() != Some("") {
                insert(&mut root, key, value.clone());
            }
        }
        root
    }

    fn set(&mut self, key: &str, value: Value, source: Source, place: &str) {
        let Some((current, _)) = self.settings.get(key) else {
            let hint = did_you_mean(key, self.settings.keys().map(String::as_str));
            return self.problems.push(format!("{key} is no setting {place}{hint}"));
        };
        let same = mem::discriminant(current) == mem::discriminant(&value);
        let value = match (current, value) {
            (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
            (_, value) if same => value,
            (current, value) => {
                let problem = format!("{key} must be {}, not {} {place}", type_name(current), quoted(&value));
                return self.problems.push(problem);
            }
        };
        self.settings.insert(key.into(), (value, source));
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.into(), value);
        }
        Some((section, rest)) => {
            if let Value::Table(inner) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
                insert(inner, rest, value);
            }
        }
    }
}

pub(super) fn is_secret(key: &str) -> bool {
    secrets().any(|secret| secret == key)
}

fn secrets() -> impl Iterator<Item = &'static str> {
    SECRETS.iter().map(|secret| secret.key)
}

/// `worker.slots` → `LONGSHORE_WORKER__SLOTS`.
pub(super) fn variable_of(key: &str) -> String {
    format!("LONGSHORE_{}", key.to_uppercase().replace('.', "__"))
}

fn is_placeholder(secret: &str) -> bool {
    let bare = secret.to_lowercase().replace(['-', '_', ' '], "");
    ["changeme", "placeholder", "todo", "secret", "password", "yoursecret", "yourtoken"].contains(&bare.as_str())
}

/// Reads a variable's text as what the default is. Lists are separated by commas.
fn read_as(default: &Value, text: &str) -> Option<Value> {
    Some(match default {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.trim().parse().ok()?),
        Value::Float(_) => Value::Float(text.trim().parse().ok().filter(|number: &f64| number.is_finite())?),
        Value::Boolean(_) => Value::Boolean(text.trim().parse().ok()?),
        Value::Array(items) => {
            // An empty list is one of names.
            let kind = items.first().cloned().unwrap_or_else(|| Value::String(String::new()));
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| read_as(&kind, item)).collect::<Option<_>>()?)
        }
        Value::Datetime(_) | Value::Table(_) => return None,
    })
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Datetime(_) => "a date",
        Value::Table(_) => "a section",
    }
}

fn quoted(value: &Value) -> String {
    format!("{} {value}", type_name(value))
}

/// Every value that is not a section, by dotted key.
fn leaves(table: &Table) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(leaves(inner).into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            other => {
                found.insert(name.clone(), other.clone());
            }
        }
    }
    found
}

/// The line of every value that is not a section.
fn lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    fn walk(prefix: &str, table: &DeTable<'_>, text: &str, found: &mut BTreeMap<String, usize>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            if let toml::de::DeValue::Table(inner) = value.get_ref() {
                walk(&format!("{key}."), inner, text, found);
            } else {
                let before = text.get(..name.span().start).unwrap_or_default();
                found.insert(key, before.matches('\n').count() + 1);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk("", DeTable::parse(text)?.get_ref(), text, &mut found);
    Ok(found)
}
