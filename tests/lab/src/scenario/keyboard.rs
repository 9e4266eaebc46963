//! A keyboard of another country → what its keys type on the live and on the installed system.
//!
//! Keys are pressed by their places, as QEMU names them after a US keyboard.

use anyhow::{Context, Result, ensure};

use super::Scenario;
use super::steps::{boots_as, hold_boot_loader, release_boot_loader};
use crate::build::Arch;
use crate::console::Console;
use crate::fixture::Fixture;
use crate::guest_checks::Expected;
use crate::vm::Vm;
use crate::vm::config::Config;
use crate::words::state;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("german-by-answers")
        .fault("keymap, locale and time zone of Germany in the answers; a password is typed; offline")
        .expected(
            "the password has the characters on the keys of a German keyboard, and logs in at the \
             installed system's console by the same keys; locale and time zone are in effect",
        )
        .only_on(Arch::X86_64)
        .run(german),
    Scenario::new("french-by-keys")
        .fault(
            "a French keyboard is chosen on the screen, then a host name and a password are typed; \
             locale and time zone of France in the answers; offline",
        )
        .expected(
            "both have the characters on the keys of a French keyboard, and the password logs in at \
             the installed system's console by the same keys",
        )
        .only_on(Arch::X86_64)
        .run(french),
];

/// What the keys below type. A US keyboard would type something else for each of them but the digit.
const PASSWORD: &str = "yz@#yz@#";

/// [`PASSWORD`] on a German keyboard.
const GERMAN: [&str; 4] = ["z", "y", "alt_r-q", "backslash"];

/// [`PASSWORD`] on a French keyboard, where y is where a US keyboard has it.
const FRENCH: [&str; 4] = ["y", "w", "alt_r-0", "alt_r-3"];

fn german(fixture: &Fixture<'_>) -> Result<()> {
    let answers = "countdown = 3\nhostname = 'web'\nkeymap = 'de'\nlocale = 'de_DE.UTF-8'\n\
                   timezone = 'Europe/Berlin'\n";
    let config = offline(fixture, answers)?;
    let mut vm = fixture.start(&config, "install")?;
    hold_boot_loader(&mut vm)?;
    vm.state(state::INSTALLING, 120)?;
    choose_password(&mut Console::new(&mut vm, &fixture.folder), &GERMAN)?;
    ends(vm)?;
    let mut vm = boots_as(fixture, &config, &expected("web"))?;
    log_in(&mut Console::new(&mut vm, &fixture.folder), "web", &["h", "t"], &GERMAN)?;
    check(&mut vm, "de", "de_DE.UTF-8", "Europe/Berlin")?;
    vm.kill()
}

fn french(fixture: &Fixture<'_>) -> Result<()> {
    let answers = "countdown = 600\nlocale = 'fr_FR.UTF-8'\ntimezone = 'Europe/Paris'\n";
    let config = offline(fixture, answers)?;
    let mut vm = fixture.start(&config, "install")?;
    vm.state(state::COUNTDOWN, 120)?;
    hold_boot_loader(&mut vm)?;
    let screen = &mut Console::new(&mut vm, &fixture.folder);
    screen.press(&["spc"])?;
    screen.shows("Press I to install", "01-stopped")?;
    screen.pause_to_read()?;
    screen.press(&["k"])?;
    screen.shows("Which keyboard is this", "02-keymap")?;
    screen.type_text("fr\n")?;
    screen.shows("Keyboard +fr ", "03-chosen")?;
    screen.pause_to_read()?;
    screen.press(&["h"])?;
    screen.shows("Host name", "04-host-name")?;
    // "lazy".
    screen.press(&["ctrl-u", "l", "q", "w", "y"])?;
    screen.shows("lazy", "05-host-name")?;
    screen.press(&["ret"])?;
    screen.shows("because the host name lazy is", "06-plan")?;
    screen.pause_to_read()?;
    screen.press(&["i"])?;
    choose_password(screen, &FRENCH)?;
    ends(vm)?;
    let mut vm = boots_as(fixture, &config, &expected("lazy"))?;
    log_in(&mut Console::new(&mut vm, &fixture.folder), "lazy", &["h", "t"], &FRENCH)?;
    check(&mut vm, "fr", "fr_FR.UTF-8", "Europe/Paris")?;
    vm.kill()
}

/// A machine without a network, with these answers.
fn offline(fixture: &Fixture<'_>, answers: &str) -> Result<Config> {
    let answers = Some(fixture.answers_without_password(answers)?);
    Ok(Config { network: false, answers, ..fixture.machine_with_disk()? })
}

/// Waits for the end of the install, and of the machine.
fn ends(mut vm: Vm) -> Result<()> {
    release_boot_loader(&mut vm)?;
    vm.state(state::INSTALLED, 180)?;
    vm.wait_off(120)
}

fn expected(hostname: &str) -> Expected {
    let (hostname, password) = (hostname.to_owned(), PASSWORD.to_owned());
    Expected { hostname, password, ..Expected::default() }
}

/// Types the password twice, by the keys of its first half.
fn choose_password(screen: &mut Console<'_>, half: &[&str]) -> Result<()> {
    screen.shows("Choose a password", "10-password")?;
    press_password(screen, half)?;
    screen.press(&["ctrl-r"])?;
    screen.shows(PASSWORD, "11-password-shown")?;
    screen.press(&["ret"])?;
    press_password(screen, half)?;
    screen.press(&["ret"])?;
    screen.shows("The password is set", "12-password-set")
}

/// Logs in on tty1 of the installed system.
fn log_in(
    screen: &mut Console<'_>,
    hostname: &str,
    username: &[&str],
    half: &[&str],
) -> Result<()> {
    screen.shows(&format!("{hostname} login:"), "20-login")?;
    screen.press(username)?;
    screen.press(&["ret"])?;
    screen.shows("Password:", "21-password")?;
    press_password(screen, half)?;
    screen.press(&["ret"])?;
    screen.shows("bash-[0-9.]+\\$", "22-logged-in")
}

fn press_password(screen: &mut Console<'_>, half: &[&str]) -> Result<()> {
    screen.press(half)?;
    screen.press(half)
}

/// Checks what the installed system has, and what its own configuration says for the next rebuild.
fn check(vm: &mut Vm, keymap: &str, locale: &str, timezone: &str) -> Result<()> {
    let shell = &mut vm.shell;
    let host = shell.run("cat /etc/nixos/nix/host.nix")?;
    for value in [keymap, locale] {
        ensure!(host.contains(&format!("\"{value}\"")), "host.nix has no {value}: {host}");
    }
    for (what, command, wanted) in [
        ("the console's keymap", ". /etc/vconsole.conf; echo $KEYMAP", keymap),
        ("the locale", "systemctl show-environment | sed -n 's/^LANG=//p'", locale),
        ("the time zone", "readlink /etc/localtime | sed 's|.*/zoneinfo/||'", timezone),
    ] {
        let found = shell.run(command).with_context(|| format!("cannot read {what}"))?;
        ensure!(found == wanted, "{what} is {found:?} and not {wanted:?}");
    }
    Ok(())
}
