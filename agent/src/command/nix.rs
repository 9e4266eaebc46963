//! The `nix` program: its options, and the literals of its language.

use nixvm_answers::proxy::Proxy;

use crate::command::{Runner, Tool};

/// `nix` with the features that flakes need, whatever the live system's configuration is; online, by
/// the proxy if there is one.
pub(crate) fn nix<'a>(runner: &'a Runner, online: bool, proxy: Option<&Proxy>) -> Tool<'a> {
    // It keeps its cache of evaluations at home.
    let tool = runner.tool("nix").env("HOME", "/root").args(FEATURES);
    if !online {
        return tool.args(OFFLINE);
    }
    let tool = tool.args(["--option", "connect-timeout", "15"]);
    match proxy {
        Some(proxy) => {
            variables(proxy).into_iter().fold(tool, |tool, (name, value)| tool.env(name, value))
        }
        None => tool,
    }
}

/// What NixOS sets for `networking.proxy.default`, as far as Nix, curl and git read it.
fn variables(proxy: &Proxy) -> [(&'static str, &str); 3] {
    let proxy = proxy.as_str();
    [("http_proxy", proxy), ("https_proxy", proxy), ("no_proxy", "127.0.0.1,localhost")]
}

/// Options of `nix` for flakes.
pub const FEATURES: &[&str] = &["--extra-experimental-features", "nix-command flakes"];

/// Options of `nix` to leave the network alone.
///
/// Then all comes from the live store. Sources in it have no signature, and its registration, which
/// comes with the image, does not say that their names are made of their content: without the last
/// option none of them could be copied to the target.
pub const OFFLINE: &[&str] =
    &["--offline", "--option", "substituters", "", "--option", "require-sigs", "false"];

/// A string literal of the Nix language (Nix manual, "String literal").
pub(crate) fn string_literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_downloads_does_it_by_the_proxy() {
        let (runner, proxy) = (Runner::default(), "http://10.0.2.2:3128".parse().unwrap());
        let set = |online: bool, proxy: Option<&Proxy>| -> Vec<String> {
            let variables = nix(&runner, online, proxy).variables;
            let both = variables.iter().map(|(name, value)| {
                format!("{}={}", name.to_string_lossy(), value.to_string_lossy())
            });
            both.filter(|both| both.contains("proxy")).collect()
        };
        assert_eq!(
            set(true, Some(&proxy)),
            [
                "http_proxy=http://10.0.2.2:3128",
                "https_proxy=http://10.0.2.2:3128",
                "no_proxy=127.0.0.1,localhost"
            ]
        );
        assert!(set(false, Some(&proxy)).is_empty() && set(true, None).is_empty());
    }

    #[test]
    fn nothing_in_a_string_is_evaluated() {
        assert_eq!(string_literal("plain"), "\"plain\"");
        assert_eq!(string_literal(r#"a"b\c${d}$e"#), r#""a\"b\\c\${d}$e""#);
    }
}
