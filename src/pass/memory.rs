//! What the process remembers of one resource between passes, so that slow things are not done twice
//! and an app is not asked more often than it likes.
//!
//! No secret is kept: keys and passwords are known again by a digest under a key that this process
//! drew at random and never shows.

use crate::{
    domain::{
        facts::{endpoints::MOST_ASKED, verifiers::VerifierFacts},
        incremental::{change_marks::Baseline, partial_scan::PartialScan},
    },
    engine::{PasswordCache, Resolved, keeping::Keeping},
};

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

type Digest = [u8; 32];

/// Accounts whose password is known again, more than one spec names.
const MOST_PASSWORDS: usize = 64;

/// Keys whose fingerprint is known again: six Secrets of one key each leave room for a JWKS.
const MOST_FINGERPRINTS: usize = 64;

/// Memory of one resource.
pub struct Memory {
    key: [u8; 32],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the signing key and those beside it.
    fingerprints: HashMap<Digest, Option<String>>,
    /// By login; the accounts that a spec can name fit in.
    passwords: HashMap<String, Digest>,
    probe: Option<Probed>,
    turn: usize,
    forged: Option<(Digest, Instant)>,
    settled: Option<(Digest, CachedBaseline, Keeping)>,
    round: Option<(Digest, PartialScan, Keeping)>,
}

struct Probed {
    of: Digest,
    at: Instant,
    facts: Vec<VerifierFacts>,
}

/// What later passes over a settled target rely on.
pub struct CachedBaseline {
    /// What the last deep look saw.
    pub settled: Baseline,
    /// What the catalog said of the user table; of the references it says nothing.
    pub resolved: Arc<dyn Resolved>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { key: rand::random(), state: Mutex::default() }
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned memory is at worst out of date, and every entry is checked against its digest.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, parts: &[&[u8]]) -> Option<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(mac.finalize().into_bytes().into())
    }

    fn digest_about(&self, what: &[u8], key: &[&[u8]]) -> Option<Digest> {
        self.digest(&[&[what][..], key].concat())
    }

    fn digest_of(&self, about: &[String]) -> Option<Digest> {
        let parts: Vec<&[u8]> = about.iter().map(String::as_bytes).collect();
        self.digest(&parts)
    }

    /// Remembers the fingerprint of a key.
    pub fn remember_fingerprint(&self, key: &[&[u8]], fingerprint: Option<String>) {
        let Some(digest) = self.digest_about(b"fingerprint", key) else { return };
        let fingerprints = &mut self.state().fingerprints;
        // Keys of specs before; what is forgotten with them is computed once more.
        if fingerprints.len() >= MOST_FINGERPRINTS && !fingerprints.contains_key(&digest) {
            fingerprints.clear();
        }
        fingerprints.insert(digest, fingerprint);
    }

    fn password_digest(&self, stored: &SecretString, password: &SecretString) -> Option<Digest> {
        self.digest(&[b"password", stored.expose_secret().as_bytes(), password.expose_secret().as_bytes()])
    }

    /// What the last deep look at this very target left to rely on. It is taken out: a pass that does
    /// not reach its end leaves nothing to rely on.
    pub fn take_settled(&self, about: &[String]) -> Option<CachedBaseline> {
        let digest = self.digest_of(about);
        self.state().settled.take().filter(|(of, ..)| Some(*of) == digest).map(|(_, basis, _)| basis)
    }

    /// Remembers what a look at a target left to rely on; where there is no room for it, the next look is a deep one.
    pub fn remember_settled(&self, about: &[String], basis: CachedBaseline) {
        self.forget_settled();
        let (digest, kept) = (self.digest_of(about), room_for(basis.settled.weight()));
        self.state().settled = digest.zip(kept).map(|(digest, kept)| (digest, basis, kept));
    }

    /// Forgets it: the next look is a deep one.
    pub fn forget_settled(&self) {
        self.state().settled = None;
    }

    /// What the looks at this very target have searched, where it took more than one.
    pub fn round(&self, about: &[String]) -> Option<PartialScan> {
        let digest = self.digest_of(about);
        let state = self.state();
        state.round.as_ref().filter(|(of, ..)| Some(*of) == digest).map(|(_, round, _)| round.clone())
    }

    /// Remembers what they have searched; nothing where one look sufficed, or there is no room for it: then the next
    /// look begins anew.
    pub fn remember_round(&self, about: &[String], round: Option<PartialScan>) {
        self.forget_round();
        let Some((digest, round)) = self.digest_of(about).zip(round) else { return };
        let kept = room_for(round.weight());
        self.state().round = kept.map(|kept| (digest, round, kept));
    }

    /// Forgets it: the next look searches everything.
    pub fn forget_round(&self) {
        self.state().round = None;
    }

    /// The last probe of the same key, subject and generation, unless it is older than `interval` or
    /// something was wrong with it.
    pub fn probe(&self, of: &[&[u8]], interval: Duration) -> Option<Vec<VerifierFacts>> {
        let digest = self.digest(of)?;
        let state = self.state();
        let probed = state.probe.as_ref()?;
        let well = probed.facts.iter().all(VerifierFacts::is_well);
        (probed.of == digest && well && probed.at.elapsed() < interval).then(|| probed.facts.clone())
    }

    /// Which of many pods is the first whose turn it is. It stays where it is while something is wrong, so
    /// that a stale pod is not forgotten for those beside it.
    pub fn turn(&self) -> usize {
        self.state().turn
    }

    /// Remembers a probe.
    pub fn remember_probe(&self, of: &[&[u8]], facts: &[VerifierFacts]) {
        let digest = self.digest(of);
        let mut state = self.state();
        if facts.iter().all(VerifierFacts::is_well) {
            state.turn = state.turn.wrapping_add(MOST_ASKED);
        }
        state.probe = digest.map(|of| Probed { of, at: Instant::now(), facts: facts.to_vec() });
    }

    /// Forgeries that the last probe of the same key found accepted, by verifier, when that was within
    /// a day.
    pub fn forged_lately(&self, key: &[&[u8]]) -> bool {
        let Some(digest) = self.digest_about(b"forged", key) else { return false };
        let day = Duration::from_secs(86_400);
        self.state().forged.as_ref().is_some_and(|(of, at)| *of == digest && at.elapsed() < day)
    }

    /// Remembers that forged tokens were tried and refused everywhere.
    pub fn remember_forged(&self, key: &[&[u8]]) {
        let digest = self.digest_about(b"forged", key);
        self.state().forged = digest.map(|of| (of, Instant::now()));
    }
}

