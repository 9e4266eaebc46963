//! Program and arguments → its output, with everything that it printed kept in a log.
//!
//! For the lab's own build steps. The log is `target/lab/commands.log`; an error carries the end of
//! the failed command's output.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Lines of a failed command's output that its error carries.
const TAIL: usize = 15;

/// Starts commands and keeps their output.
#[derive(Clone)]
pub struct CommandLog {
    log: PathBuf,
}

impl CommandLog {
    /// Appends to the log file `log`, whose folder is made.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn new(log: PathBuf) -> Result<Self> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(Self { log })
    }

    /// Runs `program` with `arguments`.
    ///
    /// # Errors
    /// It can't be started or fails.
    pub fn run<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<()> {
        self.run_command(Command::new(program).args(arguments))
    }

    /// Runs a command that the caller has set up.
    ///
    /// # Errors
    /// As [`CommandLog::run`].
    pub fn run_command(&self, command: &mut Command) -> Result<()> {
        let line = describe(command);
        let mut log = self.open()?;
        writeln!(log, "$ {line}")?;
        let start = log.stream_position()?;
        let status = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .status()
            .with_context(|| format!("cannot start `{line}`"))?;
        if status.success() {
            return Ok(());
        }
        bail!("`{line}` failed with {status}:\n{}", tail(&self.log, start)?)
    }

    /// Runs a command and returns its standard output; its standard error goes to the log.
    ///
    /// # Errors
    /// As [`CommandLog::run`], or its output is not UTF-8.
    pub fn output(&self, command: &mut Command) -> Result<String> {
        let line = describe(command);
        let mut log = self.open()?;
        writeln!(log, "$ {line}")?;
        let start = log.stream_position()?;
        let output = command
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .output()
            .with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            bail!("`{line}` failed with {}:\n{}", output.status, tail(&self.log, start)?);
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
    }

    fn open(&self) -> Result<File> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open {}", self.log.display()))?;
        file.seek(SeekFrom::End(0))?;
        Ok(file)
    }
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

fn tail(log: &Path, start: u64) -> Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

/// A root folder to run programs in: an extracted Debian, with folders of the host bound into it.
pub struct Chroot {
    root: PathBuf,
    binds: Vec<Bind>,
}

/// A folder of the host that is mounted below the root folder.
struct Bind {
    folder: PathBuf,
    at: String,
    options: &'static str,
}

impl Chroot {
    /// Programs run in `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), binds: Vec::new() }
    }

    /// Shows the host's `folder` at the absolute path `at`.
    pub fn bind(self, folder: &Path, at: &str) -> Self {
        self.add(folder, at, "bind")
    }

    /// The same, and nothing in it can be written to.
    pub fn show(self, folder: &Path, at: &str) -> Self {
        self.add(folder, at, "bind,ro")
    }

    fn add(mut self, folder: &Path, at: &str, options: &'static str) -> Self {
        self.binds.push(Bind { folder: folder.to_owned(), at: at.to_owned(), options });
        self
    }

    /// A command that runs `program` inside.
    ///
    /// The binds are made in a mount namespace of the command's own, so that nothing stays mounted
    /// when it ends: a root folder that is removed never has the host's files in it.
    pub fn command(&self, program: &str) -> Command {
        let mut script =
            String::from("set -e; mount -t proc proc \"$0/proc\"; mount --rbind /dev \"$0/dev\"; ");
        let mut words = Vec::new();
        for Bind { folder, at, options } in &self.binds {
            script.push_str("mkdir -p \"$0$2\"; mount -o \"$3\" \"$1\" \"$0$2\"; shift 3; ");
            words.extend([folder.as_os_str(), OsStr::new(at), OsStr::new(options)]);
        }
        script.push_str("exec chroot \"$0\" \"$@\"");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .arg(&self.root)
            .args(words)
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8");
        command
    }
}
