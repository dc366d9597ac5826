//! Address spaces by the name or the number of their domain.

use std::path::Path;

use tm_common::ids::{Domain, Space};

use crate::error::{Refusal, Result};
use crate::model::Snapshot;
use crate::reader::{OwnDomain, Recording};

/// The spaces that each recording has. A domain of the program's own may be called alike, and is asked for by number.
const OF_EACH: [Space; 2] = [Space::HEAP, Space::MAPPINGS];

/// The spaces of `recording` that `text` means. Several domains may have one name.
///
/// # Errors
/// There is none; the message lists those that there are.
pub(super) fn spaces(recording: &Recording, text: &str) -> Result<Vec<Space>> {
    let means = |space: &Space| {
        let (domain, name) = recording.domain(*space);
        name == text || text.parse() == Ok(domain.0)
    };
    if let Some(space) = OF_EACH.into_iter().find(means) {
        return Ok(vec![space]);
    }
    let own = recording.own_domains();
    let number = text.parse().ok().map(Domain);
    let of = |is_meant: &dyn Fn(&OwnDomain) -> bool| -> Vec<Space> {
        own.iter().filter(|own| is_meant(own)).flat_map(|own| own.spaces.clone()).collect()
    };
    let mut found = of(&|own| Some(own.domain) == number);
    if found.is_empty() {
        found = of(&|own| own.name == text);
    }
    if found.is_empty() {
        let built_in = OF_EACH.into_iter().map(|space| recording.domain(space).1.to_owned());
        let own =
            own.iter().map(
                |OwnDomain { domain: Domain(number), name, .. }| {
                    if name.is_empty() { number.to_string() } else { format!("{name} ({number})") }
                },
            );
        let known = built_in.chain(own).collect();
        let refusal = Refusal::NoDomain { text: text.to_owned(), known, has_names: true };
        return Err(refusal.of(recording.file.path()));
    }
    Ok(found)
}

/// The number of the domain that `text` means in a `.snap` file, which holds no names: those that are ours are known.
///
/// # Errors
/// There is none; the message lists those that there are.
pub(super) fn number(snapshot: &Snapshot, path: &Path, text: &str) -> Result<u32> {
    let named = Domain::BUILT_IN.iter().find(|(_, name)| *name == text).map(|(domain, _)| domain.0);
    let meant = named.or_else(|| text.parse().ok());
    let mut there: Vec<u32> = snapshot.traces.iter().map(|trace| trace.domain).collect();
    there.sort_unstable();
    there.dedup();
    // Those of the C library and the kernel are there, perhaps empty.
    let is_of_each = |number: u32| [Domain::HEAP, Domain::MAPPINGS].contains(&Domain(number));
    if let Some(number) = meant.filter(|number| there.contains(number) || is_of_each(*number)) {
        return Ok(number);
    }
    let there = there
        .iter()
        .map(|&number| Domain(number).built_in_name().map_or_else(|| number.to_string(), str::to_owned));
    Err(Refusal::NoDomain { text: text.to_owned(), known: there.collect(), has_names: false }.of(path))
}

#[cfg(test)]
mod tests {
    use tm_common::metadata::NameKind;

    use super::*;
    use crate::model::{Frame, Trace, Traceback};
    use tm_testing::RecordingBuilder;

    #[test]
    fn a_domain_is_found_by_name_and_number() {
        let mut builder = RecordingBuilder::with_process();
        for (space, domain, name) in
            [(2, 77, "pool"), (3, 5, ""), (4, 77, ""), (5, 9, "77"), (7, 8, "heap"), (8, 6, "pool")]
        {
            builder.name(NameKind::Space, space, domain, name);
        }
        let recording = Recording::open(builder.file().path()).unwrap();
        let found = |text: &str| spaces(&recording, text);
        for (text, expected) in [
            ("heap", vec![0]),
            ("0", vec![0]),
            ("mmap", vec![1]),
            ("1835884912", vec![1]),
            ("pool", vec![2, 4, 8]),
            ("77", vec![2, 4]),
            ("8", vec![7]),
            ("5", vec![3]),
        ] {
            let found: Vec<u8> = found(text).unwrap().iter().map(|space| space.0).collect();
            assert_eq!(found, expected, "{text}");
        }
        let error = found("gpu").unwrap_err().to_string();
        let there = "its 7 domains are heap, mmap, pool (77), 5, 77 (9), heap (8) and pool (6)";
        assert!(error.ends_with(&format!("has no domain 'gpu'; {there}")), "{error}");
    }

    #[test]
    fn a_snapshot_knows_numbers() {
        let traceback = Traceback::new(vec![Frame::unknown()], None);
        let trace = |domain| Trace { domain, size: 1, traceback: traceback.clone(), tag: None, sample: None };
        let snapshot = Snapshot::new(vec![trace(77), trace(0), trace(77), trace(Domain::PYTHON.0)], 16);
        let found = |text| number(&snapshot, Path::new("a.snap"), text);
        for (text, expected) in [
            ("heap", 0),
            ("77", 77),
            ("mmap", 0x6d6d_6170),
            ("python", Domain::PYTHON.0),
            ("1887006562", Domain::PYTHON.0),
        ] {
            assert_eq!(found(text).unwrap(), expected);
        }
        let error = found("pool").unwrap_err().to_string();
        assert!(error.ends_with("by number only); its 3 domains are heap, 77 and python"), "{error}");
        assert!(found("78").is_err() && found("gc").is_err());
    }
}
