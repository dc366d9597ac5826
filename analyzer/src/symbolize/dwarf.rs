//! What DWARF has beyond frames: the names of lambdas that were inlined.
//!
//! A compiler gives a lambda that was inlined everywhere no symbol: its function is called `operator()`, in a class
//! without a name. It is called here after the function that it stands in, and its place among that one's lambdas.

use gimli::{AttributeValue, DebuggingInformationEntry, Dwarf, Unit, UnitOffset};

use super::debug_file::Bytes;
use super::demangle::demangle_with;

type Entry<'a> = DebuggingInformationEntry<Bytes<'a>>;
/// So often one entry refers to another for its name.
const REFERENCES_MAX: usize = 8;

/// A function without a name of its own, in code at an address of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nameless {
    /// The address.
    pub offset: u64,
    /// The function's entry in the unit of that address.
    pub entry: usize,
}

/// A lambda's class: where it is, in which function, and the entry of its function.
struct Lambda {
    within: String,
    place: (u64, u64),
    function: usize,
}

/// What stands around an entry: how deep, its name, and of a class its line and column.
type Outer = (isize, Option<String>, Option<(u64, u64)>);

/// The names of `wanted`, `None` for what is no lambda.
pub(super) fn names_of_lambdas(
    dwarf: &Dwarf<Bytes<'_>>,
    wanted: &[Nameless],
    may_spawn: bool,
) -> Vec<Option<String>> {
    let mut names = vec![None; wanted.len()];
    // What is damaged has no names.
    let _ = find_names(dwarf, wanted, may_spawn, &mut names);
    names
}

fn find_names(
    dwarf: &Dwarf<Bytes<'_>>,
    wanted: &[Nameless],
    may_spawn: bool,
    names: &mut [Option<String>],
) -> gimli::Result<()> {
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let mut lambdas = None;
        for (wanted, name) in wanted.iter().zip(&mut *names).filter(|(_, name)| name.is_none()) {
            if !holds(dwarf, &unit, wanted.offset)? {
                continue;
            }
            let lambdas = match &lambdas {
                Some(lambdas) => lambdas,
                None => lambdas.insert(lambdas_of(dwarf, &unit, may_spawn)?),
            };
            let Some(function) = origin(&unit, UnitOffset(wanted.entry))? else { continue };
            *name = name_of_lambda(lambdas, function.0);
        }
    }
    Ok(())
}

fn holds(dwarf: &Dwarf<Bytes<'_>>, unit: &Unit<Bytes<'_>>, address: u64) -> gimli::Result<bool> {
    let mut ranges = dwarf.unit_ranges(unit)?;
    while let Some(range) = ranges.next()? {
        if (range.begin..range.end).contains(&address) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The entry that an inlined copy is of.
fn origin(unit: &Unit<Bytes<'_>>, offset: UnitOffset) -> gimli::Result<Option<UnitOffset>> {
    let mut offset = offset;
    for _ in 0..REFERENCES_MAX {
        let entry = unit.entry(offset)?;
        match entry.attr_value(gimli::DW_AT_abstract_origin) {
            Some(AttributeValue::UnitRef(origin)) => offset = origin,
            Some(_) => return Ok(None),
            None => return Ok(Some(offset)),
        }
    }
    Ok(None)
}

fn name_of_lambda(lambdas: &[Lambda], function: usize) -> Option<String> {
    let lambda = lambdas.iter().find(|lambda| lambda.function == function)?;
    let mut places: Vec<_> =
        lambdas.iter().filter(|other| other.within == lambda.within).map(|other| other.place).collect();
    places.sort_unstable();
    places.dedup();
    let number = places.iter().position(|place| *place == lambda.place)? + 1;
    let separator = if lambda.within.is_empty() { "" } else { "::" };
    Some(format!("{}{separator}{{lambda#{number}}}::operator()", lambda.within))
}

/// All classes without a name in the unit that have a function `operator()` without a symbol.
fn lambdas_of(
    dwarf: &Dwarf<Bytes<'_>>,
    unit: &Unit<Bytes<'_>>,
    may_spawn: bool,
) -> gimli::Result<Vec<Lambda>> {
    let mut lambdas = Vec::new();
    let mut around: Vec<Outer> = Vec::new();
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        let depth = entry.depth();
        around.truncate(around.iter().take_while(|(outer, ..)| *outer < depth).count());
        let is_class = matches!(entry.tag(), gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type);
        let is_function = entry.tag() == gimli::DW_TAG_subprogram;
        if !is_class && !is_function && entry.tag() != gimli::DW_TAG_namespace {
            continue;
        }
        let name = name_of(dwarf, unit, entry)?;
        if is_function && name.as_deref() == Some("operator()") {
            if let Some((_, None, Some(place))) = around.last() {
                let within = path(&around, may_spawn);
                lambdas.push(Lambda { within, place: *place, function: entry.offset().0 });
            }
            // What stands in a lambda is called after what that stands in.
            continue;
        }
        let number = |name| entry.attr_value(name).and_then(|value| value.udata_value()).unwrap_or(0);
        let place = (number(gimli::DW_AT_decl_line), number(gimli::DW_AT_decl_column));
        // Clang calls the class of a lambda nothing, and gcc by its parameters.
        let name = name.filter(|name| !is_class || !name.starts_with("<lambda"));
        around.push((depth, name, is_class.then_some(place)));
    }
    Ok(lambdas)
}

/// The names around a lambda, from the innermost that is a symbol inwards.
fn path(around: &[Outer], may_spawn: bool) -> String {
    let names: Vec<&str> = around.iter().filter_map(|(_, name, _)| name.as_deref()).collect();
    let start = names.iter().rposition(|name| super::demangle::is_mangled(name)).unwrap_or(0);
    let names = names.get(start..).unwrap_or_default().iter().map(|name| demangle_with(name, may_spawn));
    names.collect::<Vec<_>>().join("::")
}

/// The symbol of an entry, else its name, perhaps at the entry that it completes.
fn name_of<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: &Unit<Bytes<'a>>,
    entry: &Entry<'a>,
) -> gimli::Result<Option<String>> {
    let text = |entry: &Entry<'a>, name| {
        let value = entry.attr_value(name).map(|value| dwarf.attr_string(unit, value)).transpose()?;
        Ok::<_, gimli::Error>(value.map(|text| text.to_string_lossy().into_owned()))
    };
    let mut at = None;
    for _ in 0..REFERENCES_MAX {
        let entry = at.as_ref().unwrap_or(entry);
        for name in [gimli::DW_AT_linkage_name, gimli::DW_AT_MIPS_linkage_name] {
            if let Some(symbol) = text(entry, name)? {
                return Ok(Some(symbol));
            }
        }
        let whole = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification];
        match whole.iter().find_map(|&name| entry.attr_value(name)) {
            Some(AttributeValue::UnitRef(offset)) => at = Some(unit.entry(offset)?),
            _ => return text(entry, gimli::DW_AT_name),
        }
    }
    Ok(None)
}
