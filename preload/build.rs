//! Says to the linker what it cannot see: this library stays once it is loaded, as other objects keep addresses of its
//! functions; and it does nothing that a shadow stack (CET) forbids.
//!
//! Without the second mark a process that loads it runs without its shadow stack. The compiler writes none into its
//! objects, and the linker keeps it only if all have it; hence the option. Indirect branch tracking (`-z ibt`) is another
//! promise, which would need `endbr64` in every Rust function whose address is taken; Linux does not use it in programs.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    if std::env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,shstk");
    }
}
