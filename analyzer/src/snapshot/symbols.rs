//! What names the stacks of a recording need, module by module, and where they come from.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tm_common::python::PythonFrame;
use tm_common::stack::FrameKind;

use super::Namer;
use super::addresses::{image, list_of, probe};
use crate::bundle::{BundleWriter, Names};
use crate::inspect::own_allocator;
use crate::model::Frame;
use crate::reader::{Recording, StackFrame, StackMarks};
use crate::symbolize::{Attempt, ModuleImage, SourceFiles};

/// A module with the names that stacks need of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSymbols {
    /// Its path when it was loaded, or a name that is no path for code that came from no file.
    pub path: String,
    /// Its build-id, empty if it had none.
    pub build_id: Vec<u8>,
    /// Whether it is no module, but the list of what code a process made at run time.
    pub is_generated: bool,
    /// How many of its addresses are in stacks.
    pub addresses: u64,
    /// How many of these have the function.
    pub functions: u64,
    /// How many of these have the source line.
    pub lines: u64,
    /// Where names were looked for, in that order.
    pub attempts: Vec<Attempt>,
}

impl ModuleSymbols {
    /// Whether it came from a file, which so could have names.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.path.contains('/') && !self.is_generated
    }

    /// Whether a stack leads to code of it whose function has no name, though it came from a file.
    #[must_use]
    pub fn lacks_functions(&self) -> bool {
        self.is_file() && self.functions < self.addresses
    }
}

/// The names of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// Its modules, each file once, and lists of code that was made at run time; those of which stacks have most addresses first.
    pub modules: Vec<ModuleSymbols>,
    /// Addresses in stacks that are in no module, nor in a list: code that was made at run time.
    pub anonymous_addresses: u64,
    /// What keeps names from being found, a sentence each.
    pub problems: Vec<String>,
}

impl Namer {
    /// Looks up all addresses of the stacks of `recording`, and says what was found of each module.
    pub fn symbols(&mut self, recording: &Recording) -> Symbols {
        self.prepare_frames(recording, all_frames(recording));
        let mut symbols = Symbols::default();
        let mut places: FxHashMap<(String, Vec<u8>, u64), usize> = FxHashMap::default();
        let (mut place_of, mut images) = (FxHashMap::default(), Vec::new());
        for module in recording.modules.all() {
            let image = image(recording, module);
            let key = (image.path.clone(), image.build_id.clone(), image.end.wrapping_sub(image.start));
            let place = *places.entry(key).or_insert_with(|| {
                symbols.modules.push(none_of(&image));
                images.push(image);
                images.len() - 1
            });
            place_of.insert((module.process, module.epoch, module.start), place);
        }
        let (mut seen, mut lists) = (FxHashSet::default(), FxHashMap::default());
        for frame in all_frames(recording) {
            let (exact, probe) = probe(&frame);
            let Some(module) = recording.module_at(frame.epoch, probe) else {
                let process = recording.process_of_epoch(frame.epoch);
                let place = *lists.entry(process).or_insert_with(|| {
                    let known = process.and_then(|process| recording.process(process));
                    let image = known.map(|known| list_of(recording, known)).unwrap_or_default();
                    symbols.modules.push(none_of(&image));
                    images.push(image);
                    images.len() - 1
                });
                if seen.insert((place, frame.pc, exact)) {
                    let is_listed = self.addresses.listed(recording, &frame).is_some();
                    symbols.anonymous_addresses += u64::from(!is_listed);
                    let list = symbols.modules.get_mut(place).into_iter();
                    list.for_each(|list| {
                        list.addresses += 1;
                        list.functions += u64::from(is_listed);
                    });
                }
                continue;
            };
            let place = place_of.get(&(module.process, module.epoch, module.start)).copied();
            let Some(found) = place.and_then(|place| symbols.modules.get_mut(place)) else { continue };
            if !seen.insert((place.unwrap_or_default(), probe.wrapping_sub(module.bias), exact)) {
                continue;
            }
            let frames = self.frames_of(recording, frame);
            found.addresses += 1;
            found.functions += u64::from(frames.last().is_some_and(|frame| frame.function.is_some()));
            found.lines += u64::from(frames.first().is_some_and(|frame| frame.lineno > 0));
        }
        for (module, image) in symbols.modules.iter_mut().zip(&images) {
            module.attempts = self.addresses.attempts(image);
        }
        symbols.modules.sort_by(|a, b| b.addresses.cmp(&a.addresses).then_with(|| a.path.cmp(&b.path)));
        symbols.problems = self.addresses.problems();
        symbols
    }
}

