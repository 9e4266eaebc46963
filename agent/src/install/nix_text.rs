//! Values → the text of Nix files.

/// A string literal of the Nix language (Nix manual, "String literal").
pub(super) fn string(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace("${", "\\${");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_string_is_evaluated() {
        assert_eq!(string("plain"), "\"plain\"");
        assert_eq!(string(r#"a"b\c${d}$e"#), r#""a\"b\\c\${d}$e""#);
    }
}
