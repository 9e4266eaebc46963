//! What only the program itself shows: exit status, standard streams, files that are none.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::desk::{Desk, published};

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_status_tells_success_failure_and_a_wrong_command_line_apart() {
    let desk = Desk::with(&published());
    for (arguments, status) in [
        (vec!["show", "nixvm.iso"], 0),
        (vec!["customize", "nixvm.iso", "--hostname", "web"], 0),
        (vec!["reset", "nixvm.iso"], 0),
        (vec!["show", "missing.iso"], 1),
        (vec!["validate", "nixvm.iso"], 1),
        (vec!["customize", "nixvm.iso", "--hostname", "a b"], 2),
        (vec!["customize", "nixvm.iso", "--hostnme", "web"], 2),
        (vec![], 2),
    ] {
        let output = desk.program().args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", said(&output));
        assert_eq!(output.stdout.is_empty(), status != 0, "{arguments:?}");
        assert_eq!(output.stderr.is_empty(), status == 0, "{arguments:?}: {}", said(&output));
    }
}

/// Such as the output of a tool that keeps secrets.
#[test]
fn answers_may_come_through_a_pipe() {
    if !std::path::Path::new("/dev/stdin").exists() {
        return;
    }
    let desk = Desk::with(&published());
    let mut program = desk.program();
    program.args(["customize", "nixvm.iso", "--answers", "/dev/stdin"]);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    program.stdin.take().unwrap().write_all(b"hostname = \"web\"\n").unwrap();
    assert!(program.wait().unwrap().success());
    assert_eq!(desk.run("show", &[]).unwrap(), "hostname = \"web\"\n");
}

#[test]
fn standard_input_is_an_answers_file_called_dash() {
    let desk = Desk::with(&published());
    for (arguments, input, expected) in [
        (vec!["validate", "-"], "hostname = \"web\"\n", "hostname = \"web\"\n"),
        (vec!["validate", "-"], "hostnme = 1\n", "-:1:1: \"hostnme\" is not a key"),
        (vec!["customize", "nixvm.iso", "--answers", "-"], "erase = 'any'\n", "erase = \"any\""),
    ] {
        let mut program = desk.program();
        program.args(&arguments).stdin(Stdio::piped());
        program.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut program = program.spawn().unwrap();
        program.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = program.wait_with_output().unwrap();
        let all = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
        assert!(all.contains(expected), "{arguments:?}: {all}");
    }
    let both = ["customize", "nixvm.iso", "--answers", "-", "--password-hash-file", "-"];
    let output = desk.program().args(both).stdin(Stdio::null()).output().unwrap();
    assert!(said(&output).contains("only one of"), "{}", said(&output));
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let desk = Desk::with(&published());
    let mut program = desk.program();
    program.args(["show", "nixvm.iso"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    drop(program.stdout.take());
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
}

#[test]
fn folders_and_devices_are_not_opened() {
    let desk = Desk::with(&published());
    for (name, expected) in [(".", "it is a folder"), ("/dev/null", "it is a device or the like")] {
        if !std::path::Path::new(name).exists() {
            continue;
        }
        for command in ["show", "reset"] {
            let output = desk.program().args([command, name]).output().unwrap();
            assert!(said(&output).contains(expected), "{}", said(&output));
        }
    }
}

#[test]
fn an_iso_that_may_not_be_written_can_be_copied() {
    let desk = Desk::with(&published());
    let mut permissions = desk.iso.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&desk.iso, permissions).unwrap();
    // Root may write to it all the same.
    if let Err(error) = desk.run("customize", &["--hostname", "web"]) {
        assert!(error.contains("to write a new ISO instead, give --output"), "{error}");
        assert!(desk.bytes() == published());
    }
    let new = desk.folder.path().join("new.iso");
    desk.run("customize", &["--hostname", "db", "-o", new.to_str().unwrap()]).unwrap();
    let new = Desk::with(&std::fs::read(new).unwrap());
    assert_eq!(new.run("show", &[]).unwrap(), "hostname = \"db\"\n");
}
