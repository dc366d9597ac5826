//! Names as the programmer wrote them: C++ (Itanium), Rust (both schemes, without the hash), D and Fortran.
//!
//! In bounded time, whatever the symbol: what is left out of a name is marked, and such a name is no other symbol's.

mod cpp;
mod cut;
mod dlang;
mod dlang_types;
mod fortran;

/// The readable form of a symbol or linkage name; the name itself if it is not mangled.
///
/// As c++filt has it, except what cpp_demangle 0.5 does not know: functions with conditions in their types
/// (`enable_if`, `std::make_shared` among them) are shown without result type and parameters. In place of what is left out
/// stand a mark and a number that tells the symbol from others.
///
/// ```
/// use tm_analyzer::symbolize::demangle;
///
/// assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
/// assert_eq!(demangle("_ZNSt6vectorIiSaIiEE4sizeEv"), "std::vector<int, std::allocator<int> >::size()");
/// assert_eq!(demangle("_D3std5stdio5closeFNbiZv"), "std.stdio.close(int)");
/// assert_eq!(demangle("malloc"), "malloc");
/// ```
#[must_use]
pub fn demangle(name: &str) -> String {
    demangle_with(name, true)
}

/// The same; without `may_spawn` no thread is made for names that are nested very deep: they are cut.
pub(super) fn demangle_with(name: &str, may_spawn: bool) -> String {
    // Symbols of shared libraries may have their version in the name: `realloc@@GLIBC_2.2.5`.
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let readable = match name.get(..2) {
        Some("_Z") => rust(name).or_else(|| cpp::demangle(name, may_spawn)),
        Some("_R") => rust(name),
        Some("_D") => dlang::demangle(name),
        Some("__") => fortran::demangle(name),
        _ => None,
    };
    let name = readable.as_deref().unwrap_or(name);
    if name.len() > cut::NAME_BYTES_MAX && !name.contains('…') {
        return cut::cut(name, name);
    }
    name.to_owned()
}

/// Whether `name` is a symbol of a language that makes its own, and so tells more than the function's name alone.
pub(super) fn is_mangled(name: &str) -> bool {
    ["_Z", "_R", "_D"].iter().any(|start| name.starts_with(start)) || fortran::demangle(name).is_some()
}

/// Rust's own scheme starts with `_R`; the older one is C++'s, with a hash as the last part of the path.
fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    // Beyond some size rustc-demangle stops by itself, and says so in the name.
    let short = format!("{demangled:#}");
    let is_rust = name.starts_with("_R") || demangled.to_string() != short;
    let is_cut = short.contains("{size limit reached}") || short.contains("{recursion limit reached}");
    is_rust.then(|| if is_cut { cut::cut(&short, name) } else { short })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_is_told_by_its_look() {
        assert_eq!(demangle("_ZN3foo3barEv"), "foo::bar()");
        assert_eq!(demangle("_ZN3foo3barE"), "foo::bar");
        assert_eq!(demangle("_ZN5hello4main17h4bd1a4ba3f9a3a1fE"), "hello::main");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
        assert_eq!(demangle("__m_MOD_p"), "m::p");
    }

    #[test]
    fn a_function_of_conditional_type_is_its_name_and_a_mark() {
        let make_shared = "_ZSt11make_sharedI7SessionJEESt10shared_ptrINSt9enable_ifIXntsrSt8is_arrayIT_E5valueES4_E4typeEEDpOT0_";
        let name = demangle(make_shared);
        assert!(name.starts_with("std::make_shared<Session>(…#") && name.ends_with(')'), "{name}");
        let member = "_ZN2wi3addI4LongEEN10if_nonpolyIT_bXsr15poly_int_traitsIS1_E7is_polyEE4typeES1_";
        let other = "_ZN2wi3addI4LongEEN10if_nonpolyIT_bXsr15poly_int_traitsIS1_E7is_polyEE4typeES1_i";
        assert!(demangle(member).starts_with("wi::add<Long>(…#"));
        assert_ne!(demangle(member), demangle(other));
    }

    /// As c++filt has them.
    #[test]
    fn constructors_that_are_templates_keep_their_first_parameter() {
        assert_eq!(demangle("_ZN1AC2IiEET_l"), "A::A<int>(int, long)");
        assert_eq!(demangle("_ZN1AC1IcEET_l"), "A::A<char>(char, long)");
        assert_eq!(demangle("_ZN3BoxIiEC1IlEERKT_"), "Box<int>::Box<long>(long const&)");
    }

    /// Each pair of substitutions doubles the name: 30 of them stand for 2^30 arguments.
    #[test]
    fn a_name_that_doubles_is_cut_in_little_work() {
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".as_bytes();
        let symbol = |n: usize, f: char| {
            let parts = digits[..n].iter().map(|&k| format!("S_IS{0}_S{0}_E", k as char)).collect::<String>();
            format!("_Z1{f}1PIiiE{parts}")
        };
        let expected = "f(P<int, int>, P<P<int, int>, P<int, int> >)";
        assert_eq!(demangle(&symbol(1, 'f')), expected);
        let (name, other) = (demangle(&symbol(30, 'f')), demangle(&symbol(29, 'f')));
        assert!(name.len() < 20_000 && name.starts_with("f(P<int, int>, P<"), "{}", name.len());
        assert!(name.contains('…') && name != other && name.get(..9_000) == other.get(..9_000));
        assert_eq!(crate::text::function_name::bare(&name), "f");
    }

    /// The same of nothing: packs without elements double without a character of text. And 100,000 letters of each kind.
    #[test]
    fn no_symbol_s_name_is_without_bounds() {
        let digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".as_bytes();
        let packs: String = digits[..30].iter().map(|&k| format!("S_IJS{0}_S{0}_EE", k as char)).collect();
        let bounded = |symbol: &str| {
            let name = demangle(symbol);
            assert!(name.len() < 40_000, "{} bytes", name.len());
        };
        bounded(&format!("_Z1f1PIJEE{packs}"));
        for letters in
            ["P", "N", "I", "S_", "T_", "FvvE", "1aI", "Dp", "A_", "K", "Z", "L_Z", "cv", "X", "tl"]
        {
            for start in ["_Z1f", "_ZN1aI", "_D1a", "_D1fF", "_R"] {
                bounded(&format!("{start}{}", letters.repeat(100_000 / letters.len())));
            }
        }
    }

    #[test]
    fn templates_in_templates_are_read_to_great_depth() {
        let nested = |n: usize| format!("_Z1f{}i{}", "1AI".repeat(n), "E".repeat(n));
        for n in [3, 16, 60, 300] {
            let name = demangle(&nested(n));
            assert_eq!(name.matches("A<").count(), n, "{name}");
            assert!(name.starts_with("f(A<") && name.ends_with(')') && !name.contains('…'), "{name}");
        }
        // Without a thread of its own: as it is, and no other's.
        assert_ne!(demangle_with(&nested(60), false), demangle_with(&nested(61), false));
        assert_ne!(demangle(&nested(20_000)), demangle(&nested(20_001)));
    }

    #[test]
    fn versions_are_left_out() {
        assert_eq!(demangle("realloc@@GLIBC_2.2.5"), "realloc");
        assert_eq!(demangle("_Znwm@GLIBCXX_3.4"), "operator new(unsigned long)");
    }

    #[test]
    fn what_is_not_mangled_or_damaged_stays() {
        for name in ["", "main", "_start", "_Z", "_ZN9999x", "_R", "_D", "_D9x", "__", "_é"] {
            assert_eq!(demangle(name), name);
        }
    }
}
