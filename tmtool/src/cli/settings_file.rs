//! The file with a user's settings, `config.toml`: where names are looked for, unless the command line or the environment says it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use toml_edit::{Item, TableLike};

use super::given::{Given, Giver};
use super::search_settings::{SearchSettings, map, said_by};
use crate::errors::{Error, Result};
use crate::toml_file::{self, Source};

/// The variable that names another file; an empty one names none.
const NAMED_BY: &str = "TMTOOL_CONFIG";
/// The keys, in the order in which they are listed.
const KEYS: [&str; 4] = ["debug-dir", "sysroot", "map", "debuginfod"];

/// Reads the user's file; nothing is set where there is none.
///
/// # Errors
/// It cannot be read, or says what is no setting: the line is named.
pub fn of_user() -> Result<SearchSettings> {
    let variable = |name: &str| std::env::var_os(name);
    let (path, is_named) = match variable(NAMED_BY) {
        Some(path) if path.is_empty() => return Ok(SearchSettings::default()),
        Some(path) => (PathBuf::from(path), true),
        None => match usual(&variable) {
            Some(path) => (path, false),
            None => return Ok(SearchSettings::default()),
        },
    };
    if !path.exists() {
        if !is_named {
            return Ok(SearchSettings::default());
        }
        let what = format!("there is no {}, which {NAMED_BY} names", path.display());
        return Err(Error::Usage(format!("{what}; correct or unset it")));
    }
    let text = toml_file::read(&path, "a file of settings")?;
    parse(&path, &text, variable("HOME").map(PathBuf::from).as_deref()).map_err(|error| match error {
        Error::Message(what) => Error::Usage(what),
        other => other,
    })
}

/// Reads `text`, which stands in the file at `path` of a user with this home folder.
fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<SearchSettings> {
    let document = toml_file::parse(path, text)?;
    let source = Source { path, text };
    let root: &dyn TableLike = document.as_table();
    source.check_keys(root, &KEYS)?;
    let [debug_folders, sysroot, maps, debuginfod] = KEYS;
    let folder = path.parent().unwrap_or(Path::new(""));
    let place = |name: &String| match (name.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(name),
    };
    let given = |key: &str, line| Giver::File { path: path.to_owned(), key: key.to_owned(), line };
    let texts = |key: &str| -> Result<Option<Given<Vec<String>>>> {
        let Some(item) = root.get(key) else { return Ok(None) };
        let wrong =
            || source.wrong(item.span(), format!("'{key}' is no list of texts; write {key} = [\"...\"]"));
        let value = match item {
            Item::Value(toml_edit::Value::Array(values)) => {
                let text = |value: &toml_edit::Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
                values.iter().map(text).collect::<Result<_>>()?
            }
            one => vec![one.as_str().ok_or_else(wrong)?.to_owned()],
        };
        Ok(Some(Given { value, by: given(key, source.line(item.span())) }))
    };
    let line = |key: &str| source.line(root.get(key).and_then(Item::span));
    let truth = root.get(debuginfod).is_some().then(|| source.boolean(root, debuginfod)).transpose()?;
    Ok(SearchSettings {
        debug_folders: texts(debug_folders)?
            .map(|given| given.map(|folders| folders.iter().map(place).collect())),
        sysroot: source
            .string(root, sysroot)?
            .map(|name| Given { value: place(&name), by: given(sysroot, line(sysroot)) }),
        maps: texts(maps)?.map(taken_apart).transpose()?,
        debuginfod: truth.map(|value| Given { value, by: given(debuginfod, line(debuginfod)) }),
    })
}

/// What becomes of paths, of texts `/FROM=/TO`.
fn taken_apart(given: Given<Vec<String>>) -> Result<Given<Vec<(PathBuf, PathBuf)>>> {
    let maps = given.value.iter().map(|word| map(OsStr::new(word))).collect::<Result<_>>();
    Ok(Given { value: maps.map_err(|error| said_by(&given.by, &error))?, by: given.by })
}

/// Where the file is if none is named: in the folder of settings of the user's programs.
fn usual(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(folder.join("tm/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SearchSettings> {
        super::parse(Path::new("/c/config.toml"), text, Some(Path::new("/home/me")))
    }

    #[test]
    fn relative_folders_are_of_the_file_s_and_a_text_is_a_list_of_one() {
        let found = parse(
            "# mine\nsysroot = \"~/root\"\nmap = \"/build=/src\"\ndebug-dir = [\"debug\", \"/d\"]\ndebuginfod = false\n",
        )
        .unwrap();
        let by = |key: &str, line| Giver::File { path: "/c/config.toml".into(), key: key.to_owned(), line };
        let debug_folders = vec![PathBuf::from("/c/debug"), PathBuf::from("/d")];
        assert_eq!(found.debug_folders, Some(Given { value: debug_folders, by: by("debug-dir", 4) }));
        assert_eq!(found.sysroot, Some(Given { value: "/home/me/root".into(), by: by("sysroot", 2) }));
        assert_eq!(
            found.maps,
            Some(Given { value: vec![("/build".into(), "/src".into())], by: by("map", 3) })
        );
        assert_eq!(found.debuginfod, Some(Given { value: false, by: by("debuginfod", 5) }));
        assert_eq!(parse("").unwrap(), SearchSettings::default());
    }

    #[test]
    fn what_is_no_setting_is_named_with_its_line() {
        for (text, said) in [
            ("\nsysrot = \"/x\"", "/c/config.toml:2: there is no key 'sysrot' here; did you mean 'sysroot'?"),
            ("sysroot = 1", "/c/config.toml:1: 'sysroot' is no text; write sysroot = \"...\""),
            ("map = [1]", "/c/config.toml:1: 'map' is no list of texts; write map = [\"...\"]"),
            ("debuginfod = \"x\"", "/c/config.toml:1: 'debuginfod' is neither true nor false"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), said);
        }
        assert!(parse("map = [").unwrap_err().to_string().starts_with("/c/config.toml:1: this is no TOML: "));
    }

    #[test]
    fn the_usual_place_is_the_folder_of_settings() {
        let place = |config: &'static str, home: &'static str| {
            let variable = move |name: &str| match name {
                "XDG_CONFIG_HOME" => Some(config.into()),
                _ => Some(home.into()).filter(|_| !home.is_empty()),
            };
            usual(&variable)
        };
        assert_eq!(place("/x", "/home/me"), Some("/x/tm/config.toml".into()));
        assert_eq!(place("", "/home/me"), Some("/home/me/.config/tm/config.toml".into()));
        assert_eq!(place("relative", ""), None);
    }
}
