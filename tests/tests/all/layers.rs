//! The layers of each crate are those of the code map in docs/ARCHITECTURE.md, which lists them from the bottom to the top:
//! each module of each crate stands there once, uses what its row says, and nothing that stands after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tm_tests::products::workspace;
use tm_tests::source_tree::{assert_none, sources, text};

/// Uses of what stands later (crate, module, what it uses) that are known and shall go. One that is gone is a failure too.
const UPWARD: [(&str, &str, &str); 0] = [];

/// So many uses are found at least; fewer would mean that the scanner is blind.
const USES_MIN: usize = 150;

/// A row of the code map.
struct Row {
    crate_folder: String,
    modules: Vec<String>,
    uses: BTreeSet<String>,
}

/// The uses between the modules of a crate: (user, used) with the files in which they were found.
type Uses = BTreeMap<(String, String), BTreeSet<String>>;

fn module_name(path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// The rows on modules. Their first cells are `crate/src/module`, with more of its modules behind a comma.
fn rows(document: &str) -> Vec<Row> {
    let map = document.split("## Code map").nth(1).expect("docs/ARCHITECTURE.md has a code map");
    let lines = map.split("\n## ").next().unwrap_or_default().lines().filter(|line| line.starts_with("| `"));
    let mut rows = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [place, _, uses] = cells[..] else { continue };
        let mut paths = place.split('`').skip(1).step_by(2);
        let Some((crate_folder, first)) = paths.next().and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        let modules = [first].into_iter().chain(paths).map(module_name).collect();
        let uses = uses.split(',').map(|used| used.trim().trim_matches('`').to_owned());
        let uses = uses.filter(|used| !used.is_empty() && used != "nothing").collect();
        rows.push(Row { crate_folder: crate_folder.to_owned(), modules, uses });
    }
    rows
}

/// The folders of all crates but the tests'.
fn crates() -> Vec<String> {
    let manifest = text(&workspace().join("Cargo.toml"));
    let members = manifest.lines().find(|line| line.starts_with("members = ")).expect("it is a workspace");
    let folders = members.split('"').skip(1).step_by(2).filter(|folder| !folder.starts_with("tests"));
    folders.map(str::to_owned).collect()
}

/// What a file says to the compiler of a product: without comments and unit tests.
fn product_code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that a file declares for tests alone.
fn test_modules(text: &str) -> Vec<String> {
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("#[cfg(") && line.contains("test") {
            let declared = lines.find(|line| !line.starts_with("#[")).unwrap_or_default();
            let name = declared.strip_prefix("pub ").unwrap_or(declared).strip_prefix("mod ");
            found.extend(name.and_then(|name| name.strip_suffix(';')).map(str::to_owned));
        }
    }
    found
}

/// The first names of what stands after `crate::`: of one path, or of each path of a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |path: &str| {
        let path = path.trim_start();
        path.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut depth, mut begin) = (Vec::new(), 0, 0);
    for (at, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&list[begin..at]));
                begin = at + 1;
                if letter == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty() && name != "self");
    names
}

/// What a file uses by a path from the crate's root, which is `depth` modules above it.
fn names_from_root(code: &str, depth: usize) -> Vec<String> {
    let root = "super::".repeat(depth);
    let after = |prefix: &str| -> Vec<String> {
        let places = code.match_indices(prefix);
        places.flat_map(|(at, _)| first_names(&code[at + prefix.len()..])).collect()
    };
    [after("crate::"), after(&root)].concat()
}

