//! Which pods stand behind a Service, from its EndpointSlices (discovery.k8s.io/v1).

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::{Endpoint as SliceEndpoint, EndpointPort, EndpointSlice},
};

/// How many pods of one Service are asked at a time; the others follow by turns.
pub const MOST_ASKED: usize = 20;

/// One ready pod, or whatever else stands behind a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the pod; the address where no pod is named.
    pub pod: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Whether the Service itself must be read to know which port of the slices is meant.
pub fn needs_service(slices: &[EndpointSlice]) -> bool {
    port_names(slices).len() > 1
}

/// The endpoints that are ready and not about to end, in the order of their names, each pod once (its IPv4
/// address where it has both). `port` is the Service's.
///
/// # Errors
/// The Service has no such port.
pub fn ready(
    slices: &[EndpointSlice],
    service: Option<&Service>,
    port: u16,
) -> Result<Vec<Endpoint>, String> {
    let names = port_names(slices);
    let name = match service {
        _ if names.len() <= 1 => names.into_iter().next().unwrap_or_default(),
        Some(service) => {
            let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            let meant =
                ports.into_iter().find(|one| one.port == i32::from(port) && tcp(one.protocol.as_deref()));
            match meant {
                Some(meant) => meant.name.clone().unwrap_or_default(),
                None => return Err(format!("the Service has no port {port}")),
            }
        }
        None => {
            return Err(format!("the Service has several ports, and which of them is {port} is not known"));
        }
    };
    let mut slices: Vec<&EndpointSlice> = slices.iter().collect();
    slices.sort_by(|one, other| one.address_type.cmp(&other.address_type));
    let mut found: Vec<Endpoint> = Vec::new();
    let (mut pods, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    for slice in slices {
        let mut ports = slice.ports.iter().flatten().filter(|one| tcp(one.protocol.as_deref()));
        let port = ports.find(|one| port_name(one) == name).and_then(|one| one.port);
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0) else {
            continue;
        };
        for one in slice.endpoints.iter().filter(|one| is_ready(one)) {
            // Those of one endpoint lead to the same pod.
            let Some(ip) = one.addresses.iter().find_map(|text| text.parse::<IpAddr>().ok()) else {
                continue;
            };
            let address = SocketAddr::new(ip, port);
            let named = one.target_ref.as_ref().filter(|target| target.kind.as_deref() == Some("Pod"));
            let pod = named.and_then(|pod| pod.name.clone()).unwrap_or_else(|| ip.to_string());
            if !pods.contains(&pod) && !addresses.contains(&address) {
                pods.insert(pod.clone());
                addresses.insert(address);
                found.push(Endpoint { pod, address });
            }
        }
    }
    found.sort_by(|one, other| (&one.pod, one.address).cmp(&(&other.pod, other.address)));
    Ok(found)
}

/// Those whose turn it is: [`MOST_ASKED`] of them from number `from` on, and round.
pub fn turn(mut endpoints: Vec<Endpoint>, from: usize) -> Vec<Endpoint> {
    if endpoints.len() > MOST_ASKED {
        let all = endpoints.len();
        endpoints.rotate_left(from % all);
        endpoints.truncate(MOST_ASKED);
    }
    endpoints
}

/// A condition that nobody filled in means ready, by the API's own words.
fn is_ready(endpoint: &SliceEndpoint) -> bool {
    let Some(conditions) = &endpoint.conditions else { return true };
    conditions.ready != Some(false)
        && conditions.serving != Some(false)
        && conditions.terminating != Some(true)
}

fn port_names(slices: &[EndpointSlice]) -> BTreeSet<String> {
    let ports = slices.iter().flat_map(|slice| slice.ports.iter().flatten());
    ports.filter(|one| tcp(one.protocol.as_deref())).map(port_name).collect()
}

fn port_name(port: &EndpointPort) -> String {
    port.name.clone().unwrap_or_default()
}

