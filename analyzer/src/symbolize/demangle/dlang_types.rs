//! D's types that have no parts.

/// What a number of this type has behind it.
pub(super) fn suffix(of: &str) -> &'static str {
    match of {
        "ubyte" | "ushort" | "uint" => "u",
        "long" => "L",
        "ulong" => "uL",
        _ => "",
    }
}

/// The type of one letter.
pub(super) fn basic(letter: char) -> Option<&'static str> {
    Some(match letter {
        'v' => "void",
        'g' => "byte",
        'h' => "ubyte",
        's' => "short",
        't' => "ushort",
        'i' => "int",
        'k' => "uint",
        'l' => "long",
        'm' => "ulong",
        'f' => "float",
        'd' => "double",
        'e' => "real",
        'o' => "ifloat",
        'p' => "idouble",
        'j' => "ireal",
        'q' => "cfloat",
        'r' => "cdouble",
        'c' => "creal",
        'b' => "bool",
        'a' => "char",
        'u' => "wchar",
        'w' => "dchar",
        'n' => "typeof(null)",
        _ => return None,
    })
}
