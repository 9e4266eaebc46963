//! A disk's size → the places that stand for its whole surface; a disk → what is read there.
//!
//! Two uses: [`sample`] looks for anything but zeros, as far as time allows, and [`surface_digest`]
//! takes a fingerprint of a freshly wiped disk, to tell later whether anything was written since.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::Advice;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::probe::EDGE;

/// Bytes at each end of a disk that are read whole before it counts as blank.
pub const WHOLE_ENDS: u64 = 64 << 20;

/// Bytes read at each place.
pub const BLOCK: usize = 4096;

/// Below this offset every boundary of [`STEP`] is a place: partitions begin at such boundaries.
const DENSE: u64 = 4 << 30;

/// Places begin at multiples of this.
const STEP: u64 = 1 << 20;

/// Places above [`DENSE`].
const SPARSE_PLACES: u64 = 4096;

/// With fewer places read, a surface is not known to be zeros, unless these are all there are.
pub const MINIMUM_PLACES: usize = 1024;

/// How long reading goes on if the disk is slow.
const SOFT_LIMIT: Duration = Duration::from_secs(2);

/// How long a slow disk may take for [`MINIMUM_PLACES`].
const HARD_LIMIT: Duration = Duration::from_secs(10);

/// Boundaries at the beginning that [`surface_digest`] covers, and places in the rest.
const DIGEST_DENSE: u64 = 64 << 20;
const DIGEST_PLACES: u64 = 1024;

/// What was read of the surface between a disk's ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surface {
    /// How many places there are.
    pub places: usize,
    /// How many of them were read.
    pub read: usize,
    /// How many of those held anything but zeros.
    pub nonzero: usize,
    /// Byte offset of the first of these on the disk.
    pub first_nonzero: Option<u64>,
}

impl Surface {
    /// Whether enough was read, and all of it was zeros.
    pub fn is_zero(&self) -> bool {
        self.nonzero == 0 && self.read >= self.places.min(MINIMUM_PLACES)
    }
}

/// The offsets of the places between the ends of a disk of `size` bytes.
///
/// However few of them are read, in this order, they are spread over the whole surface.
pub fn places(size: u64) -> Vec<u64> {
    let end = size.saturating_sub(WHOLE_ENDS);
    let dense_end = end.min(DENSE);
    let dense = (WHOLE_ENDS..dense_end).step_by(STEP as usize).collect::<Vec<_>>();
    let sparse = strata(dense_end, end, SPARSE_PLACES);
    let mut sparse = spread(&sparse).into_iter();
    let mut dense = spread(&dense).into_iter();
    let mut places = Vec::with_capacity(sparse.len() + dense.len());
    loop {
        match (dense.next(), sparse.next()) {
            (None, None) => return places,
            (one, other) => places.extend(one.into_iter().chain(other)),
        }
    }
}

/// One place in each of `count` equal parts of `from..to`, not at the same place in each part, so that
/// nothing that repeats itself at regular intervals is missed throughout.
fn strata(from: u64, to: u64, count: u64) -> Vec<u64> {
    let steps = to.saturating_sub(from) / STEP;
    let count = count.min(steps);
    let places: BTreeSet<_> = (0..count)
        .map(|part| {
            let edge =
                |part: u64| (u128::from(steps) * u128::from(part) / u128::from(count)) as u64;
            let (first, next) = (edge(part), edge(part + 1));
            // The multiplier is that of Knuth's multiplicative hash.
            let jitter = part.wrapping_mul(2_654_435_761) >> 7;
            from + (first + jitter % (next - first).max(1)) * STEP
        })
        .collect();
    places.into_iter().collect()
}

/// The same, in the order of their indices' reversed bits.
fn spread(places: &[u64]) -> Vec<u64> {
    let bits = usize::BITS - places.len().next_power_of_two().leading_zeros() - 1;
    if bits == 0 {
        return places.to_vec();
    }
    (0..places.len().next_power_of_two())
        .filter_map(|index| places.get(index.reverse_bits() >> (usize::BITS - bits)).copied())
        .collect()
}

/// Reads the places between the disk's ends, hands each that is not zeros to `found`.
///
/// # Errors
/// The disk can't be read.
pub fn sample(file: &File, size: u64, mut found: impl FnMut(u64)) -> std::io::Result<Surface> {
    // Otherwise the kernel reads more than is asked for; a disk may not know the advice.
    let _only_slower = rustix::fs::fadvise(file, 0, None, Advice::Random);
    let places = places(size);
    let mut surface = Surface { places: places.len(), ..Surface::default() };
    let started = Instant::now();
    let mut block = [0; BLOCK];
    for offset in places {
        let limit = if surface.read < MINIMUM_PLACES { HARD_LIMIT } else { SOFT_LIMIT };
        if started.elapsed() > limit {
            break;
        }
        file.read_exact_at(&mut block, offset)?;
        surface.read += 1;
        if !is_zero(&block) {
            surface.nonzero += 1;
            surface.first_nonzero = Some(surface.first_nonzero.map_or(offset, |o| o.min(offset)));
            found(offset);
        }
    }
    let _only_larger = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
    let _only_slower = rustix::fs::fadvise(file, 0, None, Advice::Normal);
    Ok(surface)
}

