//! Words that sentences are made of: numbers with their nouns, shares, and the first names of a list.

/// A number with its thousands apart: `45,678`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 block`, `2 blocks`, `3 processes`, `4 entries`.
#[must_use]
pub fn counted(n: u64, noun: &str) -> String {
    format!("{} {}", count(n), nouns(n, noun))
}

/// The form of `noun` for `n` things.
#[must_use]
pub fn nouns(n: u64, noun: &str) -> String {
    match (n, noun.strip_suffix("ry")) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ries"),
        _ if noun.ends_with('s') => format!("{noun}es"),
        _ => format!("{noun}s"),
    }
}

/// The form of a verb for `n` things: `verb(1, "is", "are")`.
#[must_use]
pub fn verb<'a>(n: u64, one: &'a str, many: &'a str) -> &'a str {
    if n == 1 { one } else { many }
}

/// `part` of `whole` in per cent with one decimal: `81.3%`; of nothing, `-`.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}

/// The first few of `names` and how many more there are: `a`, `a and b`, `a, b, c and 2 more`.
#[must_use]
pub fn named(names: &[impl AsRef<str>]) -> String {
    first(names, 3)
}

/// As [`named`], with the first `n_max`.
#[must_use]
pub fn first(names: &[impl AsRef<str>], n_max: usize) -> String {
    let shown: Vec<&str> = names.iter().take(n_max).map(AsRef::as_ref).collect();
    match (shown.as_slice(), names.len().saturating_sub(n_max)) {
        ([rest @ .., last], 0) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        (all, 0) => all.join(", "),
        (all, n_more) => format!("{} and {} more", all.join(", "), count(n_more as u64)),
    }
}

/// What could have been asked for, as half a sentence: `its 2 threads are 7 main and 8 worker`.
#[must_use]
pub fn listed(noun: &str, names: &[impl AsRef<str>]) -> String {
    const N_LISTED_MAX: usize = 10;
    let n = names.len() as u64;
    match n {
        0 => format!("it has no {}", nouns(n, noun)),
        1 => format!("its only {noun} is {}", first(names, N_LISTED_MAX)),
        _ => format!("its {} are {}", counted(n, noun), first(names, N_LISTED_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_nouns() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "block"), "1 block");
        assert_eq!(
            [counted(2, "process"), counted(0, "entry"), counted(1_000, "free"), counted(1, "entry")],
            ["2 processes", "0 entries", "1,000 frees", "1 entry"]
        );
        assert_eq!([verb(1, "is", "are"), verb(0, "is", "are")], ["is", "are"]);
        assert_eq!([percent(1, 3), percent(1, 0)], ["33.3%", "-"]);
    }

    #[test]
    fn lists_are_short() {
        let all = ["a", "b", "c", "d", "e"];
        let texts = (0..=5).map(|n| named(&all[..n])).collect::<Vec<_>>();
        assert_eq!(texts, ["", "a", "a and b", "a, b and c", "a, b, c and 1 more", "a, b, c and 2 more"]);
        assert_eq!(listed("thread", &all[..1]), "its only thread is a");
        assert_eq!(listed("process", &all[..2]), "its 2 processes are a and b");
        assert_eq!(listed("tag", &all[..0]), "it has no tags");
        assert!(listed("tag", &["x"; 12]).ends_with("x and 2 more"));
    }
}
