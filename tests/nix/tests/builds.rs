//! The agent's way of building a system, with a real Nix: in the target's store, with what the live
//! system's store has.

use std::fs;

use anyhow::{Context, Result, ensure};
use nixvm_agent::command::nix::{FEATURES, OFFLINE};
use nixvm_agent::install::{build_arguments, transfer_arguments};
use nixvm_nix_tests::Tree;

/// The tree's Debian has neither users to build as nor, mostly, a sandbox to build in.
const ENVIRONMENT: &str = "NIX_CONFIG=build-users-group =\nsandbox = false";

/// A build tool that can be built once, and something that is built with it.
fn expression(folder: &str) -> String {
    format!(
        r#"let
             of = name: script: more: derivation ({{
               inherit name;
               system = builtins.currentSystem;
               builder = "/bin/sh";
               args = [ "-c" script ];
               folder = "{folder}";
             }} // more);
             tool = of "nixvm-test-tool" "test -e $folder/allowed && echo tool > $out" {{ }};
             script = builtins.path {{ name = "nixvm-test-script"; path = "{folder}/script"; }};
           in {{
             inherit tool;
             system = of "nixvm-test-system" "echo $tool $script > $out" {{ inherit script tool; }};
           }}"#
    )
}

#[test]
fn what_the_live_store_has_is_not_built_again() -> Result<()> {
    let Some(tree) = Tree::find("what the live store has is not built again")? else {
        return Ok(());
    };
    let (folder, inside) = tree.folder()?;
    let inside = inside.to_str().context("an odd name")?;
    let nix = |options: &[&str], arguments: &[&str]| -> Result<(bool, String, String)> {
        let head = ["env", ENVIRONMENT, "nix"];
        let all = head.iter().chain(FEATURES).chain(options).chain(arguments);
        let output = tree.run(all)?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.success(), said(&output.stdout), said(&output.stderr)))
    };

    fs::write(folder.path().join("allowed"), "")?;
    fs::write(folder.path().join("script"), inside)?;
    let expression = expression(inside);
    let (built, _, said) =
        nix(OFFLINE, &["build", "--no-link", "--impure", "--expr", &expression, "tool"])?;
    ensure!(built, "{said}");
    fs::remove_file(folder.path().join("allowed"))?;

    let show = ["path-info", "--derivation", "--impure", "--expr", &expression, "system"];
    let (found, derivation, said) = nix(OFFLINE, &show)?;
    ensure!(found, "{said}");
    // The live store's registration comes with the image: it says of no path that its name is made of
    // its content, which would do in place of a signature.
    let register = "nix-store --dump-db $(nix-store --query --references $0 | grep script$) \
                    | nix-store --load-db";
    let output = tree.run(["env", ENVIRONMENT, "sh", "-c", register, derivation.trim()])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    // With a network, unsigned paths are refused; here, it has no cache that answers.
    let online = ["--option", "substituters", "", "--option", "require-sigs", "true"];
    for (target, options) in [("offline", OFFLINE), ("online", &online)] {
        let store = format!("local?root={inside}/{target}");
        let arguments = transfer_arguments(&store, derivation.trim());
        let (copied, _, said) = nix(options, &arguments.each_ref().map(String::as_str))?;
        ensure!(copied, "{target}: {said}");
        let arguments = build_arguments(&store, derivation.trim());
        // Without a sandbox, what is built in another root can't find its place: only the tool counts.
        let (_, _, said) = nix(options, &arguments.each_ref().map(String::as_str))?;
        let place = folder.path().join(target).join("nix/store");
        let names: Vec<_> = fs::read_dir(&place)
            .with_context(|| format!("{target}: nothing was taken from the live store:\n{said}"))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        for taken in ["-nixvm-test-tool", "-nixvm-test-script"] {
            let is_there = names.iter().any(|name| name.ends_with(taken));
            ensure!(is_there, "{target}: {names:?}\n{said}");
        }
        ensure!(said.contains("nixvm-test-system.drv"), "{target}: {said}");
    }
    Ok(())
}
