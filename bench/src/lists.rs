//! Pages of 100 out of long lists, in one Organization with thousands of records of each kind.

use std::{io::Write, time::Duration};

use crate::{
    http,
    load::{Load, Requests, measure, send_all},
    server::{First, Server},
    table::{count, write_header, write_row},
};

/// Clients that prepare, and clients that measure.
const CLIENTS: usize = 16;

/// What is listed: its name, where it is in the Organization, and the body of the one with a number.
struct Kind {
    name: &'static str,
    path: &'static str,
    /// Names the scope of the list, where it must have one.
    scope: fn(&First) -> String,
    body: fn(&First, usize) -> String,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "Deployments",
        path: "deployments",
        scope: |_| String::new(),
        body: |first, number| {
            let workspace = &first.workspace;
            format!(
                r#"{{"name":"deployment {number}","workspaceId":"{workspace}","remoteExecution":{{"enabled":true}},
                    "environmentVariables":[{{"key":"LEVEL","value":"{number}","isSecret":false}}]}}"#
            )
        },
    },
    Kind {
        name: "environment objects",
        path: "environment-objects",
        scope: |first| format!("&workspaceId={}", first.workspace),
        body: |first, number| {
            let workspace = &first.workspace;
            format!(
                r#"{{"objectKey":"connection_{number}","objectType":"CONNECTION","scope":"WORKSPACE",
                    "scopeEntityId":"{workspace}","autoLinkDeployments":true,
                    "connection":{{"type":"postgres","host":"db","login":"u","password":"p{number}"}}}}"#
            )
        },
    },
    Kind {
        name: "API tokens",
        path: "tokens",
        scope: |_| String::new(),
        body: |_, number| format!(r#"{{"name":"token {number}","scope":"ORGANIZATION","role":"ORGANIZATION_MEMBER"}}"#),
    },
];

/// Makes the records, and measures the first page of each list, one from its middle, and the first by name.
pub(crate) async fn run(out: &mut impl Write, server: &Server, records: usize, time: Duration) -> anyhow::Result<()> {
    let first = &server.first;
    for kind in &KINDS {
        send_all(first.address, CLIENTS, (0..records).map(|number| create(first, kind, number)).collect()).await?;
    }
    writeln!(out, "records    {} Deployments, environment objects and API tokens each", count(records))?;
    write_header(out, time)?;
    for kind in &KINDS {
        for (what, order) in [("first 100", String::new()), ("100 in the middle", format!("&offset={}", records / 2))] {
            for clients in [1, CLIENTS] {
                let name = format!("{}, {what}, {clients} client{}", kind.name, if clients == 1 { "" } else { "s" });
                let load = Load {
                    clients,
                    status: 200,
                    shows: r#""limit":100"#,
                    requests: Requests::cycle(vec![page(first, kind, &order)]),
                };
                write_row(out, &name, &measure(server.target(), load, time).await?)?;
            }
        }
    }
    Ok(writeln!(out)?)
}

fn create(first: &First, kind: &Kind, number: usize) -> Vec<u8> {
    let mut request = Vec::new();
    let path = format!("/v1/organizations/{}/{}", first.organization, kind.path);
    http::post(&mut request, &path, &first.token, &(kind.body)(first, number));
    request
}

fn page(first: &First, kind: &Kind, order: &str) -> Vec<u8> {
    let mut request = Vec::new();
    let (path, scope) = (kind.path, (kind.scope)(first));
    let path = format!("/v1/organizations/{}/{path}?limit=100{scope}{order}", first.organization);
    http::get(&mut request, &path, Some(&first.token));
    request
}
