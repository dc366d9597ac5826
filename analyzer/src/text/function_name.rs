//! Demangled function names, C++'s and Rust's, without what makes them long.
//!
//! ```text
//! void std::vector<Node, std::allocator<Node> >::_M_realloc_insert<Node const&>(..., Node const&)
//!      bare:  std::vector::_M_realloc_insert              to be matched by patterns
//!      short: std::vector<Node>::_M_realloc_insert<..>(..., Node const&)      to be read
//! ```
//!
//! The text is scanned for brackets, not parsed: what does not look like either language comes out as it is.

/// Template arguments up to this many characters are worth reading.
const ARGUMENTS_WIDTH_MAX: usize = 16;
/// What compilers append to the name of a part or a copy of a function.
const CLONE_MARKS: [&str; 7] =
    [" [clone ", ".isra.", ".part.", ".constprop.", ".cold", ".lto_priv.", ".llvm."];
/// Names of the standard library that are longer than what everybody calls them.
const STANDARD_NAMES: [(&str, &str); 7] = [
    ("std::__cxx11::", "std::"),
    ("std::__1::", "std::"),
    ("std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"),
    ("std::basic_string<char, std::char_traits<char>, std::allocator<char>>", "std::string"),
    ("std::basic_ostream<char, std::char_traits<char> >", "std::ostream"),
    ("std::basic_istream<char, std::char_traits<char> >", "std::istream"),
    ("std::basic_string_view<char, std::char_traits<char> >", "std::string_view"),
];
const ANONYMOUS: &str = "(anonymous namespace)";

