//! D's names: a path of counted words, template instances in it, and the types of the parameters.
//!
//! ```text
//! _D 3app 5Shelf 3put F i Aya Z v        app.Shelf.put(int, immutable(char)[])
//!    path             F parameters Z result
//! ```
//!
//! A name of which something is not known here (values of templates) is its path, and a mark for the rest.

use super::cut::{NAME_BYTES_MAX, cut, mark};
use super::dlang_types::{basic, suffix};

/// How deep parts may stand in each other, and how many of them there may be: references back repeat what they name.
const DEPTH_MAX: u32 = 64;
const STEPS_MAX: u32 = 1 << 16;

/// The readable form of a symbol that begins with `_D`.
pub(super) fn demangle(symbol: &str) -> Option<String> {
    if symbol == "_Dmain" {
        return Some("D main".to_owned());
    }
    let mut reader = Reader { symbol, place: 2, depth: 0, n_steps: 0 };
    let (path, is_whole) = reader.path()?;
    if path.len() > NAME_BYTES_MAX {
        return Some(cut(&path, symbol));
    }
    let rest = reader.rest();
    // A variable has a type, and what the compiler made a `Z`.
    let is_known = is_whole && (rest.is_empty() || rest == "Z" || reader.type_name().is_some());
    Some(if is_known { path } else { format!("{path}({})", mark(symbol)) })
}