/// Whether all bytes are zeros.
pub fn is_zero(bytes: &[u8]) -> bool {
    const ZEROS: &[u8] = &[0; BLOCK];
    // A comparison of slices is one of memory, in a build without optimisation too.
    bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// SHA-256, in hexadecimal, of a disk's size, of [`EDGE`] bytes at either end, and of fixed places
/// between: 4 KiB at each MiB of the first 64 MiB and at 1024 places in the rest.
///
/// The first and the last MiB are not part of it: marker and partition tables lie there.
///
/// # Errors
/// The disk can't be read.
pub fn surface_digest(node: &Path, size_bytes: u64) -> Result<String> {
    let about = || format!("cannot read {}", node.display());
    let file = File::open(node).with_context(about)?;
    digest(&file, size_bytes).with_context(about)
}

/// [`surface_digest`] of an open disk.
pub fn digest(file: &File, size: u64) -> std::io::Result<String> {
    let end = size.saturating_sub(STEP);
    let dense_end = end.min(DIGEST_DENSE);
    let places =
        (STEP..dense_end).step_by(STEP as usize).chain(strata(dense_end, end, DIGEST_PLACES));
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut block = [0; BLOCK];
    for offset in places {
        file.read_exact_at(&mut block, offset)?;
        hash.update(block);
    }
    for (from, to) in [(STEP, EDGE), (size.saturating_sub(EDGE).max(STEP), end)] {
        let mut edge = vec![0; usize::try_from(to.min(size).saturating_sub(from)).unwrap_or(0)];
        file.read_exact_at(&mut edge, from)?;
        hash.update(&edge);
    }
    Ok(crate::format::hex(&hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn places_lie_between_the_ends_and_cover_everything_early() {
        let size = 1_000_204_886_016;
        let places = places(size);
        assert_eq!(places.len(), 4032 + 4096);
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), places.len());
        assert!(
            places.iter().all(|p| p % STEP == 0 && (WHOLE_ENDS..size - WHOLE_ENDS).contains(p))
        );
        let boundaries = (WHOLE_ENDS..DENSE).step_by(1 << 20);
        assert_eq!(places.iter().filter(|p| **p < DENSE).count(), boundaries.count());
        let mut early: Vec<_> = places[..MINIMUM_PLACES].to_vec();
        early.extend([WHOLE_ENDS, size - WHOLE_ENDS]);
        early.sort_unstable();
        let widest = early.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(widest < size / 200, "nothing is read in {widest} bytes");
    }

    #[test]
    fn disks_of_any_size_have_places() {
        for (size, expected) in
            [(0, 0), (512, 0), (128 << 20, 0), (129 << 20, 1), (512 << 20, 384), (8 << 30, 8064)]
        {
            assert_eq!(places(size).len(), expected, "{size}");
        }
        assert_eq!(places(u64::MAX).len(), 4032 + 4096);
    }

    #[test]
    fn the_digest_of_a_surface_sees_a_write_at_each_place_and_not_the_ends() {
        let size = 200 << 20;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(size).unwrap();
        let before = surface_digest(file.path(), size).unwrap();
        let mut write = |offset| {
            file.as_file().write_all_at(b"x", offset).unwrap();
            file.flush().unwrap();
            surface_digest(file.path(), size).unwrap()
        };
        for offset in [0, 512, super::super::marker::OFFSET, STEP - 1, size - STEP, size - 1] {
            assert_eq!(write(offset), before, "{offset}");
        }
        let mut seen = before;
        for offset in
            [STEP, EDGE - 1, size - EDGE, size - STEP - 1, 63 << 20, 100 << 20, size - 2 * STEP]
        {
            let now = write(offset);
            assert_ne!(now, seen, "{offset}");
            seen = now;
        }
    }

    #[test]
    fn what_is_not_zero_is_found_and_counted() {
        let size: u64 = 512 << 20;
        let file = tempfile::tempfile().unwrap();
        file.set_len(size).unwrap();
        assert!(sample(&file, size, |_| panic!("zeros")).unwrap().is_zero());
        for offset in [300_u64 << 20, 100 << 20] {
            file.write_all_at(b"x", offset + 4095).unwrap();
        }
        let mut found = BTreeSet::new();
        let surface = sample(&file, size, |offset| assert!(found.insert(offset))).unwrap();
        assert_eq!(found, [100 << 20, 300 << 20].into());
        let expected =
            Surface { places: 384, read: 384, nonzero: 2, first_nonzero: Some(100 << 20) };
        assert_eq!(surface, expected);
        assert!(!surface.is_zero());
    }

    #[test]
    fn a_surface_of_which_too_little_was_read_is_not_known_to_be_zeros() {
        let read = |places, read| Surface { places, read, ..Surface::default() }.is_zero();
        assert!(read(0, 0) && read(384, 384) && read(8128, MINIMUM_PLACES));
        assert!(!read(384, 383) && !read(8128, MINIMUM_PLACES - 1));
    }
}
