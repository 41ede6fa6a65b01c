//! What a token is, by what it carries: whose it is and what it is for. Looked at where it fails, so that nobody
//! looks for a wrong key where a token of somebody else was sent.

use serde_json::{Map, Value};

use super::{KeyVerdict, Verdict};

/// A kind of token that is recognised, with what to do where it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// What it is, to complete "it looks like ...".
    pub(super) what: &'static str,
    /// What to do about it, in one sentence.
    pub(super) remedy: &'static str,
    /// What shows it.
    shown_by: ShownBy,
}

/// What shows of which kind a token is, and so what that explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShownBy {
    /// Who issued it, or whom it is for: another provider has other keys, issuers and audiences.
    Provider,
    /// What it is for: such tokens may have keys of their own, and are of the same issuer.
    Purpose,
    /// That it is an ID token: the provider signs it as it signs access tokens.
    IdToken,
}

impl Kind {
    /// Whether a verdict may come of the kind.
    pub(super) fn explains(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::AudienceDiffers { .. }
            | Verdict::TokenTypeDiffers { .. }
            | Verdict::ClaimMissing { .. }
            | Verdict::SubjectMissing { .. } => true,
            Verdict::AlgorithmDiffers { .. }
            | Verdict::SignedByUnknownKey
            | Verdict::Key(KeyVerdict::KeyIdUnknown { .. }) => self.shown_by != ShownBy::IdToken,
            Verdict::IssuerDiffers { .. } => self.shown_by == ShownBy::Provider,
            _ => false,
        }
    }
}

const SEND_ACCESS: &str =
    "Send the access token; this one is for the program that signed in, or for getting a new access token.";

const OWN_AUDIENCE: &str =
    "Ask the provider for an access token for this API (its own scope or audience) and send that.";

const NOT_A_PERSON: &str = "Let the person sign in, and send the access token that comes of it: this one stands for a program and names no user.";

/// What a header and claims show, if it is known. `is_of_issuer` says that the app asks for an issuer and it is this
/// token's: a token of a provider that the app verifies itself is no stranger.
pub(super) fn kind(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
    is_of_issuer: bool,
) -> Option<Kind> {
    let carried = Carried { header, claims };
    let known = carried
        .by_header_type()
        .or_else(|| carried.by_its_own_word())
        .or_else(|| carried.of_a_cloud())
        .or_else(|| carried.of_a_program())
        .or_else(|| carried.for_the_client());
    known.filter(|kind| !(is_of_issuer && kind.shown_by == ShownBy::Provider))
}

/// What a token carries.
struct Carried<'a> {
    header: &'a Map<String, Value>,
    claims: &'a Map<String, Value>,
}

fn purpose(what: &'static str, remedy: &'static str) -> Option<Kind> {
    Some(Kind { what, remedy, shown_by: ShownBy::Purpose })
}

fn provider(what: &'static str, remedy: &'static str) -> Option<Kind> {
    Some(Kind { what, remedy, shown_by: ShownBy::Provider })
}

