//! `run`: the controller.

use std::{net::SocketAddr, num::NonZeroU16, path::PathBuf};

use clap::Args;

use super::{
    output::{CliError, Exit, Output},
    session_reset::PageFlags,
};
use crate::controller::{Limits, Reads, Settings};
use crate::{
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

impl Flags {
    fn settings(self) -> Settings {
        Settings {
            listen: self.listen,
            session_reset: self.session_reset_address.map(|address| (address, self.session_reset.page())),
            namespaces: self.namespace,
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
        }
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
    let ended = crate::controller::run(flags.settings()).await;
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
        ])
        .unwrap();
        let settings = only.flags.settings();
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
    fn no_page_is_served_unless_an_address_is_given() {
        let only = Only::try_parse_from(["run"]).unwrap();
        let settings = only.flags.settings();
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
