//! What has to be on a page whatever it looks like, and at sizes that no picture is kept of.

use std::time::Duration;

use nixvm_answers::answers::{Finish, Network};
use nixvm_answers::password::Secret;

use super::drawing::check;
use super::*;
use crate::event::{Delivery, PasswordOrigin, ScheduledFinish, Webhook};
use crate::plan::{Check, Wanted};

/// Half of the copy is done.
fn copying() -> Fixture {
    let mut fixture = Fixture::installing();
    fixture.steps(&[(Step::Partition, 2.14), (Step::Configure, 0.6)], Step::System);
    fixture.event(Event::Progress { bytes_done: 600_000_000, bytes_total: 1_234_000_000 });
    fixture
}

fn finished(origin: PasswordOrigin) -> Fixture {
    let mut fixture = Fixture::installing();
    fixture.steps(&Step::ALL.map(|step| (step, 1.5)), Step::Handover);
    fixture.event(Event::Password { origin });
    fixture.enter(State::Installed, "web is installed on /dev/vda.");
    fixture
}

#[test]
fn a_warning_that_disks_may_be_missing_is_there_where_one_is_chosen_and_confirmed() {
    let missing = Event::Warning { message: "Some disks may be missing: udev.".to_owned() };
    let mut fixture = Fixture::with_disks(vec![disk("vda"), windows("vdb")]);
    fixture.event(missing);
    fixture.enter(State::ChoosingDisk, "Several disks can be used: vda, vdb.");
    assert!(fixture.frame(80, 25).contains("! Some disks may be missing: udev."));
    fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
    fixture.plan(plan_for_windows("vdb"));
    assert!(fixture.frame(80, 25).contains("! Some disks may be missing: udev."));
    fixture.enter(State::Countdown, "The installation starts when the countdown ends.");
    fixture.event(Event::Countdown { seconds_left: 9 });
    assert!(fixture.frame(80, 25).contains("! Some disks may be missing: udev."));
}

#[test]
fn a_webhook_that_is_waited_for_is_named_until_it_was_told() {
    let mut fixture = finished(PasswordOrigin::Typed);
    fixture.event(Event::FinishScheduled(ScheduledFinish {
        action: Finish::Reboot,
        at_uptime_ms: Some(0),
    }));
    let url = "https://inventory.example/nixvm";
    let mut deliver = |delivery| {
        let webhook = Webhook { url: url.to_owned(), delivery };
        fixture.event(Event::Webhook(webhook));
        fixture.frame(80, 25)
    };
    let frame = deliver(Delivery::Sending);
    assert!(frame.contains(&format!("Telling {url} how it ended.")), "{frame}");
    assert!(!frame.contains("Restarting..."), "{frame}");
    for delivery in [Delivery::Delivered, Delivery::Failed] {
        let frame = deliver(delivery);
        assert!(!frame.contains(url) && frame.contains("Restarting..."), "{frame}");
    }
}

#[test]
fn a_check_that_takes_long_says_for_how_long_it_has_run() {
    let mut fixture = Fixture::awaiting_confirmation();
    let configuration = plan("vda").configuration;
    let build = Check::Build(Wanted { configuration, network: Network::Auto }).sentence();
    fixture.enter(State::Preflight, &build);
    assert!(fixture.frame(80, 25).contains(&build) && !fixture.frame(80, 25).contains("so far"));
    fixture.pass(Duration::from_secs(75));
    assert!(fixture.model.is_ticking());
    check("preflight-build", &fixture);
    fixture.enter(State::Preflight, "Checking the network.");
    assert!(!fixture.frame(80, 25).contains("so far"), "another check begins anew");
}

#[test]
fn the_bar_never_goes_back_and_is_full_only_at_the_end() {
    let mut fixture = Fixture::new();
    let mut last = 0;
    for event in crate::event::examples::install() {
        fixture.event(event);
        let percent = fixture.model.percent();
        let installed = fixture.status.state == State::Installed;
        assert!(percent >= last && (percent == 100) == installed, "{last} % to {percent} %");
        last = percent;
    }
    assert_eq!(last, 100);
    let mut fixture = Fixture::installing();
    fixture.steps(&[(Step::Partition, 1.0), (Step::Configure, 1.0)], Step::System);
    fixture.event(Event::Progress { bytes_done: 500, bytes_total: 1000 });
    assert_eq!(fixture.model.percent(), 45);
    // More is found out to be needed.
    fixture.event(Event::Progress { bytes_done: 500, bytes_total: 2000 });
    assert_eq!(fixture.model.percent(), 45);
    fixture.enter(State::Cancelled, "Installation cancelled. The disk will not boot.");
    fixture.enter(State::Installing, "Install NixOS.");
    fixture.event(Event::AttemptStarted { attempt: "b".to_owned() });
    assert_eq!(fixture.model.percent(), 0, "another attempt begins anew");
}

