//! Source file names without `.` and `..`, by their text alone: the files need not exist here.

/// `path` with `a/./b` and `a/../b` resolved and doubled slashes removed. A leading `..` of a relative path stays.
#[must_use]
pub fn normalize(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if is_absolute => {}
                _ => parts.push(".."),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    if is_absolute { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::normalize;

    #[test]
    fn dots_are_resolved_by_text() {
        let cases = [
            ("/a/./b.c", "/a/b.c"),
            ("/a/../b.c", "/b.c"),
            ("/../b.c", "/b.c"),
            ("a//b.c", "a/b.c"),
            ("../x/../b.c", "../b.c"),
            ("../../b.c", "../../b.c"),
            ("<built-in>", "<built-in>"),
            ("/usr/include/c++/12/bits/../x.h", "/usr/include/c++/12/x.h"),
        ];
        for (path, expected) in cases {
            assert_eq!(normalize(path), expected, "{path}");
        }
    }
}
