//! By which name this program was called, and commands that are offered by it.

use std::{borrow::Cow, path::PathBuf};

/// How this program was called: as itself, or as a plugin of kubectl.
pub(super) fn program() -> &'static str {
    let plugin = std::env::args_os().next().is_some_and(|path| {
        let path = PathBuf::from(path);
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"))
    });
    if plugin { "kubectl auth-consistency" } else { "auth-consistency" }
}

/// Commands that a text offers, by the name under which this program was called: whoever has the plugin of kubectl alone
/// has no other one.
pub(super) fn as_called<'a>(text: &'a str, program: &str) -> Cow<'a, str> {
    const NAME: &str = "auth-consistency";
    if program == NAME {
        return Cow::Borrowed(text);
    }
    let mut called = text.to_owned();
    for (before, after) in [("`", " "), ("`", "\n"), ("more: ", " explain"), ("more: ", "\nexplain")] {
        called = called.replace(&format!("{before}{NAME}{after}"), &format!("{before}{program}{after}"));
    }
    Cow::Owned(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_offered_by_the_name_under_which_the_program_was_called() {
        let text = "run what `auth-consistency grants` prints; more: auth-consistency explain A\n(`auth-consistency\ncheck`, /auth-consistency x)";
        assert_eq!(as_called(text, "auth-consistency"), text);
        assert_eq!(
            as_called(text, "kubectl auth-consistency"),
            "run what `kubectl auth-consistency grants` prints; more: kubectl auth-consistency explain A\n(`kubectl auth-consistency\ncheck`, /auth-consistency x)"
        );
    }
}