#[test]
fn a_list_of_disks_that_is_cut_keeps_the_target() {
    let mut disks: Vec<_> = ('a'..='y').map(|letter| disk(&format!("vd{letter}"))).collect();
    disks.push(medium());
    let mut fixture = Fixture::with_disks(disks);
    fixture.enter(State::AwaitingConfirmation, "Waiting for confirmation.");
    fixture.plan(plan("vdx"));
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("more than fits here") && frame.contains("► /dev/vdx"), "{frame}");
}

#[test]
fn what_the_plan_warns_of_is_shown_before_anything_is_written() {
    let mut fixture = Fixture::counting_down();
    let mut warned = plan("vda");
    warned.warnings = vec!["/dev/vdb has a file system labelled nixos.".to_owned()];
    fixture.plan(warned);
    assert!(fixture.frame(80, 25).contains("! /dev/vdb has a file system labelled nixos."));
}

#[test]
fn before_an_install_no_iso_is_named_since_the_installer_may_have_come_without() {
    let mut fixture = Fixture::counting_down();
    fixture.plan(plan("vda"));
    let frame = fixture.frame(160, 50);
    assert!(frame.contains("copied from this installer") && !frame.contains("ISO"), "{frame}");
}

#[test]
fn what_is_warned_of_is_shown_while_the_system_is_copied() {
    let mut fixture = copying();
    fixture.event(Event::Warning { message: "The clock is wrong.".to_owned() });
    assert!(fixture.frame(80, 25).contains("! The clock is wrong."));
}

#[test]
fn a_password_that_is_answered_is_not_asked_for() {
    let mut fixture = Fixture::awaiting_confirmation();
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("P Pass"), "{frame}");
    fixture.plan(with_password_answered(plan("vda")));
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("Password    set (from kernel command line)"), "{frame}");
    assert!(!frame.contains("P Pass"), "{frame}");
}

#[test]
fn no_time_is_promised_before_it_is_known() {
    let mut fixture = Fixture::installing();
    fixture.steps(&[], Step::System);
    fixture.event(Event::Progress { bytes_done: 0, bytes_total: 1000 });
    fixture.pass(Duration::from_secs(2));
    fixture.event(Event::Progress { bytes_done: 999, bytes_total: 1000 });
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("77 %") && !frame.contains("left to copy"), "{frame}");
    fixture.pass(Duration::from_secs(60));
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("no progress for a while"), "{frame}");
}

#[test]
fn an_iso_is_named_after_an_install_only_where_the_installer_runs_from_it() {
    for (bytes, said) in [(0, "The ISO may stay attached."), (1, "Nothing has to stay attached.")] {
        let mut fixture = finished(PasswordOrigin::Typed);
        let machine = crate::machine::examples::machine();
        let machine = crate::machine::Machine { image_in_memory_bytes: bytes, ..machine };
        fixture.event(Event::Machine(machine));
        assert!(fixture.frame(80, 25).contains(said), "{}", fixture.frame(80, 25));
    }
}

#[test]
fn a_small_screen_shows_first_what_can_not_be_read_later() {
    let mut fixture = finished(PasswordOrigin::Generated);
    fixture.model.generated = Some(Secret::new("bcde-fghi-jkno-prst".to_owned()));
    fixture.verdict(Outcome::Installed, None);
    for (width, height) in [(40, 12), (40, 8), (80, 10), (25, 25)] {
        assert!(fixture.frame(width, height).contains("bcde-fghi-jkno-prst"), "{width}x{height}");
    }
    let mut fixture = data();
    fixture.key(Key::Char('i'));
    let frame = fixture.frame(40, 12);
    assert!(
        frame.contains("THIS WILL ERASE") && frame.contains("name, vda, then press Enter:"),
        "{frame}"
    );
}

#[test]
fn no_size_is_too_small_to_draw() {
    let mut fixtures = vec![Fixture::new(), data(), copying()];
    fixtures.push(finished(PasswordOrigin::Generated));
    fixtures[1].key(Key::Char('i'));
    for fixture in &fixtures {
        for (width, height) in [(1, 1), (1, 60), (200, 1), (10, 5), (40, 10), (79, 24), (132, 43)] {
            fixture.frame(width, height);
        }
    }
}

#[test]
fn what_comes_from_outside_does_no_harm() {
    let strange = DiskView {
        summary: "/dev/vda, 21 GB, \x1b[2J\u{202e}Данные 漢字".to_owned(),
        model: Some("\x1b[2J\u{202e}Данные 漢字".to_owned()),
        ..disk("vda")
    };
    let mut fixture = Fixture::with_disks(vec![strange]);
    fixture.enter(State::ChoosingDisk, "m");
    let frame = fixture.frame(80, 25);
    assert!(frame.contains("??????"), "{frame}");
    assert!(frame.lines().skip(5).any(|line| line.contains("[2J")), "{frame}");
}

#[test]
fn a_password_of_the_answers_is_named_with_its_source() {
    let mut fixture = finished(PasswordOrigin::Answers);
    fixture.plan(with_password_answered(plan("vda")));
    let frame = fixture.frame(80, 25);
    assert!(
        frame.contains("Password    the one in your answers (from kernel command line)"),
        "{frame}"
    );
}
