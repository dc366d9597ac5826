# cargo builds, tests and runs a small crate with a build script, without a network.
set -euo pipefail
# What the cargo that runs this has set for its own programs.
unset CARGO_TARGET_DIR CARGO_MANIFEST_DIR LD_LIBRARY_PATH RUSTFLAGS
mkdir src
printf '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n' >Cargo.toml
printf 'fn main() { println!("cargo:rustc-env=BUILT=by-a-script"); }\n' >build.rs
cat >src/main.rs <<'END'
use std::collections::BTreeMap;

fn words(text: &str) -> BTreeMap<&str, usize> {
    text.split(' ').fold(BTreeMap::new(), |mut map, word| {
        *map.entry(word).or_default() += 1;
        map
    })
}

fn main() {
    let rows: Vec<String> = (0..10_000).map(|n| format!("row {n}")).collect();
    let handle = std::thread::spawn(move || rows.concat().len());
    println!("{:?} {} {}", words("a b a"), handle.join().unwrap(), env!("BUILT"));
}

#[test]
fn words_are_counted() {
    assert_eq!(words("a b a")["a"], 2);
}
END
cargo build --offline --quiet --release
target/release/small
cargo test --offline --quiet 2>&1 | grep '^test result' | sed 's/; finished.*//'