struct Reader<'a> {
    symbol: &'a str,
    place: usize,
    depth: u32,
    n_steps: u32,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.symbol.get(self.place..).unwrap_or_default()
    }

    fn take(&mut self, text: &str) -> bool {
        let is_there = self.rest().starts_with(text);
        self.place += if is_there { text.len() } else { 0 };
        is_there
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.place += next.len_utf8();
        Some(next)
    }

    fn number(&mut self) -> Option<usize> {
        let rest = self.rest();
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        self.place += end;
        rest.get(..end)?.parse().ok()
    }

    /// Words joined by dots, with the parameters of functions; and whether that is all there is of it.
    fn path(&mut self) -> Option<(String, bool)> {
        let mut path = self.word()?;
        loop {
            if self.at_function() {
                let before = self.place;
                let of = self.method_modifiers();
                match self.parameters() {
                    Some(parameters) => path += &format!("({parameters}){of}"),
                    None => {
                        self.place = before;
                        return Some((path, false));
                    }
                }
            }
            if path.len() > NAME_BYTES_MAX || !self.at_word() {
                return Some((path, true));
            }
            let before = self.place;
            match self.word() {
                Some(word) => path += &format!(".{word}"),
                None => {
                    self.place = before;
                    return Some((path, false));
                }
            }
        }
    }

    fn at_word(&self) -> bool {
        let rest = self.rest();
        let is_template = rest.starts_with("__T") || rest.starts_with("__U");
        is_template || rest.starts_with(|first: char| first.is_ascii_digit()) || self.refers_to_word()
    }

    /// Whether a reference back stands here that names a word, and not a type.
    fn refers_to_word(&self) -> bool {
        let target = self.rest().strip_prefix('Q').and_then(|_| self.reference(self.place + 1));
        target.is_some_and(|(target, _)| self.symbol.as_bytes().get(target).is_some_and(u8::is_ascii_digit))
    }

    /// What a reference whose number stands at `place` leads to, and where it ends. Its last digit, of base 26, is small.
    fn reference(&self, place: usize) -> Option<(usize, usize)> {
        let mut distance = 0_usize;
        for (index, digit) in self.symbol.get(place..)?.bytes().enumerate() {
            let (value, is_last) = match digit {
                b'A'..=b'Z' => (digit - b'A', false),
                b'a'..=b'z' => (digit - b'a', true),
                _ => return None,
            };
            distance = distance.checked_mul(26)?.checked_add(usize::from(value))?;
            if is_last {
                let target = (place - 1).checked_sub(distance).filter(|_| distance > 0)?;
                return Some((target, place + index + 1));
            }
        }
        None
    }

    /// Reads with `read` what is referred to here.
    fn referred<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let (target, end) = self.reference(self.place)?;
        self.place = target;
        let found = self.nested(read);
        self.place = end;
        found
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.n_steps += 1;
        if self.depth >= DEPTH_MAX || self.n_steps > STEPS_MAX {
            return None;
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    fn word(&mut self) -> Option<String> {
        if self.take("Q") {
            return self.referred(Self::word);
        }
        if self.rest().starts_with("__") {
            return self.nested(Self::template);
        }
        let len = self.number()?;
        let start = self.place;
        if self.rest().starts_with("__T") || self.rest().starts_with("__U") {
            let template = self.nested(Self::template)?;
            return (self.place == start + len).then_some(template);
        }
        let word = self.rest().get(..len).filter(|word| !word.is_empty())?;
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        self.place += len;
        word.chars().all(is_word).then(|| match word {
            "__ctor" => "this".to_owned(),
            "__dtor" => "~this".to_owned(),
            word => word.to_owned(),
        })
    }

    /// `name!(arguments)`.
    fn template(&mut self) -> Option<String> {
        self.place += "__T".len();
        let name = self.word()?;
        let mut arguments = Vec::new();
        while !self.take("Z") {
            self.take("H");
            arguments.push(match self.next()? {
                'T' => self.type_name()?,
                'S' => self.nested(Self::path)?.0,
                'V' => self.value()?,
                _ => return None,
            });
        }
        Some(format!("{name}!({})", arguments.join(", ")))
    }

    /// An argument that is a number, `true` or `null`; others are not read.
    fn value(&mut self) -> Option<String> {
        let of = self.type_name()?;
        match self.next()? {
            'n' => Some("null".to_owned()),
            'N' => Some(format!("-{}{}", self.number()?, suffix(&of))),
            mark if mark == 'i' || mark.is_ascii_digit() => {
                self.place -= usize::from(mark != 'i');
                let number = self.number()?;
                Some(match of.as_str() {
                    "bool" => (number != 0).to_string(),
                    "char" | "wchar" | "dchar" => {
                        format!("'{}'", char::from_u32(u32::try_from(number).ok()?)?.escape_default())
                    }
                    of => format!("{number}{}", suffix(of)),
                })
            }
            _ => None,
        }
    }

    fn at_function(&self) -> bool {
        let rest = self.rest();
        let method = rest.strip_prefix('M').map(|rest| rest.trim_start_matches(['x', 'y', 'O']));
        let method = method.map(|rest| rest.strip_prefix("Ng").unwrap_or(rest));
        method.unwrap_or(rest).starts_with(['F', 'U', 'W', 'R', 'Y'])
    }

    /// What a method's object is to it.
    fn method_modifiers(&mut self) -> String {
        let mut text = String::new();
        self.take("M");
        for (mark, word) in [("O", " shared"), ("Ng", " inout"), ("x", " const"), ("y", " immutable")] {
            text += if self.take(mark) { word } else { "" };
        }
        text
    }

    /// What stands between a function's calling convention and its result.
    fn parameters(&mut self) -> Option<String> {
        self.next()?;
        self.attributes();
        let mut parameters = Vec::new();
        loop {
            match self.rest().chars().next()? {
                'Z' => {
                    self.place += 1;
                    return Some(parameters.join(", "));
                }
                'X' | 'Y' => {
                    let is_typed = self.next() == Some('X');
                    return Some(parameters.join(", ") + if is_typed { "..." } else { ", ..." });
                }
                _ => parameters.push(self.parameter()?),
            }
        }
    }

    /// `pure`, `nothrow` and their like, which tell no functions apart.
    fn attributes(&mut self) {
        while let Some(attribute) = self.rest().strip_prefix('N').and_then(|rest| rest.chars().next()) {
            // `Ng`, `Nh`, `Nk` and `Nn` begin a parameter.
            if !matches!(attribute, 'a'..='f' | 'i' | 'j' | 'l' | 'm') {
                return;
            }
            self.place += 2;
        }
    }

    fn parameter(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let word = match self.rest().as_bytes() {
                [b'M', ..] => "scope ",
                [b'I', ..] => "in ",
                [b'J', ..] => "out ",
                [b'K', ..] => "ref ",
                [b'L', ..] => "lazy ",
                [b'N', b'k', ..] => "return ",
                _ => break,
            };
            self.place += if word == "return " { 2 } else { 1 };
            text += word;
        }
        Some(text + &self.type_name()?)
    }

    fn type_name(&mut self) -> Option<String> {
        let name = self.nested(Self::type_within)?;
        (name.len() <= NAME_BYTES_MAX).then_some(name)
    }

    fn type_within(&mut self) -> Option<String> {
        let first = self.next()?;
        Some(match first {
            'x' => format!("const({})", self.type_name()?),
            'y' => format!("immutable({})", self.type_name()?),
            'O' => format!("shared({})", self.type_name()?),
            'N' => match self.next()? {
                'g' => format!("inout({})", self.type_name()?),
                'h' => format!("__vector({})", self.type_name()?),
                'n' => "noreturn".to_owned(),
                _ => return None,
            },
            'A' => format!("{}[]", self.type_name()?),
            'G' => {
                let n = self.number()?;
                format!("{}[{n}]", self.type_name()?)
            }
            'H' => {
                let key = self.type_name()?;
                format!("{}[{key}]", self.type_name()?)
            }
            'P' if self.at_function() => self.function(" function")?,
            'P' => format!("{}*", self.type_name()?),
            'D' => self.function(" delegate")?,
            'F' | 'U' | 'W' | 'R' | 'Y' => {
                self.place -= 1;
                self.function("")?
            }
            'C' | 'S' | 'E' | 'T' | 'I' => self.path()?.0,
            'Q' => self.referred(Self::type_name)?,
            'B' => {
                let n = self.number()?;
                let types: Option<Vec<String>> = (0..n).map(|_| self.type_name()).collect();
                format!("Tuple!({})", types?.join(", "))
            }
            'z' => match self.next()? {
                'i' => "cent".to_owned(),
                'k' => "ucent".to_owned(),
                _ => return None,
            },
            _ => basic(first)?.to_owned(),
        })
    }

    fn function(&mut self, kind: &str) -> Option<String> {
        let of = self.method_modifiers();
        let parameters = self.parameters()?;
        Some(format!("{}({parameters}){kind}{of}", self.type_name()?))
    }
}

