//! What stands in an Authorization header where no token was sent, or more than one.

/// What a text is that stands where a token should, and is none at all. White space is taken out of it.
pub(super) fn in_place_of_a_token(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let named = |open: &str, close: &str| {
        lower.len() > open.len() + close.len()
            && lower.starts_with(open)
            && lower.ends_with(close)
            && !lower.contains('.')
            && !lower.contains(':')
            && !lower.contains('"')
    };
    Some(match lower.as_str() {
        "null" | "(null)" => "the word null",
        "undefined" => "the word undefined",
        "none" => "the word None",
        "nil" | "<nil>" => "the word nil",
        "nan" => "the word NaN",
        "true" | "false" => "the word true or false",
        "bearer" | "token" | "jwt" => "the word Bearer, Token or JWT alone",
        "[objectobject]" => "[object Object], an object that was made a text,",
        "[objectpromise]" => "[object Promise], a promise that nobody waited for,",
        _ if named("{{", "}}")
            || named("${", "}")
            || named("$(", ")")
            || named("{", "}")
            || named("<", ">") =>
        {
            "a variable that nobody filled in"
        }
        // As single quotes leave it to curl, and other shells than the one that it was written for.
        _ if is_variable(&lower) => "a variable that nobody filled in",
        _ => return None,
    })
}

/// `$token`, `$env:token` or `%token%`.
fn is_variable(lower: &str) -> bool {
    let of_shells = lower.strip_prefix('$').map(|name| name.strip_prefix("env:").unwrap_or(name));
    let name = of_shells.or_else(|| lower.strip_prefix('%')?.strip_suffix('%'));
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Words before what an Authorization header carries (RFC 9110 section 11.4).
const SCHEMES: [&str; 6] = ["bearer", "basic", "digest", "negotiate", "token", "jwt"];

/// Whether a text without white space is two credentials, at least one of them a token: joined by a comma, as two
/// headers of one name are (RFC 9110 section 5.3), or one right after the other.
pub(super) fn are_two_credentials(text: &str) -> bool {
    if !text.contains(',') {
        // A token begins inside the signature of another.
        let mut parts = text.split('.').skip(2);
        return text.starts_with("eyJ")
            && text.split('.').count() == 5
            && parts.next().is_some_and(|part| {
                let lower = part.to_ascii_lowercase();
                part.contains("eyJ") && !part.starts_with("eyJ") && part.len() > 20
                    || lower.contains("bearereyj")
            });
    }
    let is_token = |part: &str| part.starts_with("eyJ") && part.split('.').count() == 3;
    let bare = |part: &str| {
        let lower = part.to_ascii_lowercase();
        let scheme = SCHEMES.iter().find(|scheme| lower.starts_with(*scheme));
        (scheme.is_some(), scheme.and_then(|scheme| part.get(scheme.len()..)).unwrap_or(part).to_owned())
    };
    let parts: Vec<_> = text.split(',').map(bare).collect();
    parts.iter().all(|(schemed, part)| *schemed || is_token(part))
        && parts.iter().any(|(_, part)| is_token(part))
}
