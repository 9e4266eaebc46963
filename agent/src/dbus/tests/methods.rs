//! Method calls, and who may make them.

use super::*;
use crate::request::{Request, RequestError};

/// Every method with its arguments.
async fn call_each(fixture: &Fixture, mut see: impl FnMut(&str, Result<(), (String, String)>)) {
    see("Plan", fixture.call("Plan", &()).await);
    see("SelectDisk", fixture.call("SelectDisk", &path_of("vda")).await);
    see("SetAnswers", fixture.call("SetAnswers", &"hostname = 'x'").await);
    see("Confirm", fixture.call("Confirm", &"token").await);
    see("Cancel", fixture.call("Cancel", &()).await);
    see("Retry", fixture.call("Retry", &()).await);
    see("Finish", fixture.call("Finish", &"reboot").await);
}

#[tokio::test]
async fn methods_are_for_one_user_and_reading_is_for_all() {
    let mut fixture = Fixture::with_callers(rustix::process::geteuid().as_raw() + 1).await;
    fixture.publisher.publish_all(examples::install());
    fixture.settle().await;
    call_each(&fixture, |method, result| {
        let (name, text) = result.unwrap_err();
        assert_eq!(name, "org.freedesktop.DBus.Error.AccessDenied", "{method}");
        assert_eq!(text, "only root may steer the installer", "{method}");
    })
    .await;
    assert!(fixture.requests.try_recv().is_err(), "nothing reached the installer");
    assert_eq!(fixture.all().await.len(), 20);
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
            "Answers { toml: (not shown) }",
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
        let plan: zbus::Result<String> = proxy.call("Plan", &()).await;
        assert!(plan.is_ok(), "{try_}: {plan:?}");
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
    let answers = "password-hash = '$6$salt$hash'";
    let (result, ()) = tokio::join!(fixture.call("SetAnswers", &answers), async {
        let message = requests.recv().await.unwrap();
        tracing::error!(request = ?message.request, "as somebody might log it");
        message.reply.send(Ok(())).unwrap();
    });
    result.unwrap();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("begun") && text.contains("might log it"), "{text}");
    assert!(!text.contains("$6$"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_meant_never_reaches_the_installer() {
    let mut fixture = Fixture::new().await;
    let (name, text) = fixture.call("Finish", &"halt").await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(text.contains("\"poweroff\""), "{text}");
    let (name, _) = fixture.call("SelectDisk", &path_of("vdz")).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.NoSuchDisk");
    let (name, _) = fixture.call("Plan", &()).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.NoPlan");
    let (name, _) = fixture.call("Confirm", &7_u32).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(fixture.requests.try_recv().is_err());
}

#[tokio::test]
async fn the_plan_is_told_with_its_token() {
    let fixture = Fixture::new().await;
    let plan = testing::plan("vda");
    fixture.publisher.publish(Event::Plan { plan: Box::new(plan.clone()), token: plan.token() });
    fixture.settle().await;
    let json: String = fixture.proxy().await.call("Plan", &()).await.unwrap();
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&json).unwrap(), plan);
    assert_eq!(
        <String>::try_from(fixture.all().await["ConsentToken"].try_clone().unwrap()).unwrap(),
        plan.token()
    );
}
