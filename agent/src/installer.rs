//! Disks, answers and requests, as they come → decisions carried out, until the machine restarts.
//!
//! One task that waits for one thing at a time. It surveys, decides (`plan`), and either asks,
//! counts down, installs or leaves; anything that changes what was decided on makes it decide anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use nixvm_answers::answers::Finish;
use nixvm_answers::source::Source;
use nixvm_answers::{self as answers, Given, Problems, Resolved, document};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::command::{Runner, Transcript};
use crate::disk::identity::Identity;
use crate::disk::watch::Attached;
use crate::disk::{Content, Device, Disk, Kind, probe};
use crate::event::{DiskView, Event, Outcome, Problem, State};
use crate::install::{self, Account};
use crate::machine::Machine;
use crate::manifest::Manifest;
use crate::plan::{self, Decision, Facts, Plan, Wishes};
use crate::request::{Denied, Envelope, Request};
use crate::sources;
use crate::transcript::Log;

/// How the installer was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Restart the machine.
    Reboot,
    /// Switch it off.
    PowerOff,
}

/// What the installer works with.
pub struct Parts {
    /// What the ISO carries.
    pub manifest: Manifest,
    /// What it runs on.
    pub machine: Machine,
    /// What the sources of answers said.
    pub found: Vec<Result<Given, Problems>>,
    /// The block devices.
    pub attached: watch::Receiver<Attached>,
    /// Where requests arrive.
    pub requests: mpsc::Receiver<Envelope>,
    /// Where events go.
    pub board: Board,
    /// The install's log.
    pub log: Arc<Log>,
}

/// The task's state.
pub struct Installer {
    parts: Parts,
    runner: Runner,
    wishes: Wishes,
    requested: Option<Result<Given, Problems>>,
    account: watch::Sender<Account>,
    probed: BTreeMap<String, (u64, Device, Content)>,
    disks: Vec<Disk>,
    /// What answers volumes say, by device file, with the event count of their disk.
    volumes: BTreeMap<PathBuf, (u64, Result<Given, Problems>)>,
    /// Token of the plan whose countdown somebody stopped.
    held: Option<String>,
    countdown: Option<(String, Instant)>,
    /// An attempt ended and nobody has asked for another one yet.
    ended: bool,
    /// Somebody asked to try again: no second countdown for the disk that was being installed.
    retry: Option<Identity>,
    refused: Option<Problem>,
}

impl Installer {
    /// An installer that has not looked at anything yet.
    pub fn new(parts: Parts) -> Self {
        let transcript: Arc<dyn Transcript> = Arc::clone(&parts.log) as _;
        Self {
            runner: Runner::new(CancellationToken::new(), Some(transcript)),
            parts,
            wishes: Wishes::default(),
            requested: None,
            account: watch::Sender::new(Account::default()),
            probed: BTreeMap::new(),
            disks: Vec::new(),
            volumes: BTreeMap::new(),
            held: None,
            countdown: None,
            ended: false,
            retry: None,
            refused: None,
        }
    }

    /// Works until somebody or something ends it.
    ///
    /// # Errors
    /// udev can't be followed any more.
    pub async fn run(mut self) -> Result<Leave> {
        self.parts.board.publish(Event::Machine(self.parts.machine.clone()));
        install::clean_up(&self.runner).await;
        loop {
            self.survey().await?;
            if let Some(leave) = self.act().await? {
                return Ok(leave);
            }
        }
    }

    /// Looks at the disks: waits until udev has dealt with all it knows of, and reads those of which
    /// something was heard since.
    async fn survey(&mut self) -> Result<()> {
        if let Err(error) = self.runner.tool("udevadm").args(["settle", "--timeout=30"]).run().await
        {
            tracing::warn!("udev does not settle: {error:#}");
        }
        let attached = self.parts.attached.borrow_and_update().clone();
        let mut probed = BTreeMap::new();
        self.disks.clear();
        for device in attached.devices {
            let generation = attached.generations.get(&device.name).copied().unwrap_or_default();
            let content = match self.probed.remove(&device.name) {
                Some((then, before, content)) if then == generation && before == device => content,
                _ => probe::content(&self.runner, &device).await?,
            };
            probed.insert(device.name.clone(), (generation, device.clone(), content.clone()));
            self.disks.push(Disk { device, content });
        }
        self.probed = probed;
        self.read_volumes(&attached.generations).await?;
        self.publish_disks();
        Ok(())
    }

