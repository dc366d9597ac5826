//! Documentation comments are plain sentences: they begin with a verb or the noun itself, not with what belongs to a noun
//! that is left out, and do without turns of phrase that make a reader stop.

use std::path::Path;

use tm_tests::products::workspace;
use tm_tests::source_tree::{assert_none, sources, text};

/// Words that no sentence begins with. (`What` is the beginning of a noun: "What is remembered about one frame.")
const FIRST: [&str; 10] =
    ["Of ", "To ", "By ", "That ", "Who ", "Whom ", "Whoever ", "Which ", "In which ", "From which "];

/// Phrases that stand nowhere.
const NOWHERE: [&str; 5] = ["but for", "so many", "is told", "are told", "whoever"];

/// Crates that are not held to it yet. One that has become clean is a failure too.
const NOT_YET: [&str; 0] = [];

/// The documentation comments of a file, without code: each with the number of its first line, and joined to one line.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut comments: Vec<(usize, String)> = Vec::new();
    let (mut is_going_on, mut is_code) = (false, false);
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim_start();
        let Some(said) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim) else {
            (is_going_on, is_code) = (false, false);
            continue;
        };
        if said.starts_with("```") {
            is_code = !is_code;
        } else if said.is_empty() {
            is_going_on = false;
        } else if !is_code {
            match comments.last_mut().filter(|_| is_going_on) {
                Some((_, comment)) => *comment = format!("{comment} {said}"),
                None => comments.push((number, said.to_owned())),
            }
            is_going_on = true;
        }
    }
    comments
}

/// What is wrong with a comment: the beginnings of its sentences and its phrases.
fn faults(comment: &str) -> Vec<&str> {
    let ends = [". ", ": ", "! ", "? "].iter().flat_map(|end| comment.match_indices(end));
    let begins = ends.map(|(at, end)| &comment[at + end.len()..]).chain([comment]);
    let first = begins.filter_map(|sentence| FIRST.iter().copied().find(|word| sentence.starts_with(word)));
    let is_word = |phrase: &str| {
        let around = |at: usize| {
            let before = comment[..at].chars().next_back();
            let after = comment[at + phrase.len()..].chars().next();
            ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        };
        comment.match_indices(phrase).any(|(at, _)| around(at))
    };
    first.chain(NOWHERE.into_iter().filter(|phrase| is_word(phrase))).collect()
}

fn faults_of_crate(folder: &Path) -> (usize, Vec<String>) {
    let (mut n_comments, mut wrong) = (0, Vec::new());
    for path in sources(folder, &[".rs"]) {
        for (line, comment) in comments(&text(&path)) {
            n_comments += 1;
            for fault in faults(&comment) {
                wrong.push(format!("{}:{line}: '{}' in: {comment}", path.display(), fault.trim()));
            }
        }
    }
    (n_comments, wrong)
}

#[test]
fn sentences_begin_with_a_verb_or_their_noun() {
    let (mut n_comments, mut wrong, mut clean) = (0, Vec::new(), Vec::new());
    for folder in ["analyzer", "api", "common", "preload", "query", "tests", "tmtool"] {
        let (n, of_crate) = faults_of_crate(&workspace().join(folder));
        n_comments += n;
        match NOT_YET.contains(&folder) {
            true if of_crate.is_empty() => clean.push(folder.to_owned()),
            true => {}
            // This file has them all.
            false => wrong.extend(of_crate.into_iter().filter(|fault| !fault.contains("all/sentences.rs:"))),
        }
    }
    assert!(n_comments > 3_000, "only {n_comments} comments were found");
    assert_none(&wrong, "sentences that begin with no verb or noun, or have a phrase to be avoided");
    assert_none(&clean, "clean now, and can leave the list in this test");
}

#[test]
fn faults_are_found() {
    let file = "/// Of one frame.\n///\n/// Counts. By number:\n/// To all.\nfn x() {}\n    //! ```\n    //! Of code\n    //! ```\n";
    assert_eq!(
        comments(file),
        [(1, "Of one frame.".to_owned()), (3, "Counts. By number: To all.".to_owned())]
    );
    assert_eq!(faults("Of one frame."), ["Of "]);
    assert_eq!(faults("Counts. By number: To all."), ["By ", "To "]);
    assert_eq!(faults("All but for one is told so."), ["but for", "is told"]);
    assert!(faults("What is remembered. Officers count so manyfold.").is_empty());
}
