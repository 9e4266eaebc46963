//! What the installer knows → standard output.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use super::client::{Client, Snapshot};
use super::code::{Code, Failure};
use crate::event::Status;
use crate::format;
use crate::format::printable;
use crate::plan::Plan;
use crate::sinks::text;

/// Prints what the installer does.
///
/// # Errors
/// There is no installer.
pub(super) async fn status(client: &Client, json: bool, out: &mut dyn Write) -> Result<()> {
    let snapshot = client.snapshot().await?;
    if json {
        return Ok(writeln!(out, "{}", snapshot.json)?);
    }
    Ok(out.write_all(rows(&about(&snapshot)).as_bytes())?)
}

/// Prints the disks.
///
/// # Errors
/// There is no installer.
pub(super) async fn disks(client: &Client, json: bool, out: &mut dyn Write) -> Result<()> {
    let disks = client.snapshot().await?.status.disks;
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&disks)?)?);
    }
    if disks.is_empty() {
        writeln!(out, "No disk is attached.")?;
    }
    for disk in &disks {
        writeln!(out, "{}", printable(&text::describe(disk)))?;
    }
    Ok(())
}

/// Prints the plan and its token.
///
/// # Errors
/// There is no installer, or nothing is planned.
pub(super) async fn plan(client: &Client, json: bool, out: &mut dyn Write) -> Result<()> {
    let status = client.decided().await?.status;
    let plan = planned(&status)?;
    if json {
        return Ok(writeln!(out, "{}", json!({ "plan": plan, "token": status.token }))?);
    }
    Ok(out.write_all(describe(plan, &status.token).as_bytes())?)
}

/// The plan, if there is one.
///
/// # Errors
/// There is none.
pub(super) fn planned(status: &Status) -> Result<&Plan> {
    let none = || {
        let message = format!("nothing is planned ({}): {}", status.state.name(), status.message);
        Failure::new(Code::RequestRefused, printable(&message))
    };
    Ok(status.plan.as_ref().ok_or_else(none)?)
}

/// The plan in words.
pub(super) fn describe(plan: &Plan, token: &str) -> String {
    let mut table = vec![("Plan", plan.sentence()), ("Disk", plan.target.summary.clone())];
    table.extend(plan.target.erases.iter().map(|what| ("Erases", what.clone())));
    table.extend(plan.answers.iter().map(|answer| {
        ("Answer", format!("{} = {} ({})", answer.key, answer.text, answer.source.text))
    }));
    table.extend(plan.warnings.iter().map(|warning| ("Warning", warning.clone())));
    if !token.is_empty() {
        table.push(("Token", token.to_owned()));
    }
    rows(&table)
}

fn about(snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let status = &snapshot.status;
    let mut table = vec![
        ("State", status.state.name().to_owned()),
        ("Message", status.message.clone()),
        ("Installer", format!("{} {}", status.agent_version, status.build_id)),
    ];
    table.extend(status.machine.as_ref().map(|machine| ("Machine", text::about(machine))));
    table.extend(status.plan.as_ref().map(|plan| ("Target", plan.target.summary.clone())));
    table.extend(status.countdown.map(|left| ("Begins in", format::duration(left.into()))));
    table.extend(status.step.map(|step| ("Step", text::numbered(step))));
    if status.bytes_total > 0 {
        let (done, total) = (format::size(status.bytes_done), format::size(status.bytes_total));
        let percent = (status.progress() * 100.0).floor();
        table.push(("Progress", format!("{percent} %, {done} of {total}")));
    }
    table.extend(status.warnings.iter().map(|warning| ("Warning", warning.clone())));
    if let Some(error) = &status.error {
        table.push(("Error", error.kind.clone()));
        table.push(("To do", error.hint.clone()));
    }
    let leaving =
        status.finish.map(|leaving| text::finish_sentence(leaving, snapshot.record.uptime_ms));
    table.extend(leaving.map(|sentence| ("Then", sentence)));
    table
}

/// A table of two columns; a name that is that of the row above is left out.
fn rows(table: &[(&str, String)]) -> String {
    let width = table.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = String::new();
    let mut above = "";
    for (name, value) in table {
        for line in value.lines() {
            let shown = if *name == above { "" } else { name };
            text.push_str(&format!("{shown:width$}  {}\n", printable(line)));
            above = name;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::event::examples;
    use crate::event::{Event, Record, State, VERSION};

    fn snapshot(events: &[Event]) -> Snapshot {
        let mut status = Status::default();
        events.iter().for_each(|event| status.apply(event));
        let event = Event::Snapshot(Box::new(status.clone()));
        let record = Record { version: VERSION, sequence: 9, uptime_ms: 50_000, time: None, event };
        Snapshot { json: String::new(), record, status }
    }

    #[test]
    fn a_status_in_words() {
        expect![[r#"
            State      installed
            Message    why
            Installer  0.1.0 test
            Machine    QEMU/KVM, UEFI, x86_64, 2 GiB of memory
            Target     /dev/vda, 64 GiB, serial serial-vda
            Step       [7/7] Make the disk bootable
            Progress   100 %, 1000 B of 1000 B
            Warning    something odd
            Then       The machine restarts in 10 s.
        "#]]
        .assert_eq(&rows(&about(&snapshot(&examples::install()))));
        let mut events = examples::install();
        let message = "one\ntwo\x1b[2J".to_owned();
        events.push(Event::State { from: State::Installing, to: State::Failed, message });
        events.push(Event::AttemptEnded {
            outcome: crate::event::Outcome::Failed,
            error: Some(examples::problem()),
            duration_seconds: None,
            peak_resident_bytes: 0,
        });
        expect![[r#"
            State      failed
            Message    one
                       two[2J
            Installer  0.1.0 test
            Machine    QEMU/KVM, UEFI, x86_64, 2 GiB of memory
            Target     /dev/vda, 64 GiB, serial serial-vda
            Step       [7/7] Make the disk bootable
            Progress   100 %, 1000 B of 1000 B
            Warning    something odd
            Error      step-failed
            To do      Give the disk more room, then retry.
        "#]]
        .assert_eq(&rows(&about(&snapshot(&events))));
    }

    #[test]
    fn a_plan_in_words() {
        let mut plan = crate::plan::examples::plan("vda");
        plan.target.erases = vec!["partition 1: ext4".to_owned(), "partition 2: swap".to_owned()];
        expect![[r#"
            Plan    Install NixOS, copied from this installer, on /dev/vda, 64 GiB, serial serial-vda, erasing partition 1: ext4; partition 2: swap; host name nixvm, account ht.
            Disk    /dev/vda, 64 GiB, serial serial-vda
            Erases  partition 1: ext4
                    partition 2: swap
            Token   0123
        "#]].assert_eq(&describe(&plan, "0123"));
    }
}
