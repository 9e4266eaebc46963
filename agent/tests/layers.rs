//! Source files → an error for every import that runs against the flow of data between modules.
//!
//! The compiler accepts cycles between modules; this test does not. A room is a top-level module of
//! the agent. [`ROOMS`] has them in the order in which data flows, and a room may import only rooms
//! before it. Code for tests (`#[cfg(test)]`, folders named `tests`, [`TEST_FILES`]) is left out.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The agent's rooms, each after everything that it may import.
#[rustfmt::skip]
const ROOMS: &[&str] = &[
    // Tools that know nothing of installing.
    "format", "command",
    // Facts, and what follows from them.
    "machine", "disk", "network", "sources", "plan", "checks",
    // The words in which an install is reported and steered.
    "event", "control",
    // The install and its control.
    "install", "session",
    // Interfaces.
    "sinks", "dbus", "screen", "daemon", "cli",
];

/// What the rooms without input and output may import: a decision follows from its facts alone.
const PURE: &[(&str, &[&str])] = &[("plan", &["format", "machine", "disk"]), ("format", &[])];

/// Modules in files of their own that exist in test builds only.
const TEST_FILES: &[&str] = &["examples"];

/// One path in a file that begins at the crate's root.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    line: usize,
    module: String,
}

/// The top-level modules that the source text names, `depth` modules below the crate's root.
fn imports(text: &str, depth: usize) -> Vec<Import> {
    let tokens: TokenStream = text.parse().expect("Rust source");
    let mut found = Vec::new();
    walk(tokens, depth, &mut found);
    found
}

