//! The checks before a command writes a file: what would be lost by it must not be the file that is being read, nor one
//! that tmtool cannot write again.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use crate::errors::{Error, Result};
use crate::page::embed::is_page;
use tm_analyzer::model::is_snap_file;
use tm_analyzer::reader::file::{
    START_BYTES as START_BYTES_OF_RECORDING, identity, is_recording as begins_recording,
};
use tm_analyzer::request::{Request, Time};

/// Returns what a file that is made of `input` is called, without an ending.
pub fn name_after(input: &Path) -> OsString {
    let stem = input.file_stem().filter(|_| input != Path::new("-"));
    stem.unwrap_or(OsStr::new("stdin")).to_owned()
}

/// Returns what the answer to `request` is written to, in the present folder: the name of the file that is read, with the
/// moment or the window that is asked for, and `suffix`; of a difference that of the newer file.
pub fn usual_name(request: &Request, is_difference: bool, suffix: &str) -> PathBuf {
    let mut name = name_after(&request.path);
    let time = match &request.time {
        Time::Usual => String::new(),
        Time::At(moment) => format!("@{moment}"),
        Time::Between(between) => format!("@{between}"),
    };
    name.push(time.replace([' ', '/'], ""));
    name.push(if is_difference { ".diff" } else { "" });
    name.push(suffix);
    name.into()
}

/// Asks whether standard output would show `what` to somebody who can do nothing with it.
///
/// # Errors
/// It is a terminal.
pub fn check_is_no_terminal(what: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        let message = "is nothing for a terminal; name a file, or send standard output somewhere";
        return Err(Error::Usage(format!("{what} {message}")));
    }
    Ok(())
}

/// Asks whether writing `output` would destroy `input`, under whatever name.
///
/// # Errors
/// It is the same file.
pub fn check_is_another(input: &Path, output: &Path) -> Result<()> {
    let found = |path: &Path| fs::metadata(path).ok().map(|status| identity(&status));
    match (found(input), found(output)) {
        (Some(input_file), Some(output_file)) if input_file == output_file => Err(Error::Usage(format!(
            "{} is the file that is read, and would be overwritten; choose another name for what is written",
            output.display()
        ))),
        _ => Ok(()),
    }
}

/// Asks whether a snapshot at `output` would destroy anything but an older snapshot: a recording above all.
///
/// # Errors
/// It would.
pub fn check_is_snapshot(output: &Path) -> Result<()> {
    if !has_content(output) || is_snap_file(output)? {
        return Ok(());
    }
    let what = if is_recording(output) { "is a recording" } else { "is there and no snapshot" };
    let what = format!("{} {what}, and would be overwritten", output.display());
    Err(Error::Usage(format!("{what}; choose another name, or say --force")))
}

/// Asks whether a picture at `output` would destroy a recording or a snapshot.
///
/// # Errors
/// It would.
pub fn check_is_picture(output: &Path) -> Result<()> {
    let is_file = fs::metadata(output).is_ok_and(|status| status.is_file());
    // What is packed is neither.
    if is_file && (is_recording(output) || is_snap_file(output).unwrap_or(false)) {
        let what = format!("{} is a recording or a snapshot, and would be overwritten", output.display());
        return Err(Error::Usage(format!("{what}; choose another name")));
    }
    Ok(())
}

/// Asks whether a report's page at `output` would destroy anything but an older one.
///
/// # Errors
/// It would.
pub fn check_is_page(output: &Path) -> Result<()> {
    if !has_content(output) || is_page(output) {
        return Ok(());
    }
    let what = if is_recording(output) {
        "is a recording"
    } else if is_snap_file(output)? {
        "is a snapshot"
    } else {
        "is there and no report of tmtool's"
    };
    let what = format!("{} {what}, and would be overwritten", output.display());
    Err(Error::Usage(format!("{what}; choose another name with -o")))
}

/// Asks whether an export at `output` would destroy anything but an older one of its format, whose files `is_like` knows by
/// their start; `is_forced` lets it destroy what is neither recording nor snapshot.
///
/// # Errors
/// It would.
pub fn check_is_export(output: &Path, is_like: fn(&[u8]) -> bool, is_forced: bool) -> Result<()> {
    if !has_content(output) {
        return Ok(());
    }
    check_is_picture(output)?;
    if is_forced || is_like(&start_of(output)?) {
        return Ok(());
    }
    let what = format!("{} is there and no older export, and would be overwritten", output.display());
    Err(Error::Usage(format!("{what}; choose another name with -o, or say --force")))
}

