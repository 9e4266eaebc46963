//! Records and the program's own messages → systemd's journal, with fields to search by.
//!
//! `journalctl -u nixvm-agent NIXVM_STEP=system`, `... NIXVM_EVENT=attempt-ended --all -o json`. Where standard
//! error is not the journal, everything goes there as text. `RUST_LOG` says how much.

use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use tracing::Level;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::event::Status;
use crate::event::publisher::Publisher;
use crate::event::{Event, Outcome, Record};
use crate::sinks::text::Renderer;

/// The records' target, for `RUST_LOG`.
const TARGET: &str = "nixvm_agent::event";

/// Begins to take messages.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let journal = is_journal().then(tracing_journald::layer).and_then(Result::ok);
    let layer = match journal {
        Some(layer) => layer
            .with_field_prefix(Some("NIXVM".to_owned()))
            .with_priority_mappings(PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            })
            .boxed(),
        None => {
            tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).boxed()
        }
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}

/// Whether standard error is a stream to the journal: systemd.exec(5), `JOURNAL_STREAM`.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let file = std::fs::metadata("/proc/self/fd/2");
    file.is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

/// Writes every event from now on to the journal, in a thread of its own: the journal may be slow.
///
/// # Errors
/// The thread can't be started.
pub fn follow(publisher: &Publisher) -> Result<()> {
    let mut reader = publisher.reader();
    let work = move || {
        let mut writer = JournalWriter::default();
        while let Some(record) = reader.blocking_next() {
            writer.write(&record);
        }
    };
    std::thread::Builder::new()
        .name("journal".to_owned())
        .spawn(work)
        .context("cannot start the journal's thread")?;
    Ok(())
}

/// Knows what a record is about.
#[derive(Default)]
struct JournalWriter {
    status: Status,
    lines: Renderer,
}

impl JournalWriter {
    fn write(&mut self, record: &Record) {
        self.status.take(record);
        let (event, sequence) = (record.event.name(), record.sequence);
        let step = self.status.step.map(crate::event::Step::name);
        let disk = self.status.plan.as_ref().map(|plan| plan.target.name.as_str());
        let error_kind = self.status.error.as_ref().map(|error| error.kind.as_str());
        let json = serde_json::to_string(record).unwrap_or_default();
        let said = self.lines.of(record);
        let message = if said.is_empty() { event.to_owned() } else { said.join("\n") };
        // The level has to be a constant.
        macro_rules! write {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET, $level,
                    event, sequence, step, disk, error_kind, record = json, "{message}"
                )
            };
        }
        match &record.event {
            Event::AttemptEnded { outcome: Outcome::Failed | Outcome::Refused, .. } => {
                write!(Level::ERROR);
            }
            Event::Warning { .. } => write!(Level::WARN),
            _ => write!(Level::INFO),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing_subscriber::layer::Context;

    use super::*;
    use crate::event::examples;

    type Fields = BTreeMap<&'static str, String>;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Fields>>>);

    struct Collect(Fields);

    impl Visit for Collect {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            self.0.insert(field.name(), format!("{value:?}"));
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            self.0.insert(field.name(), value.to_owned());
        }
    }

    impl<S: tracing::Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            let mut fields = Collect(Fields::new());
            event.record(&mut fields);
            fields.0.insert("level", event.metadata().level().to_string());
            self.0.lock().unwrap().push(fields.0);
        }
    }

    #[test]
    fn records_have_fields_to_search_by() {
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry().with(seen.clone());
        tracing::subscriber::with_default(subscriber, || {
            let mut writer = JournalWriter::default();
            examples::records().for_each(|record| writer.write(&record));
        });
        let seen = seen.0.lock().unwrap();
        let records: Vec<_> = examples::records().collect();
        assert_eq!(seen.len(), records.len());
        for (fields, record) in seen.iter().zip(&records) {
            assert_eq!(fields["event"], record.event.name());
            assert_eq!(&serde_json::from_str::<Record>(&fields["record"]).unwrap(), record);
        }
        let progress = seen.iter().find(|fields| fields["event"] == "progress").unwrap();
        assert_eq!((progress["step"].as_str(), progress["disk"].as_str()), ("system", "vda"));
        assert!(!seen[0].contains_key("step") && !seen[0].contains_key("error_kind"));
        let last = seen.last().unwrap();
        assert_eq!(last["error_kind"], "step-failed");
        assert_eq!(last["level"], "ERROR");
        assert!(seen.iter().any(|f| f["level"] == "WARN" && f["message"].starts_with("Warning")));
    }
}
