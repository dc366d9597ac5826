//! The report of `tmtool symbols`: where the names of a recording come from, what is missing, and where was looked.

use std::io;

use serde::Serialize;

use super::Report;
use crate::report::parts::human::{count, counted, printable, verb};
use crate::report::parts::json;
use crate::report::parts::style::Style;
use tm_analyzer::snapshot::{ModuleSymbols, Symbols};
use tm_analyzer::symbolize::{Attempt, Outcome};
use tm_analyzer::text::{LineSource, hex, raw_text};

/// As many places of a module are shown; JSON has all.
const N_PLACES_MAX: usize = 20;

/// What the report shows.
pub struct SymbolsReport<'a> {
    /// The file's name as it was given.
    pub recording: &'a str,
    /// The names.
    pub symbols: &'a Symbols,
    /// What is set of the places where they are looked for.
    pub settings: &'a [Setting],
}

/// A setting of the places where names are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// What is set.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
    /// What says so: an option, a variable, or a line of a file.
    pub by: String,
}

impl SymbolsReport<'_> {
    /// What the stacks need and do not have, as a clause; nothing if they have all functions.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let lacking = self.symbols.modules.iter().filter(|module| module.lacks_functions());
        let (n_modules, n) = lacking.fold((0, 0), |(modules, n), module| {
            (modules + 1, n + module.addresses.saturating_sub(module.functions))
        });
        let modules = counted(n_modules, "module");
        (n > 0).then(|| format!("the functions of {} in {modules} are missing", counted(n, "address")))
    }
}

impl Report for SymbolsReport<'_> {
    fn text(&self, style: &Style, _source: &mut dyn LineSource) -> String {
        let Symbols { modules, anonymous_addresses, problems } = self.symbols;
        let is_module = |module: &&ModuleSymbols| !module.is_generated;
        let needed: Vec<&ModuleSymbols> =
            modules.iter().filter(is_module).filter(|module| module.addresses > 0).collect();
        let sum = |of: fn(&ModuleSymbols) -> u64| needed.iter().map(|module| of(module)).sum::<u64>();
        let (addresses, functions) = (sum(|module| module.addresses), sum(|module| module.functions));
        let mut text = format!(
            "{}: {} in {} of {}\nFunctions of {}, lines of {}\n",
            printable(self.recording),
            counted(addresses, "address"),
            count(needed.len() as u64),
            counted(modules.iter().filter(is_module).count() as u64, "module"),
            count(functions),
            count(sum(|module| module.lines)),
        );
        if *anonymous_addresses > 0 {
            let addresses = counted(*anonymous_addresses, "more address");
            let are = verb(*anonymous_addresses, "is", "are");
            text += &format!(
                "{addresses} {are} in no module: code that was made at run time, and is in no list\n"
            );
        }
        if !self.settings.is_empty() {
            text += "\nSettings\n";
        }
        for Setting { name, value, by } in self.settings {
            text += &format!("  {name} {} ({})\n", printable(value), printable(by));
        }
        for module in modules {
            text += &module_lines(module, style);
        }
        for problem in problems {
            text += &format!("\n{}\n", style.warning(&format!("Note: {}", printable(problem))));
        }
        text
    }

    fn json(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let Symbols { modules, anonymous_addresses, problems } = self.symbols;
        let object = SymbolsObject {
            report: "symbols",
            version: json::VERSION,
            recording: self.recording,
            settings: self.settings,
            names_missing: self.missing().is_some(),
            anonymous_addresses: *anonymous_addresses,
            module_list: modules.iter().map(ModuleObject::of).collect(),
            problems,
        };
        json::write(&object, out)
    }
}

fn module_lines(module: &ModuleSymbols, style: &Style) -> String {
    let build_id = match module.build_id.is_empty() {
        true => String::new(),
        false => format!(" (build-id {})", hex(&module.build_id)),
    };
    let mut text = format!("\n{}{build_id}\n  {}\n", printable(&module.path), need(module));
    // Where all is found, the places that had nothing are of no interest.
    let is_whole = module.functions == module.addresses && module.lines == module.addresses;
    let is_shown = |attempt: &&Attempt| style.is_full || !is_whole || attempt.is_used();
    let shown: Vec<&Attempt> = module.attempts.iter().filter(is_shown).collect();
    let n_max = if style.is_full { usize::MAX } else { N_PLACES_MAX };
    for attempt in shown.iter().take(n_max) {
        let (source, word) = (attempt.source.word(), attempt.outcome.word());
        let detail = detail(attempt).map(|detail| format!(" ({})", printable(&detail))).unwrap_or_default();
        text += &format!("  {word:<10}  {source:<10}  {}{detail}\n", printable(&path(attempt)));
    }
    let n_more = shown.len().saturating_sub(n_max);
    if n_more > 0 {
        text += &format!("  and {} (--full and --json have all)\n", counted(n_more as u64, "more place"));
    }
    text
}

/// What the stacks need of a module, and what of that is missing.
fn need(module: &ModuleSymbols) -> String {
    let ModuleSymbols { addresses, functions, lines, .. } = *module;
    let needed = counted(addresses, "address");
    match (addresses - functions.min(addresses), addresses - lines.min(addresses)) {
        _ if addresses == 0 => "no address is in a stack".to_owned(),
        (0, _) if module.is_generated => format!("{needed} of code made at run time, all with functions"),
        (functions, _) if module.is_generated => {
            format!("{needed} of code made at run time, {} without a function", count(functions))
        }
        (0, 0) => format!("{needed}, all with functions and lines"),
        (0, lines) => format!("{needed}, all with functions, {} without a line", count(lines)),
        (functions, lines) => {
            format!("{needed}, {} without a function, {} without a line", count(functions), count(lines))
        }
    }
}

