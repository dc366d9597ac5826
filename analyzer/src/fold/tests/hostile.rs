//! Checkpoints that say anything: what is whole and makes no sense is refused, or read without a panic.

use super::*;

/// Numbers are changed into others; what comes of it is read as far as it goes.
#[test]
fn a_checkpoint_that_says_anything_never_panics() {
    let mut n_read = 0;
    for is_sampled in [false, true] {
        let file = Program::new(16, is_sampled).run(150);
        let whole = Recording::open(file.path()).expect("it is valid");
        let fold = fold(&whole, percent_of(&whole, 60)).expect("it can be folded");
        let known = Checkpoint::decode(&fold.bytes).expect("it was just made");
        let mut random = Random::new(u64::from(is_sampled));
        for _ in 0..20 {
            let mut checkpoint = known.clone();
            let rate = 1 + known.body.len() as u64 / (1 + random.below(6));
            checkpoint.body = changed(&known.body, rate, &mut random);
            if random.below(4) == 0 {
                let any = |random: &mut Random| [0, 1, u64::MAX - 1, u64::MAX][random.below(4) as usize];
                checkpoint.missing = (any(&mut random), any(&mut random));
                checkpoint.until = Stamp(any(&mut random));
                for stream in &mut checkpoint.streams {
                    (stream.sequence, stream.bytes) = (any(&mut random) as u32, any(&mut random) as u32);
                }
            }
            let bytes = checkpoint.encode(&BodyEnd::default()).expect("there is memory");
            let hostile = with_checkpoint(&file, &Fold { bytes, ..fold.clone() }, 1);
            n_read += u32::from(read(&hostile));
        }
    }
    assert!(n_read > 5, "{n_read} were read");
}

/// Whether what is asked of it has an answer, whatever that is.
fn read(file: &NamedTempFile) -> bool {
    let recording = Recording::open(file.path()).expect("the rest is valid");
    let is_known = Folded::of(&recording).is_ok();
    if is_known {
        for processes in [Processes::All, Processes::One(ProcessIndex(0))] {
            let run = run(&recording, processes, Stamp(u64::MAX), |_| (), |_, ()| ());
            if run.is_ok() {
                answers(&recording, processes, &Selection::default());
            }
        }
        if let Some(until) = moment(&recording, 0) {
            let _ = fold(&recording, until);
        }
    }
    is_known
}

/// The same body with another number in the place of about one in `rate`.
fn changed(body: &[u8], rate: u64, random: &mut Random) -> Vec<u8> {
    let (mut made, mut at) = (Vec::new(), 0);
    while let Some(&code) = body.get(at) {
        // What follows the first byte of a number, of a list's length, of a text.
        let len = match code {
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 | 0xdc => 2,
            0xce | 0xd2 | 0xca | 0xdd => 4,
            0xcf | 0xd3 | 0xcb => 8,
            0xa0..=0xbf => usize::from(code & 0x1f),
            0xd9 => 1 + usize::from(body[at + 1]),
            0..=0x9f | 0xc0 | 0xc2 | 0xc3 | 0xe0.. => 0,
            _ => panic!("{code:x} is not written"),
        };
        let is_number = matches!(code, 0..=0x7f | 0xcc..=0xcf);
        if is_number && random.below(rate) == 0 {
            let largest = [u64::MAX, i64::MAX as u64, u64::from(u32::MAX), random.below(1 << 40), 0];
            made.push(0xcf);
            made.extend(largest[random.below(5) as usize].to_le_bytes().iter().rev());
        } else {
            made.extend_from_slice(&body[at..=at + len]);
        }
        at += 1 + len;
    }
    made
}