/// The path of a function alone: no parameters, template arguments, result type or compiler's marks. For a method of a
/// Rust trait it is the path of its author: of the type if the trait is the standard library's, else of the trait.
///
/// ```
/// use tm_analyzer::text::function_name::bare;
///
/// assert_eq!(bare("void std::vector<int>::_M_realloc_insert<int>(int&&)"), "std::vector::_M_realloc_insert");
/// assert_eq!(bare("<alloc::vec::Vec<T> as core::clone::Clone>::clone"), "alloc::vec::Vec::clone");
/// assert_eq!(bare("operator new[](unsigned long)"), "operator new[]");
/// ```
#[must_use]
pub fn bare(name: &str) -> String {
    let name = without_clone_mark(name);
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if let Some(symbol) = operator_symbol(&text, rest) {
            text += symbol;
            rest = rest.get(symbol.len()..).unwrap_or_default();
            // `operator<< <int>`: the space belongs to the arguments.
            rest = rest.strip_prefix(' ').filter(|arguments| arguments.starts_with('<')).unwrap_or(rest);
        } else if rest.starts_with(ANONYMOUS) {
            text += "(anonymous)";
            rest = rest.get(ANONYMOUS.len()..).unwrap_or_default();
        } else if first == '<' && is_path_start(&text) {
            let (inside, after) = bracketed(rest);
            text += &qualified_self(inside);
            rest = after;
        } else if first == '<' || first == '(' {
            rest = bracketed(rest).1;
        } else {
            text.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    without_result(text.trim_end()).replace("::::", "::")
}

/// The name for people: standard names as they are written in source, long template arguments as `<..>`, no clone marks.
///
/// ```
/// use tm_analyzer::text::function_name::short;
///
/// assert_eq!(short("f(std::vector<char, std::allocator<char> >&)"), "f(std::vector<char>&)");
/// assert_eq!(short("<alloc::vec::Vec<T> as core::clone::Clone>::clone"), "<Vec as Clone>::clone");
/// ```
#[must_use]
pub fn short(name: &str) -> String {
    let mut name = without_clone_mark(name).to_owned();
    for (long, usual) in STANDARD_NAMES {
        if name.contains(long) {
            name = name.replace(long, usual);
        }
    }
    shorten(&name)
}

/// [`short`] with `(..)` for the parameters.
#[must_use]
pub fn without_parameters(short: &str) -> String {
    rewritten(short, |text, rest| {
        if !rest.starts_with('(') || rest.starts_with(ANONYMOUS) {
            return None;
        }
        let (inside, after) = bracketed(rest);
        *text += if inside.is_empty() { "()" } else { "(..)" };
        Some(after)
    })
}

fn shorten(name: &str) -> String {
    rewritten(name, |text, rest| {
        if !rest.starts_with('<') || rest.len() == 1 {
            return None;
        }
        let (inside, after) = bracketed(rest);
        let arguments = if is_path_start(text) { short_self(inside) } else { short_arguments(inside) };
        *text += &format!("<{arguments}>");
        Some(after)
    })
}

/// `name` copied character by character, operators' symbols whole. Where `rewrite` has appended something of its own for
/// the start of the rest, it returns what comes behind that.
fn rewritten<'a>(name: &'a str, rewrite: impl Fn(&mut String, &'a str) -> Option<&'a str>) -> String {
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        if let Some(symbol) = operator_symbol(&text, rest) {
            text += symbol;
            rest = rest.get(symbol.len()..).unwrap_or_default();
        } else if let Some(after) = rewrite(&mut text, rest) {
            rest = after;
        } else {
            text.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

/// Template arguments without the allocators that are there by default; `..` if that is still long.
fn short_arguments(inside: &str) -> String {
    let arguments = split_at_commas(inside);
    let meant = arguments.iter().filter(|argument| !argument.starts_with("std::allocator<"));
    let text = meant.map(|argument| shorten(argument)).collect::<Vec<_>>().join(", ");
    let is_short = text.chars().count() <= ARGUMENTS_WIDTH_MAX && !text.contains("<..>");
    if is_short { text } else { "..".to_owned() }
}

/// Rust's `<Type as Trait>` with the last parts of both paths.
fn short_self(inside: &str) -> String {
    let last = |path: &str| {
        let bare = bare(path);
        bare.rsplit("::").next().unwrap_or_default().to_owned()
    };
    match split_as(inside) {
        Some((of, what)) => format!("{} as {}", last(of), last(what)),
        None => shorten(inside),
    }
}

/// What stands for Rust's `<Type as Trait>` in a bare name.
fn qualified_self(inside: &str) -> String {
    let is_standard = |path: &str| ["core::", "alloc::", "std::"].iter().any(|root| path.starts_with(root));
    let Some((of, what)) = split_as(inside) else {
        return if inside.starts_with("impl ") { String::new() } else { bare(inside) };
    };
    let (of, what) = (bare(of), bare(what));
    if is_standard(&what) && of.contains("::") { of } else { what }
}

fn split_as(inside: &str) -> Option<(&str, &str)> {
    let place = top_level(inside, |rest| rest.starts_with(" as "))?;
    Some((inside.get(..place)?, inside.get(place + " as ".len()..)?))
}

fn split_at_commas(inside: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = inside;
    while let Some(place) = top_level(rest, |rest| rest.starts_with(',')) {
        parts.push(rest.get(..place).unwrap_or_default().trim());
        rest = rest.get(place + 1..).unwrap_or_default();
    }
    parts.push(rest.trim());
    parts
}

/// The first place outside of brackets where `is_it` holds of what follows.
fn top_level(text: &str, is_it: impl Fn(&str) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    for (place, character) in text.char_indices() {
        let rest = text.get(place..)?;
        match character {
            _ if depth == 0 && is_it(rest) => return Some(place),
            '<' | '(' | '[' | '{' => depth += 1,
            '>' if text.get(..place)?.ends_with('-') => {}
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// What stands in the bracket that `text` starts with, and what follows it. A bracket that nothing closes goes to the
/// end. Inside of round brackets, `<` and `>` may be comparisons and close nothing else.
fn bracketed(text: &str) -> (&str, &str) {
    let mut open = Vec::new();
    let mut before = ' ';
    for (place, character) in text.char_indices() {
        match character {
            '<' | '(' => open.push(character),
            '>' if before != '-' && open.last() == Some(&'<') => drop(open.pop()),
            ')' => while open.pop().is_some_and(|opening| opening != '(') {},
            _ => {}
        }
        before = character;
        if open.is_empty() {
            let inside = text.get(1..place).unwrap_or_default();
            return (inside, text.get(place + 1..).unwrap_or_default());
        }
    }
    (text.get(1..).unwrap_or_default(), "")
}

/// The symbol of an operator function (`<<`, `()`, `->`), if `before` ends with the word `operator`.
fn operator_symbol<'a>(before: &str, rest: &'a str) -> Option<&'a str> {
    let word = before.strip_suffix("operator")?;
    if word.ends_with(|character: char| character.is_alphanumeric() || character == '_') {
        return None;
    }
    let symbols = ["<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "()", "<", ">"];
    let symbol = symbols.iter().find(|symbol| rest.starts_with(**symbol))?;
    rest.get(..symbol.len())
}

/// Whether a `<` after `before` opens no template arguments but a part of a path.
fn is_path_start(before: &str) -> bool {
    before.is_empty() || before.ends_with("::") || before.ends_with([' ', '&', '*', '(', '['])
}

fn without_clone_mark(name: &str) -> &str {
    let ends = CLONE_MARKS.iter().filter_map(|mark| name.find(mark));
    ends.min().and_then(|end| name.get(..end)).unwrap_or(name)
}

/// Drops the result type before a name and the qualifiers behind it.
fn without_result(text: &str) -> &str {
    let mut text = text;
    for qualifier in [" &&", " &", " volatile", " const"] {
        text = text.strip_suffix(qualifier).unwrap_or(text);
    }
    let name_start = text.find("operator ").unwrap_or(text.len());
    let before = text.get(..name_start).unwrap_or_default();
    let result_end = top_level_last_space(before);
    text.get(result_end..).unwrap_or(text)
}

/// The place after the last space that is not within brackets of any kind.
fn top_level_last_space(text: &str) -> usize {
    let (mut depth, mut after) = (0_usize, 0);
    for (place, character) in text.char_indices() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => after = place + 1,
            _ => {}
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_paths() {
        for (name, expected) in [
            ("", ""),
            ("main", "main"),
            ("xmalloc.part.0", "xmalloc"),
            ("operator new(unsigned long)", "operator new"),
            ("operator new[](unsigned long, std::nothrow_t const&)", "operator new[]"),
            ("Node::operator()(int) const", "Node::operator()"),
            ("std::ostream& operator<< <int>(std::ostream&, int)", "operator<<"),
            ("Box<int>::operator unsigned long() const", "Box::operator unsigned long"),
            ("Box<(a)1>::get() &&", "Box::get"),
            ("(anonymous namespace)::Pool::get(int)", "(anonymous)::Pool::get"),
            ("main::{lambda(int)#1}::operator()(int) const", "main::{lambda#1}::operator()"),
            ("std::shared_ptr<S> std::make_shared<S, int&>(int&)", "std::make_shared"),
            ("f() [clone .isra.0]", "f"),
            ("alloc::slice::<impl [T]>::to_vec", "alloc::slice::to_vec"),
            ("<alloc::vec::Vec<u8>>::push", "alloc::vec::Vec::push"),
            ("<T as alloc::slice::hack::ConvertVec>::to_vec", "alloc::slice::hack::ConvertVec::to_vec"),
            ("<alloc::vec::Vec<u8> as app::Load>::load", "app::Load::load"),
            ("<app::Node as core::clone::Clone>::clone", "app::Node::clone"),
            ("app::main::{{closure}}", "app::main::{{closure}}"),
            ("std::function<void (int)>::operator()", "std::function::operator()"),
        ] {
            assert_eq!(bare(name), expected, "{name}");
        }
    }

    #[test]
    fn short_names_are_what_the_source_says() {
        let long = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >";
        for (name, expected) in [
            (format!("{long}::reserve(unsigned long)"), "std::string::reserve(unsigned long)"),
            (format!("f(std::vector<{long}, std::allocator<{long} > >&)"), "f(std::vector<std::string>&)"),
            ("std::map<a::Key, a::Value, std::less<a::Key> >::at(int)".to_owned(), "std::map<..>::at(int)"),
            ("Map<long_word, long_word>::get<short>()".to_owned(), "Map<..>::get<short>()"),
            ("core::ops::function::FnOnce::call_once".to_owned(), "core::ops::function::FnOnce::call_once"),
            ("<alloc::vec::Vec<T,A> as a::b::Extend<T>>::extend".to_owned(), "<Vec as Extend>::extend"),
            ("operator<< <int>(S&)".to_owned(), "operator<< <int>(S&)"),
            ("a < b".to_owned(), "a < b>"),
        ] {
            assert_eq!(short(&name), expected, "{name}");
        }
    }

    #[test]
    fn parameters_go_last() {
        assert_eq!(without_parameters("Node::make(int, long)"), "Node::make(..)");
        assert_eq!(without_parameters("Node::operator()() const"), "Node::operator()() const");
        assert_eq!(without_parameters("(anonymous namespace)::f(int)"), "(anonymous namespace)::f(..)");
    }

    #[test]
    fn any_text_is_taken() {
        let pieces = ["<", ">", "(", ")", "operator", " as ", "::", "->", ",", "ä", "[", "}", " const", "x"];
        let mut random = tm_testing::Random::new(1);
        for _ in 0..20_000 {
            let mut name = String::new();
            for _ in 0..8 {
                name += pieces[random.below(pieces.len() as u64) as usize];
            }
            let _ = (bare(&name), without_parameters(&short(&name)));
        }
    }
}
