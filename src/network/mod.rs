//! Where the operator may connect.
//!
//! A resource names hosts, and whoever may write a resource is not whoever runs the operator. So hosts obey the
//! operator's flags and never the resource: probes go to Services of the resource's own namespace,
//! databases anywhere, and link-local addresses, loopback and the API server are out of reach for both.
//! A name proves nothing about where it leads, so each rule holds twice: for the name, and for every
//! address that it resolves to. The admitted addresses are what the caller must connect to: a second
//! lookup could answer differently (DNS rebinding).
//!
//! What this cannot see: whoever may create Services can make one lead elsewhere (`ExternalName`,
//! hand-made endpoints). The addresses behind it are still judged here.

mod flags;
mod host;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use flags::{FlagInvalid, HostPattern, ResolveEntry};
use host::{Host, LOOPBACK, faces, forbidden, hands_out_credentials, inner_address};

/// Why a host is out of reach.
#[derive(thiserror::Error, Clone, Debug, PartialEq, Eq)]
pub enum HostRefused {
    /// Neither a DNS name nor an IP address.
    /// It is not repeated: a connection string cut in the wrong place has its password here.
    #[error(
        "the host is no host name: write a DNS name of letters, digits, dashes and dots, or an IP address"
    )]
    NotAHost,
    /// A probe to something that is no Service of the resource's own namespace.
    #[error(
        "host {host:?} is no Service of namespace {namespace:?}: probe <service>.{namespace}.svc, or let the operator run with --allow-probe-host"
    )]
    NotInNamespace {
        /// The host as written.
        host: String,
        /// Namespace of the resource.
        namespace: String,
    },
    /// A probe to an IP address, which no namespace owns.
    #[error(
        "host {host:?} is an IP address: probe a Service by its name, or let the operator run with --allow-probe-host"
    )]
    BareAddress {
        /// The host as written.
        host: String,
    },
    /// A database that the flags do not name.
    #[error(
        "host {host:?} is not among the operator's --allow-database-host: add it there, or use a host that is"
    )]
    DatabaseNotAllowed {
        /// The host as written.
        host: String,
    },
    /// The API server by its name.
    #[error(
        "host {host:?} is the Kubernetes API server, which is never probed or taken for a database: name the app's own host"
    )]
    ApiServer {
        /// The host as written.
        host: String,
    },
    /// The operator's own machine by its name.
    #[error(
        "host {host:?} is the operator's own machine, where it never connects: name the host as the cluster knows it"
    )]
    OwnMachine {
        /// The host as written.
        host: String,
    },
    /// An address where nobody is ever asked.
    #[error(
        "host {host:?} leads to {address}, {what}, where nothing is ever asked: name a host with another address"
    )]
    Address {
        /// The host as written.
        host: String,
        /// The address that refuses it; one is enough.
        address: IpAddr,
        /// What kind of address it is.
        what: &'static str,
    },
    /// The name has no address. No rule was broken; it may have one later.
    #[error("host {host:?} cannot be resolved: {why}; look whether its name is right and the host is there")]
    Unresolvable {
        /// The host as written.
        host: String,
        /// What the resolver said.
        why: String,
    },
}

impl HostRefused {
    /// Whether a rule refuses the host. False where only its name could not be resolved, which may
    /// pass by itself.
    pub fn is_forbidden(&self) -> bool {
        !matches!(self, Self::Unresolvable { .. })
    }
}

/// What nearly every cluster calls itself.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// What the operator was started with.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// `--resolve`, repeatable.
    pub resolve: Vec<ResolveEntry>,
    /// `--allow-probe-host`, repeatable: allowed beside the Services of the resource's namespace.
    pub allow_probe: Vec<HostPattern>,
    /// `--allow-database-host`, repeatable: when there is one, no other host is allowed.
    pub allow_database: Vec<HostPattern>,
    /// Where the operator itself finds the API server: host (a name or an address) and port.
    pub api_server: Option<(String, u16)>,
    /// Every address that the API server is known to have.
    pub api_server_addresses: Vec<IpAddr>,
    /// The cluster's DNS domain.
    pub cluster_domain: String,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            resolve: Vec::new(),
            allow_probe: Vec::new(),
            allow_database: Vec::new(),
            api_server: None,
            api_server_addresses: Vec::new(),
            cluster_domain: CLUSTER_DOMAIN.to_owned(),
        }
    }
}