    /// Reads answers volumes that have come, and forgets those that are gone.
    async fn read_volumes(&mut self, generations: &BTreeMap<String, u64>) -> Result<()> {
        let mut volumes = BTreeMap::new();
        for disk in &self.disks {
            let generation = generations.get(&disk.device.name).copied().unwrap_or_default();
            for (node, filesystem) in answers_volumes(&disk.device) {
                let said = match self.volumes.remove(&node) {
                    Some((then, said)) if then == generation => said,
                    _ => {
                        let (node, filesystem) = (node.clone(), filesystem.to_owned());
                        tokio::task::spawn_blocking(move || {
                            sources::read_volume(&node, &filesystem)
                        })
                        .await?
                    }
                };
                volumes.insert(node, (generation, said));
            }
        }
        self.volumes = volumes;
        Ok(())
    }

    fn publish_disks(&self) {
        let answers = self.answers();
        let facts = self.facts(&answers);
        let disks: Vec<_> = self
            .disks
            .iter()
            // What is made of other things is no choice of anybody's.
            .filter(|disk| disk.device.kind != Kind::Other)
            .map(|disk| DiskView {
                name: disk.device.name.clone(),
                summary: disk.summary(),
                size_bytes: disk.device.size_bytes,
                condition: disk.condition(),
                contents: disk.contents(),
                ineligible: plan::eligible(&facts, disk).err().map(|reason| reason.to_string()),
            })
            .collect();
        if self.parts.board.status().borrow().disks != disks {
            self.parts.board.publish(Event::Disks { disks });
        }
    }

    fn answers(&self) -> Result<Resolved, Problems> {
        let volumes = self.volumes.values().map(|(_, said)| said);
        let found = self.parts.found.iter().chain(volumes).chain(&self.requested).cloned();
        let defaults = self.parts.manifest.answer_defaults().map_err(|invalid| {
            Problems::from(answers::Problem::whole(Source::Default, invalid.message, None))
        })?;
        answers::resolve(found, defaults)
    }

    fn facts<'a>(&'a self, answers: &'a Result<Resolved, Problems>) -> Facts<'a> {
        Facts {
            manifest: &self.parts.manifest,
            machine: &self.parts.machine,
            answers: answers.as_ref(),
            disks: &self.disks,
            wishes: &self.wishes,
        }
    }

    /// Does the next thing. Returns when something changed, or how to leave.
    async fn act(&mut self) -> Result<Option<Leave>> {
        if self.ended {
            return self.wait().await;
        }
        let answers = self.answers();
        match plan::decide(&self.facts(&answers)) {
            Decision::Refuse(refusal) => {
                let problem = refusal.problem();
                self.enter(State::Refused, &problem.message);
                if self.refused.as_ref() != Some(&problem) {
                    self.verdict(Outcome::Refused, Some(problem.clone()), None);
                    self.refused = Some(problem);
                }
                self.wait().await
            }
            Decision::Wait { message } => {
                self.enter(State::WaitingForDisk, &message);
                self.wait().await
            }
            Decision::Choose { candidates } => {
                let message = format!("Several disks can be used: {}.", candidates.join(", "));
                self.enter(State::Choosing, &message);
                self.wait().await
            }
            Decision::Ask(plan) => {
                self.enter(State::Consent, "Nothing is done until somebody confirms it.");
                self.publish_plan(&plan);
                self.wait().await
            }
            Decision::Go { plan, confirmed } => {
                let resolved = answers.ok();
                if confirmed || self.is_retry_of(&plan) {
                    return self.install(*plan, resolved).await;
                }
                self.count_down(*plan, resolved).await
            }
            Decision::Installed { disk, receipt } => {
                let message = format!("{disk} carries the system {} already.", receipt.hostname);
                self.enter(State::InstalledAlready, &message);
                self.wait().await
            }
        }
    }

    fn is_retry_of(&self, plan: &Plan) -> bool {
        self.retry.as_ref().is_some_and(|identity| {
            identity.node == plan.target.identity.node
                && identity.diskseq == plan.target.identity.diskseq
        })
    }

