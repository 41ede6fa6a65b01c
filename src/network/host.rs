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

/// An address, and every other one that a packet to it may end at: gateways and tunnels find an IPv4 address within
/// an IPv6 one.
pub(super) fn faces(address: IpAddr) -> Vec<IpAddr> {
    let mut faces = vec![address];
    let inner = inner_address(address);
    if inner != address {
        faces.push(inner);
    }
    let IpAddr::V6(v6) = address else { return faces };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let mut add = |high: u16, low: u16| {
        // Nothing is wrapped where there are zeros: 0.0.0.0/8 is no host's.
        if high >> 8 != 0 {
            faces.push(IpAddr::V4(wrapped(high, low)));
        }
    };
    match (a, b) {
        // Teredo (RFC 4380): its server, and the client, each bit the other way round.
        (0x2001, 0) => {
            add(c, d);
            add(!g, !h);
        }
        // Translation within one's own network (RFC 8215), by whichever length of prefix (RFC 6052, section 2.2):
        // the bits 64 to 71 are left out.
        (0x64, 0xff9b) if c == 1 => {
            add(d, (e << 8) | (f >> 8));
            add((d << 8) | (e & 0xff), f);
            add((e << 8) | (f >> 8), (f << 8) | (g >> 8));
            add(g, h);
        }
        _ => {}
    }
    // ISATAP (RFC 5214), under any prefix: universal and group bits may be set.
    if e & !0x0300 == 0 && f == 0x5efe {
        add(g, h);
    }
    faces
}

fn wrapped(high: u16, low: u16) -> Ipv4Addr {
    let ([one, two], [three, four]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(one, two, three, four)
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
    wrapped.map_or(address, |(high, low)| IpAddr::V4(self::wrapped(high, low)))
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
    let credentials = |face| forbidden(face).filter(|what| [LINK_LOCAL, METADATA].contains(what));
    faces(address).into_iter().find_map(credentials)
}

/// What puts an address out of reach for everyone.
pub(super) fn forbidden(address: IpAddr) -> Option<&'static str> {
    /// Metadata services outside the link-local ranges: they hand out the machine's credentials.
    const METADATA_V4: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];
    const METADATA_V6: [[u16; 8]; 4] = [
        // Google, Oracle, Scaleway, Akamai.
        [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
        [0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe],
        [0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42],
        [0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1],
    ];
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
        // All that an instance of Amazon's asks on its own machine: metadata, credentials of pods, names, time.
        IpAddr::V6(v6) if matches!(v6.segments(), [0xfd00, 0xec2, ..]) => Some(METADATA),
        IpAddr::V6(v6) if METADATA_V6.contains(&v6.segments()) => Some(METADATA),
        _ => None,
    }
}
