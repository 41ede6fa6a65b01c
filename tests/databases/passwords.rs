//! Passwords are written only in a format that the app reads.
