//! Records of every kind, for tests of those who write them down.

use nixvm_answers::answers::Finish;

use super::{
    Delivery, DiskView, Event, Outcome, PasswordOrigin, Record, ScheduledFinish, State, VERSION,
    Webhook,
};
use crate::disk::Condition;
use crate::disk::eligibility::Ineligible;
use crate::event::Status;
use crate::event::Step;
use crate::plan::Problem;

/// A disk as it is shown; its name is all that matters.
pub(crate) fn disk(name: &str) -> DiskView {
    DiskView {
        name: name.to_owned(),
        device: format!("/dev/{name}"),
        summary: format!("/dev/{name}, 21 GB"),
        size_bytes: 21 << 30,
        model: None,
        serial: Some("S1".to_owned()),
        wwn: None,
        id: Some(format!("virtio-{name}")),
        condition: Condition::Blank,
        contents: Vec::new(),
        ineligible: None,
    }
}

/// A failure.
pub(crate) fn problem() -> Problem {
    Problem {
        kind: "step-failed".to_owned(),
        message: "Copy the system failed: no space left".to_owned(),
        hint: "Give the disk more room, then retry.".to_owned(),
        step: Some("system".to_owned()),
    }
}

/// An install from its start to its good end, with a warning, as the agent tells it.
pub(crate) fn install() -> Vec<Event> {
    let state = |from, to| Event::State { from, to, message: "why".to_owned() };
    let plan = crate::plan::examples::plan("vda");
    let token = plan.token();
    let mut events = vec![
        Event::AgentStarted { agent_version: "0.1.0".to_owned(), build_id: "test".to_owned() },
        Event::Machine(crate::machine::examples::machine()),
        Event::ScreenReady { duration_seconds: 0.25 },
        Event::Disks { disks: vec![disk("vda")] },
        state(State::Preflight, State::Countdown),
        Event::Plan { plan: Box::new(plan), token },
        Event::Countdown { seconds_left: 1 },
        state(State::Countdown, State::Installing),
        Event::AttemptStarted { attempt: "attempt".to_owned() },
        Event::Password { origin: PasswordOrigin::Answers },
    ];
    for step in Step::ALL {
        events.push(Event::StepStarted { step });
        if step == Step::System {
            let progress = |bytes_done| Event::Progress { bytes_done, bytes_total: 1000 };
            events.extend([0, 400, 1000].map(progress));
            events.push(Event::Warning { message: "something odd".to_owned() });
        }
        events.push(Event::StepFinished { step, duration_seconds: 1.5 });
    }
    events.push(state(State::Installing, State::Installed));
    events.push(Event::FinishScheduled(ScheduledFinish {
        action: Finish::Reboot,
        at_uptime_ms: Some(60_000),
    }));
    events.push(Event::AttemptEnded {
        outcome: Outcome::Installed,
        error: None,
        duration_seconds: Some(10.5),
        peak_resident_bytes: 20 << 20,
    });
    events
}

/// Gives events numbers, from 1.
pub(crate) fn numbered(events: impl IntoIterator<Item = Event>) -> impl Iterator<Item = Record> {
    events.into_iter().zip(1..).map(|(event, sequence)| Record {
        version: VERSION,
        sequence,
        uptime_ms: sequence * 1000,
        time: None,
        event,
    })
}

/// Records of every kind.
pub(crate) fn records() -> impl Iterator<Item = Record> {
    let mut status = Status::default();
    let mut events = install();
    events.iter().for_each(|event| status.apply(event));
    events.push(Event::Snapshot(Box::new(status)));
    let url = "https://inventory.example/nixvm".to_owned();
    events.push(Event::Webhook(Webhook { url, delivery: Delivery::Sending }));
    let mounts = vec!["/srv".to_owned()];
    let used = DiskView { ineligible: Some(Ineligible::InUse { mounts }.into()), ..disk("vdb") };
    events.push(Event::Disks { disks: vec![disk("vda"), used] });
    events.push(Event::AttemptEnded {
        outcome: Outcome::Failed,
        error: Some(problem()),
        duration_seconds: None,
        peak_resident_bytes: 0,
    });
    numbered(events)
}
