//! A disk's ends → the first byte there that is not zero.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::surface::{WHOLE_ENDS, is_zero};
use super::{Ends, marker, probe};

/// What the edges say of the ends; a marker is passed over.
pub(super) fn of_edges(head: &[u8], tail: &[u8], size: u64, marker: bool) -> Ends {
    let (offset, length) = (marker::OFFSET as usize, marker::SIZE);
    let first = if marker {
        let after = offset + length;
        first_nonzero(head.get(..offset).unwrap_or_default()).or_else(|| {
            first_nonzero(head.get(after..).unwrap_or_default()).map(|place| after + place)
        })
    } else {
        first_nonzero(head)
    };
    let in_tail = || first_nonzero(tail).map(|place| size - tail.len() as u64 + place as u64);
    let first = first.map(|place| place as u64).or_else(in_tail);
    // On a disk that is smaller than both edges, the tail has the marker once more.
    let is_marker = |place: &u64| marker && (offset..offset + length).contains(&(*place as usize));
    Ends { bytes: head.len() as u64, first_nonzero: first.filter(|place| !is_marker(place)) }
}

fn first_nonzero(bytes: &[u8]) -> Option<usize> {
    if is_zero(bytes) { None } else { bytes.iter().position(|byte| *byte != 0) }
}

/// Reads what the edges leave of both ends, which are known to be zeros.
pub(super) fn read_rest(file: &File, size: u64) -> io::Result<Ends> {
    let bytes = WHOLE_ENDS.min(size);
    let at_start = probe::EDGE.min(size)..bytes;
    let at_end = (size - bytes).max(bytes)..size.saturating_sub(probe::EDGE);
    let first_nonzero = match scan(file, at_start)? {
        None => scan(file, at_end)?,
        found => found,
    };
    Ok(Ends { bytes, first_nonzero })
}

/// The offset of the first byte in `range` that is not zero.
fn scan(file: &File, range: Range<u64>) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; 1 << 20];
    let mut offset = range.start;
    while offset < range.end {
        let length = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..length], offset)?;
        if let Some(place) = first_nonzero(&buffer[..length]) {
            return Ok(Some(offset + place as u64));
        }
        offset += length as u64;
    }
    Ok(None)
}
