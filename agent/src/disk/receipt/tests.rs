//! File systems with and without a receipt → what is read of it.

use super::*;

fn esp(files: &[(&str, &str)]) -> tempfile::NamedTempFile {
    let mut image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(40 << 20).unwrap();
    let options = fatfs::FormatVolumeOptions::new().fat_type(fatfs::FatType::Fat32);
    fatfs::format_volume(image.as_file_mut(), options).unwrap();
    let filesystem = FileSystem::new(image.reopen().unwrap(), FsOptions::new()).unwrap();
    for (path, text) in files {
        let mut folder = filesystem.root_dir();
        let (folders, name) = path.rsplit_once('/').unwrap();
        for part in folders.split('/') {
            folder = folder.create_dir(part).unwrap();
        }
        folder.create_file(name).unwrap().write_all(text.as_bytes()).unwrap();
    }
    drop(filesystem);
    image
}

#[test]
fn a_receipt_is_found_with_the_state_of_its_loader() {
    let text = r#"{"version":1,"build_id":"b","hostname":"h","attempt":"1"}"#;
    for (loader, expected) in [
        ("EFI/BOOT/BOOTX64.EFI", Loader::InPlace),
        ("EFI/BOOT/BOOTAA64.EFI.withheld", Loader::Withheld),
        ("EFI/BOOT/other", Loader::Missing),
    ] {
        let image = esp(&[(FILE, text), (loader, "x")]);
        let Found::Receipt(receipt) = find(image.path()).unwrap() else { panic!("{loader}") };
        assert_eq!((receipt.hostname.as_str(), receipt.loader), ("h", expected));
    }
}

#[test]
fn an_illegible_receipt_is_a_receipt_and_nothing_is_none() {
    let found = |files: &[(&str, &str)]| find(esp(files).path()).unwrap();
    assert_eq!(found(&[(FILE, "???")]), Found::Receipt(Receipt::default()));
    assert_eq!(found(&[("EFI/BOOT/BOOTX64.EFI.withheld", "x")]), Found::Nothing);
    assert_eq!(found(&[("loader/loader.conf", "x")]), Found::Nothing);
    assert_eq!(found(&[("photos/1.jpg", "x")]), Found::Foreign("photos".into()));
    assert_eq!(found(&[("EFI/BOOT/BOOTX64.EFI", "x")]), Found::Loader);
    let empty = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(find(empty.path()).unwrap(), Found::Unformatted);
    assert!(find(Path::new("/nonexistent")).is_err());
}

#[test]
fn a_receipt_of_another_version_is_a_receipt_of_which_nothing_is_believed() {
    for text in [
        r#"{"version":2,"hostname":"h","attempt":"1"}"#,
        r#"{"version":2,"hostname":{"name":"h"}}"#,
        r#"{"version":"1.1","hostname":"h"}"#,
        r#"{"hostname":"h"}"#,
    ] {
        let image = esp(&[(FILE, text), ("EFI/BOOT/BOOTX64.EFI", "x")]);
        let Found::Receipt(receipt) = find(image.path()).unwrap() else { panic!("{text}") };
        assert_eq!(receipt, Receipt { loader: Loader::InPlace, ..Receipt::default() });
        let mut disk = crate::disk::examples::disk("vda");
        disk.content.receipt = Some(receipt);
        assert_eq!(disk.condition(), crate::disk::Condition::Installed);
    }
}

#[test]
fn a_file_system_that_contradicts_itself_is_damaged_and_does_no_harm() {
    let image = esp(&[(FILE, "{}")]);
    let mut bytes = std::fs::read(image.path()).unwrap();
    // The root folder's entry of EFI, whose first cluster becomes 1: there is none before 2.
    let place = bytes.windows(11).position(|name| name == b"EFI        ").unwrap();
    bytes[place + 26..place + 28].copy_from_slice(&1_u16.to_le_bytes());
    let error = read(io::Cursor::new(bytes)).unwrap_err();
    assert_eq!(error.to_string(), "the file system is damaged");
}

/// A medium whose reads fail once so many bytes were read.
struct Failing<M>(M, usize);

impl<M: Read> Read for Failing<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 = self.1.checked_sub(count).ok_or_else(|| io::Error::other("EIO"))?;
        Ok(count)
    }
}

impl<M: Seek> Seek for Failing<M> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_receipt_that_cannot_be_read_is_not_one_that_is_not_there() {
    let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
    let read_within = |bytes| read(Failing(image.reopen().unwrap(), bytes));
    let enough = (0..).find(|bytes| read_within(*bytes).is_ok()).unwrap();
    assert!(enough > 512, "the whole boot sector is needed at least");
    let Found::Receipt(receipt) = read_within(enough).unwrap() else { panic!("no receipt") };
    assert_eq!(receipt.loader, Loader::InPlace);
}

#[test]
fn a_receipt_is_found_where_the_kernel_would_mount_and_fatfs_would_not() {
    let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
    let mut bytes = std::fs::read(image.path()).unwrap();
    assert_eq!(&bytes[512..516], b"RRaA", "the FSInfo sector");
    bytes[512..1024].fill(0xa5);
    let Found::Receipt(receipt) = read(io::Cursor::new(bytes)).unwrap() else { panic!() };
    assert_eq!(receipt.loader, Loader::InPlace);
}

#[test]
fn what_is_no_intact_file_system_has_not_no_receipt() {
    let image = esp(&[(FILE, "{}")]);
    let intact = std::fs::read(image.path()).unwrap();
    let with = |offset: usize, damage: &[u8]| {
        let mut bytes = intact.clone();
        bytes[offset..offset + damage.len()].copy_from_slice(damage);
        read(io::Cursor::new(bytes))
    };
    for (offset, damage) in [(510, &[0, 0][..]), (11, &[1, 0]), (13, &[0]), (16, &[0])] {
        let error = with(offset, damage).unwrap_err().to_string();
        assert!(error.starts_with("it is no intact FAT file system: "), "{offset}: {error}");
    }
    assert!(read(io::Cursor::new(b"something else".to_vec())).is_err());
    assert_eq!(read(io::Cursor::new(vec![0; 1 << 20])).unwrap(), Found::Unformatted);
    // A file in the place of the folder.
    let error = read(esp(&[("EFI/nixvm", "")]).reopen().unwrap()).unwrap_err();
    assert_ne!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn what_a_receipt_says_cannot_steer_a_terminal() {
    let text = r#"{"version":1,"hostname":"a\nb\u001b[2J","username":"\r"}"#;
    let Found::Receipt(receipt) = find(esp(&[(FILE, text)]).path()).unwrap() else { panic!() };
    assert_eq!((receipt.hostname.as_str(), receipt.username.as_str()), ("ab[2J", ""));
}

#[test]
fn looking_changes_nothing() {
    let image = esp(&[(FILE, "{}"), ("EFI/BOOT/BOOTX64.EFI", "x")]);
    let before = std::fs::read(image.path()).unwrap();
    find(image.path()).unwrap();
    assert!(before == std::fs::read(image.path()).unwrap());
}
