//! A machine without a display adapter: lines typed on the serial console → the install they ask for.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::four_disks::FourDisks;
use super::steps::release_boot_loader;
use crate::build::Arch;
use crate::fixture::Fixture;
use crate::vm::Vm;
use crate::words::state;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario::new("serial-only")
    .fault(
        "no display adapter; on the serial console, one of four disks is chosen, which has data, and \
         confirmed, and a password is typed, with mistakes",
    )
    .expected(
        "installs on the disk that was named and on no other; the typed password logs in, is never \
         echoed, and no control sequence is written",
    )
    .only_on(Arch::X86_64)
    .run(serial_only)];

/// A password with a space in it, as people type them.
const TYPED: &str = "secret one";

fn serial_only(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = fixture.machine()?;
    config.hardware.screen = None;
    let (disks, mut vm) = FourDisks::start(fixture, &mut config)?;
    let line = &mut Line(&mut vm);
    for (shown, typed) in [
        ("ext4 \"photos\"", None),
        ("Disk name: ", Some("vdz")),
        ("There is no disk \"vdz\". Nothing was chosen.", None),
        ("Disk name: ", Some("vdd")),
        ("/dev/vdd can't be used: too small", None),
        ("Disk name: ", Some("/dev/vdb")),
        ("THIS WILL ERASE ALL DATA on /dev/vdb", None),
        ("\r\n> ", Some("host")),
        ("Host name [nixvm]: ", Some("web_1")),
        ("is not a host name", None),
        ("Host name [nixvm]: ", Some("")),
        ("\r\n> ", Some("install")),
        ("type its name, vdb, then press Enter: ", Some("vda")),
        ("That is not vdb. Nothing was done.", None),
        ("then press Enter: ", Some("vdb")),
        ("Password: ", Some(TYPED)),
        ("Repeat it: ", Some("secret two")),
        ("The passwords don't match.", None),
        ("Password: ", Some(TYPED)),
        ("Repeat it: ", Some(TYPED)),
        ("The password is set.", None),
    ] {
        line.shows(shown)?;
        if let Some(typed) = typed {
            line.types(typed)?;
        }
    }
    release_boot_loader(&mut vm)?;
    vm.state(state::INSTALLED, 180)?;
    let line = &mut Line(&mut vm);
    line.shows("Press any key to stay here.")?;
    line.shows("\r\n> ")?;
    line.types("restart")?;
    vm.wait_off(60)?;
    let text = vm.serial.text();
    let start = text.find("Which disk should").context("the question is on the console")?;
    let end = text.rfind("> restart").context("the last word is on the console")?;
    let dialogue = &text[start..end];
    ensure!(!dialogue.contains('\x1b'), "a control sequence is in the dialogue");
    ensure!(!dialogue.contains("secret"), "the password is in the dialogue");
    disks.check(fixture, config, TYPED)
}

/// The serial console.
struct Line<'a>(&'a mut Vm);

impl Line<'_> {
    fn shows(&mut self, text: &str) -> Result<()> {
        let time = self.0.accelerator.time(60);
        self.0.serial.expect(text, time).map(drop)
    }

    fn types(&mut self, text: &str) -> Result<()> {
        self.0.serial.send(&format!("{text}\r"))
    }
}
