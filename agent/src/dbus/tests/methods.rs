//! Method calls, and who may make them.

use std::collections::BTreeSet;

use super::*;
use crate::control::request::{Request, RequestError};

fn options() -> HashMap<String, OwnedVariant> {
    HashMap::new()
}

fn option(name: &str, value: zbus::Variant<'_>) -> HashMap<String, OwnedVariant> {
    HashMap::from([(name.to_owned(), OwnedVariant::try_from(value).unwrap())])
}

/// A hash that an answers file may have.
const HASH: &str = "$y$j9T$4Bqp3MYvwZDBz3RRQkRQX1$X8XoGWCnt2mYRoUyjxgXUIThcYlyvj/0Z8xVEeTkAr1";

/// Every method with its arguments.
async fn call_each(fixture: &Fixture, see: impl FnMut(&str, Result<(), (String, String)>)) {
    let mut called = BTreeSet::new();
    let mut see = {
        let (called, mut see) = (&mut called, see);
        move |method: &str, result| {
            called.insert(method.to_owned());
            see(method, result);
        }
    };
    see("SelectDisk", fixture.call("SelectDisk", &(path_of("vda"), options())).await);
    see("SetAnswers", fixture.call("SetAnswers", &("hostname = 'x'", options())).await);
    see("SetPasswordHash", fixture.call("SetPasswordHash", &(HASH, options())).await);
    see("Confirm", fixture.call("Confirm", &("token", options())).await);
    see("Cancel", fixture.call("Cancel", &()).await);
    see("Retry", fixture.call("Retry", &()).await);
    see("Finish", fixture.call("Finish", &("reboot", options())).await);
    let xml = include_str!("../../../../iso/org.nixvm.Installer1.xml");
    let methods = xml.split("<method name=\"").skip(1);
    let methods = methods.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    assert_eq!(called, methods.collect(), "a method is not called here");
}

#[tokio::test]
async fn methods_are_for_one_user_and_reading_is_for_all() {
    let mut fixture = Fixture::with_callers(rustix::process::geteuid().as_raw() + 1).await;
    fixture.publisher.publish_all(examples::install());
    fixture.settle().await;
    call_each(&fixture, |method, result| {
        let (name, text) = result.unwrap_err();
        assert_eq!(name, "org.freedesktop.DBus.Error.AccessDenied", "{method}");
        assert_eq!(text, "only root may control the installer", "{method}");
    })
    .await;
    assert!(fixture.requests.try_recv().is_err(), "nothing reached the installer");
    assert_eq!(fixture.all().await.len(), 23);
}

#[tokio::test]
async fn methods_reach_the_installer_and_its_answer_comes_back() {
    let mut fixture = Fixture::new().await;
    fixture.publisher.publish_all(examples::install());
    fixture.settle().await;
    let (told, mut asked) = mpsc::unbounded_channel();
    let mut requests = std::mem::replace(&mut fixture.requests, InstallerHandle::new().1);
    tokio::spawn(async move {
        while let Some(Message { request, reply }) = requests.recv().await {
            told.send(format!("{request:?}")).unwrap();
            let error = match request {
                Request::Select { disk } => {
                    Err(RequestError::Ineligible { disk, reason: "it is in use".into() })
                }
                Request::Confirm { .. } => Err(RequestError::WrongToken),
                Request::Answers { .. } => {
                    Err(RequestError::InvalidAnswers { problems: "p".into() })
                }
                Request::Retry => Err(RequestError::WrongState { state: "installing" }),
                _ => Ok(()),
            };
            reply.send(error).unwrap();
        }
    });
    let mut errors = HashMap::new();
    call_each(&fixture, |method, result| {
        if let Err((name, text)) = result {
            let name = name.strip_prefix("org.nixvm.Installer1.Error.").unwrap().to_owned();
            errors.insert(method.to_owned(), (name, text));
        }
    })
    .await;
    let error = |method: &str| (errors[method].0.as_str(), errors[method].1.as_str());
    assert_eq!(errors.len(), 4);
    assert_eq!(error("SelectDisk"), ("IneligibleDisk", "vda can't be installed to: it is in use"));
    assert_eq!(error("Confirm").0, "WrongToken");
    assert_eq!(error("SetAnswers").0, "InvalidAnswers");
    assert_eq!(error("Retry"), ("WrongState", "this can't be done in the state installing"));
    let mut requests = Vec::new();
    while let Ok(request) = asked.try_recv() {
        requests.push(request);
    }
    assert_eq!(
        requests,
        [
            "Select { disk: \"vda\" }",
            "Answers { toml: (not shown), merge: false }",
            "Password { hash: (not shown) }",
            "Confirm { token: \"token\" }",
            "Cancel",
            "Retry",
            "Finish { how: Reboot }",
        ]
    );
}

