//! Names as the programmer wrote them: C++ (Itanium) and Rust (both schemes, without the hash).

/// The readable form of a symbol or linkage name; the name itself if it is not mangled.
///
/// As c++filt has it, but for what cpp_demangle 0.5 does not know: of a constructor that is a template itself, the
/// first parameter is left out, as if it were a result type, and functions with conditions in their types (`enable_if`,
/// `std::make_shared` among them) are shown without result type and parameters.
///
/// ```
/// use tm_analyzer::symbolize::demangle;
///
/// assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
/// assert_eq!(demangle("_ZNSt6vectorIiSaIiEE4sizeEv"), "std::vector<int, std::allocator<int> >::size()");
/// assert_eq!(demangle("malloc"), "malloc");
/// ```
#[must_use]
pub fn demangle(name: &str) -> String {
    // Symbols of shared libraries may have their version in the name: `realloc@@GLIBC_2.2.5`.
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    rust(name).or_else(|| cpp(name)).unwrap_or_else(|| name.to_owned())
}

/// Rust's own scheme starts with `_R`; the older one is C++'s, with a hash as the last part of the path.
fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    let short = format!("{demangled:#}");
    let is_rust = name.starts_with("_R") || demangled.to_string() != short;
    is_rust.then_some(short)
}

fn cpp(name: &str) -> Option<String> {
    if !name.starts_with("_Z") {
        return None;
    }
    // An empty list of arguments leaves its comma.
    let readable = |name: String| name.replace(", >", ">");
    let demangle = |name: &str| cpp_demangle::Symbol::new(name).ok()?.demangle().ok().map(readable);
    // Where the types cannot be read, the name before them can: it ends with an `E`, as it is nested or has arguments.
    demangle(name).or_else(|| {
        let ends = name.match_indices('E').map(|(place, _)| place + 1);
        ends.take(NAME_ENDS_MAX).filter_map(|end| demangle(name.get(..end)?)).next()
    })
}

/// Of a name that cannot be read, this many possible ends are tried.
const NAME_ENDS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn each_scheme_is_told_by_its_look() {
        assert_eq!(demangle("_ZN3foo3barEv"), "foo::bar()");
        assert_eq!(demangle("_ZN3foo3barE"), "foo::bar");
        assert_eq!(demangle("_ZN5hello4main17h4bd1a4ba3f9a3a1fE"), "hello::main");
        assert_eq!(demangle("_RNvCskwGfYPst2Cb_3foo16example_function"), "foo::example_function");
    }

    #[test]
    fn a_function_of_conditional_type_is_its_name() {
        let make_shared = "_ZSt11make_sharedI7SessionJEESt10shared_ptrINSt9enable_ifIXntsrSt8is_arrayIT_E5valueES4_E4typeEEDpOT0_";
        assert_eq!(demangle(make_shared), "std::make_shared<Session>");
        let member = "_ZN2wi3addI4LongEEN10if_nonpolyIT_bXsr15poly_int_traitsIS1_E7is_polyEE4typeES1_";
        assert_eq!(demangle(member), "wi::add<Long>");
    }

    #[test]
    fn versions_are_left_out() {
        assert_eq!(demangle("realloc@@GLIBC_2.2.5"), "realloc");
        assert_eq!(demangle("_Znwm@GLIBCXX_3.4"), "operator new(unsigned long)");
    }

    #[test]
    fn what_is_not_mangled_or_damaged_stays() {
        for name in ["", "main", "_start", "_Z", "_ZN9999x", "_R"] {
            assert_eq!(demangle(name), name);
        }
    }
}
