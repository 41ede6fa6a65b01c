//! The pages as text, filled in once when the process starts: nothing of a request is ever in them.

use super::{AppName, Cookie, PagePath, SignInPath};

/// What one page is about.
#[derive(Clone, Debug)]
pub struct SessionReset {
    /// Where it lies.
    pub path: PagePath,
    /// Where it sends people afterwards.
    pub sign_in: SignInPath,
    /// The cookies that it ends.
    pub cookies: Vec<Cookie>,
    /// What it calls the app.
    pub app: AppName,
}

/// The stylesheet.
pub const CSS: &str = include_str!("reset.css");

/// The script of the answer.
pub const SCRIPT: &str = include_str!("reset.js");

/// Keeps out everything that is not the page's own: no inline script, no frame around it, no form elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What the browser removes by itself.
///
/// Not "cookies": that would end the cookies of the whole registrable domain, and with them the sessions of
/// every other application under it. The configured ones are ended one by one instead.
pub const CLEAR_SITE_DATA: &str = "\"cache\", \"storage\"";

/// Headers of every answer, whatever it is.
pub const HEADERS: [(&str, &str); 7] = [
    ("cache-control", "no-store"),
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // Under no-referrer browsers say `Origin: null` with the page's own form, and those that do not know
    // Sec-Fetch-Site could not be told from a foreign page.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

impl SessionReset {
    /// The page with the button.
    pub fn ask(&self) -> String {
        self.fill(include_str!("ask.html"))
    }

    /// The answer to the button.
    pub fn done(&self) -> String {
        self.fill(include_str!("done.html"))
    }

    /// The answer to a request that may have come from elsewhere.
    pub fn refused(&self) -> String {
        self.fill(include_str!("refused.html"))
    }

    /// In one go, so that a name that looks like a placeholder stays what it is.
    fn fill(&self, template: &str) -> String {
        let mut parts = template.split("{{");
        let mut page = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
            match name {
                "app" => page.push_str(&escaped(&self.app.to_string())),
                "path" => page.push_str(&escaped(&self.path.to_string())),
                "sign_in" => page.push_str(&escaped(&self.sign_in.to_string())),
                "cookies" => page.push_str(&self.cookies()),
                _ => {}
            }
            page.push_str(rest);
        }
        page
    }

    fn cookies(&self) -> String {
        let mut names: Vec<String> = Vec::new();
        for cookie in &self.cookies {
            let name = format!("<code>{}</code>", escaped(cookie.name()));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        match names.as_slice() {
            [] => String::new(),
            [one] => format!("<li>the cookie {one}</li>\n"),
            many => format!("<li>the cookies {}</li>\n", many.join(", ")),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(one),
        }
    }
    safe
}
