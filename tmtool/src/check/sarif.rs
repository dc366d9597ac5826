//! SARIF 2.1.0, which code hosts show beside the code: a rule for each figure, a result for each limit that is exceeded.

use std::path::Path;

use serde::Serialize;

use super::figure::Figure;
use super::github::relative;
use crate::report::check::{Checked, Place, Verdict};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    results: Vec<Finding>,
    column_kind: &'static str,
}

#[derive(Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Location>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_locations: Option<[LogicalLocation; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<Region>,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

/// The file's content. Files in the folder `here` are named from there on.
///
/// # Errors
/// It cannot be made.
pub fn text(verdict: &Verdict, here: &Path) -> std::io::Result<String> {
    let rule =
        |figure: Figure| Rule { id: figure.name(), short_description: Message { text: described(figure) } };
    let results = verdict.exceeded().flat_map(|checked| {
        let places = checked.places.iter().map(Some);
        let places: Vec<Option<&Place>> =
            if checked.places.is_empty() { vec![None] } else { places.collect() };
        places.into_iter().map(|place| finding(checked, place, here)).collect::<Vec<_>>()
    });
    let driver = Driver {
        name: "tmtool check",
        semantic_version: env!("CARGO_PKG_VERSION"),
        rules: Figure::ALL.map(rule).into(),
    };
    let run = Run { tool: Tool { driver }, results: results.collect(), column_kind: "unicodeCodePoints" };
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run] };
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn described(figure: Figure) -> String {
    let what = match figure {
        Figure::Peak => "Bytes that were live at the peak",
        Figure::PeakBlocks => "Blocks that were live at the peak",
        Figure::End => "Bytes that were live at the end",
        Figure::EndBlocks => "Blocks that were live at the end",
        Figure::Leaked => "Bytes that were never freed",
        Figure::LeakedBlocks => "Blocks that were never freed",
        Figure::Allocations => "Allocations",
        Figure::Allocated => "Bytes allocated",
    };
    format!("{what}, more than is allowed")
}

fn finding(checked: &Checked, place: Option<&Place>, here: &Path) -> Finding {
    let rule_index = Figure::ALL.iter().position(|figure| figure.name() == checked.figure).unwrap_or(0);
    let text = match place {
        Some(place) => format!("{} ({} here)", checked.sentence(), checked.amount(place.amount)),
        None => checked.sentence(),
    };
    let locations = place.map(|place| location(place, here)).into_iter().collect();
    Finding { rule_id: checked.figure, rule_index, level: "error", message: Message { text }, locations }
}

fn location(place: &Place, here: &Path) -> Location {
    let name =
        |function: &String| [LogicalLocation { fully_qualified_name: function.clone(), kind: "function" }];
    let region = (place.lineno > 0).then_some(Region { start_line: place.lineno });
    let artifact_location = ArtifactLocation { uri: uri(relative(&place.filename, here)) };
    Location {
        physical_location: PhysicalLocation { artifact_location, region },
        logical_locations: place.function.as_ref().map(name),
    }
}

/// A path as a URI: of one from the root on a `file:` one, else a relative reference.
fn uri(path: &str) -> String {
    let mut text = String::from(if path.starts_with('/') { "file://" } else { "" });
    for &byte in tm_analyzer::text::raw_text::to_bytes(path).iter() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~/+".contains(&byte);
        if is_plain { text.push(char::from(byte)) } else { text += &format!("%{byte:02X}") }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_result_has_its_rule_its_place_and_its_sentence() {
        let place = Place {
            filename: "/work/src/a b\"<%.c".to_owned(),
            lineno: 3,
            function: Some("f\n\"".to_owned()),
            amount: 2,
        };
        let unknown = Place { filename: "/usr/lib/libc.so.6".to_owned(), amount: 1, ..Place::default() };
        let over = Checked {
            scope: "total".to_owned(),
            figure: "leaked-blocks",
            found: 3,
            exceeded: true,
            places: vec![place, unknown],
            ..Checked::default()
        };
        let within = Checked { figure: "peak", ..Checked::default() };
        let verdict = Verdict { limits: vec![within, over], ..Verdict::default() };
        let log: Value = serde_json::from_str(&text(&verdict, Path::new("/work")).unwrap()).unwrap();
        let run = &log["runs"][0];
        let [first, second] = &run["results"].as_array().unwrap()[..] else { panic!("{run:#}") };
        assert_eq!(
            run["tool"]["driver"]["rules"][first["ruleIndex"].as_u64().unwrap() as usize]["id"],
            first["ruleId"]
        );
        let physical = &first["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "src/a%20b%22%3C%25.c");
        assert_eq!(physical["region"]["startLine"], 3);
        assert_eq!(first["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "f\n\"");
        assert_eq!(
            second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "file:///usr/lib/libc.so.6"
        );
        assert!(second["locations"][0]["physicalLocation"]["region"].is_null());
        assert_eq!(first["message"]["text"], "total leaked-blocks: 3 where 0 is allowed (2 here)");
    }
}
