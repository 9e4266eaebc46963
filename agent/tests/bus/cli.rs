//! The CLI against an agent's half.

use std::process::Command;
use std::time::Duration;

use nixvm_agent::event::{Event, Outcome, State};
use serde_json::{Value, json};

use crate::fixture::{Agent, Daemon, Policy, run, served};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nixvm-agent"))
}

/// What the agent publishes with a consent to ask for.
fn plan() -> Event {
    let plan = json!({
        "event": "plan",
        "token": "0123456789abcdef",
        "plan": {
            "target": {
                "name": "vda",
                "identity": {
                    "node": "/dev/vda", "diskseq": 1, "number": [254, 0], "id_path": null,
                    "serial": null, "wwn": null, "size_bytes": 1, "digest": "d"
                },
                "summary": "/dev/vda, 21 GB", "condition": "data", "erases": ["ext4 \"home\""],
                "links": [], "chosen_by": "user"
            },
            "system": { "from": "copy", "toplevel": "/nix/store/x" },
            "configuration": {
                "hostname": "box", "username": "me", "full_name": "", "disk_device": "/dev/vda"
            },
            "countdown": 10, "finish": "reboot", "network": { "policy": "auto" },
            "answers": [{
                "key": "hostname", "value": "box", "text": "box",
                "source": { "kind": "iso", "text": "this installer" }
            }],
            "warnings": ["/dev/vdb has the same label."]
        }
    });
    serde_json::from_value(plan).unwrap()
}

