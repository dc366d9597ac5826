//! The stacks to report: `--focus` and `--ignore`.

use tm_analyzer::model::{FramePatterns, StackPatterns};

/// The stacks whose blocks are asked for, by the names of their frames.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct StackArgs {
    /// Blocks with a frame in their stack whose function, file or library matches this regular expression: it need not match the
    /// whole name. May be given several times: any of them matches.
    ///
    /// All frames count that --frames shows, also those that are passed over for blame.
    #[arg(long, value_name = "RE", value_parser = pattern)]
    focus: Vec<FramePatterns>,
    /// No blocks with such a frame in their stack. May be given several times.
    #[arg(long, value_name = "RE", value_parser = pattern)]
    ignore: Vec<FramePatterns>,
}

impl StackArgs {
    /// What is asked for.
    pub fn patterns(&self) -> StackPatterns {
        StackPatterns { focus: any_of(&self.focus), ignore: any_of(&self.ignore) }
    }

    /// The options as they were given, for a sentence; `None` without any.
    pub fn words(&self) -> Option<String> {
        let words = [words("--focus", &self.focus), words("--ignore", &self.ignore)];
        let words: Vec<String> = words.into_iter().filter(|text| !text.is_empty()).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// What was hidden, as a sentence.
pub(super) fn hidden(patterns: &FramePatterns) -> Option<String> {
    let words = words("--hide", std::slice::from_ref(patterns));
    (!words.is_empty()).then(|| format!("Frames are hidden with {words}."))
}

/// The value of an option; clap says of which.
pub(super) fn pattern(text: &str) -> std::result::Result<FramePatterns, String> {
    text.parse().map_err(|error| match error {
        tm_analyzer::error::Error::NotAnExpression { reason, .. } => reason,
        other => other.to_string(),
    })
}

/// What matches if one of `patterns` does.
pub(super) fn any_of(patterns: &[FramePatterns]) -> FramePatterns {
    patterns.iter().cloned().fold(FramePatterns::default(), FramePatterns::or)
}

/// `option` with each of its values.
pub(super) fn words(option: &str, patterns: &[FramePatterns]) -> String {
    let texts = patterns.iter().flat_map(FramePatterns::texts);
    texts.map(|text| format!("{option} {text}")).collect::<Vec<_>>().join(" ")
}