/// Decides where probes and databases may be. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    resolve: Arc<[ResolveEntry]>,
    /// None: a person runs the command and may connect wherever they could anyway.
    rules: Option<Arc<Rules>>,
}

#[derive(Debug)]
struct Rules {
    allow_probe: Vec<HostPattern>,
    allow_database: Vec<HostPattern>,
    api_server_name: Option<String>,
    api_server_port: Option<u16>,
    api_server_addresses: Vec<IpAddr>,
    cluster_domain: String,
}

impl HostPolicy {
    /// The policy of the operator, which acts for people who may not connect there themselves.
    pub fn operator(settings: HostSettings) -> Self {
        let api_server = settings.api_server.as_ref().and_then(|(host, _)| Host::parse(host));
        let mut addresses: Vec<_> = settings.api_server_addresses.into_iter().map(inner_address).collect();
        let mut api_server_name = None;
        let cluster_domain = match settings.cluster_domain.trim_matches('.') {
            "" => CLUSTER_DOMAIN.to_owned(),
            domain => domain.to_ascii_lowercase(),
        };
        match api_server {
            Some(Host::Address(address)) => addresses.push(inner_address(address)),
            Some(Host::Name(name)) => api_server_name = Some(name),
            None => {}
        }
        Self {
            resolve: settings.resolve.into(),
            rules: Some(Arc::new(Rules {
                allow_probe: settings.allow_probe,
                allow_database: settings.allow_database,
                api_server_name,
                api_server_port: settings.api_server.map(|(_, port)| port),
                api_server_addresses: addresses,
                cluster_domain,
            })),
        }
    }

    /// The policy of a command that a person runs with their own rights: any host, loopback included. Only
    /// what hands out a machine's credentials (link-local addresses, metadata services) is not probed, unless
    /// `--resolve` leads there.
    pub fn unrestricted(resolve: Vec<ResolveEntry>) -> Self {
        Self { resolve: resolve.into(), rules: None }
    }