impl Carried<'_> {
    fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn has(&self, name: &str) -> bool {
        self.claims.contains_key(name)
    }

    fn is_for(&self, wanted: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one.trim_end_matches('/') == wanted,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(wanted)),
            _ => false,
        }
    }

    /// What tokens of one product say of themselves.
    fn said(&self) -> [String; 5] {
        ["typ", "token_use", "token_type", "tokenType", "type"]
            .map(|name| self.text(name).to_ascii_lowercase())
    }

    fn by_header_type(&self) -> Option<Kind> {
        let named = self.header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        match named.as_str() {
            "logout+jwt" => purpose("a logout token of OpenID Connect", SEND_ACCESS),
            "dpop+jwt" => {
                purpose("a DPoP proof, which goes beside the access token and not in its place", SEND_ACCESS)
            }
            "secevent+jwt" => purpose("a security event token", SEND_ACCESS),
            _ => None,
        }
    }

    fn by_its_own_word(&self) -> Option<Kind> {
        let said = self.said();
        let says = |word: &str| {
            said.iter().any(|one| one == word || one.split(['-', '_', ' ']).any(|part| part == word))
        };
        if says("offline") {
            return purpose("an offline token (a refresh token that outlives the session)", SEND_ACCESS);
        }
        if says("refresh") {
            return purpose("a refresh token", SEND_ACCESS);
        }
        let event = self.claims.get("events").is_some_and(|events| events.get(LOGOUT).is_some());
        if says("logout") || event {
            return purpose("a logout token of OpenID Connect", SEND_ACCESS);
        }
        None
    }

    /// A token of a service that many use: whose it is shows.
    fn of_a_cloud(&self) -> Option<Kind> {
        let issuer = self.text("iss");
        if self.header.contains_key("nonce") && is_microsoft(issuer) {
            return provider(
                "an access token for an API of Microsoft: its header has a nonce, and only that API can check its signature",
                OWN_AUDIENCE,
            );
        }
        if self.is_for("00000003-0000-0000-c000-000000000000") || self.is_for("https://graph.microsoft.com") {
            return provider("an access token for Microsoft Graph", OWN_AUDIENCE);
        }
        if issuer.starts_with("https://session.firebase.google.com/") {
            return provider(
                "a session cookie of Firebase, which has other keys and another issuer than an ID token",
                "Verify it with verifySessionCookie, or send the ID token.",
            );
        }
        if self.is_for(
            "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
        ) {
            return provider(
                "a custom token of Firebase, which is there to be exchanged for an ID token",
                "Sign in with it (signInWithCustomToken), and send the ID token that comes of it.",
            );
        }
        None
    }

    /// A token of a program, which stands for no person.
    fn of_a_program(&self) -> Option<Kind> {
        let issuer = self.text("iss");
        if issuer == "kubernetes/serviceaccount"
            || self.has("kubernetes.io")
            || self.text("sub").starts_with("system:serviceaccount:")
        {
            return provider("a token of a service account of Kubernetes", NOT_A_PERSON);
        }
        if issuer == "https://token.actions.githubusercontent.com" {
            return provider("a token of a workflow of GitHub Actions", NOT_A_PERSON);
        }
        let supabase = issuer == "supabase" || self.has("ref") || issuer.contains(".supabase.co");
        if !self.has("sub") && supabase && matches!(self.text("role"), "anon" | "service_role") {
            return purpose(
                "an API key of Supabase (the anonymous or the service key), which names nobody",
                "Let the person sign in, and send the access token of the session: without one the client sends its API key instead.",
            );
        }
        if self.text("gty") == "client-credentials"
            || self.text("sub").ends_with("@clients")
            || self.text("preferred_username").starts_with("service-account-")
            || self.text("idtyp") == "app"
        {
            return purpose("a token of a program (client credentials), which names no person", NOT_A_PERSON);
        }
        None
    }

    /// An ID token: for the program that signed a person in.
    fn for_the_client(&self) -> Option<Kind> {
        const EXCHANGE: &str =
            "Exchange it at the app's sign-in endpoint, and send the token that the app gives back.";
        match self.text("iss") {
            "https://accounts.google.com" | "accounts.google.com" => {
                return provider("an ID token of Google", EXCHANGE);
            }
            "https://appleid.apple.com" => return provider("an identity token of Apple", EXCHANGE),
            _ => {}
        }
        let named = self.said().iter().any(|one| one == "id" || one == "id_token");
        (named || self.has("at_hash") || self.has("c_hash")).then_some(Kind {
            what: "an ID token of OpenID Connect",
            remedy: SEND_ACCESS,
            shown_by: ShownBy::IdToken,
        })
    }
}

