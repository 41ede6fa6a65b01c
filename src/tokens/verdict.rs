//! What is wrong with a token, in one plain sentence, and what to do.

use crate::{
    api::spec::{Algorithm, SubjectType},
    tokens::{
        shape::SKEW,
        text::{shown, span, type_name},
    },
};

use std::time::Duration;

use jiff::Timestamp;

use super::{KeyVerdict, NotAToken, TimeVerdict, algorithm::algorithm_name};

/// The first thing that a verifier would refuse, or that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No verifier could read it.
    Malformed(NotAToken),
    /// Its header names another algorithm, perhaps `none`.
    AlgorithmDiffers {
        /// What the header says.
        found: String,
        /// What the app verifies.
        expected: Algorithm,
        /// Whose key made it with the algorithm of the header.
        signer: Signer,
    },
    /// Signed by a key of `previousSecretRefs`; nothing else is wrong.
    SignedByPreviousKey,
    /// Signed by the signing key as another program stores or decodes it; the text completes
    /// "the key that signed it ...".
    SignedByKeyVariant(&'static str),
    /// Signed by the key of another resource.
    SignedByAnother {
        /// What it is called.
        whose: String,
    },
    /// Signed by a placeholder that everybody knows, or by the empty key.
    SignedByPlaceholder,
    /// Signed by a key that is not at hand, or changed after it was signed.
    SignedByUnknownKey,
    /// Something about a key pair, a key id or another key of a set.
    Key(KeyVerdict),
    /// Something about its times that each new token has, too.
    Time(TimeVerdict),
    /// Its `exp` has come.
    Expired {
        /// The time of its `exp`.
        since: Timestamp,
        /// How long ago that was.
        ago: Duration,
    },
    /// One of its times is a number in a text, and nothing else is wrong with its times.
    TimeIsText {
        /// `exp` or `nbf`.
        claim: &'static str,
    },
    /// Its `nbf` or `iat` lies ahead.
    NotYetValid {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// The time that it says.
        from: Timestamp,
        /// How far ahead that is.
        ahead: Duration,
    },
    /// Its `nbf` or `iat` lies so little ahead that clocks differ.
    ClocksDiffer {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// How far ahead that is.
        ahead: Duration,
    },
    /// Its `iss` is not what the app asks for.
    IssuerDiffers {
        /// What the token says, if it is a text.
        found: Option<String>,
        /// What the app asks for: one of them.
        expected: Vec<String>,
    },
    /// Its `aud` is not what the app asks for.
    AudienceDiffers {
        /// What the token says; empty when it says nothing.
        found: Vec<String>,
        /// What the app asks for; empty when the spec names no audience.
        expected: Vec<String>,
    },
    /// It is a token for something else, such as for refreshing.
    TokenTypeDiffers {
        /// The claim that says so.
        claim: &'static str,
        /// What the token says.
        found: String,
        /// What the spec says; `None` where it says nothing.
        expected: Option<String>,
    },
    /// A further claim is not there that the app wants.
    ClaimMissing {
        /// Its name.
        claim: String,
    },
    /// There is no subject at the place where the app looks for it.
    SubjectMissing {
        /// The subject claim, as the spec has it.
        claim: String,
    },
    /// The subject has another JSON type than the app mints.
    SubjectTypeDiffers {
        /// The subject claim, as the spec has it.
        claim: String,
        /// What it is.
        found: &'static str,
        /// What the app mints.
        expected: SubjectType,
    },
    /// The token holds, and stands in quotes that an app would get too.
    InQuotes,
    /// The token holds, and the word Bearer stands before it twice.
    BearerTwice,
    /// Everything holds that can be told without the database.
    Holds {
        /// Whom the token names.
        subject: String,
    },
    /// The subject names nobody.
    SubjectNamesNoUser {
        /// Whom the token names.
        subject: String,
    },
    /// The subject cannot be a value of the column that it names.
    SubjectNotOfColumnType {
        /// Whom the token names.
        subject: String,
        /// The column's type.
        type_name: String,
    },
    /// Nobody has the subject as it stands, and somebody in another spelling.
    SubjectNearly {
        /// Whom the token names.
        subject: String,
        /// How the database has it: the first one.
        written: String,
        /// How many have it so or so.
        many: i64,
    },
    /// The database takes the subject for an id that it writes otherwise.
    SubjectSpelledDifferently {
        /// Whom the token names.
        subject: String,
        /// How the database writes that id.
        written: String,
    },
    /// The subject is the id of somebody else than another claim names: ids have changed.
    NamesAnother {
        /// The claim.
        claim: &'static str,
        /// Whom it names.
        claimed: String,
        /// Whom the subject names today.
        login: String,
    },
    /// The user exists and may not sign in.
    UserInactive {
        /// What the user signs in with.
        login: String,
    },
    /// Issued before the time from which the user's tokens count.
    IssuedBeforeInvalidation {
        /// When it was issued, if it says so.
        issued: Option<Timestamp>,
        /// From when on tokens count.
        valid_after: Timestamp,
    },
    /// The app has revoked it.
    Revoked {
        /// What the user signs in with.
        login: String,
    },
    /// Everything holds.
    NothingWrong {
        /// What the user signs in with.
        login: String,
    },
    /// Everything holds, and the app accepts it.
    AcceptedByApp {
        /// What the user signs in with.
        login: String,
    },
    /// Everything holds, and the app refuses it all the same.
    RefusedByApp {
        /// The verifier that was asked.
        verifier: String,
        /// The status code of its answer.
        status: u16,
    },
}

