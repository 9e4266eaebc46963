//! What requests do, and what they are answered.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use nixvm_answers::document;
use nixvm_answers::source::Source;

use super::*;
use crate::control::request::{Request, RequestError};
use crate::event::{State, Step};

#[tokio::test]
async fn a_confirmation_of_what_has_changed_counts_for_nothing_later() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token: token.clone() });
    assert!(answer.try_recv().is_err(), "it was answered before the disks were looked at");
    let digest =
        std::mem::replace(&mut session.inventory.disks[0].content.digest, "other".to_owned());
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongToken)));
    session.inventory.disks[0].content.digest = digest;
    assert!(session.step().now_or_never().is_none());
    assert_eq!(
        (status.borrow().state, &status.borrow().token),
        (State::AwaitingConfirmation, &token)
    );
}

#[tokio::test]
async fn a_confirmation_is_not_answered_by_another_plan_that_goes_by_itself() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token: token.clone() });
    // The survey that follows finds other answers.
    session.user.answers = Some(document::parse(b"countdown = 0", Source::Request));
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
    assert_ne!(status.borrow().token, token);
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongToken)));
}

#[tokio::test]
async fn whoever_chose_a_disk_that_is_gone_is_told_so() {
    let (mut session, _others) = asking("");
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    let mut answer = take(&mut session, Request::Select { disk: "vdb".to_owned() });
    session.inventory.disks.pop();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(
        answer.try_recv(),
        Ok(Err(RequestError::NoSuchDisk { disk: "/dev/vdb".to_owned() }))
    );
}

#[tokio::test]
async fn a_countdown_that_was_not_shown_begins_anew() {
    let (mut session, _others) = asking("countdown = 600");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(600));
    let elapsed = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
    // The disks were looked at for longer than it was.
    let Phase::Countdown(countdown) = &mut session.phase else { panic!("it counts down") };
    countdown.end = elapsed;
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(3));
    // Another disk is plugged in, and taken away again.
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
    session.inventory.disks.pop();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().countdown, Some(600));
}

#[tokio::test]
async fn another_try_is_for_the_disk_that_failed_and_is_told_whole() {
    let (mut session, _others) = asking("countdown = 600");
    session.context.install =
        |_| Box::pin(async { fails(Step::Configure, anyhow::anyhow!("no space left")) });
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    take(&mut session, Request::Confirm { token });
    assert!(session.step().await.unwrap().is_none());
    take(&mut session, Request::Retry);
    let mut records = session.context.publisher.records();
    assert!(session.step().await.unwrap().is_none());
    let kinds: Vec<_> = std::iter::from_fn(|| records.try_recv().ok())
        .map(|record| record.event.name().to_owned())
        .collect();
    assert_eq!(
        kinds,
        ["state", "plan", "state", "attempt-started", "password", "state", "attempt-ended"]
    );

    // What was meant as another try is forgotten once there is a choice.
    take(&mut session, Request::Retry);
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    assert!(session.step().now_or_never().is_none());
    for disk in ["vdb", "vda"] {
        take(&mut session, Request::Select { disk: disk.to_owned() });
        assert!(session.step().now_or_never().is_none());
        assert_eq!(status.borrow().countdown, Some(600), "{disk}");
        assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, disk);
    }
}

#[tokio::test]
async fn who_is_answered_sees_what_came_of_it() {
    let (mut session, _others) = asking("erase = 'confirm'");
    session.inventory.disks.push(crate::disk::examples::disk("vdb"));
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::ChoosingDisk);
    let mut answer = take(&mut session, Request::Select { disk: "vdb".to_owned() });
    assert!(answer.try_recv().is_err(), "there is no plan yet");
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "vdb");
    let token = status.borrow().token.clone();
    let mut answer = take(&mut session, Request::Confirm { token });
    assert!(answer.try_recv().is_err(), "it has not begun yet");
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    assert_eq!(status.borrow().state, State::Installing);
}

#[tokio::test]
async fn a_refusal_shows_no_earlier_plan_and_takes_no_token_of_it() {
    let (mut session, _others) = asking("erase = 'confirm'");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let token = status.borrow().token.clone();
    assert_eq!(status.borrow().plan.as_ref().unwrap().target.name, "vda");
    // The answers that the plan came of are gone, and those that are left have a mistake.
    session.user.answers = Some(document::parse(b"countdown = 'x'", Source::Request));
    assert!(session.step().now_or_never().is_none());
    let now = status.borrow().clone();
    assert_eq!((now.state, now.plan, &*now.token), (State::Refused, None, ""));
    let mut answer = take(&mut session, Request::Confirm { token });
    assert_eq!(answer.try_recv(), Ok(Err(RequestError::WrongState { state: "refused" })));
}

#[tokio::test]
async fn a_countdown_that_is_stopped_awaits_confirmation_of_the_same_plan() {
    let (mut session, _others) = asking("countdown = 600");
    let status = session.context.publisher.status();
    assert!(session.step().now_or_never().is_none());
    let before = status.borrow().clone();
    assert_eq!((before.state, before.countdown), (State::Countdown, Some(600)));
    let mut answer = take(&mut session, Request::Cancel);
    assert!(session.step().now_or_never().is_none());
    assert_eq!(answer.try_recv(), Ok(Ok(())));
    let after = status.borrow().clone();
    assert_eq!((after.state, after.countdown), (State::AwaitingConfirmation, None));
    assert_eq!((after.plan, &after.token), (before.plan, &before.token));
    take(&mut session, Request::Confirm { token: after.token });
    assert!(session.step().now_or_never().is_none());
    assert_eq!(status.borrow().state, State::Installing);
}
