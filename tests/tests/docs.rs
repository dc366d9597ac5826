//! What the documents say of the code is what the code says of itself.

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

#[test]
fn every_dependency_has_its_reason() {
    let design = document("docs/design.md");
    let table = design.split("## Dependencies").nth(1).expect("docs/design.md has a section on dependencies");
    for manifest in ["common", "preload", "analyzer", "tmtool", "tests"] {
        let manifest = document(&format!("{manifest}/Cargo.toml"));
        let lines = manifest.lines().skip_while(|line| !line.ends_with("dependencies]"));
        for line in lines.filter(|line| line.contains("workspace = true") && !line.starts_with("workspace")) {
            let name = line.split([' ', '.', '=']).next().unwrap_or_default();
            let ours = name.starts_with("tm-") || name == "tmtool";
            assert!(ours || table.contains(name), "docs/design.md gives no reason for {name}");
        }
    }
}
