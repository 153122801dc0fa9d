//! `/organizations/{organizationId}/audit-logs`

use std::io::Write as _;

use airlock_contract::{Time, operations::GetOrganizationAuditLogs, permissions::scope};
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::audit::{self, Entry, Position};
use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures_util::stream;
use serde_json::{Value, json};

use crate::{
    App,
    adaptor::{Call, Download, Handlers},
};

/// Records that are read at a time. Only so many are in memory.
const PAGE: u32 = 500;

impl Download<GetOrganizationAuditLogs> for Handlers {
    async fn download(call: &Call<'_, GetOrganizationAuditLogs>) -> Result<Response> {
        let start = call.query.start_date.unwrap_or(Time::from_micros(0));
        // What is written while the export runs is not in it, so that it ends.
        let end = call.query.end_date.map_or(call.now.plus_seconds(1), |end| end.min(call.now.plus_seconds(1)));
        let mut export = Export {
            app: call.app.clone(),
            granted: call.granted.clone(),
            position: Position::start(start),
            end,
            gzip: Some(GzEncoder::new(Vec::new(), Compression::fast())),
        };
        // The first page is read before the answer begins, so that a failure is a 5xx.
        let first = export.next().await?;
        let rest = stream::unfold(export, |mut export| async {
            let chunk = match export.next().await {
                Ok(chunk) => chunk.map(Ok),
                Err(cause) => {
                    tracing::warn!(%cause, "an export of the audit log broke off");
                    export.gzip = None;
                    Some(Err(std::io::Error::other("the export broke off")))
                }
            };
            chunk.map(|chunk| (chunk, export))
        });
        let chunks = futures_util::StreamExt::chain(stream::iter(first.map(Ok)), rest);
        let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CONTENT_ENCODING, "gzip")];
        Ok((headers, Body::from_stream(chunks)).into_response())
    }
}

/// An export on its way.
struct Export {
    app: App,
    granted: Granted<scope::Organization>,
    position: Position,
    end: Time,
    /// Absent when the end was written.
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Export {
    /// The next compressed bytes; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(gzip) = &mut self.gzip else { return Ok(None) };
        let db = self.app.store.read().await?;
        let entries = audit::page(&db, &self.granted, &self.position, self.end, PAGE).await?;
        let Some(last) = entries.last() else {
            let rest = self.gzip.take().map(GzEncoder::finish).transpose().map_err(Error::internal)?;
            return Ok(rest.map(Bytes::from));
        };
        self.position = Position::after(last);
        for entry in &entries {
            writeln!(gzip, "{}", line(entry)).map_err(Error::internal)?;
        }
        gzip.flush().map_err(Error::internal)?;
        Ok(Some(std::mem::take(gzip.get_mut()).into()))
    }
}

/// A record as the public audit log spells it, with what it does not have added.
fn line(entry: &Entry) -> Value {
    let mut line = json!({
        "id": entry.id,
        "timestamp": entry.at,
        "outcome": entry.outcome.as_str(),
        "organizationId": entry.organization,
        "subjectId": entry.subject_id,
        "subjectType": entry.subject_type,
        "subjectName": entry.subject_name,
        "operationId": entry.operation,
        "method": entry.method,
        "path": entry.path,
        "entityType": entry.entity_type,
        "entityId": entry.entity_id,
        "statusCode": entry.status,
        "requestBody": entry.request_body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok()),
        "reason": entry.reason,
        "occurrences": entry.occurrences,
        "sourceIp": entry.source_ip,
        "userAgent": entry.user_agent,
        "astroClient": entry.client,
        "astroClientVersion": entry.client_version,
        "requestId": entry.request_id,
    });
    if let Some(fields) = line.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    line
}
