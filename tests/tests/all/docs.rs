//! What the documents say of the code is what the code says of itself.

use std::collections::BTreeSet;
use std::path::Path;

use tm_common::settings;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_readme_has_each_setting_as_the_table_has_it() {
    let readme = document("README.md");
    for settings::Setting { name, default, values, meaning } in settings::ALL {
        let row = format!("| `{name}` | `{default}` | {values} | {meaning} |");
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
    let rows = readme.lines().filter(|line| line.starts_with("| `TM_")).count();
    assert_eq!(rows, settings::ALL.len(), "README.md has a row for something that is no setting");
}

/// The folders of all crates.
fn crates() -> Vec<String> {
    let manifest = document("Cargo.toml");
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("it is a workspace");
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What the manifest of a crate depends on, in products and in tests, without our own crates.
fn dependencies(crate_folder: &str) -> BTreeSet<String> {
    let manifest = document(&format!("{crate_folder}/Cargo.toml"));
    let mut found = BTreeSet::new();
    let mut is_in_table = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_in_table = line.ends_with("dependencies]");
        } else if is_in_table && !line.starts_with('#') && !line.is_empty() {
            found.insert(line.split([' ', '.', '=']).next().unwrap_or_default().to_owned());
        }
    }
    found.retain(|name| !name.starts_with("tm-") && name != "tmtool");
    found
}

#[test]
fn every_dependency_has_its_reason_and_no_other_has() {
    let design = document("docs/design.md");
    let section =
        design.split("## Dependencies").nth(1).expect("docs/design.md has a section on dependencies");
    let table = section.split("\n## ").next().unwrap_or_default();
    let mut reasons = BTreeSet::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [names, users, reason] = cells[..] else { panic!("a row of three cells: {line}") };
        assert!(!reason.is_empty(), "no reason: {line}");
        for name in names.split('`').skip(1).step_by(2) {
            reasons.extend(users.split(", ").map(|user| (name.to_owned(), user.to_owned())));
        }
    }
    let of_crate = |folder: &String| -> Vec<(String, String)> {
        dependencies(folder).into_iter().map(|name| (name, folder.clone())).collect()
    };
    let made: BTreeSet<(String, String)> = crates().iter().flat_map(of_crate).collect();
    assert!(made.len() >= 30, "only {made:?}");
    let without: Vec<_> = made.difference(&reasons).collect();
    assert!(without.is_empty(), "docs/design.md gives no reason for (what, in which crate) {without:?}");
    let gone: Vec<_> = reasons.difference(&made).collect();
    assert!(
        gone.is_empty(),
        "docs/design.md gives a reason for what is not used (what, in which crate): {gone:?}"
    );
}
