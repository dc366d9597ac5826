//! Jobs come and go; every tenth one's buffer is forgotten.

fn buffer(job: usize) -> Vec<u8> {
    vec![job as u8 | 1; 3000] // LEAK
}

fn main() {
    let mut total = 0;
    for job in 0..10_000 {
        let words: Vec<String> = (0..20).map(|word| format!("{job} {word}")).collect();
        let buffer = std::hint::black_box(buffer(job));
        total += words.len() + buffer.len();
        if job % 10 == 0 {
            std::mem::forget(buffer);
        }
    }
    println!("{total}");
}
