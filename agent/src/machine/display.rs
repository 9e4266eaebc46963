//! /sys and /proc → whether anything can be seen on the virtual consoles.
//!
//! Without a display adapter the kernel's virtual consoles work all the same: a dummy driver takes what
//! is written and shows nothing (drivers/video/console/dummycon.c).

use std::fs;
use std::path::Path;

/// What that driver calls itself in `/sys/class/vtconsole/*/name`.
const DUMMY: &str = "dummy device";

/// Whether there is a frame buffer, or a console driver that shows something.
///
/// The kernel may put off the change from the dummy to the frame buffer's driver until something is
/// written: a frame buffer alone is a display.
pub fn is_there() -> bool {
    is_there_below(Path::new("/"))
}

fn is_there_below(root: &Path) -> bool {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    if !read(&root.join("proc/fb")).trim().is_empty() {
        return true;
    }
    let drivers = fs::read_dir(root.join("sys/class/vtconsole"));
    drivers.into_iter().flatten().flatten().any(|driver| {
        let bound = read(&driver.path().join("bind"));
        bound.trim() == "1" && !read(&driver.path().join("name")).contains(DUMMY)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these frame buffers and console drivers.
    fn machine(buffers: &str, drivers: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/fb"), buffers).unwrap();
        for (number, (name, bind)) in drivers.iter().enumerate() {
            let folder = root.path().join(format!("sys/class/vtconsole/vtcon{number}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("name"), name).unwrap();
            fs::write(folder.join("bind"), bind).unwrap();
        }
        root
    }

    /// As machines with and without an adapter have it, by Linux 6.12.
    #[test]
    fn the_dummy_driver_is_no_display() {
        let dummy = ("(S) dummy device\n", "1\n");
        let unbound = ("(S) dummy device\n", "0\n");
        for (buffers, drivers, expected) in [
            ("", vec![dummy], false),
            ("", vec![], false),
            ("0 bochs-drmdrmfb\n", vec![unbound, ("(M) frame buffer device\n", "1\n")], true),
            ("0 EFI VGA\n", vec![dummy], true),
            ("", vec![("(S) VGA+\n", "1\n"), unbound], true),
        ] {
            let root = machine(buffers, &drivers);
            assert_eq!(is_there_below(root.path()), expected, "{buffers:?} {drivers:?}");
        }
    }
}
