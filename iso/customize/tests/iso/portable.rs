//! What keeps `nixvm-iso` and the answers' types buildable for Linux, macOS and Windows alike.

use std::fs;
use std::path::{Path, PathBuf};

/// What only some systems have, or what is written for some of them.
const OF_ONE_SYSTEM: [&str; 11] = [
    "cfg(unix",
    "cfg(windows",
    "cfg(not(",
    "cfg(any(",
    "cfg_attr(",
    "target_os",
    "target_family",
    "std::os::",
    "libc::",
    "rustix::",
    "/proc/",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// There is no module for systems in these crates: were one needed, it would be named here.
#[test]
fn no_line_is_for_one_system_alone() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let answers = here.join("../../agent/answers");
    let mut files = [sources(&here.join("src")), sources(&answers.join("src"))].concat();
    assert!(files.len() > 25, "the sources are not where they were");
    files.extend([here.join("Cargo.toml"), answers.join("Cargo.toml")]);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let of_one = OF_ONE_SYSTEM.iter().find(|word| code.contains(**word));
            let at = format!("{}:{}", file.display(), number + 1);
            assert_eq!(of_one, None, "{at} is not for every system");
            assert!(!code.starts_with("[target."), "{at} is a dependency of some systems");
        }
    }
}
