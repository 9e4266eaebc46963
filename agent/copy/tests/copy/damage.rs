//! A damaged medium is found out; a damaged store path is named.

use std::fs;
use std::os::unix::fs::{FileExt, symlink};

use crate::desk::{Desk, noise};

fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.add('a', |place| {
        fs::create_dir_all(place.join("lib/deep")).unwrap();
        for number in 0..40_u64 {
            let text = format!("text {number}\n").repeat(200);
            fs::write(place.join(format!("lib/{number}")), text).unwrap();
            fs::write(place.join(format!("lib/deep/{number}")), noise(number, 700)).unwrap();
        }
        symlink("lib", place.join("link")).unwrap();
    });
    desk.add('b', |place| fs::write(place, noise(99, 300_000)).unwrap());
    // Not in the closure: what is flipped in here need not be noticed.
    fs::write(desk.store().join("stray"), noise(100, 60_000)).unwrap();
    desk
}

/// Either the copy fails, or what it has left is right all the same: then nothing of the closure was
/// hit.
#[test]
fn every_flipped_bit_is_found_or_is_outside_the_closure() {
    let desk = desk();
    for options in [&["-comp", "zstd"][..], &["-comp", "zstd", "-noI", "-noD", "-noF"]] {
        if !desk.squash(options) {
            return;
        }
        let file = fs::File::options().read(true).write(true).open(desk.image()).unwrap();
        let length = file.metadata().unwrap().len();
        let mut found = 0;
        for chunk in noise(7, 200 * 8).chunks(8) {
            let number = u64::from_le_bytes(chunk.try_into().unwrap());
            let (place, bit) = (number / 8 % length, number % 8);
            let mut byte = [0];
            file.read_exact_at(&mut byte, place).unwrap();
            file.write_all_at(&[byte[0] ^ 1 << bit], place).unwrap();
            match desk.copy() {
                Ok(()) => desk.check(),
                Err(_) => found += 1,
            }
            file.write_all_at(&byte, place).unwrap();
            desk.clear();
        }
        assert!(found > 100, "{options:?}: {found} of 200 flips were found");
        desk.copy().unwrap();
        desk.clear();
    }
}

#[test]
fn damage_is_named_with_its_store_path() {
    let desk = desk();
    if !desk.squash_zstd() {
        return;
    }
    let (_, path) = desk.place('b');
    // The second path's noise is stored as it is.
    let mut bytes = fs::read(desk.image()).unwrap();
    let needle = &noise(99, 300_000)[1000..1032];
    let place = bytes.windows(32).position(|part| part == needle).unwrap();
    bytes[place] ^= 1;
    fs::write(desk.image(), bytes).unwrap();
    let error = format!("{:#}", desk.copy().unwrap_err());
    assert!(
        error.starts_with(&format!("cannot copy {path}: its NAR's hash is sha256:")),
        "{error}"
    );
}

#[test]
fn images_that_are_cut_off_are_refused() {
    let desk = desk();
    if !desk.squash_zstd() {
        return;
    }
    let length = fs::metadata(desk.image()).unwrap().len();
    let file = fs::File::options().write(true).open(desk.image()).unwrap();
    for left in [length - 4096, length / 2, 97, 96, 95, 10, 0] {
        file.set_len(left).unwrap();
        let error = format!("{:#}", desk.copy().unwrap_err());
        let image = desk.image();
        assert!(
            error.starts_with(&format!("cannot read the image {}", image.display())),
            "{error}"
        );
        assert!(!desk.root().join("nix").exists(), "nothing is written");
    }
}

#[test]
fn a_path_that_is_not_on_the_medium_is_named_before_anything_is_written() {
    let mut desk = desk();
    let missing = desk.add('c', |place| fs::write(place, "x").unwrap());
    fs::remove_file(desk.place('c').0).unwrap();
    if desk.squash_zstd() {
        let error = desk.copy().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{missing} is not on the medium")), "{error}");
        assert_eq!(fs::read_dir(desk.root().join("nix/store")).unwrap().count(), 0);
    }
}

#[test]
fn other_compressors_and_other_files_are_refused_by_name() {
    let desk = desk();
    if !desk.squash(&["-comp", "gzip"]) {
        return;
    }
    let error = format!("{:#}", desk.copy().unwrap_err());
    assert!(error.contains("compressed with gzip"), "{error}");
    fs::write(desk.image(), [1; 5000]).unwrap();
    assert!(format!("{:#}", desk.copy().unwrap_err()).contains("it is no squashfs"));
    fs::remove_file(desk.image()).unwrap();
    let error = format!("{:#}", desk.copy().unwrap_err());
    assert!(error.contains("No such file"), "{error}");
}
