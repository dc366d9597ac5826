//! Compresses what is written, in a thread beside: that takes as long as finding what to write.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, scope};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// How it is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// What most tools read.
    Gzip,
    /// The same in a fourth of the time, and smaller.
    Zstd,
    /// Without what a file has around it, and as small as is worth the time: what a page unpacks.
    Deflate,
}

/// How much is compressed at once.
const BLOCK_BYTES: usize = 1 << 18;
/// How many blocks wait for it at most.
const WAITING_MAX: usize = 2;

/// Writes to `out` what `write` writes, compressed.
///
/// # Errors
/// Those of `write`, and those of `out`.
pub fn packed<E: From<io::Error>>(
    codec: Codec,
    out: &mut dyn Write,
    write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    scope(|scope| {
        let encoder = Encoder::new(codec, scope)?;
        let mut packed = Packed { block: Vec::with_capacity(BLOCK_BYTES), encoder, out };
        write(&mut packed)?;
        Ok(packed.finish()?)
    })
}

/// What is being compressed.
struct Packed<'a> {
    /// What is not given to the encoder yet.
    block: Vec<u8>,
    encoder: Encoder,
    out: &'a mut dyn Write,
}

enum Encoder {
    /// In a thread, which gets blocks and gives back what they become.
    Beside { blocks: SyncSender<Vec<u8>>, compressed: Receiver<Vec<u8>> },
    /// Here: no thread can be made.
    Here(Box<Packer>),
}

impl Encoder {
    fn new<'scope>(codec: Codec, scope: &'scope Scope<'scope, '_>) -> io::Result<Encoder> {
        let (blocks, next) = sync_channel::<Vec<u8>>(WAITING_MAX);
        // Nothing waits for who takes what is compressed, who may be waiting for a place in the other channel.
        let (give, compressed) = std::sync::mpsc::channel();
        let mut encoder = Packer::new(codec)?;
        let run = move || {
            while let Ok(block) = next.recv() {
                if encoder.write_all(&block).is_err() || give.send(encoder.taken()).is_err() {
                    return;
                }
            }
            // Whoever does not ask for the end has failed.
            let _ = encoder.finish().map(|rest| give.send(rest));
        };
        Ok(match Builder::new().spawn_scoped(scope, run) {
            Ok(_) => Encoder::Beside { blocks, compressed },
            Err(_) => Encoder::Here(Box::new(Packer::new(codec)?)),
        })
    }
}

/// The level of data that a page carries, most of which is columns of numbers: a file 3 % larger than that of level 6, for a
/// fourth of the search.
const DEFLATE_LEVEL: u32 = 4;

/// What compresses.
enum Packer {
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Deflate(DeflateEncoder<Vec<u8>>),
}

impl Packer {
    /// There is much of a file of gzip or zstd, and it takes little room in any case: the fastest way is good enough.
    fn new(codec: Codec) -> io::Result<Packer> {
        Ok(match codec {
            Codec::Gzip => Packer::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Codec::Zstd => Packer::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Codec::Deflate => {
                Packer::Deflate(DeflateEncoder::new(Vec::new(), Compression::new(DEFLATE_LEVEL)))
            }
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Packer::Gzip(encoder) => encoder.write_all(bytes),
            Packer::Zstd(encoder) => encoder.write_all(bytes),
            Packer::Deflate(encoder) => encoder.write_all(bytes),
        }
    }

    /// What is compressed by now.
    fn taken(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Packer::Gzip(encoder) => encoder.get_mut(),
            Packer::Zstd(encoder) => encoder.get_mut(),
            Packer::Deflate(encoder) => encoder.get_mut(),
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
            Packer::Deflate(encoder) => encoder.finish(),
        }
    }
}

impl Packed<'_> {
    /// Hands the block on, and writes what is compressed by now.
    fn hand_on(&mut self) -> io::Result<()> {
        let Packed { block, encoder, out } = self;
        match encoder {
            Encoder::Beside { blocks, compressed } => {
                let full = std::mem::replace(block, Vec::with_capacity(BLOCK_BYTES));
                blocks.send(full).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                compressed.try_iter().try_for_each(|bytes| out.write_all(&bytes))
            }
            Encoder::Here(encoder) => {
                encoder.write_all(block)?;
                block.clear();
                out.write_all(&encoder.taken())
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

impl Write for Packed<'_> {
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

    use flate2::read::{DeflateDecoder, GzDecoder};

    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for n_bytes in [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 5 * BLOCK_BYTES + 7] {
            let bytes: Vec<u8> = (0..n_bytes).map(|place| (place / 3 % 251) as u8).collect();
            for codec in [Codec::Gzip, Codec::Zstd, Codec::Deflate] {
                let mut out = Vec::new();
                packed(codec, &mut out, |to| bytes.chunks(1000).try_for_each(|some| to.write_all(some)))
                    .unwrap();
                let mut found = Vec::new();
                match codec {
                    Codec::Gzip => GzDecoder::new(&out[..]).read_to_end(&mut found).unwrap(),
                    Codec::Deflate => DeflateDecoder::new(&out[..]).read_to_end(&mut found).unwrap(),
                    Codec::Zstd => zstd::Decoder::new(&out[..]).unwrap().read_to_end(&mut found).unwrap(),
                };
                assert!(found == bytes, "{n_bytes} bytes, {codec:?}");
            }
        }
    }

    #[test]
    fn failures_are_told() {
        let fails = |_: &mut dyn Write| Err(io::Error::from(io::ErrorKind::NotFound));
        assert!(packed(Codec::Gzip, &mut Vec::new(), fails).is_err());
        let mut no_room = [0; 4];
        assert!(packed(Codec::Zstd, &mut &mut no_room[..], |to| to.write_all(b"text")).is_err());
    }
}
