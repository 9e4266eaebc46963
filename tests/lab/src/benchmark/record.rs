//! Ratios of a run, and those that were recorded → which of them are worse than they were.
//!
//! A ratio is another method's cost over the installer's in the same round: it falls where the installer
//! has become slower. Times of two machines say nothing about each other; ratios do, as long as the system
//! and the number of processors are the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// How much of a recorded ratio has to be left.
const LEAST: f64 = 1.0 / 1.15;

/// A run's ratios, and what they hold for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Store paths of the system that was copied.
    pub(super) paths: usize,
    /// Bytes that were asked for in its files.
    pub(super) bytes: u64,
    /// Processors of the machine.
    pub(super) processors: usize,
    /// The other methods' costs over the installer's, by name.
    pub(super) methods: BTreeMap<String, Ratios>,
}

/// Medians over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ratios {
    pub(super) wall: f64,
    pub(super) cpu: f64,
}

impl Record {
    /// The record in `file`, if there is one.
    ///
    /// # Errors
    /// It can't be read, or is none.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let about = || format!("cannot read the recorded ratios {}", file.display());
        let text = fs::read_to_string(file).with_context(about)?;
        serde_json::from_str(&text).map(Some).with_context(about)
    }

    /// Writes it to `file`.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Whether the ratios of the two can be compared.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.paths, self.bytes, self.processors) == (other.paths, other.bytes, other.processors)
    }

    /// What has become worse than in `before` by more than 15 %, a line each.
    pub(super) fn regressions(&self, before: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (method, was) in &before.methods {
            let Some(is) = self.methods.get(method) else {
                found.push(format!("{method} was not measured"));
                continue;
            };
            for (what, was, is) in [("wall", was.wall, is.wall), ("CPU", was.cpu, is.cpu)] {
                if is.is_nan() || is < was * LEAST {
                    found.push(format!(
                        "{what} time of {method} over nixvm's: {is:.2}, was {was:.2}"
                    ));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(wall: f64, cpu: f64) -> Record {
        let methods = BTreeMap::from([("nix copy".to_owned(), Ratios { wall, cpu })]);
        Record { paths: 2300, bytes: 1 << 30, processors: 2, methods }
    }

    #[test]
    fn a_ratio_may_lose_fifteen_percent_and_no_more() {
        let before = record(8.0, 5.0);
        assert_eq!(record(7.0, 9.0).regressions(&before), [""; 0]);
        let worse = record(6.9, 5.0).regressions(&before);
        assert_eq!(worse, ["wall time of nix copy over nixvm's: 6.90, was 8.00"]);
        assert_eq!(record(f64::NAN, f64::NAN).regressions(&before).len(), 2);
        let nothing = Record { methods: BTreeMap::new(), ..before.clone() };
        assert_eq!(nothing.regressions(&before), ["nix copy was not measured"]);
    }

    #[test]
    fn a_record_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ratios.json");
        assert_eq!(Record::read(&file).unwrap(), None);
        let record = record(8.0, 5.0);
        record.write(&file).unwrap();
        let read = Record::read(&file).unwrap().unwrap();
        assert_eq!(read, record);
        assert!(read.is_like(&record) && !read.is_like(&Record { processors: 4, ..record }));
        fs::write(&file, "{}").unwrap();
        Record::read(&file).unwrap_err();
    }
}
