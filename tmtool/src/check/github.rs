//! Annotations of GitHub Actions: a line on standard output for each place of a limit that is exceeded.

use std::path::Path;

use crate::report::check::{Checked, Place, Verdict};

/// GitHub shows ten of a step.
const N_MAX: usize = 10;

/// The lines. Files in the folder `here` are named from there on, as GitHub knows them.
pub fn lines(verdict: &Verdict, here: &Path) -> String {
    let places = verdict.exceeded().flat_map(|checked| {
        let first = checked.places.iter().map(move |place| line(checked, Some(place), here));
        let without = checked.places.is_empty().then(|| line(checked, None, here));
        first.chain(without).collect::<Vec<_>>()
    });
    places.take(N_MAX).collect()
}

fn line(checked: &Checked, place: Option<&Place>, here: &Path) -> String {
    let title = property(&format!("tmtool check: {}", checked.name()));
    let sentence = match place {
        Some(place) => {
            format!("{} ({} here, in {})", checked.sentence(), checked.amount(place.amount), place.text())
        }
        None => checked.sentence(),
    };
    let at = place.filter(|place| place.lineno > 0).map(|place| {
        let file = relative(&place.filename, here);
        format!("file={},line={},", property(file), place.lineno)
    });
    format!("::error {}title={title}::{}\n", at.unwrap_or_default(), data(&sentence))
}

/// `filename` from the folder `here` on, if it is in there.
pub(super) fn relative<'a>(filename: &'a str, here: &Path) -> &'a str {
    let inside = Path::new(filename).strip_prefix(here).ok().and_then(Path::to_str);
    inside.filter(|inside| !inside.is_empty()).unwrap_or(filename)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_cannot_be_broken_out_of() {
        let place = |filename: &str, function: &str, lineno| Place {
            filename: filename.to_owned(),
            lineno,
            function: Some(function.to_owned()),
            amount: 1,
        };
        let checked = Checked {
            scope: "a,b".to_owned(),
            figure: "leaked-blocks",
            found: 1,
            exceeded: true,
            places: vec![place("/work/src/a,b:c%.c", "f\n::error::g", 7), place("libc.so.6", "x", 0)],
            ..Checked::default()
        };
        let verdict = Verdict { limits: vec![checked], ..Verdict::default() };
        let text = lines(&verdict, Path::new("/work"));
        let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        let start = "::error file=src/a%2Cb%3Ac%25.c,line=7,title=tmtool check%3A a%2Cb leaked-blocks::";
        assert!(first.starts_with(start) && !first[3..].contains("\n"), "{first}");
        assert!(second.starts_with("::error title=tmtool check%3A "), "{second}");
    }
}
