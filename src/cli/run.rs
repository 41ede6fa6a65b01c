//! `run`: the controller.

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf, time::Duration};

use clap::Args;

use super::{
    output::{CliError, Exit, Output},
    session_reset::PageFlags,
};
use crate::controller::{Election, Limits, Reads, Selection, Settings, Terms};
use crate::{
    domain::parse::duration,
    network::{HostPattern, HostSettings, ResolveEntry},
    telemetry::{self, LogFormat},
};

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub(super) struct Flags {
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Where the session-reset page is served; not at all when left out
    #[arg(long, value_name = "ADDRESS:PORT", env = "AUTHCON_SESSION_RESET_ADDRESS")]
    session_reset_address: Option<SocketAddr>,
    #[command(flatten)]
    session_reset: PageFlags,
    /// Namespace to watch; repeatable, and all of them when left out
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// Labels of the resources to look after, as kubectl takes them with -l; all of them when left out
    #[arg(long, value_name = "SELECTOR")]
    watch_selector: Option<Selection>,
    #[command(flatten)]
    election: ElectionFlags,
    /// Read only Secrets with the label auth.probeops.com/use=true
    #[arg(long)]
    require_secret_label: bool,
    /// Host that probes may ask beside Services of the resource's own namespace; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_probe_host: Vec<HostPattern>,
    /// Ask each ready pod behind a verifier by itself; needs rights on Services and EndpointSlices
    #[arg(long)]
    probe_endpoints: bool,
    /// Name the workloads that take a Secret whose key the app refuses; needs rights on them
    #[arg(long)]
    read_workloads: bool,
    /// Host that databases may be on; repeatable, and any host when left out
    #[arg(long, value_name = "HOST[:PORT]")]
    allow_database_host: Vec<HostPattern>,
    /// Address of a host, instead of asking DNS; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    resolve: Vec<ResolveEntry>,
    /// The cluster's DNS domain
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    cluster_domain: String,
    /// Passes at once; the others wait for their turn
    #[arg(long, value_name = "NUMBER", default_value = "8")]
    concurrent_passes: NonZeroU16,
    /// Connections to one database server (host and port) at once; passes wait for one
    #[arg(long, value_name = "NUMBER", default_value = "4")]
    connections_per_server: NonZeroU16,
    /// Name of the pod, as events carry it
    #[arg(long, value_name = "NAME", env = "AUTHCON_POD_NAME", default_value = "auth-consistency")]
    pod_name: String,
    /// Kubeconfig file; else KUBECONFIG, or the service account when in a cluster
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, value_name = "FORMAT", env = "AUTHCON_LOG_FORMAT", default_value = "auto")]
    log_format: LogFormat,
    /// What is logged, for example info,auth_consistency=debug
    #[arg(long, value_name = "FILTER", env = "AUTHCON_LOG_FILTER")]
    log_filter: Option<String>,
}

/// Flags about who leads.
#[derive(Args, Clone, Debug)]
struct ElectionFlags {
    /// Stand by until this replica holds the Lease; needs rights on it
    #[arg(long)]
    leader_election: bool,
    /// Name of the Lease, the same for all replicas of one operator
    #[arg(long, value_name = "NAME", default_value = "auth-consistency")]
    lease_name: String,
    /// Namespace of the Lease; else the pod's own, or that of the kubeconfig
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// How long the others wait before they take a Lease that is not renewed
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::parse)]
    lease_duration: Duration,
    /// How long the leader goes on without a renewal; shorter than the duration
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    lease_renew_deadline: Duration,
    /// Time between two renewals
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse)]
    lease_retry_period: Duration,
}

impl ElectionFlags {
    fn election(self) -> Result<Option<Election>, String> {
        if !self.leader_election {
            return Ok(None);
        }
        let terms = Terms::new(self.lease_duration, self.lease_renew_deadline, self.lease_retry_period)?;
        // A variable or value that was left empty is none.
        let namespace = self.lease_namespace.filter(|namespace| !namespace.is_empty());
        Ok(Some(Election { lease: self.lease_name, namespace, terms }))
    }
}

impl Flags {
    fn settings(self) -> Result<Settings, String> {
        Ok(Settings {
            listen: self.listen,
            session_reset: self.session_reset_address.map(|address| (address, self.session_reset.page())),
            namespaces: self.namespace,
            selection: self.watch_selector.unwrap_or_default(),
            election: self.election.election()?,
            require_secret_label: self.require_secret_label,
            reads: Reads { endpoints: self.probe_endpoints, workloads: self.read_workloads },
            hosts: HostSettings {
                resolve: self.resolve,
                allow_probe: self.allow_probe_host,
                allow_database: self.allow_database_host,
                cluster_domain: self.cluster_domain,
                ..HostSettings::default()
            },
            limits: Limits {
                passes: self.concurrent_passes,
                connections_per_server: self.connections_per_server,
            },
            instance: self.pod_name,
            kubeconfig: self.kubeconfig,
        })
    }
}

