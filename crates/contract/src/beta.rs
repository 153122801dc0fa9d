//! Where v1beta1 differs from v1, for the Terraform provider, which still speaks v1beta1.
//!
//! Handlers know v1 only. Requests that come below a beta prefix are renamed to v1 before they
//! are read, and answers get the beta's names beside v1's own: all clients ignore names that they
//! do not know.

use serde_json::{Map, Value, json};

use crate::Tag;

/// A field that has another name in v1beta1.
struct Renamed {
    tag: Tag,
    v1: &'static str,
    beta: &'static str,
}

const RENAMED: &[Renamed] = &[
    Renamed { tag: Tag::ApiToken, v1: "scope", beta: "type" },
    Renamed { tag: Tag::AgentToken, v1: "scope", beta: "type" },
    Renamed { tag: Tag::Deployment, v1: "effectiveWorkloadIdentity", beta: "workloadIdentity" },
    Renamed { tag: Tag::Deployment, v1: "effectiveDRWorkloadIdentity", beta: "drWorkloadIdentity" },
];

/// Makes a v1 request of a beta request.
pub fn request(tag: Tag, body: &mut Value) {
    // A Deployment's identity has the beta's name in v1 requests too.
    if tag == Tag::Deployment {
        return;
    }
    let Some(body) = body.as_object_mut() else { return };
    for field in RENAMED.iter().filter(|field| field.tag == tag) {
        if let Some(value) = body.remove(field.beta) {
            body.entry(field.v1).or_insert(value);
        }
    }
}

/// What v1beta1 calls a field of a v1 request.
pub fn field(tag: Tag, v1: &str) -> &str {
    let renamed = RENAMED.iter().find(|field| field.tag == tag && tag != Tag::Deployment && field.v1 == v1);
    renamed.map_or(v1, |field| field.beta)
}

/// Adds the beta's names to a v1 answer: to the thing itself, or to each thing of a page.
pub fn answer(tag: Tag, body: &mut Value) {
    let Some(body) = body.as_object_mut() else { return };
    if body.contains_key("totalCount") {
        for things in body.values_mut().filter_map(Value::as_array_mut) {
            things.iter_mut().filter_map(Value::as_object_mut).for_each(|thing| add_names(tag, thing));
        }
    } else {
        add_names(tag, body);
    }
}

fn add_names(tag: Tag, thing: &mut Map<String, Value>) {
    for field in RENAMED.iter().filter(|field| field.tag == tag) {
        if let Some(value) = thing.get(field.v1).cloned() {
            thing.insert(field.beta.into(), value);
        }
    }
    // v1beta1 requires the support plan, which is gone from v1, and can do without the product plans:
    // a client that was made from its description (astro-platform-api) knows no such product as v1's.
    if tag == Tag::Organization && thing.remove("productPlans").is_some() {
        thing.insert("supportPlan".into(), json!("INTERNAL"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_both_names() {
        let mut page = json!({"tokens": [{"scope": "DEPLOYMENT"}], "totalCount": 1});
        answer(Tag::AgentToken, &mut page);
        assert_eq!(page["tokens"][0], json!({"scope": "DEPLOYMENT", "type": "DEPLOYMENT"}));
        let mut body = json!({"type": "WORKSPACE"});
        request(Tag::ApiToken, &mut body);
        assert_eq!(body, json!({"scope": "WORKSPACE"}));
    }
}