impl PasswordCache for Memory {
    fn fingerprint(&self, key: &[&[u8]]) -> Option<Option<String>> {
        let digest = self.digest_about(b"fingerprint", key)?;
        self.state().fingerprints.get(&digest).cloned()
    }

    fn password_matched(&self, login: &str, stored: &SecretString, password: &SecretString) -> bool {
        let digest = self.password_digest(stored, password);
        digest.is_some_and(|digest| self.state().passwords.get(login) == Some(&digest))
    }

    fn remember_password(&self, login: &str, stored: &SecretString, password: &SecretString) {
        let Some(digest) = self.password_digest(stored, password) else { return };
        let passwords = &mut self.state().passwords;
        // Logins of specs before; what is forgotten with them is compared once more.
        if passwords.len() >= MOST_PASSWORDS && !passwords.contains_key(login) {
            passwords.clear();
        }
        passwords.insert(login.to_owned(), digest);
    }
}

/// Room for so many bytes that are remembered, where there is some.
fn room_for(bytes: usize) -> Option<Keeping> {
    let kept = Keeping::remembered();
    kept.more(bytes).is_ok().then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_known_again_only_for_its_own_key() {
        let memory = Memory::default();
        assert_eq!(memory.fingerprint(&[b"one"]), None);
        memory.remember_fingerprint(&[b"one"], Some("print".into()));
        assert_eq!(memory.fingerprint(&[b"one"]), Some(Some("print".into())));
        assert_eq!(memory.fingerprint(&[b"three"]), None);
        memory.remember_fingerprint(&[b"three"], None);
        assert_eq!(memory.fingerprint(&[b"three"]), Some(None));
    }

    #[test]
    fn the_same_bytes_are_another_key_for_another_algorithm_and_by_another_id() {
        use crate::{
            api::spec::Algorithm,
            tokens::{KeyIds, KeySet},
        };

        let memory = Memory::default();
        let read = |algorithm, id| {
            let ids = KeyIds { current: id, ..KeyIds::default() };
            KeySet::read(b"kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*".to_vec(), algorithm, &ids).unwrap().current
        };
        // No key for RS256, until the spec is corrected.
        let unfit = read(Algorithm::RS256, None);
        memory.remember_fingerprint(&unfit.known_by(Algorithm::RS256), None);
        memory.remember_forged(&unfit.known_by(Algorithm::RS256));
        assert_eq!(memory.fingerprint(&unfit.known_by(Algorithm::RS256)), Some(None));
        assert!(memory.forged_lately(&unfit.known_by(Algorithm::RS256)));
        for (algorithm, id) in
            [(Algorithm::HS256, None), (Algorithm::HS512, None), (Algorithm::HS256, Some("2026-11"))]
        {
            let key = read(algorithm, id);
            assert_eq!(memory.fingerprint(&key.known_by(algorithm)), None);
            assert!(!memory.forged_lately(&key.known_by(algorithm)));
            assert_ne!(memory.digest(&key.known_by(algorithm)), memory.digest(&unfit.known_by(algorithm)));
        }
    }

    #[test]
    fn a_password_is_known_again_only_with_the_same_hash_of_the_same_account() {
        let memory = Memory::default();
        let (hash, password) = (SecretString::from("$2b$..."), SecretString::from("canary"));
        assert!(!memory.password_matched("a", &hash, &password));
        memory.remember_password("a", &hash, &password);
        assert!(memory.password_matched("a", &hash, &password));
        assert!(!memory.password_matched("a", &hash, &SecretString::from("other")));
        assert!(!memory.password_matched("a", &SecretString::from("$2b$other"), &password));
        assert!(!memory.password_matched("b", &hash, &password));
        memory.remember_password("b", &hash, &password);
        assert!(memory.password_matched("a", &hash, &password), "one account displaces no other");
    }

    #[test]
    fn what_there_is_no_room_for_is_not_remembered_and_nothing_of_before_stands_for_it() {
        use std::collections::BTreeMap;

        use crate::api::report::ObjectRef;
        use crate::domain::facts::schema::{DatabaseIdentity, SchemaFault, Server};
        use crate::domain::{
            facts::{Bookkeeping, Observation},
            incremental::change_marks::{Reading, Reuse, ServerMarks, TableMarks},
        };

        let identity = DatabaseIdentity { system: "1".into(), database: 1 };
        let observation = Observation {
            server: Server { version: "15.14".into(), identity: identity.clone(), read_only: None },
            users: Err(SchemaFault::NotATable { kind: "view".into() }),
            bookkeeping: Bookkeeping::default(),
            admin: None,
            accounts: Vec::new(),
            references: Vec::new(),
            relied: 0,
            skipped: Vec::new(),
            unchecked: Vec::new(),
            unreached: Vec::new(),
            missing_constraints: Vec::new(),
            elsewhere: Vec::new(),
            undeclared: Default::default(),
            constraints: Vec::new(),
            spellings: Vec::new(),
            untrusted: Vec::new(),
            foreign: Vec::new(),
            identities: None,
            sessions: None,
        };
        let text = String::new;
        let server = ServerMarks {
            identity,
            started: text(),
            reset: text(),
            standby: false,
            counting: true,
            role: text(),
        };
        let users =
            TableMarks { catalog: text(), storage: 1, countable: true, inserted: 0, updated: 0, deleted: 0 };
        let reading = Reading { server, users, users_written: 0, references: BTreeMap::new() };
        let round = |tables: usize| {
            let object = |n| ObjectRef { table: format!("{n:063}"), ..ObjectRef::default() };
            let tried: Vec<_> = (0..tables).map(|n| object(n).into()).collect();
            let at = jiff::Timestamp::UNIX_EPOCH;
            PartialScan::after(None, &Reuse::default(), at, reading.clone(), &observation, &tried).unwrap()
        };
        let (memory, about) = (Memory::default(), ["app".to_owned()]);
        memory.remember_round(&about, Some(round(8_000)));
        assert_eq!(memory.round(&about), Some(round(8_000)));
        memory.remember_round(&about, Some(round(40_000)));
        assert_eq!(memory.round(&about), None);
        memory.remember_round(&about, Some(round(8_000)));
        assert_eq!(memory.round(&about), Some(round(8_000)), "what was not remembered takes no room");
    }

    #[test]
    fn passwords_of_ever_new_logins_take_no_more_room() {
        let memory = Memory::default();
        let (hash, password) = (SecretString::from("$2b$..."), SecretString::from("canary"));
        for at in 0..1_000 {
            memory.remember_password(&at.to_string(), &hash, &password);
            assert!(memory.password_matched(&at.to_string(), &hash, &password));
            assert!(memory.state().passwords.len() <= MOST_PASSWORDS);
        }
    }
    #[test]
    fn the_next_pods_have_their_turn_only_after_those_before_were_well() {
        use crate::domain::facts::verifiers::{PodFacts, Pods, ProbeAnswer};

        let memory = Memory::default();
        let of: [&[u8]; 1] = [b"key"];
        let hour = Duration::from_secs(3600);
        let facts = |genuine: ProbeAnswer| {
            let pod = PodFacts { pod: "api-a".into(), genuine, accepts_previous: None };
            VerifierFacts {
                name: "api".into(),
                genuine: ProbeAnswer::Accepted,
                accepted_forgeries: Vec::new(),
                accepts_previous: None,
                accepts_variant: None,
                pods: Pods::Asked { ready: 57, asked: vec![pod; MOST_ASKED] },
                forged_at: None,
                taken_by: None,
            }
        };
        for _ in 0..3 {
            memory.remember_probe(&of, &[facts(ProbeAnswer::Refused(401))]);
            assert_eq!((memory.turn(), memory.probe(&of, hour)), (0, None), "they are asked again at once");
        }
        let well = [facts(ProbeAnswer::Accepted)];
        memory.remember_probe(&of, &well);
        assert_eq!((memory.turn(), memory.probe(&of, hour)), (MOST_ASKED, Some(well.to_vec())));
        assert_eq!(memory.probe(&[b"other key"], hour), None);
    }
}
