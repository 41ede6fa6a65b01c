//! Certificates: whom they name, when they end, and who signed them.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::*;
use crate::domain::target::certificates::Authorities;

/// A directory with an authority and what it signs; it goes with this value.
struct Office(PathBuf);

impl Drop for Office {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Office {
    fn open() -> Self {
        let office = Self(std::env::temp_dir().join(format!("authcon-tls-{:x}", rand::random::<u64>())));
        std::fs::create_dir_all(&office.0).unwrap();
        office.selfsigned("ca", "the authority");
        office
    }

    fn openssl(&self, arguments: &[&str]) {
        let output = Command::new("openssl").current_dir(&self.0).args(arguments).output().unwrap();
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }

    const KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];

    fn selfsigned(&self, file: &str, name: &str) {
        let (key, certificate, subject) =
            (format!("{file}.key"), format!("{file}.crt"), format!("/CN={name}"));
        let alternative = format!("subjectAltName=DNS:{}", name.replace(' ', "-"));
        let rest = [
            "-nodes",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            &alternative,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        self.openssl(&[&["req", "-x509"], &Self::KEY[..], &rest].concat());
    }

    fn signed(&self, file: &str, name: &str, days: &str) {
        let (key, request, certificate) =
            (format!("{file}.key"), format!("{file}.csr"), format!("{file}.crt"));
        let alternative = format!("subjectAltName=DNS:{name}");
        let rest = ["-nodes", "-subj", "/CN=x", "-addext", &alternative, "-keyout", &key, "-out", &request];
        self.openssl(&[&["req", "-new"], &Self::KEY[..], &rest].concat());
        self.openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-set_serial",
            "7",
            "-days",
            days,
            "-copy_extensions",
            "copy",
            "-out",
            &certificate,
        ]);
    }

    fn read(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.0.join(file)).unwrap()
    }

    fn authorities(&self, file: &str) -> Option<Authorities> {
        Some(Authorities::parse(&self.read(file)).unwrap())
    }

    /// Serves this certificate, and 200 to whoever takes it.
    fn serve(&self, file: &str) -> SocketAddr {
        let path = |end: &str| -> PathBuf { Path::new(&self.0).join(format!("{file}.{end}")) };
        let chain = vec![CertificateDer::from_pem_file(path("crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(path("key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let (config, listener) = (Arc::new(config), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                    let _ = stream.flush();
                }
            }
        });
        address
    }

    async fn ask(&self, server: &str, authorities: Option<Authorities>) -> Answer {
        let address = self.serve(server);
        let resolve = format!("api.shop.svc:{}:127.0.0.1", address.port()).parse().unwrap();
        let policy = HostPolicy::operator(HostSettings { resolve: vec![resolve], ..HostSettings::default() });
        let url = format!("https://api.shop.svc:{}/me", address.port());
        let verifier = Verifier { authorities, ..verifier(&url) };
        ask(&verifier, &GENUINE.into(), &route(&policy)).await
    }
}

#[tokio::test]
async fn only_the_right_authority_for_the_right_name_at_the_right_time_gets_the_token() {
    let office = Office::open();
    office.signed("right", "api.shop.svc", "2");
    office.signed("other", "api.elsewhere.svc", "2");
    office.signed("expired", "api.shop.svc", "-1");
    office.selfsigned("stranger", "api.shop.svc");
    let ours = || office.authorities("ca.crt");
    assert_eq!(office.ask("right", ours()).await, Answer::Accepted { status: 200 });
    for (server, authorities, word) in [
        ("other", ours(), "not valid for name"),
        ("expired", ours(), "Expired"),
        ("stranger", ours(), "invalid peer certificate"),
        ("right", office.authorities("stranger.crt"), "invalid peer certificate"),
    ] {
        let why = why(office.ask(server, authorities).await);
        assert!(
            why.contains(word) && why.contains("its dates") && !why.contains("canary"),
            "{server}: {why}"
        );
    }
    // The machine's own authorities, where it has any, know neither.
    for server in ["right", "stranger"] {
        let why = why(office.ask(server, None).await);
        assert!(why.contains("gives no answer") && !why.contains("canary"), "{server}: {why}");
    }
}

#[tokio::test]
async fn an_endpoint_must_show_the_services_certificate() {
    let office = Office::open();
    office.signed("right", "api.shop.svc", "2");
    office.signed("other", "api-7c9.shop.pod", "2");
    let policy = HostPolicy::unrestricted(vec![]);
    for (server, accepted) in [("right", true), ("other", false)] {
        let verifier =
            Verifier { authorities: office.authorities("ca.crt"), ..verifier("https://api.shop.svc/me") };
        let answer = ask(&verifier.at(office.serve(server)), &GENUINE.into(), &route(&policy)).await;
        assert_eq!(answer == Answer::Accepted { status: 200 }, accepted, "{server}: {answer:?}");
    }
}

#[test]
fn a_bundle_of_several_authorities_is_taken_whole_or_not_at_all() {
    let office = Office::open();
    office.selfsigned("second", "another authority");
    let mut bundle = office.read("ca.crt");
    bundle.extend(office.read("ca.key"));
    bundle.extend(office.read("second.crt"));
    assert_eq!(Authorities::parse(&bundle).unwrap().certificates().count(), 2);
    bundle.extend(b"-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n");
    let refused = Authorities::parse(&bundle).unwrap_err().to_string();
    assert!(refused.contains("certificate 3") && !refused.contains("canary"), "{refused}");
    let many = office.read("ca.crt").repeat(65);
    assert!(Authorities::parse(&many).unwrap_err().to_string().contains("more than 64"));
}
