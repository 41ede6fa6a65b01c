use super::*;

fn settings() -> HostSettings {
    HostSettings {
        resolve: vec![
            "api.shop.svc:8000:127.0.0.1".parse().unwrap(),
            "db.test:5432:127.0.0.1".parse().unwrap(),
        ],
        api_server: Some(("10.96.0.1".into(), 443)),
        api_server_addresses: vec!["192.0.2.10".parse().unwrap()],
        ..HostSettings::default()
    }
}

fn policy() -> HostPolicy {
    HostPolicy::operator(settings())
}

fn name(name: &str) -> Way {
    Way::Lookup(name.into())
}

#[test]
fn a_probe_finds_a_service_of_its_own_namespace_in_every_spelling() {
    for host in ["web", "WEB", "web.shop", "web.shop.svc", "web.shop.svc.", "web.shop.svc.cluster.local"] {
        assert_eq!(
            policy().way_to_probe("shop", host, 80),
            Ok(name("web.shop.svc.cluster.local.")),
            "{host}"
        );
    }
}

#[test]
fn a_namespace_called_svc_takes_nobody_elses_names() {
    let policy = policy();
    assert_eq!(policy.way_to_probe("svc", "api.svc", 80), Ok(name("api.svc.svc.cluster.local.")));
    assert!(policy.way_to_probe("svc", "api.shop.svc", 80).is_err());
    assert_eq!(policy.way_to_database("shop", "db.data.svc", 1), Ok(name("db.data.svc.cluster.local.")));
    assert_eq!(
        policy.way_to_database("shop", "db-0.db.data.svc.cluster.local", 1),
        Ok(name("db-0.db.data.svc.cluster.local."))
    );
}

#[test]
fn a_probe_elsewhere_is_refused() {
    for host in [
        "api.other.svc",
        "api.other",
        "api.other.svc.cluster.local",
        "pod.api.shop.svc",
        "api.shop.svc.example.com",
        "api.shop.example.com",
        "example.com",
        "shop.svc",
    ] {
        let refused = policy().way_to_probe("shop", host, 80).unwrap_err();
        assert!(matches!(refused, HostRefused::NotInNamespace { .. }), "{host}: {refused}");
        assert!(refused.is_forbidden());
        assert!(refused.to_string().contains("--allow-probe-host"));
    }
    for host in ["10.1.2.3", "[fd00::1]", "fd00::1", "::ffff:10.1.2.3"] {
        let refused = policy().way_to_probe("shop", host, 80).unwrap_err();
        assert_eq!(refused, HostRefused::BareAddress { host: host.into() });
    }
}

#[test]
fn what_is_no_host_is_refused_without_repeating_it() {
    let long = "a".repeat(64);
    for host in [
        "",
        ".",
        "a..b",
        "a b",
        "/var/run/postgresql",
        "pa@ss",
        "ü.de",
        "127.1",
        "0x7f000001",
        "1",
        "fe80::1%eth0",
        "[::1",
        &long,
    ] {
        assert_eq!(policy().way_to_probe("shop", host, 80), Err(HostRefused::NotAHost), "{host}");
        assert_eq!(policy().way_to_database("shop", host, 80), Err(HostRefused::NotAHost), "{host}");
        let person = HostPolicy::unrestricted(vec![]);
        assert_eq!(person.way_to_database("shop", host, 80), Err(HostRefused::NotAHost), "{host}");
    }
}

#[test]
fn flags_allow_further_probe_hosts() {
    let policy = HostPolicy::operator(HostSettings {
        allow_probe: [
            "sso.example.com:443",
            "*.apps.example.com",
            "10.1.2.3",
            "[fd00::1]:8443",
            "api.other.svc",
        ]
        .map(|flag| flag.parse().unwrap())
        .into(),
        ..settings()
    });
    let allowed = |host, port| policy.way_to_probe("shop", host, port).is_ok();
    assert!(allowed("SSO.example.com", 443) && !allowed("sso.example.com", 80));
    assert!(allowed("a.apps.example.com", 1) && allowed("a.b.apps.example.com", 1));
    assert!(!allowed("apps.example.com", 1) && !allowed("badapps.example.com", 1));
    assert!(allowed("10.1.2.3", 1) && !allowed("10.1.2.4", 1));
    assert!(allowed("[fd00::1]", 8443) && !allowed("[fd00::1]", 80));
    assert!(allowed("api.other.svc", 80) && !allowed("api.other", 80));
}

