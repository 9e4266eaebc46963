//! Records → plain lines for people: serial consoles, and `nixvm-agent watch`; a disk → its line there, in
//! the dialogue in plain lines and in `nixvm-agent disks`.
//!
//! A line for each step and each tenth of the copy. What comes from a disk or a firmware may hold
//! anything: control characters are left out.

use nixvm_answers::answers::Finish;

use crate::event::Status;
use crate::event::Step;
use crate::event::{
    Delivery, DiskView, Event, Outcome, PasswordOrigin, Record, ScheduledFinish, Webhook,
};
use crate::format::{self, printable};
use crate::machine::Machine;

/// A countdown gets a line at its start and every so many seconds.
const COUNTDOWN: u32 = 10;

/// Remembers what was said, so that it is not said again.
#[derive(Default)]
pub struct Renderer {
    disks: Vec<DiskView>,
    plan: String,
    counting: bool,
    tenths: u64,
}

impl Renderer {
    /// What is to be said of a record; mostly nothing or one line.
    pub fn of(&mut self, record: &Record) -> Vec<String> {
        let said = self.say(&record.event, record.uptime_ms);
        said.iter().flat_map(|text| text.lines()).map(printable).collect()
    }

    fn say(&mut self, event: &Event, uptime_ms: u64) -> Vec<String> {
        match event {
            Event::AgentStarted { build_id, .. } => vec![format!("NixOS installer {build_id}")],
            Event::Machine(machine) => vec![about(machine)],
            Event::Disks { disks } => self.changed(disks),
            Event::State { message, .. } => {
                self.counting = false;
                // Long, and just said.
                let known = *message == self.plan;
                vec![if known { "Installation started.".to_owned() } else { message.clone() }]
            }
            Event::Plan { plan, .. } => {
                self.plan = plan.sentence();
                let warnings = plan.warnings.iter().map(|warning| format!("Warning: {warning}"));
                std::iter::once(self.plan.clone()).chain(warnings).collect()
            }
            Event::Countdown { seconds_left } => {
                let tell = !self.counting || seconds_left % COUNTDOWN == 0;
                self.counting = true;
                let line = starting(*seconds_left);
                if tell && *seconds_left > 0 { vec![line] } else { Vec::new() }
            }
            Event::AttemptStarted { .. } => {
                self.tenths = 0;
                Vec::new()
            }
            Event::StepStarted { step } => vec![numbered(*step)],
            Event::Progress { bytes_done, bytes_total } => self.tenth(*bytes_done, *bytes_total),
            Event::Password { origin: PasswordOrigin::Generated } => {
                let shown = "it is shown where the installer is used, and nowhere else.";
                vec![format!("A password was generated for the account; {shown}")]
            }
            Event::Warning { message } => vec![format!("Warning: {message}")],
            Event::FinishScheduled(leaving) => vec![finish_sentence(*leaving, uptime_ms)],
            Event::Webhook(Webhook { url, delivery }) => match delivery {
                Delivery::Sending => vec![format!("Telling {url} how it ended.")],
                Delivery::Delivered => vec![format!("{url} was told how it ended.")],
                // The warning says it.
                Delivery::Failed => Vec::new(),
            },
            Event::AttemptEnded { outcome, error, duration_seconds, .. } => {
                let mut lines = vec![verdict(*outcome, *duration_seconds)];
                // The message is that of the state.
                lines.extend(error.iter().map(|problem| problem.hint.clone()));
                lines
            }
            Event::Snapshot(status) => self.catch_up(status, uptime_ms),
            Event::ScreenReady { .. } | Event::StepFinished { .. } | Event::Password { .. } => {
                Vec::new()
            }
        }
    }

    /// The lines for a snapshot, with which a late reader begins.
    fn catch_up(&mut self, status: &Status, uptime_ms: u64) -> Vec<String> {
        let mut lines = vec![format!("NixOS installer {}", status.build_id)];
        lines.extend(status.machine.as_ref().map(about));
        lines.extend(self.changed(&status.disks));
        lines.push(status.message.clone());
        lines.extend(status.plan.as_ref().map(|plan| plan.sentence()));
        lines.extend(status.countdown.map(starting));
        lines.extend(status.step.map(numbered));
        lines.extend(self.tenth(status.bytes_done, status.bytes_total));
        lines.extend(status.warnings.iter().map(|warning| format!("Warning: {warning}")));
        lines.extend(status.finish.map(|leaving| finish_sentence(leaving, uptime_ms)));
        lines
    }

