//! `nixvm-iso volume`, read by other programs.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use nixvm_iso::cli::{self, Arguments};

const ANSWERS: &str = "# mine\nhostname = 'web'\nerase = 'confirm'\n";

fn volume(folder: &Path, answers: &str) -> Result<String, String> {
    let file = folder.join("answers.toml");
    fs::write(&file, answers).unwrap();
    let words = ["nixvm-iso", "volume", file.to_str().unwrap(), "-o"];
    let output = folder.join("answers.iso");
    let words = words.into_iter().chain([output.to_str().unwrap()]);
    cli::run(Arguments::try_parse_from(words).unwrap()).map_err(|error| format!("{error:#}"))
}

/// Standard output of a tool; none if it is missing.
fn output(tool: &str, arguments: &[&str]) -> Option<String> {
    let Ok(output) = Command::new(tool).args(arguments).output() else {
        crate::desk::skip(&format!("there is no {tool} on PATH"));
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} failed: {said}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn blkid_and_xorriso_find_the_label_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let said = volume(folder.path(), ANSWERS).unwrap();
    assert!(said.contains("answers.iso now:\nhostname = \"web\""), "{said}");
    let image = folder.path().join("answers.iso");
    assert!(fs::metadata(&image).unwrap().len() < 500_000);
    let image = image.to_str().unwrap();
    for (tag, expected) in [("LABEL", "NIXVM\n"), ("TYPE", "iso9660\n")] {
        let arguments = ["--probe", "--output", "value", "--match-tag", tag, image];
        let Some(found) = output("blkid", &arguments) else { break };
        assert_eq!(found, expected);
    }
    let copy = folder.path().join("copy.toml");
    let arguments = ["-report_about", "SORRY", "-osirrox", "on", "-indev", image, "-extract"];
    let arguments = [&arguments[..], &["/NIXVM.TOML", copy.to_str().unwrap()]].concat();
    let Some(_) = output("xorriso", &arguments) else { return };
    assert_eq!(fs::read_to_string(copy).unwrap(), ANSWERS);
}

#[test]
fn a_mistake_leaves_no_image_and_no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let error = volume(folder.path(), "hostnme = 'web'\n").unwrap_err();
    assert!(error.contains("did you mean \"hostname\"?"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    volume(folder.path(), ANSWERS).unwrap();
    let before = fs::read(folder.path().join("answers.iso")).unwrap();
    let error = volume(folder.path(), "").unwrap_err();
    assert!(error.contains("exists already"), "{error}");
    assert!(fs::read(folder.path().join("answers.iso")).unwrap() == before);
}
