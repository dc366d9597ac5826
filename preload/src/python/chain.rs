//! The Python frames of a thread: read from the interpreter's memory, and how much of the last chain of them still stands.
//!
//! A frame is read with a few loads. Where the live frames come to one at the address of a cached frame, those outward of it
//! are expected at the addresses that the cache has, and are compared, all of them: a frame that is the same says nothing about
//! its callers. What differs is entered anew, from the outermost inward.
//!
//! ```text
//!  cached   0 outermost ............ join ............ innermost of the last chain
//!  now      0 outermost ............ join | read anew, innermost first, then put here
//!           \__ compared, outward _____/
//! ```
//!
//! The evaluation function's own marks are frames here like the others, so that they are compared too; they have no nodes.

use tm_common::ids::{CodeIndex, StackId};
use tm_common::stack::{EndReason, FrameKind};

use super::cached_frames::{Cached, CachedFrames, Compared, Ended};
use super::frame::{Nodes, enter, previous, read};
use super::layout::FrameShape;
use super::objects::is_plausible;

/// What the live frames are beside the cached ones.
#[derive(Debug)]
pub enum Found {
    /// The same; the node is that of the innermost.
    Same(StackId),
    /// At the same addresses up to the second place, and changed from the first one on.
    Renewed(usize, usize),
    /// Those that were read, inward of this number of the outer ones.
    Read(usize),
    /// Those that were read, and then one that cannot be.
    Ended,
}

/// A thread's last chain. All zeros is an empty one.
#[derive(Debug)]
pub struct Chain {
    frames: CachedFrames,
    /// How many of the outer cached frames are cut: they have no nodes.
    n_cut: usize,
    /// What [`super::codes::Codes::generation`] was.
    generation: u32,
    /// The address of the interpreter that has been seen to run in the thread; see [`super::interpreter::States::InLateLibrary`].
    pub at_home: usize,
}

impl Chain {
    /// Empties the cache.
    pub fn clear(&mut self) {
        (self.frames.len, self.n_cut) = (0, 0);
    }

    /// Reads the chain whose innermost frame is at `innermost`, of frames that are cut beyond `limit`, as far as it is not the last one.
    /// The rest is for [`Chain::enter`] to do.
    #[inline(always)]
    pub fn find<const SHAPE: usize>(&mut self, innermost: usize, generation: u32, limit: usize) -> Found {
        if self.generation != generation {
            // Another code object may be where one of the cached frames has its own.
            self.clear();
            self.generation = generation;
        }
        self.frames.n_read = 0;
        match self.read_to_cache::<SHAPE>(innermost, 2 * limit) {
            Ok(found) => found,
            Err(Ended) => Found::Ended,
        }
    }

    /// Enters what is new of the frames that were found. Returns the node of the innermost; [`StackId::NONE`] if there is none, or
    /// the file cannot grow.
    #[inline(never)]
    pub fn enter<const SHAPE: usize>(&mut self, found: Found, limit: usize, nodes: &impl Nodes) -> StackId {
        match found {
            Found::Same(node) => node,
            Found::Renewed(first, last) => self.renew::<SHAPE>(first, last, nodes),
            Found::Read(n_kept) => self.finish::<SHAPE>(n_kept, StackId::NONE, limit, nodes),
            Found::Ended => self.finish_ended::<SHAPE>(limit, nodes),
        }
    }

    /// Tells whether the cache, of which a node was just returned, is the chain from `innermost` on: `TM_SELF_CHECK`. A chain that is not
    /// kept is.
    #[cold]
    pub fn is_chain_of<const SHAPE: usize>(&self, innermost: usize) -> bool {
        let mut frame = innermost;
        for place in (0..self.frames.len).rev() {
            // SAFETY: as in `read_to_cache`.
            if !is_plausible(frame) || unsafe { read::<SHAPE>(frame) } != self.frames.cached(place).live {
                return false;
            }
            // SAFETY: as above.
            frame = unsafe { previous::<SHAPE>(frame) };
        }
        self.frames.len == 0 || frame == 0
    }

    /// Reads frames from `innermost` outward, as far as they are not as the cache has them. A chain of `depth_max` may have to be cut.
    #[inline(always)]
    fn read_to_cache<const SHAPE: usize>(
        &mut self,
        innermost: usize,
        depth_max: usize,
    ) -> Result<Found, Ended> {
        let (mut frame, mut end) = (innermost, self.frames.len);
        while frame != 0 {
            let Some(place) = self.frames.place_of(frame, end) else {
                if !is_plausible(frame) {
                    return Err(Ended);
                }
                // SAFETY: the thread's own frames, which nobody else changes, lead there.
                self.frames.push(unsafe { read::<SHAPE>(frame) })?;
                // SAFETY: as above.
                frame = unsafe { previous::<SHAPE>(frame) };
                continue;
            };
            match self.frames.compare::<SHAPE>(place) {
                Compared::Whole(n_kept)
                    if self.frames.n_read == 0 && self.n_cut == 0 && place + 1 < depth_max =>
                {
                    self.frames.len = place + 1;
                    let is_same = n_kept == self.frames.len;
                    let same = || Found::Same(self.frames.cached(place).node);
                    return Ok(if is_same { same() } else { Found::Renewed(n_kept, place) });
                }
                Compared::Whole(n_kept) => {
                    self.frames.read_again::<SHAPE>(n_kept, place)?;
                    return Ok(Found::Read(n_kept));
                }
                Compared::Diverged(outer, next) => {
                    self.frames.read_again::<SHAPE>(outer, place)?;
                    (frame, end) = (next, outer);
                }
            }
        }
        Ok(Found::Read(self.frames.keep_equal()))
    }