    /// Counts down to the install, until something changes or somebody stops it.
    async fn count_down(&mut self, plan: Plan, answers: Option<Resolved>) -> Result<Option<Leave>> {
        let token = plan.token();
        if self.held.as_ref() == Some(&token) {
            self.enter(State::Consent, "The countdown was stopped.");
            self.publish_plan(&plan);
            return self.wait().await;
        }
        self.enter(State::Consent, "The install begins by itself.");
        self.publish_plan(&plan);
        let length = Duration::from_secs(u64::from(plan.countdown));
        let end = match &self.countdown {
            Some((running, end)) if *running == token => *end,
            _ => Instant::now() + length,
        };
        self.countdown = Some((token, end));
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The number that is shown is the seconds that are really left, rounded up.
            let seconds_left = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
            self.parts.board.publish(Event::Countdown { seconds_left });
            if left.is_zero() {
                self.countdown = None;
                return self.install(plan, answers).await;
            }
            let tick = left.saturating_sub(Duration::from_secs(u64::from(seconds_left) - 1));
            tokio::select! {
                () = tokio::time::sleep(tick) => {}
                leave = self.wait() => return leave,
            }
        }
    }

    /// Waits for a disk to come or go, or for a request that changes something.
    async fn wait(&mut self) -> Result<Option<Leave>> {
        loop {
            tokio::select! {
                changed = self.parts.attached.changed() => {
                    changed?;
                    return Ok(None);
                }
                envelope = self.parts.requests.recv() => {
                    let Some(Envelope { request, reply }) = envelope else {
                        anyhow::bail!("nobody can steer the installer any more");
                    };
                    let answer = self.follow(request);
                    let (answer, leave) = match answer {
                        Ok(leave) => (Ok(()), leave),
                        Err(denied) => (Err(denied), None),
                    };
                    let followed = answer.is_ok();
                    let _nobody_waits = reply.send(answer);
                    if followed {
                        return Ok(leave);
                    }
                }
            }
        }
    }

    fn state(&self) -> State {
        self.parts.board.status().borrow().state
    }

    /// Takes in what somebody asks for while nothing is being installed.
    fn follow(&mut self, request: Request) -> Result<Option<Leave>, Denied> {
        let not_now = || Denied::NotNow { state: self.state().name() };
        match request {
            Request::Select { disk } => {
                let answers = self.answers();
                let facts = self.facts(&answers);
                let found = self.disks.iter().find(|one| one.device.name == disk);
                let found = found.ok_or_else(|| Denied::NoSuchDisk { disk: disk.clone() })?;
                plan::eligible(&facts, found)
                    .map_err(|reason| Denied::Ineligible { disk, reason: reason.to_string() })?;
                self.wishes = Wishes { disk: Some(Identity::of(found)), confirmed: None };
                self.start_over();
            }
            Request::Confirm { token } => {
                let status = self.parts.board.status().borrow().clone();
                if status.state != State::Consent {
                    return Err(not_now());
                }
                if token != status.token {
                    return Err(Denied::WrongToken);
                }
                self.wishes.confirmed = Some(token);
            }
            Request::Cancel => {
                let status = self.parts.board.status().borrow().clone();
                if status.state != State::Consent {
                    return Err(not_now());
                }
                self.held = Some(status.token);
                self.countdown = None;
            }
            Request::Retry => {
                let ended =
                    matches!(self.state(), State::Failed | State::Cancelled | State::Refused);
                if !ended {
                    return Err(not_now());
                }
                let plan = self.parts.board.status().borrow().plan.clone();
                let failed = self.state() == State::Failed;
                self.retry = plan.filter(|_| failed).map(|plan| plan.target.identity);
                self.start_over();
            }
            Request::Finish { how } => return Ok(leave(how)),
            Request::Password { hash } => {
                self.account.send_modify(|account| account.password = Some(hash));
            }
            Request::Answers { toml } => {
                let given =
                    document::parse(toml.as_bytes(), Source::Request).map_err(|problems| {
                        let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
                        Denied::InvalidAnswers { problems: all.join("\n") }
                    })?;
                self.requested = Some(Ok(given));
                self.start_over();
            }
        }
        Ok(None)
    }

    fn start_over(&mut self) {
        self.ended = false;
        self.refused = None;
        self.wishes.confirmed = None;
        self.held = None;
        self.countdown = None;
        // What an attempt wrote was not heard of while it ran.
        self.probed.clear();
    }

    /// Installs, and takes requests meanwhile.
    async fn install(&mut self, plan: Plan, answers: Option<Resolved>) -> Result<Option<Leave>> {
        let started = Instant::now();
        let id = uuid::Uuid::new_v4().to_string();
        self.enter(State::Installing, &plan.sentence());
        self.parts.board.publish(Event::Installing { attempt: id.clone() });
        self.account.send_modify(|account| {
            if let Some(answers) = &answers {
                if let Some(hash) = &answers.password_hash {
                    account.password = Some(hash.value.clone());
                }
                account.keys =
                    answers.ssh_authorized_keys.value.iter().map(ToString::to_string).collect();
            }
        });
        let cancel = CancellationToken::new();
        let transcript: Arc<dyn Transcript> = Arc::clone(&self.parts.log) as _;
        let target = plan.target.clone();
        let finish = plan.finish;
        let attempt = install::Attempt {
            id,
            plan,
            manifest: self.parts.manifest.clone(),
            board: self.parts.board.clone(),
            runner: Runner::new(cancel.clone(), Some(transcript)),
            account: self.account.subscribe(),
            log: self.parts.log.path().to_owned(),
        };
        let mut work = tokio::spawn(install::run(attempt));
        let mut unplugged = false;
        let result = loop {
            tokio::select! {
                result = &mut work => break result?,
                envelope = self.parts.requests.recv() => {
                    let Some(Envelope { request, reply }) = envelope else { continue };
                    let _nobody_waits = reply.send(self.follow_while_installing(request, &cancel));
                }
                changed = self.parts.attached.changed() => {
                    changed?;
                    let attached = self.parts.attached.borrow_and_update().clone();
                    let present = attached.devices.iter().any(|d| target.identity.is_device(d));
                    if !present {
                        unplugged = true;
                        cancel.cancel();
                    }
                }
            }
        };
        let seconds = Some(started.elapsed().as_secs_f64());
        self.retry = None;
        self.ended = true;
        self.wishes.confirmed = None;
        match result {
            Ok(receipt) => {
                self.enter(State::Finished, &format!("{} is installed.", receipt.hostname));
                self.verdict(Outcome::Finished, None, seconds);
                return Ok(leave(finish));
            }
            Err(failure) if failure.is_cancel() && !unplugged => {
                self.enter(State::Cancelled, "The install was cancelled; the disk does not boot.");
                self.verdict(Outcome::Cancelled, None, seconds);
            }
            Err(failure) => {
                let mut problem = failure.problem();
                if unplugged {
                    problem = Problem {
                        kind: "disk-gone".to_owned(),
                        message: format!(
                            "{} was removed while it was being installed to.",
                            target.identity.node.display()
                        ),
                        hint: "Attach it again, then retry.".to_owned(),
                    };
                }
                self.enter(State::Failed, &problem.message);
                self.verdict(Outcome::Failed, Some(problem), seconds);
            }
        }
        Ok(None)
    }

    fn follow_while_installing(
        &self,
        request: Request,
        cancel: &CancellationToken,
    ) -> Result<(), Denied> {
        match request {
            Request::Cancel => cancel.cancel(),
            Request::Password { hash } => {
                self.account.send_modify(|account| account.password = Some(hash));
            }
            _ => return Err(Denied::NotNow { state: State::Installing.name() }),
        }
        Ok(())
    }

    fn enter(&self, to: State, message: &str) {
        let status = self.parts.board.status().borrow().clone();
        if status.state != to || status.message != message {
            self.parts.board.publish(Event::State {
                from: status.state,
                to,
                message: message.to_owned(),
            });
        }
    }

    fn publish_plan(&self, plan: &Plan) {
        let token = plan.token();
        if self.parts.board.status().borrow().token != token {
            self.parts.board.publish(Event::Plan { plan: Box::new(plan.clone()), token });
        }
    }

    fn verdict(&self, outcome: Outcome, error: Option<Problem>, seconds: Option<f64>) {
        let peak_resident_bytes = crate::machine::peak_resident_bytes();
        self.parts.board.publish(Event::Verdict { outcome, error, seconds, peak_resident_bytes });
    }
}

/// The file systems on a device that may hold answers, with their type.
fn answers_volumes(device: &Device) -> Vec<(PathBuf, &str)> {
    let whole = (&device.node, &device.label, &device.filesystem);
    let partitions = device.partitions.iter().map(|p| (&p.node, &p.label, &p.filesystem));
    std::iter::once(whole)
        .chain(partitions)
        .filter(|(_, label, _)| {
            label.as_ref().is_some_and(|label| label.eq_ignore_ascii_case(sources::LABEL))
        })
        .filter_map(|(node, _, filesystem)| Some((node.clone(), filesystem.as_deref()?)))
        .collect()
}

fn leave(how: Finish) -> Option<Leave> {
    match how {
        Finish::Reboot => Some(Leave::Reboot),
        Finish::Poweroff => Some(Leave::PowerOff),
        Finish::Wait => None,
    }
}