#[test]
fn no_flag_allows_the_api_server() {
    let policy = HostPolicy::operator(HostSettings {
        allow_probe: ["*.svc", "*.default", "k8s.example.com"].map(|flag| flag.parse().unwrap()).into(),
        api_server: Some(("k8s.example.com".into(), 6443)),
        ..settings()
    });
    for (namespace, host) in [
        ("shop", "kubernetes.default"),
        ("shop", "kubernetes.default.svc"),
        ("default", "kubernetes"),
        ("default", "kubernetes.default.svc.cluster.local"),
        ("shop", "k8s.example.com"),
    ] {
        let refused = Err(HostRefused::ApiServer { host: host.into() });
        assert_eq!(
            policy.way_to_probe(namespace, host, 443).map_err(|error| match error {
                // Not allowed by a flag either, which is as good.
                HostRefused::NotInNamespace { host, .. } => HostRefused::ApiServer { host },
                other => other,
            }),
            refused
        );
        assert_eq!(policy.way_to_database(namespace, host, 443), refused, "{host}");
    }
    assert!(policy.way_to_probe("shop", "kubernetes", 443).is_ok(), "their own Service of that name");
}

#[test]
fn databases_are_allowed_anywhere_until_a_flag_names_some() {
    assert_eq!(policy().way_to_database("shop", "rds.example.com", 5432), Ok(name("rds.example.com")));
    assert_eq!(
        policy().way_to_database("shop", "10.1.2.3", 5432),
        Ok(Way::Address("10.1.2.3".parse().unwrap()))
    );
    assert_eq!(
        policy().way_to_database("shop", "postgres", 5432),
        Ok(name("postgres.shop.svc.cluster.local."))
    );

    let narrow = HostPolicy::operator(HostSettings {
        allow_database: ["*.rds.example.com:5432", "*.shop.svc"].map(|flag| flag.parse().unwrap()).into(),
        ..settings()
    });
    assert!(narrow.way_to_database("shop", "a.rds.example.com", 5432).is_ok());
    assert!(narrow.way_to_database("shop", "postgres", 5432).is_ok(), "allowed by its full name");
    for host in ["rds.example.com", "10.1.2.3", "other.example.com", "postgres.other"] {
        let refused = narrow.way_to_database("shop", host, 5432);
        assert_eq!(refused, Err(HostRefused::DatabaseNotAllowed { host: host.into() }));
    }
}

#[test]
fn some_addresses_are_never_admitted() {
    for address in [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "::ffff:0:7f00:1",
        "2002:7f00:1::",
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "febf::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "10.96.0.1",
        "192.0.2.10",
        "::ffff:10.96.0.1",
        // Metadata services over IPv6.
        "fd00:ec2::23",
        "fd00:ec2::253",
        "fd00:c1::a9fe:a9fe",
        "fd00:42::42",
        "fd00:a9fe:a9fe::1",
        // Translation within one's own network, by each length of prefix.
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:a9:fe:a9fe::",
        "64:ff9b:1:0:a9:fea9:fe00:0",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1:abcd::127.0.0.1",
        "64:ff9b:1::100.100.100.200",
        // Teredo: the server's address, and the client's with each bit turned.
        "2001:0:7f00:1::",
        "2001:0:a9fe:a9fe:8000:1234:3fff:fdd2",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        // ISATAP under any prefix.
        "2001:db8::5efe:169.254.169.254",
        "2001:db8:1:2:200:5efe:a9fe:a9fe",
        "fd00::5efe:7f00:1",
        "fe80::5efe:10.1.2.3",
        // 6to4.
        "2002:a9fe:a9fe::1",
        "2002:6464:64c8::",
        "2002:0a60:1::",
        "64:ff9b::10.96.0.1",
        "fd00::5efe:192.0.2.10",
    ] {
        let address: IpAddr = address.parse().unwrap();
        let beside = "10.1.2.3".parse().unwrap();
        let refused = policy().judge("db", 5432, vec![beside, address], false).unwrap_err();
        assert!(
            matches!(&refused, HostRefused::Address { address: named, .. } if *named == address),
            "{address}"
        );
        assert_eq!(
            HostPolicy::unrestricted(vec![]).judge("db", 5432, vec![address], false),
            Ok(vec![SocketAddr::new(address, 5432)])
        );
    }
    for address in [
        "10.1.2.3",
        "192.168.1.1",
        "fd00::1",
        "2001:db8::1",
        "8.8.8.8",
        "::ffff:10.1.2.3",
        "fd00:c1::1",
        "fd00:42::43",
        "64:ff9b:1::10.1.2.3",
        "64:ff9b:1:abcd::8.8.8.8",
        "2002:808:808::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::5efe:10.1.2.3",
        "2001:db8::5efe",
    ] {
        let address: IpAddr = address.parse().unwrap();
        assert!(policy().judge("db", 5432, vec![address, address], false).is_ok_and(|list| list.len() == 1));
    }
}