#[cfg(test)]
mod tests {
    use super::demangle;

    /// What `c++filt -s dlang` says.
    #[test]
    fn paths_and_parameters_are_read() {
        for (symbol, expected) in [
            ("_Dmain", "D main"),
            ("_D8demangle4testFZv", "demangle.test()"),
            ("_D8demangle4testFaZv", "demangle.test(char)"),
            ("_D8demangle4testFAyaG4iZv", "demangle.test(immutable(char)[], int[4])"),
            ("_D8demangle4testFHiPxaZv", "demangle.test(const(char)*[int])"),
            ("_D8demangle1S4testMxFKiLlZv", "demangle.S.test(ref int, lazy long) const"),
            ("_D8demangle4testFDFiZaZv", "demangle.test(char(int) delegate)"),
            (
                "_D8demangle4testFS3std4file8DirEntryQtZv",
                "demangle.test(std.file.DirEntry, std.file.DirEntry)",
            ),
            ("_D3app10__T3putTiZ3putFiZv", "app.put!(int).put(int)"),
            ("_D3app__T3putTiVi3ZQkFNaNbiZv", "app.put!(int, 3).put(int)"),
            ("_D3app4mainFZ5innerFiZv", "app.main().inner(int)"),
            ("_D3app1C6__ctorMFZC3app1C", "app.C.this()"),
            ("_D4test3fooFiXv", "test.foo(int...)"),
        ] {
            assert_eq!(demangle(symbol).as_deref(), Some(expected), "{symbol}");
        }
    }

    #[test]
    fn what_is_not_known_is_marked_and_tells_functions_apart() {
        let name = demangle("_D3app4bodyFVZv").unwrap();
        assert!(name.starts_with("app.body(…#"), "{name}");
        assert_ne!(demangle("_D3app4bodyFVZv"), demangle("_D3app4bodyFVVZv"));
        for symbol in ["_D", "_D9x", "_D0", "_DQ", "_Dx"] {
            assert_eq!(demangle(symbol), None, "{symbol}");
        }
    }
}