fn walk(tokens: TokenStream, depth: usize, found: &mut Vec<Import>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        if is_cfg_test(&tokens[at..]) {
            at = end_of_item(&tokens, at + 2);
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                // `mod name { … }`
                let inline = group.delimiter() == Delimiter::Brace
                    && at >= 2
                    && is_ident(&tokens[at - 2], "mod");
                walk(group.stream(), depth + usize::from(inline), found);
            }
            TokenTree::Ident(ident) if ident == "crate" => at_root(&tokens[at + 1..], found),
            TokenTree::Ident(ident) if ident == "super" && !follows_path(&tokens[..at]) => {
                let (mut level, mut next) = (1, at + 1);
                while is_path(&tokens[next..])
                    && tokens.get(next + 2).is_some_and(|token| is_ident(token, "super"))
                {
                    (level, next) = (level + 1, next + 3);
                }
                if level == depth {
                    at_root(&tokens[next..], found);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Takes the module after the crate's root: `::name`, or each name of `::{name, name::…}`.
fn at_root(rest: &[TokenTree], found: &mut Vec<Import>) {
    if !is_path(rest) {
        return;
    }
    match rest.get(2) {
        Some(TokenTree::Ident(ident)) => {
            found.push(Import { line: ident.span().start().line, module: ident.to_string() })
        }
        Some(TokenTree::Group(group)) => {
            let mut first = true;
            for token in group.stream() {
                if let TokenTree::Ident(ident) = &token
                    && std::mem::take(&mut first)
                {
                    let (line, module) = (ident.span().start().line, ident.to_string());
                    found.push(Import { line, module });
                }
                first |= matches!(&token, TokenTree::Punct(comma) if comma.as_char() == ',');
            }
        }
        _ => {}
    }
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

fn is_path(rest: &[TokenTree]) -> bool {
    is_punct(rest.first(), ':') && is_punct(rest.get(1), ':')
}

fn follows_path(before: &[TokenTree]) -> bool {
    is_punct(before.last(), ':')
}

fn is_cfg_test(rest: &[TokenTree]) -> bool {
    is_punct(rest.first(), '#')
        && matches!(rest.get(1), Some(TokenTree::Group(group))
            if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// The position after the item that begins at `at`, attributes included.
fn end_of_item(tokens: &[TokenTree], mut at: usize) -> usize {
    // An import's braces are not its end.
    let mut statement = false;
    while let Some(token) = tokens.get(at) {
        at += 1;
        statement |= is_ident(token, "use") || is_ident(token, "const");
        let is_end = match token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !statement,
            _ => false,
        };
        if is_end {
            break;
        }
    }
    at
}

/// Imports between the top-level modules of one crate: (file, from, import).
type Edges = Vec<(PathBuf, String, Import)>;

fn edges(crate_folder: &Path) -> Edges {
    let source = crate_folder.join("src");
    let mut files = Vec::new();
    list(&source, &mut files);
    assert!(!files.is_empty(), "no source below {}", source.display());
    let mut edges = Vec::new();
    for file in files {
        let path = file.strip_prefix(&source).unwrap();
        let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let name = parts.pop().unwrap().trim_end_matches(".rs");
        if name != "mod" {
            parts.push(name);
        }
        let [module, ..] = parts[..] else { continue };
        if matches!(module, "lib" | "main") || TEST_FILES.contains(&name) {
            continue;
        }
        for import in imports(&fs::read_to_string(&file).unwrap(), parts.len()) {
            if import.module != module {
                edges.push((path.to_owned(), module.to_owned(), import));
            }
        }
    }
    edges
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("tests") {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A message for every import of a room that comes later, or that a pure room must not have.
fn back_edges(edges: &Edges) -> Vec<String> {
    let place = |name: &str| ROOMS.iter().position(|room| *room == name);
    let mut messages = Vec::new();
    for (file, from, Import { line, module }) in edges {
        let problem = match (place(from), place(module)) {
            (None, _) => format!("`{from}` is not in ROOMS"),
            (_, None) => format!("`{module}` is not in ROOMS"),
            (Some(own), Some(other)) if other > own => {
                format!("`{from}` imports `{module}`, which comes after it")
            }
            _ if PURE.iter().any(|(room, may)| room == from && !may.contains(&&**module)) => {
                format!("`{from}` is pure and must not import `{module}`")
            }
            _ => continue,
        };
        messages.push(format!("{}:{line}: {problem}", file.display()));
    }
    messages
}

/// The modules of one cycle, if there is any.
fn cycle(edges: &Edges) -> Option<Vec<String>> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (_, from, import) in edges {
        graph.entry(from).or_default().insert(&import.module);
    }
    // A module that imports none of the rest is in no cycle; what can't be taken away is, or leads
    // to one.
    loop {
        let left: BTreeSet<_> = graph.keys().copied().collect();
        let before = graph.len();
        graph.retain(|_, imports| imports.iter().any(|module| left.contains(module)));
        if graph.len() == before {
            break;
        }
    }
    let mut path = vec![*graph.keys().next()?];
    loop {
        let next = *graph[path.last()?].iter().find(|module| graph.contains_key(*module))?;
        if let Some(start) = path.iter().position(|module| *module == next) {
            return Some(path[start..].iter().chain([&next]).map(ToString::to_string).collect());
        }
        path.push(next);
    }
}

#[test]
fn rooms_of_the_agent_import_only_rooms_before_them() {
    let found = back_edges(&edges(Path::new(env!("CARGO_MANIFEST_DIR"))));
    assert!(found.is_empty(), "imports against the flow of data:\n{}", found.join("\n"));
}

#[test]
fn modules_of_the_other_crates_have_no_cycle() {
    for folder in ["copy", "../iso/customize"] {
        let found = cycle(&edges(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)));
        assert_eq!(found, None, "a cycle in {folder}");
    }
}

#[test]
fn a_back_edge_is_found_with_its_file_and_line() {
    let crate_folder = tempfile::tempdir().unwrap();
    let folder = crate_folder.path().join("src/disk");
    fs::create_dir_all(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/mod.rs"), "use crate::cli::Code;").unwrap();
    let text =
        "//! See [`crate::cli`].\nuse crate::format::size;\n\nfn late() { crate::session::run() }";
    fs::write(folder.join("probe.rs"), text).unwrap();
    let edges = edges(crate_folder.path());
    assert_eq!(
        back_edges(&edges),
        ["disk/probe.rs:4: `disk` imports `session`, which comes after it"]
    );
    assert_eq!(cycle(&edges), None);
}

#[test]
fn a_pure_room_that_imports_another_is_found() {
    let import = Import { line: 3, module: "command".to_owned() };
    let edges = vec![(PathBuf::from("plan/mod.rs"), "plan".to_owned(), import)];
    assert_eq!(back_edges(&edges), ["plan/mod.rs:3: `plan` is pure and must not import `command`"]);
}

#[test]
fn a_cycle_is_found() {
    let edge = |from: &str, to: &str| {
        (PathBuf::new(), from.to_owned(), Import { line: 1, module: to.to_owned() })
    };
    let edges = vec![edge("a", "b"), edge("b", "c"), edge("c", "b"), edge("c", "d")];
    assert_eq!(cycle(&edges), Some(vec!["b".to_owned(), "c".to_owned(), "b".to_owned()]));
}

#[test]
fn every_form_of_a_path_is_read_and_code_for_tests_is_not() {
    let text = "
        use crate::{plan::{Plan, Target}, disk, self as root};
        use super::super::clock::now;
        use super::sibling;
        mod inner { use super::super::super::log; }
        fn f() { println!(\"{}\", crate::event::x()); }
        #[cfg(test)]
        use crate::cli::{A, B};
        #[cfg(test)]
        #[expect(unused)]
        mod tests { use crate::daemon; }
        #[cfg(test)]
        mod other;
        use crate::nix;
    ";
    let found: Vec<_> =
        imports(text, 2).into_iter().map(|import| (import.line, import.module)).collect();
    let expected = [(2, "plan"), (2, "disk"), (2, "self"), (3, "clock"), (5, "log"), (6, "event")]
        .into_iter()
        .chain([(14, "nix")])
        .map(|(line, module)| (line, module.to_owned()));
    assert_eq!(found, expected.collect::<Vec<_>>());
}
