//! The flags that name hosts.

use std::{net::IpAddr, str::FromStr};

use super::host::{Host, forbidden, inner_address, parse_address};

/// A flag about hosts that cannot be understood.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
#[error("{flag:?} is not understood: {what}")]
pub struct FlagInvalid {
    flag: String,
    what: &'static str,
}

/// One `--resolve host:port:address`, as curl has it: for this host and port the address is known
/// and DNS is not asked. The host may be an address, which is then found at another (over HTTPS its
/// certificate must name that other one). Trusted: the only way to
/// loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveEntry {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) addresses: Vec<IpAddr>,
}

impl FromStr for ResolveEntry {
    type Err = FlagInvalid;

    fn from_str(flag: &str) -> Result<Self, FlagInvalid> {
        let invalid = |what| FlagInvalid { flag: flag.to_owned(), what };
        // The colons of an IPv6 address are within brackets.
        let after = if flag.starts_with('[') { flag.find(']').unwrap_or(0) } else { 0 };
        let (host, rest) = match flag[after..].find(':') {
            Some(colon) => (&flag[..after + colon], &flag[after + colon + 1..]),
            None => (flag, ""),
        };
        let Some((port, addresses)) = rest.split_once(':') else {
            return Err(invalid("write host:port:address, for example api.probeops.svc:8000:127.0.0.1"));
        };
        let host = Host::parse(host)
            .filter(|host| !matches!(host, Host::Address(address) if forbidden(inner_address(*address)).is_some()))
            .ok_or_else(|| invalid("the host must be a name, or an address that something may be asked at"))?;
        let port = port.parse().map_err(|_| invalid("the port must be a number up to 65535"))?;
        let addresses =
            addresses.split(',').map(parse_address).collect::<Option<Vec<_>>>().ok_or_else(|| {
                invalid("the address must be an IPv4 address, or an IPv6 address in brackets")
            })?;
        Ok(Self { host, port, addresses })
    }
}

/// A host that a flag allows: `HOST[:PORT]`, where HOST is exact, or `*.suffix` for every name below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: PatternHost,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternHost {
    Exact(Host),
    /// With its leading dot, so that `*.example.com` is not `badexample.com`.
    Below(String),
}

impl HostPattern {
    pub(super) fn allows(&self, host: &Host, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
            && match (&self.host, host) {
                (PatternHost::Exact(exact), host) => exact == host,
                (PatternHost::Below(suffix), Host::Name(name)) => name.ends_with(suffix.as_str()),
                (PatternHost::Below(_), Host::Address(_)) => false,
            }
    }
}

impl FromStr for HostPattern {
    type Err = FlagInvalid;

    fn from_str(flag: &str) -> Result<Self, FlagInvalid> {
        let invalid = |what| FlagInvalid { flag: flag.to_owned(), what };
        let (host, port) = match flag.rsplit_once(':') {
            // An IPv6 address without a port has colons, too.
            Some((host, port)) if parse_address(flag).is_none() => {
                (host, Some(port.parse().map_err(|_| invalid("the port must be a number up to 65535"))?))
            }
            _ => (flag, None),
        };
        let not_a_host =
            || invalid("write a host name, *.suffix or an IP address, and after it :PORT for one port only");
        let host = match host.strip_prefix("*.") {
            Some(suffix) => match Host::parse(suffix) {
                Some(Host::Name(name)) => PatternHost::Below(format!(".{name}")),
                _ => return Err(not_a_host()),
            },
            None => PatternHost::Exact(Host::parse(host).ok_or_else(not_a_host)?),
        };
        Ok(Self { host, port })
    }
}
