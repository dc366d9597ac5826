//! tracemalloc's texts for numbers of bytes: 1024 B is `1024 B`, 10240 B is `10.0 KiB`.

/// `bytes` as tracemalloc writes sizes; with `sign`, a plus stands before what is not negative.
///
/// ```
/// use tm_analyzer::model::format_size;
///
/// assert_eq!(format_size(10239.0, false), "10239 B");
/// assert_eq!(format_size(10240.0, false), "10.0 KiB");
/// assert_eq!(format_size(-20480.0, true), "-20.0 KiB");
/// ```
pub fn format_size(bytes: f64, sign: bool) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 100.0 && unit != "B" {
            return with_unit(value, 1, unit, sign);
        }
        if value.abs() < 10.0 * 1024.0 {
            return with_unit(value, 0, unit, sign);
        }
        value /= 1024.0;
    }
    with_unit(value, usize::from(value.abs() < 100.0), "TiB", sign)
}

fn with_unit(value: f64, decimals: usize, unit: &str, sign: bool) -> String {
    if sign { format!("{value:+.decimals$} {unit}") } else { format!("{value:.decimals$} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::format_size;

    #[test]
    fn sizes_read_as_in_cpython() {
        for (bytes, text) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (10239.0, "10239 B"),
            (10240.0, "10.0 KiB"),
            (101376.0, "99.0 KiB"),
            (102399.0, "100.0 KiB"),
            (102400.0, "100 KiB"),
            (10485759.0, "10240 KiB"),
            (10485760.0, "10.0 MiB"),
            (5368709120.0, "5120 MiB"),
            (1125899906842624.0, "1024 TiB"),
            (-5.0, "-5 B"),
            (-20480.0, "-20.0 KiB"),
        ] {
            assert_eq!(format_size(bytes, false), text);
        }
        assert_eq!(format_size(0.0, true), "+0 B");
        assert_eq!(format_size(-5.0, true), "-5 B");
        assert_eq!(format_size(5000.0, true), "+5000 B");
    }
}
