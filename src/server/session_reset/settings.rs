//! What the page is told: where it lies, where sign-in is, which cookies it expires. All of it comes from
//! flags, becomes a type that cannot be wrong, and is never taken from a request.

use std::{fmt, str::FromStr};

/// Longest path, cookie name, domain or app name that anybody needs.
const LONGEST: usize = 200;

/// Why a setting of the page is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The path of the page.
    #[error(
        "must be a path such as /session-reset: letters, digits, - . _ ~ between slashes, none at its end"
    )]
    Path,
    /// The path of the sign-in page.
    #[error(
        "must be a path on the app's own origin, such as /login: one slash first, no spaces, quotes, < > or \\"
    )]
    SignIn,
    /// The name of a cookie.
    #[error("{0:?} cannot be the name of a cookie")]
    CookieName(String),
    /// What stands behind the name of a cookie.
    #[error("{0:?} is neither path=/... nor domain=HOST, or stands there twice")]
    CookieAttribute(String),
    /// A prefix that promises what the attributes break.
    #[error("{0} cookies have the path / and no domain: name this one without either")]
    CookiePrefix(&'static str),
    /// The app's name.
    #[error("must be 1 to 200 characters without control characters")]
    AppName,
}

fn plain(text: &str, further: &str) -> bool {
    text.len() <= LONGEST && text.chars().all(|one| one.is_ascii_alphanumeric() || further.contains(one))
}

/// Where the page lies on the app's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagePath(String);

impl FromStr for PagePath {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let segments = text.strip_prefix('/').ok_or(Refused::Path)?;
        // Browsers resolve dots away, so that a request would never have them.
        let fine = |segment: &str| plain(segment, "-._~") && !matches!(segment, "" | "." | "..");
        let whole = text.len() <= LONGEST && segments.split('/').all(fine);
        whole.then(|| Self(text.to_owned())).ok_or(Refused::Path)
    }
}

impl fmt::Display for PagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the page sends people: a path on its own origin and nothing else, so that it cannot be made to send
/// them to a page that only looks like the app's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInPath(String);

impl FromStr for SignInPath {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        // To a browser `//host` and `/\host` are other origins, and it drops tabs and line breaks from
        // between, so nothing that is not plainly visible is let in.
        let own = text.starts_with('/') && !text.starts_with("//");
        let visible = text.chars().all(|one| one.is_ascii_graphic() && !"\"'<>\\`".contains(one));
        (own && visible && text.len() <= LONGEST).then(|| Self(text.to_owned())).ok_or(Refused::SignIn)
    }
}

impl fmt::Display for SignInPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the page calls the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName(String);

impl FromStr for AppName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let text = text.trim();
        let fine = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
        fine.then(|| Self(text.to_owned())).ok_or(Refused::AppName)
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One cookie to expire: `NAME`, `NAME;path=/x`, `NAME;domain=app.example.com`, or all three. To a browser
/// these three are the cookie: one that differs in any of them is another and stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    path: String,
    domain: Option<String>,
}

impl Cookie {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Set-Cookie` value that ends it.
    ///
    /// Secure and HttpOnly do not tell cookies apart, so neither is needed to end one that has them. Secure
    /// would even keep it from working over plain HTTP, so only the prefixes that demand them get them.
    pub fn expiry(&self) -> String {
        let mut value = format!("{}=; Path={}", self.name, self.path);
        if let Some(domain) = &self.domain {
            value.push_str("; Domain=");
            value.push_str(domain);
        }
        value.push_str("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        if let Some(prefix) = Prefix::of(&self.name) {
            value.push_str("; Secure");
            if prefix.http_only {
                value.push_str("; HttpOnly");
            }
        }
        value
    }
}

impl FromStr for Cookie {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        // A token of RFC 6265.
        if name.is_empty() || !plain(name, "!#$%&'*+-.^_`|~") {
            return Err(Refused::CookieName(name.to_owned()));
        }
        let (mut path, mut domain) = (None, None);
        for part in parts {
            let refused = || Refused::CookieAttribute(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(refused)?;
            match key.to_ascii_lowercase().as_str() {
                "path" if path.is_none() && cookie_path(value) => path = Some(value.to_owned()),
                "domain" if domain.is_none() => domain = Some(host(value).ok_or_else(refused)?),
                _ => return Err(refused()),
            }
        }
        let path = path.unwrap_or_else(|| "/".to_owned());
        match Prefix::of(name) {
            Some(prefix) if prefix.host && (path != "/" || domain.is_some()) => {
                return Err(Refused::CookiePrefix(prefix.text));
            }
            _ => {}
        }
        Ok(Self { name: name.to_owned(), path, domain })
    }
}

