//! TLS to a PostgreSQL server: its certificate must prove its name.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_postgres_rustls_improved::MakeRustlsConnect;

use crate::Error;

/// Trusts what these authorities signed, or without them the machine's own.
///
/// **Errors**: there are none, or their file can't be read.
pub(super) fn connector(authorities: Option<&Path>) -> Result<MakeRustlsConnect, Error> {
    let roots = match authorities {
        Some(path) => from_file(path)?,
        None => of_machine()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn from_file(path: &Path) -> Result<RootCertStore, Error> {
    let bad = |error: &dyn std::fmt::Display| failed(&format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    match roots.is_empty() {
        true => Err(bad(&"there is no certificate in it")),
        false => Ok(roots),
    }
}

fn of_machine() -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match roots.is_empty() {
        true => {
            Err(failed(&"this machine has no certificate authorities (install ca-certificates)"))
        }
        false => Ok(roots),
    }
}

fn failed(reason: &dyn std::fmt::Display) -> Error {
    Error::Database { reason: format!("TLS to PostgreSQL: {reason}"), retryable: false }
}
