//! Stack nodes by columns: how far the parent is from the node itself, byte by byte, then epochs and kinds, then addresses.
//! A stack's new nodes stand beside their parents, so the distances are mostly alike and small.

use super::Damaged;

/// Four bytes of the distance to the parent, the epoch and kind, the address; and what is behind the last whole node.
pub(super) const N_COLUMNS: usize = 7;

const NODE_BYTES: usize = 16;
/// The first place of a segment that is not its header's.
const PLACE_MIN: u32 = 4;

/// The number of the node at a place of the stack segment with number `segment`, without regard to whether it can be one.
fn number_of(segment: u32, place: usize) -> u32 {
    (segment << 12).wrapping_add(PLACE_MIN).wrapping_add(place as u32)
}

/// Appends `nodes`, the content of the stack segment with number `segment`, to the columns.
///
/// # Errors
/// There are not as many columns.
pub(super) fn split(segment: u32, nodes: &[u8], columns: &mut [Vec<u8>]) -> Result<(), Damaged> {
    let [p0, p1, p2, p3, epochs, addresses, rest] = columns else { return Err(Damaged) };
    let (whole, behind) = nodes.as_chunks::<NODE_BYTES>();
    for (place, &[a, b, c, d, e0, e1, e2, e3, ref address @ ..]) in whole.iter().enumerate() {
        let parent = u32::from_le_bytes([a, b, c, d]);
        let [a, b, c, d] = number_of(segment, place).wrapping_sub(parent).to_le_bytes();
        p0.push(a);
        p1.push(b);
        p2.push(c);
        p3.push(d);
        epochs.extend_from_slice(&[e0, e1, e2, e3]);
        addresses.extend_from_slice(address);
    }
    rest.extend_from_slice(behind);
    Ok(())
}

/// Appends the content of the segment, `len` bytes, to `nodes`, and moves the columns behind what was taken.
///
/// # Errors
/// They hold less.
pub(super) fn join(
    segment: u32,
    columns: &mut [&[u8]],
    len: usize,
    nodes: &mut Vec<u8>,
) -> Result<(), Damaged> {
    let [p0, p1, p2, p3, epochs, addresses, rest] = columns else { return Err(Damaged) };
    for place in 0..len / NODE_BYTES {
        let distance = [take(p0, 1)?, take(p1, 1)?, take(p2, 1)?, take(p3, 1)?];
        let distance = u32::from_le_bytes(distance.map(|byte| byte.first().copied().unwrap_or(0)));
        nodes.extend_from_slice(&number_of(segment, place).wrapping_sub(distance).to_le_bytes());
        nodes.extend_from_slice(take(epochs, 4)?);
        nodes.extend_from_slice(take(addresses, 8)?);
    }
    nodes.extend_from_slice(take(rest, len % NODE_BYTES)?);
    Ok(())
}

fn take<'a>(column: &mut &'a [u8], n: usize) -> Result<&'a [u8], Damaged> {
    let (taken, rest) = column.split_at_checked(n).ok_or(Damaged)?;
    *column = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use tm_testing::Random;

    use super::*;

    #[test]
    fn any_segments_come_back() {
        let mut random = Random::new(3);
        let segments: Vec<(u32, Vec<u8>)> = (0..30)
            .map(|number| {
                let len = random.below(5_000);
                (number * 77_777, (0..len).map(|_| random.below(256) as u8).collect())
            })
            .collect();
        let mut columns = vec![Vec::new(); N_COLUMNS];
        for (number, nodes) in &segments {
            split(*number, nodes, &mut columns).expect("there are as many as needed");
        }
        let mut slices: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        for (number, nodes) in &segments {
            let mut joined = Vec::new();
            join(*number, &mut slices, nodes.len(), &mut joined).expect("they are there");
            assert!(joined == *nodes);
        }
        let mut joined = Vec::new();
        assert_eq!(join(0, &mut slices, 16, &mut joined), Err(Damaged));
    }
}
