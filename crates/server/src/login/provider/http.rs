//! Questions to the identity provider. Answers are small, and redirects are not followed.

use std::{sync::OnceLock, time::Duration};

use airlock_core::{Error, Result};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Made when it is first needed: it reads the machine's certificate authorities.
#[derive(Default)]
pub(super) struct Http(OnceLock<Client<HttpsConnector<HttpConnector>, Body>>);

impl Http {
    /// Gets JSON, with a bearer token if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when there is no answer that can be used.
    pub(super) async fn get(&self, url: &str, bearer: Option<&str>) -> Result<Value> {
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        match self.send(Method::GET, url, authorization, Body::empty()).await? {
            (status, Some(json)) if status.is_success() => Ok(json),
            (status, _) => {
                Err(Error::Busy(format!("the identity provider answered {url} with {status}, or without JSON")))
            }
        }
    }

    /// Posts a form: the status, and the JSON that was answered, if it was any.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when there is no answer.
    pub(super) async fn post(
        &self,
        url: &str,
        authorization: Option<String>,
        form: String,
    ) -> Result<(StatusCode, Option<Value>)> {
        self.send(Method::POST, url, authorization, Body::from(form)).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        authorization: Option<String>,
        body: Body,
    ) -> Result<(StatusCode, Option<Value>)> {
        let mut request = Request::builder().method(method.clone()).uri(url).header(header::ACCEPT, "application/json");
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::try_from(authorization).map_err(Error::internal)?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(body).map_err(|cause| Error::Busy(format!("{url} cannot be asked: {cause}")))?;
        let client = self.client()?;
        let asking = async {
            let answer = client.request(request).await;
            let answer = answer
                .map_err(|cause| Error::Busy(format!("the identity provider is not reached at {url}: {cause}")))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST).collect().await;
            let body = body.map_err(|cause| {
                Error::Busy(format!("the identity provider broke off its answer at {url}: {cause}"))
            })?;
            Ok((status, serde_json::from_slice(&body.to_bytes()).ok()))
        };
        let late =
            || Error::Busy(format!("the identity provider did not answer at {url} within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(late()))
    }

    fn client(&self) -> Result<&Client<HttpsConnector<HttpConnector>, Body>> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let builder = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider).map_err(|cause| {
            Error::Busy(format!("the machine's certificate authorities, which https needs, cannot be read: {cause}"))
        })?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(PATIENCE));
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        Ok(self.0.get_or_init(|| Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }
}