    /// Enters the frames from `first` to `last`, the innermost, which are at the addresses that the cache has.
    fn renew<const SHAPE: usize>(&mut self, first: usize, last: usize, nodes: &impl Nodes) -> StackId {
        for place in first..=last {
            // SAFETY: the live frames lead there, see `compare`.
            let live = unsafe { read::<SHAPE>(self.frames.cached(place).live.frame) };
            self.frames.put(place, live, true);
        }
        let outside = first.checked_sub(1).map_or(StackId::NONE, |outer| self.frames.cached(outer).node);
        self.enter_from::<SHAPE>(first, outside, nodes)
    }

    /// Puts the frames that were read behind the `n_kept` outer ones, and enters those whose nodes are not known. The outermost
    /// is under `root`.
    #[inline(never)]
    fn finish<const SHAPE: usize>(
        &mut self,
        n_kept: usize,
        root: StackId,
        limit: usize,
        nodes: &impl Nodes,
    ) -> StackId {
        for at in 0..self.frames.n_read {
            let live = self.frames.read_anew(self.frames.n_read - 1 - at);
            self.frames.put(n_kept + at, live, n_kept + at < self.frames.len);
        }
        self.frames.len = n_kept + self.frames.n_read;
        let cut =
            if self.frames.len < 2 * limit { Cut::NONE } else { self.cut(&FrameShape::ALL[SHAPE], limit) };
        // Nodes are chains from the cut: another cut makes other nodes.
        let first = if cut.n_cached == self.n_cut { n_kept.max(cut.n_cached) } else { cut.n_cached };
        self.n_cut = cut.n_cached;
        let outside = match first.checked_sub(1) {
            Some(outer) if first > cut.n_cached => self.frames.cached(outer).node,
            _ if cut.n_frames == 0 => root,
            _ => nodes.enter(root, cut.n_frames as u64, FrameKind::Cut),
        };
        self.enter_from::<SHAPE>(first, outside, nodes)
    }

    /// Enters the cached frames from `first` on, the outermost of them under `outside`. Returns the innermost one's node.
    #[inline(always)]
    fn enter_from<const SHAPE: usize>(
        &mut self,
        first: usize,
        outside: StackId,
        nodes: &impl Nodes,
    ) -> StackId {
        let shape = const { FrameShape::ALL[SHAPE] };
        let mut node = outside;
        let mut outer = first.checked_sub(1).map(|place| self.frames.cached(place).live.marks);
        for place in first..self.frames.len {
            let Cached { live, mut number, .. } = *self.frames.cached(place);
            if !shape.is_shim(live.marks) {
                if number.0 == 0 {
                    number = nodes.code(live.code).unwrap_or(CodeIndex(0));
                }
                node = enter(&shape, live, number, outer, node, nodes);
                if node == StackId::NONE {
                    // The file cannot grow. Frames without nodes must not be taken for entered ones.
                    self.clear();
                    return node;
                }
            }
            outer = Some(live.marks);
            self.frames.set(place, Cached { live, node, number });
        }
        node
    }

    /// Enters the frames of a chain that ends where the next one could not be read.
    #[cold]
    fn finish_ended<const SHAPE: usize>(&mut self, limit: usize, nodes: &impl Nodes) -> StackId {
        self.clear();
        let end = nodes.enter(StackId::NONE, EndReason::PythonFrame as u64, FrameKind::Incomplete);
        let node = if end == StackId::NONE { end } else { self.finish::<SHAPE>(0, end, limit, nodes) };
        // Its outermost frame is another one than that of a whole chain.
        self.clear();
        node
    }

    /// Returns where a chain is cut that may be too deep: as stacks are, it keeps between `limit` frames and twice that, and the cut is at a
    /// multiple of `limit` from the outer end.
    #[cold]
    fn cut(&self, shape: &FrameShape, limit: usize) -> Cut {
        let is_frame = |place: &usize| !shape.is_shim(self.frames.cached(*place).live.marks);
        let depth = (0..self.frames.len).filter(is_frame).count();
        if depth < 2 * limit {
            return Cut::NONE;
        }
        let n_frames = (depth / limit - 1) * limit;
        let last = (0..self.frames.len).filter(is_frame).nth(n_frames - 1).unwrap_or(0);
        Cut { n_cached: last + 1, n_frames }
    }
}

/// What is left out of a chain.
#[derive(Clone, Copy)]
struct Cut {
    /// Cached frames, with marks among them.
    n_cached: usize,
    /// Frames.
    n_frames: usize,
}

impl Cut {
    const NONE: Cut = Cut { n_cached: 0, n_frames: 0 };
}
