//! The body of `/runs/multipart`.
//!
//! Rule: every part says its type and the exact length of its bytes, as they are before any compression; the server needs
//! both, although the standard has them only for files.

use crate::run_parts::RunParts;

/// Between the parts. It can be the same in every body: the parts hold JSON alone, in which no line begins with two
/// hyphens.
const BOUNDARY: &str = "charm-telemetry-3b1f6c0e94d24a7d8a52";

/// The `Content-Type` of such a body.
pub(crate) const CONTENT_TYPE: &str = "multipart/form-data; boundary=charm-telemetry-3b1f6c0e94d24a7d8a52";

/// What the head of a part needs, at most, without the run's id.
const HEAD_BYTES: usize = 176;

/// What the heads of a run's parts need, at most.
pub(crate) const RUN_OVERHEAD: usize = 6 * (HEAD_BYTES + 36);

const LENGTH_HEADER: &str = "Content-Length: ";

/// The runs, one after the other.
pub(crate) fn body(runs: &[RunParts<'_>]) -> Vec<u8> {
    let mut body = Vec::with_capacity(runs.iter().map(size).sum::<usize>() + BOUNDARY.len() + 6);
    for run in runs {
        let name = format!("{}.{}", run.operation.word(), run.id);
        part(&mut body, &name, "", run.main);
        for (field, json) in run.fields() {
            part(&mut body, &name, field, json);
        }
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// How many bytes the parts of a body hold, without their heads: what the server is told beside the compressed size.
pub(crate) fn data_bytes(body: &[u8]) -> usize {
    let mut sum = 0;
    let mut rest = body;
    while let Some(head) = memchr::memmem::find(rest, b"\r\n\r\n") {
        let Some(length) = length_of(&rest[..head]) else { break };
        sum += length;
        rest = rest.get(head + 4 + length..).unwrap_or_default();
    }
    sum
}

fn length_of(head: &[u8]) -> Option<usize> {
    let at = memchr::memmem::rfind(head, LENGTH_HEADER.as_bytes())?;
    std::str::from_utf8(&head[at + LENGTH_HEADER.len()..]).ok()?.parse().ok()
}

fn size(run: &RunParts<'_>) -> usize {
    RUN_OVERHEAD + run.main.len() + run.fields().map(|(_, json)| json.len()).sum::<usize>()
}

fn part(body: &mut Vec<u8>, run: &str, field: &str, json: &str) {
    let dot = if field.is_empty() { "" } else { "." };
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{run}{dot}{field}\"\r\nContent-Type: application/json\r\n{LENGTH_HEADER}{}\r\n\r\n",
        json.len()
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(json.as_bytes());
    body.extend_from_slice(b"\r\n");
}
