//! The same page as files, for an app whose Ingress cannot reach the operator.

use super::{CLEAR_SITE_DATA, CSS, Cookie, HEADERS, SCRIPT, SessionReset};

impl SessionReset {
    /// Every file by its name, with the lines for nginx that make the page of them.
    ///
    /// # Errors
    /// A cookie cannot be written down for nginx.
    pub fn files(&self) -> Result<[(&'static str, String); 6], String> {
        Ok([
            ("index.html", self.ask()),
            ("done.html", self.done()),
            ("refused.html", self.refused()),
            ("reset.css", CSS.to_owned()),
            ("reset.js", SCRIPT.to_owned()),
            ("nginx.conf", self.nginx()?),
        ])
    }

    fn nginx(&self) -> Result<String, String> {
        let mut expiries = String::new();
        for cookie in &self.cookies {
            let expiry = cookie.expiry();
            // nginx has variables in every value, and no way to write a dollar.
            if expiry.contains('$') {
                return Err(format!("nginx cannot be told of a cookie with a $: {}", Cookie::name(cookie)));
            }
            expiries.push_str(&format!("    add_header Set-Cookie \"{expiry}\";\n"));
        }
        let headers: String = HEADERS
            .iter()
            .map(|(name, value)| format!("    add_header {name} \"{value}\" always;\n"))
            .collect();
        Ok(include_str!("nginx.conf")
            .replace("{{path}}", &self.path.to_string())
            .replace("{{clear_site_data}}", CLEAR_SITE_DATA)
            .replace("{{expiries}}", &expiries)
            .replace("{{headers}}", &headers))
    }
}