/// Runs the controller until the process is told to end.
///
/// # Errors
/// It cannot be started, or cannot go on.
pub(super) async fn run(flags: Flags) -> Result<Output, CliError> {
    // An empty variable is one that the chart left empty.
    let filter = flags.log_filter.as_deref().filter(|filter| !filter.is_empty());
    telemetry::init(flags.log_format, filter).map_err(|error| CliError::Usage(error.to_string()))?;
    let settings = flags.settings().map_err(CliError::Usage)?;
    let ended = crate::controller::run(settings).await;
    ended.map(|()| Output::new("", Exit::Fine)).map_err(|error| CliError::CouldNotTell(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Only {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn the_charts_arguments_are_understood() {
        let only = Only::try_parse_from([
            "run",
            "--listen=0.0.0.0:9090",
            "--namespace=a",
            "--namespace=b",
            "--require-secret-label",
            "--allow-probe-host=*.example.com:8443",
            "--probe-endpoints",
            "--read-workloads",
            "--allow-database-host=db.example.com",
            "--resolve=api.probeops.svc:8000:127.0.0.1",
            "--concurrent-passes=16",
            "--connections-per-server=2",
            "--session-reset-address=0.0.0.0:8082",
            "--session-reset-path=/auth/reset",
            "--session-reset-sign-in=/login",
            "--session-reset-app-name=ProbeOps",
            "--session-reset-cookie=access_token",
            "--session-reset-cookie=refresh_token;path=/auth",
            "--watch-selector=shard in (a, b),!test",
            "--leader-election",
            "--lease-name=shard-a",
            "--lease-namespace=operators",
            "--lease-duration=30s",
            "--lease-renew-deadline=20s",
            "--lease-retry-period=3s",
        ])
        .unwrap();
        let settings = only.flags.settings().unwrap();
        let election = settings.election.unwrap();
        assert_eq!((election.lease.as_str(), election.namespace.as_deref()), ("shard-a", Some("operators")));
        assert_eq!((election.terms.duration.as_secs(), election.terms.deadline.as_secs()), (30, 20));
        assert_eq!(settings.selection.as_query().as_deref(), Some("shard in (a,b),!test"));
        assert_eq!(settings.namespaces, ["a", "b"]);
        assert_eq!(settings.listen.port(), 9090);
        assert!(settings.require_secret_label);
        assert_eq!(settings.reads, Reads { endpoints: true, workloads: true });
        assert_eq!(settings.hosts.resolve.len(), 1);
        assert_eq!(settings.hosts.cluster_domain, "cluster.local");
        assert_eq!((settings.limits.passes.get(), settings.limits.connections_per_server.get()), (16, 2));
        let (address, page) = settings.session_reset.unwrap();
        assert_eq!(address.port(), 8082);
        assert_eq!(
            (page.path.to_string().as_str(), page.sign_in.to_string().as_str()),
            ("/auth/reset", "/login")
        );
        assert_eq!(page.cookies.len(), 2);
    }

    #[test]
    fn no_pass_at_all_and_no_connection_is_refused() {
        for flag in ["--concurrent-passes=0", "--connections-per-server=0", "--concurrent-passes=many"] {
            assert!(Only::try_parse_from(["run", flag]).is_err(), "{flag} was taken");
        }
    }

    #[test]
    fn times_of_the_lease_that_do_not_fit_and_what_is_no_selector_are_refused() {
        let only = |flags: &[&str]| Only::try_parse_from([&["run"], flags].concat());
        let late = only(&["--leader-election", "--lease-renew-deadline=15s"]).unwrap();
        assert!(late.flags.settings().unwrap_err().contains("--lease-renew-deadline must be shorter"));
        let unused = only(&["--lease-renew-deadline=15s"]).unwrap();
        assert!(unused.flags.settings().unwrap().election.is_none());
        for flag in ["--watch-selector=a b", "--watch-selector=", "--lease-duration=soon"] {
            assert!(only(&[flag]).is_err(), "{flag} was taken");
        }
    }

    #[test]
    fn no_page_is_served_unless_an_address_is_given() {
        let only = Only::try_parse_from(["run"]).unwrap();
        let settings = only.flags.settings().unwrap();
        assert!(settings.session_reset.is_none());
        assert_eq!(settings.reads, Reads::default(), "no right is asked for unless a flag does");
    }

    #[test]
    fn a_sign_in_page_elsewhere_is_refused() {
        for elsewhere in ["https://example.com/", "//example.com", "login"] {
            let flag = format!("--session-reset-sign-in={elsewhere}");
            assert!(Only::try_parse_from(["run", &flag]).is_err(), "{elsewhere} was taken");
        }
    }
}