/// Whose key made a token that names another algorithm than the app's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The signing key, so that the spec names another algorithm than the app uses.
    Current,
    /// A previous or revoked key, from before the app changed its algorithm.
    Previous,
    /// None of the keys that are at hand.
    Nobody,
    /// Nobody can tell: an algorithm that is not supported, or `none`.
    Unknown,
}

/// Seconds that no date of our time has, but milliseconds have: 1e11 is the year 5138.
pub(super) const MILLISECONDS: u64 = 100_000_000_000;

impl Verdict {
    /// Whether no key that was at hand made the token.
    pub fn is_nobodys(&self) -> bool {
        matches!(self, Self::SignedByUnknownKey | Self::Key(KeyVerdict::KeyIdUnknown { signed: false, .. }))
    }

    /// Whether a verifier finds nothing to refuse.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Holds { .. } | Self::NothingWrong { .. } | Self::AcceptedByApp { .. })
    }

    /// One word for the cause, for programs and for counting.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Malformed(NotAToken::TimeNotANumber { .. }) | Self::TimeIsText { .. } => "TimeNotANumber",
            Self::Malformed(why) if why.is_read_by_some() => "VerifiersDiffer",
            Self::Malformed(NotAToken::NotSent { .. }) => "NotSent",
            Self::Malformed(NotAToken::TwoCredentials) => "TwoCredentials",
            Self::Malformed(_) => "NotAToken",
            Self::AlgorithmDiffers { .. } => "AlgorithmDiffers",
            Self::SignedByPreviousKey => "SignedByPreviousKey",
            Self::SignedByKeyVariant(_) => "SignedByKeyVariant",
            Self::SignedByAnother { .. } => "SignedByAnother",
            Self::SignedByPlaceholder => "SignedByPlaceholder",
            Self::SignedByUnknownKey => "SignedByUnknownKey",
            Self::Key(key) => key.cause(),
            Self::Time(time) => time.cause(),
            Self::Expired { .. } => "Expired",
            Self::NotYetValid { .. } => "NotYetValid",
            Self::ClocksDiffer { .. } => "ClocksDiffer",
            Self::IssuerDiffers { .. } => "IssuerDiffers",
            Self::AudienceDiffers { .. } => "AudienceDiffers",
            Self::TokenTypeDiffers { .. } => "TokenTypeDiffers",
            Self::ClaimMissing { .. } => "ClaimMissing",
            Self::SubjectMissing { .. } => "SubjectMissing",
            Self::SubjectTypeDiffers { .. } => "SubjectTypeDiffers",
            Self::InQuotes => "InQuotes",
            Self::BearerTwice => "BearerTwice",
            Self::Holds { .. } => "Holds",
            Self::SubjectNamesNoUser { .. } => "SubjectNamesNoUser",
            Self::SubjectNotOfColumnType { .. } => "SubjectNotOfColumnType",
            Self::SubjectSpelledDifferently { .. } | Self::SubjectNearly { .. } => {
                "SubjectSpelledDifferently"
            }
            Self::NamesAnother { .. } => "NamesAnother",
            Self::UserInactive { .. } => "UserInactive",
            Self::IssuedBeforeInvalidation { .. } => "IssuedBeforeInvalidation",
            Self::Revoked { .. } => "Revoked",
            Self::NothingWrong { .. } => "NothingWrong",
            Self::AcceptedByApp { .. } => "AcceptedByApp",
            Self::RefusedByApp { .. } => "RefusedByApp",
        }
    }

    /// One plain sentence: what is so.
    pub fn message(&self) -> String {
        match self {
            Self::Malformed(why) => malformed(why),
            Self::TimeIsText { claim } => format!(
                "the token's {claim} is a number in a text, where RFC 7519 has a number: PyJWT reads it all the same, jsonwebtoken for Node refuses it"
            ),
            Self::AlgorithmDiffers { found, expected, signer } => other_algorithm(found, *expected, *signer),
            Self::SignedByPreviousKey => "the token was signed by a previous signing key".into(),
            Self::SignedByKeyVariant(how) => {
                format!("the token was signed by the same key, stored differently: the key that signed it {how}")
            }
            Self::SignedByAnother { whose } => format!("the token was signed by the signing key of {whose}"),
            Self::SignedByPlaceholder => {
                "the token was signed by an empty key or a well-known placeholder, so anybody could have made it".into()
            }
            Self::SignedByUnknownKey => {
                "the token was signed by a key that is neither the signing key nor a previous one, or was changed after it was signed".into()
            }
            Self::Key(key) => key.message(),
            Self::Time(time) => time.message(),
            Self::Expired { since, ago } => expired(*since, *ago),
            Self::NotYetValid { claim, from, ahead } => not_yet_valid(claim, *from, *ahead),
            Self::ClocksDiffer { claim, ahead } => format!(
                "the token counts only in {} by this machine's clock ({claim}): the clock of whoever minted it is ahead, or this one is behind",
                span(*ahead)
            ),
            Self::IssuerDiffers { found, expected } => other_issuer(found.as_ref(), expected),
            Self::AudienceDiffers { found, expected } => other_audience(found, expected),
            Self::SubjectMissing { claim } => format!("the token has no subject in its claim {}", shown(claim)),
            Self::SubjectTypeDiffers { found, expected, .. } => {
                format!("the token's subject is {found} and the app mints a JSON {}", type_name(*expected))
            }
            Self::TokenTypeDiffers { claim, found, expected: Some(expected) } => {
                format!("the token's {claim} is {} and the app asks for {}", shown(found), shown(expected))
            }
            Self::TokenTypeDiffers { claim, found, expected: None } => {
                format!("the token's {claim} is {}: it is not made for requests", shown(found))
            }
            Self::ClaimMissing { claim } => {
                format!("the token has no {}, which the app asks for", shown(claim))
            }
            Self::InQuotes => "the token holds, but it was given in quotes: an app that gets those too refuses it".into(),
            Self::BearerTwice => {
                "the token holds, but the word Bearer stood before it twice: an app takes off one of them, and refuses what is left".into()
            }
            Self::Holds { subject } => {
                format!("signature, times and claims of the token hold, and it names the subject {}", shown(subject))
            }
            Self::SubjectNamesNoUser { subject } => {
                format!("the token names the subject {} and there is no such user", shown(subject))
            }
            Self::SubjectNotOfColumnType { subject, type_name } => format!(
                "the token names the subject {}, and the column that it should name holds values of type {type_name}",
                shown(subject)
            ),
            Self::SubjectNearly { subject, written, many: 1 } => format!(
                "the token names the subject {}, no user has it as it stands, and one has it in another spelling ({}): an app that compares exactly finds nobody",
                shown(subject),
                shown(written)
            ),
            Self::SubjectNearly { subject, written, many } => format!(
                "the token names the subject {}, no user has it as it stands, and {many} have it in another spelling (such as {}): an app that compares exactly finds nobody",
                shown(subject),
                shown(written)
            ),
            Self::SubjectSpelledDifferently { subject, written } => format!(
                "the token names the subject {}, and the database writes that id {}: an app that compares them as text finds nobody",
                shown(subject),
                shown(written)
            ),
            Self::NamesAnother { claim, claimed, login } => format!(
                "the token's {claim} is {}, and its subject is the id of {} today: ids have changed since it was issued",
                shown(claimed),
                shown(login)
            ),
            Self::UserInactive { login } => format!("the token names {}, who is inactive", shown(login)),
            Self::IssuedBeforeInvalidation { issued: Some(issued), valid_after } => {
                format!("the token was issued at {issued} and the user's tokens count from {valid_after} on")
            }
            Self::IssuedBeforeInvalidation { issued: None, valid_after } => {
                format!("the token does not say when it was issued and the user's tokens count from {valid_after} on")
            }
            Self::Revoked { login } => format!("the token of {} was revoked by the app", shown(login)),
            Self::NothingWrong { login } => {
                format!("nothing is wrong with the token: it names {}, who is active", shown(login))
            }
            Self::AcceptedByApp { login } => format!(
                "nothing is wrong with the token: it names {}, who is active, and the app accepts it",
                shown(login)
            ),
            Self::RefusedByApp { verifier, status } => format!(
                "nothing is wrong with the token here, and {} refuses it for reasons of its own (it answers {status})",
                shown(verifier)
            ),
        }
    }
}

