//! Recordings and snapshots of earlier versions, which every later version reads: `tests/fixtures`, kept for ever.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// The path of a fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// The recording `name`, which stands there as `name.gz`: recordings of several processes have holes.
///
/// # Panics
/// It is not there.
pub fn recording(name: &str) -> Vec<u8> {
    let path = fixture(&format!("{name}.gz"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).expect("it was packed by gzip");
    bytes
}

/// The snapshot `name`.
///
/// # Panics
/// It is not there.
pub fn snapshot(name: &str) -> Vec<u8> {
    let path = fixture(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
