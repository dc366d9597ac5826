//! C++ names (Itanium), in bounded time: substitutions double what a symbol stands for with every few characters.

use std::fmt;
use std::thread;

use cpp_demangle::{DemangleNodeType, DemangleOptions, DemangleWrite, ParseOptions, Symbol};

use super::cut::{NAME_BYTES_MAX, cut, mark};

/// The possible ends that are tried of a name that cannot be read.
const NAME_ENDS_MAX: usize = 64;
/// How often the demangler may come by with a part or a piece of text before the name is cut.
const STEPS_MAX: usize = 1 << 20;
/// What cpp_demangle takes by itself: some 15 levels of templates in each other, and less stack than any thread has.
const SHALLOW: Limit = Limit { parse: 96, print: 128 };
/// Some 600 levels, on a thread that has the stack for them.
const DEEP: Limit = Limit { parse: 4_000, print: 6_000 };
const DEEP_STACK_BYTES: usize = 64 << 20;

/// How deep parts may stand in each other.
#[derive(Clone, Copy)]
struct Limit {
    parse: u32,
    print: u32,
}

/// The readable form of a symbol that begins with `_Z`. A name that becomes too long, or that is nested too deep to be
/// read, is cut and marked. `may_spawn` allows a thread for names that need more stack than the caller may have.
pub(super) fn demangle(symbol: &str, may_spawn: bool) -> Option<String> {
    if let Some(name) = whole(symbol, SHALLOW) {
        return Some(name);
    }
    if may_spawn && let Some(name) = on_deep_stack(symbol) {
        return Some(name);
    }
    // Where the types cannot be read, the name before them can: it ends with an `E`, as it is nested or has arguments.
    let name = start_of(symbol)?;
    Some(if name.len() < NAME_BYTES_MAX { format!("{name}({})", mark(symbol)) } else { cut(&name, symbol) })
}

fn on_deep_stack(symbol: &str) -> Option<String> {
    thread::scope(|scope| {
        let deep = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        deep.spawn_scoped(scope, || whole(symbol, DEEP)).ok()?.join().ok()?
    })
}

/// All of it, or as much as a name may have.
fn whole(symbol: &str, limit: Limit) -> Option<String> {
    // cpp_demangle takes the first parameter of a constructor that is a template for a result type, so it is given one.
    let constructor = constructor_with_result(symbol);
    let (mangled, options) = match &constructor {
        Some(mangled) => (mangled.as_str(), DemangleOptions::new().no_return_type()),
        None => (symbol, DemangleOptions::new()),
    };
    let parsed = parse(mangled, limit)?;
    let mut text = Bounded { text: String::new(), n_steps: 0 };
    let result = parsed.structured_demangle(&mut text, &options.recursion_limit(limit.print));
    match result {
        // An empty list of arguments leaves its comma.
        Ok(()) => Some(text.text.replace(", >", ">")),
        Err(fmt::Error) if text.is_full() => Some(cut(&text.text, symbol)),
        Err(fmt::Error) => None,
    }
}

fn parse(mangled: &str, limit: Limit) -> Option<Symbol<&str>> {
    Symbol::new_with_options(mangled, &ParseOptions::default().recursion_limit(limit.parse)).ok()
}

/// The symbol with a result type before its parameters, if it is a constructor that is a template.
fn constructor_with_result(symbol: &str) -> Option<String> {
    let is_one = symbol.starts_with("_ZN") && ["C1I", "C2I", "C3I"].iter().any(|mark| symbol.contains(mark));
    let end = ends(symbol).filter(|_| is_one).find(|&end| {
        symbol.get(..end).is_some_and(|name| name.ends_with("EE") && parse(name, SHALLOW).is_some())
    })?;
    let (name, parameters) = symbol.split_at_checked(end).filter(|(_, parameters)| !parameters.is_empty())?;
    let with_result = format!("{name}v{parameters}");
    // `Box<int>::Box<long>`: the class's name again.
    let mut text = Bounded { text: String::new(), n_steps: 0 };
    let options = DemangleOptions::new().no_return_type().no_params().recursion_limit(SHALLOW.print);
    parse(&with_result, SHALLOW)?.structured_demangle(&mut text, &options).ok()?;
    let bare = crate::text::function_name::bare(&text.text);
    let mut parts = bare.rsplit("::");
    (parts.next() == parts.next()).then_some(with_result)
}

/// Where the name in front of the parameters may end.
fn ends(symbol: &str) -> impl Iterator<Item = usize> {
    symbol.match_indices('E').map(|(place, _)| place + 1).take(NAME_ENDS_MAX)
}

/// The readable form of the name in front of the parameters.
fn start_of(symbol: &str) -> Option<String> {
    ends(symbol)
        .filter_map(|end| {
            let parsed = parse(symbol.get(..end)?, SHALLOW)?;
            let mut text = Bounded { text: String::new(), n_steps: 0 };
            let options = DemangleOptions::new().recursion_limit(SHALLOW.print);
            parsed.structured_demangle(&mut text, &options).ok()?;
            Some(text.text.replace(", >", ">"))
        })
        .next()
}

/// Takes text and counts steps until there is enough of either.
struct Bounded {
    text: String,
    n_steps: usize,
}

impl Bounded {
    fn is_full(&self) -> bool {
        self.text.len() > NAME_BYTES_MAX || self.n_steps > STEPS_MAX
    }
}

impl DemangleWrite for Bounded {
    fn push_demangle_node(&mut self, _: DemangleNodeType) {
        self.n_steps += 1;
    }

    fn write_string(&mut self, text: &str) -> fmt::Result {
        self.n_steps += 1;
        self.text += text;
        if self.is_full() { Err(fmt::Error) } else { Ok(()) }
    }
}