/// No verifier reads it, or not all do.
fn malformed(why: &NotAToken) -> String {
    match why {
        NotAToken::TimeNotANumber { claim: "iat" } => {
            "the token's iat is not a number: PyJWT refuses that, and jsonwebtoken for Node does not look at iat".into()
        }
        NotAToken::TimeNotANumber { claim } => {
            format!("the token's {claim} is not a number: PyJWT and jsonwebtoken for Node refuse that")
        }
        why if why.is_read_by_some() => format!("verifiers differ about this token: {why}"),
        NotAToken::NotSent { .. } => why.to_string(),
        why => format!("no verifier can read this token: {why}"),
    }
}

fn other_algorithm(found: &str, expected: Algorithm, signer: Signer) -> String {
    let expected = algorithm_name(expected);
    if found.eq_ignore_ascii_case("none") {
        return format!("the token has no signature (algorithm none) and the app verifies {expected}");
    }
    format!(
        "the token says algorithm {} and the app verifies {expected}{}",
        shown(found),
        match signer {
            Signer::Current => ": the signing key made it, with that other algorithm",
            Signer::Previous => ": a previous key made it, before the algorithm changed",
            Signer::Nobody => ", and none of the keys here made it",
            Signer::Unknown => "",
        }
    )
}

fn expired(since: Timestamp, ago: Duration) -> String {
    if since == Timestamp::MIN {
        return "the token expired before any time that a calendar has".into();
    }
    format!(
        "the token expired {} ago, at {since}{}",
        span(ago),
        if ago <= SKEW { "; an app whose clock is behind this one still takes it" } else { "" }
    )
}