    fn changed(&mut self, now: &[DiskView]) -> Vec<String> {
        let is_gone = |disk: &&DiskView| !now.iter().any(|one| one.name == disk.name);
        let mut lines: Vec<_> = self
            .disks
            .iter()
            .filter(is_gone)
            .map(|disk| format!("Disk removed: {}", disk.summary))
            .collect();
        lines.extend(now.iter().filter(|disk| !self.disks.contains(disk)).map(describe));
        self.disks = now.to_vec();
        lines
    }

    fn tenth(&mut self, done: u64, total: u64) -> Vec<String> {
        let tenths = done.saturating_mul(10).checked_div(total).unwrap_or_default();
        if tenths <= self.tenths {
            return Vec::new();
        }
        self.tenths = tenths;
        vec![format!("{} %, {} of {}", tenths * 10, format::size(done), format::size(total))]
    }
}

/// A disk in a line, with why it can't be used or what is on it.
pub fn describe(disk: &DiskView) -> String {
    let note = match &disk.ineligible {
        Some(reason) => format!("not usable: {}", reason.message),
        None if disk.contents.is_empty() => disk.condition.name().to_owned(),
        None => format!("{}: {}", disk.condition.name(), disk.contents.join("; ")),
    };
    format!("Disk {} ({note})", disk.summary)
}

/// The machine in a line.
pub fn about(machine: &Machine) -> String {
    format!(
        "{}, {}, {}, {} of memory",
        machine.hypervisor,
        machine.firmware,
        machine.architecture,
        format::size(machine.memory_bytes)
    )
}

fn starting(seconds_left: u32) -> String {
    format!("Starting in {seconds_left} s.")
}

/// A step with its number.
pub fn numbered(step: Step) -> String {
    format!("[{}/{}] {}", step.index(), Step::ALL.len(), step.title())
}

/// How and when the machine is left.
pub fn finish_sentence(leaving: ScheduledFinish, uptime_ms: u64) -> String {
    let (happens, how) = match leaving.action {
        Finish::Reboot => ("restarts", "reboot"),
        Finish::Poweroff => ("switches itself off", "poweroff"),
        Finish::Wait => return "The machine stays on.".to_owned(),
    };
    match leaving.at_uptime_ms {
        Some(at) => {
            let seconds = at.saturating_sub(uptime_ms).div_ceil(1000);
            format!("The machine {happens} in {seconds} s.")
        }
        None => format!("The machine {happens} on request: nixvm-agent finish {how}"),
    }
}

