//! A system that the ISO does not carry built → whether it can be built here, and what that takes.
//!
//! Evaluated and tried dry in the live system, before the first write to the disk: what is missing is a
//! refusal then, and not a half-erased disk.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nixvm_answers::answers::Network;
use nixvm_manifest::Manifest;

use super::follows::{Evaluated, Ignored, question};
use super::{configuration, derivation, network};
use crate::command::Runner;
use crate::command::nix::nix;
use crate::plan::{Buildable, Checked, Wanted};

/// Where the configuration is tried.
const FOLDER: &str = "/run/nixvm/configuration";

/// Downloads that an error names; there may be hundreds.
const NAMED: usize = 3;

/// Finds out: first without the network, so that an install that does not need it never waits for it.
pub(super) async fn check(runner: &Runner, manifest: &Manifest, wanted: Wanted) -> Checked {
    let mut checked = Checked::default();
    let offline = match attempt(runner, manifest, &wanted, false).await {
        Ok((buildable, needed)) if needed.is_empty() => Ok(buildable),
        Ok((_, needed)) => Err(Missing::Online(named(&needed))),
        Err(error) if error.is::<Ignored>() => Err(Missing::Everywhere(format!("{error:#}"))),
        Err(error) => Err(Missing::Online(format!("{error:#}"))),
    };
    let result = match offline {
        Ok(buildable) => Ok(buildable),
        Err(Missing::Everywhere(why)) => Err(why),
        Err(Missing::Online(missing)) if wanted.network == Network::None => {
            Err(format!("{missing}, and the answers forbid the network"))
        }
        Err(Missing::Online(missing)) => {
            let proxy = wanted.configuration.proxy.clone();
            let found = network::check(runner, proxy.as_ref()).await;
            checked.network = Some((proxy, found.clone()));
            match found {
                Ok(()) => match attempt(runner, manifest, &wanted, true).await {
                    Ok((buildable, _)) => Ok(buildable),
                    Err(error) => Err(format!("{error:#}")),
                },
                Err(unreachable) => Err(format!("{missing}, and {unreachable}")),
            }
        }
    };
    checked.build = Some((wanted, result));
    checked
}

/// Why it can't be built without the network.
enum Missing {
    /// That may be there.
    Online(String),
    /// Nor with it.
    Everywhere(String),
}

/// What it takes, and what of that has to be downloaded.
async fn attempt(
    runner: &Runner,
    manifest: &Manifest,
    wanted: &Wanted,
    online: bool,
) -> Result<(Buildable, Vec<String>)> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    // The same warning comes again when the target's is written.
    let _warning = configuration::write(&wanted.configuration, runner, manifest, folder).await?;
    let attribute =
        format!("path:{FOLDER}#nixosConfigurations.\"{}\".config", manifest.flake_attribute);
    let nix = || nix(runner, online, wanted.configuration.proxy.as_ref());
    let evaluated = nix()
        .args(["eval", "--json", "--apply", &question(&wanted.configuration), &attribute])
        .run()
        .await
        .context("the flake can't be evaluated")?;
    let evaluated: Evaluated = serde_json::from_str(&evaluated.stdout)
        .context("cannot read what Nix says of the flake")?;
    let file = manifest.host_directory.join("host.nix").display().to_string();
    evaluated.follows(&wanted.configuration, &manifest.defaults, file)?;
    let derivation = evaluated.derivation;
    let outputs = read_outputs(&derivation)?;
    let toplevel = outputs
        .into_iter()
        .find(|output| output.name == "out" && !output.path.is_empty())
        .with_context(|| format!("{derivation} has no output whose path is known"))?
        .path;

    let mut said = Vec::new();
    let mut hear = |line: &str| {
        said.push(line.to_owned());
        true
    };
    nix()
        .args(["build", "--dry-run", "--no-link", &format!("{derivation}^*")])
        .on_stderr_line(&mut hear)
        .run()
        .await
        .map_err(|error| anyhow!("{error:#}\n{}", said.join("\n")))
        .context("it can't be built")?;
    let needs = needs(&said)?;
    let mut needed = needs.downloads.clone();
    for one in &needs.builds {
        if read_outputs(one)?.iter().any(|output| output.fixed) {
            needed.push(one.clone());
        }
    }
    let buildable = Buildable {
        derivation,
        toplevel,
        builds: needs.builds.len(),
        downloads: needs.downloads.len(),
        online,
    };
    Ok((buildable, needed))
}

