//! Fingerprints that this process has computed, so that no key's is computed twice, however many resources
//! name it.
//!
//! No key is kept: one is known again by a digest under a key that this process drew at random and never
//! shows. A fingerprint is safe to show.

use std::{
    collections::HashMap,
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

struct Known {
    key: [u8; 32],
    fingerprints: Mutex<HashMap<[u8; 32], Option<String>>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { key: rand::random(), fingerprints: Mutex::default() }
    }
}

impl Known {
    fn fingerprints(&self) -> MutexGuard<'_, HashMap<[u8; 32], Option<String>>> {
        // An entry is whole, whatever happened to whoever put it in.
        self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key's digest, and its fingerprint where that is known.
    fn find(&self, bytes: &[u8]) -> (Option<[u8; 32]>, Option<Option<String>>) {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).ok();
        let digest: Option<[u8; 32]> = mac.map(|mac| mac.chain_update(bytes).finalize().into_bytes().into());
        (digest, digest.and_then(|digest| self.fingerprints().get(&digest).cloned()))
    }

    fn remember(&self, digest: [u8; 32], fingerprint: Option<String>) {
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
        let bytes = match tokens::print(key, algorithm) {
            Print::None => return None,
            Print::Quick(fingerprint) => return Some(fingerprint),
            Print::Slow(bytes) => bytes,
        };
        let (digest, known) = self.find(bytes);
        if let Some(known) = known {
            return known;
        }
        let own = key.clone();
        let computing = move || {
            let Print::Slow(bytes) = tokens::print(&own, algorithm) else { return None };
            // One with the same key may have been first: these run one at a time.
            if let (_, Some(known)) = self.find(bytes) {
                return known;
            }
            let fingerprint = slowly(bytes);
            if let Some(digest) = digest {
                self.remember(digest, fingerprint.clone());
            }
            fingerprint
        };
        hashing::compute(tokens::FINGERPRINT_MEBIBYTES, computing).await.flatten()
    }
}

/// The fingerprint of a key, as [`tokens::fingerprint`] gives it; computed once in this process.
pub async fn of(key: &SigningKey, algorithm: Algorithm) -> Option<String> {
    Arc::clone(&KNOWN).of(key, algorithm, tokens::slow_fingerprint).await
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
