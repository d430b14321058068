//! Logs: one JSON object a line for machines, colours for a person at a terminal; always to standard error.
//!
//! In JSON the fields of the spans around an event (the job, its team, its correlation id) stand beside the event's own,
//! so that one query finds everything a job did.

use std::{
    fmt,
    io::{self, IsTerminal as _},
};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    Layer, Registry,
    field::RecordFields,
    filter::{ParseError, Targets},
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty at a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For a person.
    Pretty,
}

/// Why logs could not be set up.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is not one.
    #[error("log level {level:?} is not understood ({reason}); write one like \"info\" or \"info,longshore=debug\"")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else has taken the logs of this process.
    #[error("logs were set up already")]
    Taken,
}

/// Sends this process's logs to standard error. `level` is a level, or directives (`info,longshore::queue=debug`).
pub fn init_logs(format: LogFormat, level: &str) -> Result<(), LogError> {
    let filter: Targets =
        level.parse().map_err(|error: ParseError| LogError::Level { level: level.to_owned(), reason: error.to_string() })?;
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Json => true,
        LogFormat::Pretty => false,
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = if json {
        Box::new(json_lines(io::stderr).with_filter(filter))
    } else {
        Box::new(tracing_subscriber::fmt::layer().with_ansi(terminal).with_writer(io::stderr).with_filter(filter))
    };
    tracing_subscriber::registry().with(lines).try_init().map_err(|_| LogError::Taken)
}

/// A layer that writes one JSON object a line to `writer`.
pub fn json_lines<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer().fmt_fields(SpanFields).event_format(Flat).with_ansi(false).with_writer(writer)
}

/// The fields of a span as an object, written when the span begins: every job has one, and few jobs log.
struct SpanFields;

impl<'writer> FormatFields<'writer> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut object = Object { writer: &mut writer, members: 0, written: Ok(()) };
        fields.record(&mut object);
        let Object { written, members, .. } = object;
        written?;
        writer.write_str(if members == 0 { "{}" } else { "}" })
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        // Recorded later than at the start: rare, and put in before the brace that ends the object.
        let mut more = FormattedFields::<Self>::new(String::new());
        self.format_fields(more.as_writer(), fields)?;
        match (current.fields.as_str(), more.fields.as_str()) {
            (_, "{}") => {}
            ("{}", _) => current.fields = more.fields,
            _ => {
                current.fields.pop();
                current.fields.push(',');
                current.fields.push_str(&more.fields[1..]);
            }
        }
        Ok(())
    }
}

struct Object<'a, 'writer> {
    writer: &'a mut Writer<'writer>,
    members: usize,
    written: fmt::Result,
}

impl Object<'_, '_> {
    /// One member; `value` is JSON already.
    fn put(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.written.is_ok() {
            let before = if self.members == 0 { '{' } else { ',' };
            self.written = write!(self.writer, "{before}\"{}\":{value}", field.name());
            self.members += 1;
        }
    }
}

impl Visit for Object<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, format_args!("{}", Value::from(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, format_args!("{}", Quoted(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{}", Quoted(&format!("{value:?}"))));
    }
}

/// A JSON string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids and names need no escape, and every job's span is made of those.
        if self.0.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            return write!(f, "\"{}\"", self.0);
        }
        write!(f, "{}", Value::from(self.0))
    }
}

/// One flat object: what the event says wins over its spans, the inner span over the outer.
struct Flat;

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.insert("timestamp".into(), time.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        for span in ctx.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<N>>() else { continue };
            if let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields) {
                line.extend(fields);
            }
        }
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let sink = lines.clone();
        let subscriber = tracing_subscriber::registry().with(json_lines(move || sink.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_carries_the_ids_of_every_span_around_it() {
        let lines = logged(|| {
            let _process = tracing::info_span!("process", boot = "b1").entered();
            let _job = tracing::info_span!("job", job.id = "job_7", team.id = "t1", correlation = "req-1").entered();
            tracing::warn!(attempt = 2, "job will retry");
        });
        let line = &lines[0];
        for (field, value) in
            [("boot", "b1"), ("job.id", "job_7"), ("team.id", "t1"), ("correlation", "req-1"), ("level", "WARN")]
        {
            assert_eq!(line[field], value, "{line}");
        }
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["message"], "job will retry");
    }

    #[test]
    fn what_a_span_says_is_written_as_it_is() {
        let hard = "a \"quote\", a \\ and a line\nend";
        let lines = logged(|| {
            let empty = tracing::info_span!("empty", alone = tracing::field::Empty, never = tracing::field::Empty).entered();
            empty.record("alone", 1);
            let span =
                tracing::info_span!("job", text = hard, n = -3, ok = true, ratio = f64::NAN, later = tracing::field::Empty)
                    .entered();
            span.record("later", hard);
            tracing::info!("said");
        });
        let line = &lines[0];
        assert_eq!(
            [&line["text"], &line["later"], &line["alone"], &line["n"], &line["ok"], &line["ratio"]],
            [&Value::from(hard), &Value::from(hard), &Value::from(1), &Value::from(-3), &Value::from(true), &Value::Null]
        );
    }

    #[test]
    fn one_event_is_one_line_whatever_it_says() {
        let lines = logged(|| tracing::error!("two\nlines and a \"quote\" \u{1b}[31m"));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "two\nlines and a \"quote\" \u{1b}[31m");
    }

    #[test]
    fn a_level_that_is_none_is_refused_by_name() {
        let refused = init_logs(LogFormat::Json, "longshore=loud").unwrap_err();
        assert!(refused.to_string().contains("longshore=loud"), "{refused}");
    }
}