    /// The addresses at which a probe for a resource of this namespace may ask `host`.
    ///
    /// # Errors
    /// When a rule refuses the host or one of its addresses, or it has none.
    pub async fn admit_probe(
        &self,
        namespace: &str,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, HostRefused> {
        let way = self.way_to_probe(namespace, host, port)?;
        let known = matches!(way, Way::ResolvedSchema(_));
        let addresses = self.follow(way, host, port).await?;
        // A person may go anywhere. But a resource from elsewhere is easily checked, and nobody means to show
        // a token to a machine's own metadata service.
        if self.rules.is_none() && !known {
            for address in &addresses {
                if let Some(what) = hands_out_credentials(address.ip()) {
                    return Err(HostRefused::Address { host: host.to_owned(), address: address.ip(), what });
                }
            }
        }
        Ok(addresses)
    }

    /// The address at which one endpoint of a Service may be asked by itself. It comes from the cluster and
    /// not from the resource, yet whoever may write EndpointSlices may write any address there.
    ///
    /// # Errors
    /// When a rule refuses the address.
    pub fn admit_endpoint(&self, endpoint: SocketAddr) -> Result<Vec<SocketAddr>, HostRefused> {
        let host = endpoint.ip().to_string();
        match self.way(Host::Address(endpoint.ip()), None, endpoint.port()) {
            Way::ResolvedSchema(addresses) => self.judge(&host, endpoint.port(), addresses, true),
            _ => self.judge(&host, endpoint.port(), vec![endpoint.ip()], false),
        }
    }

    /// The Service of this namespace that a host spells, where it may be asked; none for an unrestricted
    /// policy, which knows no cluster.
    pub fn service(&self, namespace: &str, host: &str, port: u16) -> Option<String> {
        self.way_to_probe(namespace, host, port).ok()?;
        self.rules.as_ref()?.service(namespace, &Host::parse(host)?).map(|service| service.name)
    }

    /// The addresses at which a resource of this namespace may find its database.
    ///
    /// A name without a dot means a Service of that namespace, as it does for the app whose connection
    /// string it is; the operator's own search path would look in the operator's namespace.
    ///
    /// # Errors
    /// When a rule refuses the host or one of its addresses, or it has none.
    pub async fn admit_database(
        &self,
        namespace: &str,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, HostRefused> {
        let way = self.way_to_database(namespace, host, port)?;
        self.follow(way, host, port).await
    }

    fn way_to_probe(&self, namespace: &str, host: &str, port: u16) -> Result<Way, HostRefused> {
        let parsed = Host::parse(host).ok_or(HostRefused::NotAHost)?;
        let Some(rules) = &self.rules else { return Ok(self.way(parsed, None, port)) };
        let service = rules.service(namespace, &parsed);
        let allowed =
            service.is_some() || rules.allow_probe.iter().any(|pattern| pattern.allows(&parsed, port));
        if !allowed {
            return Err(match parsed {
                Host::Address(_) => HostRefused::BareAddress { host: host.to_owned() },
                Host::Name(_) => {
                    HostRefused::NotInNamespace { host: host.to_owned(), namespace: namespace.to_owned() }
                }
            });
        }
        rules.refuse_by_name(host, &parsed, service.as_ref())?;
        Ok(self.way(parsed, service, port))
    }

    fn way_to_database(&self, namespace: &str, host: &str, port: u16) -> Result<Way, HostRefused> {
        let parsed = Host::parse(host).ok_or(HostRefused::NotAHost)?;
        let Some(rules) = &self.rules else { return Ok(self.way(parsed, None, port)) };
        let service = rules.service(namespace, &parsed);
        let allowed = rules.allow_database.is_empty()
            || rules.allow_database.iter().any(|pattern| {
                pattern.allows(&parsed, port)
                    || service.as_ref().is_some_and(|service| {
                        service.spellings().into_iter().any(|name| pattern.allows(&Host::Name(name), port))
                    })
            });
        if !allowed {
            return Err(HostRefused::DatabaseNotAllowed { host: host.to_owned() });
        }
        rules.refuse_by_name(host, &parsed, service.as_ref())?;
        Ok(self.way(parsed, service, port))
    }

    /// How to come from an admitted host to addresses. A Service's entry in `--resolve` counts in
    /// whichever of its spellings it was written, except the bare one, which names no namespace.
    fn way(&self, host: Host, service: Option<Service>, port: u16) -> Way {
        let known = |names: &[Host]| -> Vec<IpAddr> {
            let entries =
                self.resolve.iter().filter(|entry| entry.port == port && names.contains(&entry.host));
            entries.flat_map(|entry| entry.addresses.iter().copied()).collect()
        };
        let name = match host {
            Host::Address(address) => {
                let known = known(&[Host::Address(address)]);
                return if known.is_empty() { Way::Address(address) } else { Way::ResolvedSchema(known) };
            }
            Host::Name(name) => name,
        };
        let (names, lookup) = match service {
            Some(service) => (service.spellings(), service.absolute()),
            None => {
                let lookup = self.rules.as_ref().map_or_else(|| name.clone(), |rules| rules.absolute(&name));
                (vec![name], lookup)
            }
        };
        let known = known(&names.into_iter().map(Host::Name).collect::<Vec<_>>());
        if known.is_empty() { Way::Lookup(lookup) } else { Way::ResolvedSchema(known) }
    }

    async fn follow(&self, way: Way, host: &str, port: u16) -> Result<Vec<SocketAddr>, HostRefused> {
        let (addresses, known) = match way {
            Way::ResolvedSchema(addresses) => (addresses, true),
            Way::Address(address) => (vec![address], false),
            Way::Lookup(name) => {
                let unresolvable = |why: String| HostRefused::Unresolvable { host: host.to_owned(), why };
                let found = tokio::net::lookup_host((name, port))
                    .await
                    .map_err(|error| unresolvable(error.to_string()))?;
                (found.map(|address| address.ip()).collect(), false)
            }
        };
        self.judge(host, port, addresses, known)
    }

    /// One refused address refuses the host: which of them a connection would use is chance.
    fn judge(
        &self,
        host: &str,
        port: u16,
        addresses: Vec<IpAddr>,
        known: bool,
    ) -> Result<Vec<SocketAddr>, HostRefused> {
        let mut admitted: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if let Some(what) = self.rules.as_ref().and_then(|rules| rules.never(address, port, known)) {
                return Err(HostRefused::Address { host: host.to_owned(), address, what });
            }
            let address = SocketAddr::new(address, port);
            if !admitted.contains(&address) {
                admitted.push(address);
            }
        }
        if admitted.is_empty() {
            return Err(HostRefused::Unresolvable {
                host: host.to_owned(),
                why: "it has no address".to_owned(),
            });
        }
        Ok(admitted)
    }
}

impl Rules {
    /// The Service of this namespace that a host spells.
    fn service(&self, namespace: &str, host: &Host) -> Option<Service> {
        let Host::Name(name) = host else { return None };
        let (service, named) = self.split_service(name);
        if named.is_some_and(|named| named != namespace) {
            return None;
        }
        // What is left of a foreign name still has its dots.
        let own = !service.is_empty() && !service.contains('.') && !namespace.is_empty();
        own.then(|| Service {
            name: service.to_owned(),
            namespace: namespace.to_owned(),
            domain: self.cluster_domain.clone(),
        })
    }