#[tokio::test]
async fn only_a_resolve_entry_leads_to_loopback() {
    let here = Ok(vec!["127.0.0.1:8000".parse().unwrap()]);
    for host in ["api", "api.shop", "api.shop.svc", "api.shop.svc.cluster.local"] {
        assert_eq!(policy().admit_probe("shop", host, 8000).await, here, "{host}");
    }
    let other_port = policy().way_to_probe("shop", "api", 8001);
    assert_eq!(other_port, Ok(name("api.shop.svc.cluster.local.")));
    assert_eq!(
        policy().admit_database("shop", "db.test", 5432).await,
        Ok(vec!["127.0.0.1:5432".parse().unwrap()])
    );
    // The entry vouches for the address, not for the name.
    assert!(policy().admit_probe("shop", "db.test", 5432).await.is_err());
    let literal = policy().admit_database("shop", "127.0.0.1", 5432).await.unwrap_err();
    assert!(literal.to_string().contains("a loopback address"));
    let person = HostPolicy::unrestricted(vec!["api.shop.svc:8000:[::1],127.0.0.1".parse().unwrap()]);
    assert_eq!(person.admit_probe("", "127.0.0.1", 8000).await, here);
    assert_eq!(
        person.admit_probe("", "api.shop.svc", 8000).await,
        Ok(vec!["[::1]:8000".parse().unwrap(), "127.0.0.1:8000".parse().unwrap()])
    );
}

#[test]
fn an_endpoint_is_asked_where_the_cluster_says_unless_that_is_out_of_reach_for_everyone() {
    let admit = |policy: &HostPolicy, endpoint: &str| policy.admit_endpoint(endpoint.parse().unwrap());
    for endpoint in ["10.244.0.7:8080", "[fd00::7]:8080", "192.168.1.1:1"] {
        assert_eq!(admit(&policy(), endpoint), Ok(vec![endpoint.parse().unwrap()]));
    }
    for endpoint in [
        "127.0.0.1:8000",
        "[::1]:8000",
        "[::ffff:127.0.0.1]:8000",
        "169.254.169.254:80",
        "[::ffff:169.254.169.254]:80",
        "[fd00:ec2::254]:80",
        "[fe80::1]:80",
        "0.0.0.0:80",
        "224.0.0.1:80",
        "10.96.0.1:443",
        "192.0.2.10:6443",
    ] {
        let refused = admit(&policy(), endpoint).unwrap_err();
        assert!(
            refused.is_forbidden() && matches!(refused, HostRefused::Address { .. }),
            "{endpoint}: {refused}"
        );
    }
    // Only who starts the operator leads an endpoint to loopback, and only this one, on this port.
    let resolve = ["10.244.0.7:8080:127.0.0.2", "[fd00::7]:8080:127.0.0.3", "10.244.0.8:80:169.254.169.254"];
    let policy = HostPolicy::operator(HostSettings {
        resolve: resolve.map(|flag| flag.parse().unwrap()).into(),
        ..settings()
    });
    assert_eq!(admit(&policy, "10.244.0.7:8080"), Ok(vec!["127.0.0.2:8080".parse().unwrap()]));
    assert_eq!(admit(&policy, "[fd00::7]:8080"), Ok(vec!["127.0.0.3:8080".parse().unwrap()]));
    assert_eq!(admit(&policy, "10.244.0.7:8081"), Ok(vec!["10.244.0.7:8081".parse().unwrap()]));
    assert!(admit(&policy, "10.244.0.8:80").is_err());
    assert!(admit(&policy, "127.0.0.2:8080").is_err());
    assert!(policy.way_to_probe("shop", "10.244.0.7", 8080).is_err(), "a resource names no address");
}

#[test]
fn a_verifiers_host_names_a_service_of_its_own_namespace_or_none() {
    for host in ["api", "API.shop", "api.shop.svc", "api.shop.svc.cluster.local."] {
        assert_eq!(policy().service("shop", host, 80).as_deref(), Some("api"), "{host}");
    }
    for host in ["api.other.svc", "pod.api.shop.svc", "example.com", "10.1.2.3", "", "a b"] {
        assert_eq!(policy().service("shop", host, 80), None, "{host}");
    }
    assert_eq!(HostPolicy::unrestricted(vec![]).service("shop", "api", 80), None);
    assert_eq!(policy().service("default", "kubernetes", 443), None, "its endpoints are the API server");
}

