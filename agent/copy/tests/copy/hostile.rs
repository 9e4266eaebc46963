//! Images made to do harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use anyhow::Result;
use nixvm_copy::squashfs::Image;
use nixvm_copy::visit::Visit;

use crate::desk::{Desk, everything};

/// Replaces one name in an image whose tables are not compressed.
fn renamed(from: &[u8], to: &[u8]) -> Option<(Desk, String)> {
    assert_eq!(from.len(), to.len());
    let mut desk = Desk::new();
    desk.add('a', |place| {
        fs::create_dir(place).unwrap();
        symlink("/", place.join("@link")).unwrap();
        fs::write(place.join(str::from_utf8(from).unwrap()), "evil").unwrap();
    });
    if !desk.squash(&["-comp", "zstd", "-noI", "-noD", "-noF"]) {
        return None;
    }
    let mut bytes = fs::read(desk.image()).unwrap();
    let place = bytes.windows(from.len()).rposition(|part| part == from).unwrap();
    bytes[place..place + to.len()].copy_from_slice(to);
    fs::write(desk.image(), bytes).unwrap();
    let root = desk.root();
    let before = everything(root.parent().unwrap(), &[&root]);
    let error = format!("{:#}", desk.copy().unwrap_err());
    assert_eq!(everything(root.parent().unwrap(), &[&root]), before);
    Some((desk, error))
}

#[test]
fn names_never_leave_the_store_path() {
    for name in
        [&b"../../../../../e"[..], b"/aaaaaaaaaaaaaae", b"@link/aaaaaaaaae", b"a\0aaaaaaaaaaaaae"]
    {
        let Some((desk, error)) = renamed(b"zzzzzzzzzzzzzzzz", name) else { return };
        assert!(error.contains("is a path"), "{error}");
        let (_, path) = desk.place('a');
        let names: Vec<_> = fs::read_dir(desk.copied(&path)).unwrap().collect();
        assert!(names.len() <= 1, "{names:?}");
    }
    if let Some((_, error)) = renamed(b"zz", b"..") {
        assert!(error.contains("is no file's name"), "{error}");
    }
}

#[test]
fn names_in_the_root_are_only_those_of_the_registration() {
    let mut desk = Desk::new();
    let path = desk.add('a', |place| fs::write(place, "x").unwrap());
    if !desk.squash(&["-comp", "zstd", "-noI", "-noD", "-noF"]) {
        return;
    }
    let mut bytes = fs::read(desk.image()).unwrap();
    let name = path.name().as_bytes();
    let place = bytes.windows(name.len()).rposition(|part| part == name).unwrap();
    bytes[place..place + 6].copy_from_slice(b"../../");
    fs::write(desk.image(), bytes).unwrap();
    let error = desk.copy().unwrap_err().to_string();
    assert!(error.contains("is not on the medium"), "{error}");
}

/// Counts folders.
#[derive(Default)]
struct Count(usize);

impl Visit for Count {
    fn directory(&mut self, _: &[u8]) -> Result<()> {
        self.0 += 1;
        Ok(())
    }
    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
    fn file(&mut self, _: &[u8], _: bool, _: u64) -> Result<()> {
        Ok(())
    }
    fn data(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn hole(&mut self, _: u64) -> Result<()> {
        Ok(())
    }
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
    fn symlink(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// An image of one folder, which is in itself under the name `a`.
fn folder_in_itself() -> Vec<u8> {
    let mut image = vec![0; 96];
    let put = |image: &mut Vec<u8>, place: usize, bytes: &[u8]| {
        image[place..place + bytes.len()].copy_from_slice(bytes);
    };
    let listing: Vec<u8> = [
        &0_u32.to_le_bytes()[..], // one entry
        &0_u32.to_le_bytes(),     // in the inode table's first block
        &1_u32.to_le_bytes(),
        &0_u16.to_le_bytes(), // the folder itself
        &0_u16.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &0_u16.to_le_bytes(), // a name of one byte
        b"a",
    ]
    .concat();
    let inode: Vec<u8> = [
        &1_u16.to_le_bytes()[..],
        &0o755_u16.to_le_bytes(),
        &[0; 12],
        &0_u32.to_le_bytes(),
        &2_u32.to_le_bytes(),
        &(listing.len() as u16 + 3).to_le_bytes(),
        &0_u16.to_le_bytes(),
        &1_u32.to_le_bytes(),
    ]
    .concat();
    let inodes = image.len() as u64;
    image.extend((0x8000 | inode.len() as u16).to_le_bytes());
    image.extend(inode);
    let listings = image.len() as u64;
    image.extend((0x8000 | listing.len() as u16).to_le_bytes());
    image.extend(listing);
    let used = image.len() as u64;
    put(&mut image, 0, b"hsqs");
    put(&mut image, 12, &131_072_u32.to_le_bytes());
    put(&mut image, 20, &6_u16.to_le_bytes());
    put(&mut image, 22, &17_u16.to_le_bytes());
    put(&mut image, 28, &4_u16.to_le_bytes());
    put(&mut image, 40, &used.to_le_bytes());
    put(&mut image, 64, &inodes.to_le_bytes());
    put(&mut image, 72, &listings.to_le_bytes());
    image
}

#[test]
fn folders_that_hold_each_other_end() {
    let image = Image::new(Arc::<[u8]>::from(folder_in_itself())).unwrap();
    let mut reader = image.reader().unwrap();
    let roots = reader.roots(|_| true).unwrap();
    let mut count = Count::default();
    let error = reader.walk(roots[&b"a"[..]], b"a", &mut count).unwrap_err();
    assert_eq!(error.to_string(), "the folders are too deep");
    assert!((2000..3000).contains(&count.0));
}