/// What a file begins with; of one that gzip or zstd has packed, what that begins with, which may be a recording.
fn start_of(path: &Path) -> Result<Vec<u8>> {
    let failed = |error| Error::io("read", path, error);
    let (mut start, mut unpacked) = (Vec::new(), Vec::new());
    fs::File::open(path).map_err(failed)?.take(START_BYTES).read_to_end(&mut start).map_err(failed)?;
    // Either ends in an error where it is cut, and what comes before that is there.
    if start.starts_with(&GZIP) {
        let _ = GzDecoder::new(start.as_slice()).take(START_BYTES).read_to_end(&mut unpacked);
    } else if start.starts_with(&ZSTD) {
        let _ = zstd::Decoder::new(start.as_slice())
            .and_then(|decoder| decoder.take(START_BYTES).read_to_end(&mut unpacked));
    } else {
        return Ok(start);
    }
    Ok(unpacked)
}

/// Enough of a file to know its format by: a line of folded stacks may be long.
const START_BYTES: u64 = 256 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Asks whether a recording at `output` would destroy what is none.
///
/// # Errors
/// It would.
pub fn check_is_recording(output: &Path) -> Result<()> {
    if has_content(output) && !is_recording(output) {
        let what = format!("{} is there and no recording, and would be overwritten", output.display());
        return Err(Error::Usage(format!("{what}; choose another name with -o, or remove it")));
    }
    Ok(())
}

/// Tells whether there is a file with anything in it.
fn has_content(output: &Path) -> bool {
    fs::metadata(output).is_ok_and(|status| status.is_file() && status.len() > 0)
}

fn is_recording(path: &Path) -> bool {
    let mut start = [0; START_BYTES_OF_RECORDING];
    fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && begins_recording(&start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_file_is_known_under_another_name() {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let (file, link) = (folder.path().join("a.bin"), folder.path().join("b.bin"));
        fs::write(&file, "x").expect("as above");
        fs::hard_link(&file, &link).expect("as above");
        assert!(check_is_another(&file, &link).is_err());
        assert!(check_is_another(&file, &folder.path().join("new.snap")).is_ok());
    }

    #[test]
    fn a_file_is_named_after_what_it_shows() {
        let moment = |text: &str| Time::At(text.parse().expect("a moment"));
        for (path, time, is_difference, name) in [
            ("a/tm.prog.12.bin", Time::Usual, false, "tm.prog.12.html"),
            ("a/tm.prog.12.bin", moment("12.5s"), false, "tm.prog.12@12.5s.html"),
            ("a.bin", moment("mark:/a b"), false, "a@mark:ab.html"),
            ("a.bin", Time::Between("10%..end".parse().expect("a window")), false, "a@10%..end.html"),
            ("new.snap", Time::Usual, true, "new.diff.html"),
            ("-", moment("peak"), false, "stdin@peak.html"),
        ] {
            let request = Request { time, ..Request::of(Path::new(path)) };
            assert_eq!(usual_name(&request, is_difference, ".html"), Path::new(name));
        }
    }

    #[test]
    fn nothing_is_overwritten_that_cannot_be_made_again() {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let place = |name: &str| folder.path().join(name);
        let recording = tm_testing::RecordingBuilder::with_process().file();
        fs::write(place("notes.txt"), "x").expect("as above");
        fs::write(place("empty"), "").expect("as above");
        tm_analyzer::model::Snapshot::new(Vec::new(), 1).dump(&place("a.snap")).expect("as above");
        let message = |result: Result<()>| result.map_err(|error| error.to_string()).unwrap_err();
        assert!(
            message(check_is_snapshot(recording.path())).contains("is a recording, and would be overwritten")
        );
        assert!(message(check_is_snapshot(&place("notes.txt"))).contains("is there and no snapshot"));
        assert!(message(check_is_recording(&place("a.snap"))).contains("is there and no recording"));
        assert!(message(check_is_picture(&place("a.snap"))).contains("a recording or a snapshot"));
        for name in ["a.snap", "empty", "new"] {
            assert!(check_is_snapshot(&place(name)).is_ok(), "{name}");
        }
        assert!(
            check_is_snapshot(Path::new("/dev/null")).is_ok()
                && check_is_picture(&place("notes.txt")).is_ok()
        );
        assert!(check_is_recording(recording.path()).is_ok() && check_is_recording(&place("empty")).is_ok());
    }
}
