//! How a client is put together: address, token, TLS, layers.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{BoxError, Layer, Service};

use crate::client::bearer;
use crate::{Client, Connection, Error};

const ADDRESS_VARIABLE: &str = "CLAUDE_RUNNER_ADDRESS";
const TOKEN_VARIABLE: &str = "CLAUDE_RUNNER_TOKEN";
const DEFAULT_ADDRESS: &str = "127.0.0.1:7433";
const DEFAULT_PORT: u16 = 7433;

const USER_AGENT: &str = concat!("claude-runner-client-rust/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Pings while a call is silent, to notice a connection that is gone without a word. Servers object to more than one in
/// 30 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Builds a [`Client`]. Made by [`Client::builder`].
#[must_use = "a builder does nothing until it connects"]
pub struct ClientBuilder {
    address: String,
    token: Token,
    ca_file: Option<PathBuf>,
    retry: bool,
    layers: Vec<Box<dyn FnOnce(Connection) -> Connection + Send>>,
}

enum Token {
    FromEnv,
    Given(String),
    Absent,
}

impl ClientBuilder {
    pub(crate) fn new(address: String) -> Self {
        Self {
            address,
            token: Token::FromEnv,
            ca_file: None,
            retry: true,
            layers: Vec::new(),
        }
    }

    /// For the server that the environment names: `CLAUDE_RUNNER_ADDRESS`, `127.0.0.1:7433` when unset.
    pub fn from_env() -> Self {
        Self::new(variable(ADDRESS_VARIABLE).unwrap_or_else(|| DEFAULT_ADDRESS.to_owned()))
    }

    /// The token to send with every call, to this server only. Default: that of `CLAUDE_RUNNER_TOKEN`, or none when the
    /// variable is unset or empty.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Token::Given(token.into());
        self
    }

    /// Sends no token, whatever the environment says: for a server without authentication.
    pub fn without_token(mut self) -> Self {
        self.token = Token::Absent;
        self
    }

    /// Uses TLS, and trusts the certificate authorities in this PEM file in place of the system's.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Whether calls that the server refuses for the moment are sent again, see [`Client::with_retry`]. Default: true.
    pub fn retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    /// Puts a layer around the connection: an interceptor, tracing, metrics. It sees every attempt of every call and not
    /// the token, which is added underneath. Layers that are added later are further out.
    pub fn layer<L, S, B>(mut self, layer: L) -> Self
    where
        L: Layer<Connection, Service = S> + Send + 'static,
        S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.layers
            .push(Box::new(move |inner| Connection::over(layer.layer(inner))));
        self
    }

    /// Connects. Fails with UNAVAILABLE when no server is there.
    pub async fn connect(self) -> Result<Client, Error> {
        let endpoint = self.endpoint()?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| Error::unreachable(&self.address, &error))?;
        self.over(channel)
    }

    /// Gives a client at once that connects at its first call, which then fails when no server is there. Has to be
    /// called within a tokio runtime.
    pub fn connect_lazy(self) -> Result<Client, Error> {
        let channel = self.endpoint()?.connect_lazy();
        self.over(channel)
    }

    fn over(self, channel: Channel) -> Result<Client, Error> {
        let token = match self.token {
            Token::Given(token) => Some(token),
            Token::FromEnv => variable(TOKEN_VARIABLE),
            Token::Absent => None,
        };
        let authorization = token.as_deref().map(bearer).transpose()?;
        let connection = Connection::over(channel).with_authorization(authorization);
        let connection = self.layers.into_iter().fold(connection, |inner, layer| layer(inner));
        Ok(Client::over(connection).with_retry(self.retry))
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let uri = uri_of(&self.address, self.ca_file.is_some())?;
        let endpoint = Endpoint::from(uri)
            .user_agent(USER_AGENT)
            .map_err(|error| Error::of_setting(error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        if endpoint.uri().scheme_str() == Some("https") {
            self.with_tls(endpoint)
        } else {
            Ok(endpoint)
        }
    }

    #[cfg(feature = "tls")]
    fn with_tls(&self, endpoint: Endpoint) -> Result<Endpoint, Error> {
        use tonic::transport::{Certificate, ClientTlsConfig};

        let tls = match &self.ca_file {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(path) => {
                let unusable = |why: &str| Error::of_setting(format!("CA file {}: {why}", path.display()));
                let pem = std::fs::read(path).map_err(|error| unusable(&error.to_string()))?;
                // The TLS library takes a file without certificates for one that trusts nobody.
                if !pem
                    .windows(PEM_CERTIFICATE.len())
                    .any(|window| window == PEM_CERTIFICATE)
                {
                    return Err(unusable("there is no certificate in it; a PEM file is expected"));
                }
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
        };
        endpoint
            .tls_config(tls)
            .map_err(|error| Error::of_setting(format!("TLS cannot be set up: {}", crate::transport::chain_of(&error))))
    }

    #[cfg(not(feature = "tls"))]
    fn with_tls(&self, _endpoint: Endpoint) -> Result<Endpoint, Error> {
        Err(Error::of_setting(
            "this build of claude-runner-client has no TLS: turn its feature `tls` on",
        ))
    }
}

#[cfg(feature = "tls")]
const PEM_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Shows whether there is a token and never what it is.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = match self.token {
            Token::Given(_) => "given",
            Token::FromEnv => "from the environment",
            Token::Absent => "none",
        };
        f.debug_struct("ClientBuilder")
            .field("address", &self.address)
            .field("token", &format_args!("{token}"))
            .field("ca_file", &self.ca_file)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// Unset and empty are the same: both mean that nothing is configured.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn uri_of(address: &str, wants_tls: bool) -> Result<Uri, Error> {
    if address.contains('@') {
        // Whatever stands before it may be a secret, so the address is not repeated.
        return Err(Error::of_setting(
            "the address has an `@`: give the token by itself, not as part of the address",
        ));
    }
    let wrong = |why: &str| Error::of_setting(format!("address {address:?} {why}"));
    let url = match address.split_once("://") {
        Some(("http", _)) if wants_tls => return Err(wrong("is without TLS, but a CA file was given: use https://")),
        Some(("http" | "https", _)) => address.to_owned(),
        Some(_) => return Err(wrong("must begin with http:// or https://, or with neither")),
        None if wants_tls => format!("https://{address}"),
        None => format!("http://{address}"),
    };
    let malformed = || wrong("must be HOST:PORT, http://HOST:PORT or https://HOST:PORT");
    let uri: Uri = url.parse().map_err(|_| malformed())?;
    if uri.host().is_none_or(str::is_empty) || uri.path() != "/" || uri.query().is_some() {
        return Err(malformed());
    }
    if uri.port().is_some() || address.contains("://") {
        return Ok(uri);
    }
    format!("{}:{DEFAULT_PORT}", url.trim_end_matches('/'))
        .parse()
        .map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(address: &str, wants_tls: bool) -> String {
        uri_of(address, wants_tls).unwrap().to_string()
    }

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_url() {
        assert_eq!(url("127.0.0.1:41234", false), "http://127.0.0.1:41234/");
        assert_eq!(url("127.0.0.1:41234", true), "https://127.0.0.1:41234/");
        assert_eq!(url("[::1]:41234", false), "http://[::1]:41234/");
        assert_eq!(url("runner.example", false), "http://runner.example:7433/");
        assert_eq!(url("[::1]", true), "https://[::1]:7433/");
        assert_eq!(url("https://runner.example", false), "https://runner.example/");
        assert_eq!(url("http://runner.example:80/", false), "http://runner.example:80/");
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_with_what_to_write() {
        for address in [
            "",
            ":7433",
            "host:port",
            "http://",
            "http://host/path",
            "host?x=1",
            "two words",
        ] {
            let error = uri_of(address, false).unwrap_err();
            assert!(error.message().contains("HOST:PORT"), "{address:?}: {error}");
        }
        assert!(
            uri_of("unix:///socket", false)
                .unwrap_err()
                .message()
                .contains("http://")
        );
        assert!(
            uri_of("http://host:1", true)
                .unwrap_err()
                .message()
                .contains("https://")
        );
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_token() {
        let builder = Client::builder("127.0.0.1:1").token("s3cret");
        assert!(!format!("{builder:?}").contains("s3cret"));

        let error = bearer("s3cret\n").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        let error = uri_of("s3cret@host:1", false).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"));
        assert_eq!(format!("{:?}", bearer("s3cret").unwrap()), "Sensitive");
    }
}
