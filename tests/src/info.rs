//! What `tmtool info --json` says of a recording.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::products::products;

/// All of it.
///
/// # Panics
/// `tmtool` fails or does not print JSON.
pub fn info(recording: &Path) -> Value {
    let output = Command::new(&products().tmtool).args(["info", "--json"]).arg(recording).output();
    let output = output.expect("tmtool starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tmtool info {}: {said}", recording.display());
    serde_json::from_slice(&output.stdout).expect("--json prints JSON")
}

/// A number of it.
///
/// # Panics
/// It is not there or not a number.
pub fn number(info: &Value, key: &str) -> u64 {
    info[key].as_u64().unwrap_or_else(|| panic!("info has no number '{key}', but {}", info[key]))
}

/// The sum of a number over several recordings.
///
/// # Panics
/// As [`info`] and [`number`].
pub fn sum(infos: &[Value], key: &str) -> u64 {
    infos.iter().map(|info| number(info, key)).sum()
}

/// The texts of all recordings.
///
/// # Panics
/// As [`info`].
pub fn all(recordings: &[PathBuf]) -> Vec<Value> {
    recordings.iter().map(|recording| info(recording)).collect()
}

/// Asserts that the recording is whole, that every free has its allocation, and that no stack that was walked twice, if
/// any was, differed.
///
/// # Panics
/// It is not so.
pub fn assert_nothing_missing(info: &Value) {
    assert_eq!(number(info, "lost_events"), 0, "{}: {}", info["recording"], info["lost_by_reason"]);
    assert_eq!(number(info, "unknown_frees"), 0, "unknown frees in {}", info["recording"]);
    assert_eq!(number(info, "missed_frees"), 0, "missed frees in {}", info["recording"]);
    assert_eq!(number(info, "self_check_differences"), 0, "stacks that differ in {}", info["recording"]);
    assert_eq!(info["problems"].as_array().map(Vec::len), Some(0), "{}", info["problems"]);
}