fn tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol == "TCP")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slices(slices: Value) -> Vec<EndpointSlice> {
        serde_json::from_value(slices).unwrap()
    }

    fn slice(kind: &str, ports: Value, endpoints: Value) -> Value {
        json!({"addressType": kind, "metadata": {"name": kind}, "ports": ports, "endpoints": endpoints})
    }

    fn pod(name: &str, address: &str, conditions: Value) -> Value {
        json!({"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": name}})
    }

    fn names(endpoints: &[Endpoint]) -> Vec<String> {
        endpoints.iter().map(|one| format!("{} {}", one.pod, one.address)).collect()
    }

    #[test]
    fn ready_pods_are_taken_once_each_and_those_that_end_are_left_alone() {
        let port = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
        let slices = slices(json!([
            slice(
                "IPv6",
                port.clone(),
                json!([pod("b", "fd00::2", json!({})), pod("six", "fd00::6", json!({}))])
            ),
            slice(
                "IPv4",
                port.clone(),
                json!([
                    pod("b", "10.0.0.2", json!({"ready": true})),
                    pod("a", "10.0.0.1", json!({})),
                    pod("unready", "10.0.0.3", json!({"ready": false})),
                    pod("ending", "10.0.0.4", json!({"ready": true, "serving": true, "terminating": true})),
                    pod("published", "10.0.0.5", json!({"ready": true, "serving": false})),
                    {"addresses": ["10.0.0.9"]},
                    {"addresses": ["10.0.0.9"]},
                ])
            ),
            slice("FQDN", port.clone(), json!([{"addresses": ["api.example.com"]}])),
        ]));
        assert!(!needs_service(&slices));
        let ready = ready(&slices, None, 80).unwrap();
        assert_eq!(
            names(&ready),
            ["10.0.0.9 10.0.0.9:8080", "a 10.0.0.1:8080", "b 10.0.0.2:8080", "six [fd00::6]:8080"]
        );
    }

    #[test]
    fn a_port_is_found_by_the_name_that_the_service_gives_it_and_may_differ_from_slice_to_slice() {
        let two = |http: i32| {
            json!([{"name": "metrics", "port": 9090}, {"name": "http", "port": http},
                   {"name": "dns", "port": 53, "protocol": "UDP"}])
        };
        let slices = slices(json!([
            slice("IPv4", two(8080), json!([pod("old", "10.0.0.1", json!({}))])),
            slice("IPv4", two(8443), json!([pod("new", "10.0.0.2", json!({}))])),
            slice("IPv4", json!([{"name": "http"}]), json!([pod("any", "10.0.0.3", json!({}))])),
        ]));
        assert!(needs_service(&slices));
        let service = |ports: Value| -> Service {
            serde_json::from_value(json!({"metadata": {}, "spec": {"ports": ports}})).unwrap()
        };
        let named = service(json!([{"name": "metrics", "port": 9090}, {"name": "http", "port": 80}]));
        let found = ready(&slices, Some(&named), 80).unwrap();
        assert_eq!(names(&found), ["new 10.0.0.2:8443", "old 10.0.0.1:8080"]);
        assert!(ready(&slices, Some(&named), 81).unwrap_err().contains("no port 81"));
        assert!(ready(&slices, None, 80).is_err());
    }

    #[test]
    fn a_service_without_slices_has_nobody_behind_it() {
        assert_eq!(ready(&[], None, 80), Ok(Vec::new()));
        assert!(!needs_service(&[]));
        let hostile = slices(json!([
            slice("IPv4", json!([{"name": "", "port": 0}]), json!([pod("a", "10.0.0.1", json!({}))])),
            slice("IPv4", json!([{"name": "", "port": 70000}]), json!([pod("a", "10.0.0.1", json!({}))])),
            slice("IPv4", json!(null), json!([pod("a", "10.0.0.1", json!({}))])),
        ]));
        assert_eq!(ready(&hostile, None, 80), Ok(Vec::new()));
    }

    #[test]
    fn everybody_has_a_turn() {
        let all: Vec<Endpoint> = (0..50)
            .map(|at| Endpoint { pod: format!("{at}"), address: SocketAddr::from(([10, 0, 0, at], 80)) })
            .collect();
        let mut asked = BTreeSet::new();
        for round in 0..3 {
            let turn = turn(all.clone(), round * MOST_ASKED);
            assert_eq!(turn.len(), MOST_ASKED);
            asked.extend(turn.into_iter().map(|one| one.pod));
        }
        assert_eq!(asked.len(), 50);
        assert_eq!(turn(all[..3].to_vec(), 41), all[..3], "few are asked in their own order");
    }
}
