//! File name templates (`TM_OUT`) from the outside: which files may have come of one.
//!
//! The values that the recorder fills in are not known here, so each stands for any text.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// `path` as a template that means just that path.
pub(super) fn escape(path: &Path) -> PathBuf {
    let mut escaped = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        escaped.push(byte);
        if byte == b'%' {
            escaped.push(byte);
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(escaped))
}

/// The one path of the template's files, if no part of it is unknown.
pub(super) fn literal(template: &Path) -> Option<PathBuf> {
    let name = Pattern::of(template.file_name()?).literal()?;
    Some(fixed_folder(template)?.join(OsStr::from_bytes(&name)))
}

/// The folder of the template's files if that is one and the same for all of them.
pub(super) fn fixed_folder(template: &Path) -> Option<PathBuf> {
    let mut folder = PathBuf::new();
    for component in template.parent()?.components() {
        folder.push(OsStr::from_bytes(&Pattern::of(component.as_os_str()).literal()?));
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
        let pattern = Pattern::of(component.as_os_str());
        match pattern.literal() {
            Some(name) => folders.iter_mut().for_each(|folder| folder.push(OsStr::from_bytes(&name))),
            None => folders = folders.iter().flat_map(|folder| matching(folder, &pattern)).collect(),
        }
    }
    let mut pattern = Pattern::of(file_name);
    pattern.0.push(Part::Anything);
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| matching(folder, &pattern)).collect();
    found.sort();
    found
}

fn matching(folder: &Path, pattern: &Pattern) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| pattern.matches(entry.file_name().as_bytes())).map(|entry| entry.path()).collect()
}

/// A name with unknown parts.
struct Pattern(Vec<Part>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Byte(u8),
    Anything,
}

impl Pattern {
    fn of(template: &OsStr) -> Pattern {
        let mut parts = Vec::new();
        let mut bytes = template.as_bytes().iter();
        while let Some(&byte) = bytes.next() {
            parts.push(match (byte, bytes.as_slice().first()) {
                (b'%', Some(b'p' | b'e' | b'h' | b't')) => Part::Anything,
                (b'%', Some(b'%')) => Part::Byte(b'%'),
                _ => {
                    parts.push(Part::Byte(byte));
                    continue;
                }
            });
            bytes.next();
        }
        Pattern(parts)
    }

    /// The name, if no part is unknown.
    fn literal(&self) -> Option<Vec<u8>> {
        self.0.iter().map(|part| if let Part::Byte(byte) = part { Some(*byte) } else { None }).collect()
    }

    /// Whether `name` is of this form: by going back to the latest unknown part, which suffices.
    fn matches(&self, name: &[u8]) -> bool {
        let (mut part, mut place) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(part), name.get(place)) {
                (None, None) => return true,
                (Some(Part::Anything), _) => {
                    retry = Some((part + 1, place));
                    part += 1;
                }
                (Some(Part::Byte(expected)), Some(found)) if expected == found => {
                    part += 1;
                    place += 1;
                }
                _ => {
                    let Some((after, start)) = retry.filter(|(_, start)| *start < name.len()) else {
                        return false;
                    };
                    retry = Some((after, start + 1));
                    (part, place) = (after, start + 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries every length of each unknown part.
    fn naive(parts: &[Part], name: &[u8]) -> bool {
        match parts.split_first() {
            None => name.is_empty(),
            Some((Part::Byte(byte), rest)) => name.first() == Some(byte) && naive(rest, &name[1..]),
            Some((Part::Anything, rest)) => (0..=name.len()).any(|skipped| naive(rest, &name[skipped..])),
        }
    }

    #[test]
    fn matching_is_as_trying_everything() {
        let templates = ["", "a", "%p", "a%p", "%pa", "a%pb", "%p.%e", "a%pab%ea", "%p%e", "%%", "a%", "%x"];
        let mut names = vec![Vec::new()];
        for _ in 0..5 {
            let longer = names.iter().flat_map(|name: &Vec<u8>| {
                b"ab.%".iter().map(|&byte| [&name[..], &[byte]].concat()).collect::<Vec<_>>()
            });
            let longer: Vec<Vec<u8>> = longer.collect();
            for template in templates {
                let pattern = Pattern::of(OsStr::new(template));
                for name in &longer {
                    assert_eq!(pattern.matches(name), naive(&pattern.0, name), "{template} {name:?}");
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