#[tokio::test]
async fn a_persons_probe_goes_to_no_metadata_service_by_accident() {
    let person = HostPolicy::unrestricted(vec![
        "metadata.test:80:169.254.169.254".parse().unwrap(),
        "api.test:80:10.0.0.1".parse().unwrap(),
    ]);
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd00:c1::a9fe:a9fe]",
        "[fd00:42::42]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2001:db8::5efe:a9fe:a9fe]",
        "[2001:0:4136:e378:8000:63bf:5601:5601]",
        "[fe80::1]",
        "100.100.100.200",
    ] {
        let refused = person.admit_probe("", host, 80).await.unwrap_err();
        assert!(
            refused.is_forbidden() && matches!(refused, HostRefused::Address { .. }),
            "{host}: {refused}"
        );
        assert!(person.admit_database("", host, 5432).await.is_ok(), "a database there gets no token");
    }
    // What they say themselves is meant, and so is their own machine.
    assert!(person.admit_probe("", "metadata.test", 80).await.is_ok());
    assert!(person.admit_probe("", "api.test", 80).await.is_ok());
    assert!(person.admit_probe("", "127.0.0.1", 80).await.is_ok());
    assert!(person.admit_probe("", "localhost", 80).await.is_ok());
}

#[tokio::test]
async fn the_operators_own_machine_is_refused_by_name_and_left_to_a_person() {
    for host in ["localhost", "LOCALHOST.", "db.localhost"] {
        let refused = policy().admit_database("shop", host, 5432).await;
        assert_eq!(refused, Err(HostRefused::OwnMachine { host: host.into() }));
    }
    assert!(policy().admit_probe("shop", "localhost", 80).await.is_err());
    let person = HostPolicy::unrestricted(vec![]).admit_database("shop", "localhost", 5432).await.unwrap();
    assert!(person.iter().all(|address| address.ip().is_loopback() && address.port() == 5432));
}

#[tokio::test]
async fn a_resolve_entry_opens_neither_the_metadata_service_nor_the_api_servers_port() {
    let policy = HostPolicy::operator(HostSettings {
        resolve: ["a.test:80:169.254.169.254", "k.test:6443:127.0.0.1", "b.test:5432:127.0.0.1"]
            .map(|flag| flag.parse().unwrap())
            .into(),
        api_server: Some(("127.0.0.1".into(), 6443)),
        ..HostSettings::default()
    });
    assert!(matches!(policy.admit_database("shop", "a.test", 80).await, Err(HostRefused::Address { .. })));
    assert!(matches!(policy.admit_database("shop", "k.test", 6443).await, Err(HostRefused::Address { .. })));
    assert!(policy.admit_database("shop", "b.test", 5432).await.is_ok());
}

#[tokio::test]
async fn a_name_without_an_address_breaks_no_rule() {
    let refused = policy().admit_database("shop", "nowhere.invalid", 5432).await.unwrap_err();
    assert!(matches!(refused, HostRefused::Unresolvable { .. }) && !refused.is_forbidden(), "{refused}");
    assert!(matches!(policy().judge("db", 1, vec![], false), Err(HostRefused::Unresolvable { .. })));
}

#[test]
fn flags_that_make_no_sense_say_what_to_write() {
    assert!("host:80:::1".parse::<ResolveEntry>().is_ok(), "curl takes it without brackets, too");
    assert!("10.1.2.3:80:127.0.0.1".parse::<ResolveEntry>().is_ok(), "an address that is elsewhere");
    assert!("[fd00::1]:80:[::1]".parse::<ResolveEntry>().is_ok());
    for flag in [
        "",
        "host",
        "host:80",
        "host:x:127.0.0.1",
        "host:99999:127.0.0.1",
        "host:80:elsewhere",
        "127.0.0.1:80:127.0.0.1",
        "[::1]:80:127.0.0.1",
        "169.254.169.254:80:10.1.2.3",
        "[::1",
        "]:80:127.0.0.1",
        "*:80:127.0.0.1",
        "host:80:",
    ] {
        assert!(flag.parse::<ResolveEntry>().is_err(), "{flag}");
    }
    for flag in ["", "*", "*.", "a:b", "a:99999", "*.10.0.0.1", "a b", "http://a", "[::1]x"] {
        assert!(flag.parse::<HostPattern>().is_err(), "{flag}");
    }
}
