//! One connection to a server, as a service for generated clients: whatever carries the calls, and the token on top.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use tonic::body::Body;
use tower::util::{BoxCloneSyncService, ServiceExt};
use tower::{BoxError, Service};

/// The connection of a [`Client`](crate::Client), for generated clients of other services on the same server, such as
/// [`PoolServiceClient`](crate::v1::pool_service_client::PoolServiceClient) or that of the health service. Calls through
/// it carry the token; they are not retried.
#[derive(Clone)]
pub struct Connection {
    service: BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>,
    authorization: Option<HeaderValue>,
}

impl Connection {
    /// Over any service that carries gRPC calls.
    pub(crate) fn over<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_response(|response| response.map(Body::new))
            .map_err(Into::into);
        Self {
            service: BoxCloneSyncService::new(service),
            authorization: None,
        }
    }

    /// The same with this token in calls that do not bring an `authorization` of their own.
    pub(crate) fn with_authorization(self, authorization: Option<HeaderValue>) -> Self {
        Self { authorization, ..self }
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .entry(AUTHORIZATION)
                .or_insert_with(|| authorization.clone());
        }
        let begun = request.extensions().get::<AnswerBegun>().cloned();
        let response = self.service.call(request);
        Box::pin(async move {
            let response = response.await?;
            if let Some(begun) = begun {
                begun.note(response.headers());
            }
            Ok(response)
        })
    }
}

/// Whether the answer to a call has begun, which ends gRPC's licence to send the call again. As an extension of the request
/// it is told by the connection: a call for one message only fails, however far its answer had come.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerBegun(Arc<AtomicBool>);

impl AnswerBegun {
    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A status among the headers is all that there is: such a call was refused.
    fn note(&self, headers: &HeaderMap) {
        self.0.fetch_or(!headers.contains_key("grpc-status"), Ordering::Relaxed);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("has_token", &self.authorization.is_some())
            .finish_non_exhaustive()
    }
}
