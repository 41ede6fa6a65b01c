//! The provider of cryptography, for the whole process.

/// Chooses the cryptography of this process for tokens. Any number of calls is as good as one, and
/// minting and explaining call it themselves.
///
/// `jsonwebtoken` would choose by its own features at the first use, and cannot when another crate
/// of the build switches a second one on.
pub fn install_crypto() {
    // An error says that a choice was made before, which is what was wanted.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
