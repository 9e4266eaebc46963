//! An evaluation tree and an attribute of `evaluate.nix` → its value.
//!
//! The tree is a folder that has a nixpkgs, a disko, a home-manager, and under `root` a Debian with
//! Nix in it; `NIXVM_EVAL_TREE` names it. Each evaluation gets a mount namespace of its own, in
//! which the tree and this project are bound into that Debian: nothing has to be cleaned up, and
//! two of them do not meet. That takes root.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

pub mod disk;

/// Environment variable with the path of the tree.
pub const VARIABLE: &str = "NIXVM_EVAL_TREE";

/// Script whose arguments are the tree, the project and the command to run.
const ENTER: &str = r#"
set -e
tree=$1 project=$2
shift 2
for folder in proc dev tree project; do mkdir -p "$tree/root/$folder"; done
mount --bind /proc "$tree/root/proc"
mount --rbind /dev "$tree/root/dev"
mount --bind "$tree" "$tree/root/tree"
mount --bind "$project" "$tree/root/project"
exec chroot "$tree/root" env -i HOME=/root PATH=/usr/bin:/bin "$@"
"#;

/// An evaluation takes a core and several gigabytes: one runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// The text of this name in what an attribute has.
///
/// # Errors
/// There is none.
pub fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("the attribute has no {name}"))
}

/// A place where the flake can be evaluated.
pub struct Tree {
    folder: PathBuf,
}

impl Tree {
    /// The tree that [`VARIABLE`] names; without one the test says that it was skipped and passes.
    ///
    /// # Errors
    /// It names something else.
    pub fn find(test: &str) -> Result<Option<Self>> {
        let Some(folder) = std::env::var_os(VARIABLE) else {
            skip(test, &format!("{VARIABLE} names no evaluation tree"));
            return Ok(None);
        };
        let folder = PathBuf::from(folder)
            .canonicalize()
            .with_context(|| format!("{VARIABLE} names no folder"))?;
        for part in ["nixpkgs/nixos", "disko", "home-manager", "root/usr/bin/nix"] {
            ensure!(folder.join(part).exists(), "{} has no {part}", folder.display());
        }
        Ok(Some(Self { folder }))
    }

    /// A folder on this machine as a path inside the tree's Debian, and the other way round.
    pub fn outside(&self, inside: &Path) -> PathBuf {
        self.folder.join("root").join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// A temporary folder that evaluations see; its path outside and inside.
    ///
    /// # Errors
    /// It can't be made.
    pub fn folder(&self) -> Result<(tempfile::TempDir, PathBuf)> {
        let folder = tempfile::tempdir_in(self.outside(Path::new("/tmp")))
            .context("cannot make a folder in the evaluation tree")?;
        let inside = Path::new("/tmp").join(folder.path().file_name().unwrap_or_default());
        Ok((folder, inside))
    }

    /// Evaluates `expression`, in which the attributes of `evaluate.nix` are in scope; once.
    ///
    /// # Errors
    /// It does not evaluate; the error has what Nix says.
    pub fn json(&self, expression: &str) -> Result<Value> {
        static KNOWN: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(expression) {
            return Ok(value.clone());
        }
        let (value, _) = self.json_and_warnings(expression)?;
        known.insert(expression.to_owned(), value.clone());
        Ok(value)
    }

    /// The same, and the warnings that the evaluation gave.
    ///
    /// # Errors
    /// As [`Self::json`].
    pub fn json_and_warnings(&self, expression: &str) -> Result<(Value, Vec<String>)> {
        let output = self.evaluate(expression)?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("`{expression}` does not evaluate:\n{said}");
        }
        let value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`{expression}` is no JSON"))?;
        let warnings = said.lines().filter_map(|line| line.strip_prefix("evaluation warning: "));
        Ok((value, warnings.map(str::to_owned).collect()))
    }

    /// What Nix says of an expression that must not evaluate.
    ///
    /// # Errors
    /// It evaluates.
    pub fn refusal(&self, expression: &str) -> Result<String> {
        let output = self.evaluate(expression)?;
        ensure!(!output.status.success(), "`{expression}` evaluates");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn evaluate(&self, expression: &str) -> Result<Output> {
        let scope = "import /project/tests/nix/evaluate.nix { tree = /tree; project = /project; }";
        let expression = format!("with {scope}; {expression}");
        self.run([
            "nix",
            "eval",
            "--json",
            "--impure",
            "--no-allow-import-from-derivation",
            "--expr",
            &expression,
        ])
    }

    /// Runs a command inside; `nix` knows flakes.
    ///
    /// # Errors
    /// It can't be started.
    pub fn run<S: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = S>) -> Result<Output> {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", ENTER, "sh"])
            .args([self.folder.as_path(), &project()])
            .args(["env", "NIX_CONFIG=extra-experimental-features = nix-command flakes"])
            .args(command)
            .output()
            .context("cannot start unshare")
    }
}

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Says on the terminal, past the test harness, that a test did not run.
pub fn skip(test: &str, why: &str) {
    // In one piece and on a line of its own, for the harness writes there as well.
    let line = format!("\nSKIPPED {test}: {why}\n");
    // Closed standard error: the notice has no reader, and the test still passes.
    let _closed = std::io::stderr().write_all(line.as_bytes());
}

/// Whether all of these programs are on PATH.
pub fn have(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    programs
        .iter()
        .all(|program| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
