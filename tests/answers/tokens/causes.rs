//! What can be wrong with a token.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::{KEY, Token, TokenCause};
use crate::world::{Active, Ids, World, quote, text};

type Plant = fn(&mut World, &mut Token) -> bool;

const fn alone(name: &'static str, verdicts: &'static [&'static str], plant: Plant) -> TokenCause {
    TokenCause { name, verdicts, by_table: false, plant }
}

const fn table(name: &'static str, verdicts: &'static [&'static str], plant: Plant) -> TokenCause {
    TokenCause { name, verdicts, by_table: true, plant }
}

pub const CAUSES: &[TokenCause] = &[
    table("a token with which nothing is wrong", &[], |_, _| true),
    alone("a token behind the word Bearer", &[], |_, token| way(token, |token| format!("Bearer {token}\n"))),
    alone("expired", &["Expired"], |_, token| {
        (token.claims["iat"], token.claims["exp"]) = (json!(token.now - 90_000), json!(token.now - 7_500));
        token.claims.as_object_mut().unwrap().remove("nbf");
        token.says(&["2 hours"]);
        true
    }),
    alone("valid in an hour", &["NotYetValid"], |_, token| {
        (token.claims["nbf"], token.claims["iat"]) = (json!(token.now + 3_700), json!(token.now + 3_700));
        true
    }),
    alone("issued in two minutes", &["ClocksDiffer"], |_, token| {
        (token.claims["nbf"], token.claims["iat"]) = (json!(token.now + 120), json!(token.now + 120));
        token.says(&["clock"]);
        true
    }),
    alone("nbf in milliseconds", &["NotYetValid"], |_, token| {
        token.claims["nbf"] = json!(token.now * 1000);
        token.says(&["nbf", "milliseconds"]);
        true
    }),
    alone("exp is a duration", &["ExpiryIsDuration"], |_, token| {
        token.claims["exp"] = json!(3600);
        token.says(&["3600", "duration"]);
        true
    }),
    alone("expires before it was issued", &["ExpiresBeforeIssued"], |_, token| {
        token.claims["exp"] = json!(token.now - 7_800);
        token.says(&["exp", "iat", "2 hours"]);
        true
    }),
    alone("exp is a date in a text", &["TimeNotANumber"], |_, token| {
        token.claims["exp"] = json!("2030-01-01T00:00:00Z");
        token.says(&["exp"]);
        true
    }),
    alone("exp is a number in a text", &["TimeNotANumber"], |_, token| {
        token.claims["exp"] = json!((token.now + 5000).to_string());
        token.says(&["exp"]);
        true
    }),
    alone("another issuer", &["IssuerDiffers"], |world, token| {
        issuer(world, token, "https://login.example.net/", "")
    }),
    alone("an issuer without its slash", &["IssuerDiffers"], |world, token| {
        issuer(world, token, "https://id.example.org", "slash")
    }),
    alone("no issuer", &["IssuerDiffers"], |world, token| {
        world.spec["jwt"]["issuer"] = json!("https://id.example.org/");
        token.claims.as_object_mut().unwrap().remove("iss");
        token.says(&["https://id.example.org/"]);
        true
    }),
    alone("another audience", &["AudienceDiffers"], |world, token| {
        world.spec["jwt"]["audience"] = json!("web");
        token.claims["aud"] = json!("mobile");
        token.says(&["mobile", "web"]);
        true
    }),
    alone("an audience where the spec has none", &["AudienceDiffers"], |world, token| {
        world.spec["jwt"].as_object_mut().unwrap().remove("audience");
        token.claims["aud"] = json!("fastapi-users:auth");
        token.says(&["fastapi-users:auth"]);
        true
    }),
    alone("a refresh token", &["TokenTypeDiffers"], |world, token| {
        let claim = world.one_of(&["type", "token_type", "typ", "token_use"]);
        token.claims[claim] = json!("refresh");
        token.says(&[claim, "refresh"]);
        true
    }),
    alone("a claim is missing", &["ClaimMissing"], |world, token| {
        world.spec["jwt"]["claims"] = json!({"tenant": "acme"});
        token.says(&["tenant"]);
        true
    }),
    alone("no subject", &["SubjectMissing"], |_, token| {
        token.claims.as_object_mut().unwrap().remove("sub");
        token.claims["user_id"] = json!(token.user.id);
        token.says(&["sub"]);
        true
    }),
    alone("the subject is a number", &["SubjectTypeDiffers"], |world, token| {
        let Some(number) = counted(world, token) else { return false };
        token.claims["sub"] = json!(number);
        token.says(&["number", "string"]);
        true
    }),
    alone("the subject is a text where numbers are minted", &["SubjectTypeDiffers"], |world, token| {
        if counted(world, token).is_none() {
            return false;
        }
        world.spec["jwt"]["subjectType"] = json!("Number");
        token.says(&["number", "string"]);
        true
    }),
    table("the subject is a login", &["SubjectNotOfColumnType"], |world, token| {
        if world.ids.text() {
            return false;
        }
        token.claims["sub"] = json!(token.user.login);
        let login = token.user.login.clone();
        token.says(&[&login, world.ids.sql()]);
        true
    }),
    table("the subject is nobody's", &["SubjectNamesNoUser"], |world, token| {
        let id = world.new_id();
        token.claims["sub"] = json!(id);
        token.says(&[&id]);
        true
    }),
    table("the user is inactive", &["UserInactive"], |world, token| {
        let (column, value) = match world.active {
            Active::Flag(column) => (column, "false"),
            Active::NotDeleted(column) => (column, "now()"),
            Active::Status(column, _) => (column, "'locked'"),
            Active::Always => return false,
        };
        set(world, &token.user.id, column, value);
        let login = token.user.login.clone();
        token.says(&[&login, "inactive"]);
        true
    }),
    table("another claim names somebody else", &["NamesAnother"], |world, token| {
        let claim = if token.user.login.contains('@') { "email" } else { "preferred_username" };
        let admin = world.admin().login;
        token.claims[claim] = json!(admin);
        let login = token.user.login.clone();
        token.says(&[claim, &admin, &login]);
        true
    }),
    table("an id in another spelling", &["SubjectSpelledDifferently"], |world, token| {
        let id = token.user.id.clone();
        let other = match world.ids {
            Ids::Uuid => world.one_of(&[0, 1]),
            Ids::Integer | Ids::BigInt => 2,
            _ => return false,
        };
        let other = [id.to_uppercase(), id.replace('-', ""), format!("0{id}")][other].clone();
        token.claims["sub"] = json!(other);
        token.says(&[&id, &other]);
        true
    }),
    table("an id of text in capitals", &["SubjectSpelledDifferently"], |world, token| {
        let (id, other) = (token.user.id.clone(), token.user.id.to_uppercase());
        if !world.ids.text() || id == other {
            return false;
        }
        token.claims["sub"] = json!(other);
        // Somebody has it but for the case of letters: that is the cause, and both spellings are told.
        token.says(&[&id, &other]);
        true
    }),
    table("a login as the subject in other letters", &["SubjectSpelledDifferently"], |world, token| {
        world.spec["jwt"]["subjectColumn"] = json!(world.login);
        let (login, other) = (token.user.login.clone(), token.user.login.to_uppercase());
        token.claims["sub"] = json!(other);
        token.says(&[&login, &other]);
        true
    }),
    table(
        "a login as the subject with a blank at its end",
        &["SubjectSpelledDifferently"],
        |world, token| {
            world.spec["jwt"]["subjectColumn"] = json!(world.login);
            let login = token.user.login.clone();
            token.claims["sub"] = json!(format!("{login} "));
            token.says(&[&login]);
            true
        },
    ),
    table("a login as the subject", &[], |world, token| {
        world.spec["jwt"]["subjectColumn"] = json!(world.login);
        token.claims["sub"] = json!(token.user.login);
        true
    }),
    table("issued before sessions were ended", &["IssuedBeforeInvalidation"], |world, token| {
        let users = world.users_sql();
        world.do_harm(format!("ALTER TABLE {users} ADD valid_after timestamptz"));
        set(world, &token.user.id, "valid_after", "now()");
        world.spec["sessions"] = json!({"invalidateBeforeColumn": "valid_after"});
        true
    }),
    table("revoked", &["Revoked"], |world, token| {
        let schema = quote(&world.schema);
        world.do_harm(format!("CREATE TABLE {schema}.denied (jti text PRIMARY KEY); INSERT INTO {schema}.denied VALUES ('t-4711')"));
        world.spec["sessions"] = json!({"revoked": {"table": "denied", "column": "jti"}});
        token.claims["jti"] = json!("t-4711");
        let login = token.user.login.clone();
        token.says(&[&login, "revoked"]);
        true
    }),
    table("signed by the previous key", &["SignedByPreviousKey"], |world, token| {
        let old = "canary-an-older-key-of-sixty-four-bytes-7716204418-and-some-more-0";
        world.secrets.push(("jwt-old".into(), "key".into(), old.into()));
        world.spec["jwt"]["previousSecretRefs"] = json!([{"name": "jwt-old", "key": "key"}]);
        token.key = old.into();
        true
    }),
    alone("signed by a strange key", &["SignedByUnknownKey"], |_, token| {
        token.key = b"some-other-key-of-sixty-four-bytes-and-more-that-nobody-has-7a13f0c2".to_vec();
        true
    }),
    alone("changed after it was signed", &["SignedByUnknownKey"], |world, token| {
        let admin = world.admin().id;
        token.says(&["changed"]);
        way(token, move |token| {
            let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
            let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(&parts[1]).unwrap()).unwrap();
            let mut claims: serde_json::Value = serde_json::from_str(&claims).unwrap();
            claims["sub"] = json!(admin);
            claims["admin"] = json!(true);
            parts[1] = URL_SAFE_NO_PAD.encode(claims.to_string());
            parts.join(".")
        })
    }),
    alone("signed by a placeholder", &["SignedByPlaceholder"], |world, token| {
        token.key = world.one_of(&["secret", "changeme", "your-256-bit-secret", "your-secret-key"]).into();
        true
    }),
    alone("signed by the key with its line break", &["SignedByKeyVariant"], |_, token| {
        token.key = format!("{KEY}\n").into();
        token.says(&["line break|newline"]);
        true
    }),
    alone("signed by the key in quotes", &["SignedByKeyVariant"], |_, token| {
        token.key = format!("\"{KEY}\"").into();
        token.says(&["quote"]);
        true
    }),
    alone("signed by the key in Base64", &["SignedByKeyVariant"], |_, token| {
        token.key = STANDARD.encode(KEY).into();
        token.says(&["base64"]);
        true
    }),
    alone("another algorithm with the same key", &["AlgorithmDiffers"], |_, token| {
        let other = if token.hash == "HS256" { "HS512" } else { "HS256" };
        let spec = token.hash;
        (token.hash, token.header["alg"]) = (other, json!(other));
        token.says(&[other, spec, "the signing key made it"]);
        true
    }),
    alone("algorithm none", &["AlgorithmDiffers"], |world, token| {
        let none = world.one_of(&["none", "None", "NONE"]);
        (token.hash, token.header["alg"]) = ("none", json!(none));
        token.says(&["none"]);
        true
    }),
    alone("an HMAC by the public key", &["KeyConfusion"], |world, token| {
        let pem = include_str!("../../keys/rsa-one-public.pem");
        world.secrets.retain(|(name, ..)| name != "jwt");
        world.secrets.push(("jwt".into(), "key".into(), pem.into()));
        world.spec["jwt"]["algorithm"] = json!("RS256");
        (token.hash, token.header["alg"]) = ("HS256", json!("HS256"));
        token.key = pem.into();
        token.says(&["public key"]);
        true
    }),
    alone("cut off", &["NotAToken"], |world, token| {
        let at = world.one_of(&[1, 5, 20]);
        way(token, move |token| token[..token.len() - at].to_owned())
    }),
    alone("without its signature", &["NotAToken"], |_, token| {
        way(token, |token| token.rsplit_once('.').unwrap().0.to_owned())
    }),
    alone("a session id", &["NotAToken"], |_, token| {
        way(token, |_| "8f14e45fceea167a5a36dedd4bea2543".into())
    }),
    alone("encrypted", &["NotAToken"], |_, token| {
        token.says(&["encrypted|JWE"]);
        way(token, |_| {
            format!(
                "{}.QR1Owv2ug2WyPBnbQrRARTeEk9kDO2w8qDcjiHnSJfk.48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvTiFvSkQ",
                URL_SAFE_NO_PAD.encode("{\"alg\":\"dir\",\"enc\":\"A256GCM\"}")
            )
        })
    }),
    alone("a word in its place", &["NotSent"], |world, token| {
        let word =
            world.one_of(&["null", "undefined", "[object Object]", "Bearer null", "$TOKEN", "{{token}}"]);
        way(token, move |_| word.to_owned())
    }),
    alone("two credentials", &["TwoCredentials"], |_, token| {
        way(token, |token| format!("Bearer {token}, Basic YWRhOnB3"))
    }),
    alone("in quotes", &["InQuotes"], |_, token| way(token, |token| format!("\"{token}\""))),
    alone("Bearer twice", &["BearerTwice"], |_, token| way(token, |token| format!("Bearer Bearer {token}"))),
    alone("padded", &["VerifiersDiffer"], |world, token| {
        // Of SHA-384 nothing is left to pad.
        world.spec["jwt"]["algorithm"] = json!("HS256");
        (token.hash, token.header["alg"]) = ("HS256", json!("HS256"));
        way(token, |token| {
            let parts: Vec<&str> = token.split('.').collect();
            let pad = |part: &str| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4));
            format!("{}.{}.{}", pad(parts[0]), pad(parts[1]), pad(parts[2]))
        })
    }),
    alone("a key id that nobody has", &["KeyIdUnknown"], |world, token| jwks(world, token, "zz", 0)),
    alone("the key id of another key", &["KeyIdOfAnother"], |world, token| jwks(world, token, "b", 0)),
    alone("signed by a revoked key", &["SignedByRevokedKey"], |world, token| {
        let done = jwks(world, token, "c", 2);
        world.spec["jwt"]["revokedKeyIds"] = json!(["c"]);
        done
    }),
    alone("signed by a standby key", &["SignedByStandbyKey"], |world, token| jwks(world, token, "b", 1)),
    alone("signed by a previous key of the JWKS", &["SignedByPreviousKey"], |world, token| {
        let done = jwks(world, token, "b", 1);
        world.spec["jwt"]["previousKeyIds"] = json!(["b"]);
        done
    }),
];

