//! The tables of a thread: stacks, frames, functions and texts, each once.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::export::frames::{UNKNOWN, function, source_file};
use crate::tree::{AddressFrames, Tree};
use tm_analyzer::model::Frame;

/// The tables of a thread.
#[derive(Default)]
pub struct Tables {
    names: FrameTables,
    stacks: Tree,
    addresses: AddressFrames,
}

/// Frames, functions and texts, by number.
#[derive(Default)]
struct FrameTables {
    texts: Vec<String>,
    of_text: FxHashMap<String, u32>,
    /// Names and files.
    functions: Vec<[u32; 2]>,
    of_function: FxHashMap<[u32; 2], u32>,
    /// Functions and lines.
    frames: Vec<(u32, u32)>,
    of_frame: FxHashMap<(u32, u32), u32>,
    /// The numbers of frames by their place: they are shared, and stay as long as they are here.
    of_shared: FxHashMap<usize, (Arc<Frame>, u32)>,
}

/// The number of `key` in `list`, where it is put if it is new.
fn number<K: Clone + Eq + std::hash::Hash>(list: &mut Vec<K>, known: &mut FxHashMap<K, u32>, key: K) -> u32 {
    *known.entry(key).or_insert_with_key(|key| {
        list.push(key.clone());
        (list.len() - 1) as u32
    })
}

impl Tables {
    /// The node of the functions of an address, the innermost first, called from the node `caller`.
    pub fn called(&mut self, caller: u32, address: Option<u32>, functions: &[Arc<Frame>]) -> u32 {
        let Tables { names, stacks, addresses } = self;
        addresses.called(stacks, caller, (address, functions), |functions| {
            functions.iter().rev().map(|frame| names.frame(frame)).collect()
        })
    }

    /// The number of the stack that ends at a node.
    pub fn stack(&mut self, node: u32) -> u32 {
        let has_frames = node != Tree::ROOT;
        let node = if has_frames { node } else { self.called(node, None, &[Arc::new(Frame::unknown())]) };
        // The root has no number here.
        node - 1
    }

    /// All of them.
    pub fn json(self) -> TablesJson {
        let Tables { names: FrameTables { texts, functions, frames, .. }, stacks, .. } = self;
        let (n_frames, n_functions) = (frames.len(), functions.len());
        let nodes = stacks.nodes().get(1..).unwrap_or_default();
        TablesJson {
            frame_table: FrameTable {
                length: n_frames,
                address: vec![-1; n_frames],
                inline_depth: vec![0; n_frames],
                category: vec![0; n_frames],
                subcategory: vec![0; n_frames],
                func: frames.iter().map(|frame| frame.0).collect(),
                native_symbol: vec![(); n_frames],
                inner_window_id: vec![0; n_frames],
                line: frames.iter().map(|&(_, line)| (line > 0).then_some(line)).collect(),
                column: vec![(); n_frames],
            },
            func_table: FuncTable {
                length: n_functions,
                name: functions.iter().map(|names| names[0]).collect(),
                is_js: vec![false; n_functions],
                relevant_for_js: vec![false; n_functions],
                resource: vec![-1; n_functions],
                file_name: functions.iter().map(|names| names[1]).collect(),
                line_number: vec![(); n_functions],
                column_number: vec![(); n_functions],
            },
            stack_table: StackTable {
                length: nodes.len(),
                prefix: nodes.iter().map(|node| node.0.checked_sub(1)).collect(),
                frame: nodes.iter().map(|node| node.1).collect(),
            },
            string_array: texts,
        }
    }
}

impl FrameTables {
    /// The number of a frame.
    fn frame(&mut self, frame: &Arc<Frame>) -> u32 {
        let key = Arc::as_ptr(frame).addr();
        if let Some((_, known)) = self.of_shared.get(&key) {
            return *known;
        }
        let is_unknown = **frame == Frame::unknown();
        let name = if is_unknown { UNKNOWN.to_owned() } else { function(frame) };
        let names = [name, source_file(frame)].map(|text| number(&mut self.texts, &mut self.of_text, text));
        let function = number(&mut self.functions, &mut self.of_function, names);
        let place = number(&mut self.frames, &mut self.of_frame, (function, frame.lineno));
        if !is_unknown {
            self.of_shared.insert(key, (Arc::clone(frame), place));
        }
        place
    }
}

/// The tables as the format has them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TablesJson {
    frame_table: FrameTable,
    func_table: FuncTable,
    stack_table: StackTable,
    string_array: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FrameTable {
    length: usize,
    address: Vec<i32>,
    inline_depth: Vec<u32>,
    category: Vec<u32>,
    subcategory: Vec<u32>,
    func: Vec<u32>,
    native_symbol: Vec<()>,
    #[serde(rename = "innerWindowID")]
    inner_window_id: Vec<u32>,
    line: Vec<Option<u32>>,
    column: Vec<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FuncTable {
    length: usize,
    name: Vec<u32>,
    #[serde(rename = "isJS")]
    is_js: Vec<bool>,
    #[serde(rename = "relevantForJS")]
    relevant_for_js: Vec<bool>,
    resource: Vec<i32>,
    file_name: Vec<u32>,
    line_number: Vec<()>,
    column_number: Vec<()>,
}

#[derive(Serialize)]
struct StackTable {
    length: usize,
    prefix: Vec<Option<u32>>,
    frame: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::export::testing::frame;

    #[test]
    fn stacks_share_their_callers_and_lines_are_the_frames() {
        let mut tables = Tables::default();
        let mut stack = |line| {
            // The function is inlined.
            let node = tables.called(
                Tree::ROOT,
                None,
                &[frame("f\n", "a.c", line), frame("main", "a.c", 1)].map(Arc::new),
            );
            tables.stack(node)
        };
        assert_eq!([stack(2), stack(3), stack(2)], [1, 2, 1]);
        let json = serde_json::to_value(tables.json()).unwrap();
        assert_eq!(json["stackTable"], json!({"length": 3, "prefix": [null, 0, 0], "frame": [0, 1, 2]}));
        assert_eq!(json["frameTable"]["line"], json!([1, 2, 3]));
        assert_eq!(json["frameTable"]["func"], json!([0, 1, 1]));
        assert_eq!(json["stringArray"], json!(["main", "a.c", "f\\n"]));
    }
}
