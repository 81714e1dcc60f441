//! A push service and the browsers subscribed to it: encrypted like a real one, it answers as told,
//! and what reached it can be opened and checked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::signature::{self, ECDSA_P256_SHA256_FIXED};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Longest wait for a message.
const PATIENCE: Duration = Duration::from_secs(60);
/// Messages that may wait to be looked at.
const RECEIVED_MAX: usize = 64;

/// A message as it reached the service.
#[derive(Debug)]
pub struct Received {
    /// The request's path.
    pub path: String,
    /// Its headers, their names in small letters.
    pub headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// The service.
pub struct PushService {
    /// `https://localhost:PORT`.
    pub url: String,
    /// The certificate to be trusted, as PEM.
    pub certificate: String,
    answers: Arc<Mutex<VecDeque<String>>>,
    received: mpsc::Receiver<Received>,
    task: JoinHandle<()>,
}

impl Drop for PushService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PushService {
    /// Starts on a free port.
    ///
    /// # Panics
    /// When it can't.
    pub async fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate is made");
        let key = made.signing_key.serialize_der().try_into().expect("it is a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                let chain = vec![made.cert.der().clone()];
                builder.with_no_client_auth().with_single_cert(chain, key)
            });
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("the certificate is usable")));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let answers = Arc::<Mutex<VecDeque<String>>>::default();
        let (sender, received) = mpsc::channel(RECEIVED_MAX);
        let scripted = Arc::clone(&answers);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not trust the certificate leaves here.
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                serve(stream, &scripted, &sender).await;
            }
        });
        let (url, certificate) = (format!("https://localhost:{port}"), made.cert.pem());
        Self { url, certificate, answers, received, task }
    }

    /// Answers the next message like this, such as `503 Busy` with further header lines; those
    /// without an answer given are taken.
    pub fn answer(&self, lines: &str) {
        self.answers.lock().expect("nothing panics while it holds it").push_back(lines.to_owned());
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes within a minute.
    pub async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        next.expect("a message comes").expect("the service runs")
    }

    /// Whether nothing came that was not looked at.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Mutex<VecDeque<String>>,
    sender: &mpsc::Sender<Received>,
) {
    let mut stream = BufReader::new(stream);
    let Some(received) = read(&mut stream).await else { return };
    let answer = answers.lock().expect("nothing panics while it holds it").pop_front();
    let answer = answer.unwrap_or_else(|| "201 Created".to_owned()).replace('\n', "\r\n");
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    let _ = sender.send(received).await;
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let path = line.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { path, headers, body })
}

/// A browser with a subscription.
pub struct Subscriber {
    private: PrivateKey,
    public: Vec<u8>,
    auth: [u8; 16],
}

impl Default for Subscriber {
    fn default() -> Self {
        let private = PrivateKey::generate(&ECDH_P256).expect("random bytes");
        let public = private.compute_public_key().expect("a key").as_ref().to_vec();
        let mut auth = [0; 16];
        rand::fill(&mut auth).expect("random bytes");
        Self { private, public, auth }
    }
}

impl Subscriber {
    /// The keys it gives away.
    pub fn keys(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "p256dh": encode(&self.public), "auth": encode(&self.auth) })
    }

    /// What a message says to it.
    ///
    /// # Panics
    /// When it is for somebody else, or damaged.
    pub fn open(&self, received: &Received) -> Value {
        let (salt, rest) = received.body.split_at(16);
        let (record, rest) = rest.split_at(4);
        assert_eq!(record, 4096_u32.to_be_bytes());
        let (sender, sealed) = rest[1..].split_at(usize::from(rest[0]));
        let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
        let shared = agree(&self.private, peer, (), |secret| Ok(secret.to_vec()));
        let info = [b"WebPush: info\0".as_slice(), &self.public, sender].concat();
        let input = derive(&self.auth, &shared.expect("a point of the curve"), &info);
        let key = derive(salt, &input, b"Content-Encoding: aes128gcm\0");
        let nonce = derive(salt, &input, b"Content-Encoding: nonce\0");
        let key = UnboundKey::new(&AES_128_GCM, &key[..16]).expect("16 bytes");
        let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).expect("12 bytes");
        let mut text = sealed.to_vec();
        let opened = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), &mut text);
        let opened = opened.expect("it is sealed for this browser");
        let (text, mark) = opened.split_at(opened.len() - 1);
        assert_eq!(mark, [2], "it is the last record");
        serde_json::from_slice(text).expect("JSON")
    }
}

fn derive(salt: &[u8], input: &[u8], info: &[u8]) -> [u8; 32] {
    let mac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    let extracted = mac(salt, input);
    let block = mac(extracted.as_ref(), &[info, &[1]].concat());
    block.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl Received {
    /// A header that must be there.
    ///
    /// # Panics
    /// When it is not.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers))
    }

    /// What the server says of itself, signed with this key.
    ///
    /// # Panics
    /// When it is not.
    pub fn claims(&self, public_key: &str) -> Value {
        let vapid = self.header("authorization").strip_prefix("vapid t=").expect("VAPID");
        let (token, key) = vapid.split_once(", k=").expect("a key");
        assert_eq!(key, public_key, "the key browsers subscribed with");
        let (said, signature) = token.rsplit_once('.').expect("a signature");
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let key = signature::UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key));
        key.verify(said.as_bytes(), &decode(signature)).expect("it is signed with that key");
        let (_, claims) = said.split_once('.').expect("claims");
        serde_json::from_slice(&decode(claims)).expect("JSON")
    }
}