/// The modules of a crate and what they use of each other, outside of tests.
fn scan(crate_folder: &str) -> (BTreeSet<String>, Uses) {
    let source = workspace().join(crate_folder).join("src");
    let inner = |path: &Path| path.strip_prefix(&source).expect("it was found there").display().to_string();
    let files: Vec<(String, String)> =
        sources(&source, &[".rs"]).iter().map(|path| (inner(path), text(path))).collect();
    let mut for_tests = BTreeSet::new();
    for (file, text) in &files {
        // Modules stand beside the crate's own file and `mod.rs`, and below other files.
        let stem = file.strip_suffix(".rs").unwrap_or(file);
        let folder = match stem.rsplit_once('/').unwrap_or(("", stem)) {
            (folder, "mod" | "lib" | "main") => folder,
            _ => stem,
        };
        let below = |name: String| format!("{folder}/{name}").trim_start_matches('/').to_owned();
        for_tests.extend(test_modules(text).into_iter().map(below));
    }
    let is_for_tests = |file: &str| {
        for_tests.iter().any(|module| {
            let rest = file.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    };
    let own = |file: &str| matches!(file, "lib.rs" | "main.rs");
    let files = files.into_iter().filter(|(file, _)| !own(file) && !is_for_tests(file)).collect::<Vec<_>>();
    let modules: BTreeSet<String> = files.iter().map(|(file, _)| module_name(file)).collect();
    let mut uses = Uses::new();
    for (file, text) in &files {
        let user = module_name(file);
        let path = file.strip_suffix(".rs").unwrap_or(file);
        let depth = path.strip_suffix("/mod").unwrap_or(path).split('/').count();
        for used in names_from_root(&product_code(text), depth) {
            // What the crate's own file offers to others has a module here, which is to be named.
            let is_item = used.starts_with(|letter: char| letter.is_uppercase());
            assert!(!is_item, "{crate_folder}/src/{file} uses {used} by the crate's front door");
            if modules.contains(&used) && used != user {
                uses.entry((user.clone(), used)).or_default().insert(file.clone());
            }
        }
    }
    (modules, uses)
}

fn architecture() -> Vec<Row> {
    rows(&text(&workspace().join("docs/ARCHITECTURE.md")))
}

#[test]
fn every_module_stands_once_in_the_code_map() {
    let rows = architecture();
    let mut wrong = Vec::new();
    for crate_folder in crates() {
        let (modules, _) = scan(&crate_folder);
        let listed =
            || rows.iter().filter(|row| row.crate_folder == crate_folder).flat_map(|row| &row.modules);
        for module in &modules {
            let n_listed = listed().filter(|listed| *listed == module).count();
            if n_listed != 1 {
                wrong.push(format!("{crate_folder}/src/{module} stands there {n_listed} times"));
            }
        }
        let gone = listed().filter(|module| !modules.contains(*module));
        wrong.extend(gone.map(|module| format!("{crate_folder}/src/{module} is no module")));
    }
    assert_none(&wrong, "the code map of docs/ARCHITECTURE.md");
}

#[test]
fn modules_use_what_the_code_map_says() {
    let rows = architecture();
    let (mut wrong, mut n_uses) = (Vec::new(), 0);
    for crate_folder in crates() {
        let (_, found) = scan(&crate_folder);
        n_uses += found.values().map(BTreeSet::len).sum::<usize>();
        for row in rows.iter().filter(|row| row.crate_folder == crate_folder) {
            let of_row = found
                .iter()
                .filter(|((user, used), _)| row.modules.contains(user) && !row.modules.contains(used));
            let of_row: BTreeMap<&String, &BTreeSet<String>> =
                of_row.map(|((_, used), files)| (used, files)).collect();
            let name = format!("{crate_folder}/src/{}", row.modules.join(", "));
            for (used, files) in of_row.iter().filter(|(used, _)| !row.uses.contains(**used)) {
                wrong.push(format!("{name} uses {used}, which its row lacks: {files:?}"));
            }
            let unused = row.uses.iter().filter(|used| !of_row.contains_key(used));
            wrong.extend(unused.map(|used| format!("{name} does not use {used}, which its row has")));
            if !of_row.keys().copied().eq(&row.uses) {
                // In the table's order, to be copied there.
                let of_crate = rows.iter().filter(|row| row.crate_folder == crate_folder);
                let cell = of_crate.flat_map(|row| &row.modules).filter(|module| of_row.contains_key(module));
                let cell = cell.map(String::as_str).collect::<Vec<_>>().join(", ");
                wrong.push(format!("{name}: its last cell is to be | {cell} |"));
            }
        }
    }
    assert!(n_uses >= USES_MIN, "only {n_uses} uses were found");
    assert_none(&wrong, "the code map of docs/ARCHITECTURE.md");
}

#[test]
fn modules_use_nothing_that_stands_after_them_in_the_code_map() {
    let rows = architecture();
    let (mut wrong, mut upward) = (Vec::new(), BTreeSet::new());
    for crate_folder in crates() {
        let of_crate = rows.iter().filter(|row| row.crate_folder == crate_folder);
        let order: Vec<&String> = of_crate.flat_map(|row| &row.modules).collect();
        let place = |module: &String| order.iter().position(|listed| *listed == module);
        for ((user, used), files) in scan(&crate_folder).1 {
            if place(&used) < place(&user) {
                continue;
            }
            let known = (crate_folder.as_str(), user.as_str(), used.as_str());
            match UPWARD.iter().find(|upward| **upward == known) {
                Some(known) => {
                    upward.insert(*known);
                }
                None => wrong.push(format!("{crate_folder}/src/{user} uses {used}: {files:?}")),
            }
        }
    }
    let gone = UPWARD.iter().filter(|known| !upward.contains(*known));
    wrong.extend(gone.map(|known| format!("{known:?} is gone and can leave the list in this test")));
    assert_none(&wrong, "upward uses");
}

#[test]
fn paths_are_found_in_every_form() {
    let code = "use crate::{a::{b, c::{d}}, e as f,\n    g,};\nuse crate::h::{i, j};\ncrate::k!();\nuse super::super::{l, m::n};";
    assert_eq!(names_from_root(code, 2), ["a", "e", "g", "h", "k", "l", "m"]);
    let tests = "#[cfg(all(loom, test))]\nmod models;\n#[cfg(test)]\n#[allow(x)]\nmod tests;\nmod product;";
    assert_eq!(test_modules(tests), ["models", "tests"]);
    let code = product_code(
        "use crate::a;\n    // crate::b\n/// [`crate::c`]\n#[cfg(test)]\nmod tests {\n    use crate::d;\n}",
    );
    assert_eq!(names_from_root(&code, 1), ["a"]);
}
