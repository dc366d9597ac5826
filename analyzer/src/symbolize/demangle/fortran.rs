//! Fortran's names, as gfortran and flang make them: a module's procedure is `__module_MOD_procedure`.

/// `module::procedure`; the procedure alone of the Fortran main program and of what stands in no module is its symbol.
pub(super) fn demangle(symbol: &str) -> Option<String> {
    let (module, procedure) = symbol.strip_prefix("__")?.split_once("_MOD_")?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // What the compiler makes of a procedure has a number or a word behind a dot.
    let (procedure, clone) = procedure.split_at(procedure.find('.').unwrap_or(procedure.len()));
    (is_name(module) && is_name(procedure)).then(|| format!("{module}::{procedure}{clone}"))
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn procedures_of_modules_are_paths() {
        assert_eq!(demangle("__shapes_MOD_area").as_deref(), Some("shapes::area"));
        assert_eq!(demangle("__shapes_MOD_area.part.0").as_deref(), Some("shapes::area.part.0"));
        for symbol in ["MAIN__", "area_", "__MOD_", "__a_MOD_", "_MOD_x", "__libc_start_main"] {
            assert_eq!(demangle(symbol), None, "{symbol}");
        }
    }
}
