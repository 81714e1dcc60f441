//! TLS: the operator's certificate, or one made at first use.

use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::error::Error;
use crate::options::{Options, Tls};

/// A certificate in use.
pub(crate) struct Served {
    pub(crate) acceptor: TlsAcceptor,
    /// SHA-256 of the leaf certificate, as `AB:CD:…`.
    pub(crate) fingerprint: String,
}

/// Loads or makes the certificate.
///
/// **Errors**: [`Error::Tls`] and [`Error::File`] with the file at fault.
pub(crate) fn load(options: &Options) -> Result<Option<Served>, Error> {
    let (certificate, key) = match &options.tls {
        Tls::Off => return Ok(None),
        Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
        Tls::SelfSigned => self_signed(options)?,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| Error::Tls(format!("{}: {error}", certificate.display())))?;
    let leaf = chain
        .first()
        .ok_or_else(|| Error::Tls(format!("{} holds no certificate", certificate.display())))?;
    let fingerprint = fingerprint(leaf);
    let key = PrivateKeyDer::from_pem_file(&key)
        .map_err(|error| Error::Tls(format!("{}: {error}", key.display())))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| Error::Tls(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Served { acceptor: TlsAcceptor::from(Arc::new(config)), fingerprint }))
}

fn fingerprint(leaf: &CertificateDer<'_>) -> String {
    let hash = digest(&SHA256, leaf);
    let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// The certificate in the data directory, made when there is none.
fn self_signed(options: &Options) -> Result<(PathBuf, PathBuf), Error> {
    let dir = options.data_dir.join("tls");
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.push(options.listen.ip().to_string());
    names.extend(
        options
            .allowed_hosts
            .iter()
            .map(|host| host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned()),
    );
    let made = rcgen::generate_simple_self_signed(names)
        .map_err(|error| Error::Tls(format!("can't make a certificate: {error}")))?;
    crate::files::make_private_dir(&dir)?;
    crate::files::write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
    crate::files::write_private(&certificate, made.cert.pem().as_bytes())?;
    tracing::info!(path = %certificate.display(), "made a self-signed certificate");
    Ok((certificate, key))
}
