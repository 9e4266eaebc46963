//! Scenarios → the Markdown table of `tests/lab/README.md`.

use super::{Scenario, all};

/// A row for each scenario, in the order in which they are run; a dot marks those that
/// `cargo xtask test` runs.
fn markdown() -> String {
    let mut text = String::from(
        "| scenario | what is done to the machine | expected | machines |\n|---|---|---|---|\n",
    );
    for Scenario { name, fault, expected, archs, daily, run: _ } in all() {
        let cell = |text: &str| text.replace('|', "\\|");
        let mark = if *daily { " ●" } else { "" };
        let archs: Vec<_> = archs.iter().map(|arch| arch.name()).collect();
        let (fault, expected, archs) = (cell(fault), cell(expected), archs.join(", "));
        text.push_str(&format!("| `{name}`{mark} | {fault} | {expected} | {archs} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use expect_test::expect_file;

    const BEGIN: &str =
        "<!-- The table is generated: UPDATE_EXPECT=1 cargo test -p nixvm-lab -->\n";

    #[test]
    fn the_readme_has_every_scenario() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once(BEGIN).expect("the README has a place for the table");
        let rest = after.lines().skip_while(|line| line.starts_with('|'));
        let rest: String = rest.map(|line| format!("{line}\n")).collect();
        expect_file![file].assert_eq(&format!("{before}{BEGIN}{}{rest}", super::markdown()));
    }
}
