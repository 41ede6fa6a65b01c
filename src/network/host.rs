//! Host names and addresses, as far as they can be told without asking anyone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host as written in a URL or a connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Lower-cased and without a trailing dot.
    Name(String),
    Address(IpAddr),
}

impl Host {
    pub(super) fn parse(host: &str) -> Option<Self> {
        if let Some(address) = parse_address(host) {
            return Some(Self::Address(address));
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // Underscores are no host names by the book, and yet people's DNS has them.
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // The resolver takes `127.1` and `0x7f000001` for addresses; a name's last label is never a number.
        let number = |label: &str| label.starts_with("0x") || label.bytes().all(|byte| byte.is_ascii_digit());
        let valid = name.len() <= 253
            && name.split('.').all(label)
            && name.rsplit('.').next().is_some_and(|last| !number(last));
        valid.then_some(Self::Name(name))
    }
}

pub(super) fn parse_address(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// The IPv4 address that an IPv6 one only wraps, or the address itself.
pub(super) fn inner_address(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let wrapped = match [a, b, c, d, e, f] {
        // ::ffff:0:0/96 mapped; ::ffff:0:0:0/96 and 64:ff9b::/96 translated.
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => Some((g, h)),
        // Deprecated "compatible" form; :: and ::1 are addresses of their own.
        [0, 0, 0, 0, 0, 0] if g != 0 || h > 1 => Some((g, h)),
        // 6to4.
        [0x2002, ..] => Some((b, c)),
        _ => None,
    };
    match wrapped {
        Some((high, low)) => {
            let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(one, two, three, four))
        }
        None => address,
    }
}

/// The one kind of address that `--resolve` may lead to all the same.
pub(super) const LOOPBACK: &str = "a loopback address";
const LINK_LOCAL: &str = "a link-local address";
const METADATA: &str = "a cloud's metadata service";
const UNSPECIFIED: &str = "an unspecified address";
const MULTICAST: &str = "a multicast or broadcast address";

/// What puts an address out of reach for a person's probes, too: there, or by way of it, a machine gets its
/// credentials.
pub(super) fn hands_out_credentials(address: IpAddr) -> Option<&'static str> {
    forbidden(address).filter(|what| [LINK_LOCAL, METADATA].contains(what))
}

/// What puts an address out of reach for everyone.
pub(super) fn forbidden(address: IpAddr) -> Option<&'static str> {
    /// Metadata services outside the link-local ranges: they hand out the machine's credentials.
    const METADATA_V4: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];
    const METADATA_V6: [[u16; 8]; 2] =
        [[0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254], [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]];
    match address {
        IpAddr::V4(v4) if v4.is_loopback() => Some(LOOPBACK),
        IpAddr::V4(v4) if v4.is_link_local() => Some(LINK_LOCAL),
        // The whole of 0.0.0.0/8 is "this host" to some systems.
        IpAddr::V4(v4) if v4.octets()[0] == 0 => Some(UNSPECIFIED),
        IpAddr::V4(v4) if v4.is_multicast() || v4.is_broadcast() => Some(MULTICAST),
        IpAddr::V4(v4) if METADATA_V4.contains(&v4.octets()) => Some(METADATA),
        IpAddr::V6(v6) if v6.is_loopback() => Some(LOOPBACK),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(LINK_LOCAL),
        IpAddr::V6(v6) if v6.is_unspecified() => Some(UNSPECIFIED),
        IpAddr::V6(v6) if v6.is_multicast() => Some(MULTICAST),
        IpAddr::V6(v6) if METADATA_V6.contains(&v6.segments()) => Some(METADATA),
        _ => None,
    }
}
