//! The screen on tty1: keys at the keyboard → pages on the screen, and the install they ask for.
//!
//! What is on the screen is read from the console's own memory, `/dev/vcs1`; pictures of every page are
//! left in `screens/`.

use anyhow::{Result, ensure};

use super::Scenario;
use super::four_disks::FourDisks;
use super::steps::{await_countdown, boots, choose_install, fill_target, release_boot_loader};
use crate::build::Arch;
use crate::console::Console;
use crate::fixture::{Fixture, digest, unchanged};
use crate::vm::config::{Config, Firmware};
use crate::words::{event, outcome, state};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("keyboard-install")
        .fault("four disks, one with data; disk, consent and password are typed, with mistakes")
        .expected("installs on the disk that was named and on no other; the typed password logs in")
        .only_on(Arch::X86_64)
        .run(|fixture| keyboard_install(fixture, false)),
    Scenario::new("keyboard-install-80x25")
        .fault("the same on a screen of 80 columns and 25 lines")
        .expected("the same")
        .only_on(Arch::X86_64)
        .run(|fixture| keyboard_install(fixture, true)),
    Scenario::new("screen-after-failure")
        .fault(
            "a failure; then a shell, a kernel message and a hangup on tty1; then the key to retry",
        )
        .expected("the screen comes back each time, from the same agent; the retry installs")
        .only_on(Arch::X86_64)
        .run(|fixture| after_failure(fixture, false)),
    Scenario::new("screen-after-failure-80x25")
        .fault("the same on a screen of 80 columns and 25 lines")
        .expected("the same")
        .only_on(Arch::X86_64)
        .run(|fixture| after_failure(fixture, true)),
    Scenario::new("screen-of-an-installed-machine")
        .fault("no password is chosen; then the ISO is started again, to install anew")
        .expected(
            "the generated password stays on the screen; installing anew asks for the disk's name",
        )
        .only_on(Arch::X86_64)
        .run(installed_machine),
    Scenario::new("screen-on-bios-80x25")
        .fault(
            "booted by a BIOS on a screen of 80 columns and 25 lines; then the key to switch off",
        )
        .expected("refused with where to enable UEFI; switched off")
        .only_on(Arch::X86_64)
        .run(bios),
    Scenario::new("screen-of-1920x1080")
        .fault("a screen of 1920x1080 dots, 240 columns and 67 lines in the console's own font")
        .expected("the font is twice as large: the countdown is drawn on 120 columns and 33 lines")
        .only_on(Arch::X86_64)
        .run(large),
];

/// A password with a space in it, as people type them.
const TYPED: &str = "secret one";

fn keyboard_install(fixture: &Fixture<'_>, small: bool) -> Result<()> {
    let mut config = machine(fixture, small)?;
    let (disks, mut vm) = FourDisks::start(fixture, &mut config)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.shows("ext4 \"photos\"", "01-choosing")?;
    screen.press(&["down"])?;
    screen.shows("\\x10 2 /dev/vdb", "02-second")?;
    screen.press(&["ret"])?;
    screen.shows("Press I to continue", "03-confirmation")?;
    screen.pause_to_read()?;
    screen.press(&["i"])?;
    screen.shows("type its name, vdb", "04-erase")?;
    screen.type_text("vda\n")?;
    screen.shows("That is not vdb", "05-wrong-disk")?;
    // Two keys that arrive as one would be another one.
    screen.press(&["esc"])?;
    screen.shows("Press I to continue", "05-back")?;
    screen.press(&["h", "ctrl-u"])?;
    screen.type_text("web_1\n")?;
    screen.shows("is not a host name", "06-wrong-host-name")?;
    screen.press(&["esc"])?;
    screen.shows("Press I to continue", "06-back")?;
    screen.press(&["i"])?;
    screen.type_text("vdb\n")?;
    screen.shows("Choose a password", "07-installing")?;
    screen.type_text(&format!("{TYPED}\n"))?;
    screen.shows("\\*{10}", "08-password")?;
    screen.press(&["ctrl-r"])?;
    screen.shows(TYPED, "09-password-shown")?;
    screen.type_text(&format!("{TYPED}\n"))?;
    screen.shows("The password is set", "10-password-set")?;
    screen.pause_to_read()?;
    screen.press(&["c"])?;
    screen.shows("Cancel the install\\?", "11-cancel")?;
    screen.press(&["esc"])?;
    release_boot_loader(screen.vm)?;
    screen.vm.state(state::INSTALLED, 180)?;
    screen.pause_to_read()?;
    screen.press(&["x"])?;
    screen.shows("Press Enter to restart", "12-finished")?;
    screen.press(&["l"])?;
    screen.shows("install.log, lines", "13-log")?;
    screen.press(&["esc"])?;
    screen.shows("Press Enter to restart", "14-back")?;
    screen.press(&["ret"])?;
    vm.wait_off(60)?;
    disks.check(fixture, config, TYPED)
}