    /// `api.shop.svc` is (`api`, `shop`); a name without a dot has no namespace.
    fn split_service<'a>(&self, name: &'a str) -> (&'a str, Option<&'a str>) {
        let short = name
            .strip_suffix(self.cluster_domain.as_str())
            .and_then(|rest| rest.strip_suffix('.'))
            .filter(|rest| rest.ends_with(".svc"))
            .unwrap_or(name);
        // In `api.svc` the second label is a namespace called `svc`.
        let short = short.strip_suffix(".svc").filter(|rest| rest.contains('.')).unwrap_or(short);
        match short.rsplit_once('.') {
            Some((service, namespace)) => (service, Some(namespace)),
            None => (short, None),
        }
    }

    /// A cluster's name with its domain and its trailing dot, so that no search path applies: under
    /// `svc.cluster.local` the name `api.shop.svc` would first mean a pod `api` of a Service `shop` in
    /// a namespace called `svc`. Other names are left to the search path.
    fn absolute(&self, name: &str) -> String {
        let domain = &self.cluster_domain;
        match name.strip_suffix(domain.as_str()) {
            Some(rest) if rest.ends_with(".svc.") => format!("{name}."),
            _ if name.ends_with(".svc") => format!("{name}.{domain}."),
            _ => name.to_owned(),
        }
    }

    fn refuse_by_name(
        &self,
        written: &str,
        host: &Host,
        service: Option<&Service>,
    ) -> Result<(), HostRefused> {
        let Host::Name(name) = host else { return Ok(()) };
        if name == "localhost" || name.ends_with(".localhost") {
            return Err(HostRefused::OwnMachine { host: written.to_owned() });
        }
        let in_cluster = match service {
            Some(service) => service.name == "kubernetes" && service.namespace == "default",
            None => self.split_service(name) == ("kubernetes", Some("default")),
        };
        if in_cluster || self.api_server_name.as_ref() == Some(name) {
            return Err(HostRefused::ApiServer { host: written.to_owned() });
        }
        Ok(())
    }

    /// What keeps the operator from ever connecting to this address. `known`: it comes from
    /// `--resolve`, so loopback is meant, and of the API server's machine only its own port is out.
    fn never(&self, address: IpAddr, port: u16, known: bool) -> Option<&'static str> {
        let faces = faces(address);
        let api_server = faces.iter().any(|face| self.api_server_addresses.contains(face))
            && (!known || self.api_server_port.is_none_or(|its| its == port));
        if api_server {
            return Some("an address of the Kubernetes API server");
        }
        faces.into_iter().filter_map(forbidden).find(|what| !(known && *what == LOOPBACK))
    }
}

/// How to come from a host to its addresses.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// `--resolve` says it.
    ResolvedSchema(Vec<IpAddr>),
    /// The host is an address.
    Address(IpAddr),
    /// DNS is asked for this name.
    Lookup(String),
}

/// A Service of the resource's own namespace.
#[derive(Debug, PartialEq, Eq)]
struct Service {
    name: String,
    namespace: String,
    domain: String,
}

impl Service {
    fn spellings(&self) -> Vec<String> {
        let Self { name, namespace, domain } = self;
        vec![
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.{domain}"),
            format!("{name}.{namespace}"),
        ]
    }

    fn absolute(&self) -> String {
        format!("{}.{}.svc.{}.", self.name, self.namespace, self.domain)
    }
}

#[cfg(test)]
mod tests;
