//! E-mail addresses, by which users are known.

/// An address as it is compared: in whatever case it is written, it is the same one.
pub fn folded(address: &str) -> String {
    address.to_lowercase()
}
