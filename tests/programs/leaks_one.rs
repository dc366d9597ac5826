//! Works through a list and gives all back; with an argument it forgets one block of 1,000 bytes.

#[inline(never)]
fn take_block() -> Box<[u8; 1000]> {
    Box::new([1; 1000]) // LEAK
}

fn main() {
    let words: Vec<String> = (0..100).map(|n| format!("word {n}")).collect();
    let block = take_block();
    assert_eq!(words.len() + usize::from(block[0]), 101);
    if std::env::args().count() > 1 {
        std::mem::forget(block);
    }
}
