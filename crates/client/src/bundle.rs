//! The code of a Deployment, as the gate serves it to agents.

use airlock_contract::DeploymentId;
use reqwest::{
    StatusCode,
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
};

use crate::{Answer, Client, Error, transport, unexpected};

/// What the gate says of a Deployment's current Dags.
#[derive(Debug)]
pub enum Bundle {
    /// They are the version that was known.
    Unchanged,
    /// There are none, in the server's words.
    None(String),
    /// They are these.
    New {
        /// The version's name, an entity tag.
        etag: String,
        /// The archive, a `.tar.gz`.
        archive: Answer,
    },
}

impl Client {
    /// Asks for the current Dags of a Deployment, unless they are the version that is known. The
    /// token may be an agent token of the Deployment, or an API token that may see its deploys.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`]; what the gate refuses is [`Error::Gate`].
    pub async fn dags(&self, deployment: &DeploymentId, known: Option<&str>) -> Result<Bundle, Error> {
        let mut request = self.http.get(format!("{}/d/{deployment}/bundles/dags", self.base));
        if let Some(tag) = known.and_then(|tag| HeaderValue::from_str(tag).ok()) {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let response = request.send().await.map_err(|cause| transport(&self.base, &cause))?;
        let status = response.status();
        let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let answer = Answer { response, base: self.base.clone() };
        match (status, etag) {
            (StatusCode::NOT_MODIFIED, _) => return Ok(Bundle::Unchanged),
            (StatusCode::OK, Some(etag)) => return Ok(Bundle::New { etag, archive: answer }),
            (StatusCode::OK, None) => return Err(unexpected(200, b"an archive without an ETag")),
            _ => {}
        }
        match answer.refusal_of_gate().await {
            Error::Gate { status: 404, detail } => Ok(Bundle::None(detail)),
            error => Err(error),
        }
    }
}
