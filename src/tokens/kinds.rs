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
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let has = |name: &str| claims.contains_key(name);
    let issuer = text("iss");
    let purpose = |what, remedy| Some(Kind { what, remedy, shown_by: ShownBy::Purpose });
    let provider =
        |what, remedy| Some(Kind { what, remedy, shown_by: ShownBy::Provider }).filter(|_| !is_of_issuer);
    let header_type = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    match header_type.as_str() {
        "logout+jwt" => return purpose("a logout token of OpenID Connect", SEND_ACCESS),
        "dpop+jwt" => {
            return purpose(
                "a DPoP proof, which goes beside the access token and not in its place",
                SEND_ACCESS,
            );
        }
        "secevent+jwt" => return purpose("a security event token", SEND_ACCESS),
        _ => {}
    }
    // What tokens of one product say of themselves.
    let said =
        ["typ", "token_use", "token_type", "tokenType", "type"].map(|name| text(name).to_ascii_lowercase());
    let says = |word: &str| {
        said.iter().any(|one| one == word || one.split(['-', '_', ' ']).any(|part| part == word))
    };
    if says("offline") {
        return purpose("an offline token (a refresh token that outlives the session)", SEND_ACCESS);
    }
    if says("refresh") {
        return purpose("a refresh token", SEND_ACCESS);
    }
    if says("logout") || claims.get("events").is_some_and(|events| events.get(LOGOUT).is_some()) {
        return purpose("a logout token of OpenID Connect", SEND_ACCESS);
    }
    // Whose it is.
    let audience = |wanted: &str| match claims.get("aud") {
        Some(Value::String(one)) => one.trim_end_matches('/') == wanted,
        Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(wanted)),
        _ => false,
    };
    if header.contains_key("nonce") && is_microsoft(issuer) {
        return provider(
            "an access token for an API of Microsoft: its header has a nonce, and only that API can check its signature",
            OWN_AUDIENCE,
        );
    }
    if audience("00000003-0000-0000-c000-000000000000") || audience("https://graph.microsoft.com") {
        return provider("an access token for Microsoft Graph", OWN_AUDIENCE);
    }
    if issuer.starts_with("https://session.firebase.google.com/") {
        return provider(
            "a session cookie of Firebase, which has other keys and another issuer than an ID token",
            "Verify it with verifySessionCookie, or send the ID token.",
        );
    }
    if audience("https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit") {
        return provider(
            "a custom token of Firebase, which is there to be exchanged for an ID token",
            "Sign in with it (signInWithCustomToken), and send the ID token that comes of it.",
        );
    }
    if issuer == "kubernetes/serviceaccount"
        || has("kubernetes.io")
        || text("sub").starts_with("system:serviceaccount:")
    {
        return provider("a token of a service account of Kubernetes", NOT_A_PERSON);
    }
    if issuer == "https://token.actions.githubusercontent.com" {
        return provider("a token of a workflow of GitHub Actions", NOT_A_PERSON);
    }
    let supabase = issuer == "supabase" || has("ref") || issuer.contains(".supabase.co");
    if !has("sub") && supabase && matches!(text("role"), "anon" | "service_role") {
        return purpose(
            "an API key of Supabase (the anonymous or the service key), which names nobody",
            "Let the person sign in, and send the access token of the session: without one the client sends its API key instead.",
        );
    }
    if text("gty") == "client-credentials"
        || text("sub").ends_with("@clients")
        || text("preferred_username").starts_with("service-account-")
        || text("idtyp") == "app"
    {
        return purpose("a token of a program (client credentials), which names no person", NOT_A_PERSON);
    }
    if matches!(issuer, "https://accounts.google.com" | "accounts.google.com") {
        return provider(
            "an ID token of Google",
            "Exchange it at the app's sign-in endpoint, and send the token that the app gives back.",
        );
    }
    if issuer == "https://appleid.apple.com" {
        return provider(
            "an identity token of Apple",
            "Exchange it at the app's sign-in endpoint, and send the token that the app gives back.",
        );
    }
    if said.iter().any(|one| one == "id" || one == "id_token") || has("at_hash") || has("c_hash") {
        return Some(Kind {
            what: "an ID token of OpenID Connect",
            remedy: SEND_ACCESS,
            shown_by: ShownBy::IdToken,
        });
    }
    None
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
