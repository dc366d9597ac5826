//! File name templates (`TM_OUT`) from the outside: which files may have come of one.
//!
//! The values that the recorder fills in are not known here, so each stands for any text.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use tm_analyzer::text::{Pattern, raw_text};

/// `path` as a template that means just that path.
pub(super) fn escape(path: &Path) -> PathBuf {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        escaped.push(byte);
        if byte == b'%' {
            escaped.push(byte);
        }
    }
    PathBuf::from(OsString::from_vec(escaped))
}

/// The one path of the template's files, if no part of it is unknown.
pub(super) fn literal(template: &Path) -> Option<PathBuf> {
    Some(fixed_folder(template)?.join(literal_name(template.file_name()?)?))
}

/// The folder of the template's files if that is one and the same for all of them.
pub(super) fn fixed_folder(template: &Path) -> Option<PathBuf> {
    let mut folder = PathBuf::new();
    for component in template.parent()?.components() {
        folder.push(literal_name(component.as_os_str())?);
    }
    Some(folder)
}

/// The files and folders that exist and may have come of the absolute `template`, also with more text at the end of
/// their names (`.PID`); in the order of their paths.
pub(super) fn candidates(template: &Path) -> Vec<PathBuf> {
    let mut components = template.components();
    let Some(Component::Normal(file_name)) = components.next_back() else { return Vec::new() };
    let mut folders = vec![PathBuf::new()];
    for component in components {
        let name = component.as_os_str();
        match literal_name(name) {
            Some(name) => folders.iter_mut().for_each(|folder| folder.push(&name)),
            None => folders = folders.iter().flat_map(|folder| matching(folder, name)).collect(),
        }
    }
    let mut longer = file_name.to_owned();
    longer.push("%p");
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| matching(folder, &longer)).collect();
    found.sort();
    found
}

fn matching(folder: &Path, template: &OsStr) -> Vec<PathBuf> {
    let (pattern, entries) = (pattern(template), fs::read_dir(folder).into_iter().flatten().flatten());
    let fits = |name: OsString| pattern.matches(&raw_text::of_bytes(name.as_bytes()));
    entries.filter(|entry| fits(entry.file_name())).map(|entry| entry.path()).collect()
}

/// The parts of a name: a byte, or `None` for a value that the recorder fills in.
fn parts(template: &OsStr) -> Vec<Option<u8>> {
    let mut parts = Vec::new();
    let mut bytes = template.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        parts.push(match (byte, bytes.as_slice().first()) {
            (b'%', Some(b'p' | b'e' | b'h' | b't')) => None,
            (b'%', Some(b'%')) => Some(b'%'),
            _ => {
                parts.push(Some(byte));
                continue;
            }
        });
        bytes.next();
    }
    parts
}

/// The name, if no part is unknown.
fn literal_name(template: &OsStr) -> Option<OsString> {
    parts(template).into_iter().collect::<Option<Vec<u8>>>().map(OsString::from_vec)
}

/// The names that may have come of `template`.
fn pattern(template: &OsStr) -> Pattern {
    let mut pattern = String::new();
    for run in parts(template).chunk_by(|one, other| one.is_some() && other.is_some()) {
        match run.iter().copied().collect::<Option<Vec<u8>>>() {
            Some(name) => pattern += &Pattern::escaped(&raw_text::of_bytes(&name)),
            None => pattern.push('*'),
        }
    }
    Pattern::new(&pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries every length of each unknown part.
    fn naive(parts: &[Option<u8>], name: &[u8]) -> bool {
        match parts.split_first() {
            None => name.is_empty(),
            Some((Some(byte), rest)) => name.first() == Some(byte) && naive(rest, &name[1..]),
            Some((None, rest)) => (0..=name.len()).any(|skipped| naive(rest, &name[skipped..])),
        }
    }

    #[test]
    fn matching_is_as_trying_everything() {
        let templates = [
            "", "a", "%p", "a%p", "%pa", "a%pb", "%p.%e", "a%pab%ea", "%p%e", "%%", "a%", "%x", "*", "[a]%p",
            "?",
        ];
        let mut names = vec![Vec::new()];
        for _ in 0..5 {
            let longer = names.iter().flat_map(|name: &Vec<u8>| {
                b"ab*%".iter().map(|&byte| [&name[..], &[byte]].concat()).collect::<Vec<_>>()
            });
            let longer: Vec<Vec<u8>> = longer.collect();
            for template in templates {
                let (pattern, parts) = (pattern(OsStr::new(template)), parts(OsStr::new(template)));
                for name in &longer {
                    let matches = pattern.matches(std::str::from_utf8(name).unwrap());
                    assert_eq!(matches, naive(&parts, name), "{template} {name:?}");
                }
            }
            names = longer;
        }
    }

    #[test]
    fn percent_signs_of_real_paths_survive() {
        let path = Path::new("/a%p/100%/x");
        assert_eq!(fixed_folder(&escape(path)), Some(PathBuf::from("/a%p/100%")));
        assert_eq!(fixed_folder(path), None);
    }

    #[test]
    fn folders_with_unknown_parts_are_searched() {
        let root = tempfile::tempdir().unwrap();
        for name in ["run.1/sh.bin", "run.2/cc.bin.77", "other/sh.bin", "run.2/cc.txt"] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let template = escape(root.path()).join("run.%p/%e.bin");
        let expected = ["run.1/sh.bin", "run.2/cc.bin.77"].map(|name| root.path().join(name));
        assert_eq!(candidates(&template), expected);
    }
}
