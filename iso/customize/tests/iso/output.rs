//! A new ISO beside the old one: `--output`.

use nixvm_answers::area;

use crate::desk::{Desk, published};

#[test]
fn a_new_file_leaves_the_old_one_alone() {
    let desk = Desk::with(&published());
    let new = desk.folder.path().join("new.iso");
    let output = new.to_str().unwrap();
    desk.run("customize", &["--hostname", "web", "-o", output]).unwrap();
    assert!(desk.bytes() == published());
    let other = Desk::with(&std::fs::read(&new).unwrap());
    assert_eq!(other.run("show", &[]).unwrap(), "hostname = \"web\"\n");
    let error = desk.run("customize", &["--hostname", "web", "-o", output]).unwrap_err();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 2, "nothing is left over");
    let old = desk.folder.path().join("old.iso");
    other.run("reset", &["-o", old.to_str().unwrap()]).unwrap();
    assert!(std::fs::read(&old).unwrap() == published());
    assert_eq!(other.run("show", &[]).unwrap(), "hostname = \"web\"\n");
}

#[test]
fn what_is_no_name_for_a_new_file_is_refused_with_the_reason() {
    let desk = Desk::with(&published());
    let folder = desk.folder.path();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let itself = folder.join("..").join(name).join("nixvm.iso");
    for (output, said) in [
        (desk.iso.to_str().unwrap(), "is the ISO itself; without --output"),
        (itself.to_str().unwrap(), "is the ISO itself; without --output"),
        (folder.to_str().unwrap(), "is a folder"),
        ("-", "standard output"),
    ] {
        for (command, options) in [("customize", vec!["--hostname", "web"]), ("reset", vec![])] {
            let error = desk.run(command, &[options, vec!["-o", output]].concat()).unwrap_err();
            assert!(error.contains(said), "{output}: {error}");
            assert!(!error.contains("remove it"), "the error suggests to remove the ISO: {error}");
        }
    }
    assert!(desk.bytes() == published());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing is left over");
}

#[test]
fn a_copy_that_fails_leaves_nothing() {
    let desk = Desk::with(&published());
    let nowhere = desk.folder.path().join("missing").join("new.iso");
    let options = ["--hostname", "web", "-o", nowhere.to_str().unwrap()];
    let error = desk.run("customize", &options).unwrap_err();
    assert!(error.contains("cannot create"), "{error}");
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 1);
    let part = desk.write("new.iso.part", "");
    let new = desk.folder.path().join("new.iso");
    let options = ["--hostname", "web", "-o", new.to_str().unwrap()];
    let error = desk.run("customize", &options).unwrap_err();
    assert!(error.contains("new.iso.part is there already"), "{error}");
    assert!(part.exists() && !new.exists(), "another process's file was touched");
}

/// A copy that is killed has not got its name, so half of it is never booted.
#[test]
fn a_copy_that_is_killed_is_not_taken_for_an_iso() {
    let desk = Desk::with(&published());
    let area = desk.area();
    for limit in [0, 1000, area.start, area.start + 100, area.end, published().len() - 1] {
        let Some(mut killed) = desk.limited(&format!("--fsize={limit}")) else { return };
        let arguments = ["customize", "nixvm.iso", "--hostname", "web", "-o", "new.iso"];
        assert!(!killed.args(arguments).output().unwrap().status.success());
        assert!(!desk.folder.path().join("new.iso").exists());
        let part = desk.folder.path().join("new.iso.part");
        if part.exists() {
            std::fs::remove_file(part).unwrap();
        }
    }
    assert!(desk.bytes() == published());
    assert_eq!(area.len(), area::SIZE);
}