/// What a logout token carries (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn is_microsoft(issuer: &str) -> bool {
    ["https://sts.windows.net/", "https://login.microsoftonline.com/", "https://login.microsoftonline.us/"]
        .iter()
        .any(|start| issuer.starts_with(start))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_of_another_kind_is_known_by_what_it_carries_and_one_for_requests_is_none() {
        for (header, claims, expected) in [
            (json!({"typ": "logout+jwt"}), json!({}), "a logout token"),
            (json!({"typ": "dpop+jwt"}), json!({"htm": "GET"}), "a DPoP proof"),
            (json!({}), json!({"typ": "Refresh"}), "a refresh token"),
            (json!({}), json!({"typ": "Offline"}), "an offline token"),
            (json!({}), json!({"typ": "Logout"}), "a logout token"),
            (json!({}), json!({"events": {LOGOUT: {}}}), "a logout token"),
            (json!({}), json!({"token_type": "refresh"}), "a refresh token"),
            (json!({}), json!({"token_use": "id"}), "an ID token"),
            (json!({}), json!({"typ": "ID"}), "an ID token"),
            (json!({}), json!({"at_hash": "x"}), "an ID token"),
            (json!({"nonce": "n"}), json!({"iss": "https://sts.windows.net/1/"}), "only that API can check"),
            (json!({}), json!({"aud": "00000003-0000-0000-c000-000000000000"}), "Microsoft Graph"),
            (json!({}), json!({"aud": ["https://graph.microsoft.com"]}), "Microsoft Graph"),
            (
                json!({}),
                json!({"iss": "https://session.firebase.google.com/p"}),
                "a session cookie of Firebase",
            ),
            (
                json!({}),
                json!({"aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"}),
                "a custom token of Firebase",
            ),
            (json!({}), json!({"sub": "system:serviceaccount:a:b"}), "a service account of Kubernetes"),
            (json!({}), json!({"iss": "https://token.actions.githubusercontent.com"}), "GitHub Actions"),
            (json!({}), json!({"iss": "supabase", "ref": "x", "role": "anon"}), "an API key of Supabase"),
            (json!({}), json!({"sub": "x@clients", "gty": "client-credentials"}), "a token of a program"),
            (json!({}), json!({"preferred_username": "service-account-api"}), "a token of a program"),
            (json!({}), json!({"iss": "https://accounts.google.com"}), "an ID token of Google"),
        ] {
            let object = |value: &Value| value.as_object().unwrap().clone();
            let found = kind(&object(&header), &object(&claims), false).unwrap_or_else(|| panic!("{claims}"));
            assert!(found.what.contains(expected), "{claims}: {}", found.what);
        }
        for claims in [
            json!({"sub": "1"}),
            json!({"sub": "1", "typ": "Bearer", "azp": "web"}),
            json!({"sub": "1", "token_use": "access", "client_id": "x"}),
            json!({"sub": "1", "type": "access", "nonce": "n"}),
            json!({"sub": "1", "role": "authenticated", "iss": "https://x.supabase.co/auth/v1"}),
            json!({"sub": "1", "type": 7, "events": []}),
        ] {
            let header = json!({"typ": "at+jwt", "nonce": "n"});
            let found = kind(header.as_object().unwrap(), claims.as_object().unwrap(), false);
            assert_eq!(found, None, "{claims}");
        }
    }

    #[test]
    fn a_kind_explains_what_comes_of_it_and_nothing_else() {
        let of = |claims: Value, is_of_issuer| kind(&Map::new(), claims.as_object().unwrap(), is_of_issuer);
        let (unknown, audience) =
            (Verdict::SignedByUnknownKey, Verdict::AudienceDiffers { found: vec![], expected: vec![] });
        let issuer = Verdict::IssuerDiffers { found: None, expected: vec![] };
        let explained = |kind: Kind| [&unknown, &audience, &issuer].map(|verdict| kind.explains(verdict));
        let google = json!({"iss": "https://accounts.google.com"});
        assert_eq!(explained(of(google.clone(), false).unwrap()), [true, true, true]);
        assert_eq!(of(google, true), None, "the app verifies Google's tokens itself");
        // A refresh token may have a key of its own, and an ID token has that of the access token.
        assert_eq!(explained(of(json!({"typ": "Refresh"}), true).unwrap()), [true, true, false]);
        assert_eq!(explained(of(json!({"at_hash": "x"}), true).unwrap()), [false, true, false]);
        assert!(!of(json!({"typ": "Refresh"}), true).unwrap().explains(&Verdict::SignedByPlaceholder));
    }
}
