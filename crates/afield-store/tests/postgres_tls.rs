//! TLS to a real PostgreSQL server: what proves its name is trusted, and nothing else.

#![expect(clippy::unwrap_used, reason = "a failure of the harness fails the test")]

use std::path::Path;

use afield_store::{Error, Location, Options, PostgresServer, Store};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use xtask::services::{Daemon, postgres};

/// A server of which an authority says that it is `name`.
struct Server {
    daemon: Daemon,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    async fn named(name: &str) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap());
        let (authority, key) = (authority.unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let (certificate, key) = (certificate.pem(), key.serialize_pem());
        let started = postgres::start_with_tls(Path::new("/tmp"), &certificate, &key).await;
        let (daemon, port) = started.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        Self { daemon, port, folder }
    }

    async fn open(&self, trusted: bool) -> Result<Store, Error> {
        let authorities = trusted.then(|| self.folder.path().join("authority.pem"));
        self.open_with(authorities).await
    }

    async fn open_with(&self, authorities: Option<std::path::PathBuf>) -> Result<Store, Error> {
        let connection =
            format!("postgres://postgres@localhost:{}/postgres?sslmode=require", self.port);
        let server = PostgresServer { connection, authorities };
        Store::open(Options::new(Location::Postgres(server))).await
    }
}

fn refused(opened: Result<Store, Error>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_server_that_proves_its_name_is_used_under_tls() {
    let server = Server::named("localhost").await;
    let store = server.open(true).await.unwrap();
    store.bootstrap(afield_proto::Timestamp::now()).await.unwrap();
    let folder = server.daemon.folder().display();
    let beside = format!("host={folder} port={} user=postgres", server.port);
    let (client, link) = tokio_postgres::connect(&beside, tokio_postgres::NoTls).await.unwrap();
    let link = tokio::spawn(link);
    let encrypted = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s \
        JOIN pg_stat_activity a ON a.pid = s.pid WHERE a.client_addr IS NOT NULL";
    assert!(client.query_one(encrypted, &[]).await.unwrap().get::<_, bool>(0));
    drop(client);
    link.await.unwrap().unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_or_another_name_is_refused() {
    let server = Server::named("localhost").await;
    let unknown = refused(server.open(false).await);
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    let other = Server::named("elsewhere.example").await;
    let name = refused(other.open(true).await);
    assert!(name.contains("not valid for name"), "{name}");
    let empty = other.folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let none = refused(other.open_with(Some(empty)).await);
    assert!(none.contains("no certificate in it"), "{none}");
}
