//! Fingerprints that this process has computed, so that no key's is computed twice, however many resources
//! name it.
//!
//! No key is kept: one is known again by a digest under a key that this process drew at random and never
//! shows. A fingerprint is safe to show.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    api::spec::Algorithm,
    hashing,
    tokens::{self, Print, SigningKey},
};

/// How many are kept; with more, all are computed once more.
const MOST: usize = 8192;

static KNOWN: LazyLock<Arc<Known>> = LazyLock::new(Arc::default);

type Digest = [u8; 32];

struct Known {
    key: Digest,
    fingerprints: Mutex<HashMap<Digest, Option<String>>>,
    /// Those of which somebody waits for the fingerprint.
    awaited: Mutex<HashSet<Digest>>,
}

/// What is known of a key before anything slow is done.
enum Found<'a> {
    /// Its fingerprint.
    Print(Option<String>),
    /// Only what it is known again by, and what the fingerprint is of.
    Bytes(Option<Digest>, &'a [u8]),
}

/// Somebody waits for the fingerprint of a key.
struct Awaiting<'a> {
    known: &'a Known,
    /// Where nobody else did before.
    digest: Option<Digest>,
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        if let Some(digest) = &self.digest {
            self.known.awaited().remove(digest);
        }
    }
}

impl Default for Known {
    fn default() -> Self {
        Self { key: rand::random(), fingerprints: Mutex::default(), awaited: Mutex::default() }
    }
}

impl Known {
    fn awaited(&self) -> MutexGuard<'_, HashSet<Digest>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn awaiting(&self, digest: Option<Digest>) -> Awaiting<'_> {
        Awaiting { known: self, digest: digest.filter(|digest| self.awaited().insert(*digest)) }
    }

    fn fingerprints(&self) -> MutexGuard<'_, HashMap<Digest, Option<String>>> {
        // An entry is whole, whatever happened to whoever put it in.
        self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key's digest, and its fingerprint where that is known.
    fn find(&self, bytes: &[u8]) -> (Option<Digest>, Option<Option<String>>) {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).ok();
        let digest: Option<Digest> = mac.map(|mac| mac.chain_update(bytes).finalize().into_bytes().into());
        (digest, digest.and_then(|digest| self.fingerprints().get(&digest).cloned()))
    }

    fn look_up<'a>(&self, key: &'a SigningKey, algorithm: Algorithm) -> Found<'a> {
        let bytes = match tokens::print(key, algorithm) {
            Print::None => return Found::Print(None),
            Print::Quick(fingerprint) => return Found::Print(Some(fingerprint)),
            Print::Slow(bytes) => bytes,
        };
        match self.find(bytes) {
            (_, Some(known)) => Found::Print(known),
            (digest, None) => Found::Bytes(digest, bytes),
        }
    }

    fn remember(&self, digest: Digest, fingerprint: Option<String>) {
        let mut fingerprints = self.fingerprints();
        if fingerprints.len() >= MOST && !fingerprints.contains_key(&digest) {
            fingerprints.clear();
        }
        fingerprints.insert(digest, fingerprint);
    }

    async fn of(
        self: Arc<Self>,
        key: &SigningKey,
        algorithm: Algorithm,
        slowly: impl FnOnce(&[u8]) -> Option<String> + Send + 'static,
    ) -> Option<String> {
        let digest = match self.look_up(key, algorithm) {
            Found::Print(known) => return known,
            Found::Bytes(digest, _) => digest,
        };
        let _awaiting = self.awaiting(digest);
        let (own, known) = (key.clone(), Arc::clone(&self));
        let computing = move || {
            // One with the same key may have been first: these run one at a time.
            let bytes = match known.look_up(&own, algorithm) {
                Found::Print(known) => return known,
                Found::Bytes(_, bytes) => bytes,
            };
            let fingerprint = slowly(bytes);
            if let Some(digest) = digest {
                known.remember(digest, fingerprint.clone());
            }
            fingerprint
        };
        hashing::compute(computing).await.flatten()
    }

    async fn unless_put_off(
        self: Arc<Self>,
        key: &SigningKey,
        algorithm: Algorithm,
        put_off: impl FnOnce() -> bool,
        slowly: impl FnOnce(&[u8]) -> Option<String> + Send + 'static,
    ) -> Option<Option<String>> {
        if let Found::Bytes(digest, _) = self.look_up(key, algorithm) {
            let awaited = digest.is_some_and(|digest| self.awaited().contains(&digest));
            if !awaited && put_off() {
                return None;
            }
        }
        Some(self.of(key, algorithm, slowly).await)
    }
}

