//! The events of a machine → the attempts to install it, as `OUTCOME.jsonl`.
//!
//! The agent's tests replay them: `agent/src/session/examples.rs`. What differs between machines and
//! says nothing is left out or made equal: times of day, what came before the attempt, less than a tenth
//! of a second, memory, hashes of store paths, and most records of the copy's progress. How long steps
//! took stays: another recording changes those numbers on the pages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::words::{event, key, outcome};

/// Records of the copy's progress that are kept, about.
const PROGRESS: u64 = 20;

/// Outcomes that need a recording: an attempt that is cancelled is one that would have gone well.
const REPLAYED: [&str; 2] = [outcome::INSTALLED, outcome::FAILED];

/// What the install itself publishes; the session's part comes from the session in the agent's tests.
const KEPT: [&str; 6] = [
    event::STEP_STARTED,
    event::STEP_FINISHED,
    event::PROGRESS,
    event::PASSWORD,
    event::WARNING,
    event::ATTEMPT_ENDED,
];

/// Where store paths are.
const STORE: &str = "/nix/store/";

/// What stands for a store path's hash.
const HASH: &str = "00000000000000000000000000000000";

/// Writes the last attempt of each outcome to `folder`, in place of what is there.
pub(super) fn keep(events: &str, folder: &Path) -> Result<()> {
    let attempts = attempts(events)?;
    let missing = REPLAYED.iter().find(|outcome| !attempts.contains_key(**outcome));
    ensure!(missing.is_none(), "no attempt ended as {missing:?}");
    super::empty(folder)?;
    for (outcome, records) in attempts {
        let path = folder.join(outcome).with_extension("jsonl");
        fs::write(&path, records).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The records of the last attempt of each outcome that the tests replay, in lines of JSON.
fn attempts(events: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let (mut started, mut kept, mut copied) = (0, Vec::new(), 0);
    for line in events.lines() {
        let mut record: Map<String, Value> =
            serde_json::from_str(line).with_context(|| format!("not a record: {line}"))?;
        let uptime = record["uptime_ms"].as_u64().context("a record without uptime")?;
        let name = record["event"].as_str().unwrap_or_default().to_owned();
        if name == event::ATTEMPT_STARTED {
            (started, copied) = (uptime, 0);
            kept.clear();
        }
        let has_begun = !kept.is_empty() || name == event::STEP_STARTED;
        if !has_begun
            || !KEPT.contains(&&*name)
            || name == event::PROGRESS && !is_telling(&record, &mut copied)
        {
            continue;
        }
        let ended = record.get("outcome").and_then(Value::as_str).map(str::to_owned);
        even_out(&mut record, kept.len() as u64 + 1, uptime - started);
        kept.push(without_hashes(&Value::from(record).to_string()) + "\n");
        if let Some(outcome) = ended {
            let records: String = kept.drain(..).collect();
            if REPLAYED.contains(&&*outcome) {
                found.insert(outcome, records);
            }
        }
    }
    Ok(found)
}

/// Whether a record of progress is far enough from the last one that was kept, at `copied` bytes.
fn is_telling(record: &Map<String, Value>, copied: &mut u64) -> bool {
    let bytes = |key: &str| record[key].as_u64().unwrap_or_default();
    let (done, total) = (bytes(key::BYTES_DONE), bytes(key::BYTES_TOTAL));
    let telling = done == 0 || done == total || done - *copied >= total / PROGRESS;
    if telling {
        *copied = done;
    }
    telling
}

fn even_out(record: &mut Map<String, Value>, sequence: u64, since_start_ms: u64) {
    record.remove("time");
    record.insert("sequence".to_owned(), json!(sequence));
    record.insert("uptime_ms".to_owned(), json!(since_start_ms / 100 * 100));
    if let Some(seconds) = record.get(key::DURATION_SECONDS).and_then(Value::as_f64) {
        record.insert(key::DURATION_SECONDS.to_owned(), json!((seconds * 10.0).round() / 10.0));
    }
    if let Some(bytes) = record.get_mut(key::PEAK_RESIDENT_BYTES) {
        *bytes = json!(0);
    }
}

/// The text with each store path's hash made equal.
fn without_hashes(text: &str) -> String {
    let mut parts = text.split(STORE);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for path in parts {
        let is_hash = |hash: &&str| hash.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let rest = path.get(..HASH.len()).filter(is_hash).map(|_| &path[HASH.len()..]);
        result += STORE;
        result += rest.map_or("", |_| HASH);
        result += rest.unwrap_or(path);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_what_it_published_from_its_own_zero_without_what_differs() {
        let record = |uptime_ms: u64, event: Value| {
            let mut record = json!({ "version": 1, "sequence": 70, "uptime_ms": uptime_ms });
            record["time"] = json!("2026-11-27T18:53:12Z");
            record.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
            format!("{record}\n")
        };
        let progress =
            |done: u64| json!({ "event": "progress", "bytes_done": done, "bytes_total": 100 });
        let hash = "q91wk6ax41117fgbwicl7nz7ka5f1dh5";
        let error = json!({ "message": format!("cannot copy /nix/store/{hash}-source") });
        let ended = |outcome: &str, seconds: Value, error: Value| {
            json!({
                "event": "attempt-ended", "outcome": outcome, "error": error,
                "duration_seconds": seconds, "peak_resident_bytes": 76_333_056
            })
        };
        let events: String = [
            // A refusal has no steps.
            record(10, ended("refused", Value::Null, Value::Null)),
            record(1000, json!({ "event": "attempt-started", "attempt": "a" })),
            record(1001, json!({ "event": "password", "origin": "missing" })),
            record(1005, json!({ "event": "step-started", "step": "system" })),
            record(1010, progress(0)),
            record(1310, progress(4)),
            record(1320, progress(5)),
            record(1330, progress(9)),
            record(1990, ended("failed", json!(0.99), error)),
        ]
        .concat();
        let found = attempts(&events).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["failed"]);
        let records: Vec<Value> =
            found["failed"].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let done: Vec<_> = records.iter().filter_map(|r| r["bytes_done"].as_u64()).collect();
        assert_eq!(done, [0, 5]);
        let last = json!({
            "version": 1, "sequence": 4, "uptime_ms": 900, "event": "attempt-ended",
            "outcome": "failed", "duration_seconds": 1.0, "peak_resident_bytes": 0,
            "error": { "message": format!("cannot copy /nix/store/{HASH}-source") }
        });
        assert_eq!(records.last(), Some(&last));
    }
}