fn disks() -> Event {
    let disk = |name: &str, ineligible: Value| {
        json!({
            "name": name, "device": format!("/dev/{name}"), "model": null, "serial": "S1",
            "wwn": null, "id": null, "summary": format!("/dev/{name}, 21 GB"), "size_bytes": 21,
            "condition": "blank", "contents": [], "ineligible": ineligible
        })
    };
    let disks = json!([
        disk("vda", Value::Null),
        disk(
            "cciss!c0d0",
            json!({ "reason": "in-use", "mounts": ["/srv"], "message": "in use: /srv" })
        )
    ]);
    serde_json::from_value(json!({ "event": "disks", "disks": disks })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_shown() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    agent.state(State::WaitingForDisk);
    let (code, _, err) = run(daemon.cli(&["plan"])).await;
    assert_eq!(code, 7);
    assert!(err.starts_with("nixvm-agent: nothing is planned (waiting-for-disk)"), "{err}");

    agent.publisher.publish(disks());
    agent.state(State::AwaitingConfirmation);
    agent.publisher.publish(plan());
    let (code, out, _) = run(daemon.cli_unprivileged(&["status"])).await;
    assert_eq!(code, 0);
    assert!(out.contains("State      awaiting-confirmation\n"), "{out}");
    let (_, out, _) = run(daemon.cli(&["status", "--json"])).await;
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&status["event"], &status["state"]),
        (&json!("snapshot"), &json!("awaiting-confirmation"))
    );
    let (_, out, _) = run(daemon.cli(&["disks"])).await;
    assert_eq!(
        out,
        "Disk /dev/vda, 21 GB (blank)\n\
         Disk /dev/cciss!c0d0, 21 GB (not usable: in use: /srv)\n"
    );
    let (_, out, _) = run(daemon.cli(&["disks", "--json"])).await;
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()[0]["name"], "vda");
    let (_, out, _) = run(daemon.cli(&["plan"])).await;
    assert!(out.contains("Erases   ext4 \"home\"\n") && out.contains("0123456789abcdef"), "{out}");
    let (_, out, _) = run(daemon.cli(&["plan", "--json"])).await;
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(shown["plan"]["target"]["name"], "vda");
    assert_eq!(shown["token"], "0123456789abcdef");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_being_made_is_awaited() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    let before = daemon.clients();
    let planning = tokio::spawn(run(daemon.cli(&["plan", "--json"])));
    while daemon.clients() == before {}
    // A client that does not wait has ended long before the last of these.
    for _ in 0..20 {
        agent.publisher.publish(Event::Warning { message: "Looking.".to_owned() });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!planning.is_finished(), "it did not wait");
    let (from, to) = (State::Preflight, State::AwaitingConfirmation);
    agent.publisher.publish_all([Event::State { from, to, message: "m".into() }, plan()]);
    let (code, out, err) = planning.await.unwrap();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("0123456789abcdef"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_and_denials_have_a_code() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let mut agent = Agent::start(daemon.bus());
    agent.publisher.publish(disks());
    served(&daemon).await;
    for (arguments, request) in [
        (&["select", "vda"][..], "Select { disk: \"vda\" }"),
        (&["select", "/dev/cciss/c0d0"], "Select { disk: \"cciss!c0d0\" }"),
        (&["cancel"], "Cancel"),
        (&["retry"], "Retry"),
        (&["finish", "poweroff"], "Finish { how: Poweroff }"),
    ] {
        let (code, out, err) = run(daemon.cli(arguments)).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""), "{arguments:?}");
        assert_eq!(agent.asked.recv().await.unwrap(), request);
    }
    let (code, _, err) = run(daemon.cli(&["confirm", "token"])).await;
    assert_eq!(agent.asked.recv().await.unwrap(), "Confirm { token: \"token\" }");
    assert_eq!(code, 7);
    assert_eq!(
        err,
        "nixvm-agent: the token is not that of the current plan: look at the plan again\n"
    );

    let (code, _, err) = run(daemon.cli(&["select", "vdz"])).await;
    assert_eq!(code, 7);
    assert_eq!(err, "nixvm-agent: no disk vdz is attached; there are: vda, cciss!c0d0\n");
    let (code, _, err) = run(daemon.cli(&["confirm"])).await;
    assert_eq!(code, 7);
    assert!(err.contains("give the token"), "{err}");
    assert_eq!(run(daemon.cli(&["finish", "halt"])).await.0, 2);
    assert_eq!(run(daemon.cli(&["no-such-command"])).await.0, 2);
    assert!(agent.asked.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_checked_here_and_go_there_unseen() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let mut agent = Agent::start(daemon.bus());
    served(&daemon).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nixvm.toml");
    std::fs::write(&file, "hostname = 'box'\nnonsense = 1\n").unwrap();
    let path = file.to_str().unwrap();
    let (code, _, err) = run(daemon.cli(&["set-answers", path])).await;
    assert_eq!(code, 1);
    assert!(err.contains(&format!("{path}:2:1: ")), "{err}");
    assert!(agent.asked.try_recv().is_err());
    std::fs::write(&file, "hostname = 'box'\n").unwrap();
    assert_eq!(run(daemon.cli(&["set-answers", path])).await.0, 0);
    let asked = "Answers { toml: (not shown), merge: false }";
    assert_eq!(agent.asked.recv().await.unwrap(), asked);
    let mut piped = daemon.cli(&["set-answers", "-", "--merge"]);
    piped.stdin(std::fs::File::open(&file).unwrap());
    assert_eq!(run(piped).await.0, 0);
    let asked = "Answers { toml: (not shown), merge: true }";
    assert_eq!(agent.asked.recv().await.unwrap(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_says_how_it_ended() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    let agent = Agent::start(daemon.bus());
    served(&daemon).await;
    for (state, outcome, code) in [
        (State::Installed, Outcome::Installed, 0),
        (State::Failed, Outcome::Failed, 1),
        (State::Refused, Outcome::Refused, 3),
        (State::Cancelled, Outcome::Cancelled, 4),
        (State::AlreadyInstalled, Outcome::AlreadyInstalled, 5),
    ] {
        agent.state(State::Installing);
        let watch = tokio::spawn(run(daemon.cli(&["watch"])));
        agent.end(state, outcome);
        let (ended, out, err) = watch.await.unwrap();
        assert_eq!((ended, err.as_str()), (code, ""), "{out}");
        // Who comes after the end learns the same.
        let (late, out, _) = run(daemon.cli(&["watch", "--json"])).await;
        assert_eq!(late, code);
        let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
        assert_eq!(last["outcome"], outcome.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_installer_is_one_clear_error() {
    let Some(daemon) = Daemon::start(Policy::Ours) else { return };
    for arguments in [&["status"][..], &["watch"], &["watch", "--json"], &["plan"], &["cancel"]] {
        let (code, out, err) = run(daemon.cli(arguments)).await;
        assert_eq!((code, out.as_str()), (6, ""), "{arguments:?}: {err}");
        assert_eq!(
            err,
            "nixvm-agent: the installer is not running; `systemctl status nixvm-agent` says why\n"
        );
    }
}

#[tokio::test]
async fn no_bus_is_one_clear_error() {
    let mut command = program();
    command.arg("status").env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus");
    let (code, _, err) = run(command).await;
    assert_eq!((code, err.lines().count()), (6, 1), "{err}");
    assert!(err.starts_with("nixvm-agent: the system bus can't be reached"), "{err}");
}

#[tokio::test]
async fn what_needs_no_installer_needs_no_bus() {
    let offline = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        run(command)
    };
    let (code, events, _) = offline(&["schema", "events"]).await;
    assert_eq!(code, 0);
    assert_eq!(events, include_str!("../../events.schema.json"));
    let (_, answers, _) = offline(&["schema"]).await;
    assert_eq!(answers, include_str!("../../answers/answers.schema.json"));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/answers/fixtures/answers.toml");
    let (code, out, _) = offline(&["validate", file]).await;
    assert_eq!(code, 0);
    assert!(out.contains("hostname"), "{out}");
    let mut piped = program();
    piped.args(["validate", "-"]).stdin(std::fs::File::open(file).unwrap());
    assert_eq!(run(piped).await.1, out);
    let (code, _, err) = offline(&["validate", "/nonexistent"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("/nonexistent"), "{err}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(offline(&["completions", shell]).await.1.contains("validate"), "{shell}");
    }
}
