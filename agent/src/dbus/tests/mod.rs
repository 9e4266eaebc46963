//! The interface as a client sees it, without a bus between.

mod methods;

use std::collections::HashMap;
use std::os::unix::net::UnixStream;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use zbus::fdo::{ObjectManagerProxy, PropertiesProxy};
use zbus::message::Type;
use zbus::{Guid, MessageStream, OwnedVariant, Proxy};

use super::*;
use crate::control::request::Message;
use crate::disk::eligibility::Ineligible;
use crate::event::Step;
use crate::event::examples::{self, disk};
use crate::event::{Event, Record, State};

/// An agent's half, and a client's connection to it.
struct Fixture {
    publisher: Publisher,
    requests: mpsc::Receiver<Message>,
    client: Connection,
}

impl Fixture {
    /// Whoever runs the tests may call methods.
    async fn new() -> Self {
        Self::with_callers(rustix::process::geteuid().as_raw()).await
    }

    async fn with_callers(uid: u32) -> Self {
        let publisher = Publisher::new(Vec::new());
        let (handle, requests) = InstallerHandle::new();
        let mut service = Service::new(&publisher, handle, Callers { uid });
        let (ours, theirs) = UnixStream::pair().unwrap();
        let server = service.objects(Builder::unix_stream(ours)).server(Guid::generate());
        let client = Builder::unix_stream(theirs).p2p();
        let (server, client) = tokio::join!(server.p2p().build(), client.build());
        let server = server.unwrap();
        let disks = service.catch_up(&server).await.unwrap();
        tokio::spawn(async move { service.follow(&server, disks).await });
        Self { publisher, requests, client: client.unwrap() }
    }

    /// The object, each of whose properties is read when it is asked for.
    async fn proxy(&self) -> Proxy<'_> {
        let builder = zbus::proxy::Builder::new(&self.client).destination(NAME).path(PATH);
        let uncached = builder.interface(NAME).cache_properties(zbus::proxy::CacheProperties::No);
        uncached.build().await.unwrap()
    }

    async fn properties(&self, path: &ObjectPath<'_>) -> PropertiesProxy<'_> {
        PropertiesProxy::new(&self.client, NAME, path.to_owned()).await.unwrap()
    }

    async fn all(&self) -> HashMap<String, OwnedVariant> {
        self.properties(&PATH).await.get_all(NAME.try_into().unwrap()).await.unwrap()
    }

    /// Calls a method; the name and text of its error.
    async fn call<A>(&self, method: &str, argument: &A) -> Result<(), (String, String)>
    where
        A: serde::Serialize + zbus::wire::DynamicType,
    {
        let called = self.client.call_method(Some(NAME), PATH, Some(NAME), method, argument).await;
        called.map(drop).map_err(|error| match error {
            zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
            zbus::Error::FDO(error) => {
                use zbus::DBusError;
                (error.name().to_string(), error.description().unwrap_or_default().to_owned())
            }
            other => panic!("{other}"),
        })
    }

    /// Lets the agent's half catch up.
    async fn settle(&self) {
        assert!(self.publisher.drained(PATIENCE).await);
    }
}

/// The next thing, which has to come.
async fn next<S: futures_util::Stream + Unpin>(stream: &mut S) -> S::Item {
    tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap()
}

/// The interfaces out of what is served, as a file of their own.
fn interfaces(served: &[String]) -> String {
    let mut text = concat!(
        "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n",
        "  \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n",
        "<!-- Generated from the agent's sources: UPDATE_EXPECT=1 cargo test -p nixvm-agent bus -->\n",
        "<node>\n",
    )
    .to_owned();
    for xml in served {
        let start = xml.find("<interface name=\"org.nixvm").unwrap();
        let end = start + xml[start..].find("</interface>").unwrap();
        let lines = xml[start..end].lines().map(|line| line.trim_end().to_owned() + "\n");
        text.push_str("  ");
        text.extend(lines.filter(|line| line != "\n"));
        text.push_str("  </interface>\n");
    }
    text.truncate(text.trim_end().len());
    text + "\n</node>\n"
}

#[tokio::test]
async fn checked_in_interface_is_the_one_that_is_served() {
    let fixture = Fixture::new().await;
    fixture.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    fixture.settle().await;
    let mut served = Vec::new();
    for path in [PATH, path_of("vda")] {
        let interface = "org.freedesktop.DBus.Introspectable";
        let proxy = Proxy::new(&fixture.client, NAME, path, interface).await.unwrap();
        served.push(proxy.call::<_, _, String>("Introspect", &()).await.unwrap());
    }
    expect_test::expect_file!["../../../../iso/org.nixvm.Installer1.xml"]
        .assert_eq(&interfaces(&served));
}

