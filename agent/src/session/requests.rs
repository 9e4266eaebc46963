//! Requests → what they change, and their replies.

use nixvm_answers::document;
use nixvm_answers::password::{PasswordHash, Secret};
use nixvm_answers::source::Source;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::state::Phase;
use super::{ExitAction, Session};
use crate::control::request::{Message, Request, RequestError};
use crate::disk::identity::Identity;
use crate::event::{Event, PasswordOrigin, State};
use crate::plan::{self, UserChoices};

/// A request that was applied. The reply waits until the effect is published, so that a caller
/// which then reads the status finds it there.
pub(super) struct PendingReply {
    expects: Expected,
    reply: oneshot::Sender<Result<(), RequestError>>,
}

/// What has to hold when the reply is sent.
enum Expected {
    /// The install by the plan of this token has begun.
    Install {
        token: String,
    },
    /// The disk is still attached.
    Disk(Identity),
    Nothing,
}

/// What a request leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It was refused, and replied to.
    None,
    /// A new decision is due.
    Changed,
    /// The session ends.
    Exit(ExitAction),
}

impl Session {
    /// Applies a request; refusals and exits are replied to at once.
    pub(super) fn handle_request(&mut self, Message { request, reply }: Message) -> Effect {
        let confirmed = match &request {
            Request::Confirm { token } => Some(token.clone()),
            _ => None,
        };
        let selects = matches!(request, Request::Select { .. });
        match self.apply(request) {
            Ok(None) => {
                let expects = match (confirmed, self.user.choices.disk.clone()) {
                    (Some(token), _) => Expected::Install { token },
                    (None, Some(disk)) if selects => Expected::Disk(disk),
                    _ => Expected::Nothing,
                };
                self.pending_replies.push(PendingReply { expects, reply });
                Effect::Changed
            }
            Ok(Some(exit)) => {
                let _caller_gone = reply.send(Ok(()));
                Effect::Exit(exit)
            }
            Err(error) => {
                let _caller_gone = reply.send(Err(error));
                Effect::None
            }
        }
    }

    /// Sends the replies that are due; `installing` is the token of the plan that is being carried out.
    /// A confirmation that did not lead to that was for a plan that has changed since; it does not
    /// count for any later plan.
    pub(super) fn send_replies(&mut self, installing: Option<&str>) {
        for PendingReply { expects, reply } in self.pending_replies.drain(..) {
            let disks = &self.inventory.disks;
            let answer = match expects {
                Expected::Install { token } if installing != Some(&token) => {
                    Err(RequestError::WrongToken)
                }
                Expected::Disk(disk) if !disks.iter().any(|d| disk.is_device(&d.device)) => {
                    Err(RequestError::NoSuchDisk { disk: disk.node.display().to_string() })
                }
                _ => Ok(()),
            };
            let _caller_gone = reply.send(answer);
        }
        self.user.choices.confirmed = None;
    }

    /// Applies a request while nothing is being installed.
    fn apply(&mut self, request: Request) -> Result<Option<ExitAction>, RequestError> {
        let state = self.phase.state();
        let wrong_state = RequestError::WrongState { state: state.name() };
        match request {
            Request::Select { disk } => self.select(disk)?,
            Request::Confirm { token } => match self.phase.token() {
                None => return Err(wrong_state),
                Some(current) if current != token => return Err(RequestError::WrongToken),
                Some(_) => self.user.choices.confirmed = Some(token),
            },
            Request::Cancel => match state {
                State::Countdown | State::AwaitingConfirmation => {
                    self.user.paused = true;
                    self.interrupt_countdown();
                }
                State::Installed | State::AlreadyInstalled => {
                    self.user.paused = true;
                    self.cancel_shutdown();
                }
                _ => return Err(wrong_state),
            },
            Request::Retry => {
                if !matches!(state, State::Failed | State::Cancelled | State::Refused) {
                    return Err(wrong_state);
                }
                let failed = match &self.phase {
                    Phase::Failed { disk, .. } => disk.clone(),
                    _ => None,
                };
                self.user.paused = false;
                self.checks.results.answers = None;
                self.start_over(failed);
            }
            Request::Finish { how } => {
                let exit = ExitAction::of(how);
                if exit.is_none() {
                    self.cancel_shutdown();
                }
                return Ok(exit);
            }
            Request::Password { hash } => self.set_password(hash),
            Request::Passphrase { passphrase } => self.user.passphrase = Some(passphrase),
            Request::Answers { toml, merge } => self.set_answers(&toml, merge)?,
        }
        Ok(None)
    }

