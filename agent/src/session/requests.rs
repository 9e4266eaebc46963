//! Requests → what is wished, or why not.

use nixvm_answers::document;
use nixvm_answers::password::PasswordHash;
use nixvm_answers::source::Source;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{ExitAction, Session, leave};
use crate::disk::identity::Identity;
use crate::event::{Event, PasswordOrigin, State};
use crate::plan::Checked;
use crate::plan::{self, UserChoices};
use crate::request::{Message, Request, RequestError};

/// A request that was followed. Its answer waits until what comes of it can be seen: whoever is
/// answered may look at once.
pub(super) struct Followed {
    request: Kind,
    reply: oneshot::Sender<Result<(), RequestError>>,
}

/// What has to have come of a request.
enum Kind {
    /// The install has begun.
    Confirm,
    /// The disk is still attached.
    Select(Identity),
    Other,
}

impl Session {
    /// Takes a request in, and answers it if nothing else comes of it. `None` if it was error, else
    /// how to leave.
    pub(super) fn take(
        &mut self,
        Message { request, reply }: Message,
    ) -> Option<Option<ExitAction>> {
        let (confirms, selects) =
            (matches!(request, Request::Confirm { .. }), matches!(request, Request::Select { .. }));
        match self.follow(request) {
            Ok(None) => {
                let request = match self.choices.disk.clone() {
                    _ if confirms => Kind::Confirm,
                    Some(disk) if selects => Kind::Select(disk),
                    _ => Kind::Other,
                };
                self.followed.push(Followed { request, reply });
                Some(None)
            }
            Ok(leave) => {
                let _nobody_waits = reply.send(Ok(()));
                Some(leave)
            }
            Err(error) => {
                let _nobody_waits = reply.send(Err(error));
                None
            }
        }
    }

    /// Answers what was followed. A confirmation of which no install came was for a plan that is
    /// another one by now; it counts for no later one.
    pub(super) fn answer(&mut self, installing: bool) {
        for Followed { request, reply } in self.followed.drain(..) {
            let answer = match request {
                Kind::Confirm if !installing => Err(RequestError::WrongToken),
                Kind::Select(wish) if !self.disks.iter().any(|d| wish.is_device(&d.device)) => {
                    Err(RequestError::NoSuchDisk { disk: wish.node.display().to_string() })
                }
                _ => Ok(()),
            };
            let _nobody_waits = reply.send(answer);
        }
        self.choices.confirmed = None;
    }

    /// Takes in what somebody asks for while nothing is being installed.
    fn follow(&mut self, request: Request) -> Result<Option<ExitAction>, RequestError> {
        let wrong_state = || RequestError::WrongState { state: self.state().name() };
        match request {
            Request::Select { disk } => {
                let answers = self.answers();
                let facts = self.facts(&answers);
                let found = self.disks.iter().find(|one| one.device.name == disk);
                let found = found.ok_or_else(|| RequestError::NoSuchDisk { disk: disk.clone() })?;
                plan::eligible(&facts, found).map_err(|reason| RequestError::Ineligible {
                    disk,
                    reason: reason.to_string(),
                })?;
                self.choices = UserChoices { disk: Some(Identity::of(found)), confirmed: None };
                self.start_over();
            }
            Request::Confirm { token } => {
                let status = self.context.publisher.status().borrow().clone();
                if status.state != State::Consent {
                    return Err(wrong_state());
                }
                if token != status.token {
                    return Err(RequestError::WrongToken);
                }
                self.choices.confirmed = Some(token);
            }
            Request::Cancel => match self.state() {
                State::Consent => {
                    self.paused = true;
                    self.countdown = None;
                    self.retry = None;
                }
                State::Finished | State::InstalledAlready => {
                    self.paused = true;
                    self.stay();
                }
                _ => return Err(wrong_state()),
            },
            Request::Retry => {
                let ended =
                    matches!(self.state(), State::Failed | State::Cancelled | State::Refused);
                if !ended {
                    return Err(wrong_state());
                }
                let plan = self.context.publisher.status().borrow().plan.clone();
                let failed = self.state() == State::Failed;
                self.paused = false;
                self.start_over();
                self.retry = plan.filter(|_| failed).map(|plan| plan.target.identity);
            }
            Request::Finish { how } => {
                let leave = leave(how);
                if leave.is_none() {
                    self.stay();
                }
                return Ok(leave);
            }
            Request::Password { hash } => self.take_password(hash),
            Request::Answers { toml, merge } => {
                let mut given = document::parse(toml.reveal().as_bytes(), Source::Request)
                    .map_err(|problems| {
                        let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
                        RequestError::InvalidAnswers { problems: all.join("\n") }
                    })?;
                if let Some(Ok(before)) = self.requested.take().filter(|_| merge) {
                    given.answers = given.answers.or(before.answers);
                }
                self.requested = Some(Ok(given));
                self.start_over();
            }
        }
        Ok(None)
    }

    fn start_over(&mut self) {
        self.checked = Checked::default();
        self.ended = false;
        self.concluded = None;
        self.choices.confirmed = None;
        self.leaving = None;
        self.countdown = None;
        self.retry = None;
        // What an attempt wrote was not heard of while it ran.
        self.probed.clear();
    }

    /// Takes in what somebody asks for while an attempt runs.
    pub(super) fn follow_while_installing(
        &self,
        request: Request,
        cancel: &CancellationToken,
    ) -> Result<(), RequestError> {
        match request {
            Request::Cancel => cancel.cancel(),
            Request::Password { hash } => {
                if self.context.account.borrow().origin == PasswordOrigin::Generated {
                    return Err(RequestError::WrongState { state: State::Installing.name() });
                }
                self.take_password(hash);
            }
            _ => return Err(RequestError::WrongState { state: State::Installing.name() }),
        }
        Ok(())
    }

    fn take_password(&self, hash: PasswordHash) {
        self.context.account.send_modify(|account| {
            account.password = Some(hash);
            account.origin = PasswordOrigin::Typed;
        });
        self.context.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    }
}

#[cfg(test)]
mod tests {
    use nixvm_answers::password::Secret;

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn answers_replace_those_of_earlier_requests_unless_they_are_merged() {
        let (mut session, _handle) = testing::session();
        let mut names = |toml: &str, merge| {
            let toml = Secret::new(toml.to_owned());
            session.follow(Request::Answers { toml, merge }).unwrap();
            let Some(Ok(requested)) = &session.requested else { panic!("no answers") };
            let answers = &requested.answers;
            let text = |name: Option<String>| name.unwrap_or_default();
            let hostname = text(answers.hostname.as_ref().map(ToString::to_string));
            (hostname, text(answers.username.as_ref().map(ToString::to_string)))
        };
        let named = |hostname: &str, username: &str| (hostname.to_owned(), username.to_owned());
        assert_eq!(names("hostname = 'a'\nusername = 'ada'", false), named("a", "ada"));
        assert_eq!(names("hostname = 'b'", true), named("b", "ada"));
        assert_eq!(names("hostname = 'c'", false), named("c", ""));
        assert_eq!(names("", false), named("", ""));
    }
}
