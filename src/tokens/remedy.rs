//! What to do about a token that fails, in one sentence.

use crate::api::spec::SubjectType;

use super::{
    NotAToken, Verdict,
    verdict::{MILLISECONDS, Signer},
};

impl Verdict {
    /// What to do about it, in one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Malformed(why) => malformed(why),
            Self::TimeIsText { .. } => NUMBERS,
            Self::AlgorithmDiffers { signer, .. } => other_algorithm(*signer),
            Self::SignedByPreviousKey => {
                "Sign in again, or keep accepting the previous key until its tokens have expired; a pod that still mints such tokens needs a restart."
            }
            Self::SignedByKeyVariant(_) => {
                "Store the key in the same form for every program that mints or verifies: the exact bytes count."
            }
            Self::SignedByAnother { .. } => {
                "Sign in again here: the token is of another environment or app; if it was minted here, the app runs with that one's Secret."
            }
            Self::SignedByPlaceholder => {
                "Find the program that runs without its Secret, give it the signing key, and check that nothing accepts such tokens."
            }
            Self::SignedByUnknownKey => {
                "Sign in again; if new tokens fail too, the app that mints runs with another Secret, or makes a key of its own at each start since its variable is not set: compare `auth-consistency key fingerprint` with the value in each pod."
            }
            Self::Key(key) => key.remedy(),
            Self::Time(time) => time.remedy(),
            Self::Expired { .. } => "Sign in again, or use the refresh token where there is one.",
            Self::NotYetValid { ahead, .. } if ahead.as_secs() > MILLISECONDS => {
                "Let whoever mints write seconds (in JavaScript Math.floor(Date.now() / 1000)), and sign in again: waiting does not help."
            }
            Self::NotYetValid { .. } => "Compare the clocks of the machines that mint and verify.",
            Self::ClocksDiffer { .. } => {
                "Set the clocks of both machines (NTP), or let the app allow a leeway of a minute."
            }
            Self::IssuerDiffers { .. } => {
                "Check that the token comes from this environment, and that spec.jwt.issuer is what the app mints; where the app accepts several, name the others in spec.jwt.acceptedIssuers."
            }
            Self::AudienceDiffers { expected, .. } if expected.is_empty() => {
                "Set spec.jwt.audience to what the app mints: PyJWT and others refuse an audience that they were not told of."
            }
            Self::AudienceDiffers { .. } => {
                "Check that the token was made for this app, and that spec.jwt.audience is what the app mints; where the app accepts several, name the others in spec.jwt.acceptedAudiences."
            }
            Self::SubjectMissing { .. } => {
                "Check with `auth-consistency token inspect` where the app puts the user's id, and set spec.jwt.subjectClaim; a token that names nobody is an API key or a program's, and no person signed in with it."
            }
            Self::SubjectTypeDiffers { claim, found, expected } => {
                other_subject_type(claim, found, *expected)
            }
            Self::TokenTypeDiffers { .. } => {
                "Send the access token; the other one is only for getting a new access token, or for one errand."
            }
            Self::ClaimMissing { .. } => {
                "Sign in again: tokens of an older version of the app lack it; or correct spec.jwt.claims."
            }
            Self::InQuotes => {
                "Look how the frontend stores it: a value that went through JSON.stringify has to come back through JSON.parse."
            }
            Self::BearerTwice => {
                "Look at who adds the word: one place stores it with the token, or a tool such as Swagger UI adds it by itself, and another adds it again."
            }
            Self::Holds { .. } => "Look the subject up in the user table.",
            Self::SubjectNamesNoUser { subject } if subject.contains('@') || subject.trim() != subject => {
                "Look for the login in the user table in another spelling (case, spaces): to this program, and to an app that compares exactly, that is another login; else sign in again: the account was renamed or removed."
            }
            Self::SubjectNamesNoUser { .. } => {
                "Sign in again: the account was removed, or the ids have changed since the token was issued, as they do when a database is seeded anew."
            }
            Self::SubjectNotOfColumnType { .. } => {
                "If the app mints another column, such as the login, set spec.jwt.subjectColumn; else the token may be of another app, or from before the ids had this type: sign in again."
            }
            Self::SubjectNearly { many: 1, .. } => {
                "Let the app mint the subject as the database has it, or compare both in one spelling; then sign in again."
            }
            Self::SubjectNearly { .. } => {
                "Find out which of these users is meant before the app compares in one spelling, since it would sign in any of them; then sign in again."
            }
            Self::SubjectSpelledDifferently { .. } => {
                "Let the app mint the id as the database writes it, and compare ids in their own type."
            }
            Self::NamesAnother { .. } => {
                "End all sessions now, since old tokens sign people in as others; then give rows back with Remap (docs/remap.md)."
            }
            Self::UserInactive { .. } => "Activate the account, or sign in with another.",
            Self::IssuedBeforeInvalidation { .. } => "Sign in again: older tokens were ended on purpose.",
            Self::Revoked { .. } => {
                "Sign in again: the app ended this very token, by signing out or on purpose."
            }
            Self::NothingWrong { .. } => {
                "Ask the app: look at its log for this request, and whether its pods run with the current Secret."
            }
            Self::AcceptedByApp { .. } => {
                "If it fails elsewhere, look at what stands between: a proxy, another pod, the name of the cookie or header."
            }
            Self::RefusedByApp { .. } => {
                "Look at the app's log for this request, and whether its pods were restarted after the Secret changed."
            }
        }
    }
}

