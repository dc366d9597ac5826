//! Where blocks are allocated, by patterns: function, file, module and label.

use std::sync::Arc;

use toml_edit::TableLike;

use crate::errors::Result;
use crate::toml_file::Source;
use tm_analyzer::model::Frame;
use tm_analyzer::text::Pattern;
use tm_analyzer::text::function_name::bare;

/// The keys that say it.
pub const KEYS: [&str; 5] = ["function", "file", "module", "label", "anywhere"];

/// Patterns, all of which must match.
#[derive(Clone, Debug)]
pub struct Places {
    /// What the user wrote: `function parse_*, file */json.c`.
    pub text: String,
    function: Option<Pattern>,
    file: Option<Pattern>,
    module: Option<Pattern>,
    label: Option<Pattern>,
    /// Any frame of the stack may be the one, and not only the one to blame.
    is_anywhere: bool,
}

impl Places {
    /// The patterns of `table`; `None` if it has none.
    ///
    /// # Errors
    /// A value is no text, or `anywhere` has nothing to be said of.
    pub(super) fn read(source: Source<'_>, table: &dyn TableLike) -> Result<Option<Places>> {
        let mut words = Vec::new();
        let mut pattern = |key: &str| -> Result<Option<Pattern>> {
            let Some(text) = source.string(table, key)? else { return Ok(None) };
            words.push(format!("{key} {text}"));
            Ok(Some(Pattern::new(&text)))
        };
        let (function, file) = (pattern("function")?, pattern("file")?);
        let (module, label) = (pattern("module")?, pattern("label")?);
        let is_anywhere = source.boolean(table, "anywhere")?;
        if is_anywhere {
            words.push("anywhere".to_owned());
        }
        let is_of_frames = function.is_some() || file.is_some() || module.is_some();
        if is_anywhere && !is_of_frames {
            let span = table.get("anywhere").and_then(toml_edit::Item::span);
            return Err(source.wrong(span, "'anywhere' is of function, file or module, and none is there"));
        }
        let places = Places { text: words.join(", "), function, file, module, label, is_anywhere };
        Ok((!places.text.is_empty()).then_some(places))
    }

    /// Whether blocks of the stack `whole`, which are blamed on `blamed`, under `label` are meant.
    pub fn match_block(&self, whole: &[Arc<Frame>], blamed: &Frame, label: Option<&str>) -> bool {
        let is_label = self.label.as_ref().is_none_or(|pattern| label.is_some_and(|it| pattern.matches(it)));
        is_label
            && match self.is_anywhere {
                true => whole.iter().any(|frame| self.match_frame(frame)),
                false => self.match_frame(blamed),
            }
    }

    fn match_frame(&self, frame: &Frame) -> bool {
        let of = |pattern: &Option<Pattern>, names: &[Option<&str>]| {
            let matches = |pattern: &Pattern| names.iter().flatten().any(|name| pattern.matches(name));
            pattern.as_ref().is_none_or(matches)
        };
        let function = frame.function.as_deref();
        let short = function.map(bare);
        let module = frame.module_path();
        let module_name = module.and_then(|path| path.rsplit('/').next());
        of(&self.function, &[function, short.as_deref()])
            && of(&self.file, &[Some(&frame.filename), Some(frame.file())])
            && of(&self.module, &[module, module_name])
    }
}
