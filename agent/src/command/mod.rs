//! Program and arguments → captured output, or an error that says what ran and how its stderr ended.
//!
//! The one place that starts processes. Every command runs in a process group of its own, with
//! nothing on stdin unless given, and dies with its group when the runner is cancelled. Arguments
//! are logged: a secret goes through [`Tool::input`].

pub mod log;
pub mod nix;
pub(crate) mod private_file;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Lines of a failed command's stderr that its error carries.
const TAIL: usize = 12;

/// Runs tools, writes what they say to a transcript, and stops them when cancelled.
#[derive(Clone, Default)]
pub struct Runner {
    cancel: CancellationToken,
    transcript: Option<Arc<dyn Transcript>>,
}

/// Takes the commands and their output, line by line.
pub trait Transcript: Send + Sync {
    /// Called once for each line, without its end.
    fn line(&self, line: &str);
}

/// The runner was cancelled: not a failure of the command.
#[derive(Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Cancelled {}

impl Runner {
    /// A runner whose commands end when `cancel` is cancelled.
    pub fn new(cancel: CancellationToken, transcript: Option<Arc<dyn Transcript>>) -> Self {
        Self { cancel, transcript }
    }

    /// The same transcript, but not to be cancelled: for cleaning up.
    pub fn uncancellable(&self) -> Self {
        Self { cancel: CancellationToken::new(), transcript: self.transcript.clone() }
    }

    /// What cancels this runner's commands.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Puts one line into the transcript.
    pub fn note(&self, line: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.line(line);
        }
    }

    /// Starts a command line with `program`, to be found on PATH.
    pub fn tool(&self, program: impl AsRef<OsStr>) -> Tool<'_> {
        Tool {
            runner: self,
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            input: None,
            on_line: None,
        }
    }
}

/// How long a killed command is waited for.
const REAP: Duration = Duration::from_secs(10);

/// One command line, to be run once.
pub struct Tool<'a> {
    runner: &'a Runner,
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
    on_line: Option<&'a mut (dyn FnMut(&str) -> bool + Send)>,
}

/// What a command said, whatever its exit status.
#[derive(Debug)]
pub struct Output {
    /// Exit status 0.
    pub success: bool,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// The last lines of standard error.
    pub stderr_tail: String,
    status: String,
}

impl Output {
    /// How `what` failed, and what it said.
    pub fn failure(&self, what: &str) -> String {
        let said = if self.stderr_tail.is_empty() { "it said nothing" } else { &self.stderr_tail };
        format!("{what} failed with {}: {said}", self.status)
    }
}

impl<'a> Tool<'a> {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Gives bytes to standard input; they are neither logged nor visible in the process list.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Hears each line of standard error; a line for which it says true stays out of the log.
    pub fn on_stderr_line(mut self, hear: &'a mut (dyn FnMut(&str) -> bool + Send)) -> Self {
        self.on_line = Some(hear);
        self
    }

    /// Runs the command; an exit status other than 0 is an error.
    ///
    /// # Errors
    /// The program can't be started, [`Cancelled`], or it failed: the error has the command line
    /// and the end of its stderr.
    pub async fn run(self) -> Result<Output> {
        let line = self.to_string();
        let output = self.output().await?;
        if output.success {
            return Ok(output);
        }
        bail!(output.failure(&format!("`{line}`")))
    }

    /// Runs the command and leaves it to the caller what its exit status means.
    ///
    /// # Errors
    /// The program can't be started, or [`Cancelled`].
    pub async fn output(mut self) -> Result<Output> {
        let line = self.to_string();
        self.runner.note(&format!("$ {line}"));
        if self.runner.cancel.is_cancelled() {
            return Err(Cancelled.into());
        }
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let cancel = self.runner.cancel.clone();
        tokio::select! {
            output = self.talk(&mut child) => output.with_context(|| format!("lost contact with `{line}`")),
            () = cancel.cancelled() => {
                if let Some(group) = group {
                    let _already_gone = kill_process_group(group, Signal::KILL);
                }
                // One that waits for a dead disk can't be killed.
                let _not_reaped = tokio::time::timeout(REAP, child.wait()).await;
                Err(Cancelled.into())
            }
        }
    }

    async fn talk(&mut self, child: &mut Child) -> Result<Output> {
        let mut hear = self.on_line.take();
        let input = self.input.take();
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(bytes)) = (stdin, input) {
                // A program that ends without reading its input says why by its exit status.
                let _closed_early = stdin.write_all(&bytes).await;
            }
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut stdout = String::new();
        let mut tail = std::collections::VecDeque::with_capacity(TAIL);
        let runner = self.runner;
        let read_out = each_line(out, |line| {
            runner.note(&line);
            stdout.push_str(&line);
            stdout.push('\n');
        });
        let read_err = each_line(err, |line| {
            if hear.as_mut().is_some_and(|hear| hear(&line)) {
                return;
            }
            runner.note(&line);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        });
        let (status, (), read_out, read_err) = tokio::join!(child.wait(), feed, read_out, read_err);
        read_out?;
        read_err?;
        let status = status?;
        Ok(Output {
            success: status.success(),
            stdout,
            stderr_tail: Vec::from(tail).join("\n"),
            status: status.to_string(),
        })
    }
}

impl fmt::Display for Tool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.to_string_lossy())?;
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@#%?".contains(c);
            if !argument.is_empty() && argument.chars().all(plain) {
                write!(f, " {argument}")?;
            } else {
                write!(f, " '{}'", argument.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

async fn each_line(
    pipe: Option<impl AsyncRead + Unpin>,
    mut take: impl FnMut(String),
) -> std::io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        take(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned());
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Transcript for Lines {
        fn line(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    #[tokio::test]
    async fn failure_names_the_command_and_the_end_of_its_stderr() {
        let runner = Runner::default();
        let script = "seq 1 50 >&2; exit 3";
        let error = runner.tool("sh").args(["-c", script]).run().await.unwrap_err().to_string();
        assert!(error.starts_with("`sh -c 'seq 1 50 >&2; exit 3'` failed with exit status: 3"));
        assert!(error.contains("\n50") && !error.contains("\n38\n"), "{error}");
    }

    #[tokio::test]
    async fn missing_program_is_named() {
        let error = Runner::default().tool("no-such-tool").arg("x").run().await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-tool x`");
    }

    #[tokio::test]
    async fn input_stays_out_of_the_transcript() {
        let lines = Arc::new(Lines::default());
        let runner = Runner::new(CancellationToken::new(), Some(lines.clone()));
        let output = runner.tool("wc").arg("-c").input("hunter2").run().await.unwrap();
        assert_eq!(output.stdout.trim(), "7");
        assert_eq!(*lines.0.lock().unwrap(), ["$ wc -c", "7"]);
    }

    #[tokio::test]
    async fn cancel_ends_the_whole_process_group() {
        let cancel = CancellationToken::new();
        let runner = Runner::new(cancel.clone(), None);
        let started = Instant::now();
        let mut hear = |_: &str| {
            cancel.cancel();
            false
        };
        // The grandchild holds the pipes: were it to survive, reading them would last a minute.
        let tool = runner.tool("sh").args(["-c", "sleep 60 & echo ready >&2; wait"]);
        let error = tool.on_stderr_line(&mut hear).output().await.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Cancelled));
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(runner.tool("true").run().await.is_err(), "nothing starts after a cancel");
        assert!(runner.uncancellable().tool("true").run().await.is_ok());
    }
}