/// The fingerprint of a key, as [`tokens::fingerprint`] gives it; computed once in this process.
pub async fn of(key: &SigningKey, algorithm: Algorithm) -> Option<String> {
    Arc::clone(&KNOWN).of(key, algorithm, tokens::slow_fingerprint).await
}

/// The fingerprint of a key; `None` where it would have to be computed and that was put off. Nobody is asked about
/// what is known already, is quick, or is being computed for somebody who waits for it.
pub async fn unless_put_off(
    key: &SigningKey,
    algorithm: Algorithm,
    put_off: impl FnOnce() -> bool,
) -> Option<Option<String>> {
    Arc::clone(&KNOWN).unless_put_off(key, algorithm, put_off, tokens::slow_fingerprint).await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn key(text: &str) -> SigningKey {
        SigningKey::new(text.as_bytes().to_vec()).unwrap()
    }

    const KEY: &str = "kZ8#pQ2!vL9@xT4$wN7%yR1^mB6&cD3*";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_many_resources_name_at_once_is_computed_once() {
        let (known, computed) = (Arc::new(Known::default()), Arc::new(AtomicU32::new(0)));
        let slowly = |computed: &Arc<AtomicU32>| {
            let computed = Arc::clone(computed);
            move |_: &[u8]| {
                computed.fetch_add(1, Ordering::SeqCst);
                Some("print".to_owned())
            }
        };
        let (one, other) = (key(KEY), key(&format!("{KEY}\n")));
        let all = (0..50).map(|_| Arc::clone(&known).of(&one, Algorithm::HS256, slowly(&computed)));
        let all = futures::future::join_all(all).await;
        assert!(all.iter().all(|print| print.as_deref() == Some("print")));
        assert_eq!(computed.load(Ordering::SeqCst), 1);
        Arc::clone(&known).of(&other, Algorithm::HS256, slowly(&computed)).await;
        assert_eq!(computed.load(Ordering::SeqCst), 2, "another key is another fingerprint");
    }

    #[tokio::test]
    async fn it_is_what_is_computed_without_a_memory_and_a_weak_key_has_none_for_its_algorithm() {
        assert_eq!(of(&key(KEY), Algorithm::HS256).await, tokens::fingerprint(&key(KEY), Algorithm::HS256));
        assert!(of(&key(KEY), Algorithm::HS256).await.is_some());
        assert_eq!(of(&key(KEY), Algorithm::HS512).await, None, "long enough for HS256 alone");
        assert_eq!(of(&key("secret"), Algorithm::HS256).await, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_what_nobody_computes_yet_and_is_not_known_can_be_put_off() {
        let known = Arc::new(Known::default());
        let unasked = || panic!("nobody is to be asked");
        let quick = key("secret");
        let found = Arc::clone(&known).unless_put_off(&quick, Algorithm::HS256, unasked, |_| unreachable!());
        assert_eq!(found.await, Some(None), "a weak key has none");

        let slow = key(KEY);
        let found = Arc::clone(&known).unless_put_off(&slow, Algorithm::HS256, || true, |_| unreachable!());
        assert_eq!(found.await, None);
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let slowly = move |_: &[u8]| {
            begun.send(()).unwrap();
            released.recv().unwrap();
            Some("print".to_owned())
        };
        let (first, own) = (Arc::clone(&known), key(KEY));
        let first =
            tokio::spawn(async move { first.unless_put_off(&own, Algorithm::HS256, || false, slowly).await });
        has_begun.await.unwrap();
        let found = Arc::clone(&known).unless_put_off(&slow, Algorithm::HS256, unasked, |_| unreachable!());
        let mut found = std::pin::pin!(found);
        assert!(futures::poll!(&mut found).is_pending(), "it waits for the one that is being computed");
        release.send(()).unwrap();
        assert_eq!(found.await, Some(Some("print".into())));
        assert_eq!(first.await.unwrap(), Some(Some("print".into())));
        let found = Arc::clone(&known).unless_put_off(&slow, Algorithm::HS256, unasked, |_| unreachable!());
        assert_eq!(found.await, Some(Some("print".into())), "it is known from then on");
        assert!(known.awaited().is_empty());
    }

    #[test]
    fn ever_new_keys_take_no_more_room_and_no_key_is_kept() {
        let known = Known::default();
        for at in 0..MOST as u32 + 10 {
            let (digest, _) = known.find(&at.to_be_bytes());
            known.remember(digest.unwrap(), Some("print".into()));
            assert!(known.fingerprints().len() <= MOST);
        }
        let (digest, _) = known.find(KEY.as_bytes());
        assert_ne!(digest, Known::default().find(KEY.as_bytes()).0, "known again in this process alone");
    }
}
