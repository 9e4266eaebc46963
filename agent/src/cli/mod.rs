//! The command line → the installer itself, or a client of its D-Bus interface.
//!
//! [`client`] talks to the running installer, [`watch`] follows it, [`show`] prints what it knows,
//! [`steer`] asks it for something, [`offline`] is what needs none; [`code`] is what scripts branch on.

mod client;
mod code;
mod offline;
mod show;
mod steer;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use nixvm_answers::answers::{Finish, choice};

pub use code::Code;

/// Installs NixOS into the virtual machine that it runs in, and lets you watch and steer it.
#[derive(Debug, Parser)]
#[command(version, after_long_help = code::HELP, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the installer: what nixvm-agent.service starts.
    Run,
    /// Show what the installer does.
    #[command(after_help = "Example:\n  nixvm-agent status --json | jq -r .state")]
    Status(Format),
    /// Follow the install to its end; the exit code says how it ended.
    ///
    /// Begins with what is known so far. With --json, each line is a record: first one of the event
    /// `snapshot`, then every record after it, in order; the last is `attempt-ended`. `nixvm-agent schema
    /// events` describes them. Should the installer be restarted meanwhile, another snapshot follows
    /// and the numbers begin anew.
    #[command(after_help = "Examples:\n  \
        ssh root@vm nixvm-agent watch\n  \
        nixvm-agent watch --json | jq -r 'select(.event == \"step-started\").step'")]
    Watch(Format),
    /// List the disks, with why one can't be used and what would be lost.
    Disks(Format),
    /// Show what will be done, with the token that confirms it.
    #[command(after_help = "Example:\n  \
        nixvm-agent confirm \"$(nixvm-agent plan --json | jq -r .token)\"")]
    Plan(Format),
    /// Choose the disk to install to. What is on it has to be confirmed separately.
    #[command(after_help = "Examples:\n  nixvm-agent select vdb\n  \
        nixvm-agent select /dev/disk/by-id/virtio-data")]
    Select {
        /// Its name or one of its device files.
        disk: PathBuf,
    },
    /// Do what the plan says: erase the disk and install.
    ///
    /// Without a token, the plan is shown and the disk's name asked for.
    Confirm {
        /// The plan's token. If the plan is another one by now, nothing is done.
        token: Option<String>,
    },
    /// Stop the countdown, or the install. A disk that was being installed to does not boot then.
    Cancel,
    /// Try again after a failure, a refusal or a cancel.
    Retry,
    /// Leave the installer.
    Finish {
        /// reboot, poweroff or wait.
        #[arg(value_parser = choice::<Finish>)]
        action: Finish,
    },
    /// Give the running installer answers, with precedence over all its sources.
    ///
    /// They replace those that were given here or on the screen before.
    SetAnswers {
        /// The answers file, in TOML; - for standard input.
        file: PathBuf,
        /// Keep the answers given before for the keys that these leave out.
        #[arg(long)]
        merge: bool,
    },
    /// Show the log of all that was run.
    Logs {
        /// Go on until interrupted.
        #[arg(short, long)]
        follow: bool,
    },
    /// Check an answers file and show what it says.
    #[command(
        after_help = "Example:\n  nixvm-agent validate nixvm.toml && cp nixvm.toml /mnt/usb/"
    )]
    Validate {
        /// The file, in TOML; - for standard input.
        file: PathBuf,
    },
    /// Print a JSON Schema: of an answers file, or of the records that `watch --json` prints.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t = Schema::Answers)]
        of: Schema,
    },
    /// Print the completions of a shell.
    #[command(hide = true)]
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages.
    #[command(hide = true)]
    Manual {
        /// Into this folder.
        folder: PathBuf,
    },
}

/// How to print.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Format {
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schema {
    /// An answers file.
    Answers,
    /// The records of events.
    Events,
}

/// Does what the command line says; `started` is when the process was.
pub fn run(arguments: Arguments, started: Instant) -> Code {
    let mut out = std::io::stdout().lock();
    let done = command(arguments.command, started, &mut out);
    match done.and_then(|code| Ok(out.flush().map(|()| code)?)) {
        Ok(code) => code,
        Err(error) => {
            let code = Code::of(&error);
            // Whoever closed the pipe has read enough.
            let closed = error.downcast_ref::<std::io::Error>();
            if closed.is_none_or(|error| error.kind() != std::io::ErrorKind::BrokenPipe) {
                let _nowhere_to_say_it = writeln!(std::io::stderr(), "nixvm-agent: {error:#}");
            }
            code
        }
    }
}

fn command(command: Command, started: Instant, out: &mut dyn Write) -> Result<Code> {
    match command {
        Command::Run => return serve(started),
        Command::Validate { file } => return offline::validate(&file, out),
        Command::Schema { of: Schema::Answers } => {
            out.write_all(nixvm_answers::schema::schema().as_bytes())?;
        }
        Command::Schema { of: Schema::Events } => {
            out.write_all(crate::event::schema().as_bytes())?;
        }
        Command::Logs { follow } => offline::logs(follow, out)?,
        Command::Completions { shell } => offline::completions(shell, out),
        Command::Manual { folder } => offline::manual(&folder)?,
        online => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(ask(online, out));
        }
    }
    Ok(Code::Done)
}

fn serve(started: Instant) -> Result<Code> {
    crate::sinks::journald::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(crate::daemon::run(started))?;
    Ok(Code::Done)
}

/// What needs a running installer.
async fn ask(command: Command, out: &mut dyn Write) -> Result<Code> {
    if let Command::Watch(format) = command {
        return watch::watch(format.json, out).await;
    }
    let client = client::Client::connect().await?;
    match command {
        Command::Status(format) => show::status(&client, format.json, out).await?,
        Command::Disks(format) => show::disks(&client, format.json, out).await?,
        Command::Plan(format) => show::plan(&client, format.json, out).await?,
        Command::Select { disk } => steer::select(&client, &disk).await?,
        Command::Confirm { token } => steer::confirm(&client, token, out).await?,
        Command::Cancel => client.installer.cancel().await.map_err(client::explain)?,
        Command::Retry => client.installer.retry().await.map_err(client::explain)?,
        Command::Finish { action } => {
            let action = action.to_string();
            let finished = client.installer.finish(&action, client::Options::new());
            finished.await.map_err(client::explain)?;
        }
        Command::SetAnswers { file, merge } => {
            return steer::set_answers(&client, &file, merge).await;
        }
        _ => {}
    }
    Ok(Code::Done)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn each_command_is_in_the_manual_and_in_the_completions() {
        let folder = tempfile::tempdir().unwrap();
        offline::manual(folder.path()).unwrap();
        let mut completions = Vec::new();
        offline::completions(clap_complete::Shell::Bash, &mut completions);
        let completions = String::from_utf8(completions).unwrap();
        for command in Arguments::command().get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = command.get_name();
            let page = folder.path().join(format!("nixvm-agent-{name}.1"));
            assert!(page.exists(), "{name}");
            assert!(completions.contains(name), "{name}");
        }
        let main = std::fs::read_to_string(folder.path().join("nixvm-agent.1")).unwrap();
        assert!(main.contains("Exit codes"), "{main}");
    }
}