/// Said of times that are no numbers.
const NUMBERS: &str =
    "Let whoever mints write exp, nbf and iat as numbers of seconds (RFC 7519 section 2), and sign in again.";

fn malformed(why: &NotAToken) -> &'static str {
    match why {
        NotAToken::Encrypted | NotAToken::EncryptedCut => {
            "Look at what the API is sent: a session cookie that is encrypted is for the app alone (NextAuth), and an access token that is encrypted is for its issuer (Auth0 where no audience was asked for: ask for the API's)."
        }
        NotAToken::Paseto | NotAToken::SignedData | NotAToken::Opaque | NotAToken::Piece => {
            "Check that the app really uses signed JWTs, and that this is the value that it is sent."
        }
        NotAToken::NotSent { .. } => {
            "Look at how the frontend or the tool makes the header: it read the token before somebody signed in, under another name or without waiting for it, or its variable is not set."
        }
        NotAToken::TwoCredentials => {
            "Look at who sets the header Authorization twice: the client, and a proxy or sidecar that adds its own; let one of them send it, alone."
        }
        NotAToken::SignatureInDer => {
            "Let the program that signs convert the signature to R and S one after the other (RFC 7518 section 3.4), and sign in again."
        }
        NotAToken::JsonDocument | NotAToken::EncodedJson => {
            "Give the token in it alone (often access_token, or the first text of a list), and let the frontend send that alone."
        }
        NotAToken::TimeNotANumber { .. } => NUMBERS,
        NotAToken::Padded { .. } => {
            "Let whoever mints leave out the equals signs (base64url without padding, RFC 7515 section 2)."
        }
        NotAToken::KeyIdNotText | NotAToken::TokenIdNotText => {
            "Let whoever mints write kid and jti as texts, and sign in again."
        }
        NotAToken::Critical => {
            "Let whoever mints leave out crit, or use a verifier that knows the extension."
        }
        _ => "Copy the token again, whole and as the app gets it, or sign in again.",
    }
}

fn other_algorithm(signer: Signer) -> &'static str {
    match signer {
        Signer::Current => {
            "Set spec.jwt.algorithm to the algorithm that the app uses; if the app verifies only the other one, let whoever mints use that."
        }
        Signer::Previous => {
            "Sign in again: the token is from before the app changed its algorithm, and an app that verifies the new one alone refuses it."
        }
        Signer::Nobody => {
            "Look at who issued it (iss): it may be of another provider or app, then send one of this app; if this app minted it, neither spec.jwt.algorithm nor the key is the app's; else treat it as a forgery."
        }
        Signer::Unknown => {
            "If the app minted it, set spec.jwt.algorithm to what the app uses; if not, treat it as a forgery."
        }
    }
}

fn other_subject_type(claim: &str, found: &str, expected: SubjectType) -> &'static str {
    match (found, expected) {
        ("a JSON object", _) => {
            "Set spec.jwt.subjectClaim to the member that holds the id, as a JSON pointer such as /sub/user_id, and spec.jwt.subjectType to the type of that; PyJWT 2.10 and newer refuse a sub that is no text, so let the app mint a text there."
        }
        (_, SubjectType::String) if claim == "sub" => {
            "Let the app mint the subject as text (PyJWT 2.10 and newer refuse a sub of any other type), or set spec.jwt.subjectType."
        }
        (_, SubjectType::String) => "Let the app mint the subject as text, or set spec.jwt.subjectType.",
        (_, SubjectType::Number) => {
            "Let the app mint the subject as a whole number, or set spec.jwt.subjectType."
        }
    }
}
