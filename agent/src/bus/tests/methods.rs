//! Method calls, and who may make them.

use super::*;
use crate::request::{Denied, Request};

/// Every method with its arguments.
async fn call_each(rig: &Rig, mut see: impl FnMut(&str, Result<(), (String, String)>)) {
    see("Plan", rig.call("Plan", &()).await);
    see("SelectDisk", rig.call("SelectDisk", &path_of("vda")).await);
    see("SetAnswers", rig.call("SetAnswers", &"hostname = 'x'").await);
    see("Confirm", rig.call("Confirm", &"token").await);
    see("Cancel", rig.call("Cancel", &()).await);
    see("Retry", rig.call("Retry", &()).await);
    see("Finish", rig.call("Finish", &"reboot").await);
}

#[tokio::test]
async fn methods_are_for_one_user_and_reading_is_for_all() {
    let mut rig = Rig::with_callers(rustix::process::geteuid().as_raw() + 1).await;
    rig.board.publish_all(examples::install());
    rig.settle().await;
    call_each(&rig, |method, result| {
        let (name, text) = result.unwrap_err();
        assert_eq!(name, "org.freedesktop.DBus.Error.AccessDenied", "{method}");
        assert_eq!(text, "only root may steer the installer", "{method}");
    })
    .await;
    assert!(rig.requests.try_recv().is_err(), "nothing reached the installer");
    assert_eq!(rig.all().await.len(), 20);
}

#[tokio::test]
async fn methods_reach_the_installer_and_its_answer_comes_back() {
    let mut rig = Rig::new().await;
    rig.board.publish_all(examples::install());
    rig.settle().await;
    let (told, mut asked) = mpsc::unbounded_channel();
    let mut requests = std::mem::replace(&mut rig.requests, Desk::new().1);
    tokio::spawn(async move {
        while let Some(Envelope { request, reply }) = requests.recv().await {
            told.send(format!("{request:?}")).unwrap();
            let denied = match request {
                Request::Select { disk } => {
                    Err(Denied::Ineligible { disk, reason: "it is in use".into() })
                }
                Request::Confirm { .. } => Err(Denied::WrongToken),
                Request::Answers { .. } => Err(Denied::InvalidAnswers { problems: "p".into() }),
                Request::Retry => Err(Denied::NotNow { state: "installing" }),
                _ => Ok(()),
            };
            reply.send(denied).unwrap();
        }
    });
    let mut errors = HashMap::new();
    call_each(&rig, |method, result| {
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
    assert_eq!(error("Retry"), ("NotNow", "this can't be done in the state installing"));
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
    let mut rig = Rig::new().await;
    let board = rig.board.clone();
    let mut requests = std::mem::replace(&mut rig.requests, Desk::new().1);
    tokio::spawn(async move {
        while let Some(Envelope { reply, .. }) = requests.recv().await {
            board.publish_all(examples::install());
            reply.send(Ok(())).unwrap();
        }
    });
    let proxy = rig.proxy().await;
    for try_ in 0..200 {
        rig.board.publish(Event::State {
            from: State::Preflight,
            to: State::Choosing,
            message: "m".into(),
        });
        rig.call("Cancel", &()).await.unwrap();
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
    let mut rig = Rig::new().await;
    let mut requests = std::mem::replace(&mut rig.requests, Desk::new().1);
    let answers = "password-hash = '$6$salt$hash'";
    let (result, ()) = tokio::join!(rig.call("SetAnswers", &answers), async {
        let envelope = requests.recv().await.unwrap();
        tracing::error!(request = ?envelope.request, "as somebody might log it");
        envelope.reply.send(Ok(())).unwrap();
    });
    result.unwrap();
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("begun") && text.contains("might log it"), "{text}");
    assert!(!text.contains("$6$"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_meant_never_reaches_the_installer() {
    let mut rig = Rig::new().await;
    let (name, text) = rig.call("Finish", &"halt").await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(text.contains("\"poweroff\""), "{text}");
    let (name, _) = rig.call("SelectDisk", &path_of("vdz")).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.NoSuchDisk");
    let (name, _) = rig.call("Plan", &()).await.unwrap_err();
    assert_eq!(name, "org.nixvm.Installer1.Error.NoPlan");
    let (name, _) = rig.call("Confirm", &7_u32).await.unwrap_err();
    assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
    assert!(rig.requests.try_recv().is_err());
}

#[tokio::test]
async fn the_plan_is_told_with_its_token() {
    let rig = Rig::new().await;
    let plan = testing::plan("vda");
    rig.board.publish(Event::Plan { plan: Box::new(plan.clone()), token: plan.token() });
    rig.settle().await;
    let json: String = rig.proxy().await.call("Plan", &()).await.unwrap();
    assert_eq!(serde_json::from_str::<crate::plan::Plan>(&json).unwrap(), plan);
    assert_eq!(
        <String>::try_from(rig.all().await["ConsentToken"].try_clone().unwrap()).unwrap(),
        plan.token()
    );
}