fn path(attempt: &Attempt) -> String {
    use std::os::unix::ffi::OsStrExt;
    raw_text::of_bytes(attempt.path.as_os_str().as_bytes())
}

/// What more there is to say of a place.
fn detail(attempt: &Attempt) -> Option<String> {
    match &attempt.outcome {
        Outcome::Used(holds) => Some(holds.to_string()),
        Outcome::Unreadable(why) | Outcome::Other(why) | Outcome::Failed(why) => Some(why.clone()),
        Outcome::Missing | Outcome::Stripped => None,
    }
}

#[derive(Serialize)]
struct SymbolsObject<'a> {
    report: &'static str,
    version: u32,
    recording: &'a str,
    settings: &'a [Setting],
    names_missing: bool,
    anonymous_addresses: u64,
    module_list: Vec<ModuleObject<'a>>,
    problems: &'a [String],
}

#[derive(Serialize)]
struct ModuleObject<'a> {
    path: &'a str,
    build_id: String,
    generated: bool,
    addresses: u64,
    functions: u64,
    lines: u64,
    attempt_list: Vec<AttemptObject>,
}

impl ModuleObject<'_> {
    fn of(module: &ModuleSymbols) -> ModuleObject<'_> {
        let attempt = |attempt: &Attempt| AttemptObject {
            source: attempt.source.word(),
            path: path(attempt),
            outcome: attempt.outcome.word(),
            detail: detail(attempt),
        };
        ModuleObject {
            path: &module.path,
            build_id: hex(&module.build_id),
            generated: module.is_generated,
            addresses: module.addresses,
            functions: module.functions,
            lines: module.lines,
            attempt_list: module.attempts.iter().map(attempt).collect(),
        }
    }
}

#[derive(Serialize)]
struct AttemptObject {
    source: &'static str,
    path: String,
    outcome: &'static str,
    detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json_of;
    use tm_analyzer::symbolize::{Holds, Source};
    use tm_analyzer::text::NoLines;

    fn symbols() -> Symbols {
        let attempt = |source, path: &str, outcome| Attempt { source, path: path.into(), outcome };
        let exported = Holds { exported_symbols: true, ..Holds::default() };
        let whole = Holds { debug_information: true, symbols: true, ..Holds::default() };
        let module = |path: &str, (addresses, functions, lines), attempts| ModuleSymbols {
            path: path.to_owned(),
            build_id: vec![0xab, 0xcd],
            is_generated: false,
            addresses,
            functions,
            lines,
            attempts,
        };
        Symbols {
            modules: vec![
                module(
                    "/bin/app",
                    (1200, 1200, 1200),
                    vec![
                        attempt(Source::File, "/bin/app", Outcome::Used(exported)),
                        attempt(Source::DebugLink, "/bin/app.debug", Outcome::Missing),
                        attempt(Source::BuildId, "/d/.build-id/ab/cd.debug", Outcome::Used(whole)),
                    ],
                ),
                module(
                    "/lib/libc.so.6",
                    (40, 37, 0),
                    vec![
                        attempt(Source::File, "/lib/libc.so.6", Outcome::Used(exported)),
                        attempt(
                            Source::BuildId,
                            "/d/x.debug",
                            Outcome::Other("its build-id is 01".to_owned()),
                        ),
                    ],
                ),
                module("/lib/unused.so", (0, 0, 0), Vec::new()),
            ],
            anonymous_addresses: 2,
            problems: vec!["it is so".to_owned()],
        }
    }

    fn settings() -> [Setting; 1] {
        [Setting { name: "sysroot", value: "/srv".to_owned(), by: "--sysroot".to_owned() }]
    }

    #[test]
    fn what_is_missing_is_said_with_the_places() {
        let symbols = symbols();
        let report = SymbolsReport { recording: "a.bin", symbols: &symbols, settings: &settings() };
        assert_eq!(
            report.text(&Style::default(), &mut NoLines),
            "\
a.bin: 1,240 addresses in 2 of 3 modules
Functions of 1,237, lines of 1,200
2 more addresses are in no module: code that was made at run time, and is in no list

Settings
  sysroot /srv (--sysroot)

/bin/app (build-id abcd)
  1,200 addresses, all with functions and lines
  used        file        /bin/app (exported symbols)
  used        build-id    /d/.build-id/ab/cd.debug (debug information, symbols)

/lib/libc.so.6 (build-id abcd)
  40 addresses, 3 without a function, 40 without a line
  used        file        /lib/libc.so.6 (exported symbols)
  other       build-id    /d/x.debug (its build-id is 01)

/lib/unused.so (build-id abcd)
  no address is in a stack

Note: it is so
"
        );
        let missing = "the functions of 3 addresses in 1 module are missing";
        assert_eq!(report.missing().as_deref(), Some(missing));
        assert!(json_of(&report).contains("\"outcome\": \"missing\""));
    }

    #[test]
    fn many_places_are_cut_and_counted() {
        let mut symbols = symbols();
        symbols.modules.truncate(2);
        let one = symbols.modules[1].attempts[1].clone();
        symbols.modules[1].attempts.extend(vec![one; 30]);
        let report = SymbolsReport { recording: "a.bin", symbols: &symbols, settings: &settings() };
        let text = report.text(&Style::default(), &mut NoLines);
        assert!(text.contains("  and 12 more places (--full and --json have all)\n"), "{text}");
        let full = report.text(&Style { is_full: true, ..Style::default() }, &mut NoLines);
        assert_eq!(full.matches("/d/x.debug").count(), 31);
        assert!(full.contains("missing     debug-link  /bin/app.debug\n"), "{full}");
    }
}