fn not_yet_valid(claim: &str, from: Timestamp, ahead: Duration) -> String {
    match (claim, ahead.as_secs() > MILLISECONDS) {
        ("iat", true) => {
            "the token's iat is in milliseconds where seconds belong, so that PyJWT takes it for issued in the far future and refuses it; jsonwebtoken for Node does not look at iat".into()
        }
        (claim, true) => format!(
            "the token's {claim} is in milliseconds where seconds belong, so that verifiers take it for a time in the far future"
        ),
        ("iat", false) => format!(
            "the token says that it was issued {} from now, at {from}: PyJWT refuses that, jsonwebtoken for Node does not look at iat",
            span(ahead)
        ),
        (claim, false) => {
            format!("the token is not valid for another {}, until {from} ({claim})", span(ahead))
        }
    }
}

fn other_issuer(found: Option<&String>, expected: &[String]) -> String {
    let Some(found) = found else {
        return format!("the token names no issuer and the app asks for {}", list(expected));
    };
    format!(
        "the token's issuer is {} and the app asks for {}{}",
        shown(found),
        list(expected),
        near(std::slice::from_ref(found), expected)
    )
}

fn other_audience(found: &[String], expected: &[String]) -> String {
    if expected.is_empty() {
        return format!("the token is meant for the audience {} and the spec names none", list(found));
    }
    if found.is_empty() {
        return format!("the token names no audience and the app asks for {}", list(expected));
    }
    format!(
        "the token is meant for the audience {} and the app asks for {}{}",
        list(found),
        list(expected),
        near(found, expected)
    )
}

fn list(texts: &[String]) -> String {
    const MOST: usize = 5;
    let mut shown: Vec<_> = texts.iter().take(MOST).map(|text| shown(text)).collect();
    if texts.len() > MOST {
        shown.push("…".into());
    }
    shown.join(", ")
}

/// How a text differs from the one that is asked for, where that is easily overlooked.
fn near(found: &[String], expected: &[String]) -> &'static str {
    let pairs =
        || found.iter().flat_map(|one| expected.iter().map(move |other| (one.as_str(), other.as_str())));
    let alike = |plain: fn(&str) -> String| pairs().any(|(one, other)| plain(one) == plain(other));
    let without_scheme = |text: &str| {
        text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text).to_owned()
    };
    if alike(|text| text.trim_end_matches('/').to_owned()) {
        ": only a slash at the end differs"
    } else if alike(str::to_lowercase) {
        ": only the case of letters differs"
    } else if alike(|text| text.trim().to_owned()) {
        ": only white space differs"
    } else if alike(without_scheme) {
        ": only http and https differ"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_unit_that_people_would_take() {
        for (seconds, said) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (150, "2 minutes"),
            (10_800, "3 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }

    #[test]
    fn texts_from_a_token_cannot_steer_a_terminal_or_fill_a_page() {
        let verdict = Verdict::SubjectNamesNoUser { subject: format!("\u{1b}[2J\n{}", "x".repeat(500)) };
        let message = verdict.message();
        assert!(!message.contains('\u{1b}') && !message.contains('\n') && message.len() < 200, "{message}");
        let found = (0..9).map(|n| n.to_string()).collect();
        let verdict = Verdict::AudienceDiffers { found, expected: vec![] };
        assert!(verdict.message().contains(r#""0", "1", "2", "3", "4", …"#), "{}", verdict.message());
    }
}
