//! Python's `fnmatch` on a whole string: `*`, `?`, `[seq]` and `[!seq]`, case-sensitive, with no special path separator.
//!
//! The sets follow `fnmatch.translate` to the letter, its treatment of reversed ranges included.

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug)]
enum Token {
    Literal(char),
    AnyCharacter,
    AnyString,
    Set { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Compiles `pattern`; every string is a pattern.
    pub fn new(pattern: &str) -> Pattern {
        let pattern: Vec<char> = pattern.chars().collect();
        let mut tokens = Vec::new();
        let mut rest = pattern.as_slice();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first {
                '*' if matches!(tokens.last(), Some(Token::AnyString)) => {}
                '*' => tokens.push(Token::AnyString),
                '?' => tokens.push(Token::AnyCharacter),
                '[' => match set_length(after) {
                    Some(length) => {
                        let (set, after_set) = after.split_at(length);
                        tokens.push(set_token(set));
                        rest = after_set.get(1..).unwrap_or_default();
                    }
                    None => tokens.push(Token::Literal('[')),
                },
                other => tokens.push(Token::Literal(other)),
            }
        }
        Pattern { tokens }
    }

    /// The pattern that matches `text` alone.
    #[must_use]
    pub fn escaped(text: &str) -> String {
        let mut pattern = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '*' | '?' | '[' => pattern.extend(['[', character, ']']),
                other => pattern.push(other),
            }
        }
        pattern
    }

    /// Whether the whole of `text` matches. Takes at most pattern times text steps.
    pub fn matches(&self, text: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut characters = text.chars();
        // Where to go on if what follows the latest `*` does not match: with one more character under the star.
        let mut retry = None;
        loop {
            let step = match tokens.split_first() {
                Some((Token::AnyString, after)) => {
                    tokens = after;
                    retry = Some((after, characters.clone()));
                    continue;
                }
                Some((token, after)) => {
                    let next = characters.next();
                    next.is_some_and(|character| token.accepts(character)).then_some(after)
                }
                None if characters.as_str().is_empty() => return true,
                None => None,
            };
            match (step, &mut retry) {
                (Some(after), _) => tokens = after,
                (None, Some((after_star, from))) => {
                    if from.next().is_none() {
                        return false;
                    }
                    tokens = after_star;
                    characters = from.clone();
                }
                (None, None) => return false,
            }
        }
    }
}

impl Token {
    fn accepts(&self, character: char) -> bool {
        match self {
            Token::Literal(literal) => *literal == character,
            Token::AnyCharacter | Token::AnyString => true,
            Token::Set { negated, ranges } => {
                ranges.iter().any(|&(low, high)| (low..=high).contains(&character)) != *negated
            }
        }
    }
}

/// The number of characters between a `[` and its `]`, which may be the first one (after a `!`) without closing the
/// set. `None` if nothing closes it.
fn set_length(after_bracket: &[char]) -> Option<usize> {
    let mut start = usize::from(after_bracket.first() == Some(&'!'));
    start += usize::from(after_bracket.get(start) == Some(&']'));
    let end = after_bracket.get(start..)?.iter().position(|&character| character == ']')?;
    Some(start + end)
}

fn set_token(set: &[char]) -> Token {
    let chunks = without_reversed_ranges(range_chunks(set));
    // (character, whether it is a hyphen that makes a range)
    let mut items: Vec<(char, bool)> = Vec::with_capacity(set.len());
    for (index, chunk) in chunks.iter().enumerate() {
        if index > 0 {
            items.push(('-', true));
        }
        items.extend(chunk.iter().map(|&character| (character, false)));
    }
    // Python looks for the `!` after reversed ranges are gone, so `[b-a!x]` is `[!x]`.
    let negated = items.first() == Some(&('!', false));
    if negated {
        items.remove(0);
    }
    Token::Set { negated, ranges: ranges(&items) }
}

/// The set cut at the hyphens that make ranges: `a-cx-z` is `a`, `cx`, `z`.
fn range_chunks(set: &[char]) -> Vec<Vec<char>> {
    let mut chunks: Vec<Vec<char>> = Vec::new();
    let mut start = 0;
    let mut search = 1 + usize::from(set.first() == Some(&'!'));
    let hyphen_from = |from: usize| Some(from + set.get(from..)?.iter().position(|&c| c == '-')?);
    while let Some(hyphen) = hyphen_from(search) {
        chunks.push(set.get(start..hyphen).unwrap_or_default().to_vec());
        start = hyphen + 1;
        search = hyphen + 3;
    }
    match (set.get(start..).unwrap_or_default(), chunks.last_mut()) {
        ([], Some(last)) => last.push('-'),
        (rest, _) => chunks.push(rest.to_vec()),
    }
    chunks
}

/// Joins the chunks around a range from a higher to a lower character, and drops both of its ends.
fn without_reversed_ranges(chunks: Vec<Vec<char>>) -> Vec<Vec<char>> {
    // From the last one on, as Python does; `kept` is in reverse order.
    let mut kept: Vec<Vec<char>> = Vec::with_capacity(chunks.len());
    for mut chunk in chunks.into_iter().rev() {
        match kept.last_mut() {
            Some(next) if chunk.last() > next.first() => {
                chunk.pop();
                chunk.extend(next.iter().skip(1));
                *next = chunk;
            }
            _ => kept.push(chunk),
        }
    }
    kept.reverse();
    kept
}

/// What a regular expression's set would make of `items`: a hyphen with a character on each side is a range.
fn ranges(items: &[(char, bool)]) -> Vec<(char, char)> {
    let mut ranges = Vec::with_capacity(items.len());
    let mut rest = items;
    loop {
        rest = match rest {
            [(low, _), ('-', true), (high, _), after @ ..] => {
                ranges.push((*low, *high));
                after
            }
            [(single, _), after @ ..] => {
                ranges.push((*single, *single));
                after
            }
            [] => return ranges,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_strings_match_and_stars_cross_slashes() {
        for (text, pattern, expected) in [
            ("abc", "", false),
            ("", "abc", false),
            ("", "", true),
            ("", "*", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "a*", true),
            ("abc", "abc*", true),
            ("abc", "b*", false),
            ("abc", "a*c", true),
            ("abcdcx", "a*cx", true),
            ("abb", "a*c", false),
            ("abcdce", "a*cx", false),
            ("abcde", "a*c*e", true),
            ("abcbdefeg", "a*bd*eg", true),
            ("abcdd", "a*c*e", false),
            ("abcbdefef", "a*bd*eg", false),
            ("/usr/lib/a.c", "/usr*a.c", true),
            ("aBC", "ABc", false),
            ("a\nb", "a?b", true),
            ("äb", "?b", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn sets_follow_python() {
        for (text, pattern, expected) in [
            ("b", "[a-c]", true),
            ("b", "[!a-c]", false),
            ("-", "[a-]", true),
            ("-", "[-a]", true),
            ("]", "[]]", true),
            ("]", "[!]]", false),
            ("x", "[!]]", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("b", "[c-a]", false),
            ("b", "[!c-a]", true),
            ("x", "[b-a!x]", false),
            ("y", "[b-a!x]", true),
            ("-", "[b-a!-z]", false),
            ("\\", "[\\]", true),
            ("^", "[^a]", true),
            ("b", "[^a]", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let text = "a".repeat(5_000);
        assert!(!Pattern::new(&("*a".repeat(500) + "b")).matches(&text));
    }
}