fn after_failure(fixture: &Fixture<'_>, small: bool) -> Result<()> {
    let mut config = machine(fixture, small)?;
    config.disks = vec![fixture.disk("target")?];
    let mut vm = fixture.start(&config, "install")?;
    fill_target(&mut vm)?;
    let verdict = vm.verdict(120)?;
    ensure!(verdict["outcome"] == outcome::FAILED, "it did not fail: {verdict}");
    let agent = vm.shell.run("systemctl show --property MainPID --value nixvm-agent")?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.shows("Installation failed", "1-failed")?;
    screen.press(&["l"])?;
    screen.shows("No space left", "2-log")?;
    screen.press(&["esc"])?;
    screen.shows("What to do", "3-back")?;

    let (kernels, noise) = ("a message of the kernel", "something over the screen");
    // The first begins where the cursor is, and may be broken at the line's end.
    let say = format!(
        "for _ in 1 2; do echo '<2>{kernels}' > /dev/kmsg; echo 'a {noise}' > /dev/tty1; done"
    );
    screen.vm.shell.run(&say)?;
    screen.shows(noise, "4-noise")?;
    screen.shows_not(kernels)?;
    screen.press(&["ctrl-l"])?;
    screen.shows_not(noise)?;
    screen.shows("Installation failed", "5-painted-over")?;

    screen.press(&["s"])?;
    screen.shows("A root shell of the live system", "6-shell")?;
    screen.type_text("sleep 999\n")?;
    screen.vm.shell.run("until pgrep --exact sleep; do sleep 0.1; done")?;
    screen.press(&["ctrl-c"])?;
    screen.type_text("tty; id -un\n")?;
    screen.shows("^root", "7-shell-used")?;
    screen.type_text("exit\n")?;
    screen.shows("Installation failed", "8-back")?;

    // Another unit with tty1 hangs it up before it starts.
    screen.vm.shell.run(
        "systemd-run --quiet --wait -p TTYPath=/dev/tty1 -p TTYVHangup=yes \
         -p StandardInput=tty-force true; printf '\\033[2J' > /dev/tty1",
    )?;
    screen.shows("Installation failed", "9-after-hangup")?;
    let now = screen.vm.shell.run("systemctl show --property MainPID --value nixvm-agent")?;
    ensure!(now == agent, "the agent was restarted: {agent} is {now} now");

    screen.press(&["r"])?;
    screen.vm.state(state::INSTALLING, 60)?;
    screen.shows("Partition and format", "10-retry")?;
    vm.event("the good end", 180, |event| {
        event["event"] == event::ATTEMPT_ENDED && event["outcome"] == outcome::INSTALLED
    })?;
    vm.wait_off(60)?;
    boots(fixture, &config)
}

fn installed_machine(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = machine(fixture, false)?;
    let answers = fixture.answers_without_password("countdown = 3")?;
    config.answers = Some(answers.clone());
    config.disks = vec![fixture.disk("target")?];
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::INSTALLED, 240)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.shows("Generated password", "1-generated")?;
    // Longer than any countdown of an unattended install.
    screen.vm.shell.run("sleep 15")?;
    screen.shows("Generated password", "2-still-there")?;
    screen.press(&["ret"])?;
    vm.wait_off(60)?;

    // Firmware that knows of no earlier start: the install made the disk the next one.
    config.firmware = fixture.firmware("lost")?;
    config.cd_first = true;
    std::fs::write(&answers, "finish = 'wait'\n")?;
    let before = digest(&config.disks[0].image)?;
    let mut vm = fixture.start(&config, "again")?;
    choose_install(&mut vm)?;
    vm.state(state::ALREADY_INSTALLED, 90)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.shows("NixOS is already installed", "3-already-installed")?;
    screen.press(&["i"])?;
    screen.shows("Reinstall on which disk", "4-which-disk")?;
    screen.press(&["ret"])?;
    screen.shows("Press I to continue", "5-confirmation")?;
    screen.pause_to_read()?;
    screen.press(&["i"])?;
    screen.shows("type its name, vda", "6-erase")?;
    screen.press(&["ret"])?;
    screen.shows("That is not vda", "7-not-named")?;
    vm.kill()?;
    unchanged(&config.disks[0], &before)
}

fn bios(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = machine(fixture, true)?;
    config.firmware = Firmware::Bios;
    config.disks = vec![fixture.disk("target")?];
    let mut vm = fixture.start(&config, "bios")?;
    vm.state(state::REFUSED, 90)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.shows("Enable EFI/UEFI in VM settings", "refused")?;
    screen.press(&["o"])?;
    vm.wait_off(60)
}

fn large(fixture: &Fixture<'_>) -> Result<()> {
    let mut config = machine(fixture, false)?;
    config.resize_screen(1920, 1080);
    config.disks = vec![fixture.disk("target")?];
    // Long enough for the page to be looked at.
    config.answers = Some(fixture.answers("countdown = 60")?);
    let mut vm = fixture.start(&config, "install")?;
    await_countdown(&mut vm)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.wait_for("[ \"$(stty -F /dev/tty1 size)\" = '33 120' ]")?;
    // The line with the keys is the last one of these.
    screen.wait_for("tail --bytes 120 /dev/vcs1 | grep -aq 'Stop the countdown'")?;
    screen.shows("Starting in", "countdown")?;
    vm.kill()
}

/// A machine with the least memory that is asked for, and a screen of 160x50 or 80x25 characters.
fn machine(fixture: &Fixture<'_>, small: bool) -> Result<Config> {
    let mut config = fixture.machine()?;
    config.memory_mib = 1024;
    if small {
        config.shrink_screen();
    }
    Ok(config)
}
