//! Who may do what.

use std::process::Output;

use nixvm_agent::event::{Outcome, State};

use crate::fixture::{Agent, Daemon, Policy, run, served};

const INTERFACE: &str = "org.nixvm.Installer1";

/// Every method with its signature and arguments.
const METHODS: [&[&str]; 6] = [
    &["SelectDisk", "oa{sv}", "/org/nixvm/Installer1/disks/vda", "0"],
    &["SetAnswers", "sa{sv}", "hostname = 'x'", "1", "merge", "b", "true"],
    &["Confirm", "sa{sv}", "token", "0"],
    &["Cancel"],
    &["Retry"],
    &["Finish", "sa{sv}", "reboot", "0"],
];

fn call(daemon: &Daemon, method: &[&str]) -> Output {
    daemon.busctl_unprivileged("call", &[&[INTERFACE], method].concat())
}

/// Whether busctl says that the caller may not do that; its words for it have changed.
fn is_denied(output: &Output) -> bool {
    let said = text(&output.stderr).to_lowercase();
    said.contains("access denied") || said.contains("access error")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_and_root_steers() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let mut agent = Agent::start(daemon.bus());
    served(&daemon).await;
    for method in METHODS {
        let output = call(&daemon, method);
        assert!(!output.status.success(), "{method:?}");
        assert!(is_denied(&output), "{output:?}");
    }
    let set = daemon.busctl_unprivileged("set-property", &[INTERFACE, "State", "s", "installed"]);
    assert!(!set.status.success());
    for command in ["select", "confirm", "set-answers", "finish"] {
        assert!(agent.asked.try_recv().is_err(), "{command}");
    }

    let read = daemon.busctl_unprivileged("get-property", &[INTERFACE, "State"]);
    assert_eq!(text(&read.stdout), "s \"preflight\"\n", "{read:?}");
    let tree = daemon.busctl_unprivileged("introspect", &[]);
    assert!(text(&tree.stdout).contains(".SetAnswers"), "{tree:?}");
    let manager = ["org.freedesktop.DBus.ObjectManager", "GetManagedObjects"];
    assert!(daemon.busctl_unprivileged("call", &manager).status.success());
    let all = ["org.freedesktop.DBus.Properties", "GetAll", "s", INTERFACE];
    assert!(daemon.busctl_unprivileged("call", &all).status.success());
    let ping = ["org.freedesktop.DBus.Peer", "Ping"];
    assert!(daemon.busctl_unprivileged("call", &ping).status.success());

    assert_eq!(run(daemon.cli(&["cancel"])).await.0, 0);
    assert_eq!(agent.asked.recv().await.unwrap(), "Cancel");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_hear_every_event_and_the_verdict() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    let watch = tokio::spawn(run(daemon.cli_unprivileged(&["watch", "--json"])));
    // Whenever it begins to listen, it gets all: the first part in the snapshot, the rest as events.
    for _ in 0..50 {
        agent.state(State::WaitingForDisk);
        agent.state(State::Preflight);
        tokio::task::yield_now().await;
    }
    agent.end(State::Cancelled, Outcome::Cancelled);
    let (code, out, err) = watch.await.unwrap();
    assert_eq!((code, err.as_str()), (4, ""), "{out}");
    let records: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["event"], "snapshot");
    let numbers: Vec<_> =
        records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
    let last = agent.publisher.status().borrow().sequence;
    if numbers[0] < last {
        assert!(numbers.iter().copied().eq(numbers[0]..=last), "{numbers:?}");
    }
    assert_eq!(records.last().unwrap()["event"], "attempt-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_policy_opens_nothing() {
    let Some(daemon) = Daemon::start(Policy::None) else { return };
    let mut agent = Agent::start(daemon.bus());
    served(&daemon).await;
    for method in METHODS {
        let output = call(&daemon, method);
        assert!(is_denied(&output), "{output:?}");
    }
    assert!(agent.asked.try_recv().is_err());
    let (code, _, err) = run(daemon.cli_unprivileged(&["cancel"])).await;
    assert_eq!((code, err.as_str()), (8, "nixvm-agent: only root may control the installer\n"));
    assert_eq!(run(daemon.cli(&["cancel"])).await.0, 0);
    assert_eq!(agent.asked.recv().await.unwrap(), "Cancel");
}