    fn select(&mut self, disk: String) -> Result<(), RequestError> {
        let answers = self.answers();
        let facts = self.facts(&answers);
        let found = self.inventory.disks.iter().find(|one| one.device.name == disk);
        let found = found.ok_or_else(|| RequestError::NoSuchDisk { disk: disk.clone() })?;
        plan::eligible(&facts, found).map_err(|reason| {
            let reason = reason.to_string();
            RequestError::Ineligible { disk, reason }
        })?;
        self.user.choices = UserChoices { disk: Some(Identity::of(found)), confirmed: None };
        self.start_over(None);
        Ok(())
    }

    fn set_answers(&mut self, toml: &Secret, merge: bool) -> Result<(), RequestError> {
        let mut given =
            document::parse(toml.reveal().as_bytes(), Source::Request).map_err(|problems| {
                let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
                RequestError::InvalidAnswers { problems: all.join("\n") }
            })?;
        if let Some(Ok(before)) = self.user.answers.take().filter(|_| merge) {
            given.answers = given.answers.or(before.answers);
        }
        self.user.answers = Some(Ok(given));
        self.start_over(None);
        Ok(())
    }

    fn interrupt_countdown(&mut self) {
        if let Phase::Countdown(countdown) = &self.phase {
            let (plan, token) = (countdown.plan.clone(), countdown.token.clone());
            self.transition_to(Phase::AwaitingConfirmation { plan, token, interrupted: true });
        }
    }

    /// Makes a decision due that depends on nothing that was found out before.
    ///
    /// What a server has answered stays: only a retry asks it again.
    fn start_over(&mut self, retry: Option<Identity>) {
        self.checks.results = std::mem::take(&mut self.checks.results).only_lasting();
        if let Some(running) = self.checks.running.take() {
            running.work.abort();
        }
        self.user.choices.confirmed = None;
        // udev reports none of an attempt's writes as a change of what was read.
        self.inventory.probed.clear();
        self.transition_to(self.phase.clone().decide_anew(retry));
    }

    /// Applies a request while an attempt runs.
    pub(super) fn apply_while_installing(
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
                self.set_password(hash);
            }
            _ => return Err(RequestError::WrongState { state: State::Installing.name() }),
        }
        Ok(())
    }

    fn set_password(&self, hash: PasswordHash) {
        self.context.account.send_modify(|account| {
            account.password = Some(hash);
            account.origin = PasswordOrigin::Typed;
        });
        self.context.publisher.publish(Event::Password { origin: PasswordOrigin::Typed });
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::session;
    use super::*;

    #[tokio::test]
    async fn a_server_s_answers_count_until_another_server_is_named_or_a_retry_asks_again() {
        let (mut session, _handle) = session();
        let url = |name: &str| format!("answers.url = 'https://{name}.example'");
        let set = |session: &mut Session, toml: String| {
            session.set_answers(&Secret::new(toml), true).unwrap();
        };
        set(&mut session, url("a"));
        let server = session.answers().unwrap().server.unwrap().value;
        let source = Source::Url { url: server.to_string() };
        let fetched = document::parse(b"hostname = 'web'\nusername = 'ada'", source.clone());
        session.checks.results.answers = Some((server, Ok(fetched)));
        set(&mut session, "username = 'bob'".to_owned());
        let answers = session.answers().unwrap();
        assert_eq!((answers.hostname.value.as_str(), answers.hostname.source), ("web", source));
        assert_eq!(answers.username.source, Source::Request);

        set(&mut session, url("b"));
        assert_eq!(session.answers().unwrap().hostname.source, Source::Default);
        set(&mut session, url("a"));
        assert_eq!(session.answers().unwrap().hostname.value.as_str(), "web");
        let problem = crate::event::examples::problem();
        session.transition_to(Phase::Refused { problem });
        session.apply(Request::Retry).unwrap();
        assert_eq!(session.checks.results.answers, None);
    }

    #[tokio::test]
    async fn mistakes_of_a_server_are_the_answers_mistakes() {
        let (mut session, _handle) = session();
        let toml = "answers.url = 'https://a.example'".to_owned();
        session.set_answers(&Secret::new(toml), false).unwrap();
        let server = session.answers().unwrap().server.unwrap().value;
        let source = Source::Url { url: server.to_string() };
        let fetched = document::parse(b"hostnme = 'web'", source);
        session.checks.results.answers = Some((server, Ok(fetched)));
        let problems = session.answers().unwrap_err().to_string();
        assert!(problems.starts_with("https://a.example, line 1, column 1: "), "{problems}");
    }

    #[tokio::test]
    async fn answers_replace_those_of_earlier_requests_unless_they_are_merged() {
        let (mut session, _handle) = session();
        let mut names = |toml: &str, merge| {
            session.set_answers(&Secret::new(toml.to_owned()), merge).unwrap();
            let Some(Ok(requested)) = &session.user.answers else { panic!("no answers") };
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
