//! The pages of `docs/`, as they were when this program was built: what a message points to can be read
//! wherever the program runs, without a network and for this very version.

use super::condition::Reason;

/// A page that explains something beside a single reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guide {
    /// What it is asked for by.
    pub name: &'static str,
    /// What it is about, in a few words.
    pub about: &'static str,
    /// The page, in Markdown.
    pub text: &'static str,
}

macro_rules! page {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/", $path, ".md"))
    };
}

/// The pages that are about no single reason.
pub const GUIDES: &[Guide] = &[
    Guide {
        name: "guide",
        about: "what people see after a migration, and what ends it",
        text: page!("guide"),
    },
    Guide { name: "accounts", about: "accounts beside the admin", text: page!("accounts") },
    Guide { name: "remap", about: "giving rows back to the people whom old ids named", text: page!("remap") },
    Guide {
        name: "preflight",
        about: "what a move would break, said before it: every risk",
        text: page!("preflight"),
    },
    Guide {
        name: "uuids",
        about: "from counted ids to UUIDs, step by step, with the way back",
        text: page!("uuids"),
    },
    Guide {
        name: "keys",
        about: "shared secrets, key pairs and key sets, and how they are named",
        text: page!("keys"),
    },
    Guide {
        name: "passwords",
        about: "formats of stored passwords: which are read, compared and written",
        text: page!("passwords"),
    },
    Guide { name: "tokens", about: "why a token is refused: every cause", text: page!("tokens") },
    Guide { name: "probe", about: "asking the running app, pod by pod", text: page!("probe") },
    Guide {
        name: "sessions",
        about: "ending tokens from before ids or the key changed",
        text: page!("sessions"),
    },
    Guide {
        name: "session-reset",
        about: "the page that takes old sign-ins out of browsers",
        text: page!("session-reset"),
    },
    Guide {
        name: "operating",
        about: "running the operator: memory, turns, health, logs, events",
        text: page!("operating"),
    },
];

/// The first paragraph of a reason's page: its meaning, in one sentence.
pub fn meaning(reason: Reason) -> String {
    let body = reason.page().split("\n\n").nth(1).unwrap_or_default();
    body.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_begins_with_the_name_of_its_reason_and_says_what_it_means() {
        for reason in Reason::ALL {
            assert!(reason.page().starts_with(&format!("# {reason}\n\n")), "{reason}");
            assert!(meaning(*reason).ends_with('.'), "{reason}: {}", meaning(*reason));
        }
    }
}
