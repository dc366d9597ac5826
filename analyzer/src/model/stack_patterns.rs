//! Stacks by the names of their frames: pprof's focus and ignore.

use std::sync::Arc;

use super::{Frame, FramePatterns};

/// What a stack must have and must not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackPatterns {
    /// One of its frames must match, if there are any patterns.
    pub focus: FramePatterns,
    /// None of its frames may match.
    pub ignore: FramePatterns,
}

impl StackPatterns {
    /// Whether every stack is as it must be.
    pub fn is_empty(&self) -> bool {
        self.focus.is_empty() && self.ignore.is_empty()
    }

    /// Whether the stack with these frames is as it must be. One without frames has `<unknown>`.
    pub fn admit(&self, frames: &[Arc<Frame>]) -> bool {
        let unknown = [Arc::new(Frame::unknown())];
        let frames = if frames.is_empty() { &unknown } else { frames };
        let any = |patterns: &FramePatterns| frames.iter().any(|frame| patterns.matches(frame));
        (self.focus.is_empty() || any(&self.focus)) && !any(&self.ignore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn focus_needs_a_frame_and_ignore_forbids_any() {
        let stack = |files: &[&str]| -> Vec<Arc<Frame>> {
            files.iter().map(|&file| Arc::new(Frame::new(file, 1))).collect()
        };
        let patterns = |focus: &str, ignore: &str| {
            let of =
                |text: &str| if text.is_empty() { FramePatterns::default() } else { text.parse().unwrap() };
            StackPatterns { focus: of(focus), ignore: of(ignore) }
        };
        for (focus, ignore, frames, expected) in [
            ("", "", &["a"][..], true),
            ("b", "", &["a", "b"], true),
            ("b", "", &["a"], false),
            ("", "b", &["a", "b"], false),
            ("a", "b", &["a", "b"], false),
            ("a", "b", &["a", "c"], true),
            ("^<unknown>$", "", &[], true),
            ("", "unknown", &[], false),
        ] {
            assert_eq!(
                patterns(focus, ignore).admit(&stack(frames)),
                expected,
                "{focus} {ignore} {frames:?}"
            );
        }
    }
}
