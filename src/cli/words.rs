//! Words of commands that are printed for a person to paste.

/// A run as it may stand in a command: it comes from a table, and a shell would run what is written there.
pub(super) fn run_word(run: &str) -> &str {
    let plain =
        !run.is_empty() && run.len() <= 64 && run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if plain && !run.starts_with('-') { run } else { "RUN" }
}

/// A word of a command: what a dump brings along may be anything.
pub(super) fn word(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./:@-".contains(&byte))
    {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