fn way(token: &mut Token, way: impl FnOnce(String) -> String + 'static) -> bool {
    token.way = Box::new(way);
    true
}

fn counted(world: &World, token: &Token) -> Option<i64> {
    world.ids.counted().then(|| token.user.id.parse().unwrap())
}

fn issuer(world: &mut World, token: &mut Token, is: &str, word: &str) -> bool {
    world.spec["jwt"]["issuer"] = json!("https://id.example.org/");
    token.claims["iss"] = json!(is);
    token.says(&[is, "https://id.example.org/", word]);
    true
}

fn set(world: &mut World, id: &str, column: &str, value: &str) {
    let sql = format!(
        "UPDATE {} SET {} = {value} WHERE {} = {}",
        world.users_sql(),
        quote(column),
        quote(&world.id),
        text(id)
    );
    world.do_harm(sql);
}

/// A JWKS of three keys, a being the current one; the token is signed by one of them and names this key id.
fn jwks(world: &mut World, token: &mut Token, id: &str, signer: usize) -> bool {
    let secret = |n: usize| format!("canary-{n}-key-of-a-set-{}", "0123456789abcdef".repeat(4));
    let one = |n: usize, id: &str| json!({"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret(n))});
    let set = json!({"keys": [one(0, "a"), one(1, "b"), one(2, "c")]});
    world.secrets.retain(|(name, ..)| name != "jwt");
    world.secrets.push(("jwt".into(), "key".into(), set.to_string()));
    world.spec["jwt"]["keyId"] = json!("a");
    token.header["kid"] = json!(id);
    token.key = secret(signer).into();
    token.says(&[id]);
    true
}
