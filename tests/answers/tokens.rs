//! Tokens with one thing wrong, made by a maker of their own, and what a good tool says of each.

mod causes;

use std::time::SystemTime;

use auth_consistency::{
    engine::{SubjectQuery, SubjectRow},
    network::HostPolicy,
    pass,
    tokens::{Account, KeySet, SubjectFacts, Verdict, explain},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Hmac;
use jiff::Timestamp;
use rand::Rng as _;
use serde_json::{Value, json};

pub use causes::CAUSES;

use crate::{
    expected::Judgement,
    support::Case,
    world::{User, World},
};

/// One thing that is wrong with a token.
pub struct TokenCause {
    pub name: &'static str,
    /// The right verdicts, by their names; none where nothing is wrong.
    pub verdicts: &'static [&'static str],
    /// Whether only the user table tells.
    pub by_table: bool,
    pub plant: fn(&mut World, &mut Token) -> bool,
}

/// A token before it is signed, and what is to be said of it.
pub struct Token {
    pub header: Value,
    pub claims: Value,
    pub key: Vec<u8>,
    /// The hash that signs, where the header's algorithm does not say it.
    pub hash: &'static str,
    /// What becomes of it on the way.
    pub way: Box<dyn FnOnce(String) -> String>,
    pub user: User,
    pub now: i64,
    pub words: Vec<String>,
}

/// The signing key of worlds of tokens, long enough for each HMAC.
pub const KEY: &str = "canary-Kp4_mZ81xVbQ7yLt-answers-of-sixty-four-bytes-and-more-90317745";

impl Token {
    fn of(world: &mut World) -> Self {
        let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
            .unwrap();
        let user = world.somebody();
        let hash = world.one_of(&["HS256", "HS384", "HS512"]);
        world.secrets.retain(|(name, ..)| name != "jwt");
        world.secrets.push(("jwt".into(), "key".into(), KEY.into()));
        world.spec["jwt"]["algorithm"] = json!(hash);
        let mut claims = json!({"sub": user.id, "iat": now - 600, "exp": now + 36_000});
        // What apps put in beside, which changes nothing.
        match world.rng.random_range(0..4) {
            0 => claims["role"] = json!("member"),
            1 => claims["scope"] = json!("read write"),
            2 => claims["nbf"] = json!(now - 600),
            _ => {}
        }
        if world.rng.random_bool(0.4) {
            world.spec["jwt"]["issuer"] = json!("https://id.example.org/");
            claims["iss"] = json!("https://id.example.org/");
        }
        if world.rng.random_bool(0.4) {
            world.spec["jwt"]["audience"] = json!("web");
            claims["aud"] = if world.rng.random_bool(0.5) { json!("web") } else { json!(["cli", "web"]) };
        }
        Self {
            header: json!({"alg": hash, "typ": "JWT"}),
            claims,
            key: KEY.as_bytes().to_vec(),
            hash,
            way: Box::new(|token| token),
            user,
            now,
            words: Vec::new(),
        }
    }

    pub fn says(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn signed(self) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature = match self.hash {
            "HS256" => hmac::<Hmac<sha2::Sha256>>(&self.key, &message),
            "HS384" => hmac::<Hmac<sha2::Sha384>>(&self.key, &message),
            "HS512" => hmac::<Hmac<sha2::Sha512>>(&self.key, &message),
            _ => Vec::new(),
        };
        (self.way)(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn hmac<M: hmac::Mac + hmac::KeyInit>(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = <M as hmac::KeyInit>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Plants a cause into a world, and a token of it; `None` where it is not of this world.
pub fn planted(seed: u64, cause: &TokenCause) -> Option<(World, Token)> {
    let mut world = World::new(seed);
    let mut token = Token::of(&mut world);
    (cause.plant)(&mut world, &mut token).then_some((world, token))
}

/// Asks about the token as the command does, and holds the answer against what was planted.
pub async fn ask(case: &Case, cause: &'static TokenCause, token: Token) -> Judgement {
    let target = case.target();
    let jwt = target.jwt.as_ref().unwrap();
    let keys = |called: &[(String, auth_consistency::tokens::SigningKey)]| {
        called.iter().map(|(_, key)| key.clone()).collect()
    };
    let keys = KeySet {
        current: jwt.key.clone(),
        previous: keys(&jwt.previous),
        standby: keys(&jwt.standby),
        revoked: keys(&jwt.revoked),
        by_id: jwt.by_id,
    };
    let words = token.words.clone();
    let text = token.signed();
    let verification = explain(&text, &keys.keyring(), &jwt.shape, Timestamp::now());
    let mut verdict = verification.verdict.clone();
    if let (Some(subject), true) = (verification.subject(), cause.by_table) {
        let asked = SubjectQuery { subject: subject.to_owned(), token: verification.id.clone() };
        let anywhere = HostPolicy::unrestricted(Vec::new());
        let mut rows = pass::resolve(&target, &anywhere, &[asked]).await.unwrap();
        verdict = verification.resolve(&facts(rows.remove(0)));
    }
    let (also, remedy) = (verification.also(&verdict), verification.remedy(&verdict));
    case.keeps_secrets(&format!("{} {also:?} {remedy}", verdict.message()));
    judge(cause, &words, &verdict, &also)
}

fn facts(row: SubjectRow) -> SubjectFacts {
    let (mut revoked_token, mut valid) = (false, None);
    let account = match row {
        SubjectRow::Missing => Account::Missing,
        SubjectRow::Nearly { written, many } => Account::Nearly { written, many },
        SubjectRow::NotOfType { type_name } => Account::NotOfType { type_name },
        SubjectRow::Inactive { login } => Account::Inactive { login },
        SubjectRow::Active { login, id, written, valid_after, revoked } => {
            (revoked_token, valid) = (revoked, valid_after);
            Account::Active { login, id, written }
        }
    };
    let invalidated_before = valid.and_then(|seconds| Timestamp::from_second(seconds).ok());
    SubjectFacts { account, invalidated_before, revoked: revoked_token }
}

fn judge(cause: &'static TokenCause, words: &[String], verdict: &Verdict, also: &[String]) -> Judgement {
    let mut judgement = Judgement::default();
    let said = format!("{}: {} also {also:?}", verdict.cause(), verdict.message());
    let right = match cause.verdicts {
        [] => verdict.holds(),
        verdicts => verdicts.contains(&verdict.cause()),
    };
    let text = verdict.message().to_lowercase();
    let lacks = words.iter().find(|word| !word.split('|').any(|one| text.contains(&one.to_lowercase())));
    match lacks {
        _ if !right => judgement.missed.push((cause.name, said)),
        Some(word) => judgement.missed.push((cause.name, format!("without {word:?}: {said}"))),
        None => {}
    }
    judgement.all_clear = !cause.verdicts.is_empty() && verdict.holds();
    judgement
}