#[tokio::test]
async fn who_is_answered_can_read_what_came_of_it() {
    let mut fixture = Fixture::new().await;
    let publisher = fixture.publisher.clone();
    let mut requests = std::mem::replace(&mut fixture.requests, InstallerHandle::new().1);
    tokio::spawn(async move {
        while let Some(Message { reply, .. }) = requests.recv().await {
            publisher.publish_all(examples::install());
            reply.send(Ok(())).unwrap();
        }
    });
    let proxy = fixture.proxy().await;
    for try_ in 0..200 {
        fixture.publisher.publish(Event::State {
            from: State::Preflight,
            to: State::ChoosingDisk,
            message: "m".into(),
        });
        fixture.call("Cancel", &()).await.unwrap();
        let target: zbus::OwnedObjectPath = proxy.get_property("TargetDisk").await.unwrap();
        assert_eq!(target.as_str(), path_of("vda").as_str(), "{try_}");
    }
}

#[tokio::test]
async fn answers_are_in_no_log_however_much_is_logged() {
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl MakeWriter<'_> for Kept {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
    let kept = Kept::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(kept.clone())
        .finish();
    let _until_the_end = tracing::subscriber::set_default(subscriber);
    tracing::trace!("begun");
    let mut fixture = Fixture::new().await;
    let mut requests = std::mem::replace(&mut fixture.requests, InstallerHandle::new().1);
    let answers = ("password-hash = '$6$salt$hash'", options());
    let (result, ()) = tokio::join!(fixture.call("SetAnswers", &answers), async {
        let message = requests.recv().await.unwrap();
        tracing::error!(request = ?message.request, "as it might be logged");
        message.reply.send(Ok(())).unwrap();
    });
    result.unwrap();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("begun") && text.contains("might be logged"), "{text}");
    assert!(!text.contains("$6$"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_meant_never_reaches_the_installer() {
    let mut fixture = Fixture::new().await;
    let (name, text) = fixture.call("Finish", &("halt", options())).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(text.contains("\"poweroff\""), "{text}");
    let (name, _) = fixture.call("SelectDisk", &(path_of("vdz"), options())).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.NoSuchDisk");
    let (name, text) = fixture.call("SetPasswordHash", &("hunter2", options())).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.InvalidAnswers");
    assert!(!text.contains("hunter2"), "{text}");
    let (name, _) = fixture.call("Plan", &()).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.UnknownMethod");
    let (name, _) = fixture.call("Confirm", &(7_u32, options())).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(fixture.requests.try_recv().is_err());
}

#[tokio::test]
async fn the_plan_is_told_with_its_token() {
    let fixture = Fixture::new().await;
    let plan = crate::plan::examples::plan("vda");
    fixture.publisher.publish(Event::Plan { plan: Box::new(plan.clone()), token: plan.token() });
    fixture.settle().await;
    let json = <String>::try_from(fixture.all().await["Snapshot"].try_clone().unwrap()).unwrap();
    let Event::Snapshot(status) = serde_json::from_str::<Record>(&json).unwrap().event else {
        panic!("{json}")
    };
    assert_eq!(status.plan, Some(plan.clone()));
    assert_eq!(
        <String>::try_from(fixture.all().await["ConsentToken"].try_clone().unwrap()).unwrap(),
        plan.token()
    );
}

#[tokio::test]
async fn options_that_are_not_known_are_refused_and_those_that_are_arrive() {
    let mut fixture = Fixture::new().await;
    fixture.publisher.publish(Event::Disks { disks: vec![disk("vda")] });
    fixture.settle().await;
    let unknown = || option("dry-run", true.into());
    let answers = "hostname = 'x'";
    let mut refused = vec![
        fixture.call("SelectDisk", &(path_of("vda"), unknown())).await,
        fixture.call("SetAnswers", &(answers, unknown())).await,
        fixture.call("Confirm", &("token", unknown())).await,
        fixture.call("Finish", &("reboot", unknown())).await,
    ];
    for result in refused.drain(..) {
        let (name, text) = result.unwrap_err();
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
        assert_eq!(text, "unknown option \"dry-run\"");
    }
    let wrong_type = (answers, option("merge", 1_u32.into()));
    let (name, _) = fixture.call("SetAnswers", &wrong_type).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(fixture.requests.try_recv().is_err(), "nothing reached the installer");

    let mut requests = std::mem::replace(&mut fixture.requests, InstallerHandle::new().1);
    for expected in [true, false] {
        let arguments = (answers, option("merge", expected.into()));
        let (result, merge) = tokio::join!(fixture.call("SetAnswers", &arguments), async {
            let Message { request, reply } = requests.recv().await.unwrap();
            reply.send(Ok(())).unwrap();
            matches!(request, Request::Answers { merge: true, .. })
        });
        result.unwrap();
        assert_eq!(merge, expected);
    }
}