#[tokio::test]
async fn a_whole_install_is_told_in_order() {
    let fixture = Fixture::new().await;
    let mut messages = MessageStream::from(&fixture.client);
    let events = examples::install();
    let count = events.len();
    fixture.publisher.publish_all(events.clone());

    let mut records = Vec::<Record>::new();
    let mut values = HashMap::<String, Vec<OwnedVariant>>::new();
    let mut bytes = Vec::new();
    while records.len() < count || values.get("State").map_or(0, Vec::len) < 3 {
        let message = next(&mut messages).await.unwrap();
        let header = message.header();
        if header.message_type() != Type::Signal {
            continue;
        }
        match header.member().unwrap().as_str() {
            "Event" => {
                let json: String = message.body().deserialize().unwrap();
                records.push(serde_json::from_str(&json).unwrap());
            }
            "PropertiesChanged" => {
                type Body = (String, HashMap<String, OwnedVariant>, Vec<String>);
                let (interface, changed, invalidated): Body = message.body().deserialize().unwrap();
                assert_eq!((interface.as_str(), invalidated.len()), (NAME, 0));
                bytes.extend(changed.get("BytesDone").map(|v| u64::try_from(v).unwrap()));
                for (name, value) in changed {
                    values.entry(name).or_default().push(value);
                }
            }
            _ => {}
        }
    }
    assert_eq!(records.iter().map(|r| r.event.clone()).collect::<Vec<_>>(), events);
    assert!(records.iter().map(|record| record.sequence).eq(1..=count as u64));
    let texts = |name: &str| {
        let texts = values[name].iter().map(|v| String::try_from(v.try_clone().unwrap()).unwrap());
        texts.collect::<Vec<_>>()
    };
    assert_eq!(texts("State"), ["countdown", "installing", "installed"]);
    assert_eq!(texts("Step"), Step::ALL.map(|step| step.name().to_owned()));
    let target = values["TargetDisk"].iter().map(|v| v.try_clone().unwrap());
    let target = target.map(|v| zbus::OwnedObjectPath::try_from(v).unwrap());
    assert!(target.eq([path_of("vda").into()]));
    assert_eq!(texts("ConsentToken"), [crate::plan::examples::plan("vda").token(), String::new()]);
    assert!(bytes.is_sorted() && bytes.ends_with(&[1000]), "{bytes:?}");
    assert!(!values.contains_key("Snapshot") && !values.contains_key("Version"));
}

#[tokio::test]
async fn properties_say_what_the_status_says() {
    let fixture = Fixture::new().await;
    let text = |all: &HashMap<String, OwnedVariant>, name: &str| {
        String::try_from(all[name].try_clone().unwrap()).unwrap()
    };
    let all = fixture.all().await;
    assert_eq!(text(&all, "State"), "preflight");
    assert_eq!(text(&all, "Hypervisor"), "");
    let mut events = examples::install();
    events.pop();
    let message = "nul \0 and \u{1b}[2J".to_owned();
    events.push(Event::State { from: State::Installing, to: State::Failed, message });
    fixture.publisher.publish_all(events);
    let error = examples::problem();
    fixture.publisher.publish(Event::AttemptEnded {
        outcome: crate::event::Outcome::Failed,
        error: Some(error.clone()),
        duration_seconds: None,
        peak_resident_bytes: 0,
    });
    fixture.settle().await;
    let all = fixture.all().await;
    assert_eq!(text(&all, "State"), "failed");
    assert_eq!(text(&all, "Message"), "nul  and \u{1b}[2J");
    assert_eq!(text(&all, "Hypervisor"), "kvm");
    assert_eq!(text(&all, "Firmware"), "uefi");
    assert_eq!(text(&all, "Step"), "handover");
    assert_eq!(u32::try_from(&all["StepIndex"]), u32::try_from(&all["StepCount"]));
    assert_eq!(f64::try_from(&all["Progress"]).unwrap(), 1.0);
    assert_eq!(i32::try_from(&all["Countdown"]).unwrap(), -1);
    assert_eq!(text(&all, "ErrorKind"), error.kind);
    assert_eq!(text(&all, "ErrorMessage"), error.message);
    assert_eq!(text(&all, "ErrorHint"), error.hint);
    assert_eq!(
        (text(&all, "FinishAction"), i64::try_from(&all["FinishAt"])),
        (String::new(), Ok(-1))
    );
    let snapshot: Record = serde_json::from_str(&text(&all, "Snapshot")).unwrap();
    let Event::Snapshot(status) = snapshot.event else { panic!("{snapshot:?}") };
    let known = fixture.publisher.status().borrow().clone();
    assert_eq!(snapshot.sequence, known.sequence);
    assert_eq!(Status { sequence: known.sequence, ..*status }, known);
}

