//! The body of `/runs/batch`, for servers without `/runs/multipart`.
//!
//! Rule: the same JSON as in the parts; the pieces are put back into the run's object.

use crate::run_parts::{Operation, RunParts};

/// `{"post":[..],"patch":[..]}`
pub(crate) fn body(runs: &[RunParts<'_>]) -> Vec<u8> {
    let mut body = String::from("{\"post\":[");
    list(&mut body, runs, Operation::Post);
    body.push_str("],\"patch\":[");
    list(&mut body, runs, Operation::Patch);
    body.push_str("]}");
    body.into_bytes()
}

fn list(body: &mut String, runs: &[RunParts<'_>], operation: Operation) {
    for (index, run) in runs.iter().filter(|run| run.operation == operation).enumerate() {
        if index > 0 {
            body.push(',');
        }
        // The object without its last brace; it always has an id, so that a comma is right.
        body.push_str(run.main.strip_suffix('}').unwrap_or(run.main));
        for (field, json) in run.fields() {
            body.push_str(",\"");
            body.push_str(field);
            body.push_str("\":");
            body.push_str(json);
        }
        body.push('}');
    }
}
