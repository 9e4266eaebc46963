//! A bus that is late, taken, restarted, or full of clients that vanish.

use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nixvm_agent::event::{Event, Outcome, State};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::fixture::{Agent, Daemon, Policy, run, served};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_bus_costs_the_install_nothing_and_watchers_find_it_again() {
    let Some(mut daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    let mut command = tokio::process::Command::from(daemon.cli(&["watch", "--json"]));
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let snapshot = |line: String| {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        (record["event"] == "snapshot").then(|| record["state"].as_str().unwrap().to_owned())
    };
    let first = snapshot(lines.next_line().await.unwrap().unwrap());
    assert_eq!(first.as_deref(), Some("preflight"));

    daemon.restart();
    agent.state(State::WaitingForDisk);
    let second = snapshot(lines.next_line().await.unwrap().unwrap());
    assert_eq!(second.as_deref(), Some("waiting-for-disk"), "it is signalled again");
    agent.end(State::Refused, Outcome::Refused);
    assert_eq!(watch.wait().await.unwrap().code(), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_waited_for() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let other = daemon.bus().builder().name("org.nixvm.Installer1").build().await.unwrap();
    let _agent = Agent::start(daemon.bus());
    let (code, _, err) = run(daemon.cli(&["status"])).await;
    assert_eq!((code, err.as_str()), (6, "nixvm-agent: the installer does not answer\n"));
    drop(other);
    served(&daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_cost_others_no_event() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    let mut command = tokio::process::Command::from(daemon.cli(&["watch", "--json"]));
    let mut watch = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    lines.next_line().await.unwrap().unwrap();
    let bus = daemon.bus();
    for number in 0..200_u64 {
        agent.publisher.publish(Event::Progress { bytes_done: number, bytes_total: 200 });
        if number % 4 == 0 {
            // Not even the end of the handshake is awaited.
            let nixvm_agent::dbus::Bus::At(address) = &bus else { unreachable!() };
            let address = address.to_string();
            let path = address.split(['=', ',']).nth(1).unwrap().to_owned();
            drop(UnixStream::connect(path).unwrap());
        } else {
            let client = bus.builder().build().await.unwrap();
            let path = "/org/nixvm/Installer1";
            let call = ("org.nixvm.Installer1", "State");
            let all = Some("org.freedesktop.DBus.Properties");
            let reply = client.call_method(Some(call.0), path, all, "Get", &call);
            // Some wait for the answer, some are gone before it.
            if number % 2 == 0 {
                reply.await.unwrap();
            } else {
                let _gone = tokio::time::timeout(std::time::Duration::ZERO, reply).await;
            }
        }
    }
    agent.end(State::Installed, Outcome::Installed);
    let mut events = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        events.push(record["sequence"].as_u64().unwrap());
    }
    let last = agent.publisher.status().borrow().sequence;
    assert!(events.iter().copied().eq(last - 201..=last), "{events:?}");
    assert_eq!(watch.wait().await.unwrap().code(), Some(0));
}