/// As cookies have them: visible, and without what ends an attribute.
fn cookie_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= LONGEST
        && text.chars().all(|one| one.is_ascii_graphic() && !";,\"\\<>".contains(one))
}

/// A host name, without the dot that some write before it and browsers ignore.
fn host(text: &str) -> Option<String> {
    let name = text.strip_prefix('.').unwrap_or(text);
    let label = |label: &str| {
        plain(label, "-") && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    (name.len() <= LONGEST && name.split('.').all(label)).then(|| name.to_ascii_lowercase())
}

/// What the beginning of a cookie's name promises; browsers drop a `Set-Cookie` that breaks it.
struct Prefix {
    text: &'static str,
    host: bool,
    http_only: bool,
}

impl Prefix {
    const ALL: [Self; 4] = [
        Self { text: "__Host-Http-", host: true, http_only: true },
        Self { text: "__Host-", host: true, http_only: false },
        Self { text: "__Http-", host: false, http_only: true },
        Self { text: "__Secure-", host: false, http_only: false },
    ];

    fn of(name: &str) -> Option<&'static Self> {
        // Browsers compare them without case.
        Self::ALL.iter().find(|prefix| {
            name.get(..prefix.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(text: &str) -> String {
        text.parse::<Cookie>().unwrap_or_else(|error| panic!("{text}: {error}")).expiry()
    }

    #[test]
    fn a_cookie_is_ended_with_exactly_its_name_path_and_domain() {
        let gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(expiry("session"), format!("session=; Path=/; {gone}"));
        assert_eq!(expiry("a.b; Path=/app"), format!("a.b=; Path=/app; {gone}"));
        assert_eq!(
            expiry("sid;domain=.App.Example.com;path=/"),
            format!("sid=; Path=/; Domain=app.example.com; {gone}")
        );
    }

    #[test]
    fn prefixes_get_what_browsers_demand_of_them_and_others_nothing() {
        assert!(expiry("__Host-session").ends_with("GMT; Secure"));
        assert!(expiry("__secure-session;path=/x").ends_with("GMT; Secure"));
        assert!(expiry("__Host-Http-session").ends_with("GMT; Secure; HttpOnly"));
        assert!(expiry("__Http-session").ends_with("GMT; Secure; HttpOnly"));
        assert!(!expiry("host-session").contains("Secure"));
        for broken in ["__Host-session;path=/x", "__Host-session;domain=example.com", "__HOST-a;path=/x"] {
            assert!(matches!(broken.parse::<Cookie>(), Err(Refused::CookiePrefix(_))), "{broken}");
        }
    }

    #[test]
    fn what_cannot_be_a_cookie_is_refused() {
        for text in [
            "",
            " ",
            "a b",
            "a=b",
            "a\r\nX-Evil: 1",
            "caf\u{e9}",
            "a;secure",
            "a;path=x",
            "a;path=/x\r\ny",
            "a;path=/;path=/x",
            "a;domain=",
            "a;domain=.",
            "a;domain=-x.example",
            "a;domain=ex ample.com",
            "a;domain=a.b;domain=c.d",
            "a;httponly=1",
            "a;",
        ] {
            assert!(text.parse::<Cookie>().is_err(), "{text:?} was taken");
        }
        assert!("x".repeat(LONGEST + 1).parse::<Cookie>().is_err());
    }

    #[test]
    fn sign_in_is_on_the_same_origin_whatever_is_tried() {
        for text in ["/", "/login", "/#/sign-in", "/login?next=/home&again=1", "/a//b"] {
            assert!(text.parse::<SignInPath>().is_ok(), "{text}");
        }
        for text in [
            "",
            "login",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /login",
            "https://evil.example/",
            "javascript:alert(1)",
            "/\"><script>",
            "/a b",
            "/\u{2028}",
        ] {
            assert!(text.parse::<SignInPath>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn the_page_has_a_plain_path_of_its_own() {
        for text in ["/session-reset", "/auth/reset_1.0~", "/.well-known/session-reset"] {
            assert!(text.parse::<PagePath>().is_ok(), "{text}");
        }
        for text in [
            "", "/", "reset", "/reset/", "//reset", "/a//b", "/../x", "/a/./b", "/a b", "/%2e", "/a?b",
            "/a#b",
        ] {
            assert!(text.parse::<PagePath>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn an_app_has_any_visible_name() {
        assert_eq!(" Probe & Ops ".parse::<AppName>().map(|name| name.to_string()), Ok("Probe & Ops".into()));
        for text in ["", "  ", "a\nb"] {
            assert!(text.parse::<AppName>().is_err(), "{text:?} was taken");
        }
    }
}
