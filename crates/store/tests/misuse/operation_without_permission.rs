//! An operation says which permission it needs.

use airlock_contract::{
    Access, Method, Operation, Tag,
    operation::{Also, Errors},
    path::Root,
    wire::{NoBody, NoOutput, NoQuery},
};

struct Open;

impl Operation for Open {
    const ID: &'static str = "Open";
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/open";
    const ACCESS: Access = Access::Read;
    const TAG: Tag = Tag::Organization;
    const STATUS: u16 = 204;
    const ALSO: Option<Also> = None;
    const EXTENSION: bool = false;
    const LOGS_BODY: bool = false;
    const ERRORS: Errors = Errors::Each;
    const DOC: &'static [&'static str] = &["Open."];
    type Path = Root;
    type Query = NoQuery;
    type Body = NoBody;
    type Output = NoOutput;
}

fn main() {}