fn verdict(outcome: Outcome, seconds: Option<f64>) -> String {
    let after = seconds
        .map(|seconds| format!(" after {}", format::duration(seconds.round() as u64)))
        .unwrap_or_default();
    let word = match outcome {
        Outcome::Installed => "Installed",
        Outcome::Failed => "Failed",
        Outcome::Refused => "Refused",
        Outcome::Cancelled => "Cancelled",
        Outcome::AlreadyInstalled => "Already installed",
    };
    format!("{word}{after}.")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::disk::eligibility::Ineligible;
    use crate::event::State;
    use crate::event::examples::{self, disk};

    fn all(events: &[Event]) -> String {
        let mut lines = Renderer::default();
        let records = examples::numbered(events.iter().cloned());
        records.flat_map(|record| lines.of(&record)).map(|line| line + "\n").collect()
    }

    #[test]
    fn an_install_takes_a_line_for_each_step() {
        expect![[r#"
            NixOS installer test
            QEMU/KVM, UEFI, x86_64, 2 GiB of memory
            Disk /dev/vda, 21 GB (blank)
            why
            Install NixOS, copied from this installer, on /dev/vda, 64 GiB, serial serial-vda, which is blank (zeros in the first and last 64 MiB and at 8,128 places between); host name nixvm, account ht.
            Starting in 1 s.
            why
            [1/7] Partition and format the disk
            [2/7] Write the configuration
            [3/7] Copy the system
            40 %, 400 B of 1000 B
            100 %, 1000 B of 1000 B
            Warning: something odd
            [4/7] Set up the account
            [5/7] Install the boot loader
            [6/7] Verify the installation
            [7/7] Make the disk bootable
            why
            The machine restarts in 30 s.
            Installed after 11 s.
        "#]].assert_eq(&all(&examples::install()));
    }

    #[test]
    fn a_late_reader_learns_where_things_stand() {
        let mut status = Status::default();
        let events = examples::install();
        let copying =
            events.iter().position(|e| matches!(e, Event::Progress { bytes_done: 400, .. }));
        events[..=copying.unwrap()].iter().for_each(|event| status.apply(event));
        expect![[r#"
            NixOS installer test
            QEMU/KVM, UEFI, x86_64, 2 GiB of memory
            Disk /dev/vda, 21 GB (blank)
            why
            Install NixOS, copied from this installer, on /dev/vda, 64 GiB, serial serial-vda, which is blank (zeros in the first and last 64 MiB and at 8,128 places between); host name nixvm, account ht.
            [3/7] Copy the system
            40 %, 400 B of 1000 B
        "#]].assert_eq(&all(&[Event::Snapshot(Box::new(status))]));
    }

    #[test]
    fn ends_say_what_to_do() {
        let message = "It failed:\nbecause\x1b[31m".to_owned();
        let failed = Event::State { from: State::Installing, to: State::Failed, message };
        let verdict = Event::AttemptEnded {
            outcome: Outcome::Failed,
            error: Some(examples::problem()),
            duration_seconds: Some(75.0),
            peak_resident_bytes: 0,
        };
        expect![[r#"
            It failed:
            because[31m
            Failed after 1 min 15 s.
            Give the disk more room, then retry.
        "#]]
        .assert_eq(&all(&[failed, verdict]));
    }

    #[test]
    fn a_disk_is_named_when_it_comes_changes_and_goes() {
        let mut used = disk("vda");
        used.ineligible = Some(Ineligible::Removable.into());
        let disks = |disks| Event::Disks { disks };
        let events = [disks(vec![disk("vda"), disk("vdb")]), disks(vec![used.clone()])];
        expect![[r#"
            Disk /dev/vda, 21 GB (blank)
            Disk /dev/vdb, 21 GB (blank)
            Disk removed: /dev/vdb, 21 GB
            Disk /dev/vda, 21 GB (not usable: removable)
        "#]]
        .assert_eq(&all(&events));
        assert_eq!(all(&[disks(vec![used.clone()]), disks(vec![used])]).lines().count(), 1);
    }

    #[test]
    fn a_copy_in_tiny_pieces_takes_ten_lines_and_a_retry_begins_anew() {
        let progress = |bytes_done| Event::Progress { bytes_done, bytes_total: 100_000 };
        let mut events: Vec<_> = (0..=100_000).step_by(10).map(progress).collect();
        assert_eq!(all(&events).lines().count(), 10);
        events.push(Event::AttemptStarted { attempt: "2".to_owned() });
        events.push(progress(50_000));
        assert_eq!(all(&events).lines().count(), 11);
        assert_eq!(all(&[Event::Progress { bytes_done: 0, bytes_total: 0 }]), "");
    }

    #[test]
    fn a_plan_is_said_once() {
        let plan = crate::plan::examples::plan("vda");
        let message = plan.sentence();
        let token = plan.token();
        let begins = Event::State { from: State::Countdown, to: State::Installing, message };
        let text = all(&[Event::Plan { plan: Box::new(plan), token }, begins]);
        assert!(text.ends_with(", account ht.\nInstallation started.\n"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_countdown_is_told_now_and_then() {
        let events: Vec<_> =
            (0..=25).rev().map(|seconds_left| Event::Countdown { seconds_left }).collect();
        assert_eq!(all(&events).lines().count(), 3, "25, 20, 10");
    }
}