impl Namer {
    /// The names of all addresses of the stacks of `recording`, as a file carries them; with the lines of `source` that their frames, and
    /// those of Python, are on.
    pub fn bundle(&mut self, recording: &Recording, source: Option<&mut SourceFiles>) -> Names {
        self.prepare_frames(recording, all_frames(recording));
        // Code that was made at run time is not looked up in advance.
        for frame in all_frames(recording) {
            self.frames_of(recording, frame);
        }
        let mut writer = BundleWriter::default();
        self.addresses.write_to(&mut writer);
        if let Some(source) = source {
            let frames = self.all_lines(recording);
            writer.source(&source.around(frames.iter().map(|frame| (&*frame.filename, frame.lineno))));
        }
        for (path, build_id, names) in own_allocator::of_files(recording) {
            writer.allocators(path, build_id, &names);
        }
        writer.finish()
    }
}

impl Namer {
    /// The frames of all nodes of all stacks, of Python too.
    fn all_lines(&mut self, recording: &Recording) -> Vec<Arc<Frame>> {
        let mut frames: Vec<Arc<Frame>> = Vec::new();
        for node in StackMarks::default().unknown(&recording.stacks) {
            if let Some(native) = StackFrame::of_native(node) {
                frames.extend_from_slice(&self.frames_of(recording, native));
            } else if node.kind == FrameKind::Python {
                frames.push(self.python_frame(recording, PythonFrame::decode(node.pc)));
            }
        }
        frames
    }
}

/// All native frames of all stacks.
fn all_frames(recording: &Recording) -> impl Iterator<Item = StackFrame> {
    let all = StackMarks::default().unknown(&recording.stacks).collect::<Vec<_>>();
    all.into_iter().filter_map(StackFrame::of_native)
}

fn none_of(image: &ModuleImage) -> ModuleSymbols {
    ModuleSymbols {
        path: image.path.clone(),
        build_id: image.build_id.clone(),
        is_generated: image.generated_by.is_some(),
        addresses: 0,
        functions: 0,
        lines: 0,
        attempts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use tm_common::ids::StackId;

    use super::*;
    use crate::symbolize::{Outcome, Source};
    use tm_testing::RecordingBuilder;

    #[test]
    fn each_module_has_its_addresses_once_and_the_places_where_was_looked() {
        let mut builder = RecordingBuilder::with_process();
        builder.module(0, 0, (0x1000, 0x9000), "/nowhere/program");
        builder.module(0, 0, (0x10_0000, 0x20_0000), "/nowhere/unused.so");
        let main = builder.node(StackId::NONE, 0x1234);
        let inner = builder.node(main, 0x1300);
        builder.node(inner, 0x1234);
        builder.node(inner, 0xf_0000);
        let recording = Recording::open(builder.file().path()).expect("it is valid");
        let symbols = Namer::new().symbols(&recording);
        let [program, list, unused] = &symbols.modules[..] else { panic!("{symbols:?}") };
        assert!(list.is_generated && list.path.starts_with("/tmp/perf-") && list.addresses == 1, "{list:?}");
        assert_eq!((&*program.path, program.addresses, program.functions), ("/nowhere/program", 2, 0));
        assert_eq!((&*unused.path, unused.addresses), ("/nowhere/unused.so", 0));
        assert_eq!(symbols.anonymous_addresses, 1);
        let looked = |module: &ModuleSymbols| {
            let attempts = module.attempts.iter().filter(|attempt| attempt.outcome == Outcome::Missing);
            attempts.map(|attempt| attempt.source).collect::<Vec<_>>()
        };
        assert_eq!(looked(program), [Source::File, Source::BuildId]);
        assert_eq!(looked(unused), [Source::File, Source::BuildId]);
        assert_eq!(symbols.problems.len(), 1, "{symbols:?}");
    }
}