#[tokio::test]
async fn an_end_and_its_reason_come_in_one_signal() {
    let fixture = Fixture::new().await;
    let properties = fixture.properties(&PATH).await;
    let mut changes = properties.receive_properties_changed().await.unwrap();
    let message = "m".to_owned();
    fixture.publisher.publish(Event::State { from: State::Preflight, to: State::Failed, message });
    fixture.publisher.publish(Event::AttemptEnded {
        outcome: crate::event::Outcome::Failed,
        error: Some(examples::problem()),
        duration_seconds: None,
        peak_resident_bytes: 0,
    });
    let change = next(&mut changes).await;
    let change = change.args().unwrap();
    let mut names: Vec<_> = change.changed_properties.keys().collect();
    names.sort();
    assert_eq!(names, [&"ErrorHint", &"ErrorKind", &"ErrorMessage", &"Message", &"State"]);
}

#[tokio::test]
async fn nothing_can_be_set() {
    let fixture = Fixture::new().await;
    let properties = fixture.properties(&PATH).await;
    for name in fixture.all().await.into_keys() {
        let value = zbus::Variant::from("x");
        let set = properties.set(NAME.try_into().unwrap(), &name, &value).await;
        assert!(set.is_err(), "{name}");
    }
}

#[tokio::test]
async fn much_progress_makes_few_signals_and_the_last_value_arrives() {
    let fixture = Fixture::new().await;
    fixture.settle().await;
    let mut messages = MessageStream::from(&fixture.client);
    for bytes_done in 1..=2000 {
        fixture.publisher.publish(Event::Progress { bytes_done, bytes_total: 2000 });
    }
    let mut signals = 0;
    loop {
        let message = next(&mut messages).await.unwrap();
        let header = message.header();
        if header.member().is_some_and(|member| member == "PropertiesChanged") {
            signals += 1;
            type Body = (String, HashMap<String, OwnedVariant>, Vec<String>);
            let (_, changed, _): Body = message.body().deserialize().unwrap();
            if u64::try_from(&changed["BytesDone"]).unwrap() == 2000 {
                break;
            }
        }
    }
    assert!(signals < 200, "{signals}");
}

#[tokio::test]
async fn disks_come_and_go() {
    let fixture = Fixture::new().await;
    let manager = ObjectManagerProxy::new(&fixture.client, NAME, PATH).await.unwrap();
    let mut added = manager.receive_interfaces_added().await.unwrap();
    let mut removed = manager.receive_interfaces_removed().await.unwrap();
    fixture.publisher.publish(Event::Disks { disks: vec![disk("vda"), disk("cciss!c0d0")] });
    for name in ["vda", "cciss!c0d0"] {
        let signal = next(&mut added).await;
        let args = signal.args().unwrap();
        assert_eq!(args.object_path, path_of(name));
        let shown = &args.interfaces_and_properties["org.nixvm.Installer1.Disk"]["Name"];
        assert_eq!(<&str>::try_from(shown).unwrap(), name);
    }

    let properties = fixture.properties(&path_of("vda")).await;
    let mut changes = properties.receive_properties_changed().await.unwrap();
    let mut changed = disk("vda");
    changed.ineligible = Some(Ineligible::Removable.into());
    fixture.publisher.publish(Event::Disks { disks: vec![changed] });
    assert_eq!(next(&mut removed).await.args().unwrap().object_path, path_of("cciss!c0d0"));
    let change = next(&mut changes).await;
    let change = change.args().unwrap();
    assert_eq!(change.changed_properties.len(), 2);
    for name in ["IneligibleReason", "IneligibleMessage"] {
        let value = <&str>::try_from(&change.changed_properties[name]).unwrap();
        assert_eq!(value, "removable", "{name}");
    }

    let objects = manager.get_managed_objects().await.unwrap();
    let paths = objects.keys().map(|path| path.as_str());
    let disks: Vec<_> = paths.filter(|path| path.contains("/disks/")).collect();
    assert_eq!(disks, [path_of("vda").as_str()]);
}