fn read_outputs(derivation: &str) -> Result<Vec<derivation::Output>> {
    std::fs::read_to_string(derivation)
        .map_err(anyhow::Error::from)
        .and_then(|text| derivation::outputs(&text))
        .with_context(|| format!("cannot read the derivation {derivation}"))
}

/// What a dry run says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    builds: Vec<String>,
    downloads: Vec<String>,
}

/// Reads what `nix build --dry-run` says (`printMissing` in Nix's `src/libmain/shared.cc`): a heading,
/// and below it a store path a line, indented.
fn needs(said: &[String]) -> Result<Needs> {
    let mut needs = Needs::default();
    let mut list: Option<&mut Vec<String>> = None;
    for line in said {
        if let Some(path) = line.strip_prefix("  ").filter(|path| path.starts_with("/nix/store/")) {
            let list = list.as_mut().context("a store path without a heading")?;
            list.push(path.to_owned());
            continue;
        }
        list = None;
        if line.contains("will be built:") {
            list = Some(&mut needs.builds);
        } else if line.contains("will be fetched") {
            list = Some(&mut needs.downloads);
        } else if line.contains("don't know how to build") {
            bail!("{}", said.join("\n"));
        }
    }
    for path in &needs.builds {
        let is_derivation = Path::new(path).extension().is_some_and(|extension| extension == "drv");
        ensure!(is_derivation, "{path} is to be built and is no derivation");
    }
    Ok(needs)
}

/// So many downloads, a few of them by name.
fn named(needed: &[String]) -> String {
    let names: Vec<_> = needed.iter().take(NAMED).map(|path| name(path)).collect();
    let more = needed.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("it takes {}{more} from the network", names.join(", "))
}

/// The name in a store path, without its hash.
fn name(path: &str) -> &str {
    let base = path.rsplit('/').next().unwrap_or(path);
    let name = base.split_once('-').map_or(base, |(_, name)| name);
    name.strip_suffix(".drv").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn builds_and_downloads_are_told_apart() {
        let said = lines(
            "warning: Git tree '/x' is dirty\n\
             these 2 derivations will be built:\n  /nix/store/a-one.drv\n  /nix/store/b-two.drv\n\
             this path will be fetched (0.03 MiB download, 0.12 MiB unpacked):\n  /nix/store/c-three\n",
        );
        let found = needs(&said).unwrap();
        assert_eq!(found.builds, ["/nix/store/a-one.drv", "/nix/store/b-two.drv"]);
        assert_eq!(found.downloads, ["/nix/store/c-three"]);
        assert_eq!(needs(&[]).unwrap(), Needs::default());
    }

    #[test]
    fn an_unknown_derivation_is_an_error() {
        let said = lines("don't know how to build these paths:\n  /nix/store/a-one\n");
        assert!(needs(&said).is_err());
        assert!(needs(&lines("  /nix/store/a-one.drv")).is_err());
        assert!(needs(&lines("this derivation will be built:\n  /nix/store/a-one")).is_err());
    }

    #[test]
    fn a_few_of_many_downloads_are_named() {
        let paths: Vec<_> = (0..5).map(|n| format!("/nix/store/hash{n}-part-{n}.drv")).collect();
        assert_eq!(named(&paths), "it takes part-0, part-1, part-2 and 2 more from the network");
        assert_eq!(named(&paths[..1]), "it takes part-0 from the network");
    }
}
