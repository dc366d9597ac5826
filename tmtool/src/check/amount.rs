//! Amounts as budgets have them: `24 MB`, `1.5 MiB`, `1000`, and of growth also `5%`.

use super::figure::Figure;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowed {
    /// So much.
    AtMost(u64),
    /// So much more than the baseline has.
    More(u64),
    /// So many hundredths more.
    Percent(f64),
}

impl Allowed {
    /// The most that is allowed, where the baseline has `old`.
    pub fn limit(self, old: u64) -> u64 {
        match self {
            Allowed::AtMost(most) => most,
            Allowed::More(more) => old.saturating_add(more),
            // What is no whole byte is not allowed.
            Allowed::Percent(percent) => old.saturating_add((old as f64 * percent / 100.0).floor() as u64),
        }
    }

    /// What is allowed, as it is shown; `None` of a limit that is shown itself.
    pub fn text(self, figure: Figure) -> Option<String> {
        match self {
            Allowed::AtMost(_) => None,
            Allowed::More(more) => Some(format!("+{}", figure.text(more))),
            Allowed::Percent(percent) => Some(format!("+{percent}%")),
        }
    }
}

/// The units, and how many bytes each is.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
];

/// The bytes or blocks that `text` says; what is wrong, if it says none.
///
/// # Errors
/// It is no amount of that figure.
pub fn parse(text: &str, figure: Figure) -> Result<u64, String> {
    let wrong = || match figure.is_bytes() {
        true => format!("'{text}' is no size; write 24000000, \"24 MB\" or \"1.5 MiB\""),
        false => format!("'{text}' is no number of blocks; write 1000"),
    };
    let text = text.trim();
    let n_digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(n_digits).ok_or_else(wrong)?;
    let (number, unit) = (number.replace('_', ""), unit.trim());
    if unit.is_empty() {
        return number.parse().map_err(|_| wrong());
    }
    let found = UNITS.iter().find(|(name, _)| *name == unit).filter(|_| figure.is_bytes());
    let (_, factor) = found.ok_or_else(wrong)?;
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(*factor).ok_or_else(wrong);
    }
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * *factor as f64;
    if bytes < u64::MAX as f64 { Ok(bytes.floor() as u64) } else { Err(wrong()) }
}

/// The growth that `text` allows.
///
/// # Errors
/// It says none.
pub fn growth(text: &str, figure: Figure) -> Result<Allowed, String> {
    match text.trim().strip_suffix('%').map(|number| number.trim().parse::<f64>()) {
        Some(Ok(percent)) if percent.is_finite() && percent >= 0.0 => Ok(Allowed::Percent(percent)),
        Some(_) => Err(format!("'{text}' is no part of what there was; write \"5%\"")),
        None => parse(text, figure).map(Allowed::More),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1000_and_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("24 MB", 24_000_000),
            ("1.5 MiB", 1_572_864),
            ("1_000", 1_000),
            ("7B", 7),
            ("2 KiB", 2_048),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text, Figure::Peak), Ok(bytes), "{text}");
        }
        for text in ["", "x", "-1", "1 XB", "1.5", "1..5 MB", "99999999999 TB", "1 mb", "5%"] {
            assert!(parse(text, Figure::Peak).unwrap_err().contains("is no size"), "{text}");
        }
        assert!(parse("1 MB", Figure::PeakBlocks).unwrap_err().contains("no number of blocks"));
        assert_eq!(parse("12", Figure::Allocations), Ok(12));
    }

    #[test]
    fn growth_is_an_amount_or_a_part() {
        let limit = |text: &str, old| growth(text, Figure::Peak).unwrap().limit(old);
        assert_eq!((limit("5%", 1_000), limit("5%", 19), limit("0%", 7)), (1_050, 19, 7));
        assert_eq!((limit("1 KiB", 1_000), limit("0", 7)), (2_024, 7));
        assert!(growth("-5%", Figure::Peak).is_err() && growth("x%", Figure::Peak).is_err());
        assert!(growth("NaN%", Figure::Peak).is_err());
    }
}
