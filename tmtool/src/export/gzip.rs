//! Compresses what is written, in a thread beside: that takes as long as finding what to write.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, scope};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How much is compressed at once.
const BLOCK_BYTES: usize = 1 << 18;
/// How many blocks wait for it at most.
const WAITING_MAX: usize = 2;

/// Writes to `out` what `write` writes, gzipped.
///
/// # Errors
/// Those of `write`, and those of `out`.
pub fn gzipped<E: From<io::Error>>(
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    scope(|scope| {
        let mut gzip = Gzip { block: Vec::with_capacity(BLOCK_BYTES), encoder: Encoder::new(scope), out };
        write(&mut gzip)?;
        Ok(gzip.finish()?)
    })
}

/// What is being compressed.
struct Gzip<'a> {
    /// What is not given to the encoder yet.
    block: Vec<u8>,
    encoder: Encoder,
    out: &'a mut dyn Write,
}

enum Encoder {
    /// In a thread, which gets blocks and gives back what they become.
    Beside { blocks: SyncSender<Vec<u8>>, compressed: Receiver<Vec<u8>> },
    /// Here: no thread can be made.
    Here(Box<GzEncoder<Vec<u8>>>),
}

impl Encoder {
    fn new<'scope>(scope: &'scope Scope<'scope, '_>) -> Encoder {
        let (blocks, next) = sync_channel::<Vec<u8>>(WAITING_MAX);
        // Nothing waits for who takes what is compressed, who may be waiting for a place in the other channel.
        let (give, compressed) = std::sync::mpsc::channel();
        let run = move || {
            let mut encoder = encoder();
            while let Ok(block) = next.recv() {
                if encoder.write_all(&block).is_err() || give.send(taken(&mut encoder)).is_err() {
                    return;
                }
            }
            // Whoever does not ask for the end has failed.
            let _ = encoder.finish().map(|rest| give.send(rest));
        };
        match Builder::new().spawn_scoped(scope, run) {
            Ok(_) => Encoder::Beside { blocks, compressed },
            Err(_) => Encoder::Here(Box::new(encoder())),
        }
    }
}

/// There is much of it, and it takes little room in any case.
fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::new(), Compression::fast())
}

fn taken(encoder: &mut GzEncoder<Vec<u8>>) -> Vec<u8> {
    std::mem::take(encoder.get_mut())
}

impl Gzip<'_> {
    /// Hands the block on, and writes what is compressed by now.
    fn hand_on(&mut self) -> io::Result<()> {
        let Gzip { block, encoder, out } = self;
        match encoder {
            Encoder::Beside { blocks, compressed } => {
                let full = std::mem::replace(block, Vec::with_capacity(BLOCK_BYTES));
                blocks.send(full).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                compressed.try_iter().try_for_each(|bytes| out.write_all(&bytes))
            }
            Encoder::Here(encoder) => {
                encoder.write_all(block)?;
                block.clear();
                out.write_all(&taken(encoder))
            }
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.hand_on()?;
        let out = self.out;
        match self.encoder {
            Encoder::Beside { blocks, compressed } => {
                drop(blocks);
                compressed.iter().try_for_each(|bytes| out.write_all(&bytes))
            }
            Encoder::Here(encoder) => out.write_all(&encoder.finish()?),
        }
    }
}

impl Write for Gzip<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK_BYTES {
            self.hand_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for n_bytes in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 5 * BLOCK_BYTES + 7] {
            let bytes: Vec<u8> = (0..n_bytes).map(|place| (place / 3 % 251) as u8).collect();
            let mut out = Vec::new();
            gzipped(&mut out, |gzip| bytes.chunks(1000).try_for_each(|some| gzip.write_all(some))).unwrap();
            let mut found = Vec::new();
            GzDecoder::new(&out[..]).read_to_end(&mut found).unwrap();
            assert!(found == bytes, "{n_bytes} bytes");
        }
    }

    #[test]
    fn failures_are_told() {
        let fails = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::NotFound));
        assert!(gzipped(&mut Vec::new(), fails).is_err());
        let mut no_room = [0; 4];
        assert!(gzipped(&mut &mut no_room[..], |gzip| gzip.write_all(b"text")).is_err());
    }
}
